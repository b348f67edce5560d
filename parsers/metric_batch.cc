#include "parsers/metric_batch.h"

#include <numeric>

namespace fleetmeter::parsers {

std::string_view to_string(MetricDrop reason) noexcept {
  switch (reason) {
    case MetricDrop::kBadJson:
      return "bad_json";
    case MetricDrop::kMissingKey:
      return "missing_key";
    case MetricDrop::kBadValue:
      return "bad_value";
    case MetricDrop::kBadTimestamp:
      return "bad_timestamp";
    case MetricDrop::kBadFrame:
      return "bad_frame";
    case MetricDrop::kBadProtobuf:
      return "bad_protobuf";
    case MetricDrop::kNotASummary:
      return "not_a_summary";
    case MetricDrop::kMissingLabel:
      return "missing_label";
    case MetricDrop::kCount:
      break;
  }
  return "unknown";
}

std::uint64_t MetricCounts::malformed() const noexcept {
  return std::accumulate(std::begin(dropped), std::end(dropped), std::uint64_t{0});
}

MetricCounts& MetricCounts::operator+=(const MetricCounts& other) noexcept {
  datapoints += other.datapoints;
  frames += other.frames;
  unknown_keys += other.unknown_keys;
  for (std::size_t i = 0; i < std::size(dropped); ++i) dropped[i] += other.dropped[i];
  return *this;
}

}  // namespace fleetmeter::parsers
