#include <algorithm>
#include <limits>

#include "aggregator/sqlite_tables.h"

namespace fleetmeter::aggregator {

Result<void> insert_record(SqliteDatabase& database, StoreTotals& totals,
                           const StoredRecord& record) {
  SqliteQuery query(
      database,
      "INSERT INTO log (position, append_ms, codec, crc, record) VALUES (?1, ?2, ?3, ?4, ?5)");
  query.bind(1, totals.last_position + 1)
      .bind(2, record.append_ms)
      .bind(3, record.codec)
      .bind(4, record.crc);
  if (auto done = query.bind_blob(5, record.bytes).run(); !done) return done;
  ++totals.last_position;
  totals.log_bytes += static_cast<std::int64_t>(record.bytes.size());
  return {};
}

Result<void> put_position(SqliteDatabase& database, std::string_view source,
                          std::string_view position) {
  SqliteQuery query(database,
                    "INSERT INTO positions (source, position) VALUES (?1, ?2) "
                    "ON CONFLICT (source) DO UPDATE SET position = excluded.position");
  return query.bind_text(1, source).bind_blob(2, position).run();
}

Result<std::optional<std::string>> get_position(SqliteDatabase& database, std::string_view source) {
  SqliteQuery query(database, "SELECT position FROM positions WHERE source = ?1");
  query.bind_text(1, source);
  std::optional<std::string> position;
  if (query.next()) position = std::string(query.blob(0));
  if (auto done = query.finish(); !done) return done.error();
  return position;
}

Result<void> put_once_keys(SqliteDatabase& database, StoreTotals& totals,
                           const std::vector<std::string>& digests, std::int64_t now_ms) {
  for (const std::string& digest : digests) {
    SqliteQuery insert(database, "INSERT OR IGNORE INTO once (key, append_ms) VALUES (?1, ?2)");
    if (auto done = insert.bind_blob(1, digest).bind(2, now_ms).run(); !done) return done;
    if (database.changes() == 1) {
      ++totals.once_count;
      continue;
    }
    SqliteQuery renew(database, "UPDATE once SET append_ms = ?2 WHERE key = ?1");
    if (auto done = renew.bind_blob(1, digest).bind(2, now_ms).run(); !done) return done;
  }
  return {};
}

Result<void> expire_once_keys(SqliteDatabase& database, StoreTotals& totals, std::int64_t now_ms,
                              std::uint64_t keys_max, std::size_t brought) {
  const auto at_most = static_cast<std::int64_t>(2 * brought + 100);
  SqliteQuery old(database,
                  "DELETE FROM once WHERE key IN "
                  "(SELECT key FROM once WHERE append_ms <= ?1 ORDER BY append_ms LIMIT ?2)");
  if (auto done = old.bind(1, now_ms - kOnceKeptMs).bind(2, at_most).run(); !done) return done;
  totals.once_count -= database.changes();
  const std::int64_t excess = totals.once_count - static_cast<std::int64_t>(keys_max);
  if (excess <= 0) return {};
  SqliteQuery surplus(
      database, "DELETE FROM once WHERE key IN (SELECT key FROM once ORDER BY append_ms LIMIT ?1)");
  if (auto done = surplus.bind(1, excess).run(); !done) return done;
  totals.once_count -= database.changes();
  return {};
}

Result<bool> has_once_key(SqliteDatabase& database, std::string_view digest, std::int64_t now_ms) {
  SqliteQuery query(database, "SELECT 1 FROM once WHERE key = ?1 AND append_ms > ?2");
  query.bind_blob(1, digest).bind(2, now_ms - kOnceKeptMs);
  const bool found = query.next();
  if (auto done = query.finish(); !done) return done.error();
  return found;
}

Result<std::vector<LogEntry>> read_records(SqliteDatabase& database, LogPosition after,
                                           std::size_t records_max) {
  SqliteQuery query(database,
                    "SELECT position, codec, crc, record FROM log WHERE position > ?1 ORDER BY "
                    "position LIMIT ?2");
  query.bind(1, after).bind(2, static_cast<std::int64_t>(records_max));
  std::vector<LogEntry> entries;
  while (query.next()) {
    LogEntry& entry = entries.emplace_back();
    entry.position = query.integer(0);
    const auto crc = static_cast<std::uint32_t>(query.integer(2));
    if (!decode_record(query.integer(1), crc, query.blob(3), entry.record)) {
      return Error{ErrorCode::kDataLoss, database.path() + ": the record at position " +
                                             std::to_string(entry.position) + " is damaged"};
    }
  }
  if (auto done = query.finish(); !done) return done.error();
  return entries;
}

Result<PrunedStep> prune_records(SqliteDatabase& database, StoreTotals& totals, LogPosition to,
                                 std::int64_t before_ms, std::uint64_t bytes_max,
                                 std::size_t records_max) {
  // First where to stop, on the sizes alone; then one range delete.
  SqliteQuery oldest(database,
                     "SELECT position, append_ms, length(record) FROM log WHERE position <= ?1 "
                     "ORDER BY position LIMIT ?2");
  oldest.bind(1, to).bind(2, static_cast<std::int64_t>(records_max));
  const auto limit = static_cast<std::int64_t>(
      std::min<std::uint64_t>(bytes_max, std::numeric_limits<std::int64_t>::max()));
  StoreTotals after = totals;
  PrunedStep step;
  while (oldest.next()) {
    if (oldest.integer(1) >= before_ms && after.log_bytes <= limit) break;
    after.pruned_to = oldest.integer(0);
    after.log_bytes -= oldest.integer(2);
    ++step.gone;
    if (oldest.integer(1) >= before_ms) ++step.by_size;
  }
  if (auto done = oldest.finish(); !done) return done.error();
  if (step.gone == 0) return step;
  SqliteQuery remove(database, "DELETE FROM log WHERE position <= ?1");
  if (auto done = remove.bind(1, after.pruned_to).run(); !done) return done.error();
  totals = after;
  return step;
}

Result<std::int64_t> oldest_append_ms(SqliteDatabase& database) {
  return database.integer("SELECT append_ms FROM log ORDER BY position LIMIT 1");
}

Result<std::string> read_log_id(SqliteDatabase& database) {
  SqliteQuery query(database, "SELECT log_id FROM meta");
  std::string id;
  if (query.next()) id = query.blob(0);
  if (auto done = query.finish(); !done) return done.error();
  return id;
}

Result<StoreTotals> read_totals(SqliteDatabase& database) {
  SqliteQuery query(database,
                    "SELECT last_position, pruned_to, evaluated, log_bytes, once_count FROM store");
  StoreTotals totals;
  if (query.next()) {
    totals = {.last_position = query.integer(0),
              .pruned_to = query.integer(1),
              .evaluated = query.integer(2),
              .log_bytes = query.integer(3),
              .once_count = query.integer(4)};
  } else if (query.finish()) {
    return Error{ErrorCode::kDataLoss, database.path() + ": the store's totals are missing"};
  }
  if (auto done = query.finish(); !done) return done.error();
  return totals;
}

}  // namespace fleetmeter::aggregator
