#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aggregator/flow_rows.h"
#include "aggregator/inventory.h"
#include "aggregator/partial_aggregator.h"
#include "parsers/decoder.h"
#include "tests/aggregator/log_records.h"

namespace fleetmeter::aggregator {

/// Two machines in two subnets of a VPC.
inline constexpr std::string_view kVpc = R"(
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

inline std::shared_ptr<const Inventory> inventory_of(
    std::string_view yaml, std::vector<EnvironmentMatch> environments = {}) {
  std::vector<Inventory::Problem> warnings;
  auto parsed =
      Inventory::parse({{"inventory.yaml", std::string(yaml)}}, std::move(environments), warnings);
  EXPECT_TRUE(parsed.has_value()) << (parsed ? "" : parsed.error().message);
  EXPECT_TRUE(warnings.empty());
  return parsed ? *parsed : Inventory::empty({});
}

/// Lines of flow logs to the aggregates of commits.
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
    if (batches.empty() || flow_row_count(batches[0].flows()) == 0) return {};
    const proto::FlowAggregates& f = batches[0].flows();
    const FlowRows rows = FlowRows::of(f);
    EXPECT_EQ(rows.size(), 1u);
    const auto text = [&](std::uint32_t i) { return batches[0].strings(static_cast<int>(i)); };
    return {text(f.owner(0)), text(f.peer_owner(0)), text(f.interface(0)), text(f.owner_az(0)),
            f.direction(0),   f.path_class(0),       f.nat_leg(0),         rows.bytes.at(0)};
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

}  // namespace fleetmeter::aggregator
