#pragma once

#include <cstdint>
#include <vector>

#include "cost/network.h"

namespace fleetmeter::cost {

/// ChargedBytes of one hour.
struct ChargedHour {
  std::uint32_t hour = 0;
  ChargedBytes charged;
};

/// charge_flows before the hours are added up: sorted by hour and content, one entry a key and
/// hour.
[[nodiscard]] std::vector<ChargedHour> charge_flow_hours(const std::vector<FlowUsage>& flows);

/// Region of an availability zone by name ("us-east-1a") or by id ("use1-az4"); empty when it is
/// neither. Rule: Amazon EC2 User Guide, "Regions and Zones"; AWS RAM User Guide, "Availability
/// Zone IDs".
[[nodiscard]] std::string region_of_zone(std::string_view zone);

}  // namespace fleetmeter::cost
