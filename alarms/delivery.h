#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aggregator/aggregate_log.h"
#include "alarms/action_outcome.h"
#include "alarms/webhook_signature.h"
#include "proto/clock.h"
#include "proto/event.pb.h"
#include "proto/result.h"

namespace fleetmeter::alarms {

/// One entry of `notify:` in the configuration, secrets resolved from environment or file.
struct Receiver {
  enum class Kind : std::uint8_t { kWebhook, kSlack, kPagerDuty, kAlertmanager };
  std::string name;
  Kind kind = Kind::kWebhook;
  /// Where to post. PagerDuty: empty = its Events API v2. Alertmanager: its base, "/api/v2/alerts"
  /// is added when missing.
  std::string url;
  /// Webhook: Standard Webhooks "whsec_...", several separated by blanks while keys are rotated.
  /// PagerDuty: routing key.
  std::string secret;
  bool send_ok = true;               ///< Also send transitions to OK.
  std::uint32_t timeout_ms = 15000;  ///< Of one attempt, connecting included.
  std::uint32_t attempts_max = 10;   ///< After so many failed attempts an entry is dead.
};

/// Whether `receiver` can be delivered to at all: a URL with http or https, a usable secret where
/// the kind needs one, limits above 0. The message names what is wrong and never holds a secret or
/// a URL.
[[nodiscard]] Result<void> check_receiver(const Receiver& receiver);

/// Body and content type that `receiver` gets for `event`: a pure function, frozen in the outbox
/// when queued. Holds no secret: signature and PagerDuty's routing key are added to each attempt.
/// Texts are cut below each service's documented limits and say how many characters were left out.
/// Webhook: {"type", "timestamp" (event time), "data": event_json}; the data of scaling events also
/// has group, current, desired, min, max and policy (Standard Webhooks specification, "Payload
/// structure"). Slack: incoming webhook with text and blocks. PagerDuty: Events API v2, dedup_key
/// stable per (environment, rule, series). Alertmanager: array of one alert for POST
/// /api/v2/alerts; OK ends it.
struct Payload {
  std::string body, content_type;
};
[[nodiscard]] Payload render_payload(const Receiver& receiver, const proto::Event& event);

/// Outbox entries of an event: one per receiver that takes it, an action before a notification
/// where one is both. None for initial states, retired alarms and names that `receivers` lacks
/// (silenced alarms have no names). PagerDuty and Alertmanager know only firing and resolved: they
/// get no INSUFFICIENT_DATA and no scaling events.
[[nodiscard]] std::vector<aggregator::OutboxEntry> outbox_entries(
    const proto::Event& event, const std::map<std::string, Receiver>& receivers);

/// Waits before attempt `attempts + 1`: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h, each
/// with up to 20 % jitter from `seed`; those of an action are 1 s, 2 s, 4 s ... 60 s so that it
/// lands before it expires. `attempts` >= 1. Rule: Standard Webhooks specification, "Operational
/// considerations", for the first list.
[[nodiscard]] std::int64_t retry_delay_ms(std::uint32_t attempts, bool action,
                                          std::uint64_t seed) noexcept;

struct DeliveryCounters {
  /// `failed` attempts are tried again; `delivered`, `dead` and `expired` are final states.
  std::atomic<std::uint64_t> attempts{0}, delivered{0}, failed{0}, dead{0}, expired{0};
};

/// Sends outbox entries over HTTP(S) by libcurl: at least once, with a stable `webhook-id`, never
/// following redirects.
///
/// Per receiver one at a time, and strictly in event order within one environment, rule and series
/// (one scaling group), because a receiver that sees OK before ALARM keeps the alarm open. An entry
/// that waits for its retry holds back no other order, and no entry of another receiver. While a
/// receiver fails it gets at most one attempt a minute, of whatever entry (delivery_order.h); once
/// it takes one, those that were left waiting follow. Every attempt counts towards `attempts_max`. 2xx
/// is success; 408, 425, 429, 5xx, redirects and network errors are retried (429 and 503 not
/// before Retry-After says, up to 24 h); every other 4xx, 410 included, and the last attempt are the dead
/// letter. An action whose `expires_s` is before the wall clock is recorded as expired and never
/// sent, whatever it waits for. Of more than 4096 pending entries of one receiver the oldest are
/// looked at. Owns its thread. The outcome is recorded in the log; while that fails it is kept and the
/// entry is not sent again. That an action was not delivered, expired or dead, is told through
/// `outcomes` first, and then recorded.
class Deliverer {
 public:
  struct Options {
    std::uint32_t parallel_receivers =
        64;  ///< Transfers at a time; beyond it receivers take turns.
    bool allow_private_targets =
        true;  ///< Webhooks into one's own network are the usual case. False refuses private,
               ///< loopback and link-local addresses after name resolution.
    /// Where failed actions are told; null = nowhere (a log that nobody evaluates). Must outlive
    /// the deliverer.
    ActionOutcomes* outcomes = nullptr;
    std::function<void(const char*)>
        fault;  ///< Test hook: called with "delivery.before_send", "delivery.after_send",
                ///< "delivery.after_tell".
  };
  /// `log` and `clock` must outlive it. Entries for a name that `receivers` lacks go to the dead
  /// letter.
  Deliverer(aggregator::Outbox& log, std::map<std::string, Receiver> receivers, const Clock& clock,
            Options options);
  ~Deliverer();  ///< Stops and joins, within about a second; what is pending stays in the outbox.

  void start();  ///< Once.
  void wake();   ///< New entries were queued. Any thread; also looked for once a second.
  /// Waits until the outbox has no pending entry (true) or `timeout_ms` has passed; starts the
  /// thread if need be. For `run --until-eof --deliver`.
  [[nodiscard]] bool drain(std::int64_t timeout_ms);
  [[nodiscard]] const DeliveryCounters& counters() const noexcept;
  /// Of the newest failure, without secrets; nullopt = none yet.
  [[nodiscard]] std::optional<std::string> last_error() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fleetmeter::alarms
