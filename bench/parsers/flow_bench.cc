// Flow log text to validated columns, by each kernel, beside the ceiling of an unchecked probe on
// the same text. Both answers are checked first; then each iteration runs one after the other, so
// that the ratio is of the same moments. Times are of the CPU.
#include <benchmark/benchmark.h>

#include <optional>
#include <string>
#include <string_view>

#include "bench/measure.h"
#include "bench/parsers/corpus.h"
#include "bench/parsers/flow_corpus.h"
#include "bench/parsers/flow_probe.h"
#include "parsers/flow_kernel.h"

namespace fleetmeter::parsers::bench {
namespace {

constexpr std::size_t kBufferBytes = 1 << 20;

double cpu_seconds() noexcept { return seconds_on(CLOCK_THREAD_CPUTIME_ID); }

struct Answer {
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  friend bool operator==(const Answer&, const Answer&) = default;
};

/// All fields of `text` by one kernel, a buffer at a time.
class KernelRun {
 public:
  KernelRun(FlowKernel kernel, const FlowLayout& layout)
      : kernel_(kernel), binding_(layout, FieldSet::all()) {}

  Answer run(std::string_view text) {
    Answer answer;
    FlowParseOptions options;
    while (!text.empty()) {
      options.last = text.size() <= kBufferBytes;
      const FlowParseResult result = parse_flow_records_by(kernel_, text.substr(0, kBufferBytes),
                                                           options, binding_, flows_, counts_);
      text.remove_prefix(result.consumed_bytes);
      answer.records += flows_.size;
      answer.bytes += sum(flows_.numbers(FlowField::kBytes));
      flows_.clear();
    }
    return answer;
  }

 private:
  // Absent ones are 0.
  static std::uint64_t sum(std::span<const std::uint64_t> values) noexcept {
    std::uint64_t total = 0;
    for (const std::uint64_t value : values) total += value;
    return total;
  }

  const FlowKernel kernel_;
  FlowBinding binding_;
  FlowColumns flows_;
  FlowCounts counts_;
};

Answer run_probe(FlowProbe& probe, const FlowCorpus& corpus) {
  Answer answer;
  probe.run(corpus.bytes, [&](std::uint32_t lines) {
    answer.records += lines;
    const auto& bytes = probe.columns[corpus.bytes_column].numbers;
    const auto& status = probe.columns[corpus.status_column].words;
    for (std::uint32_t i = 0; i < lines; ++i) answer.bytes += status[i] == 'O' ? bytes[i] : 0;
  });
  return answer;
}

void flow(benchmark::State& state, FlowKernel kernel, FlowCorpus (*make)(std::size_t)) {
  if (!is_supported(kernel)) return state.SkipWithError("not on this processor");
  const FlowCorpus corpus = make(record_count());
  const FlowLayout layout = parse_layout(corpus.format);
  KernelRun run{kernel, layout};
  if (run.run(corpus.bytes) != Answer{corpus.records, corpus.byte_sum})
    return state.SkipWithError("wrong answer");
  // The probe reads plain text alone.
  std::optional<FlowProbe> probe;
  if (!corpus.kinds.empty() && FlowProbe::is_supported()) {
    probe.emplace(corpus.kinds);
    if (run_probe(*probe, corpus) != Answer{corpus.records, corpus.byte_sum})
      return state.SkipWithError("wrong answer of the probe");
  }
  double kernel_s = 0;
  double probe_s = 0;
  for (auto _ : state) {
    const double begin = cpu_seconds();
    benchmark::DoNotOptimize(run.run(corpus.bytes));
    const double middle = cpu_seconds();
    if (probe) benchmark::DoNotOptimize(run_probe(*probe, corpus));
    const double end = cpu_seconds();
    kernel_s += middle - begin;
    probe_s += end - middle;
    state.SetIterationTime(middle - begin);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * corpus.lines));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * corpus.bytes.size()));
  if (!probe) return;
  state.counters["of_ceiling"] = probe_s / kernel_s;
  state.counters["ceiling/s"] =
      static_cast<double>(state.iterations()) * static_cast<double>(corpus.lines) / probe_s;
}

const int kRegistered = [] {
  struct Text {
    const char* name;
    FlowCorpus (*make)(std::size_t);
  };
  for (const Text& text : {Text{"v2", flow_v2}, Text{"v2_5_percent_malformed", flow_v2_malformed},
                           Text{"29_fields", flow_29}, Text{"29_fields_by_name", flow_29_sorted},
                           Text{"v2_crlf", flow_v2_crlf}, Text{"v2_times", flow_v2_times},
                           Text{"v2_ipv6", flow_v2_ipv6}}) {
    for (const FlowKernel kernel : kFlowKernels) {
      const std::string name =
          std::string{"flow_text/"} + text.name + '/' + std::string{to_string(kernel)};
      benchmark::RegisterBenchmark(
          name.c_str(),
          [kernel, make = text.make](benchmark::State& state) { flow(state, kernel, make); })
          ->UseManualTime()
          ->Unit(benchmark::kMillisecond);
    }
  }
  return 0;
}();

}  // namespace
}  // namespace fleetmeter::parsers::bench
