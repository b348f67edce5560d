#include "aggregator/flow_facts.h"

namespace fleetmeter::aggregator {
namespace {

using Side = FlowSide;

Side side_of(const RecordFacts& record) noexcept {
  return own_side(record.direction, record.source_is_own, record.destination_is_own,
                  record.source->is_inside(), record.destination->is_inside());
}

proto::FlowDirection direction_of(Side own) noexcept {
  if (own == Side::kSource) return proto::DIRECTION_EGRESS;
  return own == Side::kDestination ? proto::DIRECTION_INGRESS : proto::DIRECTION_UNKNOWN;
}

std::uint32_t name_of(const AddressFacts& facts) noexcept {
  return facts.owner != 0 ? facts.owner : facts.text;
}

void set_owner(FlowAttribution& out, const AddressFacts& facts) noexcept {
  out.owner = name_of(facts);
  out.owner_az = facts.end.az;
}

void set_peer(FlowAttribution& out, const AddressFacts& facts, std::uint32_t service) noexcept {
  out.peer_owner = facts.owner != 0                    ? facts.owner
                   : service != 0 && !facts.end.in_vpc ? service
                                                       : facts.place;
  out.peer_az = facts.end.az;
  out.peer_region = facts.region;
  out.peer_interface = facts.interface;
  out.peer_role = facts.role;
  out.peer_service = service;
}

/// An inside leg of a packet with these addresses, which enters the gateway from the VPC or leaves it
/// for the VPC.
void set_inside(const RecordFacts& record, const AddressFacts& from, const AddressFacts& to,
                bool enters, FlowAttribution& out) noexcept {
  out.nat_leg = proto::NAT_LEG_INSIDE;
  out.direction = enters ? proto::DIRECTION_INGRESS : proto::DIRECTION_EGRESS;
  set_owner(out, enters ? from : to);
  set_peer(out, enters ? to : from, enters ? record.destination_service : record.source_service);
}

bool is_vpc_address(const CaptureFacts& capture, const AddressFacts& facts) noexcept {
  return facts.end.in_vpc || (!capture.vpcs_known && facts.end.is_private);
}

/// Version 2 shows one hop: the gateway's own address and a peer, which tells the leg.
void attribute_nat_hop(const CaptureFacts& capture, const RecordFacts& record,
                       FlowAttribution& out) noexcept {
  const bool source_in = is_vpc_address(capture, *record.source);
  const bool destination_in = is_vpc_address(capture, *record.destination);
  const bool own_known = record.source_is_own != record.destination_is_own;
  Side own = Side::kUnknown;
  if (own_known) {
    own = record.source_is_own ? Side::kSource : Side::kDestination;
  } else if (source_in != destination_in) {
    own = source_in ? Side::kSource : Side::kDestination;
  } else {
    own = side_of(record);
  }
  out.direction = direction_of(own);
  if (own == Side::kUnknown) {
    out.nat_leg = source_in ? proto::NAT_LEG_INSIDE : proto::NAT_LEG_OUTSIDE;
    out.owner = name_of(*record.source);
    out.peer_owner = name_of(*record.destination);
    return;
  }
  const AddressFacts& gateway = own == Side::kSource ? *record.source : *record.destination;
  const AddressFacts& peer = own == Side::kSource ? *record.destination : *record.source;
  if (is_vpc_address(capture, peer)) {
    out.nat_leg = proto::NAT_LEG_INSIDE;
    set_owner(out, peer);
    out.peer_owner = capture.owner != 0 ? capture.owner : gateway.text;
    out.peer_az = gateway.end.az;
    out.peer_role = proto::ROLE_NAT;
    return;
  }
  out.nat_leg = proto::NAT_LEG_OUTSIDE;
  out.owner = own_known && capture.owner != 0 ? capture.owner : gateway.text;
  out.owner_az = gateway.end.az;
  set_peer(out, peer, own == Side::kSource ? record.destination_service : record.source_service);
}

void set_outside(const CaptureFacts& capture, const RecordFacts& record,
                 FlowAttribution& out) noexcept {
  const Side own = side_of(record);
  const bool source = own != Side::kDestination;
  const AddressFacts& gateway = source ? *record.source : *record.destination;
  out.nat_leg = proto::NAT_LEG_OUTSIDE;
  out.direction = direction_of(own);
  out.owner = capture.owner != 0 ? capture.owner : gateway.text;
  out.owner_az = gateway.end.az;
  set_peer(out, source ? *record.destination : *record.source,
           source ? record.destination_service : record.source_service);
}

bool is_of_other(const CaptureFacts& capture, const AddressFacts& facts) noexcept {
  const bool is_same_owner = facts.owner != 0 && facts.owner == capture.owner;
  return facts.interface != 0 && facts.interface != capture.interface && !is_same_owner;
}

bool is_of_gateway(const CaptureFacts& capture, const AddressFacts& facts) noexcept {
  return facts.interface != 0 && !is_of_other(capture, facts);
}

/// Beside a public address any private one is behind the gateway: the VPC's, or one that reaches the
/// gateway by way of the VPC.
bool is_behind(const CaptureFacts& capture, const AddressFacts& facts,
               const AddressFacts& other) noexcept {
  if (is_of_gateway(capture, facts)) return false;
  return is_vpc_address(capture, facts) || (facts.end.is_private && !other.is_inside());
}

/// Where a zonal gateway's inside leg shows the gateway, a regional one's shows the far end, so an
/// address behind the gateway tells the leg: it sends what enters, and receives what leaves for the
/// VPC. What enters for it, or leaves from it, is on the outside.
/// Rule: Amazon VPC User Guide, "Flow log records" (dstaddr, resource-id).
void attribute_regional(const CaptureFacts& capture, const RecordFacts& record,
                        FlowAttribution& out) noexcept {
  const bool has_packet = record.packet_source != nullptr && record.packet_destination != nullptr;
  const AddressFacts& from = has_packet ? *record.packet_source : *record.source;
  const AddressFacts& to = has_packet ? *record.packet_destination : *record.destination;
  // On an inside leg a packet's own addresses are the original ones, never the gateway's.
  const bool is_original =
      !has_packet || (!is_of_gateway(capture, from) && !is_of_gateway(capture, to));
  const bool enters = is_original && record.direction != parsers::Direction::kEgress &&
                      is_behind(capture, from, to);
  const bool leaves = is_original && record.direction != parsers::Direction::kIngress &&
                      is_behind(capture, to, from);
  if (enters && leaves) {  // Between two addresses of VPCs, and nothing says which way.
    attribute_nat_hop(capture, record, out);
  } else if (enters || leaves) {
    set_inside(record, from, to, enters, out);
  } else {
    set_outside(capture, record, out);
  }
}

void attribute_nat(const CaptureFacts& capture, const RecordFacts& record,
                   FlowAttribution& out) noexcept {
  if (capture.is_regional) {
    attribute_regional(capture, record, out);
  } else if (record.packet_source == nullptr || record.packet_destination == nullptr) {
    attribute_nat_hop(capture, record, out);
  } else if (record.source_translated || record.destination_translated) {
    // The gateway saw the packet with its original addresses: an inside leg shows its own in one of
    // them, in the destination of what comes from the instance.
    set_inside(record, *record.packet_source, *record.packet_destination,
               record.destination_translated, out);
  } else {
    set_outside(capture, record, out);
  }
}

}  // namespace

FlowSide side_beside_other(const CaptureFacts& capture, const AddressFacts& source,
                           const AddressFacts& destination) noexcept {
  const bool source_is_other = is_of_other(capture, source);
  if (source_is_other == is_of_other(capture, destination)) return Side::kUnknown;
  return source_is_other ? Side::kDestination : Side::kSource;
}

FlowAttribution attribute_flow(const CaptureFacts& capture, const RecordFacts& record) noexcept {
  FlowAttribution out;
  if (record.source == nullptr || record.destination == nullptr) {
    out.owner = capture.owner;
    out.owner_az = capture.az;
    return out;
  }
  out.path_class = classify_path(record.source->end, record.destination->end);
  if (capture.role == proto::ROLE_NAT) {
    attribute_nat(capture, record, out);
    return out;
  }
  Side own = side_of(record);
  if (own == Side::kUnknown) own = side_beside_other(capture, *record.source, *record.destination);
  out.direction = direction_of(own);
  const bool source = own != Side::kDestination;  // Unknown: as the sender sees it.
  const AddressFacts& own_facts = source ? *record.source : *record.destination;
  set_owner(out, own_facts);
  const std::uint32_t captor = own != Side::kUnknown ? capture.owner : capture.name();
  if (captor != 0) out.owner = captor;
  if (out.owner_az == 0 && own != Side::kUnknown) out.owner_az = capture.az;
  const AddressFacts* packet = source ? record.packet_destination : record.packet_source;
  const AddressFacts& hop = source ? *record.destination : *record.source;
  set_peer(out, packet != nullptr ? *packet : hop,
           source ? record.destination_service : record.source_service);
  return out;
}

bool NatAddresses::undecided(const proto::FlowAggregates& flows, int series) {
  return flows.role(series) == proto::ROLE_NAT && flows.nat_leg(series) == proto::NAT_LEG_INSIDE &&
         flows.direction(series) == proto::DIRECTION_UNKNOWN;
}

void NatAddresses::learn(const proto::AggregateBatch& batch) {
  const proto::FlowAggregates& flows = batch.flows();
  for (int series = 0; series < flows.role_size(); ++series) {
    if (flows.role(series) != proto::ROLE_NAT || flows.nat_leg(series) != proto::NAT_LEG_OUTSIDE)
      continue;
    const std::string& interface = batch.strings(static_cast<int>(flows.interface(series)));
    const std::string& owner = batch.strings(static_cast<int>(flows.owner(series)));
    if (!owner.empty()) own_[interface].insert(owner);
  }
}

NatAddresses::Side NatAddresses::resolve(std::string_view interface, std::string_view source,
                                         std::string_view destination) const {
  const auto own = own_.find(interface);
  if (own == own_.end()) return {};
  const bool source_own = own->second.contains(source);
  if (source_own == own->second.contains(destination)) return {};
  if (source_own) return {destination, proto::DIRECTION_EGRESS};
  return {source, proto::DIRECTION_INGRESS};
}

}  // namespace fleetmeter::aggregator
