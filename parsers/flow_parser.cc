#include "parsers/flow_parser.h"

#include <cstdlib>

#include "parsers/flow_kernel.h"
#include "parsers/flow_scalar.h"

#ifdef __x86_64__
#include "parsers/flow_simd.h"
#endif

namespace fleetmeter::parsers {
namespace {

/// Below, a tile is not worth its set-up.
constexpr std::size_t kSimdBytesMin = 1024;

FlowKernel choose_kernel() noexcept {
  FlowKernel best = FlowKernel::kScalar;
  for (const FlowKernel kernel : kFlowKernels) {
    if (is_supported(kernel)) best = kernel;
  }
  const char* const wanted = std::getenv("FLEETMETER_FLOW_KERNEL");
  if (wanted == nullptr) return best;
  for (const FlowKernel kernel : kFlowKernels) {
    if (wanted == to_string(kernel) && is_supported(kernel)) return kernel;
  }
  return best;
}

}  // namespace

std::string_view to_string(FlowKernel kernel) noexcept {
  switch (kernel) {
    case FlowKernel::kScalar:
      return "scalar";
    case FlowKernel::kAvx2:
      return "avx2";
    case FlowKernel::kAvx512:
      return "avx512";
  }
  return "unknown";
}

bool is_supported(FlowKernel kernel) noexcept {
#ifdef __x86_64__
  // Of CPUID and of what the operating system saves.
  const bool has_avx2 = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("bmi") != 0 &&
                        __builtin_cpu_supports("bmi2") != 0;
  switch (kernel) {
    case FlowKernel::kScalar:
      return true;
    case FlowKernel::kAvx2:
      return has_avx2;
    case FlowKernel::kAvx512:
      return has_avx2 && __builtin_cpu_supports("avx512f") != 0 &&
             __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
             __builtin_cpu_supports("avx512vl") != 0 && __builtin_cpu_supports("avx512vbmi") != 0 &&
             __builtin_cpu_supports("avx512vbmi2") != 0;
  }
  return false;
#else
  return kernel == FlowKernel::kScalar;
#endif
}

std::size_t next_value_in(std::string_view line) noexcept {
  std::size_t at = line.find('}');
  while (at != std::string_view::npos) {
    const std::size_t next = line.find_first_not_of(" \t\r", at + 1);
    if (next == std::string_view::npos || line[next] == '{') return next;
    at = line.find('}', next);
  }
  return at;
}

FlowKernel flow_kernel() noexcept {
  static const FlowKernel kernel = choose_kernel();
  return kernel;
}

FlowParseResult parse_flow_records_by(FlowKernel kernel, std::string_view buffer,
                                      const FlowParseOptions& options, FlowBinding& binding,
                                      FlowColumns& out, FlowCounts& counts) {
#ifdef __x86_64__
  if (kernel != FlowKernel::kScalar && buffer.size() <= SimdFlowKernel::kBytesMax) {
    const FlowKernelOps& ops = kernel == FlowKernel::kAvx512 ? avx512_flow_ops() : avx2_flow_ops();
    return SimdFlowKernel(ops, buffer, options, binding, out, counts).run();
  }
#else
  static_cast<void>(kernel);
#endif
  return ScalarFlowKernel(buffer, options, binding, out, counts).run();
}

FlowParseResult parse_flow_records(std::string_view buffer, const FlowParseOptions& options,
                                   FlowBinding& binding, FlowColumns& out, FlowCounts& counts) {
  const FlowKernel kernel = buffer.size() < kSimdBytesMin ? FlowKernel::kScalar : flow_kernel();
  return parse_flow_records_by(kernel, buffer, options, binding, out, counts);
}

}  // namespace fleetmeter::parsers
