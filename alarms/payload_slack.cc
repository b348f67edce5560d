#include <fmt/format.h>

#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "alarms/json_text.h"
#include "alarms/payload_kinds.h"
#include "proto/rfc3339.h"

namespace fleetmeter::alarms {
namespace {

constexpr std::size_t kHeaderMax = 150;
constexpr std::size_t kSectionMax = 3000;
constexpr std::size_t kFieldMax = 2000;
constexpr std::size_t kEntityMax =
    5;  ///< "&amp;": an escaped text is at most this many times as long.

/// Escaped for mrkdwn and at most `characters_max` long after escaping, without cutting an entity
/// in two.
std::string mrkdwn(std::string_view raw, std::size_t characters_max) {
  const auto escape = [](std::string_view text) {
    std::string escaped;
    for (const char c : text) {
      c == '&'   ? escaped += "&amp;"
      : c == '<' ? escaped += "&lt;"
      : c == '>' ? escaped += "&gt;"
                 : escaped += c;
    }
    return escaped;
  };
  const std::string text = valid_utf8(raw);
  std::string escaped = escape(text);
  if (cut_text(escaped, characters_max) == escaped) return escaped;
  std::size_t raw_max = characters_max;
  while (raw_max >
         characters_max /
             kEntityMax) {  // The longest raw text whose escaped form fits, in coarse steps.
    escaped = escape(cut_text(text, raw_max));
    if (cut_text(escaped, characters_max) == escaped) return escaped;
    raw_max -= characters_max / 20;
  }
  return escape(cut_text(text, characters_max / kEntityMax));
}

std::string number(double value) { return fmt::format("{}", value); }

/// Name and value of each field shown; Slack takes at most 10.
std::vector<std::pair<std::string, std::string>> shown_fields(const proto::Event& event) {
  std::vector<std::pair<std::string, std::string>> fields{{"Environment", event.environment()},
                                                          {"Rule", event.rule()}};
  if (!event.severity().empty()) fields.emplace_back("Severity", event.severity());
  if (!event.series().empty()) fields.emplace_back("Series", event.series());
  if (!event.from().empty() || !event.to().empty()) {
    fields.emplace_back("Change", fmt::format("{} to {}", event.from(), event.to()));
  }
  if (event.has_alarm()) {
    const proto::AlarmDetail& alarm = event.alarm();
    fields.emplace_back(
        "Metric", fmt::format("{} {} {}", alarm.namespace_(), alarm.metric(), alarm.statistic()));
    fields.emplace_back(
        "Threshold",
        fmt::format("{} {}, {} of {} at {} s", alarm.comparison(), number(alarm.threshold()),
                    alarm.datapoints_to_alarm(), alarm.evaluation_periods(), alarm.period_s()));
    if (alarm.recent_value_size() > 0) {
      fields.emplace_back("Newest value",
                          number(alarm.recent_value(alarm.recent_value_size() - 1)));
    }
  }
  if (event.has_scaling()) {
    const proto::ScalingDetail& scaling = event.scaling();
    fields.emplace_back("Policy", scaling.policy());
    fields.emplace_back("Limits", fmt::format("{} to {}", scaling.minimum(), scaling.maximum()));
  }
  return fields;
}

}  // namespace

std::string slack_body(const proto::Event& event) {
  const std::string title = cut_text(valid_utf8(headline(event)), kHeaderMax);
  const std::string reason =
      event.reason().empty() ? std::string("(no reason given)") : event.reason();
  std::string fields;
  for (const auto& [name, value] : shown_fields(event)) {
    if (!fields.empty()) fields += ',';
    const std::string text =
        fmt::format("*{}*\n{}", name, mrkdwn(value, kFieldMax - name.size() - 3));
    fields += fmt::format(R"({{"type":"mrkdwn","text":{}}})", json_string(text));
  }
  const std::string context =
      fmt::format("{} | {}", mrkdwn(event.environment(), kFieldMax - 40), rfc3339(event.time_s()));
  return fmt::format(
      R"({{"text":{},"blocks":[{{"type":"header","text":{{"type":"plain_text","text":{}}}}},)"
      R"({{"type":"section","text":{{"type":"mrkdwn","text":{}}}}},{{"type":"section","fields":[{}]}},)"
      R"({{"type":"context","elements":[{{"type":"mrkdwn","text":{}}}]}}]}})",
      json_string(mrkdwn(headline(event) + ": " + reason, kSectionMax)), json_string(title),
      json_string(mrkdwn(reason, kSectionMax)), fields, json_string(context));
}

}  // namespace fleetmeter::alarms
