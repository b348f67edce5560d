#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "aggregator/cidr.h"
#include "parsers/flow_columns.h"
#include "proto/log.pb.h"

namespace fleetmeter::aggregator {

/// What an address says by itself. Only kPublic leaves the private networks.
enum class AddressRange : std::uint8_t { kPublic, kPrivate, kLinkLocal, kMulticast, kLoopback };

/// A network of IPv4 that is not public.
struct SpecialNetwork {
  constexpr SpecialNetwork(std::uint32_t v4, std::uint8_t length, AddressRange given) noexcept
      : cidr{{0, std::uint64_t{0xffff} << 32 | v4}, static_cast<std::uint8_t>(96 + length)},
        range(given) {}
  Cidr cidr;
  AddressRange range;
};
/// All of them; none overlaps another.
inline constexpr std::array kSpecialNetworks{
    SpecialNetwork{0x0a000000, 8, AddressRange::kPrivate},
    SpecialNetwork{0xac100000, 12, AddressRange::kPrivate},
    SpecialNetwork{0xc0a80000, 16, AddressRange::kPrivate},
    SpecialNetwork{0x64400000, 10, AddressRange::kPrivate},  // Pods of EKS, transit.
    SpecialNetwork{0xa9fe0000, 16, AddressRange::kLinkLocal},
    SpecialNetwork{0xe0000000, 4, AddressRange::kMulticast},
    SpecialNetwork{0xffffffff, 32, AddressRange::kMulticast},  // Broadcast.
    SpecialNetwork{0x7f000000, 8, AddressRange::kLoopback},
    SpecialNetwork{0, 8, AddressRange::kLoopback}};

/// Rules: RFC 1918, RFC 6598, RFC 4193 (private), RFC 3927 and RFC 4291 (link-local, multicast,
/// loopback).
[[nodiscard]] AddressRange range_of(const parsers::IpAddress& address) noexcept;

/// Name of the internet's part that no NAT gateway leads to: all of IPv6 but 64:ff9b::/96, which
/// stands for IPv4. Rule: Amazon VPC User Guide, "NAT gateways" (DNS64 and NAT64); RFC 6052.
inline constexpr std::string_view kIpv6Internet = "internet (IPv6)";

/// Name of the range for reports, few enough to group by: "internet", kIpv6Internet, "10.5.0.0/16",
/// "fd12:3456::/32", "link-local", ...
[[nodiscard]] std::string range_name(const parsers::IpAddress& address);

/// Canonical text: dotted IPv4, RFC 5952 IPv6.
[[nodiscard]] std::string address_text(const parsers::IpAddress& address);

/// One end of a record, as far as the inventory knows it. `az` is any id of the zone, equal for
/// equal zones; 0 = unknown.
struct PathEnd {
  bool present = false;
  bool is_private = false;
  bool in_vpc = false;  ///< Inside a CIDR of a known VPC.
  std::uint32_t az = 0;
  friend bool operator==(const PathEnd&, const PathEnd&) = default;
};

/// Where the two addresses of a record lie; says nothing of what the bytes pay.
[[nodiscard]] proto::PathClass classify_path(const PathEnd& source,
                                             const PathEnd& destination) noexcept;

}  // namespace fleetmeter::aggregator
