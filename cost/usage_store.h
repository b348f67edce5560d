#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "aggregator/aggregate_log.h"
#include "proto/log.pb.h"
#include "proto/result.h"

namespace fleetmeter::cost {

/// Flow facts of one hour, summed: what network attribution reads. Strings as in
/// proto::FlowAggregates.
struct FlowUsage {
  std::string environment;
  std::uint32_t hour = 0;  ///< Unix hours of event time.
  proto::FlowStatus status = proto::FLOW_OK;
  proto::FlowAction action = proto::ACTION_NONE;
  proto::FlowDirection direction = proto::DIRECTION_UNKNOWN;
  proto::PathClass path_class = proto::PATH_UNCLASSIFIED;
  proto::NatLeg nat_leg = proto::NAT_LEG_NONE;
  proto::InterfaceRole role = proto::ROLE_UNKNOWN, peer_role = proto::ROLE_UNKNOWN;
  std::string interface, interface_az, owner, owner_az, peer_owner, peer_az, peer_service,
      peer_region, peer_interface;
  std::uint32_t traffic_path = 0;
  std::uint64_t bytes = 0, packets = 0, records = 0;
};

/// One metered total of one hour. kind: "instance_seconds" (resource = instance id), "nat_bytes"
/// (NAT gateway id, from AWS/NATGateway metrics), "flow_log_bytes", "flow_log_records",
/// "metric_updates", "log_bytes" (log group), "lcu_hours_e9" (load balancer), "lb_bytes", ...
struct HourlyUsage {
  std::string environment;
  std::uint32_t hour = 0;
  std::string kind, resource;
  std::uint64_t quantity = 0;
};

/// Hourly usage in cost.db: a view of the log whose content is a pure function of the records
/// applied. Each call is one SQLite transaction that carries the log position it covers, so that a
/// record counts once whatever crashes in between. Integer sums for flows and volumes; what comes
/// from metrics is recomputed from per-period rows kept two days (of two values of one key the
/// larger SampleCount wins), never added on; instance time is a set of seen minutes. A file of a
/// newer schema, or not ours, is refused untouched (kDataLoss). One thread writes; readers open
/// their own.
class UsageStore {
 public:
  /// Creates it.
  static Result<std::unique_ptr<UsageStore>> open(const std::string& path);
  static Result<std::unique_ptr<UsageStore>> open_read_only(const std::string& path);
  ~UsageStore();

  /// Applies entries of one partition in order; those at or before applied_position() are skipped.
  Result<void> apply(aggregator::LogPartition partition,
                     std::span<const aggregator::LogEntry> entries);
  Result<aggregator::LogPosition> applied_position(aggregator::LogPartition partition);
  /// Usage older than `before_hour` is removed (13 months by default).
  Result<void> prune(std::uint32_t before_hour);

  /// [from_hour, to_hour), empty environment = all.
  Result<std::vector<FlowUsage>> flows(std::uint32_t from_hour, std::uint32_t to_hour,
                                       const std::string& environment = {});
  Result<std::vector<HourlyUsage>> usage(std::uint32_t from_hour, std::uint32_t to_hour,
                                         const std::string& environment = {});

 private:
  struct State;
  explicit UsageStore(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace fleetmeter::cost
