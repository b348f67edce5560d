#include "aggregator/datapoint_rows.h"

#include <algorithm>
#include <bit>
#include <span>

#include "aggregator/column.h"

namespace fleetmeter::aggregator {
namespace {

template <typename T>
void copy_values(const google::protobuf::RepeatedField<T>& from, std::vector<T>& to) {
  to.assign(from.begin(), from.end());
}

/// As releases before the packed rows wrote them.
bool read_repeated(const proto::Datapoints& points, DatapointRows& rows) {
  const int count = points.series_size();
  if (points.start_s_size() != count || points.period_s_size() != count ||
      points.sample_count_size() != count || points.sum_size() != count ||
      points.minimum_size() != count || points.maximum_size() != count)
    return false;
  copy_values(points.series(), rows.series);
  copy_values(points.start_s(), rows.start_s);
  copy_values(points.period_s(), rows.period_s);
  copy_values(points.sample_count(), rows.sample_count);
  copy_values(points.sum(), rows.sum);
  copy_values(points.minimum(), rows.minimum);
  copy_values(points.maximum(), rows.maximum);
  return true;
}

/// A block larger than any that we write is refused before it takes memory.
bool has_fair_size(const proto::DatapointRows& packed) noexcept {
  return packed.count() <= DatapointRows::kBlock;
}

bool is_single(const DatapointRows& rows, std::size_t row) noexcept {
  const auto bits = [](double value) { return std::bit_cast<std::uint64_t>(value); };
  const std::uint64_t sum = bits(rows.sum[row]);
  return rows.sample_count[row] == 1 &&
         ((bits(rows.minimum[row]) ^ sum) | (bits(rows.maximum[row]) ^ sum)) == 0;
}

/// The three columns that only rows of several samples have.
struct Several {
  std::vector<double> sample_count, minimum, maximum;
};

/// Spreads them over all rows.
void spread(const std::vector<std::uint32_t>& single, Several& several, DatapointRows& rows) {
  const std::size_t count = rows.sum.size();
  several.sample_count.push_back(0);  // Looked at behind the last, and not taken.
  several.minimum.push_back(0);
  several.maximum.push_back(0);
  rows.sample_count.resize(count);
  rows.minimum.resize(count);
  rows.maximum.resize(count);
  std::size_t at = 0;
  for (std::size_t row = 0; row < count; ++row) {
    const bool is_one = single[row] != 0;
    rows.sample_count[row] = is_one ? 1 : several.sample_count[at];
    rows.minimum[row] = is_one ? rows.sum[row] : several.minimum[at];
    rows.maximum[row] = is_one ? rows.sum[row] : several.maximum[at];
    at += is_one ? 0 : 1;
  }
}

void write_statistics(const DatapointRows& rows, std::size_t first, std::size_t count,
                      proto::DatapointRows& block) {
  std::vector<std::uint32_t> single(count);
  Several several;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t row = first + i;
    single[i] = is_single(rows, row) ? 1 : 0;
    if (single[i] != 0) continue;
    several.sample_count.push_back(rows.sample_count[row]);
    several.minimum.push_back(rows.minimum[row]);
    several.maximum.push_back(rows.maximum[row]);
  }
  write_column(std::span<const std::uint32_t>(single), *block.mutable_is_single());
  write_column(std::span<const double>(several.sample_count), *block.mutable_sample_count());
  write_column(std::span<const double>(several.minimum), *block.mutable_minimum());
  write_column(std::span<const double>(several.maximum), *block.mutable_maximum());
}

bool read_statistics(const proto::DatapointRows& packed, DatapointRows& rows) {
  std::vector<std::uint32_t> single;
  if (!read_column(packed.is_single(), packed.count(), single)) return false;
  const auto several_count = static_cast<std::size_t>(std::ranges::count(single, 0u));
  Several several;
  if (!read_column(packed.sample_count(), several_count, several.sample_count) ||
      !read_column(packed.minimum(), several_count, several.minimum) ||
      !read_column(packed.maximum(), several_count, several.maximum))
    return false;
  spread(single, several, rows);
  return true;
}

bool read_packed(const proto::DatapointRows& packed, DatapointRows& rows) {
  const std::size_t count = packed.count();
  return has_fair_size(packed) && read_column(packed.series(), count, rows.series) &&
         read_column(packed.start_s(), count, rows.start_s) &&
         read_column(packed.period_s(), count, rows.period_s) &&
         read_column(packed.sum(), count, rows.sum) && read_statistics(packed, rows);
}

template <typename T>
void append(const std::vector<T>& from, std::vector<T>& to) {
  to.insert(to.end(), from.begin(), from.end());
}

}  // namespace

void DatapointRows::resize(std::size_t rows) {
  series.resize(rows);
  start_s.resize(rows);
  period_s.resize(rows);
  sample_count.resize(rows);
  sum.resize(rows);
  minimum.resize(rows);
  maximum.resize(rows);
}

void DatapointRows::write(proto::Datapoints& out) const {
  for (std::size_t first = 0; first < size(); first += kBlock) {
    const std::size_t count = std::min(kBlock, size() - first);
    const auto write_part = [&]<typename T>(const std::vector<T>& values, proto::Column& column) {
      write_column(std::span<const T>(values).subspan(first, count), column);
    };
    proto::DatapointRows& block = *out.add_rows();
    block.set_count(static_cast<std::uint32_t>(count));
    write_part(series, *block.mutable_series());
    write_part(start_s, *block.mutable_start_s());
    write_part(period_s, *block.mutable_period_s());
    write_part(sum, *block.mutable_sum());
    write_statistics(*this, first, count, block);
  }
}

bool DatapointRows::read(const proto::AggregateBatch& batch, int block) {
  const proto::Datapoints& points = batch.datapoints();
  const bool is_whole =
      points.rows().empty() ? read_repeated(points, *this) : read_packed(points.rows(block), *this);
  const auto series_count = static_cast<std::uint32_t>(batch.series_size());
  const bool is_good = is_whole && (series.empty() || std::ranges::max(series) < series_count);
  if (!is_good) resize(0);
  return is_good;
}

bool DatapointRows::read_times(const proto::Datapoints& points, int block) {
  if (points.rows().empty()) {
    copy_values(points.start_s(), start_s);
    copy_values(points.period_s(), period_s);
    return start_s.size() == period_s.size();
  }
  const proto::DatapointRows& packed = points.rows(block);
  return has_fair_size(packed) && read_column(packed.start_s(), packed.count(), start_s) &&
         read_column(packed.period_s(), packed.count(), period_s);
}

DatapointRows DatapointRows::of(const proto::AggregateBatch& batch) {
  DatapointRows all, rows;
  for (int block = 0; block < datapoint_block_count(batch.datapoints()) && rows.read(batch, block);
       ++block) {
    append(rows.series, all.series);
    append(rows.start_s, all.start_s);
    append(rows.period_s, all.period_s);
    append(rows.sample_count, all.sample_count);
    append(rows.sum, all.sum);
    append(rows.minimum, all.minimum);
    append(rows.maximum, all.maximum);
  }
  return all;
}

int datapoint_block_count(const proto::Datapoints& points) noexcept {
  return points.rows().empty() ? 1 : points.rows_size();
}

std::size_t datapoint_count(const proto::Datapoints& points) noexcept {
  if (points.rows().empty()) return static_cast<std::size_t>(points.series_size());
  std::size_t count = 0;
  for (const proto::DatapointRows& block : points.rows())
    count += std::min<std::size_t>(block.count(), DatapointRows::kBlock);
  return count;
}

}  // namespace fleetmeter::aggregator
