#pragma once

#include <memory>

#include "proto/clock.h"
#include "proto/result.h"

namespace fleetmeter::app {

/// The process's clock: the system's, or, for tests of the live path alone, what
/// FLEETMETER_TEST_CLOCK names (docs/time.md 9). Both kinds go on across restarts:
/// - "ANCHOR_MS:START_MS:RATE" reads START when the real clock reads ANCHOR, and runs RATE times as
///   fast;
/// - "file:PATH" reads the eight bytes of a file, milliseconds since the Unix epoch as a native
///   integer, which the test moves while it is ready for more, and never back.
[[nodiscard]] Result<std::unique_ptr<Clock>> make_clock();

}  // namespace fleetmeter::app
