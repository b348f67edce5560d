// Alarm evaluations per second: one alarm per instance, 3 of 5 at a minute, every instance with a
// datapoint each minute. Only the engine is timed, not the shard that feeds it. Bound by cache
// misses: each alarm, its series and its slots are touched once a minute.
#include <benchmark/benchmark.h>

#include <chrono>
#include <string>
#include <vector>

#include "aggregator/shard.h"
#include "alarms/engine.h"
#include "bench/alarms/machine_rules.h"
#include "bench/measure.h"
#include "bench/one_minute.h"
#include "proto/check.h"

namespace {

using fleetmeter::aggregator::Change;
using fleetmeter::aggregator::Shard;
using fleetmeter::alarms::Engine;
using fleetmeter::alarms::bench::machine_rules;
using fleetmeter::proto::LogRecord;

constexpr std::int64_t kStartS = 1'734'652'800;

class Feed {
 public:
  explicit Feed(std::size_t count)
      : shard_(options()), engine_("prod", machine_rules("CPUUtilization")) {
    auto& batch = *record_.mutable_batch();
    batch.set_environment("prod");
    batch.set_source("stream");
    for (std::size_t i = 0; i < count; ++i) {
      auto& series = *batch.add_series();
      series.set_namespace_("AWS/EC2");
      series.set_metric("CPUUtilization");
      series.add_dimension_names("InstanceId");
      series.add_dimension_values("i-" + std::to_string(i));
    }
    LogRecord progress;
    progress.set_append_time_ms((kStartS - 60) * 1000);
    auto& source = *progress.mutable_progress()->add_sources();
    source.set_source("stream");
    source.set_read_to_ms((kStartS - 60) * 1000);
    source.set_started(true);
    apply(progress);
    for (int minute = 0; minute < 10; ++minute) next_minute();
  }

  /// Seconds that the engine took over the datapoints and the tick of one more minute.
  double next_minute() {
    const std::int64_t end_s = kStartS + ++minute_ * 60;
    auto& batch = *record_.mutable_batch();
    batch.clear_datapoints();
    fleetmeter::one_minute(static_cast<std::size_t>(batch.series_size()), end_s - 60, 10)
        .write(*batch.mutable_datapoints());
    record_.set_append_time_ms(end_s * 1000);
    const double data_s = apply(record_);
    LogRecord tick;
    tick.set_append_time_ms(end_s * 1000);
    tick.mutable_tick()->set_time_s(end_s);
    return data_s + apply(tick);
  }
  [[nodiscard]] std::uint64_t evaluations() const { return engine_.evaluations_total(); }

 private:
  static fleetmeter::aggregator::ShardOptions options() {
    fleetmeter::aggregator::ShardOptions options;
    options.environment = "prod";
    return options;
  }
  double apply(const LogRecord& record) {
    shard_.apply(record, changes_);
    events_.clear();
    const auto start = std::chrono::steady_clock::now();
    engine_.apply(record, changes_, shard_, events_);
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }

  Shard shard_;
  Engine engine_;
  LogRecord record_;
  std::vector<Change> changes_;
  std::vector<fleetmeter::proto::Event> events_;
  std::int64_t minute_ = 0;
};

void EvaluateEveryMinute(benchmark::State& state) {
  const std::size_t count = fleetmeter::records_wanted(100'000);
  Feed feed(count);
  const std::uint64_t before = feed.evaluations();
  for (auto _ : state) state.SetIterationTime(feed.next_minute());
  const std::uint64_t evaluated = feed.evaluations() - before;
  FM_CHECK(evaluated == count * static_cast<std::uint64_t>(state.iterations()));
  state.SetItemsProcessed(static_cast<std::int64_t>(evaluated));
}
BENCHMARK(EvaluateEveryMinute)->UseManualTime()->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
