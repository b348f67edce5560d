#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "aggregator/sqlite_log.h"
#include "bench/measure.h"
#include "generate/fleet.h"
#include "ingest/files_source.h"
#include "proto/check.h"
#include "proto/clock.h"

namespace fleetmeter::ingest::bench {

/// A folder of its own with a synthetic fleet in `root`/fleet, of as many flow log lines as the
/// bench reads; gone with the object.
class FleetFolder {
 public:
  explicit FleetFolder(generate::FlowDelivery delivery) {
    constexpr std::size_t kLinesPerMinute = 2000;  // 100 machines, 20 records each.
    std::string pattern =
        (std::filesystem::temp_directory_path() / "fleetmeter-bench-XXXXXX").string();
    FM_CHECK(::mkdtemp(pattern.data()) != nullptr);
    root = pattern;
    generate::FleetOptions options;
    options.duration_min =
        std::max(5, static_cast<std::int32_t>(records_wanted(720'000) / kLinesPerMinute));
    options.with_script = false;
    options.flow_delivery = delivery;
    const auto made = generate::generate(options, root / "fleet");
    FM_CHECK(made.has_value());
    summary = *made;
  }
  ~FleetFolder() { std::filesystem::remove_all(root); }
  FleetFolder(const FleetFolder&) = delete;
  FleetFolder& operator=(const FleetFolder&) = delete;

  std::filesystem::path root;
  generate::Summary summary;
};

/// A bounded source of files to durable commits in a new log in `root`/state.
class FilesRun {
 public:
  FilesRun(const std::filesystem::path& root,
           std::shared_ptr<const aggregator::Inventory> inventory, FilesOptions options)
      : inventory_(std::move(inventory)) {
    std::filesystem::remove_all(root / "state");
    auto log = aggregator::SqliteLog::open(root / "state/log.db", {.clock = &clock_});
    FM_CHECK(log.has_value());
    log_ = *std::move(log);
    options.settings.name = "files:0";
    options.settings.bounded = true;
    SourceContext context{
        *log_,     clock_,  inventory_,
        counters_, claims_, [](std::string_view) { return aggregator::LogPartition{0}; },
        {0},       {},      {},
    };
    source_ = make_files_source(std::move(context), std::move(options));
  }

  /// Until all is committed; looks for that every `pause`.
  void run(std::chrono::microseconds pause) {
    FM_CHECK(source_->start().has_value());
    while (!source_->finished()) {
      FM_CHECK(!source_->failure());
      std::this_thread::sleep_for(pause);
    }
  }

  /// Once it has run. Records of the flow logs.
  [[nodiscard]] std::uint64_t stop() {
    source_->stop();
    FM_CHECK(counters_.bad_inputs.empty());
    const parsers::FlowCounts& flows = counters_.decode.flows;
    return flows.ok + flows.nodata + flows.skipdata;
  }
  [[nodiscard]] std::uint64_t commits() const { return counters_.commits; }

 private:
  const SystemClock clock_;
  const InventoryHolder inventory_;
  std::unique_ptr<aggregator::SqliteLog> log_;
  IngestCounters counters_;
  OnceClaims claims_;
  std::unique_ptr<Source> source_;
};

}  // namespace fleetmeter::ingest::bench
