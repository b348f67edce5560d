#include "aggregator/datapoint_rows.h"

#include <gtest/gtest.h>

#include <bit>
#include <limits>
#include <random>
#include <vector>

namespace fleetmeter::aggregator {
namespace {

constexpr std::int64_t kMidnightS = 1'734'652'800;

/// Half of them of one sample.
DatapointRows some_rows(std::size_t count, std::uint32_t series_count, std::uint32_t seed) {
  std::mt19937 engine(seed);
  const auto random = [&] { return static_cast<std::uint32_t>(engine()); };
  DatapointRows rows;
  rows.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    rows.series[i] = random() % series_count;
    rows.start_s[i] = kMidnightS + random() % 600;
    rows.period_s[i] = random() % 5 * 60;
    rows.sum[i] = random() / 7.0;
    const bool is_single = random() % 2 == 0;
    rows.sample_count[i] = is_single ? 1 : 1 + random() % 3;
    rows.minimum[i] = is_single ? rows.sum[i] : random() / 11.0;
    rows.maximum[i] = is_single ? rows.sum[i] : random() / 13.0;
  }
  return rows;
}

proto::AggregateBatch batch_of(std::uint32_t series_count) {
  proto::AggregateBatch batch;
  for (std::uint32_t i = 0; i < series_count; ++i) batch.add_series();
  return batch;
}

std::vector<std::uint64_t> bits_of(const std::vector<double>& values) {
  std::vector<std::uint64_t> bits;
  for (const double value : values) bits.push_back(std::bit_cast<std::uint64_t>(value));
  return bits;
}

void expect_equal(const DatapointRows& a, const DatapointRows& b) {
  EXPECT_EQ(a.series, b.series);
  EXPECT_EQ(a.start_s, b.start_s);
  EXPECT_EQ(a.period_s, b.period_s);
  EXPECT_EQ(bits_of(a.sample_count), bits_of(b.sample_count));
  EXPECT_EQ(bits_of(a.sum), bits_of(b.sum));
  EXPECT_EQ(bits_of(a.minimum), bits_of(b.minimum));
  EXPECT_EQ(bits_of(a.maximum), bits_of(b.maximum));
}

TEST(DatapointRows, ABatchHasThemInBlocksInTheirOrder) {
  proto::AggregateBatch batch = batch_of(7);
  const DatapointRows all = some_rows(DatapointRows::kBlock + 3, 7, 1);
  all.write(*batch.mutable_datapoints());
  ASSERT_EQ(datapoint_block_count(batch.datapoints()), 2);
  EXPECT_EQ(datapoint_count(batch.datapoints()), DatapointRows::kBlock + 3);
  DatapointRows rows;
  ASSERT_TRUE(rows.read(batch, 0));
  EXPECT_EQ(rows.size(), DatapointRows::kBlock);
  ASSERT_TRUE(rows.read(batch, 1));
  EXPECT_EQ(rows.sum, std::vector<double>(all.sum.end() - 3, all.sum.end()));
  expect_equal(DatapointRows::of(batch), all);
  ASSERT_TRUE(rows.read_times(batch.datapoints(), 1));
  EXPECT_EQ(rows.start_s, std::vector<std::int64_t>(all.start_s.end() - 3, all.start_s.end()));
  EXPECT_EQ(rows.period_s, std::vector<std::uint32_t>(all.period_s.end() - 3, all.period_s.end()));
}

TEST(DatapointRows, ABatchWithoutDatapointsHasNone) {
  const proto::AggregateBatch batch;
  EXPECT_EQ(datapoint_count(batch.datapoints()), 0u);
  EXPECT_EQ(DatapointRows::of(batch).size(), 0u);
}

TEST(DatapointRows, OneSampleIsKeptOnceAndEveryBitOfAnyOtherSet) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  DatapointRows all;
  const auto add = [&](double count, double sum, double minimum, double maximum) {
    all.series.push_back(0);
    all.start_s.push_back(-60);
    all.period_s.push_back(60);
    all.sample_count.push_back(count);
    all.sum.push_back(sum);
    all.minimum.push_back(minimum);
    all.maximum.push_back(maximum);
  };
  add(1, 5, 5, 5);
  add(2, 5, 5, 5);
  add(0, 0, 0, 0);
  add(1, 0.0, -0.0, 0.0);
  add(1, 5, 4, 5);
  add(1, 5, 5, 6);
  add(1, nan, nan, nan);
  add(nan, 5, 5, 5);
  for (std::size_t count = 1; count <= all.size(); ++count) {
    DatapointRows some = all;
    some.resize(count);
    proto::AggregateBatch batch = batch_of(1);
    some.write(*batch.mutable_datapoints());
    expect_equal(DatapointRows::of(batch), some);
  }
  DatapointRows single = all;
  single.resize(1);
  proto::AggregateBatch batch = batch_of(1);
  single.write(*batch.mutable_datapoints());
  EXPECT_EQ(batch.datapoints().rows(0).minimum().ByteSizeLong(), 0u);
}

TEST(DatapointRows, ABlockThatWasNotWrittenByUsIsRefused) {
  const DatapointRows good = some_rows(10, 3, 4);
  DatapointRows rows;
  const auto is_read = [&](const proto::AggregateBatch& batch) {
    const bool read = rows.read(batch, 0);
    EXPECT_EQ(rows.size(), read ? 10u : 0u);
    return read;
  };
  proto::AggregateBatch batch = batch_of(3);
  good.write(*batch.mutable_datapoints());
  ASSERT_TRUE(is_read(batch));

  proto::AggregateBatch no_series = batch;
  no_series.mutable_series()->RemoveLast();
  EXPECT_FALSE(is_read(no_series)) << "a row's series is none";
  const auto broken = [&](auto&& damage) {
    proto::AggregateBatch copy = batch;
    damage(*copy.mutable_datapoints()->mutable_rows(0));
    return copy;
  };
  using Block = proto::DatapointRows;
  EXPECT_FALSE(is_read(broken([](Block& b) { b.mutable_sum()->mutable_planes()->pop_back(); })));
  EXPECT_FALSE(
      is_read(broken([](Block& b) { b.mutable_maximum()->mutable_planes()->pop_back(); })));
  EXPECT_FALSE(is_read(broken([](Block& b) { b.clear_is_single(); })))
      << "all rows of several samples, and not as many statistics";
  EXPECT_FALSE(is_read(broken([](Block& b) { b.set_count(11); })));
  proto::AggregateBatch huge = batch_of(1);
  huge.mutable_datapoints()->add_rows()->set_count(0xffffffff);  // No planes: all of them are 0.
  EXPECT_FALSE(is_read(huge)) << "a claim of 2^32 rows takes no memory";
  EXPECT_FALSE(rows.read_times(huge.datapoints(), 0));
}

// Releases before the blocks wrote repeated fields.
TEST(DatapointRows, RowsOfEarlierReleasesAreRead) {
  const DatapointRows rows = some_rows(500, 3, 5);
  proto::AggregateBatch batch = batch_of(3);
  proto::Datapoints& points = *batch.mutable_datapoints();
  for (std::size_t i = 0; i < rows.size(); ++i) {
    points.add_series(rows.series[i]);
    points.add_start_s(rows.start_s[i]);
    points.add_period_s(rows.period_s[i]);
    points.add_sample_count(rows.sample_count[i]);
    points.add_sum(rows.sum[i]);
    points.add_minimum(rows.minimum[i]);
    points.add_maximum(rows.maximum[i]);
  }
  expect_equal(DatapointRows::of(batch), rows);
  EXPECT_EQ(datapoint_count(batch.datapoints()), 500u);
  DatapointRows times;
  ASSERT_TRUE(times.read_times(points, 0));
  EXPECT_EQ(times.start_s, rows.start_s);
  EXPECT_EQ(times.period_s, rows.period_s);
  points.mutable_sum()->RemoveLast();
  EXPECT_EQ(DatapointRows::of(batch).size(), 0u) << "columns differ in length";
}

}  // namespace
}  // namespace fleetmeter::aggregator
