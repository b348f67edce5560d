// What a scaling group knows of its capacity: facts, and decisions of ours that wait for one.
#include <algorithm>
#include <cmath>

#include "alarms/scaling_group.h"

namespace fleetmeter::alarms {
namespace {

using aggregator::GridTime;
using aggregator::SlotState;

constexpr GridTime kStepS = 60;
constexpr GridTime kConfirmS = 300;  ///< Older unconfirmed decisions give way to what metrics say.

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

/// What was decided did not happen; its cooldown stays, so that we do not hammer. A later decision
/// asked for a capacity of its own, which this one's failure does not change.
void ScalingGroup::take_back(std::size_t decision) {
  const OwnDecision failed = own_[decision];
  std::erase_if(warming_,
                [&](const Warming& warming) { return warming.decided_s == failed.time_s; });
  own_.erase(own_.begin() + static_cast<std::ptrdiff_t>(decision));
  if (decision < own_.size()) own_[decision].before = failed.before;
  if (!own_.empty()) return;
  known_ = failed.before;
  known_s_ = failed.time_s;
}

void ScalingGroup::read_capacity(Metric& metric, GridTime at_s, const EvaluationContext& context) {
  const FoldedSlot& slot = metric.fold.at(at_s, metric.spec, context);
  if (slot.state != SlotState::kPresent) return;
  const std::int64_t count = std::llround(std::clamp(slot.value.least, 0.0, 1e12));
  if (metric.kind == InputKind::kInService) {
    in_service_ = count;
    return;
  }
  if (own_.empty()) {
    if (known_ && at_s <= known_s_) return;
  } else {
    // A datapoint from while our decision was still being carried out shows the old number.
    const OwnDecision& newest = own_.back();
    const bool settled = newest.capacity == count || at_s - kStepS >= newest.time_s + kConfirmS;
    if (!settled) return;
  }
  own_.clear();
  known_ = count;
  known_s_ = at_s;
}

std::optional<std::int64_t> ScalingGroup::capacity(const aggregator::Inventory* inventory) const {
  if (!own_.empty()) return own_.back().capacity;
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
