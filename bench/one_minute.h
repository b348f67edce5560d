#pragma once

#include <cstddef>
#include <cstdint>
#include <numeric>

#include "aggregator/datapoint_rows.h"

namespace fleetmeter {

/// A minute of each series of a batch: one sample of this value.
inline aggregator::DatapointRows one_minute(std::size_t series_count, std::int64_t start_s,
                                            double value) {
  aggregator::DatapointRows rows;
  rows.resize(series_count);
  std::iota(rows.series.begin(), rows.series.end(), 0u);
  rows.start_s.assign(series_count, start_s);
  rows.period_s.assign(series_count, 60);
  rows.sample_count.assign(series_count, 1);
  for (auto* column : {&rows.sum, &rows.minimum, &rows.maximum})
    column->assign(series_count, value);
  return rows;
}

}  // namespace fleetmeter
