#include "parsers/base64.h"

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

/// Groups of 4 characters without padding; false when a byte of them is outside the alphabet.
bool decode_groups(const char* from, std::size_t groups, char* to) noexcept {
  std::uint32_t bad = 0;
  for (; groups > 0; --groups, from += 4) {
    const std::uint32_t a = value_of(from[0]), b = value_of(from[1]), c = value_of(from[2]),
                        d = value_of(from[3]);
    bad |= a | b | c | d;
    const std::uint32_t bits = a << 18 | b << 12 | c << 6 | d;
    *to++ = static_cast<char>(bits >> 16);
    *to++ = static_cast<char>(bits >> 8);
    *to++ = static_cast<char>(bits);
  }
  return (bad & 0x80) == 0;
}

bool decode_padded_group(const char* from, std::size_t padding, char* to) noexcept {
  const std::uint32_t a = value_of(from[0]), b = value_of(from[1]),
                      c = padding == 1 ? value_of(from[2]) : 0;
  const std::uint32_t bits = a << 18 | b << 12 | c << 6;
  *to++ = static_cast<char>(bits >> 16);
  if (padding == 1) *to++ = static_cast<char>(bits >> 8);
  return ((a | b | c) & 0x80) == 0;
}

Base64Bulk decode_bulk(FlowKernel kernel, const char* text, std::size_t groups,
                       char* out) noexcept {
#ifdef __x86_64__
  if (kernel != FlowKernel::kScalar) return decode_base64_avx2(text, groups, out);
#else
  static_cast<void>(kernel), static_cast<void>(text), static_cast<void>(out);
  static_cast<void>(groups);
#endif
  return {0, true};
}

}  // namespace

std::optional<std::size_t> decode_base64_by(FlowKernel kernel, std::string_view text,
                                            char* out) noexcept {
  if (text.size() % 4 != 0) return std::nullopt;
  if (text.empty()) return 0;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  const std::size_t groups = text.size() / 4 - (padding > 0 ? 1 : 0);
  const Base64Bulk bulk = decode_bulk(kernel, text.data(), groups, out);
  if (!bulk.ok ||
      !decode_groups(text.data() + 4 * bulk.groups, groups - bulk.groups, out + 3 * bulk.groups)) {
    return std::nullopt;
  }
  if (padding > 0 && !decode_padded_group(text.data() + 4 * groups, padding, out + 3 * groups)) {
    return std::nullopt;
  }
  return base64_room(text.size()) - padding;
}

std::optional<std::size_t> decode_base64_to(std::string_view text, char* out) noexcept {
  return decode_base64_by(flow_kernel(), text, out);
}

bool decode_base64(std::string_view text, std::string& out) {
  out.resize(base64_room(text.size()));
  const std::optional<std::size_t> bytes = decode_base64_to(text, out.data());
  out.resize(bytes.value_or(0));
  return bytes.has_value();
}

}  // namespace fleetmeter::parsers
