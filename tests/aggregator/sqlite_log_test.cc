#include "aggregator/sqlite_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "tests/aggregator/log_contract.h"

namespace fleetmeter::aggregator {
namespace {

using testing::HasSubstr;

constexpr std::int64_t kStart = 1'700'000'000'000;

/// A state directory of its own, gone afterwards.
class StateFolder {
 public:
  StateFolder() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "fleetmeter-log-XXXXXX").string();
    FM_CHECK(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~StateFolder() { std::filesystem::remove_all(path_); }
  StateFolder(const StateFolder&) = delete;
  StateFolder& operator=(const StateFolder&) = delete;
  [[nodiscard]] std::string file() const { return path_ / "log.db"; }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

void run_sql(const std::string& path, const std::string& sql) {
  sqlite3* handle = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &handle), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(handle, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
      << sqlite3_errmsg(handle);
  sqlite3_close(handle);
}

std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

class SqliteHarness final : public LogHarness {
 public:
  std::unique_ptr<AggregateLog> open() override {
    auto log = SqliteLog::open(folder_.file(), {.clock = &clock_});
    EXPECT_TRUE(log) << log.error().message;
    return log ? *std::move(log) : nullptr;
  }
  ManualClock& clock() override { return clock_; }
  bool damage_newest_snapshot() override {
    run_sql(folder_.file(),
            "UPDATE snapshot_chunks SET chunk = zeroblob(20) WHERE snapshot = (SELECT max(id) FROM "
            "snapshots)");
    return true;
  }

 private:
  StateFolder folder_;
  ManualClock clock_{WallTime(Milliseconds(kStart))};
};

INSTANTIATE_TEST_SUITE_P(Sqlite, LogContract,
                         testing::Values(LogHarnessFactory{
                             "sqlite", [] { return std::make_unique<SqliteHarness>(); }}));

class SqliteLogTest : public testing::Test {
 protected:
  Result<std::unique_ptr<SqliteLog>> open(SqliteLog::Options options = {}) {
    options.clock = &clock;
    return SqliteLog::open(folder.file(), std::move(options));
  }
  static Commit commit(std::int64_t time_s, std::size_t padding = 0) {
    Commit made;
    proto::LogRecord record;
    if (padding == 0) {
      record.mutable_tick()->set_time_s(time_s);
    } else {
      record.mutable_config()->set_version(static_cast<std::uint64_t>(time_s));
      record.mutable_config()->set_yaml(std::string(padding, 'y'));
    }
    made.records.push_back({.partition = 0, .record = std::move(record)});
    made.positions["flow/0"] = std::to_string(time_s);
    return made;
  }

  StateFolder folder;
  ManualClock clock{WallTime(Milliseconds(kStart))};
};

TEST_F(SqliteLogTest, IsMarkedAsOursInTheFirstBytesOfTheFile) {
  ASSERT_TRUE(open());
  const std::string bytes = bytes_of(folder.file());
  ASSERT_GE(bytes.size(), 100U);
  EXPECT_EQ(bytes.substr(68, 4), "FMlg");
  EXPECT_EQ(bytes.substr(60, 4), std::string("\0\0\0\2", 4));
}

TEST_F(SqliteLogTest, RefusesASecondWriterAndNamesTheFile) {
  auto first = open();
  ASSERT_TRUE(first);
  const auto second = open();
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kUnavailable);
  EXPECT_THAT(second.error().message, HasSubstr(folder.file()));
  EXPECT_THAT(second.error().message, HasSubstr(std::to_string(::getpid())));
  first->reset();
  EXPECT_TRUE(open());
}

TEST_F(SqliteLogTest, RefusesANewerSchemaUntouched) {
  ASSERT_TRUE(open());
  run_sql(folder.file(), "PRAGMA user_version = 3; PRAGMA wal_checkpoint(TRUNCATE)");
  std::filesystem::remove(folder.file() + ".lock");
  const std::string before = bytes_of(folder.file());
  const auto log = open();
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, ErrorCode::kDataLoss);
  EXPECT_THAT(log.error().message, HasSubstr("newer release"));
  EXPECT_EQ(bytes_of(folder.file()), before);
  EXPECT_FALSE(std::filesystem::exists(folder.file() + ".lock"));
}

TEST_F(SqliteLogTest, AFileOfAnEarlierReleaseIsNoneOfItsAnyMore) {
  ASSERT_TRUE(open());
  run_sql(folder.file(), "PRAGMA user_version = 1; PRAGMA wal_checkpoint(TRUNCATE)");
  ASSERT_TRUE(open());
  EXPECT_EQ(bytes_of(folder.file()).substr(60, 4), std::string("\0\0\0\2", 4));
}

TEST_F(SqliteLogTest, RefusesAnotherProgramsDatabaseUntouched) {
  run_sql(folder.file(), "CREATE TABLE theirs (a); PRAGMA application_id = 7");
  const std::string before = bytes_of(folder.file());
  const auto log = open();
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, ErrorCode::kDataLoss);
  EXPECT_THAT(log.error().message, HasSubstr("another program"));
  EXPECT_EQ(bytes_of(folder.file()), before);
}

TEST_F(SqliteLogTest, RefusesAFileThatIsNoDatabaseUntouched) {
  const std::string text = "2 123456789010 eni-1235b8ca123456789\n";
  std::ofstream(folder.file()) << text;
  const auto log = open();
  ASSERT_FALSE(log);
  EXPECT_EQ(log.error().code, ErrorCode::kDataLoss);
  EXPECT_EQ(bytes_of(folder.file()), text);
}

TEST_F(SqliteLogTest, MakesTheStateDirectory) {
  auto log = SqliteLog::open(folder.path() / "a" / "b" / "log.db", {.clock = &clock});
  EXPECT_TRUE(log) << log.error().message;
}

TEST_F(SqliteLogTest, ADamagedRecordIsDataLossAndNamesItsPosition) {
  {
    auto log = open();
    ASSERT_TRUE((*log)->append(commit(10)));
    ASSERT_TRUE((*log)->append(commit(20)));
  }
  run_sql(folder.file(), "UPDATE log SET record = x'0801' WHERE position = 2");
  auto log = open();
  const auto entries = (*log)->read(0, 0, 10);
  ASSERT_FALSE(entries);
  EXPECT_EQ(entries.error().code, ErrorCode::kDataLoss);
  EXPECT_THAT(entries.error().message, HasSubstr("position 2"));
  EXPECT_EQ((*log)->read(0, 0, 1)->size(), 1U);
}

std::vector<std::string> bytes_of_entries(const std::vector<LogEntry>& entries) {
  std::vector<std::string> out;
  for (const LogEntry& entry : entries)
    out.push_back(std::to_string(entry.position) + " " + entry.record.SerializeAsString());
  return out;
}

/// What was appended is read once from memory and after that from the file.
TEST_F(SqliteLogTest, ARecordReadFromMemoryIsTheOneThatIsReadBack) {
  auto log = open();
  for (std::int64_t i = 0; i < 20; ++i) {
    Commit several = commit(10 * i);
    for (std::int64_t j = 0; j < i % 3; ++j)
      several.records.push_back(commit(10 * i + j, 2000).records[0]);
    ASSERT_TRUE((*log)->append(std::move(several)));
    if (i % 4 != 0) continue;
    ASSERT_TRUE((*log)->commit_outputs(
        {.evaluated = *(*log)->last_position(0), .append = {commit(1000 + i).records[0].record}}));
  }
  const auto remembered = (*log)->read(0, 0, 1000);
  const auto stored = (*log)->read(0, 0, 1000);
  ASSERT_TRUE(remembered && stored);
  EXPECT_EQ(remembered->size(), 20U + 19U + 5U);
  EXPECT_EQ(bytes_of_entries(*remembered), bytes_of_entries(*stored));
  EXPECT_NE(remembered->front().record.append_time_ms(), 0);
}

TEST_F(SqliteLogTest, WhatAReaderIsTooLateToFindInMemoryIsReadBack) {
  auto log = open({.recent_bytes_max = 3'000});
  for (std::int64_t i = 1; i <= 200; ++i)
    ASSERT_TRUE((*log)->append(commit(i, i % 10 == 0 ? 600 : 0)));
  LogPosition after = 0;
  for (int reads = 0; after < 200 && reads < 200; ++reads) {
    const auto entries = (*log)->read(0, after, 7);
    ASSERT_TRUE(entries);
    for (const LogEntry& entry : *entries) ASSERT_EQ(entry.position, ++after);
  }
  EXPECT_EQ(after, 200);
}

TEST_F(SqliteLogTest, NoMoreIsRememberedThanThereIsRoomFor) {
  const auto read_with = [&](std::size_t bytes_max) {
    const StateFolder own;
    auto log = *SqliteLog::open(own.file(), {.clock = &clock, .recent_bytes_max = bytes_max});
    EXPECT_TRUE(log->append(commit(1, 10'000)));
    EXPECT_TRUE(log->append(commit(2, 10'000)));
    run_sql(own.file(), "UPDATE log SET record = x'0801' WHERE position = 1");
    return log->read(0, 0, 10);
  };
  EXPECT_TRUE(read_with(21'000)) << "both are here, and the damage is not met";
  const auto read_back = read_with(19'000);
  ASSERT_FALSE(read_back);
  EXPECT_EQ(read_back.error().code, ErrorCode::kDataLoss);
}

/// The positions of a commit that was undone are given again.
TEST_F(SqliteLogTest, ARecordOfARefusedCommitIsNotRemembered) {
  auto log = open();
  ASSERT_TRUE((*log)->append(commit(1)));
  ASSERT_FALSE((*log)->commit_outputs({.evaluated = 99, .append = {commit(2).records[0].record}}));
  Outputs outputs{.evaluated = 1, .append = {commit(3).records[0].record}};
  outputs.events.emplace_back().set_id("a");
  ASSERT_TRUE((*log)->commit_outputs(outputs));
  outputs.events[0].set_type("another content");
  outputs.append = {commit(4).records[0].record, commit(5).records[0].record};
  ASSERT_FALSE((*log)->commit_outputs(outputs));
  ASSERT_TRUE((*log)->append(commit(6)));
  const auto entries = (*log)->read(0, 0, 10);
  ASSERT_EQ(entries->size(), 3U);
  EXPECT_EQ((*entries)[0].record.tick().time_s(), 1);
  EXPECT_EQ((*entries)[1].record.tick().time_s(), 3);
  EXPECT_EQ((*entries)[2].record.tick().time_s(), 6);
}

TEST_F(SqliteLogTest, OtherPartitionsAreRefused) {
  auto log = open();
  Commit wrong = commit(10);
  wrong.records[0].partition = 1;
  EXPECT_EQ((*log)->append(std::move(wrong)).error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ((*log)->read(1, 0, 1).error().code, ErrorCode::kInvalidArgument);
}

TEST_F(SqliteLogTest, AnOutdatedEvaluatorIsFencedAndLeavesNothing) {
  auto log = open();
  ASSERT_TRUE((*log)->append(commit(10)));
  ASSERT_TRUE((*log)->append(commit(20)));
  Outputs newer;
  newer.evaluated = 2;
  ASSERT_TRUE((*log)->commit_outputs(newer));
  Outputs older;
  older.evaluated = 1;
  older.events.emplace_back().set_id("ghost");
  const auto refused = (*log)->commit_outputs(older);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kFenced);
  EXPECT_TRUE((*log)->events({})->empty());
  EXPECT_EQ(*(*log)->evaluated_position(0), 2);
  EXPECT_TRUE((*log)->status().writable);
}

TEST_F(SqliteLogTest, OutputsPastTheEndOfTheLogAreRefused) {
  auto log = open();
  Outputs outputs;
  outputs.evaluated = 1;
  EXPECT_EQ((*log)->commit_outputs(outputs).error().code, ErrorCode::kInvalidArgument);
}

TEST_F(SqliteLogTest, AnEventIdWithAnotherContentRefusesTheWholeOutputs) {
  auto log = open();
  ASSERT_TRUE((*log)->append(commit(10)));
  Outputs outputs;
  outputs.events.emplace_back().set_id("a");
  ASSERT_TRUE((*log)->commit_outputs(outputs));
  outputs.evaluated = 1;
  outputs.events[0].set_reason("another");
  outputs.append.emplace_back().mutable_tick()->set_time_s(20);
  EXPECT_EQ((*log)->commit_outputs(outputs).error().code, ErrorCode::kInternal);
  EXPECT_EQ(*(*log)->evaluated_position(0), 0);
  EXPECT_EQ(*(*log)->last_position(0), 1);
  EXPECT_EQ((*log)->append(commit(20))->at(0), 2);
}

TEST_F(SqliteLogTest, DeliveryOfAnUnknownEntryIsNotFound) {
  auto log = open();
  EXPECT_EQ((*log)->record_delivery({.event_id = "a", .receiver = "ops"}).error().code,
            ErrorCode::kNotFound);
}

TEST_F(SqliteLogTest, ReadingBeforeThePrunedPartIsDataLoss) {
  auto log = open();
  ASSERT_TRUE((*log)->append(commit(10)));
  ASSERT_TRUE((*log)->append(commit(20)));
  ASSERT_TRUE((*log)->put_snapshot(0, {.position = 1, .schema = 1, .state = "s"}));
  EXPECT_EQ(*(*log)->prune(0, kStart + 1, 0), 1U);
  const auto entries = (*log)->read(0, 0, 10);
  ASSERT_FALSE(entries);
  EXPECT_EQ(entries.error().code, ErrorCode::kDataLoss);
  EXPECT_THAT(entries.error().message, HasSubstr("pruned"));
  EXPECT_EQ((*log)->read(0, 1, 10)->size(), 1U);
}

TEST_F(SqliteLogTest, PruningBySizeTakesTheOldestOnlyAsFarAsNeeded) {
  auto log = open({.compress = false});
  for (int i = 1; i <= 5000; ++i) {
    Commit many;
    for (; i % 1000 != 0; ++i) many.records.push_back(commit(i, 100).records[0]);
    many.records.push_back(commit(i, 100).records[0]);
    ASSERT_TRUE((*log)->append(std::move(many)));
  }
  ASSERT_TRUE((*log)->put_snapshot(0, {.position = 4500, .schema = 1, .state = "s"}));
  const std::uint64_t half = (*log)->status().log_bytes / 2;
  const auto gone = (*log)->prune(0, 0, half);
  ASSERT_TRUE(gone);
  EXPECT_NEAR(static_cast<double>(*gone), 2500, 15);
  EXPECT_LE((*log)->status().log_bytes, half);
  EXPECT_GT((*log)->status().log_bytes, half - 200);
  EXPECT_EQ(*(*log)->prune(0, 0, 0), 4500 - *gone);
  EXPECT_EQ((*log)->read(0, 4500, 1000)->size(), 500U);
}

TEST_F(SqliteLogTest, OldEventsGoAfter13MonthsButPendingOnesStay) {
  auto log = open();
  ASSERT_TRUE((*log)->append(commit(10)));
  Outputs outputs;
  outputs.evaluated = 1;
  for (const char* id : {"settled", "pending"}) {
    outputs.events.emplace_back().set_id(id);
    outputs.outbox.push_back({.event_id = id, .receiver = "ops"});
  }
  ASSERT_TRUE((*log)->commit_outputs(outputs));
  outputs.outbox[0].state = DeliveryState::kDelivered;
  ASSERT_TRUE((*log)->record_delivery(outputs.outbox[0]));
  clock.advance(std::chrono::hours(24 * 404));
  ASSERT_TRUE((*log)->prune(0, 0, 1'000'000));
  ASSERT_EQ((*log)->events({})->size(), 1U);
  EXPECT_EQ((*log)->events({})->at(0).id(), "pending");
  EXPECT_EQ((*log)->outbox_counts()->count(DeliveryState::kDelivered), 0U);
}

TEST_F(SqliteLogTest, OnceKeysBeyondTheLimitLoseTheOldestFirst) {
  auto log = open({.once_keys_max = 3});
  for (int i = 0; i < 5; ++i) {
    Commit one = commit(i);
    one.once_keys = {"key-" + std::to_string(i)};
    ASSERT_TRUE((*log)->append(std::move(one)));
    clock.advance(Milliseconds(1));
  }
  EXPECT_EQ((*log)->status().once_keys, 3U);
  EXPECT_EQ(*(*log)->seen_keys({"key-0", "key-1", "key-2", "key-3", "key-4"}),
            (Strings{"key-2", "key-3", "key-4"}));
}

TEST_F(SqliteLogTest, ExpiredOnceKeysLeaveTheFile) {
  auto log = open();
  Commit first = commit(1);
  for (int i = 0; i < 50; ++i) first.once_keys.push_back("old-" + std::to_string(i));
  ASSERT_TRUE((*log)->append(std::move(first)));
  clock.advance(std::chrono::hours(48));
  Commit second = commit(2);
  second.once_keys = {"new"};
  ASSERT_TRUE((*log)->append(std::move(second)));
  EXPECT_EQ((*log)->status().once_keys, 1U);
}

// A full disk by SQLite's own limit on pages: the same result code on the same paths.
TEST_F(SqliteLogTest, AFullDiskRefusesTheCommitWholeAndHealsWhenThereIsRoom) {
  Commit large = commit(2, 1'000'000);
  {
    auto log = open({.compress = false, .file_bytes_max = 400'000});
    ASSERT_TRUE((*log)->append(commit(1)));
    const auto refused = (*log)->append(std::move(large));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
    EXPECT_THAT(refused.error().message, HasSubstr(folder.file()));
    EXPECT_EQ(*(*log)->source_position("flow/0"), "1");
    EXPECT_EQ(*(*log)->last_position(0), 1);
    EXPECT_EQ((*log)->read(0, 0, 10)->size(), 1U);
    EXPECT_FALSE((*log)->status().failed);
    EXPECT_THAT((*log)->status().last_error, HasSubstr("full"));
    ASSERT_TRUE((*log)->append(commit(3)));
    EXPECT_TRUE((*log)->status().writable);
    EXPECT_EQ(*(*log)->source_position("flow/0"), "3");
  }
  auto roomy = open();
  clock.advance(std::chrono::hours(1));
  EXPECT_TRUE((*roomy)->append(std::move(large))) << "What was refused is still whole.";
  ASSERT_EQ(*(*roomy)->last_position(0), 3);
  const auto again = (*roomy)->read(0, 2, 10);
  EXPECT_EQ(again->at(0).record.batch().SerializeAsString(),
            commit(2, 1'000'000).records[0].record.batch().SerializeAsString());
  EXPECT_EQ(again->at(0).record.append_time_ms(), clock.wall().time_since_epoch().count());
}

// A device that refuses writes: the process's own limit on file sizes, lifted again later.
TEST_F(SqliteLogTest, AFailingWriteIsUnavailableAndTheStoreFindsOutByItselfThatItIsOver) {
  auto log = open({.compress = false});
  ASSERT_TRUE((*log)->append(commit(1)));
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  ::signal(SIGXFSZ, SIG_IGN);
  const rlimit tight{.rlim_cur = 100'000, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
  const auto refused = (*log)->append(commit(2, 3'000'000));
  const bool writable = (*log)->status().writable;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kUnavailable);
  EXPECT_FALSE(writable);
  EXPECT_EQ(*(*log)->source_position("flow/0"), "1");
  for (int turn = 0; turn < 100 && !(*log)->status().writable; ++turn)
    std::this_thread::sleep_for(Milliseconds(100));
  EXPECT_TRUE((*log)->status().writable);  // By the probe: nothing was appended.
  ASSERT_TRUE((*log)->append(commit(2, 3'000'000)));
  EXPECT_EQ(*(*log)->source_position("flow/0"), "2");
}

TEST_F(SqliteLogTest, ARefusedCallInAGroupTakesNoOtherDown) {
  auto log = open();
  ASSERT_TRUE((*log)->append(commit(1)));
  std::atomic<int> appended = 0;
  std::atomic<int> refused = 0;
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 8; ++thread) {
      threads.emplace_back([&, thread] {
        for (int i = 0; i < 20; ++i) {
          if (thread % 2 == 0) {
            appended += (*log)->append(commit(i)).has_value() ? 1 : 0;
          } else {
            refused += (*log)->record_delivery({.event_id = "none", .receiver = "ops"}).has_value()
                           ? 0
                           : 1;
          }
        }
      });
    }
  }
  EXPECT_EQ(appended, 80);
  EXPECT_EQ(refused, 80);
  EXPECT_EQ(*(*log)->last_position(0), 81);
  EXPECT_LE((*log)->status().groups, (*log)->status().requests);
}

TEST_F(SqliteLogTest, ConcurrentCallsShareTransactions) {
  std::atomic<bool> hold = true;
  // The first commit waits at its end until the others are queued.
  auto log = open({.fault = [&](std::string_view point) {
    while (point == "append.before_commit" && hold) std::this_thread::sleep_for(Milliseconds(1));
  }});
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < 9; ++thread) {
      threads.emplace_back([&, thread] { EXPECT_TRUE((*log)->append(commit(thread))); });
    }
    std::this_thread::sleep_for(Milliseconds(200));
    hold = false;
  }
  EXPECT_EQ((*log)->status().requests, 9U);
  EXPECT_LE((*log)->status().groups, 4U);
}

// --- killed at every point ---

class SqliteLogKill : public SqliteLogTest, public testing::WithParamInterface<const char*> {};

TEST_P(SqliteLogKill, LosesNothingAcknowledgedAndKeepsNoHalfCommit) {
  int pipe_ends[2];
  ASSERT_EQ(::pipe(pipe_ends), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    // The third time at the point is the last thing this process does.
    int left = 3;
    auto log = open({.fault = [&](std::string_view point) {
      if (point == GetParam() && --left == 0) ::kill(::getpid(), SIGKILL);
    }});
    for (std::int64_t i = 1; i < 100; ++i) {
      Commit one = commit(i);
      one.records.push_back(one.records[0]);
      const auto at = (*log)->append(std::move(one));
      if (!at) ::_exit(1);
      Outputs outputs;
      outputs.evaluated = at->at(0);
      outputs.events.emplace_back().set_id(std::to_string(i));
      outputs.outbox.push_back({.event_id = std::to_string(i), .receiver = "ops"});
      if (!(*log)->commit_outputs(outputs)) ::_exit(1);
      OutboxEntry delivered = outputs.outbox[0];
      delivered.state = DeliveryState::kDelivered;
      if (!(*log)->record_delivery(delivered)) ::_exit(1);
      if (::write(pipe_ends[1], &i, sizeof i) != sizeof i) ::_exit(1);
    }
    ::_exit(2);
  }
  ::close(pipe_ends[1]);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status)) << status;
  std::int64_t acknowledged = 0;
  for (std::int64_t i = 0; ::read(pipe_ends[0], &i, sizeof i) == sizeof i;) acknowledged = i;
  ::close(pipe_ends[0]);
  ASSERT_EQ(acknowledged, 2);

  auto log = open();
  ASSERT_TRUE(log) << log.error().message;
  const LogPosition last = *(*log)->last_position(0);
  const std::string position = *(*log)->source_position("flow/0").value();
  EXPECT_EQ(last, 2 * std::stoll(position));  // Records and position go together.
  EXPECT_GE(std::stoll(position), acknowledged);
  EXPECT_EQ((*log)->read(0, 0, 1000)->size(), static_cast<std::size_t>(last));
  const auto events = *(*log)->events({});
  EXPECT_EQ(*(*log)->evaluated_position(0), static_cast<LogPosition>(2 * events.size()));
  auto counts = *(*log)->outbox_counts();
  EXPECT_EQ(counts[DeliveryState::kPending] + counts[DeliveryState::kDelivered], events.size());
  EXPECT_GE(counts[DeliveryState::kDelivered], static_cast<std::uint64_t>(acknowledged));
  EXPECT_TRUE((*log)->append(commit(99)));
}

INSTANTIATE_TEST_SUITE_P(Points, SqliteLogKill,
                         testing::Values("append.before_commit", "append.after_commit",
                                         "outputs.before_commit", "outputs.after_commit",
                                         "delivery.before_commit", "delivery.after_commit"));

}  // namespace
}  // namespace fleetmeter::aggregator
