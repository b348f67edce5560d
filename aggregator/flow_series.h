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

}  // namespace fleetmeter::aggregator
