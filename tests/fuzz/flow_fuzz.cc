// Flow log text: records and drops add up to the lines, columns hold what they say, and a batch of
// one record yields the same as a large one.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "parsers/flow_parser.h"

namespace {

using namespace fleetmeter::parsers;

void require(bool holds) {
  if (!holds) std::abort();
}

struct Sums {
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  std::uint64_t text_bytes = 0;
  FlowCounts counts;
};

void add(Sums& sums, const FlowColumns& flows) {
  sums.records += flows.size;
  require(flows.status.size() == flows.size && flows.line_bytes.size() == flows.size);
  for (std::size_t i = 0; i < kFlowFieldCount; ++i) {
    const auto field = static_cast<FlowField>(i);
    for (std::uint32_t record = 0; record < flows.size; ++record) {
      if (!flows.present(field, record)) continue;
      switch (info(field).type) {
        case FieldType::kNumber:
          require(flows.numbers(field)[record] <= info(field).number_max);
          sums.bytes += flows.numbers(field)[record];
          break;
        case FieldType::kText: {
          for (const char c : flows.texts(field)[record])
            sums.text_bytes += static_cast<unsigned char>(c);
          break;
        }
        case FieldType::kAddress:
          sums.bytes += flows.addresses(field)[record].low;
          break;
        case FieldType::kStatus:
        case FieldType::kAction:
        case FieldType::kDirection:
          break;
      }
    }
  }
}

Sums parse(std::string_view text, std::uint32_t batch_records) {
  Sums sums;
  FlowBinding binding{default_layout(), FieldSet::all()};
  FlowColumns flows;
  const FlowParseOptions options{batch_records, true, false, false};
  while (!text.empty()) {
    const FlowParseResult result = parse_flow_records(text, options, binding, flows, sums.counts);
    text.remove_prefix(result.consumed_bytes);
    require(result.stop == FlowStop::kFlush || text.empty());
    add(sums, flows);
    flows.clear();
  }
  return sums;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  const Sums large = parse(text, 4096);
  const Sums small = parse(text, 1);
  require(large.records == large.counts.ok + large.counts.nodata + large.counts.skipdata);
  require(large.records == small.records && large.bytes == small.bytes &&
          large.text_bytes == small.text_bytes);
  require(large.counts.malformed() == small.counts.malformed() &&
          large.counts.headers == small.counts.headers);
  return 0;
}
