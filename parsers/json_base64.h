#pragma once

#include <simdjson.h>

#include <optional>
#include <string_view>

#include "parsers/base64.h"

namespace fleetmeter::parsers {

/// Decodes the base64 of a JSON string to `out` from where it stands in the text; only one with
/// escapes ("\/") is copied before. `out` has base64_room() of the text. How many bytes were
/// written; nullopt when the value is no string or no base64.
inline std::optional<std::size_t> decode_json_base64(simdjson::ondemand::value value, char* out) {
  const std::string_view token = value.raw_json_token();
  if (token.empty() || token.front() != '"') return std::nullopt;
  const std::size_t close = token.find_last_of('"');
  if (close == 0) return std::nullopt;
  std::string_view text = token.substr(1, close - 1);
  const std::optional<std::size_t> bytes = decode_base64_to(text, out);
  if (!bytes && text.find('\\') != std::string_view::npos) {
    if (value.get_string().get(text) != simdjson::SUCCESS) return std::nullopt;
    return decode_base64_to(text, out);
  }
  // Taken, not only looked at: see metric_json.cc.
  simdjson::ondemand::raw_json_string taken;
  if (value.get_raw_json_string().get(taken) != simdjson::SUCCESS) return std::nullopt;
  return bytes;
}

}  // namespace fleetmeter::parsers
