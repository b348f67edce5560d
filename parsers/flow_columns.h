#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/flow_field.h"

namespace fleetmeter::parsers {

/// An address as 16 bytes in network order; IPv4 is stored mapped (::ffff:a.b.c.d), so both kinds
/// compare as one.
struct IpAddress {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  [[nodiscard]] constexpr bool is_v4() const noexcept { return high == 0 && (low >> 32) == 0xffff; }
  [[nodiscard]] constexpr std::uint32_t v4() const noexcept {
    return static_cast<std::uint32_t>(low);
  }
  friend constexpr auto operator<=>(const IpAddress&, const IpAddress&) = default;
};

enum class LogStatus : std::uint8_t { kOk, kNoData, kSkipData };
enum class Action : std::uint8_t { kNone, kAccept, kReject };
enum class Direction : std::uint8_t { kUnknown, kIngress, kEgress };

/// A batch of flow records as columns: entry i of every filled column is record i, `size` entries
/// in all. Only the fields of `fields` are filled; the rest are empty vectors. Text views point
/// into the parsed buffer and die with it. Presence is apart from value: "-" is absent, never 0 or
/// "", but absent numbers and addresses hold zeros (such an address is none of IPv4). Not thread
/// safe; reuse it for speed.
class FlowColumns {
 public:
  FieldSet fields;         ///< What the caller asked for and the layout has.
  std::uint32_t size = 0;  ///< Records in every filled column.

  /// log-status of every record (always filled; a layout without log-status yields kOk).
  std::vector<LogStatus> status;
  /// action of every record (kNone when absent).
  std::vector<Action> action;
  /// flow-direction of every record (kUnknown when absent).
  std::vector<Direction> direction;
  /// Bytes of the record's line as read, without line end: what log ingestion bills.
  std::vector<std::uint32_t> line_bytes;

  /// Columns by field. Type of the field decides which accessor is legal (flow_field.h); an
  /// unfilled one is empty. An absent text is a view of its "-", so that texts which follow each
  /// other in a line can be compared at once; nothing where there is no line (Parquet).
  [[nodiscard]] std::span<const std::uint64_t> numbers(FlowField field) const noexcept;
  [[nodiscard]] std::span<const std::string_view> texts(FlowField field) const noexcept;
  [[nodiscard]] std::span<const IpAddress> addresses(FlowField field) const noexcept;
  /// False for "-", for a bad value that was let pass, and for a field that the layout lacks.
  [[nodiscard]] bool present(FlowField field, std::uint32_t record) const noexcept;

  void clear() noexcept;  ///< Keeps capacity.

  // The parser's side of the columns; readers use the accessors above.
  std::vector<std::uint64_t> number_columns[kFlowFieldCount];
  std::vector<std::string_view> text_columns[kFlowFieldCount];
  std::vector<IpAddress> address_columns[kFlowFieldCount];
  std::vector<std::uint64_t> presence[kFlowFieldCount];  ///< One bit a record.
};

/// Why a line was dropped, or a value in a kept line was not taken. Names are stable: they are the
/// `reason` label of the drop counters and the keys of `malformed_by_reason`.
enum class FlowDrop : std::uint8_t {
  kFieldCount,  ///< "field_count": token count differs from the layout's.
  /// "bad_number": packets, bytes, start, end, a port or protocol is not digits or out of range.
  kBadNumber,
  kBadAddress,   ///< "bad_address": srcaddr or dstaddr present but not an address.
  kBadStatus,    ///< "bad_status": log-status is none of OK, NODATA, SKIPDATA.
  kLineTooLong,  ///< "line_too_long": over 64 KiB without a line end.
  /// "no_layout": not the default 14 fields, and neither header nor format says the columns.
  kNoLayout,
  kNotText,         ///< "not_text": bytes below 0x20 other than CR, LF.
  kNotAFlowRecord,  ///< "not_a_flow_record": an envelope's message that is no flow record at all.
  kCount
};
[[nodiscard]] std::string_view to_string(FlowDrop reason) noexcept;

/// A dropped line for each reason, to find its like by: one of the first, cut short, ASCII.
class FlowDropSamples {
 public:
  static constexpr std::size_t kBytesMax = 160;
  using ByReason = std::map<std::string, std::string>;
  /// The first one of a reason stays.
  void note(FlowDrop reason, std::string_view line);
  /// "INPUT: LINE" for each reason that `all` has none of; which these were.
  std::vector<std::string> add_to(ByReason& all, std::string_view input) const;
  void clear() noexcept;

 private:
  std::array<std::string, static_cast<std::size_t>(FlowDrop::kCount)> texts_;
};

/// What a parser met, to be added up; every field counts lines or values.
struct FlowCounts {
  std::uint64_t ok = 0;
  std::uint64_t nodata = 0;
  std::uint64_t skipdata = 0;
  std::uint64_t headers = 0;  ///< Header lines; each rebinds the columns.
  /// Kept records in no window: they have no start, or they flowed and their layout has no bytes.
  std::uint64_t unwindowed = 0;
  std::uint64_t absent_optional = 0;  ///< Bad values that drop no record, made absent.
  /// Header or format columns that no version knows; kept as unknown.
  std::uint64_t unknown_fields = 0;
  std::uint64_t unknown_values = 0;  ///< Enum values that no version knows.
  std::uint64_t dropped[static_cast<std::size_t>(FlowDrop::kCount)] = {};
  [[nodiscard]] std::uint64_t malformed() const noexcept;
  [[nodiscard]] std::uint64_t records() const noexcept;  ///< ok + nodata + skipdata + malformed.
  FlowCounts& operator+=(const FlowCounts& other) noexcept;
};

}  // namespace fleetmeter::parsers
