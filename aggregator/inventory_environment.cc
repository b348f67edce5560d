#include <algorithm>
#include <array>

#include "aggregator/inventory_data.h"

namespace fleetmeter::aggregator {
namespace {

constexpr std::string_view kUnassigned = "unassigned";

/// Everything known of a record, most stable first.
struct KnownFacts {
  std::string_view account, region, vpc_id, subnet_id, subnet_name, group, instance_id;
  /// The asker's own, then of instance, interface, the interface's owner and group, whichever are
  /// known. No tags at all say nothing: many a source does not print them, and AWS puts none on
  /// interfaces that it makes.
  std::array<const Tags*, 5> tags{};
};

/// What one fact says of one environment: kSilent when the environment does not ask or the fact is
/// not known.
enum class Verdict : std::uint8_t { kSilent, kMatches, kContradicts };

Verdict one_of(const std::vector<std::string>& wanted, std::string_view fact,
               std::string_view other = {}) {
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
      if (tags == nullptr || tags->empty()) continue;
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

/// Asks about the fact at all.
bool asks(const EnvironmentMatch& wanted, int fact) {
  switch (fact) {
    case 0:
      return !wanted.accounts.empty() || !wanted.region.empty();
    case 1:
      return !wanted.vpcs.empty();
    case 2:
      return !wanted.subnets.empty();
    case 3:
      return !wanted.groups.empty();
    default:
      return !wanted.instances.empty() || !wanted.tags.empty();
  }
}

/// Everything that an environment asks for has to hold as far as it is known, so what any fact
/// contradicts is out. Of the rest, fact by fact, the most stable first: where exactly one is
/// matched, it is the answer, whatever a less stable fact would say; where several are, whoever has
/// matched nothing so far drops out and the next fact narrows. Of several that hold to the end it is
/// the only one of which everything that it asks for is known.
std::string_view decide(const std::vector<EnvironmentMatch>& environments,
                        const KnownFacts& facts) {
  struct Candidate {
    const EnvironmentMatch* environment;
    std::array<Verdict, kFacts> verdicts{};
    bool matched = false;  ///< By some fact so far.
    bool complete = true;  ///< Every fact that it asks for is known.
  };
  thread_local std::vector<Candidate> left;
  left.clear();
  for (const EnvironmentMatch& one : environments) {
    if (one.empty()) continue;
    Candidate candidate{&one};
    bool contradicted = false;
    for (int fact = 0; fact < kFacts && !contradicted; ++fact) {
      const Verdict verdict = judge(one, facts, fact);
      candidate.verdicts[static_cast<std::size_t>(fact)] = verdict;
      contradicted = verdict == Verdict::kContradicts;
      if (verdict == Verdict::kSilent && asks(one, fact)) candidate.complete = false;
    }
    if (!contradicted) left.push_back(candidate);
  }
  for (std::size_t fact = 0; fact < kFacts; ++fact) {
    const auto matching = [fact](const Candidate& one) {
      return one.verdicts[fact] == Verdict::kMatches;
    };
    const auto matches = std::ranges::count_if(left, matching);
    if (matches == 1) return std::ranges::find_if(left, matching)->environment->name;
    if (matches == 0) continue;
    for (Candidate& one : left) one.matched = one.matched || matching(one);
    std::erase_if(left, [](const Candidate& one) { return !one.matched; });
  }
  const auto holds = [](const Candidate& one) { return one.matched && one.complete; };
  if (std::ranges::count_if(left, holds) == 1)
    return std::ranges::find_if(left, holds)->environment->name;
  // One that asks for accounts or a region only has no match to speak of; it takes what does not
  // contradict it.
  if (environments.size() == 1) {
    const EnvironmentMatch& only = environments.front();
    bool matchless = true;
    for (int fact = 1; fact < kFacts; ++fact) matchless = matchless && !asks(only, fact);
    if (matchless && judge(only, facts, 0) != Verdict::kContradicts) return only.name;
  }
  return kUnassigned;
}

std::string_view or_else(std::string_view value, std::string_view fallback) {
  return value.empty() ? fallback : value;
}

}  // namespace

bool EnvironmentMatch::empty() const noexcept {
  return accounts.empty() && region.empty() && vpcs.empty() && subnets.empty() && groups.empty() &&
         instances.empty() && tags.empty();
}

std::string_view Inventory::environment_of(const Facts& facts) const {
  KnownFacts known{.account = facts.account,
                   .region = facts.region,
                   .vpc_id = facts.vpc_id,
                   .subnet_id = facts.subnet_id,
                   .subnet_name = {},
                   .group = facts.group,
                   .instance_id = facts.instance_id};
  known.tags[0] = facts.tags;
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
      known.tags[2] = &interface->tags;
      if (const Resource* owner =
              interface->resource_id.empty() ? nullptr : resource(interface->resource_id);
          owner != nullptr && !owner->planned) {
        known.account = or_else(known.account, owner->account);
        known.region = or_else(known.region, owner->region);
        known.tags[3] = &owner->tags;
      }
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
      known.tags[1] = &found->tags;
    }
  }
  if (!known.group.empty()) {
    if (const Group* found = group(known.group, facts.at_s)) {
      known.account = or_else(known.account, found->account);
      known.region = or_else(known.region, found->region);
      known.tags[4] = &found->tags;
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

std::string_view Inventory::environment_of_tags(const Tags& tags, std::string_view account,
                                                std::string_view region) const {
  return environment_of({.account = account, .region = region, .tags = &tags});
}

}  // namespace fleetmeter::aggregator
