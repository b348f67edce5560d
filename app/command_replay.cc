#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iostream>

#include "app/command.h"
#include "app/cost_view.h"
#include "app/logging.h"
#include "app/run_summary.h"
#include "app/service.h"
#include "app/stop_on_signal.h"
#include "app/test_clock.h"
#include "cost/render_text.h"

namespace fleetmeter::app {

namespace {

namespace po = boost::program_options;

struct ReplayOptions {
  std::string config = "fleet.yaml", environment, events, state, flow_format, format = "table";
  bool strict = false;
};

/// A state directory of its own, removed at the end: a backtest never touches the state of `run`.
class ScratchState {
 public:
  Result<std::string> make() {
    const char* base = std::getenv("TMPDIR");
    std::string pattern = (std::filesystem::path(base != nullptr && *base != '\0' ? base : "/tmp") /
                           "fleetmeter-replay-XXXXXX")
                              .string();
    if (mkdtemp(pattern.data()) == nullptr)
      return Error{ErrorCode::kUnavailable,
                   pattern + ": cannot be made; set TMPDIR to a directory with room"};
    path_ = pattern;
    return path_;
  }
  ~ScratchState() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove_all(path_, ignored);
  }

 private:
  std::string path_;
};

constexpr const char* kAssumptions =
    "Backtest: event times; data taken as arriving at the end of its slot plus its publication "
    "delay. Nothing was delivered.";

std::string print(const Decisions& decisions, const std::vector<cost::Report>& bill,
                  ingest::IngestCounters& counters, OutputFormat format) {
  const auto reports = [&bill](cost::Format as, const char* between) {
    std::string text;
    for (const cost::Report& report : bill)
      text += (text.empty() ? "" : between) + cost::render(report, as);
    return text;
  };
  switch (format) {
    case OutputFormat::kJson: {
      std::vector<std::string> documents;
      for (const cost::Report& report : bill) {
        documents.push_back(cost::render(report, cost::Format::kJson));
        documents.back().pop_back();  // Its line end.
      }
      return run_json(decisions, counters, documents);
    }
    case OutputFormat::kCsv:
      return decisions_text(decisions, format);
    case OutputFormat::kMarkdown:
      return "# Backtest\n\n" + decisions_text(decisions, format) + "\n" + kAssumptions + "\n\n" +
             reports(cost::Format::kMarkdown, "\n");
    case OutputFormat::kHtml:  // A report is a page of its own, so that its table stands for it.
      return html_page("Backtest",
                       decisions_text(decisions, format) + "<p>" + kAssumptions + "</p>\n<pre>\n" +
                           cost::html_escaped(reports(cost::Format::kTable, "\n")) + "</pre>\n");
    case OutputFormat::kTable:
      break;
  }
  return decisions_text(decisions, format) + "\n" + kAssumptions + "\n\n" +
         reports(cost::Format::kTable, "\n");
}

int replay(const ReplayOptions& options, OutputFormat format, const Clock& clock, Config config) {
  ServiceOptions service_options;
  service_options.until_eof = true;
  service_options.deliver = false;
  service_options.scratch = options.state.empty();
  service_options.environment = options.environment;
  std::unique_ptr<ProgressBar> bar;
  if (stderr_is_terminal()) {
    bar = std::make_unique<ProgressBar>("reading");
    service_options.on_read = [&](std::uint64_t done, std::uint64_t all) {
      bar->update(done, all);
    };
  }
  Service service(std::move(config), clock, std::move(service_options));
  if (auto started = service.start(); !started) return fail(started.error());
  if (const StopOnSignal signal; true) {
    auto done = service.run_to_end(signal.token());
    if (!done && done.error().code == ErrorCode::kInvalidArgument) return fail(done.error());
    if (!done) return fail(kExitPartly, done.error().message);
  }
  bar.reset();
  const auto events = event_log(service.log());
  if (!events) return fail(events.error());
  if (!options.events.empty()) {
    std::ofstream out(options.events, std::ios::binary | std::ios::trunc);
    out << *events;
    out.close();
    if (!out) return fail(kExitUsage, options.events + ": cannot be written");
  }
  const auto decisions = decisions_of(service.log());
  if (!decisions) return fail(decisions.error());
  const auto bill = replay_cost(service.cost_db_path(), *service.inventory());
  if (!bill) return fail(bill.error());
  std::cout << print(*decisions, *bill, service.counters(), format);
  std::cerr << data_quality(service.counters());
  return read_exit_code(service.counters(), options.strict);
}

}  // namespace

int command_replay(const CommandLine& line) {
  ReplayOptions options;
  Command command("fleetmeter replay [OPTION]... PATH...",
                  "Backtest: recorded telemetry through today's rules. Prints what would have "
                  "fired and when, what would have scaled, and\n"
                  "what it would have cost. Delivers nothing and never touches the state of `run`. "
                  "The sources of the configuration\n"
                  "are not read; PATH is a file, a directory, a pattern, or - for standard input.",
                  {"fleetmeter replay -c fleet.yaml flow/ metrics/",
                   "fleetmeter replay -c fleet.yaml --format json flow/ | jq .scaling",
                   "fleetmeter replay -c fleet.yaml --events tuesday.jsonl '2026-11-17/**/*.gz'"});
  command.options().add_options()(
      "config,c", po::value(&options.config)->default_value(options.config), "configuration file")(
      "events", po::value(&options.events),
      "write every event to this file, one JSON object a line, sorted")(
      "state", po::value(&options.state),
      "keep log.db and cost.db in this directory instead of a scratch one")(
      "format", po::value(&options.format)->default_value(options.format),
      "table, json, csv, markdown or html")("flow-format", po::value(&options.flow_format),
                                            "LogFormat of flow logs without a header line")(
      "environment", po::value(&options.environment),
      "environment of every record, whatever the inventory says")(
      "strict", po::bool_switch(&options.strict), "exit 1 when anything was dropped");
  command.positional("path");
  int exit_code = kExitDone;
  const auto values = command.parse(line, exit_code);
  if (!values) return exit_code;
  const auto format = parse_format(options.format);
  if (!format) return kExitUsage;
  if (values->count("path") == 0)
    return fail(kExitUsage, "replay needs a PATH: a file, a directory or - for standard input");
  if (auto writable = check_writable("--events", options.events); !writable)
    return fail(writable.error());
  (void)set_up_logging("warn");
  auto clock = make_clock();
  if (!clock) return fail(clock.error());
  std::vector<ConfigProblem> warnings;
  auto config = load_config(options.config, warnings);
  if (!config) return fail(config.error());
  if (auto known = check_environment(*config, options.environment); !known)
    return fail(known.error());
  if (auto there = check_inventory(*config); !there) return fail(there.error());
  ingest::FilesOptions files;
  files.settings.name = "files:0";
  files.settings.flow_format = flow_format_of(options.flow_format);
  if (options.flow_format.empty() && !config->files.empty())
    files.settings.flow_format = config->files.front().settings.flow_format;
  files.paths = (*values)["path"].as<std::vector<std::string>>();
  config->files = {std::move(files)};
  config->firehose.clear();
  config->kafka.clear();
  ScratchState scratch;
  config->state = options.state;
  if (options.state.empty()) {
    auto made = scratch.make();
    if (!made) return fail(made.error());
    config->state = *std::move(made);
  }
  return replay(options, *format, **clock, *std::move(config));
}

}  // namespace fleetmeter::app
