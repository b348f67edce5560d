#include "parsers/payload_parser.h"

#include <algorithm>

#include "parsers/byte_buffer.h"
#include "parsers/flow_parser.h"
#include "parsers/metric_support.h"
#include "parsers/payload_text.h"

namespace fleetmeter::parsers {
namespace {

constexpr std::size_t kMetricBatchRecords = 4096;
/// A longer line is no datapoint by itself. What is tried on each value of a line has to have an end.
constexpr std::size_t kDatapointLineBytesMax = 16 * 1024;

/// So little of a line that it does not yet show whether it begins_no_flow_line().
bool is_undecided(std::string_view bytes) noexcept {
  return bytes == "\"" || bytes == ":" ||
         (bytes.size() < kByteOrderMark.size() && kByteOrderMark.starts_with(bytes));
}

/// The line ends of a buffer, for questions that rise: each of its bytes is looked at once, however
/// many values stand in a line.
class LineEnds {
 public:
  explicit LineEnds(std::string_view bytes) : bytes_(bytes) {}
  /// Offset of the first line end from `at` on; the size when there is none.
  [[nodiscard]] std::size_t from(std::size_t at) noexcept {
    if (at > end_ || !is_known_) end_ = std::min(bytes_.find('\n', at), bytes_.size());
    is_known_ = true;
    return end_;
  }

 private:
  std::string_view bytes_;
  std::size_t end_ = 0;
  bool is_known_ = false;
};

std::uint64_t kept_records(const FlowCounts& counts) noexcept {
  return counts.ok + counts.nodata + counts.skipdata;
}

bool is_readable(Content content) noexcept {
  return content != Content::kJsonArray && content != Content::kUnknown;
}

/// What is counted as plain bytes as it comes, readable or not; the rest when it is unpacked.
bool is_plain(Content content) noexcept {
  return content == Content::kLines || content == Content::kFrames ||
         content == Content::kResources;
}

}  // namespace

std::size_t PayloadParser::parse(PayloadState& state, std::string_view bytes,
                                 std::size_t padding_bytes, bool last) {
  const std::size_t taken = parse_items(state, bytes, padding_bytes, last);
  flush_all();
  return taken;
}

std::size_t PayloadParser::parse_items(PayloadState& state, std::string_view bytes,
                                       std::size_t padding_bytes, bool last) {
  if (state.dead) {
    if (state.content && is_plain(*state.content)) counts.plain_bytes += bytes.size();
    state.beyond_border += bytes.size();
    return bytes.size();
  }
  std::size_t mark = 0;
  if (!state.content) {
    if (bytes.starts_with(kByteOrderMark)) mark = kByteOrderMark.size();
    bytes.remove_prefix(mark);
    state.content = state.is_resumed ? sniff_resumed(bytes, last) : sniff(bytes, last);
    if (!state.content) return 0;
  }
  std::size_t taken = 0;
  switch (*state.content) {
    case Content::kLines:
    case Content::kFrames:
      taken = parse_records(state, bytes, padding_bytes, last);
      break;
    case Content::kResources:
      taken = parse_resources(state, bytes, last);
      break;
    // What these hold is counted when it is plain.
    case Content::kCompressed:
      return mark + parse_members(state, bytes, last);
    case Content::kBase64:
      return mark + parse_base64(state, bytes, last);
    case Content::kParquet:
      return mark + parse_parquet(state, bytes, last);
    case Content::kJsonArray:
      drop(PayloadDrop::kBadEnvelope);
      break;
    case Content::kUnknown:
      drop(PayloadDrop::kUnknownContent);
      break;
  }
  if (!is_readable(*state.content)) {
    if (state.depth == 0) problem = explain_unread(*state.content, bytes);
    give_up(state, mark + bytes.size());  // A restart is to see the whole beginning again.
    return mark + bytes.size();
  }
  counts.plain_bytes += taken;
  return mark + taken;
}

/// The last `unread_bytes` of what is taken now, and all that comes, is not read.
void PayloadParser::give_up(PayloadState& state, std::size_t unread_bytes) noexcept {
  state.dead = true;
  state.failed = true;
  state.beyond_border = unread_bytes;
}

void PayloadParser::cut_short(PayloadState& state, std::size_t unread_bytes) noexcept {
  drop(PayloadDrop::kTruncated);
  give_up(state, unread_bytes);
}

/// Lines and frames follow each other where the output format of a metric stream was changed: objects
/// of that time hold both (Amazon CloudWatch User Guide, "Metric streams: output formats").
std::size_t PayloadParser::parse_records(PayloadState& state, std::string_view bytes,
                                         std::size_t padding_bytes, bool last) {
  std::size_t at = 0;
  for (bool more = true; more;) {
    const std::optional<Content> content = state.content;
    const std::string_view rest = bytes.substr(at);
    at += content == Content::kLines ? parse_lines(state, rest, padding_bytes, last)
                                     : parse_frames(state, rest, last);
    more = state.content != content;
  }
  return at;
}

std::size_t PayloadParser::parse_lines(PayloadState& state, std::string_view bytes,
                                       std::size_t padding_bytes, bool last) {
  const FlowParseOptions options{.batch_records = options_.batch_records,
                                 .last = last,
                                 .stop_at_json = true,
                                 .enveloped = state.enveloped,
                                 .samples = &samples};
  LineEnds ends(bytes);
  std::size_t at = 0;
  while (at < bytes.size() && !state.dead) {
    if (state.skipping != nullptr) {
      at = skip_on(state, bytes, at);
      continue;
    }
    if (state.line_open) {
      at += skip_continued_line(state, bytes.substr(at));
      continue;
    }
    if (!state.scanner.started()) {
      at = skip_blanks(bytes, at);
      if (at == bytes.size()) break;
    }
    if (state.scanner.started() || bytes[at] == '{') {
      const std::size_t taken =
          parse_json(state, bytes.substr(at), ends.from(at) - at, padding_bytes, last);
      if (taken == 0) break;
      at += taken;
      state.after_value = true;
      continue;
    }
    if (state.after_value && static_cast<unsigned char>(bytes[at]) >= 0x80) {
      const std::optional<Content> content = sniff_resumed(bytes.substr(at), last);
      if (!content) break;
      if (*content == Content::kFrames) {
        state.content = content;
        return at;
      }
    }
    state.after_value = false;
    if (!last && is_undecided(bytes.substr(at))) break;
    if (bytes.substr(at).starts_with(kByteOrderMark)) {  // Of another file, put behind the first.
      at += kByteOrderMark.size();
      continue;
    }
    if (begins_no_flow_line(bytes.substr(at))) {
      skip_rest(state, bad_envelopes());
      continue;
    }
    const std::size_t next_value = next_value_in(bytes.substr(at, ends.from(at) - at));
    if (next_value != std::string_view::npos) {
      skip_rest(state, next_value < kFlowLineBytesMax ? bad_envelopes() : long_lines());
      continue;
    }
    parse_messages();
    // The last line of a stream is judged alone.
    const bool is_unended = last && state.is_stream && ends.from(at) == bytes.size();
    if (is_unended) {
      at += take_unended_line(state, bytes.substr(at), options);
      continue;
    }
    const bool is_followed = last && state.is_stream;
    const std::size_t lines_end = is_followed ? bytes.rfind('\n') + 1 : bytes.size();
    const FlowParseResult result = parse_flow_records(bytes.substr(at, lines_end - at), options,
                                                      *state.binding, flows_, counts.flows);
    at += result.consumed_bytes;
    if (result.stop == FlowStop::kFlush) flush_flows();
    if (result.stop != FlowStop::kNeedMore || is_followed) continue;
    at = skip_blanks(bytes, at);
    if (bytes.size() - at <= kFlowLineBytesMax) break;
    skip_rest(state, long_lines());
  }
  if (last && state.skipping != nullptr) {
    ++*state.skipping;
    state.skipping = nullptr;  // Its end is not there: the border stays before it.
  }
  return at;
}

/// The last line of a stream, to which more may be appended. As a record it is counted, and what
/// comes then continues it. As anything else it waits for its rest: a restart reads it again, and
/// with the columns that it met.
std::size_t PayloadParser::take_unended_line(PayloadState& state, std::string_view line,
                                             const FlowParseOptions& options) {
  const FlowBinding binding = *state.binding;
  const std::uint64_t kept = kept_records(counts.flows), headers = counts.flows.headers;
  const FlowParseResult result =
      parse_flow_records(line, options, *state.binding, flows_, counts.flows);
  if (result.stop == FlowStop::kFlush) flush_flows();
  if (result.consumed_bytes == 0) {
    if (result.stop != FlowStop::kFlush) skip_rest(state, long_lines());
    return 0;
  }
  state.line_open = kept_records(counts.flows) > kept;
  if (!state.line_open) {
    state.beyond_border = line.size();
    state.header_is_unended = counts.flows.headers > headers;
    *state.binding = binding;
  }
  return line.size();
}

/// What comes up to the next line end belongs to a line that has been taken. Nothing is lost where
/// that is blank.
std::size_t PayloadParser::skip_continued_line(PayloadState& state,
                                               std::string_view bytes) noexcept {
  const std::size_t text = std::min(bytes.find_first_not_of(" \t\r"), bytes.size());
  if (text == bytes.size()) return text;
  if (bytes[text] == '\n') {
    state.line_open = false;
    return text + 1;
  }
  skip_rest(state, counts.dropped[static_cast<std::size_t>(PayloadDrop::kContinuedLine)]);
  return 0;
}

/// Drops a JSON value that cannot be read on behind `begun`.
void PayloadParser::skip_value(PayloadState& state, std::string_view begun) noexcept {
  state.scanner.reset();
  skip_rest(state, looks_like_envelope(begun)
                       ? bad_envelopes()
                       : counts.metrics.dropped[static_cast<std::size_t>(MetricDrop::kBadJson)]);
  state.skipped_brace = without_trailing_blanks(begun).ends_with('}');
  state.beyond_border = begun.size();
  if (begun.ends_with('\n')) end_skipping(state);
}

/// Drops what comes up to the end of the line or the begin of a value, whichever is first: nothing of
/// what follows is lost with it.
void PayloadParser::skip_rest(PayloadState& state, std::uint64_t& count) noexcept {
  state.skipping = &count;
  state.skipped_brace = false;
}

/// Skips what is dropped from `at` on; where it goes on, or all bytes.
std::size_t PayloadParser::skip_on(PayloadState& state, std::string_view bytes,
                                   std::size_t at) noexcept {
  const std::size_t begin = at;
  bool ended = false;
  for (; at < bytes.size() && !ended; ++at) {
    const char c = bytes[at];
    if (c == '{' && state.skipped_brace) break;
    ended = c == '\n';
    if (c != ' ' && c != '\t' && c != '\r') state.skipped_brace = c == '}';
  }
  state.beyond_border += at - begin;
  if (ended || at < bytes.size()) end_skipping(state);
  return at;
}

/// A line or value that is dropped has ended. It is counted now, not at its beginning: a restart
/// reads it again from there.
void PayloadParser::end_skipping(PayloadState& state) noexcept {
  ++*state.skipping;
  state.skipping = nullptr;
  state.beyond_border = 0;
  state.line_open = false;
}

/// `bytes` begins with '{'; its first line has `line_bytes`. Returns 0 when the object is not whole yet.
std::size_t PayloadParser::parse_json(PayloadState& state, std::string_view bytes,
                                      std::size_t line_bytes, std::size_t padding_bytes,
                                      bool last) {
  if (metrics_.records.size() >= kMetricBatchRecords) flush_metrics();
  if (!state.scanner.started() && line_bytes <= kDatapointLineBytesMax) {
    // The common case, one object a line, needs no scan of its own. Whether a line gets here
    // depends on how the stream is cut, so only what the scan would find as well may be taken.
    const std::string_view line = without_trailing_blanks(bytes.substr(0, line_bytes));
    const std::size_t readable = bytes.size() + padding_bytes - line.size();
    if (line_bytes < bytes.size() && line.back() == '}' && readable >= ByteBuffer::kPaddingBytes &&
        metric_json_.parse(line, false, metrics_, counts.metrics) ==
            MetricJsonParser::Result::kTaken) {
      return line_bytes + 1;
    }
  }
  const JsonScanner::Result result = state.scanner.scan(bytes.substr(0, kValueBytesMax));
  switch (result.status) {
    case JsonScanner::Status::kComplete:
      state.scanner.reset();
      take_value(state, bytes.substr(0, result.end), bytes.size() - result.end + padding_bytes);
      return result.end;
    case JsonScanner::Status::kBroken:
      skip_value(state, bytes.substr(0, result.end));
      return result.end;
    case JsonScanner::Status::kCut:
      skip_value(state, bytes.substr(0, result.end));  // Has ended already at the end of a line.
      if (state.skipping != nullptr) end_skipping(state);
      return result.end;
    case JsonScanner::Status::kNeedMore:
      break;
  }
  if (bytes.size() > kValueBytesMax) {
    drop(PayloadDrop::kTooLarge);
    give_up(state, bytes.size());
  } else if (last) {
    cut_short(state, bytes.size());
  } else {
    return 0;
  }
  return bytes.size();
}

void PayloadParser::take_value(PayloadState& state, std::string_view value,
                               std::size_t padding_bytes) {
  const bool copy = padding_bytes < ByteBuffer::kPaddingBytes;
  if (copy) {
    flush_metrics();  // Earlier records may point into the copy before.
    scratch_.reserve(value.size() + ByteBuffer::kPaddingBytes);
    scratch_.assign(value);
    scratch_.append(ByteBuffer::kPaddingBytes, '\0');
    value = std::string_view{scratch_}.substr(0, value.size());
  }
  if (metric_json_.parse(value, true, metrics_, counts.metrics) ==
      MetricJsonParser::Result::kOther) {
    if (state.is_stream) start_allowance();
    open_envelope(state, value);
  }
  if (copy) {
    flush_metrics();
    if (scratch_.capacity() > kMessageBufferBytes) std::string{}.swap(scratch_);
  }
}

std::size_t PayloadParser::parse_frames(PayloadState& state, std::string_view bytes, bool last) {
  std::size_t at = 0;
  while (at < bytes.size()) {
    if (bytes[at] == '{') {  // 123, the length of a frame, unless its first tag does not follow.
      if (at + 1 == bytes.size() && !last) return at;
      if (bytes.substr(at).starts_with("{\"")) {
        state.content = Content::kLines;
        return at;
      }
    }
    const FramePrefix prefix = read_frame_prefix(bytes.substr(at));
    const bool bad = prefix.kind == FramePrefix::Kind::kBad;
    const bool whole = prefix.kind == FramePrefix::Kind::kComplete &&
                       prefix.frame_bytes <= bytes.size() - at - prefix.prefix_bytes;
    if (!bad && !whole && !last) return at;
    if (!bad && !whole && state.is_stream) {
      cut_short(state, bytes.size() - at);
      return bytes.size();
    }
    if (!whole) {
      // The border of the next frame is lost with the length of this one.
      ++counts.metrics.dropped[static_cast<std::size_t>(MetricDrop::kBadFrame)];
      give_up(state, bytes.size() - at);
      return bytes.size();
    }
    at += prefix.prefix_bytes;
    otlp_.decode_request(bytes.substr(at, prefix.frame_bytes), metrics_, counts.metrics);
    ++counts.metrics.frames;
    at += prefix.frame_bytes;
    if (metrics_.records.size() >= kMetricBatchRecords) flush_metrics();
  }
  return at;
}

std::size_t PayloadParser::parse_resources(PayloadState& state, std::string_view bytes, bool last) {
  constexpr char kResourceMetricsTag = 0x0a;
  if (!state.request_begun) ++counts.metrics.frames;
  state.request_begun = true;
  std::size_t at = 0;
  while (at < bytes.size()) {
    const FramePrefix prefix = read_frame_prefix(bytes.substr(at + 1));
    const bool bad = bytes[at] != kResourceMetricsTag || prefix.kind == FramePrefix::Kind::kBad;
    const bool whole = !bad && prefix.kind == FramePrefix::Kind::kComplete &&
                       prefix.frame_bytes <= bytes.size() - at - 1 - prefix.prefix_bytes;
    if (!bad && !whole && !last) return at;
    if (!bad && !whole && state.is_stream) {
      cut_short(state, bytes.size() - at);
      return bytes.size();
    }
    if (!whole) {
      const MetricDrop reason =
          bytes[at] != kResourceMetricsTag ? MetricDrop::kBadProtobuf : MetricDrop::kBadFrame;
      ++counts.metrics.dropped[static_cast<std::size_t>(reason)];
      give_up(state, bytes.size() - at);
      return bytes.size();
    }
    at += 1 + prefix.prefix_bytes;
    otlp_.decode_resource_metrics(bytes.substr(at, prefix.frame_bytes), metrics_, counts.metrics);
    at += prefix.frame_bytes;
  }
  return at;
}

void PayloadParser::flush_flows() {
  if (flows_.size > 0) sink_.on_flows(flows_);
  flows_.clear();
}

void PayloadParser::flush_metrics() {
  if (!metrics_.records.empty()) sink_.on_metrics(metrics_);
  metrics_.clear();
  metric_json_.clear_text();
}

void PayloadParser::flush_all() {
  parse_messages();
  flush_flows();
  flush_metrics();
}

}  // namespace fleetmeter::parsers
