#include "aggregator/partial_aggregator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <numeric>
#include <random>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include "aggregator/flow_facts.h"
#include "aggregator/flow_sums.h"
#include "proto/rfc3339.h"
#include "tests/aggregator/log_records.h"

namespace fleetmeter::aggregator {
namespace {

constexpr std::string_view kVpc = R"(
vpc_cidr: 10.0.0.0/16
region: us-east-1
subnets:
  - { id: subnet-a, cidr: 10.0.1.0/24, az: us-east-1a }
  - { id: subnet-b, cidr: 10.0.2.0/24, az: us-east-1b }
  - { id: subnet-nat, cidr: 10.0.101.0/24, az: us-east-1a }
interfaces:
  - { id: eni-a, subnet: subnet-a, instance: i-a, addresses: [10.0.1.5], role: instance }
  - { id: eni-b, subnet: subnet-b, instance: i-b, addresses: [10.0.2.6], role: instance }
)";

std::shared_ptr<const Inventory> inventory_of(std::string_view yaml,
                                              std::vector<EnvironmentMatch> environments = {}) {
  std::vector<Inventory::Problem> warnings;
  auto parsed =
      Inventory::parse({{"inventory.yaml", std::string(yaml)}}, std::move(environments), warnings);
  EXPECT_TRUE(parsed.has_value()) << (parsed ? "" : parsed.error().message);
  EXPECT_TRUE(warnings.empty());
  return parsed ? *parsed : Inventory::empty({});
}

class PartialAggregatorTest : public testing::Test {
 protected:
  void use(std::string_view yaml) { inventory = inventory_of(yaml); }
  /// Aggregates of the lines, decoded and put together; a commit after every `commit_every` lines.
  Combined combined(const std::vector<std::string>& lines, std::size_t commit_every = 1000) {
    PartialAggregator aggregator(inventory, options);
    aggregator.set_now(now_s);
    Combined out;
    batches.clear();
    for (std::size_t i = 0; i < lines.size(); i += commit_every) {
      parsers::DecoderOptions decoding;
      decoding.flow_format = format;
      decoding.fields = PartialAggregator::fields_needed();
      parsers::Decoder decoder(decoding, aggregator);
      std::string text;
      for (std::size_t j = i; j < std::min(i + commit_every, lines.size()); ++j)
        text += lines[j] + "\n";
      decoder.message(text);
      for (proto::AggregateBatch& batch : aggregator.take()) {
        combine(batch, out);
        batches.push_back(std::move(batch));
      }
    }
    dropped = aggregator.dropped();
    return out;
  }
  struct Row {
    std::string owner, peer, interface, owner_az;
    proto::FlowDirection direction;
    proto::PathClass path;
    proto::NatLeg leg;
    std::uint64_t bytes;
  };
  Row only(const std::string& line) {
    combined({line});
    EXPECT_EQ(batches.size(), 1u);
    if (batches.empty() || batches[0].flows().bytes_size() == 0) return {};
    const proto::FlowAggregates& f = batches[0].flows();
    EXPECT_EQ(f.bytes_size(), 1);
    const auto text = [&](std::uint32_t i) { return batches[0].strings(static_cast<int>(i)); };
    return {text(f.owner(0)), text(f.peer_owner(0)), text(f.interface(0)), text(f.owner_az(0)),
            f.direction(0),   f.path_class(0),       f.nat_leg(0),         f.bytes(0)};
  }
  static std::string v2(std::string interface, std::string from, std::string to,
                        std::uint64_t bytes = 1000, std::int64_t start_s = 1'700'000'000,
                        std::int64_t seconds = 59) {
    return "2 123456789012 " + interface + " " + from + " " + to + " 443 50000 6 10 " +
           std::to_string(bytes) + " " + std::to_string(start_s) + " " +
           std::to_string(start_s + seconds) + " ACCEPT OK";
  }

  std::shared_ptr<const Inventory> inventory = Inventory::empty({});
  PartialAggregatorOptions options;
  std::string format;
  std::int64_t now_s = 0;
  std::vector<proto::AggregateBatch> batches;
  std::map<std::string, std::uint64_t> dropped;
};

TEST_F(PartialAggregatorTest, DirectionComesFromTheInterfacesOwnAddress) {
  use(kVpc);
  const Row out = only(v2("eni-a", "10.0.1.5", "10.0.2.6"));
  EXPECT_EQ(out.direction, proto::DIRECTION_EGRESS);
  EXPECT_EQ(out.owner, "i-a");
  EXPECT_EQ(out.peer, "i-b");
  EXPECT_EQ(out.path, proto::PATH_CROSS_AZ);
  const Row in = only(v2("eni-b", "10.0.1.5", "10.0.2.6"));
  EXPECT_EQ(in.direction, proto::DIRECTION_INGRESS);
  EXPECT_EQ(in.owner, "i-b");
  EXPECT_EQ(in.peer, "i-a");
  EXPECT_EQ(in.owner_az, "us-east-1b");
}

TEST_F(PartialAggregatorTest, WithoutInventoryOnlyOnePrivateSideTellsTheDirection) {
  EXPECT_EQ(only(v2("eni-x", "10.9.0.1", "8.8.8.8")).direction, proto::DIRECTION_EGRESS);
  EXPECT_EQ(only(v2("eni-x", "8.8.8.8", "10.9.0.1")).direction, proto::DIRECTION_INGRESS);
  const Row both = only(v2("eni-x", "10.9.0.1", "10.8.0.1"));
  EXPECT_EQ(both.direction, proto::DIRECTION_UNKNOWN);
  EXPECT_EQ(both.path, proto::PATH_OTHER_PRIVATE);
  EXPECT_EQ(both.peer, "10.8.0.0/16");
}

TEST_F(PartialAggregatorTest, PathClassesSayWhereTheAddressesLie) {
  use(kVpc);
  EXPECT_EQ(only(v2("eni-a", "10.0.1.5", "10.0.1.9")).path, proto::PATH_SAME_AZ);
  EXPECT_EQ(only(v2("eni-a", "10.0.1.5", "10.0.200.9")).path, proto::PATH_VPC_UNKNOWN_AZ);
  EXPECT_EQ(only(v2("eni-a", "10.0.1.5", "192.168.1.1")).path, proto::PATH_OTHER_PRIVATE);
  EXPECT_EQ(only(v2("eni-a", "10.0.1.5", "52.95.128.179")).path, proto::PATH_EXTERNAL);
  EXPECT_EQ(only("2 1 eni-a - - - - - - - 1700000000 1700000059 - NODATA").path,
            proto::PATH_UNCLASSIFIED);
}

TEST_F(PartialAggregatorTest, NatLegsOfVersion3AreToldByThePacketAddresses) {
  use(std::string(kVpc) +
      "  - { id: eni-nat, subnet: subnet-nat, resource: nat-1, addresses: [10.0.101.78], role: nat "
      "}\n");
  format =
      "interface-id srcaddr dstaddr pkt-srcaddr pkt-dstaddr packets bytes start end action "
      "log-status";
  const std::string tail = " 1 500 1700000000 1700000059 ACCEPT OK";
  const Row request = only("eni-nat 10.0.1.5 10.0.101.78 10.0.1.5 203.0.113.5" + tail);
  EXPECT_EQ(request.leg, proto::NAT_LEG_INSIDE);
  EXPECT_EQ(request.owner, "i-a");
  EXPECT_EQ(request.peer, "internet");
  EXPECT_EQ(request.direction, proto::DIRECTION_INGRESS);
  const Row reply = only("eni-nat 10.0.101.78 10.0.2.6 203.0.113.5 10.0.2.6" + tail);
  EXPECT_EQ(reply.leg, proto::NAT_LEG_INSIDE);
  EXPECT_EQ(reply.owner, "i-b");
  const Row outside = only("eni-nat 10.0.101.78 203.0.113.5 10.0.101.78 203.0.113.5" + tail);
  EXPECT_EQ(outside.leg, proto::NAT_LEG_OUTSIDE);
  EXPECT_EQ(outside.owner, "nat-1");
  EXPECT_EQ(outside.peer, "internet");
}

TEST_F(PartialAggregatorTest, OnVersion2ANatInsideLegHasAVpcPeer) {
  use(std::string(kVpc) + "  - { id: eni-nat, addresses: [10.0.101.78], role: nat }\n");
  const Row in = only(v2("eni-nat", "10.0.2.124", "10.0.101.78"));
  EXPECT_EQ(in.leg, proto::NAT_LEG_INSIDE);
  EXPECT_EQ(in.owner, "10.0.2.124");
  EXPECT_EQ(in.owner_az, "us-east-1b");
  EXPECT_EQ(in.direction, proto::DIRECTION_INGRESS);
  const Row out = only(v2("eni-nat", "10.0.101.78", "10.0.1.5"));
  EXPECT_EQ(out.owner, "i-a");
  EXPECT_EQ(out.direction, proto::DIRECTION_EGRESS);
  EXPECT_EQ(only(v2("eni-nat", "10.0.101.78", "8.8.8.8")).leg, proto::NAT_LEG_OUTSIDE);
  EXPECT_EQ(only(v2("eni-nat", "192.168.7.7", "10.0.101.78")).leg, proto::NAT_LEG_OUTSIDE)
      << "private, not of the VPC";
}

TEST_F(PartialAggregatorTest, AGatewayOfUnknownAddressIsResolvedByItsOutsideLegsInAnyOrder) {
  use(std::string(kVpc) + "  - { id: eni-nat, role: nat }\n");
  std::vector<std::string> lines = {v2("eni-nat", "10.0.2.124", "10.0.101.78"),
                                    v2("eni-nat", "10.0.101.78", "10.0.1.5"),
                                    v2("eni-nat", "10.0.101.78", "8.8.8.8")};
  do {
    combined(lines, 1);
    NatAddresses addresses;
    for (const proto::AggregateBatch& batch : batches) addresses.learn(batch);
    int resolved = 0;
    for (const proto::AggregateBatch& batch : batches) {
      if (!NatAddresses::undecided(batch.flows(), 0)) continue;
      const auto text = [&](std::uint32_t i) { return batch.strings(static_cast<int>(i)); };
      const std::string source = text(batch.flows().owner(0));
      const std::string destination = text(batch.flows().peer_owner(0));
      const NatAddresses::Side side = addresses.resolve("eni-nat", source, destination);
      EXPECT_EQ(side.owner, side.direction == proto::DIRECTION_INGRESS ? "10.0.2.124" : "i-a");
      ++resolved;
    }
    EXPECT_EQ(resolved, 2);
  } while (std::ranges::next_permutation(lines).found);
}

TEST_F(PartialAggregatorTest, ARecordAcrossAMonthsFirstMidnightIsSplitAndLosesNothing) {
  constexpr std::int64_t kJune = 1'717'200'000;  // 2024-06-01T00:00:00Z
  const Combined out = combined({v2("eni-a", "10.0.1.5", "8.8.8.8", 100, kJune - 20, 60)});
  std::map<std::string, std::uint64_t> bytes, records;
  for (const auto& [key, sums] : out.flows) {
    bytes[key[1]] += std::get<0>(sums);
    records[key[1]] += std::get<2>(sums);
  }
  EXPECT_EQ(bytes[std::to_string(kJune / 60 - 1)], 33u) << "20 of 60 seconds, rounded down";
  EXPECT_EQ(bytes[std::to_string(kJune / 60)], 67u) << "the rest";
  EXPECT_EQ(records[std::to_string(kJune / 60 - 1)], 1u);
  EXPECT_EQ(records[std::to_string(kJune / 60)], 0u);
}

TEST(SplitByMonth, KeepsARecordWholeThatCrossesNoMonthOrClaimsTooMuch) {
  EXPECT_EQ(split_by_month(1'717'199'000, 1'717'200'000, 9, 9).size(), 1u) << "ends at midnight";
  EXPECT_EQ(split_by_month(1'717'200'000, 1'717'200'060, 9, 9).size(), 1u);
  EXPECT_EQ(split_by_month(1'717'199'000, 4'000'000'000, 9, 9).size(), 1u);
  EXPECT_EQ(split_by_month(1'717'199'990, 1'717'199'980, 9, 9).size(), 1u)
      << "ends before it starts";
}

TEST_F(PartialAggregatorTest, RecordFrom2100IsDroppedAsFutureAndMovesNoTime) {  // docs/time.md 1
  now_s = 1'700'000'100;
  PartialAggregator aggregator(inventory, options);
  aggregator.set_now(now_s);
  parsers::Decoder decoder({}, aggregator);
  decoder.message(v2("eni-a", "10.0.1.5", "8.8.8.8", 1, 4'102'444'800) + "\n" +
                  v2("eni-a", "10.0.1.5", "8.8.8.8") + "\n");
  EXPECT_EQ(aggregator.event_time_max_s(), 1'700'000'000);
  EXPECT_EQ(aggregator.records(), 1u);
  EXPECT_EQ(aggregator.dropped().at("future"), 1u);
}

// docs/time.md 1, DESIGN 6
TEST_F(PartialAggregatorTest, TwoEnvironmentsInOneAccountAreToldApartBySubnet) {
  EnvironmentMatch prod;
  prod.name = "prod";
  prod.accounts = {"123456789012"};
  prod.subnets = {"subnet-a"};
  EnvironmentMatch dev = prod;
  dev.name = "dev";
  dev.subnets = {"subnet-b"};
  inventory = inventory_of(kVpc, {prod, dev});
  combined({v2("eni-a", "10.0.1.5", "10.0.2.6"), v2("eni-b", "10.0.1.5", "10.0.2.6"),
            v2("eni-?", "10.0.1.5", "10.0.2.6")});
  std::map<std::string, std::uint64_t> bytes;
  for (const proto::AggregateBatch& batch : batches)
    bytes[batch.environment()] += batch.flows().bytes(0);
  EXPECT_EQ(bytes, (std::map<std::string, std::uint64_t>{
                       {"dev", 1000}, {"prod", 1000}, {"unassigned", 1000}}));
}

TEST_F(PartialAggregatorTest, AttributionFollowsTheInventoryAtEventTime) {
  use(R"(
interfaces:
  - { id: eni-1, instance: i-old, addresses: [10.0.1.5], role: instance, valid_to: "2023-11-14T22:13:20Z" }
  - { id: eni-1, instance: i-new, addresses: [10.0.1.5], role: instance, valid_from: "2023-11-14T22:13:20Z" }
)");
  EXPECT_EQ(only(v2("eni-1", "10.0.1.5", "8.8.8.8", 1, 1'699'999'999)).owner, "i-old");
  EXPECT_EQ(only(v2("eni-1", "10.0.1.5", "8.8.8.8", 1, 1'700'000'000)).owner, "i-new");
}

TEST_F(PartialAggregatorTest, ATooLongListOfKeysFallsTogetherAsOther) {
  options.keys_max = 3;
  std::vector<std::string> lines;
  for (int i = 0; i < 20; ++i)
    lines.push_back(v2("eni-a", "10.0.1." + std::to_string(i), "8.8.8.8", 10));
  const Combined out = combined(lines);
  std::uint64_t total = 0, other = 0;
  for (const auto& [key, sums] : out.flows) {
    total += std::get<0>(sums);
    if (key[9] == "other") other += std::get<0>(sums);
  }
  EXPECT_EQ(total, 200u) << "nothing is lost";
  EXPECT_EQ(other, 170u);
  EXPECT_EQ(dropped.at("keys_over_limit"), 17u);
}

TEST_F(PartialAggregatorTest, LawAnyOrderAndAnyCommitsCombineToTheSameAggregates) {
  use(std::string(kVpc) + "  - { id: eni-nat, role: nat }\n");
  std::mt19937 random(11);
  const std::vector<std::string> hosts = {"10.0.1.5", "10.0.2.6", "10.0.101.78",
                                          "10.0.9.9", "8.8.8.8",  "192.168.3.3"};
  const std::vector<std::string> interfaces = {"eni-a", "eni-b", "eni-nat", "eni-unknown"};
  std::vector<std::string> lines;
  for (int i = 0; i < 300; ++i) {
    lines.push_back(v2(interfaces[random() % 4], hosts[random() % 6], hosts[random() % 6],
                       random() % 5000, 1'717'199'000 + static_cast<std::int64_t>(random() % 2000),
                       static_cast<std::int64_t>(random() % 200)));
  }
  for (int i = 0; i < 20; ++i)
    lines.push_back("2 1 eni-b - - - - - - - 1717199100 1717199159 - SKIPDATA");
  const Combined whole = combined(lines, lines.size());
  ASSERT_GT(whole.flows.size(), 50u);
  for (int round = 0; round < 20; ++round) {
    std::ranges::shuffle(lines, random);
    ASSERT_EQ(combined(lines, 1 + random() % 60), whole);
  }
}

TEST_F(PartialAggregatorTest, RecordsWithoutALineAreCountedAsUnsized) {
  PartialAggregator aggregator(inventory, options);
  struct WithoutLines final : parsers::PayloadSink {
    explicit WithoutLines(PartialAggregator& to) : aggregator(to) {}
    void on_flows(const parsers::FlowColumns& flows) override {
      parsers::FlowColumns parquet = flows;
      parquet.line_bytes.assign(parquet.size, 0);
      aggregator.on_flows(parquet);
    }
    void on_metrics(const parsers::MetricBatch& /*metrics*/) override {}
    PartialAggregator& aggregator;
  } sink(aggregator);
  parsers::DecoderOptions decoding;
  decoding.fields = PartialAggregator::fields_needed();
  parsers::Decoder decoder(decoding, sink);
  decoder.message(v2("eni-a", "10.0.1.5", "10.0.2.6") + "\n");
  const auto taken = aggregator.take();
  ASSERT_EQ(taken.size(), 1u);
  const proto::Volume& parquet = taken[0].volumes(0);
  EXPECT_EQ(parquet.flow_log_records(), 1u);
  EXPECT_EQ(parquet.flow_log_unsized_records(), 1u);
  combined({v2("eni-a", "10.0.1.5", "10.0.2.6")});
  EXPECT_EQ(batches[0].volumes(0).flow_log_unsized_records(), 0u) << "a line tells its size";
}

TEST_F(PartialAggregatorTest, ARecordOfTheFirstSecondOf1970IsKept) {
  combined({v2("eni-a", "10.0.1.5", "8.8.8.8", 7, 0)});
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_EQ(batches[0].flows().bytes(0), 7u);
  EXPECT_EQ(batches[0].event_time_max_s(), 0);
}

TEST_F(PartialAggregatorTest, WhatAMonthCutsOffStaysApartFromTheRecordsOfThatMinute) {
  constexpr std::int64_t kJune = 1'717'200'000;
  combined({v2("eni-a", "10.0.1.5", "8.8.8.8", 100, kJune - 20, 60),
            v2("eni-a", "10.0.1.5", "8.8.8.8", 10, kJune)});
  const proto::FlowAggregates& f = batches.at(0).flows();
  ASSERT_EQ(f.bytes_size(), 3);
  EXPECT_EQ(f.interface_size(), 1) << "one series";
  for (int row = 0; row < 3; ++row) {
    if (f.records(row) != 0) continue;
    EXPECT_EQ(f.bytes(row), 67u);
  }
}

TEST_F(PartialAggregatorTest, TheKeyOfASeriesStandsOnceInABatch) {
  std::vector<std::string> lines;
  for (int minute = 0; minute < 30; ++minute)
    lines.push_back(v2("eni-a", "10.0.1.5", "8.8.8.8", 1, 1'700'000'000 + 60 * minute));
  combined(lines);
  const proto::FlowAggregates& f = batches.at(0).flows();
  EXPECT_EQ(f.bytes_size(), 30);
  EXPECT_EQ(f.series_size(), 30);
  EXPECT_EQ(f.owner_size(), 1);
}

TEST_F(PartialAggregatorTest, TextsOfAnyLengthTellCapturesApart) {
  format = "interface-id vpc-id subnet-id packets bytes start end action log-status";
  const std::string tail = " 1 5 1700000000 1700000059 ACCEPT OK";
  const std::string vpc(300, 'v');
  std::vector<std::string> lines;
  for (int i = 0; i < 3; ++i) {
    for (const char* subnet : {"subnet-1", "subnet-2"})
      lines.push_back("eni-" + std::string(200, 'a') + " " + vpc + " " + subnet + tail);
    lines.push_back("e - s" + tail);
  }
  const Combined out = combined(lines);
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_EQ(batches[0].flows().interface_size(), 2);
  EXPECT_EQ(batches[0].flows().records(0), 6u);
  EXPECT_EQ(batches[0].flows().records(1), 3u);
}

/// A fleet whose machines come and go, in several environments, and records of it: every field that
/// attribution looks at, each with few values, so that all combinations meet.
class RandomFleet {
 public:
  explicit RandomFleet(std::uint32_t seed) : random_(seed) {}

  static constexpr std::string_view kFormat =
      "interface-id account-id vpc-id instance-id az-id srcaddr dstaddr pkt-srcaddr pkt-dstaddr "
      "pkt-src-aws-service pkt-dst-aws-service flow-direction traffic-path packets bytes start end "
      "action log-status";

  std::shared_ptr<const Inventory> inventory() {
    std::string yaml = R"(
vpc_cidr: 10.0.0.0/16
region: us-east-1
subnets:
  - { id: subnet-a, cidr: 10.0.1.0/24, az: us-east-1a }
  - { id: subnet-b, cidr: 10.0.2.0/24, az: us-east-1b }
  - { id: subnet-public, cidr: 52.95.1.0/24, az: us-east-1b }
interfaces:
  - { id: eni-nat, resource: nat-1, subnet: subnet-a, addresses: [10.0.1.9], role: nat }
  - { id: eni-nat-unknown, role: nat }
)";
    for (int i = 0; i < 6; ++i) {
      const std::string number = std::to_string(i);
      const std::string changes = rfc3339(kFrom_s + pick(kSpan_s));
      yaml += "  - { id: eni-" + number + ", instance: i-" + number + "-old, subnet: subnet-" +
              (i % 2 == 0 ? "a" : "b") + ", addresses: [" + inside(i) +
              "], public_address: 3.5.1." + number + ", role: instance, valid_to: \"" + changes +
              "\" }\n";
      yaml += "  - { id: eni-" + number + ", instance: i-" + number + "-new, subnet: subnet-b" +
              ", addresses: [" + inside(i + pick(2)) + "], role: instance, valid_from: \"" +
              changes + "\" }\n";
    }
    EnvironmentMatch a, b;
    a.name = "a";
    a.subnets = {"subnet-a"};
    b.name = "b";
    b.subnets = {"subnet-b"};
    return inventory_of(yaml, {a, b});
  }

  std::string line() {
    if (pick(20) == 0) return nodata();
    const std::int64_t start_s = kFrom_s + pick(kSpan_s);
    const std::string source = address(), destination = address();
    const auto of = [&](std::initializer_list<const char*> words) {
      return std::string(*(words.begin() + pick(static_cast<std::int64_t>(words.size()))));
    };
    return interface() + ' ' + of({"-", "123456789012", "unknown"}) + ' ' + of({"-", "vpc-1"}) +
           ' ' + of({"-", "-", "i-9"}) + ' ' + of({"-", "use1-az1"}) + ' ' + source + ' ' +
           destination + ' ' + packet(source) + ' ' + packet(destination) + ' ' +
           of({"-", "-", "S3"}) + ' ' + of({"-", "-", "EC2", "S3"}) + ' ' +
           of({"-", "-", "ingress", "egress"}) + ' ' + of({"-", "1", "8"}) + " 10 " +
           std::to_string(pick(5000)) + ' ' + std::to_string(start_s) + ' ' +
           std::to_string(start_s + pick(400)) + ' ' + of({"ACCEPT", "ACCEPT", "REJECT", "-"}) +
           " OK";
  }

 private:
  static constexpr std::int64_t kFrom_s = 1'717'199'000;  // A month ends within.
  static constexpr std::int64_t kSpan_s = 2000;

  std::int64_t pick(std::int64_t count) {
    return static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(count));
  }
  static std::string inside(std::int64_t i) { return "10.0.1." + std::to_string(10 + i); }
  std::string interface() {
    constexpr std::array<const char*, 5> kOthers = {"eni-nat", "eni-nat", "eni-nat-unknown",
                                                    "eni-?", "-"};
    const std::int64_t i = pick(11);
    return i < 6 ? "eni-" + std::to_string(i) : kOthers.at(static_cast<std::size_t>(i - 6));
  }
  std::string address() {
    switch (pick(9)) {
      case 0:
        return "10.0.1.9";
      case 1:
        return "10.0.2." + std::to_string(pick(3));
      case 2:
        return "10.0.77.7";
      case 3:
        return "192.168.3." + std::to_string(pick(2));
      case 4:
        return "8.8.8." + std::to_string(pick(200));
      case 5:
        return "52.95.1." + std::to_string(pick(3));
      case 6:
        return "3.5.1." + std::to_string(pick(8));
      case 7:
        return pick(2) == 0 ? "2001:db8::1" : "fd00::" + std::to_string(pick(3));
      default:
        return inside(pick(8));
    }
  }
  std::string packet(const std::string& hop) {
    const std::int64_t i = pick(6);
    return i == 0 ? "-" : i == 1 ? address() : hop;
  }
  std::string nodata() {
    return interface() + " - - - - - - - - - - - - - - " + std::to_string(kFrom_s + pick(kSpan_s)) +
           ' ' + std::to_string(kFrom_s + kSpan_s) + " - " + (pick(2) == 0 ? "NODATA" : "SKIPDATA");
  }

  std::mt19937_64 random_;
};

// One that has seen nothing remembers nothing: each record by an aggregator of its own is the model.
TEST_F(PartialAggregatorTest, LawWhatIsRememberedNeverChangesAnAnswer) {
  format = RandomFleet::kFormat;
  for (std::uint32_t seed = 0; seed < 6; ++seed) {
    SCOPED_TRACE(seed);
    RandomFleet fleet(seed);
    inventory = fleet.inventory();
    std::vector<std::string> lines(1500);
    for (std::string& line : lines) line = fleet.line();
    Combined one_by_one;
    for (const std::string& line : lines) {
      combined({line});
      for (const proto::AggregateBatch& batch : batches) combine(batch, one_by_one);
    }
    ASSERT_GT(one_by_one.flows.size(), 500u);
    ASSERT_EQ(combined(lines, lines.size()), one_by_one);
    ASSERT_EQ(combined(lines, 7), one_by_one);
    std::ranges::shuffle(lines, std::mt19937(seed));
    ASSERT_EQ(combined(lines, 400), one_by_one);
  }
}

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream in(line);
  return {std::istream_iterator<std::string>(in), {}};
}

/// Where other columns lie between them, the texts of two captures may be the same bytes in all.
TEST_F(PartialAggregatorTest, TextsOfTheSameBytesButOtherBordersAreOtherCaptures) {
  EnvironmentMatch a, b;
  a.name = "a";
  a.vpcs = {"vpc-1"};
  b.name = "b";
  b.vpcs = {"vpc-12"};
  inventory = inventory_of(kVpc, {a, b});
  format = "interface-id packets vpc-id bytes subnet-id start end action log-status";
  const std::string tail = " 1700000000 1700000059 ACCEPT OK";
  std::vector<std::string> lines;
  for (int i = 0; i < 3; ++i) {
    lines.push_back("eni-1 1 vpc-1 5 2subnet" + tail);
    lines.push_back("eni-1 1 vpc-12 5 subnet" + tail);
  }
  combined(lines);
  ASSERT_EQ(batches.size(), 2u);
  for (const proto::AggregateBatch& batch : batches) EXPECT_EQ(batch.flows().records(0), 3u);
}

/// Texts of the capturing interface that follow each other in the line are compared in one piece.
TEST_F(PartialAggregatorTest, LawTheOrderOfColumnsChangesNoAnswer) {
  RandomFleet fleet(1);
  inventory = fleet.inventory();
  std::vector<std::string> lines(1000);
  for (std::string& line : lines) line = fleet.line();
  format = RandomFleet::kFormat;
  const Combined expected = combined(lines);
  std::mt19937 random(2);
  std::vector<std::size_t> order(words_of(format).size());
  std::iota(order.begin(), order.end(), 0u);
  for (int round = 0; round < 20; ++round) {
    // Some orders leave the texts together, in the first five columns.
    std::ranges::shuffle(std::span(order).first(round % 2 == 0 ? 5 : order.size()), random);
    const auto reordered = [&](const std::string& line) {
      std::string out;
      for (const std::size_t at : order) out += (out.empty() ? "" : " ") + words_of(line)[at];
      return out;
    };
    std::vector<std::string> moved;
    for (const std::string& line : lines) moved.push_back(reordered(line));
    format = reordered(std::string(RandomFleet::kFormat));
    ASSERT_EQ(combined(moved), expected) << format;
    std::ranges::sort(order);
  }
}

TEST_F(PartialAggregatorTest, LawAnInventoryThatChangesChangesWhatComesAfterItAlone) {
  format = RandomFleet::kFormat;
  RandomFleet fleet(77);
  const auto first = fleet.inventory(), second = fleet.inventory();
  std::vector<std::string> before(800), after(800);
  for (std::string& line : before) line = fleet.line();
  for (std::string& line : after) line = fleet.line();
  inventory = first;
  Combined expected = combined(before, before.size());
  inventory = second;
  combined(after, after.size());
  for (const proto::AggregateBatch& batch : batches) combine(batch, expected);

  PartialAggregator aggregator(first, options);
  parsers::DecoderOptions decoding;
  decoding.flow_format = format;
  decoding.fields = PartialAggregator::fields_needed();
  parsers::Decoder decoder(decoding, aggregator);
  const auto decode = [&](const std::vector<std::string>& lines) {
    std::string text;
    for (const std::string& line : lines) text += line + "\n";
    decoder.message(text);
  };
  decode(before);
  aggregator.set_inventory(second);
  decode(after);
  Combined both;
  for (const proto::AggregateBatch& batch : aggregator.take()) combine(batch, both);
  EXPECT_EQ(both, expected);
}

TEST_F(PartialAggregatorTest, MoreInterfacesAndAddressesThanAreRememberedAreAttributedAlike) {
  use(kVpc);
  std::vector<std::string> lines;
  for (int i = 0; i < 70'000; ++i) {
    const std::string low = std::to_string(i / 250 % 250) + '.' + std::to_string(i % 250);
    lines.push_back(v2("eni-" + std::to_string(i), "10." + std::to_string(i / 62'500) + '.' + low,
                       "172.16." + low));
    if (i % 100 == 0) lines.push_back(v2("eni-a", "10.0.1.5", "10.0.2.6"));
  }
  const Combined out = combined(lines, lines.size());
  std::uint64_t known = 0, records = 0;
  for (const auto& [key, sums] : out.flows) {
    records += std::get<2>(sums);
    if (key[9] == "i-a" && key[11] == "i-b") known += std::get<2>(sums);
  }
  EXPECT_EQ(records, lines.size());
  EXPECT_EQ(known, 700u);
}

TEST_F(PartialAggregatorTest, MetricsKeepTheirDatapointsAndCountTheirUpdates) {
  PartialAggregator aggregator(inventory, options);
  parsers::MetricBatch batch;
  batch.dimensions = {{"InstanceId", "i-a"}};
  batch.extended = {{"p99", 7.0}, {"p90", 5.0}};
  parsers::MetricRecord record{.stream = "s",
                               .account = "012345678901",
                               .region = "us-east-1",
                               .metric_namespace = "AWS/EC2",
                               .name = "CPUUtilization",
                               .unit = "Percent"};
  record.start_ms = 1'700'000'040'000;
  record.period_s = 60;
  record.sample_count = 2;
  record.sum = 10;
  record.minimum = 3;
  record.maximum = 7;
  record.dimension_count = 1;
  record.extended_count = 2;
  batch.records = {record, record};
  batch.records[1].start_ms += 60'000;
  batch.records[1].extended_count = 0;
  aggregator.on_metrics(batch);
  const auto taken = aggregator.take();
  ASSERT_EQ(taken.size(), 1u);
  EXPECT_EQ(taken[0].environment(), "unassigned");
  ASSERT_EQ(taken[0].series_size(), 1);
  EXPECT_EQ(taken[0].series(0).account(), "012345678901");
  EXPECT_EQ(taken[0].datapoints().start_s(1), 1'700'000'100);
  EXPECT_EQ(taken[0].datapoints().extended_size(), 2);
  std::uint64_t updates = 0;
  for (const proto::Volume& volume : taken[0].volumes()) updates += volume.metric_updates();
  EXPECT_EQ(updates, 4u);
  EXPECT_TRUE(aggregator.empty());
  EXPECT_TRUE(aggregator.take().empty());
}

TEST_F(PartialAggregatorTest, SeriesBeyondTheLimitOfACommitAreCountedOut) {
  options.series_max = 1;
  PartialAggregator aggregator(inventory, options);
  parsers::MetricBatch batch;
  parsers::MetricRecord record;
  record.name = "one";
  record.start_ms = 60'000;
  batch.records = {record, record};
  batch.records[1].name = "two";
  aggregator.on_metrics(batch);
  EXPECT_EQ(aggregator.dropped().at("series_over_limit"), 1u);
  EXPECT_EQ(aggregator.take()[0].datapoints().start_s_size(), 1);
  batch.records.erase(batch.records.begin());
  aggregator.on_metrics(batch);
  EXPECT_EQ(aggregator.take()[0].datapoints().start_s_size(), 1)
      << "the next commit has room again";
}

TEST(PathClass, KnowsTheRangesThatAreNotTheInternet) {
  const auto v4 = [](std::uint32_t a) { return parsers::IpAddress{0, 0xffff00000000ull | a}; };
  EXPECT_EQ(range_name(v4(0x0a05060b)), "10.5.0.0/16");
  EXPECT_EQ(range_name(v4(0x08080808)), "internet");
  EXPECT_EQ(range_name(v4(0xa9fea9fe)), "link-local");
  EXPECT_EQ(range_name(v4(0xe0000001)), "multicast");
  EXPECT_EQ(range_of(v4(0xac200001)), AddressRange::kPublic)
      << "172.32.0.1 is outside 172.16.0.0/12";
  EXPECT_EQ(range_of({0xfd00000000000000, 1}), AddressRange::kPrivate);
  EXPECT_EQ(range_of({0x20010db800000000, 1}), AddressRange::kPublic);
  EXPECT_EQ(address_text({0x20010db800000000, 1}), "2001:db8::1");
}

}  // namespace
}  // namespace fleetmeter::aggregator
