#include "aggregator/flow_rows.h"

#include <algorithm>
#include <tuple>

#include "aggregator/column.h"
#include "aggregator/row_columns.h"

namespace fleetmeter::aggregator {
namespace {

using Block = proto::FlowRows;
constexpr std::tuple kColumns{
    RowColumn{&FlowRows::series, &Block::series, &Block::mutable_series},
    RowColumn{&FlowRows::window_start_min, &Block::window_start_min,
              &Block::mutable_window_start_min},
    RowColumn{&FlowRows::carried_min, &Block::carried_min, &Block::mutable_carried_min},
    RowColumn{&FlowRows::bytes, &Block::bytes, &Block::mutable_bytes},
    RowColumn{&FlowRows::packets, &Block::packets, &Block::mutable_packets},
    RowColumn{&FlowRows::records, &Block::records, &Block::mutable_records},
    RowColumn{&FlowRows::long_records, &Block::long_records, &Block::mutable_long_records},
    RowColumn{&FlowRows::without_bytes, &Block::without_bytes, &Block::mutable_without_bytes},
    RowColumn{&FlowRows::without_packets, &Block::without_packets,
              &Block::mutable_without_packets}};

template <typename T>
void copy_values(const google::protobuf::RepeatedField<T>& from, std::vector<T>& to) {
  to.assign(from.begin(), from.end());
}

/// As releases before the packed rows wrote them: series i is that of row i where none is named, and
/// a row without records is what others carried over the end of a month, one minute on.
bool read_repeated(const proto::FlowAggregates& flows, FlowRows& rows) {
  const int count = flows.window_start_min_size();
  if (flows.bytes_size() != count || flows.packets_size() != count ||
      flows.records_size() != count || flows.long_records_size() != count ||
      (!flows.series().empty() && flows.series_size() != count) ||
      (!flows.carried_min().empty() && flows.carried_min_size() != count))
    return false;
  copy_values(flows.series(), rows.series);
  copy_values(flows.window_start_min(), rows.window_start_min);
  copy_values(flows.carried_min(), rows.carried_min);
  copy_values(flows.bytes(), rows.bytes);
  copy_values(flows.packets(), rows.packets);
  copy_values(flows.records(), rows.records);
  copy_values(flows.long_records(), rows.long_records);
  rows.without_bytes.assign(rows.bytes.size(), 0);
  rows.without_packets.assign(rows.bytes.size(), 0);
  if (flows.series().empty()) {
    for (int i = 0; i < count; ++i) rows.series.push_back(static_cast<std::uint32_t>(i));
  }
  if (flows.carried_min().empty()) {
    for (const std::uint64_t records : rows.records)
      rows.carried_min.push_back(records == 0 ? 1 : 0);
  }
  return true;
}

bool read_packed(const Block& packed, FlowRows& rows) {
  return has_fair_size<FlowRows>(packed) && read_rows(kColumns, packed, packed.count(), rows);
}

/// What window_minute() looks at, of one block.
bool read_minutes(const proto::FlowAggregates& flows, int block, FlowRows& rows) {
  if (flows.rows().empty()) return read_repeated(flows, rows);
  const Block& packed = flows.rows(block);
  return has_fair_size<FlowRows>(packed) &&
         read_column(packed.window_start_min(), packed.count(), rows.window_start_min) &&
         read_column(packed.carried_min(), packed.count(), rows.carried_min);
}

}  // namespace

void FlowRows::resize(std::size_t rows) { resize_rows(kColumns, *this, rows); }

void FlowRows::write(proto::FlowAggregates& out) const {
  for (std::size_t first = 0; first < size(); first += kBlock) {
    const std::size_t count = std::min(kBlock, size() - first);
    Block& block = *out.add_rows();
    block.set_count(static_cast<std::uint32_t>(count));
    write_rows(kColumns, *this, first, count, block);
  }
}

bool FlowRows::read(const proto::FlowAggregates& flows, int block) {
  const bool is_whole =
      flows.rows().empty() ? read_repeated(flows, *this) : read_packed(flows.rows(block), *this);
  const auto series_count = static_cast<std::uint32_t>(flows.interface_size());
  const bool is_good = is_whole && (series.empty() || largest_of(series) < series_count);
  if (!is_good) resize(0);
  return is_good;
}

FlowRows FlowRows::of(const proto::FlowAggregates& flows) {
  FlowRows all, rows;
  for (int block = 0; block < flow_block_count(flows) && rows.read(flows, block); ++block) {
    append_rows(kColumns, rows, all);
  }
  return all;
}

int flow_block_count(const proto::FlowAggregates& flows) noexcept {
  return flows.rows().empty() ? 1 : flows.rows_size();
}

std::size_t flow_row_count(const proto::FlowAggregates& flows) noexcept {
  if (flows.rows().empty()) return static_cast<std::size_t>(flows.window_start_min_size());
  return rows_in<FlowRows>(flows.rows());
}

bool has_long_records(const proto::FlowAggregates& flows) noexcept {
  const auto is_long = [](const Block& block) {
    return block.long_records().common() != 0 || block.long_records().varying() != 0;
  };
  return std::ranges::any_of(flows.rows(), is_long) ||
         std::ranges::any_of(flows.long_records(), [](std::uint64_t count) { return count > 0; });
}

std::optional<MinuteSpan> window_span(const proto::FlowAggregates& flows) {
  FlowRows rows;
  std::optional<MinuteSpan> span;
  for (int block = 0; block < flow_block_count(flows); ++block) {
    if (!read_minutes(flows, block, rows)) return std::nullopt;
    for (std::size_t row = 0; row < rows.window_start_min.size(); ++row) {
      const std::uint32_t minute = rows.window_minute(row);
      if (!span) span = {minute, minute};
      *span = {std::min(span->first, minute), std::max(span->last, minute)};
    }
  }
  return span;
}

}  // namespace fleetmeter::aggregator
