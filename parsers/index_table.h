#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

#include "parsers/flow_values.h"
#include "parsers/huge_pages.h"

namespace fleetmeter::parsers {

/// 64-bit mix of two words; both halves of a 128-bit product, so every input bit reaches every
/// output bit.
[[nodiscard]] inline std::uint64_t mix(std::uint64_t a, std::uint64_t b) noexcept {
  const auto product =
      static_cast<unsigned __int128>(a ^ 0x9e3779b97f4a7c15ull) * (b ^ 0xd6e8feb86659fd93ull);
  return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}

[[nodiscard]] inline std::uint64_t hash_text(std::string_view text) noexcept {
  const char* at = text.data();
  std::size_t left = text.size();
  std::uint64_t hash = left;
  for (; left > 16; at += 16, left -= 16) hash = mix(load_word(at) ^ hash, load_word(at + 8));
  const char* const end = at + left;
  if (text.size() >= 16) return mix(load_word(end - 16) ^ hash, load_word(end - 8));
  if (left >= 8) return mix(load_word(at) ^ hash, load_word(end - 8));
  std::uint64_t word = 0;
  if (left > 0) std::memcpy(&word, at, left);
  return mix(word ^ hash, 0);
}

/// Open-addressing table from hash to the index of an entry that the caller keeps in a vector.
/// Grows at half load; never shrinks, so a reused one stops allocating. Bound by one cache miss a
/// look-up (bench/aggregator/).
class IndexTable {
 public:
  static constexpr std::uint32_t kNone = 0xffffffff;

  IndexTable() : slots_(kSlotsAtFirst) {}

  /// Hides the cache miss of find(), some look-ups ahead.
  void prefetch(std::uint64_t hash) const noexcept {
    __builtin_prefetch(&slots_[static_cast<std::uint32_t>(hash) & (slots_.size() - 1)]);
  }
  /// Index of the entry with this hash for which `equal(index)` holds; kNone when there is none.
  template <typename Equal>
  [[nodiscard]] std::uint32_t find(std::uint64_t hash, Equal&& equal) const {
    const auto tag = static_cast<std::uint32_t>(hash);
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t at = tag & mask;; at = (at + 1) & mask) {
      const Slot slot = slots_[at];
      if (slot.index_plus_1 == 0) return kNone;
      if (slot.tag == tag && equal(slot.index_plus_1 - 1)) return slot.index_plus_1 - 1;
    }
  }
  void insert(std::uint64_t hash, std::uint32_t index) {
    if (2 * (count_ + 1) > slots_.size()) grow();
    put({static_cast<std::uint32_t>(hash), index + 1});
    ++count_;
  }
  void clear() {
    if (count_ > 0) std::fill(slots_.begin(), slots_.end(), Slot{});
    count_ = 0;
  }

 private:
  struct Slot {
    std::uint32_t tag = 0;
    std::uint32_t index_plus_1 = 0;
  };
  using Slots = std::vector<Slot, HugePages<Slot>>;
  static constexpr std::size_t kSlotsAtFirst = 1024;

  void put(Slot slot) {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = slot.tag & mask;
    while (slots_[at].index_plus_1 != 0) at = (at + 1) & mask;
    slots_[at] = slot;
  }
  void grow() {
    Slots old(slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.index_plus_1 != 0) put(slot);
    }
  }

  Slots slots_;
  std::size_t count_ = 0;
};

}  // namespace fleetmeter::parsers
