#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "app/evaluation_loop.h"
#include "ingest/wait_notice.h"

namespace fleetmeter::app {

/// Bounds the memory of one step and the size of its transaction.
inline constexpr std::size_t kRecordsPerStepMax = 256;

/// What evaluation_loop.cc (the rounds) and evaluation_recovery.cc (the way back after a start)
/// share. All of it is the loop's thread's, or the caller's before that has started, but for the
/// atomics and what the mutex guards.
struct EvaluationLoop::State {
  State(aggregator::AggregateLog& log_in, cost::UsageStore* usage_in, const Clock& clock_in,
        Options options_in)
      : log(log_in), usage(usage_in), clock(clock_in), options(std::move(options_in)) {}

  aggregator::AggregateLog& log;
  cost::UsageStore* usage;
  const Clock& clock;
  Options options;

  Evaluator evaluator;
  aggregator::Pacemaker pacemaker;
  aggregator::LogPosition snapshot_position = 0;
  std::size_t records_per_step = 8;    ///< As many as are small enough, up to the limit.
  std::stop_token stop_asked;          // Of the thread.
  std::optional<SteadyTime> leave_at;  ///< Set once it is noticed that a stop was asked for.
  /// Told to stop while a store took no outputs: the evaluator is ahead of what is durable, so no
  /// snapshot may be made of it.
  bool abandoned = false;
  SteadyTime snapshot_at{}, view_at{}, prune_at{};
  std::map<std::string, std::uint64_t> events_by_type;
  std::atomic<aggregator::LogPosition> applied_position{0};
  std::atomic<aggregator::LogPosition> ended_at{
      0};  // Bounded input: applied to here and every tick was made; 0 = not yet.
  ingest::WaitNotice notice{"evaluation"};
  std::jthread thread;

  mutable std::mutex mutex;  // Guards the four below.
  Evaluator::Input input;    // As of applied_position.
  std::shared_ptr<const EvaluationView> view = std::make_shared<EvaluationView>();
  std::optional<Error> failure;
  std::string blocked;

  enum class Step : std::uint8_t { kIdle, kDrained, kMore };  // Drained: read, and no tick was due.
  Result<Step> step(std::int64_t now_s);
  struct Read {
    std::vector<aggregator::LogEntry> entries;
    bool more = false;  ///< There may be more than one step may hold in memory.
  };
  Result<Read> read(aggregator::LogPosition after);
  Result<void> catch_up();
  [[nodiscard]] bool out_of_time();
  Result<void> apply_entry(const aggregator::LogEntry& entry, std::vector<proto::Event>& events);
  Result<void> commit(std::span<const aggregator::LogEntry> entries,
                      std::vector<proto::Event> events, std::vector<proto::LogRecord> append);
  Result<void> until_available(const std::function<Result<void>()>& attempt);
  Result<void> catch_usage_up();
  Result<void> replay_silently(aggregator::LogPosition until);
  Result<void> append_versions(const std::string& yaml, const std::string& fingerprint,
                               const aggregator::Inventory* inventory);
  Result<void> snapshot();
  void maintain();
  void publish();
  void set_blocked(std::string why);
  [[nodiscard]] bool stopping() const {
    return stop_asked.stop_requested() || options.stop.stop_requested();
  }
  Error abandon(Error why);
  void fail(Error error);
  void run(const std::stop_token& stop);
  [[nodiscard]] std::int64_t wall_s() const {
    return clock.wall().time_since_epoch().count() / 1000;
  }
};

}  // namespace fleetmeter::app
