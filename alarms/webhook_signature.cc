#include "alarms/webhook_signature.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <optional>

#include "proto/check.h"

namespace fleetmeter::alarms {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::string_view kSecretPrefix = "whsec_";
constexpr std::size_t kKeyBytesMin = 24;
constexpr std::size_t kKeyBytesMax = 64;

std::string encode_base64(std::string_view bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    std::uint32_t group = 0;
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - at);
    for (std::size_t i = 0; i < 3; ++i) {
      group = group << 8 | (i < count ? static_cast<std::uint8_t>(bytes[at + i]) : 0U);
    }
    for (std::size_t i = 0; i < 4; ++i) {
      text += i <= count ? kAlphabet[group >> (18 - 6 * i) & 63U] : '=';
    }
  }
  return text;
}

/// Padding may be missing; anything else outside the alphabet, or a lone last character, is an
/// error.
std::optional<std::string> decode_base64(std::string_view text) {
  const std::size_t content = text.find_last_not_of('=');
  const std::size_t padding = text.size() - (content == std::string_view::npos ? 0 : content + 1);
  if (padding > 2) return std::nullopt;
  text.remove_suffix(padding);
  if (text.size() % 4 == 1) return std::nullopt;

  std::string bytes;
  std::uint32_t group = 0;
  int bits = 0;
  for (const char c : text) {
    const std::size_t value = kAlphabet.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    group = group << 6 | static_cast<std::uint32_t>(value);
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      bytes += static_cast<char>(group >> bits & 0xFFU);
    }
  }
  return bytes;
}

std::string hmac_sha256(std::string_view key, std::string_view message) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  const unsigned char* made = HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
                                   reinterpret_cast<const unsigned char*>(message.data()),
                                   message.size(), digest.data(), &size);
  FM_CHECK(made != nullptr);
  return {reinterpret_cast<const char*>(digest.data()), size};
}

Error bad_secret(const char* what) {
  return Error{
      ErrorCode::kInvalidArgument,
      fmt::format("webhook secret is {}: expected whsec_ and base64 of 24 to 64 random bytes",
                  what)};
}

}  // namespace

Result<std::string> sign_webhook(std::string_view secret, std::string_view id,
                                 std::int64_t timestamp_s, std::string_view body) {
  if (secret.substr(0, kSecretPrefix.size()) == kSecretPrefix)
    secret.remove_prefix(kSecretPrefix.size());
  if (secret.empty()) return bad_secret("empty");
  const std::optional<std::string> key = decode_base64(secret);
  if (!key) return bad_secret("not base64");
  if (key->empty()) return bad_secret("empty");
  if (key->size() < kKeyBytesMin) return bad_secret("too short");
  if (key->size() > kKeyBytesMax) return bad_secret("too long");
  if (id.find('.') != std::string_view::npos) {
    return Error{ErrorCode::kInvalidArgument, fmt::format("webhook id '{}' contains '.'", id)};
  }
  return "v1," + encode_base64(hmac_sha256(*key, fmt::format("{}.{}.{}", id, timestamp_s, body)));
}

Result<std::string> signature_header(std::string_view secrets, std::string_view id,
                                     std::int64_t timestamp_s, std::string_view body) {
  constexpr std::string_view kBlanks = " \t\r\n";
  std::string header;
  for (std::size_t at = secrets.find_first_not_of(kBlanks); at != std::string_view::npos;) {
    const std::size_t end = std::min(secrets.find_first_of(kBlanks, at), secrets.size());
    Result<std::string> signature =
        sign_webhook(secrets.substr(at, end - at), id, timestamp_s, body);
    if (!signature) return signature;
    if (!header.empty()) header += ' ';
    header += *signature;
    at = secrets.find_first_not_of(kBlanks, end);
  }
  if (header.empty()) return bad_secret("empty");
  return header;
}

std::string webhook_id(std::string_view event_id, std::string_view receiver) {
  const auto plain = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c == '-';
  };
  // Event ids are hex; one that could not stand in the header is replaced by its hash rather than
  // trusted.
  const bool usable = !event_id.empty() && std::all_of(event_id.begin(), event_id.end(), plain);
  return (usable ? std::string(event_id) : sha256_hex(event_id)) + '-' +
         sha256_hex(receiver).substr(0, 8);
}

std::string sha256_hex(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  const int made =
      EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr);
  FM_CHECK(made == 1);
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

}  // namespace fleetmeter::alarms
