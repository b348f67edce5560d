#include "aggregator/flow_rows.h"
#include "aggregator/sqlite_log.h"
#include "ingest/kafka_source.h"
#include "tests/kafka/kafka_fixture.h"

// Kafka into a log of one process: its own positions say where to go on.
namespace fleetmeter::ingest {
namespace {

constexpr std::int32_t kInputs = 2;

class KafkaSourceTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(test_brokers(), "") << "run under tests/kafka/broker.py";
    prefix = fresh_prefix("source");
    cluster = std::make_unique<TestCluster>();
    cluster->create(prefix, kInputs);
    aggregator::SqliteLog::Options options;
    options.clock = &clock;
    auto opened = aggregator::SqliteLog::open(folder.path() + "/log.db", options);
    ASSERT_TRUE(opened) << opened.error().message;
    log = *std::move(opened);
  }
  std::unique_ptr<Source> start() { return start(cluster->connection, {prefix}); }
  std::unique_ptr<Source> start(const KafkaConnection& connection,
                                const std::vector<std::string>& topics) {
    SourceContext context{*log, clock, inventory, counters, claims, {}, {}, {}, {}};
    context.partition_of = [](std::string_view) { return aggregator::LogPartition{0}; };
    context.all_partitions = {0};
    KafkaSourceOptions options;
    options.connection = connection;
    options.topics = topics;
    options.group = prefix;
    options.settings.environment = "dev";
    options.settings.commit_interval_ms = 50;
    auto source = make_kafka_source(context, options);
    EXPECT_TRUE(source->start());
    return source;
  }
  void send(int messages) {
    const std::int64_t start_s = clock.wall().time_since_epoch().count() / 60'000 * 60 - 60;
    for (int i = 0; i < messages; ++i) {
      cluster->send(prefix, i % kInputs,
                    "2 123456789012 eni-0a1b2c3d4e5f60718 10.0.1.5 10.0.2.9 443 40000 6 1 100 " +
                        std::to_string(start_s) + " " + std::to_string(start_s + 30) +
                        " ACCEPT OK\n");
    }
    cluster->flush();
    sent += messages;
  }
  std::uint64_t records() {
    std::uint64_t sum = 0;
    aggregator::LogPosition position = 0;
    for (;;) {
      const auto entries = log->read(0, position, 1000);
      EXPECT_TRUE(entries);
      if (!entries || entries->empty()) return sum;
      position = entries->back().position;
      for (const aggregator::LogEntry& entry : *entries) {
        for (const std::uint64_t one :
             aggregator::FlowRows::of(entry.record.batch().flows()).records)
          sum += one;
      }
    }
  }
  /// What the group believes, while nobody is in it.
  void set_group_offsets(std::int64_t offset) {
    auto member = make_kafka_client(RD_KAFKA_CONSUMER, cluster->connection, {{"group.id", prefix}});
    ASSERT_TRUE(member);
    KafkaOffsets offsets;
    for (std::int32_t i = 0; i < kInputs; ++i) offsets[{prefix, i}] = offset;
    const PartitionList list(offsets);
    ASSERT_TRUE(eventually([&] {
      return rd_kafka_commit(member->get(), list.get(), 0) == RD_KAFKA_RESP_ERR_NO_ERROR;
    }));
    ASSERT_EQ(cluster->committed(prefix, prefix, kInputs), offset * kInputs);
  }

  std::string prefix;
  TestFolder folder;
  SystemClock clock;
  InventoryHolder inventory{aggregator::Inventory::empty({})};
  IngestCounters counters;
  OnceClaims claims;
  std::unique_ptr<TestCluster> cluster;
  std::unique_ptr<aggregator::SqliteLog> log;
  std::uint64_t sent = 0;
};

TEST_F(KafkaSourceTest, PositionsInTheLogWinOverTheOffsetsOfTheGroup) {
  send(40);
  auto source = start();
  ASSERT_TRUE(eventually([&] { return records() == sent; })) << source->blocked();
  source->stop();

  set_group_offsets(0);  // As after a crash between the log's commit and the group's.
  send(10);
  source = start();
  ASSERT_TRUE(eventually([&] { return records() >= sent; })) << source->blocked();
  source->stop();
  EXPECT_EQ(records(), sent) << "what the log holds is not read again";

  send(10);
  set_group_offsets(30);  // All that is there, by the group alone.
  source = start();
  ASSERT_TRUE(eventually([&] { return records() == sent; })) << source->blocked();
  source->stop();
}

TEST_F(KafkaSourceTest, ANewLogBeginsWhereTheGroupIs) {
  send(20);
  set_group_offsets(10);
  send(10);
  auto source = start();
  ASSERT_TRUE(eventually([&] { return records() >= 10; })) << source->blocked();
  source->stop();
  EXPECT_EQ(records(), 10U);
}

TEST_F(KafkaSourceTest, IsBlockedUntilTheGroupHasTakenItInAndSaysWhy) {
  const auto source = start({"127.0.0.1:1", {}}, {prefix});
  EXPECT_TRUE(eventually(
      [&] { return source->blocked().find("Connection refused") != std::string::npos; }, 10))
      << source->blocked();
}

TEST_F(KafkaSourceTest, IsBlockedWhileATopicIsMissing) {
  const std::string later = prefix + "-later";
  const auto source = start(cluster->connection, {prefix, later});
  EXPECT_TRUE(eventually([&] { return source->blocked().find(later) != std::string::npos; }, 20))
      << source->blocked();
  send(10);
  EXPECT_TRUE(eventually([&] { return records() == sent; })) << "the other one is read";
  EXPECT_NE(source->blocked(), "");
  cluster->create(later, 1);
  EXPECT_TRUE(eventually([&] { return source->blocked().empty(); }, 40)) << source->blocked();
}

TEST_F(KafkaSourceTest, AMemberWithoutAPartitionIsNotBlocked) {
  std::vector<std::unique_ptr<Source>> members;
  for (int i = 0; i <= kInputs; ++i) members.push_back(start());
  for (const auto& member : members)
    EXPECT_TRUE(eventually([&] { return member->blocked().empty(); })) << member->blocked();
}

}  // namespace
}  // namespace fleetmeter::ingest
