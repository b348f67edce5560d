#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace fleetmeter::parsers {

/// Every field of VPC flow log versions 2 to 11 and of transit gateway flow logs, in the order of
/// AWS's tables. Rule: Amazon VPC User Guide, "Flow log records"; AWS Transit Gateway Guide,
/// "Transit gateway flow log records".
enum class FlowField : std::uint8_t {
  // Version 2: the default format, in its order.
  kVersion,
  kAccountId,
  kInterfaceId,
  kSrcaddr,
  kDstaddr,
  kSrcport,
  kDstport,
  kProtocol,
  kPackets,
  kBytes,
  kStart,
  kEnd,
  kAction,
  kLogStatus,
  // Version 3
  kVpcId,
  kSubnetId,
  kInstanceId,
  kTcpFlags,
  kType,
  kPktSrcaddr,
  kPktDstaddr,
  // Version 4
  kRegion,
  kAzId,
  kSublocationType,
  kSublocationId,
  // Version 5
  kPktSrcAwsService,
  kPktDstAwsService,
  kFlowDirection,
  kTrafficPath,
  // Version 7
  kEcsClusterArn,
  kEcsClusterName,
  kEcsContainerInstanceArn,
  kEcsContainerInstanceId,
  kEcsContainerId,
  kEcsSecondContainerId,
  kEcsServiceName,
  kEcsTaskDefinitionArn,
  kEcsTaskArn,
  kEcsTaskId,
  // Version 8, 9, 10
  kRejectReason,
  kResourceId,
  kEncryptionStatus,
  // Version 11
  kInstanceTag,
  kInstanceTag2,
  kInterfaceTag,
  kInterfaceTag2,
  kAsgTag,
  kAsgTag2,
  kInterfaceType,
  kNextHopInterfaceId,
  kNextHopSubnetId,
  kNextHopAzId,
  kNextHopVpcId,
  kNextHopInterfaceType,
  // Transit gateway (version 6)
  kResourceType,
  kTgwId,
  kTgwAttachmentId,
  kTgwSrcVpcAccountId,
  kTgwDstVpcAccountId,
  kTgwSrcVpcId,
  kTgwDstVpcId,
  kTgwSrcSubnetId,
  kTgwDstSubnetId,
  kTgwSrcEni,
  kTgwDstEni,
  kTgwSrcAzId,
  kTgwDstAzId,
  kTgwPairAttachmentId,
  kPacketsLostNoRoute,
  kPacketsLostBlackhole,
  kPacketsLostMtuExceeded,
  kPacketsLostTtlExpired,
  kCount
};
inline constexpr std::size_t kFlowFieldCount = static_cast<std::size_t>(FlowField::kCount);

/// What a field decodes to; decides which accessor of FlowColumns holds it.
enum class FieldType : std::uint8_t { kText, kNumber, kAddress, kStatus, kAction, kDirection };

struct FieldInfo {
  std::string_view name;  ///< As in text headers: "pkt-srcaddr".
  FieldType type;
  std::uint8_t version;      ///< First version that has it.
  std::uint64_t number_max;  ///< Largest legal value of a kNumber field.
  /// A bad value drops the record (packets, bytes, start, end, ports, protocol, addresses).
  bool required;
};

[[nodiscard]] const FieldInfo& info(FlowField field) noexcept;
/// Field by name, hyphens or underscores; nullopt for a name that no version knows.
[[nodiscard]] std::optional<FlowField> find_field(std::string_view name) noexcept;
/// Whether a JSON object with this key is a flow record: one of the fields without which a record is
/// of no use.
[[nodiscard]] bool is_flow_record_key(std::string_view key) noexcept;

class FieldSet {
 public:
  [[nodiscard]] static FieldSet all() noexcept {
    FieldSet s;
    s.bits_.set();
    return s;
  }
  FieldSet() = default;
  FieldSet(std::initializer_list<FlowField> fields) {
    for (FlowField f : fields) add(f);
  }
  void add(FlowField field) noexcept { bits_.set(static_cast<std::size_t>(field)); }
  [[nodiscard]] bool has(FlowField field) const noexcept {
    return bits_.test(static_cast<std::size_t>(field));
  }
  friend bool operator==(const FieldSet&, const FieldSet&) = default;

 private:
  std::bitset<kFlowFieldCount> bits_;
};

}  // namespace fleetmeter::parsers
