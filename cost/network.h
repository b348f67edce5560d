#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cost/usage_store.h"

namespace fleetmeter::cost {

/// What bytes pay, once per byte; "none" where nothing is due and "unclassified" where the facts do
/// not say.
enum class Charge : std::uint8_t {
  kNone,
  kNatProcessing,
  kCrossAz,
  kInterfaceEndpoint,
  kInterRegion,
  kInterRegionUsEast,  ///< Between us-east-1 and us-east-2, which is cheaper.
  kInternetEgress,
  kVpn,
  kTransitGateway,
  kRegionalPublic,
  kUnclassified,
};
/// "none", "nat_processing", "cross_az", ...
[[nodiscard]] const char* to_string(Charge charge) noexcept;

/// What an entry holds of the halves that both sides of its bytes pay.
enum class Share : std::uint8_t {
  kAll,       ///< All that is known to be due.
  kSender,    ///< The sender's: the receiver's environment pays its own.
  kReceiver,  ///< The receiver's, of bytes that stand in the entry of the sender's environment too.
};

/// Billable bytes of one payer: NAT processing by gateway and by the private address owner behind
/// it; cross-AZ once per byte with both halves; internet egress at the last VPC hop.
struct ChargedBytes {
  std::string environment;
  Charge charge = Charge::kNone;
  std::string resource;  ///< NAT gateway or interface that processes; empty for transfer.
  std::string owner;     ///< Who caused it: instance id, else address, else interface.
  std::uint64_t bytes = 0;
  /// Cross-AZ: 2 = both sides' halves due here, 1 = only one: the receiver's where the sender is
  /// not logged, else by `share`.
  std::uint32_t halves = 0;
  Share share = Share::kAll;
};

}  // namespace fleetmeter::cost
