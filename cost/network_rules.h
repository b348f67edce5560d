#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "cost/network.h"
#include "cost/usage_store.h"

namespace fleetmeter::cost {

/// Path code of what goes to another resource of the VPC first, whatever its destination. Rule:
/// Amazon VPC User Guide, "Flow log records", traffic-path.
inline constexpr std::uint32_t kPathSameVpc = 1;

/// FlowUsage without its sums; views die with whoever holds the strings.
struct FlowView {
  std::string_view environment;
  proto::FlowStatus status = proto::FLOW_OK;
  proto::FlowAction action = proto::ACTION_NONE;
  proto::FlowDirection direction = proto::DIRECTION_UNKNOWN;
  proto::PathClass path_class = proto::PATH_UNCLASSIFIED;
  proto::NatLeg nat_leg = proto::NAT_LEG_NONE;
  proto::InterfaceRole role = proto::ROLE_UNKNOWN, peer_role = proto::ROLE_UNKNOWN;
  std::string_view interface, interface_az, owner, owner_az, peer_owner, peer_az, peer_service,
      peer_region, peer_interface;
  std::uint32_t traffic_path = 0;
};
[[nodiscard]] FlowView view_of(const FlowUsage& flow) noexcept;

/// Inside: between a NAT gateway and the VPC. Told by the record's facts, else by where its peer
/// lies: an address of the VPC is inside, one beyond it outside.
[[nodiscard]] bool is_inside_leg(const FlowView& flow) noexcept;

/// Own addresses of NAT gateways. Where the inventory knows only that an interface is a gateway's,
/// a version 2 inside leg names both ends and no direction; then outside legs of the interface
/// tell, on which the gateway is the owner, else the one address that all its inside legs share,
/// since every record of an interface shows the interface's own (Amazon VPC User Guide, "Flow log
/// records", srcaddr).
class NatGateways {
 public:
  /// Takes other records for nothing.
  void learn(const FlowView& flow);
  [[nodiscard]] bool empty() const noexcept { return gateways_.empty(); }
  /// Who stands behind the gateway on an inside leg; empty while nothing tells the two ends apart.
  [[nodiscard]] std::string_view behind(const FlowView& inside_leg) const;

 private:
  struct Gateway {
    std::unordered_set<std::string_view> own;     // By outside legs.
    std::unordered_set<std::string_view> shared;  // By all undecided inside legs so far.
    bool undecided = false;
  };
  std::unordered_map<std::string_view, Gateway> gateways_;  // By interface.
};

/// What the other records of the hour say about one.
struct Seen {
  /// The peer's interface wrote any record, one without data included.
  bool peer_logged = false;
  /// Another gateway's record stands for what left by it: a NAT gateway's that something left
  /// through, or a transit gateway's.
  bool behind_gateway = false;
  /// Of the peer's interface where it is logged in another environment; else empty.
  std::string_view peer_environment = {};
};

struct Due {
  Charge charge = Charge::kNone;
  std::uint32_t halves = 0;
  std::string_view resource, owner;
  Share share = Share::kAll;
  std::string_view environment = {};  ///< Who pays; empty = the record's own.
};
/// Everything that the bytes of one record pay, at most two things; empty when another record is
/// the canonical one. A record without action is taken for an accepted one. `behind` is
/// NatGateways::behind of a gateway's inside leg. Rule: docs/network-cost.md.
[[nodiscard]] std::vector<Due> dues_of(const FlowView& flow, std::string_view behind, Seen seen);

/// ChargedBytes without its bytes.
using ChargeKey = std::tuple<std::string, Charge, std::string, std::string, std::uint32_t, Share>;

}  // namespace fleetmeter::cost
