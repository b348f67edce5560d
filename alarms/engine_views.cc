// What the page and the API show of an engine.
#include <algorithm>

#include "alarms/engine_state.h"

namespace fleetmeter::alarms {
namespace {

using aggregator::GridTime;
using aggregator::kBeforeAll;

constexpr GridTime kBehindS =
    900;  ///< docs/time.md 6: a source behind for longer leaves the state unknown.

/// True when what should long have been evaluated has not: its source is behind.
bool behind(const AlarmInstance& alarm, const aggregator::Shard& shard) {
  if (alarm.waiting() || alarm.dormant() || alarm.fold().members().empty()) return false;
  const aggregator::SeriesInfo& info = shard.table().info(alarm.fold().members()[0]);
  const bool flow = info.key.metric_namespace == aggregator::kFlowNamespace;
  GridTime now_s = flow ? shard.frontier().watermark_s : shard.frontier().tick_s;
  // Nothing is asked of the time after the end of bounded input.
  if (shard.frontier().bounded) now_s = std::min(now_s, shard.frontier().input_end_s);
  if (now_s == kBeforeAll) return false;
  return now_s - alarm.evaluated_s() >
         kBehindS + GridTime{info.publication_delay_s} + alarm.plan().step_s;
}

AlarmView unchecked(const std::string& environment, const AlarmPlan& plan, std::string series) {
  AlarmView view;
  view.environment = environment;
  view.rule = plan.rule.name;
  view.series = std::move(series);
  view.severity = plan.rule.severity;
  view.reason = "Unchecked: Initial alarm creation";
  return view;
}

}  // namespace

std::vector<AlarmView> Engine::alarms(const aggregator::Shard& shard) const {
  const State& state = *state_;
  std::vector<AlarmView> views;
  for (UnitId i = 0; i < state.alarms.size(); ++i) {
    const AlarmInstance& alarm = state.alarms[i];
    if (state.alarm_paces[i].free || alarm.retired()) continue;
    AlarmView view = unchecked(state.environment, alarm.plan(), alarm.series());
    if (!alarm.reason().empty()) view.reason = alarm.reason();
    view.state = alarm.state();
    view.unknown = alarm.unknown() || behind(alarm, shard);
    view.since_s = alarm.since_s();
    view.evaluated_s = std::max<GridTime>(0, alarm.evaluated_s());
    views.push_back(std::move(view));
  }
  // A single alarm is there before its first datapoint; alarms of a `for_each` come with their
  // series.
  for (std::size_t i = 0; i < state.plans.size(); ++i) {
    const AlarmPlan& plan = state.plans[i];
    const std::string key = std::to_string(i) + '\0';
    if (!plan.rule.for_each.empty() || state.instances.contains(key) || state.gone.contains(key))
      continue;
    views.push_back(unchecked(state.environment, plan, AlarmInstance(plan, {}).series()));
  }
  return views;
}

std::vector<GroupView> Engine::groups(const aggregator::Shard& shard) const {
  std::vector<GroupView> views;
  for (const ScalingGroup& group : state_->groups) {
    const CapacityLimits limits = group.limits(shard.inventory());
    GroupView view;
    view.environment = state_->environment;
    view.group = group.rule().group.name;
    view.rule = group.name();
    view.minimum = limits.minimum;
    view.maximum = limits.maximum;
    view.desired = group.capacity(shard.inventory()).value_or(-1);
    view.in_service = group.in_service().value_or(-1);
    view.last_action_s = group.last_action_s();
    view.cooldown_until_s = group.cooldown_until_s();
    view.last_reason = group.last_reason();
    views.push_back(std::move(view));
  }
  return views;
}

}  // namespace fleetmeter::alarms
