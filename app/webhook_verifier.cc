#include "app/webhook_verifier.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <array>
#include <charconv>
#include <memory>
#include <optional>
#include <vector>

namespace fleetmeter::app {
namespace {

using Bytes = std::vector<unsigned char>;

/// OpenSSL's block decoder wants padded text and leaves the padding's zero bytes in the result.
std::optional<Bytes> from_base64(std::string text) {
  while (!text.empty() && text.back() == '=') text.pop_back();
  if (text.empty() || text.size() % 4 == 1) return std::nullopt;
  if (text.find_first_of("= \t\r\n") != std::string::npos)
    return std::nullopt;  // The decoder would skip blanks.
  const std::size_t pad = (4 - text.size() % 4) % 4;
  text.append(pad, '=');
  Bytes bytes(text.size() / 4 * 3);
  const int size =
      EVP_DecodeBlock(bytes.data(), reinterpret_cast<const unsigned char*>(text.data()),
                      static_cast<int>(text.size()));
  if (size < 0) return std::nullopt;
  bytes.resize(static_cast<std::size_t>(size) - pad);
  return bytes;
}

struct FreeMac {
  void operator()(EVP_MAC* mac) const { EVP_MAC_free(mac); }
  void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
};

/// HMAC-SHA256 over the parts in order; empty when OpenSSL refuses.
Bytes mac_over(const Bytes& key, const std::vector<std::string_view>& parts) {
  const std::unique_ptr<EVP_MAC, FreeMac> mac(EVP_MAC_fetch(nullptr, "HMAC", nullptr));
  const std::unique_ptr<EVP_MAC_CTX, FreeMac> context(mac ? EVP_MAC_CTX_new(mac.get()) : nullptr);
  std::array<char, 7> digest_name{"SHA256"};
  const std::array<OSSL_PARAM, 2> parameters{
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest_name.data(), 0),
      OSSL_PARAM_construct_end()};
  if (!context || EVP_MAC_init(context.get(), key.data(), key.size(), parameters.data()) != 1)
    return {};
  for (const std::string_view part : parts) {
    if (EVP_MAC_update(context.get(), reinterpret_cast<const unsigned char*>(part.data()),
                       part.size()) != 1)
      return {};
  }
  Bytes tag(EVP_MAX_MD_SIZE);
  std::size_t size = 0;
  if (EVP_MAC_final(context.get(), tag.data(), &size, tag.size()) != 1) return {};
  tag.resize(size);
  return tag;
}

bool any_signature_matches(std::string_view header, const Bytes& expected) {
  bool matches = false;
  while (!header.empty()) {
    const std::size_t blank = header.find(' ');
    const std::string_view entry = header.substr(0, blank);
    header = blank == std::string_view::npos ? std::string_view{} : header.substr(blank + 1);
    if (entry.substr(0, 3) != "v1,") continue;
    const std::optional<Bytes> given = from_base64(std::string(entry.substr(3)));
    if (!given || given->size() != expected.size()) continue;
    matches |= CRYPTO_memcmp(given->data(), expected.data(), expected.size()) == 0;
  }
  return matches;
}

}  // namespace

const char* to_string(WebhookVerdict verdict) noexcept {
  switch (verdict) {
    case WebhookVerdict::kValid:
      return "valid";
    case WebhookVerdict::kMissingHeader:
      return "a webhook-id, webhook-timestamp or webhook-signature header is missing";
    case WebhookVerdict::kBadTimestamp:
      return "webhook-timestamp is not a number of seconds";
    case WebhookVerdict::kOutsideTolerance:
      return "webhook-timestamp is too far from now";
    case WebhookVerdict::kBadSignature:
      return "no signature matches";
    case WebhookVerdict::kBadSecret:
      return "the receiver's secret is empty or not base64";
  }
  return "unknown";
}

WebhookVerdict verify_webhook(std::string_view secret, const WebhookHeaders& headers,
                              std::string_view body, std::int64_t now_s, std::int64_t tolerance_s) {
  if (headers.id.empty() || headers.timestamp.empty() || headers.signature.empty()) {
    return WebhookVerdict::kMissingHeader;
  }
  std::int64_t sent_s = 0;
  const char* end = headers.timestamp.data() + headers.timestamp.size();
  const auto [stop, error] = std::from_chars(headers.timestamp.data(), end, sent_s);
  if (error != std::errc{} || stop != end || sent_s < 0) return WebhookVerdict::kBadTimestamp;
  if (tolerance_s > 0 && (sent_s > now_s + tolerance_s || sent_s < now_s - tolerance_s)) {
    return WebhookVerdict::kOutsideTolerance;
  }

  constexpr std::string_view kPrefix = "whsec_";
  if (secret.substr(0, kPrefix.size()) == kPrefix) secret.remove_prefix(kPrefix.size());
  const std::optional<Bytes> key = from_base64(std::string(secret));
  if (!key) return WebhookVerdict::kBadSecret;
  const Bytes expected = mac_over(*key, {headers.id, ".", headers.timestamp, ".", body});
  if (expected.empty() || !any_signature_matches(headers.signature, expected))
    return WebhookVerdict::kBadSignature;
  return WebhookVerdict::kValid;
}

}  // namespace fleetmeter::app
