// What is the same for all alarms of one rule.
#include <algorithm>
#include <numeric>

#include "alarms/alarm_instance.h"

namespace fleetmeter::alarms {
namespace {

constexpr std::uint32_t kDayS = 86'400;
constexpr std::uint32_t kHourS = 3600;
constexpr std::uint32_t kRetireAfterS = 3 * kHourS;

/// FNV-1a over what decides: a rule that only notifies otherwise stays the same alarm.
class Fingerprint {
 public:
  void add(std::string_view text) {
    for (const char c : text) step(static_cast<std::uint8_t>(c));
    step(0);
  }
  void add(std::uint64_t number) {
    for (int i = 0; i < 8; ++i) step(static_cast<std::uint8_t>(number >> (8 * i)));
  }
  [[nodiscard]] std::uint64_t value() const noexcept { return hash_; }

 private:
  void step(std::uint8_t byte) { hash_ = (hash_ ^ byte) * 0x100000001b3ULL; }
  std::uint64_t hash_ = 0xcbf29ce484222325ULL;
};

std::uint64_t fingerprint_of(const AlarmRule& rule) {
  Fingerprint print;
  print.add(rule.metric.metric_namespace);
  print.add(rule.metric.name);
  print.add(rule.metric.statistic);
  for (const auto& [name, value] : rule.metric.dimensions) {
    print.add(name);
    print.add(value);
  }
  print.add(rule.metric.exact ? 1 : 0);
  print.add(rule.for_each);
  print.add(static_cast<std::uint64_t>(rule.comparison));
  print.add(decimal_text(rule.threshold));
  print.add(rule.period_s);
  print.add(rule.evaluation_periods);
  print.add(rule.datapoints_to_alarm);
  print.add(rule.range_slots);
  print.add(static_cast<std::uint64_t>(rule.missing));
  // Only where it is asked for, so that rules from before it was there are the same rules.
  if (rule.ignore_low_samples) print.add("low_samples");
  return print.value();
}

}  // namespace

AlarmPlan plan_of(const AlarmRule& rule) {
  AlarmPlan plan;
  plan.rule = rule;
  plan.evaluation = {rule.evaluation_periods, rule.datapoints_to_alarm, rule.missing};
  plan.range_slots = rule.range_slots != 0 ? rule.range_slots : rule.evaluation_periods + 2;
  plan.step_s = rule.period_s < 60 ? 10 : 60;
  if (std::uint64_t{rule.period_s} * rule.evaluation_periods > kDayS) plan.step_s = kHourS;
  if (!rule.for_each.empty())
    plan.retire_after_s = std::max(kRetireAfterS, plan.range_slots * rule.period_s);
  plan.fingerprint = fingerprint_of(rule);
  // Dimensions that a rule names override the choice of the most detailed set.
  const bool names_a_set = rule.for_each.empty() || !rule.metric.dimensions.empty();
  plan.fold.choice =
      names_a_set ? FoldSpec::Choice::kExactElseDetailed : FoldSpec::Choice::kDetailed;
  plan.fold.statistic = rule.metric.statistic;
  if (rule.ignore_low_samples) plan.fold.samples_min = samples_needed(rule.metric.statistic);
  plan.fold.dimensions_asked = static_cast<std::uint32_t>(rule.metric.dimensions.size());
  if (!rule.for_each.empty() && !rule.metric.dimensions.contains(rule.for_each))
    ++plan.fold.dimensions_asked;
  plan.fold.period_s = rule.period_s;
  plan.fold.unit_s = std::gcd(plan.step_s, rule.period_s);
  plan.fold.range_slots = plan.range_slots;
  return plan;
}

std::string series_name(const AlarmRule& rule, const std::string& key) {
  if (!rule.for_each.empty()) return rule.for_each + "=" + key;
  std::string text = rule.metric.metric_namespace + " " + rule.metric.name;
  for (const auto& [name, value] : rule.metric.dimensions) text += " " + name + "=" + value;
  return text;
}

}  // namespace fleetmeter::alarms
