#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace fleetmeter::parsers::bench {

/// Flow log text and what is in it.
struct FlowCorpus {
  std::string bytes;   ///< 64 bytes behind its end are readable.
  std::string format;  ///< Empty: the default format.
  std::string kinds;   ///< Of the columns, for FlowProbe; empty where the text is not plain.
  std::size_t bytes_column = 0;
  std::size_t status_column = 0;
  std::uint64_t lines = 0;
  std::uint64_t records = 0;   ///< Lines that are right.
  std::uint64_t byte_sum = 0;  ///< Of the records that are OK.
};

// Seeded; the same on every machine.

/// The default format, 117 bytes a line, one in a hundred NODATA.
[[nodiscard]] FlowCorpus flow_v2(std::size_t lines);
/// One line in twenty of it broken, each kind of damage in turn.
[[nodiscard]] FlowCorpus flow_v2_malformed(std::size_t lines);
[[nodiscard]] FlowCorpus flow_v2_crlf(std::size_t lines);
/// As CloudWatch Logs exports it, with an RFC 3339 time in front.
[[nodiscard]] FlowCorpus flow_v2_times(std::size_t lines);
/// Every third line between IPv6 addresses.
[[nodiscard]] FlowCorpus flow_v2_ipv6(std::size_t lines);
/// All fields of versions 2 to 5 in the order of AWS's example, some 257 bytes a line.
[[nodiscard]] FlowCorpus flow_29(std::size_t lines);
/// The same in alphabetical order.
[[nodiscard]] FlowCorpus flow_29_sorted(std::size_t lines);

}  // namespace fleetmeter::parsers::bench
