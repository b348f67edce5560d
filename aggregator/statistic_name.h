#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace fleetmeter::aggregator {

enum class StatisticKind : std::uint8_t {
  kAverage,
  kSum,
  kMinimum,
  kMaximum,
  kSampleCount,
  kPercentile,      ///< pNN.
  kTrimmedMean,     ///< TM, tmNN, IQM.
  kWinsorizedMean,  ///< WM, wmNN.
  kTrimmedCount,    ///< TC, tcNN.
  kTrimmedSum,      ///< TS, tsNN.
  kPercentileRank,  ///< PR.
};

/// A statistic as CloudWatch names it, taken apart.
struct StatisticName {
  StatisticKind kind = StatisticKind::kAverage;
  /// Of a trimmed, winsorized or ranked one: the bounds, nullopt = open. Absolute bounds exclude the
  /// lower and include the upper one. Of a percentile: its percent in `high`.
  std::optional<double> low = {}, high = {};
  bool percent = false;  ///< The bounds are percent.
  friend bool operator==(const StatisticName&, const StatisticName&) = default;
};

/// Average, Sum, Minimum, Maximum, SampleCount; a percentile "p99.9" above 0 and up to 100; IQM; TM,
/// WM, TC, TS or PR with bounds, "TM(10%:90%)", "TC(80:500)", "PR(:300)", of which one may be left
/// out; their short forms with one number, "tm99". Numbers have up to ten decimals. nullopt = not a
/// statistic. Rule: Amazon CloudWatch User Guide, "CloudWatch statistics definitions".
[[nodiscard]] std::optional<StatisticName> parse_statistic(std::string_view name) noexcept;

}  // namespace fleetmeter::aggregator
