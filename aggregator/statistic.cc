#include <algorithm>
#include <string>
#include <string_view>

#include "aggregator/series_table.h"
#include "aggregator/statistic_name.h"

namespace fleetmeter::aggregator {
namespace {

/// "99", "99.9": what follows the "p" of a percentile.
bool is_number(std::string_view text) {
  if (text.empty() || text.front() == '.' || text.back() == '.') return false;
  if (std::ranges::count(text, '.') > 1) return false;
  return std::ranges::all_of(text, [](char c) { return (c >= '0' && c <= '9') || c == '.'; });
}

/// The other spelling of a trimmed statistic: "tm99" and "TM(:99%)" name the same, so do "IQM" and
/// "TM(25%:75%)".
std::string other_spelling(std::string_view name) {
  if (name == "IQM" || name == "iqm") return "TM(25%:75%)";
  if (name == "TM(25%:75%)") return "IQM";
  for (const auto& [lower, upper] : {std::pair<std::string_view, std::string_view>{"tm", "TM"},
                                     {"wm", "WM"},
                                     {"tc", "TC"},
                                     {"ts", "TS"}}) {
    if (name.starts_with(lower) && is_number(name.substr(2))) {
      return std::string(upper) + "(:" + std::string(name.substr(2)) + "%)";
    }
    const std::string opening = std::string(upper) + "(:";
    if (name.starts_with(opening) && name.ends_with("%)")) {
      const std::string_view bound = name.substr(opening.size(), name.size() - opening.size() - 2);
      if (is_number(bound)) return std::string(lower) + std::string(bound);
    }
  }
  return {};
}

std::optional<double> stored(const Datapoint& datapoint, std::string_view name) {
  const auto at =
      std::ranges::find(datapoint.extended, name, &std::pair<std::string, double>::first);
  if (at == datapoint.extended.end()) return std::nullopt;
  return at->second;
}

/// Percentile-type statistics need the samples. A set tells them when all are the same value, and no
/// sample may be negative.
std::optional<double> of_one_value(const Datapoint& datapoint, std::string_view name) {
  const bool one_value = datapoint.sample_count == 1 || datapoint.minimum == datapoint.maximum;
  if (!one_value || datapoint.minimum < 0) return std::nullopt;
  const std::optional<StatisticName> asked = parse_statistic(name);
  if (!asked) return std::nullopt;
  const double value = datapoint.maximum;
  const bool inside = asked->percent || ((!asked->low || value > *asked->low) &&
                                         (!asked->high || value <= *asked->high));
  switch (asked->kind) {
    case StatisticKind::kPercentile:
      return value;
    case StatisticKind::kTrimmedMean:
      return inside ? std::optional(value) : std::nullopt;
    case StatisticKind::kWinsorizedMean:
      if (inside) return value;
      return asked->low && value <= *asked->low ? asked->low : asked->high;
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

}  // namespace

std::optional<double> statistic(const Datapoint& datapoint, std::string_view name) {
  if (name == "SampleCount") return datapoint.sample_count;
  if (name == "Sum") return datapoint.sum;
  if (name == "Minimum") return datapoint.minimum;
  if (name == "Maximum") return datapoint.maximum;
  if (name == "Average") {
    if (!(datapoint.sample_count > 0)) return std::nullopt;
    return datapoint.sum / datapoint.sample_count;
  }
  if (auto value = stored(datapoint, name)) return value;
  if (const std::string other = other_spelling(name); !other.empty()) {
    if (auto value = stored(datapoint, other)) return value;
  }
  return of_one_value(datapoint, name);
}

}  // namespace fleetmeter::aggregator
