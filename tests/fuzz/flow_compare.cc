#include "tests/fuzz/flow_compare.h"

namespace fleetmeter::fuzz {
namespace {

using namespace parsers;

template <typename Span>
bool same(const Span& a, const Span& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end());
}

void check_equal(const FlowColumns& a, const FlowColumns& b) {
  FM_CHECK(a.size == b.size);
  FM_CHECK(a.fields == b.fields);
  FM_CHECK(a.line_bytes == b.line_bytes);
  FM_CHECK(a.status == b.status);
  FM_CHECK(a.action == b.action);
  FM_CHECK(a.direction == b.direction);
  for (std::size_t i = 0; i < kFlowFieldCount; ++i) {
    const auto field = static_cast<FlowField>(i);
    FM_CHECK(same(a.numbers(field), b.numbers(field)));
    FM_CHECK(same(a.addresses(field), b.addresses(field)));
    FM_CHECK(same(a.texts(field), b.texts(field)));
    for (std::uint32_t record = 0; record < a.size; ++record) {
      FM_CHECK(a.present(field, record) == b.present(field, record));
      if (a.present(field, record)) continue;
      FM_CHECK(a.numbers(field).empty() || a.numbers(field)[record] == 0);
      FM_CHECK(a.addresses(field).empty() || a.addresses(field)[record] == IpAddress{});
    }
  }
}

}  // namespace

void compare_kernel(FlowKernel kernel, std::string_view text, const FlowParseOptions& options,
                    const FlowBinding& binding) {
  FlowBinding bindings[2] = {binding, binding};
  FlowColumns flows[2];
  FlowCounts counts[2];
  for (;;) {
    const FlowParseResult expected =
        parse_flow_records_by(FlowKernel::kScalar, text, options, bindings[0], flows[0], counts[0]);
    const FlowParseResult result =
        parse_flow_records_by(kernel, text, options, bindings[1], flows[1], counts[1]);
    FM_CHECK(result.consumed_bytes == expected.consumed_bytes);
    FM_CHECK(result.stop == expected.stop);
    FM_CHECK(are_equal(counts[0], counts[1]));
    FM_CHECK(bindings[0].layout.names == bindings[1].layout.names);
    check_equal(flows[0], flows[1]);
    if (result.stop == FlowStop::kNeedMore) return;
    text.remove_prefix(result.consumed_bytes);
    if (result.stop == FlowStop::kJson)
      text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1);
    flows[0].clear();
    flows[1].clear();
  }
}

void compare_kernels(std::string_view text, const FlowBinding& binding) {
  constexpr std::uint32_t kBatches[] = {128, 64, 100, 3};
  const FlowParseOptions options{kBatches[text.size() / 8 % 4], text.size() % 2 == 0,
                                 text.size() / 2 % 2 == 0, text.size() / 4 % 2 == 0};
  for (const FlowKernel kernel : kFlowKernels) {
    if (kernel != FlowKernel::kScalar && is_supported(kernel))
      compare_kernel(kernel, text, options, binding);
  }
}

}  // namespace fleetmeter::fuzz
