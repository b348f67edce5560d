#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace fleetmeter::aggregator {

/// Bits in which sizeof(Word) bytes differ.
template <typename Word>
[[nodiscard]] std::uint64_t difference_of(const char* a, const char* b) noexcept {
  Word left;
  Word right;
  std::memcpy(&left, a, sizeof left);
  std::memcpy(&right, b, sizeof right);
  return left ^ right;
}

/// Two words that a processor handles at once.
using Pair [[gnu::vector_size(16)]] = std::uint64_t;

[[nodiscard]] inline Pair pair_difference(const char* a, const char* b) noexcept {
  Pair left;
  Pair right;
  std::memcpy(&left, a, sizeof left);
  std::memcpy(&right, b, sizeof right);
  return left ^ right;
}

/// Of texts of some ten to a hundred bytes, most of them equal: words, of which the last overlaps
/// the one before, are sooner compared than memcmp is called.
[[nodiscard, gnu::always_inline]] inline bool equal_bytes(const char* a, const char* b,
                                                          std::size_t size) noexcept {
  if (size >= 16) {
    Pair difference = pair_difference(a + size - 16, b + size - 16);
    for (std::size_t i = 0; i + 16 < size; i += 16) difference |= pair_difference(a + i, b + i);
    return (difference[0] | difference[1]) == 0;
  }
  if (size >= 8) {
    return (difference_of<std::uint64_t>(a, b) |
            difference_of<std::uint64_t>(a + size - 8, b + size - 8)) == 0;
  }
  if (size >= 4) {
    return (difference_of<std::uint32_t>(a, b) |
            difference_of<std::uint32_t>(a + size - 4, b + size - 4)) == 0;
  }
  std::uint64_t difference = 0;
  for (std::size_t i = 0; i < size; ++i) difference |= difference_of<std::uint8_t>(a + i, b + i);
  return difference == 0;
}

}  // namespace fleetmeter::aggregator
