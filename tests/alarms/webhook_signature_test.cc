#include "alarms/webhook_signature.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "app/webhook_verifier.h"

namespace fleetmeter::alarms {
namespace {

// The check value of the Standard Webhooks libraries.
constexpr const char* kSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
constexpr const char* kId = "msg_p5jXN8AQM9LWM0D4loKWxJek";
constexpr std::int64_t kTime = 1614265330;
constexpr const char* kBody = R"({"test": 2432232314})";
constexpr const char* kSignature = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

std::string signed_by(std::string_view secret) {
  const Result<std::string> signature = sign_webhook(secret, kId, kTime, kBody);
  return signature ? *signature : "error: " + signature.error().message;
}

TEST(WebhookSignature, GivesThePublishedCheckValue) { EXPECT_EQ(signed_by(kSecret), kSignature); }

TEST(WebhookSignature, TakesTheSecretWithoutItsPrefix) {
  EXPECT_EQ(signed_by("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"), kSignature);
}

TEST(WebhookSignature, AcceptsMissingPadding) {
  const std::string one = "whsec_YS1zZWNyZXQtb2YtMjUtYnl0ZXMtbG9uZw";
  const std::string two = "whsec_YS1zZWNyZXQtb2YtMjYtYnl0ZXMtbG9uZyE";
  EXPECT_EQ(signed_by(one), signed_by(one + "=="));
  EXPECT_EQ(signed_by(two), signed_by(two + "="));
  EXPECT_EQ(signed_by(one).substr(0, 3), "v1,");
  EXPECT_EQ(signed_by(two).substr(0, 3), "v1,");
}

TEST(WebhookSignature, RefusesAnEmptyOrUndecodableSecretAndDoesNotShowIt) {
  for (const char* secret : {"", "whsec_", "whsec_=", "whsec_c2Vj*mV0", "whsec_c2VjcmV0c",
                             "whsec_c2V=cmV0", "whsec_c2VjcmV0===="}) {
    const Result<std::string> signature = sign_webhook(secret, kId, kTime, kBody);
    ASSERT_FALSE(signature) << secret;
    EXPECT_EQ(signature.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(signature.error().message.find("c2V"), std::string::npos);
  }
}

TEST(WebhookSignature, TakesKeysOf24To64BytesOnly) {
  const auto error_of = [](std::size_t groups) {  // Of three bytes each.
    std::string secret = "whsec_";
    for (std::size_t i = 0; i < groups; ++i) secret += "YWJj";
    const Result<std::string> signature = sign_webhook(secret, kId, kTime, kBody);
    return signature ? std::string() : signature.error().message.substr(0, 27);
  };
  EXPECT_EQ(error_of(1), "webhook secret is too short");
  EXPECT_EQ(error_of(7), "webhook secret is too short");
  EXPECT_EQ(error_of(8), "");
  EXPECT_EQ(error_of(21), "");
  EXPECT_EQ(error_of(22), "webhook secret is too long:");
}

TEST(WebhookSignature, RefusesAnIdWithADot) {
  EXPECT_FALSE(sign_webhook(kSecret, "a.b", kTime, kBody));
}

TEST(WebhookSignature, ListsOneSignaturePerSecretWhileKeysAreRotated) {
  const std::string other = "whsec_YS1zZWNyZXQtb2YtMjUtYnl0ZXMtbG9uZw==";
  const Result<std::string> header =
      signature_header(other + "  MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", kId, kTime, kBody);
  ASSERT_TRUE(header);
  EXPECT_EQ(*header, signed_by(other) + " " + kSignature);
  EXPECT_FALSE(signature_header(" ", kId, kTime, kBody));
  EXPECT_FALSE(signature_header(other + " !", kId, kTime, kBody));
}

TEST(WebhookSignature, IsAcceptedByAVerifierWrittenApart) {
  std::string key = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
  std::string body;
  for (int size = 0; size < 70; ++size) {  // Keys and bodies of any bytes.
    SCOPED_TRACE(size);
    const Result<std::string> header = signature_header(key, "id-1", kTime + size, body);
    ASSERT_TRUE(header);
    const std::string time = std::to_string(kTime + size);
    EXPECT_EQ(app::verify_webhook(key, {"id-1", time, *header}, body, kTime, 300),
              app::WebhookVerdict::kValid);
    EXPECT_EQ(app::verify_webhook(key, {"id-2", time, *header}, body, kTime, 300),
              app::WebhookVerdict::kBadSignature);
    if (size % 5 == 4 && size < 65) key += "z9+/";
    body += static_cast<char>(size * 37);
  }
}

TEST(WebhookId, IsStablePerEventAndReceiverAndHasNoDot) {
  EXPECT_EQ(webhook_id("0123abcd", "ops"), webhook_id("0123abcd", "ops"));
  EXPECT_NE(webhook_id("0123abcd", "ops"), webhook_id("0123abcd", "ops.eu"));
  EXPECT_NE(webhook_id("0123abcd", "ops"), webhook_id("0123abce", "ops"));
  EXPECT_EQ(webhook_id("0123abcd", "ops").rfind("0123abcd-", 0), 0U);
  for (const char* event : {"", "a.b", "a b\r\nx: y"}) {
    const std::string id = webhook_id(event, "ops.eu");
    EXPECT_TRUE(std::all_of(id.begin(), id.end(), [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) || c == '-';
    }));
  }
}

}  // namespace
}  // namespace fleetmeter::alarms
