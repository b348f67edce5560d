#include <algorithm>
#include <string>
#include <string_view>

#include "aggregator/series_table.h"
#include "aggregator/statistic_name.h"

namespace fleetmeter::aggregator {
namespace {

using Extended = std::pair<std::string, ValueRange>;

/// As it came, under this name or another spelling of it.
const Extended* stored(const Datapoint& datapoint, std::string_view name) {
  const auto same = std::ranges::find(datapoint.extended, name, &Extended::first);
  if (same != datapoint.extended.end()) return &*same;
  if (datapoint.extended.empty()) return nullptr;
  const std::optional<StatisticName> asked = parse_statistic(name);
  if (!asked) return nullptr;
  const auto other = std::ranges::find_if(datapoint.extended, [&](const Extended& extended) {
    return parse_statistic(extended.first) == asked;
  });
  return other == datapoint.extended.end() ? nullptr : &*other;
}

/// Percentile-type statistics need the samples. A set tells them when all are the same value, and no
/// sample may be negative.
bool has_one_value(const Datapoint& datapoint) noexcept {
  const bool one_value = datapoint.sample_count == 1 || datapoint.minimum == datapoint.maximum;
  return one_value && datapoint.minimum >= 0;
}

std::optional<ValueRange> of_single_values(const Datapoint& datapoint, std::string_view name) {
  const std::optional<StatisticName> asked = parse_statistic(name);
  if (!asked) return std::nullopt;
  if (!has_one_value(datapoint)) {
    if (!datapoint.of_single_values || asked->kind != StatisticKind::kPercentile)
      return std::nullopt;
    return ValueRange(datapoint.minimum, datapoint.maximum);
  }
  const double value = datapoint.maximum;
  const bool inside = asked->percent || ((!asked->low || value > *asked->low) &&
                                         (!asked->high || value <= *asked->high));
  switch (asked->kind) {
    case StatisticKind::kPercentile:
      return value;
    case StatisticKind::kTrimmedMean:
      if (!inside) return std::nullopt;
      return value;
    case StatisticKind::kWinsorizedMean:
      if (inside) return value;
      return asked->low && value <= *asked->low ? *asked->low : *asked->high;
    case StatisticKind::kPercentileRank:
      return inside ? 100.0 : 0.0;
    case StatisticKind::kTrimmedCount:
    case StatisticKind::kTrimmedSum:
      break;
    default:
      return std::nullopt;
  }
  // How many of equal samples lie inside percent bounds is not documented.
  if (asked->percent) return std::nullopt;
  const double count = inside ? datapoint.sample_count : 0.0;
  return asked->kind == StatisticKind::kTrimmedCount ? count : count * value;
}

/// Those of the union of both, which only bounds are known of: sorted by name.
std::vector<Extended> combined_percentiles(const Datapoint& a, const Datapoint& b) {
  std::vector<Extended> combined;
  for (const auto* one : {&a, &b}) {
    for (const Extended& extended : one->extended) {
      const std::optional<StatisticName> name = parse_statistic(extended.first);
      if (!name || name->kind != StatisticKind::kPercentile) continue;
      if (one == &b && stored(a, extended.first) != nullptr) continue;
      const std::optional<ValueRange> of_other = statistic(one == &a ? b : a, extended.first);
      if (!of_other) continue;
      combined.emplace_back(extended.first,
                            ValueRange(std::min(extended.second.least, of_other->least),
                                       std::max(extended.second.greatest, of_other->greatest)));
    }
  }
  std::ranges::sort(combined, {}, &Extended::first);
  return combined;
}

}  // namespace

std::optional<ValueRange> statistic(const Datapoint& datapoint, std::string_view name) {
  if (name == "SampleCount") return datapoint.sample_count;
  if (name == "Sum") return datapoint.sum;
  if (name == "Minimum") return datapoint.minimum;
  if (name == "Maximum") return datapoint.maximum;
  if (name == "Average") {
    if (!(datapoint.sample_count > 0)) return std::nullopt;
    return datapoint.sum / datapoint.sample_count;
  }
  if (const Extended* extended = stored(datapoint, name)) return extended->second;
  return of_single_values(datapoint, name);
}

void combine_into(Datapoint& sum, const Datapoint& other) {
  if (!sum.extended.empty() || !other.extended.empty())
    sum.extended = combined_percentiles(sum, other);
  sum.of_single_values = (sum.of_single_values || has_one_value(sum)) &&
                         (other.of_single_values || has_one_value(other));
  sum.sample_count += other.sample_count;
  sum.sum += other.sum;
  sum.minimum = std::min(sum.minimum, other.minimum);
  sum.maximum = std::max(sum.maximum, other.maximum);
  sum.lower_bound = sum.lower_bound || other.lower_bound;
}

}  // namespace fleetmeter::aggregator
