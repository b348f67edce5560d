#include "generate/expected.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <tuple>

#include "generate/script.h"
#include "generate/traffic.h"
#include "proto/check.h"

namespace fleetmeter::generate {
namespace {

constexpr std::array<ExpectedRule, 7> kRules = {{
    {"cpu-warn", "AWS/EC2", "CPUUtilization", "Average", "InstanceId", "ignore", 70, 5},
    {"cpu-critical", "AWS/EC2", "CPUUtilization", "Average", "InstanceId", "ignore", 85, 3},
    {"disk-warn", "CWAgent", "disk_used_percent", "Maximum", "InstanceId", "ignore", 80, 5},
    {"memory-warn", "CWAgent", "mem_used_percent", "Maximum", "InstanceId", "ignore", 90, 5},
    {"status-check", "AWS/EC2", "StatusCheckFailed", "Maximum", "InstanceId", "breaching", 0, 2},
    {"nat-drops", "AWS/NATGateway", "PacketsDropCount", "Sum", "NatGatewayId", "notBreaching", 0,
     1},
    {"reject-scan", "Fleetmeter/VPC", "RejectedRecords", "Sum", "InterfaceId", "ignore", 200, 3},
}};
constexpr std::int32_t kCooldownMin = 5;
constexpr std::int32_t kOutAfterMin = 5;
constexpr std::int32_t kInAfterMin = 10;
constexpr double kOutAbove = 70;
constexpr double kInBelow = 30;

const ExpectedRule& rule(std::string_view name) noexcept {
  const auto found = std::find_if(kRules.begin(), kRules.end(),
                                  [name](const ExpectedRule& r) { return r.name == name; });
  FM_CHECK(found != kRules.end());
  return *found;
}

class Builder {
 public:
  Builder(const FleetOptions& options, const Topology& fleet) : options_(options), fleet_(fleet) {}

  /// The condition of `name` on `series` holds in minutes [from, to).
  void alarm(const ExpectedRule& r, const std::string& environment, const std::string& series,
             std::int32_t from, std::int32_t to) {
    if (to - from < r.periods) return;
    change(r, environment, series, from + r.periods, to + 1);
  }

  void machine_alarm(std::string_view name, std::uint32_t machine, double value, std::int32_t from,
                     std::int32_t to) {
    const ExpectedRule& r = rule(name);
    if (value > r.above)
      alarm(r, environment(machine), "InstanceId=" + fleet_.machines[machine].at.instance_id, from,
            to);
  }

  void incident(const Incident& i) {
    const std::int32_t end = i.start_min + i.length_min;
    switch (i.kind) {
      case IncidentKind::kCpu:
        for (const std::uint32_t m : fleet_.group_machines[i.target]) {
          machine_alarm("cpu-warn", m, i.value, i.start_min, end);
          machine_alarm("cpu-critical", m, i.value, i.start_min, end);
        }
        return;
      case IncidentKind::kMemory:
        return machine_alarm("memory-warn", i.target, i.value, i.start_min, end);
      case IncidentKind::kDisk:
        return disk(i, end);
      case IncidentKind::kStatusCheck:
        return machine_alarm("status-check", i.target, i.value, i.start_min, end);
      case IncidentKind::kNatDrops:
        return alarm(rule("nat-drops"), options_.groups[0].environment,
                     "NatGatewayId=" + fleet_.gateways[i.target].id, i.start_min, end);
      case IncidentKind::kScan:
        return scan(i, end);
      case IncidentKind::kAzLoss:
        return zone_loss(i, end);
    }
  }

  void scale(const Incident& i) {
    if (i.value > kOutAbove) steps(i, kOutAfterMin, +1);
    if (i.value < kInBelow) steps(i, kInAfterMin, -1);
  }

  Expected take() {
    const auto order = [](const auto& t) { return std::tie(t.time_s, t.rule, t.series); };
    std::sort(out_.alarms.begin(), out_.alarms.end(),
              [&order](const AlarmTransition& a, const AlarmTransition& b) {
                return order(a) < order(b);
              });
    std::sort(out_.scaling.begin(), out_.scaling.end(),
              [](const ScalingDecision& a, const ScalingDecision& b) {
                return std::tie(a.time_s, a.group) < std::tie(b.time_s, b.group);
              });
    return std::move(out_);
  }

  void start() {
    for (const auto& machines : fleet_.group_machines) {
      out_.desired.push_back({{0, static_cast<std::uint32_t>(machines.size())}});
    }
  }

 private:
  void change(const ExpectedRule& r, const std::string& environment, const std::string& series,
              std::int32_t alarm_min, std::int32_t ok_min) {
    out_.alarms.push_back(
        {time(alarm_min), environment, std::string(r.name), series, "OK", "ALARM"});
    if (ok_min > options_.duration_min) return;
    out_.alarms.push_back({time(ok_min), environment, std::string(r.name), series, "ALARM", "OK"});
  }

  void disk(const Incident& i, std::int32_t end) {
    const double above = rule("disk-warn").above;
    if (disk_at(i, end - 1) <= above) return;
    // First whole minute with from + rate * t > above.
    const auto t = static_cast<std::int32_t>(std::floor((above - kDiskFillFrom) / i.value)) + 1;
    machine_alarm("disk-warn", i.target, above + 1, i.start_min + t, end);
  }

  void scan(const Incident& i, std::int32_t end) {
    const double rejects = i.value + Traffic::rejects_at_rest(fleet_.machines[i.target]);
    if (rejects <= rule("reject-scan").above) return;
    alarm(rule("reject-scan"), environment(i.target),
          "InterfaceId=" + fleet_.machines[i.target].at.interface_id, i.start_min, end);
  }

  void zone_loss(const Incident& i, std::int32_t end) {
    const ExpectedRule& r = rule("status-check");
    if (i.length_min < r.periods + kExtraRangePeriods) return;
    for (const std::uint32_t m : fleet_.zones[i.target].machines) {
      change(r, environment(m), "InstanceId=" + fleet_.machines[m].at.instance_id,
             i.start_min + r.periods + kExtraRangePeriods, end + 1);
    }
  }

  void steps(const Incident& i, std::int32_t after, std::int32_t add) {
    auto& desired = out_.desired[i.target];
    const auto least = std::int64_t{options_.groups[i.target].minimum};
    const auto most = std::int64_t{group_maximum(options_, fleet_, i.target)};
    for (std::int32_t at = i.start_min + after; at <= i.start_min + i.length_min;
         at += kCooldownMin) {
      const std::uint32_t current = desired.back().second;
      const std::int64_t wanted = std::clamp(std::int64_t{current} + add, least, most);
      if (wanted == current) return;
      out_.scaling.push_back({time(at), options_.groups[i.target].environment,
                              options_.groups[i.target].name, current,
                              static_cast<std::uint32_t>(wanted)});
      desired.emplace_back(at, static_cast<std::uint32_t>(wanted));
    }
  }

  [[nodiscard]] const std::string& environment(std::uint32_t machine) const {
    return options_.groups[fleet_.machines[machine].group].environment;
  }
  [[nodiscard]] std::int64_t time(std::int32_t minute) const {
    return options_.start_s + std::int64_t{minute} * 60;
  }

  const FleetOptions& options_;
  const Topology& fleet_;
  Expected out_;
};

}  // namespace

std::span<const ExpectedRule> expected_rules() noexcept { return kRules; }

std::uint32_t group_maximum(const FleetOptions& options, const Topology& fleet,
                            std::size_t group) noexcept {
  const std::uint32_t maximum = options.groups[group].maximum;
  return maximum != 0 ? maximum
                      : static_cast<std::uint32_t>(fleet.group_machines[group].size()) + 10;
}

Expected expect(std::span<const Incident> script, const FleetOptions& options,
                const Topology& fleet) {
  std::vector<Incident> in_order(script.begin(), script.end());
  std::sort(in_order.begin(), in_order.end(),
            [](const Incident& a, const Incident& b) { return a.start_min < b.start_min; });
  Builder builder(options, fleet);
  builder.start();
  for (const Incident& incident : in_order) {
    builder.incident(incident);
    if (incident.kind == IncidentKind::kCpu) builder.scale(incident);
  }
  return builder.take();
}

}  // namespace fleetmeter::generate
