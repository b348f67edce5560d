#pragma once

#include <string_view>

namespace fleetmeter::app {

/// An annotated fleet.yaml, as `fleetmeter help config` prints it: every key of the configuration,
/// most of them commented out. `rules check` accepts it, and with the commented keys too.
[[nodiscard]] std::string_view config_example() noexcept;

}  // namespace fleetmeter::app
