#include "parsers/decoder.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>

#include "parsers/byte_buffer.h"
#include "parsers/flow_layout.h"
#include "parsers/metric_otlp.h"
#include "parsers/parquet_flows.h"
#include "parsers/payload_parser.h"
#include "parsers/unpacker.h"

namespace fleetmeter::parsers {
namespace {

constexpr std::size_t kPieceBytes = 256 * 1024;
/// Remembered at a time. Where an unfinished record spans more members, a restart begins at an
/// earlier one of them and skips more.
constexpr std::size_t kMembersMax = 4096;

/// Where a member's plain bytes begin, in the plain bytes of the whole stream.
struct MemberStart {
  std::uint64_t plain_at;
  std::uint64_t file_at;
};

}  // namespace

/// A stream: file bytes -> members -> plain bytes -> records, with the position of the last record
/// border. Offsets of plain bytes count from the start of the member that the stream was begun or
/// resumed at.
struct Decoder::State {
  State(DecoderOptions given, PayloadSink& sink)
      : options(std::move(given)),
        parser(options, sink),
        option_layout(parse_layout(options.flow_format)),
        message_binding(option_layout, options.fields),
        stream_binding(option_layout, options.fields) {
    count_format();
  }

  void count_format() noexcept {
    parser.counts.flows.unknown_fields += option_layout.unknown_columns;
  }

  void begin_stream(const StreamPosition& from) {
    const FlowLayout layout = from.layout.empty() ? option_layout : parse_layout(from.layout);
    if (stream_binding.layout.names != layout.names ||
        stream_binding.layout.implied != layout.implied) {
      stream_binding = FlowBinding(layout, options.fields);
    }
    payload = {};
    payload.binding = &stream_binding;
    payload.is_stream = true;
    payload.is_resumed = from.member_start > 0 || from.plain_bytes > 0;
    payload.line_open = from.line_open;
    if (from.line_open) payload.content = Content::kLines;
    layout_is_bound = !from.layout.empty();
    unpacker.reset();
    unpack_from = from.member_start;
    is_plain = false;
    inside = false;
    pending.clear();
    plain_seen = 0;
    skip_bytes = from.plain_bytes;
    plain_in = from.plain_bytes;
    border = from.plain_bytes;
    members = {{0, from.member_start}};
    broken = false;
    running = true;
    object = nullptr;
    object_rows.reset();
    object_row = 0;
    parser.problem.clear();
    ++parser.counts.payloads;
  }

  void begin_messages() {
    const FlowLayout& bound = message_binding.layout;
    if (bound.implied && option_layout.implied) return;  // Each line tells these apart.
    if (bound.implied == option_layout.implied && bound.names == option_layout.names) return;
    message_binding = FlowBinding(option_layout, options.fields);
  }

  void begin_plain(const StreamPosition& from) {
    begin_stream(from);
    is_plain = true;
    skip_bytes = 0;
  }

  void begin_object(const RandomAccess& bytes, const StreamPosition& from) {
    begin_stream({});
    payload.content = Content::kParquet;
    object = &bytes;
    object_row = from.plain_bytes;
  }

  /// Reads the footer, whether it is there or not; false at a problem.
  bool open_object() {
    object_size = object->size_bytes();
    object_rows = std::make_unique<ParquetFlows>(*object, options.fields, options.batch_records);
    payload.failed = !parser.open_parquet(*object_rows, object_row);
    object_raw_bytes = object_row == 0 ? 0 : object_bytes_done();
    return !payload.failed;
  }

  bool read_object() {
    if (object == nullptr || payload.failed) return false;
    if (!object_rows && (!has_parquet_end(*object) || !open_object())) return false;
    const bool taken = parser.take_parquet(*object_rows);
    object_row = object_rows->row();
    payload.failed = object_rows->problem().any();
    const std::uint64_t done = object_bytes_done();
    parser.counts.raw_bytes += done - std::exchange(object_raw_bytes, done);
    return taken;
  }

  [[nodiscard]] std::uint64_t object_bytes_done() const noexcept {
    if (!object_rows) return 0;
    const std::uint64_t rows = object_rows->rows();
    if (object_row >= rows) return payload.failed ? 0 : object_size;
    return static_cast<std::uint64_t>(static_cast<double>(object_size) / static_cast<double>(rows) *
                                      static_cast<double>(object_row));
  }

  bool finish_object() {
    while (read_object()) continue;
    if (!object_rows && !payload.failed) (void)open_object();  // Says what is missing.
    object = nullptr;
    object_rows.reset();
    running = false;
    return !payload.failed;
  }

  [[nodiscard]] bool inside_member() const noexcept {
    if (object != nullptr) return !object_rows && !payload.failed && !has_parquet_end(*object);
    if (payload.content == Content::kParquet && running)
      return !payload.dead && !has_parquet_end(MemoryBytes(pending.view()));
    return inside;
  }

  void feed(std::string_view chunk) {
    if (!running) begin_stream({});
    if (!unpacker) unpacker.emplace(is_plain ? Unpacker::of_plain(border) : Unpacker{unpack_from});
    if (!room) room.emplace();
    for (bool more = true; more;) {
      more = unpacker->unpack(chunk, *room, fed);
      take(fed);
    }
  }

  void take(const PlainPiece& from) {
    if (!running) begin_stream({});
    parser.counts.raw_bytes += from.raw_bytes;
    for (const MemberEnd& end : from.member_ends) note_member(end);
    inside = from.inside_member;
    if (from.broken) note_broken(*from.broken);
    // Those before a resumed position are dropped again; nothing is pending meanwhile.
    const auto skipped =
        static_cast<std::size_t>(std::min<std::uint64_t>(skip_bytes, from.plain.size()));
    skip_bytes -= skipped;
    plain_seen += from.plain.size();
    const std::string_view bytes = from.plain.substr(skipped);
    if (bytes.empty()) return;
    if (from.room == nullptr) return take_plain(bytes);
    if (pending.size() > PieceRoom::kFrontBytes) {
      pending.append(bytes);
      return parse_pending(false);
    }
    take_in_room(bytes, *from.room);
  }

  void note_broken(InflateStatus status) {
    broken = true;
    parser.drop(status == InflateStatus::kTooLarge ? PayloadDrop::kTooLarge
                                                   : PayloadDrop::kBadGzip);
    if (status == InflateStatus::kTooLarge)
      parser.problem = "is zstd with a window of over 128 MiB, which is not read";
  }

  /// The unfinished record goes in front of the bytes that follow it.
  void take_in_room(std::string_view bytes, PieceRoom& in) {
    const std::string_view begun = pending.view();
    char* const front = in.data() + (bytes.data() - in.data()) - begun.size();
    std::copy(begun.begin(), begun.end(), front);
    bytes = {front, begun.size() + bytes.size()};
    pending.clear();
    pending.append(bytes.substr(parse(bytes, PieceRoom::kPaddingBytes, false)));
  }

  void note_member(const MemberEnd& end) {
    const std::uint64_t begins = plain_seen + end.plain_bytes;
    while (members.size() > 1 && members[1].plain_at <= border) members.pop_front();
    if (members.back().plain_at == begins) members.pop_back();
    if (members.size() < kMembersMax) members.push_back({begins, end.next_at_offset});
  }

  /// Bytes of others, in which nothing can be put in front.
  void take_plain(std::string_view bytes) {
    while (!bytes.empty()) {
      if (pending.empty()) {
        const std::size_t taken = parse(bytes, 0, false);
        pending.append(bytes.substr(taken));
        return;
      }
      // Only the unfinished record goes through the buffer; the bulk is parsed where it lies.
      const std::size_t piece = std::min(bytes.size(), bytes_to_border(bytes));
      pending.append(bytes.substr(0, piece));
      bytes.remove_prefix(piece);
      parse_pending(false);
    }
  }

  /// How much of `bytes` may end the record that is pending; at least one.
  [[nodiscard]] std::size_t bytes_to_border(std::string_view bytes) const noexcept {
    if (payload.content == Content::kLines) {
      const std::size_t line_end = bytes.find('\n');
      if (line_end != std::string_view::npos) return line_end + 1;
    }
    if (payload.content == Content::kFrames && !payload.dead) {
      const FramePrefix prefix = read_frame_prefix(pending.view());
      if (prefix.kind == FramePrefix::Kind::kNeedMore) return 1;
      const std::size_t whole = std::size_t{prefix.prefix_bytes} + prefix.frame_bytes;
      if (whole > pending.size()) return whole - pending.size();
    }
    return kPieceBytes;
  }

  void parse_pending(bool last) {
    if (pending.empty() && !last) return;
    pending.consume(parse(pending.view(), ByteBuffer::kPaddingBytes, last));
  }

  std::size_t parse(std::string_view bytes, std::size_t padding_bytes, bool last) {
    const std::uint64_t headers = parser.counts.flows.headers;
    const std::size_t taken = parser.parse(payload, bytes, padding_bytes, last);
    layout_is_bound |=
        parser.counts.flows.headers - headers > (payload.header_is_unended ? 1u : 0u);
    plain_in += taken;
    border = plain_in - payload.beyond_border;
    return taken;
  }

  bool finish() {
    if (object != nullptr) return finish_object();
    if (!running) begin_stream({});
    if (unpacker) {
      unpacker->end(*room, fed);
      take(fed);
    }
    const bool cut = inside && !broken;
    if (cut) parser.drop(PayloadDrop::kTruncated);
    // The last line of a cut or damaged member is no record; members inside are read as far as they
    // go.
    parse_pending((!cut && !broken) || payload.content == Content::kCompressed);
    pending.clear();
    running = false;
    return !cut && !broken && !payload.failed;
  }

  [[nodiscard]] StreamPosition position() const {
    if (!begun()) return {};
    if (object_row > 0) return {0, object_row, {}, false};
    const auto behind =
        std::find_if(members.begin(), members.end(),
                     [this](const MemberStart& member) { return member.plain_at > border; });
    const MemberStart& member = *std::prev(behind);
    return {member.file_at, border - member.plain_at,
            layout_is_bound ? stream_binding.layout.names : std::string{}, payload.line_open};
  }

  [[nodiscard]] bool begun() const noexcept { return !members.empty(); }

  const DecoderOptions options;
  PayloadParser parser;
  const FlowLayout option_layout;
  FlowBinding message_binding;
  FlowBinding stream_binding;

  // The stream.
  bool running = false;
  bool broken = false;           // The compressed bytes are damaged; the rest is not read.
  bool layout_is_bound = false;  // By a header line of this stream.
  PayloadState payload;
  bool inside = false;    // A member, as far as it was taken.
  bool is_plain = false;  // Said by who began it.
  std::uint64_t unpack_from = 0;
  std::optional<Unpacker> unpacker;  // Of what is fed.
  std::optional<PieceRoom> room;
  PlainPiece fed;
  ByteBuffer pending;  // Plain bytes of the unfinished record.
  std::deque<MemberStart> members;
  std::uint64_t plain_seen = 0;  // Plain bytes that came.
  std::uint64_t plain_in = 0;    // Plain bytes that were parsed or skipped.
  std::uint64_t border = 0;      // Of them, those in whole records.
  std::uint64_t skip_bytes = 0;

  // One object by random access.
  const RandomAccess* object = nullptr;
  std::unique_ptr<ParquetFlows> object_rows;  // Its footer has been read.
  std::uint64_t object_row = 0;               // Rows that were taken.
  std::uint64_t object_size = 0;
  std::uint64_t object_raw_bytes = 0;  // Of its size, what was counted.
};

Decoder::Decoder(DecoderOptions options, PayloadSink& sink)
    : state_(std::make_unique<State>(std::move(options), sink)) {}
Decoder::~Decoder() = default;

void Decoder::message(std::string_view bytes) noexcept {
  DecodeCounts& counts = state_->parser.counts;
  ++counts.payloads;
  counts.raw_bytes += bytes.size();
  if (bytes.empty()) return;
  state_->parser.start_allowance();
  PayloadState payload;
  payload.binding = &state_->message_binding;
  state_->parser.problem.clear();
  state_->parser.parse(payload, bytes, 0, true);
}

void Decoder::begin_messages() noexcept { state_->begin_messages(); }
void Decoder::feed(std::string_view chunk) noexcept { state_->feed(chunk); }
void Decoder::take(const PlainPiece& piece) noexcept { state_->take(piece); }
bool Decoder::finish() noexcept { return state_->finish(); }
StreamPosition Decoder::position() const { return state_->position(); }
void Decoder::resume(const StreamPosition& position) { state_->begin_stream(position); }
void Decoder::resume_plain(const StreamPosition& position) { state_->begin_plain(position); }
bool Decoder::inside_member() const noexcept { return state_->inside_member(); }
bool Decoder::damaged() const noexcept { return state_->broken || state_->payload.failed; }
const std::string& Decoder::problem() const noexcept { return state_->parser.problem; }
void Decoder::begin_object(const RandomAccess& bytes, const StreamPosition& from) {
  state_->begin_object(bytes, from);
}
bool Decoder::read_object() noexcept { return state_->read_object(); }
std::uint64_t Decoder::object_bytes_done() const noexcept { return state_->object_bytes_done(); }
bool Decoder::is_object() const noexcept { return state_->payload.content == Content::kParquet; }
const DecodeCounts& Decoder::counts() const noexcept { return state_->parser.counts; }
const FlowDropSamples& Decoder::drop_samples() const noexcept { return state_->parser.samples; }
void Decoder::reset_counts() noexcept {
  state_->parser.counts = {};
  state_->parser.samples.clear();
}

}  // namespace fleetmeter::parsers
