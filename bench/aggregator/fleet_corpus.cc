#include "bench/aggregator/fleet_corpus.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <random>
#include <sstream>
#include <string_view>
#include <vector>

#include "proto/check.h"

namespace fleetmeter::aggregator::bench {
namespace {

constexpr std::size_t kZones = 3;
constexpr std::size_t kRecordsAMinute = 40;      // Of a machine.
constexpr std::uint64_t kStart = 1'700'000'040;  // A whole minute.

constexpr std::string_view kV2 =
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start "
    "end action log-status";
constexpr std::string_view kAws29 =
    "version srcaddr dstaddr srcport dstport protocol start end type packets bytes account-id "
    "vpc-id subnet-id instance-id interface-id region az-id sublocation-type sublocation-id action "
    "tcp-flags pkt-srcaddr pkt-dstaddr pkt-src-aws-service pkt-dst-aws-service traffic-path "
    "flow-direction log-status";

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
  Records(std::string_view version, std::size_t machines)
      : version_(version), machines_(machines) {}

  void next() {
    start_ = kStart + index_++ / (kRecordsAMinute * machines_) * 60 + random_() % 60;
    machine_ = random_() % machines_;
    is_nodata_ = random_() % 100 == 0;
    is_egress_ = random_() % 2 == 0;
    bytes_ = 40 + random_() % 2'000'000;
    is_external_ = random_() % 3 == 0;
    const std::string own = address_of(machine_);
    const std::string peer =
        is_external_ ? external() : address_of((machine_ + 1 + random_() % 2 * 7) % machines_);
    source_ = is_egress_ ? own : peer;
    destination_ = is_egress_ ? peer : own;
  }

  std::string value(std::string_view name) {
    if (name == "version") return version_;
    if (name == "account-id") return "123456789012";
    if (name == "interface-id") return interface_of(machine_);
    if (name == "start") return std::to_string(start_);
    if (name == "end") return std::to_string(start_ + 58);
    if (name == "log-status") return is_nodata_ ? "NODATA" : "OK";
    if (name == "vpc-id") return id("vpc-", 300'001);
    if (name == "subnet-id") return subnet_of(machine_ % kZones);
    if (name == "instance-id") return instance_of(machine_);
    if (name == "region") return "us-east-1";
    if (name == "az-id") return "use1-az" + std::to_string(1 + machine_ % kZones);
    if (is_nodata_ || name.starts_with("sublocation")) return "-";
    if (name == "srcaddr" || name == "pkt-srcaddr") return source_;
    if (name == "dstaddr" || name == "pkt-dstaddr") return destination_;
    if (name == "srcport") return std::to_string(1024 + random_() % 64000);
    if (name == "dstport") return std::to_string(random_() % 2 ? 443 : random_() % 65536);
    if (name == "protocol") return random_() % 10 == 0 ? "17" : "6";
    if (name == "packets") return std::to_string(1 + bytes_ / 800);
    if (name == "bytes") return std::to_string(bytes_);
    if (name == "action") return random_() % 20 == 0 ? "REJECT" : "ACCEPT";
    if (name == "tcp-flags") return std::to_string(std::array{0, 2, 3, 18, 19}[random_() % 5]);
    if (name == "type") return "IPv4";
    if (name == "flow-direction") return is_egress_ ? "egress" : "ingress";
    if (name == "traffic-path") return is_egress_ ? (is_external_ ? "8" : "1") : "-";
    const bool is_peer = name == (is_egress_ ? "pkt-dst-aws-service" : "pkt-src-aws-service");
    return is_peer && is_external_ && source_.back() % 2 == 0 ? "S3" : "-";
  }

 private:
  std::string external() {
    const std::uint64_t peer = random_() % 10 == 0 ? random_() : random_() % 5000 * 104'729;
    return std::to_string(11 + peer % 100) + '.' + std::to_string(peer / 100 % 256) + '.' +
           std::to_string(peer / 25'600 % 256) + '.' + std::to_string(peer / 6'553'600 % 256);
  }

  std::mt19937_64 random_{20260301};
  const std::string version_;
  const std::size_t machines_;
  std::uint64_t index_ = 0;
  std::uint64_t start_ = 0;
  std::size_t machine_ = 0;
  bool is_nodata_ = false;
  bool is_egress_ = false;
  bool is_external_ = false;
  std::uint64_t bytes_ = 0;
  std::string source_;
  std::string destination_;
};

char kind_of(std::string_view name) {
  if (name == "start" || name == "end") return 'N';
  if (name.ends_with("addr")) return 'a';
  if (name == "action" || name == "log-status" || name == "flow-direction") return 'w';
  constexpr std::array<std::string_view, 8> kNumbers = {
      "version", "srcport", "dstport", "protocol", "packets", "bytes", "tcp-flags", "traffic-path"};
  return std::ranges::find(kNumbers, name) != kNumbers.end() ? 'n' : 't';
}

FleetCorpus make(std::string_view format, std::string_view version, std::size_t machines,
                 std::size_t lines) {
  FleetCorpus corpus;
  corpus.format = format;
  corpus.lines = lines;
  std::vector<std::string> names;
  std::istringstream in{corpus.format};
  for (std::string name; in >> name;) {
    corpus.kinds += kind_of(name);
    names.push_back(std::move(name));
  }
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
  return make(kV2, "2", machines, lines);
}
FleetCorpus fleet_29(std::size_t machines, std::size_t lines) {
  return make(kAws29, "5", machines, lines);
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
