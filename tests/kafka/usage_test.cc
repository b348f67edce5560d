#include <fmt/format.h>

#include <memory>
#include <random>
#include <span>

#include "cost/usage_store.h"
#include "ingest/kafka_snapshots.h"
#include "ingest/kafka_usage.h"
#include "tests/kafka/child_process.h"
#include "tests/kafka/kafka_fixture.h"

// Hourly usage over Kafka on a real broker: owners killed between produce and commit, disks lost,
// the aggregate topic pruned. Every cost.db must equal a fold of the log that nothing happened to.
namespace fleetmeter::ingest {
namespace {

constexpr std::int32_t kPartitions = 2;
constexpr std::uint32_t kHour = 494'000;  // 2026-05-10.

/// Log records of one environment over days of append time: repeated metric periods, late flows.
class Records {
 public:
  explicit Records(std::string environment, unsigned seed)
      : environment_(std::move(environment)), random_(seed) {}

  std::string next() {
    append_ms_ += static_cast<std::int64_t>(random_() % 2 * 3'600'000);
    proto::LogRecord record;
    record.set_append_time_ms(append_ms_);
    proto::AggregateBatch& batch = *record.mutable_batch();
    batch.set_environment(environment_);
    for (const char* text : {"", "eni-0a", "i-0a", "i-0b", "10.0.0.0/16"}) batch.add_strings(text);
    for (int i = 0; i < 5; ++i) flow(*batch.mutable_flows());
    series(batch, "AWS/NATGateway", "BytesInFromSource", "NatGatewayId", "nat-1");
    series(batch, "AWS/EC2", "CPUUtilization", "InstanceId", "i-0c");
    proto::Volume& volume = *batch.add_volumes();
    volume.set_hour(kHour + pick(3));
    volume.set_flow_log_bytes(1 + pick(1000));
    return record.SerializeAsString();
  }

 private:
  std::uint32_t pick(std::uint32_t n) { return static_cast<std::uint32_t>(random_() % n); }
  void flow(proto::FlowAggregates& flows) {
    flows.add_window_start_min(kHour * 60 + pick(180));
    flows.add_status(proto::FLOW_OK);
    flows.add_action(proto::ACTION_ACCEPT);
    flows.add_direction(proto::DIRECTION_EGRESS);
    flows.add_path_class(proto::PATH_CROSS_AZ);
    flows.add_nat_leg(proto::NAT_LEG_NONE);
    flows.add_role(proto::ROLE_INSTANCE);
    flows.add_peer_role(proto::ROLE_UNKNOWN);
    flows.add_interface(1);
    flows.add_owner(2 + pick(2));
    flows.add_peer_owner(4);
    for (auto* column : {flows.mutable_owner_az(), flows.mutable_peer_az(),
                         flows.mutable_peer_service(), flows.mutable_peer_region(),
                         flows.mutable_interface_az(), flows.mutable_peer_interface()})
      column->Add(0);
    flows.add_traffic_path(pick(3));
    flows.add_bytes(pick(1'000'000));
    flows.add_packets(1 + pick(100));
    flows.add_records(1);
    flows.add_long_records(0);
  }
  void series(proto::AggregateBatch& batch, const char* name_space, const char* metric,
              const char* dimension, const char* value) {
    proto::Series& made = *batch.add_series();
    made.set_namespace_(name_space);
    made.set_metric(metric);
    made.add_dimension_names(dimension);
    made.add_dimension_values(value);
    proto::Datapoints& points = *batch.mutable_datapoints();
    points.add_series(static_cast<std::uint32_t>(batch.series_size() - 1));
    points.add_start_s(std::int64_t{kHour} * 3600 + 60 * pick(40));
    points.add_period_s(60);
    points.add_sample_count(1 + pick(3));
    points.add_sum(pick(1000));
    points.add_minimum(0);
    points.add_maximum(0);
  }

  std::string environment_;
  std::mt19937 random_;
  std::int64_t append_ms_ = std::int64_t{kHour} * 3'600'000;
};

class KafkaUsage : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(test_brokers(), "") << "run under tests/kafka/broker.py";
    prefix = fresh_prefix("usage");
    cluster = std::make_unique<TestCluster>();
    ASSERT_TRUE(ensure_topics(cluster->producer(), log_topics(log_options())));
    auto opened = cost::UsageStore::open(folder.path() + "/direct.db");
    ASSERT_TRUE(opened);
    direct = *std::move(opened);
    std::ofstream(folder.path() + "/fleet.yaml") << fmt::format(
        "fleet: usage\n"
        "environments:\n"
        "  prod: {{ accounts: [\"111111111111\"], region: us-east-1 }}\n"
        "  dev: {{ accounts: [\"222222222222\"], region: us-east-1 }}\n"
        "sources:\n"
        "  - kafka: {{ brokers: \"{0}\", topics: {{ flow_logs: {1}-flows }}, group: {1} }}\n"
        "kafka_log: {{ brokers: \"{0}\", prefix: {1}, partitions: {2}, session_timeout: 2s, "
        "transaction_timeout: 4s, shards: {{ prod: 0, dev: 1 }} }}\n",
        test_brokers(), prefix, kPartitions);
  }
  void TearDown() override {
    if (!HasFailure()) return;
    for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
      if (!entry.is_directory()) continue;
      std::ifstream in(entry.path() / "log");
      std::ostringstream text;
      text << in.rdbuf();
      std::cerr << "==== " << entry.path().filename().string() << "\n" << text.str() << "\n";
    }
  }
  [[nodiscard]] KafkaLogOptions log_options() const {
    KafkaLogOptions options;
    options.connection = cluster->connection;
    options.prefix = prefix;
    options.partitions = kPartitions;
    return options;
  }
  std::unique_ptr<ChildProcess> evaluate(const std::string& name, const std::string& fault = {}) {
    std::map<std::string, std::string> environment;
    if (!fault.empty()) environment["FLEETMETER_TEST_FAULT"] = fault;
    return evaluate_in(name, name, environment);
  }
  std::unique_ptr<ChildProcess> evaluate_in(
      const std::string& directory, const std::string& instance,
      const std::map<std::string, std::string>& environment = {}) {
    return std::make_unique<ChildProcess>(
        folder.path() + "/" + directory,
        std::vector<std::string>{"evaluate", "-c", folder.path() + "/fleet.yaml", "--instance",
                                 instance, "--no-http"},
        environment);
  }
  static int count(const std::string& text, const std::string& what) {
    int found = 0;
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1))
      ++found;
    return found;
  }
  void send(int records) {
    for (int i = 0; i < records; ++i) {
      cluster->send(prefix + ".aggregates", 0, prod.next());
      cluster->send(prefix + ".aggregates", 1, dev.next());
    }
    cluster->flush();
  }
  /// Folds what the log holds, and was not folded yet, into a store of its own.
  void fold_directly() {
    for (std::int32_t partition = 0; partition < kPartitions; ++partition) {
      std::vector<aggregator::LogEntry> entries;
      for (const auto& message : cluster->read(prefix + ".aggregates", partition)) {
        aggregator::LogEntry& entry = entries.emplace_back();
        entry.partition = partition;
        entry.position = message.offset + 1;
        ASSERT_TRUE(entry.record.ParseFromString(message.value));
      }
      ASSERT_TRUE(direct->apply(partition, entries));
    }
  }
  static std::vector<std::string> rows_of(cost::UsageStore& store) {
    std::vector<std::string> rows;
    const auto flows = store.flows(0, UINT32_MAX - 1);
    const auto usage = store.usage(0, UINT32_MAX - 1);
    if (!flows || !usage) return rows;
    for (const cost::FlowUsage& flow : *flows) {
      rows.push_back(fmt::format("{} {} {} {} {}: {} {} {}", flow.environment, flow.hour,
                                 flow.interface, flow.owner, flow.traffic_path, flow.bytes,
                                 flow.packets, flow.records));
    }
    for (const cost::HourlyUsage& one : *usage) {
      rows.push_back(fmt::format("{} {} {} {}: {}", one.environment, one.hour, one.kind,
                                 one.resource, one.quantity));
    }
    return rows;
  }
  [[nodiscard]] std::string cost_db(const std::string& name) const {
    return folder.path() + "/" + name + "/fleetmeter-state/cost.db";
  }
  std::vector<std::string> rows_of(const std::string& name) {
    auto store = cost::UsageStore::open_read_only(cost_db(name));
    return store ? rows_of(**store) : std::vector<std::string>{};
  }
  static bool owns(const ChildProcess& evaluate, int partition) {
    const std::string log = evaluate.log();
    const std::string of = "ing log partition " + std::to_string(partition);
    const std::size_t taken = log.rfind("own" + of), released = log.rfind("releas" + of);
    return taken != std::string::npos && (released == std::string::npos || released < taken);
  }
  void expect_the_bill_of(const std::string& name) {
    std::vector<std::string> expected;
    (void)eventually(
        [&] {
          fold_directly();  // Again: an open transaction hides the log behind it for a while.
          expected = rows_of(*direct);
          return rows_of(name) == expected;
        },
        40);
    EXPECT_GE(expected.size(), 20U);
    EXPECT_EQ(rows_of(name), expected) << name;
  }
  /// Removes the log behind the newest snapshots, as far as pruning may ever go.
  void prune_log() {
    KafkaOffsets before;
    for (std::int32_t partition = 0; partition < kPartitions; ++partition) {
      const auto found = find_snapshot(cluster->connection, prefix, partition);
      ASSERT_TRUE(found);
      ASSERT_TRUE(found->has_value());
      ASSERT_GT((*found)->snapshot.position, 0);
      before[{prefix + ".aggregates", partition}] = (*found)->snapshot.position;
    }
    const PartitionList list(before);
    rd_kafka_DeleteRecords_t* request = rd_kafka_DeleteRecords_new(list.get());
    const KafkaQueue queue(rd_kafka_queue_new(cluster->producer()));
    rd_kafka_DeleteRecords(cluster->producer(), &request, 1, nullptr, queue.get());
    rd_kafka_DeleteRecords_destroy(request);
    const std::unique_ptr<rd_kafka_event_t, void (*)(rd_kafka_event_t*)> event(
        rd_kafka_queue_poll(queue.get(), 30'000), rd_kafka_event_destroy);
    ASSERT_TRUE(event);
    ASSERT_EQ(rd_kafka_event_error(event.get()), RD_KAFKA_RESP_ERR_NO_ERROR);
  }

  TestFolder folder;
  std::string prefix;
  std::unique_ptr<TestCluster> cluster;
  std::unique_ptr<cost::UsageStore> direct;
  Records prod{"prod", 1}, dev{"dev", 2};
};

TEST_F(KafkaUsage, OwnersDieDisksAreLostTheLogIsPrunedAndTheBillStaysThatOfTheLog) {
  // The first owner of both dies after it has produced and before it commits.
  auto a = evaluate("a", "transaction.before_commit:7");
  for (int turn = 0; turn < 300 && !a->ended(); ++turn) {
    send(2);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  ASSERT_TRUE(a->ended());
  EXPECT_EQ(a->end(SIGKILL), -SIGKILL) << a->log();
  EXPECT_NE(rows_of("a").size(), 0U) << "it had committed some";

  // Its disk comes back, besides a new process with an empty one: each owns one partition and
  // shows both.
  auto b = evaluate("b");
  a = evaluate("a");
  send(20);
  expect_the_bill_of("b");
  expect_the_bill_of("a");
  EXPECT_EQ(a->end(SIGTERM), 0) << a->log();
  // One that ends while its group still rebalances may write no snapshot: the next owner goes on from
  // the one before.
  ASSERT_TRUE(eventually([&] { return owns(*b, 0) && owns(*b, 1); })) << b->log();
  EXPECT_EQ(b->end(SIGTERM), 0) << b->log();

  // Behind the snapshots the log is gone: only the usage topic knows what was before.
  prune_log();
  send(20);
  auto c = evaluate("c");
  expect_the_bill_of("c");
  EXPECT_EQ(c->end(SIGTERM), 0) << c->log();
}

TEST_F(KafkaUsage, AUsageTopicThatLacksWhatIsEvaluatedIsFilledFromTheLog) {
  // As after the topic was lost: evaluated without any usage.
  {
    SystemClock clock;
    KafkaLogOptions options = log_options();
    options.instance = "early";
    options.state_dir = folder.path() + "/early";
    auto log = open_kafka_log(clock, options, {});
    ASSERT_TRUE(log) << log.error().message;
    send(10);
    ASSERT_TRUE(eventually([&] { return (*log)->owned_partitions().size() == 2; }));
    for (std::int32_t partition = 0; partition < kPartitions; ++partition) {
      aggregator::Outputs outputs;
      outputs.partition = partition;
      outputs.evaluated = *(*log)->last_position(partition);
      ASSERT_GT(outputs.evaluated, 0);
      ASSERT_TRUE((*log)->commit_outputs(std::move(outputs)));
    }
  }
  auto a = evaluate("a");
  send(5);
  expect_the_bill_of("a");
  EXPECT_EQ(a->end(SIGTERM), 0) << a->log();
}

TEST_F(KafkaUsage, ACostDbOfRunIsRefused) {
  std::filesystem::create_directories(folder.path() + "/a/fleetmeter-state");
  ASSERT_TRUE(cost::UsageStore::open(cost_db("a")));
  auto a = evaluate("a");
  ASSERT_TRUE(eventually([&] { return a->ended(); }));
  EXPECT_EQ(a->end(SIGTERM), 2);
  EXPECT_NE(a->log().find("is a view of a log.db"), std::string::npos) << a->log();
}

TEST_F(KafkaUsage, ACostDbThatIsNoneOfOursEndsEvaluateAsItEndsRun) {
  std::filesystem::create_directories(folder.path() + "/a/fleetmeter-state");
  std::ofstream(cost_db("a")) << "somebody's notes";
  auto a = evaluate("a");
  ASSERT_TRUE(eventually([&] { return a->ended(); }));
  EXPECT_EQ(a->end(SIGTERM), 2);
  EXPECT_NE(a->log().find("is no SQLite file"), std::string::npos) << a->log();
}

TEST_F(KafkaUsage, ACostDbAheadOfATopicThatWasMadeAnewEndsEvaluateAsItEndsRun) {
  std::filesystem::create_directories(folder.path() + "/a/fleetmeter-state");
  {
    auto ahead = cost::UsageStore::open(cost_db("a"), prefix + ".usage");
    ASSERT_TRUE(ahead) << ahead.error().message;
    ASSERT_TRUE((*ahead)->put(0, {}, 999));
  }
  auto a = evaluate("a");
  ASSERT_TRUE(eventually([&] { return a->ended(); }));
  EXPECT_EQ(a->end(SIGTERM), 2);
  EXPECT_NE(a->log().find("the topic was made anew"), std::string::npos) << a->log();
}

TEST_F(KafkaUsage, AViewThatCannotBeUsedEndsEvaluateOnceAndLeavesThePartitionToTheOthers) {
  auto healthy = evaluate("healthy");
  ASSERT_TRUE(eventually([&] { return count(healthy->log(), "owning log partition") == 2; }));
  const std::string state = folder.path() + "/a/fleetmeter-state/";
  std::filesystem::create_directories(state);
  for (const char* partition : {"0", "1"})
    std::ofstream(state + prefix + "-view-" + partition + ".db") << "somebody's notes";
  auto a = evaluate("a");
  ASSERT_TRUE(eventually([&] { return a->ended(); }));
  EXPECT_EQ(a->end(SIGTERM), 2) << a->log();
  EXPECT_EQ(count(a->log(), "is no SQLite file"), 1) << a->log();
  EXPECT_TRUE(eventually([&] { return count(healthy->log(), "owning log partition") == 3; }))
      << "it has lent one, once";
  EXPECT_EQ(healthy->end(SIGTERM), 0);
}

TEST_F(KafkaUsage, ASecondEvaluateOnOneStateDirectoryEnds) {
  auto first = evaluate("a");
  ASSERT_TRUE(eventually([&] { return count(first->log(), "owning log partition") == 2; }));
  auto second = evaluate_in("a", "second");
  ASSERT_TRUE(eventually([&] { return second->ended(); }, 20));
  EXPECT_EQ(second->end(SIGTERM), 2);
  EXPECT_EQ(count(second->log(), "in use by another process"), 2) << "that it waits, and the end";
  EXPECT_FALSE(first->ended());
  EXPECT_EQ(first->end(SIGTERM), 0);
}

TEST_F(KafkaUsage, ASuccessorWaitsForAPredecessorThatIsEnding) {
  std::filesystem::create_directories(folder.path() + "/a/fleetmeter-state");
  auto ending = cost::UsageStore::open(cost_db("a"), prefix + ".usage");
  ASSERT_TRUE(ending) << ending.error().message;
  auto a = evaluate("a");
  ASSERT_TRUE(eventually([&] { return count(a->log(), "in use by another process") > 0; }));
  ending->reset();
  EXPECT_TRUE(eventually([&] { return count(a->log(), "owning log partition") == 2; }));
  EXPECT_EQ(count(a->log(), "in use by another process"), 1);
  EXPECT_EQ(a->end(SIGTERM), 0);
}

}  // namespace
}  // namespace fleetmeter::ingest
