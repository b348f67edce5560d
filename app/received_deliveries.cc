#include "app/received_deliveries.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <simdjson.h>

#include <array>
#include <iostream>

#include "app/webhook_verifier.h"

namespace fleetmeter::app {
namespace {

std::string sha256_of(std::string_view bytes) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest.data(), &size, EVP_sha256(), nullptr);
  std::string hex;
  for (unsigned int i = 0; i < size; ++i) hex += fmt::format("{:02x}", digest[i]);
  return hex;
}

/// A JSON string of any bytes: what is not UTF-8 goes in as its Latin-1 code point, so that no byte
/// is lost silently; the line's hash is over the raw bytes anyway.
std::string json_string(std::string_view bytes) {
  const bool utf8 = simdjson::validate_utf8(bytes.data(), bytes.size());
  std::string text = "\"";
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      text += '\\';
      text += c;
    } else if (byte < 0x20 || (byte >= 0x80 && !utf8)) {
      text += fmt::format("\\u{:04x}", byte);
    } else {
      text += c;
    }
  }
  return text += '"';
}

/// The id that a line of the expected file names; empty = none.
std::string expected_id(std::string_view line) {
  while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
  if (line.empty() || line.front() != '{') return std::string(line);
  simdjson::dom::parser parser;
  std::string_view id;
  if (parser.parse(line.data(), line.size())["id"].get(id) != simdjson::SUCCESS) return {};
  return std::string(id);
}

}  // namespace

ReceivedDeliveries::ReceivedDeliveries(const ReceiveOptions& options) : options_(options) {}

std::int64_t ReceivedDeliveries::now_ms() const {
  const Clock& clock = options_.clock != nullptr ? *options_.clock : system_clock_;
  return clock.wall().time_since_epoch().count();
}

Result<void> ReceivedDeliveries::open() {
  if (options_.verify && verify_webhook(options_.secret, {"id", "0", "v1,AAAA"}, "", 0, 0) ==
                             WebhookVerdict::kBadSecret) {
    return Error{ErrorCode::kInvalidArgument,
                 "the secret is empty or not base64: expected whsec_..."};
  }
  if (!options_.expect_path.empty()) {
    std::ifstream expected(options_.expect_path);
    std::string line;
    while (std::getline(expected, line)) {
      if (line.empty()) continue;
      std::string id = expected_id(line);
      if (id.empty()) {
        return Error{ErrorCode::kInvalidArgument,
                     fmt::format("{}: no id in line '{}'", options_.expect_path, line)};
      }
      missing_.insert(std::move(id));
      expected_any_ = true;
    }
    if (!expected_any_) {
      return Error{ErrorCode::kInvalidArgument,
                   fmt::format("{}: cannot be read or holds no id", options_.expect_path)};
    }
  }
  if (!options_.out_path.empty()) {
    file_.open(options_.out_path, std::ios::app | std::ios::binary);
    if (!file_)
      return Error{ErrorCode::kUnavailable,
                   fmt::format("{}: cannot be written", options_.out_path)};
  }
  return {};
}

ReceiveAnswer ReceivedDeliveries::refuse(std::uint16_t status, std::string text) {
  ++counts_.rejected;
  std::ostream& report = options_.report != nullptr ? *options_.report : std::cerr;
  report << fmt::format("refused with {}: {}\n", status, text) << std::flush;
  return {status, std::move(text), false};
}

ReceiveAnswer ReceivedDeliveries::accept(const ReceiveRequest& request) {
  ++counts_.requests;
  if (options_.verify) {
    const WebhookHeaders headers{request.id, request.timestamp, request.signature};
    const WebhookVerdict verdict = verify_webhook(options_.secret, headers, request.body,
                                                  now_ms() / 1000, options_.tolerance_s);
    if (verdict == WebhookVerdict::kMissingHeader || verdict == WebhookVerdict::kBadTimestamp) {
      return refuse(400, to_string(verdict));
    }
    if (verdict != WebhookVerdict::kValid) return refuse(401, to_string(verdict));
  }
  const std::string id = request.id.empty() ? sha256_of(request.body) : std::string(request.id);
  if (known_.size() >= options_.ids_max && known_.find(id) == known_.end())
    return refuse(507, "too many ids");
  Known& known = known_[id];
  ++known.attempts;
  if (counts_.failures_injected < options_.fail_first) {
    ++counts_.failures_injected;
    return {options_.fail_status, "failure asked for", true};
  }
  return store(request, id, known);
}

ReceiveAnswer ReceivedDeliveries::store(const ReceiveRequest& request, const std::string& id,
                                        Known& known) {
  const std::string sha256 = sha256_of(request.body);
  if (!known.sha256.empty() && known.sha256 != sha256) {
    ++counts_.conflicts;
    return refuse(409, fmt::format("id {} came with another body before (sha256 {} and now {})", id,
                                   known.sha256, sha256));
  }
  if (!write_line(request, id, known, sha256))
    return refuse(500, fmt::format("{} cannot be written", options_.out_path));
  ++counts_.deliveries;
  known.sha256.empty() ? ++distinct_ids_ : ++counts_.duplicates;
  known.sha256 = sha256;
  missing_.erase(id);
  missing_.erase(id.substr(0, id.rfind('-')));
  return {200, "ok", false};
}

bool ReceivedDeliveries::write_line(const ReceiveRequest& request, const std::string& id,
                                    const Known& known, const std::string& sha256) {
  if (!file_.is_open()) return true;
  file_
      << fmt::format(
             R"({{"id":{},"attempt":{},"received_ms":{},"timestamp":{},"sha256":"{}","body":{}}})",
             json_string(id), known.attempts, now_ms(), json_string(request.timestamp), sha256,
             json_string(request.body))
      << '\n'
      << std::flush;
  const bool written = static_cast<bool>(file_);
  file_.clear();  // A disk that was full may have room again at the sender's next attempt.
  return written;
}

std::string ReceivedDeliveries::summary_json() const {
  return fmt::format(
      R"({{"schema":1,"requests":{},"deliveries":{},"distinct_ids":{},"duplicates":{},"conflicts":{},)"
      R"("failures_injected":{},"rejected":{},"missing":{}}})",
      counts_.requests, counts_.deliveries, distinct_ids_, counts_.duplicates, counts_.conflicts,
      counts_.failures_injected, counts_.rejected, missing_.size());
}

}  // namespace fleetmeter::app
