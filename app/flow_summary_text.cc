#include <functional>
#include <optional>

#include "alarms/json_text.h"
#include "app/command.h"
#include "app/flow_summary.h"
#include "app/input_counts.h"
#include "proto/rfc3339.h"

namespace fleetmeter::app {

namespace {

using alarms::json_string;

Counted flow_reasons(const FlowSummary& summary) {
  return reasons_of<parsers::FlowDrop>(summary.counts.flows.dropped);
}
Counted metric_reasons(const FlowSummary& summary) {
  return reasons_of<parsers::MetricDrop>(summary.counts.metrics.dropped);
}
Counted payload_reasons(const FlowSummary& summary) {
  return reasons_of<parsers::PayloadDrop>(summary.counts.dropped);
}

std::string time_json(std::optional<std::uint64_t> at_s) {
  return at_s ? json_string(rfc3339(static_cast<std::int64_t>(*at_s))) : "null";
}

}  // namespace

std::string flow_summary_json(const FlowSummary& summary) {
  std::vector<std::pair<std::string, std::string>> files;
  for (const FlowSummary::BadFile& bad : summary.bad_files) files.emplace_back(bad.file, bad.error);
  return "{\"schema\":1,\"records\":" +
         records_json(summary.counts.flows,
                      {{"without_packets", summary.all().records_without_packets},
                       {"without_bytes", summary.all().records_without_bytes}}) +
         ",\"accept\":" + traffic_json(summary.accept) +
         ",\"reject\":" + traffic_json(summary.reject) +
         ",\"no_action\":" + traffic_json(summary.no_action, summary.no_action_path_classes) +
         ",\"path_classes\":" + path_classes_json(summary.path_classes) +
         ",\"charges\":" + charges_json(summary.charges) + ",\"top\":" + top_json(summary.top) +
         ",\"over_limit\":{\"interface\":" + std::to_string(summary.over_limit.by_interface) +
         ",\"owner\":" + std::to_string(summary.over_limit.by_owner) + "}" +
         ",\"time\":{\"first\":" + time_json(summary.first_s) +
         ",\"last\":" + time_json(summary.last_s) + "},\"files\":" + bad_files_json(files) +
         ",\"late\":0," + input_counts_json(summary.counts, summary.dropped) +
         ",\"malformed_samples\":" + samples_json(summary.drop_samples) + "}";
}

namespace {

/// One section for people: a title and a table whose first column is the key.
struct Section {
  std::string title;
  TablePrinter table;
};

std::string number(std::uint64_t value) { return group_digits(value); }
std::string number(const std::optional<std::uint64_t>& value) {
  return value ? group_digits(*value) : "unknown";
}

/// A table of traffic by key: records, packets, bytes, size, and the records that do not tell
/// packets (bytes) if the summary holds any.
class TrafficTable {
 public:
  TrafficTable(std::string title, std::string key, const FlowSummary& summary)
      : without_packets_(summary.all().records_without_packets > 0),
        without_bytes_(summary.all().records_without_bytes > 0),
        section_{std::move(title), TablePrinter(headers(std::move(key)))} {}

  void row(std::string key, const Traffic& sums) {
    const auto bytes = sums.known_bytes();
    std::vector<std::string> cells{std::move(key), number(sums.records),
                                   number(sums.known_packets()), number(bytes),
                                   bytes ? human_bytes(*bytes) : ""};
    if (without_packets_) cells.push_back(number(sums.records_without_packets));
    if (without_bytes_) cells.push_back(number(sums.records_without_bytes));
    section_.table.row(std::move(cells));
  }
  void row(std::string key, std::uint64_t records) {
    std::vector<std::string> cells(headers({}).size());
    cells[0] = std::move(key);
    cells[1] = number(records);
    section_.table.row(std::move(cells));
  }
  [[nodiscard]] Section take() { return std::move(section_); }

 private:
  [[nodiscard]] std::vector<std::string> headers(std::string key) const {
    std::vector<std::string> headers{std::move(key), "records", "packets", "bytes", "size"};
    if (without_packets_) headers.emplace_back("without packets");
    if (without_bytes_) headers.emplace_back("without bytes");
    return headers;
  }

  bool without_packets_, without_bytes_;
  Section section_;
};

Section records_section(const FlowSummary& summary) {
  const parsers::FlowCounts& flows = summary.counts.flows;
  TrafficTable table("Records", "what", summary);
  const auto count = [&](const char* what, std::uint64_t records) {
    if (records > 0) table.row(what, records);
  };
  table.row("total", summary.counts.flows.records());
  table.row("ACCEPT", summary.accept);
  table.row("REJECT", summary.reject);
  if (summary.no_action.records > 0) table.row("no action", summary.no_action);
  count("NODATA", flows.nodata);
  count("SKIPDATA", flows.skipdata);
  count("malformed", flows.malformed());
  count("in no window", flows.unwindowed);
  count("metric datapoints", summary.counts.metrics.datapoints);
  return table.take();
}

Section path_section(const char* title, const PathClassTotals& totals, const FlowSummary& summary) {
  TrafficTable table(title, "class", summary);
  for (std::size_t i = 0; i < kPathClasses.size(); ++i) {
    if (totals[i].records > 0) table.row(path_class_name(kPathClasses[i]), totals[i]);
  }
  return table.take();
}

Section charge_section(const FlowSummary& summary) {
  Section section{"What the bytes pay, once per byte", TablePrinter({"charge", "bytes", "size"})};
  for (const auto& [charge, bytes] : summary.charges)
    section.table.row({cost::to_string(charge), number(bytes), human_bytes(bytes)});
  return section;
}

std::string title_of(const std::string& by) {
  static const std::map<std::string, std::string> kTitles{
      {"interface", "Top interfaces"},
      {"owner", "Top owners"},
      {"nat_gateway", "NAT gateways, processed traffic"},
      {"nat", "Behind NAT gateways, processed traffic by owner or private address"},
      {"source", "Top source addresses"},
      {"destination", "Top destination addresses"},
      {"port", "Top destination ports"},
      {"rejected_source", "Rejected, by source address"},
      {"rejected_port", "Rejected, by destination port"}};
  return kTitles.at(by);
}

std::string shown_key(const TopEntry& entry) {
  if (entry.remainder) return "(all others)";
  return entry.key.empty() ? "(unknown)" : entry.key;
}

Section top_section(const TopList& list, const FlowSummary& summary) {
  TrafficTable table(title_of(list.by), list.by, summary);
  for (const TopEntry& entry : list.entries) {
    if (!entry.remainder || entry.traffic.records > 0) table.row(shown_key(entry), entry.traffic);
  }
  return table.take();
}

std::vector<Section> sections_of(const FlowSummary& summary) {
  std::vector<Section> sections{records_section(summary)};
  if (summary.accept.records > 0) {
    sections.push_back(path_section("Path classes (ACCEPT)", summary.path_classes, summary));
    sections.push_back(charge_section(summary));
  }
  if (summary.no_action.records > 0) {
    sections.push_back(
        path_section("Path classes (no action)", summary.no_action_path_classes, summary));
  }
  for (const TopList& list : summary.top) {
    if (list.entries.size() > 1) sections.push_back(top_section(list, summary));
  }
  return sections;
}

/// What goes above the sections: the span of time, and what the numbers alone do not show.
std::vector<std::string> notes_of(const FlowSummary& summary) {
  std::vector<std::string> notes;
  if (summary.first_s) {
    notes.push_back(rfc3339(static_cast<std::int64_t>(*summary.first_s)) + " to " +
                    rfc3339(static_cast<std::int64_t>(*summary.last_s)));
  }
  const auto note = [&notes](std::uint64_t count, const char* what) {
    if (count > 0) notes.push_back(group_digits(count) + what);
  };
  note(summary.counts.duplicate_events, " log events repeat earlier ones and are counted once");
  note(summary.counts.duplicate_requests,
       " Firehose requests repeat earlier ones and are left out");
  note(summary.counts.flows.unknown_fields, " columns are known to no flow log version");
  note(summary.counts.flows.unknown_values, " values are known to no flow log version");
  note(summary.counts.flows.absent_optional, " bad values of optional fields are taken as absent");
  note(summary.counts.metrics.unknown_keys,
       " keys or statistics of datapoints are unknown, or have no value that can be read");
  note(summary.over_limit.by_interface,
       " records count under interface other: more interfaces than are told apart");
  note(summary.over_limit.by_owner,
       " records count under owner other: more owners than are told apart");
  return notes;
}

}  // namespace

std::string flow_summary_tables(const FlowSummary& summary) {
  std::string out;
  for (const std::string& note : notes_of(summary)) out += note + "\n";
  for (const Section& section : sections_of(summary)) {
    out += (out.empty() ? "" : "\n") + section.title + "\n" +
           section.table.print(OutputFormat::kTable);
  }
  return out;
}

std::string flow_summary_markdown(const FlowSummary& summary) {
  std::string out = "# Flow logs\n";
  for (const std::string& note : notes_of(summary)) out += "\n" + note + "\n";
  for (const Section& section : sections_of(summary))
    out += "\n## " + section.title + "\n\n" + section.table.print(OutputFormat::kMarkdown);
  return out;
}

std::string flow_summary_html(const FlowSummary& summary) {
  std::string body;
  for (const std::string& note : notes_of(summary)) body += "<p>" + note + "</p>\n";
  for (const Section& section : sections_of(summary))
    body += "<h2>" + section.title + "</h2>\n" + section.table.print(OutputFormat::kHtml);
  return html_page("Flow logs", body);
}

std::string flow_summary_csv(const FlowSummary& summary) {
  TablePrinter table({"section", "key", "records", "packets", "bytes", "records_without_packets",
                      "records_without_bytes"});
  const auto count = [&](const char* key, std::uint64_t records) {
    table.row({"records", key, std::to_string(records), "", "", "", ""});
  };
  const auto traffic = [&](const std::string& section, const std::string& key,
                           const Traffic& sums) {
    const auto or_empty = [](const std::optional<std::uint64_t>& sum) {
      return sum ? std::to_string(*sum) : std::string();
    };
    table.row({section, key, std::to_string(sums.records), or_empty(sums.known_packets()),
               or_empty(sums.known_bytes()), std::to_string(sums.records_without_packets),
               std::to_string(sums.records_without_bytes)});
  };
  const parsers::FlowCounts& flows = summary.counts.flows;
  count("total", summary.counts.flows.records());
  count("ok", flows.ok);
  count("nodata", flows.nodata);
  count("skipdata", flows.skipdata);
  count("malformed", flows.malformed());
  count("duplicate_events", summary.counts.duplicate_events);
  count("duplicate_requests", summary.counts.duplicate_requests);
  count("unknown_fields", flows.unknown_fields);
  count("unknown_values", flows.unknown_values);
  count("absent_values", flows.absent_optional);
  count("unknown_keys", summary.counts.metrics.unknown_keys);
  count("over_limit_interface", summary.over_limit.by_interface);
  count("over_limit_owner", summary.over_limit.by_owner);
  traffic("action", "accept", summary.accept);
  traffic("action", "reject", summary.reject);
  traffic("action", "none", summary.no_action);
  const auto classes = [&](const std::string& section, const PathClassTotals& totals) {
    for (std::size_t i = 0; i < kPathClasses.size(); ++i)
      traffic(section, path_class_name(kPathClasses[i]), totals[i]);
  };
  classes("path_class", summary.path_classes);
  classes("no_action_path_class", summary.no_action_path_classes);
  for (const auto& [charge, bytes] : summary.charges)
    table.row({"charge", cost::to_string(charge), "", "", std::to_string(bytes), "", ""});
  for (const TopList& list : summary.top) {
    for (const TopEntry& entry : list.entries)
      traffic("top_" + list.by, shown_key(entry), entry.traffic);
  }
  return table.print(OutputFormat::kCsv);
}

std::string flow_summary_problems(const FlowSummary& summary) {
  std::string out;
  const auto group = [&out](const char* what, const Counted& counts) {
    std::uint64_t sum = 0;
    std::string reasons;
    for (const auto& [name, count] : counts) {
      sum += count;
      reasons += (reasons.empty() ? "" : ", ") + name + " " + group_digits(count);
    }
    if (sum > 0) out += group_digits(sum) + what + " dropped: " + reasons + "\n";
  };
  group(" flow log lines", flow_reasons(summary));
  group(" datapoints", metric_reasons(summary));
  group(" payloads", payload_reasons(summary));
  out += samples_text(summary.drop_samples);
  group(" records", {summary.dropped.begin(), summary.dropped.end()});
  for (const FlowSummary::BadFile& bad : summary.bad_files)
    out += bad.file + ": " + bad.error + "\n";
  return out;
}

}  // namespace fleetmeter::app
