#pragma once

#include <cstdint>
#include <string>

#include "app/service.h"

namespace fleetmeter::app {

/// Counted drops and bad inputs of a run, for people: what was kept, what was dropped and why.
/// Empty drops are left out.
[[nodiscard]] std::string data_quality(ingest::IngestCounters& counters);

/// kExitUsage when nothing could be read, kExitPartly when some input could not be read to its end,
/// or with `strict` when anything was dropped; else kExitDone.
[[nodiscard]] int read_exit_code(ingest::IngestCounters& counters, bool strict);

/// Every event of the log, one JSON object a line, sorted by (environment, time, id): two runs are
/// equal when these bytes are (docs/time.md 9).
[[nodiscard]] Result<std::string> event_log(aggregator::AggregateLog& log);

/// Alarms fired and scaling decided, as tables for people.
[[nodiscard]] Result<std::string> decisions_table(aggregator::AggregateLog& log);

}  // namespace fleetmeter::app
