// From the states of its policies to one decision of a scaling group.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "alarms/engine.h"
#include "alarms/reason.h"
#include "alarms/scaling_group.h"

namespace fleetmeter::alarms {
namespace {

using aggregator::GridTime;
using aggregator::kBeforeAll;

constexpr std::size_t kOwnMax = 64;  ///< Decisions that wait for a confirmation; the oldest goes.
constexpr GridTime kExpiryS = 300;   ///< docs/time.md 7.

}  // namespace

std::optional<Wish> ScalingGroup::wish_of(const Policy& policy, std::int64_t current,
                                          std::int64_t warming) const {
  // Neither unknown nor missing data scales: a state that outlived its data wants nothing.
  if (policy.state != AlarmState::kAlarm || policy.unknown || !policy.valid) return std::nullopt;
  Wish wish;
  wish.policy = policy.text;
  wish.metric_value = policy.value;
  if (policy.simple != nullptr) {
    wish.simple = true;
    wish.cooldown_s = policy.simple->cooldown_s.value_or(rule_->cooldown_s);
    wish.warm_up_s = simple_warm_up_of(*rule_);
    wish.capacity = adjusted(policy.simple->adjustment, current, policy.simple->amount,
                             policy.simple->min_adjustment_magnitude);
    return wish;
  }
  const Step* step = step_of(*policy.step, policy.value);
  if (step == nullptr) return std::nullopt;
  wish.warm_up_s = warm_up_of(*rule_, *policy.step);
  wish.cooldown_s = wish.warm_up_s;
  wish.capacity = has_warm_up(*rule_) ? step_wish(*policy.step, *step, current, warming)
                                      : target_step_wish(*policy.step, *step, current, warming);
  return wish;
}

std::int64_t ScalingGroup::warming_units(GridTime at_s) {
  std::erase_if(warming_, [&](const Warming& warming) { return warming.until_s <= at_s; });
  std::int64_t units = 0;
  for (const Warming& warming : warming_) units += warming.units;
  return units;
}

void ScalingGroup::arbitrate_at(GridTime at_s, std::int64_t current,
                                const EvaluationContext& context, EventSink& sink) {
  const std::int64_t warming = std::min(current, warming_units(at_s));
  const CapacityLimits limits_now = limits(context.inventory);
  const bool cooling = at_s < cooldown_until_s_;
  const bool scale_in_held = at_s < scale_in_held_s_;
  std::vector<Wish> wishes;
  const Policy* held = nullptr;  // Wants a change, but its group cools down.
  bool cut = false;              // Somebody wants more than the maximum, cooling down or not.
  for (const Policy& policy : policies_) {
    const std::optional<Wish> wish = wish_of(policy, current, warming);
    if (!wish) continue;
    cut = cut || (wish->capacity > current && wish->capacity > limits_now.maximum);
    const bool removes = wish->capacity < current;
    if ((wish->simple && cooling) || (removes && scale_in_held)) {
      if (wish->capacity != current) held = &policy;
    } else {
      wishes.push_back(*wish);
    }
  }
  const bool all_valid = std::ranges::all_of(
      policies_, [](const Policy& policy) { return policy.valid && !policy.unknown; });
  const bool warm = warming == 0 || !has_warm_up(*rule_);
  const Decision decision = arbitrate(wishes, current, limits_now, all_valid && warm);
  if (decision.cut && !limited_) report_limit(at_s, current, *decision.winner, limits_now, sink);
  limited_ = decision.cut || (limited_ && cut);
  const bool keeps = decision.winner != nullptr && decision.winner->capacity == current;
  const bool would_remove = decision.desired > current && shown_ && decision.desired < *shown_;
  if (would_remove) {
    last_reason_ = fmt::format(
        "{} wants {}, but the group still has {}: what was removed last is "
        "not confirmed",
        decision.winner->policy, decision.winner->capacity, *shown_);
  } else if (decision.winner != nullptr && decision.desired != current) {
    decide(at_s, current, decision, limits_now, context, sink);
  } else if (held != nullptr && (keeps || decision.winner == nullptr)) {
    last_reason_ = held->text + " holds, but the group cools down";
  } else if (keeps) {
    last_reason_ = fmt::format("{} wants {}, which the group has{}", decision.winner->policy,
                               current, warm ? "" : ": new capacity warms up");
  } else if (decision.winner != nullptr) {
    last_reason_ = fmt::format("{} wants {}, but the group stays at {} (min {}, max {})",
                               decision.winner->policy, decision.winner->capacity, current,
                               limits_now.minimum, limits_now.maximum);
  } else {
    last_reason_ = standstill_reason(cooling, !warm, !wishes.empty());
  }
}

std::string ScalingGroup::standstill_reason(bool cooling, bool warming, bool has_wish) const {
  for (const Policy& policy : policies_) {
    if (policy.unknown) return "the data behind \"" + policy.text + "\" is unknown";
    if (!policy.valid)
      return "no data for \"" + policy.text + "\"" + (has_wish ? ": nothing is removed" : "");
  }
  if (has_wish && warming) return "new capacity warms up: nothing is removed";
  return cooling ? "no policy is in ALARM; cooling down" : "no policy is in ALARM";
}

/// Until when a decision of that minute may still be carried out. Rule: docs/time.md 7.
GridTime ScalingGroup::expiry_s(GridTime decided_s, const EvaluationContext& context) const {
  std::uint32_t delay = 0;
  for (const Metric& metric : metrics_) {
    if (metric.kind == InputKind::kMetric) delay = std::max(delay, metric.fold.delay_s(context));
  }
  return decided_s + delay + kExpiryS;
}

proto::Event ScalingGroup::make_event(std::string_view type, GridTime at_s, std::int64_t current,
                                      std::int64_t desired, const Wish& wish,
                                      CapacityLimits limits_now, const EventSink& sink) const {
  proto::Event event;
  event.set_id(event_id(sink.environment, type, name_, rule_->group.name, at_s, 0));
  event.set_time_s(at_s);
  event.set_type(std::string(type));
  event.set_environment(std::string(sink.environment));
  event.set_rule(name_);
  event.set_series(rule_->group.name);
  event.set_from(std::to_string(current));
  event.set_to(std::to_string(desired));
  event.set_severity(type == "scaling.limited" ? "warning" : "info");
  for (const std::string& receiver : rule_->notify) event.add_notify(receiver);
  proto::ScalingDetail& detail = *event.mutable_scaling();
  detail.set_group(rule_->group.name);
  detail.set_policy(wish.policy);
  detail.set_current(current);
  detail.set_desired(desired);
  detail.set_wanted(wish.capacity);
  detail.set_minimum(limits_now.minimum);
  detail.set_maximum(limits_now.maximum);
  detail.set_metric_value(wish.metric_value);
  return event;
}

void ScalingGroup::decide(GridTime at_s, std::int64_t current, const Decision& decision,
                          CapacityLimits limits_now, const EvaluationContext& context,
                          EventSink& sink) {
  const Wish& wish = *decision.winner;
  proto::Event event =
      make_event("scaling.decided", at_s, current, decision.desired, wish, limits_now, sink);
  event.set_reason(fmt::format("{} holds at {}: {} -> {} (wanted {}, min {}, max {})", wish.policy,
                               decimal_text(wish.metric_value), current, decision.desired,
                               wish.capacity, limits_now.minimum, limits_now.maximum));
  for (const std::string& receiver : rule_->act) event.add_act(receiver);
  if (!context.frontier.bounded) event.set_expires_s(expiry_s(at_s, context));
  // As one that is taken back at once: a backlog makes decisions that nobody is going to carry out.
  const bool late = !context.frontier.bounded && !rule_->act.empty() &&
                    context.frontier.append_time_s > event.expires_s();

  if (!late) {
    if (own_.size() == kOwnMax) believe(own_.front().capacity, own_.front().time_s, 1);
    own_.push_back({decision.desired, current, at_s, event.id(), rule_->act});
  }
  last_action_s_ = at_s;
  if (wish.simple) cooldown_until_s_ = at_s + GridTime{wish.cooldown_s};
  if (!late && decision.desired > current && wish.warm_up_s > 0) {
    warming_.push_back({at_s + GridTime{wish.warm_up_s}, decision.desired - current, at_s});
  }
  if (!has_warm_up(*rule_)) {
    // A scale-out ends the cooldown of a scale-in.
    scale_in_held_s_ = decision.desired < current ? at_s + GridTime{wish.cooldown_s} : kBeforeAll;
  }
  last_reason_ = event.reason() + (late ? "; too late to be carried out" : "");
  sink.events.push_back(std::move(event));
}

void ScalingGroup::report_limit(GridTime at_s, std::int64_t current, const Wish& wish,
                                CapacityLimits limits_now, EventSink& sink) {
  const std::int64_t reached = std::max(current, limits_now.maximum);
  proto::Event event =
      make_event("scaling.limited", at_s, current, reached, wish, limits_now, sink);
  event.set_reason(fmt::format("{} wants {}, but the maximum is {}", wish.policy, wish.capacity,
                               limits_now.maximum));
  sink.events.push_back(std::move(event));
}

}  // namespace fleetmeter::alarms
