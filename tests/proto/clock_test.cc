#include "proto/clock.h"

#include <gtest/gtest.h>

#include <chrono>

namespace fleetmeter {
namespace {

using namespace std::chrono_literals;  // NOLINT(google-build-using-namespace): literals only.

constexpr WallTime kNoon{Milliseconds{1'734'696'000'000}};  // 2024-12-20T12:00:00Z.

WallTime real_now() {
  return std::chrono::time_point_cast<Milliseconds>(std::chrono::system_clock::now());
}

TEST(SystemClock, ShowsTheSystemsWallTime) {
  const SystemClock clock;
  const WallTime before = real_now();
  const WallTime shown = clock.wall();
  EXPECT_GE(shown, before);
  EXPECT_LE(shown, real_now());
}

TEST(SystemClock, MeasuresWithAClockThatNeverGoesBack) {
  const SystemClock clock;
  const SteadyTime first = clock.steady();
  EXPECT_GE(clock.steady(), first);
}

TEST(ManualClock, StandsStillUntilTold) {
  ManualClock clock{kNoon};
  EXPECT_EQ(clock.wall(), kNoon);
  EXPECT_EQ(clock.wall(), kNoon);
  clock.advance(90s);
  EXPECT_EQ(clock.wall(), kNoon + 90s);
  clock.set(kNoon - 1h);
  EXPECT_EQ(clock.wall(), kNoon - 1h);
}

TEST(ManualClock, MeasuresWhatItWasAdvancedBy) {
  ManualClock clock{kNoon};
  const SteadyTime before = clock.steady();
  clock.advance(1500ms);
  EXPECT_EQ(clock.steady() - before, 1500ms);
}

// The test-only clock is given a start and a rate, and goes on across restarts when given the same
// values.
TEST(RateClock, RunsFromItsStartAtItsRate) {
  const WallTime anchor = real_now() - 2s;
  const RateClock clock{anchor, kNoon, 60.0};
  const WallTime earliest = kNoon + 60 * (real_now() - anchor);
  const WallTime shown = clock.wall();
  const WallTime latest = kNoon + 60 * (real_now() - anchor);
  EXPECT_GE(shown, earliest);
  EXPECT_LE(shown, latest);
  EXPECT_GE(shown, kNoon + 2min);
}

TEST(RateClock, GoesOnWhereItWasAfterARestart) {
  const WallTime anchor = real_now() - 10s;
  const RateClock before{anchor, kNoon, 72.0};
  const WallTime last_seen = before.wall();
  const RateClock restarted{anchor, kNoon, 72.0};
  EXPECT_GE(restarted.wall(), last_seen);
  EXPECT_LT(restarted.wall(), last_seen + 72 * 5s);
}

TEST(RateClock, ShowsTimesBeforeItsStartWhenTheAnchorLiesAhead) {
  const RateClock clock{real_now() + 1h, kNoon, 2.0};
  EXPECT_LT(clock.wall(), kNoon - 1h);
}

TEST(RateClock, MeasuresRealDurations) {
  const RateClock clock{real_now(), kNoon, 1000.0};
  const auto before = std::chrono::steady_clock::now();
  const SteadyTime measured = clock.steady();
  EXPECT_GE(measured, before);
  EXPECT_LE(measured, std::chrono::steady_clock::now());
}

}  // namespace
}  // namespace fleetmeter
