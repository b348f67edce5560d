#include "parsers/identity_memory.h"

#include <atomic>
#include <cstring>

namespace fleetmeter::parsers {
namespace {

// Of the whole process: decoders of several threads hand their records to one collector.
std::atomic<std::uint64_t> next_id{1};

}  // namespace

bool IdentityMemory::is_key_of(const Entry& entry, const Key& key) noexcept {
  return entry.bytes.size() == key.bytes.size() && entry.first_bytes == key.first_bytes &&
         std::memcmp(entry.bytes.data(), key.bytes.data(), key.bytes.size()) == 0;
}

const IdentityMemory::Entry* IdentityMemory::look_up(const Key& key) {
  missed_hash_ = mix(hash_text(key.bytes), key.first_bytes);
  const std::uint32_t found = by_key_.find(
      missed_hash_, [&](std::uint32_t index) { return is_key_of(entries_[index], key); });
  return found != IndexTable::kNone ? &entries_[found] : nullptr;
}

bool IdentityMemory::find(const Key& key, Meaning& meaning, std::vector<Dimension>& dimensions) {
  missed_ = false;
  if (rest_ > 0) {
    --rest_;
    return false;
  }
  if (key.bytes.size() > kKeyBytesMax || !is_repeated(key)) return false;
  if (expected_ >= entries_.size()) expected_ = 0;
  const Entry* entry = entries_.data() + expected_;
  if (entries_.empty() || !is_key_of(*entry, key)) entry = look_up(key);
  missed_ = entry == nullptr;
  if (missed_) return false;
  answer(*entry, key.bytes.data(), meaning, dimensions);
  return true;
}

bool IdentityMemory::is_repeated(const Key& key) {
  if (repeats_) return true;
  if (key.bytes == sample_) {
    repeats_ = true;
  } else if (sample_.empty() || ++others_ >= kSampled * entries_max_) {
    sample_ = key.bytes;
    others_ = 0;
  }
  return repeats_;
}

std::size_t IdentityMemory::find_next(const char* at, const char* end, Meaning& meaning,
                                      std::vector<Dimension>& dimensions) {
  if (entries_.empty()) return 0;
  if (expected_ >= entries_.size()) expected_ = 0;
  const Entry& entry = entries_[expected_];
  const std::size_t size = entry.bytes.size();
  if (static_cast<std::size_t>(end - at) < size || std::memcmp(at, entry.bytes.data(), size) != 0)
    return 0;
  answer(entry, at, meaning, dimensions);
  return size;
}

void IdentityMemory::answer(const Entry& entry, const char* base, Meaning& meaning,
                            std::vector<Dimension>& dimensions) {
  expected_ = static_cast<std::uint32_t>(&entry - entries_.data()) + 1;
  ++answered_;
  const auto text = [base](Place place) { return std::string_view{base + place.at, place.size}; };
  meaning = {entry.id, text(entry.metric_namespace), text(entry.name), entry.unknown_keys};
  const DimensionPlace* const first = dimensions_.data() + entry.first_dimension;
  for (std::size_t i = 0; i < entry.dimension_count; ++i)
    dimensions.push_back({text(first[i].name), text(first[i].value)});
}

std::uint64_t IdentityMemory::keep(const Key& key, const Meaning& meaning,
                                   std::span<const Dimension> dimensions) {
  if (!missed_ || dimensions.size() > kDimensionsMax) return 0;
  if (!make_room(key.bytes.size() + dimensions.size() * sizeof(DimensionPlace))) return 0;
  const auto place = [&](std::string_view text) {
    if (text.empty()) return Place{};
    return Place{static_cast<std::uint16_t>(text.data() - key.bytes.data()),
                 static_cast<std::uint16_t>(text.size())};
  };
  const auto index = static_cast<std::uint32_t>(entries_.size());
  entries_.push_back({.bytes = keys_.keep(key.bytes),
                      .id = next_id.fetch_add(1, std::memory_order_relaxed),
                      .first_dimension = static_cast<std::uint32_t>(dimensions_.size()),
                      .dimension_count = static_cast<std::uint16_t>(dimensions.size()),
                      .first_bytes = static_cast<std::uint16_t>(key.first_bytes),
                      .unknown_keys = static_cast<std::uint32_t>(meaning.unknown_keys),
                      .metric_namespace = place(meaning.metric_namespace),
                      .name = place(meaning.name)});
  for (const Dimension& dimension : dimensions)
    dimensions_.push_back({place(dimension.name), place(dimension.value)});
  by_key_.insert(missed_hash_, index);
  expected_ = index + 1;
  return entries_.back().id;
}

bool IdentityMemory::make_room(std::size_t bytes) {
  if (entries_.size() < entries_max_ && bytes_ + bytes <= kBytesMax) {
    bytes_ += bytes;
    return true;
  }
  if (++refused_ < entries_max_) return false;
  if (answered_ < refused_ / 4) {
    entries_.clear();
    dimensions_.clear();
    keys_.clear();
    by_key_.clear();
    bytes_ = 0;
    rest_ = kRest * entries_max_;
  }
  answered_ = 0;
  refused_ = 0;
  return false;
}

}  // namespace fleetmeter::parsers
