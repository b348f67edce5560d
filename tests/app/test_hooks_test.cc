#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "app/test_clock.h"
#include "app/test_fault.h"

namespace fleetmeter::app {
namespace {

TEST(TestClock, WithoutTheVariableItIsTheSystems) {
  ASSERT_EQ(unsetenv("FLEETMETER_TEST_CLOCK"), 0);
  const auto clock = make_clock();
  ASSERT_TRUE(clock);
  EXPECT_LT(std::chrono::abs((*clock)->wall() - SystemClock().wall()), std::chrono::seconds(5));
}

TEST(TestClock, RunsFromItsStartAtItsRateAcrossRestarts) {
  const std::int64_t anchor_ms = SystemClock().wall().time_since_epoch().count() - 10'000;
  ASSERT_EQ(setenv("FLEETMETER_TEST_CLOCK", (std::to_string(anchor_ms) + ":1000000:60").c_str(), 1),
            0);
  for (int restart = 0; restart < 2; ++restart) {
    const auto clock = make_clock();
    ASSERT_TRUE(clock);
    const std::int64_t reads_ms = (*clock)->wall().time_since_epoch().count();
    EXPECT_GE(reads_ms, 1'000'000 + 600'000);
    EXPECT_LT(reads_ms, 1'000'000 + 600'000 + 60 * 5'000);
  }
  for (const char* bad : {"1:2", "1:2:0", "1:2:-1", "1:2:3x", "now:2:3", "1:2:nan"}) {
    ASSERT_EQ(setenv("FLEETMETER_TEST_CLOCK", bad, 1), 0);
    EXPECT_FALSE(make_clock()) << bad;
  }
  ASSERT_EQ(unsetenv("FLEETMETER_TEST_CLOCK"), 0);
}

TEST(TestClock, ReadsTheFileThatATestMoves) {
  const std::string path = testing::TempDir() + "/test_clock";
  const auto write = [&](std::int64_t now_ms, std::size_t bytes) {
    // In place, as a test does it: the file stays the one that is mapped.
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.write(reinterpret_cast<const char*>(&now_ms), static_cast<std::streamsize>(bytes));
  };
  std::ofstream{path};
  write(1'000'000, 8);
  ASSERT_EQ(setenv("FLEETMETER_TEST_CLOCK", ("file:" + path).c_str(), 1), 0);
  const auto clock = make_clock();
  ASSERT_TRUE(clock) << clock.error().message;
  EXPECT_EQ((*clock)->wall(), WallTime(std::chrono::seconds(1000)));
  write(1'060'000, 8);
  EXPECT_EQ((*clock)->wall(), WallTime(std::chrono::seconds(1060)));
  std::ofstream{path};
  write(1, 7);
  EXPECT_FALSE(make_clock());
  std::filesystem::remove(path);
  EXPECT_FALSE(make_clock());
  ASSERT_EQ(unsetenv("FLEETMETER_TEST_CLOCK"), 0);
}

TEST(TestFault, WithoutTheVariableThereIsNone) {
  ASSERT_EQ(unsetenv("FLEETMETER_TEST_FAULT"), 0);
  EXPECT_FALSE(test_fault());
}

TEST(TestFaultDeathTest, KillsAtTheNamedPointTheCountedTime) {
  ASSERT_EQ(setenv("FLEETMETER_TEST_FAULT", "append.before_commit:2", 1), 0);
  const auto fault = test_fault();
  ASSERT_TRUE(fault);
  const auto pass_twice = [&] {
    fault("append.after_commit");
    fault("append.before_commit");
    fault("append.after_commit");
    fault("append.before_commit");
  };
  EXPECT_EXIT(pass_twice(), testing::KilledBySignal(SIGKILL), "");
  fault("append.before_commit");  // Once is not twice: still here.
  ASSERT_EQ(unsetenv("FLEETMETER_TEST_FAULT"), 0);
}

}  // namespace
}  // namespace fleetmeter::app
