#include "cost/network.h"

#include <algorithm>
#include <map>
#include <span>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>

#include "cost/network_hours.h"
#include "proto/check.h"

namespace fleetmeter::cost {
namespace {

constexpr std::uint32_t kPathGatewayEndpoint = 7, kPathVirtualPrivateGateway = 3,
                        kPathInterRegionPeering = 5, kPathSameVpc = 1, kPathInternetGateway = 2,
                        kPathInternetGatewayNitro = 8;

bool external(const FlowUsage& flow) { return flow.path_class == proto::PATH_EXTERNAL; }
bool egress(const FlowUsage& flow) { return flow.direction == proto::DIRECTION_EGRESS; }
bool ingress(const FlowUsage& flow) { return flow.direction == proto::DIRECTION_INGRESS; }

/// Inside: between the gateway and the VPC. Told by the record's facts, else by where its peer
/// lies: an address of the VPC is inside, one beyond it outside.
bool inside_leg(const FlowUsage& flow) {
  if (flow.nat_leg != proto::NAT_LEG_NONE) return flow.nat_leg == proto::NAT_LEG_INSIDE;
  return flow.path_class == proto::PATH_SAME_AZ || flow.path_class == proto::PATH_CROSS_AZ ||
         flow.path_class == proto::PATH_VPC_UNKNOWN_AZ;
}

/// Own addresses of NAT gateways by interface, learned from their outside legs, on which the
/// gateway is the owner. Where the inventory knows only that an interface is a gateway's, a version
/// 2 inside leg names both ends and no direction.
using NatAddresses = std::unordered_map<std::string_view, std::unordered_set<std::string_view>>;

NatAddresses learn(const std::vector<FlowUsage>& flows) {
  NatAddresses own;
  for (const FlowUsage& flow : flows) {
    if (flow.role == proto::ROLE_NAT && !inside_leg(flow) && !flow.owner.empty())
      own[flow.interface].insert(flow.owner);
  }
  return own;
}

/// Who stands behind the gateway on an inside leg; empty while nothing tells the two ends apart.
std::string_view private_owner(const FlowUsage& flow, const NatAddresses& gateways) {
  if (flow.direction != proto::DIRECTION_UNKNOWN) return flow.owner;
  const auto own = gateways.find(flow.interface);
  if (own == gateways.end()) return {};
  const bool owner_is_gateway = own->second.contains(flow.owner);
  if (owner_is_gateway == own->second.contains(flow.peer_owner)) return {};
  return owner_is_gateway ? flow.peer_owner : flow.owner;
}

/// What the records of one hour say about each other.
struct Hour {
  const NatAddresses* gateways = nullptr;
  /// Interfaces that wrote any record, one without data included.
  std::unordered_set<std::string_view> logged;
  /// Owners of private addresses seen on a logged NAT gateway.
  std::unordered_set<std::string_view> behind_nat;
};

Hour look(std::span<const FlowUsage> flows, const NatAddresses& gateways) {
  Hour hour{&gateways, {}, {}};
  for (const FlowUsage& flow : flows) {
    hour.logged.insert(flow.interface);
    if (flow.role == proto::ROLE_NAT && inside_leg(flow))
      hour.behind_nat.insert(private_owner(flow, gateways));
  }
  return hour;
}

struct Due {
  Charge charge = Charge::kNone;
  std::uint32_t halves = 0;
  std::string_view resource, owner;
};

/// Everything that the bytes of one record pay; empty when another record is the canonical one.
using Dues = std::vector<Due>;

/// Bytes that leave for a public address, at the last hop inside the VPC. Rows of
/// docs/network-cost.md in order.
Charge public_egress(const FlowUsage& flow) {
  switch (flow.traffic_path) {
    case kPathGatewayEndpoint:
      return Charge::kNone;
    case kPathVirtualPrivateGateway:
      return Charge::kVpn;
    case kPathInterRegionPeering:
      return Charge::kInterRegion;
    default:
      break;
  }
  if (flow.peer_service.empty()) return Charge::kInternetEgress;
  if (flow.peer_service == "CLOUDFRONT") return Charge::kNone;
  const std::string own =
      region_of_zone(flow.interface_az.empty() ? flow.owner_az : flow.interface_az);
  if (flow.peer_region.empty() || flow.peer_region == "GLOBAL") return Charge::kInternetEgress;
  if (own.empty()) return Charge::kUnclassified;
  if (flow.peer_region != own) return Charge::kInterRegion;
  // In the own region: a service's address is free, one of somebody's instance or load balancer is
  // not.
  return flow.peer_service == "EC2" ? Charge::kRegionalPublic : Charge::kNone;
}

/// Both ends in reach of our facts, or the peer beyond: public addresses.
Dues charge_public(const FlowUsage& flow, const Hour& hour) {
  if (flow.role != proto::ROLE_NAT && hour.behind_nat.contains(flow.owner)) {
    // The gateway's outside leg stands for what went through it. Path codes tell where a record
    // took another way.
    const bool direct = flow.traffic_path != 0 && flow.traffic_path != kPathSameVpc;
    if (!direct) return {};
  }
  if (ingress(flow)) return {{Charge::kNone, 0, {}, flow.owner}};
  if (!egress(flow)) return {{Charge::kUnclassified, 0, {}, flow.owner}};
  const Charge charge = public_egress(flow);
  const std::uint32_t halves = charge != Charge::kRegionalPublic           ? 0
                               : hour.logged.contains(flow.peer_interface) ? 2
                                                                           : 1;
  return {{charge, halves, {}, flow.owner}};
}

/// A record of a NAT gateway's own interface.
Dues charge_nat(const FlowUsage& flow, const Hour& hour) {
  if (!inside_leg(flow)) {
    return external(flow) || flow.path_class == proto::PATH_OTHER_PRIVATE
               ? charge_public(flow, hour)
               : Dues{{Charge::kUnclassified, 0, {}, flow.owner}};
  }
  const std::string_view owner = private_owner(flow, *hour.gateways);
  Dues dues{{Charge::kNatProcessing, 0, flow.interface, owner}};
  const bool zones_known = !flow.owner_az.empty() && !flow.interface_az.empty();
  const bool crosses =
      zones_known ? flow.owner_az != flow.interface_az : flow.path_class == proto::PATH_CROSS_AZ;
  if (crosses) dues.push_back({Charge::kCrossAz, 2, {}, owner});
  return dues;
}

/// A record whose peer is a NAT gateway's interface: canonical only where the gateway itself is not
/// logged.
Dues charge_towards_nat(const FlowUsage& flow, const Hour& hour) {
  if (hour.logged.contains(flow.peer_interface)) return {};
  Dues dues{{Charge::kNatProcessing, 0,
             flow.peer_interface.empty() ? flow.peer_owner : flow.peer_interface, flow.owner}};
  if (flow.path_class == proto::PATH_CROSS_AZ)
    dues.push_back({Charge::kCrossAz, 2, {}, flow.owner});
  return dues;
}

/// Either end is an interface endpoint: per byte in both directions, no cross-AZ. The client's
/// record counts, the endpoint's own only where the client is not logged.
Dues charge_endpoint(const FlowUsage& flow, const Hour& hour) {
  if (flow.peer_role == proto::ROLE_ENDPOINT) {
    return {{Charge::kInterfaceEndpoint, 0,
             flow.peer_owner.empty() ? flow.peer_interface : flow.peer_owner, flow.owner}};
  }
  if (!flow.peer_interface.empty() && hour.logged.contains(flow.peer_interface)) return {};
  return {{Charge::kInterfaceEndpoint, 0, flow.owner.empty() ? flow.interface : flow.owner,
           flow.peer_owner}};
}

/// Between private addresses: egress at the sender with both halves; ingress only where the sender
/// is not logged, then the receiver's half alone.
Dues charge_private(const FlowUsage& flow, const Hour& hour) {
  const bool sender_logged =
      !flow.peer_interface.empty() && hour.logged.contains(flow.peer_interface);
  if (ingress(flow) && sender_logged) return {};
  const auto one = [&flow](Charge charge, std::uint32_t halves = 0) {
    return Dues{{charge, halves, {}, flow.owner}};
  };
  if (!egress(flow) && !ingress(flow)) return one(Charge::kUnclassified);
  if (egress(flow) && flow.traffic_path == kPathVirtualPrivateGateway) return one(Charge::kVpn);
  if (flow.traffic_path == kPathInterRegionPeering) return one(Charge::kInterRegion);
  if (flow.role == proto::ROLE_TRANSIT_GATEWAY || flow.peer_role == proto::ROLE_TRANSIT_GATEWAY) {
    return one(egress(flow) ? Charge::kTransitGateway : Charge::kNone);
  }
  switch (flow.path_class) {
    case proto::PATH_SAME_AZ:
      return one(Charge::kNone);
    case proto::PATH_CROSS_AZ:
      // A load balancer of kind application pays nothing towards its targets in another zone.
      if (flow.role == proto::ROLE_ALB || flow.peer_role == proto::ROLE_ALB)
        return one(Charge::kNone);
      return one(Charge::kCrossAz, egress(flow) ? 2 : 1);
    default:
      break;
  }
  const std::string own = region_of_zone(flow.owner_az.empty() ? flow.interface_az : flow.owner_az);
  if (!own.empty() && !flow.peer_region.empty() && own != flow.peer_region) {
    return one(egress(flow) ? Charge::kInterRegion : Charge::kNone);
  }
  return one(Charge::kUnclassified);
}

Dues charge_record(const FlowUsage& flow, const Hour& hour) {
  if (flow.status != proto::FLOW_OK || flow.action != proto::ACTION_ACCEPT) return {};
  if (flow.role == proto::ROLE_NAT) return charge_nat(flow, hour);
  if (flow.peer_role == proto::ROLE_NAT) return charge_towards_nat(flow, hour);
  if (flow.role == proto::ROLE_ENDPOINT || flow.peer_role == proto::ROLE_ENDPOINT)
    return charge_endpoint(flow, hour);
  if (flow.path_class == proto::PATH_UNCLASSIFIED)
    return {{Charge::kUnclassified, 0, {}, flow.owner}};
  return external(flow) ? charge_public(flow, hour) : charge_private(flow, hour);
}

// As in ChargedBytes.
using Key = std::tuple<std::string, Charge, std::string, std::string, std::uint32_t>;

void charge_hour(std::span<const FlowUsage> flows, const NatAddresses& gateways,
                 std::map<Key, std::uint64_t>& sums) {
  const Hour hour = look(flows, gateways);
  for (const FlowUsage& flow : flows) {
    for (const Due& due : charge_record(flow, hour)) {
      sums[{flow.environment, due.charge, std::string(due.resource), std::string(due.owner),
            due.halves}] += flow.bytes;
    }
  }
}

ChargedBytes charged(const Key& key, std::uint64_t bytes) {
  return {std::get<0>(key), std::get<1>(key), std::get<2>(key), std::get<3>(key), bytes,
          std::get<4>(key)};
}

/// Calls `visit` with the flows of each hour, earliest first.
template <typename Visit>
void for_each_hour(const std::vector<FlowUsage>& flows, Visit visit) {
  const auto by_hour = [](const FlowUsage& a, const FlowUsage& b) { return a.hour < b.hour; };
  std::vector<FlowUsage> sorted;
  std::span<const FlowUsage> rest = flows;
  if (!std::is_sorted(flows.begin(), flows.end(), by_hour)) {
    sorted = flows;
    std::stable_sort(sorted.begin(), sorted.end(), by_hour);
    rest = sorted;
  }
  while (!rest.empty()) {
    const std::uint32_t hour = rest.front().hour;
    std::size_t count = 0;
    while (count < rest.size() && rest[count].hour == hour) ++count;
    visit(hour, rest.first(count));
    rest = rest.subspan(count);
  }
}

}  // namespace

const char* to_string(Charge charge) noexcept {
  switch (charge) {
    case Charge::kNone:
      return "none";
    case Charge::kNatProcessing:
      return "nat_processing";
    case Charge::kCrossAz:
      return "cross_az";
    case Charge::kInterfaceEndpoint:
      return "interface_endpoint";
    case Charge::kInterRegion:
      return "inter_region";
    case Charge::kInternetEgress:
      return "internet_egress";
    case Charge::kVpn:
      return "vpn";
    case Charge::kTransitGateway:
      return "transit_gateway";
    case Charge::kRegionalPublic:
      return "regional_public";
    case Charge::kUnclassified:
      return "unclassified";
  }
  FM_CHECK(false);
  return "";
}

std::vector<ChargedHour> charge_flow_hours(const std::vector<FlowUsage>& flows) {
  std::vector<ChargedHour> hours;
  const NatAddresses gateways = learn(flows);
  for_each_hour(flows, [&](std::uint32_t hour, std::span<const FlowUsage> of_hour) {
    std::map<Key, std::uint64_t> sums;
    charge_hour(of_hour, gateways, sums);
    for (const auto& [key, bytes] : sums) hours.push_back({hour, charged(key, bytes)});
  });
  return hours;
}

std::vector<ChargedBytes> charge_flows(const std::vector<FlowUsage>& flows) {
  std::map<Key, std::uint64_t> sums;
  const NatAddresses gateways = learn(flows);
  for_each_hour(flows, [&](std::uint32_t, std::span<const FlowUsage> of_hour) {
    charge_hour(of_hour, gateways, sums);
  });
  std::vector<ChargedBytes> result;
  result.reserve(sums.size());
  for (const auto& [key, bytes] : sums) result.push_back(charged(key, bytes));
  return result;
}

}  // namespace fleetmeter::cost
