#include <fstream>
#include <mutex>

#include "aggregator/sqlite_log.h"
#include "ingest/kafka_snapshots.h"
#include "proto/kafka.pb.h"
#include "tests/aggregator/log_contract.h"
#include "tests/kafka/kafka_fixture.h"

// The aggregate log's contract on the Kafka store, on a real broker, and what only this store has.
namespace fleetmeter::aggregator {
namespace {

using ingest::eventually;
using ingest::fresh_prefix;

constexpr std::int64_t kStart = 1'700'000'000'000;

ingest::KafkaLogOptions options_for(const std::string& prefix, const std::string& instance,
                                    const std::string& state_dir) {
  ingest::KafkaLogOptions options;
  options.connection.brokers = ingest::test_brokers();
  options.prefix = prefix;
  options.partitions = 1;
  options.instance = instance;
  options.state_dir = state_dir;
  options.session_timeout_ms = 2000;
  options.transaction_timeout_ms = 5000;
  return options;
}

class KafkaHarness final : public LogHarness {
 public:
  std::unique_ptr<AggregateLog> open() override {
    auto log =
        ingest::open_kafka_log(clock_, options_for(prefix_, "contract", folder_->path()), {});
    EXPECT_TRUE(log) << log.error().message;
    if (!log) return nullptr;
    EXPECT_TRUE(eventually([&] { return !(*log)->owned_partitions().empty(); }));
    return *std::move(log);
  }
  ManualClock& clock() override { return clock_; }
  bool prunes_at_once() override { return false; }
  bool damage_newest_snapshot() override {
    const auto found = ingest::find_snapshot(cluster_.connection, prefix_, 0);
    if (!found || !*found) return false;
    cluster_.send(prefix_ + ".snapshots", 0, "damaged", std::to_string((*found)->slot) + "/0");
    cluster_.flush();
    return true;
  }

 private:
  std::string prefix_ = fresh_prefix("contract");
  std::unique_ptr<ingest::TestFolder> folder_ = std::make_unique<ingest::TestFolder>();
  ManualClock clock_{WallTime(Milliseconds(kStart))};
  ingest::TestCluster cluster_;
};

INSTANTIATE_TEST_SUITE_P(Kafka, LogContract,
                         testing::Values(LogHarnessFactory{
                             "kafka", [] { return std::make_unique<KafkaHarness>(); }}));

class KafkaLogTest : public testing::Test {
 protected:
  std::unique_ptr<AggregateLog> open(const std::string& instance, const std::string& folder) {
    auto log = ingest::open_kafka_log(clock, options_for(prefix, instance, folder), {});
    EXPECT_TRUE(log) << log.error().message;
    return log ? *std::move(log) : nullptr;
  }
  static proto::Event event(const std::string& id) {
    proto::Event made;
    made.set_id(id);
    made.set_time_s(60);
    made.set_type("alarm.state_changed");
    return made;
  }
  static OutboxEntry entry(const std::string& id) {
    OutboxEntry made;
    made.event_id = id;
    made.receiver = "ops";
    made.body = "body of " + id;
    made.event_time_s = 60;
    return made;
  }
  static Commit one_tick() {
    Commit commit;
    proto::LogRecord record;
    record.mutable_tick()->set_time_s(10);
    commit.records.push_back({0, std::move(record)});
    return commit;
  }
  std::string prefix = fresh_prefix("log");
  ingest::TestFolder first_disk, second_disk;
  ManualClock clock{WallTime(Milliseconds(kStart))};
};

TEST_F(KafkaLogTest, AnotherOwnerRebuildsTheViewFromTheTopicsOnAnEmptyDisk) {
  auto first = open("a", first_disk.path());
  ASSERT_TRUE(eventually([&] { return first->owned_partitions().size() == 1; }));
  const auto written = first->append(one_tick());
  ASSERT_TRUE(written) << written.error().message;
  Outputs outputs;
  outputs.evaluated = written->at(0);
  outputs.events = {event("a"), event("b")};
  outputs.outbox = {entry("a"), entry("b")};
  ASSERT_TRUE(first->commit_outputs(outputs));
  outputs.outbox[0].state = DeliveryState::kDelivered;
  outputs.outbox[0].attempts = 2;
  ASSERT_TRUE(first->record_delivery(outputs.outbox[0]));
  first.reset();

  auto second = open("b", second_disk.path());
  ASSERT_TRUE(eventually([&] { return second->owned_partitions().size() == 1; }));
  EXPECT_EQ(second->events({})->size(), 2U);
  const auto due = second->due_outbox(clock.wall().time_since_epoch().count(), 10);
  ASSERT_TRUE(due);
  ASSERT_EQ(due->size(), 1U);
  EXPECT_EQ(due->front().event_id, "b");
  EXPECT_EQ(due->front().body, "body of b");
  EXPECT_EQ(*second->evaluated_position(0), outputs.evaluated);
  EXPECT_EQ((*second->outbox_counts())[DeliveryState::kDelivered], 1U);
}

TEST_F(KafkaLogTest, AnOwnerWhosePartitionMovedCanWriteNothing) {
  std::atomic<int> revoked = 0;
  ingest::KafkaLogCallbacks callbacks;
  callbacks.on_revoked = [&](LogPartition) { ++revoked; };
  auto opened = ingest::open_kafka_log(clock, options_for(prefix, "same", first_disk.path()),
                                       std::move(callbacks));
  ASSERT_TRUE(opened);
  auto first = *std::move(opened);
  ASSERT_TRUE(eventually([&] { return first->owned_partitions().size() == 1; }));
  const auto written = first->append(one_tick());
  ASSERT_TRUE(written);
  // A new process of the same name fences the old one's producer, as after a pause of the old one.
  auto second = open("same", second_disk.path());
  Outputs outputs;
  outputs.evaluated = written->at(0);
  outputs.events = {event("zombie")};
  proto::LogRecord tick;
  tick.mutable_tick()->set_time_s(20);
  outputs.append = {tick};
  const auto refused = first->commit_outputs(outputs);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kFenced) << refused.error().message;
  EXPECT_TRUE(eventually([&] { return revoked > 0; }));
  first.reset();
  ASSERT_TRUE(eventually([&] { return second->owned_partitions().size() == 1; }));
  EXPECT_EQ(second->events({})->size(), 0U);
  EXPECT_EQ(second->read(0, 0, 10)->size(), 1U);
  EXPECT_EQ(*second->evaluated_position(0), 0);
}

TEST_F(KafkaLogTest, APartitionThatCannotBeTakenOverSaysWhyUntilItIs) {
  const std::string view = first_disk.path() + "/" + prefix + "-view-0.db";
  std::filesystem::create_directories(view + "/in the way");
  std::mutex mutex;
  std::string trouble;
  std::vector<std::chrono::steady_clock::time_point> attempts;
  ingest::KafkaLogCallbacks callbacks;
  callbacks.on_trouble = [&](const std::string& why) {
    const std::lock_guard lock(mutex);
    trouble = why;
    if (!why.empty()) attempts.push_back(std::chrono::steady_clock::now());
  };
  const auto told = [&] {
    const std::lock_guard lock(mutex);
    return trouble;
  };
  const auto log = ingest::open_kafka_log(clock, options_for(prefix, "a", first_disk.path()),
                                          std::move(callbacks));
  ASSERT_TRUE(log) << log.error().message;
  EXPECT_TRUE(eventually([&] {
    return told().find("log partition 0 cannot be taken over") != std::string::npos;
  })) << told();
  EXPECT_TRUE(eventually([&] {
    const std::lock_guard lock(mutex);
    return attempts.size() >= 3;
  }));
  std::filesystem::remove_all(view);
  EXPECT_TRUE(eventually([&] { return (*log)->owned_partitions().size() == 1; }));
  EXPECT_TRUE(eventually([&] { return told().empty(); })) << told();
  const std::lock_guard lock(mutex);
  for (std::size_t i = 1; i < attempts.size(); ++i)
    EXPECT_GE(attempts[i] - attempts[i - 1], std::chrono::milliseconds(500))
        << "others have a turn";
}

TEST_F(KafkaLogTest, AViewThatCannotBeUsedEndsTheMembershipForGoodAndOthersOwnThePartition) {
  const std::string view = "/" + prefix + "-view-0.db";
  std::ofstream(first_disk.path() + view) << "somebody's notes";
  {
    SqliteLog::Options tables;
    tables.clock = &clock;
    const auto ahead = SqliteLog::open(second_disk.path() + view, std::move(tables));
    ASSERT_TRUE(ahead) << ahead.error().message;
    Commit commit;
    commit.positions["events"] = "99";
    ASSERT_TRUE((*ahead)->append(std::move(commit)));
  }
  for (const auto& [folder, why] : {std::pair(first_disk.path(), "is no SQLite file"),
                                    std::pair(second_disk.path(), "holds more than the topic")}) {
    std::mutex mutex;
    std::vector<Error> failures;
    ingest::KafkaLogCallbacks callbacks;
    callbacks.on_failed = [&](const Error& failed) {
      const std::lock_guard lock(mutex);
      failures.push_back(failed);
    };
    const auto count = [&] {
      const std::lock_guard lock(mutex);
      return failures.size();
    };
    auto log = ingest::open_kafka_log(clock, options_for(prefix, "unusable", folder),
                                      std::move(callbacks));
    ASSERT_TRUE(log) << log.error().message;
    ASSERT_TRUE(eventually([&] { return count() > 0; }));
    ingest::TestFolder healthy_disk;
    const auto healthy = open("healthy", healthy_disk.path());
    EXPECT_TRUE(eventually([&] { return healthy->owned_partitions().size() == 1; }));
    EXPECT_EQ(count(), 1U);
    EXPECT_EQ(failures[0].code, ErrorCode::kDataLoss);
    EXPECT_NE(failures[0].message.find("log partition 0 cannot be taken over: " + folder + view),
              std::string::npos)
        << failures[0].message;
    EXPECT_NE(failures[0].message.find(why), std::string::npos) << failures[0].message;
    log->reset();
  }
}

TEST_F(KafkaLogTest, ATopicWithTooFewPartitionsIsRefusedByName) {
  ingest::TestCluster cluster;
  cluster.create(prefix + ".events", 1);
  ingest::KafkaLogOptions options = options_for(prefix, "a", first_disk.path());
  options.partitions = 2;
  const auto log = ingest::open_kafka_log(clock, options, {});
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, ErrorCode::kInvalidArgument) << "trying again does not mend it";
  EXPECT_EQ(log.error().message,
            "topic " + prefix + ".events has 1 of the 2 partitions that the log needs");
}

}  // namespace
}  // namespace fleetmeter::aggregator
