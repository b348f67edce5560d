#include "app/webhook_verifier.h"

#include <gtest/gtest.h>

#include <string>

namespace fleetmeter::app {
namespace {

// The check value of the Standard Webhooks libraries.
constexpr const char* kSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
constexpr const char* kBody = R"({"test": 2432232314})";
constexpr std::int64_t kSentS = 1614265330;
constexpr WebhookHeaders kHeaders{"msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330",
                                  "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="};

WebhookVerdict verify(const WebhookHeaders& headers, std::int64_t now_s = kSentS,
                      std::int64_t tolerance_s = 300) {
  return verify_webhook(kSecret, headers, kBody, now_s, tolerance_s);
}

TEST(WebhookVerifier, AcceptsThePublishedCheckValue) {
  EXPECT_EQ(verify(kHeaders), WebhookVerdict::kValid);
}

TEST(WebhookVerifier, TakesTheSecretWithoutItsPrefix) {
  EXPECT_EQ(verify_webhook("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", kHeaders, kBody, kSentS, 300),
            WebhookVerdict::kValid);
}

TEST(WebhookVerifier, AcceptsWhenAnyKnownVersionMatchesAndSkipsOthers) {
  WebhookHeaders headers = kHeaders;
  headers.signature = "v1a,AAAA v1,AAAA v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v9,x";
  EXPECT_EQ(verify(headers), WebhookVerdict::kValid);
  headers.signature = "v1a,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
  EXPECT_EQ(verify(headers), WebhookVerdict::kBadSignature);
}

TEST(WebhookVerifier, RefusesAnyChangeOfIdTimestampBodyOrSecret) {
  WebhookHeaders other_id = kHeaders;
  other_id.id = "msg_other";
  EXPECT_EQ(verify(other_id), WebhookVerdict::kBadSignature);
  WebhookHeaders other_time = kHeaders;
  other_time.timestamp = "1614265331";
  EXPECT_EQ(verify(other_time), WebhookVerdict::kBadSignature);
  EXPECT_EQ(verify_webhook(kSecret, kHeaders, "{}", kSentS, 300), WebhookVerdict::kBadSignature);
  EXPECT_EQ(verify_webhook("whsec_c2VjcmV0", kHeaders, kBody, kSentS, 300),
            WebhookVerdict::kBadSignature);
}

TEST(WebhookVerifier, RefusesAMissingHeaderAndATimestampThatIsNoNumber) {
  for (const WebhookHeaders& headers : {WebhookHeaders{"", kHeaders.timestamp, kHeaders.signature},
                                        WebhookHeaders{kHeaders.id, "", kHeaders.signature},
                                        WebhookHeaders{kHeaders.id, kHeaders.timestamp, ""}}) {
    EXPECT_EQ(verify(headers), WebhookVerdict::kMissingHeader);
  }
  for (const char* timestamp : {"now", "1614265330x", "-5", "1614265330.5", " 1614265330"}) {
    EXPECT_EQ(verify({kHeaders.id, timestamp, kHeaders.signature}), WebhookVerdict::kBadTimestamp)
        << timestamp;
  }
}

TEST(WebhookVerifier, ToleratesFiveMinutesBothWaysAndAnyTimeWhenToldSo) {
  EXPECT_EQ(verify(kHeaders, kSentS + 300), WebhookVerdict::kValid);
  EXPECT_EQ(verify(kHeaders, kSentS - 300), WebhookVerdict::kValid);
  EXPECT_EQ(verify(kHeaders, kSentS + 301), WebhookVerdict::kOutsideTolerance);
  EXPECT_EQ(verify(kHeaders, kSentS - 301), WebhookVerdict::kOutsideTolerance);
  EXPECT_EQ(verify(kHeaders, kSentS + 1'000'000, 0), WebhookVerdict::kValid);
}

TEST(WebhookVerifier, RefusesASecretThatIsEmptyOrNotBase64) {
  for (const char* secret : {"", "whsec_", "whsec_%%%%", "whsec_A", "===="}) {
    EXPECT_EQ(verify_webhook(secret, kHeaders, kBody, kSentS, 300), WebhookVerdict::kBadSecret)
        << secret;
  }
}

}  // namespace
}  // namespace fleetmeter::app
