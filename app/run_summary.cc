#include "app/run_summary.h"

#include <algorithm>
#include <iostream>
#include <limits>
#include <tuple>

#include "app/input_counts.h"
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

std::string why_nothing(const parsers::DecodeCounts& counts) {
  if (counts.flows.malformed() == 0 || counts.flows.headers > 0) return "nothing could be read";
  return "nothing could be read; if the columns are not the default ones and there is no header "
         "line, name them: `flow_format` of the source, --flow-format of a replay";
}

std::string input_json(ingest::IngestCounters& counters) {
  const std::lock_guard lock(counters.mutex);
  return "{\"records\":" + records_json(counters.decode.flows) +
         ",\"files\":" + bad_files_json({counters.bad_inputs.begin(), counters.bad_inputs.end()}) +
         "," + input_counts_json(counters.decode, counters.dropped) +
         ",\"malformed_samples\":" + samples_json(counters.drop_samples) + "}";
}

std::string decisions_csv(const Decisions& decisions) {
  TablePrinter table({"time", "type", "environment", "rule", "series", "from", "to", "reason"});
  for (const auto* events :
       {&decisions.alarm_changes, &decisions.scaling, &decisions.rule_warnings}) {
    for (const proto::Event& event : *events) {
      table.row({rfc3339(event.time_s()), event.type(), event.environment(), event.rule(),
                 event.series(), event.from(), event.to(), event.reason()});
    }
  }
  return table.print(OutputFormat::kCsv);
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
  out += samples_text(counters.drop_samples);
  for (const auto& [reason, count] : counters.dropped)
    out += "  dropped " + group_digits(count) + " records: " + reason + "\n";
  if (decode.flows.unwindowed > 0)
    out += "  " + group_digits(decode.flows.unwindowed) +
           " records have no start, or are of a format without bytes: in no window\n";
  if (decode.flows.unknown_fields > 0)
    out += "  " + group_digits(decode.flows.unknown_fields) +
           " columns are known to no flow log version\n";
  if (decode.flows.unknown_values > 0)
    out += "  " + group_digits(decode.flows.unknown_values) +
           " values are known to no flow log version\n";
  if (decode.duplicate_events > 0)
    out += "  " + group_digits(decode.duplicate_events) +
           " log events repeat earlier ones and are counted once\n";
  if (decode.duplicate_requests > 0)
    out += "  " + group_digits(decode.duplicate_requests) +
           " Firehose requests repeat earlier ones and are left out\n";
  for (const std::string& notice : counters.notices) out += "  " + notice + "\n";
  for (const auto& [name, why] : counters.bad_inputs) out += "  " + name + ": " + why + "\n";
  return out;
}

int read_exit_code(ingest::IngestCounters& counters, bool strict) {
  const std::lock_guard lock(counters.mutex);
  const bool nothing = nothing_read(counters.decode);
  const bool has_bad = !counters.bad_inputs.empty();
  // A run that goes on where the last one ended finds files that hold nothing new.
  if (nothing && (dropped_in_all(counters) > 0 || (has_bad && counters.files_done == 0)))
    return fail(kExitUsage, why_nothing(counters.decode));
  if (nothing && !has_bad)
    std::cerr
        << "fleetmeter: nothing was read: the input is empty, or its files hold nothing that an "
           "earlier run on this state has not read\n";
  if (has_bad) return kExitPartly;
  return strict && dropped_in_all(counters) > 0 ? kExitPartly : kExitDone;
}

Result<std::string> event_log(aggregator::AggregateLog& log) {
  auto events = sorted_events(log);
  if (!events) return std::move(events).error();
  std::string out;
  for (const proto::Event& event : *events) out += alarms::event_json(event) + '\n';
  return out;
}

Result<Decisions> decisions_of(aggregator::AggregateLog& log) {
  auto events = sorted_events(log);
  if (!events) return std::move(events).error();
  std::stable_sort(
      events->begin(), events->end(),
      [](const proto::Event& a, const proto::Event& b) { return a.time_s() < b.time_s(); });
  Decisions decisions;
  for (proto::Event& event : *events) {
    if (event.initial()) {
      ++decisions.first_states;
    } else if (event.type() == "rule.warning") {
      decisions.rule_warnings.push_back(std::move(event));
    } else if (event.type().starts_with("scaling.")) {
      decisions.scaling.push_back(std::move(event));
    } else {
      decisions.alarm_changes.push_back(std::move(event));
    }
  }
  return decisions;
}

std::string decisions_text(const Decisions& decisions, OutputFormat format) {
  if (format == OutputFormat::kCsv) return decisions_csv(decisions);
  TablePrinter alarms({"Time", "Environment", "Alarm", "Series", "From", "To"});
  for (const proto::Event& event : decisions.alarm_changes) {
    alarms.row({rfc3339(event.time_s()), event.environment(), event.rule(), event.series(),
                event.from(), event.to()});
  }
  TablePrinter scaling({"Time", "Environment", "Group", "From", "To", "Reason"});
  for (const proto::Event& event : decisions.scaling) {
    scaling.row({rfc3339(event.time_s()), event.environment(), event.series(), event.from(),
                 event.to(), event.reason()});
  }
  TablePrinter warnings({"Time", "Environment", "Rule", "Reason"});
  for (const proto::Event& event : decisions.rule_warnings)
    warnings.row({rfc3339(event.time_s()), event.environment(), event.rule(), event.reason()});
  const auto section = [format](const std::string& title, std::size_t rows,
                                const TablePrinter& table) {
    const std::string body = rows > 0 ? table.print(format) : "";
    if (format == OutputFormat::kMarkdown)
      return "## " + title + "\n" + (rows > 0 ? "\n" : "") + body;
    if (format == OutputFormat::kHtml) return "<h2>" + title + "</h2>\n" + body;
    return title + "\n" + body;
  };
  std::string out = section("Alarm changes: " + group_digits(decisions.alarm_changes.size()) +
                                " (and " + group_digits(decisions.first_states) + " first states)",
                            decisions.alarm_changes.size(), alarms);
  out += "\n" + section("Scaling: " + group_digits(decisions.scaling.size()),
                        decisions.scaling.size(), scaling);
  if (!decisions.rule_warnings.empty()) {
    out +=
        "\n" + section("Rules that decide nothing: " + group_digits(decisions.rule_warnings.size()),
                       decisions.rule_warnings.size(), warnings);
  }
  return out;
}

std::string run_json(const Decisions& decisions, ingest::IngestCounters& counters,
                     const std::optional<std::vector<std::string>>& bill) {
  const auto events = [](const std::vector<proto::Event>& all) {
    std::string json = "[";
    for (const proto::Event& event : all)
      json += (json.size() == 1 ? "" : ",") + alarms::event_json(event);
    return json + "]";
  };
  std::string json = "{\"schema\":1,\"alarm_changes\":" + events(decisions.alarm_changes) +
                     ",\"first_states\":" + std::to_string(decisions.first_states) +
                     ",\"scaling\":" + events(decisions.scaling) +
                     ",\"rule_warnings\":" + events(decisions.rule_warnings);
  if (bill) {
    std::string reports;
    for (const std::string& report : *bill) reports += (reports.empty() ? "" : ",") + report;
    json += ",\"cost\":[" + reports + "]";
  }
  return json + ",\"input\":" + input_json(counters) + "}\n";
}

}  // namespace fleetmeter::app
