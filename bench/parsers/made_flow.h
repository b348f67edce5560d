#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace fleetmeter::parsers::bench {

/// Columns of the default format.
inline constexpr std::string_view kFlowV2 =
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start "
    "end action log-status";
/// All fields of versions 2 to 5 in the order of AWS's example.
inline constexpr std::string_view kFlowAws29 =
    "version srcaddr dstaddr srcport dstport protocol start end type packets bytes account-id "
    "vpc-id subnet-id instance-id interface-id region az-id sublocation-type sublocation-id action "
    "tcp-flags pkt-srcaddr pkt-dstaddr pkt-src-aws-service pkt-dst-aws-service traffic-path "
    "flow-direction log-status";

/// Words with blanks between them.
[[nodiscard]] std::vector<std::string> split(std::string_view text);

/// A flow of a corpus, whatever the fleet that it is of.
struct MadeFlow {
  std::string version;
  std::uint64_t start_s = 0;
  bool is_nodata = false;
  bool is_egress = false;
  std::uint64_t bytes = 0;
  std::string source;
  std::string destination;

  /// Its text in the column of that name; empty where that is the fleet's to say. Draws what is
  /// not above, anew at each call.
  [[nodiscard]] std::string value(std::string_view name, std::mt19937_64& random) const;
};

}  // namespace fleetmeter::parsers::bench
