#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "aggregator/inventory.h"
#include "aggregator/series_table.h"

namespace fleetmeter::alarms {

/// What the inventory says of the resource that a series measures, at one time.
struct ResourceTerm {
  aggregator::GridTime from_s = aggregator::kBeforeAll;  ///< When it began; kBeforeAll = not known.
  aggregator::GridTime to_s = aggregator::kNever;        ///< When the inventory says that it ends.
  bool started = true;
  bool ended = false;  ///< The inventory ended it, or knew it once and no longer does.
  /// Auto Scaling group of the machine, of one that has ended the last it had; valid until the next
  /// call.
  std::string_view group;
};

/// First time after `after_s` at which an entry of the group of that name begins or ends.
[[nodiscard]] aggregator::GridTime next_group_change(const aggregator::Inventory& inventory,
                                                     std::string_view name,
                                                     aggregator::GridTime after_s);

/// The names of a series' dimensions, shared by all series that have the same.
struct DimensionNames {
  std::string joined;  ///< "AutoScalingGroupName,InstanceId"
  std::uint32_t count = 0;
  bool machine = false;  ///< Has InstanceId.
};

/// Per series: its dimension names and its resource, looked up once per inventory version and
/// validity interval.
class SeriesDirectory {
 public:
  /// Call before any other use of `id`.
  void add(aggregator::SeriesId id, const aggregator::SeriesKey& key);
  [[nodiscard]] const DimensionNames& names(aggregator::SeriesId id) const {
    return names_[series_[id].names];
  }
  [[nodiscard]] std::uint32_t names_id(aggregator::SeriesId id) const { return series_[id].names; }

  /// The resource at `at_s`. A series is ended as soon as one of its dimension values names a
  /// resource that is.
  [[nodiscard]] ResourceTerm term(aggregator::SeriesId id, const aggregator::SeriesKey& key,
                                  const aggregator::Inventory* inventory,
                                  aggregator::GridTime at_s);
  /// First time after `after_s` at which an entry of the inventory that a dimension value names
  /// begins or ends: up to before it the resource is the same. kNever = none does.
  [[nodiscard]] aggregator::GridTime next_change(aggregator::SeriesId id,
                                                 const aggregator::SeriesKey& key,
                                                 const aggregator::Inventory* inventory,
                                                 aggregator::GridTime after_s);
  /// Whether some entry of the machine, of whatever time, names the group.
  [[nodiscard]] bool ever_in_group(aggregator::SeriesId id, const aggregator::SeriesKey& key,
                                   const aggregator::Inventory* inventory, std::string_view group);
  /// A new inventory version: every term is looked up again; what was known once stays remembered.
  void forget_terms() noexcept { ++version_; }

  void save(std::string& out) const;
  [[nodiscard]] bool load(std::string_view& in);

 private:
  struct Entry {
    std::uint32_t names = 0;
    std::uint32_t version = 0;  ///< Of the cached term; 0 = none.
    bool known_once = false;
    bool ended = false;
    aggregator::GridTime from_s = aggregator::kBeforeAll;
    aggregator::GridTime to_s = aggregator::kNever;
    std::string group;
  };
  void look_up(Entry& entry, const aggregator::SeriesKey& key,
               const aggregator::Inventory* inventory, aggregator::GridTime at_s);

  /// The series that was asked for its groups last: many rules ask one after the other.
  struct Machine {
    aggregator::SeriesId id = 0;
    std::uint32_t version = 0;
    const aggregator::Inventory* inventory = nullptr;
    std::span<const aggregator::Instance> entries;
  };

  /// Nothing that a series' dimensions name begins or ends in [from_s, to_s).
  struct Unchanged {
    std::uint32_t version = 0;
    aggregator::GridTime from_s = 0, to_s = 0;
  };

  std::uint32_t version_ = 1;
  Machine machine_;
  std::unordered_map<aggregator::SeriesId, Unchanged> unchanged_;  ///< Of those asked for it.
  std::vector<Entry> series_;
  std::vector<bool> remembered_;  ///< From a snapshot, for series that are added after it was read.
  std::vector<DimensionNames> names_;
  std::unordered_map<std::string, std::uint32_t> names_ids_;
};

}  // namespace fleetmeter::alarms
