// A LogFormat string (the input's first line, after four bytes that choose the fields asked for)
// and lines of it: the layout keeps its limits and survives being written down by its names; which
// fields are asked for changes neither which records are kept nor what they hold; and every kernel
// decodes any column order as the scalar one does.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tests/fuzz/flow_compare.h"
#include "tests/fuzz/fuzz_input.h"

namespace {

using namespace fleetmeter;

void check_layout(const parsers::FlowLayout& layout) {
  FM_CHECK(!layout.columns.empty());
  FM_CHECK(layout.columns.size() <= parsers::FlowLayout::kColumnsMax);
  std::uint32_t unknown = 0;
  for (const int column : layout.columns) {
    FM_CHECK(column >= parsers::FlowLayout::kUnknownColumn);
    FM_CHECK(column < static_cast<int>(parsers::kFlowFieldCount));
    unknown += column == parsers::FlowLayout::kUnknownColumn ? 1 : 0;
  }
  FM_CHECK(layout.unknown_columns == unknown);
  // Names of braces are no field's, and only what a header bound is ever written down.
  if (layout.names.find("${") != std::string::npos) return;
  FM_CHECK(parsers::parse_layout(layout.names).columns == layout.columns);
}

parsers::FieldSet chosen_fields(fuzz::FuzzInput& input) {
  parsers::FieldSet fields;
  std::uint32_t bits = 0;
  for (int i = 0; i < 4; ++i) bits = bits << 8 | input.choice();
  for (std::size_t i = 0; i < parsers::kFlowFieldCount; ++i) {
    bits = bits >> 1 | bits << 31;
    if ((bits & 1) != 0) fields.add(static_cast<parsers::FlowField>(i));
  }
  return fields;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::FuzzInput input{data, size};
  const parsers::FieldSet fields = chosen_fields(input);
  const parsers::FlowLayout layout = parsers::parse_layout(input.line());
  check_layout(layout);

  const parsers::FlowBinding some{layout, fields};
  const parsers::FlowBinding all{layout, parsers::FieldSet::all()};
  fuzz::compare_kernels(input.rest(), some);
  fuzz::compare_kernels(input.rest(), all);
  const fuzz::FlowOutcome of_some = fuzz::parse_flows(input.rest(), 64, some);
  const fuzz::FlowOutcome of_all = fuzz::parse_flows(input.rest(), 64, all);
  FM_CHECK(of_some.records == of_all.records);
  FM_CHECK(of_some.counts.ok == of_all.counts.ok);
  FM_CHECK(of_some.counts.headers == of_all.counts.headers);
  FM_CHECK(of_some.counts.malformed() == of_all.counts.malformed());
  return 0;
}
