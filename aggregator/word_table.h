#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "parsers/huge_pages.h"
#include "parsers/index_table.h"

namespace fleetmeter::aggregator {

/// Open-addressing table from a key of whole words to a small number, both in the slot, so that a
/// look-up costs one cache miss, which prefetch() can hide. At most five eighths full; never
/// shrinks, so a reused one stops allocating.
template <std::size_t kWords>
class WordTable {
 public:
  using Key = std::array<std::uint64_t, kWords>;
  static constexpr std::uint32_t kNone = 0xffffffff;

  WordTable() : slots_(kSlotsAtFirst) {}

  [[nodiscard]] static std::uint64_t hash(const Key& key) noexcept {
    std::uint64_t hash = key[0];
    if constexpr (kWords == 1) return parsers::mix(hash, 0);
    for (std::size_t i = 1; i < kWords; ++i) hash = parsers::mix(hash, key[i]);
    return hash;
  }
  void prefetch(std::uint64_t hash) const noexcept { __builtin_prefetch(&slots_[hash & mask_]); }
  /// kNone when it is not there.
  [[nodiscard]] std::uint32_t find(const Key& key, std::uint64_t hash) const noexcept {
    for (std::size_t at = hash & mask_;; at = (at + 1) & mask_) {
      const Slot& slot = slots_[at];
      if (slot.value_plus_1 == 0) return kNone;
      if (equal(slot.key, key)) return slot.value_plus_1 - 1;
    }
  }
  [[nodiscard]] std::uint32_t find(const Key& key) const noexcept { return find(key, hash(key)); }
  /// The key is not there yet; `value` is below kNone.
  void insert(const Key& key, std::uint32_t value) {
    if (8 * (count_ + 1) > 5 * slots_.size()) grow();
    put({key, value + 1});
    ++count_;
  }
  [[nodiscard]] std::size_t size() const noexcept { return count_; }
  void clear() noexcept {
    if (count_ > 0) std::fill(slots_.begin(), slots_.end(), Slot{});
    count_ = 0;
  }

 private:
  /// None lies across two cache lines.
  struct alignas(kWords == 2 ? 32 : 8) Slot {
    Key key{};
    std::uint32_t value_plus_1 = 0;  ///< 0 = free.
  };
  using Slots = std::vector<Slot, parsers::HugePages<Slot>>;
  static constexpr std::size_t kSlotsAtFirst = 256;

  /// The library's would call memcmp.
  [[nodiscard]] static bool equal(const Key& a, const Key& b) noexcept {
    std::uint64_t differs = 0;
    for (std::size_t i = 0; i < kWords; ++i) differs |= a[i] ^ b[i];
    return differs == 0;
  }

  void put(const Slot& slot) noexcept {
    std::size_t at = hash(slot.key) & mask_;
    while (slots_[at].value_plus_1 != 0) at = (at + 1) & mask_;
    slots_[at] = slot;
  }
  void grow() {
    Slots old(slots_.size() * 2);
    old.swap(slots_);
    mask_ = slots_.size() - 1;
    for (const Slot& slot : old) {
      if (slot.value_plus_1 != 0) put(slot);
    }
  }

  Slots slots_;
  std::size_t mask_ = kSlotsAtFirst - 1;  ///< Slots less one; a division cheaper than their number.
  std::size_t count_ = 0;
};

}  // namespace fleetmeter::aggregator
