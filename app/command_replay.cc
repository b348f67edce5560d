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

namespace fleetmeter::app {

namespace {

namespace po = boost::program_options;

struct ReplayOptions {
  std::string config = "fleet.yaml", environment, events, state, flow_format;
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

int replay(const ReplayOptions& options, const Clock& clock, Config config) {
  ServiceOptions service_options;
  service_options.until_eof = true;
  service_options.deliver = false;
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
  const auto decisions = decisions_table(service.log());
  if (!decisions) return fail(decisions.error());
  std::cout << *decisions
            << "\nBacktest: event times; data taken as arriving at the end of its slot plus its "
               "publication delay. Nothing was delivered.\n";
  const auto cost = replay_cost_table(service.cost_db_path(), *service.inventory());
  if (!cost) return fail(cost.error());
  std::cout << '\n' << *cost;
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
                   "fleetmeter replay -c fleet.yaml --events tuesday.jsonl '2026-11-17/**/*.gz'"});
  command.options().add_options()(
      "config,c", po::value(&options.config)->default_value(options.config), "configuration file")(
      "events", po::value(&options.events),
      "write every event to this file, one JSON object a line, sorted")(
      "state", po::value(&options.state),
      "keep log.db and cost.db in this directory instead of a scratch one")(
      "flow-format", po::value(&options.flow_format),
      "LogFormat of flow logs without a header line")(
      "environment", po::value(&options.environment),
      "environment of every record, whatever the inventory says")(
      "strict", po::bool_switch(&options.strict), "exit 1 when anything was dropped");
  command.positional("path");
  int exit_code = kExitDone;
  const auto values = command.parse(line, exit_code);
  if (!values) return exit_code;
  if (values->count("path") == 0)
    return fail(kExitUsage, "replay needs a PATH: a file, a directory or - for standard input");
  if (auto writable = check_writable("--events", options.events); !writable)
    return fail(writable.error());
  (void)set_up_logging("warn");
  auto clock = make_clock();
  if (!clock) return fail(clock.error());
  std::vector<ConfigWarning> warnings;
  auto config = load_config(options.config, warnings);
  if (!config) return fail(config.error());
  if (auto known = check_environment(*config, options.environment); !known)
    return fail(known.error());
  ingest::FilesOptions files;
  files.settings.name = "files:0";
  files.settings.flow_format = options.flow_format;
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
  return replay(options, **clock, *std::move(config));
}

}  // namespace fleetmeter::app
