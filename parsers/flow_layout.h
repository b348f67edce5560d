#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/flow_columns.h"
#include "parsers/flow_field.h"

namespace fleetmeter::parsers {

/// The column order of flow log text: which field each token of a line is. A value; compare by
/// `names`. The number in the `version` field never decides it (Amazon VPC User Guide, "Flow log
/// records": the version is the highest among the chosen fields).
struct FlowLayout {
  /// A name that no version knows, or a name met a second time.
  static constexpr int kUnknownColumn = -1;
  static constexpr std::size_t kColumnsMax = 256;

  std::vector<int> columns;  ///< Index of the field of each token, or kUnknownColumn.
  std::string names;         ///< Column names joined by one space, as they were given.
  /// Nobody said so: the default format stands in until a header line comes. Then a line of another
  /// width is "no_layout" rather than a broken one, and transit gateway lines are told by their
  /// second token.
  bool implied = false;
  std::uint32_t unknown_columns = 0;

  [[nodiscard]] bool has(FlowField field) const noexcept;
  /// The implied one of transit gateways: each line has to say that it is such.
  [[nodiscard]] bool tells_gateway() const noexcept;
};

inline constexpr std::size_t kDefaultColumns = 14;
inline constexpr std::size_t kTransitGatewayColumns = 36;

/// What the second token of a transit gateway's line is, its resource-type.
[[nodiscard]] inline bool names_gateway(std::string_view second) noexcept {
  return second == "TransitGateway" || second == "TransitGatewayAttachment";
}
inline bool FlowLayout::tells_gateway() const noexcept {
  return implied && columns.size() == kTransitGatewayColumns;
}

/// The 14 fields of version 2.
[[nodiscard]] FlowLayout default_layout();
/// The 36 fields of a transit gateway flow log (AWS Transit Gateway Guide, "Transit gateway flow
/// log records").
[[nodiscard]] FlowLayout transit_gateway_layout();
/// From a LogFormat string ("${version} ${vpc-id}") or plain names, separated by blanks. Empty text
/// gives the implied default format; names beyond kColumnsMax are left out, so that every line then
/// differs in width.
[[nodiscard]] FlowLayout parse_layout(std::string_view format);

/// True for a header line: every token a lowercase word of letters, digits and hyphens (or
/// underscores), at least half of them names of fields, of which one is no ordinary word, or three
/// names in all: "start end" or "start of file" in a log must not rebind the columns.
[[nodiscard]] bool is_header(std::string_view line) noexcept;

/// A layout compiled for one set of asked fields: what the kernel does with each token.
struct FlowBinding {
  /// How a token is decoded. `kSkip*`: asked by nobody; required ones are still validated.
  enum class Step : std::uint8_t {
    kSkip,
    kText,
    kKnownText,
    kNumber,
    kRequiredNumber,
    kCheckNumber,
    kAddress,
    kRequiredAddress,
    kCheckAddress,
    kStatus,
    kAction,
    kDirection,
  };
  struct Column {
    Step step;
    std::uint8_t field;
    std::uint64_t number_max;
  };

  FlowLayout layout;
  FieldSet asked;   ///< What the caller wants.
  FieldSet filled;  ///< Asked and in the layout.
  std::vector<Column> columns;
  /// Indexes of the columns that are decoded or checked: those that can drop a record first, each
  /// part in the layout's order.
  std::vector<std::uint8_t> order;
  /// Index of a column whose values never begin like a word of a header (a-z); -1 when none is
  /// known to.
  int no_header_word = -1;
  bool has_start = false;
  bool has_bytes = false;
  /// Fields of the layout that are filled: their presence starts as 1.
  std::vector<std::uint8_t> present_fields;

  FlowBinding(FlowLayout from, FieldSet wanted);
};

}  // namespace fleetmeter::parsers
