#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "alarms/json_text.h"
#include "alarms/payload_kinds.h"
#include "alarms/webhook_signature.h"
#include "proto/rfc3339.h"

namespace fleetmeter::alarms {
namespace {

constexpr std::size_t kSummaryMax = 1024;
constexpr std::size_t kReasonMax = 8000;  ///< Far below the 512 KB of a whole event.
constexpr std::array<std::string_view, 4> kSeverities{"critical", "error", "warning", "info"};

std::string_view severity_of(const proto::Event& event) {
  const auto found = std::find(kSeverities.begin(), kSeverities.end(), event.severity());
  return found == kSeverities.end() ? "error" : *found;
}

std::string details(const proto::Event& event) {
  std::string json =
      fmt::format(R"({{"event_id":{},"from":{},"to":{},"reason":{})", json_string(event.id()),
                  json_string(event.from()), json_string(event.to()),
                  json_string(cut_text(valid_utf8(event.reason()), kReasonMax)));
  const proto::AlarmDetail& alarm = event.alarm();
  const int count = std::min(alarm.dimension_names_size(), alarm.dimension_values_size());
  std::string dimensions;
  for (int i = 0; i < count; ++i) {
    dimensions += fmt::format("{}{}:{}", i > 0 ? "," : "", json_string(alarm.dimension_names(i)),
                              json_string(alarm.dimension_values(i)));
  }
  if (count > 0) json += ",\"dimensions\":{" + dimensions + "}";
  return json + "}";
}

}  // namespace

std::string pagerduty_dedup_key(const proto::Event& event) {
  // Each part with its length: no two triples can run together into one text.
  std::string identity;
  for (const std::string* part : {&event.environment(), &event.rule(), &event.series()}) {
    identity += fmt::format("{}:{}", part->size(), *part);
  }
  return "fleetmeter-" + sha256_hex(identity).substr(0, 32);
}

std::string pagerduty_body(const proto::Event& event) {
  const std::string head =
      fmt::format(R"({{"event_action":"{}","dedup_key":"{}")",
                  event.to() == "OK" ? "resolve" : "trigger", pagerduty_dedup_key(event));
  if (event.to() == "OK") return head + "}";
  const std::string subject =
      event.series().empty() ? headline(event) : headline(event) + " on " + event.series();
  const std::string summary =
      cut_text(valid_utf8(fmt::format("[{}] {}: {}", event.environment(), subject, event.reason())),
               kSummaryMax);
  const std::string& source = event.series().empty() ? event.environment() : event.series();
  return head +
         fmt::format(
             R"(,"payload":{{"summary":{},"source":{},"severity":"{}","timestamp":"{}","component":{},)"
             R"("group":{},"custom_details":{}}}}})",
             json_string(summary), json_string(source.empty() ? "fleetmeter" : source),
             severity_of(event), rfc3339(event.time_s()), json_string(event.rule()),
             json_string(event.environment()), details(event));
}

}  // namespace fleetmeter::alarms
