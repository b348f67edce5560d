#include "alarms/rule.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "aggregator/statistic_name.h"
#include "proto/check.h"

namespace fleetmeter::alarms {
namespace {

Error invalid(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

constexpr std::size_t kNameCharactersMax = 255;
constexpr std::size_t kDescriptionCharactersMax = 1024;

/// Code points of UTF-8 text.
std::size_t characters(std::string_view text) noexcept {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80; }));
}

bool is_control(char c) noexcept { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }

bool valid_period(std::uint32_t period_s) noexcept {
  return period_s == 10 || period_s == 20 || period_s == 30 ||
         (period_s >= 60 && period_s % 60 == 0);
}

Result<void> validate_metric_reference(const ScalingRule& rule, const std::string& metric,
                                       double threshold) {
  if (!rule.metrics.contains(metric))
    return invalid("policy names the metric \"" + metric + "\", which `metrics` lacks");
  if (!std::isfinite(threshold))
    return invalid("the threshold of a policy on \"" + metric + "\" is not a finite number");
  return {};
}

/// Rule: Amazon EC2 Auto Scaling API Reference, PutScalingPolicy, "MinAdjustmentMagnitude".
Result<void> validate_magnitude(Adjustment adjustment, std::int64_t magnitude) {
  if (magnitude < 0) return invalid("min_adjustment_magnitude must not be negative");
  if (magnitude > 0 && adjustment != Adjustment::kPercent)
    return invalid("min_adjustment_magnitude belongs to adjustments in percent");
  return {};
}

/// Lowest bound first; an open one is the lowest.
bool starts_before(const Step& left, const Step& right) noexcept {
  if (!left.lower || !right.lower) return !left.lower && right.lower;
  return *left.lower < *right.lower;
}

Result<void> validate_steps(std::vector<Step> steps) {
  if (steps.empty()) return invalid("a step policy needs at least one step");
  std::sort(steps.begin(), steps.end(), starts_before);
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const Step& step = steps[i];
    if (!step.lower && !step.upper) return invalid("a step needs a lower or an upper bound");
    if (step.lower && step.upper && *step.upper <= *step.lower)
      return invalid("a step's upper bound must be above its lower one");
    if (i == 0) continue;
    if (!step.lower) return invalid("only one step may lack a lower bound");
    if (!steps[i - 1].upper) return invalid("only the highest step may lack an upper bound");
    if (*steps[i - 1].upper < *step.lower) return invalid("steps leave a gap between them");
    if (*steps[i - 1].upper > *step.lower) return invalid("steps overlap");
  }
  const std::optional<double> lowest = steps.front().lower;
  const std::optional<double> highest = steps.back().upper;
  if (lowest && *lowest < 0)
    return invalid("a negative lower bound needs a step without lower bound below it");
  if (highest && *highest > 0)
    return invalid("a positive upper bound needs a step without upper bound above it");
  return {};
}

/// Rule: Application Auto Scaling User Guide, "Step scaling policies": cooldowns, no warm-up.
Result<void> validate_step_adjustment(const ScalingRule& rule, const StepPolicy& policy) {
  const bool ecs = rule.group.kind == GroupRef::Kind::kEcsService;
  if (ecs && (policy.warm_up_s || rule.default_warm_up_s))
    return invalid("an ECS service knows no warm-up: give its step policies a cooldown");
  if (!ecs && policy.cooldown_s)
    return invalid("a step policy has a warm-up, no cooldown; only those of ECS services do");
  for (const Step& step : policy.steps) {
    if (policy.adjustment == Adjustment::kExact && step.amount < 0)
      return invalid("an exact capacity must not be negative");
  }
  return validate_magnitude(policy.adjustment, policy.min_adjustment_magnitude);
}

Result<void> validate_capacity(const ScalingRule& rule) {
  if (rule.minimum && *rule.minimum < 0) return invalid("min must not be negative");
  if (rule.minimum && rule.maximum && *rule.minimum > *rule.maximum)
    return invalid("min is above max");
  if (rule.maximum && *rule.maximum < 0) return invalid("max must not be negative");
  if (rule.quota && *rule.quota < 0) return invalid("quota must not be negative");
  if (rule.desired && *rule.desired < 0) return invalid("desired must not be negative");
  if (rule.quota && rule.minimum && *rule.quota < *rule.minimum)
    return invalid("quota is below min");
  return {};
}

}  // namespace

bool breaches(Comparison comparison, double value, double threshold) noexcept {
  switch (comparison) {
    case Comparison::kGreaterOrEqual:
      return value >= threshold;
    case Comparison::kGreater:
      return value > threshold;
    case Comparison::kLess:
      return value < threshold;
    case Comparison::kLessOrEqual:
      return value <= threshold;
  }
  FM_CHECK(false);
  return false;
}

bool breaches_above(Comparison comparison) noexcept {
  return comparison == Comparison::kGreater || comparison == Comparison::kGreaterOrEqual;
}

const char* to_string(AlarmState state) noexcept {
  switch (state) {
    case AlarmState::kInsufficientData:
      return "INSUFFICIENT_DATA";
    case AlarmState::kOk:
      return "OK";
    case AlarmState::kAlarm:
      return "ALARM";
  }
  FM_CHECK(false);
  return "";
}

const char* to_string(Comparison comparison) noexcept {
  switch (comparison) {
    case Comparison::kGreaterOrEqual:
      return "GreaterThanOrEqualToThreshold";
    case Comparison::kGreater:
      return "GreaterThanThreshold";
    case Comparison::kLess:
      return "LessThanThreshold";
    case Comparison::kLessOrEqual:
      return "LessThanOrEqualToThreshold";
  }
  FM_CHECK(false);
  return "";
}

const char* to_string(MissingData missing) noexcept {
  switch (missing) {
    case MissingData::kMissing:
      return "missing";
    case MissingData::kIgnore:
      return "ignore";
    case MissingData::kBreaching:
      return "breaching";
    case MissingData::kNotBreaching:
      return "notBreaching";
  }
  FM_CHECK(false);
  return "";
}

MissingData default_missing(std::string_view metric_namespace) noexcept {
  return metric_namespace == "AWS/DynamoDB" ? MissingData::kIgnore : MissingData::kMissing;
}

std::uint64_t samples_needed(std::string_view statistic) noexcept {
  const auto name = aggregator::parse_statistic(statistic);
  if (!name || name->kind != aggregator::StatisticKind::kPercentile || !name->high) return 0;
  const double percent = *name->high;
  if (percent >= 100) return 0;
  const double needed = 1000 / (percent >= 50 ? 100 - percent : percent);
  // 100 - 99.9 is not quite 0.1: what is meant to be whole is not rounded up.
  return static_cast<std::uint64_t>(std::ceil(needed - 1e-6 * needed));
}

Result<void> check_statistic(std::string_view name) {
  if (aggregator::parse_statistic(name)) return {};
  return invalid("`" + std::string(name) +
                 "` is not a CloudWatch statistic: write Average, Sum, Minimum, Maximum, "
                 "SampleCount, IQM, a percentile like p99.9, TM, WM, TC or TS with bounds like "
                 "TM(10%:90%) or tm90, or PR with values like PR(:300)");
}

Result<void> validate(const AlarmRule& rule) {
  constexpr std::uint64_t kDayS = 86'400;
  constexpr std::uint64_t kWeekS = 7 * kDayS;
  if (rule.name.empty()) return invalid("an alarm needs a name");
  if (characters(rule.name) > kNameCharactersMax) return invalid("the name is over 255 characters");
  if (std::ranges::any_of(rule.name, is_control))
    return invalid("the name holds a control character");
  if (characters(rule.description) > kDescriptionCharactersMax)
    return invalid("the description is over 1024 characters");
  if (rule.metric.metric_namespace.empty()) return invalid("the metric's namespace is missing");
  if (rule.metric.name.empty()) return invalid("the metric's name is missing");
  if (auto statistic = check_statistic(rule.metric.statistic); !statistic) return statistic;
  if (rule.ignore_low_samples && samples_needed(rule.metric.statistic) == 0)
    return invalid("low_samples is for percentiles below p100 alone");
  if (!std::isfinite(rule.threshold)) return invalid("the threshold is not a finite number");
  if (!valid_period(rule.period_s))
    return invalid("period must be 10, 20, 30 or a multiple of 60 seconds");
  if (rule.evaluation_periods < 1) return invalid("evaluation periods must be at least 1");
  if (rule.datapoints_to_alarm < 1) return invalid("datapoints to alarm must be at least 1");
  if (rule.datapoints_to_alarm > rule.evaluation_periods)
    return invalid("datapoints to alarm exceed the evaluation periods");
  const std::uint64_t window_s = std::uint64_t{rule.period_s} * rule.evaluation_periods;
  if (window_s > (rule.period_s >= 3600 ? kWeekS : kDayS)) {
    return invalid(
        "period x evaluation periods is over a day (a week for periods of an hour or more)");
  }
  if (rule.range_slots != 0 && rule.range_slots < rule.evaluation_periods) {
    return invalid("the evaluation range is shorter than the evaluation periods");
  }
  if (rule.range_slots > rule.evaluation_periods + kRangeSpareSlotsMax)
    return invalid("the evaluation range is over 100 slots longer than needed");
  return {};
}

Result<void> validate(const ScalingRule& rule) {
  if (rule.group.name.empty()) return invalid("a scaling rule needs a group");
  if (rule.simple.empty() && rule.step.empty())
    return invalid("a scaling rule needs at least one policy");
  if (auto capacity = validate_capacity(rule); !capacity) return capacity;
  for (const auto& [key, metric] : rule.metrics) {
    if (auto statistic = check_statistic(metric.statistic); !statistic) return statistic;
  }
  for (const SimplePolicy& policy : rule.simple) {
    if (auto metric = validate_metric_reference(rule, policy.metric, policy.threshold); !metric)
      return metric;
    if (policy.for_s < 1 || policy.for_s > 86'400)
      return invalid("`for` must be between a second and a day");
    if (policy.adjustment == Adjustment::kExact && policy.amount < 0)
      return invalid("an exact capacity must not be negative");
    if (auto magnitude = validate_magnitude(policy.adjustment, policy.min_adjustment_magnitude);
        !magnitude)
      return magnitude;
  }
  for (const StepPolicy& policy : rule.step) {
    if (auto metric = validate_metric_reference(rule, policy.metric, policy.threshold); !metric)
      return metric;
    if (policy.for_s < 1 || policy.for_s > 86'400)
      return invalid("`for` must be between a second and a day");
    if (auto steps = validate_steps(policy.steps); !steps) return steps;
    if (auto adjustment = validate_step_adjustment(rule, policy); !adjustment) return adjustment;
  }
  return {};
}

}  // namespace fleetmeter::alarms
