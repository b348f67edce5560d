#include "app/evaluator.h"

#include <algorithm>
#include <utility>

#include "aggregator/datapoint_rows.h"
#include "aggregator/flow_rows.h"
#include "aggregator/state_codec.h"
#include "app/config.h"

namespace fleetmeter::app {

namespace {

/// How long a datapoint lasts at most that does not say it, for the end of the input.
constexpr std::int64_t kUntoldS = 60;

/// One environment: tables and time, and the rules over them.
struct ShardRuntime {
  aggregator::Shard shard;
  alarms::Engine engine;
};

/// The last inventory that was read: its bytes reach every shard, and are parsed once.
struct ParsedInventory {
  std::string bytes;
  std::shared_ptr<const aggregator::Inventory> inventory;

  Result<std::shared_ptr<const aggregator::Inventory>> parse(const std::string& wanted) {
    if (inventory != nullptr && wanted == bytes) return inventory;
    auto parsed = aggregator::Inventory::deserialize(wanted);
    if (!parsed) return parsed;
    bytes = wanted;
    inventory = *parsed;
    return parsed;
  }
};

/// Folds a progress record into `merged`, newest entry per source: what a shard born later needs to
/// know.
void merge_progress(const proto::LogRecord& record, proto::LogRecord& merged) {
  merged.set_append_time_ms(record.append_time_ms());
  proto::Progress& into = *merged.mutable_progress();
  for (const proto::SourceProgress& source : record.progress().sources()) {
    const auto known =
        std::find_if(into.mutable_sources()->begin(), into.mutable_sources()->end(),
                     [&](const auto& one) { return one.source() == source.source(); });
    if (known != into.mutable_sources()->end()) {
      *known = source;
    } else {
      *into.add_sources() = source;
    }
  }
}

/// Environments that the version's table gives to another partition are not ours to evaluate; a
/// version without a table is that of a log with one partition.
bool is_ours(const proto::ConfigVersion& version, const std::string& environment,
             aggregator::LogPartition partition) {
  for (const proto::ShardAssignment& shard : version.shards()) {
    if (shard.environment() == environment)
      return shard.partition() == static_cast<std::uint32_t>(partition);
  }
  return version.shards().empty();
}

}  // namespace

struct Evaluator::State {
  aggregator::LogPosition position = 0;
  std::string config_yaml;
  std::string config_fingerprint;
  std::string inventory_bytes;
  std::uint64_t inventory_version = 0;
  std::shared_ptr<ParsedInventory> parsed_inventory = std::make_shared<ParsedInventory>();
  Config config;
  std::shared_ptr<const alarms::RuleSet> rules = std::make_shared<alarms::RuleSet>();
  std::map<std::string, ShardRuntime>
      shards;  // Ordered: events of one record come out in environment order.
  std::vector<aggregator::Change> changes;  // Scratch.
  // What a shard that appears later must know of the time before it: the last record of each kind.
  proto::LogRecord progress, tick, input_end;
  std::map<std::string, proto::LogRecord> stalls;  // By source.
  std::int64_t open_from_s = 0, open_to_s = 0;     // Of the batches since the last InputEnd.
  // Of these, the end of what says how long it lasts, and the newest start of what does not.
  std::int64_t told_to_s = 0, untold_start_s = 0;

  [[nodiscard]] std::vector<proto::LogRecord> time_records() const;
  void note_times(const proto::AggregateBatch& batch);
  [[nodiscard]] std::int64_t input_end_s() const;
  const proto::LogRecord& end_input(const proto::LogRecord& record);
  Result<void> set_config(const proto::ConfigVersion& version, aggregator::LogPartition partition);
  ShardRuntime& shard(const std::string& environment);
  void apply_to(ShardRuntime& runtime, const proto::LogRecord& record,
                std::vector<proto::Event>& events);
  [[nodiscard]] bool load(aggregator::StateReader& in);
  [[nodiscard]] bool load_shards(aggregator::StateReader& in);
};

Result<void> Evaluator::State::set_config(const proto::ConfigVersion& version,
                                          aggregator::LogPartition partition) {
  std::vector<ConfigProblem> warnings;
  Result<Config> parsed = parse_config(version.yaml(), "configuration in the log", warnings,
                                       nullptr, ConfigOrigin::kLog);
  if (!parsed) return std::move(parsed).error();
  config = *std::move(parsed);
  config_yaml = version.yaml();
  config_fingerprint = version.fingerprint();
  rules = std::make_shared<alarms::RuleSet>(config.rules);
  for (auto& [environment, runtime] : shards) runtime.engine.set_rules(rules, runtime.shard);
  for (const aggregator::EnvironmentMatch& match : config.environments) {
    if (is_ours(version, match.name, partition)) shard(match.name);
  }
  return {};
}

ShardRuntime& Evaluator::State::shard(const std::string& environment) {
  if (const auto found = shards.find(environment); found != shards.end()) return found->second;
  aggregator::ShardOptions options;
  options.environment = environment;
  options.settings = config.series;
  options.capture_interval_s = config.capture_interval_s;
  options.parse_inventory = [parsed = parsed_inventory](const std::string& bytes) {
    return parsed->parse(bytes);
  };
  ShardRuntime runtime{aggregator::Shard(std::move(options)), alarms::Engine(environment, rules)};
  ShardRuntime& created = shards.emplace(environment, std::move(runtime)).first->second;
  std::vector<proto::Event> none;
  if (!inventory_bytes.empty()) {
    proto::LogRecord inventory;
    inventory.mutable_inventory()->set_version(inventory_version);
    inventory.mutable_inventory()->set_inventory(inventory_bytes);
    apply_to(created, inventory, none);
  }
  for (const proto::LogRecord& record : time_records()) apply_to(created, record, none);
  return created;
}

void Evaluator::State::note_times(const proto::AggregateBatch& batch) {
  const auto note = [&](std::int64_t from_s, std::int64_t to_s) {
    open_from_s = open_to_s == 0 ? from_s : std::min(open_from_s, from_s);
    open_to_s = std::max(open_to_s, to_s);
  };
  const auto note_told = [&](std::int64_t from_s, std::int64_t to_s) {
    note(from_s, to_s);
    told_to_s = std::max(told_to_s, to_s);
  };
  if (const auto flows = aggregator::window_span(batch.flows()))
    note_told(std::int64_t{flows->first} * 60, (std::int64_t{flows->last} + 1) * 60);
  aggregator::each_period(batch.datapoints(), [&](std::int64_t start_s, std::uint32_t period_s) {
    if (period_s != 0) return note_told(start_s, start_s + period_s);
    note(start_s, start_s + kUntoldS);
    untold_start_s = std::max(untold_start_s, start_s);
  });
}

/// The record as the shards get it: it was written from what the batches alone tell.
const proto::LogRecord& Evaluator::State::end_input(const proto::LogRecord& record) {
  const std::int64_t end_s = input_end_s();
  input_end = record;
  proto::InputEnd& end = *input_end.mutable_input_end();
  if (end.event_time_max_s() == open_to_s) end.set_event_time_max_s(end_s);
  open_from_s = open_to_s = told_to_s = untold_start_s = 0;
  return input_end;
}

/// Where the batches since the last InputEnd end. A datapoint that does not say its period may be of
/// a series of seconds, which shows once all of it is there.
std::int64_t Evaluator::State::input_end_s() const {
  if (untold_start_s == 0) return open_to_s;
  std::int64_t end_s = 0;
  for (const auto& [environment, runtime] : shards) {
    const aggregator::SeriesTable& table = runtime.shard.table();
    for (aggregator::SeriesId id = 0; id < table.size(); ++id) {
      const std::int64_t last_s = table.info(id).last_start_s;
      if (last_s > untold_start_s || last_s <= untold_start_s - kUntoldS) continue;
      const std::int64_t period_s = table.shown_period_s(id);
      end_s = std::max(end_s, last_s + (period_s == 0 ? kUntoldS : std::min(kUntoldS, period_s)));
    }
  }
  return end_s == 0 ? open_to_s : std::max(end_s, told_to_s);
}

std::vector<proto::LogRecord> Evaluator::State::time_records() const {
  std::vector<proto::LogRecord> records;
  if (progress.has_progress()) records.push_back(progress);
  for (const auto& [source, stall] : stalls) records.push_back(stall);
  if (input_end.has_input_end()) records.push_back(input_end);
  if (tick.has_tick()) records.push_back(tick);
  return records;
}

void Evaluator::State::apply_to(ShardRuntime& runtime, const proto::LogRecord& record,
                                std::vector<proto::Event>& events) {
  runtime.shard.apply(record, changes);
  runtime.engine.apply(record, changes, runtime.shard, events);
}

Evaluator::Evaluator() : state_(std::make_unique<State>()) {}
Evaluator::~Evaluator() = default;

Result<void> Evaluator::apply(const aggregator::LogEntry& entry,
                              std::vector<proto::Event>& events) {
  State& state = *state_;
  FM_CHECK(entry.position > state.position);
  state.position = entry.position;
  const bool ends = entry.record.has_input_end();
  const proto::LogRecord& record = ends ? state.end_input(entry.record) : entry.record;
  switch (record.body_case()) {
    case proto::LogRecord::kConfig:
      if (auto set = state.set_config(record.config(), entry.partition); !set) return set;
      break;
    case proto::LogRecord::kInventory:
      state.inventory_version = record.inventory().version();
      state.inventory_bytes = record.inventory().inventory();
      break;
    case proto::LogRecord::kBatch:
      state.shard(record.batch().environment());
      state.note_times(record.batch());
      break;
    case proto::LogRecord::kProgress:
      merge_progress(record, state.progress);
      break;
    case proto::LogRecord::kTick:
      state.tick = record;
      break;
    case proto::LogRecord::kSourceStall:
      state.stalls[record.source_stall().source()] = record;
      break;
    default:
      break;
  }
  for (auto& [environment, runtime] : state.shards) state.apply_to(runtime, record, events);
  return {};
}

std::vector<proto::LogRecord> Evaluator::time_records() const { return state_->time_records(); }

Evaluator::Input Evaluator::input() const {
  const State& state = *state_;
  const auto& sources = state.progress.progress().sources();
  const bool live = std::any_of(sources.begin(), sources.end(),
                                [](const auto& source) { return !source.bounded(); });
  return {state.input_end.has_input_end(), live, state.open_from_s, state.open_to_s};
}

aggregator::LogPosition Evaluator::position() const noexcept { return state_->position; }
const std::string& Evaluator::config_fingerprint() const noexcept {
  return state_->config_fingerprint;
}
std::uint64_t Evaluator::inventory_version() const noexcept { return state_->inventory_version; }

std::vector<alarms::AlarmView> Evaluator::alarms() const {
  std::vector<alarms::AlarmView> views;
  for (const auto& [environment, runtime] : state_->shards) {
    for (alarms::AlarmView& view : runtime.engine.alarms(runtime.shard))
      views.push_back(std::move(view));
  }
  return views;
}

std::vector<alarms::GroupView> Evaluator::groups() const {
  std::vector<alarms::GroupView> views;
  for (const auto& [environment, runtime] : state_->shards) {
    for (alarms::GroupView& view : runtime.engine.groups(runtime.shard))
      views.push_back(std::move(view));
  }
  return views;
}

std::vector<Evaluator::ShardView> Evaluator::shards() const {
  std::vector<ShardView> views;
  for (const auto& [environment, runtime] : state_->shards) {
    const aggregator::Frontier& frontier = runtime.shard.frontier();
    views.push_back({environment, frontier.tick_s, frontier.watermark_s,
                     runtime.shard.table().size(), runtime.shard.late_records(),
                     runtime.shard.series_over_limit(), runtime.engine.evaluations_total()});
  }
  return views;
}

std::string Evaluator::save() const {
  const State& state = *state_;
  std::string out;
  aggregator::StateWriter writer(out);
  writer.i64(state.position);
  writer.text(state.config_yaml);
  writer.text(state.config_fingerprint);
  writer.u64(state.inventory_version);
  writer.text(state.inventory_bytes);
  writer.i64(state.open_from_s);
  writer.i64(state.open_to_s);
  writer.u64(state.stalls.size());
  for (const auto& [source, stall] : state.stalls) writer.text(stall.SerializeAsString());
  for (const proto::LogRecord* record : {&state.progress, &state.input_end, &state.tick})
    writer.text(record->SerializeAsString());
  writer.u64(state.shards.size());
  for (const auto& [environment, runtime] : state.shards) {
    writer.text(environment);
    std::string part;
    runtime.shard.save(part);
    runtime.engine.save(part);
    writer.text(part);
  }
  // Last, and only where there is one, so that snapshots of earlier releases are read.
  if (state.untold_start_s != 0) {
    writer.i64(state.told_to_s);
    writer.i64(state.untold_start_s);
  }
  return out;
}

/// Everything but the shards; false when it is damaged. The configuration is read by load().
bool Evaluator::State::load(aggregator::StateReader& in) {
  const auto record = [&in](proto::LogRecord& into) {
    if (!into.ParseFromString(in.text())) in.fail();
  };
  position = in.i64();
  config_yaml = in.text();
  config_fingerprint = in.text();
  inventory_version = in.u64();
  inventory_bytes = in.text();
  open_from_s = in.i64();
  open_to_s = in.i64();
  for (std::uint64_t left = in.count(); left > 0 && in.ok(); --left) {
    proto::LogRecord stall;
    record(stall);
    stalls[stall.source_stall().source()] = stall;
  }
  for (proto::LogRecord* into : {&progress, &input_end, &tick}) record(*into);
  return in.ok();
}

bool Evaluator::State::load_shards(aggregator::StateReader& in) {
  shards.clear();  // Of the configuration; their content follows.
  for (std::uint64_t left = in.count(); left > 0 && in.ok(); --left) {
    const std::string environment = in.text();
    const std::string bytes = in.text();
    std::string_view part = bytes;
    ShardRuntime& runtime = shard(environment);
    if (!runtime.shard.load(part) || !runtime.engine.load(part, runtime.shard) || !part.empty())
      in.fail();
  }
  return in.ok();
}

Result<void> Evaluator::load(const aggregator::Snapshot& snapshot) {
  const Error damaged{ErrorCode::kDataLoss, "snapshot at log position " +
                                                std::to_string(snapshot.position) + " is damaged"};
  if (snapshot.schema != kSnapshotSchema) {
    return Error{ErrorCode::kDataLoss, "snapshot has schema " + std::to_string(snapshot.schema) +
                                           ", this release reads " +
                                           std::to_string(kSnapshotSchema) +
                                           ": run the release that wrote it"};
  }
  state_ = std::make_unique<State>();
  State& state = *state_;
  std::string_view rest = snapshot.state;
  aggregator::StateReader in(rest);
  if (!state.load(in)) return damaged;
  if (!state.config_yaml.empty()) {
    proto::ConfigVersion version;
    version.set_yaml(state.config_yaml);
    version.set_fingerprint(state.config_fingerprint);
    if (auto set = state.set_config(version, 0); !set)
      return Error{damaged.code, damaged.message + ": " + set.error().message};
  }
  if (!state.load_shards(in)) return damaged;
  state.told_to_s = rest.empty() ? state.open_to_s : in.i64();
  if (!rest.empty()) state.untold_start_s = in.i64();
  if (!in.ok() || !rest.empty() || state.position != snapshot.position) return damaged;
  return {};
}

}  // namespace fleetmeter::app
