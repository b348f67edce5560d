#pragma once

#include <simdjson.h>

#include <string>
#include <string_view>
#include <vector>

#include "parsers/byte_buffer.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/parsers/base64_text.h"

namespace fleetmeter::fuzz {

using parsers::testing::base64;
using parsers::testing::kBase64Alphabet;

/// A JSON string; every third byte, and those that have to be, as \u00XX. ASCII only.
[[nodiscard]] inline std::string json_string(std::string_view text) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out = "\"";
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 || byte == '"' || byte == '\\' || i % 3 == 2) {
      out += std::string{"\\u00"} + kDigits[byte >> 4] + kDigits[byte & 15];
    } else {
      out += text[i];
    }
  }
  return out + '"';
}

/// A value with the padding behind it that parsers may read, and nothing else.
class PaddedBlock {
 public:
  explicit PaddedBlock(std::string_view value)
      : block_(std::string{value} + std::string(parsers::ByteBuffer::kPaddingBytes, '\0')) {}
  [[nodiscard]] std::string_view view() const noexcept {
    return block_.view().substr(0, block_.view().size() - parsers::ByteBuffer::kPaddingBytes);
  }

 private:
  ExactBlock block_;
};

/// Of an object in which a key is there twice, which one counts is nobody's rule, save of `but_for`.
[[nodiscard]] inline bool has_equal_keys(simdjson::dom::object object,
                                         std::string_view but_for = {}) {
  std::vector<std::string_view> keys;
  for (const auto& [key, value] : object) {
    if (key == but_for) continue;
    for (const std::string_view seen : keys) {
      if (seen == key) return true;
    }
    keys.push_back(key);
  }
  return false;
}

}  // namespace fleetmeter::fuzz
