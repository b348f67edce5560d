// The part of an alarm that a snapshot keeps; it is bound to its series again before it is read.
#include <utility>

#include "aggregator/state_codec.h"
#include "alarms/alarm_instance.h"

namespace fleetmeter::alarms {

using aggregator::GridTime;

void AlarmInstance::save(std::string& out) const {
  aggregator::StateWriter writer(out);
  writer.u8(static_cast<std::uint8_t>(state_));
  writer.u8(static_cast<std::uint8_t>(told_));
  writer.boolean(decided_);
  writer.boolean(unknown_);
  writer.boolean(dormant_);
  writer.boolean(renewed_);
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

bool AlarmInstance::load(std::string_view& in, const EvaluationContext& context) {
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
  renewed_ = reader.boolean();
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
  if (!reader.ok() || !fold_.load(in, plan_->fold, context)) return false;
  if (in.empty()) return true;
  Held held;
  held.since_s = reader.i64();
  held.net = reader.boolean();
  if (!held.event.ParseFromString(reader.text())) return false;
  held_ = std::move(held);
  return reader.ok();
}

}  // namespace fleetmeter::alarms
