#include "generate/fleet.h"

#include <cstdio>
#include <memory>
#include <optional>
#include <utility>

#include "generate/expected.h"
#include "generate/flow_text.h"
#include "generate/inventory_json.h"
#include "generate/json_text.h"
#include "generate/machine_metrics.h"
#include "generate/metric_text.h"
#include "generate/output_file.h"
#include "generate/script.h"
#include "generate/topology.h"
#include "generate/traffic.h"
#include "generate/truth.h"

namespace fleetmeter::generate {
namespace {

namespace fs = std::filesystem;

constexpr std::int64_t kFileSpan = 300;
constexpr const char* kTruth = "truth.json";

std::string stamp(const char* format, std::int64_t time_s) {
  const CivilTime t = civil_time(time_s);
  char buffer[96];
  std::snprintf(buffer, sizeof buffer, format, t.year, t.month, t.day, t.hour, t.minute, t.second);
  return buffer;
}

std::string hex(std::uint64_t value, int digits) {
  char buffer[20];
  std::snprintf(buffer, sizeof buffer, "%016llx", static_cast<unsigned long long>(value));
  return std::string(buffer, static_cast<std::size_t>(digits));
}

/// AWS's key and file name of the object that holds the records ending in these 5 minutes.
fs::path flow_path(const FleetOptions& options, const Topology& fleet, std::int64_t span_s) {
  const std::string minute = stamp("%04d%02d%02dT%02d%02dZ", span_s);
  if (options.flow_delivery == FlowDelivery::kCloudWatch)
    return fs::path("flow-logs") / (minute + ".log");
  const std::string hash =
      hex(Random(options.seed, 0x73336f, static_cast<std::uint64_t>(span_s)).next(), 8);
  return fs::path("AWSLogs") / options.account / "vpcflowlogs" / options.region /
         stamp("%04d/%02d/%02d", span_s) /
         (options.account + "_vpcflowlogs_" + options.region + "_" + fleet.flow_log_id + "_" +
          minute + "_" + hash + ".log.gz");
}

/// Firehose's key: [prefix]YYYY/MM/dd/HH/STREAM-VERSION-YYYY-MM-dd-HH-MM-SS-RANDOM
fs::path metric_path(const FleetOptions& options, const Topology& fleet, std::int64_t span_s) {
  Random random(options.seed, 0x66697265, static_cast<std::uint64_t>(span_s));
  const std::string r = hex(random.next(), 16), s = hex(random.next(), 16);
  const std::string uuid = r.substr(0, 8) + "-" + r.substr(8, 4) + "-4" + r.substr(13, 3) + "-a" +
                           s.substr(1, 3) + "-" + s.substr(4);
  return fs::path("metrics") / stamp("%04d/%02d/%02d/%02d", span_s) /
         (fleet.stream_name + "-1-" + stamp("%04d-%02d-%02d-%02d-%02d-%02d", span_s) + "-" + uuid +
          (options.metric_gzip ? ".gz" : ""));
}

Result<void> write_whole(const fs::path& path, std::string_view text) {
  auto file = OutputFile::create(path, false);
  if (!file) return std::move(file.error());
  if (auto done = (*file)->write(text); !done) return done;
  return (*file)->close();
}

/// Refuses a directory that holds anything of somebody else's; empties one of ours when asked to.
Result<void> prepare(const fs::path& directory, bool replace) {
  std::error_code error;
  if (!fs::exists(directory, error)) return {};
  if (!fs::is_directory(directory, error)) {
    return Error{ErrorCode::kInvalidArgument, directory.string() + ": is not a directory"};
  }
  const bool ours = fs::exists(directory / kTruth, error);
  if (replace && ours) {
    fs::remove_all(directory / "telemetry", error);
    fs::remove_all(directory / "inventory", error);
    fs::remove(directory / kTruth, error);
  }
  if (fs::exists(directory / "telemetry", error) || fs::exists(directory / kTruth, error)) {
    return Error{
        ErrorCode::kInvalidArgument,
        directory.string() + ": holds telemetry already; remove it or choose another directory"};
  }
  return {};
}

/// The telemetry files of the open span.
class Files {
 public:
  Files(const FleetOptions& options, const Topology& fleet, fs::path root)
      : options_(options), fleet_(fleet), root_(std::move(root)) {}

  Result<void> open(std::int64_t span_s, const FlowText& flows) {
    auto flow = OutputFile::create(root_ / flow_path(options_, fleet_, span_s),
                                   options_.flow_delivery == FlowDelivery::kS3);
    if (!flow) return std::move(flow.error());
    flow_ = *std::move(flow);
    auto metric =
        OutputFile::create(root_ / metric_path(options_, fleet_, span_s), options_.metric_gzip);
    if (!metric) return std::move(metric.error());
    metric_ = *std::move(metric);
    if (options_.flow_delivery == FlowDelivery::kS3) return flow_->write(flows.header());
    return {};
  }
  Result<void> write(std::string_view flow_text, std::string_view metric_text) {
    if (auto done = flow_->write(flow_text); !done) return done;
    return metric_->write(metric_text);
  }
  Result<void> close(Summary& summary) {
    for (auto* file : {&flow_, &metric_}) {
      if (*file == nullptr) continue;
      if (auto done = (*file)->close(); !done) return done;
      ++summary.files;
      summary.plain_bytes += (*file)->plain_bytes();
      summary.written_bytes += (*file)->written_bytes();
      file->reset();
    }
    return {};
  }

 private:
  const FleetOptions& options_;
  const Topology& fleet_;
  fs::path root_;
  std::unique_ptr<OutputFile> flow_, metric_;
};

struct Plan {
  Topology fleet;
  FlowText flows;
  std::vector<Incident> script;
  Expected expected;
};

Result<Plan> make_plan(const FleetOptions& options) {
  auto fleet = lay_out(options);
  if (!fleet) return std::move(fleet.error());
  auto flows = FlowText::create(options.flow_format, options, *fleet);
  if (!flows) return std::move(flows.error());
  std::vector<Incident> script = options.script;
  if (script.empty() && options.with_script)
    script = default_script(options.duration_min, options.machines, options.zones);
  if (auto good = check_script(script, options, *fleet); !good) return std::move(good.error());
  Expected expected = expect(script, options, *fleet);
  return Plan{*std::move(fleet), *std::move(flows), std::move(script), std::move(expected)};
}

}  // namespace

Result<Summary> generate(const FleetOptions& options, const fs::path& directory,
                         const Progress& progress) {
  auto made = make_plan(options);
  if (!made) return std::move(made.error());
  const Plan& plan = *made;
  if (auto ready = prepare(directory, options.replace); !ready) return std::move(ready.error());

  MetricText metric_text(options.metric_format, plan.fleet.stream_name, options.account,
                         options.region);
  FleetMetrics metrics(options, plan.fleet, plan.expected, metric_text);
  const Traffic traffic(options, plan.fleet);
  FlowTotals totals(plan.fleet);
  ScriptMinute script(plan.script);
  Files files(options, plan.fleet, directory / "telemetry");
  Summary summary;
  std::vector<FlowLine> lines;
  std::string flow_out, metric_out;
  for (std::int32_t minute = 0; minute < options.duration_min; ++minute) {
    const std::int64_t minute_s = options.start_s + std::int64_t{minute} * 60;
    if (minute == 0 || minute_s % kFileSpan == 0) {
      if (auto done = files.close(summary); !done) return std::move(done.error());
      if (auto done = files.open(minute_s - minute_s % kFileSpan, plan.flows); !done)
        return std::move(done.error());
      if (progress) progress(static_cast<double>(minute) / options.duration_min);
    }
    script.at(minute);
    traffic.minute(script, lines);
    totals.add(lines);
    flow_out.clear();
    metric_out.clear();
    for (const FlowLine& line : lines) plan.flows.append(line, flow_out);
    metrics.minute(script, lines, metric_out);
    metric_text.end_frame(metric_out);
    if (auto done = files.write(flow_out, metric_out); !done) return std::move(done.error());
  }
  if (auto done = files.close(summary); !done) return std::move(done.error());

  for (const auto& [name, text] : inventory_files(options, plan.fleet)) {
    if (auto done = write_whole(directory / "inventory" / name, text); !done)
      return std::move(done.error());
  }
  // Last, so that a directory with a truth is a whole one.
  const std::string truth =
      truth_json(options, plan.fleet, plan.script, plan.expected, totals, metrics.datapoints());
  if (auto done = write_whole(directory / kTruth, truth); !done) return std::move(done.error());
  summary.flow_lines = totals.ok + totals.nodata + totals.skipdata;
  for (const auto& [name, count] : metrics.datapoints()) summary.datapoints += count;
  if (progress) progress(1);
  return summary;
}

}  // namespace fleetmeter::generate
