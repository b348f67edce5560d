#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "parsers/flow_scalar.h"
#include "parsers/flow_scan.h"

namespace fleetmeter::parsers {

/// Up to kTileRows plain lines on their way into columns. Plain: as many tokens as the layout has
/// columns, one blank between them, no control byte, kTokenOverread readable bytes behind it.
/// They are decoded column by column, the columns that can drop a record first; what went wrong is
/// a mask of rows, looked at once a column. Tokens that the kernel could not decode get a second,
/// careful look by the functions of the scalar parser, so both always agree.
class FlowTile {
 public:
  FlowTile(const FlowKernelOps& ops, std::string_view buffer, const FlowParseOptions& options,
           FlowBinding& binding, FlowColumns& out, FlowCounts& counts,
           ScalarFlowKernel& scalar) noexcept
      : ops_(ops),
        buffer_(buffer),
        options_(options),
        binding_(binding),
        out_(out),
        counts_(counts),
        scalar_(scalar) {
    make_room();
  }

  /// Fits the tile to what `out` still takes; call it while the tile is empty and `out` changed.
  void make_room() noexcept;
  [[nodiscard]] bool is_full() const noexcept { return rows_ == room_; }

  /// Adds the line whose text begins at `begin`, whose tokens end at `blanks[first]` and on. The
  /// tile is not full.
  void add(std::uint32_t begin, std::uint32_t first, std::uint32_t line_bytes) noexcept {
    bounds_.ends[0][rows_] = begin - 1;
    first_[rows_] = first;
    line_bytes_[rows_] = line_bytes;
    ++rows_;
  }
  /// Takes what it needs of `blanks`: before they change.
  void fill(const std::uint32_t* blanks) noexcept;
  /// Appends the records to the columns, all rows having been filled, and is empty.
  void flush();

 private:
  void decode(std::size_t index);
  void decode_number(const FlowTokens& tokens, const FlowBinding::Column& column);
  void decode_address(const FlowTokens& tokens, const FlowBinding::Column& column);
  void decode_known_text(const FlowTokens& tokens, std::uint8_t field);
  void decode_status(const FlowTokens& tokens);
  void decode_word(const FlowTokens& tokens, const FlowWords& words, std::uint8_t* out);
  [[nodiscard]] bool is_without_flows(std::uint32_t row) const noexcept;
  void excuse(std::uint64_t rows) noexcept;
  void fail(std::uint64_t rows, FlowDrop reason);
  void count_rows() noexcept;
  void close_gaps() noexcept;
  void write_presence() noexcept;

  const FlowKernelOps& ops_;
  const std::string_view buffer_;
  const FlowParseOptions& options_;
  FlowBinding& binding_;
  FlowColumns& out_;
  FlowCounts& counts_;
  ScalarFlowKernel& scalar_;

  std::uint32_t rows_ = 0;
  std::uint32_t filled_ = 0;  ///< Rows whose boundaries are known.
  std::uint32_t room_ = 0;
  // Room for a whole step of the kernels behind the last row.
  std::array<std::uint32_t, kTileRows + 16> first_;
  std::array<std::uint32_t, kTileRows> line_bytes_;
  FlowBounds bounds_;

  // Of the tile being flushed; a bit a row.
  std::uint64_t live_ = 0;    ///< Rows that are lines and not dropped.
  std::uint64_t absent_ = 0;  ///< Of the column being decoded.
  std::uint64_t without_start_ = 0;
  std::array<std::uint64_t, kTileColumnsMax> absent_of_;
  /// Rows with a bad value that does not drop them, of each required column that has some.
  std::array<std::uint64_t, kTileColumnsMax> excused_;
  std::uint32_t excused_columns_ = 0;
  std::array<std::uint64_t, kTileRows> unasked_numbers_;
  std::array<IpAddress, kTileRows> unasked_addresses_;
};

}  // namespace fleetmeter::parsers
