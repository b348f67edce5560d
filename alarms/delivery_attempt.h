#pragma once

#include <cstdint>
#include <string>

#include "aggregator/aggregate_log.h"
#include "alarms/delivery.h"
#include "alarms/http_client.h"
#include "proto/result.h"

namespace fleetmeter::alarms {

/// The rules of one delivery attempt, apart from threads and sockets.

/// URL that requests to `receiver` go to: its own, with the service's default or API path filled
/// in.
[[nodiscard]] std::string request_url(const Receiver& receiver);

/// The request of one attempt at wall time `now_s`: frozen body, id and signature headers of a
/// webhook, routing key of PagerDuty. Error when the secret is unusable.
[[nodiscard]] Result<HttpPost> make_request(const Receiver& receiver,
                                            const aggregator::OutboxEntry& entry,
                                            std::int64_t now_s);

enum class AttemptVerdict : std::uint8_t {
  kDelivered,  ///< 2xx.
  kRetry,      ///< No answer, redirect, 408, 425, 429, 5xx.
  kDead,       ///< 410 and every other 4xx: the same request cannot succeed later.
};
[[nodiscard]] AttemptVerdict judge(const HttpOutcome& outcome) noexcept;

/// Wait that the receiver asked for with 429 or 503, at least 1 s and at most 24 h; 0 = none.
[[nodiscard]] std::int64_t asked_wait_ms(const HttpOutcome& outcome) noexcept;

/// `entry` after an attempt that ended at wall time `now_ms`: attempts counted, state, time of the
/// next one, last error. What the receiver asked for is the least wait: the schedule is no shorter
/// for it. An action never waits beyond its expiry.
[[nodiscard]] aggregator::OutboxEntry after_attempt(aggregator::OutboxEntry entry,
                                                    const Receiver& receiver,
                                                    const HttpOutcome& outcome,
                                                    std::int64_t now_ms);

/// Why an attempt failed, for people: status and start of the answer, or the network's error;
/// printable ASCII, at most 300 characters, the receiver's secret and URL struck out.
[[nodiscard]] std::string describe(const HttpOutcome& outcome, const Receiver& receiver);

/// Whether `entry` came too late to act: its expiry lies before `now_ms`.
[[nodiscard]] bool is_expired(const aggregator::OutboxEntry& entry, std::int64_t now_ms) noexcept;

}  // namespace fleetmeter::alarms
