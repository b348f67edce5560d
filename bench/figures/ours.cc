#include <chrono>
#include <limits>
#include <map>
#include <memory>
#include <thread>
#include <unordered_map>

#include "aggregator/datapoint_rows.h"
#include "aggregator/flow_rows.h"
#include "aggregator/flow_windows.h"
#include "aggregator/inventory.h"
#include "aggregator/sqlite_log.h"
#include "bench/figures/figures.h"
#include "ingest/files_source.h"
#include "proto/clock.h"

namespace fleetmeter::figures {
namespace {

using Count = unsigned long long;

constexpr std::size_t kReadRecords = 256;
/// A window is closed this long after what was read, as a live run does by default.
constexpr std::int64_t kLatenessS = 600;

Count records_of(const parsers::FlowCounts& flows) {
  return flows.ok + flows.nodata + flows.skipdata;
}

void print_counts(const parsers::DecodeCounts& decode, const std::string& more) {
  std::printf("{\"records\": %llu, \"datapoints\": %llu, \"malformed\": %llu%s}\n",
              records_of(decode.flows), static_cast<Count>(decode.metrics.datapoints),
              static_cast<Count>(decode.flows.malformed() + decode.metrics.malformed()),
              more.c_str());
}

/// Closes the windows of what the log holds, as its records come in.
class Evaluator {
 public:
  explicit Evaluator(aggregator::SqliteLog& log) : log_(log) {}

  /// False when there is nothing new.
  bool apply_new() {
    const auto entries = must(log_.read(0, position_, kReadRecords));
    for (const aggregator::LogEntry& entry : entries) {
      position_ = entry.position;
      if (!entry.record.has_batch()) continue;
      const proto::AggregateBatch& batch = entry.record.batch();
      late_ += windows_.add(batch, 0);
      event_time_max_s_ = std::max(event_time_max_s_, batch.event_time_max_s());
      close(event_time_max_s_ - kLatenessS);
    }
    return !entries.empty();
  }

  void finish() { close(event_time_max_s_ + kLatenessS); }

  [[nodiscard]] std::string summary() const {
    std::string text =
        ", \"late\": " + std::to_string(late_) + ", \"windows\": " + std::to_string(count_);
    const auto add = [&text](const char* name, std::uint64_t value) {
      text += std::string(", \"") + name + "\": " + std::to_string(value);
    };
    add("accepted_records", sums_.accepted_records);
    add("accepted_packets", sums_.accepted_packets);
    add("accepted_bytes", sums_.accepted_bytes);
    add("rejected_records", sums_.rejected_records);
    add("rejected_packets", sums_.rejected_packets);
    add("rejected_bytes", sums_.rejected_bytes);
    return text;
  }

 private:
  void close(std::int64_t watermark_s) {
    closed_.clear();
    windows_.close(watermark_s, closed_);
    count_ += closed_.size();
    for (const aggregator::FlowWindow& window : closed_) {
      sums_.accepted_records += window.accepted_records;
      sums_.accepted_packets += window.accepted_packets;
      sums_.accepted_bytes += window.accepted_bytes;
      sums_.rejected_records += window.rejected_records;
      sums_.rejected_packets += window.rejected_packets;
      sums_.rejected_bytes += window.rejected_bytes;
    }
  }

  aggregator::SqliteLog& log_;
  aggregator::FlowWindows windows_{60};
  aggregator::LogPosition position_ = 0;
  std::int64_t event_time_max_s_ = 0;
  std::vector<aggregator::FlowWindow> closed_;
  aggregator::FlowWindow sums_;
  std::uint64_t count_ = 0;
  std::uint64_t late_ = 0;
};

/// Runs the files source to its end, and the evaluator beside it if there is one.
parsers::DecodeCounts run_source(aggregator::SqliteLog& log, const Clock& clock,
                                 const std::string& format, const Paths& paths,
                                 Evaluator* evaluator) {
  const ingest::InventoryHolder inventory{aggregator::Inventory::empty({})};
  ingest::IngestCounters counters;
  ingest::OnceClaims claims;
  ingest::SourceContext context{
      log, clock, inventory, counters, claims, [](std::string_view) { return 0; }, {0}, {}, {}};
  ingest::FilesOptions options;
  options.settings.name = "files:0";
  options.settings.flow_format = format;
  options.settings.bounded = true;
  options.paths = paths;
  const auto source = ingest::make_files_source(std::move(context), std::move(options));
  if (auto started = source->start(); !started) fail(started.error().message);
  while (!source->finished() && !source->failure()) {
    if (evaluator == nullptr || !evaluator->apply_new())
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  source->stop();
  if (source->failure()) fail(source->failure()->message);
  for (const auto& [path, why] : counters.bad_inputs) fail(path + ": " + why);
  return counters.decode;
}

std::unique_ptr<aggregator::SqliteLog> open_log(const std::string& path, const Clock& clock) {
  return must(aggregator::SqliteLog::open(path, {.clock = &clock}));
}

/// Sums every column, so that none can be left out.
class ColumnSink final : public parsers::PayloadSink {
 public:
  void on_flows(const parsers::FlowColumns& flows) override {
    for (std::uint32_t i = 0; i < flows.size; ++i) {
      if (flows.status[i] != parsers::LogStatus::kOk) continue;
      if (flows.present(parsers::FlowField::kBytes, i))
        bytes += flows.numbers(parsers::FlowField::kBytes)[i];
    }
  }
  void on_metrics(const parsers::MetricBatch& metrics) override {
    for (const parsers::MetricRecord& record : metrics.records) {
      count += record.sample_count;
      sum += record.sum;
    }
  }
  std::uint64_t bytes = 0;
  double count = 0, sum = 0;
};

template <typename TakeBatch>
void each_batch(const std::string& log_path, TakeBatch&& take) {
  const SystemClock clock;
  const auto log = open_log(log_path, clock);
  aggregator::LogPosition at = 0;
  for (;;) {
    const auto entries = must(log->read(0, at, kReadRecords));
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

struct MetricTotals {
  std::uint64_t datapoints = 0;
  double count = 0, sum = 0;
  double minimum = std::numeric_limits<double>::infinity();
  double maximum = -std::numeric_limits<double>::infinity();
};

}  // namespace

void decode_files(const std::string& format, const Paths& paths) {
  parsers::DecoderOptions options;
  options.flow_format = format;
  ColumnSink sink;
  parsers::DecodeCounts counts;
  for (const std::string& path : paths) {
    parsers::Decoder decoder{options, sink};
    std::string error;
    if (!ingest::decode_file(path, decoder, error)) fail(path + ": " + error);
    counts += decoder.counts();
  }
  char more[128];
  std::snprintf(more, sizeof more, ", \"bytes\": %llu, \"count\": %.6f, \"sum\": %.6f",
                static_cast<Count>(sink.bytes), sink.count, sink.sum);
  print_counts(counts, more);
}

void ingest_files(const std::string& log_path, const std::string& format, const Paths& paths) {
  const SystemClock clock;
  const auto log = open_log(log_path, clock);
  print_counts(run_source(*log, clock, format, paths, nullptr), {});
}

void ingest_to_windows(const std::string& log_path, const std::string& format, const Paths& paths) {
  const SystemClock clock;
  const auto log = open_log(log_path, clock);
  Evaluator evaluator{*log};
  const parsers::DecodeCounts counts = run_source(*log, clock, format, paths, &evaluator);
  while (evaluator.apply_new()) continue;
  evaluator.finish();
  print_counts(counts, evaluator.summary());
}

void print_flows(const std::string& log_path) {
  static constexpr const char* kDirections[] = {"unknown", "ingress", "egress"};
  static constexpr const char* kActions[] = {"", "ACCEPT", "REJECT"};
  std::map<std::tuple<std::string, int, int, std::uint32_t>, FlowTotals> table;
  each_batch(log_path, [&table](const proto::AggregateBatch& batch) {
    const proto::FlowAggregates& flows = batch.flows();
    const aggregator::FlowRows rows = aggregator::FlowRows::of(flows);
    for (std::size_t row = 0; row < rows.size(); ++row) {
      const int series = static_cast<int>(rows.series[row]);
      if (flows.status(series) != proto::FLOW_OK) continue;
      FlowTotals& totals =
          table[{batch.strings(static_cast<int>(flows.interface(series))), flows.direction(series),
                 flows.action(series), rows.window_start_min[row]}];
      totals.packets += rows.packets[row];
      totals.bytes += rows.bytes[row];
      totals.records += rows.records[row];
    }
  });
  for (const auto& [key, totals] : table) {
    const auto& [interface, direction, action, minute] = key;
    std::printf("%s,%s,%s,%u,%llu,%llu,%llu\n", interface.c_str(), kDirections[direction],
                kActions[action], minute, static_cast<Count>(totals.packets),
                static_cast<Count>(totals.bytes), static_cast<Count>(totals.records));
  }
}

void print_metrics(const std::string& log_path) {
  std::map<std::pair<std::string, std::string>, MetricTotals> table;
  each_batch(log_path, [&table](const proto::AggregateBatch& batch) {
    const auto points = aggregator::DatapointRows::of(batch);
    for (std::size_t row = 0; row < points.size(); ++row) {
      const proto::Series& series = batch.series(static_cast<int>(points.series[row]));
      MetricTotals& totals = table[{series.namespace_(), series.metric()}];
      ++totals.datapoints;
      totals.count += points.sample_count[row];
      totals.sum += points.sum[row];
      totals.minimum = std::min(totals.minimum, points.minimum[row]);
      totals.maximum = std::max(totals.maximum, points.maximum[row]);
    }
  });
  for (const auto& [key, totals] : table) {
    std::printf("%s,%s,%llu,%.6f,%.6f,%.6f,%.6f\n", key.first.c_str(), key.second.c_str(),
                static_cast<Count>(totals.datapoints), totals.count, totals.sum, totals.minimum,
                totals.maximum);
  }
}

}  // namespace fleetmeter::figures
