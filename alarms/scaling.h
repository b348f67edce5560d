#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "alarms/rule.h"

namespace fleetmeter::alarms {

/// Change that `percent` of `current` makes: toward zero, but never to zero unless the product is.
/// Rule: Amazon EC2 Auto Scaling User Guide, "Scaling adjustment types" (rounding of
/// PercentChangeInCapacity).
[[nodiscard]] std::int64_t percent_change(std::int64_t current, std::int64_t percent) noexcept;

/// Capacity that an adjustment asks for, before any limit; never negative. `min_magnitude` is the
/// least change of a percent adjustment, in its direction; a change of 0 stays 0.
[[nodiscard]] std::int64_t adjusted(Adjustment adjustment, std::int64_t current,
                                    std::int64_t amount, std::int64_t min_magnitude) noexcept;

/// The step that holds `metric - threshold`: lower <= d < upper for policies on > and >=, lower < d
/// <= upper for < and <=. A metric that differs from a bound by no more than binary fractions do
/// from the decimals they stand for is on it. nullptr = none. Rule: EC2 Auto Scaling User Guide,
/// "Step adjustments for step scaling".
[[nodiscard]] const Step* step_of(const StepPolicy& policy, double metric) noexcept;

/// What a step policy asks for while `warming` of `current` instances still warm up: they count as
/// capacity already added, so the adjustment is of the others, never below `current` on the way
/// out; nothing is removed while any of them warms. Rule: EC2 Auto Scaling User Guide, "Instance
/// warmup".
[[nodiscard]] std::int64_t step_wish(const StepPolicy& policy, const Step& step,
                                     std::int64_t current, std::int64_t warming) noexcept;

/// The same for an ECS service, where `recent` was added within the cooldown: it counts for the next
/// scale-out, and holds no scale-in back. Rule: Application Auto Scaling User Guide, "How step scaling
/// works: cooldown period".
[[nodiscard]] std::int64_t target_step_wish(const StepPolicy& policy, const Step& step,
                                            std::int64_t current, std::int64_t recent) noexcept;

/// False for ECS services: Application Auto Scaling knows cooldowns only.
[[nodiscard]] bool has_warm_up(const ScalingRule& rule) noexcept;
/// How long capacity that `policy` added counts as new: EstimatedInstanceWarmup, else the default,
/// else the group's cooldown; of an ECS service the policy's cooldown, else the rule's.
[[nodiscard]] std::uint32_t warm_up_of(const ScalingRule& rule, const StepPolicy& policy) noexcept;
/// The same for what a simple policy added: the group's default, else its cooldown. 0 where no step
/// policy would look at it, and for ECS services.
[[nodiscard]] std::uint32_t simple_warm_up_of(const ScalingRule& rule) noexcept;

/// Limits of a group. The quota is hard: it caps max, and min too.
struct CapacityLimits {
  std::int64_t minimum = 0;
  std::int64_t maximum = 0;
};
[[nodiscard]] CapacityLimits limits_of(std::optional<std::int64_t> minimum,
                                       std::optional<std::int64_t> maximum,
                                       std::optional<std::int64_t> quota) noexcept;

/// What one policy whose alarm is in ALARM asks for.
struct Wish {
  std::string policy;         ///< For people: "cpu > 70.0".
  std::int64_t capacity = 0;  ///< Before limits.
  double metric_value = 0;
  bool simple = false;
  std::uint32_t cooldown_s = 0;  ///< Of a simple policy.
  std::uint32_t warm_up_s = 0;
};

struct Decision {
  const Wish* winner = nullptr;  ///< nullptr = nobody wants anything that is allowed.
  std::int64_t desired = 0;  ///< After limits; equal to the current capacity when nothing changes.
  bool cut = false;          ///< The winner wants more than the maximum.
};

/// The wish that leaves the largest capacity wins, for out and in; then the limits. A limit never
/// turns a wish round: a group above its maximum is not shrunk by a wish to grow. A wish for
/// `current` wins against every wish to remove, and changes nothing. Ties: the first. Rule: EC2
/// Auto Scaling User Guide, "Dynamic scaling: multiple dynamic scaling policies".
[[nodiscard]] Decision arbitrate(std::span<const Wish> wishes, std::int64_t current,
                                 CapacityLimits limits, bool scale_in_allowed) noexcept;

}  // namespace fleetmeter::alarms
