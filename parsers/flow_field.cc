#include "parsers/flow_field.h"

#include <algorithm>
#include <array>

namespace fleetmeter::parsers {
namespace {

using enum FieldType;

// Packets and bytes are INT64 in AWS's Parquet files. Times end with year 9999, so that
// milliseconds still fit.
constexpr std::uint64_t kCountMax = 0x7fffffffffffffff;
constexpr std::uint64_t kSecondsMax = 253402300799;

constexpr FieldInfo text(std::string_view name, std::uint8_t version) {
  return {name, kText, version, 0, false};
}
constexpr FieldInfo optional_number(std::string_view name, std::uint8_t version,
                                    std::uint64_t max) {
  return {name, kNumber, version, max, false};
}
constexpr FieldInfo required_number(std::string_view name, std::uint64_t max) {
  return {name, kNumber, 2, max, true};
}

constexpr std::array<FieldInfo, kFlowFieldCount> kFields = {{
    optional_number("version", 2, 255),
    text("account-id", 2),
    text("interface-id", 2),
    {"srcaddr", kAddress, 2, 0, true},
    {"dstaddr", kAddress, 2, 0, true},
    required_number("srcport", 65535),
    required_number("dstport", 65535),
    required_number("protocol", 255),
    required_number("packets", kCountMax),
    required_number("bytes", kCountMax),
    required_number("start", kSecondsMax),
    required_number("end", kSecondsMax),
    {"action", kAction, 2, 0, false},
    {"log-status", kStatus, 2, 0, true},
    text("vpc-id", 3),
    text("subnet-id", 3),
    text("instance-id", 3),
    optional_number("tcp-flags", 3, 255),
    text("type", 3),
    {"pkt-srcaddr", kAddress, 3, 0, false},
    {"pkt-dstaddr", kAddress, 3, 0, false},
    text("region", 4),
    text("az-id", 4),
    text("sublocation-type", 4),
    text("sublocation-id", 4),
    text("pkt-src-aws-service", 5),
    text("pkt-dst-aws-service", 5),
    {"flow-direction", kDirection, 5, 0, false},
    optional_number("traffic-path", 5, 255),
    text("ecs-cluster-arn", 7),
    text("ecs-cluster-name", 7),
    text("ecs-container-instance-arn", 7),
    text("ecs-container-instance-id", 7),
    text("ecs-container-id", 7),
    text("ecs-second-container-id", 7),
    text("ecs-service-name", 7),
    text("ecs-task-definition-arn", 7),
    text("ecs-task-arn", 7),
    text("ecs-task-id", 7),
    text("reject-reason", 8),
    text("resource-id", 9),
    optional_number("encryption-status", 10, 255),
    text("instance-tag", 11),
    text("instance-tag-2", 11),
    text("interface-tag", 11),
    text("interface-tag-2", 11),
    text("asg-tag", 11),
    text("asg-tag-2", 11),
    text("interface-type", 11),
    text("next-hop-interface-id", 11),
    text("next-hop-subnet-id", 11),
    text("next-hop-az-id", 11),
    text("next-hop-vpc-id", 11),
    text("next-hop-interface-type", 11),
    text("resource-type", 6),
    text("tgw-id", 6),
    text("tgw-attachment-id", 6),
    text("tgw-src-vpc-account-id", 6),
    text("tgw-dst-vpc-account-id", 6),
    text("tgw-src-vpc-id", 6),
    text("tgw-dst-vpc-id", 6),
    text("tgw-src-subnet-id", 6),
    text("tgw-dst-subnet-id", 6),
    text("tgw-src-eni", 6),
    text("tgw-dst-eni", 6),
    text("tgw-src-az-id", 6),
    text("tgw-dst-az-id", 6),
    text("tgw-pair-attachment-id", 6),
    optional_number("packets-lost-no-route", 6, kCountMax),
    optional_number("packets-lost-blackhole", 6, kCountMax),
    optional_number("packets-lost-mtu-exceeded", 6, kCountMax),
    optional_number("packets-lost-ttl-expired", 6, kCountMax),
}};

// Field indexes sorted by name: headers are looked up token by token, and a stream of small objects
// has many.
constexpr auto kByName = [] {
  std::array<std::uint8_t, kFlowFieldCount> order{};
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::uint8_t>(i);
  std::sort(order.begin(), order.end(),
            [](std::uint8_t a, std::uint8_t b) { return kFields[a].name < kFields[b].name; });
  return order;
}();

constexpr std::size_t kNameBytesMax = 32;

}  // namespace

const FieldInfo& info(FlowField field) noexcept { return kFields[static_cast<std::size_t>(field)]; }

std::optional<FlowField> find_field(std::string_view name) noexcept {
  if (name.empty() || name.size() > kNameBytesMax) return std::nullopt;
  char hyphened[kNameBytesMax];
  std::replace_copy(name.begin(), name.end(), hyphened, '_', '-');
  const std::string_view key{hyphened, name.size()};
  const auto found =
      std::lower_bound(kByName.begin(), kByName.end(), key,
                       [](std::uint8_t i, std::string_view k) { return kFields[i].name < k; });
  if (found == kByName.end() || kFields[*found].name != key) return std::nullopt;
  return static_cast<FlowField>(*found);
}

bool is_flow_record_key(std::string_view key) noexcept {
  const std::optional<FlowField> field = find_field(key);
  return field == FlowField::kLogStatus || field == FlowField::kInterfaceId ||
         field == FlowField::kSrcaddr;
}

}  // namespace fleetmeter::parsers
