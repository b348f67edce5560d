#include "app/flow_totals.h"

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

#include "alarms/json_text.h"
#include "proto/check.h"

namespace fleetmeter::app {

namespace {

using NatKey = std::pair<std::string, std::string>;  // Gateway, private address behind it.

void add_nat(const std::vector<cost::ChargedBytes>& charged, std::uint64_t Traffic::*sum,
             std::map<NatKey, Traffic>& nat) {
  for (const cost::ChargedBytes& bytes : charged) {
    if (bytes.charge == cost::Charge::kNatProcessing)
      nat[{bytes.resource, bytes.owner}].*sum += bytes.bytes;
  }
}

/// Bytes per charge, and the traffic that NAT gateways processed. Which record stands for a byte is
/// chosen by its facts, not by its size, so charging packets and records in place of bytes chooses
/// the same records. From row `with_packets` on no record has packets.
void add_charges(std::vector<cost::FlowUsage> flows, std::size_t with_packets, FlowTotals& totals) {
  const auto charged = cost::charge_flows(flows);
  for (const cost::ChargedBytes& bytes : charged) totals.charges[bytes.charge] += bytes.bytes;
  if (!totals.charges.contains(cost::Charge::kNatProcessing)) return;

  std::map<NatKey, Traffic> nat;
  add_nat(charged, &Traffic::bytes, nat);
  for (auto& flow : flows) flow.bytes = flow.packets;
  add_nat(cost::charge_flows(flows), &Traffic::packets, nat);
  for (auto& flow : flows) flow.bytes = flow.records;
  add_nat(cost::charge_flows(flows), &Traffic::records, nat);
  if (with_packets < flows.size()) {
    for (std::size_t i = 0; i < with_packets; ++i) flows[i].bytes = 0;
    add_nat(cost::charge_flows(flows), &Traffic::records_without_packets, nat);
  }
  for (const auto& [key, traffic] : nat) {
    totals.nat_gateways[key.first] += traffic;
    totals.nat_owners[key.second] += traffic;
  }
}

std::size_t index_of(proto::PathClass path_class) {
  const auto found = std::find(kPathClasses.begin(), kPathClasses.end(), path_class);
  return found == kPathClasses.end() ? index_of(proto::PATH_UNCLASSIFIED)
                                     : static_cast<std::size_t>(found - kPathClasses.begin());
}

std::string or_null(const std::optional<std::uint64_t>& sum) {
  return sum ? std::to_string(*sum) : "null";
}

/// `,"name":count`, or nothing when it is 0.
std::string count_field(const char* name, std::uint64_t count) {
  return count == 0 ? "" : ",\"" + std::string(name) + "\":" + std::to_string(count);
}

std::string traffic_fields(const Traffic& traffic) {
  const auto packets = traffic.known_packets(), bytes = traffic.known_bytes();
  std::string missing = packets ? "" : "packets";
  if (!bytes) missing += missing.empty() ? "bytes" : " and bytes";
  return "\"records\":" + std::to_string(traffic.records) + ",\"packets\":" + or_null(packets) +
         ",\"bytes\":" + or_null(bytes) +
         count_field("records_without_packets", traffic.records_without_packets) +
         count_field("records_without_bytes", traffic.records_without_bytes) +
         (missing.empty() ? "" : ",\"reason\":\"records without " + missing + "\"");
}

}  // namespace

const char* path_class_name(proto::PathClass path_class) noexcept {
  switch (path_class) {
    case proto::PATH_SAME_AZ:
      return "same_az";
    case proto::PATH_CROSS_AZ:
      return "cross_az";
    case proto::PATH_VPC_UNKNOWN_AZ:
      return "vpc_unknown_az";
    case proto::PATH_OTHER_PRIVATE:
      return "other_private";
    case proto::PATH_EXTERNAL:
      return "external";
    default:
      return "unclassified";
  }
}

TopList make_top(std::string by, std::vector<TopEntry> all, const Traffic& whole,
                 std::size_t entries_max, TopRank rank) {
  const auto before = [rank](const TopEntry& a, const TopEntry& b) {
    const Traffic &x = a.traffic, &y = b.traffic;
    if (rank == TopRank::kRecords)
      return std::tie(y.records, y.bytes, a.key) < std::tie(x.records, x.bytes, b.key);
    return std::tie(y.bytes, y.records, a.key) < std::tie(x.bytes, x.records, b.key);
  };
  const std::size_t listed = std::min(entries_max, all.size());
  std::partial_sort(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(listed), all.end(),
                    before);
  all.resize(listed);
  Traffic rest = whole;
  for (const TopEntry& entry : all) rest -= entry.traffic;
  all.push_back({{}, true, rest});
  return {std::move(by), std::move(all)};
}

TopList make_top(std::string by, const std::map<std::string, Traffic>& all, const Traffic& whole,
                 std::size_t entries_max) {
  std::vector<TopEntry> entries;
  entries.reserve(all.size());
  for (const auto& [key, traffic] : all) entries.push_back({key, false, traffic});
  return make_top(std::move(by), std::move(entries), whole, entries_max, TopRank::kBytes);
}

Traffic FlowTotals::nat() const noexcept {
  Traffic sum;
  for (const auto& [gateway, traffic] : nat_gateways) sum += traffic;
  return sum;
}

Traffic FlowTotals::not_rejected() const noexcept {
  Traffic sum = accept;
  sum += no_action;
  return sum;
}

void FlowTotals::forget_packets() noexcept {
  const auto forget = [](Traffic& sums) { sums.records_without_packets = sums.records; };
  for (Traffic* sums : {&accept, &no_action}) forget(*sums);
  for (auto* classes : {&path_classes, &no_action_path_classes}) {
    for (Traffic& sums : *classes) forget(sums);
  }
  for (auto* lists : {&interfaces, &owners, &nat_gateways, &nat_owners}) {
    for (auto& [key, sums] : *lists) forget(sums);
  }
}

namespace {

void add_row(const cost::FlowUsage& flow, std::size_t lacks, FlowTotals& totals) {
  if (flow.status != proto::FLOW_OK) return;
  const Traffic traffic{
      .records = flow.records,
      .packets = flow.packets,
      .bytes = flow.bytes,
      .records_without_packets = (lacks & kWithoutPackets) != 0 ? flow.records : 0,
      .records_without_bytes = (lacks & kWithoutBytes) != 0 ? flow.records : 0};
  if (flow.action == proto::ACTION_REJECT) {
    totals.reject += traffic;
    return;
  }
  const bool accepted = flow.action == proto::ACTION_ACCEPT;
  (accepted ? totals.accept : totals.no_action) += traffic;
  auto& classes = accepted ? totals.path_classes : totals.no_action_path_classes;
  classes[index_of(flow.path_class)] += traffic;
  totals.interfaces[flow.interface] += traffic;
  // What a gateway logs repeats what the machines behind it log; theirs stays theirs alone.
  totals.owners[flow.role == proto::ROLE_NAT ? flow.interface : flow.owner] += traffic;
}

}  // namespace

FlowTotals total_flows(FlowParts parts) {
  FlowTotals totals;
  for (std::size_t lacks = 0; lacks < parts.size(); ++lacks) {
    for (const cost::FlowUsage& flow : parts[lacks]) add_row(flow, lacks, totals);
  }
  std::vector<cost::FlowUsage> sized = std::move(parts[0]);
  const std::size_t with_packets = sized.size();
  std::move(parts[kWithoutPackets].begin(), parts[kWithoutPackets].end(),
            std::back_inserter(sized));
  add_charges(std::move(sized), with_packets, totals);
  return totals;
}

std::string traffic_json(const Traffic& traffic) { return "{" + traffic_fields(traffic) + "}"; }

std::string path_classes_json(const PathClassTotals& totals) {
  std::string json = "[";
  for (std::size_t i = 0; i < kPathClasses.size(); ++i) {
    json += (i == 0 ? "" : ",") + std::string("{\"class\":\"") + path_class_name(kPathClasses[i]) +
            "\"," + traffic_fields(totals[i]) + "}";
  }
  return json + "]";
}

std::string traffic_json(const Traffic& traffic, const PathClassTotals& totals) {
  return "{" + traffic_fields(traffic) + ",\"path_classes\":" + path_classes_json(totals) + "}";
}

std::string charges_json(const std::map<cost::Charge, std::uint64_t>& charges) {
  std::string json = "[";
  for (const auto& [charge, bytes] : charges) {
    json += (json.size() == 1 ? "" : ",") + std::string("{\"charge\":\"") +
            cost::to_string(charge) + "\",\"bytes\":" + std::to_string(bytes) + "}";
  }
  return json + "]";
}

std::string top_json(const std::vector<TopList>& lists) {
  std::string json = "[";
  for (const TopList& list : lists) {
    for (const TopEntry& entry : list.entries) {
      json += (json.size() == 1 ? "{\"by\":" : ",{\"by\":") + alarms::json_string(list.by) +
              ",\"key\":" + (entry.key.empty() ? "null" : alarms::json_string(entry.key)) +
              ",\"remainder\":" + (entry.remainder ? "true," : "false,") +
              traffic_fields(entry.traffic) + "}";
    }
  }
  return json + "]";
}

}  // namespace fleetmeter::app
