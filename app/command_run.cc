#include <spdlog/spdlog.h>

#include <fstream>
#include <iostream>
#include <thread>

#include "app/command.h"
#include "app/http_api.h"
#include "app/logging.h"
#include "app/run_summary.h"
#include "app/service.h"
#include "app/stop_on_signal.h"
#include "app/test_clock.h"
#include "app/test_fault.h"

namespace fleetmeter::app {

namespace {

namespace po = boost::program_options;

struct RunOptions {
  std::string config = "fleet.yaml", environment, listen, events, log_level = "info",
              format = "table";
  bool until_eof = false, deliver = false, no_http = false, strict = false;
};

Command make_command(RunOptions& options) {
  Command command(
      "fleetmeter run [OPTION]...",
      "Runs the whole pipeline in one process: sources, alarms, scaling, delivery and the bill, "
      "with SQLite inside. Serves\n"
      "the HTTP API. SIGTERM and Ctrl-C drain: what was read is durable, the outbox is safe.",
      {"fleetmeter run -c fleet.yaml",
       "fleetmeter run -c fleet.yaml --until-eof --deliver --events events.jsonl",
       "fleetmeter run -c fleet.yaml --until-eof --format json | jq .alarm_changes",
       "zcat flow.log.gz | fleetmeter run -c stdin.yaml --until-eof"});
  command.options().add_options()(
      "config,c", po::value(&options.config)->default_value(options.config), "configuration file")(
      "until-eof", po::bool_switch(&options.until_eof),
      "read the files to their end, evaluate everything, and exit")(
      "deliver", po::bool_switch(&options.deliver),
      "with --until-eof: deliver notifications and actions too")(
      "events", po::value(&options.events),
      "at the end, write every event to this file, one JSON object a line")(
      "format", po::value(&options.format)->default_value(options.format),
      "with --until-eof: table, json, csv, markdown or html")(
      "environment", po::value(&options.environment),
      "environment of every record, whatever the inventory says")(
      "http", po::value(&options.listen),
      "host:port of the API instead of the configuration's; port 0 takes a free one")(
      "no-http", po::bool_switch(&options.no_http), "serve no API")(
      "strict", po::bool_switch(&options.strict), "exit 1 when anything was dropped")(
      "log-level", po::value(&options.log_level)->default_value(options.log_level),
      "debug, info, warn, error or off");
  return command;
}

Result<void> write_file(const std::string& path, const std::string& text) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << text;
  out.close();
  if (!out) return Error{ErrorCode::kUnavailable, path + ": cannot be written"};
  return {};
}

/// The whole event log of the state, when --events asks for it.
Result<void> write_events(Service& service, const std::string& path) {
  if (path.empty()) return {};
  const auto events = event_log(service.log());
  if (!events) return events.error();
  return write_file(path, *events);
}

std::string print(const Decisions& decisions, ingest::IngestCounters& counters,
                  OutputFormat format) {
  if (format == OutputFormat::kJson) return run_json(decisions, counters, std::nullopt);
  const std::string text = decisions_text(decisions, format);
  if (format == OutputFormat::kMarkdown) return "# Run\n\n" + text;
  return format == OutputFormat::kHtml ? html_page("Run", text) : text;
}

/// Reads to the end, evaluates, delivers, and says what came of it.
int run_to_end(Service& service, const RunOptions& options, OutputFormat format) {
  const StopOnSignal signal;
  if (auto done = service.run_to_end(signal.token()); !done) {
    std::cerr << data_quality(service.counters());
    const bool wrong_state = done.error().code == ErrorCode::kInvalidArgument;
    return fail(wrong_state ? kExitUsage : kExitPartly, done.error().message);
  }
  const auto decisions = decisions_of(service.log());
  if (!decisions) return fail(decisions.error());
  std::cout << print(*decisions, service.counters(), format);
  std::cerr << data_quality(service.counters());
  return read_exit_code(service.counters(), options.strict);
}

/// Until a signal, or until the pipeline has failed for good.
int run_until_stopped(Service& service) {
  while (!stop_signals().wait_for(500)) {
    if (const auto why = service.failure()) {
      spdlog::error("the pipeline has failed: {}", *why);
      // The API goes on saying so in /health; an orchestrator restarts us.
      while (!stop_signals().wait_for(500)) {
      }
      return kExitPartly;
    }
  }
  spdlog::info("stopping: draining what was read");
  return kExitDone;
}

int run(const RunOptions& options, OutputFormat format, const Clock& clock, Config config) {
  ServiceOptions service_options;
  service_options.until_eof = options.until_eof;
  service_options.deliver = !options.until_eof || options.deliver;
  service_options.environment = options.environment;
  service_options.fault = test_fault();
  std::unique_ptr<ProgressBar> reading, evaluating;
  if (options.until_eof && stderr_is_terminal()) {
    reading = std::make_unique<ProgressBar>("reading");
    service_options.on_read = [&](std::uint64_t done, std::uint64_t all) {
      reading->update(done, all);
    };
    service_options.on_evaluate = [&](std::int64_t done, std::int64_t all) {
      if (!evaluating) {
        reading.reset();
        evaluating = std::make_unique<ProgressBar>("evaluating");
      }
      evaluating->update(static_cast<std::uint64_t>(done), static_cast<std::uint64_t>(all));
    };
  }
  auto starting = std::make_unique<StopOnSignal>();
  service_options.stop = starting->token();
  Service service(std::move(config), clock, std::move(service_options));
  if (options.until_eof && !service.bounded()) {
    return fail(kExitUsage, options.config +
                                ": --until-eof needs sources that end: files without `follow`, or "
                                "- for standard input");
  }
  if (auto opened = service.open(); !opened) return fail(opened.error());
  HttpApi api(service, clock);
  const bool serve = !options.no_http && !options.until_eof;
  if (serve) {
    const std::string listen =
        options.listen.empty() ? service.config().http_listen : options.listen;
    if (auto started = api.start(listen); !started) return fail(started.error());
    spdlog::info("HTTP API listens on port {}", api.port());
  }
  if (auto started = service.start(); !started) {
    const bool stopped = started.error().code == ErrorCode::kUnavailable &&
                         starting->token().stop_requested() && !options.until_eof;
    return stopped ? kExitDone : fail(started.error());
  }
  starting.reset();  // From here on somebody else waits for the signals.
  for (const std::uint16_t port : service.firehose_ports())
    spdlog::info("Firehose endpoint listens on port {}", port);
  const int exit_code =
      options.until_eof ? run_to_end(service, options, format) : run_until_stopped(service);
  reading.reset();
  evaluating.reset();
  api.stop();
  service.drain();
  if (auto written = write_events(service, options.events); !written) return fail(written.error());
  return exit_code;
}

}  // namespace

int command_run(const CommandLine& line) {
  RunOptions options;
  Command command = make_command(options);
  int exit_code = kExitDone;
  const auto values = command.parse(line, exit_code);
  if (!values) return exit_code;
  const auto format = parse_format(options.format);
  if (!format) return kExitUsage;
  if (!options.until_eof && !(*values)["format"].defaulted())
    return fail(kExitUsage, "--format is for --until-eof: without it nothing is printed");
  if (!set_up_logging(options.until_eof && options.log_level == "info" ? "warn"
                                                                       : options.log_level)) {
    return fail(kExitUsage, "--log-level: `" + options.log_level +
                                "` is none of debug, info, warn, error, off");
  }
  auto clock = make_clock();
  if (!clock) return fail(clock.error());
  std::vector<ConfigProblem> warnings;
  auto config = load_config(options.config, warnings);
  if (!config) return fail(config.error());
  if (auto known = check_environment(*config, options.environment); !known)
    return fail(known.error());
  if (auto there = check_inventory(*config); !there) return fail(there.error());
  for (const ConfigProblem& warning : warnings)
    spdlog::warn("{}:{}: {}", options.config, warning.line, warning.text());
  // It would wait forever for what cannot come.
  if (config->files.empty() && config->firehose.empty() && config->kafka.empty()) {
    return fail(kExitUsage, options.config +
                                ": sources: there is none, so nothing would be read; add one, like "
                                "- files: { paths: [/var/spool/flow], follow: true }");
  }
  if (auto writable = check_writable("--events", options.events); !writable)
    return fail(writable.error());
  return run(options, *format, **clock, *std::move(config));
}

}  // namespace fleetmeter::app
