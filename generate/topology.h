#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "generate/fleet.h"

namespace fleetmeter::generate {

/// A network interface that flow logs capture at: an instance's or a NAT gateway's.
struct Endpoint {
  std::string interface_id, address;
  std::string instance_id;  ///< Empty at a gateway.
  std::string subnet_id;
  std::uint32_t zone = 0;
};
struct Machine {
  Endpoint at;
  std::uint32_t group = 0;
  std::uint32_t place = 0;  ///< Position in its zone.
  std::uint32_t traffic_weight =
      1;  ///< Multiplies its bytes; three machines talk far more than the rest.
  std::int32_t cpu_offset_quarters = 0;
  std::uint32_t memory_percent = 0, disk_percent = 0;  ///< At rest.
};
struct Gateway {
  Endpoint at;
  std::string id, public_address, allocation_id;
};
struct Subnet {
  std::string id, cidr, name;
  std::uint32_t zone = 0;
  bool is_public = false;
};
struct Zone {
  std::string name, id;  ///< "us-east-1a", "use1-az1".
  std::vector<std::uint32_t> machines;
  std::uint32_t gateway = 0;  ///< The one its machines leave through.
};

/// Who is in the fleet: a pure function of the options.
struct Topology {
  std::string vpc_id, flow_log_id, stream_name;
  std::vector<Zone> zones;
  std::vector<Subnet> subnets;
  std::vector<Machine> machines;
  std::vector<Gateway> gateways;
  std::vector<std::vector<std::uint32_t>> group_machines;
};

/// Lays the fleet out: gateways in public 10.0.1.0/24 and on, one a zone; machines in
/// private 10.0.10.0/24 and on, 240 a subnet, zones alternating. kInvalidArgument names the option
/// that does not work.
Result<Topology> lay_out(const FleetOptions& options);

/// Addresses outside the VPC: internet hosts (documentation ranges, so nobody's), and the company's
/// network behind a VPN.
inline constexpr std::array<const char*, 16> kInternetHosts = {
    "203.0.113.10",  "203.0.113.27",   "203.0.113.41",   "203.0.113.58",
    "203.0.113.76",  "203.0.113.93",   "203.0.113.119",  "203.0.113.204",
    "198.51.100.8",  "198.51.100.23",  "198.51.100.47",  "198.51.100.66",
    "198.51.100.90", "198.51.100.133", "198.51.100.171", "198.51.100.240"};
inline constexpr std::array<const char*, 4> kCorporateHosts = {"172.16.5.10", "172.16.5.11",
                                                               "172.16.9.20", "172.16.9.31"};
inline constexpr const char* kScanner = "172.31.66.6";

/// Stateless random numbers: a stream is fixed by what it is for, so no draw depends on the order
/// of others.
class Random {
 public:
  Random(std::uint64_t seed, std::uint64_t a, std::uint64_t b = 0) noexcept
      : state_(mix(seed * 0x9e3779b97f4a7c15ull +
                   mix(a * 0xbf58476d1ce4e5b9ull + mix(b + 0x632be59bd9b4e019ull)))) {}
  /// SplitMix64's finalizer: a bijection, so distinct inputs stay distinct.
  [[nodiscard]] static std::uint64_t mix(std::uint64_t x) noexcept {
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
  }
  [[nodiscard]] std::uint64_t next() noexcept { return mix(state_ += 0x9e3779b97f4a7c15ull); }
  /// [0, bound); the bias is below bound / 2^32.
  [[nodiscard]] std::uint32_t below(std::uint32_t bound) noexcept {
    return static_cast<std::uint32_t>(((next() >> 32) * bound) >> 32);
  }

 private:
  std::uint64_t state_;
};

/// Daily load at a Unix time, 96 at 02:00 to 256 at 14:00 UTC, straight lines between.
[[nodiscard]] std::uint32_t daily_load(std::int64_t time_s) noexcept;

}  // namespace fleetmeter::generate
