#pragma once

#include <array>
#include <cstddef>
#include <string_view>

#include "parsers/flow_layout.h"

namespace fleetmeter::parsers {

/// A run of bytes without blanks.
struct Token {
  const char* begin;
  std::size_t length;
  [[nodiscard]] std::string_view view() const noexcept { return {begin, length}; }
  [[nodiscard]] bool absent() const noexcept { return length == 1 && *begin == '-'; }
};

/// One line as tokens; views into the parsed buffer.
struct Line {
  // One more than legal, so that too many shows, and one that takes all beyond.
  std::array<Token, FlowLayout::kColumnsMax + 2> tokens;
  std::size_t count = 0;
  const char* begin = nullptr;  // Of the record's text, past an export's time.
  const char* end = nullptr;    // Where its line feed is, or the end of the input.
  bool is_text = true;

  void add(const char* from, const char* to) noexcept {
    if (to == from) return;  // Runs of spaces.
    tokens[count] = {from, static_cast<std::size_t>(to - from)};
    count += count + 1 < tokens.size() ? 1 : 0;
  }
};

/// Splits the line at `begin` into tokens; stops at its line feed or at `limit`. One pass of 8-byte
/// words finds every blank. A control byte other than CR makes the line no text.
void split_line(const char* begin, const char* limit, Line& line) noexcept;

/// A first token shorter than this holds no time of an export.
inline constexpr std::size_t kExportTimeBytesMin = 11;

/// Like 2018-09-22T20:28:14.
[[nodiscard]] bool is_rfc3339(std::string_view text) noexcept;

/// Takes off what CloudWatch Logs exports put before a message: `2018-09-22T20:28:14.000Z ` (export
/// task) or `1537648094000,` with the message perhaps in quotes (console CSV). The line has a token
/// at least.
void strip_export_time(Line& line) noexcept;

/// Bytes that a `time,` before the record's first token takes; 0 when there is none.
[[nodiscard]] std::size_t csv_time_bytes(std::string_view first) noexcept;

/// Shows a mark of a flow record: a log-status or action word, an interface id, two addresses.
[[nodiscard]] bool is_flow_like(const Line& line) noexcept;

}  // namespace fleetmeter::parsers
