// What an alarm says of itself, and when: events, and what of them is sent.
#include <algorithm>
#include <utility>

#include "alarms/alarm_instance.h"
#include "alarms/engine.h"

namespace fleetmeter::alarms {
namespace {

using aggregator::GridTime;
using aggregator::kNever;
using aggregator::SlotState;
using Kind = RangeSlot::Kind;

/// Older changes are those of a catch-up: only the net of them is sent.
constexpr GridTime kCatchUpS = 300;
/// A source that never catches up holds no notification for longer than this.
constexpr GridTime kHeldMaxS = 900;

AlarmState state_named(std::string_view text) noexcept {
  for (const AlarmState state : {AlarmState::kOk, AlarmState::kAlarm}) {
    if (text == to_string(state)) return state;
  }
  return AlarmState::kInsufficientData;
}

bool is_old(const proto::Event& change, const EvaluationContext& context) noexcept {
  return !context.frontier.bounded && change.time_s() + kCatchUpS < context.frontier.append_time_s;
}

}  // namespace

proto::Event AlarmInstance::make_event(std::string_view type, GridTime at_s,
                                       const EvaluationContext& context, EventSink& sink) {
  const bool repeats = type == "alarm.state_changed" && last_event_s_ == at_s;
  if (type == "alarm.state_changed") {
    ordinal_ = repeats ? ordinal_ + 1 : 0;
    last_event_s_ = at_s;
  }
  proto::Event event;
  event.set_id(
      event_id(sink.environment, type, plan_->rule.name, series_, at_s, repeats ? ordinal_ : 0));
  event.set_time_s(at_s);
  event.set_type(std::string(type));
  event.set_environment(std::string(sink.environment));
  event.set_rule(plan_->rule.name);
  event.set_series(series_);
  event.set_severity(plan_->rule.severity);
  describe(*event.mutable_alarm(), context, sink);
  return event;
}

void AlarmInstance::describe(proto::AlarmDetail& detail, const EvaluationContext& context,
                             const EventSink& sink) const {
  const AlarmRule& rule = plan_->rule;
  detail.set_namespace_(rule.metric.metric_namespace);
  detail.set_metric(rule.metric.name);
  detail.set_statistic(rule.metric.statistic);
  detail.set_comparison(to_string(rule.comparison));
  detail.set_threshold(rule.threshold);
  detail.set_period_s(rule.period_s);
  detail.set_evaluation_periods(rule.evaluation_periods);
  detail.set_datapoints_to_alarm(rule.datapoints_to_alarm);
  detail.set_missing(to_string(rule.missing));
  detail.set_description(rule.description);
  const auto dimension = [&](const std::string& name, const std::string& value) {
    detail.add_dimension_names(name);
    detail.add_dimension_values(value);
  };
  const auto& members = fold_.members();
  if (members.size() == 1) {
    for (const auto& [name, value] : context.table.info(members[0]).key.dimensions)
      dimension(name, value);
  } else {
    for (const auto& [name, value] : rule.metric.dimensions) dimension(name, value);
    if (!rule.for_each.empty()) dimension(rule.for_each, key_);
  }
  if (!members.empty()) {
    const aggregator::SeriesInfo& info = context.table.info(members[0]);
    detail.set_account(info.key.account);
    detail.set_region(info.key.region);
    detail.set_unit(info.unit);
  }
  for (std::size_t i = sink.range.size(); i-- > 0;) {
    const SeenValue& seen = sink.range[i];
    if (seen.slot.state != SlotState::kPresent || seen.kind == Kind::kNonexistent) continue;
    const aggregator::ValueRange& value = seen.slot.value;
    if (seen.kind == Kind::kUnknown && value.least != value.greatest) continue;  // Not known.
    if (static_cast<std::uint32_t>(detail.recent_value_size()) == rule.evaluation_periods) break;
    detail.add_recent_time_s(seen.slot.end_s - rule.period_s);
    detail.add_recent_value(value.nearest(rule.threshold));
  }
}

void AlarmInstance::change_state(AlarmState to, std::string reason, bool commanded, GridTime at_s,
                                 const EvaluationContext& context, EventSink& sink) {
  proto::Event event = make_event("alarm.state_changed", at_s, context, sink);
  event.set_from(to_string(state_));
  event.set_to(to_string(to));
  event.set_reason(reason);
  event.set_initial(!decided_ && !commanded && to == AlarmState::kOk);
  if (!event.initial() && !silenced(at_s)) {
    for (const std::string& receiver : plan_->rule.notify) event.add_notify(receiver);
  }
  decided_ = true;
  state_ = to;
  since_s_ = at_s;
  reason_ = std::move(reason);
  sink.events.push_back(std::move(event));
}

void AlarmInstance::retire(GridTime at_s, const char* why, const EvaluationContext& context,
                           EventSink& sink) {
  sink.range.clear();
  proto::Event event = make_event("alarm.retired", at_s, context, sink);
  event.set_from(to_string(state_));
  event.set_reason(why);
  sink.events.push_back(std::move(event));
  state_ = AlarmState::kInsufficientData;
  decided_ = false;
  unknown_ = false;
  begin_s_ = kNever;
  since_s_ = at_s;
  reason_ = why;
}

bool AlarmInstance::catching_up(const EvaluationContext& context) const {
  return std::ranges::any_of(fold_.members(), [&](aggregator::SeriesId id) {
    const GridTime read_to_s = context.table.read_to(id);
    return read_to_s != kNever && read_to_s + kCatchUpS < context.frontier.append_time_s;
  });
}

bool AlarmInstance::must_tell(const EvaluationContext& context) const {
  if (!held_) return false;
  return context.frontier.append_time_s - held_->since_s >= kHeldMaxS || !catching_up(context);
}

/// A change that another follows: an old one is told to nobody.
bool AlarmInstance::passed_over(proto::Event& change, const EvaluationContext& context) {
  if (is_old(change, context)) {
    change.clear_notify();
    return true;
  }
  if (change.notify_size() > 0) told_ = state_named(change.to());
  return false;
}

/// After a catch-up only the net change is sent, once; the events of the way there stay in the
/// record. The last change waits for the end of the catch-up, which may take many records.
void AlarmInstance::tell(std::size_t first_event, const EvaluationContext& context,
                         EventSink& sink) {
  if (sink.events.size() == first_event) return;
  const GridTime since_s = held_ ? held_->since_s : context.frontier.append_time_s;
  bool net = held_ && held_->net;
  held_.reset();
  std::size_t last = sink.events.size();
  for (std::size_t i = first_event; i < sink.events.size(); ++i) {
    if (last != sink.events.size() && passed_over(sink.events[last], context)) net = true;
    if (sink.events[i].type() == "alarm.state_changed") {
      last = i;
      continue;
    }
    told_ = AlarmState::kOk;  // Retired: who comes after it is told anew.
    net = false;
    last = sink.events.size();
  }
  if (last == sink.events.size()) return;
  proto::Event& change = sink.events[last];
  if (net && change.to() == to_string(told_)) change.clear_notify();
  if (change.notify_size() == 0) return;
  const bool young = context.frontier.append_time_s - since_s < kHeldMaxS;
  if (is_old(change, context) && young && catching_up(context)) {
    held_ = Held{std::move(change), since_s, net};
    sink.events.erase(sink.events.begin() + static_cast<std::ptrdiff_t>(last));
  } else {
    told_ = state_named(change.to());
  }
}

}  // namespace fleetmeter::alarms
