#include "alarms/evaluate.h"

#include <algorithm>
#include <cstddef>

#include "proto/check.h"

namespace fleetmeter::alarms {
namespace {

using Kind = RangeSlot::Kind;

/// What the slots of a range amount to once unknown ones are read as `unknown_as`.
struct Tally {
  std::uint32_t real = 0;               ///< Datapoints in the range.
  std::uint32_t breaching = 0;          ///< Of these.
  std::uint32_t newest_breaching = 0;   ///< Breaching among the newest N datapoints.
  std::uint32_t existing = 0;           ///< Slots since the alarm's first datapoint.
  std::uint32_t oldest_breach_age = 0;  ///< Age 1 is the newest slot; 0 = none breaches.
};

Tally tally(std::span<const RangeSlot> range, std::uint32_t n, Kind unknown_as) noexcept {
  Tally out;
  std::uint32_t age = 0;
  for (std::size_t i = range.size(); i-- > 0;) {
    ++age;
    const Kind kind = range[i].kind == Kind::kUnknown ? unknown_as : range[i].kind;
    if (kind == Kind::kNonexistent) continue;
    ++out.existing;
    if (kind == Kind::kMissing) continue;
    ++out.real;
    if (kind != Kind::kBreaching) continue;
    ++out.breaching;
    if (out.real <= n) ++out.newest_breaching;
    out.oldest_breach_age = age;
  }
  return out;
}

AlarmState decided(bool alarm) noexcept { return alarm ? AlarmState::kAlarm : AlarmState::kOk; }

/// Some points, but fewer than N, and nothing to fill the gap with: `premature` is the state when
/// they all breach and the breach is old enough that no later point can make the newest slots good
/// again.
AlarmState undecided(const Tally& seen, std::uint32_t m, AlarmState premature) noexcept {
  if (seen.breaching >= m) return AlarmState::kAlarm;
  if (seen.breaching == seen.real && seen.oldest_breach_age >= m) return premature;
  return AlarmState::kOk;
}

AlarmState evaluate_known(const EvaluationRule& rule, std::span<const RangeSlot> range,
                          Kind unknown_as, AlarmState current) noexcept {
  const std::uint32_t n = rule.evaluation_periods;
  const std::uint32_t m = rule.datapoints_to_alarm;
  const Tally seen = tally(range, n, unknown_as);
  if (seen.real >= n) return decided(seen.newest_breaching >= m);

  const std::uint32_t fill = std::min(n, seen.existing) - seen.real;
  switch (rule.missing) {
    case MissingData::kBreaching:
      return decided(seen.breaching + fill >= m);
    case MissingData::kNotBreaching:
      return decided(seen.breaching >= m);
    case MissingData::kIgnore:
      return seen.real == 0 ? current : undecided(seen, m, current);
    case MissingData::kMissing:
      return seen.real == 0 ? AlarmState::kInsufficientData
                            : undecided(seen, m, AlarmState::kAlarm);
  }
  FM_CHECK(false);
  return current;
}

}  // namespace

AlarmState evaluate(const EvaluationRule& rule, std::span<const RangeSlot> range,
                    AlarmState current) noexcept {
  FM_CHECK(rule.datapoints_to_alarm >= 1);
  FM_CHECK(rule.datapoints_to_alarm <= rule.evaluation_periods);
  FM_CHECK(range.size() >= rule.evaluation_periods);

  const bool unknown =
      std::ranges::any_of(range, [](const RangeSlot& slot) { return slot.kind == Kind::kUnknown; });
  // A young alarm is OK for want of M slots, whatever they hold: of slots that decide nothing, not.
  const bool known = std::ranges::any_of(range, [](const RangeSlot& slot) {
    return slot.kind != Kind::kUnknown && slot.kind != Kind::kNonexistent;
  });
  if (!known) return current;
  const AlarmState if_missing = evaluate_known(rule, range, Kind::kMissing, current);
  if (!unknown) return if_missing;
  // What we did not hear may have been anything, so only a state that holds whatever it was is one.
  if (evaluate_known(rule, range, Kind::kBreaching, current) != if_missing) return current;
  if (evaluate_known(rule, range, Kind::kGood, current) != if_missing) return current;
  return if_missing;
}

}  // namespace fleetmeter::alarms
