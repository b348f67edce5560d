#include "aggregator/flow_windows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/aggregator/log_records.h"

namespace fleetmeter::aggregator {
namespace {

constexpr GridTime kNoon = 1'700'000'400;
static_assert(kNoon % 600 == 0);

class FlowWindowsTest : public testing::Test {
 protected:
  std::uint64_t add(const std::vector<FlowRow>& rows) {
    return windows.add(flow_record(0, "s", "e", rows).batch(), 0);
  }
  std::vector<FlowWindow> close(GridTime watermark_s) {
    std::vector<FlowWindow> closed;
    windows.close(watermark_s, closed);
    return closed;
  }
  FlowWindows windows{0};
};

TEST_F(FlowWindowsTest, ClosesAWindowOnceAtTheWatermark) {
  add({{kNoon}, {kNoon + 59}, {kNoon + 60}});
  EXPECT_TRUE(close(kNoon + 59).empty());
  const auto first = close(kNoon + 60);
  ASSERT_EQ(first.size(), 1u);
  EXPECT_EQ(first[0].accepted_bytes, 200u);
  EXPECT_EQ(first[0].start_s, kNoon);
  EXPECT_TRUE(close(kNoon + 60).empty());
  EXPECT_EQ(close(kNoon + 600).size(), 1u);
}

TEST_F(FlowWindowsTest, NoDataMakesAWindowOfZeroAndSkipDataALowerBound) {
  add({{.start_s = kNoon, .interface = "eni-quiet", .status = proto::FLOW_NODATA},
       {.start_s = kNoon, .interface = "eni-scanned", .action = proto::ACTION_REJECT, .bytes = 40},
       {.start_s = kNoon, .interface = "eni-scanned", .status = proto::FLOW_SKIPDATA}});
  const auto closed = close(kNoon + 60);
  ASSERT_EQ(closed.size(), 2u);
  EXPECT_EQ(closed[0].accepted_bytes, 0u);
  EXPECT_FALSE(closed[0].lower_bound);
  EXPECT_EQ(closed[1].rejected_bytes, 40u);
  EXPECT_TRUE(closed[1].lower_bound);
}

TEST_F(FlowWindowsTest, LateRecordsAreCountedAndChangeNothing) {
  add({{kNoon}});
  close(kNoon + 60);
  EXPECT_EQ(add({{.start_s = kNoon + 30, .records = 3}, {kNoon + 60}}), 3u);
  const auto next = close(kNoon + 120);
  ASSERT_EQ(next.size(), 1u);
  EXPECT_EQ(next[0].accepted_bytes, 100u);
}

TEST_F(FlowWindowsTest, ALongRecordMakesTheWindowsTenMinutesAndOpensThemAgain) {
  add({{kNoon}, {kNoon + 60}});
  EXPECT_EQ(close(kNoon + 120).size(), 2u);
  add({{.start_s = kNoon + 120, .long_records = 1}});
  EXPECT_EQ(windows.interval_s(), 600u);
  EXPECT_EQ(windows.closed_until_s(), kNoon);
  EXPECT_TRUE(close(kNoon + 599).empty());
  const auto closed = close(kNoon + 600);
  ASSERT_EQ(closed.size(), 1u);
  EXPECT_EQ(closed[0].accepted_bytes, 300u)
      << "the windows that were closed already count again, once";
}

TEST_F(FlowWindowsTest, AConfiguredCaptureIntervalIsNotLearnedOver) {
  FlowWindows configured{60};
  configured.add(flow_record(0, "s", "e", {{.start_s = kNoon, .long_records = 1}}).batch(), 0);
  EXPECT_EQ(configured.interval_s(), 60u);
}

TEST_F(FlowWindowsTest, NatBytesAreThoseOfAcceptedInsideLegs) {
  add({{.start_s = kNoon, .role = proto::ROLE_NAT, .nat_leg = proto::NAT_LEG_INSIDE},
       {.start_s = kNoon, .bytes = 7, .role = proto::ROLE_NAT, .nat_leg = proto::NAT_LEG_OUTSIDE},
       {.start_s = kNoon,
        .action = proto::ACTION_REJECT,
        .role = proto::ROLE_NAT,
        .nat_leg = proto::NAT_LEG_INSIDE}});
  const auto closed = close(kNoon + 60);
  ASSERT_EQ(closed.size(), 1u);
  EXPECT_TRUE(closed[0].nat);
  EXPECT_EQ(closed[0].nat_bytes, 100u);
}

TEST_F(FlowWindowsTest, WhatAMonthCutsOffCountsWhereTheRecordStarted) {
  add({{.start_s = kNoon - 60, .bytes = 30}, {.start_s = kNoon, .bytes = 70, .records = 0}});
  const auto closed = close(kNoon + 60);
  ASSERT_EQ(closed.size(), 1u);
  EXPECT_EQ(closed[0].start_s, kNoon - 60);
  EXPECT_EQ(closed[0].accepted_bytes, 100u);
}

TEST_F(FlowWindowsTest, AnyOrderAndAnyBatchesCloseTheSameWindows) {
  std::vector<FlowRow> rows;
  std::mt19937 random(7);
  for (int i = 0; i < 200; ++i) {
    rows.push_back({.start_s = kNoon + static_cast<GridTime>(random() % 1200),
                    .interface = "eni-" + std::to_string(random() % 5),
                    .status = random() % 10 == 0 ? proto::FLOW_SKIPDATA : proto::FLOW_OK,
                    .action = random() % 4 == 0 ? proto::ACTION_REJECT : proto::ACTION_ACCEPT,
                    .bytes = random() % 1000});
  }
  using Seen =
      std::map<std::pair<GridTime, std::string>, std::tuple<std::uint64_t, std::uint64_t, bool>>;
  const auto run = [&](std::size_t batch_rows) {
    FlowWindows some{0};
    for (std::size_t i = 0; i < rows.size(); i += batch_rows) {
      const auto end =
          rows.begin() + static_cast<std::ptrdiff_t>(std::min(i + batch_rows, rows.size()));
      some.add(
          flow_record(0, "s", "e", {rows.begin() + static_cast<std::ptrdiff_t>(i), end}).batch(),
          0);
    }
    std::vector<FlowWindow> closed;
    some.close(kNoon + 1200, closed);
    Seen seen;
    for (const FlowWindow& w : closed) {
      seen[{w.start_s, std::string(some.interface_name(w.interface))}] = {
          w.accepted_bytes, w.rejected_bytes, w.lower_bound};
    }
    return seen;
  };
  const Seen whole = run(rows.size());
  for (int i = 0; i < 20; ++i) {
    std::ranges::shuffle(rows, random);
    ASSERT_EQ(run(1 + random() % 50), whole);
  }
}

}  // namespace
}  // namespace fleetmeter::aggregator
