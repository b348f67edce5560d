#include <fmt/format.h>

#include <set>
#include <string_view>

#include "alarms/delivery.h"
#include "alarms/engine.h"
#include "alarms/json_text.h"
#include "alarms/payload_kinds.h"
#include "proto/check.h"
#include "proto/rfc3339.h"

namespace fleetmeter::alarms {
namespace {

constexpr std::string_view kStateChanged = "alarm.state_changed";
constexpr std::string_view kScalingDecided = "scaling.decided";
constexpr std::string_view kRetired = "alarm.retired";

/// The event's JSON, which nests a decision under "scaling", with what an actuator needs of it as
/// plain members of `data` besides: a receiver of actions should not have to know our events.
std::string webhook_data(const proto::Event& event) {
  std::string data = valid_utf8(event_json(event));
  if (!event.has_scaling()) return data;
  FM_CHECK(data.size() > 2);
  FM_CHECK(data.back() == '}');
  data.pop_back();
  const proto::ScalingDetail& scaling = event.scaling();
  return data +
         fmt::format(R"(,"group":{},"current":{},"desired":{},"min":{},"max":{},"policy":{}}})",
                     json_string(scaling.group()), scaling.current(), scaling.desired(),
                     scaling.minimum(), scaling.maximum(), json_string(scaling.policy()));
}

std::string webhook_body(const proto::Event& event) {
  return fmt::format(R"({{"type":{},"timestamp":"{}","data":{}}})", json_string(event.type()),
                     rfc3339(event.time_s()), webhook_data(event));
}

/// Whether a receiver takes an event as a notification.
bool takes(const Receiver& receiver, const proto::Event& event) {
  const bool state_change = event.type() == kStateChanged;
  if (state_change && event.to() == "OK" && !receiver.send_ok) return false;
  if (receiver.kind == Receiver::Kind::kPagerDuty ||
      receiver.kind == Receiver::Kind::kAlertmanager) {
    return state_change && (event.to() == "ALARM" || event.to() == "OK");
  }
  return true;
}

aggregator::OutboxEntry make_entry(const proto::Event& event, const Receiver& receiver,
                                   bool action) {
  Payload payload = render_payload(receiver, event);
  aggregator::OutboxEntry entry;
  entry.event_id = event.id();
  entry.receiver = receiver.name;
  entry.body = std::move(payload.body);
  entry.content_type = std::move(payload.content_type);
  entry.event_time_s = event.time_s();
  entry.expires_s = action ? event.expires_s() : 0;
  entry.action = action;
  return entry;
}

}  // namespace

std::string headline(const proto::Event& event) {
  if (event.has_scaling()) {
    const proto::ScalingDetail& scaling = event.scaling();
    return fmt::format("Scaling {}: {} to {}", scaling.group(), scaling.current(),
                       scaling.desired());
  }
  return fmt::format("{} {}", event.to().empty() ? event.type() : event.to(), event.rule());
}

Payload render_payload(const Receiver& receiver, const proto::Event& event) {
  Payload payload{{}, "application/json"};
  switch (receiver.kind) {
    case Receiver::Kind::kWebhook:
      payload.body = webhook_body(event);
      break;
    case Receiver::Kind::kSlack:
      payload.body = slack_body(event);
      break;
    case Receiver::Kind::kPagerDuty:
      payload.body = pagerduty_body(event);
      break;
    case Receiver::Kind::kAlertmanager:
      payload.body = alertmanager_body(event);
      break;
  }
  return payload;
}

std::vector<aggregator::OutboxEntry> outbox_entries(
    const proto::Event& event, const std::map<std::string, Receiver>& receivers) {
  std::vector<aggregator::OutboxEntry> entries;
  if (event.initial() || event.type() == kRetired) return entries;
  std::set<std::string> taken;
  const auto queue = [&](const std::string& name, bool action) {
    const auto receiver = receivers.find(name);
    if (receiver == receivers.end() || taken.count(name) > 0 || !takes(receiver->second, event))
      return;
    taken.insert(name);
    entries.push_back(make_entry(event, receiver->second, action));
    entries.back().receiver = name;
  };
  if (event.type() == kScalingDecided) {
    for (const std::string& name : event.act()) queue(name, true);
  }
  for (const std::string& name : event.notify()) queue(name, false);
  return entries;
}

}  // namespace fleetmeter::alarms
