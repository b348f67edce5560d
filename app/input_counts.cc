#include "app/input_counts.h"

#include <algorithm>

#include "alarms/json_text.h"

namespace fleetmeter::app {

using alarms::json_string;

std::string_view hint_of(std::string_view reason) noexcept {
  if (reason == "missing_key") {
    return "a datapoint of a metric stream has namespace, metric_name, timestamp and value; other "
           "JSON that is read is told by messageType and logEvents (CloudWatch Logs), records "
           "(Firehose, Kinesis), message, or srcaddr and other flow log fields";
  }
  if (reason == "bad_envelope") {
    return "JSON that is read is datapoints of metric streams, envelopes of CloudWatch Logs, "
           "Firehose, Kinesis or Lambda, and flow records as objects, one after the other";
  }
  if (reason == "continued_line") {
    return "an earlier run counted the last line of that file, which had no line end, and the file "
           "has grown since";
  }
  return {};
}

std::string samples_text(const parsers::FlowDropSamples::ByReason& samples) {
  std::string out;
  for (const auto& [reason, sample] : samples) {
    out += "  " + reason + ", such as " + sample + "\n";
    if (const std::string_view hint = hint_of(reason); !hint.empty())
      out += "    " + std::string(hint) + "\n";
  }
  return out;
}

bool nothing_read(const parsers::DecodeCounts& counts) noexcept {
  const parsers::FlowCounts& flows = counts.flows;
  const bool anything_kept = flows.ok + flows.nodata + flows.skipdata + counts.metrics.datapoints +
                                 counts.control_messages >
                             0;
  const bool anything_dropped = flows.malformed() + counts.metrics.malformed() > 0 ||
                                std::any_of(std::begin(counts.dropped), std::end(counts.dropped),
                                            [](std::uint64_t count) { return count > 0; });
  return !anything_kept && (anything_dropped || flows.headers == 0);
}

std::string counts_json(const Counted& counts) {
  std::string json = "{";
  for (const auto& [name, count] : counts)
    json += (json.size() == 1 ? "" : ",") + json_string(name) + ":" + std::to_string(count);
  return json + "}";
}

std::string records_json(const parsers::FlowCounts& flows, const Counted& more) {
  Counted counts = {{"total", flows.records()},       {"ok", flows.ok},
                    {"nodata", flows.nodata},         {"skipdata", flows.skipdata},
                    {"malformed", flows.malformed()}, {"headers", flows.headers},
                    {"unwindowed", flows.unwindowed}};
  counts.insert(counts.end(), more.begin(), more.end());
  std::string json = counts_json(counts);
  json.back() = ',';
  return json +
         "\"malformed_by_reason\":" + counts_json(reasons_of<parsers::FlowDrop>(flows.dropped)) +
         "}";
}

std::string input_counts_json(const parsers::DecodeCounts& counts,
                              const std::map<std::string, std::uint64_t>& dropped) {
  return "\"duplicate_events\":" + std::to_string(counts.duplicate_events) +
         ",\"duplicate_requests\":" + std::to_string(counts.duplicate_requests) +
         ",\"unknown_fields\":" + std::to_string(counts.flows.unknown_fields) +
         ",\"unknown_values\":" + std::to_string(counts.flows.unknown_values) +
         ",\"absent_values\":" + std::to_string(counts.flows.absent_optional) +
         ",\"unknown_keys\":" + std::to_string(counts.metrics.unknown_keys) +
         ",\"datapoints\":" + std::to_string(counts.metrics.datapoints) +
         ",\"datapoints_malformed\":" + std::to_string(counts.metrics.malformed()) +
         ",\"datapoints_malformed_by_reason\":" +
         counts_json(reasons_of<parsers::MetricDrop>(counts.metrics.dropped)) +
         ",\"payloads_dropped\":" + counts_json(reasons_of<parsers::PayloadDrop>(counts.dropped)) +
         ",\"dropped\":" + counts_json({dropped.begin(), dropped.end()});
}

std::string samples_json(const parsers::FlowDropSamples::ByReason& samples) {
  std::string json = "{";
  for (const auto& [reason, sample] : samples)
    json += (json.size() == 1 ? "" : ",") + json_string(reason) + ":" + json_string(sample);
  return json + "}";
}

std::string bad_files_json(const std::vector<std::pair<std::string, std::string>>& files) {
  std::string json = "[";
  for (const auto& [file, error] : files) {
    json += (json.size() == 1 ? "" : ",") + std::string("{\"file\":") + json_string(file) +
            ",\"error\":" + json_string(error) + "}";
  }
  return json + "]";
}

}  // namespace fleetmeter::app
