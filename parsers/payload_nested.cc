// What payloads wrap: envelopes with their log messages, compressed members, base64.
#include <algorithm>
#include <iterator>
#include <utility>

#include "parsers/byte_buffer.h"
#include "parsers/flow_parser.h"
#include "parsers/inflate.h"
#include "parsers/payload_parser.h"
#include "parsers/payload_text.h"

namespace fleetmeter::parsers {
namespace {

constexpr std::size_t kInflatePieceBytes = 256 * 1024;

bool has_flow_line(std::string_view message) noexcept {
  while (!message.empty()) {
    const std::size_t end = std::min(message.find('\n'), message.size());
    if (looks_like_flow_record(message.substr(0, end))) return true;
    message.remove_prefix(std::min(end + 1, message.size()));
  }
  return false;
}

/// Begins a payload one layer further in.
PayloadState inside(const PayloadState& outer) noexcept {
  PayloadState inner;
  inner.binding = outer.binding;
  inner.enveloped = true;
  inner.depth = outer.depth + 1;
  return inner;
}

}  // namespace

void PayloadParser::open_envelope(PayloadState& state, std::string_view value) {
  if (messages_binding_ != state.binding) parse_messages();
  messages_binding_ = state.binding;
  Envelope envelope;
  envelope_parser_.open(value, *this, envelope);
  drop(PayloadDrop::kBadBase64, envelope.bad_base64);
  if (envelope.kind == Envelope::Kind::kControl) ++counts.control_messages;
  if (envelope.kind == Envelope::Kind::kUnknown || envelope.kind == Envelope::Kind::kNotJson) {
    drop(PayloadDrop::kBadEnvelope);
  }
  if (envelope.payloads.empty()) return;
  if (state.depth + 1 > options_.nesting_max) {
    drop(PayloadDrop::kNestedTooDeep, envelope.payloads.size());
    return;
  }
  for (const std::string_view payload : envelope.payloads)
    parse_nested(state, payload, ByteBuffer::kPaddingBytes);
  flush_all();  // The batches point into the envelope.
}

/// A payload one layer further in, whole in memory. Does not flush: the caller owns the bytes.
void PayloadParser::parse_nested(const PayloadState& outer, std::string_view bytes,
                                 std::size_t padding_bytes) {
  PayloadState inner = inside(outer);
  parse_items(inner, bytes, padding_bytes, true);
}

/// Compressed bytes inside plain ones (double gzip). A whole message is inflated in one go; a
/// stream goes member by member, since a position can only lie between them.
std::size_t PayloadParser::parse_members(PayloadState& state, std::string_view bytes, bool last) {
  if (state.depth + 1 > options_.nesting_max) {
    drop(PayloadDrop::kNestedTooDeep);
    give_up(state, bytes.size());
    return bytes.size();
  }
  if (!state.is_stream) {
    if (!last) return 0;  // What it lies in is not unpacked yet; the rest of the member follows.
    if (!inflate_members(state, bytes)) give_up(state, bytes.size());
    return bytes.size();
  }
  if (!last && bytes.size() < state.member_retry_bytes) return 0;
  std::size_t at = 0;
  char unused[4096];
  std::optional<Inflater> finder;
  Compression compression = Compression::kNone;  // The finder's.
  while (at < bytes.size()) {
    at += member_padding_bytes(bytes.substr(at));
    const std::string_view rest = bytes.substr(at, kValueBytesMax);
    if (rest.empty() || (rest.size() < 4 && !last)) break;
    if (compression_of(rest) == Compression::kNone) {
      drop(PayloadDrop::kBadGzip);
      give_up(state, bytes.size() - at);
      return bytes.size();
    }
    if (!finder || !finder->between_members() || compression_of(rest) != compression)
      finder.emplace(compression = compression_of(rest));
    std::size_t member_bytes = 0;
    InflateResult result{InflateStatus::kNeedRoom, 0, 0};
    std::uint64_t inflated = 0;
    while (result.status == InflateStatus::kNeedRoom && inflated <= options_.inflated_bytes_max) {
      result = finder->inflate(rest.substr(member_bytes), unused, sizeof unused);
      member_bytes += result.taken_bytes;
      inflated += result.put_bytes;
    }
    if (result.status == InflateStatus::kNeedInput && !last && rest.size() < kValueBytesMax) {
      // Looking again at every byte of a large member would be quadratic.
      state.member_retry_bytes = rest.size() > kInflatePieceBytes ? rest.size() * 2 : 0;
      break;
    }
    state.member_retry_bytes = 0;
    start_allowance();
    if (!inflate_members(state, rest.substr(0, member_bytes)) ||
        result.status != InflateStatus::kMemberEnd) {
      give_up(state, bytes.size() - at);
      return bytes.size();
    }
    at += member_bytes;
  }
  return at;
}

/// Inflates all members of `bytes` and parses what comes out as it comes. False when it could not
/// be read to the end.
bool PayloadParser::inflate_members(PayloadState& outer, std::string_view bytes) {
  PayloadState inner;
  inner.binding = outer.binding;
  inner.enveloped = outer.enveloped;
  inner.depth = outer.depth + 1;
  while (members_.size() <= outer.depth) members_.emplace_back();
  Members& members = members_[outer.depth];
  if (!members.inflater || compression_of(bytes) != members.compression)
    members.inflater.emplace(members.compression = compression_of(bytes));
  Inflater inflater = *std::exchange(members.inflater, std::nullopt);
  ByteBuffer& plain = members.plain;  // Empty between members.
  bool whole = true;
  for (bool more = true; more;) {
    char* const room = plain.prepare(kInflatePieceBytes);
    if (inflater.between_members()) {
      bytes.remove_prefix(member_padding_bytes(bytes));
      if (bytes.empty()) break;
    }
    const InflateResult result = inflater.inflate(bytes, room, kInflatePieceBytes);
    bytes.remove_prefix(result.taken_bytes);
    more = !bytes.empty() || result.status == InflateStatus::kNeedRoom;
    if (result.put_bytes > inflated_left_) {
      drop(PayloadDrop::kTooLarge);
      flush_all();
      plain.clear();
      return false;
    }
    inflated_left_ -= result.put_bytes;
    plain.commit(result.put_bytes);
    if (result.status == InflateStatus::kDamaged || result.status == InflateStatus::kTooLarge) {
      drop(result.status == InflateStatus::kDamaged ? PayloadDrop::kBadGzip
                                                    : PayloadDrop::kTooLarge);
      whole = false;
      break;
    }
    plain.consume(parse(inner, plain.view(), ByteBuffer::kPaddingBytes, false));
    if (plain.size() > kValueBytesMax) {
      drop(PayloadDrop::kTooLarge);
      plain.clear();
      return false;
    }
  }
  if (whole && !inflater.between_members()) {
    drop(PayloadDrop::kTruncated);
    whole = false;
  }
  // The last line of what was cut is no record: only a payload that came whole ends one without a
  // line end. Members inside are read as far as they go.
  const bool last = whole || inner.content == Content::kCompressed;
  if (whole) members.inflater = std::move(inflater);
  parse(inner, plain.view(), ByteBuffer::kPaddingBytes, last);
  plain.clear();
  return whole && !inner.failed;
}

/// A text that is damaged fails, one of several lines too: damage to a wrapped text looks the same.
/// All of it is taken nonetheless, and no restart repeats it.
std::size_t PayloadParser::parse_base64(PayloadState& state, std::string_view bytes, bool last) {
  if (!last && bytes.size() <= kValueBytesMax) return 0;
  if (bytes.size() > kValueBytesMax && (state.is_stream || !last)) {
    drop(PayloadDrop::kTooLarge);
    give_up(state, bytes.size());
    return bytes.size();
  }
  if (state.depth + 1 > options_.nesting_max) {
    drop(PayloadDrop::kNestedTooDeep);
    return bytes.size();
  }
  if (state.is_stream) start_allowance();
  // One text wrapped over lines, or, where that does not decode, one text a line.
  std::string joined;
  std::copy_if(bytes.begin(), bytes.end(), std::back_inserter(joined),
               [](char c) { return kBlanks.find(c) == std::string_view::npos; });
  std::string decoded;
  const auto take = [&] {
    decoded.append(ByteBuffer::kPaddingBytes, '\0');
    const std::string_view payload{decoded.data(), decoded.size() - ByteBuffer::kPaddingBytes};
    PayloadState inner = inside(state);
    parse_items(inner, payload, ByteBuffer::kPaddingBytes, true);
    flush_all();
    state.failed |= inner.failed;
  };
  if (decode_base64(joined, decoded)) {
    take();
    return bytes.size();
  }
  for (std::string_view rest = bytes; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = without_trailing_blanks(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (line.empty()) continue;
    if (decode_base64(line, decoded)) {
      take();
    } else {
      drop(PayloadDrop::kBadBase64);
      state.failed = true;
    }
  }
  return bytes.size();
}

void PayloadParser::on_log_message(std::string_view message, std::string_view event_id) {
  if (!event_id.empty() && !sink_.keep_log_event(event_id)) {
    ++counts.duplicate_events;
    return;
  }
  message = without_trailing_blanks(message);
  // A message of several lines is one of the other logs, unless one of its lines shows that it is
  // several records.
  if (message.empty() ||
      (message.find('\n') != std::string_view::npos && !has_flow_line(message))) {
    ++counts.flows.dropped[static_cast<std::size_t>(FlowDrop::kNotAFlowRecord)];
    return;
  }
  messages_ += message;
  messages_ += '\n';
  if (messages_.size() > kMessageBufferBytes) parse_messages();
}

bool PayloadParser::keep_request(std::string_view request_id) {
  const bool is_new = sink_.keep_request(request_id);
  counts.duplicate_requests += is_new ? 0 : 1;
  return is_new;
}

void PayloadParser::on_flow_row(std::string_view line) {
  if (!row_binding_) row_binding_.emplace(flow_row_layout(), options_.fields);
  if (messages_binding_ != &*row_binding_) parse_messages();
  messages_binding_ = &*row_binding_;
  messages_ += line;
  messages_ += '\n';
  if (messages_.size() > kMessageBufferBytes) parse_messages();
}

void PayloadParser::parse_messages() {
  if (messages_.empty()) return;
  const bool are_rows = row_binding_ && messages_binding_ == &*row_binding_;
  if (are_rows) flush_flows();  // They have other columns.
  const auto flush = [&] {
    // Nobody knows the lines that AWS wrote, as of Parquet.
    if (are_rows) std::ranges::fill(flows_.line_bytes, 0u);
    flush_flows();
  };
  const FlowParseOptions options{.batch_records = options_.batch_records,
                                 .last = true,
                                 .headless = are_rows,
                                 .enveloped = true,
                                 .samples = &samples};
  std::string_view rest = messages_;
  while (!rest.empty()) {
    const FlowParseResult result =
        parse_flow_records(rest, options, *messages_binding_, flows_, counts.flows);
    rest.remove_prefix(result.consumed_bytes);
    if (result.stop == FlowStop::kFlush) flush();
  }
  flush();
  messages_.clear();
}

}  // namespace fleetmeter::parsers
