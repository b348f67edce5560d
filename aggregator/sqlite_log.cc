#include "aggregator/sqlite_log.h"

#include <condition_variable>
#include <filesystem>
#include <map>
#include <mutex>
#include <system_error>
#include <utility>

#include "aggregator/recent_records.h"
#include "aggregator/sqlite_schema.h"
#include "aggregator/sqlite_tables.h"
#include "aggregator/sqlite_writer.h"

namespace fleetmeter::aggregator {
namespace {

constexpr std::size_t kReadersKept = 8;
// Records that one transaction prunes: appends wait for it.
constexpr std::size_t kPruneStep = 2000;

Result<void> only_partition_zero(LogPartition partition) {
  if (partition == 0) return {};
  return Error{ErrorCode::kInvalidArgument,
               "the embedded log has partition 0 only, not " + std::to_string(partition)};
}

}  // namespace

struct SqliteLog::State {
  State(std::string path_in, Options options_in)
      : path(std::move(path_in)),
        options(std::move(options_in)),
        recent(options.recent_bytes_max) {}

  std::string path, log_id;
  Options options;
  std::unique_ptr<StateLock> lock;  // Before the writer: released after it has ended.

  mutable std::mutex mutex;  // Guards the members up to `readers`.
  std::condition_variable appended;
  StoreTotals committed;
  std::int64_t kept_from_ms = 0;
  bool limited_by_bytes = false;
  std::uint64_t thinned = 0;
  std::vector<SqliteDatabase> readers;
  RecentRecords recent;
  /// Of the transaction that runs, by position: of the caller, who waits for it. What a call that
  /// was undone leaves here, the next one at the same position replaces. Of the writer's thread.
  std::map<LogPosition, proto::LogRecord*> inserted;
  std::unique_ptr<SqliteWriter> writer;

  [[nodiscard]] std::int64_t now_ms() const {
    return options.clock->wall().time_since_epoch().count();
  }

  StoreTotals totals() const {
    const std::lock_guard guard(mutex);
    return committed;
  }
  void on_commit(const StoreTotals& totals) {
    {
      const std::lock_guard guard(mutex);
      for (LogPosition at = committed.last_position + 1; at <= totals.last_position; ++at) {
        proto::LogRecord& record = *inserted.at(at);
        const auto bytes = static_cast<std::size_t>(record.GetCachedSize());  // It is serialised.
        recent.add(at, std::move(record), bytes);
      }
      committed = totals;
    }
    inserted.clear();
    appended.notify_all();
  }

  Result<SqliteDatabase> take_reader() {
    {
      const std::lock_guard guard(mutex);
      if (!readers.empty()) {
        SqliteDatabase reader = std::move(readers.back());
        readers.pop_back();
        return reader;
      }
    }
    return SqliteDatabase::open(path, SqliteDatabase::Mode::kReadOnly);
  }
  void give_back(SqliteDatabase reader) {
    const std::lock_guard guard(mutex);
    if (readers.size() < kReadersKept) readers.push_back(std::move(reader));
  }
  /// Runs `read` on a connection of its own; what it returns is a Result.
  template <typename Read>
  auto with_reader(Read read) -> decltype(read(std::declval<SqliteDatabase&>())) {
    auto reader = take_reader();
    if (!reader) return reader.error();
    auto result = read(*reader);
    if (result) give_back(*std::move(reader));  // A connection that failed is closed.
    return result;
  }

  Result<PrunedStep> prune(LogPosition to, std::int64_t before_ms, std::uint64_t bytes_max);
  Result<void> thin(LogPosition to);
  Result<void> note_kept(const PrunedStep& pruned);

  /// A record of a call, and what is stored of it.
  struct Appended {
    proto::LogRecord* record;
    bool is_stamped_here;
    StoredRecord stored;
  };
  std::vector<Appended> encode(const std::vector<proto::LogRecord*>& records) const {
    const std::int64_t now = now_ms();
    std::vector<Appended> out;
    out.reserve(records.size());
    for (proto::LogRecord* record : records) {
      const bool stamp = record->append_time_ms() == 0;
      if (stamp) record->set_append_time_ms(now);
      out.push_back({record, stamp, encode_record(*record, options.compress)});
    }
    return out;
  }
  /// As they were before encode(): the clock will have gone on when they come again.
  static void unstamp(const std::vector<Appended>& records) {
    for (const Appended& one : records) {
      if (one.is_stamped_here) one.record->clear_append_time_ms();
    }
  }
  /// On the writer's thread.
  Result<void> insert(SqliteDatabase& database, StoreTotals& totals,
                      const std::vector<Appended>& records) {
    for (const Appended& record : records) {
      if (auto done = insert_record(database, totals, record.stored); !done) return done;
      inserted[totals.last_position] = record.record;
    }
    return {};
  }
};

/// Step by step, each a transaction, so that appends come in between.
Result<PrunedStep> SqliteLog::State::prune(LogPosition to, std::int64_t before_ms,
                                           std::uint64_t bytes_max) {
  const std::int64_t events_before_ms = now_ms() - kEventsKeptMs;
  PrunedStep all, step;
  do {
    const SqliteWriter::Work work = [&](SqliteDatabase& database,
                                        StoreTotals& totals) -> Result<void> {
      const auto pruned = prune_records(database, totals, to, before_ms, bytes_max, kPruneStep);
      if (!pruned) return pruned.error();
      step = *pruned;
      return expire_events(database, events_before_ms);
    };
    if (auto done = writer->run("prune", work); !done) return done.error();
    all.gone += step.gone;
    all.by_size += step.by_size;
  } while (step.gone == kPruneStep);
  return all;
}

Result<void> SqliteLog::State::thin(LogPosition to) {
  for (ThinnedStep step; !step.done;) {
    const SqliteWriter::Work work = [&](SqliteDatabase& database,
                                        StoreTotals& totals) -> Result<void> {
      const auto thinned_out = thin_records(database, totals, to, kPruneStep);
      if (!thinned_out) return thinned_out.error();
      step = *thinned_out;
      return {};
    };
    if (auto done = writer->run("prune", work); !done) return done;
    const std::lock_guard guard(mutex);
    thinned += step.gone;
  }
  return {};
}

/// The size ends the log once it has taken a record that was young enough to stay, until records
/// go by their age again.
Result<void> SqliteLog::State::note_kept(const PrunedStep& pruned) {
  const auto oldest = with_reader(oldest_append_ms);
  if (!oldest) return oldest.error();
  const std::lock_guard guard(mutex);
  kept_from_ms = *oldest;
  if (pruned.gone > 0) limited_by_bytes = pruned.by_size > 0;
  return {};
}

SqliteLog::SqliteLog(std::unique_ptr<State> state) : state_(std::move(state)) {}
/// The last connection to close folds the WAL into the file, if it may write: the writer's, so that
/// a copy of log.db is whole and no WAL is left to meet another log.db.
SqliteLog::~SqliteLog() { state_->readers.clear(); }

Result<std::unique_ptr<SqliteLog>> SqliteLog::open(const std::string& path, Options options) {
  FM_CHECK(options.clock != nullptr);
  // Before anything is created beside a file that we then refuse.
  if (auto ours = check_sqlite_file(path, log_identity()); !ours) return ours.error();
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  std::error_code made;
  if (!folder.empty()) std::filesystem::create_directories(folder, made);
  if (made)
    return Error{ErrorCode::kUnavailable,
                 folder.string() + ": cannot create the directory: " + made.message()};

  auto lock = StateLock::take(path);
  if (!lock) return lock.error();
  auto database = open_for_writing(path, log_identity());
  if (!database) return database.error();
  if (options.file_bytes_max != 0) {
    const auto page = database->integer("PRAGMA page_size");
    if (!page) return page.error();
    const std::uint64_t pages =
        std::max<std::uint64_t>(1, options.file_bytes_max / static_cast<std::uint64_t>(*page));
    if (auto set = database->integer("PRAGMA max_page_count = " + std::to_string(pages)); !set)
      return set.error();
  }
  // A file of schema 1 is of this one from its next record on.
  const auto schema = database->integer("PRAGMA user_version");
  if (!schema) return schema.error();
  if (const std::int32_t ours = log_identity().schema; *schema < ours) {
    auto raised = database->execute("PRAGMA user_version = " + std::to_string(ours));
    if (!raised) return raised.error();
  }
  // Files of earlier releases lack them.
  auto added = database->execute(
      "CREATE TABLE IF NOT EXISTS thinned (id INTEGER PRIMARY KEY CHECK (id = 1), position INTEGER "
      "NOT NULL); INSERT OR IGNORE INTO thinned VALUES (1, 0);"
      "CREATE TABLE IF NOT EXISTS meta (id INTEGER PRIMARY KEY CHECK (id = 1), log_id TEXT NOT "
      "NULL); INSERT OR IGNORE INTO meta VALUES (1, lower(hex(randomblob(16))));");
  if (!added) return added.error();
  auto totals = read_totals(*database);
  if (!totals) return totals.error();
  auto log_id = read_log_id(*database);
  if (!log_id) return log_id.error();

  auto state = std::make_unique<State>(path, std::move(options));
  state->log_id = *std::move(log_id);
  state->lock = *std::move(lock);
  state->committed = *totals;
  State* shared = state.get();
  state->writer = std::make_unique<SqliteWriter>(
      *std::move(database), *totals, *state->options.clock, state->options.fault,
      [shared](const StoreTotals& now) { shared->on_commit(now); });
  return std::unique_ptr<SqliteLog>(new SqliteLog(std::move(state)));
}

Result<std::map<LogPartition, LogPosition>> SqliteLog::append(Commit&& commit) {
  std::vector<proto::LogRecord*> records;
  for (Commit::Record& record : commit.records) {
    if (auto fine = only_partition_zero(record.partition); !fine) return fine.error();
    records.push_back(&record.record);
  }
  const std::vector<State::Appended> appended = state_->encode(records);
  std::vector<std::string> digests;
  for (const std::string& key : commit.once_keys) digests.push_back(once_digest(key));
  const std::int64_t now = state_->now_ms();
  const std::uint64_t keys_max = state_->options.once_keys_max;

  LogPosition last = 0;
  const SqliteWriter::Work work = [&](SqliteDatabase& database,
                                      StoreTotals& totals) -> Result<void> {
    if (auto done = state_->insert(database, totals, appended); !done) return done;
    last = totals.last_position;
    for (const auto& [source, position] : commit.positions) {
      if (auto done = put_position(database, source, position); !done) return done;
    }
    if (digests.empty()) return {};
    if (auto done = put_once_keys(database, totals, digests, now); !done) return done;
    return expire_once_keys(database, totals, now, keys_max, digests.size());
  };
  if (auto done = state_->writer->run("append", work); !done) {
    State::unstamp(appended);
    return done.error();
  }
  std::map<LogPartition, LogPosition> positions;
  if (!appended.empty()) positions[0] = last;
  return positions;
}

Result<std::optional<std::string>> SqliteLog::source_position(std::string_view source) {
  return state_->with_reader(
      [&](SqliteDatabase& database) { return get_position(database, source); });
}

Result<std::vector<std::string>> SqliteLog::seen_keys(const std::vector<std::string>& keys) {
  const std::int64_t now = state_->now_ms();
  return state_->with_reader([&](SqliteDatabase& database) -> Result<std::vector<std::string>> {
    std::vector<std::string> seen;
    for (const std::string& key : keys) {
      const auto found = has_once_key(database, once_digest(key), now);
      if (!found) return found.error();
      if (*found) seen.push_back(key);
    }
    return seen;
  });
}

std::vector<LogPartition> SqliteLog::owned_partitions() { return {0}; }

Result<std::vector<LogEntry>> SqliteLog::read(LogPartition partition, LogPosition after,
                                              std::size_t records_max) {
  if (auto fine = only_partition_zero(partition); !fine) return fine.error();
  {
    const std::lock_guard guard(state_->mutex);
    if (after >= state_->committed.pruned_to) {
      std::vector<LogEntry> recent = state_->recent.take(after, records_max);
      if (!recent.empty()) return recent;
    }
  }
  auto entries = state_->with_reader(
      [&](SqliteDatabase& database) { return read_records(database, after, records_max); });
  // Asked afterwards: a prune between the two would else leave a hole unseen.
  if (const LogPosition pruned = state_->totals().pruned_to; entries && after < pruned) {
    return Error{ErrorCode::kDataLoss, state_->path + ": records up to position " +
                                           std::to_string(pruned) + " were pruned; reading after " +
                                           std::to_string(after) +
                                           " needs a snapshot at or behind that position"};
  }
  return entries;
}

bool SqliteLog::wait(LogPartition partition, LogPosition after, std::int64_t timeout_ms) {
  if (partition != 0) return false;
  std::unique_lock guard(state_->mutex);
  return state_->appended.wait_for(guard, std::chrono::milliseconds(timeout_ms),
                                   [&] { return state_->committed.last_position > after; });
}

Result<LogPosition> SqliteLog::last_position(LogPartition partition) {
  if (auto fine = only_partition_zero(partition); !fine) return fine.error();
  return state_->totals().last_position;
}

Result<LogPosition> SqliteLog::evaluated_position(LogPartition partition) {
  if (auto fine = only_partition_zero(partition); !fine) return fine.error();
  return state_->totals().evaluated;
}

Result<void> SqliteLog::commit_outputs(Outputs outputs) {
  if (auto fine = only_partition_zero(outputs.partition); !fine) return fine;
  std::vector<proto::LogRecord*> records;
  for (proto::LogRecord& record : outputs.append) records.push_back(&record);
  const std::vector<State::Appended> appended = state_->encode(records);
  const std::int64_t now = state_->now_ms();
  const SqliteWriter::Work work = [&](SqliteDatabase& database,
                                      StoreTotals& totals) -> Result<void> {
    if (outputs.evaluated < totals.evaluated) {
      return Error{ErrorCode::kFenced, "evaluated up to " + std::to_string(outputs.evaluated) +
                                           ", but another evaluator has committed " +
                                           std::to_string(totals.evaluated)};
    }
    if (outputs.evaluated > totals.last_position) {
      return Error{ErrorCode::kInvalidArgument,
                   "evaluated up to " + std::to_string(outputs.evaluated) +
                       ", past the log's end at " + std::to_string(totals.last_position)};
    }
    totals.evaluated = outputs.evaluated;
    for (const proto::Event& event : outputs.events) {
      if (auto done = insert_event(database, event, now); !done) return done;
    }
    for (const OutboxEntry& entry : outputs.outbox) {
      if (auto done = insert_outbox(database, entry); !done) return done;
    }
    return state_->insert(database, totals, appended);
  };
  return state_->writer->run("outputs", work);
}

Result<void> SqliteLog::put_snapshot(LogPartition partition, const Snapshot& snapshot) {
  if (auto fine = only_partition_zero(partition); !fine) return fine;
  const StoredSnapshot stored = encode_snapshot(snapshot);
  const SqliteWriter::Work work = [&](SqliteDatabase& database,
                                      StoreTotals& totals) -> Result<void> {
    if (snapshot.position > totals.last_position) {
      return Error{ErrorCode::kInvalidArgument, "snapshot at " + std::to_string(snapshot.position) +
                                                    ", past the log's end at " +
                                                    std::to_string(totals.last_position)};
    }
    return put_snapshot_rows(database, snapshot, stored);
  };
  return state_->writer->run("snapshot", work);
}

Result<std::optional<Snapshot>> SqliteLog::latest_snapshot(LogPartition partition) {
  if (auto fine = only_partition_zero(partition); !fine) return fine.error();
  Snapshot newest;
  const auto found = state_->with_reader(
      [&](SqliteDatabase& database) { return read_newest_snapshot(database, newest); });
  if (!found) return found.error();
  std::optional<Snapshot> snapshot;
  if (*found) snapshot = std::move(newest);
  return snapshot;
}

Result<std::uint64_t> SqliteLog::prune(LogPartition partition, std::int64_t before_ms,
                                       std::uint64_t bytes_max) {
  if (auto fine = only_partition_zero(partition); !fine) return fine.error();
  const auto to = state_->with_reader(oldest_whole_snapshot);
  if (!to) return to.error();
  {
    const std::lock_guard guard(state_->mutex);
    state_->recent.forget(*to);
  }
  const auto pruned = state_->prune(*to, before_ms, bytes_max);
  if (!pruned) return pruned.error();
  if (auto thinned = state_->thin(*to); !thinned) return thinned.error();
  if (auto noted = state_->note_kept(*pruned); !noted) return noted.error();
  return pruned->gone;
}

Result<std::vector<proto::Event>> SqliteLog::events(const EventQuery& query) {
  return state_->with_reader(
      [&](SqliteDatabase& database) { return read_events(database, query); });
}

Result<std::vector<OutboxEntry>> SqliteLog::due_outbox(std::int64_t now_ms, std::size_t limit) {
  return state_->with_reader(
      [&](SqliteDatabase& database) { return read_due_outbox(database, now_ms, limit); });
}

Result<std::vector<OutboxEntry>> SqliteLog::pending_outbox(std::string_view receiver,
                                                           std::size_t limit) {
  return state_->with_reader(
      [&](SqliteDatabase& database) { return read_pending_outbox(database, receiver, limit); });
}

Result<void> SqliteLog::record_delivery(const OutboxEntry& entry) {
  const SqliteWriter::Work work = [&](SqliteDatabase& database, StoreTotals&) {
    return update_outbox(database, entry);
  };
  return state_->writer->run("delivery", work);
}

Result<std::map<DeliveryState, std::uint64_t>> SqliteLog::outbox_counts() {
  return state_->with_reader([](SqliteDatabase& database) { return count_outbox(database); });
}

const std::string& SqliteLog::log_id() const noexcept { return state_->log_id; }

SqliteLogStatus SqliteLog::status() const {
  const StoreHealth health = state_->writer->health();
  const std::lock_guard guard(state_->mutex);
  const StoreTotals& totals = state_->committed;
  return {.writable = health.writable,
          .failed = health.failed,
          .last_error = health.last_error,
          .failures = health.failures,
          .groups = health.groups,
          .requests = health.requests,
          .last_position = totals.last_position,
          .pruned_to = totals.pruned_to,
          .evaluated = totals.evaluated,
          .log_bytes = static_cast<std::uint64_t>(totals.log_bytes),
          .kept_from_ms = state_->kept_from_ms,
          .limited_by_bytes = state_->limited_by_bytes,
          .thinned = state_->thinned,
          .once_keys = static_cast<std::uint64_t>(totals.once_count)};
}

}  // namespace fleetmeter::aggregator
