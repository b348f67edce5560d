#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "parsers/flow_columns.h"

namespace fleetmeter::aggregator {

struct AddressHash {
  std::size_t operator()(const parsers::IpAddress& address) const noexcept {
    std::uint64_t mixed = address.low * 0x9e3779b97f4a7c15U ^ address.high * 0xc2b2ae3d27d4eb4fU;
    return static_cast<std::size_t>(mixed ^ (mixed >> 29));
  }
};

/// An address range; `length` counts in the mapped form, so that 10.0.0.0/8 has 104 bits.
struct Cidr {
  parsers::IpAddress network;
  std::uint8_t length = 128;
};

/// nullopt when the text is neither an IPv4 nor an IPv6 address.
[[nodiscard]] std::optional<parsers::IpAddress> parse_address(std::string_view text);
/// nullopt when the text is no `address/length`; bits behind the length are cleared.
[[nodiscard]] std::optional<Cidr> parse_cidr(std::string_view text);

/// Longest-prefix lookup of values by address. Built once, then read from any thread. One hash
/// lookup for each distinct prefix length: a fleet has a handful of them.
class CidrTable {
 public:
  static constexpr std::uint32_t kNone = 0xffffffff;
  /// Two ranges that are equal: it cannot be told whose the address is.
  static constexpr std::uint32_t kAmbiguous = 0xfffffffe;

  void add(const Cidr& range, std::uint32_t value);
  [[nodiscard]] std::uint32_t find(const parsers::IpAddress& address) const noexcept;

 private:
  struct Level {
    std::uint8_t length;
    std::unordered_map<parsers::IpAddress, std::uint32_t, AddressHash> values;
  };
  std::vector<Level> levels_;  // Longest first.
};

}  // namespace fleetmeter::aggregator
