// What a scaling group passes over: minutes in which nothing can change.
#include <algorithm>

#include "alarms/scaling_group.h"

namespace fleetmeter::alarms {
namespace {

using aggregator::GridTime;
using aggregator::kNever;
using aggregator::SlotState;

constexpr GridTime kStepS = 60;

GridTime floor_to(GridTime time_s, GridTime step_s) noexcept {
  const GridTime rest = time_s % step_s;
  return time_s - (rest < 0 ? rest + step_s : rest);
}

}  // namespace

/// Goes on with the last due minute of those in which nothing can change, so that a gap of years costs
/// what one of an hour does. Without data no policy wants anything, so what that minute leaves behind
/// is what all of them would have: the states of the policies, what still warms, the reason. Cooldowns
/// count in grid time and change nothing by ending.
void ScalingGroup::pass_over(const EvaluationContext& context) {
  const GridTime due_s = due_until(context);
  if (due_s < evaluated_s_ + 2 * kStepS) return;
  const GridTime until_s = same_until(context);
  if (until_s <= evaluated_s_) return;
  const GridTime last_s = floor_to(std::min(due_s, until_s - 1), kStepS);
  if (last_s < evaluated_s_ + 2 * kStepS) return;
  for (Metric& metric : metrics_) {
    if (metric.kind != InputKind::kMetric) continue;
    const SlotState state = metric.fold.at(evaluated_s_, metric.spec, context).state;
    metric.fold.pass_over(evaluated_s_, last_s, state, metric.spec);
  }
  evaluated_s_ = last_s - kStepS;
}

/// Up to where all metrics are due, as far as that can be said without asking for each minute.
GridTime ScalingGroup::due_until(const EvaluationContext& context) const {
  GridTime due_s = kNever;
  for (const Metric& metric : metrics_) {
    const GridTime first_s = metric.fold.first_end_s(context);
    due_s = std::min(due_s, first_s > evaluated_s_
                                ? first_s - 1
                                : metric.fold.due_until(evaluated_s_, metric.spec, context));
  }
  return due_s;
}

/// Up to before this time each minute is to the policies what the last one was, and tells nothing new
/// of the capacity; at most evaluated_s_ = that cannot be said.
GridTime ScalingGroup::same_until(const EvaluationContext& context) {
  GridTime until_s = kNever;
  for (const proto::Observation& observation : pending_)
    until_s = std::min<GridTime>(until_s, observation.time_s());
  if (own_.empty() && !known_ && context.inventory != nullptr)
    until_s =
        std::min(until_s, next_group_change(*context.inventory, rule_->group.name, evaluated_s_));
  for (const Metric& metric : metrics_) {
    if (until_s <= evaluated_s_) return evaluated_s_;
    if (metric.kind != InputKind::kMetric)
      until_s = std::min(until_s, metric.fold.next_data(evaluated_s_, context));
  }
  for (Metric& metric : metrics_) {
    if (metric.kind != InputKind::kMetric) continue;
    const SlotState state = metric.fold.at(evaluated_s_, metric.spec, context).state;
    if (state == SlotState::kPresent) return evaluated_s_;
    for (std::uint32_t k = 1; k < metric.spec.range_slots; ++k) {
      const GridTime end_s = evaluated_s_ - GridTime{k} * metric.spec.period_s;
      if (metric.fold.at(end_s, metric.spec, context).state != state) return evaluated_s_;
    }
    until_s = std::min(until_s, metric.fold.same_until(evaluated_s_, state, metric.spec, context));
    if (until_s <= evaluated_s_) return evaluated_s_;
  }
  return until_s;
}

}  // namespace fleetmeter::alarms
