#pragma once

#include <cstdint>
#include <limits>

namespace fleetmeter::aggregator {

/// Adds `more` to a sum of bytes, packets or records, which stops at the largest number instead of
/// wrapping: a record may tell 2^63 - 1 (Amazon VPC User Guide, "Flow log records": INT_64).
constexpr void add_capped(std::uint64_t& sum, std::uint64_t more) noexcept {
  sum += more;
  sum = sum < more ? std::numeric_limits<std::uint64_t>::max() : sum;
}

}  // namespace fleetmeter::aggregator
