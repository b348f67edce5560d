#pragma once

#include <immintrin.h>

#include <array>
#include <cstddef>
#include <cstdint>

#include "parsers/flow_columns.h"

namespace fleetmeter::parsers::bench {

/// How far ahead FlowProbe looks for blanks; texts are this much longer than what is decoded.
inline constexpr std::size_t kProbeStretch = 4096;

/// Shuffles of dotted addresses by the lengths of their octets, two bits each.
inline constexpr auto kProbeOctets = [] {
  std::array<std::array<std::uint8_t, 16>, 256> shuffles{};
  for (std::size_t form = 0; form < 256; ++form) {
    int at = 0;
    for (std::size_t octet = 0; octet < 4; ++octet) {
      const int length = static_cast<int>(form >> (2 * octet) & 3);
      for (int digit = 0; digit < 4; ++digit) {
        const int from = digit < 3 ? at + length - 3 + digit : -1;
        shuffles[form][octet * 4 + static_cast<std::size_t>(digit)] =
            from >= at ? static_cast<std::uint8_t>(from) : 0x80;
      }
      at += length + 1;
    }
  }
  return shuffles;
}();

/// The shuffle of an address of `length` bytes, by a mask of its dots.
__attribute__((target("bmi"))) inline const __m128i* octets_of(std::uint32_t dots,
                                                               std::uint32_t length) noexcept {
  const std::uint32_t a = _tzcnt_u32(dots);
  const std::uint32_t b = _tzcnt_u32(_blsr_u32(dots));
  const std::uint32_t c = _tzcnt_u32(_blsr_u32(_blsr_u32(dots)));
  const std::uint32_t form = a | (b - a - 1) << 2 | (c - b - 1) << 4 | (length - c - 1) << 6;
  return reinterpret_cast<const __m128i*>(kProbeOctets[form & 255].data());
}

/// The tokens of one column in consecutive lines.
struct Strided {
  const char* text;
  const std::uint32_t* ends;  // Of the first line.
  std::size_t step;           // Columns of a line.

  [[nodiscard]] const char* begin(std::size_t line) const noexcept {
    return text + (ends[line * step - 1] + 1);
  }
  [[nodiscard]] std::uint32_t length(std::size_t line) const noexcept {
    return ends[line * step] - ends[line * step - 1] - 1;
  }
};

/// Those of as many lines as are converted at once.
template <std::size_t kLines>
struct StepTokens {
  StepTokens(const Strided& tokens, std::size_t line) noexcept {
    for (std::size_t i = 0; i < kLines; ++i) {
      at[i] = tokens.begin(line + i);
      lengths[i] = tokens.length(line + i);
    }
  }
  /// For numbers of more than eight digits.
  void move_to_last_eight() noexcept {
    for (std::size_t i = 0; i < kLines; ++i) at[i] += static_cast<std::int32_t>(lengths[i]) - 8;
  }

  const char* at[kLines];
  alignas(32) std::uint32_t lengths[kLines];
};

/// What FlowProbe does by vectors, once for each kind of processor. Lines are done by eights, so
/// `out` has room for seven more.
struct ProbeSteps {
  /// Indexes of the blanks in `text`, from `position` on, to `out`; returns how many.
  std::uint32_t (*scan)(const char* text, std::uint32_t position, std::size_t bytes,
                        std::uint32_t* out);
  void (*numbers)(const Strided& tokens, std::uint32_t lines, std::uint64_t* out);
  void (*long_numbers)(const Strided& tokens, std::uint32_t lines, std::uint64_t* out);
  void (*addresses)(const Strided& tokens, std::uint32_t lines, IpAddress* out);
};
extern const ProbeSteps kProbeAvx2;
extern const ProbeSteps kProbeAvx512;

}  // namespace fleetmeter::parsers::bench
