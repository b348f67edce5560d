#include "cost/usage_store.h"

#include <fmt/format.h>

#include <filesystem>
#include <unordered_map>
#include <utility>

#include "aggregator/sqlite_database.h"
#include "aggregator/sqlite_schema.h"
#include "cost/usage_fold.h"
#include "cost/usage_tables.h"

namespace fleetmeter::cost {
namespace {

using aggregator::SqliteDatabase;
using aggregator::SqliteQuery;

// Beyond this many flow keys the memory of their numbers starts anew; the table still knows them.
constexpr std::size_t kCachedKeys = 1u << 17;
constexpr std::size_t kCachedTexts = 1u << 18;
constexpr std::int64_t kPeriodsKeptHours = 48;

}  // namespace

/// Numbers of strings and of flow keys, kept in memory in front of their tables.
struct UsageStore::State final : TextIds {
  State(SqliteDatabase db, std::unique_ptr<aggregator::StateLock> held)
      : database(std::move(db)), lock(std::move(held)) {}

  Result<TextId> id_of(std::string_view text) override {
    if (text.empty()) return TextId{0};
    if (const auto found = texts.find(std::string(text)); found != texts.end())
      return found->second;
    Result<TextId> id = find_or_add_text(database, text);
    if (id) texts.emplace(text, *id);
    return id;
  }

  Result<std::int64_t> key_of(const FlowFacts& facts) {
    if (const auto found = keys.find(facts); found != keys.end()) return found->second;
    Result<std::int64_t> id = find_or_add_key(database, facts);
    if (id) keys.emplace(facts, *id);
    return id;
  }

  /// What a rolled back transaction gave out does not exist.
  void forget() {
    texts.clear();
    keys.clear();
  }

  Result<void> write(const UsageFold& fold, std::int64_t append_hour);

  SqliteDatabase database;
  std::unique_ptr<aggregator::StateLock> lock;
  std::unordered_map<std::string, TextId> texts;
  std::unordered_map<FlowFacts, std::int64_t, FlowFactsHash> keys;
};

UsageStore::UsageStore(std::unique_ptr<State> state) : state_(std::move(state)) {}
UsageStore::~UsageStore() = default;

Result<std::unique_ptr<UsageStore>> UsageStore::open(const std::string& path) {
  if (auto ours = aggregator::check_sqlite_file(path, usage_identity()); !ours)
    return std::move(ours).error();
  Result<std::unique_ptr<aggregator::StateLock>> lock = aggregator::StateLock::take(path);
  if (!lock) return std::move(lock).error();
  Result<SqliteDatabase> database = aggregator::open_for_writing(path, usage_identity());
  if (!database) return std::move(database).error();
  // A power cut may take back the newest transactions as a whole; the log still has them behind the
  // position that is left, so waiting for the disk at each commit would buy nothing.
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
  return std::unique_ptr<UsageStore>(
      new UsageStore(std::make_unique<State>(*std::move(database), nullptr)));
}

Result<aggregator::LogPosition> UsageStore::applied_position(aggregator::LogPartition partition) {
  SqliteQuery query(state_->database, "SELECT applied FROM position WHERE partition = ?1");
  query.bind(1, partition);
  aggregator::LogPosition applied = 0;
  if (query.next()) applied = query.integer(0);
  if (auto done = query.finish(); !done) return std::move(done).error();
  return applied;
}

Result<void> UsageStore::apply(aggregator::LogPartition partition,
                               std::span<const aggregator::LogEntry> entries) {
  Result<aggregator::LogPosition> applied = applied_position(partition);
  if (!applied) return std::move(applied).error();
  aggregator::LogPosition to = *applied;
  std::int64_t append_hour = 0;
  if (state_->texts.size() > kCachedTexts || state_->keys.size() > kCachedKeys) state_->forget();

  // Numbers of new strings are written while folding, so the transaction begins before it.
  if (auto begun = state_->database.execute("BEGIN IMMEDIATE"); !begun) return begun;
  const auto apply_all = [&]() -> Result<void> {
    UsageFold fold(*state_);
    for (const aggregator::LogEntry& entry : entries) {
      FM_CHECK(entry.partition == partition);
      if (entry.position <= to) continue;
      to = entry.position;
      append_hour = std::max(append_hour, entry.record.append_time_ms() / 3'600'000);
      if (!entry.record.has_batch()) continue;
      if (auto added = fold.add(entry.record.batch()); !added) {
        return std::move(added).error().with_context(
            fmt::format("log partition {} position {}", partition, entry.position));
      }
    }
    if (to == *applied) return {};
    if (auto written = state_->write(fold, append_hour); !written) return written;
    SqliteQuery query(state_->database,
                      "INSERT INTO position VALUES (?1, ?2) ON CONFLICT DO UPDATE SET applied = "
                      "excluded.applied");
    return query.bind(1, partition).bind(2, to).run();
  };
  Result<void> done = apply_all();
  if (done) done = state_->database.execute("COMMIT");
  if (!done) {
    if (state_->database.in_transaction()) (void)state_->database.execute("ROLLBACK").has_value();
    state_->forget();
  }
  return done;
}

Result<void> UsageStore::State::write(const UsageFold& fold, std::int64_t append_hour) {
  for (const auto& [key, sums] : fold.flows) {
    Result<std::int64_t> id = key_of(key.facts);
    if (!id) return std::move(id).error();
    if (auto done = add_flow_hour(database, key.hour, *id, sums); !done) return done;
  }
  for (const auto& [key, quantity] : fold.volumes) {
    if (auto done = add_usage(database, key, quantity); !done) return done;
  }
  for (const auto& [key, mask] : fold.minutes) {
    if (auto done = add_minutes(database, key, mask); !done) return done;
  }
  for (const auto& [key, value] : fold.periods) {
    if (auto done = put_period(database, key, value, append_hour); !done) return done;
  }
  return settle_periods(database, append_hour, kPeriodsKeptHours);
}

Result<void> UsageStore::prune(std::uint32_t before_hour) {
  state_->forget();
  return prune_usage(state_->database, before_hour);
}

Result<std::vector<FlowUsage>> UsageStore::flows(std::uint32_t from_hour, std::uint32_t to_hour,
                                                 const std::string& environment) {
  return read_flows(state_->database, from_hour, to_hour, environment);
}

Result<std::vector<HourlyUsage>> UsageStore::usage(std::uint32_t from_hour, std::uint32_t to_hour,
                                                   const std::string& environment) {
  return read_usage(state_->database, from_hour, to_hour, environment);
}

}  // namespace fleetmeter::cost
