#pragma once

#include <string>

#include "app/service.h"

namespace fleetmeter::app {

/// The counters of a service in the Prometheus text format (docs/api.md). Plain structs are
/// read at the scrape.
[[nodiscard]] std::string metrics_text(Service& service);

}  // namespace fleetmeter::app
