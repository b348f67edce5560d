// What the log keeps, and what it says of that (docs/time.md 11).
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <unistd.h>

#include <filesystem>

#include "aggregator/sqlite_log.h"
#include "proto/check.h"
#include "tests/aggregator/log_records.h"

namespace fleetmeter::aggregator {
namespace {

constexpr std::int64_t kStartS = 1'700'000'040;  // A whole minute.
constexpr std::uint64_t kNoLimit = ~std::uint64_t{0};

class Keeping : public testing::Test {
 protected:
  Keeping() : folder((std::filesystem::temp_directory_path() / "fleetmeter-keep-XXXXXX").string()) {
    FM_CHECK(::mkdtemp(folder.data()) != nullptr);
    open();
  }
  ~Keeping() override {
    log.reset();
    std::filesystem::remove_all(folder);
  }
  [[nodiscard]] std::string file() const { return folder + "/log.db"; }
  void open() {
    auto opened = SqliteLog::open(file(), {.clock = &clock});
    FM_CHECK(opened.has_value());
    log = *std::move(opened);
  }
  LogPosition put(proto::LogRecord record) {
    Commit commit;
    commit.records.push_back({.partition = 0, .record = std::move(record)});
    const auto written = log->append(std::move(commit));
    FM_CHECK(written.has_value());
    return written->at(0);
  }
  /// A minute as it is in a quiet fleet: a tick every ten seconds, progress each second.
  void minute(std::int64_t start_s) {
    for (std::int64_t s = start_s; s < start_s + 60; ++s) {
      if (s % 10 == 0) put(tick_record(s, s));
      put(progress_record(s, s % 60 == 5 ? "once" : "busy", s));
    }
  }
  LogPosition snapshot() {
    const LogPosition at = *log->last_position(0);
    FM_CHECK(log->put_snapshot(0, {.position = at, .schema = 1, .state = "state"}).has_value());
    return at;
  }
  std::vector<LogEntry> all(LogPosition after = 0) {
    auto entries = log->read(0, after, 100'000);
    FM_CHECK(entries.has_value());
    return *std::move(entries);
  }
  std::int64_t sql(const std::string& text) {
    sqlite3* handle = nullptr;
    sqlite3_stmt* statement = nullptr;
    FM_CHECK(sqlite3_open(file().c_str(), &handle) == SQLITE_OK);
    FM_CHECK(sqlite3_prepare_v2(handle, text.c_str(), -1, &statement, nullptr) == SQLITE_OK);
    const std::int64_t value =
        sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    sqlite3_finalize(statement);
    sqlite3_close(handle);
    return value;
  }

  std::string folder;
  ManualClock clock{WallTime(Milliseconds(kStartS * 1000))};
  std::unique_ptr<SqliteLog> log;
};

TEST_F(Keeping, Rule11TicksAndProgressBehindTheSnapshotsThinToOneAMinute) {
  for (int m = 0; m < 3; ++m) minute(kStartS + 60 * m);
  const LogPosition older = snapshot();
  minute(kStartS + 180);
  snapshot();
  const auto before = all(older);
  ASSERT_EQ(*log->prune(0, 0, kNoLimit), 0U);

  std::vector<std::int64_t> ticks;
  std::vector<proto::Progress> progress;
  for (const LogEntry& entry : all()) {
    if (entry.position > older) break;
    if (entry.record.has_tick()) ticks.push_back(entry.record.tick().time_s());
    if (entry.record.has_progress()) progress.push_back(entry.record.progress());
  }
  EXPECT_EQ(ticks, (std::vector<std::int64_t>{kStartS, kStartS + 60, kStartS + 120}));
  ASSERT_EQ(progress.size(), 3U);
  for (int m = 0; m < 3; ++m) {
    ASSERT_EQ(progress[static_cast<std::size_t>(m)].sources_size(), 2) << "each keeps its newest";
    const auto& sources = progress[static_cast<std::size_t>(m)].sources();
    EXPECT_EQ(sources[0].source(), "busy");
    EXPECT_EQ(sources[0].read_to_ms(), (kStartS + 60 * m + 59) * 1000);
    EXPECT_EQ(sources[1].source(), "once");
    EXPECT_EQ(sources[1].read_to_ms(), (kStartS + 60 * m + 5) * 1000);
  }
  const auto after = all(older);
  ASSERT_EQ(after.size(), before.size()) << "what recovery reads is whole";
  for (std::size_t i = 0; i < after.size(); ++i) {
    EXPECT_EQ(after[i].position, before[i].position);
    EXPECT_EQ(after[i].record.SerializeAsString(), before[i].record.SerializeAsString());
  }
}

TEST_F(Keeping, Rule11ThinningGoesOnWhereItEndedAndTheSizeFollows) {
  minute(kStartS);
  snapshot();
  ASSERT_TRUE(log->prune(0, 0, kNoLimit));
  const std::uint64_t first = log->status().thinned;
  EXPECT_EQ(first, 5U + 59U);
  ASSERT_TRUE(log->prune(0, 0, kNoLimit));
  EXPECT_EQ(log->status().thinned, first) << "nothing twice";
  log.reset();
  open();
  for (int m = 1; m < 100; ++m) minute(kStartS + 60 * m);  // More than one transaction.
  snapshot();
  snapshot();
  ASSERT_TRUE(log->prune(0, 0, kNoLimit));
  EXPECT_NEAR(static_cast<double>(log->status().thinned), 99.0 * 64, 5) << "steps may cut a minute";
  const auto bytes = static_cast<std::int64_t>(log->status().log_bytes);
  log.reset();
  EXPECT_EQ(bytes, sql("SELECT sum(length(record)) FROM log"));
  open();
}

TEST_F(Keeping, Rule11BatchesStallsAndWhereAProcessBeganToListenStay) {
  put(progress_record(kStartS, "push", kStartS, {.push = true, .started = true}));
  put(progress_record(kStartS + 1, "push", kStartS + 1, {.push = true}));
  put(stall_record(kStartS + 2, "push", true, false));
  put(metric_record(kStartS + 3, "push", "prod", {}, {{kStartS, 1}}));
  put(progress_record(kStartS + 4, "push", kStartS + 4, {.push = true}));
  snapshot();
  ASSERT_TRUE(log->prune(0, 0, kNoLimit));
  const auto left = all();
  ASSERT_EQ(left.size(), 4U);
  EXPECT_TRUE(left[0].record.progress().sources(0).started());
  EXPECT_TRUE(left[1].record.has_source_stall());
  EXPECT_TRUE(left[2].record.has_batch());
  EXPECT_EQ(left[3].record.progress().sources(0).read_to_ms(), (kStartS + 4) * 1000);
}

TEST_F(Keeping, Rule11NothingIsTouchedThatTheOlderSnapshotNeedsWhenTheNewerIsDamaged) {
  minute(kStartS);
  const LogPosition older = snapshot();
  minute(kStartS + 60);
  snapshot();
  const std::size_t behind = all(older).size();
  ASSERT_TRUE(log->prune(0, (kStartS + 86'400) * 1000, 0));  // By age and by size.
  log.reset();
  sql("UPDATE snapshot_chunks SET chunk = zeroblob(20) WHERE snapshot = (SELECT max(id) FROM "
      "snapshots)");
  open();
  const auto snapshot = log->latest_snapshot(0);
  ASSERT_TRUE(snapshot && *snapshot);
  EXPECT_EQ((*snapshot)->position, older);
  EXPECT_EQ(all(older).size(), behind);
}

TEST_F(Keeping, Rule11TheEarlierOfAgeAndSizeWinsAndIsSaid) {
  for (int m = 0; m < 4; ++m) minute(kStartS + 60 * m);
  snapshot();
  ASSERT_TRUE(log->prune(0, (kStartS + 60) * 1000, kNoLimit));
  EXPECT_EQ(log->status().kept_from_ms, (kStartS + 60) * 1000);
  EXPECT_FALSE(log->status().limited_by_bytes);
  const std::uint64_t half = log->status().log_bytes / 2;
  ASSERT_TRUE(log->prune(0, (kStartS + 60) * 1000, half));
  EXPECT_GT(log->status().kept_from_ms, (kStartS + 60) * 1000);
  EXPECT_TRUE(log->status().limited_by_bytes) << "younger ones than the age allows went";
  ASSERT_TRUE(log->prune(0, (kStartS + 60) * 1000, half));
  EXPECT_TRUE(log->status().limited_by_bytes) << "until records go by age again";
  ASSERT_TRUE(log->prune(0, (kStartS + 200) * 1000, kNoLimit));
  EXPECT_FALSE(log->status().limited_by_bytes);
}

TEST_F(Keeping, ALogKeepsItsIdAndOneFromBeforeIdsGetsOne) {
  const std::string id = log->log_id();
  EXPECT_EQ(id.size(), 32U);
  log.reset();
  open();
  EXPECT_EQ(log->log_id(), id);
  log.reset();
  sql("DROP TABLE meta");
  open();
  EXPECT_EQ(log->log_id().size(), 32U);
  EXPECT_NE(log->log_id(), id) << "as of another log: random";
}

TEST_F(Keeping, ACleanEndLeavesAllOfTheLogInItsOneFile) {
  minute(kStartS);
  EXPECT_TRUE(log->latest_snapshot(0)) << "on a connection that only reads";
  log.reset();
  EXPECT_FALSE(std::filesystem::exists(file() + "-wal"));
}

TEST_F(Keeping, AFileFromBeforeThinningIsTakenOn) {
  minute(kStartS);
  snapshot();
  log.reset();
  sql("DROP TABLE thinned");
  open();
  ASSERT_TRUE(log->prune(0, 0, kNoLimit));
  EXPECT_GT(log->status().thinned, 0U);
}

}  // namespace
}  // namespace fleetmeter::aggregator
