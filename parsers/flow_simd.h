#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "parsers/flow_scalar.h"
#include "parsers/flow_scan.h"
#include "parsers/flow_tile.h"

namespace fleetmeter::parsers {

/// One call of parse_flow_records by a SIMD kernel. Text is scanned a stretch at a time; plain
/// lines gather in a tile, and every other one (a blank after a blank, control bytes, headers,
/// quotes, the last line of the buffer) goes to the scalar kernel, in order. Never reads past the
/// buffer. Some 60 kB: lives on the stack of the call.
class SimdFlowKernel {
 public:
  static constexpr std::size_t kBytesMax = std::size_t{1} << 31;  ///< Positions have 32 bits.

  SimdFlowKernel(const FlowKernelOps& ops, std::string_view buffer, const FlowParseOptions& options,
                 FlowBinding& binding, FlowColumns& out, FlowCounts& counts);

  [[nodiscard]] FlowParseResult run();

 private:
  void bind() noexcept;
  void scan_from(std::uint32_t position) noexcept;
  void scan_on() noexcept;
  [[nodiscard]] bool take_lines();
  // Each takes one line; false when the call ends before it, as stop_ and at_ say.
  [[nodiscard]] bool take_line(std::uint32_t before, std::uint32_t feed, bool is_odd);
  [[nodiscard]] bool take_unusual(std::uint32_t before, std::uint32_t feed, std::uint32_t tokens);
  [[nodiscard]] bool take_slowly(std::uint32_t line);
  [[nodiscard]] bool add_row(std::uint32_t line, std::uint32_t begin, std::uint32_t first,
                             std::uint32_t feed);
  [[nodiscard]] bool may_be_header(std::uint32_t before, std::uint32_t tokens) const noexcept;
  [[nodiscard]] bool is_plain_drop(std::uint32_t line, std::uint32_t before,
                                   std::uint32_t tokens) const noexcept;
  void flush();

  const FlowKernelOps& ops_;
  const char* const text_;
  const FlowParseOptions& options_;
  FlowBinding& binding_;
  FlowCounts& counts_;
  ScalarFlowKernel scalar_;
  FlowTile tile_;

  std::uint32_t columns_ = 0;   ///< Tokens of a plain line.
  bool tells_gateway_ = false;  ///< FlowLayout::tells_gateway().
  std::uint32_t end_ = 0;       ///< Of the whole lines.
  std::uint32_t safe_end_ = 0;  ///< Plain lines end before.
  std::uint32_t scanned_ = 0;   ///< Up to here blanks are known.
  std::uint32_t at_ = 0;        ///< Up to here lines are taken.
  FlowStop stop_ = FlowStop::kNeedMore;
  FlowScan scan_;
};

}  // namespace fleetmeter::parsers
