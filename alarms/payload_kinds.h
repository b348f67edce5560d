#pragma once

#include <string>

#include "proto/event.pb.h"

namespace fleetmeter::alarms {

/// Bodies of the single services, all JSON: render_payload picks one. Pure.

/// Slack incoming webhook: `text` for the notification, blocks for the channel. Texts are escaped
/// for mrkdwn and stay below 150 characters in a header, 3000 in a section's text and 2000 in a
/// field. Rule: Slack documentation, "Block Kit: Blocks" and "Formatting text for app surfaces".
[[nodiscard]] std::string slack_body(const proto::Event& event);

/// PagerDuty Events API v2 without its routing_key, which each attempt adds. ALARM triggers, OK
/// resolves; the dedup_key is the same for all events of one (environment, rule, series). Unknown
/// severities count as "error". Rule: PagerDuty Developer Documentation, "Events API v2: Send an
/// Alert Event".
[[nodiscard]] std::string pagerduty_body(const proto::Event& event);
[[nodiscard]] std::string pagerduty_dedup_key(const proto::Event& event);

/// Alertmanager API v2: one alert in an array, labels alertname, severity, environment and the
/// series' dimensions. Firing: startsAt is the event time and endsAt lies 14 days later, because
/// nothing is sent again meanwhile and Alertmanager's own resolve_timeout of 5 min would end it; an
/// alarm that lasts longer vanishes there then. OK ends it at the event time. So telemetry older
/// than 14 days arrives as already resolved. Rule: Prometheus Alertmanager documentation, "Alerts
/// API", and its OpenAPI specification v2.
[[nodiscard]] std::string alertmanager_body(const proto::Event& event);

/// "ALARM disk-warn" or "Scaling hyperion-asg: 4 to 6": what happened, in one line for people.
[[nodiscard]] std::string headline(const proto::Event& event);

}  // namespace fleetmeter::alarms
