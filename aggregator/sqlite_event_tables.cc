#include <algorithm>
#include <limits>

#include "aggregator/sqlite_tables.h"

namespace fleetmeter::aggregator {
namespace {

std::int64_t limit_of(std::size_t limit) {
  return static_cast<std::int64_t>(
      std::min<std::uint64_t>(limit, std::numeric_limits<std::int64_t>::max()));
}

/// The rest of a SELECT of all outbox columns, in their order.
Result<std::vector<OutboxEntry>> take_entries(SqliteQuery& query) {
  std::vector<OutboxEntry> entries;
  while (query.next()) {
    OutboxEntry& entry = entries.emplace_back();
    entry.event_id = query.blob(0);
    entry.receiver = query.blob(1);
    entry.body = query.blob(2);
    entry.content_type = query.blob(3);
    entry.event_time_s = query.integer(4);
    entry.expires_s = query.integer(5);
    entry.action = query.integer(6) != 0;
    entry.attempts = static_cast<std::uint32_t>(query.integer(7));
    entry.next_attempt_ms = query.integer(8);
    entry.state = static_cast<DeliveryState>(query.integer(9));
    entry.last_error = query.blob(10);
  }
  if (auto done = query.finish(); !done) return done.error();
  return entries;
}

}  // namespace

Result<void> insert_event(SqliteDatabase& database, const proto::Event& event,
                          std::int64_t now_ms) {
  const std::string bytes = event.SerializeAsString();
  SqliteQuery insert(
      database,
      "INSERT OR IGNORE INTO events (id, time_s, append_ms, environment, type, event) "
      "VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
  insert.bind_text(1, event.id())
      .bind(2, event.time_s())
      .bind(3, now_ms)
      .bind_text(4, event.environment());
  if (auto done = insert.bind_text(5, event.type()).bind_blob(6, bytes).run(); !done) return done;
  if (database.changes() == 1) return {};
  SqliteQuery held(database, "SELECT event FROM events WHERE id = ?1");
  held.bind_text(1, event.id());
  const bool same = held.next() && held.blob(0) == bytes;
  if (auto done = held.finish(); !done) return done;
  if (same) return {};
  return Error{ErrorCode::kInternal, "event " + event.id() + " is stored with another content"};
}

Result<void> insert_outbox(SqliteDatabase& database, const OutboxEntry& entry) {
  // A repeated key keeps the first body: one body for one id, on every attempt.
  SqliteQuery query(database,
                    "INSERT OR IGNORE INTO outbox (event_id, receiver, body, content_type, "
                    "event_time_s, expires_s, action, "
                    "attempts, next_attempt_ms, state, last_error) VALUES (?1, ?2, ?3, ?4, ?5, ?6, "
                    "?7, ?8, ?9, ?10, ?11)");
  query.bind_text(1, entry.event_id).bind_text(2, entry.receiver).bind_blob(3, entry.body);
  query.bind_text(4, entry.content_type).bind(5, entry.event_time_s).bind(6, entry.expires_s);
  query.bind(7, entry.action ? 1 : 0).bind(8, entry.attempts).bind(9, entry.next_attempt_ms);
  return query.bind(10, static_cast<std::int64_t>(entry.state))
      .bind_text(11, entry.last_error)
      .run();
}

Result<void> update_outbox(SqliteDatabase& database, const OutboxEntry& entry) {
  SqliteQuery query(
      database,
      "UPDATE outbox SET state = ?3, attempts = ?4, next_attempt_ms = ?5, last_error = ?6 "
      "WHERE event_id = ?1 AND receiver = ?2");
  query.bind_text(1, entry.event_id)
      .bind_text(2, entry.receiver)
      .bind(3, static_cast<std::int64_t>(entry.state));
  query.bind(4, entry.attempts).bind(5, entry.next_attempt_ms).bind_text(6, entry.last_error);
  if (auto done = query.run(); !done) return done;
  if (database.changes() == 1) return {};
  return Error{ErrorCode::kNotFound,
               "no outbox entry of event " + entry.event_id + " for " + entry.receiver};
}

Result<std::vector<proto::Event>> read_events(SqliteDatabase& database, const EventQuery& query) {
  // substr, not LIKE: a prefix is bytes, not a pattern.
  SqliteQuery select(
      database,
      "SELECT event FROM events WHERE time_s >= ?1 AND (?2 = '' OR environment = ?2) AND "
      "substr(type, 1, length(?3)) = ?3 ORDER BY time_s DESC, id DESC LIMIT ?4");
  select.bind(1, query.since_s).bind_text(2, query.environment).bind_text(3, query.type_prefix);
  select.bind(4, limit_of(query.limit));
  std::vector<proto::Event> events;
  while (select.next()) {
    const std::string_view bytes = select.blob(0);
    if (!events.emplace_back().ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      return Error{ErrorCode::kDataLoss, database.path() + ": an event is damaged"};
    }
  }
  if (auto done = select.finish(); !done) return done.error();
  std::reverse(events.begin(), events.end());
  return events;
}

Result<std::vector<OutboxEntry>> read_due_outbox(SqliteDatabase& database, std::int64_t now_ms,
                                                 std::size_t limit) {
  // The inner query sorts keys only; bodies are fetched for those that are taken.
  SqliteQuery query(
      database,
      "SELECT event_id, receiver, body, content_type, event_time_s, expires_s, action, attempts, "
      "next_attempt_ms, state, last_error FROM outbox WHERE sequence IN (SELECT sequence FROM "
      "outbox "
      "WHERE state = 0 AND next_attempt_ms <= ?1 ORDER BY event_time_s, sequence LIMIT ?2) "
      "ORDER BY event_time_s, sequence");
  query.bind(1, now_ms).bind(2, limit_of(limit));
  return take_entries(query);
}

Result<std::vector<OutboxEntry>> read_pending_outbox(SqliteDatabase& database,
                                                     std::string_view receiver, std::size_t limit) {
  SqliteQuery query(
      database,
      "SELECT event_id, receiver, body, content_type, event_time_s, expires_s, action, attempts, "
      "next_attempt_ms, state, last_error FROM outbox WHERE state = 0 AND receiver = ?1 "
      "ORDER BY event_time_s, sequence LIMIT ?2");
  query.bind_text(1, receiver).bind(2, limit_of(limit));
  return take_entries(query);
}

Result<std::map<DeliveryState, std::uint64_t>> count_outbox(SqliteDatabase& database) {
  SqliteQuery query(database, "SELECT state, count(*) FROM outbox GROUP BY state");
  std::map<DeliveryState, std::uint64_t> counts;
  while (query.next()) {
    counts[static_cast<DeliveryState>(query.integer(0))] =
        static_cast<std::uint64_t>(query.integer(1));
  }
  if (auto done = query.finish(); !done) return done.error();
  return counts;
}

Result<void> expire_events(SqliteDatabase& database, std::int64_t before_ms) {
  SqliteQuery events(
      database,
      "DELETE FROM events WHERE append_ms < ?1 AND NOT EXISTS "
      "(SELECT 1 FROM outbox WHERE outbox.event_id = events.id AND outbox.state = 0)");
  if (auto done = events.bind(1, before_ms).run(); !done) return done;
  if (database.changes() == 0) return {};
  SqliteQuery entries(
      database, "DELETE FROM outbox WHERE state <> 0 AND event_id NOT IN (SELECT id FROM events)");
  return entries.run();
}

}  // namespace fleetmeter::aggregator
