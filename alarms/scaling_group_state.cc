// The part of a scaling group that a snapshot keeps; metrics are bound to their series again before
// it is read.
#include "aggregator/state_codec.h"
#include "alarms/scaling_group.h"

namespace fleetmeter::alarms {
namespace {

void put(aggregator::StateWriter& writer, const std::optional<std::int64_t>& value) {
  writer.boolean(value.has_value());
  writer.i64(value.value_or(0));
}

std::optional<std::int64_t> take(aggregator::StateReader& reader) {
  const bool present = reader.boolean();
  const std::int64_t value = reader.i64();
  return present ? std::optional(value) : std::nullopt;
}

}  // namespace

void ScalingGroup::save(std::string& out) const {
  aggregator::StateWriter writer(out);
  writer.u64(fingerprint_);
  put(writer, known_);
  writer.i64(known_s_);
  put(writer, in_service_);
  writer.u64(own_.size());
  for (const OwnDecision& own : own_) {
    writer.i64(own.capacity);
    writer.i64(own.before);
    writer.i64(own.time_s);
    writer.text(own.event_id);
    writer.u64(own.receivers.size());
    for (const std::string& receiver : own.receivers) writer.text(receiver);
  }
  writer.i64(evaluated_s_);
  writer.i64(last_action_s_);
  writer.i64(cooldown_until_s_);
  writer.i64(scale_in_held_s_);
  writer.boolean(limited_);
  writer.text(last_reason_);
  writer.u64(warming_.size());
  for (const Warming& warming : warming_) {
    writer.i64(warming.until_s);
    writer.i64(warming.units);
    writer.i64(warming.decided_s);
  }
  writer.u64(pending_.size());
  for (const proto::Observation& observation : pending_)
    writer.text(observation.SerializeAsString());
  writer.u64(policies_.size());
  for (const Policy& policy : policies_) writer.u8(static_cast<std::uint8_t>(policy.state));
  writer.u64(metrics_.size());
  for (const Metric& metric : metrics_) metric.fold.save(out);
}

bool ScalingGroup::load(std::string_view& in, const EvaluationContext& context) {
  aggregator::StateReader reader(in);
  const bool same = reader.u64() == fingerprint_;
  known_ = take(reader);
  known_s_ = reader.i64();
  in_service_ = take(reader);
  own_.clear();
  for (std::uint64_t left = reader.count(); left > 0 && reader.ok(); --left) {
    OwnDecision own;
    own.capacity = reader.i64();
    own.before = reader.i64();
    own.time_s = reader.i64();
    own.event_id = reader.text();
    for (std::uint64_t names = reader.count(); names > 0 && reader.ok(); --names)
      own.receivers.push_back(reader.text());
    own_.push_back(std::move(own));
  }
  evaluated_s_ = reader.i64();
  last_action_s_ = reader.i64();
  cooldown_until_s_ = reader.i64();
  scale_in_held_s_ = reader.i64();
  limited_ = reader.boolean();
  last_reason_ = reader.text();
  warming_.clear();
  for (std::uint64_t left = reader.count(); left > 0 && reader.ok(); --left) {
    Warming warming;
    warming.until_s = reader.i64();
    warming.units = reader.i64();
    warming.decided_s = reader.i64();
    warming_.push_back(warming);
  }
  pending_.clear();
  for (std::uint64_t left = reader.count(); left > 0 && reader.ok(); --left) {
    proto::Observation observation;
    if (!observation.ParseFromString(reader.text())) reader.fail();
    pending_.push_back(std::move(observation));
  }
  return load_policies(reader, in, same, context);
}

/// Of other metrics or policies nothing is kept; what they look at they find in the table again.
bool ScalingGroup::load_policies(aggregator::StateReader& reader, std::string_view& in, bool same,
                                 const EvaluationContext& context) {
  const std::uint64_t policies = reader.count();
  if (same && policies != policies_.size()) reader.fail();
  for (std::uint64_t i = 0; i < policies && reader.ok(); ++i) {
    const std::uint8_t state = reader.u8();
    if (state > static_cast<std::uint8_t>(AlarmState::kAlarm)) reader.fail();
    if (same && reader.ok()) policies_[i].state = static_cast<AlarmState>(state);
  }
  const std::uint64_t metrics = reader.count();
  if (same && metrics != metrics_.size()) reader.fail();
  for (std::uint64_t i = 0; i < metrics && reader.ok(); ++i) {
    MetricFold other;
    const FoldSpec spec;
    if (!(same ? metrics_[i].fold : other).load(in, same ? metrics_[i].spec : spec, context))
      reader.fail();
  }
  return reader.ok();
}

}  // namespace fleetmeter::alarms
