// A large fleet in the evaluator: resident memory with every series heard of, and how long the
// state takes to come back from a snapshot (the restart after a kill, less the log behind it).
// Machines by FLEETMETER_BENCH_RECORDS, each with 20 metrics, an alarm on one of them, and an
// interface with flow windows. Bound by cache misses: one hash insertion a series.
#include <benchmark/benchmark.h>
#include <malloc.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <string>

#include "aggregator/shard.h"
#include "alarms/engine.h"
#include "bench/alarms/machine_rules.h"
#include "bench/measure.h"
#include "bench/one_minute.h"
#include "proto/check.h"

namespace fleetmeter::alarms {
namespace {

constexpr std::int64_t kStartS = 1'734'652'800;
constexpr int kMetrics = 20;
constexpr int kMinutes = 3;
constexpr std::size_t kMachinesPerBatch = 500;

std::size_t machine_count() { return records_wanted(100'000); }

/// Resident bytes of this process.
double resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  double total = 0, resident = 0;
  statm >> total >> resident;
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

std::string machine_id(std::size_t machine) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string id = "0";
  for (int shift = 60; shift >= 0; shift -= 4)
    id += kHex[((machine * 0x9e3779b97f4a7c15ULL) >> shift) & 15];
  return id;
}

/// What the stream brings of that minute, its rows still to come.
proto::LogRecord batch_of(int minute) {
  proto::LogRecord record;
  record.set_append_time_ms((kStartS + 60 * minute + 65) * 1000);
  proto::AggregateBatch& batch = *record.mutable_batch();
  batch.set_environment("prod");
  batch.set_source("stream");
  return record;
}

proto::LogRecord metrics_of(std::size_t first, std::size_t end, int minute) {
  proto::LogRecord record = batch_of(minute);
  proto::AggregateBatch& batch = *record.mutable_batch();
  for (std::size_t machine = first; machine < end; ++machine) {
    for (int metric = 0; metric < kMetrics; ++metric) {
      proto::Series& series = *batch.add_series();
      series.set_account("123456789012");
      series.set_region("us-east-1");
      series.set_namespace_(metric < 14 ? "AWS/EC2" : "CWAgent");
      series.set_metric("Metric" + std::to_string(metric));
      series.add_dimension_names("InstanceId");
      series.add_dimension_values("i-" + machine_id(machine));
      series.set_unit("Percent");
    }
  }
  one_minute(static_cast<std::size_t>(batch.series_size()), kStartS + 60 * minute, 50)
      .write(*batch.mutable_datapoints());
  return record;
}

proto::LogRecord flows_of(std::size_t first, std::size_t end, int minute) {
  proto::LogRecord record = batch_of(minute);
  proto::AggregateBatch& batch = *record.mutable_batch();
  batch.add_strings("");
  proto::FlowAggregates& rows = *batch.mutable_flows();
  for (std::size_t machine = first; machine < end; ++machine) {
    batch.add_strings("eni-" + machine_id(machine));
    rows.add_window_start_min(static_cast<std::uint32_t>(kStartS / 60 + minute));
    rows.add_status(proto::FLOW_OK);
    rows.add_action(proto::ACTION_ACCEPT);
    rows.add_direction(proto::DIRECTION_INGRESS);
    rows.add_path_class(proto::PATH_EXTERNAL);
    rows.add_nat_leg(proto::NAT_LEG_NONE);
    rows.add_role(proto::ROLE_INSTANCE);
    rows.add_peer_role(proto::ROLE_UNKNOWN);
    rows.add_interface(static_cast<std::uint32_t>(batch.strings_size() - 1));
    for (auto* column : {rows.mutable_owner(), rows.mutable_owner_az(), rows.mutable_peer_owner(),
                         rows.mutable_peer_az(), rows.mutable_peer_service(),
                         rows.mutable_peer_region(), rows.mutable_interface_az(),
                         rows.mutable_traffic_path(), rows.mutable_peer_interface()}) {
      column->Add(0);
    }
    rows.add_bytes(4000);
    rows.add_packets(7);
    rows.add_records(1);
    rows.add_long_records(0);
  }
  return record;
}

struct Evaluator {
  explicit Evaluator(std::size_t machines)
      : shard(options(machines)), engine("prod", bench::machine_rules("Metric0")) {}
  static aggregator::ShardOptions options(std::size_t machines) {
    aggregator::ShardOptions options;
    options.environment = "prod";
    options.series_max = machines * (kMetrics + 8);
    return options;
  }
  void apply(const proto::LogRecord& record) {
    shard.apply(record, changes);
    engine.apply(record, changes, shard, events);
  }
  /// Progress and tick of a time at which the minute's batches are there.
  void pace(std::int64_t at_s) {
    proto::LogRecord progress;
    progress.set_append_time_ms(at_s * 1000);
    proto::SourceProgress& source = *progress.mutable_progress()->add_sources();
    source.set_source("stream");
    source.set_read_to_ms(at_s * 1000);
    source.set_caught_up(true);
    source.set_started(at_s == kStartS);
    source.set_allowed_lateness_s(60);
    apply(progress);
    proto::LogRecord tick;
    tick.set_append_time_ms(at_s * 1000);
    tick.mutable_tick()->set_time_s(at_s);
    apply(tick);
  }
  void fill(std::size_t machines) {
    pace(kStartS);
    for (int minute = 0; minute < kMinutes; ++minute) {
      for (std::size_t first = 0; first < machines; first += kMachinesPerBatch) {
        const std::size_t end = std::min(machines, first + kMachinesPerBatch);
        apply(metrics_of(first, end, minute));
        apply(flows_of(first, end, minute));
      }
      pace(kStartS + 60 * (minute + 1));
    }
    for (int minute = kMinutes + 1; minute < kMinutes + 6; ++minute) pace(kStartS + 60 * minute);
  }

  aggregator::Shard shard;
  Engine engine;
  std::vector<aggregator::Change> changes;
  std::vector<proto::Event> events;
};

std::string& snapshot() {
  static std::string state;
  return state;
}

void fleet_fill(benchmark::State& state) {
  const std::size_t machines = machine_count();
  for (auto _ : state) {
    const double before = resident_bytes();
    auto evaluator = std::make_unique<Evaluator>(machines);
    evaluator->fill(machines);
    const double used = resident_bytes() - before;
    const std::size_t series = evaluator->shard.table().size();
    FM_CHECK(series == machines * (kMetrics + 6));
    FM_CHECK(evaluator->engine.alarms(evaluator->shard).size() == machines);
    state.counters["series"] = static_cast<double>(series);
    state.counters["resident_MiB"] = used / (1 << 20);
    state.counters["bytes_per_series"] = used / static_cast<double>(series);
    state.PauseTiming();
    snapshot().clear();
    evaluator->shard.save(snapshot());
    evaluator->engine.save(snapshot());
    state.counters["snapshot_MiB"] = static_cast<double>(snapshot().size()) / (1 << 20);
    evaluator.reset();
    ::malloc_trim(0);
    state.ResumeTiming();
  }
}
BENCHMARK(fleet_fill)->Iterations(1)->Unit(benchmark::kMillisecond);

void fleet_save(benchmark::State& state) {
  Evaluator evaluator(machine_count());
  std::string_view in = snapshot();
  FM_CHECK(evaluator.shard.load(in));
  FM_CHECK(evaluator.engine.load(in, evaluator.shard));
  for (auto _ : state) {
    std::string bytes;
    evaluator.shard.save(bytes);
    evaluator.engine.save(bytes);
    FM_CHECK(bytes == snapshot());
  }
}
BENCHMARK(fleet_save)->Iterations(2)->Unit(benchmark::kMillisecond);

void fleet_load(benchmark::State& state) {
  for (auto _ : state) {
    const double before = resident_bytes();
    auto evaluator = std::make_unique<Evaluator>(machine_count());
    std::string_view in = snapshot();
    FM_CHECK(evaluator->shard.load(in));
    FM_CHECK(evaluator->engine.load(in, evaluator->shard));
    FM_CHECK(in.empty());
    state.counters["resident_MiB"] = (resident_bytes() - before) / (1 << 20);
    state.PauseTiming();
    evaluator.reset();
    ::malloc_trim(0);
    state.ResumeTiming();
  }
}
BENCHMARK(fleet_load)->Iterations(2)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fleetmeter::alarms

BENCHMARK_MAIN();
