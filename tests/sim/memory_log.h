#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aggregator/aggregate_log.h"
#include "proto/clock.h"

namespace fleetmeter::sim {

/// What a commit meets. A crash loses whatever the process had not committed; what was committed
/// stays.
enum class Fault : std::uint8_t {
  kNone,
  kRefuse,       ///< kUnavailable, nothing committed: a full disk, a lost broker.
  kCrashBefore,  ///< The process dies, nothing committed.
  kCrashAfter,   ///< Committed, but the process dies before it hears so.
  kCrashUnsure,  ///< Refused as the sync fails, yet on the disk after all; then the process dies.
};
enum class Write : std::uint8_t { kAppend, kOutputs, kSnapshot, kDelivery };

/// The disk: what survives every crash. Handles (MemoryLog) of several processes may be open on it.
struct MemoryDisk {
  mutable std::mutex mutex;  ///< Guards all below.
  std::condition_variable appended;
  std::vector<aggregator::LogEntry> records;
  std::map<std::string, std::string, std::less<>> positions;
  std::map<std::string, std::int64_t> once_keys;  ///< -> append time, ms.
  aggregator::LogPosition last = 0, evaluated = 0;
  std::map<std::string, proto::Event> events;  ///< By id.
  std::map<std::pair<std::string, std::string>, aggregator::OutboxEntry> outbox;
  /// The newest two, with what their bytes must add up to.
  struct KeptSnapshot {
    aggregator::Snapshot snapshot;
    std::size_t sum = 0;
    [[nodiscard]] bool whole() const { return std::hash<std::string>()(snapshot.state) == sum; }
  };
  std::vector<KeptSnapshot> snapshots;
  /// Of the evaluator side: the newest handle; older ones are fenced.
  std::uint64_t owner = 0;
  std::uint64_t events_changed = 0;  ///< An id came again with another content: must never happen.

  /// A byte of the newest snapshot changes; false when there is none.
  bool damage_newest_snapshot();
  /// Everything above as text, to see that nothing has changed.
  [[nodiscard]] std::string fingerprint() const;
};

/// The aggregate log of one process, one partition. Opening it takes the partition over. After a
/// crash every call of the handle is kFenced: that process is gone.
class MemoryLog final : public aggregator::AggregateLog {
 public:
  using FaultHook = std::function<Fault(Write)>;
  MemoryLog(MemoryDisk& disk, const Clock& clock, FaultHook fault = {});

  [[nodiscard]] bool crashed() const;

  Result<std::map<aggregator::LogPartition, aggregator::LogPosition>> append(
      aggregator::Commit&& commit) override;
  Result<std::optional<std::string>> source_position(std::string_view source) override;
  Result<std::vector<std::string>> seen_keys(const std::vector<std::string>& keys) override;
  std::vector<aggregator::LogPartition> owned_partitions() override { return {0}; }
  Result<std::vector<aggregator::LogEntry>> read(aggregator::LogPartition partition,
                                                 aggregator::LogPosition after,
                                                 std::size_t records_max) override;
  bool wait(aggregator::LogPartition partition, aggregator::LogPosition after,
            std::int64_t timeout_ms) override;
  Result<aggregator::LogPosition> last_position(aggregator::LogPartition partition) override;
  Result<aggregator::LogPosition> evaluated_position(aggregator::LogPartition partition) override;
  Result<void> commit_outputs(aggregator::Outputs outputs) override;
  Result<void> put_snapshot(aggregator::LogPartition partition,
                            const aggregator::Snapshot& snapshot) override;
  Result<std::optional<aggregator::Snapshot>> latest_snapshot(
      aggregator::LogPartition partition) override;
  Result<std::uint64_t> prune(aggregator::LogPartition partition, std::int64_t before_ms,
                              std::uint64_t bytes_max) override;
  Result<std::vector<proto::Event>> events(const aggregator::EventQuery& query) override;
  Result<std::vector<aggregator::OutboxEntry>> due_outbox(std::int64_t now_ms,
                                                          std::size_t limit) override;
  Result<void> record_delivery(const aggregator::OutboxEntry& entry) override;
  Result<std::map<aggregator::DeliveryState, std::uint64_t>> outbox_counts() override;

 private:
  /// Does `write` under the disk's lock, with the fault that comes of it.
  Result<void> commit(Write kind, const std::function<void()>& write);
  [[nodiscard]] std::optional<Error> gone(bool owner_only) const;
  aggregator::LogPosition add(proto::LogRecord record);
  [[nodiscard]] std::int64_t wall_ms() const { return clock_.wall().time_since_epoch().count(); }

  MemoryDisk& disk_;
  const Clock& clock_;
  FaultHook fault_;
  std::uint64_t epoch_;
  bool crashed_ = false;  // Guarded by the disk's mutex.
};

}  // namespace fleetmeter::sim
