#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "aggregator/aggregate_log.h"
#include "aggregator/shard.h"
#include "alarms/delivery.h"
#include "app/evaluator.h"
#include "cost/usage_store.h"
#include "proto/clock.h"

namespace fleetmeter::app {

/// What the API, the page and /ready show: a consistent copy made by the evaluator's thread.
struct EvaluationView {
  std::vector<alarms::AlarmView> alarms;
  std::vector<alarms::GroupView> groups;
  std::vector<Evaluator::ShardView> shards;
  std::vector<aggregator::Pacemaker::Lag> lags;
  aggregator::LogPosition applied = 0, last = 0;
  std::map<std::string, std::uint64_t> events_by_type;
};

/// Reads one partition of the aggregate log, applies it, and commits events, outbox, ticks and the
/// position together; keeps cost.db up to the same position and takes snapshots. One thread, its
/// own; everything it decides follows from the log, the wall clock only paces ticks
/// (ARCHITECTURE.md D1, D3).
class EvaluationLoop {
 public:
  struct Options {
    aggregator::LogPartition partition = 0;
    std::map<std::string, alarms::Receiver> receivers;
    bool deliver = true;  ///< False: events are kept, the outbox stays empty.
    std::int64_t snapshot_interval_ms = 60'000;
    /// Environment -> partition, written into configuration records; empty = all are ours.
    std::vector<proto::ShardAssignment> shards;
    std::uint32_t log_days = 14;
    std::uint64_t log_bytes_max = 20ull << 30;
    std::function<void()> on_outbox;  ///< New entries were queued.
    std::function<void(std::int64_t done, std::int64_t last)> on_progress;
  };
  EvaluationLoop(aggregator::AggregateLog& log, cost::UsageStore* usage, const Clock& clock,
                 Options options);
  ~EvaluationLoop();

  /// Restores from the newest snapshot and the log after it, emitting nothing; then appends the
  /// configuration and inventory when they differ from the log's (empty = leave). Call before
  /// start() or run_to_end().
  Result<void> recover(const std::string& config_yaml, const std::string& config_fingerprint,
                       const aggregator::Inventory* inventory);
  void start();  ///< Own thread until stop().
  void stop();   ///< Applies what is in the log, commits, snapshots, joins. Idempotent.
  /// Bounded input, whose InputEnd record is at `input_end`: waits until the thread has applied and
  /// ticked to the end.
  Result<void> wait_to_end(aggregator::LogPosition input_end);

  [[nodiscard]] std::shared_ptr<const EvaluationView> view() const;
  [[nodiscard]] std::optional<Error> failure()
      const;  ///< Ended for good: fenced, damaged, or a bug.
  [[nodiscard]] std::string blocked()
      const;  ///< Why it can't go on right now (disk full); empty = it does.

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fleetmeter::app
