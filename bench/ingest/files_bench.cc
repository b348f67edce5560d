// Telemetry files of a synthetic fleet to durable commits in the embedded log: read, inflate,
// decode, attribute, aggregate, compress, SQLite. By bytes of plain text a commit, since those
// bound memory. Item = flow log line; run alone for the peak.
#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <thread>

#include "aggregator/sqlite_log.h"
#include "generate/fleet.h"
#include "ingest/files_source.h"
#include "proto/check.h"

namespace fleetmeter::ingest {
namespace {

namespace fs = std::filesystem;

constexpr std::int32_t kLinesPerMinute = 2000;  // 100 machines, 20 records each.

class Telemetry {
 public:
  Telemetry() {
    const char* text = std::getenv("FLEETMETER_BENCH_RECORDS");
    const long lines = text == nullptr ? 720'000 : std::strtol(text, nullptr, 10);
    std::string pattern = (fs::temp_directory_path() / "fleetmeter-bench-XXXXXX").string();
    FM_CHECK(::mkdtemp(pattern.data()) != nullptr);
    root = pattern;
    generate::FleetOptions options;
    options.duration_min = std::max(5, static_cast<std::int32_t>(lines / kLinesPerMinute));
    options.with_script = false;
    const auto made = generate::generate(options, root / "fleet");
    FM_CHECK(made.has_value());
    summary = *made;
    std::vector<std::string> inventory_files;
    for (const auto& file : fs::directory_iterator(root / "fleet/inventory"))
      inventory_files.push_back(file.path());
    std::sort(inventory_files.begin(), inventory_files.end());
    std::vector<aggregator::Inventory::Problem> warnings;
    auto loaded = aggregator::Inventory::load(inventory_files, {}, warnings);
    FM_CHECK(loaded.has_value());
    inventory = *std::move(loaded);
  }
  ~Telemetry() { fs::remove_all(root); }
  Telemetry(const Telemetry&) = delete;
  Telemetry& operator=(const Telemetry&) = delete;

  fs::path root;
  generate::Summary summary;
  std::shared_ptr<const aggregator::Inventory> inventory;
};

void read_files(benchmark::State& state) {
  static const Telemetry telemetry;
  const SystemClock clock;
  const InventoryHolder inventory(telemetry.inventory);
  std::uint64_t commits = 0;
  for (auto _ : state) {
    state.PauseTiming();
    fs::remove_all(telemetry.root / "state");
    auto log = aggregator::SqliteLog::open(telemetry.root / "state/log.db", {.clock = &clock});
    FM_CHECK(log.has_value());
    IngestCounters counters;
    SourceContext context{**log,
                          clock,
                          inventory,
                          counters,
                          [](std::string_view) { return aggregator::LogPartition{0}; },
                          {0},
                          {},
                          {}};
    FilesOptions options;
    options.settings.name = "files:0";
    options.settings.bounded = true;
    options.settings.commit_bytes_max = static_cast<std::size_t>(state.range(0)) << 20;
    options.paths = {telemetry.root / "fleet/telemetry"};
    const auto source = make_files_source(context, options);
    state.ResumeTiming();
    FM_CHECK(source->start().has_value());
    while (!source->finished()) {
      FM_CHECK(!source->failure());
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    state.PauseTiming();
    source->stop();
    commits = counters.commits;
    FM_CHECK(counters.decode.flows.ok + counters.decode.flows.nodata +
                 counters.decode.flows.skipdata ==
             telemetry.summary.flow_lines);
    FM_CHECK(counters.bad_inputs.empty());
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
