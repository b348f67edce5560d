#include "bench/aggregator/fleet_corpus.h"

#include <algorithm>
#include <cstdio>
#include <random>
#include <string_view>
#include <vector>

#include "bench/parsers/flow_probe.h"
#include "bench/parsers/made_flow.h"
#include "proto/check.h"

namespace fleetmeter::aggregator::bench {
namespace {

constexpr std::size_t kZones = 3;
constexpr std::size_t kRecordsAMinute = 40;      // Of a machine.
constexpr std::uint64_t kStart = 1'700'000'040;  // A whole minute.

std::string id(const char* prefix, std::uint64_t number) {
  char text[40];
  std::snprintf(text, sizeof text, "%s%017llx", prefix,
                static_cast<unsigned long long>(number * 0x9e3779b97f4a7c15u >> 4));
  return text;
}
std::string interface_of(std::size_t machine) { return id("eni-", machine + 1); }
std::string instance_of(std::size_t machine) { return id("i-", machine + 100'001); }
std::string subnet_of(std::size_t zone) { return id("subnet-", zone + 200'001); }
std::string address_of(std::size_t machine) {
  return "10.0." + std::to_string(machine % kZones * 64 + machine / kZones / 200) + '.' +
         std::to_string(5 + machine / kZones % 200);
}

/// One record, its value by the name of the column.
class Records {
 public:
  Records(std::string_view version, std::size_t machines) : machines_(machines) {
    flow_.version = version;
  }

  void next() {
    flow_.start_s = kStart + index_++ / (kRecordsAMinute * machines_) * 60 + random_() % 60;
    machine_ = random_() % machines_;
    flow_.is_nodata = random_() % 100 == 0;
    flow_.is_egress = random_() % 2 == 0;
    flow_.bytes = 40 + random_() % 2'000'000;
    is_external_ = random_() % 3 == 0;
    const std::string own = address_of(machine_);
    const std::string peer =
        is_external_ ? external() : address_of((machine_ + 1 + random_() % 2 * 7) % machines_);
    flow_.source = flow_.is_egress ? own : peer;
    flow_.destination = flow_.is_egress ? peer : own;
  }

  std::string value(std::string_view name) {
    if (name == "interface-id") return interface_of(machine_);
    if (name == "vpc-id") return id("vpc-", 300'001);
    if (name == "subnet-id") return subnet_of(machine_ % kZones);
    if (name == "instance-id") return instance_of(machine_);
    if (name == "region") return "us-east-1";
    if (name == "az-id") return "use1-az" + std::to_string(1 + machine_ % kZones);
    if (std::string text = flow_.value(name, random_); !text.empty()) return text;
    if (name == "traffic-path") return flow_.is_egress ? (is_external_ ? "8" : "1") : "-";
    const bool is_peer = name == (flow_.is_egress ? "pkt-dst-aws-service" : "pkt-src-aws-service");
    return is_peer && is_external_ && flow_.source.back() % 2 == 0 ? "S3" : "-";
  }

 private:
  std::string external() {
    const std::uint64_t peer = random_() % 10 == 0 ? random_() : random_() % 5000 * 104'729;
    return std::to_string(11 + peer % 100) + '.' + std::to_string(peer / 100 % 256) + '.' +
           std::to_string(peer / 25'600 % 256) + '.' + std::to_string(peer / 6'553'600 % 256);
  }

  std::mt19937_64 random_{20260301};
  parsers::bench::MadeFlow flow_;
  const std::size_t machines_;
  std::uint64_t index_ = 0;
  std::size_t machine_ = 0;
  bool is_external_ = false;
};

FleetCorpus make(std::string_view format, std::string_view version, std::size_t machines,
                 std::size_t lines) {
  FleetCorpus corpus;
  corpus.format = format;
  corpus.lines = lines;
  const std::vector<std::string> names = parsers::bench::split(format);
  for (const std::string& name : names)
    corpus.kinds += parsers::bench::FlowProbe::kind_of(*parsers::find_field(name));
  const auto column = [&names](std::string_view name) {
    return static_cast<std::size_t>(std::ranges::find(names, name) - names.begin());
  };
  corpus.interface = column("interface-id");
  corpus.source = column("srcaddr");
  corpus.destination = column("dstaddr");
  corpus.packets = column("packets");
  corpus.bytes = column("bytes");
  corpus.start = column("start");
  corpus.action = column("action");
  corpus.status = column("log-status");
  Records records{version, machines};
  for (std::size_t i = 0; i < lines; ++i) {
    records.next();
    for (std::size_t at = 0; at < names.size(); ++at)
      corpus.text += (at > 0 ? " " : "") + records.value(names[at]);
    corpus.text += '\n';
  }
  corpus.text.reserve(corpus.text.size() + 64);
  return corpus;
}

}  // namespace

FleetCorpus fleet_v2(std::size_t machines, std::size_t lines) {
  return make(parsers::bench::kFlowV2, "2", machines, lines);
}
FleetCorpus fleet_29(std::size_t machines, std::size_t lines) {
  return make(parsers::bench::kFlowAws29, "5", machines, lines);
}

std::shared_ptr<const Inventory> fleet_inventory(std::size_t machines) {
  std::string yaml = "vpc_cidr: 10.0.0.0/16\nsubnets:\n";
  for (std::size_t zone = 0; zone < kZones; ++zone) {
    yaml += "  - { id: " + subnet_of(zone) + ", cidr: 10.0." + std::to_string(zone * 64) +
            ".0/18, az: us-east-1" + static_cast<char>('a' + zone) + " }\n";
  }
  yaml += "interfaces:\n";
  for (std::size_t machine = 0; machine < machines; ++machine) {
    yaml += "  - { id: " + interface_of(machine) + ", instance: " + instance_of(machine) +
            ", subnet: " + subnet_of(machine % kZones) + ", address: " + address_of(machine) +
            ", role: instance }\n";
  }
  std::vector<Inventory::Problem> warnings;
  auto parsed = Inventory::parse({{"fleet.yaml", yaml}}, {}, warnings);
  FM_CHECK(parsed.has_value());
  FM_CHECK(warnings.empty());
  return *parsed;
}

}  // namespace fleetmeter::aggregator::bench
