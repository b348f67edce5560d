#include "aggregator/flow_rows.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace fleetmeter::aggregator {
namespace {

constexpr std::uint32_t kMinute = 28'333'333;

FlowRows some_rows(std::size_t count, std::uint32_t series_count, std::uint32_t seed) {
  std::mt19937 engine(seed);
  const auto random = [&] { return static_cast<std::uint32_t>(engine()); };
  FlowRows rows;
  rows.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    rows.series[i] = random() % series_count;
    rows.carried_min[i] = random() % 50 == 0 ? 1 + random() % 3 : 0;
    rows.window_start_min[i] = kMinute + random() % 600 + rows.carried_min[i];
    rows.bytes[i] = random();
    rows.packets[i] = random() % 1000;
    rows.records[i] = rows.carried_min[i] > 0 ? 0 : 1 + random() % 3;
    rows.long_records[i] = random() % 100 == 0 ? 1 : 0;
    rows.without_bytes[i] = random() % 100 == 0 ? 1 : 0;
    rows.without_packets[i] = random() % 100 == 0 ? 1 : 0;
  }
  return rows;
}

proto::FlowAggregates batch_of(std::uint32_t series_count) {
  proto::FlowAggregates flows;
  for (std::uint32_t i = 0; i < series_count; ++i) flows.add_interface(i);
  return flows;
}

void expect_equal(const FlowRows& a, const FlowRows& b) {
  EXPECT_EQ(a.series, b.series);
  EXPECT_EQ(a.window_start_min, b.window_start_min);
  EXPECT_EQ(a.carried_min, b.carried_min);
  EXPECT_EQ(a.bytes, b.bytes);
  EXPECT_EQ(a.packets, b.packets);
  EXPECT_EQ(a.records, b.records);
  EXPECT_EQ(a.long_records, b.long_records);
  EXPECT_EQ(a.without_bytes, b.without_bytes);
  EXPECT_EQ(a.without_packets, b.without_packets);
}

TEST(FlowRows, ABatchHasThemInBlocksInTheirOrder) {
  proto::FlowAggregates flows = batch_of(7);
  const FlowRows all = some_rows(FlowRows::kBlock + 3, 7, 1);
  all.write(flows);
  ASSERT_EQ(flow_block_count(flows), 2);
  EXPECT_EQ(flow_row_count(flows), FlowRows::kBlock + 3);
  FlowRows rows;
  ASSERT_TRUE(rows.read(flows, 0));
  EXPECT_EQ(rows.size(), FlowRows::kBlock);
  ASSERT_TRUE(rows.read(flows, 1));
  EXPECT_EQ(rows.bytes, std::vector<std::uint64_t>(all.bytes.end() - 3, all.bytes.end()));
  expect_equal(FlowRows::of(flows), all);
}

TEST(FlowRows, ABatchWithoutRowsHasNone) {
  const proto::FlowAggregates flows;
  EXPECT_EQ(flow_row_count(flows), 0u);
  EXPECT_EQ(FlowRows::of(flows).size(), 0u);
  EXPECT_FALSE(window_span(flows));
  EXPECT_FALSE(has_long_records(flows));
}

TEST(FlowRows, TheSpanIsOfWhereRecordsStart) {
  proto::FlowAggregates flows = batch_of(1);
  for (const std::uint32_t carried : {0u, 5u}) {
    FlowRows rows;
    rows.resize(1);
    rows.window_start_min[0] = kMinute;
    rows.carried_min[0] = carried;
    rows.write(flows);
  }
  const auto span = window_span(flows);
  ASSERT_TRUE(span);
  EXPECT_EQ(span->first, kMinute - 5);
  EXPECT_EQ(span->last, kMinute);
}

TEST(FlowRows, ALongRecordInAnyBlockIsSeen) {
  proto::FlowAggregates flows = batch_of(1);
  FlowRows rows;
  rows.resize(2);
  rows.write(flows);
  EXPECT_FALSE(has_long_records(flows));
  rows.long_records = {1, 1};
  rows.write(flows);
  EXPECT_TRUE(has_long_records(flows)) << "the same in every row";
  flows.mutable_rows()->RemoveLast();
  rows.long_records = {0, 1};
  rows.write(flows);
  EXPECT_TRUE(has_long_records(flows)) << "in one row of two";
}

TEST(FlowRows, ABlockThatWasNotWrittenByUsIsRefused) {
  const FlowRows good = some_rows(10, 3, 4);
  FlowRows rows;
  const auto is_read = [&](const proto::FlowAggregates& flows) {
    const bool read = rows.read(flows, 0);
    EXPECT_EQ(rows.size(), read ? 10u : 0u);
    return read;
  };
  proto::FlowAggregates flows = batch_of(3);
  good.write(flows);
  ASSERT_TRUE(is_read(flows));

  proto::FlowAggregates no_series = flows;
  no_series.mutable_interface()->RemoveLast();
  EXPECT_FALSE(is_read(no_series)) << "a row's series is none";
  proto::FlowAggregates cut = flows;
  cut.mutable_rows(0)->mutable_bytes()->mutable_planes()->pop_back();
  EXPECT_FALSE(is_read(cut));
  proto::FlowAggregates counted = flows;
  counted.mutable_rows(0)->set_count(11);
  EXPECT_FALSE(is_read(counted));
  proto::FlowAggregates huge = batch_of(1);
  huge.add_rows()->set_count(0xffffffff);  // No planes: all of them are 0.
  EXPECT_FALSE(is_read(huge)) << "a claim of 2^32 rows takes no memory";
  EXPECT_FALSE(window_span(huge));
}

// Releases before the blocks wrote repeated fields.
TEST(FlowRows, RowsOfEarlierReleasesAreRead) {
  FlowRows rows = some_rows(500, 3, 5);
  rows.without_bytes.assign(500, 0);  // Such records were in no window.
  rows.without_packets.assign(500, 0);
  proto::FlowAggregates flows = batch_of(3);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    flows.add_series(rows.series[i]);
    flows.add_window_start_min(rows.window_start_min[i]);
    flows.add_carried_min(rows.carried_min[i]);
    flows.add_bytes(rows.bytes[i]);
    flows.add_packets(rows.packets[i]);
    flows.add_records(rows.records[i]);
    flows.add_long_records(rows.long_records[i]);
  }
  expect_equal(FlowRows::of(flows), rows);
  EXPECT_EQ(flow_row_count(flows), 500u);
  EXPECT_TRUE(has_long_records(flows));
  flows.mutable_packets()->RemoveLast();
  EXPECT_EQ(FlowRows::of(flows).size(), 0u) << "columns differ in length";
}

TEST(FlowRows, BeforeSeriesEveryRowHadItsOwnKeyAndOneWithoutRecordsWasCarriedAMinute) {
  proto::FlowAggregates flows = batch_of(2);
  for (const std::uint64_t records : {1, 0}) {
    flows.add_window_start_min(kMinute);
    flows.add_bytes(1);
    flows.add_packets(1);
    flows.add_records(records);
    flows.add_long_records(0);
  }
  const FlowRows rows = FlowRows::of(flows);
  EXPECT_EQ(rows.series, (std::vector<std::uint32_t>{0, 1}));
  EXPECT_EQ(rows.carried_min, (std::vector<std::uint32_t>{0, 1}));
  EXPECT_EQ(rows.window_minute(1), kMinute - 1);
}

}  // namespace
}  // namespace fleetmeter::aggregator
