#include "parsers/otlp_attributes.h"

#include <algorithm>
#include <atomic>
#include <cstring>

namespace fleetmeter::parsers {
namespace {

// Of the whole process: decoders of several threads hand their records to one collector.
std::atomic<std::uint64_t> next_id{1};

constexpr std::size_t kSlotsAtFirst = 1024;
// Slots that are looked at: of more keys with one hash, which do not happen by chance, the first is
// lost.
constexpr std::uint32_t kStepsMax = 64;

std::uint64_t word_at(const char* at, std::size_t size) noexcept {
  std::uint64_t word = 0;
  std::memcpy(&word, at, size);
  return word;
}

std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
  const auto product =
      static_cast<unsigned __int128>(a ^ 0x9e3779b97f4a7c15u) * (b ^ 0xd6e8feb86659fd93u);
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

std::uint32_t hash_of(const OtlpAttributes::Key& key) noexcept {
  std::uint64_t hash = key.first_bytes;
  const char* at = key.bytes.data();
  std::size_t left = key.bytes.size();
  for (; left >= 16; at += 16, left -= 16) hash = mix(word_at(at, 8), word_at(at + 8, 8) ^ hash);
  const std::size_t front = std::min<std::size_t>(left, 8);
  hash = mix(word_at(at, front), word_at(at + front, left - front) ^ hash);
  return static_cast<std::uint32_t>(mix(hash, key.bytes.size()));
}

}  // namespace

bool OtlpAttributes::is_key_of(const Entry& entry, const Key& key) noexcept {
  return entry.bytes.size() == key.bytes.size() && entry.first_bytes == key.first_bytes &&
         std::memcmp(entry.bytes.data(), key.bytes.data(), key.bytes.size()) == 0;
}

const OtlpAttributes::Entry* OtlpAttributes::look_up(const Key& key) {
  missed_hash_ = hash_of(key);
  if (slots_.empty()) return nullptr;
  for (std::uint32_t step = 0; step < kStepsMax; ++step) {
    const Slot slot = slots_[(missed_hash_ + step) & (slots_.size() - 1)];
    if (slot.index_plus_1 == 0) return nullptr;
    const Entry& entry = entries_[slot.index_plus_1 - 1];
    if (slot.hash == missed_hash_ && is_key_of(entry, key)) return &entry;
  }
  return nullptr;
}

bool OtlpAttributes::find(const Key& key, Meaning& meaning, std::vector<Dimension>& dimensions) {
  missed_ = false;
  if (rest_ > 0) {
    --rest_;
    return false;
  }
  if (key.bytes.size() > kKeyBytesMax) return false;
  if (expected_ >= entries_.size()) expected_ = 0;
  const Entry* entry = entries_.data() + expected_;
  if (entries_.empty() || !is_key_of(*entry, key)) entry = look_up(key);
  missed_ = entry == nullptr;
  if (missed_) return false;
  expected_ = static_cast<std::uint32_t>(entry - entries_.data()) + 1;
  ++answered_;
  const char* const base = key.bytes.data();
  const auto text = [base](Place place) { return std::string_view{base + place.at, place.size}; };
  meaning = {entry->id, text(entry->metric_namespace), text(entry->name), entry->unknown_keys};
  const DimensionPlace* const first = dimensions_.data() + entry->first_dimension;
  for (std::size_t i = 0; i < entry->dimension_count; ++i)
    dimensions.push_back({text(first[i].name), text(first[i].value)});
  return true;
}

std::uint64_t OtlpAttributes::keep(const Key& key, const Meaning& meaning,
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
                      .hash = missed_hash_,
                      .first_dimension = static_cast<std::uint32_t>(dimensions_.size()),
                      .dimension_count = static_cast<std::uint16_t>(dimensions.size()),
                      .first_bytes = static_cast<std::uint16_t>(key.first_bytes),
                      .unknown_keys = static_cast<std::uint32_t>(meaning.unknown_keys),
                      .metric_namespace = place(meaning.metric_namespace),
                      .name = place(meaning.name)});
  for (const Dimension& dimension : dimensions)
    dimensions_.push_back({place(dimension.name), place(dimension.value)});
  if (2 * entries_.size() > slots_.size()) {
    slots_.assign(std::max(kSlotsAtFirst, 2 * slots_.size()), {});
    for (std::uint32_t i = 0; i < index; ++i) put({entries_[i].hash, i + 1});
  }
  put({missed_hash_, index + 1});
  expected_ = index + 1;
  return entries_.back().id;
}

void OtlpAttributes::put(Slot slot) {
  const std::size_t mask = slots_.size() - 1;
  std::uint32_t step = 0;
  while (step < kStepsMax && slots_[(slot.hash + step) & mask].index_plus_1 != 0) ++step;
  slots_[(slot.hash + step % kStepsMax) & mask] = slot;
}

bool OtlpAttributes::make_room(std::size_t bytes) {
  if (entries_.size() < entries_max_ && bytes_ + bytes <= kBytesMax) {
    bytes_ += bytes;
    return true;
  }
  if (++refused_ < entries_max_) return false;
  if (answered_ < refused_ / 4) {
    entries_.clear();
    dimensions_.clear();
    keys_.clear();
    std::fill(slots_.begin(), slots_.end(), Slot{});
    bytes_ = 0;
    rest_ = kRest * entries_max_;
  }
  answered_ = 0;
  refused_ = 0;
  return false;
}

}  // namespace fleetmeter::parsers
