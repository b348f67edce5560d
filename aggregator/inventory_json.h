#pragma once

#include <simdjson.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "proto/result.h"

namespace fleetmeter::aggregator {

// The few accesses that readers of foreign JSON need; all of them are total: what is absent, null
// or of another type is empty. Include in .cc files only: simdjson is a heavy header.

/// The parser owns the document: elements die with it.
struct JsonDocument {
  simdjson::dom::parser parser;
  simdjson::dom::element root;
};
/// Errors name the line where one is found.
[[nodiscard]] Result<void> parse_json(const std::string& text, JsonDocument& out);

[[nodiscard]] std::optional<simdjson::dom::element> json_at(const simdjson::dom::element& in,
                                                            std::string_view key);
/// Text of a string, number or boolean at `key`; empty otherwise.
[[nodiscard]] std::string json_text(const simdjson::dom::element& in, std::string_view key);
/// Text of the element itself; nullopt for null, lists and objects.
[[nodiscard]] std::optional<std::string> json_scalar(const simdjson::dom::element& element);
[[nodiscard]] std::optional<std::int64_t> json_integer(const simdjson::dom::element& in,
                                                       std::string_view key);
[[nodiscard]] bool json_true(const simdjson::dom::element& in, std::string_view key);
/// The list at `key`, or an empty one.
[[nodiscard]] simdjson::dom::array json_list(const simdjson::dom::element& in,
                                             std::string_view key);

}  // namespace fleetmeter::aggregator
