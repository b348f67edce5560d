#include "cost/network.h"

#include <algorithm>

#include "aggregator/capped_sum.h"
#include "aggregator/path_class.h"
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

namespace {

bool is_egress(const FlowView& facts) { return facts.direction == proto::DIRECTION_EGRESS; }

bool has_passed(const FlowView& facts) {
  return facts.status == proto::FLOW_OK && facts.action != proto::ACTION_REJECT;
}

/// The interfaces of an endpoint are one: a Terraform state does not pair them with its addresses.
std::string_view own_end(const FlowView& facts) {
  const bool by_owner = facts.role == proto::ROLE_ENDPOINT && !facts.owner.empty();
  return by_owner ? facts.owner : facts.interface;
}
std::string_view peer_end(const FlowView& facts) {
  const bool by_owner = facts.peer_role == proto::ROLE_ENDPOINT && !facts.peer_interface.empty() &&
                        !facts.peer_owner.empty();
  return by_owner ? facts.peer_owner : facts.peer_interface;
}

}  // namespace

std::uint32_t FlowCharger::number_of(std::string_view name) {
  if (name.empty()) return 0;
  const auto [place, added] = names_.try_emplace(name, static_cast<std::uint32_t>(texts_.size()));
  if (added) {
    texts_.push_back(name);
    addressed_.push_back(false);
  }
  return place->second;
}

std::uint32_t FlowCharger::number_of(const Span& span) {
  return spans_.try_emplace(span, static_cast<std::uint32_t>(spans_.size() + 1)).first->second;
}

std::uint32_t FlowCharger::add(const FlowView& facts) {
  KeyState key;
  key.interface = number_of(own_end(facts));
  key.peer_interface = number_of(peer_end(facts));
  key.owner = number_of(facts.owner);
  key.environment = number_of(facts.environment);
  key.is_endpoint = facts.role == proto::ROLE_ENDPOINT;
  addressed_[key.peer_interface] = true;
  if (facts.path_class == proto::PATH_EXTERNAL) key.beyond = kPublic;
  if (facts.path_class == proto::PATH_OTHER_PRIVATE) key.beyond = kPrivate;
  key.is_ipv6 = key.beyond == kPublic && facts.peer_owner == aggregator::kIpv6Internet;
  key.passes_resource = key.beyond == kPublic && facts.traffic_path == kPathSameVpc;
  std::string_view behind;
  if (facts.role == proto::ROLE_NAT) {
    key.hours = &nat_hours_[{std::string(facts.environment), std::string(facts.interface)}];
    if (is_inside_leg(facts)) behind = gateways_.behind(facts);
    key.behind = number_of(behind);
    key.leaves = !is_inside_leg(facts) && has_passed(facts) && key.beyond != kNowhere;
  } else if (facts.role == proto::ROLE_TRANSIT_GATEWAY) {
    // Its records show the gateway's own address as the hop, not what lies beyond.
    key.beyond = kPrivate;
    key.leaves = has_passed(facts);
    if (key.leaves) key.behind = key.peer_interface;
  } else if (facts.peer_role != proto::ROLE_NAT) {
    find_other_end(facts, key);
  }
  find_twin(facts, key);
  keys_.push_back(key);
  facts_.push_back({facts, behind});
  return static_cast<std::uint32_t>(keys_.size() - 1);
}

/// Between addresses of VPCs two records tell of the same bytes. An interface whose address the
/// inventory does not have is not named by the other end's record, which then tells the zone alone.
void FlowCharger::find_other_end(const FlowView& facts, KeyState& key) {
  const bool is_known = key.beyond == kNowhere && facts.path_class != proto::PATH_UNCLASSIFIED &&
                        facts.direction != proto::DIRECTION_UNKNOWN;
  if (!is_known) return;
  const bool sends = is_egress(facts);
  // Where a zone is not known, one end may have it from the record itself.
  const bool has_zones = facts.path_class != proto::PATH_VPC_UNKNOWN_AZ;
  const std::uint32_t zone = has_zones ? number_of(facts.owner_az) : 0;
  const std::uint32_t peer_zone = has_zones ? number_of(facts.peer_az) : 0;
  const auto told = [&](bool by_sender, Span span) {
    span.by_sender = by_sender;
    span.path_class = facts.path_class;
    return number_of(span);
  };
  const auto to_interface = [](std::uint32_t writer_zone, std::uint32_t named) {
    return Span{.kind = Span::kToInterface, .named = named, .writer_zone = writer_zone};
  };
  const auto between = [](std::uint32_t writer_zone, std::uint32_t other_zone) {
    return Span{.kind = Span::kBetweenZones, .writer_zone = writer_zone, .other_zone = other_zone};
  };
  const std::uint32_t peer = key.peer_interface;
  if (peer != 0) {
    key.own_record = told(sends, {.writer = key.interface, .named = peer});
    key.peer_record = told(!sends, {.writer = peer, .named = key.interface});
  } else {
    key.covered_by[0] = told(!sends, to_interface(peer_zone, key.interface));
    if (!key.is_endpoint && !sends) key.covered_by[1] = told(!sends, between(peer_zone, zone));
  }
  const bool counts = sends || key.is_endpoint || facts.peer_role == proto::ROLE_ENDPOINT;
  if (!counts || !has_passed(facts)) return;
  key.covers = told(sends, peer != 0 ? to_interface(zone, peer) : between(zone, peer_zone));
}

/// Which other records tell the same bytes: the sender's those of a receiver or an endpoint, a NAT
/// gateway's what a machine sent to the internet, whose path does not say that it took another way.
void FlowCharger::find_twin(const FlowView& facts, KeyState& key) {
  if (!has_passed(facts)) return;
  const auto of = [this](Span::Kind kind, std::uint32_t name) {
    return name == 0 ? 0 : number_of(Span{.kind = kind, .named = name});
  };
  if (facts.role == proto::ROLE_NAT) {
    // Without a direction the record names its source as the owner.
    const bool enters =
        facts.direction == proto::DIRECTION_INGRESS ||
        (facts.direction == proto::DIRECTION_UNKNOWN && key.behind == number_of(facts.owner));
    if (is_inside_leg(facts) && enters) key.tells = of(Span::kIntoGateways, key.behind);
  } else if (key.beyond == kPublic && is_egress(facts)) {
    const bool may_be_behind = facts.traffic_path == 0 || facts.traffic_path == kPathSameVpc;
    const bool is_transit = facts.role == proto::ROLE_TRANSIT_GATEWAY;
    if (!may_be_behind || is_transit || key.is_ipv6 || gateways_.empty()) return;
    key.tells = of(Span::kOwnPublic, key.owner);
    key.told_by = of(Span::kIntoGateways, key.owner);
  } else {
    key.tells = key.own_record;
    if (!is_egress(facts) || key.is_endpoint) key.told_by = key.peer_record;
  }
}

/// Hours that do not follow each other have no edge in common.
void FlowCharger::begin_hour(std::uint32_t hour) {
  const bool follows = hour == hour_ + 1;
  if (!follows) {
    for (const Open& open : open_) add_to(open.sums, hour_, open.bytes);
    open_.clear();
  }
  round_ += follows ? 1 : 2;
  hour_ = hour;
}

void FlowCharger::tell(std::uint32_t span, std::uint64_t bytes) {
  if (span == 0) return;
  Told& told = told_[round_ % 2][span];
  if (told.round != round_) told = {round_, 0};
  aggregator::add_capped(told.bytes, bytes);
}

std::uint64_t FlowCharger::told_in(std::uint32_t round, std::uint32_t span) const {
  const Told& told = told_[round % 2][span];
  return told.round == round ? told.bytes : 0;
}

/// Bytes that the other records of an hour tell and these do not.
std::uint64_t FlowCharger::left_over(std::uint32_t round, std::uint32_t tells,
                                     std::uint32_t told_by) const {
  const std::uint64_t others = told_in(round, told_by), own = told_in(round, tells);
  return others > own ? others - own : 0;
}

/// Decides about the rows of the hour before: all bytes of a span or none. What explains them is used
/// up.
void FlowCharger::close_open() {
  for (const Open& open : open_) {
    Verdict& verdict = verdicts_[open.tells];
    if (verdict.round != round_) {
      verdict = {round_, left_over(round_, open.tells, open.told_by) >= open.unexplained};
      if (verdict.explained) tell(open.tells, open.unexplained);
    }
    if (!verdict.explained) add_to(open.sums, hour_, open.bytes);
  }
  open_.clear();
}

/// Whether nothing of the hour stands for the record, and something of the hours beside it may.
bool FlowCharger::may_wait(const KeyState& key, const Seen& seen) const {
  return key.told_by != 0 && !(key.beyond == kPublic ? seen.behind_gateway : seen.peer_logged);
}

/// Whether nothing is to be added yet, or at all: the hour before has left over what the hour's rows
/// of the span tell, or the hour after may.
bool FlowCharger::wait(const KeyState& key, const std::array<std::uint32_t, 2>& sums,
                       std::uint64_t bytes) {
  const std::uint64_t own = told_in(round_, key.tells);
  const std::uint64_t before = left_over(round_ - 1, key.tells, key.told_by);
  if (own == 0 || before >= own) return own != 0;
  open_.push_back({key.tells, key.told_by, own - before, sums, bytes});
  return true;
}

void FlowCharger::mark(std::span<const Row> rows) {
  logged_.resize(texts_.size());
  environments_.resize(texts_.size());
  strangers_.resize(texts_.size());
  for (auto* marks : {&leaves_, &behind_}) {
    for (std::vector<std::uint32_t>& one : *marks) one.resize(texts_.size());
  }
  for (auto* marks : {&written_, &covered_}) marks->resize(spans_.size() + 1);
  for (std::vector<Told>& told : told_) told.resize(spans_.size() + 1);
  verdicts_.resize(spans_.size() + 1);
  for (const Row& row : rows) {
    const KeyState& key = keys_[row.key];
    logged_[key.interface] = round_;
    environments_[key.interface] = key.environment;
    written_[key.own_record] = round_;
    tell(key.tells, row.bytes);
    const bool is_first =
        key.hours != nullptr && (key.hours->empty() || key.hours->back().first != hour_);
    if (is_first) key.hours->push_back({hour_, 0});
    if (key.leaves) leaves_[key.beyond][key.interface] = round_;
  }
  logged_[0] = written_[0] = 0;  // What has no name is nobody's.
  for (const Row& row : rows) {
    const KeyState& key = keys_[row.key];
    if (key.behind != 0) {
      for (const Beyond beyond : {kPublic, kPrivate}) {
        if (leaves_[beyond][key.interface] == round_) behind_[beyond][key.behind] = round_;
      }
      if (behind_[kPublic][key.behind] == round_ && !texts_[key.behind].starts_with("i-"))
        strangers_[key.environment] = round_;
    }
    // A record that the other end answers by name stands for no other. Where there can be none such,
    // an interface that is a peer by its address is taken to send from it.
    const bool by_interface = key.peer_interface == 0 || key.is_endpoint;
    const bool is_named =
        written_[key.peer_record] == round_ || (by_interface && addressed_[key.interface]);
    if (key.covers != 0 && !is_named) covered_[key.covers] = round_;
  }
}

bool FlowCharger::is_covered(const KeyState& key) const {
  const auto holds = [this](std::uint32_t span) { return span != 0 && covered_[span] == round_; };
  return holds(key.covered_by[0]) || holds(key.covered_by[1]);
}

Seen FlowCharger::see(KeyState& key) const {
  Seen seen;
  seen.peer_logged = logged_[key.peer_interface] == round_;
  std::uint32_t peer_environment = 0;
  if (seen.peer_logged && environments_[key.peer_interface] != key.environment)
    peer_environment = environments_[key.peer_interface];
  if (peer_environment != key.peer_environment) key.sums.fill({kUnmade, kNone});
  key.peer_environment = peer_environment;
  seen.peer_environment = texts_[peer_environment];
  // A client's record does not name an endpoint whose address is not known.
  if (key.is_endpoint && !addressed_[key.interface]) seen.peer_logged = false;
  if (key.beyond != kNowhere && !key.is_ipv6) {
    const std::vector<std::uint32_t>& behind = behind_[key.beyond];
    seen.behind_gateway = behind[key.owner] == round_ || behind[key.interface] == round_ ||
                          (key.passes_resource && strangers_[key.environment] == round_);
  }
  return seen;
}

void FlowCharger::add_to(const std::array<std::uint32_t, 2>& sums, std::uint32_t hour,
                         std::uint64_t bytes) {
  for (const std::uint32_t number : sums) {
    if (number == kNone) break;
    Sum& sum = sums_[number];
    aggregator::add_capped(sum.charged.bytes, bytes);
    if (sum.hours == nullptr) continue;
    if (sum.hours->empty() || sum.hours->back().first != hour) sum.hours->push_back({hour, 0});
    aggregator::add_capped(sum.hours->back().second, bytes);
  }
}

void FlowCharger::charge(std::uint32_t hour, std::span<const Row> rows) {
  begin_hour(hour);
  mark(rows);
  close_open();
  for (const Row& row : rows) {
    KeyState& key = keys_[row.key];
    if (is_covered(key)) continue;
    const Seen seen = see(key);
    auto& sums = key.sums[(seen.peer_logged ? 1u : 0u) + (seen.behind_gateway ? 2u : 0u)];
    if (sums[0] == kUnmade) make_sums(row.key, seen, sums);
    if (may_wait(key, seen) && wait(key, sums, row.bytes)) continue;
    add_to(sums, hour, row.bytes);
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
  if (added)
    sums_.push_back({{place->first, Charge::kUnclassified, {}, {}, 0, 0, Share::kAll}, nullptr});
  return place->second;
}

std::uint32_t FlowCharger::sum_of(const FlowView& facts, const Due& due) {
  const std::string_view payer = due.environment.empty() ? facts.environment : due.environment;
  ChargeKey key{std::string(payer),     due.charge, std::string(due.resource),
                std::string(due.owner), due.halves, due.share};
  const auto [place, added] =
      sum_numbers_.try_emplace(std::move(key), static_cast<std::uint32_t>(sums_.size()));
  if (!added) return place->second;
  const auto& [environment, charge, resource, owner, halves, share] = place->first;
  Sum sum{{environment, charge, resource, owner, 0, halves, share}, nullptr};
  if (charge == Charge::kNatProcessing) sum.hours = &nat_hours_[{environment, resource}];
  sums_.push_back(std::move(sum));
  return place->second;
}

/// The last hour has none after it yet that could stand for its open rows.
std::vector<std::uint64_t> FlowCharger::bytes_of_sums() const {
  std::vector<std::uint64_t> bytes;
  bytes.reserve(sums_.size());
  for (const Sum& sum : sums_) bytes.push_back(sum.charged.bytes);
  for (const Open& open : open_) {
    for (const std::uint32_t number : open.sums) {
      if (number != kNone) aggregator::add_capped(bytes[number], open.bytes);
    }
  }
  return bytes;
}

std::vector<ChargedBytes> FlowCharger::charged() const {
  const std::vector<std::uint64_t> bytes = bytes_of_sums();
  std::vector<ChargedBytes> result;
  result.reserve(sums_.size());
  for (const auto& [key, number] : sum_numbers_) {
    result.push_back(sums_[number].charged);
    result.back().bytes = bytes[number];
  }
  // Rows that the next hour stood for may leave a sum of nothing.
  std::erase_if(result, [](const ChargedBytes& one) { return one.bytes == 0; });
  return result;
}

std::map<std::string, std::uint64_t> FlowCharger::without_action() const {
  const std::vector<std::uint64_t> bytes = bytes_of_sums();
  std::map<std::string, std::uint64_t> result;
  for (const auto& [environment, number] : without_action_) result[environment] = bytes[number];
  std::erase_if(result, [](const auto& one) { return one.second == 0; });
  return result;
}

void charge_all(const std::vector<FlowUsage>& flows, FlowCharger& charger) {
  std::vector<const FlowUsage*> sorted;
  for (const FlowUsage& flow : flows) {
    charger.learn(view_of(flow));
    sorted.push_back(&flow);
  }
  std::ranges::stable_sort(sorted, {}, &FlowUsage::hour);
  charge_hours(
      sorted, [](const FlowUsage* flow) { return flow->hour; },
      [&charger](const FlowUsage* flow) {
        return FlowCharger::Row{charger.add(view_of(*flow)), flow->bytes};
      },
      charger);
}

}  // namespace fleetmeter::cost
