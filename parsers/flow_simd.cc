#include "parsers/flow_simd.h"

#include <algorithm>
#include <cstring>

#include "parsers/flow_values.h"

namespace fleetmeter::parsers {
namespace {

/// First bytes of lines that need a look of their own: blanks, headers, JSON.
constexpr auto kIsUnusualFirst = [] {
  std::array<bool, 256> unusual{};
  for (std::size_t i = 0; i <= ' '; ++i) unusual[i] = true;
  for (std::size_t i = 'a'; i <= 'z'; ++i) unusual[i] = true;
  for (const char c : {'{', '}', ']', ',', ':', '"', kByteOrderMark.front()})
    unusual[static_cast<unsigned char>(c)] = true;
  return unusual;
}();

/// In place of a layout that is too wide for tiles: no line has as many tokens.
constexpr std::uint32_t kNoColumns = ~std::uint32_t{0};

bool has_comma(std::uint64_t word) noexcept {
  const std::uint64_t zeroed = word ^ 0x2c2c2c2c2c2c2c2c;
  return ((zeroed - 0x0101010101010101) & ~zeroed & 0x8080808080808080) != 0;
}

/// False where a first token surely holds no time of an export: short, or of a size that leaves but
/// a comma to look for. (A layout may begin with account-id, 12 digits.)
bool may_hold_time(const char* token, std::uint32_t bytes) noexcept {
  if (bytes < kExportTimeBytesMin) return false;
  return bytes > 16 || has_comma(load_word(token)) || has_comma(load_word(token + bytes - 8));
}

bool is_lowercase(char c) noexcept { return c >= 'a' && c <= 'z'; }

}  // namespace

SimdFlowKernel::SimdFlowKernel(const FlowKernelOps& ops, std::string_view buffer,
                               const FlowParseOptions& options, FlowBinding& binding,
                               FlowColumns& out, FlowCounts& counts)
    : ops_(ops),
      text_(buffer.data()),
      options_(options),
      binding_(binding),
      counts_(counts),
      scalar_(buffer, options, binding, out, counts, kTileRows),
      tile_(ops, buffer, options, binding, out, counts, scalar_) {
  end_ = static_cast<std::uint32_t>(scalar_.lines_end() - text_);
  safe_end_ = static_cast<std::uint32_t>(std::max(buffer.size(), kTokenOverread) - kTokenOverread);
}

FlowParseResult SimdFlowKernel::run() {
  scalar_.prepare_columns();
  bind();
  scan_from(0);
  while (scanned_ < end_) {
    scan_on();
    if (!take_lines()) break;
    if (scan_.blank_count > kScanCarry) {
      if (!take_slowly(at_)) break;
      scan_from(at_);
    }
  }
  if (stop_ == FlowStop::kNeedMore && at_ < end_) static_cast<void>(take_slowly(at_));
  flush();
  scalar_.trim_columns();
  return {at_, stop_};
}

void SimdFlowKernel::bind() noexcept {
  const std::size_t columns = binding_.columns.size();
  columns_ = columns <= kTileColumnsMax ? static_cast<std::uint32_t>(columns) : kNoColumns;
  tells_gateway_ = binding_.layout.tells_gateway();
  tile_.make_room();
}

void SimdFlowKernel::scan_from(std::uint32_t position) noexcept {
  scan_.blanks[0] = position - 1;
  scan_.blank_count = 1;
  scan_.line_count = 0;
  scan_.is_after_blank = 1;
  scan_.is_odd = false;
  scanned_ = position;
  at_ = position;
}

void SimdFlowKernel::scan_on() noexcept {
  const std::size_t blocks = std::min<std::size_t>((end_ - scanned_) / kScanBlock, kScanBlocks);
  if (blocks > 0) {
    ops_.scan(text_ + scanned_, blocks, scanned_, scan_);
    scanned_ += static_cast<std::uint32_t>(blocks * kScanBlock);
    return;
  }
  char padded[kScanBlock];
  std::memset(padded, 'x', sizeof padded);
  std::memcpy(padded, text_ + scanned_, end_ - scanned_);
  ops_.scan(padded, 1, scanned_, scan_);
  scanned_ = end_;
}

bool SimdFlowKernel::take_lines() {
  std::uint32_t before = 0;
  for (std::uint32_t i = 0; i < scan_.line_count; ++i) {
    const std::uint32_t feed = scan_.lines[i] & ~FlowScan::kOdd;
    if (!take_line(before, feed, (scan_.lines[i] & FlowScan::kOdd) != 0)) return false;
    before = feed;
  }
  tile_.fill(scan_.blanks.data());
  at_ = scan_.blanks[before] + 1;
  std::copy(scan_.blanks.begin() + before, scan_.blanks.begin() + scan_.blank_count,
            scan_.blanks.begin());
  scan_.blank_count -= before;
  scan_.line_count = 0;
  return true;
}

/// Takes the line after blank number `before` up to blank number `feed`.
bool SimdFlowKernel::take_line(std::uint32_t before, std::uint32_t feed, bool is_odd) {
  const std::uint32_t* const blanks = scan_.blanks.data();
  const std::uint32_t line = blanks[before] + 1;
  const std::uint32_t end = blanks[feed];
  const std::uint32_t has_trailing_blank = end - blanks[feed - 1] == 1 ? 1 : 0;
  const std::uint32_t tokens = feed - before - has_trailing_blank;
  const bool is_plain = !is_odd & (tokens == columns_) & !tells_gateway_ & (end <= safe_end_) &
                        (end - line <= kFlowLineBytesMax) &
                        !kIsUnusualFirst[static_cast<unsigned char>(text_[line])];
  if (is_plain && !may_hold_time(text_ + line, blanks[before + 1] - line)) [[likely]]
    return add_row(line, line, before + 1, feed);
  return is_odd ? take_slowly(line) : take_unusual(before, feed, tokens);
}

/// A line whose blanks are in order, and still something is the matter.
bool SimdFlowKernel::take_unusual(std::uint32_t before, std::uint32_t feed, std::uint32_t tokens) {
  const std::uint32_t* const blanks = scan_.blanks.data();
  const std::uint32_t line = blanks[before] + 1;
  const std::uint32_t end = blanks[feed];
  const char first = text_[line];
  if (end > safe_end_ || end - line > kFlowLineBytesMax ||
      begins_no_flow_line({text_ + line, end - line}) || static_cast<unsigned char>(first) <= ' ') {
    return take_slowly(line);
  }
  std::uint32_t begin = line;
  const std::string_view token{text_ + line, blanks[before + 1] - line};
  if (is_lowercase(first)) {
    if (may_be_header(before, tokens)) return take_slowly(line);
  } else if (token.size() >= kExportTimeBytesMin) {
    if (const std::size_t time_bytes = csv_time_bytes(token); time_bytes != 0) {
      if (time_bytes == token.size() || token[time_bytes] == '"') return take_slowly(line);
      begin += static_cast<std::uint32_t>(time_bytes);
    } else if (is_rfc3339(token) && token.find(',') == std::string_view::npos) {
      begin = blanks[++before] + 1;
      --tokens;
    }
  }
  if (begin != line && is_lowercase(text_[begin]) &&
      (binding_.no_header_word <= 0 || may_be_header(before, tokens))) {
    return take_slowly(line);
  }
  const auto second = [&] {
    return std::string_view(text_ + blanks[before + 1] + 1,
                            blanks[before + 2] - blanks[before + 1] - 1);
  };
  if (tokens == columns_ && (!tells_gateway_ || names_gateway(second())))
    return add_row(line, begin, before + 1, feed);
  if (!is_plain_drop(line, before, tokens)) return take_slowly(line);
  ++counts_.dropped[static_cast<std::size_t>(FlowDrop::kFieldCount)];
  return true;
}

/// Every word of a header begins with a letter, so one token is enough to tell that a line is none.
bool SimdFlowKernel::may_be_header(std::uint32_t before, std::uint32_t tokens) const noexcept {
  if (binding_.no_header_word < 0) return true;
  const auto index = static_cast<std::uint32_t>(binding_.no_header_word);
  return index >= tokens || is_lowercase(text_[scan_.blanks[before + index] + 1]);
}

/// True when a line of another width is plainly a broken one of this layout: "field_count".
bool SimdFlowKernel::is_plain_drop(std::uint32_t line, std::uint32_t before,
                                   std::uint32_t tokens) const noexcept {
  if (options_.enveloped || scan_.blanks[before] + 1 != line) return false;
  if (columns_ == kNoColumns) return false;
  if (!binding_.layout.implied) return true;
  // The same as ScalarFlowKernel's other_default and width_reason for a line that says version 2.
  return tokens >= 2 && tokens != kDefaultColumns && text_[line] == '2' && text_[line + 1] == ' ' &&
         text_[line + 2] != 'T';
}

bool SimdFlowKernel::add_row(std::uint32_t line, std::uint32_t begin, std::uint32_t first,
                             std::uint32_t feed) {
  if (tile_.is_full()) {
    flush();
    if (tile_.is_full()) {
      stop_ = FlowStop::kFlush;
      at_ = line;
      return false;
    }
  }
  const std::uint32_t end = scan_.blanks[feed];
  tile_.add(begin, first, end - begin - (text_[end - 1] == '\r' ? 1 : 0));
  return true;
}

void SimdFlowKernel::flush() {
  tile_.fill(scan_.blanks.data());
  tile_.flush();
}

/// Takes the line at `line` as the scalar kernel does.
bool SimdFlowKernel::take_slowly(std::uint32_t line) {
  const char* const limit = text_ + end_;
  const char* begin = text_ + line;
  while (begin < limit && (*begin == ' ' || *begin == '\t' || *begin == '\r')) ++begin;
  at_ = static_cast<std::uint32_t>(begin - text_);
  if (begin == limit || *begin == '\n') {
    at_ += begin == limit ? 0 : 1;
    return true;
  }
  if (options_.stop_at_json && is_no_flow_line({begin, static_cast<std::size_t>(limit - begin)})) {
    stop_ = FlowStop::kJson;
    return false;
  }
  ScalarFlowKernel::LineKind kind = scalar_.judge(begin, limit);
  if (kind != ScalarFlowKernel::LineKind::kDone) {
    flush();
    // The tile may have had a line of its own to judge.
    if (options_.enveloped) kind = scalar_.judge(begin, limit);
    if (!scalar_.take(kind)) {
      stop_ = FlowStop::kFlush;
      return false;
    }
    bind();
  }
  at_ = static_cast<std::uint32_t>(std::min(scalar_.line_end() + 1, limit) - text_);
  return true;
}

}  // namespace fleetmeter::parsers
