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
  put(writer, known_);
  writer.i64(known_s_);
  put(writer, in_service_);
  writer.boolean(own_.has_value());
  if (own_) {
    writer.i64(own_->capacity);
    writer.i64(own_->before);
    writer.i64(own_->time_s);
    writer.text(own_->event_id);
  }
  writer.i64(evaluated_s_);
  writer.i64(last_action_s_);
  writer.i64(cooldown_until_s_);
  writer.boolean(limited_);
  writer.text(last_reason_);
  writer.u64(warming_.size());
  for (const Warming& warming : warming_) {
    writer.i64(warming.until_s);
    writer.i64(warming.units);
  }
  writer.u64(pending_.size());
  for (const proto::Observation& observation : pending_)
    writer.text(observation.SerializeAsString());
  writer.u64(policies_.size());
  for (const Policy& policy : policies_) writer.u8(static_cast<std::uint8_t>(policy.state));
  writer.u64(metrics_.size());
  for (const Metric& metric : metrics_) metric.fold.save(out);
}

bool ScalingGroup::load(std::string_view& in) {
  aggregator::StateReader reader(in);
  known_ = take(reader);
  known_s_ = reader.i64();
  in_service_ = take(reader);
  own_.reset();
  if (reader.boolean()) {
    OwnDecision own;
    own.capacity = reader.i64();
    own.before = reader.i64();
    own.time_s = reader.i64();
    own.event_id = reader.text();
    own_ = std::move(own);
  }
  evaluated_s_ = reader.i64();
  last_action_s_ = reader.i64();
  cooldown_until_s_ = reader.i64();
  limited_ = reader.boolean();
  last_reason_ = reader.text();
  warming_.clear();
  for (std::uint64_t left = reader.count(); left > 0 && reader.ok(); --left) {
    const aggregator::GridTime until_s = reader.i64();
    warming_.push_back({until_s, reader.i64()});
  }
  pending_.clear();
  for (std::uint64_t left = reader.count(); left > 0 && reader.ok(); --left) {
    proto::Observation observation;
    if (!observation.ParseFromString(reader.text())) reader.fail();
    pending_.push_back(std::move(observation));
  }
  if (reader.u64() != policies_.size()) reader.fail();
  for (Policy& policy : policies_) {
    const std::uint8_t state = reader.u8();
    if (state > static_cast<std::uint8_t>(AlarmState::kAlarm)) reader.fail();
    policy.state = static_cast<AlarmState>(reader.ok() ? state : 0);
  }
  if (reader.u64() != metrics_.size()) reader.fail();
  for (Metric& metric : metrics_) {
    if (!reader.ok() || !metric.fold.load(in)) return false;
  }
  return reader.ok();
}

}  // namespace fleetmeter::alarms
