#include <algorithm>

#include "aggregator/sqlite_tables.h"

namespace fleetmeter::aggregator {
namespace {

// A blob of SQLite ends at 1 GB, and a row is held in memory whole.
constexpr std::size_t kChunkBytes = std::size_t{4} << 20;

std::string digest_of(const Snapshot& snapshot) {
  // The row's numbers are part of what is verified.
  return sha256(std::to_string(snapshot.position) + "/" + std::to_string(snapshot.schema) + "/" +
                sha256(snapshot.state));
}

/// False when it is damaged in any way: the caller falls back to the snapshot before.
Result<bool> read_snapshot(SqliteDatabase& database, std::int64_t id, Snapshot& out) {
  SqliteQuery head(database, "SELECT position, schema, bytes, sha256 FROM snapshots WHERE id = ?1");
  head.bind(1, id);
  if (!head.next()) {
    if (auto done = head.finish(); !done) return done.error();
    return false;
  }
  out = {.position = head.integer(0),
         .schema = static_cast<std::uint32_t>(head.integer(1)),
         .state = {}};
  SqliteQuery chunks(database,
                     "SELECT chunk FROM snapshot_chunks WHERE snapshot = ?1 ORDER BY ordinal");
  chunks.bind(1, id);
  std::string plain;
  while (chunks.next()) {
    if (!decompress_bytes(chunks.blob(0), plain) || plain.size() > kChunkBytes) return false;
    out.state += plain;
  }
  if (auto done = chunks.finish(); !done) {
    if (done.error().code == ErrorCode::kDataLoss) return false;
    return done.error();
  }
  return digest_of(out) == head.blob(3);
}

/// Newest first.
Result<std::vector<std::int64_t>> snapshot_ids(SqliteDatabase& database) {
  std::vector<std::int64_t> ids;
  SqliteQuery query(database, "SELECT id FROM snapshots ORDER BY id DESC");
  while (query.next()) ids.push_back(query.integer(0));
  if (auto done = query.finish(); !done) return done.error();
  return ids;
}

}  // namespace

StoredSnapshot encode_snapshot(const Snapshot& snapshot) {
  StoredSnapshot stored{.digest = digest_of(snapshot), .chunks = {}};
  const std::string_view state = snapshot.state;
  for (std::size_t at = 0; at < state.size(); at += kChunkBytes) {
    stored.chunks.push_back(compress_bytes(state.substr(at, kChunkBytes)));
  }
  return stored;
}

Result<void> put_snapshot_rows(SqliteDatabase& database, const Snapshot& snapshot,
                               const StoredSnapshot& stored) {
  SqliteQuery head(
      database, "INSERT INTO snapshots (position, schema, bytes, sha256) VALUES (?1, ?2, ?3, ?4)");
  head.bind(1, snapshot.position)
      .bind(2, snapshot.schema)
      .bind(3, static_cast<std::int64_t>(snapshot.state.size()));
  if (auto done = head.bind_blob(4, stored.digest).run(); !done) return done;
  const auto id = database.integer("SELECT max(id) FROM snapshots");
  if (!id) return id.error();
  for (std::size_t ordinal = 0; ordinal < stored.chunks.size(); ++ordinal) {
    SqliteQuery chunk(database,
                      "INSERT INTO snapshot_chunks (snapshot, ordinal, chunk) VALUES (?1, ?2, ?3)");
    chunk.bind(1, *id)
        .bind(2, static_cast<std::int64_t>(ordinal))
        .bind_blob(3, stored.chunks[ordinal]);
    if (auto done = chunk.run(); !done) return done;
  }
  SqliteQuery old_heads(database, "DELETE FROM snapshots WHERE id < ?1 - 1");
  if (auto done = old_heads.bind(1, *id).run(); !done) return done;
  SqliteQuery old_chunks(database, "DELETE FROM snapshot_chunks WHERE snapshot < ?1 - 1");
  return old_chunks.bind(1, *id).run();
}

Result<bool> read_newest_snapshot(SqliteDatabase& database, Snapshot& out) {
  const auto ids = snapshot_ids(database);
  if (!ids) return ids.error();
  for (const std::int64_t id : *ids) {
    const auto whole = read_snapshot(database, id, out);
    if (!whole || *whole) return whole;
  }
  return false;
}

Result<LogPosition> oldest_whole_snapshot(SqliteDatabase& database) {
  const auto ids = snapshot_ids(database);
  if (!ids) return ids.error();
  for (auto id = ids->rbegin(); id != ids->rend(); ++id) {
    Snapshot snapshot;
    const auto whole = read_snapshot(database, *id, snapshot);
    if (!whole) return whole.error();
    if (*whole) return snapshot.position;
  }
  return LogPosition{0};
}

}  // namespace fleetmeter::aggregator
