#include "app/flow_totals.h"

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>

#include "alarms/json_text.h"
#include "cost/network_hours.h"
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

/// What the rows pay that have bytes, of an amount of each in place of its bytes. Which record stands
/// for what a gateway processed is chosen by its facts, not by its size, so that its packets and
/// records are charged alike.
template <typename Amount>
std::vector<cost::ChargedBytes> charge(const HourlyFlows& flows, Amount&& amount) {
  constexpr std::uint32_t kUnseen = UINT32_MAX, kLearned = UINT32_MAX - 1;
  const auto is_charged = [](const HourlyFlows::Row& row) {
    return (row.lacks & kWithoutBytes) == 0;
  };
  cost::FlowCharger charger;
  std::vector<std::uint32_t> numbers(flows.keys.size(), kUnseen);
  for (const HourlyFlows::Row& row : flows.rows) {
    if (!is_charged(row) || numbers[row.key] != kUnseen) continue;
    charger.learn(flows.keys[row.key]);
    numbers[row.key] = kLearned;
  }
  const auto charged_row =
      [&](const HourlyFlows::Row& row) -> std::optional<cost::FlowCharger::Row> {
    if (!is_charged(row)) return std::nullopt;
    if (numbers[row.key] == kLearned) numbers[row.key] = charger.add(flows.keys[row.key]);
    return cost::FlowCharger::Row{numbers[row.key], amount(row)};
  };
  cost::charge_hours(
      flows.rows, [](const HourlyFlows::Row& row) { return row.hour; }, charged_row, charger);
  std::vector<cost::ChargedBytes> charged = charger.charged();
  std::erase_if(charged, [](const auto& one) { return one.share == cost::Share::kReceiver; });
  return charged;
}

/// Bytes per charge, and the traffic that NAT gateways processed.
void add_charges(const HourlyFlows& flows, FlowTotals& totals) {
  using Row = HourlyFlows::Row;
  const auto charged = charge(flows, [](const Row& row) { return row.bytes; });
  for (const cost::ChargedBytes& bytes : charged) totals.charges[bytes.charge] += bytes.bytes;
  if (!totals.charges.contains(cost::Charge::kNatProcessing)) return;

  std::map<NatKey, Traffic> nat;
  add_nat(charged, &Traffic::bytes, nat);
  add_nat(charge(flows, [](const Row& row) { return row.packets; }), &Traffic::packets, nat);
  add_nat(charge(flows, [](const Row& row) { return row.records; }), &Traffic::records, nat);
  const auto without_packets = [](const Row& row) {
    return (row.lacks & kWithoutPackets) != 0 ? row.records : 0;
  };
  if (std::ranges::any_of(flows.rows, [&](const Row& row) { return without_packets(row) > 0; }))
    add_nat(charge(flows, without_packets), &Traffic::records_without_packets, nat);
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

Traffic traffic_of(const HourlyFlows::Row& row) noexcept {
  return {.records = row.records,
          .packets = row.packets,
          .bytes = row.bytes,
          .records_without_packets = (row.lacks & kWithoutPackets) != 0 ? row.records : 0,
          .records_without_bytes = (row.lacks & kWithoutBytes) != 0 ? row.records : 0};
}

void add_key(const cost::FlowView& flow, const Traffic& traffic, FlowTotals& totals) {
  if (flow.status != proto::FLOW_OK) return;
  if (flow.action == proto::ACTION_REJECT) {
    totals.reject += traffic;
    return;
  }
  const bool accepted = flow.action == proto::ACTION_ACCEPT;
  (accepted ? totals.accept : totals.no_action) += traffic;
  auto& classes = accepted ? totals.path_classes : totals.no_action_path_classes;
  classes[index_of(flow.path_class)] += traffic;
  totals.interfaces[std::string(flow.interface)] += traffic;
  // What a gateway logs repeats what the machines behind it log; theirs stays theirs alone.
  totals.owners[std::string(flow.role == proto::ROLE_NAT ? flow.interface : flow.owner)] += traffic;
}

}  // namespace

HourlyFlows hourly_flows(const std::vector<cost::FlowUsage>& flows) {
  HourlyFlows out;
  for (const cost::FlowUsage& flow : flows) {
    out.rows.push_back({.key = static_cast<std::uint32_t>(out.keys.size()),
                        .hour = flow.hour,
                        .bytes = flow.bytes,
                        .packets = flow.packets,
                        .records = flow.records});
    out.keys.push_back(cost::view_of(flow));
  }
  std::ranges::stable_sort(out.rows, {}, &HourlyFlows::Row::hour);
  return out;
}

FlowTotals total_flows(const HourlyFlows& flows) {
  std::vector<Traffic> by_key(flows.keys.size());
  for (const HourlyFlows::Row& row : flows.rows) by_key[row.key] += traffic_of(row);
  FlowTotals totals;
  for (std::size_t key = 0; key < by_key.size(); ++key)
    add_key(flows.keys[key], by_key[key], totals);
  add_charges(flows, totals);
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
