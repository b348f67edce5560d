#include "cost/usage_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <tuple>

#include "cost/month_usage.h"

namespace fleetmeter::cost {
namespace {

using aggregator::LogEntry;
using ::testing::HasSubstr;

constexpr std::uint32_t kHour = 500'000;  // 2027-01-15.
constexpr std::uint32_t kMinute = kHour * 60;
constexpr std::int64_t kSecond = std::int64_t{kHour} * 3600;

class Path {
 public:
  Path()
      : path_(testing::TempDir() + "/cost_" + std::to_string(getpid()) + "_" +
              std::to_string(++count_) + ".db") {
    remove();
  }
  ~Path() { remove(); }
  operator const std::string&() const { return path_; }  // NOLINT(google-explicit-constructor)
  void remove() const {
    for (const char* suffix : {"", "-wal", "-shm", ".lock"})
      std::filesystem::remove(path_ + suffix);
  }

 private:
  inline static int count_ = 0;
  std::string path_;
};

struct Batch {
  proto::AggregateBatch proto;
  explicit Batch(const std::string& environment = "prod") {
    proto.set_environment(environment);
    proto.add_strings("");
  }
  std::uint32_t text(const std::string& value) {
    if (value.empty()) return 0;
    proto.add_strings(value);
    return static_cast<std::uint32_t>(proto.strings_size() - 1);
  }
  Batch& flow(std::uint32_t minute, const std::string& interface, const std::string& owner,
              std::uint64_t bytes, bool long_records = false) {
    proto::FlowAggregates& f = *proto.mutable_flows();
    f.add_window_start_min(minute);
    f.add_status(proto::FLOW_OK);
    f.add_action(proto::ACTION_ACCEPT);
    f.add_direction(proto::DIRECTION_EGRESS);
    f.add_path_class(proto::PATH_CROSS_AZ);
    f.add_nat_leg(proto::NAT_LEG_NONE);
    f.add_role(proto::ROLE_INSTANCE);
    f.add_peer_role(proto::ROLE_UNKNOWN);
    f.add_interface(text(interface));
    f.add_owner(text(owner));
    f.add_owner_az(text("use1-az1"));
    f.add_peer_owner(text("10.0.0.0/16"));
    f.add_peer_az(0);
    f.add_peer_service(0);
    f.add_peer_region(0);
    f.add_interface_az(text("use1-az1"));
    f.add_traffic_path(1);
    f.add_peer_interface(0);
    f.add_bytes(bytes);
    f.add_packets(bytes / 100);
    f.add_records(1);
    f.add_long_records(long_records ? 1 : 0);
    return *this;
  }
  Batch& metric(const std::string& name_space, const std::string& name,
                const std::string& dimension, const std::string& value, std::int64_t start_s,
                double count, double sum, std::uint32_t period_s = 60) {
    proto::Series& series = *proto.add_series();
    series.set_namespace_(name_space);
    series.set_metric(name);
    series.add_dimension_names(dimension);
    series.add_dimension_values(value);
    proto::Datapoints& d = *proto.mutable_datapoints();
    d.add_series(static_cast<std::uint32_t>(proto.series_size() - 1));
    d.add_start_s(start_s);
    d.add_period_s(period_s);
    d.add_sample_count(count);
    d.add_sum(sum);
    d.add_minimum(0);
    d.add_maximum(0);
    return *this;
  }
  Batch& volume(std::uint32_t hour, std::uint64_t bytes, std::uint64_t updates) {
    proto::Volume& volume = *proto.add_volumes();
    volume.set_hour(hour);
    volume.set_flow_log_bytes(bytes);
    volume.set_flow_log_records(bytes / 100);
    volume.set_metric_updates(updates);
    return *this;
  }
};

std::vector<LogEntry> log_of(const std::vector<Batch>& batches,
                             std::int64_t append_ms = kSecond * 1000) {
  std::vector<LogEntry> entries;
  for (const Batch& batch : batches) {
    LogEntry& entry = entries.emplace_back();
    entry.position = static_cast<aggregator::LogPosition>(entries.size());
    entry.record.set_append_time_ms(append_ms);
    *entry.record.mutable_batch() = batch.proto;
  }
  return entries;
}

std::unique_ptr<UsageStore> open(const std::string& path) {
  Result<std::unique_ptr<UsageStore>> store = UsageStore::open(path);
  EXPECT_TRUE(store) << (store ? "" : store.error().message);
  return store ? *std::move(store) : nullptr;
}

void feed(UsageStore& store, const std::vector<LogEntry>& entries) {
  Result<void> applied = store.apply(0, entries);
  ASSERT_TRUE(applied) << applied.error().message;
}

using Row = std::tuple<std::uint32_t, std::string, std::string, std::string, std::uint64_t>;

std::vector<Row> usage_of(UsageStore& store) {
  std::vector<Row> rows;
  Result<std::vector<HourlyUsage>> usage = store.usage(0, UINT32_MAX - 1);
  EXPECT_TRUE(usage);
  for (const HourlyUsage& u : *usage)
    rows.emplace_back(u.hour, u.environment, u.kind, u.resource, u.quantity);
  return rows;
}

std::vector<Row> flows_of(UsageStore& store) {
  std::vector<Row> rows;
  Result<std::vector<FlowUsage>> flows = store.flows(0, UINT32_MAX - 1);
  EXPECT_TRUE(flows);
  for (const FlowUsage& f : *flows) {
    rows.emplace_back(f.hour, f.environment,
                      f.interface + "|" + f.interface_az + "|" + f.peer_owner, f.owner, f.bytes);
  }
  return rows;
}

std::uint64_t quantity(UsageStore& store, const std::string& kind, const std::string& resource,
                       std::uint32_t hour = kHour) {
  for (const Row& row : usage_of(store)) {
    if (std::get<0>(row) == hour && std::get<2>(row) == kind && std::get<3>(row) == resource)
      return std::get<4>(row);
  }
  return 0;
}

TEST(UsageStore, SumsFlowsPerHourAndKeepsTheirFacts) {
  Path path;
  auto store = open(path);
  feed(*store, log_of({Batch()
                           .flow(kMinute, "eni-1", "i-1", 100)
                           .flow(kMinute + 59, "eni-1", "i-1", 50)
                           .flow(kMinute + 60, "eni-1", "i-1", 7)}));
  Result<std::vector<FlowUsage>> flows = store->flows(kHour, kHour + 1);
  ASSERT_TRUE(flows);
  ASSERT_EQ(flows->size(), 1u);
  EXPECT_EQ((*flows)[0].bytes, 150u);
  EXPECT_EQ((*flows)[0].records, 2u);
  EXPECT_EQ((*flows)[0].path_class, proto::PATH_CROSS_AZ);
  EXPECT_EQ((*flows)[0].peer_owner, "10.0.0.0/16");
  EXPECT_EQ((*flows)[0].owner_az, "use1-az1");
  EXPECT_EQ((*flows)[0].traffic_path, 1u);
  EXPECT_EQ(store->flows(kHour, kHour + 2)->size(), 2u);
  EXPECT_TRUE(store->flows(kHour, kHour + 2, "staging")->empty());
}

TEST(UsageStore, ASumThatHasNoRoomStopsInsteadOfWrapping) {
  constexpr std::uint64_t kMost = 0x7fffffffffffffff;
  Path path;
  auto store = open(path);
  const auto flow = [](std::uint64_t bytes) {
    return Batch().flow(kMinute, "eni-1", "i-1", bytes);
  };
  feed(*store,
       log_of({flow(kMost).flow(kMinute + 1, "eni-1", "i-1", kMost), flow(kMost), flow(7)}));
  const Result<std::vector<FlowUsage>> flows = store->flows(kHour, kHour + 1);
  ASSERT_TRUE(flows);
  ASSERT_EQ(flows->size(), 1u);
  EXPECT_EQ((*flows)[0].bytes, kMost);
  EXPECT_EQ((*flows)[0].records, 4u);
}

TEST(UsageStore, OfTwoValuesOfOnePeriodTheLargerSampleCountWins) {
  Path path;
  auto store = open(path);
  const auto nat = [](double count, double sum) {
    return Batch().metric("AWS/NATGateway", "BytesInFromSource", "NatGatewayId", "nat-1", kSecond,
                          count, sum);
  };
  feed(*store, log_of({nat(3, 300), nat(1, 900), nat(3, 301)}));
  EXPECT_EQ(quantity(*store, "nat_bytes", "nat-1"), 301u);
}

TEST(UsageStore, NatBytesAreThoseComingInFromBothSides) {
  Path path;
  auto store = open(path);
  Batch batch;
  for (const char* metric : {"BytesInFromSource", "BytesInFromDestination", "BytesOutToSource",
                             "BytesOutToDestination"}) {
    batch.metric("AWS/NATGateway", metric, "NatGatewayId", "nat-1", kSecond + 60, 1, 1000);
  }
  feed(*store, log_of({batch}));
  EXPECT_EQ(quantity(*store, "nat_bytes", "nat-1"), 2000u);
}

TEST(UsageStore, MinutesThatEachOfAGatewaysMetricsToldAreCountedOnce) {
  Path path;
  auto store = open(path);
  const auto told = [](const char* metric, std::int64_t minute, std::uint32_t period_s = 60) {
    return Batch().metric("AWS/NATGateway", metric, "NatGatewayId", "nat-1", kSecond + minute * 60,
                          1, 0, period_s);
  };
  feed(*store, log_of({told("BytesInFromSource", 0), told("BytesInFromSource", 0),
                       told("BytesInFromSource", 5, 300), told("BytesInFromDestination", 59),
                       told("BytesOutToSource", 7)}));
  EXPECT_EQ(quantity(*store, "nat_minutes", "nat-1/BytesInFromSource"), 6u);
  EXPECT_EQ(quantity(*store, "nat_minutes", "nat-1/BytesInFromDestination"), 1u);
  EXPECT_EQ(quantity(*store, "nat_minutes", "nat-1/BytesOutToSource"), 0u);
  EXPECT_EQ(quantity(*store, "instance_seconds", "nat-1/BytesInFromSource"), 0u);
  const MonthUsage::GatewayHours gateway =
      store->month(kHour, kHour + 1)->metered_gateways.at("nat-1");
  EXPECT_EQ(gateway.minutes.at(kHour).from_source, 6u);
  EXPECT_EQ(gateway.minutes.at(kHour).from_destination, 1u);
}

TEST(UsageStore, UnitsOfATablesIndexesAreTheTablesToo) {
  Path path;
  auto store = open(path);
  const std::string space = "AWS/DynamoDB", metric = "ConsumedWriteCapacityUnits";
  Batch batch("prod");
  batch.metric(space, metric, "TableName", "t", kSecond, 1, 5);
  for (const char* index : {"a", "b"}) {
    batch.metric(space, metric, "GlobalSecondaryIndexName", index, kSecond, 1, 7);
    proto::Series& series = *batch.proto.mutable_series(batch.proto.series_size() - 1);
    series.add_dimension_names("TableName");
    series.add_dimension_values("t");
  }
  batch.metric(space, metric, "TableName", "t", kSecond, 1, 100);
  proto::Series& other = *batch.proto.mutable_series(batch.proto.series_size() - 1);
  other.add_dimension_names("Operation");
  other.add_dimension_values("PutItem");
  feed(*store, log_of({batch}));
  EXPECT_EQ(quantity(*store, "dynamodb_write_units_e3", "t"), 19'000u);
}

TEST(UsageStore, LcuHoursKeepTheirFraction) {
  Path path;
  auto store = open(path);
  feed(*store, log_of({Batch()
                           .metric("AWS/ApplicationELB", "ConsumedLCUs", "LoadBalancer", "app/a/1",
                                   kSecond, 1, 0.25)
                           .metric("AWS/ApplicationELB", "ConsumedLCUs", "LoadBalancer", "app/a/1",
                                   kSecond + 60, 1, 0.5)}));
  EXPECT_EQ(quantity(*store, "lcu_hours_e9", "app/a/1"), 750'000'000u);
}

TEST(UsageStore, InstanceTimeIsASetOfMinutesFromMetricsAndFlows) {
  Path path;
  auto store = open(path);
  Batch batch;
  batch.metric("CWAgent", "mem_used", "InstanceId", "i-1", kSecond, 1, 5);
  // The same minute again.
  batch.metric("AWS/EC2", "CPUUtilization", "InstanceId", "i-1", kSecond, 1, 5);
  batch.flow(kMinute, "eni-1", "i-1", 1).flow(kMinute + 1, "eni-1", "i-1", 1);
  batch.metric("AWS/EC2", "CPUUtilization", "InstanceId", "i-5min", kSecond + 57 * 60, 5, 5, 300);
  batch.flow(kMinute, "eni-10min", "i-10min", 1, true);
  feed(*store, log_of({batch}));
  EXPECT_EQ(quantity(*store, "instance_seconds", "i-1"), 120u);
  EXPECT_EQ(quantity(*store, "instance_seconds", "i-5min"), 180u) << "the period crosses the hour";
  EXPECT_EQ(quantity(*store, "instance_seconds", "i-5min", kHour + 1), 120u);
  EXPECT_EQ(quantity(*store, "instance_seconds", "i-10min"), 600u);
}

TEST(UsageStore, ARecordWithoutDataIsNoSightingOfAMachine) {
  Path path;
  auto store = open(path);
  Batch batch;
  for (std::uint32_t minute = 0; minute < 30; ++minute) {
    batch.flow(kMinute + minute, "eni-1", "i-1", 0);
    if (minute > 0)
      batch.proto.mutable_flows()->set_status(static_cast<int>(minute), proto::FLOW_NODATA);
  }
  feed(*store, log_of({batch}));
  EXPECT_EQ(quantity(*store, "instance_seconds", "i-1"), 60u);
}

TEST(UsageStore, FillsGapsOfLessThanFiveMinutesOnly) {
  Path path;
  auto store = open(path);
  Batch batch;
  for (const std::int64_t minute : {0, 5, 10, 16}) {  // 5 apart is one run; 6 apart is two.
    batch.metric("AWS/EC2", "CPUUtilization", "InstanceId", "i-1", kSecond + minute * 60, 1, 5, 0);
  }
  feed(*store, log_of({batch}));
  EXPECT_EQ(quantity(*store, "instance_seconds", "i-1"), (11 + 1) * 60u);
}

TEST(UsageStore, SkipsWhatItHasApplied) {
  Path path;
  const std::vector<LogEntry> entries =
      log_of({Batch().volume(kHour, 100, 5), Batch().volume(kHour, 11, 7)});
  auto store = open(path);
  feed(*store, {entries[0]});
  feed(*store, entries);
  feed(*store, entries);
  EXPECT_EQ(*store->applied_position(0), 2);
  EXPECT_EQ(*store->applied_position(1), 0);
  EXPECT_EQ(quantity(*store, "flow_log_bytes", ""), 111u);
  EXPECT_EQ(quantity(*store, "metric_updates", ""), 12u);
}

TEST(UsageStore, IsRefusedBesideALogThatIsAnotherOrHoldsLess) {
  Path path;
  auto store = open(path);
  const LogExtent log{.path = "log.db", .id = "a", .pruned_to = 0, .last = 2};
  ASSERT_TRUE(store->belong_to(log));
  feed(*store, log_of({Batch().flow(kMinute, "eni-1", "i-1", 1),
                       Batch().flow(kMinute, "eni-1", "i-1", 2)}));
  store.reset();
  store = open(path);
  EXPECT_TRUE(store->belong_to(log));
  const auto refusal = [&](const LogExtent& other) {
    const auto done = store->belong_to(other);
    EXPECT_FALSE(done);
    if (done) return std::string();
    EXPECT_EQ(done.error().code, ErrorCode::kDataLoss);
    EXPECT_THAT(done.error().message, HasSubstr(std::string(path) + ": holds usage"));
    EXPECT_THAT(done.error().message, HasSubstr("log.db"));
    EXPECT_THAT(done.error().message, HasSubstr("restore both files"));
    return done.error().message;
  };
  EXPECT_THAT(refusal({.path = "log.db", .id = "b", .pruned_to = 0, .last = 9}),
              HasSubstr("another log"));
  EXPECT_THAT(refusal({.path = "log.db", .id = "a", .pruned_to = 0, .last = 1}),
              HasSubstr("beyond the end"));
  EXPECT_THAT(refusal({.path = "log.db", .id = "a", .pruned_to = 3, .last = 9}),
              HasSubstr("kept from 4 on"));
  EXPECT_TRUE(store->belong_to(log)) << "a refusal changes nothing";
}

TEST(UsageStore, AFileThatKnowsNoLogTakesTheOneThatHoldsItsPosition) {
  Path path;
  auto store = open(path);
  feed(*store, log_of({Batch().flow(kMinute, "eni-1", "i-1", 1),
                       Batch().flow(kMinute, "eni-1", "i-1", 2)}));
  EXPECT_FALSE(store->belong_to({.path = "log.db", .id = "a", .pruned_to = 0, .last = 1}));
  ASSERT_TRUE(store->belong_to({.path = "log.db", .id = "b", .pruned_to = 0, .last = 2}));
  EXPECT_FALSE(store->belong_to({.path = "log.db", .id = "c", .pruned_to = 0, .last = 2}));
}

TEST(UsageStore, ANewFileBeginsWhereAPrunedLogDoes) {
  Path path;
  auto store = open(path);
  ASSERT_TRUE(store->belong_to({.path = "log.db", .id = "a", .pruned_to = 7, .last = 9}));
  EXPECT_EQ(*store->applied_position(0), 7);
}

TEST(UsageStore, PartitionsHaveTheirOwnPositions) {
  Path path;
  auto store = open(path);
  std::vector<LogEntry> entries = log_of({Batch().volume(kHour, 100, 5)});
  feed(*store, entries);
  entries[0].partition = 3;
  Result<void> applied = store->apply(3, entries);
  ASSERT_TRUE(applied);
  EXPECT_EQ(quantity(*store, "flow_log_bytes", ""), 200u);
}

std::vector<Batch> random_batches(std::mt19937& random) {
  std::vector<Batch> batches;
  const auto pick = [&random](std::uint32_t n) {
    return std::uniform_int_distribution<std::uint32_t>(0, n - 1)(random);
  };
  for (int i = 0; i < 30; ++i) {
    Batch batch(pick(2) == 0 ? "prod" : "dev");
    for (int j = 0; j < 20; ++j) {
      batch.flow(kMinute + pick(180), "eni-" + std::to_string(pick(4)),
                 "i-" + std::to_string(pick(4)), pick(1000));
      batch.metric("AWS/NATGateway", pick(2) == 0 ? "BytesInFromSource" : "BytesInFromDestination",
                   "NatGatewayId", "nat-" + std::to_string(pick(2)), kSecond + 60 * pick(20),
                   pick(3), pick(1000));
      batch.metric("AWS/EC2", "CPUUtilization", "InstanceId", "i-" + std::to_string(pick(9)),
                   kSecond + 60 * pick(600), 1, 1);
    }
    batch.volume(kHour + pick(3), pick(1000), pick(10));
    batches.push_back(batch);
  }
  return batches;
}

TEST(UsageStore, AnyOrderAndAnySplitOfTheBatchesGiveEqualTables) {
  for (std::uint32_t seed = 0; seed < 10; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::vector<Batch> batches = random_batches(random);
    Path one, other;
    auto at_once = open(one);
    feed(*at_once, log_of(batches));

    std::shuffle(batches.begin(), batches.end(), random);
    const std::vector<LogEntry> shuffled = log_of(batches);
    auto in_parts = open(other);
    for (std::size_t at = 0; at < shuffled.size();) {
      const std::size_t count = std::min<std::size_t>(1 + random() % 5, shuffled.size() - at);
      feed(*in_parts, {shuffled.begin() + static_cast<std::ptrdiff_t>(at),
                       shuffled.begin() + static_cast<std::ptrdiff_t>(at + count)});
      at += count;
      // As after a crash between two transactions.
      if (random() % 4 == 0) in_parts.reset(), in_parts = open(other);
    }
    EXPECT_EQ(usage_of(*at_once), usage_of(*in_parts));
    EXPECT_EQ(flows_of(*at_once), flows_of(*in_parts));
    EXPECT_FALSE(flows_of(*at_once).empty());
  }
}

TEST(UsageStore, ADamagedBatchChangesNothing) {
  Path path;
  auto store = open(path);
  Batch torn;
  torn.flow(kMinute, "eni-1", "i-1", 100);
  torn.proto.mutable_flows()->add_bytes(5);
  Result<void> applied = store->apply(0, log_of({Batch().volume(kHour, 100, 5), torn}));
  ASSERT_FALSE(applied);
  EXPECT_EQ(applied.error().code, ErrorCode::kDataLoss);
  EXPECT_THAT(applied.error().message, HasSubstr("position 2"));
  EXPECT_TRUE(usage_of(*store).empty());
  EXPECT_EQ(*store->applied_position(0), 0);
  // The store is usable afterwards.
  feed(*store, log_of({Batch().flow(kMinute, "eni-1", "i-1", 100)}));
  EXPECT_EQ(flows_of(*store).size(), 1u);
}

TEST(UsageStore, PeriodsSettleIntoHoursTwoDaysAfterTheirArrival) {
  Path path;
  auto store = open(path);
  std::vector<LogEntry> entries = log_of(
      {Batch().metric("AWS/Logs", "IncomingBytes", "LogGroupName", "/app", kSecond, 1, 100),
       Batch().metric("AWS/Logs", "IncomingBytes", "LogGroupName", "/app", kSecond + 60, 1, 10),
       Batch()});
  entries[2].record.set_append_time_ms((kSecond + 49 * 3600) * 1000);
  feed(*store, {entries[0]});
  feed(*store, {entries[1], entries[2]});
  EXPECT_EQ(quantity(*store, "log_bytes", "/app"), 110u);
  // Much later data of the same hour still counts: late is late for decisions, never unbilled.
  std::vector<LogEntry> late = log_of(
      {Batch(), Batch(), Batch(),
       Batch().metric("AWS/Logs", "IncomingBytes", "LogGroupName", "/app", kSecond + 120, 1, 1000)},
      (kSecond + 50 * 3600) * 1000);
  feed(*store, late);
  EXPECT_EQ(quantity(*store, "log_bytes", "/app"), 1110u);
}

// --- a view of a usage topic ---

using aggregator::UsageRecord;

/// A compacted topic of one partition and its owner: what the owner commits is appended.
struct UsageTopic {
  struct Message {
    std::int64_t offset;
    UsageRecord record;
  };
  std::vector<Message> messages;
  std::int64_t end = 0;

  /// As an owner commits: the records, then the marker of the transaction's end, which has an
  /// offset too.
  void append(const std::vector<UsageRecord>& records) {
    for (const UsageRecord& record : records) messages.push_back({end++, record});
    ++end;
  }
  /// As the broker cleans: of each key the newest stays, and where it is gone, nothing may be left.
  void compact(std::int64_t before) {
    std::map<std::string, std::int64_t> newest;
    for (const Message& message : messages) newest[message.record.key] = message.offset;
    std::erase_if(messages, [&](const Message& message) {
      return message.offset < before &&
             (newest.at(message.record.key) != message.offset || message.record.value.empty());
    });
  }
  /// Puts everything from where the store has read to, in pieces of at most `most` records.
  void feed(UsageStore& store, std::size_t most, aggregator::LogPartition partition = 0) const {
    const Result<std::int64_t> from = store.next_offset(partition);
    ASSERT_TRUE(from);
    std::vector<UsageRecord> piece;
    for (std::size_t i = 0; i < messages.size(); ++i) {
      if (messages[i].offset < *from) continue;
      piece.push_back(messages[i].record);
      if (piece.size() < most && i + 1 < messages.size()) continue;
      ASSERT_TRUE(store.put(partition, piece, messages[i].offset + 1));
      piece.clear();
    }
  }
};

std::unique_ptr<UsageStore> open_view(const std::string& path) {
  Result<std::unique_ptr<UsageStore>> store = UsageStore::open(path, "fleet.usage");
  EXPECT_TRUE(store) << (store ? "" : store.error().message);
  return store ? *std::move(store) : nullptr;
}

/// One step of an owner: totals, commit, then its own view.
void own(UsageStore& owner, UsageTopic& topic, std::span<const LogEntry> entries,
         aggregator::LogPartition partition = 0) {
  const auto records = owner.totals(partition, entries);
  ASSERT_TRUE(records) << records.error().message;
  if (records->empty()) return;
  topic.append(*records);
  ASSERT_TRUE(owner.put(partition, *records, topic.end - 1));
}

/// A log over five days of append time, so that periods settle, with late and repeated values.
std::vector<LogEntry> long_log(std::mt19937& random) {
  std::vector<LogEntry> entries = log_of(random_batches(random));
  std::int64_t append_s = kSecond;
  for (LogEntry& entry : entries) {
    append_s += static_cast<std::int64_t>(random() % (8 * 3600));
    // A writer whose clock is behind.
    const std::int64_t behind = random() % 5 == 0 ? 7200 : 0;
    entry.record.set_append_time_ms((append_s - behind) * 1000);
  }
  return entries;
}

TEST(UsageTopic, AViewOfTheTopicEqualsAFoldOfTheLog) {
  for (std::uint32_t seed = 0; seed < 6; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const std::vector<LogEntry> entries = long_log(random);
    Path direct_path, owner_path, view_path, late_path;
    auto direct = open(direct_path);
    feed(*direct, entries);

    UsageTopic topic;
    auto owner = open_view(owner_path), view = open_view(view_path);
    for (std::size_t at = 0; at < entries.size();) {
      const std::size_t count = std::min<std::size_t>(1 + random() % 4, entries.size() - at);
      own(*owner, topic, std::span(entries).subspan(at, count));
      at += count;
      if (random() % 4 == 0) topic.feed(*view, 1 + random() % 50);
      if (random() % 6 == 0) topic.compact(topic.end - static_cast<std::int64_t>(random() % 200));
      if (random() % 6 == 0) {  // Another owner, whose disk is empty.
        owner.reset();
        owner_path.remove();
        owner = open_view(owner_path);
        topic.feed(*owner, 1 + random() % 100);
      }
    }
    topic.feed(*view, 7);
    topic.compact(topic.end);
    auto late = open_view(late_path);
    topic.feed(*late, 1000);
    for (UsageStore* store : {owner.get(), view.get(), late.get()}) {
      EXPECT_EQ(usage_of(*store), usage_of(*direct));
      EXPECT_EQ(flows_of(*store), flows_of(*direct));
      EXPECT_EQ(*store->applied_position(0), *direct->applied_position(0));
    }
    EXPECT_FALSE(flows_of(*direct).empty());
  }
}

TEST(UsageTopic, ReadingItAgainFromAnyOffsetChangesNothing) {
  std::mt19937 random(1);
  const std::vector<LogEntry> entries = long_log(random);
  Path owner_path, view_path;
  UsageTopic topic;
  auto owner = open_view(owner_path), view = open_view(view_path);
  for (const LogEntry& entry : entries) own(*owner, topic, std::span(&entry, 1));
  topic.feed(*view, 20);
  const std::vector<Row> usage = usage_of(*view), flows = flows_of(*view);
  for (int turn = 0; turn < 5; ++turn) {
    const std::size_t from = random() % topic.messages.size();
    std::vector<UsageRecord> again;
    for (std::size_t i = from; i < topic.messages.size(); ++i)
      again.push_back(topic.messages[i].record);
    ASSERT_TRUE(view->put(0, again, topic.end));
    EXPECT_EQ(usage_of(*view), usage);
    EXPECT_EQ(flows_of(*view), flows);
  }
}

TEST(UsageTopic, OnlyRowsThatChangedAreWrittenAndTheLastSaysWhatTheyCover) {
  Path path;
  UsageTopic topic;
  auto owner = open_view(path);
  const std::vector<LogEntry> entries =
      log_of({Batch().metric("AWS/EC2", "CPUUtilization", "InstanceId", "i-1", kSecond, 1, 1),
              Batch().metric("AWS/EC2", "CPUUtilization", "InstanceId", "i-1", kSecond, 1, 2),
              Batch().volume(kHour, 100, 0)});
  own(*owner, topic, std::span(entries).first(1));
  EXPECT_EQ(topic.messages.size(), 2u) << "the minute, and what is covered";
  EXPECT_TRUE(UsageStore::ends_transaction(topic.messages.back().record));
  EXPECT_FALSE(UsageStore::ends_transaction(topic.messages.front().record));
  own(*owner, topic, std::span(entries).subspan(1, 1));
  EXPECT_EQ(topic.messages.size(), 3u) << "the same minute again";
  own(*owner, topic, std::span(entries).first(2));
  EXPECT_EQ(topic.messages.size(), 3u) << "what is covered already";
  own(*owner, topic, entries);
  EXPECT_EQ(topic.messages.size(), 6u);
}

TEST(UsageTopic, TotalsThatWereNotCommittedChangeNothing) {
  Path path;
  UsageTopic topic;
  auto owner = open_view(path);
  const std::vector<LogEntry> entries = log_of({Batch().volume(kHour, 100, 5)});
  ASSERT_TRUE(owner->totals(0, entries));
  EXPECT_TRUE(usage_of(*owner).empty());
  own(*owner, topic, entries);
  EXPECT_EQ(quantity(*owner, "flow_log_bytes", ""), 100u);
}

TEST(UsageTopic, AViewThatWasAwayWhileAPeriodSettledCountsItOnce) {
  Path owner_path, view_path;
  UsageTopic topic;
  auto owner = open_view(owner_path), view = open_view(view_path);
  std::vector<LogEntry> entries =
      log_of({Batch().metric("AWS/Logs", "IncomingBytes", "LogGroupName", "/app", kSecond, 1, 100),
              Batch()});
  entries[1].record.set_append_time_ms((kSecond + 49 * 3600) * 1000);
  own(*owner, topic, std::span(entries).first(1));
  topic.feed(*view, 100);
  EXPECT_EQ(quantity(*view, "log_bytes", "/app"), 100u);
  own(*owner, topic, entries);
  topic.compact(topic.end);  // The period's end is gone with the period.
  topic.feed(*view, 100);
  EXPECT_EQ(quantity(*view, "log_bytes", "/app"), 100u);
}

TEST(UsageTopic, PartitionsOfOneEnvironmentAddUp) {
  Path path;
  auto view = open_view(path);
  for (const aggregator::LogPartition partition : {0, 1}) {
    UsageTopic topic;
    std::vector<LogEntry> entries =
        log_of({Batch()
                    .volume(kHour, 100, 5)
                    .flow(kMinute + (partition == 0 ? 20u : 0u), "eni-1", "i-1", 30)
                    .metric("AWS/EC2", "CPUUtilization", "InstanceId", "i-1",
                            kSecond + 60 * (partition == 0 ? 21 : 1), 1, 1)});
    entries[0].partition = partition;
    own(*view, topic, entries, partition);
  }
  EXPECT_EQ(quantity(*view, "flow_log_bytes", ""), 200u);
  EXPECT_EQ(quantity(*view, "instance_seconds", "i-1"), 4 * 60u);
  ASSERT_EQ(flows_of(*view).size(), 1u);
  EXPECT_EQ(std::get<4>(flows_of(*view)[0]), 60u);
}

TEST(UsageTopic, AFileIsAViewOfOneThingAlone) {
  Path path;
  open(path).reset();
  const Result<std::unique_ptr<UsageStore>> other = UsageStore::open(path, "fleet.usage");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(other.error().message, HasSubstr("view of a log.db, not of topic fleet.usage"));
  EXPECT_TRUE(UsageStore::open(path));
}

TEST(UsageTopic, ADamagedRecordIsRefusedAndChangesNothing) {
  Path path;
  auto view = open_view(path);
  UsageRecord unknown;
  unknown.key = std::string("\xFA\x7F\x00", 3);  // Field 2047, empty: a table of later releases.
  unknown.value = "x";
  for (const UsageRecord& record : {UsageRecord{"damaged", "x"}, unknown, UsageRecord{"", ""}}) {
    const Result<void> put = view->put(0, std::vector<UsageRecord>{record}, 1);
    ASSERT_FALSE(put);
    EXPECT_EQ(put.error().code, ErrorCode::kDataLoss);
  }
  EXPECT_EQ(*view->next_offset(0), 0);
}

/// Environment, and seconds by hour.
using InstanceTimes =
    std::map<std::string, std::pair<std::string, std::map<std::uint32_t, std::uint32_t>>>;
InstanceTimes times_of(const MonthUsage& month) {
  InstanceTimes times;
  for (const auto& [id, time] : month.instances) {
    times[id].first = time.environment;
    for (const auto& run : time.runs) {
      for (std::uint32_t i = 0; i < run.hours; ++i)
        times[id].second[run.first_hour + i] += run.seconds;
    }
  }
  return times;
}

TEST(MonthUsage, HoursSeenAlikeAreOneRun) {
  std::vector<HourlyUsage> rows;
  for (std::uint32_t hour = 0; hour < 700; ++hour)
    rows.push_back({"prod", hour, "instance_seconds", "i-1", hour == 300 ? 60u : 3600u});
  const MonthUsage month = month_usage(rows, {});
  EXPECT_EQ(month.instances.at("i-1").runs.size(), 3u);
  EXPECT_EQ(times_of(month).at("i-1").second.size(), 700u);
  EXPECT_EQ(times_of(month).at("i-1").second.at(300), 60u);
}

TEST(UsageStore, AMonthReadHourByHourEqualsTheSumOfItsRows) {
  for (std::uint32_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const auto pick = [&random](std::uint32_t end) {
      return static_cast<std::uint32_t>(random() % end);
    };
    Path path;
    auto store = open(path);
    std::vector<Batch> batches;
    for (int i = 0; i < 60; ++i) {
      Batch batch(pick(4) == 0 ? "unassigned" : pick(2) == 0 ? "prod" : "dev");
      for (int row = 0; row < 5; ++row) {
        const std::uint32_t machine = pick(4);
        batch.flow(kMinute + pick(6 * 60), "eni-" + std::to_string(machine),
                   "i-" + std::to_string(machine), 1 + pick(1000), pick(10) == 0);
      }
      batch.metric("AWS/NATGateway", "BytesInFromSource", "NatGatewayId", "nat-1",
                   kSecond + 60 * static_cast<std::int64_t>(pick(360)), 1, pick(100));
      batches.push_back(batch);
    }
    feed(*store, log_of(batches));
    const std::uint32_t from = kHour + pick(2), to = kHour + 3 + pick(4);
    const MonthUsage expected = month_usage(*store->usage(from, to), *store->flows(from, to));
    const Result<MonthUsage> read = store->month(from, to);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->totals, expected.totals);
    EXPECT_EQ(times_of(*read), times_of(expected));
    ASSERT_EQ(read->metered_gateways.size(), expected.metered_gateways.size());
    EXPECT_EQ(read->metered_gateways.at("nat-1").bytes,
              expected.metered_gateways.at("nat-1").bytes);
    for (const auto& [hour, minutes] : expected.metered_gateways.at("nat-1").minutes)
      EXPECT_EQ(read->metered_gateways.at("nat-1").minutes.at(hour).from_source,
                minutes.from_source);
    ASSERT_EQ(read->charged.size(), expected.charged.size());
    for (std::size_t i = 0; i < read->charged.size(); ++i) {
      EXPECT_EQ(read->charged[i].owner, expected.charged[i].owner);
      EXPECT_EQ(read->charged[i].charge, expected.charged[i].charge);
      EXPECT_EQ(read->charged[i].bytes, expected.charged[i].bytes);
    }
    EXPECT_EQ(read->hours(), expected.hours());
  }
}

TEST(UsageStore, PrunesWholeHours) {
  Path path;
  auto store = open(path);
  feed(*store, log_of({Batch()
                           .flow(kMinute, "eni-old", "i-1", 1)
                           .volume(kHour, 5, 0)
                           .flow(kMinute + 60, "eni-new", "i-1", 2)}));
  ASSERT_TRUE(store->prune(kHour + 1));
  ASSERT_EQ(flows_of(*store).size(), 1u);
  EXPECT_EQ(std::get<0>(flows_of(*store)[0]), kHour + 1);
  EXPECT_EQ(usage_of(*store).size(), 1u);
  std::vector<LogEntry> more = log_of({Batch(), Batch().flow(kMinute + 61, "eni-old", "i-1", 3)});
  feed(*store, more);
  EXPECT_EQ(flows_of(*store).size(), 2u);
}

TEST(UsageStore, RefusesAFileThatIsNotOursAndLeavesItAlone) {
  Path path;
  std::ofstream(path) << "not a database, and long enough to be looked at as if it were one of "
                         "SQLite's own pages, quite";
  Result<std::unique_ptr<UsageStore>> store = UsageStore::open(path);
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code, ErrorCode::kDataLoss);
  EXPECT_FALSE(std::filesystem::exists(static_cast<const std::string&>(path) + "-wal"));
  Result<std::unique_ptr<UsageStore>> reader = UsageStore::open_read_only(path);
  EXPECT_FALSE(reader);
}

TEST(UsageStore, ReadersSeeWhatIsCommittedWhileAWriterHoldsTheFile) {
  Path path;
  Result<std::unique_ptr<UsageStore>> early = UsageStore::open_read_only(path);
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().code, ErrorCode::kNotFound);
  auto writer = open(path);
  feed(*writer, log_of({Batch().volume(kHour, 100, 5)}));
  Result<std::unique_ptr<UsageStore>> reader = UsageStore::open_read_only(path);
  ASSERT_TRUE(reader) << reader.error().message;
  EXPECT_EQ(quantity(**reader, "flow_log_bytes", ""), 100u);
  Result<std::unique_ptr<UsageStore>> second = UsageStore::open(path);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace fleetmeter::cost
