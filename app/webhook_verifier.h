#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace fleetmeter::app {

/// The headers of a Standard Webhooks request; empty = absent.
struct WebhookHeaders {
  std::string_view id;         ///< webhook-id
  std::string_view timestamp;  ///< webhook-timestamp, Unix seconds of the attempt.
  std::string_view signature;  ///< webhook-signature, "v1,<base64> v1,<base64> ..."
};

enum class WebhookVerdict : std::uint8_t {
  kValid,
  kMissingHeader,     ///< One of the three headers is absent.
  kBadTimestamp,      ///< Not a whole number of seconds.
  kOutsideTolerance,  ///< Signed too long ago, or in the future.
  kBadSignature,      ///< No entry of a known version matches.
  kBadSecret,         ///< Our own secret is empty or not base64: nothing can be verified.
};
[[nodiscard]] const char* to_string(WebhookVerdict verdict) noexcept;

/// Checks one request as a receiver does. Written apart from the signer of `alarms/`, with other
/// primitives, so that the one checks the other: it must not include anything of that folder.
/// `body` is the raw bytes received. `tolerance_s` bounds |now_s - timestamp| both ways; 0 = any
/// time is accepted, for senders that run on a clock of their own. Entries of unknown versions are
/// skipped; comparison takes constant time. Rule: Standard Webhooks specification, "Signature
/// scheme" and "Verifying webhook authenticity".
[[nodiscard]] WebhookVerdict verify_webhook(std::string_view secret, const WebhookHeaders& headers,
                                            std::string_view body, std::int64_t now_s,
                                            std::int64_t tolerance_s);

}  // namespace fleetmeter::app
