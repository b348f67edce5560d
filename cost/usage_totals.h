#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "aggregator/aggregate_log.h"
#include "cost/usage_fold.h"
#include "proto/result.h"

namespace fleetmeter::cost {

/// One period of a billed metric, until it settles.
struct PeriodRow {
  PeriodValue value;
  std::int64_t append_hour = 0;  ///< Of the newest value, in hours of append time.
  friend bool operator==(const PeriodRow&, const PeriodRow&) = default;
};

/// Rows of one log partition's usage with their absolute values: what some records have changed.
/// Writing them twice, or an older set before a newer one, ends in the same tables.
struct UsageTotals {
  std::map<FlowHour, FlowSums> flows;
  std::map<UsageFold::HourKey, std::uint64_t> hours;
  std::map<UsageFold::MinuteKey, std::uint64_t> minutes;
  std::map<UsageFold::PeriodKey, std::optional<PeriodRow>> periods;  ///< nullopt = gone.
  /// Of the last record folded in; 0 = not told.
  aggregator::LogPosition log_position = 0;
  /// Append time in hours: periods whose newest value came more than kPeriodsKeptHours before are
  /// settled.
  std::int64_t settled_hour = 0;
};

constexpr std::int64_t kPeriodsKeptHours = 48;

/// The totals that records are added to, row by row; a row that is not there is nullopt.
class CurrentUsage {
 public:
  virtual ~CurrentUsage() = default;
  virtual Result<std::optional<FlowSums>> flow(const FlowHour& key) = 0;
  virtual Result<std::optional<std::uint64_t>> hour(const UsageFold::HourKey& key) = 0;
  virtual Result<std::optional<std::uint64_t>> minutes(const UsageFold::MinuteKey& key) = 0;
  virtual Result<std::optional<PeriodRow>> period(const UsageFold::PeriodKey& key) = 0;
  /// Periods whose newest value came before that hour of append time.
  virtual Result<std::vector<std::pair<UsageFold::PeriodKey, PeriodRow>>> periods_before(
      std::int64_t append_hour) = 0;
};

/// What `entries`, in order, make of the current totals: every row that they change and no other.
/// Rows are a pure function of the records of a partition, however these are split into calls.
/// Entries at or before `log_position` are passed over. kDataLoss names the damaged entry.
[[nodiscard]] Result<UsageTotals> fold_totals(std::span<const aggregator::LogEntry> entries,
                                              aggregator::LogPosition log_position,
                                              std::int64_t settled_hour, CurrentUsage& current,
                                              TextIds& ids);

}  // namespace fleetmeter::cost
