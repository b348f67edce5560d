#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "aggregator/inventory.h"

namespace fleetmeter::aggregator::bench {

/// Flow logs of a fleet of machines with one interface each, and where the columns are.
/// Seeded; the same on every machine. As dense as captures of a busy cluster: 40 records an
/// interface and minute, between its machine and two others or the internet, where every tenth peer
/// is a new one; in the order of their arrival, so the interfaces alternate. One record in a hundred
/// is NODATA, one in twenty a REJECT.
struct FleetCorpus {
  std::string text;    ///< 64 bytes behind its end are readable.
  std::string format;  ///< Column names.
  std::string kinds;   ///< For FlowProbe.
  std::size_t interface, source, destination, packets, bytes, start, action, status;
  std::size_t lines = 0;
};

/// The default format, or all 29 fields of versions 2 to 5 in the order of AWS's example. 10,000
/// machines at most.
[[nodiscard]] FleetCorpus fleet_v2(std::size_t machines, std::size_t lines);
[[nodiscard]] FleetCorpus fleet_29(std::size_t machines, std::size_t lines);
/// Its interfaces, instances and subnets.
[[nodiscard]] std::shared_ptr<const Inventory> fleet_inventory(std::size_t machines);

}  // namespace fleetmeter::aggregator::bench
