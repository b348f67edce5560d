#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "generate/fleet.h"
#include "generate/topology.h"

namespace fleetmeter::generate {

inline constexpr double kDiskFillFrom = 55;
inline constexpr double kDiskFillTo = 99;

[[nodiscard]] std::string_view to_string(IncidentKind kind) noexcept;
/// True in the incident's minutes [start_min, start_min + length_min).
[[nodiscard]] bool holds(const Incident& incident, std::int32_t minute) noexcept;

/// Refuses scripts whose outcome is not plain: an unknown target, a value out of range or no
/// multiple of 0.25, a start before minute 15, an end past the telemetry, two incidents of one kind
/// and target less than 15 minutes apart, and a zone loss less than 15 minutes from any other
/// incident.
Result<void> check_script(std::span<const Incident> script, const FleetOptions& options,
                          const Topology& fleet);

/// What the script says about one minute, answered per machine without search: call `at` once a
/// minute.
class ScriptMinute {
 public:
  explicit ScriptMinute(std::span<const Incident> script)
      : script_(script) {}  ///< Views the script.
  void at(std::int32_t minute);

  [[nodiscard]] bool zone_lost(std::uint32_t zone) const noexcept { return lost_ >> zone & 1; }
  /// The value that an incident of this kind gives this target now; negative = none.
  [[nodiscard]] double value(IncidentKind kind, std::uint32_t target) const noexcept;
  [[nodiscard]] std::int32_t minute() const noexcept { return minute_; }

 private:
  std::span<const Incident> script_;
  std::vector<Incident> active_;
  std::uint32_t lost_ = 0;
  std::int32_t minute_ = 0;
};

/// Disk of a filling machine `minutes` after the start of the incident, percent.
[[nodiscard]] double disk_at(const Incident& incident, std::int32_t minute) noexcept;

}  // namespace fleetmeter::generate
