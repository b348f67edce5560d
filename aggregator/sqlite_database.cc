#include "aggregator/sqlite_database.h"

#include <sqlite3.h>

#include <utility>

namespace fleetmeter::aggregator {
namespace {

ErrorCode code_of(int sqlite_code) {
  switch (sqlite_code & 0xff) {
    case SQLITE_FULL:
    case SQLITE_IOERR:
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_NOMEM:
    case SQLITE_INTERRUPT:
      return ErrorCode::kUnavailable;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return ErrorCode::kDataLoss;
    default:
      return ErrorCode::kInternal;
  }
}

}  // namespace

SqliteDatabase::SqliteDatabase(std::string path, sqlite3* handle)
    : path_(std::move(path)), handle_(handle) {}

SqliteDatabase::SqliteDatabase(SqliteDatabase&& other) noexcept
    : path_(std::move(other.path_)),
      handle_(std::exchange(other.handle_, nullptr)),
      statements_(std::exchange(other.statements_, {})) {}

SqliteDatabase& SqliteDatabase::operator=(SqliteDatabase&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(handle_, other.handle_);
  std::swap(statements_, other.statements_);
  return *this;
}

SqliteDatabase::~SqliteDatabase() {
  for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close(handle_);
}

Result<SqliteDatabase> SqliteDatabase::open(const std::string& path, Mode mode) {
  const int access =
      mode == Mode::kReadOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &handle, access | SQLITE_OPEN_NOMUTEX, nullptr);
  SqliteDatabase database(path, handle);
  if (code != SQLITE_OK) return database.error(code);
  sqlite3_extended_result_codes(handle, 1);
  // Only a checkpoint of another connection of ours can hold the lock, and never for long.
  sqlite3_busy_timeout(handle, 10'000);
  return database;
}

Result<void> SqliteDatabase::execute(const std::string& sql) {
  const int code = sqlite3_exec(handle_, sql.c_str(), nullptr, nullptr, nullptr);
  if (code != SQLITE_OK) return error(code);
  return {};
}

Result<std::int64_t> SqliteDatabase::integer(const std::string& sql) {
  sqlite3_stmt* statement = nullptr;
  int code = sqlite3_prepare_v2(handle_, sql.c_str(), -1, &statement, nullptr);
  std::int64_t value = 0;
  if (code == SQLITE_OK) {
    code = sqlite3_step(statement);
    if (code == SQLITE_ROW) value = sqlite3_column_int64(statement, 0);
  }
  const bool failed = code != SQLITE_ROW && code != SQLITE_DONE;
  Error failure = failed ? error(code) : Error{};
  sqlite3_finalize(statement);
  if (failed) return failure;
  return value;
}

bool SqliteDatabase::in_transaction() const noexcept {
  return sqlite3_get_autocommit(handle_) == 0;
}

std::int64_t SqliteDatabase::changes() const noexcept { return sqlite3_changes(handle_); }

Error SqliteDatabase::error(int code) const {
  // errmsg has the detail only while it is about the same failure.
  const bool current = handle_ != nullptr && (sqlite3_errcode(handle_) & 0xff) == (code & 0xff);
  return Error{code_of(code),
               path_ + ": " + (current ? sqlite3_errmsg(handle_) : sqlite3_errstr(code))};
}

SqliteQuery::SqliteQuery(SqliteDatabase& database, const char* sql) : database_(&database) {
  sqlite3_stmt*& cached = database.statements_[sql];
  if (cached == nullptr)
    keep(
        sqlite3_prepare_v3(database.handle_, sql, -1, SQLITE_PREPARE_PERSISTENT, &cached, nullptr));
  statement_ = cached;
}

SqliteQuery::~SqliteQuery() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

void SqliteQuery::keep(int code) {
  if (failure_ != 0 || code == SQLITE_OK) return;
  failure_ = code;
  error_ = database_->error(code);
}

SqliteQuery& SqliteQuery::bind(int parameter, std::int64_t value) {
  if (failure_ == 0) keep(sqlite3_bind_int64(statement_, parameter, value));
  return *this;
}

SqliteQuery& SqliteQuery::bind_text(int parameter, std::string_view value) {
  // A null pointer would bind NULL; an empty view is an empty text.
  const char* data = value.data() == nullptr ? "" : value.data();
  if (failure_ == 0)
    keep(
        sqlite3_bind_text64(statement_, parameter, data, value.size(), SQLITE_STATIC, SQLITE_UTF8));
  return *this;
}

SqliteQuery& SqliteQuery::bind_blob(int parameter, std::string_view value) {
  const char* data = value.data() == nullptr ? "" : value.data();
  if (failure_ == 0)
    keep(sqlite3_bind_blob64(statement_, parameter, data, value.size(), SQLITE_STATIC));
  return *this;
}

bool SqliteQuery::next() {
  if (failure_ != 0) return false;
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) keep(code);
  return false;
}

Result<void> SqliteQuery::finish() const {
  if (failure_ != 0) return error_;
  return {};
}

Result<void> SqliteQuery::run() {
  while (next()) {
  }
  return finish();
}

std::int64_t SqliteQuery::integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}

std::string_view SqliteQuery::blob(int column) const {
  const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  return {data == nullptr ? "" : data,
          static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

}  // namespace fleetmeter::aggregator
