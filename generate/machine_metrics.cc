#include "generate/machine_metrics.h"

#include <algorithm>

#include "proto/check.h"

namespace fleetmeter::generate {
namespace {

constexpr std::uint32_t kPerMachine = 10;
constexpr std::uint32_t kPerGateway = 5;
constexpr std::uint32_t kPerGroup = 5;
constexpr std::uint32_t kPeriod = 60;
constexpr const char* kEc2 = "AWS/EC2";
constexpr const char* kAgent = "CWAgent";
constexpr const char* kApp = "Hyperion/App";
constexpr const char* kNat = "AWS/NATGateway";
constexpr const char* kAutoScaling = "AWS/AutoScaling";

using Dimensions = std::vector<std::pair<std::string, std::string>>;

void add_machine_series(const std::string& id, MetricText& text) {
  const Dimensions self = {{"InstanceId", id}};
  const Dimensions disk = {
      {"InstanceId", id}, {"device", "C:"}, {"fstype", "NTFS"}, {"path", "C:"}};
  const Dimensions adapter = {{"InstanceId", id}, {"interface", "Ethernet"}};
  text.add_series({kEc2, "CPUUtilization", "Percent", self});
  text.add_series({kEc2, "NetworkIn", "Bytes", self});
  text.add_series({kEc2, "NetworkOut", "Bytes", self});
  text.add_series({kEc2, "StatusCheckFailed", "Count", self});
  text.add_series({kAgent, "disk_used_percent", "Percent", disk});
  text.add_series({kAgent, "mem_used_percent", "Percent", self});
  text.add_series({kAgent, "net_err_in", "Count", adapter});
  text.add_series({kApp, "RequestCount", "Count", self});
  text.add_series({kApp, "ResponseTime", "Milliseconds", self});
  text.add_series({kApp, "ErrorCount", "Count", self});
}

double number(std::uint64_t value) noexcept { return static_cast<double>(value); }

}  // namespace

FleetMetrics::FleetMetrics(const FleetOptions& options, const Topology& fleet,
                           const Expected& expected, MetricText& text)
    : options_(options),
      fleet_(fleet),
      expected_(expected),
      text_(text),
      machine_traffic_(fleet.machines.size()),
      gateway_traffic_(fleet.gateways.size()) {
  for (const Machine& machine : fleet.machines) add_machine_series(machine.at.instance_id, text);
  first_gateway_series_ = kPerMachine * static_cast<std::uint32_t>(fleet.machines.size());
  for (const Gateway& gateway : fleet.gateways) {
    for (const char* name : {"BytesInFromSource", "BytesOutToDestination", "BytesInFromDestination",
                             "BytesOutToSource"}) {
      text.add_series({kNat, name, "Bytes", {{"NatGatewayId", gateway.id}}});
    }
    text.add_series({kNat, "PacketsDropCount", "Count", {{"NatGatewayId", gateway.id}}});
  }
  first_group_series_ =
      first_gateway_series_ + kPerGateway * static_cast<std::uint32_t>(fleet.gateways.size());
  for (const GroupOptions& group : options.groups) {
    for (const char* name : {"GroupMinSize", "GroupMaxSize", "GroupDesiredCapacity",
                             "GroupInServiceInstances", "GroupTotalInstances"}) {
      text.add_series({kAutoScaling, name, "None", {{"AutoScalingGroupName", group.name}}});
    }
  }
}

void FleetMetrics::sum(const std::vector<FlowLine>& lines) {
  std::fill(machine_traffic_.begin(), machine_traffic_.end(), Traffic{});
  std::fill(gateway_traffic_.begin(), gateway_traffic_.end(), GatewayTraffic{});
  for (const FlowLine& line : lines) {
    if (line.status != LineStatus::kOk || !line.accept) continue;
    if (line.gateway == kNoGateway) {
      Traffic& traffic = machine_traffic_[line.machine];
      (line.egress ? traffic.out : traffic.in) += line.bytes;
    } else if (line.nat != NatFlow::kNone) {
      gateway_traffic_[line.gateway].bytes[static_cast<std::size_t>(line.nat) - 1] += line.bytes;
    }
  }
}

void FleetMetrics::minute(const ScriptMinute& script, const std::vector<FlowLine>& lines,
                          std::string& out) {
  minute_s_ = options_.start_s + std::int64_t{script.minute()} * 60;
  sum(lines);
  for (std::uint32_t m = 0; m < fleet_.machines.size(); ++m) {
    if (!script.zone_lost(fleet_.machines[m].at.zone)) machine(script, m, out);
  }
  for (std::uint32_t g = 0; g < fleet_.gateways.size(); ++g) {
    if (script.zone_lost(fleet_.gateways[g].at.zone)) continue;
    std::uint32_t series = first_gateway_series_ + g * kPerGateway;
    for (const std::uint64_t bytes : gateway_traffic_[g].bytes) {
      text_.append(series++, minute_s_, kPeriod, StatisticSet::one(number(bytes)), out);
    }
    const double drops = std::max(0.0, script.value(IncidentKind::kNatDrops, g));
    text_.append(series, minute_s_, kPeriod, StatisticSet::one(drops), out);
    datapoints_[kNat] += kPerGateway;
  }
  for (std::size_t g = 0; g < options_.groups.size(); ++g) group(script, g, out);
}

void FleetMetrics::machine(const ScriptMinute& script, std::uint32_t index, std::string& out) {
  const Machine& machine = fleet_.machines[index];
  Random random(options_.seed, 0x6d65747269ull + (std::uint64_t{index} << 24),
                static_cast<std::uint64_t>(script.minute()));
  const std::uint32_t load = daily_load(minute_s_);
  std::uint32_t series = index * kPerMachine;
  const auto put = [&](const StatisticSet& set) {
    text_.append(series++, minute_s_, kPeriod, set, out);
  };
  const auto one = [&put](double value) { put(StatisticSet::one(value)); };

  // 40 to 60 % by the time of day, at most 4 % off by machine and minute: clear of every threshold.
  const std::int32_t cpu_quarters = 160 + static_cast<std::int32_t>(load - 96) / 2 +
                                    machine.cpu_offset_quarters +
                                    static_cast<std::int32_t>(random.below(9)) - 4;
  const double surge = script.value(IncidentKind::kCpu, machine.group);
  one(surge >= 0 ? surge : cpu_quarters / 4.0);
  one(number(machine_traffic_[index].in));
  one(number(machine_traffic_[index].out));
  one(std::max(0.0, script.value(IncidentKind::kStatusCheck, index)));
  const double disk = script.value(IncidentKind::kDisk, index);
  one(disk >= 0 ? disk : machine.disk_percent);
  const double memory = script.value(IncidentKind::kMemory, index);
  one(memory >= 0 ? memory : machine.memory_percent + random.below(9) / 4.0);
  one(0);
  const std::uint32_t requests = 2 * load + random.below(64);
  const std::uint32_t fastest = 4 + random.below(8), slowest = 150 + random.below(400);
  one(requests);
  put({number(requests), number(std::uint64_t{requests} * 40 + random.below(1000)), number(fastest),
       number(slowest)});
  one(random.below(16) == 0 ? 1 : 0);
  datapoints_[kEc2] += 4;
  datapoints_[kAgent] += 3;
  datapoints_[kApp] += 3;
}

void FleetMetrics::group(const ScriptMinute& script, std::size_t index, std::string& out) {
  const auto& timeline = expected_.desired[index];
  const auto after =
      std::upper_bound(timeline.begin(), timeline.end(), script.minute(),
                       [](std::int32_t minute, const auto& entry) { return minute < entry.first; });
  FM_CHECK(after != timeline.begin());
  const std::uint32_t desired = std::prev(after)->second;
  std::uint32_t lost = 0;
  for (const std::uint32_t m : fleet_.group_machines[index])
    lost += script.zone_lost(fleet_.machines[m].at.zone) ? 1 : 0;
  std::uint32_t series = first_group_series_ + static_cast<std::uint32_t>(index) * kPerGroup;
  for (const std::uint32_t gauge :
       {options_.groups[index].minimum, group_maximum(options_, fleet_, index), desired,
        desired - std::min(desired, lost), desired}) {
    text_.append(series++, minute_s_, kPeriod, StatisticSet::one(gauge), out);
  }
  datapoints_[kAutoScaling] += kPerGroup;
}

}  // namespace fleetmeter::generate
