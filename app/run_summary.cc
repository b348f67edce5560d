#include "app/run_summary.h"

#include <algorithm>
#include <limits>
#include <tuple>

#include "app/command.h"
#include "proto/rfc3339.h"

namespace fleetmeter::app {

namespace {

std::uint64_t dropped_in_all(const ingest::IngestCounters& counters) {
  std::uint64_t all = counters.decode.flows.malformed() + counters.decode.metrics.malformed();
  for (const std::uint64_t count : counters.decode.dropped) all += count;
  for (const auto& [reason, count] : counters.dropped) all += count;
  return all;
}

Result<std::vector<proto::Event>> sorted_events(aggregator::AggregateLog& log) {
  aggregator::EventQuery everything;
  everything.since_s = std::numeric_limits<std::int64_t>::min();
  everything.limit = std::numeric_limits<std::int32_t>::max();
  auto events = log.events(everything);
  if (!events) return std::move(events).error();
  std::sort(events->begin(), events->end(), [](const proto::Event& a, const proto::Event& b) {
    return std::forward_as_tuple(a.environment(), a.time_s(), a.id()) <
           std::forward_as_tuple(b.environment(), b.time_s(), b.id());
  });
  return events;
}

template <typename Reason>
void add_reasons(std::string& out, const std::uint64_t* counts, const char* what) {
  for (std::size_t i = 0; i < static_cast<std::size_t>(Reason::kCount); ++i) {
    if (counts[i] == 0) continue;
    out += "  dropped " + group_digits(counts[i]) + " " + what + ": " +
           std::string(parsers::to_string(static_cast<Reason>(i))) + "\n";
  }
}

}  // namespace

std::string data_quality(ingest::IngestCounters& counters) {
  const std::lock_guard lock(counters.mutex);
  const parsers::DecodeCounts& decode = counters.decode;
  const std::uint64_t flow_records = decode.flows.ok + decode.flows.nodata + decode.flows.skipdata;
  std::string out = "Data quality: " + group_digits(flow_records) + " flow records (" +
                    group_digits(decode.flows.nodata) + " NODATA, " +
                    group_digits(decode.flows.skipdata) + " SKIPDATA, " +
                    group_digits(decode.flows.headers) + " headers), " +
                    group_digits(decode.metrics.datapoints) + " datapoints, " +
                    group_digits(dropped_in_all(counters)) + " dropped\n";
  add_reasons<parsers::FlowDrop>(out, decode.flows.dropped, "flow records");
  add_reasons<parsers::MetricDrop>(out, decode.metrics.dropped, "datapoints");
  add_reasons<parsers::PayloadDrop>(out, decode.dropped, "payloads");
  for (const auto& [reason, count] : counters.dropped)
    out += "  dropped " + group_digits(count) + " records: " + reason + "\n";
  if (decode.flows.unwindowed > 0)
    out += "  " + group_digits(decode.flows.unwindowed) +
           " records have no start or bytes: in no window\n";
  if (decode.flows.unknown_fields > 0)
    out += "  " + group_digits(decode.flows.unknown_fields) +
           " columns are known to no flow log version\n";
  if (decode.flows.unknown_values > 0)
    out += "  " + group_digits(decode.flows.unknown_values) +
           " values are known to no flow log version\n";
  if (decode.duplicate_events > 0)
    out += "  " + group_digits(decode.duplicate_events) +
           " log events repeat earlier ones and are counted once\n";
  for (const auto& [name, why] : counters.bad_inputs) out += "  " + name + ": " + why + "\n";
  return out;
}

int read_exit_code(ingest::IngestCounters& counters, bool strict) {
  const std::lock_guard lock(counters.mutex);
  const parsers::DecodeCounts& decode = counters.decode;
  const bool anything =
      decode.flows.ok + decode.flows.nodata + decode.flows.skipdata + decode.metrics.datapoints >
          0 ||
      counters.files_done > 0;
  if (!counters.bad_inputs.empty()) return anything ? kExitPartly : kExitUsage;
  return strict && dropped_in_all(counters) > 0 ? kExitPartly : kExitDone;
}

Result<std::string> event_log(aggregator::AggregateLog& log) {
  auto events = sorted_events(log);
  if (!events) return std::move(events).error();
  std::string out;
  for (const proto::Event& event : *events) out += alarms::event_json(event) + '\n';
  return out;
}

Result<std::string> decisions_table(aggregator::AggregateLog& log) {
  auto events = sorted_events(log);
  if (!events) return std::move(events).error();
  std::stable_sort(
      events->begin(), events->end(),
      [](const proto::Event& a, const proto::Event& b) { return a.time_s() < b.time_s(); });
  TablePrinter alarms({"Time", "Environment", "Alarm", "Series", "From", "To"});
  TablePrinter scaling({"Time", "Environment", "Group", "From", "To", "Reason"});
  std::size_t fired = 0, scaled = 0, first_states = 0;
  for (const proto::Event& event : *events) {
    if (event.initial()) {
      ++first_states;
    } else if (event.type().starts_with("scaling.")) {
      ++scaled;
      scaling.row({rfc3339(event.time_s()), event.environment(), event.series(), event.from(),
                   event.to(), event.reason()});
    } else {
      ++fired;
      alarms.row({rfc3339(event.time_s()), event.environment(), event.rule(), event.series(),
                  event.from(), event.to()});
    }
  }
  std::string out = "Alarm changes: " + group_digits(fired) + " (and " +
                    group_digits(first_states) + " first states)\n";
  if (fired > 0) out += alarms.print(OutputFormat::kTable);
  out += "\nScaling: " + group_digits(scaled) + "\n";
  if (scaled > 0) out += scaling.print(OutputFormat::kTable);
  return out;
}

}  // namespace fleetmeter::app
