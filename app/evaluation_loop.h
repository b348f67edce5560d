#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
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
    std::int64_t retry_ms = 500;  ///< Between tries while a store cannot take outputs.
    /// Ends recover(), which waits like the thread while a store cannot take outputs.
    std::stop_token stop = {};
    /// Environment -> partition, written into configuration records; empty = all are ours.
    std::vector<proto::ShardAssignment> shards;
    std::uint32_t log_days = 14;
    std::uint64_t log_bytes_max = 20ull << 30;
    std::function<void()> on_outbox;  ///< New entries were queued.
    /// Adds to the outputs what the entries that they come from change elsewhere, before they are
    /// committed (over Kafka: hourly usage). kUnavailable = try again.
    std::function<Result<void>(std::span<const aggregator::LogEntry>, aggregator::Outputs&)> amend;
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
  /// One round on the caller's thread, instead of start(): for runs on a clock of their own. False
  /// = there was nothing to do; kUnavailable = try again.
  Result<bool> step();
  /// Applies what is in the log, for a second at most, commits, snapshots, joins. What is left of a
  /// long catch-up is applied by the next start. Idempotent.
  void stop();
  /// All bounded input is in the log: once it is applied, says so with one InputEnd record over
  /// everything since the last one, also over what an earlier run has left open. Returns the
  /// position to wait for; 0 = there was never any input, or `stop` came first.
  Result<aggregator::LogPosition> end_input(const std::stop_token& stop);
  /// Waits until the thread has applied the log to `input_end`, as end_input() gave it, and made
  /// every tick; or until `stop`. kInvalidArgument: the log holds a live source, it never ends.
  Result<void> wait_to_end(aggregator::LogPosition input_end, const std::stop_token& stop);

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
