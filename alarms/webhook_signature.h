#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "proto/result.h"

namespace fleetmeter::alarms {

/// Signature of one delivery attempt: "v1," + base64(HMAC-SHA256(key, id + "." + timestamp + "." +
/// body)).
///
/// `secret` is base64 of the key with or without "whsec_" in front and with or without padding. An
/// undecodable one, or a key that has not 24 to 64 bytes, is kInvalidArgument, and the message never
/// holds the secret.
/// `timestamp_s` is the Unix time of this attempt, `body` the raw bytes that are sent. `id` must
/// not contain '.', else two different requests could share a signature. Rule: Standard Webhooks
/// specification, "Signature scheme" and "Webhook headers". Only the symmetric scheme (v1) is made.
[[nodiscard]] Result<std::string> sign_webhook(std::string_view secret, std::string_view id,
                                               std::int64_t timestamp_s, std::string_view body);

/// Value of the `webhook-signature` header: one signature per secret, separated by a space, in the
/// order of `secrets`. `secrets` holds one secret, or several separated by blanks while keys are
/// rotated: a receiver that knows any of them accepts. No secret at all is kInvalidArgument, as is
/// any that sign_webhook refuses.
[[nodiscard]] Result<std::string> signature_header(std::string_view secrets, std::string_view id,
                                                   std::int64_t timestamp_s, std::string_view body);

/// Value of the `webhook-id` header: the idempotency key of one event for one receiver, the same on
/// every attempt and after every restart, without '.'. Event id, "-", and 8 hex digits of the
/// SHA-256 of the receiver's name.
[[nodiscard]] std::string webhook_id(std::string_view event_id, std::string_view receiver);

/// Lower-case hex of the SHA-256 of `bytes`.
[[nodiscard]] std::string sha256_hex(std::string_view bytes);

}  // namespace fleetmeter::alarms
