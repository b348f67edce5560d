#include "aggregator/flow_rows.h"

#include <algorithm>
#include <span>

#include "aggregator/column.h"

namespace fleetmeter::aggregator {
namespace {

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

/// A block larger than any that we write is refused before it takes memory.
bool has_fair_size(const proto::FlowRows& packed) noexcept {
  return packed.count() <= FlowRows::kBlock;
}

bool read_packed(const proto::FlowRows& packed, FlowRows& rows) {
  const std::size_t count = packed.count();
  return has_fair_size(packed) && read_column(packed.series(), count, rows.series) &&
         read_column(packed.window_start_min(), count, rows.window_start_min) &&
         read_column(packed.carried_min(), count, rows.carried_min) &&
         read_column(packed.bytes(), count, rows.bytes) &&
         read_column(packed.packets(), count, rows.packets) &&
         read_column(packed.records(), count, rows.records) &&
         read_column(packed.long_records(), count, rows.long_records) &&
         read_column(packed.without_bytes(), count, rows.without_bytes) &&
         read_column(packed.without_packets(), count, rows.without_packets);
}

/// What window_minute() looks at, of one block.
bool read_minutes(const proto::FlowAggregates& flows, int block, FlowRows& rows) {
  if (flows.rows().empty()) return read_repeated(flows, rows);
  const proto::FlowRows& packed = flows.rows(block);
  return has_fair_size(packed) &&
         read_column(packed.window_start_min(), packed.count(), rows.window_start_min) &&
         read_column(packed.carried_min(), packed.count(), rows.carried_min);
}

template <typename T>
void append(const std::vector<T>& from, std::vector<T>& to) {
  to.insert(to.end(), from.begin(), from.end());
}

}  // namespace

void FlowRows::resize(std::size_t rows) {
  series.resize(rows);
  window_start_min.resize(rows);
  carried_min.resize(rows);
  bytes.resize(rows);
  packets.resize(rows);
  records.resize(rows);
  long_records.resize(rows);
  without_bytes.resize(rows);
  without_packets.resize(rows);
}

void FlowRows::write(proto::FlowAggregates& out) const {
  for (std::size_t first = 0; first < size(); first += kBlock) {
    const std::size_t count = std::min(kBlock, size() - first);
    const auto write_part = [&]<typename T>(const std::vector<T>& values, proto::Column& column) {
      write_column(std::span<const T>(values).subspan(first, count), column);
    };
    proto::FlowRows& block = *out.add_rows();
    block.set_count(static_cast<std::uint32_t>(count));
    write_part(series, *block.mutable_series());
    write_part(window_start_min, *block.mutable_window_start_min());
    write_part(carried_min, *block.mutable_carried_min());
    write_part(bytes, *block.mutable_bytes());
    write_part(packets, *block.mutable_packets());
    write_part(records, *block.mutable_records());
    write_part(long_records, *block.mutable_long_records());
    write_part(without_bytes, *block.mutable_without_bytes());
    write_part(without_packets, *block.mutable_without_packets());
  }
}

bool FlowRows::read(const proto::FlowAggregates& flows, int block) {
  const bool is_whole =
      flows.rows().empty() ? read_repeated(flows, *this) : read_packed(flows.rows(block), *this);
  std::uint32_t largest = 0;
  if (is_whole) {
    for (const std::uint32_t one : series) largest = std::max(largest, one);
  }
  const bool is_good =
      is_whole && (series.empty() || largest < static_cast<std::uint32_t>(flows.interface_size()));
  if (!is_good) resize(0);
  return is_good;
}

FlowRows FlowRows::of(const proto::FlowAggregates& flows) {
  FlowRows all, rows;
  for (int block = 0; block < flow_block_count(flows) && rows.read(flows, block); ++block) {
    append(rows.series, all.series);
    append(rows.window_start_min, all.window_start_min);
    append(rows.carried_min, all.carried_min);
    append(rows.bytes, all.bytes);
    append(rows.packets, all.packets);
    append(rows.records, all.records);
    append(rows.long_records, all.long_records);
    append(rows.without_bytes, all.without_bytes);
    append(rows.without_packets, all.without_packets);
  }
  return all;
}

int flow_block_count(const proto::FlowAggregates& flows) noexcept {
  return flows.rows().empty() ? 1 : flows.rows_size();
}

std::size_t flow_row_count(const proto::FlowAggregates& flows) noexcept {
  if (flows.rows().empty()) return static_cast<std::size_t>(flows.window_start_min_size());
  std::size_t count = 0;
  for (const proto::FlowRows& block : flows.rows())
    count += std::min<std::size_t>(block.count(), FlowRows::kBlock);
  return count;
}

bool has_long_records(const proto::FlowAggregates& flows) noexcept {
  const auto is_long = [](const proto::FlowRows& block) {
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
