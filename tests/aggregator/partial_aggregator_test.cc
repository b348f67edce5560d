#include "aggregator/partial_aggregator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "aggregator/datapoint_rows.h"
#include "aggregator/flow_facts.h"
#include "aggregator/flow_folder.h"
#include "aggregator/flow_sums.h"
#include "aggregator/metric_collector.h"
#include "tests/aggregator/log_records.h"
#include "tests/aggregator/partial_fixture.h"

namespace fleetmeter::aggregator {
namespace {

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

TEST_F(PartialAggregatorTest, BesideAnothersAddressTheOtherIsTheInterfacesOwn) {
  use(std::string(kVpc) + "  - { id: eni-c, subnet: subnet-b, instance: i-c, role: instance }\n");
  const Row in = only(v2("eni-c", "10.0.1.5", "10.0.2.7"));
  EXPECT_EQ(in.direction, proto::DIRECTION_INGRESS);
  EXPECT_EQ(in.owner, "i-c");
  EXPECT_EQ(in.peer, "i-a");
  EXPECT_EQ(only(v2("eni-c", "10.0.2.7", "10.0.1.5")).direction, proto::DIRECTION_EGRESS);
  EXPECT_EQ(only(v2("eni-c", "10.0.1.5", "10.0.2.6")).direction, proto::DIRECTION_UNKNOWN)
      << "both are others'";
}

TEST_F(PartialAggregatorTest, WithoutInventoryOnlyOnePrivateSideTellsTheDirection) {
  EXPECT_EQ(only(v2("eni-x", "10.9.0.1", "8.8.8.8")).direction, proto::DIRECTION_EGRESS);
  EXPECT_EQ(only(v2("eni-x", "8.8.8.8", "10.9.0.1")).direction, proto::DIRECTION_INGRESS);
  const Row both = only(v2("eni-x", "10.9.0.1", "10.8.0.1"));
  EXPECT_EQ(both.direction, proto::DIRECTION_UNKNOWN);
  EXPECT_EQ(both.path, proto::PATH_OTHER_PRIVATE);
  EXPECT_EQ(both.peer, "10.8.0.0/16");
}

/// Both ends of such a record are somebody's, and nothing says whose: were the sender its owner, the
/// receiver's own record would count for the sender once more.
TEST_F(PartialAggregatorTest, BetweenTwoPrivateAddressesOfNobodyTheOwnerIsWhoeverCaptured) {
  const Row sent = only(v2("eni-x", "10.9.0.1", "10.8.0.1"));
  EXPECT_EQ(sent.owner, "eni-x");
  EXPECT_EQ(sent.peer, "10.8.0.0/16") << "as the sender sees it";
  EXPECT_EQ(only(v2("eni-x", "10.8.0.1", "10.9.0.1")).owner, "eni-x");
  EXPECT_EQ(only(v2("eni-x", "10.9.0.1", "8.8.8.8")).owner, "10.9.0.1");
  EXPECT_EQ(combined({v2("eni-x", "10.9.0.1", "10.8.0.1"), v2("eni-x", "10.9.0.2", "10.8.0.7"),
                      v2("eni-x", "10.9.0.3", "10.8.0.1")})
                .flows.size(),
            1u)
      << "addresses that nobody has are no keys";
  const std::string tail = " 10.9.0.1 10.8.0.1 1 5 1700000000 1700000059 ACCEPT OK";
  format = "interface-id instance-id srcaddr dstaddr packets bytes start end action log-status";
  EXPECT_EQ(only("eni-x i-7" + tail).owner, "i-7");
  format = "srcaddr dstaddr packets bytes start end action log-status";
  EXPECT_EQ(only(tail.substr(1)).owner, "10.9.0.1") << "nothing tells who captured";
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

/// Two VPCs of one range; 10.9.0.0/16 is the second one's alone.
constexpr std::string_view kTwoVpcs = R"(
region: us-east-1
vpcs: [{ id: vpc-a, cidrs: [10.0.0.0/16] }, { id: vpc-b, cidrs: [10.0.0.0/16, 10.9.0.0/16] }]
subnets:
  - { id: a-1, vpc_id: vpc-a, cidr: 10.0.1.0/24, az: us-east-1a }
  - { id: a-2, vpc_id: vpc-a, cidr: 10.0.2.0/24, az: us-east-1b }
  - { id: b-1, vpc_id: vpc-b, cidr: 10.0.1.0/25, az: us-east-1b }
  - { id: b-2, vpc_id: vpc-b, cidr: 10.0.2.0/24, az: us-east-1a }
  - { id: b-9, vpc_id: vpc-b, cidr: 10.9.1.0/24, az: us-east-1c }
interfaces:
  - { id: eni-a, subnet: a-1, instance: i-a, addresses: [10.0.1.5], role: instance }
  - { id: eni-b, subnet: b-1, instance: i-b, addresses: [10.0.1.5], role: instance }
  - { id: eni-e, subnet: b-1, resource: vpce-1, addresses: [10.0.1.20], role: endpoint }
)";

TEST_F(PartialAggregatorTest, AnAddressIsOneOfTheCapturingInterfacesVpcFirst) {
  use(kTwoVpcs);
  const Row within_a = only(v2("eni-a", "10.0.1.5", "10.0.1.20"));
  EXPECT_EQ(within_a.path, proto::PATH_SAME_AZ);
  EXPECT_EQ(within_a.owner, "i-a");
  EXPECT_EQ(within_a.peer, "a-1") << "not the endpoint of the other VPC";
  const Row within_b = only(v2("eni-b", "10.0.1.5", "10.0.1.20"));
  EXPECT_EQ(within_b.path, proto::PATH_SAME_AZ);
  EXPECT_EQ(within_b.owner, "i-b");
  EXPECT_EQ(within_b.peer, "vpce-1");
  EXPECT_EQ(only(v2("eni-a", "10.0.1.5", "10.0.2.9")).path, proto::PATH_CROSS_AZ);
  EXPECT_EQ(only(v2("eni-b", "10.0.1.5", "10.0.1.200")).path, proto::PATH_VPC_UNKNOWN_AZ)
      << "a subnet of the other VPC";
}

TEST_F(PartialAggregatorTest, BeyondTheCapturingInterfacesVpcAnAddressIsWhoseeverItIs) {
  use(kTwoVpcs);
  const Row out = only(v2("eni-a", "10.0.1.5", "10.9.1.7"));
  EXPECT_EQ(out.peer, "b-9");
  EXPECT_EQ(out.path, proto::PATH_CROSS_AZ);
  EXPECT_EQ(only(v2("eni-unknown", "10.9.1.7", "10.0.2.9")).path, proto::PATH_VPC_UNKNOWN_AZ)
      << "of two VPCs, and nothing says which";
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

/// Records of a regional NAT gateway: direction, source, destination and the packet's own two.
class RegionalNatTest : public PartialAggregatorTest {
 protected:
  RegionalNatTest() {
    use(std::string(kVpc) +
        "  - { id: nat-1, subnet: subnet-nat, addresses: [10.0.101.78], role: nat }\n");
    format =
        "interface-id resource-id flow-direction srcaddr dstaddr pkt-srcaddr pkt-dstaddr packets "
        "bytes start end action log-status";
  }
  Row leg(const std::string& of) { return only("- nat-1 " + of + kTail); }
  Row other_leg(const std::string& of) { return only("- nat-2 " + of + kTail); }

  static constexpr const char* kTail = " 1 500 1700000000 1700000059 ACCEPT OK";
};

TEST_F(RegionalNatTest, WhatComesFromTheVpcOrGoesToItIsInsideThoughItShowsTheFarEnd) {
  const Row request = leg("ingress 10.0.1.5 203.0.113.5 10.0.1.5 203.0.113.5");
  EXPECT_EQ(request.leg, proto::NAT_LEG_INSIDE);
  EXPECT_EQ(request.direction, proto::DIRECTION_INGRESS);
  EXPECT_EQ(request.owner, "i-a");
  EXPECT_EQ(request.peer, "internet");
  EXPECT_EQ(request.interface, "nat-1");
  const Row reply = leg("egress 203.0.113.5 10.0.2.6 203.0.113.5 10.0.2.6");
  EXPECT_EQ(reply.leg, proto::NAT_LEG_INSIDE);
  EXPECT_EQ(reply.direction, proto::DIRECTION_EGRESS);
  EXPECT_EQ(reply.owner, "i-b");
  EXPECT_EQ(leg("egress 10.0.101.78 10.0.2.6 203.0.113.5 10.0.2.6").leg, proto::NAT_LEG_INSIDE);
  EXPECT_EQ(leg("ingress 192.168.7.7 203.0.113.5 - -").leg, proto::NAT_LEG_INSIDE)
      << "from another network, by way of the VPC";
}

TEST_F(RegionalNatTest, WhatLeavesForTheInternetOrComesFromItIsOutsideWhateverAddressItShows) {
  for (const char* gateway : {"198.51.100.7", "10.0.101.78", "10.0.1.5"}) {
    SCOPED_TRACE(gateway);
    const std::string out = std::string(gateway) + " 203.0.113.5";
    const std::string in = "203.0.113.5 " + std::string(gateway);
    for (const char* packet : {"as hop", "- -"}) {
      const bool as_hop = std::string_view(packet) == "as hop";
      const Row request = leg("egress " + out + ' ' + (as_hop ? out : packet));
      EXPECT_EQ(request.leg, proto::NAT_LEG_OUTSIDE);
      EXPECT_EQ(request.direction, proto::DIRECTION_EGRESS);
      const Row reply = other_leg("ingress " + in + ' ' + (as_hop ? in : packet));
      EXPECT_EQ(reply.leg, proto::NAT_LEG_OUTSIDE);
      EXPECT_EQ(reply.direction, proto::DIRECTION_INGRESS);
      EXPECT_EQ(reply.owner, "nat-2");
    }
  }
  EXPECT_EQ(leg("ingress 203.0.113.5 10.0.1.5 203.0.113.5 198.51.100.7").leg,
            proto::NAT_LEG_OUTSIDE)
      << "shows the final destination, which the packet does not know yet";
  EXPECT_EQ(leg("egress 10.0.101.78 10.0.2.6 10.0.101.78 10.0.2.6").leg, proto::NAT_LEG_OUTSIDE)
      << "the gateway's own packet";
}

TEST_F(RegionalNatTest, WithoutDirectionAnAddressBehindTheGatewayTellsTheLeg) {
  const Row request = leg("- 10.0.1.5 203.0.113.5 - -");
  EXPECT_EQ(request.leg, proto::NAT_LEG_INSIDE);
  EXPECT_EQ(request.direction, proto::DIRECTION_INGRESS);
  EXPECT_EQ(request.owner, "i-a");
  const Row reply = leg("- 203.0.113.5 10.0.2.6 - -");
  EXPECT_EQ(reply.leg, proto::NAT_LEG_INSIDE);
  EXPECT_EQ(reply.direction, proto::DIRECTION_EGRESS);
  EXPECT_EQ(reply.owner, "i-b");
  EXPECT_EQ(leg("- 10.0.101.78 203.0.113.5 - -").leg, proto::NAT_LEG_OUTSIDE);
  EXPECT_EQ(leg("- 203.0.113.5 10.0.101.78 - -").leg, proto::NAT_LEG_OUTSIDE);
  EXPECT_EQ(leg("- 198.51.100.7 203.0.113.5 - -").leg, proto::NAT_LEG_OUTSIDE);
  const Row between = leg("- 10.0.1.5 10.0.2.6 - -");
  EXPECT_EQ(between.leg, proto::NAT_LEG_INSIDE);
  EXPECT_EQ(between.direction, proto::DIRECTION_UNKNOWN);
}

TEST_F(RegionalNatTest, AGatewayWithAnInterfaceIsZonalWhateverItsRecordsHold) {
  use(kVpc);
  format =
      "interface-id interface-type flow-direction srcaddr dstaddr packets bytes start end "
      "action log-status";
  const std::string in = " ingress 10.0.1.5 203.0.113.5";
  EXPECT_EQ(only("eni-x nat_gateway" + in + kTail).leg, proto::NAT_LEG_OUTSIDE);
  EXPECT_EQ(only("- nat_gateway" + in + kTail).leg, proto::NAT_LEG_OUTSIDE);
  EXPECT_EQ(only("- regional_nat_gateway" + in + kTail).leg, proto::NAT_LEG_INSIDE);
}

TEST_F(PartialAggregatorTest, AnInterfacesTypeTellsAGatewayWithEitherSignBetweenItsWords) {
  use(kVpc);
  format = "interface-id interface-type srcaddr dstaddr packets bytes start end action log-status";
  const std::string tail = " 10.0.1.5 10.0.101.78 1 500 1700000000 1700000059 ACCEPT OK";
  EXPECT_EQ(only("eni-x nat_gateway" + tail).leg, proto::NAT_LEG_INSIDE);
  EXPECT_EQ(only("eni-x nat-gateway" + tail).leg, proto::NAT_LEG_INSIDE);
}

TEST_F(PartialAggregatorTest, ARecordWithoutStartOrOfALayoutWithoutBytesIsInNoWindowAndNotDropped) {
  format = "interface-id srcaddr dstaddr packets bytes start end action log-status";
  EXPECT_TRUE(combined({"eni-a 10.0.1.5 8.8.8.8 1 5 - 1700000059 ACCEPT OK"}).flows.empty());
  format = "interface-id srcaddr dstaddr packets start end action log-status";
  EXPECT_TRUE(combined({"eni-a 10.0.1.5 8.8.8.8 1 1700000000 1700000059 ACCEPT OK"}).flows.empty());
  EXPECT_TRUE(dropped.empty());
}

TEST_F(PartialAggregatorTest, ARecordThatLeavesOutBytesOrPacketsCountsWhereItStarts) {
  format = "interface-id srcaddr dstaddr packets bytes start end action log-status";
  combined({"eni-a 10.0.1.5 8.8.8.8 1 - 1700000000 1700000059 REJECT OK",
            "eni-a 10.0.1.5 8.8.8.8 2 7 1700000000 1700000059 REJECT OK",
            "eni-a 10.0.1.5 8.8.8.8 - 5 1700000000 1700000059 REJECT OK"});
  ASSERT_EQ(batches.size(), 1u);
  const FlowRows rows = FlowRows::of(batches[0].flows());
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows.records[0], 3u);
  EXPECT_EQ(rows.bytes[0], 12u);
  EXPECT_EQ(rows.packets[0], 3u);
  EXPECT_EQ(rows.without_bytes[0], 1u);
  EXPECT_EQ(rows.without_packets[0], 1u);
}

TEST_F(PartialAggregatorTest, ARecordAcrossAMonthsFirstMidnightMayLeaveOutBytesOrPacketsToo) {
  format = "interface-id srcaddr dstaddr packets bytes start end action log-status";
  combined({"eni-a 10.0.1.5 8.8.8.8 30 - 1717199980 1717200040 ACCEPT OK",
            "eni-a 10.0.1.5 8.8.8.8 - 60 1717199980 1717200040 ACCEPT OK",
            "eni-a 10.0.1.5 8.8.8.8 - - 1717199980 1717200040 ACCEPT OK"});
  const FlowRows rows = FlowRows::of(batches.at(0).flows());
  ASSERT_EQ(rows.size(), 2u);
  const std::size_t own = rows.records[0] > 0 ? 0 : 1, rest = 1 - own;
  EXPECT_EQ(rows.records[own], 3u);
  EXPECT_EQ(rows.without_bytes[own], 2u);
  EXPECT_EQ(rows.without_packets[own], 2u);
  EXPECT_EQ(rows.without_bytes[rest], 0u) << "of the next month: a row without records";
  EXPECT_EQ(rows.without_packets[rest], 0u);
}

TEST_F(PartialAggregatorTest, ATextOverTheLimitIsAbsentAndItsRecordCountedEachTime) {
  const std::string longest(kFlowTextBytesMax, 'e');
  const auto record = [](const std::string& interface) {
    return v2(interface, "10.0.1.5", "8.8.8.8", 1);
  };
  const std::string other = std::string("f") + longest;  // Ends as the first one does.
  combined({record(longest + "e"), record(longest), record(longest + "e"), record("-"),
            record(other), record(longest + "e")});
  const proto::FlowAggregates& f = batches.at(0).flows();
  std::map<std::string, std::uint64_t> bytes;
  const FlowRows rows = FlowRows::of(f);
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const std::uint32_t name = f.interface(static_cast<int>(rows.series[row]));
    bytes[batches[0].strings(static_cast<int>(name))] += rows.bytes[row];
  }
  EXPECT_EQ(bytes, (std::map<std::string, std::uint64_t>{{"", 5}, {longest, 1}}));
  EXPECT_EQ(dropped.at("text_over_limit"), 4u);
}

TEST_F(PartialAggregatorTest, ARecordWithSeveralTextsOverTheLimitIsCountedOnce) {
  format =
      "interface-id instance-id srcaddr dstaddr pkt-src-aws-service pkt-dst-aws-service "
      "flow-direction packets bytes start end action log-status";
  const std::string text(kFlowTextBytesMax + 1, 'x');
  const std::string tail = " egress 1 5 1700000000 1700000059 ACCEPT OK";
  const std::string ends = " 10.0.1.5 8.8.8.8 ";
  const std::vector<std::string> lines{
      text + " " + text + ends + text + " " + text + tail,
      "eni-a -" + ends + "- " + text + tail,
      "eni-a -" + ends + "- S3" + tail,
      "eni-a -" + ends + "- " + text + tail,
      "eni-a - - - " + text + " -" + tail,  // Without addresses no service is looked at.
  };
  for (const std::size_t commit_every : {1u, 10u}) {
    combined(lines, commit_every);
    EXPECT_EQ(dropped.at("text_over_limit"), 3u);
    for (const proto::AggregateBatch& batch : batches) {
      for (const std::string& string : batch.strings()) EXPECT_LE(string.size(), 255u);
    }
  }
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

TEST(CrossesMonth, NotARecordThatEndsAtMidnightOrBeforeItsStartOrClaimsOverADay) {
  EXPECT_TRUE(crosses_month(1'717'199'000, 1'717'200'001));
  EXPECT_FALSE(crosses_month(1'717'199'000, 1'717'200'000)) << "ends at midnight";
  EXPECT_FALSE(crosses_month(1'717'200'000, 1'717'200'060));
  EXPECT_FALSE(crosses_month(1'717'199'000, 4'000'000'000));
  EXPECT_FALSE(crosses_month(1'717'199'990, 1'717'199'980)) << "ends before it starts";
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
    bytes[batch.environment()] += FlowRows::of(batch.flows()).bytes.at(0);
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
  EXPECT_EQ(FlowRows::of(batches[0].flows()).bytes.at(0), 7u);
  EXPECT_EQ(batches[0].event_time_max_s(), 0);
}

TEST_F(PartialAggregatorTest, WhatAMonthCutsOffStaysApartFromTheRecordsOfThatMinute) {
  constexpr std::int64_t kJune = 1'717'200'000;
  combined({v2("eni-a", "10.0.1.5", "8.8.8.8", 100, kJune - 20, 60),
            v2("eni-a", "10.0.1.5", "8.8.8.8", 10, kJune)});
  const proto::FlowAggregates& f = batches.at(0).flows();
  const FlowRows rows = FlowRows::of(f);
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(f.interface_size(), 1) << "one series";
  for (std::size_t row = 0; row < rows.size(); ++row) {
    if (rows.records[row] != 0) continue;
    EXPECT_EQ(rows.bytes[row], 67u);
  }
}

TEST_F(PartialAggregatorTest, TheKeyOfASeriesStandsOnceInABatch) {
  std::vector<std::string> lines;
  for (int minute = 0; minute < 30; ++minute)
    lines.push_back(v2("eni-a", "10.0.1.5", "8.8.8.8", 1, 1'700'000'000 + 60 * minute));
  combined(lines);
  const proto::FlowAggregates& f = batches.at(0).flows();
  EXPECT_EQ(flow_row_count(f), 30u);
  EXPECT_EQ(f.owner_size(), 1);
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
  EXPECT_EQ(DatapointRows::of(taken[0]).start_s.at(1), 1'700'000'100);
  EXPECT_EQ(taken[0].datapoints().extended_size(), 2);
  std::uint64_t updates = 0;
  for (const proto::Volume& volume : taken[0].volumes()) updates += volume.metric_updates();
  EXPECT_EQ(updates, 4u);
  EXPECT_TRUE(aggregator.empty());
  EXPECT_TRUE(aggregator.take().empty());
}

TEST_F(PartialAggregatorTest, EqualAttributesOfAnotherAccountRegionOrUnitAreAnotherSeries) {
  parsers::MetricBatch batch;
  batch.dimensions = {{"InstanceId", "i-a"}};
  const parsers::MetricRecord record{.stream = "s",
                                     .account = "1",
                                     .region = "us-east-1",
                                     .metric_namespace = "AWS/EC2",
                                     .name = "CPUUtilization",
                                     .unit = "Percent",
                                     .start_ms = 1'700'000'040'000,
                                     .dimension_count = 1,
                                     .identity = 7};
  batch.records.assign(4, record);
  batch.records[1].account = "2";
  batch.records[2].region = "eu-west-1";
  batch.records[3].unit = "Count";
  PartialAggregator aggregator(inventory, options);
  for (int minute = 0; minute < 3; ++minute) aggregator.on_metrics(batch);
  const auto taken = aggregator.take();
  ASSERT_EQ(taken.size(), 1u);
  ASSERT_EQ(taken[0].series_size(), 4);
  EXPECT_EQ(taken[0].series(1).account(), "2");
  EXPECT_EQ(taken[0].series(2).region(), "eu-west-1");
  EXPECT_EQ(taken[0].series(3).unit(), "Count");
  EXPECT_EQ(taken[0].series(3).metric(), "CPUUtilization");
  const DatapointRows rows = DatapointRows::of(taken[0]);
  ASSERT_EQ(rows.size(), 12u);
  for (std::uint32_t i = 0; i < 12; ++i) EXPECT_EQ(rows.series[i], i % 4);
}

TEST_F(PartialAggregatorTest, OneSeriesMayComeWithAnyNumberOfItsAttributes) {
  parsers::MetricBatch batch;
  parsers::MetricRecord record;
  record.start_ms = 60'000;
  for (const std::uint32_t attributes : {0u, 1u, 0u, 2u, 1u, 3u}) {
    record.name = attributes == 3 ? "another" : "one";
    record.identity = attributes;
    batch.records.push_back(record);
  }
  PartialAggregator aggregator(inventory, options);
  aggregator.on_metrics(batch);
  const auto taken = aggregator.take();
  ASSERT_EQ(taken.size(), 1u);
  EXPECT_EQ(taken[0].series_size(), 2);
  EXPECT_EQ(DatapointRows::of(taken[0]).series, (std::vector<std::uint32_t>{0, 0, 0, 0, 0, 1}));
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
  EXPECT_EQ(datapoint_count(aggregator.take()[0].datapoints()), 1u);
  batch.records.erase(batch.records.begin());
  aggregator.on_metrics(batch);
  EXPECT_EQ(datapoint_count(aggregator.take()[0].datapoints()), 1u)
      << "the next commit has room again";
}

TEST_F(PartialAggregatorTest, ADatapointWhoseSeriesHasTooLongATextIsCountedOutEachTime) {
  PartialAggregator aggregator(inventory, options);
  const std::string longest(kMetricTextBytesMax, 'x'), longer = longest + "x";
  parsers::MetricBatch batch;
  parsers::MetricRecord record;
  record.start_ms = 60'000;
  for (const std::string* text : {&longest, &longer, &longer}) {
    batch.dimensions.push_back({"InstanceId", *text});
    batch.dimensions.push_back({*text, "a"});
    record.name = *text;
    batch.records.push_back(record);
  }
  record.name = "m";
  record.dimension_count = 1;
  for (std::uint32_t dimension : {0u, 2u, 1u, 3u}) {
    record.first_dimension = dimension;
    batch.records.push_back(record);
  }
  // Each short enough, and too many.
  record.first_dimension = static_cast<std::uint32_t>(batch.dimensions.size());
  record.dimension_count = kMetricTextsBytesMax / kMetricTextBytesMax + 1;
  for (std::uint32_t i = 0; i < record.dimension_count; ++i)
    batch.dimensions.push_back({"d", longest});
  batch.records.push_back(record);
  aggregator.on_metrics(batch);
  EXPECT_EQ(aggregator.dropped().at("text_over_limit"), 5u);
  EXPECT_EQ(datapoint_count(aggregator.take()[0].datapoints()), 3u);
}

TEST(PathClass, KnowsTheRangesThatAreNotTheInternet) {
  const auto v4 = [](std::uint32_t a) { return parsers::IpAddress{0, 0xffff00000000ull | a}; };
  EXPECT_EQ(range_name(v4(0x0a05060b)), "10.5.0.0/16");
  EXPECT_EQ(range_name(v4(0x08080808)), "internet");
  EXPECT_EQ(range_name({0x20010db800000000, 1}), "internet (IPv6)");
  EXPECT_EQ(range_name({0x0064ff9b00000000, 0xc6336407}), "internet") << "NAT64 reaches IPv4";
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
