#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "parsers/flow_columns.h"
#include "parsers/flow_layout.h"

namespace fleetmeter::parsers {

inline constexpr std::size_t kFlowLineBytesMax = 64 * 1024;

struct FlowParseOptions {
  std::uint32_t batch_records = 4096;  ///< `out` is full at this size.
  /// The buffer ends the input: a last line without line end is a record.
  bool last = false;
  /// Stop before a line that is_no_flow_line() instead of dropping it.
  bool stop_at_json = false;
  /// Records alone, as of flow_row_layout(): no line is a header.
  bool headless = false;
  /// Lines out of an envelope: one that is no flow log at all is "not_a_flow_record".
  bool enveloped = false;
  FlowDropSamples* samples = nullptr;  ///< Where to keep dropped lines, if anywhere.
};

enum class FlowStop : std::uint8_t {
  kNeedMore,  ///< No complete line is left.
  /// `out` is full, or the next line changes the layout: take the batch, clear `out`, call again.
  kFlush,
  kJson,  ///< The next line is_no_flow_line() (only with stop_at_json).
};

struct FlowParseResult {
  std::size_t consumed_bytes;  ///< Whole lines taken from the front of the buffer.
  FlowStop stop;
};

/// Parses flow log lines in the column order of `binding` and appends them to `out`, whose views
/// point into `buffer`. A header line rebinds `binding`; `out` never mixes two layouts. A line may
/// carry a leading RFC 3339 time or a `time,` CSV cell (CloudWatch Logs exports; a header too),
/// runs of spaces, trailing blanks, a CR; empty lines are skipped.
///
/// A line is dropped alone and counted when its field count is wrong, or when packets, bytes,
/// start, end, a port, the protocol, srcaddr, dstaddr or log-status holds something that cannot be
/// one or is out of its range. "-" is absent in any field and never wrong, save in log-status. A bad
/// value in another field is absent and counted; so is, where log-status is NODATA or SKIPDATA,
/// whatever cannot be read in place of the flow that there is none of. A line over
/// kFlowLineBytesMax is dropped when its end is in the buffer; while it is not, nothing of it is
/// consumed.
///
/// Any bytes in, no exception; allocates only to grow `out` or to rebind. Reads nothing outside
/// `buffer`. Runs the fastest kernel of this processor (flow_kernel.h); short buffers, of less than
/// a dozen lines, take the scalar one. Rule: Amazon VPC User Guide, "Flow log records".
[[nodiscard]] FlowParseResult parse_flow_records(std::string_view buffer,
                                                 const FlowParseOptions& options,
                                                 FlowBinding& binding, FlowColumns& out,
                                                 FlowCounts& counts);

inline constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

/// True of a line that begins as none of a flow log does: a JSON value, what may be left of a
/// broken one, or a byte order mark. The line is not empty.
[[nodiscard]] inline bool begins_no_flow_line(std::string_view line) noexcept {
  switch (line.front()) {
    case '{':
    case '}':
    case ']':
    case ',':
      return true;
    case ':':
      return !line.starts_with("::");  // An address may come first.
    case '"':
      return line.starts_with("\"}");
    case kByteOrderMark.front():
      return line.starts_with(kByteOrderMark);
    default:
      return false;
  }
}

/// Offset of a '{' behind a '}', blanks apart, in one line: it is what is left of a JSON value whose
/// beginning was lost, and there the next one begins. npos: none.
[[nodiscard]] std::size_t next_value_in(std::string_view line) noexcept;

/// Of the line at the front of `bytes`: it begins_no_flow_line(), or holds a next_value_in().
[[nodiscard]] inline bool is_no_flow_line(std::string_view bytes) noexcept {
  return begins_no_flow_line(bytes) ||
         next_value_in(bytes.substr(0, bytes.find('\n'))) != std::string_view::npos;
}

/// True when a text line shows a mark of a flow record: a log-status or action word, an interface
/// id, two addresses.
[[nodiscard]] bool looks_like_flow_record(std::string_view line) noexcept;

}  // namespace fleetmeter::parsers
