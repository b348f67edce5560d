#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "aggregator/aggregate_log.h"
#include "proto/clock.h"

namespace fleetmeter::aggregator {

/// What the store holds and how it fares, for /metrics, /ready and /health.
struct SqliteLogStatus {
  /// False while the disk refuses writes: say so in /ready. Heals by itself.
  bool writable = true;
  bool failed = false;                     ///< Damage or a mistake of ours: /health is 503.
  std::string last_error;                  ///< Of the last failed write; empty = never.
  std::uint64_t failures = 0;              ///< Groups rolled back, failed probes included.
  std::uint64_t groups = 0, requests = 0;  ///< Transactions, and the calls they carried.
  LogPosition last_position = 0, pruned_to = 0, evaluated = 0;
  /// Stored bytes of the log's records, without indexes and free pages.
  std::uint64_t log_bytes = 0;
  /// As of the last prune() of this process: append time of the oldest record kept (0 = none, or
  /// not pruned yet), and whether it is the size that ends it: younger records than the age allows
  /// are gone (docs/time.md 11).
  std::int64_t kept_from_ms = 0;
  bool limited_by_bytes = false;
  std::uint64_t thinned = 0;  ///< Ticks and progress records that this process has thinned out.
  std::uint64_t once_keys = 0;
};

/// The aggregate log in one SQLite file, for one process: partition 0 alone, owned by whoever
/// opened it. WAL with a sync at each commit, so that what was acknowledged survives a kill at any
/// instruction and a power loss. One thread writes and groups concurrent calls; readers have
/// connections of their own and never wait for it. Positions are never used twice. read() from
/// before the pruned part is kDataLoss: what is gone cannot be evaluated again. commit_outputs()
/// behind the committed evaluated position is kFenced: another evaluator has gone on.
class SqliteLog final : public AggregateLog {
 public:
  struct Options {
    /// Append times and the 48 h of once keys; must outlive the store. Required.
    const Clock* clock = nullptr;
    bool compress = true;  ///< zstd level 1 for records over 512 bytes.
    /// The file grows no further; then as on a full disk. 0 = no limit.
    std::uint64_t file_bytes_max = 0;
    /// Records kept in memory that were appended and not read yet, as serialised: about half of
    /// what they take. The others are read back.
    std::size_t recent_bytes_max = std::size_t{8} << 20;
    std::uint64_t once_keys_max = 20'000'000;  ///< The oldest go beyond it, before their 48 h.
    /// For tests that end the process at a named point, on the writer's thread:
    /// "append.before_commit", "append.after_commit", and the same for "outputs", "delivery",
    /// "snapshot", "prune". Empty = no cost.
    std::function<void(std::string_view)> fault = {};
  };

  /// Opens or creates `path` (log.db) and its directory. kUnavailable: another process has it, or
  /// the disk refuses; kDataLoss: not ours, newer, or damaged: then nothing was touched.
  static Result<std::unique_ptr<SqliteLog>> open(const std::string& path, Options options);
  ~SqliteLog() override;  ///< After the last call of every other thread.

  Result<std::map<LogPartition, LogPosition>> append(Commit&& commit) override;
  Result<std::optional<std::string>> source_position(std::string_view source) override;
  Result<std::vector<std::string>> seen_keys(const std::vector<std::string>& keys) override;

  std::vector<LogPartition> owned_partitions() override;
  Result<std::vector<LogEntry>> read(LogPartition partition, LogPosition after,
                                     std::size_t records_max) override;
  bool wait(LogPartition partition, LogPosition after, std::int64_t timeout_ms) override;
  Result<LogPosition> last_position(LogPartition partition) override;
  Result<LogPosition> evaluated_position(LogPartition partition) override;
  Result<void> commit_outputs(Outputs outputs) override;
  Result<void> put_snapshot(LogPartition partition, const Snapshot& snapshot) override;
  Result<std::optional<Snapshot>> latest_snapshot(LogPartition partition) override;
  /// Behind the oldest of the kept snapshots that read back whole, so that a damaged one can be
  /// done without; there ticks and progress are thinned to one a minute as well. Events recorded
  /// over 13 months ago, with their delivered entries, go too. Neither is counted in the result.
  Result<std::uint64_t> prune(LogPartition partition, std::int64_t before_ms,
                              std::uint64_t bytes_max) override;

  /// The newest `limit` that match, oldest of them first.
  Result<std::vector<proto::Event>> events(const EventQuery& query) override;
  Result<std::vector<OutboxEntry>> due_outbox(std::int64_t now_ms, std::size_t limit) override;
  Result<std::vector<OutboxEntry>> pending_outbox(std::string_view receiver,
                                                  std::size_t limit) override;
  Result<void> record_delivery(const OutboxEntry& entry) override;
  Result<std::map<DeliveryState, std::uint64_t>> outbox_counts() override;

  [[nodiscard]] SqliteLogStatus status() const;
  /// Random, of when the file was made: positions of another log mean something else.
  [[nodiscard]] const std::string& log_id() const noexcept;

 private:
  struct State;
  explicit SqliteLog(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace fleetmeter::aggregator
