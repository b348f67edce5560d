// Flow text to partial aggregates of one commit: decode, attribute, fold; the ceiling is decoding
// alone (bench/parsers).
#include <benchmark/benchmark.h>

#include <random>
#include <string>

#include "aggregator/flow_rows.h"
#include "aggregator/partial_aggregator.h"
#include "bench/measure.h"
#include "proto/check.h"

namespace fleetmeter::aggregator {
namespace {

constexpr std::size_t kInterfaces = 100;

std::size_t record_count() { return records_wanted(500'000); }

std::string host(std::size_t index) {
  return "10.0." + std::to_string(1 + index / 200) + "." + std::to_string(5 + index % 200);
}

std::string interface_id(std::size_t index) {
  const std::string number = std::to_string(index);
  return "eni-0" + std::string(16 - number.size(), 'a') + number;
}

/// Default format, 100 interfaces, 20 flows each and minute; a quarter goes to one of some thousand
/// internet hosts.
std::string corpus(std::size_t records) {
  std::mt19937 random(1);
  std::string text;
  text.reserve(records * 120);
  for (std::size_t i = 0; i < records; ++i) {
    const std::size_t own = random() % kInterfaces;
    const std::string peer = random() % 4 == 0 ? "52.95." + std::to_string(random() % 16) + "." +
                                                     std::to_string(random() % 250)
                                               : host(random() % 400);
    const std::uint64_t start = 1'700'000'000 + i / (kInterfaces * 20) * 60 + random() % 60;
    const bool egress = random() % 2 == 0;
    text += "2 123456789012 " + interface_id(own) + " " + (egress ? host(own) : peer) + " " +
            (egress ? peer : host(own)) + " 443 " + std::to_string(32768 + random() % 28000) +
            " 6 " + std::to_string(random() % 500) + " " + std::to_string(random() % 900'000) +
            " " + std::to_string(start) + " " + std::to_string(start + 50) +
            (random() % 20 == 0 ? " REJECT OK\n" : " ACCEPT OK\n");
  }
  return text;
}

std::shared_ptr<const Inventory> inventory() {
  std::string yaml =
      "vpc_cidr: 10.0.0.0/16\nsubnets:\n"
      "  - { id: subnet-a, cidr: 10.0.1.0/24, az: us-east-1a }\n"
      "  - { id: subnet-b, cidr: 10.0.2.0/24, az: us-east-1b }\ninterfaces:\n";
  for (std::size_t i = 0; i < kInterfaces; ++i) {
    yaml += "  - { id: " + interface_id(i) + ", instance: i-" + std::to_string(i) +
            ", address: " + host(i) + ", role: instance }\n";
  }
  std::vector<Inventory::Problem> warnings;
  auto parsed = Inventory::parse({{"bench.yaml", yaml}}, {}, warnings);
  FM_CHECK(parsed.has_value());
  return *parsed;
}

/// Counts what was decoded and keeps nothing: the ceiling.
struct NullSink final : parsers::PayloadSink {
  void on_flows(const parsers::FlowColumns& flows) override { records += flows.size; }
  void on_metrics(const parsers::MetricBatch&) override {}
  std::size_t records = 0;
};

parsers::DecoderOptions decoder_options() {
  parsers::DecoderOptions options;
  options.fields = PartialAggregator::fields_needed();
  return options;
}

void flows_v2_to_partial_aggregates(benchmark::State& state) {
  const std::string text = corpus(record_count());
  PartialAggregator aggregator(state.range(0) == 0 ? Inventory::empty({}) : inventory(), {});
  parsers::Decoder decoder(decoder_options(), aggregator);
  std::size_t rows = 0;
  for (auto _ : state) {
    decoder.feed(text);
    FM_CHECK(aggregator.records() == record_count());
    rows = 0;
    for (const proto::AggregateBatch& batch : aggregator.take())
      rows += flow_row_count(batch.flows());
  }
  state.counters["rows"] = static_cast<double>(rows);
  state.SetItemsProcessed(static_cast<std::int64_t>(record_count()) * state.iterations());
  state.SetBytesProcessed(static_cast<std::int64_t>(text.size()) * state.iterations());
}
BENCHMARK(flows_v2_to_partial_aggregates)
    ->ArgName("inventory")
    ->Arg(0)
    ->Arg(1)
    ->Unit(benchmark::kMillisecond);

void flows_v2_decoded_only(benchmark::State& state) {
  const std::string text = corpus(record_count());
  NullSink sink;
  parsers::Decoder decoder(decoder_options(), sink);
  for (auto _ : state) decoder.feed(text);
  FM_CHECK(sink.records == record_count() * static_cast<std::size_t>(state.iterations()));
  state.SetItemsProcessed(static_cast<std::int64_t>(record_count()) * state.iterations());
  state.SetBytesProcessed(static_cast<std::int64_t>(text.size()) * state.iterations());
}
BENCHMARK(flows_v2_decoded_only)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fleetmeter::aggregator

BENCHMARK_MAIN();
