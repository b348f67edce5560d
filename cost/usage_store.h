#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "aggregator/aggregate_log.h"
#include "proto/log.pb.h"
#include "proto/result.h"

namespace fleetmeter::cost {

struct MonthUsage;

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
/// (NAT gateway id, from AWS/NATGateway metrics), "nat_minutes" (such an id, '/' and one of the two
/// metrics: minutes that it told), "flow_log_bytes", "flow_log_records",
/// "flow_log_unsized_records" (of these, from Parquet), "flow_records_without_bytes" (that may have
/// been accepted), "metric_updates", "log_bytes" (log group), "lcu_hours_e9" (load balancer),
/// "lb_bytes", ...
struct HourlyUsage {
  std::string environment;
  std::uint32_t hour = 0;
  std::string kind, resource;
  std::uint64_t quantity = 0;
};

/// Of a log in a file: which it is, and the positions it holds records of, (pruned_to, last].
struct LogExtent {
  std::string path, id;
  aggregator::LogPosition pruned_to = 0, last = 0;
};

/// Hourly usage in cost.db, by log partition; reading sums over these. Integer sums for flows and
/// volumes; what comes from metrics is computed from per-period rows kept two days (of two values
/// of one key the larger SampleCount wins), never added on; instance time is a set of seen minutes.
///
/// A file is a view of one of two things, and refuses the other:
/// - the log (one process): apply() folds records in; each call is one SQLite transaction that
///   carries the log position it covers, so that a record counts once whatever crashes in between.
/// - a usage topic (many processes): totals() says what records make of a partition's totals and
///   changes none; who owns the partition commits them to the topic, and put() takes in what is in
///   the topic, with the offset it came from.
/// Rows follow from the records alone. A file of another schema, or not ours, is refused untouched
/// (kDataLoss). One thread at a time; readers open their own.
class UsageStore {
 public:
  /// Creates it. `source` is what the file is a view of: "" = the log, else a usage topic's name.
  static Result<std::unique_ptr<UsageStore>> open(const std::string& path,
                                                  const std::string& source = {});
  static Result<std::unique_ptr<UsageStore>> open_read_only(const std::string& path);
  ~UsageStore();

  /// Of a view of the log, before the first apply(): that its rows go on with this log. kDataLoss,
  /// saying what to do, when they are of another one (it was lost), or hold what is not in it (it
  /// was restored from an older backup). A file without rows begins where the log does.
  Result<void> belong_to(const LogExtent& log);
  /// Applies entries of one partition in order; those at or before applied_position() are skipped.
  Result<void> apply(aggregator::LogPartition partition,
                     std::span<const aggregator::LogEntry> entries);
  /// Log position that the partition's rows hold.
  Result<aggregator::LogPosition> applied_position(aggregator::LogPartition partition);

  /// The rows that `entries` change, with their new values, as records of the topic; the last one
  /// says what they cover. Empty when all entries are at or before applied_position().
  Result<std::vector<aggregator::UsageRecord>> totals(
      aggregator::LogPartition partition, std::span<const aggregator::LogEntry> entries);
  /// Takes in records of the topic, oldest first, up to before `next_offset`; again or in parts as
  /// one likes. Rows are as of one moment when the last record ends a transaction.
  Result<void> put(aggregator::LogPartition partition,
                   std::span<const aggregator::UsageRecord> records, std::int64_t next_offset);
  /// Whether a record is the one that ends a transaction.
  [[nodiscard]] static bool ends_transaction(const aggregator::UsageRecord& record);
  /// Where to read the topic on; 0 = from its beginning.
  Result<std::int64_t> next_offset(aggregator::LogPartition partition);

  /// Usage older than `before_hour` is removed (13 months by default).
  Result<void> prune(std::uint32_t before_hour);

  /// The first hour from `from_hour` on that holds any usage; nullopt = none does. What a month's end
  /// cuts off from a record without bytes is none.
  Result<std::optional<std::uint32_t>> first_hour(std::uint32_t from_hour);
  /// [from_hour, to_hour), empty environment = all.
  Result<std::vector<FlowUsage>> flows(std::uint32_t from_hour, std::uint32_t to_hour,
                                       const std::string& environment = {});
  Result<std::vector<HourlyUsage>> usage(std::uint32_t from_hour, std::uint32_t to_hour,
                                         const std::string& environment = {});
  /// What a report needs of the hours (cost/month_usage.h), read hour by hour.
  Result<MonthUsage> month(std::uint32_t from_hour, std::uint32_t to_hour);

 private:
  struct State;
  explicit UsageStore(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace fleetmeter::cost
