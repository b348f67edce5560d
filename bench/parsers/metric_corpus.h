#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "parsers/metric_batch.h"

namespace fleetmeter::parsers::bench {

/// What a right reader finds in a metric stream: enough that a field read wrongly shows.
struct MetricAnswer {
  std::uint64_t records = 0;
  std::uint64_t extended = 0;
  std::uint64_t dimensions = 0;
  std::uint64_t text_bytes = 0;  ///< Of account, region, namespace, name and dimensions.
  std::uint64_t time_sum_s = 0;  ///< Of period starts.
  double value_sum = 0;          ///< Sample count, sum, minimum, maximum and extended, in order.
  friend bool operator==(const MetricAnswer&, const MetricAnswer&) = default;
};
void add_to(MetricAnswer& answer, const MetricBatch& batch);

struct MetricCorpus {
  std::string bytes;
  std::uint64_t lines = 0;  ///< JSON: bad ones too; OTLP: datapoints.
  MetricAnswer answer;
};

enum class Statistics : std::uint8_t {
  kBasic,     ///< Sample count, sum, minimum, maximum.
  kExtended,  ///< JSON: four percentiles, a trimmed mean and IQM besides; OTLP: three percentiles.
};

/// Seeded; five metrics of one to four dimensions over 2,000 machines. Values are zeros, whole
/// numbers and fractions as AWS writes them, large ones with an exponent.
[[nodiscard]] MetricCorpus json_lines(std::size_t records, Statistics statistics);
/// Every twentieth line is broken: cut, without a key, with a value that is none, no JSON at all.
[[nodiscard]] MetricCorpus json_lines_malformed(std::size_t records, Statistics statistics);
/// Frames of 20 datapoints, one a metric, as metric streams send them.
[[nodiscard]] MetricCorpus otlp_07_frames(std::size_t records, Statistics statistics);
[[nodiscard]] MetricCorpus otlp_10_frames(std::size_t records, Statistics statistics);

}  // namespace fleetmeter::parsers::bench
