#include "alarms/delivery_attempt.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <sstream>
#include <string_view>
#include <utility>

#include "alarms/json_text.h"
#include "proto/check.h"

namespace fleetmeter::alarms {
namespace {

constexpr std::int64_t kSecondMs = 1000;
constexpr std::int64_t kMinuteMs = 60 * kSecondMs;
constexpr std::int64_t kHourMs = 60 * kMinuteMs;
constexpr std::array<std::int64_t, 9> kRetryDelaysMs{5 * kSecondMs, 5 * kMinuteMs, 30 * kMinuteMs,
                                                     2 * kHourMs,   5 * kHourMs,   10 * kHourMs,
                                                     14 * kHourMs,  20 * kHourMs,  24 * kHourMs};
constexpr std::int64_t kActionDelayMaxMs = kMinuteMs;
constexpr std::int64_t kAskedWaitMaxMs = 24 * kHourMs;
constexpr std::size_t kDescriptionMax = 300;

constexpr std::string_view kPagerDutyUrl = "https://events.pagerduty.com/v2/enqueue";
constexpr std::string_view kAlertmanagerPath = "/api/v2/alerts";

bool ends_with(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

/// splitmix64: spreads a seed over all bits, so that consecutive ones do not give neighbouring
/// delays.
std::uint64_t spread(std::uint64_t seed) noexcept {
  seed += 0x9E3779B97F4A7C15U;
  seed = (seed ^ (seed >> 30)) * 0xBF58476D1CE4E5B9U;
  seed = (seed ^ (seed >> 27)) * 0x94D049BB133111EBU;
  return seed ^ (seed >> 31);
}

void strike_out(std::string& text, const std::string& secret) {
  if (secret.size() < 4) return;  // Too short to be a secret, and would strike out ordinary text.
  for (std::size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at)) {
    text.replace(at, secret.size(), "***");
  }
}

}  // namespace

Result<void> check_receiver(const Receiver& receiver) {
  const auto wrong = [&](std::string_view what) {
    return Error{ErrorCode::kInvalidArgument,
                 fmt::format("receiver '{}': {}", receiver.name, what)};
  };
  const std::string url = request_url(receiver);
  const bool http = url.rfind("http://", 0) == 0 && url.size() > 7;
  const bool https = url.rfind("https://", 0) == 0 && url.size() > 8;
  if (!http && !https) return wrong("its URL must begin with http:// or https://");
  if (receiver.timeout_ms == 0) return wrong("timeout must be above 0");
  if (receiver.attempts_max == 0) return wrong("attempts_max must be at least 1");
  if (receiver.kind == Receiver::Kind::kWebhook) {
    if (const auto signature = signature_header(receiver.secret, "id", 0, ""); !signature) {
      return wrong(signature.error().message);
    }
  }
  if (receiver.kind == Receiver::Kind::kPagerDuty && receiver.secret.empty())
    return wrong("its routing key is empty");
  return {};
}

std::int64_t retry_delay_ms(std::uint32_t attempts, bool action, std::uint64_t seed) noexcept {
  FM_CHECK(attempts >= 1);
  const std::size_t step = attempts - 1;
  const std::int64_t delay_ms =
      action ? std::min(kSecondMs << std::min<std::size_t>(step, 6), kActionDelayMaxMs)
             : kRetryDelaysMs[std::min(step, kRetryDelaysMs.size() - 1)];
  const auto permille = static_cast<std::int64_t>(spread(seed) % 201);
  return delay_ms + delay_ms * permille / 1000;
}

std::string request_url(const Receiver& receiver) {
  if (receiver.kind == Receiver::Kind::kPagerDuty && receiver.url.empty())
    return std::string(kPagerDutyUrl);
  std::string url = receiver.url;
  if (receiver.kind == Receiver::Kind::kAlertmanager && !ends_with(url, kAlertmanagerPath)) {
    while (ends_with(url, "/")) url.pop_back();
    url += kAlertmanagerPath;
  }
  return url;
}

Result<HttpPost> make_request(const Receiver& receiver, const aggregator::OutboxEntry& entry,
                              std::int64_t now_s) {
  HttpPost request;
  request.url = request_url(receiver);
  request.timeout_ms = receiver.timeout_ms;
  request.headers.push_back("Content-Type: " + entry.content_type);
  request.body = entry.body;
  if (receiver.kind == Receiver::Kind::kWebhook) {
    const std::string id = webhook_id(entry.event_id, entry.receiver);
    const Result<std::string> signature = signature_header(receiver.secret, id, now_s, entry.body);
    if (!signature) return signature.error();
    request.headers.push_back("webhook-id: " + id);
    request.headers.push_back(fmt::format("webhook-timestamp: {}", now_s));
    request.headers.push_back("webhook-signature: " + *signature);
  }
  if (receiver.kind == Receiver::Kind::kPagerDuty) {
    if (receiver.secret.empty())
      return Error{ErrorCode::kInvalidArgument, "the routing key is empty"};
    if (request.body.size() < 2 || request.body.front() != '{') {
      return Error{ErrorCode::kDataLoss, "the stored body is not an object"};
    }
    request.body.insert(1, "\"routing_key\":" + json_string(receiver.secret) + ",");
  }
  return request;
}

AttemptVerdict judge(const HttpOutcome& outcome) noexcept {
  if (outcome.status >= 200 && outcome.status < 300) return AttemptVerdict::kDelivered;
  const bool for_now = outcome.status == 408 || outcome.status == 425 || outcome.status == 429;
  if (outcome.status >= 400 && outcome.status < 500 && !for_now) return AttemptVerdict::kDead;
  return AttemptVerdict::kRetry;
}

std::int64_t asked_wait_ms(const HttpOutcome& outcome) noexcept {
  if ((outcome.status != 429 && outcome.status != 503) || !outcome.retry_after_s) return 0;
  const std::int64_t seconds =
      std::clamp<std::int64_t>(*outcome.retry_after_s, 1, kAskedWaitMaxMs / kSecondMs);
  return seconds * kSecondMs;
}

aggregator::OutboxEntry after_attempt(aggregator::OutboxEntry entry, const Receiver& receiver,
                                      const HttpOutcome& outcome, std::int64_t now_ms) {
  ++entry.attempts;
  const AttemptVerdict verdict = judge(outcome);
  if (verdict == AttemptVerdict::kDelivered) {
    entry.state = aggregator::DeliveryState::kDelivered;
    entry.last_error.clear();
    return entry;
  }
  entry.last_error = describe(outcome, receiver);
  if (verdict == AttemptVerdict::kDead || entry.attempts >= receiver.attempts_max) {
    entry.state = aggregator::DeliveryState::kDead;
    return entry;
  }
  const std::uint64_t seed =
      std::hash<std::string>{}(entry.event_id + entry.receiver) + entry.attempts;
  entry.next_attempt_ms =
      now_ms + std::max(asked_wait_ms(outcome), retry_delay_ms(entry.attempts, entry.action, seed));
  if (entry.expires_s > 0) {  // So that its expiry is recorded when it happens.
    entry.next_attempt_ms = std::min(entry.next_attempt_ms, entry.expires_s * kSecondMs + 1);
  }
  return entry;
}

std::string describe(const HttpOutcome& outcome, const Receiver& receiver) {
  std::string text = outcome.status > 0 ? fmt::format("status {}", outcome.status) : outcome.error;
  if (outcome.status > 0 && !outcome.answer.empty()) text += ": " + outcome.answer;
  strike_out(text, receiver.url);
  std::istringstream secrets(receiver.secret);
  for (std::string secret; secrets >> secret;) strike_out(text, secret);
  for (char& c : text) {
    if (c < 0x20 || c > 0x7E) c = ' ';
  }
  text.resize(std::min(text.size(), kDescriptionMax));
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

bool is_expired(const aggregator::OutboxEntry& entry, std::int64_t now_ms) noexcept {
  return entry.expires_s > 0 && now_ms > entry.expires_s * kSecondMs;
}

}  // namespace fleetmeter::alarms
