#include <sys/wait.h>

#include <csignal>
#include <set>

#include "aggregator/flow_rows.h"
#include "ingest/kafka_source.h"
#include "ingest/kafka_transaction.h"
#include "tests/kafka/kafka_fixture.h"

// Kafka in, the aggregate topic out, on a real broker (tests/kafka/broker.py).
namespace fleetmeter::ingest {
namespace {

constexpr std::int32_t kInputs = 4;
constexpr std::int32_t kLogPartitions = 2;

std::string flow_line(std::int64_t start_s, int bytes) {
  return "2 123456789012 eni-0a1b2c3d4e5f60718 10.0.1.5 10.0.2.9 443 40000 6 1 " +
         std::to_string(bytes) + " " + std::to_string(start_s) + " " +
         std::to_string(start_s + 30) + " ACCEPT OK";
}

class KafkaIngestTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(test_brokers(), "") << "run under tests/kafka/broker.py";
    prefix = fresh_prefix("ingest");
    cluster = std::make_unique<TestCluster>();
    cluster->create(topic(), kInputs);
  }
  [[nodiscard]] std::string topic() const { return prefix + "-flows"; }

  struct Worker {
    SystemClock clock;
    std::unique_ptr<InventoryHolder> inventory;
    IngestCounters counters;
    std::unique_ptr<KafkaIngest> ingest;
  };
  std::unique_ptr<Worker> start(const std::string& name) {
    auto worker = std::make_unique<Worker>();
    aggregator::EnvironmentMatch prod, dev;
    prod.name = "prod";
    dev.name = "dev";
    worker->inventory =
        std::make_unique<InventoryHolder>(aggregator::Inventory::empty({prod, dev}));
    KafkaSourceOptions input;
    input.connection = cluster->connection;
    input.topics = {topic()};
    input.group = prefix;
    input.settings.environment = "dev";
    input.settings.commit_interval_ms = 50;
    KafkaLogOptions log;
    log.connection = cluster->connection;
    log.prefix = prefix;
    log.partitions = kLogPartitions;
    log.instance = name;
    log.session_timeout_ms = 2000;
    log.transaction_timeout_ms = 4000;
    worker->ingest = make_kafka_ingest(worker->clock, *worker->inventory, worker->counters,
                                       std::move(input), std::move(log), {{"prod", 0}, {"dev", 1}});
    EXPECT_TRUE(worker->ingest->start());
    return worker;
  }
  void send(int messages) {
    const std::int64_t now_s = SystemClock().wall().time_since_epoch().count() / 1000 / 60 * 60;
    for (int i = 0; i < messages; ++i) {
      cluster->send(topic(), i % kInputs, flow_line(now_s - 60, 1 << (sent % 20)) + "\n");
      bytes += std::uint64_t{1} << (sent++ % 20);
    }
    cluster->flush();
  }
  std::int64_t committed() { return cluster->committed(prefix, topic(), kInputs); }

  struct Totals {
    std::uint64_t bytes = 0, records = 0;
    std::set<std::string> sources;
    std::map<std::string, bool> caught_up;
  };
  Totals totals(std::int32_t partition) {
    Totals sum;
    for (const proto::LogRecord& record : cluster->records(prefix + ".aggregates", partition)) {
      EXPECT_GT(record.append_time_ms(), 0);
      for (const std::uint64_t one : aggregator::FlowRows::of(record.batch().flows()).bytes)
        sum.bytes += one;
      for (const std::uint64_t one : aggregator::FlowRows::of(record.batch().flows()).records)
        sum.records += one;
      for (const auto& source : record.progress().sources()) {
        sum.sources.insert(source.source());
        sum.caught_up[source.source()] = source.caught_up();
      }
    }
    return sum;
  }

  std::string prefix;
  std::unique_ptr<TestCluster> cluster;
  int sent = 0;
  std::uint64_t bytes = 0;
};

TEST_F(KafkaIngestTest, BatchesGoToTheirEnvironmentsPartitionAndProgressToAll) {
  const auto worker = start("a");
  send(400);
  ASSERT_TRUE(eventually([&] { return committed() == sent; })) << worker->ingest->blocked();
  ASSERT_TRUE(eventually([&] {
    const Totals now = totals(0);
    return now.caught_up.size() == kInputs &&
           std::all_of(now.caught_up.begin(), now.caught_up.end(),
                       [](const auto& source) { return source.second; });
  }));
  const Totals prod = totals(0), dev = totals(1);
  EXPECT_EQ(dev.bytes, bytes);
  EXPECT_EQ(dev.records, static_cast<std::uint64_t>(sent));
  EXPECT_EQ(prod.records, 0U);
  EXPECT_EQ(prod.sources, dev.sources);
  EXPECT_TRUE(dev.sources.contains("kafka:" + topic() + "/3"));
  EXPECT_EQ(worker->ingest->failure(), std::nullopt);
}

TEST_F(KafkaIngestTest, MembersThatJoinAndLeaveCountEveryRecordOnce) {
  auto first = start("a");
  send(400);
  ASSERT_TRUE(eventually([&] { return committed() > 0; }));
  auto second = start("b");
  for (int turn = 0; turn < 20; ++turn) {
    send(100);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  first->ingest->stop();
  send(400);
  ASSERT_TRUE(eventually([&] { return committed() == sent; }));
  EXPECT_EQ(totals(1).bytes, bytes);
  EXPECT_EQ(totals(1).records, static_cast<std::uint64_t>(sent));
}

TEST_F(KafkaIngestTest, WhatAFencedProducerWroteIsNeverSeenAndItSaysSo) {
  send(1);
  auto first = KafkaTransactions::open(cluster->connection, prefix + ".x", 4000);
  ASSERT_TRUE(first) << first.error().message;
  auto second = KafkaTransactions::open(cluster->connection, prefix + ".x", 4000);
  ASSERT_TRUE(second) << second.error().message;
  const auto fenced = (*first)->commit({{{topic(), 0}, "", "zombie"}}, {}, nullptr);
  ASSERT_FALSE(fenced);
  EXPECT_EQ(fenced.error().code, ErrorCode::kFenced) << fenced.error().message;
  EXPECT_TRUE((*first)->broken());
  const auto written = (*second)->commit({{{topic(), 0}, "", "owner"}}, {}, nullptr);
  ASSERT_TRUE(written) << written.error().message;
  const auto all = cluster->read(topic(), 0);
  ASSERT_FALSE(all.empty());
  EXPECT_EQ(all.back().value, "owner");
  EXPECT_EQ(all.back().offset, written->at({topic(), 0}));
  for (const auto& message : all) EXPECT_NE(message.value, "zombie");
}

/// The broker takes offsets without a member as those of a client without a group: unchecked.
TEST_F(KafkaIngestTest, OffsetsOfAConsumerThatIsNoMemberAreNotCommitted) {
  auto transactions = KafkaTransactions::open(cluster->connection, prefix + ".x", 4000);
  ASSERT_TRUE(transactions) << transactions.error().message;
  auto lost = make_kafka_client(RD_KAFKA_CONSUMER, cluster->connection, {{"group.id", prefix}});
  ASSERT_TRUE(lost);
  KafkaOffsets offsets;
  offsets[{topic(), 0}] = 5;
  const auto committed =
      (*transactions)->commit({{{topic(), 0}, "", "zombie"}}, offsets, lost->get());
  ASSERT_FALSE(committed);
  EXPECT_EQ(committed.error().code, ErrorCode::kFenced) << committed.error().message;
  EXPECT_FALSE((*transactions)->broken());
  EXPECT_EQ(cluster->read(topic(), 0).size(), 0U);
  EXPECT_EQ(cluster->committed(prefix, topic(), kInputs), 0);
}

TEST_F(KafkaIngestTest, AnEnvironmentBeyondTheTopicsPartitionsIsAConfigurationError) {
  SystemClock clock;
  InventoryHolder inventory{aggregator::Inventory::empty({})};
  IngestCounters counters;
  KafkaLogOptions log;
  log.connection = cluster->connection;
  log.prefix = prefix;
  log.partitions = 1;
  log.instance = "a";
  KafkaSourceOptions input;
  input.connection = cluster->connection;
  input.topics = {topic()};
  input.group = prefix;
  const auto ingest = make_kafka_ingest(clock, inventory, counters, std::move(input),
                                        std::move(log), {{"prod", 1}});
  ASSERT_TRUE(ingest->start());
  ASSERT_TRUE(eventually([&] { return ingest->failure().has_value(); }));
  EXPECT_EQ(ingest->failure()->code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace fleetmeter::ingest
