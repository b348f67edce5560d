#include "cost/network.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "aggregator/path_class.h"
#include "cost/network_hours.h"

namespace fleetmeter::cost {
namespace {

constexpr std::uint64_t kGb = 1ull << 30;

FlowUsage flow(const std::string& interface, const std::string& owner,
               proto::FlowDirection direction, proto::PathClass path, std::uint64_t bytes) {
  FlowUsage f;
  f.environment = "prod";
  f.hour = 500'000;
  f.action = proto::ACTION_ACCEPT;
  f.direction = direction;
  f.path_class = path;
  f.role = proto::ROLE_INSTANCE;
  f.interface = interface;
  f.owner = owner;
  f.owner_az = f.interface_az = "use1-az1";
  f.bytes = bytes;
  return f;
}

constexpr auto kIn = proto::DIRECTION_INGRESS;
constexpr auto kOut = proto::DIRECTION_EGRESS;

FlowUsage nat(proto::NatLeg leg, proto::FlowDirection direction, std::uint64_t bytes) {
  const bool inside = leg == proto::NAT_LEG_INSIDE;
  FlowUsage f = flow("eni-nat", inside ? "i-1" : "nat-1", direction,
                     inside ? proto::PATH_CROSS_AZ : proto::PATH_EXTERNAL, bytes);
  f.role = proto::ROLE_NAT;
  f.nat_leg = leg;
  f.interface_az = "use1-az2";
  if (!inside) f.owner_az = "use1-az2";
  return f;
}

/// Without what Share::kReceiver would count again.
std::vector<ChargedBytes> charge_flows(const std::vector<FlowUsage>& flows) {
  FlowCharger charger;
  charge_all(flows, charger);
  std::vector<ChargedBytes> charged = charger.charged();
  std::erase_if(charged, [](const ChargedBytes& one) { return one.share == Share::kReceiver; });
  return charged;
}

std::map<Charge, std::uint64_t> sums(const std::vector<FlowUsage>& flows) {
  std::map<Charge, std::uint64_t> result;
  for (const ChargedBytes& c : charge_flows(flows)) result[c.charge] += c.bytes;
  return result;
}

/// 100 GB out and 10 GB back: what the instance and both legs of the gateway record of it.
std::vector<FlowUsage> nat_example() {
  return {flow("eni-1", "i-1", kOut, proto::PATH_EXTERNAL, 100 * kGb),
          flow("eni-1", "i-1", kIn, proto::PATH_EXTERNAL, 10 * kGb),
          nat(proto::NAT_LEG_INSIDE, kIn, 100 * kGb),
          nat(proto::NAT_LEG_INSIDE, kOut, 10 * kGb),
          nat(proto::NAT_LEG_OUTSIDE, kOut, 100 * kGb),
          nat(proto::NAT_LEG_OUTSIDE, kIn, 10 * kGb)};
}

TEST(ChargeFlows, PaysEachByteThroughANatGatewayOnceThoughThreeRecordsSawIt) {
  const std::map<Charge, std::uint64_t> paid = sums(nat_example());
  EXPECT_EQ(paid.at(Charge::kNatProcessing), 110 * kGb);
  EXPECT_EQ(paid.at(Charge::kCrossAz), 110 * kGb);
  EXPECT_EQ(paid.at(Charge::kInternetEgress), 100 * kGb);
  EXPECT_EQ(paid.at(Charge::kNone), 10 * kGb);
}

TEST(ChargeFlows, ATransitGatewayIsPaidForWhatItsInterfaceReceivesAndNotForWhatItHandsOver) {
  FlowUsage sent = flow("eni-tgw", "tgw-1", kIn, proto::PATH_SAME_AZ, 100);
  sent.role = proto::ROLE_TRANSIT_GATEWAY;
  sent.peer_owner = "i-1";
  FlowUsage arriving = sent;
  arriving.direction = kOut;
  arriving.bytes = 7;
  using Sums = std::map<Charge, std::uint64_t>;
  EXPECT_EQ(sums({sent, arriving}), (Sums{{Charge::kTransitGateway, 100}, {Charge::kNone, 7}}));
  for (const ChargedBytes& c : charge_flows({sent})) EXPECT_EQ(c.owner, "i-1");

  FlowUsage at_sender = flow("eni-1", "i-1", kOut, proto::PATH_SAME_AZ, 100);
  at_sender.peer_role = proto::ROLE_TRANSIT_GATEWAY;
  at_sender.peer_interface = "eni-tgw";
  EXPECT_EQ(sums({at_sender}), (Sums{{Charge::kTransitGateway, 100}}));
  EXPECT_EQ(sums({at_sender, sent}), (Sums{{Charge::kTransitGateway, 100}})) << "once";
}

TEST(ChargeFlows, NamesTheInstanceBehindTheGateway) {
  for (const ChargedBytes& c : charge_flows(nat_example())) {
    if (c.charge != Charge::kNatProcessing) continue;
    EXPECT_EQ(c.owner, "i-1");
    EXPECT_EQ(c.resource, "eni-nat");
  }
}

TEST(ChargeFlows, WithoutLegFactsAVpcPeerOfANatInterfaceIsTheInsideLeg) {
  std::vector<FlowUsage> v2 = nat_example();
  for (FlowUsage& f : v2) f.nat_leg = proto::NAT_LEG_NONE;
  EXPECT_EQ(sums(v2), sums(nat_example()));
}

TEST(ChargeFlows, OutsideLegsTellTheGatewayApartWhereAnInsideLegNamesBothEnds) {
  FlowUsage up = nat(proto::NAT_LEG_INSIDE, proto::DIRECTION_UNKNOWN, 5);
  up.owner = "10.0.2.124";
  up.peer_owner = "10.0.1.9";
  up.owner_az.clear();
  FlowUsage down = up;
  std::swap(down.owner, down.peer_owner);
  FlowUsage outside = nat(proto::NAT_LEG_OUTSIDE, kOut, 5);
  outside.owner = "10.0.1.9";
  std::map<std::string, std::uint64_t> processed;
  for (const ChargedBytes& c : charge_flows({up, down, outside})) {
    if (c.charge == Charge::kNatProcessing) processed[c.owner] += c.bytes;
  }
  EXPECT_EQ(processed, (std::map<std::string, std::uint64_t>{{"10.0.2.124", 10}}));
  EXPECT_EQ(sums({up, down}).at(Charge::kNatProcessing), 10u)
      << "processed all the same, by whom is not known";
}

FlowUsage undecided(const std::string& source, const std::string& destination,
                    std::uint64_t bytes) {
  FlowUsage f = nat(proto::NAT_LEG_INSIDE, proto::DIRECTION_UNKNOWN, bytes);
  f.owner = source;
  f.peer_owner = destination;
  f.owner_az.clear();
  return f;
}

std::map<std::string, std::uint64_t> processed(const std::vector<FlowUsage>& flows) {
  std::map<std::string, std::uint64_t> bytes;
  for (const ChargedBytes& c : charge_flows(flows)) {
    if (c.charge == Charge::kNatProcessing) bytes[c.owner] += c.bytes;
  }
  return bytes;
}

TEST(ChargeFlows, TheAddressThatAllInsideLegsShareIsTheGateways) {
  using Bytes = std::map<std::string, std::uint64_t>;
  const std::vector<FlowUsage> two{undecided("10.0.2.124", "10.0.1.9", 5),
                                   undecided("10.0.1.9", "10.0.2.124", 2),
                                   undecided("10.0.3.7", "10.0.1.9", 3)};
  EXPECT_EQ(processed(two), (Bytes{{"10.0.2.124", 7}, {"10.0.3.7", 3}}));
  EXPECT_EQ(processed({two[0], two[1]}), (Bytes{{"", 7}})) << "either may be the gateway";
  EXPECT_EQ(processed({undecided("i-1", "10.0.1.9", 4)}), (Bytes{{"i-1", 4}}))
      << "a machine is none";
  std::vector<FlowUsage> later = two;
  later[2].hour += 1;
  EXPECT_EQ(processed(later), processed(two)) << "what an hour tells holds for the others";
}

TEST(ChargeFlows, NobodyStandsBehindAGatewayThatNothingLeftThrough) {
  // A private gateway, or the address behind it is not known: the instance's own record counts.
  const FlowUsage out = flow("eni-1", "i-1", kOut, proto::PATH_EXTERNAL, 100);
  EXPECT_EQ(sums({out, nat(proto::NAT_LEG_INSIDE, kIn, 100)}).at(Charge::kInternetEgress), 100u);
  FlowUsage nameless = flow("eni-2", "", kOut, proto::PATH_EXTERNAL, 7);
  EXPECT_EQ(
      sums({nameless, undecided("10.0.2.124", "10.0.1.9", 5), nat(proto::NAT_LEG_OUTSIDE, kOut, 5)})
          .at(Charge::kInternetEgress),
      12u)
      << "an owner that is not known is not the one behind the gateway";
}

TEST(ChargeFlows, ZonesOfTwoRegionsPayAsBetweenRegionsAtTheSender) {
  FlowUsage out = flow("eni-1", "i-1", kOut, proto::PATH_CROSS_AZ, 100);
  out.peer_interface = "eni-eu";
  out.peer_az = "euw1-az1";
  FlowUsage in = flow("eni-eu", "i-eu", kIn, proto::PATH_CROSS_AZ, 100);
  in.owner_az = in.interface_az = "euw1-az1";
  in.peer_az = "use1-az1";
  EXPECT_EQ(sums({out, in}), (std::map<Charge, std::uint64_t>{{Charge::kInterRegion, 100}}));
  EXPECT_EQ(sums({in}), (std::map<Charge, std::uint64_t>{{Charge::kNone, 100}}));
}

TEST(ChargeFlows, BytesBetweenTheTwoUsEastRegionsAreTheirOwnCharge) {
  FlowUsage f = flow("eni-1", "i-1", kOut, proto::PATH_CROSS_AZ, 100);
  f.peer_az = "use2-az1";
  EXPECT_EQ(charge_flows({f})[0].charge, Charge::kInterRegionUsEast);
  f.traffic_path = 5;
  EXPECT_EQ(charge_flows({f})[0].charge, Charge::kInterRegionUsEast);
  f.peer_az = "usw2-az1";
  EXPECT_EQ(charge_flows({f})[0].charge, Charge::kInterRegion);
}

TEST(ChargeFlows, OwnPublicAddressesPayAsWithinTheRegion) {
  FlowUsage f = flow("eni-1", "i-1", kOut, proto::PATH_EXTERNAL, 10);
  f.peer_interface = "eni-alb";  // The inventory knows whose address it is.
  f.peer_az = "use1-az2";
  std::vector<ChargedBytes> charged = charge_flows({f});
  ASSERT_EQ(charged.size(), 1u);
  EXPECT_EQ(charged[0].charge, Charge::kRegionalPublic);
  EXPECT_EQ(charged[0].halves, 1u);
  FlowUsage alb = flow("eni-alb", "app/web/1", kIn, proto::PATH_EXTERNAL, 10);
  charged = charge_flows({f, alb});
  EXPECT_EQ(charged.back().halves, 2u) << "both sides are ours";
  f.peer_az = "euw1-az1";
  EXPECT_EQ(charge_flows({f})[0].charge, Charge::kInterRegion);
}

TEST(ChargeFlows, WhatStaysOnTheLinkPaysNothing) {
  for (const char* range : {"link-local", "multicast", "loopback"}) {
    FlowUsage f = flow("eni-1", "i-1", kOut, proto::PATH_OTHER_PRIVATE, 3);
    f.peer_owner = range;
    EXPECT_EQ(sums({f}), (std::map<Charge, std::uint64_t>{{Charge::kNone, 3}})) << range;
  }
}

TEST(ChargeFlows, AnUnloggedNatIsChargedAtTheInstance) {
  FlowUsage f = flow("eni-1", "i-1", kOut, proto::PATH_CROSS_AZ, 7);
  f.peer_role = proto::ROLE_NAT;
  f.peer_interface = "eni-nat";
  EXPECT_EQ(sums({f}),
            (std::map<Charge, std::uint64_t>{{Charge::kNatProcessing, 7}, {Charge::kCrossAz, 7}}));
  EXPECT_EQ(sums({f, nat(proto::NAT_LEG_INSIDE, kIn, 7)}),
            (std::map<Charge, std::uint64_t>{{Charge::kNatProcessing, 7}, {Charge::kCrossAz, 7}}));
}

TEST(ChargeFlows, AnInstanceWithItsOwnPublicAddressPaysBesideTheGateway) {
  std::vector<FlowUsage> flows = nat_example();
  flows[0].traffic_path = 1;  // Towards the gateway.
  FlowUsage direct = flow("eni-1", "i-1", kOut, proto::PATH_EXTERNAL, 5 * kGb);
  direct.traffic_path = 8;
  flows.push_back(direct);
  EXPECT_EQ(sums(flows).at(Charge::kInternetEgress), 105 * kGb);
  EXPECT_EQ(sums({flow("eni-2", "i-2", kOut, proto::PATH_EXTERNAL, 3)}).at(Charge::kInternetEgress),
            3u);
}

/// The gateway's records name the address of a machine whose own name the instance or interface.
std::vector<FlowUsage> example_with_unknown_address(std::uint32_t path) {
  std::vector<FlowUsage> flows = nat_example();
  for (FlowUsage& f : flows) {
    if (f.nat_leg == proto::NAT_LEG_INSIDE) f.owner = "10.0.10.5";
    if (f.interface == "eni-1" && f.direction == kOut) f.traffic_path = path;
  }
  return flows;
}

TEST(ChargeFlows, WhatLeftThroughAResourceOfTheVpcIsPaidAtTheGatewayWhoeverTheMachineIs) {
  EXPECT_EQ(sums(example_with_unknown_address(1)).at(Charge::kInternetEgress), 100 * kGb);
  EXPECT_EQ(sums(example_with_unknown_address(8)).at(Charge::kInternetEgress), 200 * kGb)
      << "by an internet gateway of its own";
  std::vector<FlowUsage> unlogged = example_with_unknown_address(1);
  std::erase_if(unlogged, [](const FlowUsage& f) { return f.role == proto::ROLE_NAT; });
  EXPECT_EQ(sums(unlogged).at(Charge::kInternetEgress), 100 * kGb);
  std::vector<FlowUsage> elsewhere = example_with_unknown_address(1);
  for (FlowUsage& f : elsewhere) {
    if (f.role == proto::ROLE_NAT) f.environment = "dev";
  }
  EXPECT_EQ(sums(elsewhere).at(Charge::kInternetEgress), 200 * kGb) << "another's gateway";
}

std::vector<FlowUsage> in_hour(std::uint32_t hour, std::vector<FlowUsage> flows) {
  for (FlowUsage& f : flows) f.hour = hour;
  return flows;
}
std::vector<FlowUsage> operator+(std::vector<FlowUsage> a, const std::vector<FlowUsage>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST(ChargeFlows, WhatLeavesByIpv6PaysBesideTheGatewayThatItCannotPass) {
  std::vector<FlowUsage> flows = nat_example();
  flows.push_back(flow("eni-1", "i-1", kOut, proto::PATH_EXTERNAL, 5 * kGb));
  flows.back().peer_owner = aggregator::kIpv6Internet;
  EXPECT_EQ(sums(flows).at(Charge::kInternetEgress), 105 * kGb);
}

TEST(ChargeFlows, AGatewaysRecordsOfTheHourBesideStandForWhatTheirOwnHourDoesNotTell) {
  constexpr std::uint32_t kHour = 500'000;
  const std::vector<FlowUsage> own{flow("eni-1", "i-1", kOut, proto::PATH_EXTERNAL, 100)};
  const std::vector<FlowUsage> gateway{nat(proto::NAT_LEG_INSIDE, kIn, 100),
                                       nat(proto::NAT_LEG_OUTSIDE, kOut, 100)};
  const auto egress = [&](std::uint32_t own_hour) {
    return sums(in_hour(own_hour, own) + in_hour(kHour, gateway)).at(Charge::kInternetEgress);
  };
  EXPECT_EQ(egress(kHour), 100u);
  EXPECT_EQ(egress(kHour - 1), 100u) << "the machine's record began before the hour";
  EXPECT_EQ(egress(kHour + 1), 100u) << "the gateway's did";
  EXPECT_EQ(egress(kHour - 2), 200u) << "no edge lies between the two";
  const auto both = in_hour(kHour, own + gateway);
  EXPECT_EQ(sums(in_hour(kHour - 1, own) + both).at(Charge::kInternetEgress), 200u)
      << "the gateway's bytes are told in their own hour";
  EXPECT_EQ(sums(in_hour(kHour - 1, own) + in_hour(kHour, gateway) + in_hour(kHour + 1, own))
                .at(Charge::kInternetEgress),
            200u)
      << "what stands for one hour's bytes stands for no other's";
}

TEST(ChargeFlows, ASendersRecordsOfTheHourBesideStandForTheReceivers) {
  constexpr std::uint32_t kHour = 500'000;
  FlowUsage out = flow("eni-1", "i-1", kOut, proto::PATH_CROSS_AZ, 100);
  out.peer_interface = "eni-2";
  FlowUsage in = flow("eni-2", "i-2", kIn, proto::PATH_CROSS_AZ, 100);
  in.peer_interface = "eni-1";
  for (const std::uint32_t hour : {kHour - 1, kHour + 1}) {
    const std::vector<ChargedBytes> once =
        charge_flows(in_hour(hour, {out}) + in_hour(kHour, {in}));
    ASSERT_EQ(once.size(), 1u);
    EXPECT_EQ(once[0].halves, 2u);
    EXPECT_EQ(once[0].bytes, 100u);
  }
  // Logging of the sender began with the second hour.
  std::map<std::uint32_t, std::uint64_t> by_halves;
  for (const ChargedBytes& c : charge_flows(in_hour(kHour, {in}) + in_hour(kHour + 1, {in, out})))
    by_halves[c.halves] += c.bytes;
  EXPECT_EQ(by_halves, (std::map<std::uint32_t, std::uint64_t>{{2, 100}, {1, 100}}));
}

TEST(ChargeFlows, ChargesBothHalvesAtTheSenderAndNothingAtTheReceiver) {
  FlowUsage out = flow("eni-1", "i-1", kOut, proto::PATH_CROSS_AZ, 100);
  out.peer_interface = "eni-2";
  FlowUsage in = flow("eni-2", "i-2", kIn, proto::PATH_CROSS_AZ, 100);
  in.peer_interface = "eni-1";
  const std::vector<ChargedBytes> both = charge_flows({out, in});
  ASSERT_EQ(both.size(), 1u);
  EXPECT_EQ(both[0].owner, "i-1");
  EXPECT_EQ(both[0].halves, 2u);
  const std::vector<ChargedBytes> receiver = charge_flows({in});
  ASSERT_EQ(receiver.size(), 1u);
  EXPECT_EQ(receiver[0].halves, 1u)
      << "the sender is not logged: only the receiver's half is known to be due here";
}

/// Both ends of what one sends to another; an end whose address the inventory has is named by the
/// other.
std::vector<FlowUsage> both_ends(const FlowUsage& sender, const FlowUsage& receiver,
                                 std::uint64_t bytes, bool sender_known, bool receiver_known) {
  FlowUsage out = sender, in = receiver;
  out.direction = kOut;
  in.direction = kIn;
  out.bytes = in.bytes = bytes;
  out.peer_az = receiver.owner_az;
  in.peer_az = sender.owner_az;
  if (receiver_known) {
    out.peer_interface = receiver.interface;
    out.peer_owner = receiver.owner;
    out.peer_role = receiver.role;
  }
  if (sender_known) {
    in.peer_interface = sender.interface;
    in.peer_owner = sender.owner;
    in.peer_role = sender.role;
  }
  return {out, in};
}
FlowUsage in_zone(const std::string& number, const std::string& zone) {
  FlowUsage f = flow("eni-" + number, "i-" + number, kOut, proto::PATH_CROSS_AZ, 0);
  f.owner_az = f.interface_az = zone;
  return f;
}
using Charges = std::map<Charge, std::uint64_t>;

TEST(ChargeFlows, ASenderWhoseAddressTheInventoryLacksIsLoggedAllTheSame) {
  const FlowUsage a = in_zone("a", "use1-az1"), b = in_zone("b", "use1-az2");
  const auto unknown = both_ends(a, b, 10, false, false) + both_ends(b, a, 4, false, false);
  EXPECT_EQ(sums(unknown), (Charges{{Charge::kCrossAz, 14}})) << "subnets alone are known";
  for (const ChargedBytes& c : charge_flows(unknown)) EXPECT_EQ(c.halves, 2u);
  const auto one_known = both_ends(a, b, 10, true, false) + both_ends(b, a, 20, false, true);
  EXPECT_EQ(sums(one_known), (Charges{{Charge::kCrossAz, 30}}));
  for (const ChargedBytes& c : charge_flows(one_known)) EXPECT_EQ(c.halves, 2u);
}

TEST(ChargeFlows, AnotherSenderOfTheZoneDoesNotStandForOneThatIsNotLogged) {
  const FlowUsage a = in_zone("a", "use1-az1"), b = in_zone("b", "use1-az2"),
                  db = in_zone("db", "use1-az2");
  const auto unlogged = std::vector{both_ends(db, a, 20, false, true)[1]};
  std::map<std::uint32_t, std::uint64_t> by_halves;
  for (const ChargedBytes& c : charge_flows(both_ends(b, a, 5, true, true) + unlogged))
    by_halves[c.halves] += c.bytes;
  EXPECT_EQ(by_halves, (std::map<std::uint32_t, std::uint64_t>{{2, 5}, {1, 20}}));
}

TEST(ChargeFlows, ASecondAddressOfAKnownInterfaceIsItsOwnToo) {
  const FlowUsage node = in_zone("a", "use1-az1"), b = in_zone("b", "use1-az2");
  EXPECT_EQ(sums(both_ends(node, b, 10, false, true)), (Charges{{Charge::kCrossAz, 10}}))
      << "a pod's";
}

TEST(ChargeFlows, EachEnvironmentPaysItsOwnHalfBetweenZones) {
  FlowUsage a = in_zone("a", "use1-az1"), b = in_zone("b", "use1-az2");
  a.environment = "dev";
  const auto flows = both_ends(a, b, 100, true, true);
  FlowCharger charger;
  charge_all(flows, charger);
  std::map<std::pair<std::string, std::string>, std::uint64_t> due;
  for (const ChargedBytes& c : charger.charged())
    due[{c.environment, c.owner}] += c.bytes * c.halves;
  EXPECT_EQ(due, (std::map<std::pair<std::string, std::string>, std::uint64_t>{
                     {{"dev", "i-a"}, 100}, {{"prod", "i-b"}, 100}}));
  EXPECT_EQ(sums(flows), (Charges{{Charge::kCrossAz, 100}})) << "the bytes are there once";
}

TEST(ChargeFlows, AnHourInAnotherEnvironmentSplitsThatHourAlone) {
  FlowUsage a = in_zone("a", "use1-az1"), b = in_zone("b", "use1-az2");
  auto flows = both_ends(a, b, 100, true, true);
  for (FlowUsage f : both_ends(a, b, 7, true, true)) {
    f.hour += 1;
    if (f.interface == "eni-b") f.environment = "dev";
    flows.push_back(f);
  }
  FlowCharger charger;
  charge_all(flows, charger);
  std::map<std::string, std::uint64_t> due;
  for (const ChargedBytes& c : charger.charged()) due[c.environment] += c.bytes * c.halves;
  EXPECT_EQ(due, (std::map<std::string, std::uint64_t>{{"prod", 207}, {"dev", 7}}));
}

TEST(ChargeFlows, WhatANatGatewaySendsToAPrivateAddressIsNotTheInternets) {
  FlowUsage inside = nat(proto::NAT_LEG_INSIDE, kIn, 10);
  inside.path_class = proto::PATH_SAME_AZ;
  inside.owner_az = inside.interface_az;
  FlowUsage outside = nat(proto::NAT_LEG_OUTSIDE, kOut, 10);
  outside.path_class = proto::PATH_OTHER_PRIVATE;
  FlowUsage own = flow("eni-1", "i-1", kOut, proto::PATH_OTHER_PRIVATE, 10);
  own.traffic_path = 1;
  const Charges once{{Charge::kNatProcessing, 10}, {Charge::kUnclassified, 10}};
  EXPECT_EQ(sums({inside, outside}), once);
  EXPECT_EQ(sums({inside, outside, own}), once) << "the gateway's record stands for its own";
  FlowUsage direct = flow("eni-1", "i-1", kOut, proto::PATH_EXTERNAL, 3);
  EXPECT_EQ(sums({inside, outside, direct}).at(Charge::kInternetEgress), 3u)
      << "nothing left for the internet through the gateway";
  outside.traffic_path = 3;
  EXPECT_EQ(sums({inside, outside}), (Charges{{Charge::kNatProcessing, 10}, {Charge::kVpn, 10}}));
  outside.traffic_path = 0;
  outside.peer_role = proto::ROLE_TRANSIT_GATEWAY;
  EXPECT_EQ(sums({inside, outside}),
            (Charges{{Charge::kNatProcessing, 10}, {Charge::kTransitGateway, 10}}));
}

TEST(ChargeFlows, AClientsRecordOfWhatATransitGatewayLoggedPaysNothing) {
  const FlowUsage out = flow("eni-1", "i-1", kOut, proto::PATH_OTHER_PRIVATE, 10);
  const FlowUsage back = flow("eni-1", "i-1", kIn, proto::PATH_OTHER_PRIVATE, 20);
  FlowUsage enters = flow("eni-tgw", "10.9.2.77", kIn, proto::PATH_OTHER_PRIVATE, 10);
  enters.role = proto::ROLE_TRANSIT_GATEWAY;
  enters.peer_interface = "eni-1";
  enters.peer_owner = "i-1";
  FlowUsage leaves = enters;
  leaves.direction = kOut;
  leaves.bytes = 20;
  EXPECT_EQ(sums({out, back, enters, leaves}),
            (Charges{{Charge::kTransitGateway, 10}, {Charge::kNone, 20}}));
  FlowUsage hop = enters;  // As records of such an interface are: its own address, in the VPC.
  hop.owner = "10.0.0.9";
  hop.path_class = proto::PATH_SAME_AZ;
  EXPECT_EQ(sums({out, hop}), (Charges{{Charge::kTransitGateway, 10}}));
  FlowUsage peered = out;
  peered.traffic_path = 3;
  EXPECT_EQ(sums({peered, enters}), (Charges{{Charge::kTransitGateway, 10}, {Charge::kVpn, 10}}))
      << "its path says that it left another way";
}

TEST(ChargeFlows, WhatATransitGatewayHandsOverForTheInternetPaysEgressAtTheLastHopAlone) {
  FlowUsage handed = flow("eni-tgw", "i-1", kOut, proto::PATH_EXTERNAL, 10);
  handed.role = proto::ROLE_TRANSIT_GATEWAY;
  FlowUsage reply = handed;
  reply.direction = kIn;
  reply.bytes = 3;
  EXPECT_EQ(sums({handed, reply}), (Charges{{Charge::kNone, 10}, {Charge::kTransitGateway, 3}}));
}

TEST(ChargeFlows, LooksForTheSenderOverAllShardsOfTheHour) {
  FlowUsage out = flow("eni-1", "i-1", kOut, proto::PATH_CROSS_AZ, 100);
  out.peer_interface = "eni-2";
  out.environment = "dev";
  FlowUsage in = flow("eni-2", "i-2", kIn, proto::PATH_CROSS_AZ, 100);
  in.peer_interface = "eni-1";
  ASSERT_EQ(charge_flows({out, in}).size(), 1u);
  in.hour += 2;  // Another hour, in which eni-1 wrote nothing, nor in those beside it.
  EXPECT_EQ(charge_flows({out, in}).size(), 2u);
}

TEST(ChargeFlows, RejectedCutShortAndEmptyRecordsPayNothing) {
  FlowUsage rejected = flow("eni-1", "i-1", kOut, proto::PATH_EXTERNAL, 100);
  rejected.action = proto::ACTION_REJECT;
  FlowUsage skipped = flow("eni-1", "i-1", kOut, proto::PATH_EXTERNAL, 100);
  skipped.status = proto::FLOW_SKIPDATA;
  EXPECT_TRUE(charge_flows({rejected, skipped}).empty());
}

std::map<std::string, std::uint64_t> without_action(std::vector<FlowUsage> flows) {
  for (FlowUsage& one : flows) one.action = proto::ACTION_NONE;
  FlowCharger charger;
  charge_all(flows, charger);
  EXPECT_TRUE(charger.charged().empty());
  return charger.without_action();
}

TEST(ChargeFlows, WithoutActionBytesThatMightPayAreKnownOncePerByteAndOfNoCharge) {
  using Sums = std::map<std::string, std::uint64_t>;
  EXPECT_EQ(without_action({flow("eni-1", "i-1", kOut, proto::PATH_EXTERNAL, 7)}),
            (Sums{{"prod", 7}}));
  EXPECT_EQ(without_action({flow("eni-1", "i-1", kOut, proto::PATH_SAME_AZ, 7),
                            flow("eni-1", "i-1", kIn, proto::PATH_EXTERNAL, 7)}),
            Sums{})
      << "accepted or not, they pay nothing";
  FlowUsage out = flow("eni-1", "i-1", kOut, proto::PATH_CROSS_AZ, 7);
  FlowUsage in = flow("eni-2", "i-2", kIn, proto::PATH_CROSS_AZ, 7);
  out.peer_interface = "eni-2";
  in.peer_interface = "eni-1";
  EXPECT_EQ(without_action({out, in}), (Sums{{"prod", 7}}));
  EXPECT_EQ(without_action(nat_example()), (Sums{{"prod", 210 * kGb}}))
      << "110 GB through the gateway, of which 100 left";
  FlowUsage skipped = flow("eni-1", "i-1", kOut, proto::PATH_EXTERNAL, 7);
  skipped.status = proto::FLOW_SKIPDATA;
  EXPECT_EQ(without_action({skipped}), Sums{});
}

struct PublicPeer {
  const char* service;
  const char* region;
  std::uint32_t path;
  Charge charge;
};
class PublicEgress : public testing::TestWithParam<PublicPeer> {};

TEST_P(PublicEgress, PaysByWhatThePeerIs) {
  FlowUsage f = flow("eni-1", "i-1", kOut, proto::PATH_EXTERNAL, 9);
  f.peer_service = GetParam().service;
  f.peer_region = GetParam().region;
  f.traffic_path = GetParam().path;
  EXPECT_EQ(charge_flows({f})[0].charge, GetParam().charge);
  f.direction = kIn;
  EXPECT_EQ(charge_flows({f})[0].charge, Charge::kNone);
}
INSTANTIATE_TEST_SUITE_P(Rows, PublicEgress,
                         testing::Values(PublicPeer{"", "", 8, Charge::kInternetEgress},
                                         PublicPeer{"S3", "us-east-2", 8,
                                                    Charge::kInterRegionUsEast},
                                         PublicPeer{"S3", "us-east-1", 7, Charge::kNone},
                                         PublicPeer{"S3", "us-east-1", 2, Charge::kNone},
                                         PublicPeer{"S3", "us-east-1", 0, Charge::kNone},
                                         PublicPeer{"S3", "eu-west-1", 8, Charge::kInterRegion},
                                         PublicPeer{"S3", "", 8, Charge::kNone},
                                         PublicPeer{"DYNAMODB", "", 2, Charge::kNone},
                                         PublicPeer{"EC2", "", 8, Charge::kUnclassified},
                                         PublicPeer{"AMAZON", "us-east-1", 8, Charge::kNone},
                                         PublicPeer{"EC2", "us-east-1", 8, Charge::kRegionalPublic},
                                         PublicPeer{"CLOUDFRONT", "GLOBAL", 8, Charge::kNone},
                                         PublicPeer{"", "", 3, Charge::kVpn},
                                         PublicPeer{"", "", 4, Charge::kUnclassified},
                                         PublicPeer{"", "", 6, Charge::kUnclassified},
                                         PublicPeer{"", "", 5, Charge::kInterRegion}));

TEST(ChargeFlows, AZonesNameAndAnIdAreNotCompared) {
  FlowUsage leg = nat(proto::NAT_LEG_INSIDE, kIn, 50);
  leg.owner_az = "us-east-1a";  // Of the subnet; the gateway's own is the record's az-id.
  leg.interface_az = "use1-az1";
  leg.path_class = proto::PATH_SAME_AZ;
  EXPECT_EQ(sums({leg}), (std::map<Charge, std::uint64_t>{{Charge::kNatProcessing, 50}}));
  leg.path_class = proto::PATH_CROSS_AZ;
  EXPECT_EQ(sums({leg}).at(Charge::kCrossAz), 50u);
  leg.interface_az = "us-east-1a";
  EXPECT_EQ(sums({leg}).count(Charge::kCrossAz), 0u) << "both are names: they decide";
}

TEST(ChargeFlows, TheRecordsOwnZoneStandsInForOneThatTheInventoryDoesNotKnow) {
  FlowUsage f = flow("eni-1", "10.0.9.5", kOut, proto::PATH_VPC_UNKNOWN_AZ, 50);
  EXPECT_EQ(charge_flows({f})[0].charge, Charge::kUnclassified) << "the peer's is not known";
  f.peer_az = "use1-az4";
  EXPECT_EQ(charge_flows({f})[0].charge, Charge::kCrossAz);
  EXPECT_EQ(charge_flows({f})[0].halves, 2u);
  f.peer_az = f.owner_az;
  EXPECT_EQ(charge_flows({f})[0].charge, Charge::kNone);
  f.peer_az = "us-east-1a";
  EXPECT_EQ(charge_flows({f})[0].charge, Charge::kUnclassified) << "a name beside an id";
}

TEST(ChargeFlows, ALocalZoneIsOfItsParentsRegionInBothDirections) {
  FlowUsage out = flow("eni-1", "i-1", kOut, proto::PATH_CROSS_AZ, 50);
  out.owner_az = out.interface_az = "us-east-1-bos-1a";
  out.peer_region = "us-east-1";
  out.peer_az = "us-east-1a";
  EXPECT_EQ(charge_flows({out})[0].charge, Charge::kCrossAz);
  FlowUsage back = flow("eni-2", "i-2", kOut, proto::PATH_CROSS_AZ, 50);
  back.owner_az = back.interface_az = "us-east-1a";
  back.peer_region = "us-east-1";
  back.peer_az = "us-east-1-bos-1a";
  EXPECT_EQ(charge_flows({back})[0].charge, Charge::kCrossAz);
}

TEST(ChargeFlows, EndpointsPayBothWaysAtTheClient) {
  FlowUsage client = flow("eni-1", "i-1", kOut, proto::PATH_CROSS_AZ, 50);
  client.peer_role = proto::ROLE_ENDPOINT;
  client.peer_interface = "eni-vpce";
  client.peer_owner = "vpce-1";
  FlowUsage endpoint = flow("eni-vpce", "vpce-1", kIn, proto::PATH_CROSS_AZ, 50);
  endpoint.role = proto::ROLE_ENDPOINT;
  endpoint.peer_interface = "eni-1";
  endpoint.peer_owner = "i-1";
  const std::map<Charge, std::uint64_t> once{{Charge::kInterfaceEndpoint, 50}};
  EXPECT_EQ(sums({client, endpoint}), once);
  EXPECT_EQ(sums({client}), once);
  EXPECT_EQ(sums({endpoint}), once);
}

TEST(ChargeFlows, AnEndpointWhoseAddressIsNotKnownPaysAtItsOwnRecords) {
  const FlowUsage client = in_zone("1", "use1-az1");
  FlowUsage endpoint = in_zone("vpce", "use1-az2");
  endpoint.owner = "vpce-1";
  endpoint.role = proto::ROLE_ENDPOINT;
  const auto flows =
      both_ends(client, endpoint, 10, true, false) + both_ends(endpoint, client, 20, false, true);
  EXPECT_EQ(sums(flows), (Charges{{Charge::kInterfaceEndpoint, 30}}));
  const auto of_unknown_client =
      both_ends(client, endpoint, 10, false, true) + both_ends(endpoint, client, 20, true, false);
  EXPECT_EQ(sums(of_unknown_client), (Charges{{Charge::kInterfaceEndpoint, 30}}));
}

TEST(ChargeFlows, LoadBalancerToTargetInAnotherZoneIsFree) {
  FlowUsage f = flow("eni-alb", "app/web/1", kOut, proto::PATH_CROSS_AZ, 50);
  f.role = proto::ROLE_ALB;
  EXPECT_EQ(sums({f}), (std::map<Charge, std::uint64_t>{{Charge::kNone, 50}}));
  f.role = proto::ROLE_NLB;
  EXPECT_EQ(sums({f}), (std::map<Charge, std::uint64_t>{{Charge::kCrossAz, 50}}));
}

TEST(ChargeFlows, WhatTheFactsDoNotSayIsUnclassified) {
  EXPECT_EQ(
      sums({flow("eni-1", "i-1", kOut, proto::PATH_VPC_UNKNOWN_AZ, 3)}).at(Charge::kUnclassified),
      3u);
  EXPECT_EQ(sums({flow("eni-1", "i-1", proto::DIRECTION_UNKNOWN, proto::PATH_CROSS_AZ, 3)})
                .at(Charge::kUnclassified),
            3u);
  EXPECT_EQ(
      sums({flow("eni-1", "i-1", kOut, proto::PATH_OTHER_PRIVATE, 3)}).at(Charge::kUnclassified),
      3u);
}

TEST(ChargeFlows, OrderOfTheRecordsDoesNotMatter) {
  std::vector<FlowUsage> flows = nat_example();
  for (FlowUsage f : nat_example()) f.hour += 1, flows.push_back(f);
  const auto expected = sums(flows);
  std::mt19937 random(1);
  for (int i = 0; i < 20; ++i) {
    std::shuffle(flows.begin(), flows.end(), random);
    EXPECT_EQ(sums(flows), expected);
  }
}

TEST(RegionOfZone, ReadsNamesAndIds) {
  EXPECT_EQ(region_of_zone("us-east-1a"), "us-east-1");
  EXPECT_EQ(region_of_zone("use1-az4"), "us-east-1");
  EXPECT_EQ(region_of_zone("apse2-az1"), "ap-southeast-2");
  EXPECT_EQ(region_of_zone("euw1-az3"), "eu-west-1");
  EXPECT_EQ(region_of_zone("us-east-1-bos-1a"), "us-east-1") << "a Local Zone";
  EXPECT_EQ(region_of_zone("use1-bos1-az1"), "us-east-1");
  EXPECT_EQ(region_of_zone("us-gov-west-1b"), "us-gov-west-1");
  EXPECT_EQ(region_of_zone(""), "");
  EXPECT_EQ(region_of_zone("a"), "");
  EXPECT_EQ(region_of_zone("az-az1"), "");
}

}  // namespace
}  // namespace fleetmeter::cost
