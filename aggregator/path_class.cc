#include "aggregator/path_class.h"

#include <arpa/inet.h>

namespace fleetmeter::aggregator {
namespace {

AddressRange range_of_v4(std::uint32_t a) noexcept {
  for (const SpecialNetwork& special : kSpecialNetworks) {
    if ((a ^ special.cidr.network.v4()) >> (128 - special.cidr.length) == 0) return special.range;
  }
  return AddressRange::kPublic;
}

std::array<unsigned char, 16> bytes_of(const parsers::IpAddress& address) noexcept {
  std::array<unsigned char, 16> bytes;
  for (std::size_t i = 0; i < 8; ++i) {
    bytes[i] = static_cast<unsigned char>(address.high >> (56 - 8 * i));
    bytes[8 + i] = static_cast<unsigned char>(address.low >> (56 - 8 * i));
  }
  return bytes;
}

}  // namespace

AddressRange range_of(const parsers::IpAddress& address) noexcept {
  if (address.is_v4()) return range_of_v4(address.v4());
  if ((address.high >> 57) == 0x7e) return AddressRange::kPrivate;     // fc00::/7
  if ((address.high >> 54) == 0x3fa) return AddressRange::kLinkLocal;  // fe80::/10
  if ((address.high >> 56) == 0xff) return AddressRange::kMulticast;   // ff00::/8
  if (address.high == 0 && address.low <= 1) return AddressRange::kLoopback;
  return AddressRange::kPublic;
}

std::string range_name(const parsers::IpAddress& address) {
  switch (range_of(address)) {
    case AddressRange::kPublic: {
      const bool is_nat64 = address.high == 0x0064ff9b00000000 && address.low >> 32 == 0;
      return address.is_v4() || is_nat64 ? "internet" : std::string(kIpv6Internet);
    }
    case AddressRange::kLinkLocal:
      return "link-local";
    case AddressRange::kMulticast:
      return "multicast";
    case AddressRange::kLoopback:
      return "loopback";
    case AddressRange::kPrivate:
      break;
  }
  if (address.is_v4()) return address_text({0, address.low & ~std::uint64_t{0xffff}}) + "/16";
  return address_text({address.high & ~std::uint64_t{0xffffffff}, 0}) + "/32";
}

std::string address_text(const parsers::IpAddress& address) {
  const std::array<unsigned char, 16> bytes = bytes_of(address);
  char text[INET6_ADDRSTRLEN];
  const char* written = address.is_v4() ? inet_ntop(AF_INET, bytes.data() + 12, text, sizeof text)
                                        : inet_ntop(AF_INET6, bytes.data(), text, sizeof text);
  return written == nullptr ? std::string() : std::string(written);
}

proto::PathClass classify_path(const PathEnd& source, const PathEnd& destination) noexcept {
  if (!source.present || !destination.present) return proto::PATH_UNCLASSIFIED;
  if (source.in_vpc && destination.in_vpc) {
    if (source.az == 0 || destination.az == 0) return proto::PATH_VPC_UNKNOWN_AZ;
    return source.az == destination.az ? proto::PATH_SAME_AZ : proto::PATH_CROSS_AZ;
  }
  const auto inside = [](const PathEnd& end) { return end.is_private || end.in_vpc; };
  return inside(source) && inside(destination) ? proto::PATH_OTHER_PRIVATE : proto::PATH_EXTERNAL;
}

}  // namespace fleetmeter::aggregator
