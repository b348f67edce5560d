#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "parsers/flow_columns.h"
#include "parsers/metric_batch.h"
#include "parsers/random_access.h"

namespace fleetmeter::parsers {

struct PlainPiece;

/// Takes what a decoder yields, one batch a call; views die when the call returns.
class PayloadSink {
 public:
  virtual ~PayloadSink() = default;
  virtual void on_flows(const FlowColumns& flows) = 0;
  virtual void on_metrics(const MetricBatch& metrics) = 0;
  /// Asked once for each log event id of a CloudWatch Logs envelope (56 digits): false drops the
  /// event as a counted duplicate. The default keeps all.
  virtual bool keep_log_event(std::string_view /*event_id*/) { return true; }
  /// The same of the id of a Firehose request whose whole body came as a payload: Firehose sends
  /// again what it is not sure of (Amazon Data Firehose Developer Guide, "Data delivery").
  virtual bool keep_request(std::string_view /*request_id*/) { return true; }
};

struct DecoderOptions {
  /// LogFormat ("${version} ${srcaddr} ..."), or plain names; empty = default format.
  std::string flow_format;
  FieldSet fields = FieldSet::all();  ///< Only these flow fields are decoded.
  /// Per message (not per streamed file): beyond it "too_large".
  std::size_t inflated_bytes_max = 1ull << 30;
  std::uint32_t nesting_max = 3;       ///< gzip in base64 in an envelope ...
  std::uint32_t batch_records = 4096;  ///< Flow records a call of on_flows at most.
};

/// Why a whole payload, or what was left of it, was not decoded; stable names, counted per payload.
enum class PayloadDrop : std::uint8_t {
  kBadGzip,  ///< "bad_gzip": damaged header, data or checksum; what came before is kept.
  /// "truncated": ends inside a gzip member, zstd frame or JSON value; what came before is kept.
  kTruncated,
  /// "too_large": inflates past the limit, or asks for more memory to inflate; refused with memory
  /// flat.
  kTooLarge,
  kBadEnvelope,     ///< "bad_envelope": JSON of no known kind.
  kBadBase64,       ///< "bad_base64"
  kNestedTooDeep,   ///< "nested_too_deep"
  kUnknownContent,  ///< "unknown_content": no rule of the sniffing table matches.
  /// "parquet": damaged, or outside of the flat subset (ParquetFlows); what came before is kept.
  kParquet,
  /// "continued_line": the rest of a line that an earlier reading took as a record though its line
  /// end was not there yet (StreamPosition::line_open).
  kContinuedLine,
  kCount
};
[[nodiscard]] std::string_view to_string(PayloadDrop reason) noexcept;

struct DecodeCounts {
  FlowCounts flows;
  MetricCounts metrics;
  std::uint64_t control_messages = 0;    ///< CloudWatch Logs CONTROL_MESSAGE envelopes.
  std::uint64_t duplicate_events = 0;    ///< Log events that the sink refused.
  std::uint64_t duplicate_requests = 0;  ///< Firehose requests that it refused.
  std::uint64_t payloads = 0;
  std::uint64_t dropped[static_cast<std::size_t>(PayloadDrop::kCount)] = {};
  std::uint64_t raw_bytes = 0;    ///< As they came.
  std::uint64_t plain_bytes = 0;  ///< After gzip, zstd and base64.
  DecodeCounts& operator+=(const DecodeCounts& other) noexcept;
};

/// Where a streamed file has been decoded to: a restart seeks to `member_start`, skips
/// `plain_bytes` of its plain text, and continues exactly. Plain files: member_start 0 and
/// plain_bytes = file offset (docs/time.md 10), which resume_plain() goes on from without reading
/// anything twice. Parquet by random access: plain_bytes = rows taken.
struct StreamPosition {
  std::uint64_t member_start = 0;  ///< File offset of the gzip member or zstd frame being read.
  std::uint64_t plain_bytes = 0;   ///< Plain bytes of it that were consumed as whole records.
  /// Column names bound by the last header line, space separated; empty = options.
  std::string layout;
  /// The record before it was a last line without a line end: what follows up to the next line end
  /// continues that line and is none of its own. It is dropped (kContinuedLine), unless it is blank.
  bool line_open = false;
  friend bool operator==(const StreamPosition&, const StreamPosition&) = default;
};

/// Bytes of any kind that AWS or a bridge delivers, to flow columns and metric batches: sniffs,
/// unpacks (gzip of many members, zlib, zstd, base64), walks envelopes (CloudWatch Logs
/// subscription, Firehose request, Lambda event, vended {"message"}), and parses. Parquet is held
/// back until it is whole, or read by random access. No exception, any
/// bytes in; a bad piece is counted and dropped alone. One decoder per source partition; not thread
/// safe. Rules: Amazon VPC User Guide "Flow log records", Amazon CloudWatch Logs User Guide
/// "Subscription filters", Amazon Data Firehose Developer Guide "HTTP endpoint delivery"; what the
/// bytes are: sniff.h.
class Decoder {
 public:
  Decoder(DecoderOptions options, PayloadSink& sink);
  ~Decoder();
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  /// One whole message: a Kafka value, a Firehose record's data, a small file. A header line binds
  /// the columns of what follows, later messages included, until begin_messages().
  void message(std::string_view bytes) noexcept;
  /// Forgets the columns that header lines of messages have bound: what follows is another sender's,
  /// or has to say the same to a reader that begins here.
  void begin_messages() noexcept;

  /// A file or pipe in pieces cut at any byte. Lines, JSON values and frames that end inside what
  /// was fed are parsed and flushed to the sink before feed returns; an unfinished last one waits
  /// for the next feed. Where a stream is cut changes neither what it yields nor what is counted,
  /// save how near to the damage of a damaged gzip member it gets.
  void feed(std::string_view chunk) noexcept;
  /// The same of a piece that an Unpacker made of the stream, instead of feed(); finish() follows
  /// the one of Unpacker::end(). The Unpacker is the caller's, and begins where the stream does.
  void take(const PlainPiece& piece) noexcept;
  /// End of the stream: a last line without a line end is a record. One that cannot be read as one
  /// is dropped by its reason, but position() stays before it: its rest may come. Anything else
  /// unfinished is counted truncated. Returns false when the stream could not be read to its end (truncated,
  /// damaged): report the file, exit 1.
  bool finish() noexcept;
  /// Where a restart would continue: everything before it has reached the sink, nothing after it
  /// has.
  [[nodiscard]] StreamPosition position() const;
  /// Starts a stream at a position that position() gave; the caller seeks the file to member_start.
  /// A position alone does not say whether the file is compressed: plain text behind a gzip member
  /// is damage, in a plain file it is the data.
  void resume(const StreamPosition& position);
  /// The same for a file that is not compressed (compression_of its first bytes), member_start 0:
  /// the caller seeks it to plain_bytes, and nothing is read twice.
  void resume_plain(const StreamPosition& position);
  /// Inside a gzip member or zstd frame: the stream is not at its end, whatever the file's size.
  [[nodiscard]] bool inside_member() const noexcept;
  /// Nothing that follows can be read any more; finish() will say so too.
  [[nodiscard]] bool damaged() const noexcept;
  /// What was wrong with the payload or stream that was read last, to go on after its name ("is
  /// Parquet that ..."); empty where the counted reason says it all.
  [[nodiscard]] const std::string& problem() const noexcept;

  /// One Parquet object by random access (is_parquet of its first bytes) instead of feed(): its
  /// columns are found from its end, and only those that are asked for are read. `bytes` outlives
  /// the reading. From the start, or from where position() was.
  void begin_object(const RandomAccess& bytes, const StreamPosition& from = {});
  /// Decodes its next rows, a batch at most. False when there are none: at the end, when nothing
  /// more can be read (damaged()), or while the object is still being written: its footer is not
  /// there (inside_member()). finish() ends it.
  bool read_object() noexcept;
  /// How many of the object's bytes the rows that were taken stand for, all of them at the end.
  [[nodiscard]] std::uint64_t object_bytes_done() const noexcept;
  /// What is read is one object, which nobody appends to: it may be finished when it is not
  /// inside_member(). True of a stream too, once it shows to be Parquet.
  [[nodiscard]] bool is_object() const noexcept;

  [[nodiscard]] const DecodeCounts& counts() const noexcept;
  /// Of the dropped flow log lines among them.
  [[nodiscard]] const FlowDropSamples& drop_samples() const noexcept;
  void reset_counts() noexcept;  ///< And the samples.

 private:
  struct State;
  std::unique_ptr<State> state_;
};

[[nodiscard]] inline bool is_parquet(std::string_view first_bytes) noexcept {
  return first_bytes.starts_with("PAR1") ||
         first_bytes.starts_with("PARE");  // The latter encrypted.
}

/// Standard base64 with padding into `out` (replaced); false on any byte outside the alphabet or
/// bad padding.
[[nodiscard]] bool decode_base64(std::string_view text, std::string& out);

}  // namespace fleetmeter::parsers
