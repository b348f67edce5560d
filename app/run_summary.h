#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/command.h"
#include "app/service.h"

namespace fleetmeter::app {

/// Counted drops and bad inputs of a run, for people: what was kept, what was dropped and why.
/// Empty drops are left out.
[[nodiscard]] std::string data_quality(ingest::IngestCounters& counters);

/// kExitUsage, saying so on stderr, when nothing could be read, kExitPartly when some input could not be read to its end,
/// or with `strict` when anything was dropped; else kExitDone.
[[nodiscard]] int read_exit_code(ingest::IngestCounters& counters, bool strict);

/// Every event of the log, one JSON object a line, sorted by (environment, time, id): two runs are
/// equal when these bytes are (docs/time.md 9).
[[nodiscard]] Result<std::string> event_log(aggregator::AggregateLog& log);

/// What a run decided, in the order of time, then environment and id.
struct Decisions {
  std::vector<proto::Event> alarm_changes;
  std::vector<proto::Event> scaling;
  std::vector<proto::Event> rule_warnings;  ///< Rules that can decide nothing.
  std::size_t first_states = 0;  ///< Alarms that began OK: no change, and sent to nobody.
};
[[nodiscard]] Result<Decisions> decisions_of(aggregator::AggregateLog& log);

/// As tables for people, or as one for a spreadsheet; of kHtml what stands in the body. Not kJson.
[[nodiscard]] std::string decisions_text(const Decisions& decisions, OutputFormat format);

/// The document of `run --until-eof` and `replay` (docs/json.md). `bill`: reports as JSON, of a
/// replay; nullopt leaves `cost` out.
[[nodiscard]] std::string run_json(const Decisions& decisions, ingest::IngestCounters& counters,
                                   const std::optional<std::vector<std::string>>& bill);

}  // namespace fleetmeter::app
