#include "generate/topology.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <set>

namespace fleetmeter::generate {
namespace {

constexpr std::uint32_t kHostsPerSubnet = 240;  // .10 to .249
constexpr std::uint32_t kZonesMax = 6;

enum class IdKind : std::uint64_t {
  kInstance = 1,
  kInterface,
  kGateway,
  kSubnet,
  kVpc,
  kFlowLog,
  kAllocation
};

/// "i-0" and 16 hex digits. Distinct indexes give distinct ids of one kind: every step is a
/// bijection of the index.
std::string make_id(const char* prefix, std::uint64_t seed, IdKind kind, std::uint64_t index) {
  const std::uint64_t base = Random::mix(seed ^ (static_cast<std::uint64_t>(kind) << 56));
  char buffer[40];
  std::snprintf(buffer, sizeof buffer, "%s-0%016llx", prefix,
                static_cast<unsigned long long>(Random::mix(base + index)));
  return buffer;
}

std::string address(std::uint32_t third, std::uint32_t fourth) {
  return "10.0." + std::to_string(third) + "." + std::to_string(fourth);
}

Error bad(const std::string& message) {
  return {ErrorCode::kInvalidArgument, "generate: " + message};
}

/// "use1" of "us-east-1": the short region name in zone ids.
std::string zone_id_prefix(const std::string& region) {
  const std::size_t first = region.find('-');
  const std::size_t last = region.rfind('-');
  if (first == std::string::npos || last == first) return region;
  const std::string middle = region.substr(first + 1, last - first - 1);
  std::string shortened;
  for (const char* part : {"north", "south", "central", "east", "west"}) {
    if (middle.find(part) != std::string::npos) shortened += part[0];
  }
  return region.substr(0, first) + shortened + region.substr(last + 1);
}

Result<void> check(const FleetOptions& o) {
  if (o.start_s < 0 || o.start_s % 60 != 0 || o.start_s > 4'102'444'800) {
    return bad("start must be a whole minute between 1970 and 2100");
  }
  if (o.duration_min < 1 || o.duration_min > 44'640)
    return bad("duration must be 1 to 44640 minutes");
  if (o.zones < 1 || o.zones > kZonesMax) return bad("zones must be 1 to 6");
  if (o.gateways > o.zones) return bad("gateways must be at most one a zone");
  if (o.groups.empty()) return bad("at least one group is needed");
  if (o.machines < 2 * o.zones || o.machines < o.groups.size()) {
    return bad("machines must be at least two a zone and one a group");
  }
  std::set<std::string> names;
  for (const GroupOptions& group : o.groups) {
    if (group.name.empty() || !names.insert(group.name).second)
      return bad("group names must differ and not be empty");
  }
  if (o.account.size() != 12 || o.account.find_first_not_of("0123456789") != std::string::npos) {
    return bad("account must be 12 digits");
  }
  if (o.region.empty() ||
      o.region.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") != std::string::npos) {
    return bad("region must be a name like us-east-1");
  }
  return {};
}

void add_zones(const FleetOptions& options, Topology& fleet) {
  const std::uint32_t gateways = options.gateways == 0 ? options.zones : options.gateways;
  for (std::uint32_t z = 0; z < options.zones; ++z) {
    Zone zone;
    zone.name = options.region + static_cast<char>('a' + z);
    zone.id = zone_id_prefix(options.region) + "-az" + std::to_string(z + 1);
    zone.gateway = z % gateways;
    fleet.zones.push_back(std::move(zone));
    fleet.subnets.push_back({make_id("subnet", options.seed, IdKind::kSubnet, fleet.subnets.size()),
                             address(z + 1, 0) + "/24", "public-" + fleet.zones[z].name, z, true});
  }
  for (std::uint32_t g = 0; g < gateways; ++g) {
    Gateway gateway;
    gateway.id = make_id("nat", options.seed, IdKind::kGateway, g);
    gateway.allocation_id = make_id("eipalloc", options.seed, IdKind::kAllocation, g);
    gateway.public_address = "192.0.2." + std::to_string(10 + g);
    gateway.at = {make_id("eni", options.seed, IdKind::kInterface, g), address(g + 1, 220), "",
                  fleet.subnets[g].id, g};
    fleet.gateways.push_back(std::move(gateway));
  }
}

void add_machines(const FleetOptions& options, std::uint32_t subnets_per_zone, Topology& fleet) {
  const std::size_t first_private = fleet.subnets.size();
  const std::uint32_t stride = std::max(10u, subnets_per_zone);
  for (std::uint32_t z = 0; z < options.zones; ++z) {
    for (std::uint32_t s = 0; s < subnets_per_zone; ++s) {
      const std::string suffix = s == 0 ? "" : "-" + std::to_string(s + 1);
      fleet.subnets.push_back(
          {make_id("subnet", options.seed, IdKind::kSubnet, fleet.subnets.size()),
           address(10 + z * stride + s, 0) + "/24", "private-" + fleet.zones[z].name + suffix, z,
           false});
    }
  }
  fleet.group_machines.resize(options.groups.size());
  for (std::uint32_t m = 0; m < options.machines; ++m) {
    Random random(options.seed, 0x6d616368, m);
    const std::uint32_t z = m % options.zones;
    Machine machine;
    machine.place = m / options.zones;
    machine.group =
        static_cast<std::uint32_t>(std::uint64_t{m} * options.groups.size() / options.machines);
    const std::uint32_t s = machine.place / kHostsPerSubnet;
    machine.at = {make_id("eni", options.seed, IdKind::kInterface, kZonesMax + m),
                  address(10 + z * stride + s, 10 + machine.place % kHostsPerSubnet),
                  make_id("i", options.seed, IdKind::kInstance, m),
                  fleet.subnets[first_private + z * subnets_per_zone + s].id, z};
    machine.traffic_weight = 1 + random.below(3);
    machine.cpu_offset_quarters = static_cast<std::int32_t>(random.below(25)) - 12;
    machine.memory_percent = 40 + random.below(21);
    machine.disk_percent = 30 + random.below(26);
    fleet.zones[z].machines.push_back(m);
    fleet.group_machines[machine.group].push_back(m);
    fleet.machines.push_back(std::move(machine));
  }
  Random random(options.seed, 0x746f70);
  for (const std::uint32_t weight : {20u, 14u, 9u}) {
    fleet.machines[random.below(options.machines)].traffic_weight = weight;
  }
}

}  // namespace

Result<Topology> lay_out(const FleetOptions& options) {
  if (auto good = check(options); !good) return std::move(good.error());
  const std::uint32_t per_zone = (options.machines + options.zones - 1) / options.zones;
  const std::uint32_t subnets_per_zone = (per_zone + kHostsPerSubnet - 1) / kHostsPerSubnet;
  if (10 + options.zones * std::max(10u, subnets_per_zone) > 256) {
    return bad("machines: " + std::to_string(options.machines) +
               " do not fit into 10.0.0.0/16 with " + std::to_string(options.zones) + " zones");
  }
  Topology fleet;
  fleet.vpc_id = make_id("vpc", options.seed, IdKind::kVpc, 0);
  fleet.flow_log_id = make_id("fl", options.seed, IdKind::kFlowLog, 0);
  fleet.stream_name = "fleetmeter-metrics";
  add_zones(options, fleet);
  add_machines(options, subnets_per_zone, fleet);
  return fleet;
}

std::uint32_t daily_load(std::int64_t time_s) noexcept {
  const auto minute = static_cast<std::int32_t>(time_s / 60 % 1440);
  const std::int32_t from_peak = std::abs(minute - 14 * 60);
  const std::int32_t distance = std::min(from_peak, 1440 - from_peak);  // 0 to 720
  return static_cast<std::uint32_t>(256 - distance * 160 / 720);
}

}  // namespace fleetmeter::generate
