#include "alarms/delivery_attempt.h"

#include <gtest/gtest.h>

#include <set>

namespace fleetmeter::alarms {
namespace {

using aggregator::DeliveryState;
using aggregator::OutboxEntry;

HttpOutcome answered(long status) {
  HttpOutcome outcome;
  outcome.status = status;
  return outcome;
}

TEST(DeliveryAttempt, TellsSuccessFromFailureForNowAndForGood) {
  for (const long status : {200, 202, 204, 299})
    EXPECT_EQ(judge(answered(status)), AttemptVerdict::kDelivered) << status;
  for (const long status : {0, 301, 307, 408, 425, 429, 500, 502, 503, 504, 599}) {
    EXPECT_EQ(judge(answered(status)), AttemptVerdict::kRetry) << status;
  }
  for (const long status : {400, 401, 403, 404, 410, 413, 422})
    EXPECT_EQ(judge(answered(status)), AttemptVerdict::kDead) << status;
}

TEST(DeliveryAttempt, SpacesRetriesFromSecondsToADayWithJitter) {
  const std::int64_t seconds[] = {5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400, 86400};
  for (std::uint32_t attempts = 1; attempts <= 10; ++attempts) {
    std::set<std::int64_t> delays;
    for (std::uint64_t seed = 0; seed < 100; ++seed)
      delays.insert(retry_delay_ms(attempts, false, seed));
    const std::int64_t base_ms = seconds[attempts - 1] * 1000;
    EXPECT_GE(*delays.begin(), base_ms);
    EXPECT_LE(*delays.rbegin(), base_ms + base_ms / 5);
    EXPECT_GT(delays.size(), 10U);
  }
}

TEST(DeliveryAttempt, RetriesAnActionFastEnoughToLandWithinFiveMinutes) {
  std::int64_t since_start_ms = 0;
  for (std::uint32_t attempts = 1; attempts <= 7; ++attempts)
    since_start_ms += retry_delay_ms(attempts, true, attempts);
  EXPECT_LT(since_start_ms, 300'000);
  EXPECT_LE(retry_delay_ms(1, true, 7), 1200);
  EXPECT_LE(retry_delay_ms(4'000'000'000U, true, 7), 72'000);
}

TEST(DeliveryAttempt, TakesRetryAfterOfThrottlingAnswersOnlyAndBoundsIt) {
  HttpOutcome outcome = answered(429);
  EXPECT_EQ(asked_wait_ms(outcome), 0);
  outcome.retry_after_s = 90;
  EXPECT_EQ(asked_wait_ms(outcome), 90'000);
  outcome.retry_after_s = 1'000'000;
  EXPECT_EQ(asked_wait_ms(outcome), 86'400'000);
  outcome.status = 500;
  EXPECT_EQ(asked_wait_ms(outcome), 0);
}

TEST(DeliveryAttempt, RetryAfterPutsAnAttemptOffAndNeverBringsItForward) {
  OutboxEntry entry;
  entry.attempts = 5;
  HttpOutcome outcome = answered(503);
  outcome.retry_after_s = 1;
  EXPECT_GE(after_attempt(entry, Receiver{}, outcome, 0).next_attempt_ms, 10 * 3'600'000);
  outcome.retry_after_s = 20 * 3600;
  EXPECT_EQ(after_attempt(entry, Receiver{}, outcome, 0).next_attempt_ms, 20 * 3'600'000);
}

TEST(DeliveryAttempt, TriesAnActionNoLaterThanItsExpiry) {
  OutboxEntry entry;
  entry.action = true;
  entry.expires_s = 1000;
  HttpOutcome outcome = answered(503);
  outcome.retry_after_s = 3600;
  const OutboxEntry after = after_attempt(entry, Receiver{}, outcome, 990'000);
  EXPECT_EQ(after.state, DeliveryState::kPending);
  EXPECT_EQ(after.next_attempt_ms, 1'000'001);
  EXPECT_TRUE(is_expired(after, after.next_attempt_ms));
  EXPECT_FALSE(is_expired(after, 1'000'000));
  entry.expires_s = 0;
  EXPECT_FALSE(is_expired(entry, 1'000'000'000'000));
}

TEST(DeliveryAttempt, FillsInTheServicesAddress) {
  Receiver receiver;
  receiver.kind = Receiver::Kind::kPagerDuty;
  EXPECT_EQ(request_url(receiver), "https://events.pagerduty.com/v2/enqueue");
  receiver.kind = Receiver::Kind::kAlertmanager;
  for (const char* url : {"http://am:9093", "http://am:9093/", "http://am:9093/api/v2/alerts"}) {
    receiver.url = url;
    EXPECT_EQ(request_url(receiver), "http://am:9093/api/v2/alerts");
  }
  receiver.kind = Receiver::Kind::kWebhook;
  EXPECT_EQ(request_url(receiver), receiver.url);
}

TEST(DeliveryAttempt, ChecksAReceiverAndNamesWhatIsWrong) {
  Receiver receiver{.name = "ops",
                    .url = "https://example.com/hook",
                    .secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"};
  EXPECT_TRUE(check_receiver(receiver));
  const auto broken = [&](auto change) {
    Receiver copy = receiver;
    change(copy);
    const Result<void> result = check_receiver(copy);
    return result ? std::string("fine") : result.error().message;
  };
  EXPECT_NE(broken([](Receiver& r) { r.url = "ftp://example.com"; }).find("http"),
            std::string::npos);
  EXPECT_NE(broken([](Receiver& r) { r.url = ""; }).find("http"), std::string::npos);
  EXPECT_NE(broken([](Receiver& r) { r.secret = ""; }).find("secret is empty"), std::string::npos);
  EXPECT_NE(broken([](Receiver& r) { r.timeout_ms = 0; }).find("timeout"), std::string::npos);
  EXPECT_NE(broken([](Receiver& r) { r.attempts_max = 0; }).find("attempts_max"),
            std::string::npos);
  EXPECT_NE(broken([](Receiver& r) {
              r.kind = Receiver::Kind::kPagerDuty;
              r.secret = "";
            }).find("routing key"),
            std::string::npos);
  EXPECT_EQ(broken([](Receiver& r) {
              r.kind = Receiver::Kind::kSlack;
              r.secret = "";
            }),
            "fine");
}

TEST(DeliveryAttempt, MakesPrintableAsciiOfWhatAReceiverAnswers) {
  HttpOutcome outcome = answered(400);
  outcome.answer = "bad\r\n\x1b[31m\xff " + std::string(1000, 'x');
  const std::string text = describe(outcome, Receiver{});
  EXPECT_EQ(text.substr(0, 18), "status 400: bad   ");
  EXPECT_EQ(text.size(), 300U);
  outcome.status = 0;
  outcome.error = "Could not resolve host: nowhere";
  EXPECT_EQ(describe(outcome, Receiver{}), outcome.error);
}

TEST(PrivateAddress, IsWhatTheInternetDoesNotRoute) {
  for (const char* address : {"10.0.0.1",
                              "172.16.0.1",
                              "172.31.255.255",
                              "192.168.1.1",
                              "127.0.0.1",
                              "169.254.169.254",
                              "100.64.0.1",
                              "0.0.0.0",
                              "224.0.0.1",
                              "255.255.255.255",
                              "::1",
                              "::",
                              "fe80::1",
                              "fe80::1%eth0",
                              "fd00:ec2::254",
                              "::ffff:10.0.0.1",
                              "64:ff9b::a00:1",
                              "ff02::1",
                              "nonsense",
                              ""}) {
    EXPECT_TRUE(is_private_address(address)) << address;
  }
  for (const char* address :
       {"8.8.8.8", "172.15.0.1", "172.32.0.1", "100.63.0.1", "100.128.0.1", "169.253.0.1",
        "192.167.0.1", "2600:1f18::1", "::ffff:8.8.8.8", "64:ff9b::808:808"}) {
    EXPECT_FALSE(is_private_address(address)) << address;
  }
}

}  // namespace
}  // namespace fleetmeter::alarms
