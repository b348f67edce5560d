#pragma once

#include <chrono>

namespace fleetmeter::ingest {

/// Before a store or a broker that did not answer, or refused, is asked again.
inline constexpr std::chrono::milliseconds kRetryInterval{500};

}  // namespace fleetmeter::ingest
