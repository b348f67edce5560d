#include "cost/network.h"

#include <algorithm>

#include "cost/network_hours.h"
#include "proto/check.h"

namespace fleetmeter::cost {

const char* to_string(Charge charge) noexcept {
  switch (charge) {
    case Charge::kNone:
      return "none";
    case Charge::kNatProcessing:
      return "nat_processing";
    case Charge::kCrossAz:
      return "cross_az";
    case Charge::kInterfaceEndpoint:
      return "interface_endpoint";
    case Charge::kInterRegion:
      return "inter_region";
    case Charge::kInterRegionUsEast:
      return "inter_region_us_east";
    case Charge::kInternetEgress:
      return "internet_egress";
    case Charge::kVpn:
      return "vpn";
    case Charge::kTransitGateway:
      return "transit_gateway";
    case Charge::kRegionalPublic:
      return "regional_public";
    case Charge::kUnclassified:
      return "unclassified";
  }
  FM_CHECK(false);
  return "";
}

std::uint32_t FlowCharger::number_of(std::string_view name) {
  if (name.empty()) return 0;
  const auto [place, added] =
      names_.try_emplace(name, static_cast<std::uint32_t>(names_.size() + 1));
  return place->second;
}

std::uint32_t FlowCharger::add(const FlowView& facts) {
  KeyState key;
  key.interface = number_of(facts.interface);
  key.peer_interface = number_of(facts.peer_interface);
  key.owner = number_of(facts.owner);
  std::string_view behind;
  if (facts.role == proto::ROLE_NAT) {
    if (is_inside_leg(facts)) behind = gateways_.behind(facts);
    key.behind = number_of(behind);
    key.leaves = !is_inside_leg(facts) && facts.status == proto::FLOW_OK &&
                 facts.action != proto::ACTION_REJECT;
  }
  keys_.push_back(key);
  facts_.push_back({facts, behind});
  return static_cast<std::uint32_t>(keys_.size() - 1);
}

void FlowCharger::charge(std::uint32_t hour, std::span<const Row> rows) {
  ++round_;
  for (auto* marks : {&logged_, &leaves_, &behind_nat_}) marks->resize(names_.size() + 1);
  for (const Row& row : rows) {
    const KeyState& key = keys_[row.key];
    logged_[key.interface] = round_;
    if (key.leaves) leaves_[key.interface] = round_;
  }
  for (const Row& row : rows) {
    const KeyState& key = keys_[row.key];
    if (key.behind != 0 && leaves_[key.interface] == round_) behind_nat_[key.behind] = round_;
  }
  logged_[0] = behind_nat_[0] = 0;  // What has no name is nobody's.
  for (const Row& row : rows) {
    KeyState& key = keys_[row.key];
    const Seen seen{logged_[key.peer_interface] == round_, behind_nat_[key.owner] == round_};
    auto& sums = key.sums[(seen.peer_logged ? 1u : 0u) + (seen.behind_nat ? 2u : 0u)];
    if (sums[0] == kUnmade) make_sums(row.key, seen, sums);
    for (const std::uint32_t number : sums) {
      if (number == kNone) break;
      Sum& sum = sums_[number];
      sum.charged.bytes += row.bytes;
      if (sum.hours == nullptr) continue;
      if (sum.hours->empty() || sum.hours->back().first != hour) sum.hours->push_back({hour, 0});
      sum.hours->back().second += row.bytes;
    }
  }
}

void FlowCharger::make_sums(std::uint32_t key, Seen seen, std::array<std::uint32_t, 2>& sums) {
  const auto& [facts, behind] = facts_[key];
  const std::vector<Due> dues = dues_of(facts, behind, seen);
  FM_CHECK(dues.size() <= sums.size());
  sums.fill(kNone);
  if (facts.action == proto::ACTION_ACCEPT) {
    for (std::size_t i = 0; i < dues.size(); ++i) sums[i] = sum_of(facts, dues[i]);
  } else if (std::ranges::any_of(dues, [](Due due) { return due.charge != Charge::kNone; })) {
    sums[0] = sum_without_action(facts.environment);
  }
}

std::uint32_t FlowCharger::sum_without_action(std::string_view environment) {
  const auto [place, added] = without_action_.try_emplace(std::string(environment),
                                                          static_cast<std::uint32_t>(sums_.size()));
  if (added) sums_.push_back({{place->first, Charge::kUnclassified, {}, {}, 0, 0}, nullptr});
  return place->second;
}

std::uint32_t FlowCharger::sum_of(const FlowView& facts, const Due& due) {
  ChargeKey key{std::string(facts.environment), due.charge, std::string(due.resource),
                std::string(due.owner), due.halves};
  const auto [place, added] =
      sum_numbers_.try_emplace(std::move(key), static_cast<std::uint32_t>(sums_.size()));
  if (!added) return place->second;
  const auto& [environment, charge, resource, owner, halves] = place->first;
  Sum sum{{environment, charge, resource, owner, 0, halves}, nullptr};
  if (charge == Charge::kNatProcessing) sum.hours = &nat_hours_[{environment, resource}];
  sums_.push_back(std::move(sum));
  return place->second;
}

std::vector<ChargedBytes> FlowCharger::charged() const {
  std::vector<ChargedBytes> result;
  result.reserve(sums_.size());
  for (const auto& [key, number] : sum_numbers_) result.push_back(sums_[number].charged);
  return result;
}

std::map<std::string, std::uint64_t> FlowCharger::without_action() const {
  std::map<std::string, std::uint64_t> result;
  for (const auto& [environment, number] : without_action_)
    result[environment] = sums_[number].charged.bytes;
  return result;
}

void charge_all(const std::vector<FlowUsage>& flows, FlowCharger& charger) {
  for (const FlowUsage& flow : flows) charger.learn(view_of(flow));
  std::vector<std::size_t> order(flows.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&flows](std::size_t a, std::size_t b) {
    return flows[a].hour < flows[b].hour;
  });
  std::vector<FlowCharger::Row> rows;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const FlowUsage& flow = flows[order[i]];
    rows.push_back({charger.add(view_of(flow)), flow.bytes});
    if (i + 1 < order.size() && flows[order[i + 1]].hour == flow.hour) continue;
    charger.charge(flow.hour, rows);
    rows.clear();
  }
}

std::vector<ChargedBytes> charge_flows(const std::vector<FlowUsage>& flows) {
  FlowCharger charger;
  charge_all(flows, charger);
  return charger.charged();
}

}  // namespace fleetmeter::cost
