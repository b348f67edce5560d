#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "generate/fleet.h"
#include "generate/topology.h"

namespace fleetmeter::generate {

/// The rules that truth.json answers for; deploy/demo/fleet.yaml.in says the same to the evaluator.
/// Every alarm looks at 60 s periods and at N = M of them; missing data as `missing` says.
struct ExpectedRule {
  std::string_view name, metric_namespace, metric, statistic, for_each, missing;
  double above;          ///< Breaching when the value is above it.
  std::int32_t periods;  ///< N and M.
};
std::span<const ExpectedRule> expected_rules() noexcept;

struct AlarmTransition {
  std::int64_t time_s;
  std::string environment, rule, series, from,
      to;  ///< series: "InstanceId=i-..."; states as CloudWatch names them.
};
struct ScalingDecision {
  std::int64_t time_s;
  std::string environment, group;
  std::uint32_t from, to;
};
struct Expected {
  std::vector<AlarmTransition> alarms;   ///< By (time, rule, series), first states left out.
  std::vector<ScalingDecision> scaling;  ///< By (time, group), only real changes of capacity.
  /// Per group: desired capacity from this minute on, first entry at minute 0.
  std::vector<std::vector<std::pair<std::int32_t, std::uint32_t>>> desired;
};

/// Periods that an alarm looks back beyond N when data is missing (Amazon CloudWatch User Guide,
/// "Configuring how CloudWatch alarms treat missing data": examples with N = 3 show five).
inline constexpr std::int32_t kExtraRangePeriods = 2;

/// What must happen, by arithmetic on the script alone.
/// Alarm: a condition that holds in minutes [a, b) gives ALARM at a + N if b - a >= N, and OK at b
/// + 1, the end of the first good period. A lost zone alarms status checks (missing = breaching) at
/// a + N + 2 when no real datapoint is left in the range, and clears them at b + 1; all other rules
/// keep their state. Scaling: above 70 % for 5 min adds 1 at a + 5 and again every 300 s up to b;
/// below 30 % for 10 min removes 1 at a + 10 and every 300 s up to b; never beyond the group's
/// bounds. The new desired capacity holds from the decision's minute on. Nothing is stated for
/// times after the end of the telemetry.
Expected expect(std::span<const Incident> script, const FleetOptions& options,
                const Topology& fleet);

/// The group's bounds with the defaults applied.
[[nodiscard]] std::uint32_t group_maximum(const FleetOptions& options, const Topology& fleet,
                                          std::size_t group) noexcept;

}  // namespace fleetmeter::generate
