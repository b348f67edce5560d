#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "proto/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace fleetmeter::aggregator {

/// One SQLite connection with its prepared statements. Not thread safe: one thread at a time, so
/// that readers and the writer never wait for each other's mutex.
class SqliteDatabase {
 public:
  enum class Mode : std::uint8_t { kReadWriteCreate, kReadOnly };

  /// Errors name the file. A file that is no database shows at the first statement, not here.
  static Result<SqliteDatabase> open(const std::string& path, Mode mode);
  SqliteDatabase(SqliteDatabase&&) noexcept;
  SqliteDatabase& operator=(SqliteDatabase&&) noexcept;
  ~SqliteDatabase();

  /// Runs one or more statements that yield no rows of interest.
  Result<void> execute(const std::string& sql);
  /// First column of the first row; 0 when there is no row.
  Result<std::int64_t> integer(const std::string& sql);
  /// True while a transaction is open; SQLite itself rolls one back on some disk errors.
  [[nodiscard]] bool in_transaction() const noexcept;
  [[nodiscard]] std::int64_t changes() const noexcept;  ///< Rows that the last statement changed.
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

  /// The error of result code `code`, in words, with the file in front. Full disk, failing device,
  /// lock: kUnavailable; damage: kDataLoss; everything else is our own mistake: kInternal.
  [[nodiscard]] Error error(int code) const;

 private:
  friend class SqliteQuery;
  SqliteDatabase(std::string path, sqlite3* handle);

  std::string path_;
  sqlite3* handle_ = nullptr;
  std::unordered_map<const char*, sqlite3_stmt*> statements_;  // By address of the SQL literal.
};

/// One use of a prepared statement. Parameters count from 1, columns from 0; a failure sticks and
/// is seen at the end, so that a caller writes the query straight down:
///   SqliteQuery query(db, "SELECT a FROM t WHERE b = ?1");
///   query.bind(1, b);
///   while (query.next()) use(query.integer(0));
///   if (auto done = query.finish(); !done) return done;
/// Views of text and blobs live until the next next(); bound views must live until finish().
class SqliteQuery {
 public:
  /// `sql` must be a literal (or live as long as the database): it is the cache's key.
  SqliteQuery(SqliteDatabase& database, const char* sql);
  ~SqliteQuery();
  SqliteQuery(const SqliteQuery&) = delete;
  SqliteQuery& operator=(const SqliteQuery&) = delete;

  SqliteQuery& bind(int parameter, std::int64_t value);
  SqliteQuery& bind_text(int parameter, std::string_view value);
  SqliteQuery& bind_blob(int parameter, std::string_view value);

  [[nodiscard]] bool next();    ///< Steps; true on a row.
  Result<void> finish() const;  ///< The first failure, if any.
  Result<void> run();           ///< Steps to the end, ignoring rows.
  [[nodiscard]] std::int64_t integer(int column) const;
  [[nodiscard]] std::string_view blob(int column) const;  ///< Bytes of a text or blob column.

 private:
  void keep(int code);
  SqliteDatabase* database_;
  sqlite3_stmt* statement_ = nullptr;
  int failure_ = 0;
  Error error_;
};

}  // namespace fleetmeter::aggregator
