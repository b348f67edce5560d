#pragma once

#include <memory>

#include "proto/clock.h"
#include "proto/result.h"

namespace fleetmeter::app {

/// The process's clock: the system's, or, for tests of the live path alone, a faster one that
/// FLEETMETER_TEST_CLOCK names as "ANCHOR_MS:START_MS:RATE": reads START when the real clock reads
/// ANCHOR, and runs RATE times as fast. A pure function of the real clock, so that it goes on
/// across restarts (docs/time.md 9).
[[nodiscard]] Result<std::unique_ptr<Clock>> make_clock();

}  // namespace fleetmeter::app
