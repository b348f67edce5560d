#include "parsers/flow_values.h"

#include <arpa/inet.h>

namespace fleetmeter::parsers {
namespace {

constexpr std::size_t kIpv4TextMin = 7;
constexpr std::size_t kIpv4TextMax = 15;

bool parse_ipv4(const char* token, std::size_t length, IpAddress& address) noexcept {
  const char* at = token;
  const char* const end = token + length;
  std::uint32_t bits = 0;
  for (int octet = 0; octet < 4; ++octet) {
    if (octet > 0 && (at == end || *at++ != '.')) return false;
    const char* const first = at;
    std::uint32_t value = 0;
    while (at != end && static_cast<unsigned char>(*at - '0') <= 9)
      value = value * 10 + static_cast<std::uint32_t>(*at++ - '0');
    const auto digits = at - first;
    if (digits == 0 || digits > 3 || value > 255 || (digits > 1 && *first == '0')) return false;
    bits = bits << 8 | value;
  }
  address = {0, std::uint64_t{0xffff00000000} | bits};
  return at == end;
}

bool parse_ipv6(const char* token, std::size_t length, IpAddress& address) noexcept {
  char text[INET6_ADDRSTRLEN];
  if (length >= sizeof text) return false;
  std::memcpy(text, token, length);
  text[length] = '\0';
  unsigned char bytes[16];
  if (inet_pton(AF_INET6, text, bytes) != 1) return false;
  address = {};
  for (int i = 0; i < 8; ++i) {
    address.high = address.high << 8 | bytes[i];
    address.low = address.low << 8 | bytes[8 + i];
  }
  return true;
}

}  // namespace

bool parse_address(const char* token, std::size_t length, IpAddress& address) noexcept {
  if (length >= kIpv4TextMin && length <= kIpv4TextMax && parse_ipv4(token, length, address))
    return true;
  if (std::memchr(token, ':', length) == nullptr || std::memchr(token, '\0', length) != nullptr)
    return false;
  return parse_ipv6(token, length, address);
}

}  // namespace fleetmeter::parsers
