// Base64: decode_base64 against a slow, obvious decoder, on the input as text, on the base64 of the
// input, and on that with one byte changed.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "parsers/decoder.h"
#include "proto/check.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/json_text.h"

namespace {

using namespace fleetmeter;

/// Six bits at a time; what is no base64 with its padding is none. Bits that padding leaves over
/// are not looked at.
std::optional<std::string> obvious_decode(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  for (int padding = 0; padding < 2 && text.ends_with('='); ++padding) text.remove_suffix(1);
  std::string out;
  std::uint32_t bits = 0;
  int bit_count = 0;
  for (const char c : text) {
    const std::size_t value = fuzz::kBase64Alphabet.find(c);
    if (value == std::string_view::npos) return std::nullopt;
    bits = (bits << 6 | static_cast<std::uint32_t>(value)) & 0xffff;
    bit_count += 6;
    if (bit_count < 8) continue;
    bit_count -= 8;
    out += static_cast<char>(bits >> bit_count);
  }
  return out;
}

void check(std::string_view text) {
  const fuzz::ExactBlock block{text};
  std::string out = "what was there before";
  const bool decoded = parsers::decode_base64(block.view(), out);
  const std::optional<std::string> expected = obvious_decode(text);
  FM_CHECK(decoded == expected.has_value());
  FM_CHECK(out == expected.value_or(""));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::FuzzInput input{data, size};
  const std::size_t where = input.choice() * 256u + input.choice();
  const std::uint8_t change = input.choice();
  check(input.rest());
  std::string text = fuzz::base64(input.rest());
  check(text);
  if (text.empty()) return 0;
  text[where % text.size()] = static_cast<char>(change);
  check(text);
  return 0;
}
