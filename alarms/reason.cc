#include "alarms/reason.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <ctime>
#include <string_view>
#include <vector>

#include "proto/check.h"

namespace fleetmeter::alarms {
namespace {

using aggregator::SlotState;
using Kind = RangeSlot::Kind;

constexpr std::size_t kValuesShown = 5;

std::string time_text(aggregator::GridTime time_s) {
  const std::time_t seconds = static_cast<std::time_t>(time_s);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 32> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%d/%m/%y %H:%M:%S", &utc);
  return {text.data(), size};
}

std::string_view plural(std::size_t count) { return count == 1 ? "" : "s"; }

/// Datapoints that decided: the newest N real ones, newest first.
std::vector<SeenValue> deciding(const AlarmRule& rule, std::span<const SeenValue> range) {
  std::vector<SeenValue> values;
  for (std::size_t i = range.size(); i-- > 0 && values.size() < rule.evaluation_periods;) {
    if (range[i].kind == Kind::kGood || range[i].kind == Kind::kBreaching)
      values.push_back(range[i]);
  }
  return values;
}

std::string values_text(const AlarmRule& rule, const std::vector<SeenValue>& values, Kind kind) {
  std::string text;
  std::size_t shown = 0;
  for (const SeenValue& value : values) {
    if (value.kind != kind || shown++ == kValuesShown) continue;
    if (!text.empty()) text += ", ";
    text += fmt::format("{} ({})", decimal_text(value.slot.value.nearest(rule.threshold)),
                        time_text(value.slot.end_s - rule.period_s));
  }
  return text;
}

/// What the treatment made of a missing datapoint.
std::string_view treated_as(MissingData missing) {
  switch (missing) {
    case MissingData::kBreaching:
      return "Breaching";
    case MissingData::kNotBreaching:
      return "NonBreaching";
    case MissingData::kIgnore:
      return "Ignored";
    case MissingData::kMissing:
      return "Missing";
  }
  FM_CHECK(false);
  return "";
}

}  // namespace

RangeSlot range_slot(const FoldedSlot& slot, Comparison comparison, double threshold) noexcept {
  switch (slot.state) {
    case SlotState::kPresent: {
      if (slot.few_samples) return {Kind::kUnknown};
      const bool breaching = breaches(comparison, slot.value.least, threshold);
      if (breaching != breaches(comparison, slot.value.greatest, threshold))
        return {Kind::kUnknown};
      if (slot.lower_bound && !(breaching && breaches_above(comparison))) return {Kind::kUnknown};
      return {breaching ? Kind::kBreaching : Kind::kGood};
    }
    case SlotState::kMissing:
      return {Kind::kMissing};
    case SlotState::kUnknown:
      return {Kind::kUnknown};
    case SlotState::kPending:
      return {Kind::kUnknown};
    case SlotState::kNonexistent:
      return {Kind::kNonexistent};
  }
  FM_CHECK(false);
  return {};
}

std::string decimal_text(double value) {
  std::array<char, 400> text{};
  const double size = std::fabs(value);
  const bool plain = value == 0 || (size >= 1e-6 && size < 1e15);
  const auto end =
      plain ? std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed)
            : std::to_chars(text.data(), text.data() + text.size(), value);
  std::string out(text.data(), end.ptr);
  if (plain && out.find('.') == std::string::npos) out += ".0";
  return out;
}

const char* comparison_phrase(Comparison comparison) noexcept {
  switch (comparison) {
    case Comparison::kGreaterOrEqual:
      return "greater than or equal to";
    case Comparison::kGreater:
      return "greater than";
    case Comparison::kLess:
      return "less than";
    case Comparison::kLessOrEqual:
      return "less than or equal to";
  }
  FM_CHECK(false);
  return "";
}

std::string transition_reason(const AlarmRule& rule, std::span<const SeenValue> range,
                              AlarmState from, AlarmState to) {
  const std::vector<SeenValue> values = deciding(rule, range);
  const auto count = [range](Kind kind) {
    return static_cast<std::size_t>(
        std::ranges::count(range, kind, [](const SeenValue& value) { return value.kind; }));
  };
  // Slots before the alarm's first datapoint are not there to be filled, nor are unknown ones.
  const std::size_t existing = range.size() - count(Kind::kNonexistent);
  const std::size_t filled =
      std::min(std::min<std::size_t>(rule.evaluation_periods, existing) - values.size(),
               count(Kind::kMissing));
  if (to == AlarmState::kInsufficientData) {
    return fmt::format("Insufficient Data: {} datapoint{} {} unknown.", filled, plural(filled),
                       filled == 1 ? "was" : "were");
  }
  if (values.empty()) {
    return fmt::format(
        "Threshold Crossed: no datapoints were received for {} period{} and {} missing datapoint{} "
        "{} treated as [{}].",
        filled, plural(filled), filled, plural(filled), filled == 1 ? "was" : "were",
        treated_as(rule.missing));
  }
  const bool alarm = to == AlarmState::kAlarm;
  const Kind kind = alarm ? Kind::kBreaching : Kind::kGood;
  std::size_t crossed = 0;
  for (const SeenValue& value : values) crossed += value.kind == kind ? 1 : 0;
  const std::string shown = values_text(rule, values, kind);
  const std::string relation =
      fmt::format("{}{} the threshold ({})", alarm ? "" : "not ",
                  comparison_phrase(rule.comparison), decimal_text(rule.threshold));
  const std::uint32_t needed =
      alarm ? rule.datapoints_to_alarm : rule.evaluation_periods - rule.datapoints_to_alarm + 1;
  const std::string minimum = fmt::format("(minimum {} datapoint{} for {} -> {} transition)",
                                          needed, plural(needed), to_string(from), to_string(to));
  const std::string gap =
      filled == 0
          ? std::string()
          : fmt::format(" {} missing datapoint{} {} treated as [{}].", filled, plural(filled),
                        filled == 1 ? "was" : "were", treated_as(rule.missing));
  if (shown.empty()) {
    return fmt::format("Threshold Crossed: {} out of the last {} datapoints were {} {}.{}", crossed,
                       values.size(), relation, minimum, gap);
  }
  if (values.size() == 1) {
    return fmt::format("Threshold Crossed: {} out of the last 1 datapoints [{}] was {} {}.{}",
                       crossed, shown, relation, minimum, gap);
  }
  return fmt::format(
      "Threshold Crossed: {} out of the last {} datapoints were {}. The most recent datapoints "
      "which {}crossed the threshold: "
      "[{}] {}.{}",
      crossed, values.size(), relation, alarm ? "" : "had not ", shown, minimum, gap);
}

}  // namespace fleetmeter::alarms
