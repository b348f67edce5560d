#include "aggregator/flow_windows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <tuple>
#include <vector>

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

TEST_F(FlowWindowsTest, SumsStopAtTheLargestNumberInsteadOfWrapping) {
  constexpr std::uint64_t kMost = 0x7fffffffffffffff;
  for (int i = 0; i < 3; ++i) add({{.start_s = kNoon, .bytes = kMost}});
  const auto closed = close(kNoon + 60);
  ASSERT_EQ(closed.size(), 1u);
  EXPECT_EQ(closed[0].accepted_bytes, std::numeric_limits<std::uint64_t>::max());
}

TEST_F(FlowWindowsTest, NoDataMakesAWindowOfZeroAndSkipDataALowerBound) {
  add({{.start_s = kNoon, .interface = "eni-quiet", .status = proto::FLOW_NODATA},
       {.start_s = kNoon, .interface = "eni-scanned", .action = proto::ACTION_REJECT, .bytes = 40},
       {.start_s = kNoon, .interface = "eni-scanned", .status = proto::FLOW_SKIPDATA}});
  const auto closed = close(kNoon + 60);
  ASSERT_EQ(closed.size(), 2u);
  EXPECT_EQ(closed[0].accepted_bytes, 0u);
  EXPECT_FALSE(closed[0].records_lower_bound);
  EXPECT_EQ(closed[1].rejected_bytes, 40u);
  EXPECT_TRUE(closed[1].records_lower_bound);
}

/// What a window does not know: a bit each for records, bytes and packets.
int unknown_of(const FlowWindow& window) {
  return (window.records_lower_bound ? 1 : 0) | (window.bytes_lower_bound ? 2 : 0) |
         (window.packets_lower_bound ? 4 : 0);
}

/// As Block Public Access leaves them (Amazon VPC User Guide, "Flow log records": bytes).
TEST_F(FlowWindowsTest, RecordsThatDoNotTellBytesOrPacketsCountAndMakeThoseALowerBound) {
  add({{.start_s = kNoon, .interface = "eni-bytes", .action = proto::ACTION_REJECT, .bytes = 40},
       {.start_s = kNoon,
        .interface = "eni-bytes",
        .action = proto::ACTION_REJECT,
        .bytes = 0,
        .records = 3,
        .without_bytes = 3},
       {.start_s = kNoon, .interface = "eni-packets", .without_packets = 1},
       {.start_s = kNoon,
        .interface = "eni-quiet",
        .status = proto::FLOW_NODATA,
        .without_bytes = 1,
        .without_packets = 1}});
  const auto closed = close(kNoon + 60);
  ASSERT_EQ(closed.size(), 3u);
  EXPECT_EQ(closed[0].rejected_records, 4u);
  EXPECT_EQ(closed[0].rejected_bytes, 40u);
  EXPECT_EQ(unknown_of(closed[0]), 2);
  EXPECT_EQ(unknown_of(closed[1]), 4);
  EXPECT_EQ(unknown_of(closed[2]), 0) << "NODATA has none by nature";
}

TEST_F(FlowWindowsTest, RecordsWithoutActionMakeAllALowerBound) {
  add({{.start_s = kNoon, .action = proto::ACTION_NONE}});
  const auto closed = close(kNoon + 60);
  ASSERT_EQ(closed.size(), 1u);
  EXPECT_EQ(closed[0].accepted_records + closed[0].rejected_records, 0u);
  EXPECT_EQ(unknown_of(closed[0]), 7);
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

// docs/time.md 3
TEST_F(FlowWindowsTest, WhatAMonthCutsOffCountsWhereTheRecordStarted) {
  add({{.start_s = kNoon - 120, .bytes = 30},
       {.start_s = kNoon, .bytes = 70, .records = 0, .carried_min = 2}});
  const auto closed = close(kNoon + 60);
  ASSERT_EQ(closed.size(), 1u);
  EXPECT_EQ(closed[0].start_s, kNoon - 120);
  EXPECT_EQ(closed[0].accepted_bytes, 100u);
}

TEST_F(FlowWindowsTest, ARowWithoutRecordsOfAnEarlierReleaseCountsInTheMinuteBefore) {
  proto::LogRecord record = flow_record(
      0, "s", "e",
      {{.start_s = kNoon - 60, .bytes = 30}, {.start_s = kNoon, .bytes = 70, .records = 0}});
  proto::FlowAggregates& flows = *record.mutable_batch()->mutable_flows();
  const FlowRows rows = FlowRows::of(flows);
  flows.clear_rows();
  for (std::size_t row = 0; row < rows.size(); ++row) {
    flows.add_window_start_min(rows.window_start_min[row]);
    flows.add_bytes(rows.bytes[row]);
    flows.add_packets(rows.packets[row]);
    flows.add_records(rows.records[row]);
    flows.add_long_records(rows.long_records[row]);
  }
  windows.add(record.batch(), 0);
  const auto closed = close(kNoon + 60);
  ASSERT_EQ(closed.size(), 1u);
  EXPECT_EQ(closed[0].start_s, kNoon - 60);
  EXPECT_EQ(closed[0].accepted_bytes, 100u);
}

TEST_F(FlowWindowsTest, ALongRecordCountsForTheWholeBatchWhereverItStands) {
  add({{kNoon}, {kNoon + 60}});
  close(kNoon + 120);
  std::vector<FlowRow> rows(FlowRows::kBlock, FlowRow{.start_s = kNoon});
  rows.push_back({.start_s = kNoon + 120, .long_records = 1});
  const proto::LogRecord record = flow_record(0, "s", "e", rows);
  ASSERT_EQ(flow_block_count(record.batch().flows()), 2);
  EXPECT_EQ(windows.add(record.batch(), 0), 0u)
      << "nothing is late: windows are of ten minutes now";
}

TEST_F(FlowWindowsTest, RowsOfOneSeriesShareItsKey) {
  proto::AggregateBatch batch;
  batch.add_strings("");
  batch.add_strings("eni-a");
  batch.add_strings("eni-b");
  proto::FlowAggregates& flows = *batch.mutable_flows();
  for (const std::uint32_t interface : {1u, 2u}) {
    flows.add_interface(interface);
    flows.add_status(proto::FLOW_OK);
    flows.add_action(interface == 1 ? proto::ACTION_ACCEPT : proto::ACTION_REJECT);
    flows.add_nat_leg(proto::NAT_LEG_NONE);
    flows.add_role(proto::ROLE_INSTANCE);
  }
  for (const std::uint32_t series : {1u, 0u, 1u}) {
    flows.add_series(series);
    flows.add_window_start_min(static_cast<std::uint32_t>(kNoon / 60));
    flows.add_bytes(10 + series);
    flows.add_packets(1);
    flows.add_records(1);
    flows.add_long_records(0);
  }
  EXPECT_EQ(windows.add(batch, 0), 0u);
  const auto closed = close(kNoon + 60);
  ASSERT_EQ(closed.size(), 2u);
  EXPECT_EQ(closed[0].rejected_bytes, 22u) << "eni-b came first";
  EXPECT_EQ(closed[1].accepted_bytes, 10u);

  flows.set_series(0, 2);
  windows.add(batch, 0);
  EXPECT_TRUE(close(kNoon + 120).empty()) << "a row of no series: not written by us";
}

TEST_F(FlowWindowsTest, StateOfAnEarlierReleaseIsRead) {
  std::string state;
  StateWriter out(state);
  out.u32(60);
  out.i64(kNoon);
  out.u64(2);
  for (const char* name : {"eni-nat", "eni-a"}) {
    out.text(name);
    out.boolean(std::string_view(name) == "eni-nat");
  }
  out.u64(1);
  out.i64(kNoon);
  out.u64(2);
  for (const std::uint32_t interface : {0u, 1u}) {
    out.u32(interface);
    out.u32(3);  // Source.
    out.boolean(interface == 1);
    for (std::uint64_t sum = 1; sum <= 7; ++sum) out.u64(sum + 100 * interface);
  }
  std::string_view in = state;
  StateReader reader(in);
  windows.load(reader);
  ASSERT_TRUE(reader.ok());
  add({{.start_s = kNoon, .interface = "eni-nat", .bytes = 1000}});
  const auto closed = close(kNoon + 60);
  ASSERT_EQ(closed.size(), 2u);
  EXPECT_EQ(windows.interface_name(closed[0].interface), "eni-nat");
  EXPECT_TRUE(closed[0].nat);
  EXPECT_EQ(closed[0].accepted_bytes, 1001u);
  EXPECT_EQ(closed[1].nat_bytes, 107u);
  EXPECT_EQ(closed[1].source, 3u);
  EXPECT_TRUE(closed[1].records_lower_bound);
}

TEST_F(FlowWindowsTest, StateOfNothingIsRead) {
  std::string state;
  StateWriter out(state);
  windows.save(out);
  std::string_view in = state;
  StateReader reader(in);
  windows.load(reader);
  EXPECT_TRUE(reader.ok());
  EXPECT_TRUE(in.empty());
}

TEST_F(FlowWindowsTest, DamagedStateIsRefusedAndNeverReadPastItsEnd) {
  add({{kNoon}, {.start_s = kNoon + 60, .interface = "eni-2"}});
  std::string state;
  StateWriter out(state);
  windows.save(out);
  for (std::size_t bytes = 0; bytes < state.size(); ++bytes) {
    std::string_view in = std::string_view(state).substr(0, bytes);
    StateReader reader(in);
    FlowWindows(0).load(reader);
    EXPECT_FALSE(reader.ok()) << bytes;
  }
}

/// What the windows are, said plainly: a map, and the rules one by one.
class WindowsModel {
 public:
  std::uint64_t add(const std::vector<FlowRow>& rows) {
    if (std::ranges::any_of(rows, [](const FlowRow& row) { return row.long_records > 0; }) &&
        interval_s == 60) {
      interval_s = 600;
      if (closed_until_s != kBeforeAll) closed_until_s -= closed_until_s % 600;
    }
    std::uint64_t late = 0;
    for (const FlowRow& row : rows) {
      const GridTime minute_s = row.start_s / 60 * 60;
      if (minute_s < closed_until_s) {
        late += row.records;
        continue;
      }
      nat[row.interface] = nat[row.interface] || row.role == proto::ROLE_NAT;
      auto& [accepted, rejected, unknown] = minutes[{minute_s, row.interface}];
      if (row.status == proto::FLOW_SKIPDATA) unknown = 7;
      if (row.status != proto::FLOW_OK) continue;
      unknown |= (row.without_bytes > 0 ? 2 : 0) | (row.without_packets > 0 ? 4 : 0);
      (row.action == proto::ACTION_ACCEPT ? accepted : rejected) += row.bytes;
    }
    return late;
  }
  using Seen = std::map<std::pair<GridTime, std::string>,
                        std::tuple<std::uint64_t, std::uint64_t, int, bool>>;
  Seen close(GridTime watermark_s) {
    const GridTime until_s = watermark_s - watermark_s % interval_s;
    Seen seen;
    if (until_s <= closed_until_s) return seen;
    for (const auto& [key, sums] : minutes) {
      if (key.first < closed_until_s || key.first >= until_s) continue;
      auto& [accepted, rejected, unknown, is_nat] =
          seen[{key.first - key.first % interval_s, key.second}];
      accepted += std::get<0>(sums);
      rejected += std::get<1>(sums);
      unknown |= std::get<2>(sums);
      is_nat = nat[key.second];
    }
    closed_until_s = until_s;
    std::erase_if(minutes,
                  [&](const auto& one) { return one.first.first < until_s - until_s % 600; });
    return seen;
  }

 private:
  GridTime interval_s = 60;
  GridTime closed_until_s = kBeforeAll;
  std::map<std::string, bool> nat;
  std::map<std::pair<GridTime, std::string>, std::tuple<std::uint64_t, std::uint64_t, int>> minutes;
};

// Machines come and go by the thousand, so that names are forgotten; state goes through snapshots.
TEST_F(FlowWindowsTest, ClosesWhatTheModelClosesThroughSnapshotsAndForgottenInterfaces) {
  for (std::uint32_t seed = 0; seed < 5; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    WindowsModel model;
    auto real = std::make_unique<FlowWindows>(0);
    for (int step = 0; step < 60; ++step) {
      std::vector<FlowRow> rows(random() % 500);
      for (FlowRow& row : rows) {
        row.start_s = kNoon + 30 * step + static_cast<GridTime>(random() % 300) - 120;
        row.interface =
            "eni-" + std::to_string(random() % 10 == 0 ? random() % 5 : 40 * step + random() % 300);
        row.status = random() % 10 == 0 ? proto::FLOW_SKIPDATA : proto::FLOW_OK;
        row.action = random() % 4 == 0 ? proto::ACTION_REJECT : proto::ACTION_ACCEPT;
        row.role = random() % 50 == 0 ? proto::ROLE_NAT : proto::ROLE_INSTANCE;
        row.bytes = random() % 1000;
        row.long_records = seed > 2 && step == 30 && random() % 50 == 0 ? 1 : 0;
        row.without_bytes = random() % 15 == 0 ? 1 : 0;
        row.without_packets = random() % 15 == 0 ? 1 : 0;
      }
      ASSERT_EQ(real->add(flow_record(0, "s", "e", rows).batch(), 0), model.add(rows));
      std::vector<FlowWindow> closed;
      const GridTime watermark_s = kNoon + 30 * step - 60;
      real->close(watermark_s, closed);
      WindowsModel::Seen seen;
      for (const FlowWindow& w : closed) {
        seen[{w.start_s, std::string(real->interface_name(w.interface))}] = {
            w.accepted_bytes, w.rejected_bytes, unknown_of(w), w.nat};
      }
      ASSERT_EQ(seen.size(), closed.size());
      ASSERT_EQ(seen, model.close(watermark_s));
      if (step % 7 != 0) continue;
      std::string state, again;
      StateWriter out(state);
      real->save(out);
      real = std::make_unique<FlowWindows>(0);
      std::string_view in = state;
      StateReader reader(in);
      real->load(reader);
      ASSERT_TRUE(reader.ok());
      StateWriter rewritten(again);
      real->save(rewritten);
      ASSERT_EQ(again, state) << "equal states have equal bytes";
    }
  }
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
      std::map<std::pair<GridTime, std::string>, std::tuple<std::uint64_t, std::uint64_t, int>>;
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
          w.accepted_bytes, w.rejected_bytes, unknown_of(w)};
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
