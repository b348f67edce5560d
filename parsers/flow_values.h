#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "parsers/flow_columns.h"

namespace fleetmeter::parsers {

/// Eight bytes as they lie in memory, first byte lowest (x86-64 and AArch64 are little-endian).
[[nodiscard]] inline std::uint64_t load_word(const char* bytes) noexcept {
  std::uint64_t word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

/// 0x80 in every byte of `word` that is a blank or a control character (<= 0x20); exact in every
/// byte.
[[nodiscard]] constexpr std::uint64_t blank_mask(std::uint64_t word) noexcept {
  const std::uint64_t above = ((word & 0x7f7f7f7f7f7f7f7f) + 0x5f5f5f5f5f5f5f5f) | word;
  return ~above & 0x8080808080808080;
}

/// The number that the bytes of `digits`, each 0 to 9, are the decimal digits of, the lowest byte
/// the first.
[[nodiscard]] constexpr std::uint64_t join_digits(std::uint64_t digits) noexcept {
  digits = digits * 2561 >> 8;
  digits = (digits & 0x00ff00ff00ff00ff) * 6553601 >> 16;
  return (digits & 0x0000ffff0000ffff) * 42949672960001 >> 32;
}

/// Decodes the last `length` (1-8) bytes of `word`, shifted to its top, as decimal digits; false on
/// any other byte.
[[nodiscard]] constexpr bool decode_digits(std::uint64_t word, std::size_t length,
                                           std::uint64_t& value) noexcept {
  word <<= 64 - 8 * length;
  if (length < 8) word |= 0x3030303030303030 >> (8 * length);
  if (((word & 0xf0f0f0f0f0f0f0f0) | (((word + 0x0606060606060606) & 0xf0f0f0f0f0f0f0f0) >> 4)) !=
      0x3333333333333333) {
    return false;
  }
  value = join_digits(word & 0x0f0f0f0f0f0f0f0f);
  return true;
}

/// Unsigned decimal digits, no sign, at most 19 of them. `readable_end` bounds what may be read
/// past the token.
[[nodiscard]] inline bool parse_number(const char* token, std::size_t length,
                                       const char* readable_end, std::uint64_t& value) noexcept {
  if (length - 1 < 8 && readable_end - token >= 8)
    return decode_digits(load_word(token), length, value);
  if (length - 9 < 8) {
    std::uint64_t high = 0;
    std::uint64_t low = 0;
    if (!decode_digits(load_word(token), length - 8, high)) return false;
    if (!decode_digits(load_word(token + length - 8), 8, low)) return false;
    value = high * 100000000 + low;
    return true;
  }
  if (length == 0 || length > 19) return false;
  value = 0;
  for (std::size_t i = 0; i < length; ++i) {
    const auto digit = static_cast<unsigned char>(token[i] - '0');
    if (digit > 9) return false;
    value = value * 10 + digit;
  }
  return true;
}

/// Dotted IPv4 without leading zeros, or IPv6 text without brackets or zone.
[[nodiscard]] bool parse_address(const char* token, std::size_t length,
                                 IpAddress& address) noexcept;

}  // namespace fleetmeter::parsers
