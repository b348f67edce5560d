#include <array>

#include "aggregator/inventory_data.h"
#include "cost/network_hours.h"

namespace fleetmeter::cost {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_zone_id(std::string_view zone) { return zone.find("-az") != std::string_view::npos; }

/// "us-east-1" of the zone id's head "use1": two letters, a direction in short, a number.
std::string region_of_short(std::string_view head) {
  struct Direction {
    std::string_view brief, full;
  };
  static constexpr std::array<Direction, 9> kDirections{{{"ne", "northeast"},
                                                         {"nw", "northwest"},
                                                         {"se", "southeast"},
                                                         {"sw", "southwest"},
                                                         {"n", "north"},
                                                         {"s", "south"},
                                                         {"e", "east"},
                                                         {"w", "west"},
                                                         {"c", "central"}}};
  if (head.size() < 4) return {};
  const std::string_view area = head.substr(0, 2);
  const std::string_view rest = head.substr(2);
  for (const Direction& direction : kDirections) {
    if (!rest.starts_with(direction.brief)) continue;
    const std::string_view number = rest.substr(direction.brief.size());
    if (number.size() != 1 || !is_digit(number[0])) continue;
    return std::string(area).append("-").append(direction.full).append("-").append(number);
  }
  return {};
}

}  // namespace

std::string region_of_zone(std::string_view zone) {
  // A Local Zone's id names its place too: use1-bos1-az1.
  return is_zone_id(zone) ? region_of_short(zone.substr(0, zone.find('-')))
                          : aggregator::region_of_zone(zone);
}

std::optional<bool> zones_differ(std::string_view a, std::string_view b) {
  if (a.empty() || b.empty() || is_zone_id(a) != is_zone_id(b)) return std::nullopt;
  return a != b;
}

}  // namespace fleetmeter::cost
