#include "aggregator/datapoint_rows.h"

#include <algorithm>
#include <bit>
#include <span>
#include <tuple>

#include "aggregator/column.h"
#include "aggregator/row_columns.h"

namespace fleetmeter::aggregator {
namespace {

using Block = proto::DatapointRows;
constexpr std::tuple kOfEveryRow{
    RowColumn{&DatapointRows::series, &Block::series, &Block::mutable_series},
    RowColumn{&DatapointRows::start_s, &Block::start_s, &Block::mutable_start_s},
    RowColumn{&DatapointRows::period_s, &Block::period_s, &Block::mutable_period_s},
    RowColumn{&DatapointRows::sum, &Block::sum, &Block::mutable_sum}};
/// A block has them of rows of several samples alone.
constexpr std::tuple kOfSeveral{
    RowColumn{&DatapointRows::sample_count, &Block::sample_count, &Block::mutable_sample_count},
    RowColumn{&DatapointRows::minimum, &Block::minimum, &Block::mutable_minimum},
    RowColumn{&DatapointRows::maximum, &Block::maximum, &Block::mutable_maximum}};
constexpr std::tuple kColumns = std::tuple_cat(kOfEveryRow, kOfSeveral);

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

bool is_single(const DatapointRows& rows, std::size_t row) noexcept {
  const auto bits = [](double value) { return std::bit_cast<std::uint64_t>(value); };
  const std::uint64_t sum = bits(rows.sum[row]);
  return rows.sample_count[row] == 1 &&
         ((bits(rows.minimum[row]) ^ sum) | (bits(rows.maximum[row]) ^ sum)) == 0;
}

/// Spreads the columns of `several` over all rows.
void spread(const std::vector<std::uint32_t>& single, DatapointRows& several, DatapointRows& rows) {
  // One more, looked at behind the last and not taken.
  resize_rows(kOfSeveral, several, several.minimum.size() + 1);
  resize_rows(kOfSeveral, rows, rows.sum.size());
  std::size_t at = 0;
  for (std::size_t row = 0; row < rows.sum.size(); ++row) {
    const bool is_one = single[row] != 0;
    rows.sample_count[row] = is_one ? 1 : several.sample_count[at];
    rows.minimum[row] = is_one ? rows.sum[row] : several.minimum[at];
    rows.maximum[row] = is_one ? rows.sum[row] : several.maximum[at];
    at += is_one ? 0 : 1;
  }
}

void write_statistics(const DatapointRows& rows, std::size_t first, std::size_t count,
                      Block& block) {
  std::vector<std::uint32_t> single(count);
  DatapointRows several;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t row = first + i;
    single[i] = is_single(rows, row) ? 1 : 0;
    if (single[i] != 0) continue;
    several.sample_count.push_back(rows.sample_count[row]);
    several.minimum.push_back(rows.minimum[row]);
    several.maximum.push_back(rows.maximum[row]);
  }
  write_column(std::span<const std::uint32_t>(single), *block.mutable_is_single());
  write_rows(kOfSeveral, several, 0, several.minimum.size(), block);
}

bool read_packed(const Block& block, DatapointRows& rows) {
  std::vector<std::uint32_t> single;
  DatapointRows several;
  if (!has_fair_size<DatapointRows>(block) || !read_rows(kOfEveryRow, block, block.count(), rows) ||
      !read_column(block.is_single(), block.count(), single))
    return false;
  const auto several_count = static_cast<std::size_t>(std::ranges::count(single, 0u));
  if (!read_rows(kOfSeveral, block, several_count, several)) return false;
  spread(single, several, rows);
  return true;
}

}  // namespace

void DatapointRows::resize(std::size_t rows) { resize_rows(kColumns, *this, rows); }

void DatapointRows::write(proto::Datapoints& out) const {
  for (std::size_t first = 0; first < size(); first += kBlock) {
    const std::size_t count = std::min(kBlock, size() - first);
    Block& block = *out.add_rows();
    block.set_count(static_cast<std::uint32_t>(count));
    write_rows(kOfEveryRow, *this, first, count, block);
    write_statistics(*this, first, count, block);
  }
}

bool DatapointRows::read(const proto::AggregateBatch& batch, int block) {
  const proto::Datapoints& points = batch.datapoints();
  const bool is_whole =
      points.rows().empty() ? read_repeated(points, *this) : read_packed(points.rows(block), *this);
  const auto series_count = static_cast<std::uint32_t>(batch.series_size());
  const bool is_good = is_whole && (series.empty() || largest_of(series) < series_count);
  if (!is_good) resize(0);
  return is_good;
}

bool DatapointRows::read_times(const proto::Datapoints& points, int block) {
  if (points.rows().empty()) {
    copy_values(points.start_s(), start_s);
    copy_values(points.period_s(), period_s);
    return start_s.size() == period_s.size();
  }
  const Block& packed = points.rows(block);
  return has_fair_size<DatapointRows>(packed) &&
         read_column(packed.start_s(), packed.count(), start_s) &&
         read_column(packed.period_s(), packed.count(), period_s);
}

DatapointRows DatapointRows::of(const proto::AggregateBatch& batch) {
  DatapointRows all, rows;
  for (int block = 0; block < datapoint_block_count(batch.datapoints()) && rows.read(batch, block);
       ++block) {
    append_rows(kColumns, rows, all);
  }
  return all;
}

int datapoint_block_count(const proto::Datapoints& points) noexcept {
  return points.rows().empty() ? 1 : points.rows_size();
}

std::size_t datapoint_count(const proto::Datapoints& points) noexcept {
  if (points.rows().empty()) return static_cast<std::size_t>(points.series_size());
  return rows_in<DatapointRows>(points.rows());
}

}  // namespace fleetmeter::aggregator
