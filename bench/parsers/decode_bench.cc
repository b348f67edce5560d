// Bytes to columns through the public Decoder: the answer is checked first, then timed.
#include <benchmark/benchmark.h>

#include <string>
#include <string_view>

#include "bench/parsers/corpus.h"
#include "bench/parsers/sum_sink.h"
#include "parsers/decoder.h"
#include "parsers/flow_kernel.h"

namespace fleetmeter::parsers::bench {
namespace {

constexpr std::size_t kFeedBytes = 1 << 20;

void run_stream(std::string_view bytes, Decoder& decoder) {
  for (std::size_t at = 0; at < bytes.size(); at += kFeedBytes)
    decoder.feed(bytes.substr(at, kFeedBytes));
  benchmark::DoNotOptimize(decoder.finish());
}

void time_stream(benchmark::State& state, const Corpus& corpus, std::string_view bytes,
                 const DecoderOptions& options) {
  {
    SumSink sink;
    Decoder decoder{options, sink};
    run_stream(bytes, decoder);
    if (sink.records != corpus.records || sink.byte_sum != corpus.byte_sum) {
      state.SkipWithError("wrong answer");
      return;
    }
  }
  SumSink sink;
  Decoder decoder{options, sink};
  for (auto _ : state) run_stream(bytes, decoder);
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * corpus.records));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * corpus.bytes.size()));
  state.SetLabel(std::string{to_string(flow_kernel())});
}

void flow_text_all_fields(benchmark::State& state) {
  const Corpus corpus = flow_lines(record_count());
  time_stream(state, corpus, corpus.bytes, {});
}

void flow_text_six_fields(benchmark::State& state) {
  DecoderOptions options;
  options.fields = {FlowField::kInterfaceId, FlowField::kSrcaddr, FlowField::kDstaddr,
                    FlowField::kPackets,     FlowField::kBytes,   FlowField::kStart};
  const Corpus corpus = flow_lines(record_count());
  time_stream(state, corpus, corpus.bytes, options);
}

void flow_text_gzip(benchmark::State& state) {
  const Corpus corpus = flow_lines(record_count());
  const std::string packed = gzip(corpus.bytes);
  time_stream(state, corpus, packed, {});
}

/// One line a message, as a Kafka bridge in text mode sends them.
void flow_text_one_line_messages(benchmark::State& state) {
  const Corpus corpus = flow_lines(record_count());
  SumSink sink;
  Decoder decoder{{}, sink};
  const auto run = [&] {
    for (std::string_view rest = corpus.bytes; !rest.empty();) {
      const std::size_t end = rest.find('\n') + 1;
      decoder.message(rest.substr(0, end));
      rest.remove_prefix(end);
    }
  };
  run();
  if (sink.records != corpus.records || sink.byte_sum != corpus.byte_sum)
    return state.SkipWithError("wrong answer");
  for (auto _ : state) run();
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * corpus.records));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * corpus.bytes.size()));
}

BENCHMARK(flow_text_all_fields)->Unit(benchmark::kMillisecond);
BENCHMARK(flow_text_six_fields)->Unit(benchmark::kMillisecond);
BENCHMARK(flow_text_gzip)->Unit(benchmark::kMillisecond);
BENCHMARK(flow_text_one_line_messages)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fleetmeter::parsers::bench

BENCHMARK_MAIN();
