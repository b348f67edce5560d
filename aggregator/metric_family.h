#pragma once

#include <cstdint>

#include "aggregator/series_table.h"

namespace fleetmeter::aggregator {

/// How a family of CloudWatch metrics is published, used until the configuration or the data says
/// otherwise.
struct MetricFamily {
  std::uint32_t own_period_s = 60;
  /// From a slot's end until its datapoint can be expected.
  std::uint32_t publication_delay_s = 180;
};

/// Family of a series by namespace, metric and, for DynamoDB, dimensions. Periods: the metric
/// tables of each service's guide. Delays: what a consumer of metric streams sees in production
/// (docs/formats.md, "Publication delay").
[[nodiscard]] MetricFamily family_of(const SeriesKey& key);

}  // namespace fleetmeter::aggregator
