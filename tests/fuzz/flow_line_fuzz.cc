// Flow log text of the default format: every kernel leaves what the scalar one leaves, call by
// call; records and drops add up to the lines, columns hold what they say; and neither the size of
// the batches nor where the buffer is cut changes anything.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tests/fuzz/flow_compare.h"
#include "tests/fuzz/fuzz_input.h"

namespace {

using namespace fleetmeter;

/// The text in pieces, the unfinished line of each put before the next. Cuts follow from the text,
/// which is all that the input is.
fuzz::FlowOutcome parse_in_pieces(std::string_view text, const parsers::FlowBinding& given) {
  fuzz::FlowOutcome outcome;
  parsers::FlowBinding binding = given;
  parsers::FlowColumns flows;
  std::string waiting;
  std::uint64_t random = text.size() * 0x9e3779b97f4a7c15u + 1;
  while (!text.empty()) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    const std::string_view piece = text.substr(0, 1 + (random >> 33) % 97);
    text.remove_prefix(piece.size());
    waiting += piece;
    const fuzz::ExactBlock block{waiting};
    std::string_view rest = block.view();
    parse_flows(rest, {64, text.empty(), false, false}, binding, flows, outcome);
    waiting = rest;
  }
  FM_CHECK(waiting.empty());
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  const parsers::FlowBinding binding{parsers::default_layout(), parsers::FieldSet::all()};
  fuzz::compare_kernels(text, binding);
  const fuzz::FlowOutcome whole = fuzz::parse_flows(text, 128, binding);
  fuzz::check_equal(whole, fuzz::parse_flows(text, 1, binding));
  fuzz::check_equal(whole, parse_in_pieces(text, binding));
  return 0;
}
