// Snapshots of an engine, and new rules, which are a snapshot taken over into them.
#include <algorithm>
#include <map>
#include <utility>

#include "aggregator/state_codec.h"
#include "alarms/engine_state.h"
#include "proto/check.h"

namespace fleetmeter::alarms {
namespace {

using aggregator::StateReader;
using aggregator::StateWriter;

constexpr std::uint32_t kSchema = 2;

}  // namespace

void Engine::State::save(std::string& out) const {
  StateWriter writer(out);
  writer.u32(kSchema);
  directory.save(out);
  writer.i64(previous_tick_s);
  writer.i64(previous_watermark_s);
  writer.u64(evaluations);
  writer.u64(standing.size());
  for (const Standing& silence : standing) {
    writer.text(silence.rule);
    writer.text(silence.series);
    writer.i64(silence.command.time_s);
    writer.i64(silence.command.until_s);
  }
  writer.u64(alarms.size() - free_alarms.size());
  for (UnitId i = 0; i < alarms.size(); ++i) {
    if (alarm_paces[i].free) continue;
    const AlarmInstance& alarm = alarms[i];
    writer.text(alarm.plan().rule.name);
    writer.u64(alarm.plan().fingerprint);
    writer.text(alarm.key());
    std::string part;
    alarm.save(part);
    writer.text(part);
  }
  save_gone(writer);
  writer.u64(groups.size());
  for (const ScalingGroup& group : groups) {
    writer.text(group.name());
    writer.u8(static_cast<std::uint8_t>(group.rule().group.kind));
    writer.text(group.rule().group.name);
    std::string part;
    group.save(part);
    writer.text(part);
  }
  // Only where there is one, so that snapshots of earlier releases are read, and most by them.
  if (said_too_short.empty()) return;
  writer.u64(said_too_short.size());
  for (const std::string& rule : said_too_short) writer.text(rule);
}

bool Engine::State::load(std::string_view& in, aggregator::Shard& shard) {
  StateReader reader(in);
  if (reader.u32() != kSchema) return false;
  if (!directory.load(in)) return false;
  previous_tick_s = reader.i64();
  previous_watermark_s = reader.i64();
  evaluations = reader.u64();
  standing.clear();
  for (std::uint64_t left = reader.count(); left > 0 && reader.ok(); --left) {
    Standing silence;
    silence.rule = reader.text();
    silence.series = reader.text();
    silence.command.kind = AlarmCommand::Kind::kSilence;
    silence.command.time_s = reader.i64();
    silence.command.until_s = reader.i64();
    standing.push_back(std::move(silence));
  }
  bind_all(shard);
  make_singles(shard);
  const aggregator::GridTime tick_s = shard.frontier().tick_s;
  if (tick_s != aggregator::kBeforeAll) {
    for (AlarmInstance& alarm : alarms) alarm.start_after(tick_s);
    for (ScalingGroup& group : groups) group.start_after(tick_s);
  }
  const EvaluationContext now = context(shard);
  if (!load_alarms(reader, now) || !load_gone(reader, tick_s) || !load_groups(reader, now))
    return false;
  said_too_short.clear();
  for (std::uint64_t left = in.empty() ? 0 : reader.count(); left > 0 && reader.ok(); --left)
    said_too_short.insert(reader.text());
  if (flow_witness != kNoSeries) flow_period_s = shard.table().info(flow_witness).own_period_s;
  note_holding();
  // Wakes are not kept: everything is asked once and goes on from there.
  mark_all();
  return reader.ok();
}

/// By rule and key, in the order of the text, so that equal states have equal bytes.
void Engine::State::save_gone(StateWriter& writer) const {
  std::map<std::pair<std::string, std::string>, const Gone*> sorted;
  for (const auto& [key, left] : gone) {
    const std::size_t cut = key.find('\0');
    const std::string& rule = plans[std::stoul(key.substr(0, cut))].rule.name;
    sorted.emplace(std::pair(rule, key.substr(cut + 1)), &left);
  }
  writer.u64(sorted.size());
  for (const auto& [name, left] : sorted) {
    writer.text(name.first);
    writer.u64(left->fingerprint);
    writer.text(name.second);
    writer.i64(left->evaluated_s);
  }
}

/// Binding made them all again, only because their series are there.
bool Engine::State::load_gone(StateReader& reader, aggregator::GridTime tick_s) {
  for (std::uint64_t left = reader.count(); left > 0 && reader.ok(); --left) {
    const std::string rule = reader.text();
    const std::uint64_t fingerprint = reader.u64();
    const std::string key = reader.text();
    const aggregator::GridTime evaluated_s = reader.i64();
    for (std::size_t i = 0; i < plans.size() && reader.ok(); ++i) {
      if (plans[i].rule.name != rule) continue;
      const auto at = instances.find(std::to_string(i) + '\0' + key);
      if (at == instances.end()) continue;
      const bool same = plans[i].fingerprint == fingerprint;
      alarms[at->second].start_after(same ? evaluated_s : std::max(evaluated_s, tick_s));
      let_go(at->second);
    }
  }
  return reader.ok();
}

bool Engine::State::load_alarms(StateReader& reader, const EvaluationContext& now) {
  for (std::uint64_t left = reader.count(); left > 0 && reader.ok(); --left) {
    const std::string rule = reader.text();
    const std::uint64_t fingerprint = reader.u64();
    const std::string key = reader.text();
    const std::string part = reader.text();
    for (std::size_t i = 0; i < plans.size(); ++i) {
      if (plans[i].rule.name != rule) continue;
      const auto at = instances.find(std::to_string(i) + '\0' + key);
      if (at == instances.end()) continue;
      AlarmInstance& alarm = alarms[at->second];
      std::string_view bytes = part;
      if (!alarm.load(bytes, now) || !bytes.empty()) return false;
      if (plans[i].fingerprint != fingerprint) alarm.renew(now.frontier.tick_s);
    }
  }
  return reader.ok();
}

bool Engine::State::load_groups(StateReader& reader, const EvaluationContext& now) {
  for (std::uint64_t left = reader.count(); left > 0 && reader.ok(); --left) {
    const std::string name = reader.text();
    const std::uint8_t kind = reader.u8();
    const std::string of = reader.text();
    const std::string part = reader.text();
    for (ScalingGroup& group : groups) {
      const GroupRef& ref = group.rule().group;
      if (group.name() != name || ref.name != of || static_cast<std::uint8_t>(ref.kind) != kind)
        continue;
      std::string_view bytes = part;
      if (!group.load(bytes, now) || !bytes.empty()) return false;
    }
  }
  return reader.ok();
}

void Engine::save(std::string& out) const { state_->save(out); }

bool Engine::load(std::string_view& in, aggregator::Shard& shard) {
  state_->take_rules(state_->rules);
  return state_->load(in, shard);
}

void Engine::set_rules(std::shared_ptr<const RuleSet> rules, aggregator::Shard& shard) {
  std::vector<proto::Event> held;
  for (const UnitId unit : state_->holding) held.push_back(*state_->alarms[unit].held());
  std::string kept;
  state_->save(kept);
  state_->take_rules(std::move(rules));
  std::string_view in = kept;
  FM_CHECK(state_->load(in, shard));
  for (proto::Event& event : held) {
    const bool taken_over = std::ranges::any_of(state_->holding, [&](const UnitId unit) {
      return state_->alarms[unit].held()->id() == event.id();
    });
    if (taken_over) continue;
    event.clear_notify();
    state_->orphans.push_back(std::move(event));
  }
}

}  // namespace fleetmeter::alarms
