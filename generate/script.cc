#include "generate/script.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string>

namespace fleetmeter::generate {
namespace {

struct KindInfo {
  std::string_view name;
  double usual, least, most;  ///< Values.
};
constexpr std::array<KindInfo, 7> kKinds = {{{"cpu", 92.5, 0, 100},
                                             {"memory", 92.5, 0, 100},
                                             {"disk", 0.5, 0.25, 40},
                                             {"scan", 600, 1, 20'000},
                                             {"az_loss", 0, 0, 0},
                                             {"status_check", 1, 1, 1},
                                             {"nat_drops", 12, 1, 1e6}}};
constexpr std::int32_t kApartMin = 15;

const KindInfo& info_of(IncidentKind kind) noexcept {
  return kKinds[static_cast<std::size_t>(kind)];
}

Error bad(const Incident& i, const std::string& message) {
  return {ErrorCode::kInvalidArgument, "script: " + std::string(to_string(i.kind)) + "@" +
                                           std::to_string(i.start_min) + "+" +
                                           std::to_string(i.length_min) + ": " + message};
}

std::size_t target_count(IncidentKind kind, const Topology& fleet) noexcept {
  switch (kind) {
    case IncidentKind::kCpu:
      return fleet.group_machines.size();
    case IncidentKind::kAzLoss:
      return fleet.zones.size();
    case IncidentKind::kNatDrops:
      return fleet.gateways.size();
    default:
      return fleet.machines.size();
  }
}

Result<void> check_one(const Incident& i, const FleetOptions& options, const Topology& fleet) {
  if (i.start_min < kApartMin)
    return bad(i, "must start at minute 15 or later, when every rule has its first state");
  if (i.length_min < 1 || i.start_min > options.duration_min - i.length_min)
    return bad(i, "must end within the telemetry");
  const std::size_t targets = target_count(i.kind, fleet);
  if (i.target >= targets)
    return bad(i,
               "target " + std::to_string(i.target) + " is not below " + std::to_string(targets));
  const KindInfo& kind = info_of(i.kind);
  if (!(i.value >= kind.least && i.value <= kind.most)) {
    return bad(i,
               "value must be " + std::to_string(kind.least) + " to " + std::to_string(kind.most));
  }
  if (i.value * 4 != std::floor(i.value * 4)) return bad(i, "value must be a multiple of 0.25");
  const bool counts = i.kind == IncidentKind::kScan || i.kind == IncidentKind::kNatDrops;
  if (counts && i.value != std::floor(i.value)) return bad(i, "value must be whole");
  return {};
}

bool close(const Incident& a, const Incident& b) noexcept {
  return a.start_min < b.start_min + b.length_min + kApartMin &&
         b.start_min < a.start_min + a.length_min + kApartMin;
}

template <typename T>
bool take_number(std::string_view& text, T& value) noexcept {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

bool take_char(std::string_view& text, char c) noexcept {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

}  // namespace

std::string_view to_string(IncidentKind kind) noexcept { return info_of(kind).name; }

bool holds(const Incident& incident, std::int32_t minute) noexcept {
  return incident.start_min <= minute && minute < incident.start_min + incident.length_min;
}

Result<Incident> parse_incident(std::string_view text) {
  const auto refuse = [text](const std::string& why) {
    return Error{ErrorCode::kInvalidArgument,
                 "incident '" + std::string(text) + "': " + why +
                     "; expected KIND@START+LENGTH[:TARGET[:VALUE]], e.g. cpu@65+18:0:92.5"};
  };
  const std::string_view name = text.substr(0, text.find('@'));
  const auto kind = std::find_if(kKinds.begin(), kKinds.end(),
                                 [name](const KindInfo& k) { return k.name == name; });
  if (kind == kKinds.end()) {
    return refuse("kind must be one of cpu, memory, disk, scan, az_loss, status_check, nat_drops");
  }
  Incident incident;
  incident.kind = static_cast<IncidentKind>(kind - kKinds.begin());
  incident.value = kind->usual;
  std::string_view rest = text.substr(name.size());
  if (!take_char(rest, '@') || !take_number(rest, incident.start_min))
    return refuse("no start minute");
  if (!take_char(rest, '+') || !take_number(rest, incident.length_min))
    return refuse("no length in minutes");
  if (take_char(rest, ':') && !take_number(rest, incident.target))
    return refuse("target is no index");
  if (take_char(rest, ':') && !take_number(rest, incident.value))
    return refuse("value is no number");
  if (!rest.empty()) return refuse("'" + std::string(rest) + "' is left over");
  return incident;
}

std::vector<Incident> default_script(std::int32_t duration_min, std::uint32_t machines,
                                     std::uint32_t zones) {
  const auto machine = [machines](std::uint32_t part) { return machines * part / 16; };
  const Incident day[] = {
      {IncidentKind::kCpu, 20, 23, 0, 20},
      {IncidentKind::kDisk, 50, 120, machine(3), 0.5},
      {IncidentKind::kCpu, 65, 18, 0, 92.5},
      {IncidentKind::kMemory, 90, 15, machine(7), 92.5},
      {IncidentKind::kScan, 110, 10, machine(1), 600},
      {IncidentKind::kStatusCheck, 130, 12, machine(5), 1},
      {IncidentKind::kNatDrops, 150, 3, 0, 12},
      {IncidentKind::kAzLoss, 190, 15, zones - 1, 0},
      {IncidentKind::kCpu, 240, 18, 0, 92.5},
      {IncidentKind::kCpu, 290, 23, 0, 20},
  };
  constexpr std::int32_t kDayMin = 360;
  constexpr std::int32_t kSpareMin = 20;
  std::vector<Incident> script;
  for (Incident incident : day) {
    if (duration_min > kDayMin) {
      incident.start_min =
          static_cast<std::int32_t>(std::int64_t{incident.start_min} * duration_min / kDayMin);
    }
    if (incident.start_min + incident.length_min + kSpareMin <= duration_min)
      script.push_back(incident);
  }
  return script;
}

Result<void> check_script(std::span<const Incident> script, const FleetOptions& options,
                          const Topology& fleet) {
  for (std::size_t a = 0; a < script.size(); ++a) {
    if (auto good = check_one(script[a], options, fleet); !good) return good;
    for (std::size_t b = 0; b < a; ++b) {
      const bool same = script[a].kind == script[b].kind && script[a].target == script[b].target;
      const bool loss =
          script[a].kind == IncidentKind::kAzLoss || script[b].kind == IncidentKind::kAzLoss;
      if ((same || loss) && close(script[a], script[b])) {
        return bad(script[a], "is less than 15 minutes from " +
                                  std::string(to_string(script[b].kind)) + "@" +
                                  std::to_string(script[b].start_min));
      }
    }
  }
  return {};
}

void ScriptMinute::at(std::int32_t minute) {
  minute_ = minute;
  lost_ = 0;
  active_.clear();
  for (const Incident& incident : script_) {
    if (!holds(incident, minute)) continue;
    active_.push_back(incident);
    if (incident.kind == IncidentKind::kAzLoss) lost_ |= 1u << incident.target;
  }
}

double ScriptMinute::value(IncidentKind kind, std::uint32_t target) const noexcept {
  for (const Incident& incident : active_) {
    if (incident.kind == kind && incident.target == target) {
      return kind == IncidentKind::kDisk ? disk_at(incident, minute_) : incident.value;
    }
  }
  return -1;
}

double disk_at(const Incident& incident, std::int32_t minute) noexcept {
  return std::min(kDiskFillTo, kDiskFillFrom + incident.value * (minute - incident.start_min));
}

}  // namespace fleetmeter::generate
