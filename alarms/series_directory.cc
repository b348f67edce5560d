#include "alarms/series_directory.h"

#include <algorithm>
#include <limits>
#include <optional>

#include "aggregator/state_codec.h"

namespace fleetmeter::alarms {
namespace {

using aggregator::GridTime;
using aggregator::Instance;
using aggregator::Inventory;
using aggregator::SeriesId;
using aggregator::Validity;

constexpr GridTime kFarFuture = std::numeric_limits<GridTime>::max() - 1;

/// Validity of the entry named `id` that holds at `at_s`, whatever its kind.
std::optional<Validity> validity_at(const Inventory& inventory, std::string_view id,
                                    GridTime at_s) {
  if (const auto* instance = inventory.instance(id, at_s)) return instance->valid;
  if (const auto* interface = inventory.place_of_interface(id, at_s).interface)
    return interface->valid;
  if (const auto* group = inventory.group(id, at_s)) return group->valid;
  const auto* resource = inventory.resource(id);
  if (resource != nullptr && resource->valid.holds(at_s)) return resource->valid;
  return std::nullopt;
}

/// Those of one machine, by their beginning; the inventory sorts by id.
std::span<const Instance> entries_of(const Inventory& inventory, std::string_view id) {
  return std::ranges::equal_range(inventory.instances(), id, {},
                                  [](const Instance& one) { return std::string_view(one.id); });
}

void narrow(const Validity& valid, GridTime at_s, GridTime& from_s, GridTime& to_s) {
  for (const GridTime bound_s : {valid.from_s, valid.to_s}) {
    if (bound_s <= at_s) {
      from_s = std::max(from_s, bound_s);
    } else {
      to_s = std::min(to_s, bound_s);
    }
  }
}

/// Narrows [from_s, to_s), which holds `at_s`, to where none of the entries named `name` begins or
/// ends; `entries` are sorted by `name_of`.
template <typename Entry>
void narrow(const std::vector<Entry>& entries, std::string Entry::*name_of, std::string_view name,
            GridTime at_s, GridTime& from_s, GridTime& to_s) {
  const auto by_name = [name_of](const Entry& one) { return std::string_view(one.*name_of); };
  for (const Entry& one : std::ranges::equal_range(entries, name, {}, by_name))
    narrow(one.valid, at_s, from_s, to_s);
}

}  // namespace

GridTime next_group_change(const Inventory& inventory, std::string_view name, GridTime after_s) {
  GridTime from_s = aggregator::kBeforeAll, to_s = aggregator::kNever;
  narrow(inventory.groups(), &aggregator::Group::name, name, after_s, from_s, to_s);
  return to_s;
}

GridTime SeriesDirectory::next_change(SeriesId id, const aggregator::SeriesKey& key,
                                      const Inventory* inventory, GridTime after_s) {
  if (inventory == nullptr) return aggregator::kNever;
  Unchanged& span = unchanged_[id];
  if (span.version == version_ && span.from_s <= after_s && after_s < span.to_s) return span.to_s;
  span = {version_, aggregator::kBeforeAll, aggregator::kNever};
  for (const auto& [name, value] : key.dimensions) {
    if (value.empty() || !inventory->known(value)) continue;
    narrow(inventory->instances(), &Instance::id, value, after_s, span.from_s, span.to_s);
    narrow(inventory->interfaces(), &aggregator::Interface::id, value, after_s, span.from_s,
           span.to_s);
    narrow(inventory->groups(), &aggregator::Group::name, value, after_s, span.from_s, span.to_s);
    if (const auto* resource = inventory->resource(value))
      narrow(resource->valid, after_s, span.from_s, span.to_s);
  }
  return span.to_s;
}

bool SeriesDirectory::ever_in_group(SeriesId id, const aggregator::SeriesKey& key,
                                    const Inventory* inventory, std::string_view group) {
  if (inventory == nullptr || !names(id).machine) return false;
  if (machine_.id != id || machine_.version != version_ || machine_.inventory != inventory)
    machine_ = {id, version_, inventory, entries_of(*inventory, key.dimension("InstanceId"))};
  return std::ranges::find(machine_.entries, group, &Instance::group) != machine_.entries.end();
}

void SeriesDirectory::add(aggregator::SeriesId id, const aggregator::SeriesKey& key) {
  if (series_.size() <= id) series_.resize(std::size_t{id} + 1);
  DimensionNames names;
  for (const auto& [name, value] : key.dimensions) {
    if (!names.joined.empty()) names.joined += ',';
    names.joined += name;
    names.machine = names.machine || name == "InstanceId";
  }
  names.count = static_cast<std::uint32_t>(key.dimensions.size());
  const auto [at, added] =
      names_ids_.try_emplace(names.joined, static_cast<std::uint32_t>(names_.size()));
  if (added) names_.push_back(std::move(names));
  series_[id].names = at->second;
  if (id < remembered_.size() && remembered_[id]) series_[id].known_once = true;
}

ResourceTerm SeriesDirectory::term(aggregator::SeriesId id, const aggregator::SeriesKey& key,
                                   const Inventory* inventory, GridTime at_s) {
  Entry& entry = series_[id];
  const bool cached = entry.version == version_ && entry.from_s <= at_s && at_s < entry.to_s;
  if (!cached) look_up(entry, key, inventory, at_s);
  return {.from_s = entry.from_s,
          .to_s = entry.to_s,
          .started = entry.from_s <= at_s,
          .ended = entry.ended,
          .group = entry.group};
}

void SeriesDirectory::look_up(Entry& entry, const aggregator::SeriesKey& key,
                              const Inventory* inventory, GridTime at_s) {
  entry.version = version_;
  entry.from_s = aggregator::kBeforeAll;
  entry.to_s = aggregator::kNever;
  entry.ended = false;
  bool known = false;
  for (const auto& [name, value] : key.dimensions) {
    if (inventory == nullptr || value.empty() || !inventory->known(value)) continue;
    known = true;
    if (const std::optional<Validity> valid = validity_at(*inventory, value, at_s)) {
      entry.from_s = std::max(entry.from_s, valid->from_s);
      entry.to_s = std::min(entry.to_s, valid->to_s);
    } else if (const std::optional<Validity> later = validity_at(*inventory, value, kFarFuture)) {
      entry.from_s = std::max(entry.from_s, later->from_s);  // Not begun yet.
    } else {
      entry.ended = true;
    }
    if (name != "InstanceId") continue;
    entry.group.clear();
    if (const auto* instance = inventory->instance(value, at_s)) {
      entry.group = instance->group;
      continue;
    }
    for (const Instance& one : entries_of(*inventory, value)) {
      if (one.valid.from_s <= at_s) entry.group = one.group;
    }
  }
  // Of one that has not begun yet only the beginning was looked up.
  if (entry.from_s > at_s) entry.version = 0;
  if (known) entry.known_once = true;
  // A file that no longer lists the resource ends it; no inventory at all says nothing.
  if (!known && entry.known_once && inventory != nullptr) entry.ended = true;
  if (!entry.ended) return;
  entry.from_s = aggregator::kBeforeAll;
  entry.to_s =
      aggregator::kBeforeAll;  // Asked for an earlier or later time, it is looked up again.
}

void SeriesDirectory::save(std::string& out) const {
  aggregator::StateWriter writer(out);
  std::uint64_t known = 0;
  for (const Entry& entry : series_) known += entry.known_once ? 1 : 0;
  writer.u64(known);
  for (std::size_t id = 0; id < series_.size(); ++id) {
    if (series_[id].known_once) writer.u32(static_cast<std::uint32_t>(id));
  }
}

bool SeriesDirectory::load(std::string_view& in) {
  aggregator::StateReader reader(in);
  for (std::uint64_t left = reader.count(); left > 0 && reader.ok(); --left) {
    const std::uint32_t id = reader.u32();
    // Far beyond any table: damage, not a series.
    if (id > (1U << 28)) return false;
    if (remembered_.size() <= id) remembered_.resize(std::size_t{id} + 1);
    remembered_[id] = true;
    if (id < series_.size()) series_[id].known_once = true;
  }
  return reader.ok();
}

}  // namespace fleetmeter::alarms
