#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <string_view>

#include "alarms/json_text.h"
#include "alarms/payload_kinds.h"
#include "proto/rfc3339.h"

namespace fleetmeter::alarms {
namespace {

constexpr std::int64_t kFiringS = 14 * 86'400;
constexpr std::size_t kTextMax = 8000;

/// A label name as every release takes it: [a-zA-Z_][a-zA-Z0-9_]*.
std::string label_name(std::string_view dimension) {
  std::string name;
  for (const char c : dimension) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
    const bool digit = c >= '0' && c <= '9';
    if (digit && name.empty()) name += '_';
    name += letter || digit ? c : '_';
  }
  return name.empty() ? "_" : name;
}

std::map<std::string, std::string> labels_of(const proto::Event& event) {
  std::map<std::string, std::string> labels{{"alertname", event.rule()},
                                            {"environment", event.environment()}};
  if (!event.severity().empty()) labels["severity"] = event.severity();
  const proto::AlarmDetail& alarm = event.alarm();
  const int count = std::min(alarm.dimension_names_size(), alarm.dimension_values_size());
  for (int i = 0; i < count; ++i) {
    if (alarm.dimension_values(i).empty())
      continue;  // Alertmanager drops empty labels from the identity.
    std::string name = label_name(alarm.dimension_names(i));
    while (labels.count(name) > 0) name.insert(0, "dimension_");
    labels[name] = alarm.dimension_values(i);
  }
  if (count == 0 && !event.series().empty()) labels["series"] = event.series();
  return labels;
}

}  // namespace

std::string alertmanager_body(const proto::Event& event) {
  std::string labels;
  for (const auto& [name, value] : labels_of(event)) {
    labels +=
        fmt::format("{}{}:{}", labels.empty() ? "" : ",", json_string(name), json_string(value));
  }
  const bool resolved = event.to() == "OK";
  const auto text = [](const std::string& raw) {
    return json_string(cut_text(valid_utf8(raw), kTextMax));
  };
  std::string annotations =
      fmt::format(R"("summary":{},"reason":{})", text(headline(event)), text(event.reason()));
  if (!event.alarm().description().empty())
    annotations += ",\"description\":" + text(event.alarm().description());
  return fmt::format(R"([{{"labels":{{{}}},"annotations":{{{}}},"startsAt":"{}","endsAt":"{}"}}])",
                     labels, annotations, rfc3339(event.time_s()),
                     rfc3339(resolved ? event.time_s() : event.time_s() + kFiringS));
}

}  // namespace fleetmeter::alarms
