#include <algorithm>
#include <limits>
#include <map>
#include <tuple>

#include "aggregator/inventory_data.h"

namespace fleetmeter::aggregator {
namespace {

void take(std::string& into, std::string& from) {
  if (!from.empty()) into = std::move(from);
}
void take(Tags& into, Tags& from) {
  for (auto& [key, value] : from) into[key] = std::move(value);
}
void take(std::vector<std::string>& into, std::vector<std::string>& from) {
  for (std::string& one : from) {
    if (std::find(into.begin(), into.end(), one) == into.end()) into.push_back(std::move(one));
  }
}
void take(std::optional<std::int64_t>& into, std::optional<std::int64_t>& from) {
  if (from) into = from;
}
void take(bool& into, bool& from) { into = into || from; }
void take(Validity& into, Validity& from) {
  const Validity any;
  if (from.from_s != any.from_s) into.from_s = from.from_s;
  if (from.to_s != any.to_s) into.to_s = from.to_s;
}
void take(proto::InterfaceRole& into, proto::InterfaceRole& from) {
  // "Other" says only that no rule of ours knew it.
  const bool vague =
      from == proto::ROLE_UNKNOWN || (from == proto::ROLE_OTHER && into != proto::ROLE_UNKNOWN);
  if (!vague) into = from;
}

void merge(Vpc& a, Vpc& b) {
  take(a.name, b.name), take(a.region, b.region), take(a.account, b.account),
      take(a.cidrs, b.cidrs), take(a.tags, b.tags);
}
void merge(Subnet& a, Subnet& b) {
  take(a.vpc_id, b.vpc_id), take(a.name, b.name), take(a.cidr, b.cidr), take(a.az, b.az),
      take(a.region, b.region);
  take(a.account, b.account), take(a.tags, b.tags);
}
void merge(Interface& a, Interface& b) {
  take(a.subnet_id, b.subnet_id), take(a.vpc_id, b.vpc_id), take(a.az, b.az),
      take(a.account, b.account);
  take(a.region, b.region), take(a.instance_id, b.instance_id), take(a.resource_id, b.resource_id);
  take(a.description, b.description), take(a.private_addresses, b.private_addresses);
  take(a.public_addresses, b.public_addresses), take(a.role, b.role), take(a.tags, b.tags),
      take(a.valid, b.valid);
}
void merge(Instance& a, Instance& b) {
  take(a.type, b.type), take(a.az, b.az), take(a.group, b.group), take(a.vpc_id, b.vpc_id),
      take(a.subnet_id, b.subnet_id);
  take(a.account, b.account), take(a.region, b.region), take(a.state, b.state),
      take(a.name, b.name);
  take(a.windows, b.windows), take(a.tags, b.tags), take(a.valid, b.valid);
}
void merge(Group& a, Group& b) {
  take(a.kind, b.kind), take(a.account, b.account), take(a.region, b.region),
      take(a.minimum, b.minimum);
  take(a.maximum, b.maximum), take(a.desired, b.desired), take(a.instance_ids, b.instance_ids);
  take(a.instance_type, b.instance_type), take(a.windows, b.windows), take(a.tags, b.tags),
      take(a.valid, b.valid);
}
void merge(Resource& a, Resource& b) {
  // The address of the state file beats "type/id", which a usage file cannot name.
  if (!b.address.starts_with(b.type + "/")) take(a.address, b.address);
  take(a.type, b.type), take(a.region, b.region), take(a.account, b.account),
      take(a.environment, b.environment);
  take(a.attributes, b.attributes), take(a.tags, b.tags), take(a.valid, b.valid);
}

Validity validity_of(const Vpc&) { return {}; }
Validity validity_of(const Subnet&) { return {}; }
template <typename Entry>
Validity validity_of(const Entry& entry) {
  return entry.valid;
}

bool states_validity(const Validity& valid) {
  const Validity any;
  return valid.from_s != any.from_s || valid.to_s != any.to_s;
}
bool is_same_time(const Validity& a, const Validity& b) {
  return !states_validity(a) || !states_validity(b) || (a.from_s < b.to_s && b.from_s < a.to_s);
}

/// `key_of` yields what makes two entries the same thing.
template <typename Entry, typename Key>
void merge_all(std::vector<Entry>& entries, Key key_of) {
  using KeyType = decltype(key_of(entries.front()));
  std::map<KeyType, std::vector<Entry>> by_key;
  for (Entry& entry : entries) {
    std::vector<Entry>& same = by_key[key_of(entry)];
    const auto twin = std::find_if(same.begin(), same.end(), [&](const Entry& held) {
      return is_same_time(validity_of(held), validity_of(entry));
    });
    if (twin == same.end()) {
      same.push_back(std::move(entry));
    } else {
      merge(*twin, entry);
    }
  }
  entries.clear();
  for (auto& [key, same] : by_key) {
    std::stable_sort(same.begin(), same.end(), [](const Entry& a, const Entry& b) {
      return std::pair(validity_of(a).from_s, validity_of(a).to_s) <
             std::pair(validity_of(b).from_s, validity_of(b).to_s);
    });
    std::move(same.begin(), same.end(), std::back_inserter(entries));
  }
}

template <typename Entry>
void fill_region(std::vector<Entry>& entries) {
  for (Entry& entry : entries) {
    if (entry.region.empty()) entry.region = region_of_zone(entry.az);
  }
}

void fill(std::string& into, const std::string& from) {
  if (into.empty()) into = from;
}

template <typename Entry>
void fill_from_subnet(std::vector<Entry>& entries,
                      const std::map<std::string_view, const Subnet*>& subnets) {
  for (Entry& entry : entries) {
    const auto found = subnets.find(entry.subnet_id);
    if (found == subnets.end()) continue;
    fill(entry.vpc_id, found->second->vpc_id);
    fill(entry.az, found->second->az);
    fill(entry.region, found->second->region);
    fill(entry.account, found->second->account);
  }
}

void fill_groups(InventoryEntries& entries) {
  std::map<std::string_view, const Group*> group_of;
  for (const Group& group : entries.groups) {
    for (const std::string& id : group.instance_ids) group_of[id] = &group;
  }
  for (Instance& instance : entries.instances) {
    if (const auto tag = instance.tags.find("aws:autoscaling:groupName");
        tag != instance.tags.end()) {
      fill(instance.group, tag->second);
    }
    if (const auto found = group_of.find(instance.id); found != group_of.end())
      fill(instance.group, found->second->name);
    if (const auto name = instance.tags.find("Name"); name != instance.tags.end())
      fill(instance.name, name->second);
  }
  // The type and system of a group whose template is not in the files: those of its machines, if
  // they agree.
  std::map<std::string_view, std::pair<std::string_view, bool>> of_machines;
  std::map<std::string_view, bool> disagree;
  for (const Instance& instance : entries.instances) {
    if (instance.group.empty()) continue;
    const std::pair<std::string_view, bool> what(instance.type, instance.windows);
    const auto [held, fresh] = of_machines.try_emplace(instance.group, what);
    if (!fresh && held->second != what) disagree[instance.group] = true;
  }
  for (Group& group : entries.groups) {
    const auto found = of_machines.find(group.name);
    if (group.planned || !group.instance_type.empty() || found == of_machines.end() ||
        disagree.count(group.name) != 0)
      continue;
    group.instance_type = found->second.first;
    group.windows = found->second.second;
  }
}

/// A volume that is named by its machine (`aws ec2 describe-instances`) and described by no file.
bool is_only_named(const Resource& one) {
  return one.type == "aws_ebs_volume" && one.attributes.size() == 1 &&
         one.attributes.contains("instance_id") && one.address == one.type + "/" + one.id;
}

/// Such a volume is as old as its machine. Where the machine's resource or its group says what
/// volumes there are, it is one of those and no other.
void complete_named_volumes(InventoryEntries& entries) {
  std::unordered_map<std::string_view, const Instance*> machines;
  std::unordered_set<std::string> described;  // Own texts: resources move below.
  for (const Instance& one : entries.instances) {
    machines[one.id] = &one;
    if (!one.group.empty() || one.tags.contains("eks:nodegroup-name")) described.insert(one.id);
  }
  for (const Resource& one : entries.resources) {
    if (one.type == "aws_instance" && one.attributes.contains("instance_type"))
      described.insert(one.id);
  }
  std::vector<Resource> kept;
  for (Resource& one : entries.resources) {
    if (is_only_named(one)) {
      const auto machine = machines.find(one.attributes.at("instance_id"));
      if (machine != machines.end() && described.contains(machine->second->id)) continue;
      if (machine != machines.end()) one.valid = machine->second->valid;
    }
    kept.push_back(std::move(one));
  }
  entries.resources = std::move(kept);
}

}  // namespace

std::string region_of_zone(std::string_view zone) {
  // area-place-number and one letter; a local zone adds "-city-number" before its letter.
  std::size_t dashes = 0;
  for (std::size_t i = 0; i < zone.size(); ++i) {
    if (zone[i] == '-') ++dashes;
    const bool digit = zone[i] >= '0' && zone[i] <= '9';
    if (dashes >= 2 && digit) {
      std::size_t end = i + 1;
      while (end < zone.size() && zone[end] >= '0' && zone[end] <= '9') ++end;
      return end < zone.size() ? std::string(zone.substr(0, end)) : std::string();
    }
  }
  return {};
}

std::pair<std::string, std::string> region_and_account_of_arn(std::string_view arn) {
  if (!arn.starts_with("arn:")) return {};
  std::vector<std::string_view> fields;
  while (fields.size() < 5) {
    const std::size_t colon = arn.find(':');
    if (colon == std::string_view::npos) return {};
    fields.push_back(arn.substr(0, colon));
    arn.remove_prefix(colon + 1);
  }
  return {std::string(fields[3]), std::string(fields[4])};
}

void merge_entries(InventoryEntries& entries) {
  merge_all(entries.vpcs, [](const Vpc& one) {
    return one.id.empty() && !one.cidrs.empty() ? one.cidrs.front() : one.id;
  });
  merge_all(entries.subnets, [](const Subnet& one) { return one.id; });
  merge_all(entries.interfaces, [](const Interface& one) { return one.id; });
  merge_all(entries.instances, [](const Instance& one) { return one.id; });
  merge_all(entries.groups,
            [](const Group& one) { return std::tuple(one.name, one.planned, one.region); });
  merge_all(entries.resources, [](const Resource& one) {
    return std::tuple(one.id.empty() ? one.address : one.id, one.planned, one.type);
  });
  std::map<std::string_view, const Subnet*> subnets;
  fill_region(entries.subnets);
  for (const Subnet& subnet : entries.subnets) subnets[subnet.id] = &subnet;
  fill_from_subnet(entries.interfaces, subnets);
  fill_from_subnet(entries.instances, subnets);
  fill_region(entries.interfaces);
  fill_region(entries.instances);
  for (Interface& interface : entries.interfaces) {
    if (interface.role == proto::ROLE_UNKNOWN && !interface.instance_id.empty())
      interface.role = proto::ROLE_INSTANCE;
  }
  fill_groups(entries);
  complete_named_volumes(entries);
  // What is planned first: of an id, resource() finds the last.
  std::stable_sort(entries.resources.begin(), entries.resources.end(),
                   [](const Resource& a, const Resource& b) {
                     return std::tie(a.id, b.planned, a.address, a.valid.from_s) <
                            std::tie(b.id, a.planned, b.address, b.valid.from_s);
                   });
  std::stable_sort(entries.groups.begin(), entries.groups.end(),
                   [](const Group& a, const Group& b) {
                     return std::tie(a.name, a.planned) < std::tie(b.name, b.planned);
                   });
}

}  // namespace fleetmeter::aggregator
