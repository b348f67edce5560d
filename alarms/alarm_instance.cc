#include "alarms/alarm_instance.h"

#include <algorithm>
#include <utility>

#include "aggregator/shard.h"
#include "proto/check.h"

namespace fleetmeter::alarms {
namespace {

using aggregator::GridTime;
using aggregator::kBeforeAll;
using aggregator::kNever;
using aggregator::SlotState;
using Kind = RangeSlot::Kind;

GridTime floor_to(GridTime time_s, GridTime step_s) noexcept {
  const GridTime rest = time_s % step_s;
  return time_s - (rest < 0 ? rest + step_s : rest);
}
GridTime ceil_to(GridTime time_s, GridTime step_s) noexcept {
  return floor_to(time_s + step_s - 1, step_s);
}

}  // namespace

AlarmInstance::AlarmInstance(const AlarmPlan& plan, std::string key)
    : plan_(&plan), key_(std::move(key)), series_(series_name(plan.rule, key_)) {}

void AlarmInstance::command(const AlarmCommand& command) {
  // It is over, or has no data yet: no grid minute is evaluated in which it could take a state.
  const bool idle = waiting() && evaluated_s_ != kBeforeAll;
  if (idle && command.kind == AlarmCommand::Kind::kSetState) return;
  commands_.push_back(command);
}

bool AlarmInstance::spent(const EvaluationContext& context) const {
  return waiting_for_data(context) && !held_ && evaluated_s_ != kBeforeAll &&
         fold_.last_end_s(context) <= evaluated_s_;
}

/// Where a rule says what missing data is worth, its single alarm is there without any: whether its
/// metric was never seen, has stopped before, or comes without the statistic makes no difference. Once
/// its resource has ended it is like any other.
bool AlarmInstance::waiting_for_data(const EvaluationContext& context) const {
  return waiting() && (!plan_->fold.unseen_delay_s || retired() ||
                       (evaluated_s_ != kBeforeAll && fold_.ended(evaluated_s_, context)));
}

void AlarmInstance::renew(GridTime at_s) noexcept {
  const GridTime evaluated_s = std::max(evaluated_s_, at_s);
  if (evaluated_s != kBeforeAll) evaluated_s_ = floor_to(evaluated_s, plan_->step_s);
  dormant_ = false;
  resume_by_s_ = kNever;
  renewed_ = !waiting();
}

void AlarmInstance::start_after(GridTime at_s) noexcept {
  evaluated_s_ = floor_to(at_s, plan_->step_s);
}

void AlarmInstance::come_back_after(GridTime at_s) {
  start_after(at_s);
  if (plan_->fold.unseen_delay_s) reason_ = "Waits for its data to come back.";
}

GridTime AlarmInstance::advance(const EvaluationContext& context, EventSink& sink) {
  const std::size_t first_event = sink.events.size();
  GridTime wake_s = kNever;
  const bool born = evaluated_s_ == kBeforeAll;
  if (born && !settle(context, wake_s)) return wake_s;
  if (held_) sink.events.push_back(held_->event);
  if (born || dormant_ || waiting_for_data(context)) wake_up(context);
  const bool unseen = fold_.first_end_s(context) > evaluated_s_ + GridTime{plan_->step_s};
  if (waiting() && plan_->fold.unseen_delay_s && unseen) {
    begin_s_ = kBeforeAll;
    quiet_since_s_ = since_s_ = evaluated_s_;
  }
  for (;;) {
    if (waiting_for_data(context)) {
      if (fold_.last_end_s(context) <= evaluated_s_) break;
      if (!wait_for_data(context, wake_s)) break;
    }
    const GridTime at_s = evaluated_s_ + GridTime{plan_->step_s};
    if (!due(at_s, context, wake_s)) break;
    evaluated_s_ = at_s;
    const bool ended = fold_.ended(at_s, context);
    if (waiting()) {
      if (ended || !begin(at_s, context)) continue;
    }
    if (ended) {
      retire(at_s, "Retired: the inventory no longer has its resource.", context, sink);
      continue;
    }
    const Outcome outcome = evaluate_at(at_s, context, sink);
    if (outcome == Outcome::kQuiet && !pass_over(resume_by_s_, context, wake_s)) break;
    if (unknown_ && commands_.empty() && evaluated_s_ == at_s) pass_over_cycles(context);
    if (outcome == Outcome::kDormant) {
      dormant_ = true;
      if (resume_by_s_ != kNever) wake_s = resume_by_s_ + fold_.delay_s(context);
      break;
    }
  }
  tell(first_event, context, sink);
  return wake_s;
}

/// A new series starts once its first datapoint's publication delay is over: until then an older
/// one may still come, and which of them came first must not matter. Behind a flow window that has
/// closed none can come, so its tick is not waited for: the windows that close before it would be
/// passed over (docs/time.md 6).
bool AlarmInstance::settle(const EvaluationContext& context, GridTime& wake_s) {
  const GridTime first_end = fold_.first_end_s(context);
  if (settle_unseen(first_end, context, wake_s)) return true;
  if (first_end == kNever || wake_s != kNever) return false;
  const GridTime settled_s = first_end + fold_.delay_s(context);
  const bool of_flows = plan_->rule.metric.metric_namespace == aggregator::kFlowNamespace;
  if (!of_flows && context.frontier.tick_s < settled_s) {
    wake_s = settled_s;
    return false;
  }
  evaluated_s_ = floor_to(first_end - 1, plan_->step_s);
  return true;
}

/// An alarm whose metric was not seen starts with the first tick, with the minutes that fall due
/// from there on; with bounded input at its beginning, where all that comes later is known already.
bool AlarmInstance::settle_unseen(GridTime first_end, const EvaluationContext& context,
                                  GridTime& wake_s) {
  const aggregator::Frontier& frontier = context.frontier;
  if (!plan_->fold.unseen_delay_s || (first_end != kNever && !frontier.bounded)) return false;
  if (frontier.tick_s == kBeforeAll) {
    wake_s = kBeforeAll + 1;  // The first tick, whichever it is.
    return false;
  }
  const GridTime delay_s = frontier.bounded ? 0 : GridTime{*plan_->fold.unseen_delay_s};
  const GridTime start_s = floor_to(frontier.tick_s - delay_s, plan_->step_s);
  if (first_end <= start_s + GridTime{plan_->step_s}) return false;
  evaluated_s_ = start_s;
  return true;
}

bool AlarmInstance::due(GridTime at_s, const EvaluationContext& context, GridTime& wake_s) {
  if (begin_s_ == kBeforeAll && at_s < fold_.first_end_s(context)) {
    // Where a source and not the tick holds it back, the next tick asks again.
    wake_s = std::max(at_s + GridTime{*plan_->fold.unseen_delay_s}, context.frontier.tick_s + 1);
    return context.table.unseen_due_until(*plan_->fold.unseen_delay_s, context.frontier) >= at_s;
  }
  // From here on the fold says what is due; what it looks back on exists.
  if (begin_s_ == kBeforeAll) begin_s_ = range_start(at_s);
  if (fold_.due(at_s, plan_->fold, context)) return true;
  wake_s = std::max(fold_.next_wake(context), at_s);
  return false;
}

/// Passes over the minutes in which nothing could change.
void AlarmInstance::wake_up(const EvaluationContext& context) {
  if (!dormant_ && !waiting()) return;
  GridTime to_s = fold_.expired_before(plan_->fold, context);
  if (to_s == kBeforeAll) return;
  to_s = floor_to(to_s, plan_->step_s);
  if (dormant_) to_s = std::min(to_s, resume_by_s_ - GridTime{plan_->step_s});
  // Data that is there already (bounded input) is not passed over: wait_for_data looks for it.
  if (waiting() && !dormant_ && context.frontier.bounded) return;
  evaluated_s_ = std::max(evaluated_s_, to_s);
  dormant_ = false;
}

/// Passes over the minutes without data up to the next that has some.
bool AlarmInstance::wait_for_data(const EvaluationContext& context, GridTime& wake_s) {
  // A longer period holds data from before; what has not been kept is looked for no further than it
  // was seen.
  const GridTime before_s = evaluated_s_ + GridTime{plan_->step_s} - GridTime{plan_->rule.period_s};
  const GridTime data_s = std::min(fold_.next_data(before_s, context), fold_.last_end_s(context));
  return pass_over(ceil_to(data_s, plan_->step_s), context, wake_s);
}

/// Passes over the minutes before `until_s`, in which nothing can change, as far as they are due: a
/// gap of years costs what one of an hour does. Of bounded input the rest need not be asked for tick
/// by tick, since nothing is due before its tick: then it sleeps (false), until the tick `wake_s`.
bool AlarmInstance::pass_over(GridTime until_s, const EvaluationContext& context,
                              GridTime& wake_s) {
  const GridTime last_s = until_s - GridTime{plan_->step_s};
  if (last_s <= evaluated_s_) return true;
  const GridTime due_s = fold_.due_until(evaluated_s_, plan_->fold, context);
  const GridTime step_s = plan_->step_s, from_s = evaluated_s_;
  if (due_s != kBeforeAll)
    evaluated_s_ = std::max(evaluated_s_, std::min(last_s, floor_to(due_s, step_s)));
  look_back(from_s, context);
  if (unknown_) quiet_since_s_ = evaluated_s_;
  const GridTime tick_s = context.frontier.tick_s;
  const bool by_tick = context.frontier.bounded && context.previous_tick_s != kBeforeAll &&
                       context.previous_tick_s < tick_s;
  if (evaluated_s_ == last_s || unknown_ || !by_tick) return true;
  // A datapoint moves its series' slots by the tick behind its start: what is due before that is
  // decided by then.
  const GridTime asleep_to_s =
      last_s - 2 * GridTime{fold_.own_period_s(context)} - 2 * (tick_s - context.previous_tick_s);
  if (asleep_to_s <= tick_s) return true;
  wake_s = asleep_to_s;
  resume_by_s_ = until_s;
  dormant_ = true;
  return false;
}

/// What a later range looks back on of the minutes behind `from_s`, that were passed over, is seen now:
/// what is told later changes no past slot.
void AlarmInstance::look_back(GridTime from_s, const EvaluationContext& context) {
  const GridTime step_s = plan_->step_s;
  const GridTime range_s = GridTime{plan_->range_slots} * plan_->rule.period_s;
  GridTime seen_s = std::max(from_s + step_s, floor_to(evaluated_s_ - range_s, step_s));
  for (; seen_s <= evaluated_s_; seen_s += step_s) (void)fold_.at(seen_s, plan_->fold, context);
}

/// A period that is shorter than the series' own holds none of its slots in some minutes: of what
/// nobody heard these are missing and the others unknown, by turns. Once a whole turn has changed
/// nothing, no later one does.
void AlarmInstance::pass_over_cycles(const EvaluationContext& context) {
  const GridTime at_s = evaluated_s_, step_s = plan_->step_s;
  const GridTime due_s = fold_.due_until(at_s, plan_->fold, context);
  if (due_s <= at_s + step_s) return;
  const GridTime cycle_s = fold_.cycle_s(plan_->step_s, context);
  if (cycle_s == kNever || since_s_ > at_s - cycle_s) return;
  const GridTime from_s =
      at_s - cycle_s - GridTime{plan_->range_slots} * GridTime{plan_->rule.period_s};
  if (begin_s_ > from_s) return;
  const GridTime until_s =
      std::min(fold_.silent_until(from_s, at_s, plan_->fold, context), fold_.ends_s(at_s, context));
  const GridTime last_s = std::min(due_s, until_s - 1);
  if (last_s < at_s + cycle_s) return;
  evaluated_s_ += (last_s - at_s) / cycle_s * cycle_s;
  quiet_since_s_ = evaluated_s_;
  look_back(at_s, context);
}

GridTime AlarmInstance::range_start(GridTime at_s) const {
  return at_s - GridTime{plan_->range_slots} * plan_->rule.period_s;
}

/// False when it goes on waiting. A datapoint begins it, with the statistic or not: without, the slot
/// is missing, which is data of a kind. A single alarm that waits for none looks back on as many missing
/// slots as if its metric had not been seen.
bool AlarmInstance::begin(GridTime at_s, const EvaluationContext& context) {
  const FoldedSlot& slot = fold_.at(at_s, plan_->fold, context);
  const bool waits = waiting_for_data(context);
  if (waits && !slot.has_data) return false;
  begin_s_ =
      waits || slot.state == SlotState::kPresent ? oldest_data(at_s, context) : range_start(at_s);
  quiet_since_s_ = at_s;
  since_s_ = at_s;
  return true;
}

/// Datapoints from before a rule was made are used as far back as they are there: what lies between
/// them is missing, what lies behind the oldest may only not have been kept.
GridTime AlarmInstance::oldest_data(GridTime at_s, const EvaluationContext& context) {
  GridTime oldest_s = at_s;
  for (std::uint32_t k = 1; k < plan_->range_slots; ++k) {
    const GridTime end_s = at_s - GridTime{k} * plan_->rule.period_s;
    if (fold_.at(end_s, plan_->fold, context).has_data) oldest_s = end_s;
  }
  return oldest_s;
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
  if (std::exchange(renewed_, false) && begin_s_ != kBeforeAll)
    begin_s_ = std::max(begin_s_, oldest_data(at_s, context));
  look(at_s, context, sink);
  if (!commands_.empty()) run_commands(at_s, context, sink);
  const Kind newest = sink.kinds.back().kind;
  unknown_ = newest == Kind::kUnknown && !sink.range.back().slot.few_samples;
  if (newest != Kind::kMissing || sink.range.back().slot.has_data) quiet_since_s_ = at_s;

  const AlarmState next = evaluate(plan_->evaluation, sink.kinds, state_);
  const bool changed = next != state_;
  if (changed)
    change_state(next, transition_reason(plan_->rule, sink.range, state_, next), false, at_s,
                 context, sink);
  if (newest != Kind::kMissing) {
    if (changed || !unknown_ || !commands_.empty()) return Outcome::kGoOn;
    return quiet_after(at_s, context, sink);
  }

  const GridTime retire_s = plan_->retire_after_s == 0
                                ? kNever
                                : ceil_to(quiet_since_s_ + plan_->retire_after_s, plan_->step_s);
  if (at_s >= retire_s) {
    retire(at_s, "Retired: no data for as long as an alarm is kept.", context, sink);
    return Outcome::kGoOn;
  }
  if (changed || !commands_.empty()) return Outcome::kGoOn;
  return quiet_after(at_s, context, sink);
}

/// What an evaluation that changed nothing says of the minutes behind it: those with the same range,
/// all of it missing or all unknown, change nothing either.
AlarmInstance::Outcome AlarmInstance::quiet_after(GridTime at_s, const EvaluationContext& context,
                                                  const EventSink& sink) {
  const SlotState state = sink.range.back().slot.state;
  const bool same = std::ranges::all_of(sink.range, [state](const SeenValue& seen) {
    return seen.slot.state == state && seen.kind != Kind::kNonexistent;
  });
  if (!same || (state != SlotState::kMissing && state != SlotState::kUnknown))
    return Outcome::kGoOn;
  const bool missing = state == SlotState::kMissing;
  const GridTime same_s = fold_.same_until(at_s, state, plan_->fold, context);
  const bool more = !missing || same_s != kNever || fold_.last_end_s(context) > at_s;
  GridTime until_s = kNever;
  if (missing && plan_->retire_after_s != 0)
    until_s = ceil_to(quiet_since_s_ + plan_->retire_after_s, plan_->step_s);
  until_s = std::min(until_s, same_s);
  const GridTime ends_s = fold_.ends_s(at_s, context);
  until_s = std::min(until_s, ends_s);
  if (until_s != kNever)
    until_s = std::max(at_s + GridTime{plan_->step_s}, ceil_to(until_s, plan_->step_s));
  resume_by_s_ = until_s;
  return more ? Outcome::kQuiet : Outcome::kDormant;
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
          change_state(command.state, "Set by a command.", true, at_s, context, sink);
        break;
    }
  }
}

}  // namespace fleetmeter::alarms
