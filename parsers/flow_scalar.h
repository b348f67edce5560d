#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "parsers/flow_line.h"
#include "parsers/flow_parser.h"

namespace fleetmeter::parsers {

/// One call of parse_flow_records, line by line: the fallback where no SIMD kernel runs, the oracle
/// of those that do, and their way through every line that is not plain. One pass of 8-byte words
/// finds the blanks of a line, then each token is decoded by its column.
///
/// The buffer and the references live as long as this; nothing is kept beyond it.
class ScalarFlowKernel {
 public:
  /// What a line is, before anything is done with it.
  enum class LineKind : std::uint8_t {
    kDone,          ///< Blank or dropped; it is counted and nothing is left to do.
    kHeader,        ///< Binds the columns anew.
    kOtherDefault,  ///< A record of the other implied default format.
    kRecord,
  };

  /// `column_padding`: entries that may be written past the end of each column.
  ScalarFlowKernel(std::string_view buffer, const FlowParseOptions& options, FlowBinding& binding,
                   FlowColumns& out, FlowCounts& counts, std::size_t column_padding = 0) noexcept
      : buffer_(buffer),
        options_(options),
        binding_(binding),
        out_(out),
        counts_(counts),
        column_padding_(column_padding) {}

  /// The whole call.
  FlowParseResult run();

  // In pieces, for a kernel that takes plain lines itself.

  /// Makes room in `out` for all that the buffer can hold; a new layout does so by itself.
  void prepare_columns();
  /// After the last record: the always filled columns get their length.
  void trim_columns();
  /// The end of the last whole line of the buffer.
  [[nodiscard]] const char* lines_end() const noexcept;
  /// Reads the line at `begin`, which is no blank, up to its line feed or `limit`.
  LineKind judge(const char* begin, const char* limit);
  /// Takes the line that was judged; false when `out` has to be taken before, and then nothing of
  /// it is counted.
  [[nodiscard]] bool take(LineKind kind);
  /// The end of the line that was judged: its line feed, or the limit.
  [[nodiscard]] const char* line_end() const noexcept { return line_.end; }
  /// Counts the line that was judged as dropped.
  void drop(FlowDrop reason) noexcept;

  [[nodiscard]] std::uint64_t* numbers(std::uint8_t field) noexcept { return numbers_[field]; }
  [[nodiscard]] std::string_view* texts(std::uint8_t field) noexcept { return texts_[field]; }
  [[nodiscard]] IpAddress* addresses(std::uint8_t field) noexcept { return addresses_[field]; }

 private:
  FlowStop parse_lines(const char* begin, const char* limit);
  const char* skip_blanks(const char* limit) noexcept;
  [[nodiscard]] bool take_header();
  [[nodiscard]] std::string_view record_text() const noexcept;
  LineKind dropped(FlowDrop reason) noexcept;
  void rebind(FlowLayout layout);
  [[nodiscard]] bool is_of_layout() const noexcept;
  [[nodiscard]] std::optional<FlowLayout> other_default() const;
  [[nodiscard]] FlowDrop width_reason() const noexcept;
  void take_record() noexcept;
  [[nodiscard]] std::ptrdiff_t record_bytes() const noexcept;
  [[nodiscard]] std::optional<FlowDrop> decode_record(std::uint32_t record) noexcept;
  [[nodiscard]] bool take_number(const FlowBinding::Column& column, Token value) noexcept;
  [[nodiscard]] bool take_address(const FlowBinding::Column& column, Token value) noexcept;
  void take_action(std::string_view value, Action& action) noexcept;
  void take_direction(std::string_view value, Direction& direction) noexcept;
  void make_absent(std::uint8_t field) noexcept;
  void make_bad_absent(std::uint8_t field) noexcept;
  void set_present(std::uint8_t field) noexcept;
  void start_presence_word() noexcept;
  void grow_column(std::uint8_t field, std::size_t room);

  const std::string_view buffer_;
  const FlowParseOptions& options_;
  FlowBinding& binding_;
  FlowColumns& out_;
  FlowCounts& counts_;
  const std::size_t column_padding_;
  const char* at_ = nullptr;
  Line line_;
  bool start_present_ = false;
  std::uint32_t absent_optional_ = 0;
  std::uint32_t unknown_values_ = 0;
  // Raw column pointers: looked up once a call, not once a record.
  std::array<std::uint64_t*, kFlowFieldCount> numbers_{};
  std::array<std::string_view*, kFlowFieldCount> texts_{};
  std::array<IpAddress*, kFlowFieldCount> addresses_{};
};

}  // namespace fleetmeter::parsers
