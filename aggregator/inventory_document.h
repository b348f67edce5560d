#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/result.h"

namespace fleetmeter::aggregator {

/// A YAML or JSON text as one tree, so that the plain inventory has one reader. Scalars keep their
/// text.
struct DocumentNode {
  enum class Kind : std::uint8_t { kNull, kScalar, kList, kMap };
  Kind kind = Kind::kNull;
  int line = 0;                                               ///< From 1; 0 = not known (JSON).
  std::string text;                                           ///< Of a scalar.
  std::vector<DocumentNode> items;                            ///< Of a list.
  std::vector<std::pair<std::string, DocumentNode>> entries;  ///< Of a map, in the file's order.
  [[nodiscard]] const DocumentNode* find(std::string_view key) const noexcept;
};

/// Errors say what is wrong and at which line.
[[nodiscard]] Result<DocumentNode> parse_json_document(const std::string& text);
[[nodiscard]] Result<DocumentNode> parse_yaml_document(const std::string& text);

/// "line 3: ..." for a text that is no JSON; empty when this check finds nothing wrong. For
/// messages only: the parser proper gives no place.
[[nodiscard]] std::string explain_bad_json(std::string_view text);

/// Unix seconds of "2024-05-01T12:00:00Z", fractions cut off, "+02:00" heeded; false when it is no
/// such time.
[[nodiscard]] bool parse_rfc3339(std::string_view text, std::int64_t& seconds) noexcept;
[[nodiscard]] std::string format_rfc3339(std::int64_t seconds);

}  // namespace fleetmeter::aggregator
