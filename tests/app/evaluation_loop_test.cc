#include "app/evaluation_loop.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "aggregator/sqlite_log.h"
#include "app/run_summary.h"
#include "tests/app/small_log.h"

namespace fleetmeter::app {
namespace {

namespace fs = std::filesystem;

/// A state directory with its stores and a loop; open() again is a restart of the process.
class EvaluationLoopTest : public testing::Test {
 protected:
  EvaluationLoopTest() {
    directory_ =
        fs::path(testing::TempDir()) /
        ("loop_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(directory_);
    fs::create_directories(directory_);
  }
  ~EvaluationLoopTest() override {
    close();
    fs::remove_all(directory_);
  }

  void open() {
    aggregator::SqliteLog::Options options;
    options.clock = &clock;
    auto opened = aggregator::SqliteLog::open((directory_ / "log.db").string(), std::move(options));
    ASSERT_TRUE(opened) << opened.error().message;
    log = *std::move(opened);
    auto usage_opened = cost::UsageStore::open((directory_ / "cost.db").string());
    ASSERT_TRUE(usage_opened) << usage_opened.error().message;
    usage = *std::move(usage_opened);
    loop = std::make_unique<EvaluationLoop>(*log, usage.get(), clock, EvaluationLoop::Options{});
    const auto recovered = loop->recover(kRules, "f1", nullptr);
    ASSERT_TRUE(recovered) << recovered.error().message;
  }
  /// Ends as SIGTERM does when `drain`, else as a kill does: without a snapshot.
  void close(bool drain = true) {
    if (drain && loop) loop->stop();
    loop.reset();
    usage.reset();
    log.reset();
  }
  void append(std::vector<proto::LogRecord> records) {
    aggregator::Commit commit;
    for (proto::LogRecord& record : records) commit.records.push_back({0, std::move(record)});
    const auto appended = log->append(std::move(commit));
    ASSERT_TRUE(appended) << appended.error().message;
  }
  void append_input(std::int64_t minutes = 12) {
    std::vector<proto::LogRecord> records{SmallLog::progress_record()};
    for (std::int64_t m = 0; m < minutes; ++m)
      records.push_back(SmallLog::cpu_record("prod", m, 95));
    append(std::move(records));
  }
  void run_to_end() {
    const auto ended = loop->end_input({});
    ASSERT_TRUE(ended) << ended.error().message;
    const auto waited = loop->wait_to_end(*ended, {});
    ASSERT_TRUE(waited) << waited.error().message;
  }
  std::string events() { return *event_log(*log); }
  /// Of the input in one run; leaves nothing of it behind.
  std::string events_undisturbed(std::int64_t minutes = 12) {
    open();
    loop->start();
    append_input(minutes);
    run_to_end();
    std::string expected = events();
    close();
    fs::remove_all(directory_);
    fs::create_directories(directory_);
    return expected;
  }
  [[nodiscard]] fs::path file(const char* name) const { return directory_ / name; }

  fs::path directory_;
  ManualClock clock{WallTime(Milliseconds(SmallLog::kNowS * 1000))};
  std::unique_ptr<aggregator::SqliteLog> log;
  std::unique_ptr<cost::UsageStore> usage;
  std::unique_ptr<EvaluationLoop> loop;
};

TEST_F(EvaluationLoopTest, ABoundedRunFinishesAndTheAlarmHasFiredOnce) {
  open();
  loop->start();
  append_input();
  run_to_end();
  EXPECT_THAT(events(), testing::HasSubstr("\"to\":\"ALARM\""));
  loop->stop();
  const auto view = loop->view();
  EXPECT_EQ(view->applied, view->last);
  EXPECT_EQ(view->alarms.size(), 2u);
}

TEST_F(EvaluationLoopTest, TheEndOfTheDataFiresNothing) {
  open();
  loop->start();
  std::vector<proto::LogRecord> records{SmallLog::progress_record()};
  for (std::int64_t m = 0; m < 12; ++m) records.push_back(SmallLog::cpu_record("prod", m, 10));
  append(std::move(records));
  run_to_end();
  EXPECT_THAT(events(), testing::Not(testing::HasSubstr("\"to\":\"ALARM\"")))
      << "`missing: breaching` is not about the time after the last file";
}

TEST_F(EvaluationLoopTest, ARestartEmitsNothingAgain) {
  open();
  loop->start();
  append_input();
  run_to_end();
  const std::string once = events();
  const auto position = *log->last_position(0);
  for (const bool drain : {true, false}) {
    close(drain);
    open();
    loop->start();
    run_to_end();
    EXPECT_EQ(events(), once);
    EXPECT_EQ(*log->last_position(0), position) << "nor is anything appended";
  }
}

TEST_F(EvaluationLoopTest, AKillBeforeAnyCommitOfOutputsLosesAndRepeatsNothing) {
  const std::string expected = events_undisturbed();
  open();
  append_input();  // The loop's thread never ran: as if killed before it.
  close(/*drain=*/false);
  open();
  loop->start();
  run_to_end();
  EXPECT_EQ(events(), expected);
}

TEST_F(EvaluationLoopTest, InputThatAnEarlierRunLeftOpenIsEndedOverAllOfIt) {
  open();
  loop->start();
  append_input();
  close();  // Stopped between the last commit of files and InputEnd; with a snapshot.
  open();
  loop->start();
  append({SmallLog::cpu_record("prod", 20, 95)});  // What the restarted run still had to read.
  run_to_end();
  aggregator::LogPosition after = 0;
  proto::InputEnd end;
  for (;;) {
    const auto entries = log->read(0, after, 1000);
    ASSERT_TRUE(entries);
    if (entries->empty()) break;
    for (const auto& entry : *entries) {
      if (entry.record.has_input_end()) end = entry.record.input_end();
    }
    after = entries->back().position;
  }
  EXPECT_EQ(end.event_time_min_s(), kStartS);
  EXPECT_EQ(end.event_time_max_s(), kStartS + 21 * 60);
}

TEST_F(EvaluationLoopTest, NoInputAtAllEndsAtOnce) {
  open();
  loop->start();
  append({SmallLog::progress_record()});
  const auto ended = loop->end_input({});
  ASSERT_TRUE(ended);
  EXPECT_EQ(*ended, 0);
  EXPECT_TRUE(loop->wait_to_end(*ended, {}));
  EXPECT_EQ(events(), "");
}

TEST_F(EvaluationLoopTest, AStateOfLiveSourcesIsRefusedInsteadOfWaitedFor) {
  open();
  loop->start();
  append({SmallLog::progress_record(/*bounded=*/false)});
  append_input();
  const auto ended = loop->end_input({});
  ASSERT_TRUE(ended);
  const auto waited = loop->wait_to_end(*ended, {});
  ASSERT_FALSE(waited);
  EXPECT_EQ(waited.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(waited.error().message, testing::HasSubstr("live sources"));
}

TEST_F(EvaluationLoopTest, AStopEndsTheWait) {
  open();
  loop->start();
  std::stop_source stop;
  stop.request_stop();
  EXPECT_TRUE(loop->wait_to_end(1'000'000, stop.get_token()));
}

TEST_F(EvaluationLoopTest, CostThatIsBehindOrLostIsCaughtUp) {
  open();
  loop->start();
  append_input();
  run_to_end();
  const auto position = *usage->applied_position(0);
  EXPECT_EQ(position, *log->evaluated_position(0));
  close();
  for (const char* name : {"cost.db", "cost.db-wal", "cost.db-shm"}) fs::remove(file(name));
  open();
  EXPECT_EQ(*usage->applied_position(0), position);
}

/// Two seconds pass whenever it is asked for the time.
class HastyClock final : public Clock {
 public:
  [[nodiscard]] WallTime wall() const override {
    return WallTime(Milliseconds(SmallLog::kNowS * 1000));
  }
  [[nodiscard]] SteadyTime steady() const override {
    return SteadyTime(std::chrono::seconds(2 * ++asked_));
  }

 private:
  mutable std::atomic<std::int64_t> asked_ = 0;
};

// docs/time.md 5: each grid minute is evaluated exactly once, in order.
TEST_F(EvaluationLoopTest, AStopInALongCatchUpLeavesTheRestToTheNextStart) {
  constexpr std::int64_t kMinutes = 600;
  const std::string expected = events_undisturbed(kMinutes);
  open();
  const HastyClock hasty;
  std::stop_source asked;
  asked.request_stop();
  EvaluationLoop::Options options;
  options.stop = asked.get_token();
  EvaluationLoop hurried(*log, usage.get(), hasty, std::move(options));
  ASSERT_TRUE(hurried.recover(kRules, "f1", nullptr));
  append_input(kMinutes);
  hurried.start();
  hurried.stop();
  EXPECT_LT(*log->evaluated_position(0), *log->last_position(0));
  EXPECT_FALSE(hurried.failure());

  close(/*drain=*/false);
  open();
  loop->start();
  run_to_end();
  EXPECT_EQ(events(), expected);
}

TEST_F(EvaluationLoopTest, AChangedConfigurationIsAppendedOnce) {
  open();
  const auto position = *log->last_position(0);
  close();
  open();
  EXPECT_EQ(*log->last_position(0), position) << "the same fingerprint";
  loop->stop();
  EvaluationLoop changed(*log, usage.get(), clock, {});
  ASSERT_TRUE(changed.recover(kRules, "f2", nullptr));
  EXPECT_EQ(*log->last_position(0), position + 1);
}

}  // namespace
}  // namespace fleetmeter::app
