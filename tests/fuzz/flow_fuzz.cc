// Flow log text: every kernel leaves what the scalar one leaves, call by call; records and drops add
// up to the lines, columns hold what they say, and a batch of one record yields the same as a large
// one.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>

#include "parsers/flow_kernel.h"
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

template <typename Span>
bool are_equal(const Span& a, const Span& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

void require_equal(const FlowColumns& a, const FlowColumns& b) {
  require(a.size == b.size && a.fields == b.fields && a.line_bytes == b.line_bytes);
  require(a.status == b.status && a.action == b.action && a.direction == b.direction);
  for (std::size_t i = 0; i < kFlowFieldCount; ++i) {
    const auto field = static_cast<FlowField>(i);
    require(are_equal(a.numbers(field), b.numbers(field)));
    require(are_equal(a.addresses(field), b.addresses(field)));
    require(are_equal(a.texts(field), b.texts(field)));
    for (std::uint32_t record = 0; record < a.size; ++record)
      require(a.present(field, record) == b.present(field, record));
  }
}

/// Parses to the end by `kernel` and by the scalar one, a line of JSON apart.
void compare(FlowKernel kernel, std::string_view text, const FlowParseOptions& options) {
  FlowBinding bindings[2] = {{default_layout(), FieldSet::all()},
                             {default_layout(), FieldSet::all()}};
  FlowColumns flows[2];
  FlowCounts counts[2];
  for (;;) {
    const FlowParseResult expected =
        parse_flow_records_by(FlowKernel::kScalar, text, options, bindings[0], flows[0], counts[0]);
    const FlowParseResult result =
        parse_flow_records_by(kernel, text, options, bindings[1], flows[1], counts[1]);
    require(result.consumed_bytes == expected.consumed_bytes && result.stop == expected.stop);
    require(std::memcmp(&counts[0], &counts[1], sizeof counts[0]) == 0);
    require(bindings[0].layout.names == bindings[1].layout.names);
    require_equal(flows[0], flows[1]);
    if (result.stop == FlowStop::kNeedMore) return;
    text.remove_prefix(result.consumed_bytes);
    if (result.stop == FlowStop::kJson)
      text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
    flows[0].clear();
    flows[1].clear();
  }
}

/// The input's size chooses the options, so that a corpus of plain text reaches them all.
void compare_kernels(std::string_view text) {
  constexpr std::uint32_t kBatches[] = {4096, 64, 100, 3};
  const FlowParseOptions options{kBatches[text.size() / 8 % 4], text.size() % 2 == 0,
                                 text.size() / 2 % 2 == 0, text.size() / 4 % 2 == 0};
  for (const FlowKernel kernel : kFlowKernels) {
    if (kernel != FlowKernel::kScalar && is_supported(kernel)) compare(kernel, text, options);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  compare_kernels(text);
  const Sums large = parse(text, 4096);
  const Sums small = parse(text, 1);
  require(large.records == large.counts.ok + large.counts.nodata + large.counts.skipdata);
  require(large.records == small.records && large.bytes == small.bytes &&
          large.text_bytes == small.text_bytes);
  require(large.counts.malformed() == small.counts.malformed() &&
          large.counts.headers == small.counts.headers);
  return 0;
}
