#include "cost/network_rules.h"

#include "cost/network_hours.h"

namespace fleetmeter::cost {
namespace {

constexpr std::uint32_t kPathVirtualPrivateGateway = 3, kPathPeering = 4,
                        kPathInterRegionPeering = 5, kPathLocalGateway = 6,
                        kPathGatewayEndpoint = 7;

using Dues = std::vector<Due>;

bool external(const FlowView& flow) { return flow.path_class == proto::PATH_EXTERNAL; }
bool egress(const FlowView& flow) { return flow.direction == proto::DIRECTION_EGRESS; }
bool ingress(const FlowView& flow) { return flow.direction == proto::DIRECTION_INGRESS; }

std::string region_or_zone(std::string_view region, std::string_view zone,
                           std::string_view other_zone = {}) {
  if (!region.empty()) return std::string(region);
  return region_of_zone(zone.empty() ? other_zone : zone);
}

/// Bytes between two regions, as far as known. Rule: Amazon EC2 On-Demand Pricing, "Data transfer".
Charge between_regions(std::string_view own, std::string_view peer) {
  const bool us_east =
      (own == "us-east-1" && peer == "us-east-2") || (own == "us-east-2" && peer == "us-east-1");
  return us_east ? Charge::kInterRegionUsEast : Charge::kInterRegion;
}
Charge peered_regions(const FlowView& flow) {
  return between_regions(region_or_zone({}, flow.interface_az, flow.owner_az),
                         region_or_zone(flow.peer_region, flow.peer_az));
}

/// To a public address that the inventory knows as one of its own, or that lies in a published
/// range of AWS: never the internet's price.
Charge aws_egress(const FlowView& flow) {
  const std::string own = region_or_zone({}, flow.interface_az, flow.owner_az);
  const std::string peer = region_or_zone(flow.peer_region, flow.peer_az);
  if (own.empty() || peer.empty()) return Charge::kUnclassified;
  if (peer != own) return between_regions(own, peer);
  // In the own region: a service's address is free, one of an instance or load balancer is not.
  const bool somebodys = flow.peer_service.empty() || flow.peer_service == "EC2";
  return somebodys ? Charge::kRegionalPublic : Charge::kNone;
}

/// Bytes that leave for a public address, at the last hop inside the VPC. Rows of
/// docs/network-cost.md in order.
Charge public_egress(const FlowView& flow) {
  switch (flow.traffic_path) {
    case kPathGatewayEndpoint:
      return Charge::kNone;
    case kPathVirtualPrivateGateway:
      return Charge::kVpn;
    case kPathInterRegionPeering:
      return peered_regions(flow);
    case kPathPeering:
    case kPathLocalGateway:
      return Charge::kUnclassified;  // A public address, but not by way of the internet.
    default:
      break;
  }
  const std::string_view service = flow.peer_service;
  if (service.empty())
    return flow.peer_interface.empty() ? Charge::kInternetEgress : aws_egress(flow);
  if (service == "CLOUDFRONT") return Charge::kNone;
  if (flow.peer_region == "GLOBAL") return Charge::kInternetEgress;
  // Records name the service and not its region; buckets and tables are reached in their own.
  const bool regional = service == "S3" || service == "DYNAMODB";
  if (flow.peer_region.empty() && regional) return Charge::kNone;
  return aws_egress(flow);
}

/// The gateway's record stands for what went through it. Path codes tell where a record took another
/// way.
bool is_through_gateway(const FlowView& flow, Seen seen) {
  return seen.behind_gateway && (flow.traffic_path == 0 || flow.traffic_path == kPathSameVpc);
}

/// Both ends in reach of our facts, or the peer beyond: public addresses.
Dues charge_public(const FlowView& flow, Seen seen) {
  if (flow.role != proto::ROLE_NAT && is_through_gateway(flow, seen)) return {};
  if (ingress(flow)) return {{Charge::kNone, 0, {}, flow.owner}};
  if (!egress(flow)) return {{Charge::kUnclassified, 0, {}, flow.owner}};
  const Charge charge = public_egress(flow);
  const std::uint32_t halves = charge != Charge::kRegionalPublic ? 0 : seen.peer_logged ? 2 : 1;
  return {{charge, halves, {}, flow.owner}};
}

/// An inside leg, of a NAT gateway's own interface.
Dues charge_nat(const FlowView& flow, std::string_view behind) {
  Dues dues{{Charge::kNatProcessing, 0, flow.interface, behind}};
  const bool crosses = zones_differ(flow.owner_az, flow.interface_az)
                           .value_or(flow.path_class == proto::PATH_CROSS_AZ);
  if (crosses) dues.push_back({Charge::kCrossAz, 2, {}, behind});
  return dues;
}

/// A record whose peer is a NAT gateway's interface: canonical only where the gateway itself is not
/// logged.
Dues charge_towards_nat(const FlowView& flow, Seen seen) {
  if (seen.peer_logged) return {};
  Dues dues{{Charge::kNatProcessing, 0,
             flow.peer_interface.empty() ? flow.peer_owner : flow.peer_interface, flow.owner}};
  if (flow.path_class == proto::PATH_CROSS_AZ)
    dues.push_back({Charge::kCrossAz, 2, {}, flow.owner});
  return dues;
}

/// Either end is an interface endpoint: per byte in both directions, no cross-AZ. The client's
/// record counts, the endpoint's own only where the client is not logged.
Dues charge_endpoint(const FlowView& flow, Seen seen) {
  if (flow.role != proto::ROLE_ENDPOINT) {
    return {{Charge::kInterfaceEndpoint, 0,
             flow.peer_owner.empty() ? flow.peer_interface : flow.peer_owner, flow.owner}};
  }
  if (seen.peer_logged) return {};
  return {{Charge::kInterfaceEndpoint, 0, flow.owner.empty() ? flow.interface : flow.owner,
           flow.peer_owner}};
}

/// What enters a transit gateway's interface comes from the VPC, whose attachment pays; what leaves
/// it has been paid for where it was sent. A record of the other end counts where the gateway's own
/// interface is not logged.
Dues charge_transit_gateway(const FlowView& flow, Seen seen) {
  const bool own = flow.role == proto::ROLE_TRANSIT_GATEWAY;
  if (!own && seen.peer_logged) return {};
  if (!egress(flow) && !ingress(flow)) return {{Charge::kUnclassified, 0, {}, flow.owner}};
  const bool enters = own ? ingress(flow) : egress(flow);
  return {{enters ? Charge::kTransitGateway : Charge::kNone,
           0,
           {},
           own ? flow.peer_owner : flow.owner}};
}

/// Addresses that never leave the link: instance metadata, time, multicast, broadcast.
bool is_on_link(std::string_view peer) {
  return peer == "link-local" || peer == "multicast" || peer == "loopback";
}

/// Nothing where the zones are not known: the own one may be told by the record alone.
std::optional<bool> crosses_zones(const FlowView& flow) {
  switch (flow.path_class) {
    case proto::PATH_SAME_AZ:
      return false;
    case proto::PATH_CROSS_AZ:
      return true;
    case proto::PATH_VPC_UNKNOWN_AZ:
      return zones_differ(flow.owner_az, flow.peer_az);
    default:
      return std::nullopt;
  }
}

/// Between private addresses: egress at the sender with both halves; ingress only where the sender
/// is not logged, then the receiver's half alone.
Dues charge_private(const FlowView& flow, Seen seen) {
  if (ingress(flow) && seen.peer_logged) return {};
  if (is_through_gateway(flow, seen)) return {};
  const auto one = [&flow](Charge charge, std::uint32_t halves = 0) {
    return Dues{{charge, halves, {}, flow.owner}};
  };
  if (is_on_link(flow.peer_owner)) return one(Charge::kNone);
  if (!egress(flow) && !ingress(flow)) return one(Charge::kUnclassified);
  if (egress(flow) && flow.traffic_path == kPathVirtualPrivateGateway) return one(Charge::kVpn);
  if (flow.traffic_path == kPathInterRegionPeering) return one(peered_regions(flow));
  // Zones of two regions differ too, but the bytes pay as between regions, at the sender.
  const std::string own = region_or_zone({}, flow.owner_az, flow.interface_az);
  const std::string peer = region_or_zone(flow.peer_region, flow.peer_az);
  const bool is_in_vpc = flow.traffic_path == kPathSameVpc;
  if (!own.empty() && !peer.empty() && own != peer && !is_in_vpc)
    return one(egress(flow) ? between_regions(own, peer) : Charge::kNone);
  const std::optional<bool> crosses = crosses_zones(flow);
  if (!crosses) return one(Charge::kUnclassified);
  // A load balancer of kind application pays nothing towards its targets in another zone.
  const bool is_free = flow.role == proto::ROLE_ALB || flow.peer_role == proto::ROLE_ALB;
  if (!*crosses || is_free) return one(Charge::kNone);
  return one(Charge::kCrossAz, egress(flow) ? 2 : 1);
}

/// What leaves a NAT gateway or comes back: for a private address beyond the VPC never the internet.
Dues charge_outside_leg(const FlowView& flow, Seen seen) {
  if (external(flow)) return charge_public(flow, seen);
  if (flow.path_class != proto::PATH_OTHER_PRIVATE)
    return {{Charge::kUnclassified, 0, {}, flow.owner}};
  if (ingress(flow)) return {{Charge::kNone, 0, {}, flow.owner}};
  return flow.peer_role == proto::ROLE_TRANSIT_GATEWAY ? charge_transit_gateway(flow, seen)
                                                       : charge_private(flow, seen);
}

Dues all_dues_of(const FlowView& flow, std::string_view behind, Seen seen) {
  if (flow.status != proto::FLOW_OK || flow.action == proto::ACTION_REJECT) return {};
  if (flow.role == proto::ROLE_NAT)
    return is_inside_leg(flow) ? charge_nat(flow, behind) : charge_outside_leg(flow, seen);
  if (flow.peer_role == proto::ROLE_NAT && !external(flow)) return charge_towards_nat(flow, seen);
  if (flow.role == proto::ROLE_ENDPOINT || flow.peer_role == proto::ROLE_ENDPOINT)
    return charge_endpoint(flow, seen);
  if (flow.path_class == proto::PATH_UNCLASSIFIED)
    return {{Charge::kUnclassified, 0, {}, flow.owner}};
  if (flow.role == proto::ROLE_TRANSIT_GATEWAY) return charge_transit_gateway(flow, seen);
  if (external(flow)) return charge_public(flow, seen);
  if (flow.peer_role == proto::ROLE_TRANSIT_GATEWAY) return charge_transit_gateway(flow, seen);
  return charge_private(flow, seen);
}

}  // namespace

FlowView view_of(const FlowUsage& f) noexcept {
  return {f.environment, f.status,         f.action,      f.direction, f.path_class,
          f.nat_leg,     f.role,           f.peer_role,   f.interface, f.interface_az,
          f.owner,       f.owner_az,       f.peer_owner,  f.peer_az,   f.peer_service,
          f.peer_region, f.peer_interface, f.traffic_path};
}

bool is_inside_leg(const FlowView& flow) noexcept {
  if (flow.nat_leg != proto::NAT_LEG_NONE) return flow.nat_leg == proto::NAT_LEG_INSIDE;
  return flow.path_class == proto::PATH_SAME_AZ || flow.path_class == proto::PATH_CROSS_AZ ||
         flow.path_class == proto::PATH_VPC_UNKNOWN_AZ;
}

void NatGateways::learn(const FlowView& flow) {
  if (flow.role != proto::ROLE_NAT) return;
  Gateway& gateway = gateways_[flow.interface];
  if (!is_inside_leg(flow)) {
    if (!flow.owner.empty()) gateway.own.insert(flow.owner);
    return;
  }
  if (flow.direction != proto::DIRECTION_UNKNOWN) return;
  std::unordered_set<std::string_view> ends;
  for (const std::string_view end : {flow.owner, flow.peer_owner}) {
    // A machine is no gateway.
    const bool possible = !end.empty() && !end.starts_with("i-");
    if (possible && (!gateway.undecided || gateway.shared.contains(end))) ends.insert(end);
  }
  gateway.shared = std::move(ends);
  gateway.undecided = true;
}

std::string_view NatGateways::behind(const FlowView& flow) const {
  if (flow.direction != proto::DIRECTION_UNKNOWN) return flow.owner;
  const auto found = gateways_.find(flow.interface);
  if (found == gateways_.end()) return {};
  const Gateway& gateway = found->second;
  const auto& own =
      !gateway.own.empty() || gateway.shared.size() != 1 ? gateway.own : gateway.shared;
  const bool owner_is_gateway = own.contains(flow.owner);
  if (owner_is_gateway == own.contains(flow.peer_owner)) return {};
  return owner_is_gateway ? flow.peer_owner : flow.owner;
}

std::vector<Due> dues_of(const FlowView& flow, std::string_view behind, Seen seen) {
  std::vector<Due> dues = all_dues_of(flow, behind, seen);
  const bool shared = !seen.peer_environment.empty() && dues.size() == 1 && dues[0].halves == 2;
  if (!shared) return dues;
  dues[0].halves = 1;
  dues[0].share = Share::kSender;
  dues.push_back({dues[0].charge, 1, {}, flow.peer_owner, Share::kReceiver, seen.peer_environment});
  return dues;
}

}  // namespace fleetmeter::cost
