#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aggregator/sqlite_database.h"
#include "aggregator/sqlite_schema.h"
#include "cost/usage_fold.h"
#include "cost/usage_store.h"
#include "cost/usage_totals.h"
#include "proto/result.h"

namespace fleetmeter::cost {

/// Two sightings of an instance this many minutes apart or less are one run: metrics may come every
/// five minutes only.
inline constexpr std::int64_t kSightingGapMinutes = 5;

/// What cost.db is: application id "FMct", schema 2.
[[nodiscard]] const aggregator::SqliteIdentity& usage_identity() noexcept;

// Statements of the usage store, one function each. All run inside the caller's transaction except
// prune_usage.
Result<std::string> find_text_of(aggregator::SqliteDatabase& database, TextId id);
Result<TextId> find_or_add_text(aggregator::SqliteDatabase& database, std::string_view text);
Result<FlowKeyId> find_or_add_key(aggregator::SqliteDatabase& database, const FlowFacts& facts);

/// How far the rows of a log partition go.
struct UsagePosition {
  aggregator::LogPosition applied = 0;
  std::int64_t next_offset = 0;
  std::int64_t settled_hour = 0;
};
Result<UsagePosition> find_position(aggregator::SqliteDatabase& database,
                                    aggregator::LogPartition partition);
Result<void> put_position(aggregator::SqliteDatabase& database, aggregator::LogPartition partition,
                          const UsagePosition& position);

// Rows of a log partition: find_ is nullopt where there is none, put_ replaces.
Result<std::optional<FlowSums>> find_flow_hour(aggregator::SqliteDatabase& database,
                                               aggregator::LogPartition partition,
                                               const FlowHour& key);
Result<void> put_flow_hour(aggregator::SqliteDatabase& database, aggregator::LogPartition partition,
                           const FlowHour& key, const FlowSums& sums);
Result<std::optional<std::uint64_t>> find_usage(aggregator::SqliteDatabase& database,
                                                aggregator::LogPartition partition,
                                                const UsageFold::HourKey& key);
Result<void> put_usage(aggregator::SqliteDatabase& database, aggregator::LogPartition partition,
                       const UsageFold::HourKey& key, std::uint64_t quantity);
Result<std::optional<std::uint64_t>> find_minutes(aggregator::SqliteDatabase& database,
                                                  aggregator::LogPartition partition,
                                                  const UsageFold::MinuteKey& key);
Result<void> put_minutes(aggregator::SqliteDatabase& database, aggregator::LogPartition partition,
                         const UsageFold::MinuteKey& key, std::uint64_t mask);
Result<std::optional<PeriodRow>> find_period(aggregator::SqliteDatabase& database,
                                             aggregator::LogPartition partition,
                                             const UsageFold::PeriodKey& key);
/// Whose newest value came before that hour of append time.
Result<std::vector<std::pair<UsageFold::PeriodKey, PeriodRow>>> find_periods_before(
    aggregator::SqliteDatabase& database, aggregator::LogPartition partition,
    std::int64_t append_hour);
Result<void> put_period(aggregator::SqliteDatabase& database, aggregator::LogPartition partition,
                        const UsageFold::PeriodKey& key, const PeriodRow& row);
Result<void> remove_period(aggregator::SqliteDatabase& database, aggregator::LogPartition partition,
                           const UsageFold::PeriodKey& key);
Result<void> remove_periods_before(aggregator::SqliteDatabase& database,
                                   aggregator::LogPartition partition, std::int64_t append_hour);

/// Removes everything before the hour, and strings and keys that nothing names any more; a
/// transaction of its own.
Result<void> prune_usage(aggregator::SqliteDatabase& database, std::uint32_t before_hour);

/// From `from_hour` on; nullopt = none. Asks the keys of the tables, which begin with the hour.
Result<std::optional<std::uint32_t>> find_first_hour(aggregator::SqliteDatabase& database,
                                                     std::uint32_t from_hour);

/// Sorted by hour and content, so that equal tables read equal whatever order they were filled in.
Result<std::vector<FlowUsage>> read_flows(aggregator::SqliteDatabase& database,
                                          std::uint32_t from_hour, std::uint32_t to_hour,
                                          const std::string& environment);
Result<std::vector<HourlyUsage>> read_usage(aggregator::SqliteDatabase& database,
                                            std::uint32_t from_hour, std::uint32_t to_hour,
                                            const std::string& environment);

}  // namespace fleetmeter::cost
