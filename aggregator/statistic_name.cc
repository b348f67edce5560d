#include "aggregator/statistic_name.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace fleetmeter::aggregator {
namespace {

using Kind = StatisticKind;

constexpr std::size_t kDecimalsMax = 10;
constexpr std::array<std::pair<std::string_view, Kind>, 5> kPlain = {
    {{"Average", Kind::kAverage},
     {"Sum", Kind::kSum},
     {"Minimum", Kind::kMinimum},
     {"Maximum", Kind::kMaximum},
     {"SampleCount", Kind::kSampleCount}}};

struct Bounded {
  std::string_view form, short_form;  ///< PR has no short one.
  Kind kind;
};
constexpr std::array<Bounded, 5> kBounded = {{{"TM", "tm", Kind::kTrimmedMean},
                                              {"WM", "wm", Kind::kWinsorizedMean},
                                              {"TC", "tc", Kind::kTrimmedCount},
                                              {"TS", "ts", Kind::kTrimmedSum},
                                              {"PR", "", Kind::kPercentileRank}}};

bool digits(std::string_view text) noexcept {
  return std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

/// Digits, perhaps a point and up to ten more.
std::optional<double> number(std::string_view text) noexcept {
  const std::size_t point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  if (whole.empty() || !digits(whole)) return std::nullopt;
  if (point != std::string_view::npos) {
    const std::string_view decimals = text.substr(point + 1);
    if (decimals.empty() || decimals.size() > kDecimalsMax || !digits(decimals))
      return std::nullopt;
  }
  double value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  return parsed.ec == std::errc() ? std::optional(value) : std::nullopt;
}

/// Of a percentile or a short form: above 0, up to 100.
std::optional<double> upper_percent(std::string_view text) noexcept {
  const std::optional<double> value = number(text);
  return value && *value > 0 && *value <= 100 ? value : std::nullopt;
}

struct Bound {
  bool good = true;
  bool percent = false;
  std::optional<double> value = {};
};

Bound parse_bound(std::string_view text) noexcept {
  if (text.empty()) return {};
  if (text.back() == '%') {
    const std::optional<double> value = number(text.substr(0, text.size() - 1));
    return {value && *value <= 100, true, value};
  }
  const bool negative = text.front() == '-';
  const std::optional<double> value = number(text.substr(negative ? 1 : 0));
  return {value.has_value(), false, negative && value ? -*value : value};
}

/// "(10%:90%)", "(80:500)", "(:300)".
std::optional<StatisticName> parse_bounds(Kind kind, std::string_view text) noexcept {
  const std::size_t colon = text.find(':');
  if (text.size() < 3 || text.front() != '(' || text.back() != ')' ||
      colon == std::string_view::npos)
    return std::nullopt;
  const Bound low = parse_bound(text.substr(1, colon - 1));
  const Bound high = parse_bound(text.substr(colon + 1, text.size() - colon - 2));
  if (!low.good || !high.good || (!low.value && !high.value)) return std::nullopt;
  const bool both = low.value && high.value;
  if (both && (low.percent != high.percent || *low.value >= *high.value)) return std::nullopt;
  const bool percent = low.percent || high.percent;
  if (kind == Kind::kPercentileRank && percent) return std::nullopt;
  return StatisticName{kind, low.value, high.value, percent};
}

}  // namespace

std::optional<StatisticName> parse_statistic(std::string_view name) noexcept {
  for (const auto& [plain, kind] : kPlain) {
    if (name == plain) return StatisticName{kind};
  }
  if (name == "IQM") return StatisticName{Kind::kTrimmedMean, 25, 75, true};
  if (name.starts_with('p')) {
    const std::optional<double> percent = upper_percent(name.substr(1));
    if (!percent) return std::nullopt;
    return StatisticName{Kind::kPercentile, {}, percent, true};
  }
  for (const Bounded& bounded : kBounded) {
    if (name.starts_with(bounded.form)) return parse_bounds(bounded.kind, name.substr(2));
    if (bounded.short_form.empty() || !name.starts_with(bounded.short_form)) continue;
    const std::optional<double> percent = upper_percent(name.substr(2));
    if (!percent) return std::nullopt;
    return StatisticName{bounded.kind, {}, percent, true};
  }
  return std::nullopt;
}

}  // namespace fleetmeter::aggregator
