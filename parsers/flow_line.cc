#include "parsers/flow_line.h"

#include <algorithm>
#include <bit>
#include <cstdint>

#include "parsers/flow_parser.h"
#include "parsers/flow_values.h"

namespace fleetmeter::parsers {

namespace {

bool is_digits(std::string_view text) noexcept {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

bool is_rfc3339(std::string_view text) noexcept {
  // `aws logs tail --format short` leaves the zone out.
  return text.size() >= 19 && text[4] == '-' && text[7] == '-' && text[10] == 'T' &&
         text[13] == ':' && is_digits(text.substr(0, 4));
}

std::size_t csv_time_bytes(std::string_view first) noexcept {
  const std::size_t comma = first.find(',');
  if (comma == std::string_view::npos) return 0;
  const std::string_view time = first.substr(0, comma);
  return is_rfc3339(time) || (is_digits(time) && time.size() >= 10) ? comma + 1 : 0;
}

void split_line(const char* begin, const char* limit, Line& line) noexcept {
  line.count = 0;
  line.begin = begin;
  line.is_text = true;
  const char* token = begin;
  const char* at = begin;
  for (; limit - at >= 8; at += 8) {
    for (std::uint64_t blanks = blank_mask(load_word(at)); blanks != 0; blanks &= blanks - 1) {
      const char* blank = at + (std::countr_zero(blanks) >> 3);
      line.add(token, blank);
      token = blank + 1;
      if (*blank == ' ') continue;
      if (*blank == '\n') {
        line.end = blank;
        return;
      }
      if (*blank != '\r') line.is_text = false;
    }
  }
  for (; at < limit; ++at) {
    if (static_cast<unsigned char>(*at) > ' ') continue;
    line.add(token, at);
    token = at + 1;
    if (*at == '\n') {
      line.end = at;
      return;
    }
    if (*at != ' ' && *at != '\r') line.is_text = false;
  }
  line.add(token, limit);
  line.end = limit;
}

void strip_export_time(Line& line) noexcept {
  Token& first = line.tokens[0];
  const std::string_view text = first.view();
  const std::size_t comma = text.find(',');
  if (comma == std::string_view::npos) {
    if (!is_rfc3339(text)) return;
    std::copy(line.tokens.begin() + 1,
              line.tokens.begin() + static_cast<std::ptrdiff_t>(line.count), line.tokens.begin());
    --line.count;
    line.begin = line.count > 0 ? line.tokens[0].begin : line.end;
    return;
  }
  const std::string_view time = text.substr(0, comma);
  if (!is_rfc3339(time) && !(is_digits(time) && time.size() >= 10)) return;
  first = {first.begin + comma + 1, first.length - comma - 1};
  Token& last = line.tokens[line.count - 1];
  if (first.length > 0 && *first.begin == '"' && last.length > 0 &&
      last.begin[last.length - 1] == '"') {
    first = {first.begin + 1, first.length - 1};
    if (last.length > 0) --last.length;
  }
  line.begin = first.begin;
}

bool is_flow_like(const Line& line) noexcept {
  int addresses = 0;
  for (std::size_t i = 0; i < line.count; ++i) {
    const std::string_view token = line.tokens[i].view();
    if (token == "OK" || token == "NODATA" || token == "SKIPDATA" || token == "ACCEPT" ||
        token == "REJECT")
      return true;
    if (token.starts_with("eni-") || token.starts_with("tgw-")) return true;
    IpAddress address;
    addresses += token.size() >= 7 && parse_address(token.data(), token.size(), address) ? 1 : 0;
  }
  return addresses >= 2;
}

bool looks_like_flow_record(std::string_view text) noexcept {
  Line line;
  split_line(text.data(), text.data() + text.size(), line);
  return is_flow_like(line);
}

}  // namespace fleetmeter::parsers
