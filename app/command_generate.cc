#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <limits>
#include <tuple>

#include "app/command.h"
#include "app/yaml_reader.h"
#include "generate/fleet.h"
#include "generate/from_csv.h"

namespace fleetmeter::app {

namespace {

namespace po = boost::program_options;
using Texts = std::vector<std::string>;

struct GenerateOptions {
  std::string out, start, duration = "24h", format = "v2", delivery = "s3", metrics = "json";
  Texts groups, incidents, from_csv;
  std::uint64_t seed = 1;
  std::int64_t machines = 100, zones = 2, gateways = 0;
  bool no_incidents = false, plain = false, replace = false;
};

Command make_command(GenerateOptions& options) {
  Command command(
      "fleetmeter generate --out DIR [OPTION]...",
      "A synthetic fleet, seeded: VPC flow logs, metric streams and inventory in DIR, with a\n"
      "truth.json that says what must come of them. Or, with --from-csv KIND FILE..., public "
      "series\n"
      "as metric stream JSON lines: KIND is nab or bitbrains; --out is a file, or a directory for\n"
      "one file each.",
      {"fleetmeter generate --out demo --machines 20 --duration 6h",
       "fleetmeter generate --out demo --seed 7 --incident cpu@65+18:0:92.5 --incident "
       "scan@120+10:3",
       "fleetmeter generate --out demo --format v5 --metrics otlp1.0 --groups web:prod,batch:dev",
       "fleetmeter generate --from-csv nab ec2_cpu_utilization_*.csv --out nab.json"});
  command.options().add_options()("out", po::value(&options.out)->value_name("DIR"),
                                  "where to write; made when it is missing")(
      "seed", po::value(&options.seed)->default_value(options.seed),
      "equal options give equal telemetry")("start",
                                            po::value(&options.start)->value_name("RFC3339"),
                                            "first minute (default 2026-03-02T00:00:00Z)")(
      "duration", po::value(&options.duration)->default_value(options.duration),
      "length, in whole minutes: 90m, 6h, 24h, 7d")(
      "machines", po::value(&options.machines)->default_value(options.machines),
      "at least two a zone")("zones", po::value(&options.zones)->default_value(options.zones),
                             "availability zones, 1 to 6")(
      "gateways", po::value(&options.gateways)->default_value(options.gateways),
      "NAT gateways; 0 = one a zone")(
      "groups", po::value(&options.groups)->composing()->value_name("NAME[:ENV[:TYPE]]"),
      "Auto Scaling groups, comma separated; machines are shared out evenly")(
      "format", po::value(&options.format)->default_value(options.format),
      "flow logs: v2, v5 (29 fields), or a LogFormat like '${version} ${srcaddr} ...'")(
      "delivery", po::value(&options.delivery)->default_value(options.delivery),
      "flow logs as s3 objects (header, gzip) or as cloudwatch text")(
      "metrics", po::value(&options.metrics)->default_value(options.metrics),
      "metric streams: json, otlp0.7 or otlp1.0")("plain", po::bool_switch(&options.plain),
                                                  "do not compress the metric streams")(
      "incident", po::value(&options.incidents)->composing()->value_name("SPEC"),
      "KIND@START+LENGTH[:TARGET[:VALUE]] in minutes, may be repeated; kinds: cpu, memory, disk, "
      "scan, az_loss, status_check, nat_drops (default: a bad day with some of each)")(
      "no-incidents", po::bool_switch(&options.no_incidents), "a quiet day")(
      "replace", po::bool_switch(&options.replace), "remove what an earlier run left in DIR")(
      "from-csv", po::value(&options.from_csv)->multitoken()->value_name("KIND FILE..."),
      "convert public series instead");
  return command;
}

Error bad(std::string message) { return {ErrorCode::kInvalidArgument, std::move(message)}; }

/// "web:prod:m5.large,batch" as groups; what is left out keeps its default.
std::vector<generate::GroupOptions> parse_groups(const Texts& given) {
  std::vector<generate::GroupOptions> groups;
  for (const std::string& text : given) {
    std::size_t from = 0;
    while (from <= text.size()) {
      const std::size_t comma = std::min(text.find(',', from), text.size());
      const std::string entry = text.substr(from, comma - from);
      from = comma + 1;
      if (entry.empty()) continue;
      generate::GroupOptions group;
      const std::size_t first = entry.find(':');
      const std::size_t second =
          first == std::string::npos ? std::string::npos : entry.find(':', first + 1);
      group.name = entry.substr(0, first);
      if (first != std::string::npos)
        group.environment = entry.substr(first + 1, second - std::min(second, first + 1));
      if (second != std::string::npos) group.instance_type = entry.substr(second + 1);
      groups.push_back(std::move(group));
    }
  }
  return groups;
}

Result<void> set_formats(const GenerateOptions& options, generate::FleetOptions& fleet) {
  fleet.flow_format = options.format;
  if (options.delivery == "cloudwatch") {
    fleet.flow_delivery = generate::FlowDelivery::kCloudWatch;
  } else if (options.delivery != "s3") {
    return bad("--delivery: `" + options.delivery + "` is none of s3, cloudwatch");
  }
  if (options.metrics == "otlp0.7") {
    fleet.metric_format = generate::MetricFormat::kOtlp07;
  } else if (options.metrics == "otlp1.0") {
    fleet.metric_format = generate::MetricFormat::kOtlp10;
  } else if (options.metrics != "json") {
    return bad("--metrics: `" + options.metrics + "` is none of json, otlp0.7, otlp1.0");
  }
  return {};
}

/// What they must be among themselves the fleet says.
Result<void> set_counts(const GenerateOptions& options, generate::FleetOptions& fleet) {
  const std::tuple<const char*, std::int64_t, std::uint32_t*> counts[] = {
      {"--machines", options.machines, &fleet.machines},
      {"--zones", options.zones, &fleet.zones},
      {"--gateways", options.gateways, &fleet.gateways}};
  for (const auto& [option, given, count] : counts) {
    const auto number = in_range(option, given, 0, std::numeric_limits<std::uint32_t>::max());
    if (!number) return number.error();
    *count = *number;
  }
  return {};
}

Result<generate::FleetOptions> fleet_of(const GenerateOptions& options) {
  generate::FleetOptions fleet;
  fleet.seed = options.seed;
  if (auto set = set_counts(options, fleet); !set) return std::move(set).error();
  fleet.metric_gzip = !options.plain;
  fleet.with_script = !options.no_incidents;
  fleet.replace = options.replace;
  if (auto set = set_formats(options, fleet); !set) return std::move(set).error();
  if (!options.start.empty()) {
    const auto start_s = parse_rfc3339(options.start);
    if (!start_s)
      return bad("--start: `" + options.start + "` is no time like 2026-03-02T00:00:00Z");
    fleet.start_s = *start_s;
  }
  const auto duration_s = parse_duration_s(options.duration);
  if (!duration_s || *duration_s == 0 || *duration_s % 60 != 0)
    return bad("--duration: `" + options.duration + "` is not whole minutes, like 90m or 24h");
  fleet.duration_min = static_cast<std::int32_t>(*duration_s / 60);
  if (const auto groups = parse_groups(options.groups); !groups.empty()) fleet.groups = groups;
  if (options.no_incidents && !options.incidents.empty())
    return bad("--no-incidents and --incident are both given; keep one");
  for (const std::string& text : options.incidents) {
    auto incident = generate::parse_incident(text);
    if (!incident) return std::move(incident).error();
    fleet.script.push_back(*incident);
  }
  return fleet;
}

/// What the options are called here.
Error in_our_words(Error error) {
  constexpr std::string_view kScript = "script: ";
  if (error.message.ends_with("holds telemetry already; remove it or choose another directory"))
    error.message += ", or give --replace";
  if (error.message.starts_with(kScript)) error.message.replace(0, kScript.size(), "--incident: ");
  if (error.message.find(": target ") != std::string::npos)
    error.message += ", the number of such targets; they count from 0";
  return error;
}

int generate_fleet(const GenerateOptions& options) {
  const auto fleet = fleet_of(options);
  if (!fleet) return fail(fleet.error());
  Result<generate::Summary> summary = [&] {
    ProgressBar bar("writing");
    return generate::generate(*fleet, options.out, [&bar](double done) {
      bar.update(static_cast<std::uint64_t>(done * 1000), 1000);
    });
  }();
  if (!summary) return fail(in_our_words(summary.error()));
  std::cout << options.out << ": " << group_digits(summary->flow_lines) << " flow log lines, "
            << group_digits(summary->datapoints) << " datapoints in "
            << group_digits(summary->files) << " files, " << human_bytes(summary->plain_bytes)
            << " (" << human_bytes(summary->written_bytes) << " on disk), truth.json\n";
  return kExitDone;
}

/// Lines of a series, to one file or to FILE.json in a directory.
Result<void> write_lines(const std::string& path, std::string_view lines, bool append) {
  std::ofstream out(path, std::ios::binary | (append ? std::ios::app : std::ios::trunc));
  out << lines;
  out.close();
  if (!out) return Error{ErrorCode::kUnavailable, path + ": cannot be written"};
  return {};
}

/// "dir/ec2_cpu.csv.gz" -> "ec2_cpu.json".
std::string json_name(const std::string& file) {
  std::filesystem::path name = std::filesystem::path(file).filename();
  if (name.extension() == ".gz") name.replace_extension();
  return name.replace_extension(".json").string();
}

int convert(const GenerateOptions& options) {
  if (options.from_csv.size() < 2)
    return fail(kExitUsage, "--from-csv needs a kind and files, like --from-csv nab cpu.csv");
  const auto kind = generate::parse_csv_kind(options.from_csv.front());
  if (!kind) return fail(kind.error());
  const bool into_directory =
      options.out.ends_with('/') || std::filesystem::is_directory(options.out);
  std::error_code error;
  if (into_directory) std::filesystem::create_directories(options.out, error);
  if (error) return fail(kExitUsage, options.out + ": " + error.message());

  generate::CsvSummary sum;
  for (std::size_t i = 1; i < options.from_csv.size(); ++i) {
    const std::string& file = options.from_csv[i];
    const std::string path = into_directory
                                 ? (std::filesystem::path(options.out) / json_name(file)).string()
                                 : options.out;
    const auto converted = generate::from_csv(*kind, {file}, {}, [&](std::string_view lines) {
      return write_lines(path, lines, !into_directory && i > 1);
    });
    if (!converted) return fail(converted.error());
    sum.rows += converted->rows;
    sum.datapoints += converted->datapoints;
    sum.bad_rows += converted->bad_rows;
    sum.absent_values += converted->absent_values;
  }
  std::cout << options.out << ": " << group_digits(sum.datapoints) << " datapoints of "
            << group_digits(sum.rows) << " rows\n";
  if (sum.bad_rows > 0) std::cerr << group_digits(sum.bad_rows) << " bad rows dropped\n";
  if (sum.absent_values > 0)
    std::cerr << group_digits(sum.absent_values) << " absent values left out\n";
  return kExitDone;
}

}  // namespace

int command_generate(const CommandLine& line) {
  GenerateOptions options;
  Command command = make_command(options);
  int exit_code = kExitDone;
  if (!command.parse(line, exit_code)) return exit_code;
  if (options.out.empty())
    return fail(kExitUsage,
                "generate needs --out, the place to write to; see `fleetmeter generate --help`");
  return options.from_csv.empty() ? generate_fleet(options) : convert(options);
}

}  // namespace fleetmeter::app
