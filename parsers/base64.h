#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "parsers/flow_kernel.h"

namespace fleetmeter::parsers {

/// Room that decoding a text needs, in bytes.
[[nodiscard]] constexpr std::size_t base64_room(std::size_t text_bytes) noexcept {
  return text_bytes / 4 * 3;
}

/// Decodes standard base64 with padding to `out`, which has base64_room() bytes, and returns how
/// many were written; nullopt on any byte outside the alphabet or bad padding, `out` then holds
/// nothing of use. Neither a byte behind `text` is read nor one behind the room written. The bits
/// that padding leaves over are not looked at: sloppy encoders leave them set. Rule: RFC 4648,
/// section 4.
[[nodiscard]] std::optional<std::size_t> decode_base64_to(std::string_view text,
                                                          char* out) noexcept;

/// The same by a kernel of the caller's choice, which has to be supported (flow_kernel.h). All
/// yield the same; they differ in speed alone (bench/parsers/base64_bench.cc). AVX-512 has none of
/// its own: that of AVX2 serves there too.
[[nodiscard]] std::optional<std::size_t> decode_base64_by(FlowKernel kernel, std::string_view text,
                                                          char* out) noexcept;

/// What a SIMD kernel has done: whole groups of 4 characters from the front of the text.
struct Base64Bulk {
  std::size_t groups;
  bool ok;
};
/// Decodes as many of `groups` as it can by vectors without touching a byte outside of them.
[[nodiscard]] Base64Bulk decode_base64_avx2(const char* text, std::size_t groups,
                                            char* out) noexcept;

}  // namespace fleetmeter::parsers
