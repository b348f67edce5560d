#pragma once

#include <cstdint>

#include "proto/log.pb.h"

namespace fleetmeter::aggregator {

/// Rows of FlowAggregates are minutes of series; a series' key stands once, in the columns up to
/// `peer_role`. Batches of releases before that have no series: every row carries its own key.

/// Where the key of a row stands.
[[nodiscard]] inline int series_of(const proto::FlowAggregates& flows, int row) noexcept {
  return flows.series().empty() ? row : static_cast<int>(flows.series(row));
}

/// Whether every row has a series, of `series_count` in all; one that does not was not written by
/// us.
[[nodiscard]] inline bool have_series(const proto::FlowAggregates& flows,
                                      int series_count) noexcept {
  const int rows = flows.window_start_min_size();
  if (flows.series().empty()) return rows == series_count;
  if (flows.series_size() != rows) return false;
  std::uint32_t largest = 0;
  for (const std::uint32_t series : flows.series()) largest = series > largest ? series : largest;
  return largest < static_cast<std::uint32_t>(series_count);
}

/// Whether some row has no records: in batches without carried_min, what records carried over the end
/// of a month.
[[nodiscard]] inline bool has_bare_rests(const proto::FlowAggregates& flows) noexcept {
  bool has_one = false;
  for (const std::uint64_t records : flows.records()) has_one |= records == 0;
  return has_one;
}

/// Start of the window that a row counts in, in Unix minutes: where its records start, which is the
/// month before for what they carried over its end (docs/time.md 3). Safe for columns that differ
/// in length.
[[nodiscard]] inline std::uint32_t window_minute(const proto::FlowAggregates& flows,
                                                 int row) noexcept {
  const std::uint32_t minute = flows.window_start_min(row);
  if (row < flows.carried_min_size()) return minute - flows.carried_min(row);
  const bool is_rest = row < flows.records_size() && flows.records(row) == 0;
  return minute - (is_rest ? 1 : 0);
}

}  // namespace fleetmeter::aggregator
