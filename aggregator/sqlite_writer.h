#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "aggregator/sqlite_database.h"
#include "proto/clock.h"
#include "proto/result.h"

namespace fleetmeter::aggregator {

/// The row of `store`: what every transaction carries along. Kept in memory, written at the end of
/// each group.
struct StoreTotals {
  std::int64_t last_position = 0, pruned_to = 0, evaluated = 0, log_bytes = 0, once_count = 0;
};

/// Whether the store takes writes, for /ready (writable) and /health (failed).
struct StoreHealth {
  bool writable = true;  ///< The last write, or the last probe, got through.
  /// Not by a full disk or a lock: damage or a mistake of ours. Needs a person.
  bool failed = false;
  /// Of the last failed write, kept after it got through again; empty = never.
  std::string last_error;
  std::uint64_t failures = 0, groups = 0, requests = 0;
};

/// The one thread that writes the file. Calls that come while a transaction runs share the next
/// one, so that many of them cost one sync; each keeps its own savepoint, so that a refused one
/// takes nothing else down. When the disk refuses, the whole group is rolled back and each of its
/// calls gets the error; while that lasts the thread tries a small write each second, so that the
/// store reports itself well again without traffic.
class SqliteWriter {
 public:
  /// What a call does within the transaction. Errors other than kUnavailable and kDataLoss undo
  /// this call alone.
  using Work = std::function<Result<void>(SqliteDatabase&, StoreTotals&)>;
  using Fault = std::function<void(std::string_view)>;

  /// `fault` may be empty; it gets "<label>.before_commit" and "<label>.after_commit" on the
  /// writer's thread. `committed` runs after each commit, on the writer's thread, with the new
  /// totals.
  SqliteWriter(SqliteDatabase database, StoreTotals totals, const Clock& clock, Fault fault,
               std::function<void(const StoreTotals&)> committed);
  ~SqliteWriter();  ///< Finishes what is queued; no call may come any more.

  /// Blocks until the work is durable or refused. Any thread.
  Result<void> run(std::string_view label, const Work& work);
  [[nodiscard]] StoreHealth health() const;

 private:
  struct Request {
    std::string_view label;
    const Work* work;
    Result<void> result;
    bool applied = false, done = false;
  };

  void loop();
  void run_group(std::deque<Request*>& group);
  Result<void> apply_group(std::deque<Request*>& group, StoreTotals& totals);
  Result<void> apply_one(Request& request, StoreTotals& totals);
  Result<void> probe();
  void call_fault(const std::deque<Request*>& group, std::string_view point) const;
  void note(const Result<void>& outcome, std::uint64_t requests);

  SqliteDatabase database_;  // Of the writer's thread, as totals_.
  StoreTotals totals_;
  const Clock& clock_;
  Fault fault_;
  std::function<void(const StoreTotals&)> committed_;

  mutable std::mutex mutex_;  // Guards the next four.
  std::condition_variable queued_, finished_;
  std::deque<Request*> queue_;
  StoreHealth health_;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace fleetmeter::aggregator
