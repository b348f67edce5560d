#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aggregator/aggregate_log.h"
#include "aggregator/sqlite_codec.h"
#include "aggregator/sqlite_database.h"
#include "aggregator/sqlite_writer.h"

namespace fleetmeter::aggregator {

// The statements behind SqliteLog, by table. Those that take StoreTotals run within a transaction
// of the writer.

inline constexpr std::int64_t kOnceKeptMs = std::int64_t{48} * 3600 * 1000;
/// 13 months of at most 31 days.
inline constexpr std::int64_t kEventsKeptMs = std::int64_t{13} * 31 * 24 * 3600 * 1000;

// --- log, positions, once ---
Result<void> insert_record(SqliteDatabase& database, StoreTotals& totals,
                           const StoredRecord& record);
Result<void> put_position(SqliteDatabase& database, std::string_view source,
                          std::string_view position);
Result<std::optional<std::string>> get_position(SqliteDatabase& database, std::string_view source);
/// `digests` of once_digest(). A key that is there already counts from now on.
Result<void> put_once_keys(SqliteDatabase& database, StoreTotals& totals,
                           const std::vector<std::string>& digests, std::int64_t now_ms);
/// Removes a bounded number of keys that are over 48 h old or beyond `keys_max`, a few more than a
/// commit brings.
Result<void> expire_once_keys(SqliteDatabase& database, StoreTotals& totals, std::int64_t now_ms,
                              std::uint64_t keys_max, std::size_t brought);
Result<bool> has_once_key(SqliteDatabase& database, std::string_view digest, std::int64_t now_ms);
Result<std::vector<LogEntry>> read_records(SqliteDatabase& database, LogPosition after,
                                           std::size_t records_max);
struct PrunedStep {
  std::uint64_t gone = 0;
  std::uint64_t by_size = 0;  ///< Of these, not older than `before_ms`.
};
/// Removes up to `records_max` of the oldest records up to `to` that are older than `before_ms` or
/// in excess of `bytes_max`.
Result<PrunedStep> prune_records(SqliteDatabase& database, StoreTotals& totals, LogPosition to,
                                 std::int64_t before_ms, std::uint64_t bytes_max,
                                 std::size_t records_max);
Result<StoreTotals> read_totals(SqliteDatabase& database);
Result<std::string> read_log_id(SqliteDatabase& database);
struct ThinnedStep {
  std::uint64_t gone = 0;
  bool done = false;  ///< Thinned up to `to`.
};
/// Leaves of the ticks up to `to` those of whole minutes, and of the progress records of a minute
/// the last, with what the others said of further sources. Looks at `records_max` records, goes on
/// where the last call ended.
Result<ThinnedStep> thin_records(SqliteDatabase& database, StoreTotals& totals, LogPosition to,
                                 std::size_t records_max);
/// Append time of the oldest record; 0 = there is none.
Result<std::int64_t> oldest_append_ms(SqliteDatabase& database);

// --- snapshots ---
struct StoredSnapshot {
  std::string digest;
  std::vector<std::string> chunks;
};
[[nodiscard]] StoredSnapshot encode_snapshot(const Snapshot& snapshot);
/// Keeps this one and the newest before it that is not damaged as far as its row tells.
Result<void> put_snapshot_rows(SqliteDatabase& database, const Snapshot& snapshot,
                               const StoredSnapshot& stored);
/// The newest one that reads back whole; false when there is none.
Result<bool> read_newest_snapshot(SqliteDatabase& database, Snapshot& out);
/// Position of the oldest kept one that reads back whole; 0 = there is none.
Result<LogPosition> oldest_whole_snapshot(SqliteDatabase& database);

// --- events and outbox ---
Result<void> insert_event(SqliteDatabase& database, const proto::Event& event, std::int64_t now_ms);
Result<void> insert_outbox(SqliteDatabase& database, const OutboxEntry& entry);
Result<void> update_outbox(SqliteDatabase& database, const OutboxEntry& entry);
Result<std::vector<proto::Event>> read_events(SqliteDatabase& database, const EventQuery& query);
Result<std::vector<OutboxEntry>> read_due_outbox(SqliteDatabase& database, std::int64_t now_ms,
                                                 std::size_t limit);
/// The oldest pending entries of one receiver, due or not.
Result<std::vector<OutboxEntry>> read_pending_outbox(SqliteDatabase& database,
                                                     std::string_view receiver, std::size_t limit);
Result<std::map<DeliveryState, std::uint64_t>> count_outbox(SqliteDatabase& database);
/// Events recorded before `before_ms` whose entries are all settled.
Result<void> expire_events(SqliteDatabase& database, std::int64_t before_ms);

}  // namespace fleetmeter::aggregator
