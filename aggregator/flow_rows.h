#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "proto/log.pb.h"

namespace fleetmeter::aggregator {

/// Rows of FlowAggregates, sums of a series by minute: a column each, of one length. A batch has
/// them in blocks, which stay in the cache while they are written and read.
struct FlowRows {
  static constexpr std::size_t kBlock = 4096;

  std::vector<std::uint32_t> series;            ///< Where the key of the row stands.
  std::vector<std::uint32_t> window_start_min;  ///< Unix minutes, where the bill counts the row.
  /// Minutes from the window where the records start to window_start_min: 0 but for what records
  /// carried over the end of a month (docs/time.md 3).
  std::vector<std::uint32_t> carried_min;
  std::vector<std::uint64_t> bytes, packets, records, long_records;
  /// Of the records, those that do not tell these: the sums are lower bounds.
  std::vector<std::uint64_t> without_bytes, without_packets;

  [[nodiscard]] std::size_t size() const noexcept { return series.size(); }
  /// Start of the window that a row counts in, in Unix minutes: where its records start.
  [[nodiscard]] std::uint32_t window_minute(std::size_t row) const noexcept {
    return window_start_min[row] - carried_min[row];
  }

  void resize(std::size_t rows);
  /// Appends them to a batch, block by block.
  void write(proto::FlowAggregates& out) const;
  /// One block of flow_block_count(). False, and no rows: not written by us. Columns differ in
  /// length, or a row's series is none.
  [[nodiscard]] bool read(const proto::FlowAggregates& flows, int block);
  /// All rows of a batch, up to a block that was not written by us.
  [[nodiscard]] static FlowRows of(const proto::FlowAggregates& flows);
};

[[nodiscard]] int flow_block_count(const proto::FlowAggregates& flows) noexcept;

/// How many rows a batch has.
[[nodiscard]] std::size_t flow_row_count(const proto::FlowAggregates& flows) noexcept;

/// Some row has long_records.
[[nodiscard]] bool has_long_records(const proto::FlowAggregates& flows) noexcept;

/// First and last window_minute() of a batch; none without rows, or where it cannot be read.
struct MinuteSpan {
  std::uint32_t first, last;
};
[[nodiscard]] std::optional<MinuteSpan> window_span(const proto::FlowAggregates& flows);

}  // namespace fleetmeter::aggregator
