#include <array>

#include "cost/network_hours.h"

namespace fleetmeter::cost {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

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
  if (const std::size_t mark = zone.find("-az"); mark != std::string_view::npos) {
    return region_of_short(zone.substr(0, mark));
  }
  const bool named = zone.size() > 3 && zone.back() >= 'a' && zone.back() <= 'z' &&
                     is_digit(zone[zone.size() - 2]) && zone.find('-') != std::string_view::npos;
  return named ? std::string(zone.substr(0, zone.size() - 1)) : std::string();
}

}  // namespace fleetmeter::cost
