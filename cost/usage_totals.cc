#include "cost/usage_totals.h"

#include <fmt/format.h>

#include <algorithm>

namespace fleetmeter::cost {
namespace {

constexpr std::int64_t kHourMs = 3'600'000;
constexpr std::int64_t kHourSeconds = 3600;

/// The totals while they grow: a row is fetched when it is first touched.
class Totals {
 public:
  Totals(CurrentUsage& current, TextIds& ids) : current_(current), ids_(ids), fold_(ids) {}

  UsageTotals result;

  Result<void> add(const proto::AggregateBatch& batch) { return fold_.add(batch); }
  /// Brings what was added since the last call into the totals.
  Result<void> flush();
  /// The append time has reached an hour: older periods become plain sums of their hours.
  Result<void> settle(std::int64_t append_hour);
  void drop_unchanged();

 private:
  Result<std::uint64_t*> hour(const UsageFold::HourKey& key);
  Result<std::optional<PeriodRow>*> period(const UsageFold::PeriodKey& key);
  Result<void> settle_one(const UsageFold::PeriodKey& key, const PeriodRow& row);

  CurrentUsage& current_;
  TextIds& ids_;
  UsageFold fold_;
  std::map<UsageFold::MinuteKey, std::uint64_t> minutes_before_;
  std::map<UsageFold::PeriodKey, std::optional<PeriodRow>> periods_before_;
};

Result<std::uint64_t*> Totals::hour(const UsageFold::HourKey& key) {
  const auto [found, fresh] = result.hours.try_emplace(key, 0);
  if (fresh) {
    auto now = current_.hour(key);
    if (!now) return std::move(now).error();
    found->second = now->value_or(0);
  }
  return &found->second;
}

Result<std::optional<PeriodRow>*> Totals::period(const UsageFold::PeriodKey& key) {
  const auto [found, fresh] = result.periods.try_emplace(key);
  if (fresh) {
    auto now = current_.period(key);
    if (!now) return std::move(now).error();
    found->second = *now;
    periods_before_.emplace(key, *now);
  }
  return &found->second;
}

Result<void> Totals::flush() {
  for (const auto& [key, sums] : fold_.flows) {
    const auto [found, fresh] = result.flows.try_emplace(key);
    if (fresh) {
      auto now = current_.flow(key);
      if (!now) return std::move(now).error();
      found->second = now->value_or(FlowSums{});
    }
    found->second.add(sums);
  }
  for (const auto& [key, quantity] : fold_.volumes) {
    auto total = hour(key);
    if (!total) return std::move(total).error();
    **total += quantity;
  }
  for (const auto& [key, mask] : fold_.minutes) {
    const auto [found, fresh] = result.minutes.try_emplace(key, 0);
    if (fresh) {
      auto now = current_.minutes(key);
      if (!now) return std::move(now).error();
      found->second = now->value_or(0);
      minutes_before_.emplace(key, found->second);
    }
    found->second |= mask;
  }
  for (const auto& [key, value] : fold_.periods) {
    auto row = period(key);
    if (!row) return std::move(row).error();
    std::optional<PeriodRow>& held = **row;
    if (held && held->value >= value) continue;
    held = PeriodRow{value, result.settled_hour};
  }
  fold_ = UsageFold(ids_);
  return {};
}

Result<void> Totals::settle_one(const UsageFold::PeriodKey& key, const PeriodRow& row) {
  const auto& [environment, kind, resource, metric, start_s] = key;
  auto total =
      hour({environment, static_cast<std::uint32_t>(start_s / kHourSeconds), kind, resource});
  if (!total) return std::move(total).error();
  **total += static_cast<std::uint64_t>(row.value.quantity);
  return {};
}

Result<void> Totals::settle(std::int64_t append_hour) {
  result.settled_hour = append_hour;
  const std::int64_t before = append_hour - kPeriodsKeptHours;
  auto old = current_.periods_before(before);
  if (!old) return std::move(old).error();
  // Those that were touched meanwhile count as they are now, not as they were.
  for (const auto& [key, row] : *old) {
    if (result.periods.try_emplace(key, row).second) periods_before_.emplace(key, row);
  }
  for (auto& [key, row] : result.periods) {
    if (!row || row->append_hour >= before) continue;
    if (auto done = settle_one(key, *row); !done) return done;
    row.reset();
  }
  return {};
}

void Totals::drop_unchanged() {
  std::erase_if(result.minutes,
                [&](const auto& row) { return minutes_before_.at(row.first) == row.second; });
  std::erase_if(result.periods,
                [&](const auto& row) { return periods_before_.at(row.first) == row.second; });
}

}  // namespace

Result<UsageTotals> fold_totals(std::span<const aggregator::LogEntry> entries,
                                aggregator::LogPosition log_position, std::int64_t settled_hour,
                                CurrentUsage& current, TextIds& ids) {
  Totals totals(current, ids);
  totals.result.log_position = log_position;
  totals.result.settled_hour = settled_hour;
  for (const aggregator::LogEntry& entry : entries) {
    if (entry.position <= totals.result.log_position) continue;
    totals.result.log_position = entry.position;
    // The writers' clocks may differ: the hour never goes back.
    const std::int64_t append_hour = entry.record.append_time_ms() / kHourMs;
    if (append_hour > totals.result.settled_hour) {
      if (auto flushed = totals.flush(); !flushed) return std::move(flushed).error();
      if (auto settled = totals.settle(append_hour); !settled) return std::move(settled).error();
    }
    if (!entry.record.has_batch()) continue;
    if (auto added = totals.add(entry.record.batch()); !added) {
      return std::move(added).error().with_context(
          fmt::format("log partition {} position {}", entry.partition, entry.position));
    }
  }
  if (auto flushed = totals.flush(); !flushed) return std::move(flushed).error();
  totals.drop_unchanged();
  return std::move(totals.result);
}

}  // namespace fleetmeter::cost
