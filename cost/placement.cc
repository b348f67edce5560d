#include <set>
#include <utility>

#include "cost/estimate.h"

namespace fleetmeter::cost {
namespace {

constexpr const char* kUnassigned = "unassigned";

/// An instant at which an entry is valid: its first, or the epoch for one that always was.
std::int64_t some_time(const aggregator::Validity& valid) {
  return valid.from_s > 0 ? valid.from_s : 0;
}

/// What every kind of entry says of its place.
template <typename Entry>
aggregator::Inventory::Facts facts_of(const Entry& entry) {
  aggregator::Inventory::Facts facts;
  facts.account = entry.account;
  facts.region = entry.region;
  facts.at_s = some_time(entry.valid);
  return facts;
}

}  // namespace

Placement::Placement(const aggregator::Inventory& inventory, std::string default_region)
    : inventory_(&inventory), only_region_(std::move(default_region)) {
  std::set<std::string> all;
  std::map<std::string, std::set<std::string>> seen;
  const auto see = [&](const std::string& environment, const std::string& region) {
    if (region.empty()) return;
    all.insert(region);
    seen[environment].insert(region);
  };
  for (const aggregator::Subnet& subnet : inventory.subnets()) {
    if (!subnet.region.empty()) all.insert(subnet.region);
  }
  for (const aggregator::Resource& resource : inventory.resources())
    see(environment_of(resource), resource.region);
  for (const aggregator::Instance& instance : inventory.instances())
    see(environment_of(instance), instance.region);
  for (const aggregator::EnvironmentMatch& match : inventory.environments()) {
    if (match.region.empty()) continue;
    all.insert(match.region);
    seen[match.name] = {match.region};
  }
  for (const auto& [environment, regions] : seen) {
    if (regions.size() == 1) regions_[environment] = *regions.begin();
  }
  if (all.size() == 1) only_region_ = *all.begin();
}

std::string Placement::environment_of(const aggregator::Resource& resource) const {
  if (!resource.environment.empty()) return resource.environment;
  return std::string(
      inventory_->environment_of_tags(resource.tags, resource.account, resource.region));
}

std::string Placement::environment_of(const aggregator::Instance& instance) const {
  aggregator::Inventory::Facts facts = facts_of(instance);
  facts.vpc_id = instance.vpc_id;
  facts.subnet_id = instance.subnet_id;
  facts.group = instance.group;
  facts.instance_id = instance.id;
  return std::string(inventory_->environment_of(facts));
}

std::string Placement::environment_of(const aggregator::Group& group) const {
  aggregator::Inventory::Facts facts = facts_of(group);
  facts.group = group.name;
  facts.tags = &group.tags;
  return std::string(inventory_->environment_of(facts));
}

std::string Placement::environment_of(const aggregator::Interface& interface) const {
  aggregator::Inventory::Facts facts = facts_of(interface);
  facts.vpc_id = interface.vpc_id;
  facts.subnet_id = interface.subnet_id;
  facts.instance_id = interface.instance_id;
  facts.interface_id = interface.id;
  facts.tags = &interface.tags;
  return std::string(inventory_->environment_of(facts));
}

std::string Placement::region_or(const std::string& region, const std::string& environment) const {
  if (!region.empty()) return region;
  const auto found = regions_.find(environment);
  return found == regions_.end() ? only_region_ : found->second;
}

std::string Placement::only_environment() const {
  const auto& environments = inventory_->environments();
  return environments.size() == 1 ? environments.front().name : kUnassigned;
}

}  // namespace fleetmeter::cost
