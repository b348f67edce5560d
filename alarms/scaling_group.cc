#include "alarms/scaling_group.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "alarms/reason.h"
#include "proto/check.h"

namespace fleetmeter::alarms {
namespace {

using aggregator::GridTime;
using aggregator::kBeforeAll;
using aggregator::kNever;
using aggregator::SlotState;
using Kind = RangeSlot::Kind;

constexpr std::uint32_t kStepS = 60;
constexpr std::uint32_t kSpareSlots = 2;  ///< Range beyond N, as for alarms.
constexpr std::uint32_t kLearnedPeriodS = 300;

GridTime floor_to(GridTime time_s, GridTime step_s) noexcept {
  const GridTime rest = time_s % step_s;
  return time_s - (rest < 0 ? rest + step_s : rest);
}

std::uint32_t ceil_div(std::uint32_t a, std::uint32_t b) noexcept { return (a + b - 1) / b; }

const char* sign_of(Comparison comparison) noexcept {
  switch (comparison) {
    case Comparison::kGreaterOrEqual:
      return ">=";
    case Comparison::kGreater:
      return ">";
    case Comparison::kLess:
      return "<";
    case Comparison::kLessOrEqual:
      return "<=";
  }
  FM_CHECK(false);
  return "";
}

std::string policy_text(const std::string& metric, Comparison comparison, double threshold) {
  return fmt::format("{} {} {}", metric, sign_of(comparison), decimal_text(threshold));
}

/// "cluster/service" in its two parts.
std::pair<std::string_view, std::string_view> split_name(std::string_view name) noexcept {
  const std::size_t slash = name.find('/');
  if (slash == std::string_view::npos) return {name, {}};
  return {name.substr(0, slash), name.substr(slash + 1)};
}

/// FNV-1a of what makes the group's state its own: another group, other metrics or other policies
/// start anew.
std::uint64_t fingerprint_of(const ScalingRule& rule) {
  std::string text = fmt::format("{};{};{};{};", rule.name, static_cast<int>(rule.group.kind),
                                 rule.group.name, rule.grace_s);
  for (const auto& [key, selector] : rule.metrics) {
    text += fmt::format("{}={};{};{};", key, selector.metric_namespace, selector.name,
                        selector.statistic);
    for (const auto& [name, value] : selector.dimensions)
      text += fmt::format("{}={};", name, value);
  }
  for (const SimplePolicy& policy : rule.simple) {
    text +=
        fmt::format("simple {} {};",
                    policy_text(policy.metric, policy.comparison, policy.threshold), policy.for_s);
  }
  for (const StepPolicy& policy : rule.step) {
    text += fmt::format("step {} {} {};",
                        policy_text(policy.metric, policy.comparison, policy.threshold),
                        policy.for_s, warm_up_of(rule, policy));
  }
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) hash = (hash ^ static_cast<std::uint8_t>(c)) * 0x100000001b3ULL;
  return hash;
}

}  // namespace

ScalingGroup::ScalingGroup(const ScalingRule& rule)
    : rule_(&rule),
      name_(rule.name.empty() ? rule.group.name : rule.name),
      fingerprint_(fingerprint_of(rule)) {
  for (const SimplePolicy& simple : rule.simple) {
    Policy policy;
    policy.simple = &simple;
    policy.metric = metric_of(simple.metric, rule.grace_s);
    policy.text = policy_text(simple.metric, simple.comparison, simple.threshold);
    policies_.push_back(std::move(policy));
  }
  for (const StepPolicy& step : rule.step) {
    Policy policy;
    policy.step = &step;
    // Machines that still warm up are left out of what a step policy measures.
    policy.metric =
        metric_of(step.metric, has_warm_up(rule) ? std::max(rule.grace_s, warm_up_of(rule, step))
                                                 : rule.grace_s);
    policy.text = policy_text(step.metric, step.comparison, step.threshold);
    policies_.push_back(std::move(policy));
  }
  add_capacity_metrics();
}

std::size_t ScalingGroup::metric_of(const std::string& key, std::uint32_t young_s) {
  for (std::size_t i = 0; i < metrics_.size(); ++i) {
    if (metrics_[i].key == key && metrics_[i].spec.young_s == young_s) return i;
  }
  const auto selector = rule_->metrics.find(key);
  FM_CHECK(selector != rule_->metrics.end());
  Metric metric;
  metric.key = key;
  metric.selector = selector->second;
  metric.spec.statistic = metric.selector.statistic;
  metric.spec.young_s = young_s;
  metric.spec.dimensions_asked = static_cast<std::uint32_t>(metric.selector.dimensions.size());
  if (!metric.selector.dimensions.empty()) {
    metric.spec.choice = FoldSpec::Choice::kExactElseDetailed;
  } else if (rule_->group.kind == GroupRef::Kind::kEcsService) {
    metric.spec.choice = FoldSpec::Choice::kExactElseDetailed;
    metric.spec.dimensions_asked = 2;  // ClusterName, ServiceName.
  } else {
    metric.spec.choice = FoldSpec::Choice::kMachinesElseGroup;
    metric.spec.group = rule_->group.name;
  }
  metrics_.push_back(std::move(metric));
  return metrics_.size() - 1;
}

void ScalingGroup::add_capacity_metrics() {
  const auto add_metric = [this](InputKind kind, const char* metric_namespace, const char* name,
                                 std::map<std::string, std::string> dimensions) {
    Metric metric;
    metric.kind = kind;
    metric.selector = {.metric_namespace = metric_namespace,
                       .name = name,
                       .statistic = "Maximum",
                       .dimensions = std::move(dimensions),
                       .exact = true};
    metric.spec.statistic = "Maximum";
    metric.spec.choice = FoldSpec::Choice::kExactElseDetailed;
    metric.spec.dimensions_asked = static_cast<std::uint32_t>(metric.selector.dimensions.size());
    metrics_.push_back(std::move(metric));
  };
  if (rule_->group.kind == GroupRef::Kind::kAsg) {
    const std::map<std::string, std::string> group{{"AutoScalingGroupName", rule_->group.name}};
    add_metric(InputKind::kDesired, "AWS/AutoScaling", "GroupDesiredCapacity", group);
    add_metric(InputKind::kInService, "AWS/AutoScaling", "GroupInServiceInstances", group);
  } else if (rule_->group.kind == GroupRef::Kind::kEcsService) {
    const auto [cluster, service] = split_name(rule_->group.name);
    const std::map<std::string, std::string> group{{"ClusterName", std::string(cluster)},
                                                   {"ServiceName", std::string(service)}};
    add_metric(InputKind::kDesired, "ECS/ContainerInsights", "DesiredTaskCount", group);
    add_metric(InputKind::kInService, "ECS/ContainerInsights", "RunningTaskCount", group);
  }
}

std::vector<ScalingGroup::Input> ScalingGroup::inputs() const {
  std::vector<Input> inputs;
  for (const Metric& metric : metrics_)
    inputs.push_back({metric.selector.metric_namespace, metric.selector.name});
  return inputs;
}

bool ScalingGroup::selects(const Metric& metric, const aggregator::SeriesKey& key,
                           aggregator::SeriesId id, const EvaluationContext& context) const {
  if (!metric.selector.dimensions.empty()) {
    if (metric.selector.exact && key.dimensions.size() != metric.selector.dimensions.size())
      return false;
    return std::ranges::all_of(metric.selector.dimensions, [&](const auto& asked) {
      return key.dimension(asked.first) == asked.second;
    });
  }
  const std::string& group = rule_->group.name;
  if (rule_->group.kind == GroupRef::Kind::kEcsService) {
    const auto [cluster, service] = split_name(group);
    return key.dimension("ClusterName") == cluster && key.dimension("ServiceName") == service;
  }
  // Whether the machine is in the group at the time asked for, the fold decides.
  return key.dimension("AutoScalingGroupName") == group ||
         context.directory.ever_in_group(id, key, context.inventory, group);
}

bool ScalingGroup::add(std::size_t index, aggregator::SeriesId id, const EvaluationContext& context,
                       aggregator::SeriesTable& table) {
  Metric& metric = metrics_[index];
  const aggregator::SeriesInfo& info = context.table.info(id);
  if (!selects(metric, info.key, id, context)) return false;
  metric.fold.add(id);
  fit(metric, context);
  // A learned period may turn out longer than the one it is bound with.
  table.set_retention(id,
                      std::max(metric.spec.period_s, kLearnedPeriodS) * metric.spec.range_slots);
  return true;
}

/// Period and range follow the series' own period, which may be learned late: `for: T` is ceil(T /
/// p) periods.
void ScalingGroup::fit(Metric& metric, const EvaluationContext& context) {
  if (metric.kind != InputKind::kMetric) {
    metric.spec.range_slots = 1;
    return;
  }
  const std::uint32_t period =
      std::max(kStepS, ceil_div(metric.fold.own_period_s(context), kStepS) * kStepS);
  std::uint32_t range = 1;
  for (const Policy& policy : policies_) {
    if (&metrics_[policy.metric] != &metric) continue;
    const std::uint32_t for_s =
        policy.simple != nullptr ? policy.simple->for_s : policy.step->for_s;
    range = std::max(range, ceil_div(for_s, period) + kSpareSlots);
  }
  if (metric.spec.period_s == period && metric.spec.range_slots == range) return;
  metric.spec.period_s = period;
  metric.spec.range_slots = range;
  metric.fold.forget();
}

void ScalingGroup::datapoint_changed(aggregator::SeriesId id, GridTime start_s,
                                     const EvaluationContext& context) noexcept {
  for (Metric& metric : metrics_) {
    metric.fold.datapoint_changed(start_s, context.table.info(id).own_period_s, metric.spec);
  }
}

void ScalingGroup::start_after(GridTime at_s) noexcept { evaluated_s_ = floor_to(at_s, kStepS); }

void ScalingGroup::observe(const proto::Observation& observation) {
  pending_.push_back(observation);
}

bool ScalingGroup::settle(const EvaluationContext& context, GridTime& wake_s) {
  GridTime first = kNever;
  std::uint32_t delay = 0;
  for (const Metric& metric : metrics_) {
    if (metric.kind != InputKind::kMetric) continue;
    first = std::min(first, metric.fold.first_end_s(context));
    delay = std::max(delay, metric.fold.delay_s(context));
  }
  if (first == kNever) return false;
  if (context.frontier.tick_s < first + delay) {
    wake_s = first + delay;
    return false;
  }
  evaluated_s_ = floor_to(first - 1, kStepS);
  return true;
}

bool ScalingGroup::due(GridTime at_s, const EvaluationContext& context, GridTime& wake_s) {
  for (Metric& metric : metrics_) {
    if (metric.fold.first_end_s(context) > at_s) continue;
    if (metric.fold.due(at_s, metric.spec, context)) continue;
    wake_s = std::max(metric.fold.next_wake(context), at_s);
    return false;
  }
  return true;
}

GridTime ScalingGroup::advance(const EvaluationContext& context, EventSink& sink) {
  GridTime wake_s = kNever;
  if (evaluated_s_ == kBeforeAll && !settle(context, wake_s)) return wake_s;
  const bool has_metric = std::ranges::any_of(metrics_, [](const Metric& metric) {
    return metric.kind == InputKind::kMetric && !metric.fold.candidates().empty();
  });
  if (!has_metric) return kNever;
  for (;;) {
    const GridTime at_s = evaluated_s_ + kStepS;
    if (!due(at_s, context, wake_s)) return wake_s;
    evaluated_s_ = at_s;
    evaluate_at(at_s, context, sink);
    if (std::ranges::none_of(policies_, &Policy::valid)) pass_over(context);
  }
}

void ScalingGroup::evaluate_at(GridTime at_s, const EvaluationContext& context, EventSink& sink) {
  for (Metric& metric : metrics_) fit(metric, context);
  learn_capacity(at_s, context);
  for (Policy& policy : policies_) evaluate_policy(policy, at_s, context, sink);
  if (founded() < own_.size()) {
    last_reason_ =
        "an action failed on which a later one is based: waits until that is carried out or fails";
    return;
  }
  const std::optional<std::int64_t> current = capacity(context.inventory);
  if (!current) {
    last_reason_ =
        "the group's capacity is unknown: no observation, metric, inventory or `desired` tells it";
    return;
  }
  arbitrate_at(at_s, *current, context, sink);
}

void ScalingGroup::evaluate_policy(Policy& policy, GridTime at_s, const EvaluationContext& context,
                                   EventSink& sink) {
  ++sink.evaluations;
  Metric& metric = metrics_[policy.metric];
  const std::uint32_t for_s = policy.simple != nullptr ? policy.simple->for_s : policy.step->for_s;
  const Comparison comparison =
      policy.simple != nullptr ? policy.simple->comparison : policy.step->comparison;
  const double threshold =
      policy.simple != nullptr ? policy.simple->threshold : policy.step->threshold;
  const std::uint32_t n = ceil_div(for_s, metric.spec.period_s);
  sink.kinds.clear();
  policy.unknown = false;
  for (std::uint32_t k = n + kSpareSlots; k-- > 0;) {
    const FoldedSlot& slot =
        metric.fold.at(at_s - GridTime{k} * metric.spec.period_s, metric.spec, context);
    const RangeSlot kind = range_slot(slot, comparison, threshold);
    policy.unknown = policy.unknown || (k < n && kind.kind == Kind::kUnknown);
    sink.kinds.push_back(kind);
    if (k != 0) continue;
    policy.valid = slot.state == SlotState::kPresent;
    policy.value = slot.value.nearest(threshold);
  }
  const EvaluationRule rule{
      .evaluation_periods = n, .datapoints_to_alarm = n, .missing = MissingData::kMissing};
  policy.state = evaluate(rule, sink.kinds, policy.state);
}

}  // namespace fleetmeter::alarms
