#include "cost/usage_store.h"

#include <fmt/format.h>

#include <filesystem>
#include <unordered_map>
#include <utility>

#include "aggregator/sqlite_database.h"
#include "aggregator/sqlite_schema.h"
#include "cost/month_usage.h"
#include "cost/usage_fold.h"
#include "cost/usage_records.h"
#include "cost/usage_tables.h"
#include "cost/usage_totals.h"
#include "proto/usage.pb.h"

namespace fleetmeter::cost {
namespace {

using aggregator::LogEntry;
using aggregator::LogPartition;
using aggregator::LogPosition;
using aggregator::SqliteDatabase;
using aggregator::SqliteQuery;
using aggregator::UsageRecord;

// Beyond this many flow keys the memory of their numbers starts anew; the table still knows them.
constexpr std::size_t kCachedKeys = 1u << 17;
constexpr std::size_t kCachedTexts = 1u << 18;

/// Its bytes say which partition's totals end here, whatever they cover.
const std::string& covered_key() {
  static const std::string kKey = [] {
    proto::UsageKey key;
    key.mutable_covered();
    return key.SerializeAsString();
  }();
  return kKey;
}

/// check_sqlite_file() lets older schemas pass; there is none that this release reads.
Result<void> check_schema(SqliteDatabase& database) {
  auto schema = database.integer("PRAGMA user_version");
  if (!schema) return std::move(schema).error();
  if (*schema == usage_identity().schema) return {};
  return Error{ErrorCode::kDataLoss,
               fmt::format("{}: is of schema {}, which this release does not read; remove it, and "
                           "it is made anew from what it is a view of",
                           database.path(), *schema)};
}

/// A new file becomes a view of `source`; one of something else would mix two bills.
Result<void> claim(SqliteDatabase& database, const std::string& source) {
  const std::string mark = source.empty() ? "log" : source;
  std::string held;
  {
    SqliteQuery query(database, "SELECT source FROM view");
    if (query.next()) held = query.blob(0);
    if (auto done = query.finish(); !done) return done;
  }
  if (held.empty()) {
    SqliteQuery query(database, "UPDATE view SET source = ?1");
    return query.bind_text(1, mark).run();
  }
  if (held == mark) return {};
  return Error{ErrorCode::kInvalidArgument,
               fmt::format("{}: is a view of {}, not of {}; name another state directory",
                           database.path(), held == "log" ? "a log.db" : "topic " + held,
                           source.empty() ? "a log.db" : "topic " + source)};
}

/// Id of the log that the rows are of; empty = not told yet, as in files of earlier releases.
Result<std::string> find_log_id(SqliteDatabase& database) {
  if (auto made = database.execute("CREATE TABLE IF NOT EXISTS log (id INTEGER PRIMARY KEY CHECK "
                                   "(id = 1), log_id TEXT NOT NULL)");
      !made) {
    return std::move(made).error();
  }
  SqliteQuery query(database, "SELECT log_id FROM log");
  std::string id;
  if (query.next()) id = query.blob(0);
  if (auto done = query.finish(); !done) return std::move(done).error();
  return id;
}

Result<void> put_log_id(SqliteDatabase& database, const std::string& id) {
  SqliteQuery query(database, "INSERT OR REPLACE INTO log VALUES (1, ?1)");
  return query.bind_text(1, id).run();
}

/// Why rows up to `applied` of log `held` do not go on with `log`; empty = they do.
std::string why_foreign(const std::string& held, LogPosition applied, const LogExtent& log) {
  if (applied == 0) return {};
  if (!held.empty() && held != log.id) return "holds usage of another log than " + log.path;
  if (applied > log.last) {
    return fmt::format("holds usage up to log position {}, beyond the end of {} at {}", applied,
                       log.path, log.last);
  }
  if (applied >= log.pruned_to) return {};
  return fmt::format("holds usage up to log position {}, and {} is kept from {} on", applied,
                     log.path, log.pruned_to + 1);
}

}  // namespace

/// Numbers of strings and of flow keys, kept in memory in front of their tables.
struct UsageStore::State final : TextIds, TextNames {
  State(SqliteDatabase db, std::unique_ptr<aggregator::StateLock> held)
      : database(std::move(db)), lock(std::move(held)) {}

  Result<TextId> id_of(std::string_view text) override {
    if (text.empty()) return TextId{0};
    if (const auto found = texts.find(std::string(text)); found != texts.end())
      return found->second;
    Result<TextId> id = find_or_add_text(database, text);
    if (id) names.emplace(*id, &texts.emplace(text, *id).first->first);
    return id;
  }

  Result<std::string_view> text_of(TextId id) override {
    if (id == 0) return std::string_view();
    const auto [found, fresh] = names.try_emplace(id, nullptr);
    if (fresh) {
      Result<std::string> text = find_text_of(database, id);
      if (!text) {
        names.erase(found);
        return std::move(text).error();
      }
      found->second = &texts.emplace(*std::move(text), id).first->first;
    }
    return std::string_view(*found->second);
  }

  Result<FlowKeyId> key_of(const FlowFacts& facts) override {
    if (const auto found = keys.find(facts); found != keys.end()) return found->second;
    Result<FlowKeyId> id = find_or_add_key(database, facts);
    if (id) facts_of_keys.emplace(*id, &keys.emplace(facts, *id).first->first);
    return id;
  }

  const FlowFacts& facts_of(FlowKeyId key) override { return *facts_of_keys.at(key); }

  /// What a rolled back transaction gave out does not exist.
  void forget() {
    names.clear();
    texts.clear();
    facts_of_keys.clear();
    keys.clear();
  }

  template <typename Body>
  Result<void> transaction(Body&& body);
  Result<void> write(LogPartition partition, const UsageTotals& totals);

  SqliteDatabase database;
  std::unique_ptr<aggregator::StateLock> lock;
  std::unordered_map<std::string, TextId> texts;
  std::unordered_map<TextId, const std::string*> names;  // Into the keys of `texts`.
  std::unordered_map<FlowFacts, FlowKeyId, FlowFactsHash> keys;
  std::unordered_map<FlowKeyId, const FlowFacts*> facts_of_keys;  // Into `keys`.
};

namespace {

/// Rows of one partition as they are in the tables.
template <typename State>
class StoredUsage final : public CurrentUsage {
 public:
  StoredUsage(State& state, LogPartition partition) : state_(state), partition_(partition) {}

  Result<std::optional<FlowSums>> flow(const FlowHour& key) override {
    return find_flow_hour(state_.database, partition_, key);
  }
  Result<std::optional<std::uint64_t>> hour(const UsageFold::HourKey& key) override {
    return find_usage(state_.database, partition_, key);
  }
  Result<std::optional<std::uint64_t>> minutes(const UsageFold::MinuteKey& key) override {
    return find_minutes(state_.database, partition_, key);
  }
  Result<std::optional<PeriodRow>> period(const UsageFold::PeriodKey& key) override {
    return find_period(state_.database, partition_, key);
  }
  Result<std::vector<std::pair<UsageFold::PeriodKey, PeriodRow>>> periods_before(
      std::int64_t append_hour) override {
    return find_periods_before(state_.database, partition_, append_hour);
  }

 private:
  State& state_;
  LogPartition partition_;
};

}  // namespace

/// All of what `body` writes or nothing; the memory of numbers follows.
template <typename Body>
Result<void> UsageStore::State::transaction(Body&& body) {
  if (texts.size() > kCachedTexts || keys.size() > kCachedKeys) forget();
  if (auto begun = database.execute("BEGIN IMMEDIATE"); !begun) return begun;
  Result<void> done = body();
  if (done) done = database.execute("COMMIT");
  if (!done) {
    if (database.in_transaction()) (void)database.execute("ROLLBACK").has_value();
    forget();
  }
  return done;
}

Result<void> UsageStore::State::write(LogPartition partition, const UsageTotals& totals) {
  for (const auto& [key, sums] : totals.flows) {
    if (auto done = put_flow_hour(database, partition, key, sums); !done) return done;
  }
  for (const auto& [key, quantity] : totals.hours) {
    if (auto done = put_usage(database, partition, key, quantity); !done) return done;
  }
  for (const auto& [key, mask] : totals.minutes) {
    if (auto done = put_minutes(database, partition, key, mask); !done) return done;
  }
  for (const auto& [key, row] : totals.periods) {
    const auto done =
        row ? put_period(database, partition, key, *row) : remove_period(database, partition, key);
    if (!done) return done;
  }
  return {};
}

UsageStore::UsageStore(std::unique_ptr<State> state) : state_(std::move(state)) {}
UsageStore::~UsageStore() = default;

Result<std::unique_ptr<UsageStore>> UsageStore::open(const std::string& path,
                                                     const std::string& source) {
  if (auto ours = aggregator::check_sqlite_file(path, usage_identity()); !ours)
    return std::move(ours).error();
  Result<std::unique_ptr<aggregator::StateLock>> lock = aggregator::StateLock::take(path);
  if (!lock) return std::move(lock).error();
  Result<SqliteDatabase> database = aggregator::open_for_writing(path, usage_identity());
  if (!database) return std::move(database).error();
  if (auto fits = check_schema(*database); !fits) return std::move(fits).error();
  if (auto claimed = claim(*database, source); !claimed) return std::move(claimed).error();
  // A power cut may take back the newest transactions as a whole; what the file is a view of still
  // has them behind the position that is left, so waiting for the disk at each commit would buy
  // nothing.
  if (auto set = database->execute("PRAGMA synchronous = NORMAL"); !set)
    return std::move(set).error();
  return std::unique_ptr<UsageStore>(
      new UsageStore(std::make_unique<State>(*std::move(database), *std::move(lock))));
}

Result<std::unique_ptr<UsageStore>> UsageStore::open_read_only(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    return Error{ErrorCode::kNotFound, fmt::format("{}: no usage has been recorded yet", path)};
  }
  if (auto ours = aggregator::check_sqlite_file(path, usage_identity()); !ours)
    return std::move(ours).error();
  Result<SqliteDatabase> database = SqliteDatabase::open(path, SqliteDatabase::Mode::kReadOnly);
  if (!database) return std::move(database).error();
  if (auto fits = check_schema(*database); !fits) return std::move(fits).error();
  return std::unique_ptr<UsageStore>(
      new UsageStore(std::make_unique<State>(*std::move(database), nullptr)));
}

Result<aggregator::LogPosition> UsageStore::applied_position(LogPartition partition) {
  Result<UsagePosition> position = find_position(state_->database, partition);
  if (!position) return std::move(position).error();
  return position->applied;
}

Result<std::int64_t> UsageStore::next_offset(LogPartition partition) {
  Result<UsagePosition> position = find_position(state_->database, partition);
  if (!position) return std::move(position).error();
  return position->next_offset;
}

Result<void> UsageStore::belong_to(const LogExtent& log) {
  constexpr LogPartition kOnly = 0;
  SqliteDatabase& database = state_->database;
  const Result<std::string> held = find_log_id(database);
  if (!held) return held.error();
  Result<UsagePosition> position = find_position(database, kOnly);
  if (!position) return std::move(position).error();
  if (const std::string why = why_foreign(*held, position->applied, log); !why.empty()) {
    return Error{ErrorCode::kDataLoss,
                 fmt::format("{0}: {1}; restore both files as they were at one time, or move {0} "
                             "away too: the bill is then rebuilt from the log as far as it reaches",
                             database.path(), why)};
  }
  const bool begins = position->applied == 0 && log.pruned_to > 0;
  if (*held == log.id && !begins) return {};  // A full disk is no reason not to start.
  return state_->transaction([&]() -> Result<void> {
    if (auto put = put_log_id(database, log.id); !put) return put;
    if (!begins) return {};
    position->applied = log.pruned_to;
    return put_position(database, kOnly, *position);
  });
}

Result<void> UsageStore::apply(LogPartition partition, std::span<const LogEntry> entries) {
  Result<UsagePosition> position = find_position(state_->database, partition);
  if (!position) return std::move(position).error();
  return state_->transaction([&]() -> Result<void> {
    StoredUsage current(*state_, partition);
    auto totals = fold_totals(entries, position->applied, position->settled_hour, current, *state_);
    if (!totals) return std::move(totals).error();
    if (totals->log_position == position->applied) return {};
    if (auto written = state_->write(partition, *totals); !written) return written;
    position->applied = totals->log_position;
    position->settled_hour = totals->settled_hour;
    return put_position(state_->database, partition, *position);
  });
}

Result<std::vector<UsageRecord>> UsageStore::totals(LogPartition partition,
                                                    std::span<const LogEntry> entries) {
  Result<UsagePosition> position = find_position(state_->database, partition);
  if (!position) return std::move(position).error();
  std::vector<UsageRecord> records;
  // It writes numbers of new strings and flow keys, which say nothing by themselves.
  auto done = state_->transaction([&]() -> Result<void> {
    StoredUsage current(*state_, partition);
    auto totals = fold_totals(entries, position->applied, position->settled_hour, current, *state_);
    if (!totals) return std::move(totals).error();
    if (totals->log_position == position->applied) return {};
    auto made = to_records(*totals, *state_);
    if (!made) return std::move(made).error();
    records = *std::move(made);
    return {};
  });
  if (!done) return std::move(done).error();
  return records;
}

Result<void> UsageStore::put(LogPartition partition, std::span<const UsageRecord> records,
                             std::int64_t next_offset) {
  Result<UsagePosition> position = find_position(state_->database, partition);
  if (!position) return std::move(position).error();
  return state_->transaction([&]() -> Result<void> {
    UsageTotals totals;
    for (const UsageRecord& record : records) {
      if (auto added = add_record(record, *state_, totals); !added) {
        return std::move(added).error().with_context(
            fmt::format("log partition {} before usage offset {}", partition, next_offset));
      }
    }
    if (auto written = state_->write(partition, totals); !written) return written;
    position->next_offset = next_offset;
    if (totals.log_position > 0) {
      position->applied = totals.log_position;
      position->settled_hour = totals.settled_hour;
    }
    // A reader that was away for long finds neither a settled period nor the record of its end.
    auto settled = remove_periods_before(state_->database, partition,
                                         position->settled_hour - kPeriodsKeptHours);
    if (!settled) return settled;
    return put_position(state_->database, partition, *position);
  });
}

bool UsageStore::ends_transaction(const UsageRecord& record) { return record.key == covered_key(); }

Result<void> UsageStore::prune(std::uint32_t before_hour) {
  state_->forget();
  return prune_usage(state_->database, before_hour);
}

Result<std::optional<std::uint32_t>> UsageStore::first_hour(std::uint32_t from_hour) {
  return find_first_hour(state_->database, from_hour);
}

Result<std::vector<FlowUsage>> UsageStore::flows(std::uint32_t from_hour, std::uint32_t to_hour,
                                                 const std::string& environment) {
  return read_flows(state_->database, from_hour, to_hour, environment);
}

Result<std::vector<HourlyUsage>> UsageStore::usage(std::uint32_t from_hour, std::uint32_t to_hour,
                                                   const std::string& environment) {
  return read_usage(state_->database, from_hour, to_hour, environment);
}

Result<MonthUsage> UsageStore::month(std::uint32_t from_hour, std::uint32_t to_hour) {
  return read_month(state_->database, from_hour, to_hour);
}

}  // namespace fleetmeter::cost
