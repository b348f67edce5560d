#include "tests/sim/telemetry.h"

#include <algorithm>

namespace fleetmeter::sim {

namespace {

constexpr const char* kAccount = "123456789012";

std::string metric_json(int machine, std::int64_t start_s, std::int64_t cpu) {
  const std::string value = std::to_string(cpu) + ".5";
  return R"({"metric_stream_name":"s","account_id":")" + std::string(kAccount) +
         R"(","region":"us-east-1","namespace":"AWS/EC2","metric_name":"CPUUtilization","dimensions":{"InstanceId":")" +
         instance_id(machine) + R"("},"timestamp":)" + std::to_string(start_s * 1000) +
         R"(,"value":{"max":)" + value + R"(,"min":)" + value + R"(,"sum":)" + value +
         R"(,"count":1.0},"unit":"Percent"})" + "\n";
}

struct Line {
  int machine = 0;
  std::int64_t start_s = 0;
  std::uint64_t bytes = 0;
  bool reject = false, nodata = false;
};

std::string flow_line(const Line& line) {
  const std::string at =
      " " + std::to_string(line.start_s) + " " + std::to_string(line.start_s + 9) + " ";
  const std::string head = "2 " + std::string(kAccount) + " eni-" + std::to_string(line.machine);
  if (line.nodata) return head + " - - - - - - -" + at + "- NODATA\n";
  return head + " 10.0.1." + std::to_string(10 + line.machine) +
         (line.reject ? " 203.0.113.9" : " 10.0.2.200") + " 443 51000 6 7 " +
         std::to_string(line.bytes) + at + (line.reject ? "REJECT" : "ACCEPT") + " OK\n";
}

/// Busy and quiet spells of one machine, in minutes.
class Pattern {
 public:
  explicit Pattern(Random& random) : random_(random) {}
  bool high() {
    if (left_-- == 0) {
      high_ = !high_;
      left_ = high_ ? 3 + random_.below(6) : 2 + random_.below(7);
    }
    return high_;
  }

 private:
  Random& random_;
  bool high_ = true;
  std::int64_t left_ = 0;
};

}  // namespace

std::string instance_id(int machine) { return "i-" + std::to_string(machine); }

Telemetry::Telemetry(std::uint32_t seed, std::int64_t minutes, bool silence)
    : begin_s(kStart + 120), end_s(begin_s + minutes * 60) {
  Random random(seed);
  silent_from_s = begin_s + (4 + random.below(minutes / 3)) * 60;
  silent_to_s = silence ? silent_from_s + 600 : silent_from_s;
  for (int machine = 0; machine < kMachines; ++machine) {
    Pattern busy(random), scanned(random);
    for (std::int64_t start_s = begin_s; start_s < end_s; start_s += 60) {
      const std::int64_t slot_end_s = start_s + 60;
      const std::int64_t cpu = (busy.high() ? 75 : 10) + random.below(24);
      const bool silent =
          machine == kMachines - 1 && slot_end_s > silent_from_s && slot_end_s <= silent_to_s;
      if (!silent) {
        items.push_back({.machine = machine,
                         .metric = true,
                         .slot_end_s = slot_end_s,
                         .ready_s = slot_end_s + 3 + random.below(5),
                         .text = metric_json(machine, start_s, cpu)});
        ++datapoints;
      }
      const bool scan = scanned.high();
      for (int i = 0; i < 2; ++i) {
        Line line{.machine = machine,
                  .start_s = start_s + random.below(50),
                  .bytes = static_cast<std::uint64_t>(40 + random.below(1'000'000))};
        line.reject = scan && i == 0;
        line.nodata = !line.reject && random.chance(0.05);
        items.push_back({.machine = machine,
                         .by_file = machine % 3 != 0,
                         .slot_end_s = slot_end_s,
                         .ready_s = slot_end_s + 5 + random.below(30),
                         .text = flow_line(line)});
        ++log_lines;
        if (line.nodata) continue;
        flow_bytes += line.bytes;
        ++flow_records;
      }
    }
  }
  std::ranges::stable_sort(items, {}, &Item::ready_s);
}

std::string config_yaml(Rules rules) {
  std::string yaml = R"yaml(
fleet: sim
environments:
  prod: { match: { tag: { Environment: prod } }, accounts: ["123456789012"], region: us-east-1 }
  staging: { match: { tag: { Environment: staging } } }
sources:
  - files: { paths: [ "flow.log" ], follow: true }
notify:
  ops: { webhook: { url: "http://localhost/ops", secret_env: SECRET } }
  provisioning: { webhook: { url: "http://localhost/act", secret_env: SECRET } }
)yaml";
  if (rules == Rules::kPresent) {
    return yaml + R"yaml(
alarms:
  - { name: cpu, metric: { namespace: AWS/EC2, name: CPUUtilization, statistic: Average }, for_each: InstanceId,
      when: "> 70", period: 60s, datapoints: 2 of 3, missing: ignore, notify: [ops] }
  - { name: fleet-cpu, metric: { namespace: AWS/EC2, name: CPUUtilization, statistic: Maximum },
      when: "> 90", period: 120s, datapoints: 1 of 2, missing: ignore, notify: [ops] }
  - { name: scan, metric: { namespace: Fleetmeter/VPC, name: RejectedRecords, statistic: Sum }, for_each: InterfaceId,
      when: "> 0", period: 60s, datapoints: 3 of 3, missing: ignore, notify: [ops] }
scaling:
  - { group: { asg: web }, environments: [prod], min: 2, max: 9, cooldown: 120s,
      metrics: { cpu: { namespace: AWS/EC2, name: CPUUtilization, statistic: Average } },
      policies: [ { simple: { metric: cpu, when: "> 60", for: 2m, add: 1 } }, { simple: { metric: cpu, when: "< 35", for: 3m, remove: 1 } } ],
      act: [ webhook: provisioning ] }
)yaml";
  }
  return yaml + R"yaml(
alarms:
  - { name: cpu-dead, metric: { namespace: AWS/EC2, name: CPUUtilization, statistic: Average }, for_each: InstanceId,
      when: "> 70", period: 60s, datapoints: 2 of 2, missing: breaching, notify: [ops] }
  - { name: cpu-gone, metric: { namespace: AWS/EC2, name: CPUUtilization, statistic: Average }, for_each: InstanceId,
      when: "> 70", period: 60s, datapoints: 2 of 2, missing: missing, notify: [ops] }
  - { name: cpu-calm, metric: { namespace: AWS/EC2, name: CPUUtilization, statistic: Average }, for_each: InstanceId,
      when: "> 70", period: 60s, datapoints: 2 of 2, missing: notBreaching, notify: [ops] }
scaling:
  - { group: { asg: web }, environments: [prod], min: 2, max: 9, cooldown: 60s,
      metrics: { cpu: { namespace: AWS/EC2, name: CPUUtilization, statistic: Average } },
      policies: [ { simple: { metric: cpu, when: "> 60", for: 2m, add: 1 } }, { simple: { metric: cpu, when: "< 45", for: 2m, remove: 1 } } ],
      act: [ webhook: provisioning ] }
)yaml";
}

std::string inventory_yaml() {
  std::string yaml = R"yaml(region: us-east-1
account: "123456789012"
vpc_id: vpc-1
vpc_cidr: 10.0.0.0/16
subnets:
  - { id: subnet-a, cidr: 10.0.1.0/24, az: us-east-1a }
  - { id: subnet-b, cidr: 10.0.2.0/24, az: us-east-1b }
groups:
  - { name: web, kind: asg, min: 2, max: 9, desired: 4, instances: [i-0, i-1, i-2, i-3] }
)yaml";
  std::string interfaces = "interfaces:\n", instances = "instances:\n";
  for (int machine = 0; machine < kMachines; ++machine) {
    const std::string n = std::to_string(machine);
    const std::string environment = machine < 4 ? "prod" : "staging";
    interfaces += "  - { id: eni-" + n + ", role: instance, address: 10.0.1." +
                  std::to_string(10 + machine) + ", instance: i-" + n + ", subnet: subnet-a }\n";
    instances += "  - { id: i-" + n + ", type: m5.large, subnet: subnet-a" +
                 (machine < 4 ? ", group: web" : "") + ", tags: { Environment: " + environment +
                 " } }\n";
  }
  return yaml + interfaces + instances;
}

std::map<std::string, alarms::Receiver> receivers() {
  std::map<std::string, alarms::Receiver> all;
  for (const char* name : {"ops", "provisioning"}) {
    alarms::Receiver receiver;
    receiver.name = name;
    receiver.url = "http://localhost/" + receiver.name;
    all[name] = receiver;
  }
  return all;
}

}  // namespace fleetmeter::sim
