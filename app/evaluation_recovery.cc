// The way back after a start: snapshot, log after it, cost.db, and the versions in force.
#include <utility>

#include "app/evaluation_loop_state.h"

namespace fleetmeter::app {

/// Applies the log up to `until`, whose outputs are committed already: emits nothing again.
Result<void> EvaluationLoop::State::replay_silently(aggregator::LogPosition until) {
  std::vector<proto::Event> discarded;
  while (evaluator.position() < until) {
    auto got = read(evaluator.position());
    if (!got) return std::move(got).error();
    if (got->entries.empty()) {
      return Error{ErrorCode::kDataLoss, "the log ends at " + std::to_string(evaluator.position()) +
                                             ", before its last evaluated position " +
                                             std::to_string(until)};
    }
    for (const aggregator::LogEntry& entry : got->entries) {
      if (entry.position > until) return {};
      if (auto applied = apply_entry(entry, discarded); !applied) return applied;
      discarded.clear();
    }
  }
  return {};
}

/// cost.db may be behind the evaluator (a crash between the two, or a lost file): applies what it
/// lacks.
Result<void> EvaluationLoop::State::catch_usage_up() {
  if (usage == nullptr) return {};
  auto applied = usage->applied_position(options.partition);
  if (!applied) return std::move(applied).error();
  aggregator::LogPosition position = *applied;
  while (position < evaluator.position()) {
    auto got = read(position);
    if (!got) return std::move(got).error();
    std::vector<aggregator::LogEntry>& entries = got->entries;
    while (!entries.empty() && entries.back().position > evaluator.position()) entries.pop_back();
    if (entries.empty()) return {};
    if (auto done = usage->apply(options.partition, entries); !done) return done;
    position = entries.back().position;
  }
  return {};
}

Result<void> EvaluationLoop::State::append_versions(const std::string& yaml,
                                                    const std::string& fingerprint,
                                                    const aggregator::Inventory* inventory) {
  aggregator::Commit commit;
  if (!yaml.empty() && fingerprint != evaluator.config_fingerprint()) {
    proto::LogRecord record;
    record.mutable_config()->set_yaml(yaml);
    record.mutable_config()->set_fingerprint(fingerprint);
    for (const proto::ShardAssignment& shard : options.shards)
      *record.mutable_config()->add_shards() = shard;
    commit.records.push_back({options.partition, std::move(record)});
  }
  if (inventory != nullptr && inventory->version() != evaluator.inventory_version()) {
    proto::LogRecord record;
    record.mutable_inventory()->set_version(inventory->version());
    record.mutable_inventory()->set_inventory(inventory->serialize());
    commit.records.push_back({options.partition, std::move(record)});
  }
  if (commit.records.empty()) return {};
  auto appended = log.append(std::move(commit));
  if (!appended) return std::move(appended).error();
  return {};
}

Result<void> EvaluationLoop::recover(const std::string& config_yaml,
                                     const std::string& config_fingerprint,
                                     const aggregator::Inventory* inventory) {
  State& state = *state_;
  auto snapshot = state.log.latest_snapshot(state.options.partition);
  if (!snapshot) return std::move(snapshot).error();
  if (*snapshot) {
    if (auto loaded = state.evaluator.load(**snapshot); !loaded) return loaded;
    state.snapshot_position = (*snapshot)->position;
    for (const proto::LogRecord& record : state.evaluator.time_records())
      state.pacemaker.apply(record);
  }
  auto evaluated = state.log.evaluated_position(state.options.partition);
  if (!evaluated) return std::move(evaluated).error();
  if (auto replayed = state.replay_silently(*evaluated); !replayed) return replayed;
  if (auto caught_up = state.catch_usage_up(); !caught_up) return caught_up;
  // What was appended but not evaluated yet may hold a newer version of both: compare with the end
  // of the log.
  if (auto caught_up = state.catch_up(); !caught_up) return caught_up;
  if (auto appended = state.append_versions(config_yaml, config_fingerprint, inventory); !appended)
    return appended;
  state.snapshot_at = state.prune_at = state.clock.steady();
  state.publish();
  return {};
}

}  // namespace fleetmeter::app
