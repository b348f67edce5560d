#pragma once

#include <cstdint>
#include <string_view>

#include "parsers/flow_parser.h"

namespace fleetmeter::parsers {

/// The ways to parse flow log text. All yield the same columns, counts and stops, to the last bit;
/// they differ in speed alone (bench/parsers/flow_bench.cc).
enum class FlowKernel : std::uint8_t {
  kScalar,  ///< Line by line, any processor.
  kAvx2,    ///< x86-64-v3 without more: AVX2, BMI1, BMI2.
  kAvx512,  ///< Ice Lake, Zen 4 and later: AVX-512 F, BW, DQ, VL, VBMI and VBMI2.
};
inline constexpr FlowKernel kFlowKernels[] = {FlowKernel::kScalar, FlowKernel::kAvx2,
                                              FlowKernel::kAvx512};

[[nodiscard]] std::string_view to_string(FlowKernel kernel) noexcept;

/// True when this processor and its operating system run it.
[[nodiscard]] bool is_supported(FlowKernel kernel) noexcept;

/// What parse_flow_records runs: the fastest supported, found once. The environment variable
/// FLEETMETER_FLOW_KERNEL (scalar, avx2, avx512) chooses a slower one, to compare or to rule it out
/// as a cause; a name that is unknown or not supported here is ignored.
[[nodiscard]] FlowKernel flow_kernel() noexcept;

/// parse_flow_records by a kernel of the caller's choice, which has to be supported.
[[nodiscard]] FlowParseResult parse_flow_records_by(FlowKernel kernel, std::string_view buffer,
                                                    const FlowParseOptions& options,
                                                    FlowBinding& binding, FlowColumns& out,
                                                    FlowCounts& counts);

}  // namespace fleetmeter::parsers
