// Our side of bench/peers, and the ceilings: see figures.h for what each command does.
#include "bench/figures/figures.h"

#include <isa-l.h>
#include <simdjson.h>
#include <sys/resource.h>

#include <chrono>
#include <fstream>
#include <span>

#include "bench/parsers/flow_corpus.h"
#include "bench/parsers/flow_probe.h"
#include "generate/fleet.h"
#include "parsers/flow_kernel.h"

namespace {

using namespace fleetmeter;
using namespace fleetmeter::figures;

constexpr const char* kUsage = R"(usage: figures COMMAND
  generate DIR MINUTES json|otlp FORMAT   a seeded fleet's telemetry, not compressed
  corpus v2|v2-malformed|29 LINES FILE    seeded flow text, many peers an interface; LINES lines
  decode FORMAT PATH...                   files to validated columns
  ingest LOG_DB FORMAT PATH...            files to committed batches
  windows LOG_DB FORMAT PATH...           files to committed batches to closed windows
  flows LOG_DB | metrics LOG_DB           what the log holds, as CSV
  probe-columns FORMAT FILE | probe-flows FORMAT FILE[.gz] [--print] | probe-inflate FILE
  probe-pages FILE | probe-otlp FILE | probe-json FILE     ceilings
  version                                 kernels, compiler and libraries, as JSON
FORMAT: names of the columns; "" is the default format. Those that decode, ingest, or probe end with
a line of JSON that says what they took.
)";

void generate_telemetry(const std::string& directory, int minutes, std::string_view metric_format,
                        const std::string& flow_format) {
  generate::FleetOptions options;
  options.duration_min = minutes;
  options.flow_delivery = generate::FlowDelivery::kCloudWatch;
  if (!flow_format.empty()) options.flow_format = flow_format;
  options.metric_format =
      metric_format == "otlp" ? generate::MetricFormat::kOtlp10 : generate::MetricFormat::kJson;
  options.metric_gzip = false;
  options.replace = true;
  const generate::Summary summary = must(generate::generate(options, directory));
  std::printf("{\"flow_lines\": %llu, \"datapoints\": %llu}\n",
              static_cast<unsigned long long>(summary.flow_lines),
              static_cast<unsigned long long>(summary.datapoints));
}

void write(const std::string& path, std::string_view bytes) {
  std::ofstream out{path, std::ios::binary};
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!out.flush()) fail("cannot write " + path);
}

void write_corpus(std::string_view kind, std::size_t lines, const std::string& path) {
  const parsers::bench::FlowCorpus corpus = kind == "29" ? parsers::bench::flow_29(lines)
                                            : kind == "v2-malformed"
                                                ? parsers::bench::flow_v2_malformed(lines)
                                                : parsers::bench::flow_v2(lines);
  write(path, corpus.bytes);
  std::printf("{\"lines\": %llu, \"records\": %llu, \"bytes\": %llu, \"format\": \"%s\"}\n",
              static_cast<unsigned long long>(corpus.lines),
              static_cast<unsigned long long>(corpus.records),
              static_cast<unsigned long long>(corpus.byte_sum), corpus.format.c_str());
}

void print_version() {
  std::printf(
      "{\"flow_kernel\": \"%s\", \"probe_kernel\": \"%s\", \"compiler\": \"g++ %s\", "
      "\"simdjson\": \"%d.%d.%d\", \"isal\": \"%d.%d.%d\"}\n",
      std::string{to_string(parsers::flow_kernel())}.c_str(),
      std::string{parsers::bench::FlowProbe::kernel()}.c_str(), __VERSION__,
      simdjson::SIMDJSON_VERSION_MAJOR, simdjson::SIMDJSON_VERSION_MINOR,
      simdjson::SIMDJSON_VERSION_REVISION, ISAL_MAJOR_VERSION, ISAL_MINOR_VERSION,
      ISAL_PATCH_VERSION);
}

/// What the process took since main() began, as peers count from when they are loaded.
class Spent {
 public:
  void print() const {
    const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - began_;
    std::printf("{\"cpu_s\": %.4f, \"wall_s\": %.4f, \"rss_mb\": %.1f}\n", cpu_s() - cpu_s_,
                wall.count(), rss_mb_max());
  }

 private:
  static double cpu_s() {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    const auto seconds = [](const timeval& time) {
      return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
  }

  /// ru_maxrss would be that of the process that started this one, where that was larger.
  static double rss_mb_max() {
    std::ifstream status{"/proc/self/status"};
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("VmHWM:")) return std::atof(line.c_str() + 6) / 1024;
    }
    return 0;
  }

  const double cpu_s_ = cpu_s();
  const std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now();
};

bool run(const std::string& command, std::span<const std::string> args) {
  const auto rest = [&args](std::size_t from) { return Paths{args.begin() + from, args.end()}; };
  const std::size_t count = args.size();
  if (command == "generate" && count == 4)
    generate_telemetry(args[0], std::atoi(args[1].c_str()), args[2], args[3]);
  else if (command == "corpus" && count == 3)
    write_corpus(args[0], std::strtoull(args[1].c_str(), nullptr, 10), args[2]);
  else if (command == "decode" && count >= 2)
    decode_files(args[0], rest(1));
  else if (command == "ingest" && count >= 3)
    ingest_files(args[0], args[1], rest(2));
  else if (command == "windows" && count >= 3)
    ingest_to_windows(args[0], args[1], rest(2));
  else if (command == "version" && count == 0)
    print_version();
  else if (command == "flows" && count == 1)
    print_flows(args[0]);
  else if (command == "metrics" && count == 1)
    print_metrics(args[0]);
  else if (command == "probe-columns" && count == 2)
    probe_columns(args[0], args[1]);
  else if (command == "probe-flows" && (count == 2 || (count == 3 && args[2] == "--print")))
    probe_flows(args[0], args[1], count == 3);
  else if (command == "probe-inflate" && count == 1)
    probe_inflate(args[0]);
  else if (command == "probe-pages" && count == 1)
    probe_pages(args[0]);
  else if (command == "probe-otlp" && count == 1)
    probe_otlp(args[0]);
  else if (command == "probe-json" && count == 1)
    probe_json(args[0]);
  else
    return false;
  return true;
}

bool is_timed(std::string_view command) {
  return command == "decode" || command == "ingest" || command == "windows" ||
         command.starts_with("probe-");
}

}  // namespace

int main(int argc, char** argv) {
  const Spent spent;
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.empty() || !run(arguments[0], std::span{arguments}.subspan(1))) {
    std::fputs(kUsage, stderr);
    return 2;
  }
  if (is_timed(arguments[0])) spent.print();
  return 0;
}
