#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <list>
#include <numeric>
#include <random>
#include <span>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "aggregator/attribution.h"
#include "aggregator/flow_folder.h"
#include "aggregator/partial_aggregator.h"
#include "proto/rfc3339.h"
#include "tests/aggregator/log_records.h"
#include "tests/aggregator/partial_fixture.h"

// What attribution remembers of captures and addresses changes no answer.
namespace fleetmeter::aggregator {
namespace {

using AttributionMemoryTest = PartialAggregatorTest;

TEST_F(AttributionMemoryTest, TextsOfAnyLengthTellCapturesApart) {
  format = "interface-id vpc-id subnet-id packets bytes start end action log-status";
  const std::string tail = " 1 5 1700000000 1700000059 ACCEPT OK";
  const std::string vpc(kFlowTextBytesMax, 'v');
  std::vector<std::string> lines;
  for (int i = 0; i < 3; ++i) {
    for (const char* subnet : {"subnet-1", "subnet-2"})
      lines.push_back("eni-" + std::string(200, 'a') + " " + vpc + " " + subnet + tail);
    lines.push_back("e - s" + tail);
  }
  const Combined out = combined(lines);
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_EQ(batches[0].flows().interface_size(), 2);
  EXPECT_EQ(FlowRows::of(batches[0].flows()).records.at(0), 6u);
  EXPECT_EQ(FlowRows::of(batches[0].flows()).records.at(1), 3u);
}

/// A fleet whose machines come and go, in several environments, and records of it: every field that
/// attribution looks at, each with few values, so that all combinations meet.
class RandomFleet {
 public:
  explicit RandomFleet(std::uint32_t seed) : random_(seed) {}

  static constexpr std::string_view kFormat =
      "interface-id resource-id account-id vpc-id instance-id az-id srcaddr dstaddr pkt-srcaddr "
      "pkt-dstaddr "
      "pkt-src-aws-service pkt-dst-aws-service flow-direction traffic-path packets bytes start end "
      "action log-status";

  std::shared_ptr<const Inventory> inventory() {
    std::string yaml = R"(
vpcs: [{ id: vpc-1, cidrs: [10.0.0.0/16] }, { id: vpc-2, cidrs: [10.0.0.0/16, fd00::/64] }]
region: us-east-1
subnets:
  - { id: subnet-a, vpc_id: vpc-1, cidr: 10.0.1.0/24, az: us-east-1a }
  - { id: subnet-b, vpc_id: vpc-2, cidr: 10.0.2.0/24, az: us-east-1b }
  - { id: subnet-c, vpc_id: vpc-2, cidr: 10.0.1.0/25, az: us-east-1c }
  - { id: subnet-public, vpc_id: vpc-1, cidr: 52.95.1.0/24, az: us-east-1b }
interfaces:
  - { id: eni-nat, resource: nat-1, subnet: subnet-a, addresses: [10.0.1.9], role: nat }
  - { id: eni-nat-unknown, role: nat }
  - { id: nat-regional, subnet: subnet-a, addresses: [10.0.1.8], role: nat }
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
    return captor() + ' ' + of({"-", "123456789012", "unknown"}) + ' ' +
           of({"-", "vpc-1", "vpc-2"}) + ' ' + of({"-", "-", "i-9"}) + ' ' + of({"-", "use1-az1"}) +
           ' ' + source + ' ' + destination + ' ' + packet(source) + ' ' + packet(destination) +
           ' ' + of({"-", "-", "S3"}) + ' ' + service() + ' ' +
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
  /// Interface and resource: regional NAT gateways have the latter alone.
  std::string captor() {
    constexpr std::array<const char*, 4> kRegional = {"- nat-1", "- nat-2", "- nat-regional",
                                                      "- -"};
    const std::int64_t i = pick(12);
    return i < 4 ? kRegional.at(static_cast<std::size_t>(i)) : interface() + " -";
  }
  std::string address() {
    switch (pick(9)) {
      case 0:
        return pick(2) == 0 ? "10.0.1.9" : "10.0.1.8";
      case 1:
        return "10.0.2." + std::to_string(pick(3));
      case 2:
        return "10.0.77.7";
      case 3:
        return plain();
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
  /// The inventory has nothing in the same /16.
  std::string plain() {
    return (pick(2) == 0 ? "192.168." : "10.8.") + std::to_string(pick(2)) + '.' +
           std::to_string(pick(2));
  }
  /// More than have numbers, and one that is too long for one.
  std::string service() {
    constexpr std::array<const char*, 6> kNames = {
        "-", "-", "-", "EC2", "S3", "A_SERVICE_WITH_A_NAME_OF_OVER_THIRTY_BYTES"};
    const std::int64_t i = pick(8);
    return i < 6 ? kNames.at(static_cast<std::size_t>(i)) : "SERVICE_" + std::to_string(pick(60));
  }
  std::string packet(const std::string& hop) {
    const std::int64_t i = pick(6);
    return i == 0 ? "-" : i == 1 ? address() : hop;
  }
  std::string nodata() {
    return captor() + " - - - - - - - - - - - - - - " + std::to_string(kFrom_s + pick(kSpan_s)) +
           ' ' + std::to_string(kFrom_s + kSpan_s) + " - " + (pick(2) == 0 ? "NODATA" : "SKIPDATA");
  }

  std::mt19937_64 random_;
};

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream in(line);
  return {std::istream_iterator<std::string>(in), {}};
}

std::string line_of(const std::vector<std::string>& words) {
  std::string line;
  for (const std::string& word : words) line += (line.empty() ? "" : " ") + word;
  return line;
}

/// One that has seen nothing remembers nothing: each record by an aggregator of its own is the model.
class AttributionLaw : public AttributionMemoryTest {
 protected:
  Combined one_by_one(const std::vector<std::string>& lines) {
    Combined out;
    for (const std::string& line : lines) {
      combined({line});
      for (const proto::AggregateBatch& batch : batches) combine(batch, out);
    }
    return out;
  }
};

TEST_F(AttributionLaw, WhatIsRememberedNeverChangesAnAnswer) {
  format = RandomFleet::kFormat;
  for (std::uint32_t seed = 0; seed < 6; ++seed) {
    SCOPED_TRACE(seed);
    RandomFleet fleet(seed);
    inventory = fleet.inventory();
    std::vector<std::string> lines(1500);
    for (std::string& line : lines) line = fleet.line();
    const Combined expected = one_by_one(lines);
    ASSERT_GT(expected.flows.size(), 500u);
    ASSERT_EQ(combined(lines, lines.size()), expected);
    ASSERT_EQ(combined(lines, 7), expected);
    const std::uint32_t remembered_max = std::exchange(options.remembered_max, 20);
    ASSERT_EQ(combined(lines, 50), expected) << "forgotten with each commit";
    options.remembered_max = remembered_max;
    std::ranges::shuffle(lines, std::mt19937(seed));
    ASSERT_EQ(combined(lines, 400), expected);
  }
}

/// Their texts count where they may name the owner, and nowhere else.
TEST_F(AttributionLaw, AddressesThatDifferInTheirTextAloneAreToldApartWhereItCounts) {
  constexpr std::string_view kInterfaces = R"(
interfaces:
  - { id: eni-owned, instance: i-1 }
  - { id: eni-nat, resource: nat-1, role: nat }
  - { id: eni-nat-unknown, role: nat }
)";
  format =
      "interface-id resource-id instance-id srcaddr dstaddr flow-direction packets bytes start end "
      "action "
      "log-status";
  std::vector<std::string> ends;
  for (const char* source : {"10.8.0.1", "10.8.0.2", "192.168.0.1", "8.8.8.8", "-"}) {
    for (const char* destination : {"10.8.0.1", "10.8.0.2", "192.168.0.1", "8.8.8.8", "-"})
      ends.push_back(std::string(" ") + source + ' ' + destination + ' ');
  }
  std::vector<std::string> lines;
  for (const char* captor : {"eni-owned - -", "eni-nat - -", "eni-nat-unknown - -", "eni-x - -",
                             "eni-x - i-9", "- - -", "- - i-9", "- nat-1 -", "- nat-2 -"}) {
    for (const std::string& both : ends) {
      for (const char* direction : {"-", "ingress", "egress"})
        lines.push_back(captor + both + direction + " 1 5 1700000000 1700000059 ACCEPT OK");
    }
  }
  for (const char* networks : {"", "subnets: [{ id: a, vpc_id: vpc-1, cidr: 10.8.0.0/31 }]\n",
                               "vpcs: [{ id: vpc-1, cidrs: [10.8.0.0/31] }]\n"}) {
    SCOPED_TRACE(networks);
    use(std::string(kInterfaces) + networks);
    const Combined expected = one_by_one(lines);
    std::ranges::shuffle(lines, std::mt19937(1));
    ASSERT_EQ(combined(lines, lines.size()), expected);
    ASSERT_EQ(combined(lines, 50), expected);
  }
}

/// Random records hardly ever come again, and what differs in one field alone is confused first.
TEST_F(AttributionLaw, RecordsThatDifferInOneFieldAreToldApart) {
  format = RandomFleet::kFormat;
  for (std::uint32_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    RandomFleet fleet(seed);
    inventory = fleet.inventory();
    std::mt19937 random(seed);
    std::vector<std::string> lines;
    for (int i = 0; i < 30; ++i) {
      const std::vector<std::string> words = words_of(fleet.line());
      lines.push_back(line_of(words));
      for (int of = 0; of < 40; ++of) {
        std::vector<std::string> other = words;
        const std::size_t at = random() % words.size();
        other[at] = words_of(fleet.line())[at];
        lines.push_back(line_of(other));
      }
    }
    ASSERT_EQ(combined(lines, lines.size()), one_by_one(lines));
  }
}

TEST_F(AttributionLaw, AnAddressOfIpv6IsNoneOfIpv4WithTheSameLastBits) {
  use(kVpc);
  std::vector<std::string> lines;
  for (int i = 0; i < 600; ++i) {  // More than a block: what comes in one is looked up together.
    const char* const address = i % 2 == 0 ? "10.0.2.6" : "fd00::a00:206";
    lines.push_back(v2("eni-a", "10.0.1.5", address));
    lines.push_back(v2("eni-a", address, "10.0.1.5"));
  }
  const Combined expected = one_by_one(lines);
  EXPECT_GE(expected.flows.size(), 4u);
  EXPECT_EQ(combined(lines, lines.size()), expected);
}

/// Where other columns lie between them, the texts of two captures may be the same bytes in all.
TEST_F(AttributionMemoryTest, TextsOfTheSameBytesButOtherBordersAreOtherCaptures) {
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
  for (const proto::AggregateBatch& batch : batches)
    EXPECT_EQ(FlowRows::of(batch.flows()).records.at(0), 3u);
}

/// Texts of the capturing interface that follow each other in the line are compared in one piece.
TEST_F(AttributionLaw, TheOrderOfColumnsChangesNoAnswer) {
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
    // Some orders leave the texts together, in the first six columns.
    std::ranges::shuffle(std::span(order).first(round % 2 == 0 ? 6 : order.size()), random);
    const auto reordered = [&](const std::string& line) {
      std::vector<std::string> words;
      for (const std::size_t at : order) words.push_back(words_of(line)[at]);
      return line_of(words);
    };
    std::vector<std::string> moved;
    for (const std::string& line : lines) moved.push_back(reordered(line));
    format = reordered(std::string(RandomFleet::kFormat));
    ASSERT_EQ(combined(moved), expected) << format;
    std::ranges::sort(order);
  }
}

/// The records of lines as Parquet has them: texts lie anywhere, absent ones nowhere.
class WithoutLines final : public parsers::PayloadSink {
 public:
  explicit WithoutLines(parsers::PayloadSink& to) : to_(to) {}
  void on_flows(const parsers::FlowColumns& flows) override {
    parsers::FlowColumns out = flows;
    std::list<std::string> texts;
    std::ranges::fill(out.line_bytes, 0u);
    for (std::size_t i = 0; i < parsers::kFlowFieldCount; ++i) {
      const auto field = static_cast<parsers::FlowField>(i);
      if (flows.texts(field).empty()) continue;
      for (std::uint32_t record = 0; record < flows.size; ++record) {
        std::string_view& text = out.text_columns[i][record];
        text = flows.present(field, record) ? texts.emplace_back(text) : std::string_view();
      }
    }
    to_.on_flows(out);
  }
  void on_metrics(const parsers::MetricBatch&) override {}

 private:
  parsers::PayloadSink& to_;
};

TEST_F(AttributionLaw, RecordsWithoutLinesMeanTheSame) {
  format = RandomFleet::kFormat;
  RandomFleet fleet(3);
  inventory = fleet.inventory();
  std::vector<std::string> lines(1500);
  for (std::string& line : lines) line = fleet.line();
  const Combined expected = combined(lines);

  PartialAggregator aggregator(inventory, options);
  WithoutLines sink(aggregator);
  parsers::DecoderOptions decoding;
  decoding.flow_format = format;
  decoding.fields = PartialAggregator::fields_needed();
  parsers::Decoder decoder(decoding, sink);
  for (std::size_t first = 0; first < lines.size(); first += 500) {
    std::string text;
    for (std::size_t i = first; i < first + 500; ++i) text += lines[i] + "\n";
    decoder.message(text);
  }
  Combined out;
  for (const proto::AggregateBatch& batch : aggregator.take()) combine(batch, out);
  EXPECT_EQ(out.flows, expected.flows);
}

TEST_F(AttributionLaw, AnInventoryThatChangesChangesWhatComesAfterItAlone) {
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

TEST_F(AttributionMemoryTest, MoreInterfacesAndAddressesThanAreRememberedAreAttributedAlike) {
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

}  // namespace
}  // namespace fleetmeter::aggregator
