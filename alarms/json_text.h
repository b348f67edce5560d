#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace fleetmeter::alarms {

/// A JSON string with its quotes. Bytes that are not UTF-8 become U+FFFD, so that what we send
/// always parses.
[[nodiscard]] std::string json_string(std::string_view text);

/// `text` with every byte sequence that is not UTF-8 replaced by U+FFFD.
[[nodiscard]] std::string valid_utf8(std::string_view text);

/// `text` unchanged when it has at most `characters_max` code points; else cut to fit with " … (+N
/// characters)" at its end, where N is what was left out. `text` must be UTF-8, `characters_max` at
/// least 40.
[[nodiscard]] std::string cut_text(std::string_view text, std::size_t characters_max);

}  // namespace fleetmeter::alarms
