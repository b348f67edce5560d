#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "generate/script.h"
#include "generate/topology.h"

namespace fleetmeter::generate {

/// Where a record's two addresses lie, as the generator laid them out.
enum class PathClass : std::uint8_t {
  kSameAz,
  kCrossAz,
  kVpcUnknownAz,
  kOtherPrivate,
  kExternal,
  kCount
};
inline constexpr std::uint32_t kNoGateway = 0xffffffff;

enum class LineStatus : std::uint8_t { kOk, kNoData, kSkipData };
/// Which way bytes pass a NAT gateway at its own interface.
enum class NatFlow : std::uint8_t {
  kNone,
  kFromSource,
  kToDestination,
  kFromDestination,
  kToSource
};

/// One flow record before it is text. Views and pointers belong to the topology.
struct FlowLine {
  const Endpoint* at = nullptr;  ///< Capturing interface.
  std::string_view source, destination, packet_source, packet_destination;
  std::uint16_t source_port = 0, destination_port = 0;
  std::uint8_t protocol = 0, tcp_flags = 0;
  std::uint8_t traffic_path = 0;  ///< 0 = "-".
  bool egress = false, accept = true;
  LineStatus status = LineStatus::kOk;
  PathClass path = PathClass::kSameAz;
  NatFlow nat = NatFlow::kNone;
  std::uint32_t gateway = kNoGateway;  ///< Capturing gateway.
  std::uint32_t machine = 0;  ///< Capturing machine, or at a gateway the machine it serves.
  std::uint64_t packets = 0, bytes = 0;
  std::int64_t start_s = 0, end_s = 0;
};

/// Flow records by minute. Each machine that is up starts, every minute, 20 records:
///   4  a conversation in its zone (egress and ingress at both ends)     4  one with another zone
///   6  one with an internet host through NAT: own interface, inside leg and outside leg, each way
///   2  one with the company's network over VPN                          2  a datagram to a log
///   collector (both ends) 1  rejected at its interface, from the company's network 1  rejected: to
///   the internet at its own interface, or, for the first machine of a zone, from the internet at
///   the gateway
/// A conversation takes place when both ends are up. An interface in a lost zone logs one NODATA
/// record a minute instead. A record's start and end lie in its minute. Records of one minute and
/// machine follow from seed, minute and machine alone.
class Traffic {
 public:
  Traffic(const FleetOptions& options, const Topology& fleet) : options_(options), fleet_(fleet) {}
  /// Replaces `lines` by the records of the script's minute.
  void minute(const ScriptMinute& script, std::vector<FlowLine>& lines) const;

  /// REJECT records a minute at the machine's interface when nothing happens to it.
  [[nodiscard]] static std::uint32_t rejects_at_rest(const Machine& machine) noexcept {
    return machine.place == 0 ? 1 : 2;
  }

 private:
  const FleetOptions& options_;
  const Topology& fleet_;
};

}  // namespace fleetmeter::generate
