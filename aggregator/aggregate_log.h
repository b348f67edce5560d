#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/event.pb.h"
#include "proto/log.pb.h"
#include "proto/result.h"

namespace fleetmeter::aggregator {

/// Position of a record in one partition of the log: strictly increasing from 1, gaps allowed. 0 =
/// before the first.
using LogPosition = std::int64_t;
/// Partition of the log. Embedded: always 0. Over Kafka: the partition of the aggregate topic.
using LogPartition = std::int32_t;

struct LogEntry {
  LogPartition partition = 0;
  LogPosition position = 0;
  proto::LogRecord record;
};

/// What one ingest commit makes durable: all of it or nothing.
struct Commit {
  struct Record {
    LogPartition partition = 0;
    proto::LogRecord record;  ///< append_time_ms is set by the store's clock when it is 0.
  };
  std::vector<Record> records;
  /// Source partition -> opaque position up to which `records` hold everything read (Kafka: next
  /// offset to read).
  std::map<std::string, std::string> positions;
  /// Keys of upstream requests, log events and objects (docs/time.md 10), kept 48 h.
  std::vector<std::string> once_keys;
};

enum class DeliveryState : std::uint8_t { kPending, kDelivered, kDead, kExpired };

/// One event for one receiver, its body frozen when it was queued. Key: (event_id, receiver).
struct OutboxEntry {
  std::string event_id = {};
  std::string receiver = {};  ///< Name under `notify:` in the configuration.
  std::string body = {};      ///< Same bytes on every attempt.
  std::string content_type = {};
  std::int64_t event_time_s = 0;
  std::int64_t expires_s = 0;  ///< 0 = never. Append time after it: expired, a delivery result.
  bool action = false;         ///< A scaling action rather than a notification.
  std::uint32_t attempts = 0;
  std::int64_t next_attempt_ms = 0;  ///< Wall clock.
  DeliveryState state = DeliveryState::kPending;
  std::string last_error = {};
};

/// One absolute total of the hourly usage, as proto/usage.proto says.
struct UsageRecord {
  std::string key = {};
  std::string value = {};  ///< Empty = the key is gone.
};

/// What an evaluator makes durable with its position: all of it or nothing.
struct Outputs {
  LogPartition partition = 0;
  /// Everything up to here is applied; recovery emits nothing again up to it.
  LogPosition evaluated = 0;
  /// Stored once by id; a repeated id with the same content is ignored.
  std::vector<proto::Event> events = {};
  std::vector<OutboxEntry> outbox = {};
  /// Ticks, stalls, observations of the owner, appended to the same partition.
  std::vector<proto::LogRecord> append = {};
  /// Totals that changed with `evaluated`, for the store that shares usage between processes
  /// (Kafka); the one process over SQLite folds the log into cost.db itself and leaves it empty.
  std::vector<UsageRecord> usage = {};
};

struct Snapshot {
  LogPosition position = 0;  ///< Holds the effect of every record up to here.
  std::uint32_t schema = 0;  ///< Of the state bytes; readers know this and the previous two.
  std::string state = {};
};

/// Which events to list, newest last.
struct EventQuery {
  std::string environment = {};  ///< Empty = all.
  std::string type_prefix = {};  ///< "alarm.", "scaling.", empty = all.
  std::int64_t since_s = 0;
  std::size_t limit = 1000;
};

/// The log as ingest sees it: it appends, and asks what was appended. Every call may be made from
/// any thread. A full disk or lost broker is kUnavailable and leaves nothing half done.
class IngestLog {
 public:
  virtual ~IngestLog() = default;
  /// Appends a commit atomically and durably; returns the last position written per partition
  /// touched. Concurrent calls are grouped into one transaction, each atomic by itself. What
  /// succeeds is taken; after an error `commit` is as it was and may be appended again.
  virtual Result<std::map<LogPartition, LogPosition>> append(Commit&& commit) = 0;
  /// Committed position of a source partition; nullopt = never committed.
  virtual Result<std::optional<std::string>> source_position(std::string_view source) = 0;
  /// Those of `keys` that a commit within the last 48 h already holds.
  virtual Result<std::vector<std::string>> seen_keys(const std::vector<std::string>& keys) = 0;
};

/// The outbox as delivery sees it; threads and errors as IngestLog.
class Outbox {
 public:
  virtual ~Outbox() = default;
  /// Pending entries whose next attempt is due at `now_ms`, oldest event first.
  virtual Result<std::vector<OutboxEntry>> due_outbox(std::int64_t now_ms, std::size_t limit) = 0;
  /// The oldest `limit` pending entries of one receiver in event order, due or not: what delivery
  /// in order needs, whatever piles up for other receivers. A store with an index answers better
  /// than this default, which reads all of them.
  virtual Result<std::vector<OutboxEntry>> pending_outbox(std::string_view receiver,
                                                          std::size_t limit);
  /// Records the outcome of an attempt: state, attempts, next_attempt_ms and last_error of
  /// (event_id, receiver).
  virtual Result<void> record_delivery(const OutboxEntry& entry) = 0;
  virtual Result<std::map<DeliveryState, std::uint64_t>> outbox_counts() = 0;
};

/// The aggregate log: the truth from which everything to its right follows (ARCHITECTURE.md D1,
/// D2). Two stores stand behind it, SQLite (one process) and Kafka (many workers); one contract
/// test runs on both. Threads and errors as IngestLog; besides, kFenced means that another owner
/// took the partition over, kDataLoss a file that is damaged, not ours, or newer.
class AggregateLog : public IngestLog, public Outbox {
 public:
  /// Partitions that this process owns now (embedded: {0}).
  virtual std::vector<LogPartition> owned_partitions() = 0;
  /// Up to `records_max` records after `after`, in order; empty when there is none yet.
  virtual Result<std::vector<LogEntry>> read(LogPartition partition, LogPosition after,
                                             std::size_t records_max) = 0;
  /// Waits until a record after `after` may be there, or the timeout; false on timeout.
  virtual bool wait(LogPartition partition, LogPosition after, std::int64_t timeout_ms) = 0;
  virtual Result<LogPosition> last_position(LogPartition partition) = 0;
  /// Position that the last committed Outputs covered; 0 = none.
  virtual Result<LogPosition> evaluated_position(LogPartition partition) = 0;
  virtual Result<void> commit_outputs(Outputs outputs) = 0;
  virtual Result<void> put_snapshot(LogPartition partition, const Snapshot& snapshot) = 0;
  /// Newest snapshot that reads back whole; nullopt = none.
  virtual Result<std::optional<Snapshot>> latest_snapshot(LogPartition partition) = 0;
  /// Removes records up to the newest verified snapshot that are older than `before_ms` (append
  /// time), or the oldest ones beyond `bytes_max`, never past that snapshot. Returns how many
  /// records went.
  virtual Result<std::uint64_t> prune(LogPartition partition, std::int64_t before_ms,
                                      std::uint64_t bytes_max) = 0;
  virtual Result<std::vector<proto::Event>> events(const EventQuery& query) = 0;
};

inline Result<std::vector<OutboxEntry>> Outbox::pending_outbox(std::string_view receiver,
                                                               std::size_t limit) {
  for (std::size_t scan = 256;; scan *= 4) {
    Result<std::vector<OutboxEntry>> all =
        due_outbox(std::numeric_limits<std::int64_t>::max(), scan);
    if (!all) return all;
    const bool whole = all->size() < scan;
    std::erase_if(*all, [&](const OutboxEntry& entry) { return entry.receiver != receiver; });
    if (all->size() > limit) all->resize(limit);
    if (whole || all->size() == limit) return all;
  }
}

}  // namespace fleetmeter::aggregator
