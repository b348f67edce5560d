#include <iostream>

#include "app/command.h"
#include "app/config.h"

namespace fleetmeter::app {

namespace {

namespace po = boost::program_options;

int check(const std::vector<std::string>& files) {
  int exit_code = kExitDone;
  for (const std::string& file : files) {
    std::vector<ConfigWarning> warnings;
    const auto config = load_config(file, warnings);
    for (const ConfigWarning& warning : warnings)
      std::cerr << file << ':' << warning.line << ": warning: " << warning.message << '\n';
    if (!config) {
      exit_code = fail(kExitUsage, config.error().message);
      continue;
    }
    std::cout << file << ": ok: " << config->rules.alarms.size() << " alarms, "
              << config->rules.scaling.size() << " scaling groups, " << config->environments.size()
              << " environments, "
              << config->files.size() + config->firehose.size() + config->kafka.size()
              << " sources, " << config->notify.size() << " receivers\n";
  }
  return exit_code;
}

}  // namespace

int command_rules(const CommandLine& line) {
  Command command("fleetmeter rules check [FILE]...",
                  "Validates configuration files: keys, types, values, and names that must exist. "
                  "Opens no referenced file and no socket.\n"
                  "Exit code 0 when all are good, 2 otherwise.",
                  {"fleetmeter rules check", "fleetmeter rules check fleet.yaml staging.yaml",
                   "fleetmeter help config > fleet.yaml && fleetmeter rules check"});
  command.positional("verb");
  int exit_code = kExitDone;
  const auto values = command.parse(line, exit_code);
  if (!values) return exit_code;
  std::vector<std::string> words;
  if (values->count("verb") > 0) words = (*values)["verb"].as<std::vector<std::string>>();
  if (words.empty() || words.front() != "check") {
    return fail(kExitUsage, (words.empty() ? "rules needs a verb"
                                           : "rules: `" + words.front() + "` is not a verb") +
                                std::string("; there is: check"));
  }
  words.erase(words.begin());
  if (words.empty()) words.emplace_back("fleet.yaml");
  return check(words);
}

}  // namespace fleetmeter::app
