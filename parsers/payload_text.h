#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace fleetmeter::parsers {

/// Kept between payloads; what grew larger is given back.
inline constexpr std::size_t kMessageBufferBytes = 256 * 1024;
/// Between the lines and values of a payload.
inline constexpr std::string_view kBlanks = " \t\r\n";

inline std::string_view without_trailing_blanks(std::string_view text) noexcept {
  const std::size_t last = text.find_last_not_of(kBlanks);
  return last == std::string_view::npos ? std::string_view{} : text.substr(0, last + 1);
}

/// The offset of the first byte from `at` on that is no blank; the size when there is none.
inline std::size_t skip_blanks(std::string_view text, std::size_t at) noexcept {
  return std::min(text.find_first_not_of(kBlanks, at), text.size());
}

}  // namespace fleetmeter::parsers
