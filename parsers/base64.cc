#include <array>

#include "parsers/decoder.h"

namespace fleetmeter::parsers {
namespace {

constexpr std::uint8_t kBad = 0xff;

constexpr std::array<std::uint8_t, 256> kValues = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(kBad);
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    values[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return values;
}();

std::uint32_t value_of(char c) noexcept { return kValues[static_cast<unsigned char>(c)]; }

}  // namespace

// RFC 4648, section 4. The bits that padding leaves over are not looked at: sloppy encoders leave
// them set.
bool decode_base64(std::string_view text, std::string& out) {
  out.clear();
  if (text.size() % 4 != 0) return false;
  if (text.empty()) return true;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  const std::size_t whole = (text.size() - (padding > 0 ? 4 : 0)) / 4;
  out.resize(text.size() / 4 * 3 - padding);
  char* to = out.data();
  std::uint32_t bad = 0;
  for (std::size_t i = 0; i < whole; ++i) {
    const char* from = text.data() + 4 * i;
    const std::uint32_t a = value_of(from[0]), b = value_of(from[1]), c = value_of(from[2]),
                        d = value_of(from[3]);
    bad |= a | b | c | d;
    const std::uint32_t bits = a << 18 | b << 12 | c << 6 | d;
    *to++ = static_cast<char>(bits >> 16);
    *to++ = static_cast<char>(bits >> 8);
    *to++ = static_cast<char>(bits);
  }
  if (padding > 0) {
    const char* from = text.data() + 4 * whole;
    const std::uint32_t a = value_of(from[0]), b = value_of(from[1]),
                        c = padding == 1 ? value_of(from[2]) : 0;
    bad |= a | b | c;
    const std::uint32_t bits = a << 18 | b << 12 | c << 6;
    *to++ = static_cast<char>(bits >> 16);
    if (padding == 1) *to++ = static_cast<char>(bits >> 8);
  }
  if ((bad & 0x80) == 0) return true;
  out.clear();
  return false;
}

}  // namespace fleetmeter::parsers
