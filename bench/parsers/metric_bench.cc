// Metric streams to datapoints through the public Decoder, beside the ceiling on the same bytes: for
// OTLP an unchecked walk of the wire, for JSON bare simdjson on demand. Both answers are checked
// first; then each iteration runs one after the other, so that the ratio is of the same moments.
// Times are of the CPU.
#include <benchmark/benchmark.h>

#include <cmath>
#include <functional>
#include <string>
#include <string_view>

#include "bench/measure.h"
#include "bench/parsers/corpus.h"
#include "bench/parsers/metric_corpus.h"
#include "bench/parsers/metric_probe.h"
#include "parsers/byte_buffer.h"
#include "parsers/decoder.h"

namespace fleetmeter::parsers::bench {
namespace {

constexpr std::size_t kFeedBytes = 1 << 20;

double cpu_seconds() noexcept { return seconds_on(CLOCK_THREAD_CPUTIME_ID); }

struct AnswerSink final : PayloadSink {
  void on_flows(const FlowColumns& /*flows*/) override {}
  void on_metrics(const MetricBatch& metrics) override { add_to(answer, metrics); }
  MetricAnswer answer;
};

/// Takes the batches, looks at none.
struct NullSink final : PayloadSink {
  void on_flows(const FlowColumns& /*flows*/) override {}
  void on_metrics(const MetricBatch& metrics) override { benchmark::DoNotOptimize(&metrics); }
};

void run_stream(std::string_view bytes, PayloadSink& sink) {
  Decoder decoder{{}, sink};
  for (std::size_t at = 0; at < bytes.size(); at += kFeedBytes)
    decoder.feed(bytes.substr(at, kFeedBytes));
  benchmark::DoNotOptimize(decoder.finish());
}

/// Equal but for the order in which doubles were added.
bool is_same(const MetricAnswer& a, MetricAnswer b) {
  const bool near = std::abs(a.value_sum - b.value_sum) <= 1e-9 * std::abs(a.value_sum);
  b.value_sum = a.value_sum;
  return near && a == b;
}

using Probe = std::function<MetricAnswer(std::string_view)>;

void metrics(benchmark::State& state, MetricCorpus corpus, const Probe& probe) {
  corpus.bytes.reserve(corpus.bytes.size() + ByteBuffer::kPaddingBytes);  // For simdjson.
  AnswerSink checked;
  run_stream(corpus.bytes, checked);
  if (!is_same(corpus.answer, checked.answer)) return state.SkipWithError("wrong answer");
  if (probe && !is_same(corpus.answer, probe(corpus.bytes)))
    return state.SkipWithError("wrong answer of the probe");
  NullSink sink;
  double ours_s = 0;
  double probe_s = 0;
  for (auto _ : state) {
    const double begin = cpu_seconds();
    run_stream(corpus.bytes, sink);
    const double middle = cpu_seconds();
    if (probe) benchmark::DoNotOptimize(probe(corpus.bytes));
    probe_s += cpu_seconds() - middle;
    ours_s += middle - begin;
    state.SetIterationTime(middle - begin);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * corpus.lines));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * corpus.bytes.size()));
  if (!probe) return;
  state.counters["of_ceiling"] = probe_s / ours_s;
  state.counters["ceiling/s"] =
      static_cast<double>(state.iterations()) * static_cast<double>(corpus.lines) / probe_s;
}

void otlp_07(benchmark::State& state, Statistics statistics) {
  metrics(state, otlp_07_frames(record_count(), statistics), probe_otlp);
}

void otlp_10(benchmark::State& state, Statistics statistics) {
  metrics(state, otlp_10_frames(record_count(), statistics), probe_otlp);
}

void json(benchmark::State& state, Statistics statistics) {
  Probe probe;
  if (JsonProbe::is_supported()) {
    probe = [statistics](std::string_view bytes) { return JsonProbe::run(bytes, statistics); };
  }
  metrics(state, json_lines(record_count(), statistics), probe);
}

void json_malformed(benchmark::State& state, Statistics statistics) {
  metrics(state, json_lines_malformed(record_count(), statistics), {});
}

const int kRegistered = [] {
  struct Input {
    const char* name;
    void (*run)(benchmark::State&, Statistics);
  };
  for (const Input& input :
       {Input{"otlp_0.7", otlp_07}, Input{"otlp_1.0", otlp_10}, Input{"json", json},
        Input{"json_5_percent_malformed", json_malformed}}) {
    for (const Statistics statistics : {Statistics::kBasic, Statistics::kExtended}) {
      const std::string name = std::string{"metrics/"} + input.name +
                               (statistics == Statistics::kBasic ? "" : "/percentiles");
      benchmark::RegisterBenchmark(
          name.c_str(),
          [run = input.run, statistics](benchmark::State& state) { run(state, statistics); })
          ->UseManualTime()
          ->Unit(benchmark::kMillisecond);
    }
  }
  return 0;
}();

}  // namespace
}  // namespace fleetmeter::parsers::bench
