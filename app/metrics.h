#pragma once

#include <string>

#include "app/service.h"

namespace fleetmeter::app {

/// The counters of a service in the Prometheus text format (docs/api.md). Plain structs are
/// read at the scrape.
[[nodiscard]] std::string metrics_text(Service& service);
/// Those of `ingest`, and of `evaluate`; null = nothing is delivered yet.
[[nodiscard]] std::string metrics_text(ingest::IngestCounters& counters);
[[nodiscard]] std::string metrics_text(const alarms::DeliveryCounters* delivery);

}  // namespace fleetmeter::app
