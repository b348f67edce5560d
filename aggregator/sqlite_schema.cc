#include "aggregator/sqlite_schema.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

namespace fleetmeter::aggregator {
namespace {

// `store` has one row, the totals that every transaction carries along. The log's positions are
// given out from it, never from max(position): pruning may empty the table, and a position is never
// used twice.
constexpr const char* kLogTables = R"sql(
CREATE TABLE store (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  last_position INTEGER NOT NULL,  -- of the newest record ever appended
  pruned_to INTEGER NOT NULL,      -- records up to here are gone
  evaluated INTEGER NOT NULL,
  log_bytes INTEGER NOT NULL,      -- sum of the stored sizes in `log`
  once_count INTEGER NOT NULL,
  probe_ms INTEGER NOT NULL        -- written to find out whether the disk takes writes again
);
INSERT INTO store VALUES (1, 0, 0, 0, 0, 0, 0);
CREATE TABLE thinned (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  position INTEGER NOT NULL        -- ticks and progress up to here are one a minute
);
INSERT INTO thinned VALUES (1, 0);
CREATE TABLE meta (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  log_id TEXT NOT NULL             -- random; what is a view of this log keeps it too
);
INSERT INTO meta VALUES (1, lower(hex(randomblob(16))));
CREATE TABLE log (
  position INTEGER PRIMARY KEY,
  append_ms INTEGER NOT NULL,
  codec INTEGER NOT NULL,          -- 0 plain, 1 zstd
  crc INTEGER NOT NULL,            -- CRC-32 of `record` as stored
  record BLOB NOT NULL
);
CREATE TABLE positions (source TEXT PRIMARY KEY, position BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE once (key BLOB PRIMARY KEY, append_ms INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX once_by_time ON once (append_ms);
CREATE TABLE snapshots (
  id INTEGER PRIMARY KEY,
  position INTEGER NOT NULL,
  schema INTEGER NOT NULL,
  bytes INTEGER NOT NULL,          -- of the plain state
  sha256 BLOB NOT NULL             -- of position, schema and plain state
);
CREATE TABLE snapshot_chunks (
  snapshot INTEGER NOT NULL, ordinal INTEGER NOT NULL, chunk BLOB NOT NULL, PRIMARY KEY (snapshot, ordinal)
);
CREATE TABLE events (
  sequence INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  time_s INTEGER NOT NULL,
  append_ms INTEGER NOT NULL,
  environment TEXT NOT NULL,
  type TEXT NOT NULL,
  event BLOB NOT NULL
);
CREATE INDEX events_by_time ON events (time_s, id);
CREATE TABLE outbox (
  sequence INTEGER PRIMARY KEY,
  event_id TEXT NOT NULL,
  receiver TEXT NOT NULL,
  body BLOB NOT NULL,
  content_type TEXT NOT NULL,
  event_time_s INTEGER NOT NULL,
  expires_s INTEGER NOT NULL,
  action INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  next_attempt_ms INTEGER NOT NULL,
  state INTEGER NOT NULL,
  last_error TEXT NOT NULL,
  UNIQUE (event_id, receiver)
);
CREATE INDEX outbox_pending ON outbox (next_attempt_ms) WHERE state = 0;
CREATE INDEX outbox_by_receiver ON outbox (receiver, event_time_s) WHERE state = 0;
CREATE INDEX outbox_by_state ON outbox (state);
)sql";

constexpr SqliteIdentity kLogIdentity{
    .application_id = 0x464d6c67, .schema = 2, .tables = kLogTables};

std::int32_t big_endian(const unsigned char* at) {
  return static_cast<std::int32_t>((std::uint32_t{at[0]} << 24) | (std::uint32_t{at[1]} << 16) |
                                   (std::uint32_t{at[2]} << 8) | std::uint32_t{at[3]});
}

Error not_ours(const std::string& path, std::string_view why) {
  return Error{ErrorCode::kDataLoss,
               path + ": " + std::string(why) + "; left untouched, name another state directory"};
}

Result<void> check_identity(const std::string& path, const SqliteIdentity& identity,
                            std::int64_t application_id, std::int64_t schema) {
  if (application_id != identity.application_id)
    return not_ours(path, "is a SQLite file of another program");
  if (schema > identity.schema) {
    return not_ours(path, "was written by a newer release (schema " + std::to_string(schema) +
                              ", this one knows " + std::to_string(identity.schema) + ")");
  }
  if (schema < 1) return not_ours(path, "has no schema version");
  return {};
}

Error system_error(const std::string& path, std::string_view what) {
  const int code = errno;
  return Error{ErrorCode::kUnavailable,
               path + ": " + std::string(what) + ": " + std::strerror(code)};
}

// Tables, identity and schema appear in one transaction of the rollback journal, so that the first
// bytes of the file tell what it is without a look at any WAL.
Result<void> create(SqliteDatabase& database, const SqliteIdentity& identity) {
  const std::string sql =
      "PRAGMA page_size = 8192; PRAGMA synchronous = FULL; BEGIN IMMEDIATE; PRAGMA application_id "
      "= " +
      std::to_string(identity.application_id) +
      "; PRAGMA user_version = " + std::to_string(identity.schema) + ";" + identity.tables +
      "COMMIT;";
  return database.execute(sql);
}

}  // namespace

const SqliteIdentity& log_identity() noexcept { return kLogIdentity; }

Result<std::unique_ptr<StateLock>> StateLock::take(const std::string& database_path) {
  const std::string path = database_path + ".lock";
  const int descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640);
  if (descriptor < 0) return system_error(path, "cannot open the lock file");
  std::unique_ptr<StateLock> lock(new StateLock(descriptor));
  if (::flock(descriptor, LOCK_EX | LOCK_NB) == 0) {
    // The holder's id is for the message below only; on a full disk the lock holds without it.
    const std::string holder = std::to_string(::getpid()) + "\n";
    if (::ftruncate(descriptor, 0) == 0)
      (void)!::pwrite(descriptor, holder.data(), holder.size(), 0);
    return lock;
  }
  if (errno != EWOULDBLOCK) return system_error(path, "cannot lock");
  std::array<char, 32> holder{};
  const ssize_t read = ::pread(descriptor, holder.data(), holder.size() - 1, 0);
  std::string_view id(holder.data(), read > 0 ? static_cast<std::size_t>(read) : 0);
  id = id.substr(0, id.find('\n'));
  return Error{ErrorCode::kUnavailable,
               database_path + ": in use by another process" +
                   (id.empty() ? std::string() : " (process " + std::string(id) + ")") +
                   "; stop it or name another state directory"};
}

StateLock::~StateLock() { ::close(descriptor_); }

Result<void> check_sqlite_file(const std::string& path, const SqliteIdentity& identity) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    if (errno == ENOENT) return {};
    return system_error(path, "cannot read");
  }
  std::array<unsigned char, 100> header{};
  const ssize_t read = ::pread(descriptor, header.data(), header.size(), 0);
  const int code = errno;
  ::close(descriptor);
  errno = code;
  if (read < 0) return system_error(path, "cannot read");
  if (read == 0) return {};
  if (static_cast<std::size_t>(read) < header.size() ||
      std::memcmp(header.data(), "SQLite format 3", 16) != 0) {
    return not_ours(path, "is no SQLite file");
  }
  return check_identity(path, identity, big_endian(&header[68]), big_endian(&header[60]));
}

Result<SqliteDatabase> open_for_writing(const std::string& path, const SqliteIdentity& identity) {
  if (auto fine = check_sqlite_file(path, identity); !fine) return fine.error();
  auto database = SqliteDatabase::open(path, SqliteDatabase::Mode::kReadWriteCreate);
  if (!database) return database;
  const auto tables = database->integer("SELECT count(*) FROM sqlite_master");
  if (!tables) return tables.error();
  if (*tables == 0) {
    if (auto created = create(*database, identity); !created) return created.error();
  }
  // Again through SQLite: a WAL may hold a newer first page than the file.
  const auto application_id = database->integer("PRAGMA application_id");
  if (!application_id) return application_id.error();
  const auto schema = database->integer("PRAGMA user_version");
  if (!schema) return schema.error();
  if (auto fine = check_identity(path, identity, *application_id, *schema); !fine)
    return fine.error();
  // A checkpoint every 4096 pages (32 MiB) keeps the WAL short without a second sync in most
  // commits.
  auto set = database->execute(
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4096;"
      "PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -16384; PRAGMA temp_store = "
      "MEMORY;");
  if (!set) return set.error();
  return database;
}

}  // namespace fleetmeter::aggregator
