#include "parsers/json_scan.h"

#include <bit>

#include "parsers/flow_values.h"

namespace fleetmeter::parsers {
namespace {

constexpr std::uint64_t kOnes = 0x0101010101010101;
constexpr std::uint64_t kHighs = 0x8080808080808080;

/// Nonzero where `word` may hold a zero byte; exact for the lowest one.
constexpr std::uint64_t zero_mask(std::uint64_t word) noexcept {
  return (word - kOnes) & ~word & kHighs;
}

/// Bytes from `at` on that are plain text of a string: no quote, backslash or line end.
std::size_t plain_string_bytes(std::string_view text, std::size_t at) noexcept {
  std::size_t count = 0;
  while (text.size() - at - count >= 8) {
    const std::uint64_t word = load_word(text.data() + at + count);
    const std::uint64_t special = zero_mask(word ^ (kOnes * '"')) |
                                  zero_mask(word ^ (kOnes * '\\')) |
                                  zero_mask(word ^ (kOnes * '\n'));
    if (special != 0) return count + static_cast<std::size_t>(std::countr_zero(special) >> 3);
    count += 8;
  }
  return count;
}

/// Of a number, true, false or null, or of what a reader of the value says is none.
constexpr bool is_in_word(char c) noexcept {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' ||
         c == '-' || c == '.';
}

}  // namespace

/// What follows the line in which the value began is not lost with it.
JsonScanner::Result JsonScanner::broken(std::string_view text) const noexcept {
  if (line_begin_ > 0) return {Status::kBroken, line_begin_};
  if (at_ > 2 && !in_string_ && text[at_ - 1] == '"' && text[at_ - 2] == '{')
    return cut_before(at_ - 2);
  return {Status::kBroken, at_};
}

JsonScanner::Result JsonScanner::scan(std::string_view text) noexcept {
  for (; at_ < text.size(); ++at_) {
    if (in_string_ && !escaped_) {
      at_ += plain_string_bytes(text, at_);
      if (at_ >= text.size()) break;
    }
    const char c = text[at_];
    if (in_string_) {
      if (c == '\n') return broken(text);
      if (escaped_) {
        escaped_ = false;
      } else if (c == '\\') {
        escaped_ = true;
      } else if (c == '"') {
        in_string_ = false;
      }
      continue;
    }
    const bool in_array = depth_ > 0 && ((is_array_ >> (depth_ - 1)) & 1) != 0;
    const bool value_expected = in_array ? last_ == Last::kOpen || last_ == Last::kComma
                                         : depth_ == 0 || last_ == Last::kColon;
    switch (c) {
      case '\n':
        line_begin_ = at_ + 1;
        [[fallthrough]];
      case ' ':
      case '\t':
      case '\r':
        if (last_ == Last::kWord) last_ = Last::kValue;
        continue;
      case '"':
        if (!value_expected && (in_array || (last_ != Last::kOpen && last_ != Last::kComma)))
          return broken(text);
        last_ = value_expected ? Last::kValue : Last::kKey;
        in_string_ = true;
        continue;
      case ':':
        if (last_ != Last::kKey) return broken(text);
        last_ = Last::kColon;
        continue;
      case ',':
        if (last_ != Last::kValue && last_ != Last::kWord) return broken(text);
        last_ = Last::kComma;
        continue;
      case '{':
      case '[':
        // Nobody writes a nested object at a line's very start after its key: it is the next value.
        // Right behind its key it is a nested one whose colon is lost.
        if (c == '{' && ((!value_expected && last_ != Last::kKey) ||
                         (at_ == line_begin_ && depth_ > 0 && !in_array)))
          return cut_before(at_);
        if (!value_expected || depth_ == kDepthMax) return broken(text);
        is_array_ =
            (is_array_ & ~(std::uint64_t{1} << depth_)) | (std::uint64_t{c == '['} << depth_);
        ++depth_;
        last_ = Last::kOpen;
        continue;
      case '}':
      case ']':
        if (depth_ == 0 || in_array != (c == ']')) return broken(text);
        if (--depth_ == 0) return {Status::kComplete, at_ + 1};
        last_ = Last::kValue;
        continue;
      default:
        if (!is_in_word(c) || (last_ != Last::kWord && !value_expected)) return broken(text);
        last_ = Last::kWord;
        continue;
    }
  }
  return {Status::kNeedMore, at_};
}

}  // namespace fleetmeter::parsers
