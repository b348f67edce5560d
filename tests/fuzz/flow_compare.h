#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "parsers/flow_kernel.h"
#include "parsers/flow_parser.h"
#include "proto/check.h"

namespace fleetmeter::fuzz {

/// What a parse of flow log text yields, to be compared.
struct FlowOutcome {
  std::uint64_t records = 0;
  std::uint64_t digest = 0;
  parsers::FlowCounts counts;

  void fold(std::uint64_t number) noexcept { digest = (digest ^ number) * 0x9e3779b97f4a7c15u; }
  void fold(std::string_view text) noexcept {
    fold(std::uint64_t{text.size()});
    for (const char c : text) fold(static_cast<std::uint64_t>(static_cast<unsigned char>(c)));
  }
  void fold(const parsers::FlowColumns& flows, parsers::FlowField field, std::uint32_t record) {
    if (!flows.present(field, record)) return;
    fold(static_cast<std::uint64_t>(field));
    switch (parsers::info(field).type) {
      case parsers::FieldType::kNumber:
        FM_CHECK(flows.numbers(field)[record] <= parsers::info(field).number_max);
        return fold(flows.numbers(field)[record]);
      case parsers::FieldType::kText:
        return fold(flows.texts(field)[record]);
      case parsers::FieldType::kAddress:
        fold(flows.addresses(field)[record].high);
        return fold(flows.addresses(field)[record].low);
      case parsers::FieldType::kStatus:
      case parsers::FieldType::kAction:
      case parsers::FieldType::kDirection:
        return;
    }
  }
  void fold(const parsers::FlowColumns& flows) {
    FM_CHECK(flows.status.size() == flows.size);
    FM_CHECK(flows.line_bytes.size() == flows.size);
    records += flows.size;
    for (std::uint32_t record = 0; record < flows.size; ++record) {
      fold(static_cast<std::uint64_t>(flows.status[record]));
      fold(static_cast<std::uint64_t>(flows.action[record]));
      fold(static_cast<std::uint64_t>(flows.direction[record]));
      fold(std::uint64_t{flows.line_bytes[record]});
      for (std::size_t i = 0; i < parsers::kFlowFieldCount; ++i)
        fold(flows, static_cast<parsers::FlowField>(i), record);
    }
  }
};

/// Nothing but counters without padding, so it compares as bytes.
inline bool are_equal(const parsers::FlowCounts& a, const parsers::FlowCounts& b) noexcept {
  return std::memcmp(&a, &b, sizeof a) == 0;
}

inline void check_equal(const FlowOutcome& a, const FlowOutcome& b) {
  FM_CHECK(a.records == b.records);
  FM_CHECK(a.digest == b.digest);
  FM_CHECK(are_equal(a.counts, b.counts));
}

/// Takes whole lines off `text`, what lies in `text` of the last one as `options.last` says. `flows`
/// is room for the batches.
inline void parse_flows(std::string_view& text, const parsers::FlowParseOptions& options,
                        parsers::FlowBinding& binding, parsers::FlowColumns& flows,
                        FlowOutcome& outcome) {
  for (bool more = true; more;) {
    const parsers::FlowParseResult result =
        parse_flow_records(text, options, binding, flows, outcome.counts);
    FM_CHECK(result.consumed_bytes <= text.size());
    text.remove_prefix(result.consumed_bytes);
    more = result.stop == parsers::FlowStop::kFlush;
    FM_CHECK(!more || flows.size > 0);  // Else it would go on for ever.
    outcome.fold(flows);
    flows.clear();
  }
}

inline FlowOutcome parse_flows(std::string_view text, std::uint32_t batch_records,
                               parsers::FlowBinding binding) {
  FlowOutcome outcome;
  parsers::FlowColumns flows;
  parse_flows(text, {batch_records, true, false, false}, binding, flows, outcome);
  FM_CHECK(text.empty());
  FM_CHECK(outcome.records == outcome.counts.ok + outcome.counts.nodata + outcome.counts.skipdata);
  return outcome;
}

/// Parses to the end by `kernel` and by the scalar one, call by call; a line of JSON is left out.
void compare_kernel(parsers::FlowKernel kernel, std::string_view text,
                    const parsers::FlowParseOptions& options, const parsers::FlowBinding& binding);

/// By every kernel that runs here. The size of the text chooses the options, so that a corpus of
/// plain text reaches them all.
void compare_kernels(std::string_view text, const parsers::FlowBinding& binding);

}  // namespace fleetmeter::fuzz
