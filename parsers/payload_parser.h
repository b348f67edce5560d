#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "parsers/byte_buffer.h"
#include "parsers/decoder.h"
#include "parsers/envelope.h"
#include "parsers/flow_layout.h"
#include "parsers/flow_parser.h"
#include "parsers/inflate.h"
#include "parsers/json_scan.h"
#include "parsers/metric_json.h"
#include "parsers/metric_otlp.h"
#include "parsers/parquet_flows.h"
#include "parsers/sniff.h"

namespace fleetmeter::parsers {

/// One value (JSON object, OTLP frame, base64 text, inner gzip member) that a stream may hold back
/// until it is whole.
inline constexpr std::size_t kValueBytesMax = 64u << 20;
/// The same of Parquet in a pipe or a compressed file: AWS closes its objects at 75 MB. A file is
/// read by random access and has no such limit.
inline constexpr std::size_t kParquetBytesMax = 256u << 20;

/// How far one payload has been read: what it is and what is half done. A new payload starts with a
/// new one.
struct PayloadState {
  FlowBinding* binding = nullptr;  ///< Columns of its flow log lines; headers rebind it.
  std::optional<Content> content;  ///< Not yet known: sniffed from the first bytes.
  bool is_stream = false;          ///< More may come later; else the bytes are all there is.
  /// Begins at a record border inside a payload, not at its beginning.
  bool is_resumed = false;
  bool enveloped = false;
  std::uint32_t depth = 0;  ///< Layers of compression and base64 around it.
  /// Inside a line or JSON value that is dropped, its end not in sight: the count that its end
  /// raises. It ends before a '{' behind a '}' as well: values may follow each other without a line
  /// end.
  std::uint64_t* skipping = nullptr;
  bool skipped_brace = false;  ///< The last of it but blanks was a '}'.
  /// Bytes at the end of what was taken that are no whole records (dropped, unreadable).
  std::size_t beyond_border = 0;
  bool line_open = false;  ///< StreamPosition::line_open, of the border.
  /// The last line of the stream is a header without line end: counted, and to be read again.
  bool header_is_unended = false;
  bool after_value = false;    ///< kLines: what came last was a JSON value.
  bool request_begun = false;  ///< kResources: the one request has been counted.
  bool dead = false;           ///< The rest cannot be read; swallow it.
  bool failed = false;         ///< It could not be read to its end.
  /// kCompressed: look at the waiting member again when it is so long.
  std::size_t member_retry_bytes = 0;
  JsonScanner scanner;
};

/// Parses plain payload bytes of any content into one sink, and whatever they wrap. Holds the
/// batches and the buffers that all payloads of a decoder share.
class PayloadParser final : private MessageSink {
 public:
  PayloadParser(const DecoderOptions& options, PayloadSink& sink)
      : options_(options), sink_(sink) {}

  /// Takes whole records from the front of `bytes` and returns how many bytes they were; everything
  /// taken has reached the sink. `padding_bytes` may be read behind the last byte. `last`: nothing
  /// follows, so all of it is taken.
  std::size_t parse(PayloadState& state, std::string_view bytes, std::size_t padding_bytes,
                    bool last);

  void drop(PayloadDrop reason, std::uint64_t count = 1) noexcept {
    counts.dropped[static_cast<std::size_t>(reason)] += count;
  }
  /// Starts the allowance of inflated bytes of one message (or of one value of a stream).
  void start_allowance() noexcept { inflated_left_ = options_.inflated_bytes_max; }
  /// Opens an object at a row; counts why it cannot be read.
  [[nodiscard]] bool open_parquet(ParquetFlows& object, std::uint64_t first_row);
  /// Its next batch of rows to the sink; false at its end, or at a problem, which is counted.
  [[nodiscard]] bool take_parquet(ParquetFlows& object);

  DecodeCounts counts;
  FlowDropSamples samples;
  std::string problem;  ///< Decoder::problem().

 private:
  std::size_t parse_items(PayloadState& state, std::string_view bytes, std::size_t padding_bytes,
                          bool last);
  std::size_t parse_records(PayloadState& state, std::string_view bytes, std::size_t padding_bytes,
                            bool last);
  std::size_t parse_lines(PayloadState& state, std::string_view bytes, std::size_t padding_bytes,
                          bool last);
  std::size_t parse_json(PayloadState& state, std::string_view bytes, std::size_t line_bytes,
                         std::size_t padding_bytes, bool last);
  std::size_t parse_frames(PayloadState& state, std::string_view bytes, bool last);
  std::size_t parse_resources(PayloadState& state, std::string_view bytes, bool last);
  std::size_t parse_members(PayloadState& state, std::string_view bytes, bool last);
  std::size_t parse_base64(PayloadState& state, std::string_view bytes, bool last);
  std::size_t parse_parquet(PayloadState& state, std::string_view bytes, bool last);

  std::size_t take_unended_line(PayloadState& state, std::string_view line,
                                const FlowParseOptions& options);
  std::size_t skip_continued_line(PayloadState& state, std::string_view bytes) noexcept;
  void skip_value(PayloadState& state, std::string_view begun) noexcept;
  void skip_rest(PayloadState& state, std::uint64_t& count) noexcept;
  [[nodiscard]] static std::size_t skip_on(PayloadState& state, std::string_view bytes,
                                           std::size_t at) noexcept;
  static void end_skipping(PayloadState& state) noexcept;
  void take_value(PayloadState& state, std::string_view value, std::size_t padding_bytes);
  void open_envelope(PayloadState& state, std::string_view value);
  void parse_nested(const PayloadState& outer, std::string_view bytes, std::size_t padding_bytes);
  [[nodiscard]] bool inflate_members(PayloadState& outer, std::string_view bytes);
  void give_up(PayloadState& state, std::size_t unread_bytes) noexcept;
  void cut_short(PayloadState& state, std::size_t unread_bytes) noexcept;

  void on_log_message(std::string_view message, std::string_view event_id) override;
  void on_flow_row(std::string_view line) override;
  bool keep_request(std::string_view request_id) override;
  void parse_messages();
  [[nodiscard]] std::uint64_t& bad_envelopes() noexcept {
    return counts.dropped[static_cast<std::size_t>(PayloadDrop::kBadEnvelope)];
  }
  [[nodiscard]] std::uint64_t& long_lines() noexcept {
    return counts.flows.dropped[static_cast<std::size_t>(FlowDrop::kLineTooLong)];
  }
  void flush_flows();
  void flush_metrics();
  void flush_all();

  const DecoderOptions& options_;
  PayloadSink& sink_;
  FlowColumns flows_;
  MetricBatch metrics_;
  MetricJsonParser metric_json_;
  OtlpDecoder otlp_;
  EnvelopeParser envelope_parser_;
  std::string messages_;  // Log messages of envelopes, a line each, not parsed yet.
  FlowBinding* messages_binding_ = nullptr;
  std::optional<FlowBinding> row_binding_;  ///< Theirs when they were flow records as objects.
  /// What inflates members at one depth, kept between them: there may be very many small ones.
  struct Members {
    Compression compression = Compression::kNone;
    std::optional<Inflater> inflater;  ///< Between two members.
    ByteBuffer plain;
  };
  std::deque<Members> members_;  ///< By depth.
  std::string scratch_;  // A padded copy of a JSON value that lies at the end of its buffer.
  std::uint64_t inflated_left_ = 0;
};

}  // namespace fleetmeter::parsers
