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

}  // namespace

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
