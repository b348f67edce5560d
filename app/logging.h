#pragma once

#include <string>

namespace fleetmeter::app {

/// Structured log lines on stderr, one JSON object each: time, level, message. `level`: debug,
/// info, warn, error, off. False when the level is none of these.
[[nodiscard]] bool set_up_logging(const std::string& level);

}  // namespace fleetmeter::app
