#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/result.h"

namespace fleetmeter::alarms {

/// Rule: Amazon CloudWatch API Reference, PutMetricAlarm "ComparisonOperator". The statistic is the
/// left operand.
enum class Comparison : std::uint8_t { kGreaterOrEqual, kGreater, kLess, kLessOrEqual };
[[nodiscard]] bool breaches(Comparison comparison, double value, double threshold) noexcept;
[[nodiscard]] bool breaches_above(Comparison comparison) noexcept;  ///< ">" and ">=".
/// "GreaterThanThreshold" ...
[[nodiscard]] const char* to_string(Comparison comparison) noexcept;

/// Rule: Amazon CloudWatch User Guide, "Configuring how CloudWatch alarms treat missing data".
enum class MissingData : std::uint8_t { kMissing, kIgnore, kBreaching, kNotBreaching };
/// What holds when a rule does not say: metrics of AWS/DynamoDB ignore missing data.
[[nodiscard]] MissingData default_missing(std::string_view metric_namespace) noexcept;
/// As TreatMissingData names it.
[[nodiscard]] const char* to_string(MissingData missing) noexcept;

enum class AlarmState : std::uint8_t { kInsufficientData, kOk, kAlarm };
/// "INSUFFICIENT_DATA", "OK", "ALARM".
[[nodiscard]] const char* to_string(AlarmState state) noexcept;

/// Which series a rule reads and how it turns a datapoint into a value.
struct MetricSelector {
  std::string metric_namespace;
  std::string name;
  /// CloudWatch name: Average, Sum, Minimum, Maximum, SampleCount, p99 ...
  std::string statistic = "Average";
  /// Must all match; when `exact` the series has no others.
  std::map<std::string, std::string> dimensions;
  bool exact = false;
};

/// How much longer than the evaluation periods an evaluation range may be.
inline constexpr std::uint32_t kRangeSpareSlotsMax = 100;

/// One metric alarm rule; `for_each` makes one alarm per value of a dimension.
struct AlarmRule {
  std::string name;
  std::string description;
  std::string severity = "warning";       ///< critical, error, warning, info.
  std::vector<std::string> environments;  ///< Empty = all, "unassigned" included.
  MetricSelector metric;
  /// Dimension name; empty = one alarm over the series that match `metric`.
  std::string for_each;
  Comparison comparison = Comparison::kGreater;
  double threshold = 0;
  std::uint32_t period_s = 60;            ///< 10, 20, 30 or a multiple of 60.
  std::uint32_t evaluation_periods = 1;   ///< N
  std::uint32_t datapoints_to_alarm = 1;  ///< M
  std::uint32_t range_slots = 0;          ///< Evaluation range; 0 = N + 2 (docs/alarms.md).
  MissingData missing = MissingData::kMissing;
  /// Of a percentile: a period with too few samples for it keeps the state
  /// (EvaluateLowSampleCountPercentile `ignore`); else its value counts like any other.
  bool ignore_low_samples = false;
  std::vector<std::string> notify;
};

/// Samples that a period must have for its percentile to tell something; 0 = the statistic is no
/// percentile, or the 100th. Rule: Amazon CloudWatch User Guide, "Percentile-based CloudWatch
/// alarms and low data samples": 10 / (1 - p) from the median on, 10 / p below it.
[[nodiscard]] std::uint64_t samples_needed(std::string_view statistic) noexcept;

/// Where capacity lives.
struct GroupRef {
  enum class Kind : std::uint8_t { kAsg, kEcsService, kEksNodegroup, kOther };
  Kind kind = Kind::kAsg;
  std::string name;  ///< Auto Scaling group name, cluster/service, cluster/nodegroup.
};

enum class Adjustment : std::uint8_t { kChange, kExact, kPercent };

/// Rule: Amazon EC2 Auto Scaling User Guide, "Step and simple scaling policies".
struct SimplePolicy {
  std::string metric;  ///< Key of ScalingRule::metrics.
  Comparison comparison = Comparison::kGreater;
  double threshold = 0;
  std::uint32_t for_s = 300;  ///< ceil(for_s / p) of as many periods, p = max(60, own period).
  Adjustment adjustment = Adjustment::kChange;
  std::int64_t amount = 0;  ///< Negative removes; percent in whole percent.
  std::int64_t min_adjustment_magnitude = 0;
  std::optional<std::uint32_t> cooldown_s;  ///< Overrides the group's.
};
/// Bounds are offsets from the threshold; nullopt = open.
struct Step {
  std::optional<double> lower, upper;
  std::int64_t amount = 0;
};
struct StepPolicy {
  std::string metric;
  Comparison comparison = Comparison::kGreater;
  double threshold = 0;
  std::uint32_t for_s = 60;
  Adjustment adjustment = Adjustment::kChange;
  std::int64_t min_adjustment_magnitude = 0;
  std::vector<Step> steps;
  /// EstimatedInstanceWarmup; else the rule's default, else its cooldown. Not for ECS services.
  std::optional<std::uint32_t> warm_up_s;
  /// Of ECS services only, which know no warm-up; else the rule's.
  std::optional<std::uint32_t> cooldown_s = {};
};

/// Scaling of one group: one decision per group and grid minute, the largest capacity wins.
struct ScalingRule {
  std::string name;  ///< Defaults to the group's name.
  GroupRef group;
  std::vector<std::string> environments;
  std::optional<std::int64_t> minimum, maximum;  ///< Else the group's own, from the inventory.
  std::optional<std::int64_t> quota;             ///< Service quota: hard limit.
  std::optional<std::int64_t> desired;           ///< Starting capacity when nothing else tells it.
  std::uint32_t cooldown_s = 300;
  /// Health-check grace: members younger than this do not count in folded metrics.
  std::uint32_t grace_s = 0;
  std::optional<std::uint32_t> default_warm_up_s;
  /// Folded over the group's machines unless dimensions say otherwise.
  std::map<std::string, MetricSelector> metrics;
  std::vector<SimplePolicy> simple;
  std::vector<StepPolicy> step;
  std::vector<std::string> act;  ///< Receivers of the decision.
  std::vector<std::string> notify;
};

/// kInvalidArgument, saying what there is, for a name that aggregator::parse_statistic does not know.
[[nodiscard]] Result<void> check_statistic(std::string_view name);

/// kInvalidArgument with the reason for a rule that AWS would refuse; an Engine must only get rules
/// that pass. Rules: Amazon CloudWatch API Reference, PutMetricAlarm; EC2 Auto Scaling User Guide,
/// "Step adjustments for step scaling".
[[nodiscard]] Result<void> validate(const AlarmRule& rule);
[[nodiscard]] Result<void> validate(const ScalingRule& rule);

}  // namespace fleetmeter::alarms
