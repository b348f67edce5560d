#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "aggregator/sqlite_database.h"
#include "proto/result.h"

namespace fleetmeter::aggregator {

/// How a SQLite file of ours is known (header bytes 60 and 68 of the SQLite file format).
struct SqliteIdentity {
  std::int32_t application_id;
  std::int32_t schema;  ///< user_version that this release writes.
  const char* tables;   ///< Statements that create schema `schema` in an empty file.
};

/// What log.db is: application id "FMlg", schema 2. That of schema 1 has the same tables; a release
/// that knows no other would read batches with blocks of rows (FlowRows) as batches without any.
[[nodiscard]] const SqliteIdentity& log_identity() noexcept;

/// Holds `<file>.lock`: one writing process per file. The kernel lets go of it when the process
/// ends, however it ends.
class StateLock {
 public:
  /// kUnavailable, naming file and holder, when another process (or another store of this one) has
  /// it.
  static Result<std::unique_ptr<StateLock>> take(const std::string& database_path);
  ~StateLock();
  StateLock(const StateLock&) = delete;
  StateLock& operator=(const StateLock&) = delete;

 private:
  explicit StateLock(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

/// Looks at the bytes of the file alone, so that one that is refused stays as it is, its directory
/// too. An absent or empty file is fine. kDataLoss: no SQLite file, not ours, or of a newer schema.
[[nodiscard]] Result<void> check_sqlite_file(const std::string& path,
                                             const SqliteIdentity& identity);

/// Opens the file for writing after the check, creates the tables in a new one, and sets WAL with a
/// sync at each commit.
[[nodiscard]] Result<SqliteDatabase> open_for_writing(const std::string& path,
                                                      const SqliteIdentity& identity);

}  // namespace fleetmeter::aggregator
