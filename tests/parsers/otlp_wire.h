#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace fleetmeter::parsers::testing {

inline std::string varint(std::uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  return out + static_cast<char>(value);
}

inline std::string length_field(std::uint32_t number, std::string_view content) {
  return varint(number << 3 | 2) + varint(content.size()) + std::string{content};
}

inline std::string fixed64_field(std::uint32_t number, std::uint64_t value) {
  std::string out = varint(number << 3 | 1);
  for (int i = 0; i < 8; ++i) out += static_cast<char>(value >> (8 * i));
  return out;
}

}  // namespace fleetmeter::parsers::testing
