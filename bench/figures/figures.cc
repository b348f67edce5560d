// The other side of bench/peers: telemetry to durable aggregates through the public interface, and
// what they sum up to.
//   figures generate DIR MINUTES json|otlp   a seeded fleet's telemetry, not compressed
//   figures ingest LOG_DB PATH...            files to committed batches; the part that is timed
//   figures flows LOG_DB                     CSV:
//   interface,direction,action,start_min,packets,bytes,records
//   figures metrics LOG_DB                   CSV: namespace,metric,datapoints,count,sum,min,max
#include <sys/resource.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <vector>

#include "aggregator/inventory.h"
#include "aggregator/sqlite_log.h"
#include "generate/fleet.h"
#include "ingest/files_source.h"
#include "proto/clock.h"

namespace {

using namespace fleetmeter;

[[noreturn]] void fail(const std::string& why) {
  std::fprintf(stderr, "figures: %s\n", why.c_str());
  std::exit(1);
}

template <typename T>
T must(Result<T> result) {
  if (!result) fail(result.error().message);
  return std::move(*result);
}

void generate_telemetry(const std::string& directory, int minutes, std::string_view format) {
  generate::FleetOptions options;
  options.duration_min = minutes;
  options.flow_delivery = generate::FlowDelivery::kCloudWatch;
  options.metric_format =
      format == "otlp" ? generate::MetricFormat::kOtlp10 : generate::MetricFormat::kJson;
  options.metric_gzip = false;
  options.replace = true;
  const generate::Summary summary = must(generate::generate(options, directory));
  std::printf("{\"flow_lines\": %llu, \"datapoints\": %llu}\n",
              static_cast<unsigned long long>(summary.flow_lines),
              static_cast<unsigned long long>(summary.datapoints));
}

std::unique_ptr<aggregator::SqliteLog> open_log(const std::string& path, const Clock& clock) {
  aggregator::SqliteLog::Options options;
  options.clock = &clock;
  return must(aggregator::SqliteLog::open(path, std::move(options)));
}

void print_ingested(ingest::IngestCounters& counters) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  const std::lock_guard lock(counters.mutex);
  const parsers::DecodeCounts& decode = counters.decode;
  std::printf(
      "{\"records\": %llu, \"datapoints\": %llu, \"malformed\": %llu, \"commits\": %llu, "
      "\"cpu_s\": %.4f, \"rss_kib\": %ld}\n",
      static_cast<unsigned long long>(decode.flows.ok + decode.flows.nodata +
                                      decode.flows.skipdata),
      static_cast<unsigned long long>(decode.metrics.datapoints),
      static_cast<unsigned long long>(decode.flows.malformed() + decode.metrics.malformed()),
      static_cast<unsigned long long>(counters.commits.load()),
      seconds(usage.ru_utime) + seconds(usage.ru_stime), usage.ru_maxrss);
}

void ingest_files(const std::string& log_path, std::vector<std::string> paths) {
  const SystemClock clock;
  const auto log = open_log(log_path, clock);
  const ingest::InventoryHolder inventory{aggregator::Inventory::empty({})};
  ingest::IngestCounters counters;
  ingest::SourceContext context{
      *log, clock, inventory, counters, [](std::string_view) { return 0; }, {0}, {}, {}};
  ingest::FilesOptions options;
  options.settings.name = "files:0";
  options.settings.bounded = true;
  options.paths = std::move(paths);
  const auto source = ingest::make_files_source(std::move(context), std::move(options));
  if (auto started = source->start(); !started) fail(started.error().message);
  while (!source->finished() && !source->failure())
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  source->stop();
  if (source->failure()) fail(source->failure()->message);
  for (const auto& [path, why] : counters.bad_inputs) fail(path + ": " + why);
  print_ingested(counters);
}

template <typename TakeBatch>
void each_batch(const std::string& log_path, TakeBatch&& take) {
  const SystemClock clock;
  const auto log = open_log(log_path, clock);
  aggregator::LogPosition at = 0;
  for (;;) {
    const auto entries = must(log->read(0, at, 256));
    if (entries.empty()) return;
    at = entries.back().position;
    for (const auto& entry : entries) {
      if (entry.record.has_batch()) take(entry.record.batch());
    }
  }
}

struct FlowTotals {
  std::uint64_t packets = 0, bytes = 0, records = 0;
};

void print_flows(const std::string& log_path) {
  constexpr std::array<const char*, 3> kDirections{"unknown", "ingress", "egress"};
  constexpr std::array<const char*, 3> kActions{"", "ACCEPT", "REJECT"};
  std::map<std::tuple<std::string, int, int, std::uint32_t>, FlowTotals> table;
  each_batch(log_path, [&table](const proto::AggregateBatch& batch) {
    const proto::FlowAggregates& flows = batch.flows();
    for (int row = 0; row < flows.bytes_size(); ++row) {
      if (flows.status(row) != proto::FLOW_OK) continue;
      FlowTotals& totals =
          table[{batch.strings(static_cast<int>(flows.interface(row))), flows.direction(row),
                 flows.action(row), flows.window_start_min(row)}];
      totals.packets += flows.packets(row);
      totals.bytes += flows.bytes(row);
      totals.records += flows.records(row);
    }
  });
  for (const auto& [key, totals] : table) {
    const auto& [interface, direction, action, minute] = key;
    std::printf("%s,%s,%s,%u,%llu,%llu,%llu\n", interface.c_str(),
                kDirections.at(static_cast<std::size_t>(direction)),
                kActions.at(static_cast<std::size_t>(action)), minute,
                static_cast<unsigned long long>(totals.packets),
                static_cast<unsigned long long>(totals.bytes),
                static_cast<unsigned long long>(totals.records));
  }
}

struct MetricTotals {
  std::uint64_t datapoints = 0;
  double count = 0, sum = 0, minimum = 0, maximum = 0;
};

void print_metrics(const std::string& log_path) {
  std::map<std::pair<std::string, std::string>, MetricTotals> table;
  each_batch(log_path, [&table](const proto::AggregateBatch& batch) {
    const proto::Datapoints& points = batch.datapoints();
    for (int row = 0; row < points.series_size(); ++row) {
      const proto::Series& series = batch.series(static_cast<int>(points.series(row)));
      MetricTotals& totals = table[{series.namespace_(), series.metric()}];
      const bool first = totals.datapoints == 0;
      ++totals.datapoints;
      totals.count += points.sample_count(row);
      totals.sum += points.sum(row);
      totals.minimum = first ? points.minimum(row) : std::min(totals.minimum, points.minimum(row));
      totals.maximum = first ? points.maximum(row) : std::max(totals.maximum, points.maximum(row));
    }
  });
  for (const auto& [key, totals] : table) {
    std::printf("%s,%s,%llu,%.6f,%.6f,%.6f,%.6f\n", key.first.c_str(), key.second.c_str(),
                static_cast<unsigned long long>(totals.datapoints), totals.count, totals.sum,
                totals.minimum, totals.maximum);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const std::string command = arguments.empty() ? "" : arguments[0];
  if (command == "generate" && arguments.size() == 4) {
    generate_telemetry(arguments[1], std::atoi(arguments[2].c_str()), arguments[3]);
  } else if (command == "ingest" && arguments.size() >= 3) {
    ingest_files(arguments[1], {arguments.begin() + 2, arguments.end()});
  } else if (command == "flows" && arguments.size() == 2) {
    print_flows(arguments[1]);
  } else if (command == "metrics" && arguments.size() == 2) {
    print_metrics(arguments[1]);
  } else {
    std::fprintf(stderr,
                 "usage: figures generate DIR MINUTES json|otlp | ingest LOG_DB PATH... | flows "
                 "LOG_DB | metrics LOG_DB\n");
    return 2;
  }
  return 0;
}
