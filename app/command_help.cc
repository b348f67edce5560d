#include <iostream>

#include "app/command.h"
#include "app/config_example.h"

namespace fleetmeter::app {

namespace {

struct Topic {
  const char* name;
  const char* summary;
};

constexpr Topic kTopics[] = {
    {"run", "everything in one process, SQLite inside: sources, alarms, scaling, delivery, bill"},
    {"flows", "top talkers, rejects, path classes straight from files; no configuration"},
    {"replay", "backtest: what today's rules would have done with recorded telemetry"},
    {"cost", "report: the monthly bill per environment, from inventory and telemetry"},
    {"rules", "check: validate a configuration"},
    {"generate", "a synthetic fleet with known truth; public series as metric streams"},
    {"ingest", "Kafka in, aggregate topic out; start as many as there are partitions"},
    {"evaluate", "aggregate topic in; alarms, scaling, bill, delivery"},
    {"receive", "a local webhook receiver that checks signatures"},
    {"version", "print the version"},
    {"help", "this text; `help config` prints an annotated fleet.yaml"},
};

void print_overview() {
  std::cout
      << "Fleetmeter " << kVersion
      << ": VPC flow logs and CloudWatch metric streams in; alarms, scaling and the bill out.\n\n"
         "Usage: fleetmeter COMMAND [OPTION]...\n\n";
  for (const Topic& topic : kTopics) {
    std::string name = topic.name;
    name.resize(10, ' ');
    std::cout << "  " << name << topic.summary << '\n';
  }
  std::cout << "\n`fleetmeter COMMAND --help` explains its options.\n\n"
               "Exit codes: 0 done; 1 some input could not be read to its end, the rest is done; 2 "
               "nothing\n"
               "could be read, or bad usage or configuration; 3 done, but a limit is broken.\n\n"
               "Examples:\n"
               "  fleetmeter flows flow.log.gz\n"
               "  fleetmeter help config > fleet.yaml && fleetmeter rules check fleet.yaml\n"
               "  fleetmeter generate --out demo --machines 20 --duration 6h\n"
               "  fleetmeter run -c fleet.yaml\n";
}

/// The help of a command is the command's own.
int help_of(const std::string& name) {
  static constexpr std::pair<std::string_view, int (*)(const CommandLine&)> kCommands[] = {
      {"run", command_run},        {"flows", command_flows},       {"replay", command_replay},
      {"cost", command_cost},      {"rules", command_rules},       {"generate", command_generate},
      {"ingest", command_ingest},  {"evaluate", command_evaluate}, {"receive", command_receive},
      {"version", command_version}};
  for (const auto& [known, command] : kCommands) {
    if (name == known) return command({{"--help"}});
  }
  return fail(kExitUsage, "help: `" + name +
                              "` is neither a command nor `config`; `fleetmeter help` lists them");
}

}  // namespace

int command_help(const CommandLine& line) {
  Command command(
      "fleetmeter help [COMMAND|config]",
      "Lists the commands, explains one, or prints an annotated configuration.",
      {"fleetmeter help", "fleetmeter help flows", "fleetmeter help config > fleet.yaml"});
  command.positional("topic");
  int exit_code = kExitDone;
  const auto values = command.parse(line, exit_code);
  if (!values) return exit_code;
  if (values->count("topic") == 0) {
    print_overview();
    return kExitDone;
  }
  const auto& topics = (*values)["topic"].as<std::vector<std::string>>();
  // A verb's help is its command's.
  const bool verb = topics.size() == 2 && ((topics[0] == "cost" && topics[1] == "report") ||
                                           (topics[0] == "rules" && topics[1] == "check"));
  if (topics.size() > 1 && !verb) return fail(kExitUsage, "help: one topic at a time");
  if (topics.front() != "config") return help_of(topics.front());
  std::cout << config_example();
  return kExitDone;
}

int command_version(const CommandLine& line) {
  Command command("fleetmeter version", "Prints the version.", {"fleetmeter version"});
  int exit_code = kExitDone;
  if (!command.parse(line, exit_code)) return exit_code;
  std::cout << "fleetmeter " << kVersion << '\n';
  return kExitDone;
}

}  // namespace fleetmeter::app
