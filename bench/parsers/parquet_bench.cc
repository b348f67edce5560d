// Parquet objects to columns through the public Decoder, and the ceiling beside it: the pages of the
// same columns inflated by the same libraries, their values not looked at.
#include <benchmark/benchmark.h>

#include <string>

#include "bench/parsers/corpus.h"
#include "bench/parsers/parquet_writer.h"
#include "bench/parsers/sum_sink.h"
#include "parsers/decoder.h"
#include "parsers/parquet_pages.h"

namespace fleetmeter::parsers::bench {
namespace {

void count(benchmark::State& state, const Corpus& corpus, const std::string& object) {
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * corpus.records));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * object.size()));
}

void parquet(benchmark::State& state, PageCodec codec) {
  const Corpus corpus = flow_lines(record_count());
  const std::string object = parquet_of(corpus.bytes, codec);
  const MemoryBytes memory(object);
  const auto read = [&memory](Decoder& decoder) {
    decoder.begin_object(memory);
    while (decoder.read_object()) continue;
    return decoder.finish();
  };
  SumSink sink;
  Decoder decoder{{}, sink};
  if (!read(decoder) || sink.records != corpus.records || sink.byte_sum != corpus.byte_sum) {
    state.SkipWithError("wrong answer");
    return;
  }
  for (auto _ : state) benchmark::DoNotOptimize(read(decoder));
  count(state, corpus, object);
}

/// Bytes of all pages, inflated; 0: problem.
std::uint64_t inflate_pages(const MemoryBytes& memory) {
  ParquetProblem problem;
  ParquetFooter footer;
  if (!read_parquet_footer(memory, footer, problem)) return 0;
  ParquetContext context(memory, problem);
  for (std::size_t group = 0; group < footer.group_rows.size(); ++group) {
    for (std::size_t i = 0; i < footer.columns.size(); ++i) {
      ParquetPages pages;
      ParquetPage page;
      pages.start(footer.columns[i], footer.chunk(group, i));
      while (pages.next(context, page) == ParquetPages::Next::kPage)
        benchmark::DoNotOptimize(page.values.data());
    }
  }
  return problem.any() ? 0 : context.plain_bytes;
}

void parquet_pages_alone(benchmark::State& state, PageCodec codec) {
  const Corpus corpus = flow_lines(record_count());
  const std::string object = parquet_of(corpus.bytes, codec);
  const MemoryBytes memory(object);
  if (inflate_pages(memory) == 0) {
    state.SkipWithError("no pages");
    return;
  }
  for (auto _ : state) benchmark::DoNotOptimize(inflate_pages(memory));
  count(state, corpus, object);
}

BENCHMARK_CAPTURE(parquet, none, PageCodec::kNone)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(parquet, snappy, PageCodec::kSnappy)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(parquet_pages_alone, snappy, PageCodec::kSnappy)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(parquet, gzip, PageCodec::kGzip)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(parquet_pages_alone, gzip, PageCodec::kGzip)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(parquet, zstd, PageCodec::kZstd)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(parquet_pages_alone, zstd, PageCodec::kZstd)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fleetmeter::parsers::bench
