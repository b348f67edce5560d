#include <algorithm>
#include <array>

#include "aggregator/inventory_data.h"

namespace fleetmeter::aggregator {
namespace {

constexpr std::string_view kUnassigned = "unassigned";

/// Everything known of a record, most stable first.
struct KnownFacts {
  std::string_view account, region, vpc_id, subnet_id, subnet_name, group, instance_id;
  std::array<const Tags*, 3> tags{};  ///< Of instance, interface and group, whichever are known.
};

/// What one fact says of one environment: kSilent when the environment does not ask or the fact is not known.
enum class Verdict : std::uint8_t { kSilent, kMatches, kContradicts };

Verdict one_of(const std::vector<std::string>& wanted, std::string_view fact, std::string_view other = {}) {
  if (wanted.empty() || fact.empty()) return Verdict::kSilent;
  for (const std::string& one : wanted) {
    if (one == fact || (!other.empty() && one == other)) return Verdict::kMatches;
  }
  return Verdict::kContradicts;
}

Verdict both(Verdict a, Verdict b) {
  if (a == Verdict::kContradicts || b == Verdict::kContradicts) return Verdict::kContradicts;
  return a == Verdict::kMatches || b == Verdict::kMatches ? Verdict::kMatches : Verdict::kSilent;
}

Verdict judge_tags(const Tags& wanted, const KnownFacts& facts) {
  if (wanted.empty()) return Verdict::kSilent;
  bool known = false;
  for (const auto& [key, value] : wanted) {
    bool holds = false;
    for (const Tags* tags : facts.tags) {
      if (tags == nullptr) continue;
      known = true;
      const auto found = tags->find(key);
      if (found == tags->end()) continue;
      holds = found->second == value;
      break;  // The nearest thing that has the tag decides.
    }
    if (known && !holds) return Verdict::kContradicts;
  }
  return known ? Verdict::kMatches : Verdict::kSilent;
}

constexpr int kFacts = 5;
Verdict judge(const EnvironmentMatch& wanted, const KnownFacts& facts, int fact) {
  switch (fact) {
    case 0:
      return both(one_of(wanted.accounts, facts.account),
                  wanted.region.empty() || facts.region.empty() ? Verdict::kSilent
                  : wanted.region == facts.region               ? Verdict::kMatches
                                                                : Verdict::kContradicts);
    case 1:
      return one_of(wanted.vpcs, facts.vpc_id);
    case 2:
      return one_of(wanted.subnets, facts.subnet_id, facts.subnet_name);
    case 3:
      return one_of(wanted.groups, facts.group);
    default:
      return both(one_of(wanted.instances, facts.instance_id), judge_tags(wanted.tags, facts));
  }
}

/// Environments that a fact contradicts drop out, the most stable fact first; the first fact after which one is left, and
/// has something that matches, decides. Of several that hold to the end, the one that asks for the most particular fact.
std::string_view decide(const std::vector<EnvironmentMatch>& environments, const KnownFacts& facts) {
  struct Candidate {
    const EnvironmentMatch* environment;
    int last_match = -1;
  };
  thread_local std::vector<Candidate> left;
  left.clear();
  for (const EnvironmentMatch& one : environments) {
    if (!one.empty()) left.push_back({&one});
  }
  for (int fact = 0; fact < kFacts && !left.empty(); ++fact) {
    std::erase_if(left, [&](Candidate& one) {
      const Verdict verdict = judge(*one.environment, facts, fact);
      if (verdict == Verdict::kMatches) one.last_match = fact;
      return verdict == Verdict::kContradicts;
    });
    if (left.size() == 1 && left.front().last_match >= 0) return left.front().environment->name;
  }
  int best = -1;
  for (const Candidate& one : left) best = std::max(best, one.last_match);
  if (best >= 0) {
    const auto has_best = [&](const Candidate& one) { return one.last_match == best; };
    if (std::count_if(left.begin(), left.end(), has_best) == 1) {
      return std::find_if(left.begin(), left.end(), has_best)->environment->name;
    }
  }
  if (environments.size() == 1 && environments.front().empty()) return environments.front().name;
  return kUnassigned;
}

std::string_view or_else(std::string_view value, std::string_view fallback) { return value.empty() ? fallback : value; }

}  // namespace

bool EnvironmentMatch::empty() const noexcept {
  return accounts.empty() && region.empty() && vpcs.empty() && subnets.empty() && groups.empty() && instances.empty() &&
         tags.empty();
}

std::string_view Inventory::environment_of(const Facts& facts) const {
  KnownFacts known{.account = facts.account, .region = facts.region, .vpc_id = facts.vpc_id, .subnet_id = facts.subnet_id,
                   .subnet_name = {}, .group = facts.group, .instance_id = facts.instance_id};
  const Instance* attached = nullptr;
  if (!facts.interface_id.empty()) {
    const Place place = place_of_interface(facts.interface_id, facts.at_s);
    if (const Interface* interface = place.interface) {
      attached = place.instance;
      known.account = or_else(known.account, interface->account);
      known.region = or_else(known.region, interface->region);
      known.vpc_id = or_else(known.vpc_id, interface->vpc_id);
      known.subnet_id = or_else(known.subnet_id, interface->subnet_id);
      known.instance_id = or_else(known.instance_id, interface->instance_id);
      known.tags[1] = &interface->tags;
    }
  }
  if (!known.instance_id.empty()) {
    const bool same = attached != nullptr && attached->id == known.instance_id;
    if (const Instance* found = same ? attached : instance(known.instance_id, facts.at_s)) {
      known.account = or_else(known.account, found->account);
      known.region = or_else(known.region, found->region);
      known.vpc_id = or_else(known.vpc_id, found->vpc_id);
      known.subnet_id = or_else(known.subnet_id, found->subnet_id);
      known.group = or_else(known.group, found->group);
      known.tags[0] = &found->tags;
    }
  }
  if (!known.group.empty()) {
    if (const Group* found = group(known.group, facts.at_s)) {
      known.account = or_else(known.account, found->account);
      known.region = or_else(known.region, found->region);
      known.tags[2] = &found->tags;
    }
  }
  if (!known.subnet_id.empty()) {
    if (const EntryRange range = data_->subnets.find(known.subnet_id); range.count != 0) {
      const Subnet& subnet = data_->entries.subnets[range.first];
      known.account = or_else(known.account, subnet.account);
      known.region = or_else(known.region, subnet.region);
      known.vpc_id = or_else(known.vpc_id, subnet.vpc_id);
      known.subnet_name = subnet.name;
    }
  }
  return decide(data_->entries.environments, known);
}

std::string_view Inventory::environment_of_tags(const Tags& tags, std::string_view account, std::string_view region) const {
  KnownFacts known{.account = account, .region = region, .vpc_id = {}, .subnet_id = {}, .subnet_name = {}, .group = {},
                   .instance_id = {}};
  known.tags[0] = &tags;
  return decide(data_->entries.environments, known);
}

}  // namespace fleetmeter::aggregator
