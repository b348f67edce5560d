#include "alarms/scaling.h"

#include <algorithm>
#include <cmath>
#include <compare>
#include <limits>

#include "proto/check.h"

namespace fleetmeter::alarms {
namespace {

/// Capacities stay far from the ends of the type, so that later sums cannot wrap.
constexpr std::int64_t kCapacityMax = std::int64_t{1} << 40;

std::int64_t bounded(__int128 value) noexcept {
  return static_cast<std::int64_t>(std::clamp<__int128>(value, -kCapacityMax, kCapacityMax));
}

/// How `metric` lies to `threshold + bound`. All three are decimals of which a double holds the
/// nearest binary fraction: 0.1 + 0.2 comes out above 0.3. Each of the three is off by up to half a
/// unit in its last place, the sum by another half; with four units of the largest of them as on the
/// bound there is room for the rounding of an average. Decimals of 15 digits still differ by more.
std::partial_ordering at_bound(double metric, double threshold, double bound) noexcept {
  const double edge = threshold + bound;
  const double largest = std::max({std::abs(metric), std::abs(threshold), std::abs(bound)});
  if (std::abs(metric - edge) <= 4 * std::numeric_limits<double>::epsilon() * largest)
    return std::partial_ordering::equivalent;
  return metric <=> edge;
}

}  // namespace

std::int64_t percent_change(std::int64_t current, std::int64_t percent) noexcept {
  const __int128 hundredfold = static_cast<__int128>(current) * percent;
  if (hundredfold == 0) return 0;
  const __int128 whole = hundredfold / 100;  // Toward zero.
  if (whole == 0) return hundredfold > 0 ? 1 : -1;
  return bounded(whole);
}

std::int64_t adjusted(Adjustment adjustment, std::int64_t current, std::int64_t amount,
                      std::int64_t min_magnitude) noexcept {
  switch (adjustment) {
    case Adjustment::kChange:
      return std::max<std::int64_t>(0, bounded(static_cast<__int128>(current) + amount));
    case Adjustment::kExact:
      return std::clamp<std::int64_t>(amount, 0, kCapacityMax);
    case Adjustment::kPercent: {
      std::int64_t change = percent_change(current, amount);
      if (change > 0) change = std::max(change, min_magnitude);
      if (change < 0) change = std::min(change, -std::max<std::int64_t>(0, min_magnitude));
      return std::max<std::int64_t>(0, bounded(static_cast<__int128>(current) + change));
    }
  }
  FM_CHECK(false);
  return current;
}

const Step* step_of(const StepPolicy& policy, double metric) noexcept {
  const bool above = breaches_above(policy.comparison);
  const auto against = [&](double bound) { return at_bound(metric, policy.threshold, bound); };
  for (const Step& step : policy.steps) {
    const bool over_lower =
        !step.lower || (above ? against(*step.lower) >= 0 : against(*step.lower) > 0);
    const bool under_upper =
        !step.upper || (above ? against(*step.upper) < 0 : against(*step.upper) <= 0);
    if (over_lower && under_upper) return &step;
  }
  return nullptr;
}

std::int64_t step_wish(const StepPolicy& policy, const Step& step, std::int64_t current,
                       std::int64_t warming) noexcept {
  const std::int64_t warm = std::max<std::int64_t>(0, current - warming);
  const std::int64_t from_warm =
      adjusted(policy.adjustment, warm, step.amount, policy.min_adjustment_magnitude);
  if (from_warm > warm) return std::max(current, from_warm);
  if (warming > 0) return current;
  return from_warm;
}

std::int64_t target_step_wish(const StepPolicy& policy, const Step& step, std::int64_t current,
                              std::int64_t recent) noexcept {
  const std::int64_t out = step_wish(policy, step, current, recent);
  if (out > current) return out;
  return std::min(
      current, adjusted(policy.adjustment, current, step.amount, policy.min_adjustment_magnitude));
}

bool has_warm_up(const ScalingRule& rule) noexcept {
  return rule.group.kind != GroupRef::Kind::kEcsService;
}

std::uint32_t warm_up_of(const ScalingRule& rule, const StepPolicy& policy) noexcept {
  if (!has_warm_up(rule)) return policy.cooldown_s.value_or(rule.cooldown_s);
  return policy.warm_up_s.value_or(rule.default_warm_up_s.value_or(rule.cooldown_s));
}

std::uint32_t simple_warm_up_of(const ScalingRule& rule) noexcept {
  if (rule.step.empty() || !has_warm_up(rule)) return 0;
  return rule.default_warm_up_s.value_or(rule.cooldown_s);
}

CapacityLimits limits_of(std::optional<std::int64_t> minimum, std::optional<std::int64_t> maximum,
                         std::optional<std::int64_t> quota) noexcept {
  CapacityLimits limits{minimum.value_or(0), maximum.value_or(kCapacityMax)};
  if (quota) limits.maximum = std::min(limits.maximum, *quota);
  limits.minimum = std::min(limits.minimum, limits.maximum);
  return limits;
}

Decision arbitrate(std::span<const Wish> wishes, std::int64_t current, CapacityLimits limits,
                   bool scale_in_allowed) noexcept {
  Decision decision{.winner = nullptr, .desired = current, .cut = false};
  for (const Wish& wish : wishes) {
    if (wish.capacity < current && !scale_in_allowed) continue;
    if (decision.winner == nullptr || wish.capacity > decision.winner->capacity)
      decision.winner = &wish;
  }
  if (decision.winner == nullptr) return decision;
  const std::int64_t wanted = decision.winner->capacity;
  if (wanted == current) return decision;
  const std::int64_t inside = std::clamp(wanted, limits.minimum, limits.maximum);
  decision.desired = wanted > current ? std::max(current, inside) : std::min(current, inside);
  decision.cut = wanted > current && wanted > limits.maximum;
  return decision;
}

}  // namespace fleetmeter::alarms
