// What a scaling group knows of its capacity: facts, and decisions of ours that wait for one.
#include <algorithm>
#include <cmath>

#include "alarms/scaling_group.h"

namespace fleetmeter::alarms {
namespace {

using aggregator::GridTime;
using aggregator::SlotState;

constexpr GridTime kStepS = 60;
/// A datapoint that begins so long after a decision says whether it was carried out: it is the one
/// that ends 300 s after it, when the default cooldown is over.
constexpr GridTime kConfirmS = 240;

}  // namespace

void ScalingGroup::learn_capacity(GridTime at_s, const EvaluationContext& context) {
  const auto ripe = [&](const proto::Observation& observation) {
    return observation.time_s() <= at_s;
  };
  for (proto::Observation& observation : pending_) {
    hear_result(observation);
    observation.clear_result();  // Heard once; its facts may be of a later minute.
    if (ripe(observation)) hear_facts(observation);
  }
  std::erase_if(pending_, ripe);
  settle_unfounded(at_s, context);
  shown_.reset();
  for (Metric& metric : metrics_) {
    if (metric.kind != InputKind::kMetric && !metric.fold.members().empty())
      read_capacity(metric, at_s, context);
  }
}

void ScalingGroup::hear_result(const proto::Observation& observation) {
  if (observation.result().empty() || observation.result() == "delivered") return;
  for (std::size_t i = 0; i < own_.size(); ++i) {
    if (own_[i].event_id != observation.event_id()) continue;
    const bool named = !observation.receiver().empty() && !own_[i].receivers.empty();
    // Told twice, or by somebody who was not asked: the others' word still counts.
    if (named && std::erase(own_[i].receivers, observation.receiver()) == 0) return;
    if (!named || own_[i].receivers.empty()) take_back(i);
    return;
  }
}

void ScalingGroup::hear_facts(const proto::Observation& observation) {
  const bool newer = observation.time_s() >= known_s_ &&
                     (own_.empty() || observation.time_s() > own_.back().time_s);
  if (observation.has_desired() && newer) {
    own_.clear();
    known_ = observation.desired();
    known_s_ = observation.time_s();
  }
  if (observation.has_in_service()) in_service_ = observation.in_service();
}

/// What was decided did not happen; its cooldown stays, so that we do not hammer. Later decisions have
/// lost what they are based on.
void ScalingGroup::take_back(std::size_t decision) {
  const OwnDecision failed = own_[decision];
  forget_warming(failed);
  own_.erase(own_.begin() + static_cast<std::ptrdiff_t>(decision));
  if (decision == 0 && !known_) believe(failed.before, failed.time_s, 0);
}

void ScalingGroup::forget_warming(const OwnDecision& decision) {
  std::erase_if(warming_,
                [&](const Warming& warming) { return warming.decided_s == decision.time_s; });
}

/// How many of our decisions, oldest first, start from what the one before them asked for (the first
/// from what is known). Those behind were made on top of one that was taken back. They asked for
/// capacities as such: they count if they are carried out, and until that is known they do not.
std::size_t ScalingGroup::founded() const noexcept {
  std::optional<std::int64_t> basis = known_;
  for (std::size_t i = 0; i < own_.size(); ++i) {
    if (basis && own_[i].before != *basis) return i;
    basis = own_[i].capacity;
  }
  return own_.size();
}

/// The group has `count` as of `at_s`, whatever the oldest `settled` decisions asked for.
void ScalingGroup::believe(std::int64_t count, GridTime at_s, std::size_t settled) {
  known_ = count;
  known_s_ = std::max(known_s_, at_s);
  own_.erase(own_.begin(), own_.begin() + static_cast<std::ptrdiff_t>(settled));
}

/// A decision of which nobody has said that it failed by the time it expires was carried out. Should
/// that be said later, it is taken back like any other.
void ScalingGroup::settle_unfounded(GridTime at_s, const EvaluationContext& context) {
  for (std::size_t i = founded(); i < own_.size(); i = founded()) {
    if (at_s <= expiry_s(own_[i].time_s, context)) return;
    own_[i].before = i == 0 ? *known_ : own_[i - 1].capacity;
  }
}

void ScalingGroup::read_capacity(Metric& metric, GridTime at_s, const EvaluationContext& context) {
  const FoldedSlot& slot = metric.fold.at(at_s, metric.spec, context);
  if (slot.state != SlotState::kPresent) return;
  const std::int64_t count = std::llround(std::clamp(slot.value.least, 0.0, 1e12));
  if (metric.kind == InputKind::kInService) {
    in_service_ = count;
    return;
  }
  shown_ = count;
  const GridTime start_s = at_s - std::max<GridTime>(kStepS, metric.fold.own_period_s(context));
  const std::size_t settled = settled_by(count, start_s);
  bool confirmed = false;
  for (std::size_t i = settled; i-- > 0;) {
    confirmed = confirmed || own_[i].capacity == count;
    if (!confirmed && start_s >= own_[i].time_s + kConfirmS) forget_warming(own_[i]);
  }
  if (own_.empty() ? !known_ || at_s > known_s_ : settled > 0) believe(count, at_s, settled);
}

/// How many of our decisions, oldest first, are of no account beside a datapoint that begins at
/// `start_s`: the first that asked for `count` and all before it, and each that it is young enough to
/// contradict. A number that none of them asked for or started from is somebody else's, and overrules
/// them all at once; any other may be from while a decision was still being carried out.
std::size_t ScalingGroup::settled_by(std::int64_t count, GridTime start_s) const {
  bool ours = known_ == count;
  bool confirmed = false;
  std::size_t settled = 0;
  for (std::size_t i = 0; i < own_.size(); ++i) {
    const OwnDecision& own = own_[i];
    const bool confirms = !confirmed && own.capacity == count;
    if (confirms || start_s >= own.time_s + kConfirmS) settled = i + 1;
    confirmed = confirmed || confirms;
    ours = ours || confirms || own.before == count;
  }
  const bool foreign = !ours && !own_.empty() && start_s >= own_.front().time_s;
  return foreign ? own_.size() : settled;
}

std::optional<std::int64_t> ScalingGroup::capacity(const aggregator::Inventory* inventory) const {
  if (const std::size_t count = founded(); count > 0) return own_[count - 1].capacity;
  if (known_) return known_;
  if (inventory != nullptr) {
    const aggregator::Group* group =
        inventory->group(rule_->group.name, std::max<GridTime>(evaluated_s_, 0));
    if (group != nullptr && group->desired) return group->desired;
  }
  if (rule_->desired) return rule_->desired;
  return in_service_;
}

CapacityLimits ScalingGroup::limits(const aggregator::Inventory* inventory) const {
  std::optional<std::int64_t> minimum = rule_->minimum;
  std::optional<std::int64_t> maximum = rule_->maximum;
  const aggregator::Group* group =
      inventory == nullptr
          ? nullptr
          : inventory->group(rule_->group.name, std::max<GridTime>(evaluated_s_, 0));
  if (group != nullptr && !minimum) minimum = group->minimum;
  if (group != nullptr && !maximum) maximum = group->maximum;
  return limits_of(minimum, maximum, rule_->quota);
}

}  // namespace fleetmeter::alarms
