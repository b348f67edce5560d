#include "parsers/decoder.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <utility>

#include "parsers/byte_buffer.h"
#include "parsers/flow_layout.h"
#include "parsers/inflate.h"
#include "parsers/parquet_flows.h"
#include "parsers/payload_parser.h"

namespace fleetmeter::parsers {
namespace {

constexpr std::size_t kMagicBytes = 4;
constexpr std::size_t kPieceBytes = 256 * 1024;

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
    layout_is_bound = !from.layout.empty();
    compression.reset();
    inflater.reset();
    magic.clear();
    pending.clear();
    file_at = from.member_start;
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

  void begin_plain(const StreamPosition& from) {
    begin_stream(from);
    compression = Compression::kNone;
    file_at = from.plain_bytes;
    skip_bytes = 0;
  }

  void begin_object(const RandomAccess& bytes, const StreamPosition& from) {
    begin_stream({});
    compression = Compression::kNone;
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
    return static_cast<std::uint64_t>(static_cast<double>(object_size) /
                                      static_cast<double>(rows) * static_cast<double>(object_row));
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
    return inflater && !inflater->between_members();
  }

  void feed(std::string_view chunk) {
    if (!running) begin_stream({});
    parser.counts.raw_bytes += chunk.size();
    if (!compression) {
      if (payload.is_resumed && file_at > 0 && magic.empty()) skip_padding(chunk);
      const std::size_t wanted = std::min(kMagicBytes - magic.size(), chunk.size());
      magic.append(chunk.substr(0, wanted));
      chunk.remove_prefix(wanted);
      if (magic.size() < kMagicBytes) return;
      begin_content();
    }
    take(chunk);
  }

  void begin_content() {
    compression = compression_of(magic);
    if (*compression == Compression::kNone && payload.is_resumed && file_at > 0) {
      // A position behind the first member lies in a compressed file: what follows there is padding
      // or damage.
      compression = Compression::kGzip;
    }
    if (*compression != Compression::kNone) inflater.emplace(*compression);
    const std::string first = std::exchange(magic, {});
    take(first);
  }

  void take(std::string_view bytes) {
    if (*compression == Compression::kNone) {
      file_at += bytes.size();
      take_plain(bytes);
    } else {
      take_compressed(bytes);
    }
  }

  void skip_padding(std::string_view& bytes) noexcept {
    const std::size_t padding = zero_padding_bytes(bytes);
    file_at += padding;
    bytes.remove_prefix(padding);
  }

  void take_compressed(std::string_view bytes) {
    while (!bytes.empty() && !broken) {
      if (inflater->between_members()) skip_padding(bytes);
      if (bytes.empty()) return;
      char* const room = pending.prepare(kPieceBytes);
      const InflateResult result = inflater->inflate(bytes, room, kPieceBytes);
      bytes.remove_prefix(result.taken_bytes);
      file_at += result.taken_bytes;
      take_inflated(result.put_bytes);
      if (result.status == InflateStatus::kMemberEnd) note_member();
      if (result.status == InflateStatus::kDamaged) {
        parser.drop(PayloadDrop::kBadGzip);
        broken = true;
      }
      parse_pending(false);
    }
  }

  /// `count` plain bytes lie behind `pending`; those before a resumed position are dropped again.
  void take_inflated(std::size_t count) {
    const auto skipped = static_cast<std::size_t>(std::min<std::uint64_t>(skip_bytes, count));
    pending.commit(count);
    if (skipped > 0) pending.consume(skipped);  // Nothing is pending while bytes are skipped.
    skip_bytes -= skipped;
    plain_seen += count;
  }

  void note_member() {
    const std::uint64_t begins = plain_seen;
    while (members.size() > 1 && members[1].plain_at <= border) members.pop_front();
    if (members.back().plain_at == begins) members.pop_back();
    members.push_back({begins, file_at});
  }

  void take_plain(std::string_view bytes) {
    const auto skipped =
        static_cast<std::size_t>(std::min<std::uint64_t>(skip_bytes, bytes.size()));
    bytes.remove_prefix(skipped);
    skip_bytes -= skipped;
    while (!bytes.empty()) {
      if (pending.empty()) {
        const std::size_t taken = parse(bytes, 0, false);
        pending.append(bytes.substr(taken));
        return;
      }
      // Only the unfinished record goes through the buffer; the bulk is parsed where it lies.
      const std::size_t line_end = bytes.find('\n');
      const bool is_line = payload.content == Content::kLines && line_end != std::string_view::npos;
      const std::size_t piece = is_line ? line_end + 1 : std::min(bytes.size(), kPieceBytes);
      pending.append(bytes.substr(0, piece));
      bytes.remove_prefix(piece);
      parse_pending(false);
    }
  }

  void parse_pending(bool last) {
    if (pending.empty() && !last) return;
    pending.consume(parse(pending.view(), ByteBuffer::kPaddingBytes, last));
  }

  std::size_t parse(std::string_view bytes, std::size_t padding_bytes, bool last) {
    const std::uint64_t headers = parser.counts.flows.headers;
    const std::size_t taken = parser.parse(payload, bytes, padding_bytes, last);
    layout_is_bound |= parser.counts.flows.headers != headers;
    plain_in += taken;
    border = plain_in - payload.beyond_border;
    return taken;
  }

  bool finish() {
    if (object != nullptr) return finish_object();
    if (!running) begin_stream({});
    if (!compression) begin_content();
    const bool cut = inflater && !broken && !inflater->between_members();
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
    if (object_row > 0) return {0, object_row, {}};
    const auto behind =
        std::find_if(members.begin(), members.end(),
                     [this](const MemberStart& member) { return member.plain_at > border; });
    const MemberStart& member = *std::prev(behind);
    return {member.file_at, border - member.plain_at,
            layout_is_bound ? stream_binding.layout.names : std::string{}};
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
  std::optional<Compression> compression;
  std::optional<Inflater> inflater;
  std::string magic;   // First bytes, until they are enough to tell the compression.
  ByteBuffer pending;  // Plain bytes of the unfinished record.
  std::deque<MemberStart> members;
  std::uint64_t file_at = 0;     // Bytes of the file that were taken.
  std::uint64_t plain_seen = 0;  // Plain bytes that were inflated.
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

void Decoder::feed(std::string_view chunk) noexcept { state_->feed(chunk); }
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
void Decoder::reset_counts() noexcept { state_->parser.counts = {}; }

}  // namespace fleetmeter::parsers
