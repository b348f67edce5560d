// Batches of the log into the datapoint table, and the question that alarms ask after each change.
#include <benchmark/benchmark.h>

#include <string>

#include "aggregator/shard.h"
#include "bench/one_minute.h"
#include "proto/check.h"

namespace fleetmeter::aggregator {
namespace {

constexpr int kSeries = 1000;
constexpr GridTime kStart = 1'700'000'400;

proto::LogRecord batch_of_minute(int minute) {
  proto::LogRecord record;
  record.set_append_time_ms((kStart + 60 * minute + 120) * 1000);
  proto::AggregateBatch& batch = *record.mutable_batch();
  batch.set_environment("prod");
  batch.set_source("metrics");
  batch.add_strings("");
  for (int i = 0; i < kSeries; ++i) {
    proto::Series& series = *batch.add_series();
    series.set_account("123456789012");
    series.set_region("us-east-1");
    series.set_namespace_("AWS/EC2");
    series.set_metric("CPUUtilization");
    series.add_dimension_names("InstanceId");
    series.add_dimension_values("i-" + std::to_string(i));
  }
  one_minute(kSeries, kStart + 60 * minute, 50).write(*batch.mutable_datapoints());
  return record;
}

void datapoints_to_table(benchmark::State& state) {
  proto::LogRecord progress;
  progress.set_append_time_ms(kStart * 1000);
  proto::SourceProgress& source = *progress.mutable_progress()->add_sources();
  source.set_source("metrics");
  source.set_read_to_ms(kStart * 1000);
  std::int64_t points = 0;
  for (auto _ : state) {
    state.PauseTiming();
    ShardOptions options;
    options.environment = "prod";
    Shard shard(options);
    std::vector<Change> changes;
    shard.apply(progress, changes);
    for (int minute = 0; minute < 60; ++minute) {
      const proto::LogRecord record = batch_of_minute(minute);
      state.ResumeTiming();
      shard.apply(record, changes);
      for (const Change& change : changes) {
        if (change.created) shard.table().set_retention(change.series, 600);
        FM_CHECK(shard.table().due_until(change.series, shard.frontier()) ==
                 kStart + 60 * (minute + 1));
      }
      state.PauseTiming();
      points += static_cast<std::int64_t>(changes.size());
    }
    state.ResumeTiming();
  }
  state.SetItemsProcessed(points);
}
BENCHMARK(datapoints_to_table)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fleetmeter::aggregator
