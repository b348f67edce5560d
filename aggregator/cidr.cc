#include "aggregator/cidr.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>

namespace fleetmeter::aggregator {
namespace {

constexpr std::uint8_t kMappedBits = 96;  // ::ffff:0:0/96 in front of an IPv4 address.

std::uint64_t big_endian(const unsigned char* at) {
  std::uint64_t value = 0;
  for (int i = 0; i < 8; ++i) value = value << 8 | at[i];
  return value;
}

parsers::IpAddress masked(const parsers::IpAddress& address, std::uint8_t length) {
  const auto keep = [](std::uint64_t bits, int count) {
    if (count <= 0) return std::uint64_t{0};
    return count >= 64 ? bits : bits & (~std::uint64_t{0} << (64 - count));
  };
  return {.high = keep(address.high, length), .low = keep(address.low, length - 64)};
}

}  // namespace

std::optional<parsers::IpAddress> parse_address(std::string_view text) {
  std::array<char, INET6_ADDRSTRLEN> copy{};
  if (text.empty() || text.size() >= copy.size()) return std::nullopt;
  std::memcpy(copy.data(), text.data(), text.size());
  std::array<unsigned char, 16> bytes{};
  if (::inet_pton(AF_INET, copy.data(), &bytes[12]) == 1) {
    bytes[10] = bytes[11] = 0xff;
  } else if (::inet_pton(AF_INET6, copy.data(), bytes.data()) != 1) {
    return std::nullopt;
  }
  return parsers::IpAddress{.high = big_endian(&bytes[0]), .low = big_endian(&bytes[8])};
}

std::optional<Cidr> parse_cidr(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  const auto address = parse_address(text.substr(0, slash));
  if (!address) return std::nullopt;
  unsigned length = 0;
  const char* end = text.data() + text.size();
  const auto [stop, failed] = std::from_chars(text.data() + slash + 1, end, length);
  const unsigned most = address->is_v4() ? 32 : 128;
  if (failed != std::errc() || stop != end || length > most) return std::nullopt;
  if (address->is_v4()) length += kMappedBits;
  const auto bits = static_cast<std::uint8_t>(length);
  return Cidr{.network = masked(*address, bits), .length = bits};
}

void CidrTable::add(const Cidr& range, std::uint32_t value) {
  auto level = std::find_if(levels_.begin(), levels_.end(),
                            [&](const Level& one) { return one.length <= range.length; });
  if (level == levels_.end() || level->length != range.length)
    level = levels_.insert(level, {range.length, {}});
  const auto [held, fresh] = level->values.try_emplace(range.network, value);
  if (!fresh && held->second != value) held->second = kAmbiguous;
}

std::uint32_t CidrTable::find(const parsers::IpAddress& address) const noexcept {
  for (const Level& level : levels_) {
    const auto found = level.values.find(masked(address, level.length));
    if (found != level.values.end()) return found->second;
  }
  return kNone;
}

}  // namespace fleetmeter::aggregator
