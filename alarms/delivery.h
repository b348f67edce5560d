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
#include "proto/clock.h"
#include "proto/event.pb.h"
#include "proto/result.h"

namespace fleetmeter::alarms {

/// One entry of `notify:` in the configuration, secrets resolved from environment or file.
struct Receiver {
  enum class Kind : std::uint8_t { kWebhook, kSlack, kSnsHttp, kPagerDuty, kAlertmanager };
  std::string name;
  Kind kind = Kind::kWebhook;
  std::string url;
  std::string secret;                ///< Standard Webhooks "whsec_..." (webhook), routing key (PagerDuty).
  bool send_ok = true;               ///< Also send transitions to OK.
  std::uint32_t timeout_ms = 15000;
  std::uint32_t attempts_max = 10;
};

/// Body and content type that `receiver` gets for `event`: a pure function, frozen in the outbox when queued.
/// Webhook: {"type", "timestamp" (event time), "data": {...event...}} (Standard Webhooks specification, "Payload structure").
/// Slack: incoming webhook with text and blocks. PagerDuty: Events API v2, dedup_key stable per alarm and series.
/// Alertmanager: POST /api/v2/alerts array.
struct Payload { std::string body, content_type; };
[[nodiscard]] Payload render_payload(const Receiver& receiver, const proto::Event& event);

/// Outbox entries of an event: one per receiver that takes it. None for initial states and silenced alarms.
[[nodiscard]] std::vector<aggregator::OutboxEntry> outbox_entries(const proto::Event& event,
                                                                  const std::map<std::string, Receiver>& receivers);

/// Standard Webhooks signature: "v1," + base64(HMAC-SHA256(secret, id + "." + timestamp + "." + body)).
/// Error for an empty or undecodable secret. Rule: Standard Webhooks specification, "Signature scheme".
[[nodiscard]] Result<std::string> sign_webhook(std::string_view secret, std::string_view id, std::int64_t timestamp_s,
                                               std::string_view body);

/// Waits before attempt `attempts + 1`: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h, each with up to 20 % jitter
/// from `seed`; the first retries of an action are 1 s, 2 s, 4 s ... so that it lands before it expires.
[[nodiscard]] std::int64_t retry_delay_ms(std::uint32_t attempts, bool action, std::uint64_t seed) noexcept;

struct DeliveryCounters {
  std::atomic<std::uint64_t> attempts{0}, delivered{0}, failed{0}, dead{0}, expired{0};
};

/// Sends due outbox entries over HTTP(S) by libcurl: at least once, stable `webhook-id` = event id + "-" + receiver hash,
/// retries with backoff and jitter, honours Retry-After, never follows redirects, 410 and permanent 4xx go to the dead
/// letter. Per receiver one at a time and in event order, so a slow receiver blocks no other. Owns its thread.
class Deliverer {
 public:
  struct Options {
    std::uint32_t parallel_receivers = 8;
    bool allow_private_targets = true;   ///< Webhooks into one's own network are the usual case.
    std::function<void(const char*)> fault;  ///< Test hook: called with "delivery.before_send", "delivery.after_send".
  };
  Deliverer(aggregator::AggregateLog& log, std::map<std::string, Receiver> receivers, const Clock& clock, Options options);
  ~Deliverer();  ///< Stops and joins; what is pending stays in the outbox.

  void start();
  void wake();   ///< New entries were queued.
  /// Tries everything that is due until the outbox has no pending entry or the timeout; for --until-eof --deliver.
  [[nodiscard]] bool drain(std::int64_t timeout_ms);
  [[nodiscard]] const DeliveryCounters& counters() const noexcept;
  [[nodiscard]] std::optional<std::string> last_error() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fleetmeter::alarms
