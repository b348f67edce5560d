#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "aggregator/path_class.h"
#include "parsers/flow_columns.h"
#include "proto/log.pb.h"

namespace fleetmeter::aggregator {

/// What the inventory and the address itself say of one address; texts are ids of a StringPool, 0 =
/// unknown.
struct AddressFacts {
  PathEnd end;
  /// The address; public ones have none: they would be as many as the internet is wide.
  std::uint32_t text = 0;
  std::uint32_t owner = 0;  ///< Instance id, else other resource, of the interface that has it.
  /// Subnet (id, else name, else CIDR) when known, else the address range.
  std::uint32_t place = 0;
  std::uint32_t region = 0;
  std::uint32_t interface = 0;
  proto::InterfaceRole role = proto::ROLE_UNKNOWN;

  /// A private address, or one of a VPC.
  [[nodiscard]] bool is_inside() const noexcept { return end.is_private || end.in_vpc; }
  friend bool operator==(const AddressFacts&, const AddressFacts&) = default;
};

/// What is known of the interface that captured a record.
struct CaptureFacts {
  std::uint32_t environment = 0;  ///< Index into the aggregator's environments.
  std::uint32_t interface = 0;    ///< Or the NAT gateway's id for a regional one.
  std::uint32_t owner = 0;
  std::uint32_t az = 0;
  proto::InterfaceRole role = proto::ROLE_UNKNOWN;
  /// A regional NAT gateway: it has no interface of its own, and is told by its resource-id.
  bool is_regional = false;
  bool vpcs_known = false;  ///< The inventory names subnets, so "not in a VPC" means outside.
  std::vector<parsers::IpAddress> addresses;  ///< Its own, as far as the inventory knows.

  /// Its owner, else itself.
  [[nodiscard]] std::uint32_t name() const noexcept { return owner != 0 ? owner : interface; }
};

/// One record's own facts; pointers live as long as the call.
struct RecordFacts {
  const AddressFacts* source = nullptr;  ///< srcaddr; null = absent.
  const AddressFacts* destination = nullptr;
  /// pkt-srcaddr; null = absent, as always on version 2.
  const AddressFacts* packet_source = nullptr;
  const AddressFacts* packet_destination = nullptr;
  bool source_is_own = false;  ///< srcaddr is one of CaptureFacts::addresses.
  bool destination_is_own = false;
  bool source_translated = false;  ///< srcaddr != pkt-srcaddr, both present.
  bool destination_translated = false;
  parsers::Direction direction = parsers::Direction::kUnknown;
  std::uint32_t source_service = 0;  ///< pkt-src-aws-service.
  std::uint32_t destination_service = 0;
};

/// Which end of a record is the interface's own.
enum class FlowSide : std::uint8_t { kUnknown, kSource, kDestination };

/// By flow-direction, else the side whose address is the interface's own, else the inside one (a
/// private address, or one of a VPC) where exactly one is.
[[nodiscard]] inline FlowSide own_side(parsers::Direction direction, bool source_is_own,
                                       bool destination_is_own, bool source_is_inside,
                                       bool destination_is_inside) noexcept {
  if (direction == parsers::Direction::kEgress) return FlowSide::kSource;
  if (direction == parsers::Direction::kIngress) return FlowSide::kDestination;
  if (source_is_own != destination_is_own)
    return source_is_own ? FlowSide::kSource : FlowSide::kDestination;
  if (source_is_inside == destination_is_inside) return FlowSide::kUnknown;
  return source_is_inside ? FlowSide::kSource : FlowSide::kDestination;
}

/// Where own_side() does not know: beside an address that another interface has, if only one is such.
/// That of an interface of the same resource may be the own one, whose address is not known then.
[[nodiscard]] FlowSide side_beside_other(const CaptureFacts& capture, const AddressFacts& source,
                                         const AddressFacts& destination) noexcept;

/// Attribution of one record: the address part of the key that its sums are kept under
/// (FlowAggregates).
struct FlowAttribution {
  proto::FlowDirection direction = proto::DIRECTION_UNKNOWN;
  proto::PathClass path_class = proto::PATH_UNCLASSIFIED;
  proto::NatLeg nat_leg = proto::NAT_LEG_NONE;
  proto::InterfaceRole peer_role = proto::ROLE_UNKNOWN;
  std::uint32_t owner = 0, owner_az = 0, peer_owner = 0, peer_az = 0, peer_service = 0,
                peer_region = 0;
  std::uint32_t peer_interface = 0;
};

/// Direction: by own_side(), side_beside_other() (source: egress). Owner: the own side's; where that
/// side is not known whoever captured, and zones and peer as the sender sees them. On NAT inside legs
/// the owner of the `pkt-` private address, on version 2 of the peer that is not the gateway.
/// Where a gateway's own address is unknown an inside leg of version 2 has direction unknown,
/// owner = source and peer_owner = destination: NatAddresses says later which of the two is the
/// gateway. A regional gateway's records show the far end in its place: there the leg and the owner
/// follow from which end is behind the gateway, and from the direction.
/// Rules: Amazon VPC User Guide, "Flow log records" and "Flow log record examples" (NAT gateway).
/// Where the interface is no NAT gateway's, of the other side only what AddressFacts says beside the
/// address counts, its packet address and service included.
[[nodiscard]] FlowAttribution attribute_flow(const CaptureFacts& capture,
                                             const RecordFacts& record) noexcept;

/// Own addresses of NAT interfaces of which the inventory knows only the role, learned from the
/// aggregates: on an outside leg the gateway's address is the owner. A union of sets, so batches
/// may come in any order and any number of times.
class NatAddresses {
 public:
  void learn(const proto::AggregateBatch& batch);
  /// Whether a series' rows are inside legs that still name both addresses.
  [[nodiscard]] static bool undecided(const proto::FlowAggregates& flows, int series);
  /// The private address behind the gateway on such a row, with the direction it implies; owner
  /// stays empty while no outside leg of the interface has been learned.
  struct Side {
    std::string_view owner;
    proto::FlowDirection direction = proto::DIRECTION_UNKNOWN;
  };
  [[nodiscard]] Side resolve(std::string_view interface, std::string_view source,
                             std::string_view destination) const;

 private:
  std::map<std::string, std::set<std::string, std::less<>>, std::less<>> own_;
};

}  // namespace fleetmeter::aggregator
