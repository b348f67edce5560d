#include "alarms/engine.h"

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

#include "alarms/engine_state.h"

namespace fleetmeter::alarms {
namespace {

using aggregator::Change;
using aggregator::GridTime;
using aggregator::kBeforeAll;
using aggregator::kNever;
using aggregator::SeriesId;

bool applies_to(const std::vector<std::string>& environments, const std::string& environment) {
  return environments.empty() || std::ranges::find(environments, environment) != environments.end();
}

std::string metric_key(std::string_view metric_namespace, std::string_view name) {
  std::string key(metric_namespace);
  key += '\0';
  key += name;
  return key;
}

bool selects(const AlarmRule& rule, const aggregator::SeriesKey& key) {
  const std::size_t more =
      rule.for_each.empty() || rule.metric.dimensions.contains(rule.for_each) ? 0 : 1;
  if (rule.metric.exact && key.dimensions.size() != rule.metric.dimensions.size() + more)
    return false;
  if (!rule.for_each.empty() && key.dimension(rule.for_each).empty()) return false;
  return std::ranges::all_of(rule.metric.dimensions, [&](const auto& asked) {
    return key.dimension(asked.first) == asked.second;
  });
}

bool matches(const std::string& pattern, const std::string& value) {
  return pattern.empty() || pattern == value;
}

/// What a record can change about slots that were looked at before, other than by data.
bool changes_the_past(const proto::LogRecord& record) {
  switch (record.body_case()) {
    case proto::LogRecord::kInventory:
    case proto::LogRecord::kSourceStall:
    case proto::LogRecord::kCommand:
      return true;
    default:
      return false;
  }
}

std::optional<AlarmCommand> command_of(const proto::Command& command) {
  AlarmCommand out;
  out.time_s = command.time_s();
  out.until_s = command.until_s();
  if (command.kind() == "silence") {
    out.kind = AlarmCommand::Kind::kSilence;
    return out;
  }
  if (command.kind() == "unsilence") {
    out.kind = AlarmCommand::Kind::kUnsilence;
    return out;
  }
  if (command.kind() != "set_state") return std::nullopt;
  out.kind = AlarmCommand::Kind::kSetState;
  for (const AlarmState state :
       {AlarmState::kInsufficientData, AlarmState::kOk, AlarmState::kAlarm}) {
    if (command.argument() != to_string(state)) continue;
    out.state = state;
    return out;
  }
  return std::nullopt;
}

}  // namespace

void Engine::State::take_rules(std::shared_ptr<const RuleSet> new_rules) {
  rules = std::move(new_rules);
  singles_made = false;
  flow_unsaid = true;
  plans.clear();
  alarms.clear();
  groups.clear();
  readers.clear();
  instances.clear();
  links.clear();
  own_slots.clear();
  alarm_paces.clear();
  group_paces.clear();
  dirty.clear();
  holding.clear();
  free_alarms.clear();
  gone.clear();
  has_gone.clear();
  wakes = {};
  if (rules == nullptr) return;
  for (const AlarmRule& rule : rules->alarms) {
    if (!applies_to(rule.environments, environment)) continue;
    readers[metric_key(rule.metric.metric_namespace, rule.metric.name)].push_back(
        {.scaling = false, .rule = static_cast<std::uint32_t>(plans.size()), .input = 0});
    plans.push_back(plan_of(rule));
  }
  for (const ScalingRule& rule : rules->scaling) {
    if (!applies_to(rule.environments, environment)) continue;
    const auto index = static_cast<std::uint32_t>(groups.size());
    groups.emplace_back(rule);
    group_paces.emplace_back();
    std::uint32_t input = 0;
    for (const ScalingGroup::Input& read : groups.back().inputs()) {
      readers[metric_key(read.metric_namespace, read.name)].push_back(
          {.scaling = true, .rule = index, .input = input++});
    }
  }
}

UnitId Engine::State::alarm_of(std::uint32_t plan, const std::string& key) {
  const auto place = free_alarms.empty() ? static_cast<UnitId>(alarms.size()) : free_alarms.back();
  const auto [at, added] = instances.try_emplace(std::to_string(plan) + '\0' + key, place);
  if (!added) return at->second;
  AlarmInstance made(plans[plan], key);
  for (const Standing& silence : standing) {
    if (matches(silence.rule, plans[plan].rule.name) && matches(silence.series, made.series()))
      made.command(silence.command);
  }
  if (free_alarms.empty()) {
    alarms.push_back(std::move(made));
    alarm_paces.emplace_back();
  } else {
    free_alarms.pop_back();
    alarms[place] = std::move(made);
  }
  alarm_paces[place] = {.rule = plan};
  if (const auto was = gone.find(at->first); was != gone.end()) {
    alarms[place].come_back_after(was->second.evaluated_s);
    for (const SeriesId id : was->second.series) {
      alarms[place].fold().add(id);
      link(id, place);
    }
    gone.erase(was);
  }
  return place;
}

/// Frees what an alarm holds; the next datapoint of one of its series makes it anew.
void Engine::State::let_go(UnitId unit) {
  const AlarmInstance& alarm = alarms[unit];
  Pace& at = alarm_paces[unit];
  Gone left{alarm.plan().fingerprint, alarm.evaluated_s(), alarm.fold().candidates()};
  for (const SeriesId id : left.series) {
    std::erase(links[id], unit);
    if (has_gone.size() <= id) has_gone.resize(std::size_t{id} + 1);
    has_gone[id] = true;
  }
  std::string key = std::to_string(at.rule) + '\0' + alarm.key();
  instances.erase(key);
  gone.insert_or_assign(std::move(key), std::move(left));
  alarms[unit] = AlarmInstance(plans[at.rule], {});
  at = {.free = true};
  free_alarms.push_back(unit);
}

void Engine::State::let_spent_go(const EvaluationContext& now) {
  for (const UnitId unit : dirty) {
    const bool alarm = (unit & kGroupBit) == 0;
    if (alarm && !alarm_paces[unit].free && alarms[unit].spent(now)) let_go(unit);
  }
}

void Engine::State::link(SeriesId id, UnitId unit) {
  if (links.size() <= id) links.resize(std::size_t{id} + 1);
  if (std::ranges::find(links[id], unit) == links[id].end()) links[id].push_back(unit);
}

void Engine::State::bind(SeriesId id, aggregator::Shard& shard) {
  const aggregator::SeriesKey& key = shard.table().info(id).key;
  const auto reading = readers.find(metric_key(key.metric_namespace, key.name));
  if (reading == readers.end()) return;
  directory.add(id, key);
  if (own_slots.size() <= id) own_slots.resize(std::size_t{id} + 1);
  own_slots[id] = shard.table().own_slots(id);
  if (key.metric_namespace == aggregator::kFlowNamespace && flow_witness == kNoSeries)
    flow_witness = id;
  const EvaluationContext now = context(shard);
  for (const Reader& reader : reading->second) {
    if (reader.scaling) {
      if (groups[reader.rule].add(reader.input, id, now, shard.table()))
        link(id, reader.rule | kGroupBit);
      continue;
    }
    const AlarmPlan& plan = plans[reader.rule];
    if (!selects(plan.rule, key)) continue;
    const std::string value =
        plan.rule.for_each.empty() ? std::string() : std::string(key.dimension(plan.rule.for_each));
    const UnitId unit = alarm_of(reader.rule, value);
    alarms[unit].fold().add(id);
    shard.table().set_retention(id, plan.range_slots * plan.rule.period_s);
    link(id, unit);
  }
}

void Engine::State::bind_groups(aggregator::Shard& shard) {
  if (groups.empty()) return;
  const EvaluationContext now = context(shard);
  for (SeriesId id = 0; id < own_slots.size(); ++id) {
    if (own_slots[id].period_s == 0) continue;  // No rule reads it.
    const aggregator::SeriesKey& key = shard.table().info(id).key;
    for (const Reader& reader : readers.at(metric_key(key.metric_namespace, key.name))) {
      if (reader.scaling && groups[reader.rule].add(reader.input, id, now, shard.table()))
        link(id, reader.rule | kGroupBit);
    }
  }
}

void Engine::State::bind_all(aggregator::Shard& shard) {
  const std::size_t count = shard.table().size();
  for (std::size_t id = 0; id < count; ++id) bind(static_cast<SeriesId>(id), shard);
}

/// A single alarm is there from its rule on. Where missing data is breaching or good its metric need
/// not be seen for it to have a state (docs/time.md 6); with the other treatments it is as if it
/// waited. Flow metrics are due by the windows that close, and none does before there are records.
void Engine::State::make_singles(aggregator::Shard& shard) {
  if (std::exchange(singles_made, true)) return;
  for (std::uint32_t i = 0; i < plans.size(); ++i) {
    AlarmPlan& plan = plans[i];
    const MetricSelector& metric = plan.rule.metric;
    const bool decides = plan.rule.missing == MissingData::kBreaching ||
                         plan.rule.missing == MissingData::kNotBreaching;
    if (!decides || !plan.rule.for_each.empty() ||
        metric.metric_namespace == aggregator::kFlowNamespace)
      continue;
    const std::uint32_t delay_s =
        shard.publication_delay_s({{},
                                   {},
                                   metric.metric_namespace,
                                   metric.name,
                                   {metric.dimensions.begin(), metric.dimensions.end()}});
    plan.fold.unseen_delay_s = delay_s;
    shard.table().keep_deaf_spans(plan.range_slots * plan.rule.period_s + delay_s);
    mark(alarm_of(i, {}));
  }
}

void Engine::State::mark(UnitId unit) {
  Pace& at = pace(unit);
  if (at.dirty) return;
  at.dirty = true;
  dirty.push_back(unit);
}

void Engine::State::mark_all() {
  for (UnitId i = 0; i < alarms.size(); ++i) {
    if (!alarm_paces[i].free) mark(i);
  }
  for (UnitId i = 0; i < groups.size(); ++i) mark(i | kGroupBit);
}

void Engine::State::schedule(UnitId unit, GridTime wake_s, GridTime tick_s) {
  if (wake_s == kNever) return;
  if (tick_s != kBeforeAll) wake_s = std::max(wake_s, tick_s + 1);
  Pace& at = pace(unit);
  if (at.armed_s <= wake_s) return;  // Woken earlier for nothing, it asks again.
  at.armed_s = wake_s;
  wakes.emplace(wake_s, unit);
}

void Engine::State::run_command(const proto::Command& command) {
  if (!matches(command.environment(), environment)) return;
  const std::optional<AlarmCommand> asked = command_of(command);
  if (!asked) return;
  for (UnitId i = 0; i < alarms.size(); ++i) {
    AlarmInstance& alarm = alarms[i];
    if (!alarm_paces[i].free && matches(command.rule(), alarm.plan().rule.name) &&
        matches(command.series(), alarm.series()))
      alarm.command(*asked);
  }
  if (asked->kind == AlarmCommand::Kind::kSetState) return;
  std::erase_if(standing, [&](const Standing& silence) {
    const bool over = silence.command.until_s > 0 && silence.command.until_s <= command.time_s();
    return over ||
           (matches(command.rule(), silence.rule) && matches(command.series(), silence.series));
  });
  if (asked->kind == AlarmCommand::Kind::kSilence)
    standing.push_back({command.rule(), command.series(), *asked});
}

/// What a source was not listening to is told by its first progress, and by the first after each
/// start.
bool Engine::State::starts_listening(const proto::Progress& progress) {
  bool starts = false;
  for (const proto::SourceProgress& source : progress.sources()) {
    const bool first = heard_sources.insert(source.source()).second;
    starts = starts || first || source.started();
  }
  return starts;
}

/// Flow series are folded into longer slots once the capture interval turns out to be longer.
bool Engine::State::flow_slots_changed(const aggregator::Shard& shard) {
  if (flow_witness == kNoSeries) return false;
  const std::uint32_t period_s = shard.table().info(flow_witness).own_period_s;
  const bool changed = std::exchange(flow_period_s, period_s) != period_s;
  flow_unsaid = flow_unsaid || changed;
  return changed;
}

bool Engine::State::too_short(const AlarmPlan& plan) const noexcept {
  return plan.rule.metric.metric_namespace == aggregator::kFlowNamespace &&
         plan.rule.period_s < flow_period_s;
}

/// Alarms of a shorter period than flow logs are captured at never get a datapoint: said once, when
/// that turns out (docs/time.md 3).
void Engine::State::warn_of_short_periods(GridTime at_s, std::vector<proto::Event>& events) {
  if (flow_witness == kNoSeries || !std::exchange(flow_unsaid, false)) return;
  for (const AlarmPlan& plan : plans) {
    if (!too_short(plan) || !said_too_short.insert(plan.rule.name).second) continue;
    proto::Event& event = events.emplace_back();
    event.set_id(event_id(environment, "rule.warning", plan.rule.name, {}, at_s, 0));
    event.set_time_s(at_s);
    event.set_type("rule.warning");
    event.set_environment(environment);
    event.set_rule(plan.rule.name);
    event.set_severity(plan.rule.severity);
    event.set_reason("Its period of " + std::to_string(plan.rule.period_s) +
                     " s is shorter than the capture interval of the flow logs, " +
                     std::to_string(flow_period_s) + " s: it gets no datapoint.");
  }
}

/// A series whose own period or grid turns out to be another has other slots: those looked at before
/// would count a datapoint twice beside them, or not at all.
void Engine::State::note_slots(const std::vector<Change>& changes, const aggregator::Shard& shard) {
  bool moved = false;
  for (const Change& change : changes) {
    if (change.series >= own_slots.size() || own_slots[change.series].period_s == 0) continue;
    const auto slots = shard.table().own_slots(change.series);
    moved = std::exchange(own_slots[change.series], slots) != slots || moved;
  }
  if (moved) ++cache_version;
}

void Engine::State::note_record(const proto::LogRecord& record, aggregator::Shard& shard) {
  const bool past =
      changes_the_past(record) || flow_slots_changed(shard) ||
      (record.body_case() == proto::LogRecord::kProgress && starts_listening(record.progress()));
  if (!past && record.body_case() != proto::LogRecord::kObservation) return;
  if (record.body_case() == proto::LogRecord::kObservation) {
    const proto::Observation& observation = record.observation();
    if (!matches(observation.environment(), environment)) return;
    for (UnitId i = 0; i < groups.size(); ++i) {
      if (groups[i].rule().group.name == observation.group()) groups[i].observe(observation);
    }
    return;
  }
  ++cache_version;
  if (record.body_case() == proto::LogRecord::kInventory) {
    directory.forget_terms();
    bind_groups(shard);  // Machines may have come into one.
  }
  if (record.body_case() == proto::LogRecord::kCommand) run_command(record.command());
  mark_all();
}

/// Alarms whose catch-up is over, or lasts too long.
void Engine::State::mark_tellers(const aggregator::Shard& shard) {
  if (holding.empty()) return;
  const EvaluationContext now = context(shard);
  for (const UnitId unit : holding) {
    if (alarms[unit].must_tell(now)) mark(unit);
  }
}

void Engine::State::note_holding() {
  holding.clear();
  for (UnitId i = 0; i < alarms.size(); ++i) {
    if (alarms[i].held() != nullptr) holding.push_back(i);
  }
}

Engine::Engine(std::string environment, std::shared_ptr<const RuleSet> rules)
    : state_(std::make_unique<State>(std::move(environment))) {
  state_->take_rules(std::move(rules));
}
Engine::~Engine() = default;
Engine::Engine(Engine&&) noexcept = default;

void Engine::apply(const proto::LogRecord& record, const std::vector<Change>& changes,
                   aggregator::Shard& shard, std::vector<proto::Event>& events) {
  State& state = *state_;
  const std::size_t first_event = events.size();
  state.make_singles(shard);
  for (const Change& change : changes) {
    const bool gone = change.series < state.has_gone.size() && state.has_gone[change.series];
    if (gone) state.has_gone[change.series] = false;
    if (gone || change.created) state.bind(change.series, shard);
  }
  state.note_record(record, shard);
  state.note_slots(changes, shard);
  state.mark_tellers(shard);

  const EvaluationContext now = state.context(shard);
  for (const Change& change : changes) {
    if (change.series >= state.links.size()) continue;
    for (const UnitId unit : state.links[change.series]) {
      if (unit & State::kGroupBit) {
        state.groups[unit & ~State::kGroupBit].datapoint_changed(change.series, change.start_s,
                                                                 now);
      } else {
        AlarmInstance& alarm = state.alarms[unit];
        alarm.fold().datapoint_changed(change.start_s, now.table.info(change.series).own_period_s,
                                       alarm.plan().fold);
      }
      state.mark(unit);
    }
  }
  const GridTime tick_s = now.frontier.tick_s;
  while (!state.wakes.empty() && state.wakes.top().first <= tick_s) {
    const auto [wake_s, unit] = state.wakes.top();
    state.wakes.pop();
    if (state.pace(unit).armed_s != wake_s) continue;
    state.pace(unit).armed_s = kNever;
    state.mark(unit);
  }

  for (proto::Event& event : state.orphans) events.push_back(std::move(event));
  state.orphans.clear();
  state.warn_of_short_periods(now.frontier.watermark_s, events);
  EventSink sink{events, state.environment, 0, std::move(state.range), std::move(state.kinds)};
  for (const UnitId unit : state.dirty) {
    state.pace(unit).dirty = false;
    const bool group = (unit & State::kGroupBit) != 0;
    // Marked before it was let go: of a snapshot all are made before it says which are gone.
    if (!group && state.alarm_paces[unit].free) continue;
    const bool held = !group && state.alarms[unit].held() != nullptr;
    const GridTime wake_s = group ? state.groups[unit & ~State::kGroupBit].advance(now, sink)
                                  : state.alarms[unit].advance(now, sink);
    if (!group && !held && state.alarms[unit].held() != nullptr) state.holding.push_back(unit);
    state.schedule(unit, wake_s, tick_s);
  }
  std::erase_if(state.holding,
                [&](const UnitId unit) { return state.alarms[unit].held() == nullptr; });
  state.let_spent_go(now);
  state.dirty.clear();
  state.evaluations += sink.evaluations;
  state.range = std::move(sink.range);
  state.kinds = std::move(sink.kinds);
  state.previous_tick_s = tick_s;
  state.previous_watermark_s = now.frontier.watermark_s;
  // Which alarm was looked at first is nobody's business.
  std::stable_sort(
      events.begin() + static_cast<std::ptrdiff_t>(first_event), events.end(),
      [](const proto::Event& a, const proto::Event& b) {
        return std::tuple(a.time_s(), std::string_view(a.rule()), std::string_view(a.series())) <
               std::tuple(b.time_s(), std::string_view(b.rule()), std::string_view(b.series()));
      });
}

std::uint64_t Engine::evaluations_total() const noexcept { return state_->evaluations; }

std::size_t Engine::alarms_held() const noexcept {
  return state_->alarms.size() - state_->free_alarms.size();
}

}  // namespace fleetmeter::alarms
