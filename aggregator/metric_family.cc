#include "aggregator/metric_family.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "aggregator/shard.h"

namespace fleetmeter::aggregator {
namespace {

constexpr std::uint32_t kMinute = 60;
constexpr std::uint32_t kDay = 86'400;

MetricFamily ec2(std::string_view name) {
  if (name.starts_with("StatusCheckFailed")) return {60, kMinute};
  if (name.starts_with("CPUCredit") || name.starts_with("CPUSurplusCredit"))
    return {300, 10 * kMinute};
  if (name.starts_with("EBS")) return {300, 15 * kMinute};
  // Published every 5 minutes only.
  if (name.starts_with("NetworkPackets")) return {300, 3 * kMinute};
  if (name == "MetadataNoToken") return {60, 225 * kMinute};
  return {};
}

MetricFamily dynamodb(const SeriesKey& key) {
  constexpr std::array<std::string_view, 10> kEveryMinute = {"ConsumedReadCapacityUnits",
                                                             "ConsumedWriteCapacityUnits",
                                                             "ReadThrottleEvents",
                                                             "WriteThrottleEvents",
                                                             "ThrottledRequests",
                                                             "SuccessfulRequestLatency",
                                                             "SystemErrors",
                                                             "UserErrors",
                                                             "ReturnedItemCount",
                                                             "ConditionalCheckFailedRequests"};
  if (std::ranges::find(kEveryMinute, key.name) == kEveryMinute.end()) return {300, 10 * kMinute};
  return {60, key.dimension("Operation").empty() ? 8 * kMinute : 6 * kMinute};
}

MetricFamily s3(std::string_view name) {
  if (name == "BucketSizeBytes" || name == "NumberOfObjects") return {kDay, 2 * kDay};
  return {60, 10 * kMinute};
}

}  // namespace

MetricFamily family_of(const SeriesKey& key) {
  const std::string_view space = key.metric_namespace;
  // Published by the closing of a window, not by a delay.
  if (space == kFlowNamespace) return {60, 0};
  if (!space.starts_with("AWS/")) return {};
  if (space == "AWS/EC2") return ec2(key.name);
  if (space == "AWS/DynamoDB") return dynamodb(key);
  if (space == "AWS/S3") return s3(key.name);
  if (space == "AWS/RDS") return {60, key.name == "VolumeBytesUsed" ? 130 * kMinute : 5 * kMinute};
  if (space == "AWS/ElastiCache") return {60, 5 * kMinute};
  // NAT gateways are seen 9 to 14 minutes late: the slower end, since an early "missing" is a false
  // one.
  if (space == "AWS/NATGateway" || space == "AWS/NetworkELB") return {60, 14 * kMinute};
  if (space == "AWS/TransitGateway") return {60, 10 * kMinute};
  if (space == "AWS/ApplicationELB")
    return {60, key.name == "ConsumedLCUs" ? 44 * kMinute : 10 * kMinute};
  if (space == "AWS/Usage") return {300, 25 * kMinute};
  return {};
}

}  // namespace fleetmeter::aggregator
