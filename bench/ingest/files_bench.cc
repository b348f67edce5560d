// Telemetry files of a synthetic fleet to durable commits in the embedded log: read, inflate,
// decode, attribute, aggregate, compress, SQLite. By bytes of plain text a commit, since those
// bound memory. Item = flow log line; run alone for the peak.
#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <utility>
#include <vector>

#include "bench/ingest/files_run.h"
#include "generate/fleet.h"
#include "ingest/files_source.h"
#include "proto/check.h"

namespace fleetmeter::ingest {
namespace {

namespace fs = std::filesystem;

struct Telemetry : bench::FleetFolder {
  Telemetry() : FleetFolder(generate::FlowDelivery::kS3) {
    std::vector<std::string> inventory_files;
    for (const auto& file : fs::directory_iterator(root / "fleet/inventory"))
      inventory_files.push_back(file.path());
    std::sort(inventory_files.begin(), inventory_files.end());
    std::vector<aggregator::Inventory::Problem> warnings;
    auto loaded = aggregator::Inventory::load(inventory_files, {}, warnings);
    FM_CHECK(loaded.has_value());
    inventory = *std::move(loaded);
  }

  std::shared_ptr<const aggregator::Inventory> inventory;
};

void read_files(benchmark::State& state) {
  static const Telemetry telemetry;
  std::uint64_t commits = 0;
  for (auto _ : state) {
    state.PauseTiming();
    FilesOptions options;
    options.settings.commit_bytes_max = static_cast<std::size_t>(state.range(0)) << 20;
    options.paths = {telemetry.root / "fleet/telemetry"};
    bench::FilesRun files(telemetry.root, telemetry.inventory, std::move(options));
    state.ResumeTiming();
    files.run(std::chrono::milliseconds(1));
    state.PauseTiming();
    FM_CHECK(files.stop() == telemetry.summary.flow_lines);
    commits = files.commits();
    state.ResumeTiming();
  }
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  state.SetItemsProcessed(state.iterations() *
                          static_cast<std::int64_t>(telemetry.summary.flow_lines));
  state.SetBytesProcessed(state.iterations() *
                          static_cast<std::int64_t>(telemetry.summary.plain_bytes));
  state.counters["commits"] = static_cast<double>(commits);
  state.counters["peak_MB"] = static_cast<double>(used.ru_maxrss) / 1024;
}
BENCHMARK(read_files)
    ->Arg(4)
    ->Arg(16)
    ->Arg(32)
    ->Arg(64)
    ->Arg(256)
    ->MeasureProcessCPUTime()
    ->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fleetmeter::ingest

BENCHMARK_MAIN();
