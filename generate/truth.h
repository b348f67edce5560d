#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "generate/expected.h"
#include "generate/script.h"
#include "generate/traffic.h"

namespace fleetmeter::generate {

struct Volume {
  std::uint64_t records = 0, packets = 0, bytes = 0;
  void add(const FlowLine& line) noexcept {
    ++records;
    packets += line.packets;
    bytes += line.bytes;
  }
};

/// What the flow records of a run add up to, counted as they are drawn, never read back.
struct FlowTotals {
  FlowTotals(const Topology& fleet)  // NOLINT(google-explicit-constructor)
      : interfaces(fleet.machines.size() + fleet.gateways.size()),
        machine_nat(fleet.machines.size()),
        gateway_nat(fleet.gateways.size()) {}
  void add(const std::vector<FlowLine>& lines);

  std::uint64_t ok = 0, nodata = 0, skipdata = 0;
  Volume accept, reject;
  std::array<Volume, static_cast<std::size_t>(PathClass::kCount)>
      paths{};                     ///< ACCEPT+OK, every record counts.
  std::vector<Volume> interfaces;  ///< ACCEPT+OK by capturing interface: machines, then gateways.
  std::vector<std::uint64_t>
      machine_nat;  ///< Bytes of inside legs, both ways, by the machine they serve.
  std::vector<std::array<std::uint64_t, 4>> gateway_nat;  ///< By NatFlow, kFromSource first.
  std::uint64_t cross_az_bytes =
      0;  ///< Each byte once: at the sender; inside legs of NAT at the gateway.
  std::uint64_t internet_egress_bytes = 0;  ///< Each byte once: outside legs.
};

/// truth.json, schema 1: what a correct reader of the telemetry must find.
///   seed, start, end, alarms_until    times in RFC 3339; nothing is stated for grid times after
///   alarms_until files: {flow_format, metric_format} records: {total, ok, nodata, skipdata}
///   accept, reject: {records, packets, bytes} path_classes: [{class, records, packets, bytes}]
///   over ACCEPT+OK, each record by its own two addresses charges: {nat_processed_bytes,
///   internet_egress_bytes, cross_az_bytes}    each byte once nat_gateways: [{gateway, interface,
///   processed_bytes, in_from_source_bytes, ...}] nat_by_private_address: [{address, instance,
///   bytes}]    all machines, largest first top_interfaces: [{interface, owner, records, packets,
///   bytes}]    ten largest by ACCEPT+OK bytes datapoints: {total, by_namespace: {NAMESPACE:
///   count}} incidents: [{kind, start, end, target, value}] rules: [...]  alarms: [{time,
///   environment, rule, series, from, to}]   first states left out scaling: [{time, environment,
///   group, from, to}]     groups: [{group, environment, minimum, maximum, desired_at_end, ...}]
/// Bytes and counts are numbers; values of incidents and thresholds are strings, as all decimals in
/// our JSON.
std::string truth_json(const FleetOptions& options, const Topology& fleet,
                       const std::vector<Incident>& script, const Expected& expected,
                       const FlowTotals& totals,
                       const std::map<std::string, std::uint64_t>& datapoints);

}  // namespace fleetmeter::generate
