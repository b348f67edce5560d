#pragma once

#include <cstddef>

namespace fleetmeter::parsers {

/// Of an account's id; one that came as a number has lost those in front (AWS Account Management
/// Reference Guide, "View AWS account identifiers").
inline constexpr std::size_t kAccountDigits = 12;

}  // namespace fleetmeter::parsers
