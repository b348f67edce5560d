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

/// Bytes from `at` on that are plain text of a string: no quote, backslash or control byte.
std::size_t plain_string_bytes(std::string_view text, std::size_t at) noexcept {
  std::size_t count = 0;
  while (text.size() - at - count >= 8) {
    const std::uint64_t word = load_word(text.data() + at + count);
    const std::uint64_t control = (word - kOnes * 0x20) & ~word & kHighs;
    const std::uint64_t special =
        zero_mask(word ^ (kOnes * '"')) | zero_mask(word ^ (kOnes * '\\')) | control;
    if (special != 0) return count + static_cast<std::size_t>(std::countr_zero(special) >> 3);
    count += 8;
  }
  return count;
}

}  // namespace

JsonScanner::Result JsonScanner::scan(std::string_view text) noexcept {
  for (; at_ < text.size(); ++at_) {
    if (in_string_ && !escaped_) {
      at_ += plain_string_bytes(text, at_);
      if (at_ >= text.size()) break;
    }
    const char c = text[at_];
    if (in_string_) {
      if (static_cast<unsigned char>(c) < 0x20) return {Status::kBroken, at_};
      if (escaped_) {
        escaped_ = false;
      } else if (c == '\\') {
        escaped_ = true;
      } else if (c == '"') {
        in_string_ = false;
      }
      continue;
    }
    switch (c) {
      case '\n':
        line_start_ = true;
        continue;
      case ' ':
      case '\t':
      case '\r':
        line_start_ = false;
        continue;
      case '"':
        in_string_ = true;
        break;
      case '{':
      case '[': {
        if (depth_ == kDepthMax) return {Status::kBroken, at_};
        const bool in_array = depth_ > 0 && ((is_array_ >> (depth_ - 1)) & 1) != 0;
        const bool expected =
            depth_ == 0 || (in_array ? before_ == '[' || before_ == ',' : before_ == ':');
        // Nobody writes a nested object at a line's very start after its key: it is the next value,
        // this one is cut.
        if (!expected || (c == '{' && line_start_ && depth_ > 0 && !in_array))
          return {Status::kBroken, at_};
        is_array_ =
            (is_array_ & ~(std::uint64_t{1} << depth_)) | (std::uint64_t{c == '['} << depth_);
        ++depth_;
        break;
      }
      case '}':
      case ']': {
        const bool in_array = depth_ > 0 && ((is_array_ >> (depth_ - 1)) & 1) != 0;
        if (depth_ == 0 || in_array != (c == ']')) return {Status::kBroken, at_};
        if (--depth_ == 0) return {Status::kComplete, at_ + 1};
        break;
      }
      default:
        if (static_cast<unsigned char>(c) < 0x20) return {Status::kBroken, at_};
        break;
    }
    before_ = c;
    line_start_ = false;
  }
  return {Status::kNeedMore, at_};
}

}  // namespace fleetmeter::parsers
