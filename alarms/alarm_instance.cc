#include "alarms/alarm_instance.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "aggregator/state_codec.h"
#include "alarms/engine.h"
#include "proto/check.h"

namespace fleetmeter::alarms {
namespace {

using aggregator::GridTime;
using aggregator::kBeforeAll;
using aggregator::kNever;
using aggregator::SlotState;
using Kind = RangeSlot::Kind;

constexpr std::uint32_t kDayS = 86'400;
constexpr std::uint32_t kHourS = 3600;
constexpr std::uint32_t kRetireAfterS = 3 * kHourS;
/// Older changes are those of a catch-up: only the net of them is sent.
constexpr GridTime kCatchUpS = 300;
/// A source that never catches up holds no notification for longer than this.
constexpr GridTime kHeldMaxS = 900;

GridTime floor_to(GridTime time_s, GridTime step_s) noexcept {
  const GridTime rest = time_s % step_s;
  return time_s - (rest < 0 ? rest + step_s : rest);
}
GridTime ceil_to(GridTime time_s, GridTime step_s) noexcept {
  return floor_to(time_s + step_s - 1, step_s);
}

/// FNV-1a over what decides: a rule that only notifies otherwise stays the same alarm.
class Fingerprint {
 public:
  void add(std::string_view text) {
    for (const char c : text) step(static_cast<std::uint8_t>(c));
    step(0);
  }
  void add(std::uint64_t number) {
    for (int i = 0; i < 8; ++i) step(static_cast<std::uint8_t>(number >> (8 * i)));
  }
  [[nodiscard]] std::uint64_t value() const noexcept { return hash_; }

 private:
  void step(std::uint8_t byte) { hash_ = (hash_ ^ byte) * 0x100000001b3ULL; }
  std::uint64_t hash_ = 0xcbf29ce484222325ULL;
};

std::uint64_t fingerprint_of(const AlarmRule& rule) {
  Fingerprint print;
  print.add(rule.metric.metric_namespace);
  print.add(rule.metric.name);
  print.add(rule.metric.statistic);
  for (const auto& [name, value] : rule.metric.dimensions) {
    print.add(name);
    print.add(value);
  }
  print.add(rule.metric.exact ? 1 : 0);
  print.add(rule.for_each);
  print.add(static_cast<std::uint64_t>(rule.comparison));
  print.add(decimal_text(rule.threshold));
  print.add(rule.period_s);
  print.add(rule.evaluation_periods);
  print.add(rule.datapoints_to_alarm);
  print.add(rule.range_slots);
  print.add(static_cast<std::uint64_t>(rule.missing));
  return print.value();
}

AlarmState state_named(std::string_view text) noexcept {
  for (const AlarmState state : {AlarmState::kOk, AlarmState::kAlarm}) {
    if (text == to_string(state)) return state;
  }
  return AlarmState::kInsufficientData;
}

bool is_old(const proto::Event& change, const EvaluationContext& context) noexcept {
  return !context.frontier.bounded && change.time_s() + kCatchUpS < context.frontier.append_time_s;
}

std::string series_name(const AlarmRule& rule, const std::string& key) {
  if (!rule.for_each.empty()) return rule.for_each + "=" + key;
  std::string text = rule.metric.metric_namespace + " " + rule.metric.name;
  for (const auto& [name, value] : rule.metric.dimensions) text += " " + name + "=" + value;
  return text;
}

}  // namespace

AlarmPlan plan_of(const AlarmRule& rule) {
  AlarmPlan plan;
  plan.rule = rule;
  plan.evaluation = {rule.evaluation_periods, rule.datapoints_to_alarm, rule.missing};
  plan.range_slots = rule.range_slots != 0 ? rule.range_slots : rule.evaluation_periods + 2;
  plan.step_s = rule.period_s < 60 ? 10 : 60;
  if (std::uint64_t{rule.period_s} * rule.evaluation_periods > kDayS) plan.step_s = kHourS;
  plan.retire_after_s = std::max(kRetireAfterS, plan.range_slots * rule.period_s);
  plan.fingerprint = fingerprint_of(rule);
  plan.fold.choice =
      rule.for_each.empty() ? FoldSpec::Choice::kExactElseDetailed : FoldSpec::Choice::kDetailed;
  plan.fold.statistic = rule.metric.statistic;
  plan.fold.dimensions_asked = static_cast<std::uint32_t>(rule.metric.dimensions.size());
  plan.fold.period_s = rule.period_s;
  plan.fold.unit_s = std::gcd(plan.step_s, rule.period_s);
  plan.fold.range_slots = plan.range_slots;
  return plan;
}

AlarmInstance::AlarmInstance(const AlarmPlan& plan, std::string key)
    : plan_(&plan), key_(std::move(key)), series_(series_name(plan.rule, key_)) {}

void AlarmInstance::start_after(GridTime at_s) noexcept {
  evaluated_s_ = floor_to(at_s, plan_->step_s);
}

GridTime AlarmInstance::advance(const EvaluationContext& context, EventSink& sink) {
  const std::size_t first_event = sink.events.size();
  GridTime wake_s = kNever;
  if (evaluated_s_ == kBeforeAll && !settle(context, wake_s)) return wake_s;
  if (held_) sink.events.push_back(held_->event);
  wake_up(context);
  for (;;) {
    if (waiting() && fold_.last_end_s(context) <= evaluated_s_) break;
    const GridTime at_s = evaluated_s_ + GridTime{plan_->step_s};
    if (!fold_.due(at_s, plan_->fold, context)) {
      wake_s = std::max(fold_.next_wake(context), at_s);
      break;
    }
    evaluated_s_ = at_s;
    const bool ended = fold_.ended(at_s, context);
    if (waiting()) {
      if (ended || fold_.at(at_s, plan_->fold, context).state != SlotState::kPresent) continue;
      begin(at_s, context);
    }
    if (ended) {
      retire(at_s, "Retired: the inventory no longer has its resource.", context, sink);
      continue;
    }
    if (evaluate_at(at_s, context, sink) == Outcome::kDormant) {
      dormant_ = true;
      wake_s = resume_by_s_ + fold_.delay_s(context);
      break;
    }
  }
  tell(first_event, context, sink);
  return wake_s;
}

/// A new series starts once its first datapoint's publication delay is over: until then an older
/// one may still come, and which of them came first must not matter.
bool AlarmInstance::settle(const EvaluationContext& context, GridTime& wake_s) {
  const GridTime first_end = fold_.first_end_s(context);
  if (first_end == kNever) return false;
  const GridTime settled_s = first_end + fold_.delay_s(context);
  if (context.frontier.tick_s < settled_s) {
    wake_s = settled_s;
    return false;
  }
  evaluated_s_ = floor_to(first_end - 1, plan_->step_s);
  return true;
}

/// Passes over the minutes in which nothing could change.
void AlarmInstance::wake_up(const EvaluationContext& context) {
  if (!dormant_ && !waiting()) return;
  GridTime to_s = fold_.expired_before(context);
  if (to_s == kBeforeAll) return;
  to_s = floor_to(to_s, plan_->step_s);
  if (dormant_) to_s = std::min(to_s, resume_by_s_ - GridTime{plan_->step_s});
  // Waiting over data that is there already (bounded input) goes minute by minute.
  if (waiting() && context.frontier.bounded) return;
  evaluated_s_ = std::max(evaluated_s_, to_s);
  dormant_ = false;
}

/// Older datapoints from before a rule was made are used as far as they reach back without a gap.
void AlarmInstance::begin(GridTime at_s, const EvaluationContext& context) {
  begin_s_ = at_s;
  quiet_since_s_ = at_s;
  since_s_ = at_s;
  for (std::uint32_t k = 1; k < plan_->range_slots; ++k) {
    const GridTime end_s = at_s - GridTime{k} * plan_->rule.period_s;
    if (fold_.at(end_s, plan_->fold, context).state != SlotState::kPresent) return;
    begin_s_ = end_s;
  }
}

void AlarmInstance::look(GridTime at_s, const EvaluationContext& context, EventSink& sink) {
  sink.range.clear();
  sink.kinds.clear();
  for (std::uint32_t k = plan_->range_slots; k-- > 0;) {
    const GridTime end_s = at_s - GridTime{k} * plan_->rule.period_s;
    const FoldedSlot& slot = fold_.at(end_s, plan_->fold, context);
    const RangeSlot kind = end_s < begin_s_
                               ? RangeSlot{Kind::kNonexistent}
                               : range_slot(slot, plan_->rule.comparison, plan_->rule.threshold);
    sink.range.push_back({slot, kind.kind});
    sink.kinds.push_back(kind);
  }
}

AlarmInstance::Outcome AlarmInstance::evaluate_at(GridTime at_s, const EvaluationContext& context,
                                                  EventSink& sink) {
  ++sink.evaluations;
  look(at_s, context, sink);
  if (!commands_.empty()) run_commands(at_s, context, sink);
  const Kind newest = sink.kinds.back().kind;
  unknown_ = newest == Kind::kUnknown;
  if (newest != Kind::kMissing) quiet_since_s_ = at_s;

  const AlarmState next = evaluate(plan_->evaluation, sink.kinds, state_);
  const bool changed = next != state_;
  if (changed)
    change_state(next, transition_reason(plan_->rule, sink.range, state_, next), at_s, context,
                 sink);
  if (newest != Kind::kMissing) return Outcome::kGoOn;

  const GridTime retire_s = ceil_to(quiet_since_s_ + plan_->retire_after_s, plan_->step_s);
  if (at_s >= retire_s) {
    retire(at_s, "Retired: no data for as long as an alarm is kept.", context, sink);
    return Outcome::kGoOn;
  }
  if (changed || !commands_.empty() || fold_.last_end_s(context) > at_s) return Outcome::kGoOn;
  const bool all_missing = std::ranges::all_of(
      sink.kinds, [](const RangeSlot& slot) { return slot.kind == Kind::kMissing; });
  if (!all_missing) return Outcome::kGoOn;
  resume_by_s_ = retire_s;
  const GridTime ends_s = fold_.ends_s(at_s, context);
  if (ends_s < retire_s)
    resume_by_s_ = std::max(at_s + GridTime{plan_->step_s}, ceil_to(ends_s, plan_->step_s));
  return Outcome::kDormant;
}

bool AlarmInstance::silenced(GridTime at_s) const noexcept {
  return silent_from_s_ <= at_s && at_s < silent_to_s_;
}

void AlarmInstance::run_commands(GridTime at_s, const EvaluationContext& context, EventSink& sink) {
  while (!commands_.empty() && commands_.front().time_s < at_s) {
    const AlarmCommand command = commands_.front();
    commands_.erase(commands_.begin());
    switch (command.kind) {
      case AlarmCommand::Kind::kSilence:
        silent_from_s_ = at_s;
        silent_to_s_ = command.until_s > 0 ? command.until_s : kNever;
        break;
      case AlarmCommand::Kind::kUnsilence:
        silent_from_s_ = kNever;
        break;
      case AlarmCommand::Kind::kSetState:
        if (command.state != state_)
          change_state(command.state, "Set by a command.", at_s, context, sink);
        break;
    }
  }
}

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
    if (static_cast<std::uint32_t>(detail.recent_value_size()) == rule.evaluation_periods) break;
    detail.add_recent_time_s(seen.slot.end_s - rule.period_s);
    detail.add_recent_value(seen.slot.value);
  }
}

void AlarmInstance::change_state(AlarmState to, std::string reason, GridTime at_s,
                                 const EvaluationContext& context, EventSink& sink) {
  proto::Event event = make_event("alarm.state_changed", at_s, context, sink);
  event.set_from(to_string(state_));
  event.set_to(to_string(to));
  event.set_reason(reason);
  event.set_initial(!decided_ && to == AlarmState::kOk);
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

void AlarmInstance::save(std::string& out) const {
  aggregator::StateWriter writer(out);
  writer.u8(static_cast<std::uint8_t>(state_));
  writer.u8(static_cast<std::uint8_t>(told_));
  writer.boolean(decided_);
  writer.boolean(unknown_);
  writer.boolean(dormant_);
  for (const GridTime time_s : {begin_s_, evaluated_s_, since_s_, quiet_since_s_, silent_from_s_,
                                silent_to_s_, last_event_s_, resume_by_s_}) {
    writer.i64(time_s);
  }
  writer.u32(ordinal_);
  writer.text(reason_);
  writer.u64(commands_.size());
  for (const AlarmCommand& command : commands_) {
    writer.u8(static_cast<std::uint8_t>(command.kind));
    writer.i64(command.time_s);
    writer.i64(command.until_s);
    writer.u8(static_cast<std::uint8_t>(command.state));
  }
  fold_.save(out);
  if (!held_) return;
  writer.i64(held_->since_s);
  writer.boolean(held_->net);
  writer.text(held_->event.SerializeAsString());
}

bool AlarmInstance::load(std::string_view& in) {
  aggregator::StateReader reader(in);
  const auto state = [&reader] {
    const std::uint8_t value = reader.u8();
    if (value > static_cast<std::uint8_t>(AlarmState::kAlarm)) reader.fail();
    return static_cast<AlarmState>(reader.ok() ? value : 0);
  };
  state_ = state();
  told_ = state();
  decided_ = reader.boolean();
  unknown_ = reader.boolean();
  dormant_ = reader.boolean();
  for (GridTime* time_s : {&begin_s_, &evaluated_s_, &since_s_, &quiet_since_s_, &silent_from_s_,
                           &silent_to_s_, &last_event_s_, &resume_by_s_}) {
    *time_s = reader.i64();
  }
  ordinal_ = reader.u32();
  reason_ = reader.text();
  commands_.clear();
  for (std::uint64_t left = reader.count(); left > 0 && reader.ok(); --left) {
    AlarmCommand command;
    const std::uint8_t kind = reader.u8();
    if (kind > static_cast<std::uint8_t>(AlarmCommand::Kind::kSetState)) reader.fail();
    command.kind = static_cast<AlarmCommand::Kind>(reader.ok() ? kind : 0);
    command.time_s = reader.i64();
    command.until_s = reader.i64();
    command.state = state();
    commands_.push_back(command);
  }
  held_.reset();
  if (!reader.ok() || !fold_.load(in)) return false;
  if (in.empty()) return true;
  Held held;
  held.since_s = reader.i64();
  held.net = reader.boolean();
  if (!held.event.ParseFromString(reader.text())) return false;
  held_ = std::move(held);
  return reader.ok();
}

}  // namespace fleetmeter::alarms
