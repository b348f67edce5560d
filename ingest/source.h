#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aggregator/aggregate_log.h"
#include "aggregator/inventory.h"
#include "ingest/once_claims.h"
#include "parsers/decoder.h"
#include "proto/clock.h"
#include "proto/result.h"

namespace fleetmeter::ingest {

/// What every source counts; read by /metrics and the run's summary. `decode` and `dropped` are
/// guarded by `mutex`.
struct IngestCounters {
  std::atomic<std::uint64_t> commits{0}, commit_failures{0}, bytes_read{0}, requests{0},
      requests_refused{0}, requests_repeated{0};
  std::atomic<std::uint64_t> files_done{0}, files_failed{0}, files_missing{0};
  std::mutex mutex;
  parsers::DecodeCounts decode;  ///< Guarded by mutex.
  std::map<std::string, std::uint64_t>
      dropped;  ///< Guarded by mutex: aggregation drops by reason (future, ...).
  std::map<std::string, std::string>
      bad_inputs;  ///< Guarded by mutex: file or stream -> why it was not read to its end.
  std::vector<std::string>
      notices;  ///< Guarded by mutex: what else people should know of the input.
  /// Guarded by mutex: reason -> where something that was dropped for it came from; of a flow log
  /// line a colon and the line, too.
  parsers::FlowDropSamples::ByReason drop_samples;
};

/// The inventory of the moment; swapped whole when a new version is loaded. Thread safe.
class InventoryHolder {
 public:
  explicit InventoryHolder(std::shared_ptr<const aggregator::Inventory> inventory)
      : inventory_(std::move(inventory)) {}
  [[nodiscard]] std::shared_ptr<const aggregator::Inventory> get() const {
    const std::lock_guard lock(mutex_);
    return inventory_;
  }
  void set(std::shared_ptr<const aggregator::Inventory> inventory) {
    const std::lock_guard lock(mutex_);
    inventory_ = std::move(inventory);
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const aggregator::Inventory> inventory_;  // Guarded by mutex_.
};

/// What a source works with; everything outlives it.
struct SourceContext {
  aggregator::IngestLog& log;
  const Clock& clock;
  const InventoryHolder& inventory;
  IngestCounters& counters;
  OnceClaims& claims;  ///< One for all sources that write to this log.
  /// Partition of the log that holds an environment's records (embedded: always 0).
  std::function<aggregator::LogPartition(std::string_view environment)> partition_of{};
  std::vector<aggregator::LogPartition> all_partitions{};  ///< Progress goes to each.
  /// Called with (bytes done, bytes in all) by bounded sources; may be empty.
  std::function<void(std::uint64_t, std::uint64_t)> on_progress{};
  /// Test hook: called at named points ("source.after_read", "firehose.before_reply").
  std::function<void(std::string_view)> fault{};
};

/// Settings that every source takes.
struct SourceSettings {
  std::string name;  ///< Source partition prefix: "files:0", "firehose:0", "kafka:flow_logs".
  std::string flow_format;  ///< LogFormat of headerless flow logs; empty = default format.
  std::string environment;  ///< Forced; empty = by the inventory.
  std::string account, region;
  std::vector<std::string>
      environments;  ///< That wait for this source; empty = by what it carries.
  std::int64_t allowed_lateness_s = 600;
  bool bounded = false;  ///< This source ends: it is read whole before anything of it is decided,
                         ///< so nothing in it is late (docs/time.md 8). Said by the first record of
                         ///< the first commit, a progress record.
  std::uint32_t commit_interval_ms = 250;
  std::size_t commit_bytes_max = 16u << 20;  ///< Bytes a commit at most; of files after gzip.
};

/// Bytes in, commits out: reads, decodes, aggregates and appends batch, progress and position in
/// one commit. Keeps nothing across a commit. When the log cannot take a commit (disk full) it
/// stops reading or acknowledging, and goes on by itself.
class Source {
 public:
  virtual ~Source() = default;
  virtual Result<void> start() = 0;  ///< Own threads; returns when it listens or reads.
  virtual void stop() = 0;           ///< What was read is committed, then joins. Idempotent.
  /// Bounded sources: true once all is read and committed. Unbounded: false.
  [[nodiscard]] virtual bool finished() const = 0;
  /// Event times read since start, for the InputEnd record of bounded runs: (least, largest); (0,
  /// 0) = none.
  [[nodiscard]] virtual std::pair<std::int64_t, std::int64_t> event_time_range_s() const = 0;
  /// First error that ended the source for good; nullopt while it works.
  [[nodiscard]] virtual std::optional<Error> failure() const = 0;
  /// For /ready: why it does not take data right now; empty = it does.
  [[nodiscard]] virtual std::string blocked() const = 0;
};

}  // namespace fleetmeter::ingest
