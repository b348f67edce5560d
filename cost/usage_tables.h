#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "aggregator/sqlite_database.h"
#include "aggregator/sqlite_schema.h"
#include "cost/usage_fold.h"
#include "cost/usage_store.h"
#include "proto/result.h"

namespace fleetmeter::cost {

/// What cost.db is: application id "FMct", schema 1.
[[nodiscard]] const aggregator::SqliteIdentity& usage_identity() noexcept;

// Statements of the usage store, one function each. All run inside the caller's transaction except
// prune_usage.
Result<TextId> find_or_add_text(aggregator::SqliteDatabase& database, std::string_view text);
Result<std::int64_t> find_or_add_key(aggregator::SqliteDatabase& database, const FlowFacts& facts);
Result<void> add_flow_hour(aggregator::SqliteDatabase& database, std::uint32_t hour,
                           std::int64_t key, const FlowSums& sums);
Result<void> add_usage(aggregator::SqliteDatabase& database, const UsageFold::HourKey& key,
                       std::uint64_t quantity);
Result<void> add_minutes(aggregator::SqliteDatabase& database, const UsageFold::MinuteKey& key,
                         std::uint64_t mask);
Result<void> put_period(aggregator::SqliteDatabase& database, const UsageFold::PeriodKey& key,
                        const PeriodValue& value, std::int64_t append_hour);
/// Period rows that no value has touched for `kept_hours` of append time become plain hourly
/// totals, once per hour of append time.
Result<void> settle_periods(aggregator::SqliteDatabase& database, std::int64_t append_hour,
                            std::int64_t kept_hours);
/// Removes everything before the hour, and strings and keys that nothing names any more; a
/// transaction of its own.
Result<void> prune_usage(aggregator::SqliteDatabase& database, std::uint32_t before_hour);

/// Sorted by hour and content, so that equal tables read equal whatever order they were filled in.
Result<std::vector<FlowUsage>> read_flows(aggregator::SqliteDatabase& database,
                                          std::uint32_t from_hour, std::uint32_t to_hour,
                                          const std::string& environment);
Result<std::vector<HourlyUsage>> read_usage(aggregator::SqliteDatabase& database,
                                            std::uint32_t from_hour, std::uint32_t to_hour,
                                            const std::string& environment);

}  // namespace fleetmeter::cost
