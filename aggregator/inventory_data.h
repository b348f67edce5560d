#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "aggregator/cidr.h"
#include "aggregator/inventory.h"

namespace fleetmeter::aggregator {

/// A VPC is looked up by its ranges alone.
struct Vpc {
  std::string id, name, region, account;
  std::vector<std::string> cidrs;
  Tags tags;
};

/// What the readers put in, before it is merged and indexed.
struct InventoryEntries {
  std::vector<Vpc> vpcs;
  std::vector<Subnet> subnets;
  std::vector<Interface> interfaces;
  std::vector<Instance> instances;
  std::vector<Group> groups;
  std::vector<Resource> resources;
  std::vector<EnvironmentMatch> environments;
};

/// Joins what several sources say of one thing: a later source wins where it says something.
/// Entries of one id that state validities which do not touch are different times of it and stay
/// apart. Fills in what follows (region from zone, group of an instance from its group's list or
/// tag, subnet's VPC), then sorts by id and time, so that equal content is equal.
void merge_entries(InventoryEntries& entries);

/// Plain JSON (docs/inventory.md), sorted and without what is empty: equal for equal entries.
[[nodiscard]] std::string write_inventory(const InventoryEntries& entries);

/// "us-east-1" of "us-east-1a" and of the local zone "us-west-2-lax-1a"; empty when it is no zone.
[[nodiscard]] std::string region_of_zone(std::string_view zone);
/// The fields 3 and 4 (region, account) of an ARN; empty when it is none.
[[nodiscard]] std::pair<std::string, std::string> region_and_account_of_arn(std::string_view arn);

/// Entries of one id: [first, first + count) in the sorted vector.
struct EntryRange {
  std::uint32_t first = 0, count = 0;
};
/// Ids to entries: open addressing over the hash, so that a lookup costs one probe and one
/// comparison of the id itself.
class IdIndex {
 public:
  void reserve(std::size_t ids);
  /// Counts one more entry of `id`; the first one's index is `first`. The id's bytes must outlive
  /// the index.
  void add(std::string_view id, std::uint32_t first);
  /// count 0 = not there.
  [[nodiscard]] EntryRange find(std::string_view id) const noexcept;
  template <typename Visit>
  void for_each_id(Visit visit) const {
    for (const Slot& slot : slots_) {
      if (slot.range.count != 0) visit(slot.id);
    }
  }

 private:
  struct Slot {
    std::string_view id;
    std::size_t hash = 0;
    EntryRange range;
  };
  std::vector<Slot> slots_;  // A power of two, at most half full.
};
/// Where an interface lies, found once when the inventory is made.
struct InterfaceLinks {
  EntryRange instances;
  std::uint32_t subnet = CidrTable::kNone;
};

struct Inventory::Data {
  InventoryEntries entries;  // Never changes after index(): the maps hold views into it.
  std::string serialized;
  std::uint64_t version = 0;

  IdIndex interfaces, instances, groups, subnets, resources;
  std::vector<InterfaceLinks> links;  // One an interface.
  std::unordered_set<std::string_view> known;
  struct AddressOwner {
    std::uint32_t interface;
    bool is_private;
  };
  std::unordered_map<parsers::IpAddress, std::vector<AddressOwner>, AddressHash> addresses;
  CidrTable subnet_ranges, vpc_ranges;
  std::vector<std::string> vpc_ids;  // Empty, as `vpcs`, where there are less than two.
  struct VpcRanges {
    CidrTable subnets, all;
  };
  std::unordered_map<std::string_view, VpcRanges> vpcs;

  void index();
  void index_vpcs();
  /// Of its own range; nullopt where the address is beyond it.
  [[nodiscard]] std::optional<Place> place_within(std::string_view vpc_id,
                                                  const parsers::IpAddress& address,
                                                  std::int64_t at_s) const;
  /// Of one of `entries.interfaces`, or of none.
  [[nodiscard]] Place place_of(const Interface* interface, std::int64_t at_s) const;
  void set_subnet(Place& place, const CidrTable& ranges, const parsers::IpAddress& address) const;
};

}  // namespace fleetmeter::aggregator
