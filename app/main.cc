#include <string_view>

#include "app/command.h"

namespace {

using fleetmeter::app::CommandLine;

struct SubCommand {
  std::string_view name;
  int (*run)(const CommandLine&);
};

constexpr SubCommand kSubCommands[] = {
    {"run", fleetmeter::app::command_run},           {"ingest", fleetmeter::app::command_ingest},
    {"evaluate", fleetmeter::app::command_evaluate}, {"replay", fleetmeter::app::command_replay},
    {"cost", fleetmeter::app::command_cost},         {"rules", fleetmeter::app::command_rules},
    {"flows", fleetmeter::app::command_flows},       {"generate", fleetmeter::app::command_generate},
    {"receive", fleetmeter::app::command_receive},   {"version", fleetmeter::app::command_version},
    {"--version", fleetmeter::app::command_version}, {"help", fleetmeter::app::command_help},
    {"--help", fleetmeter::app::command_help},       {"-h", fleetmeter::app::command_help},
};

}  // namespace

int main(int argc, char** argv) {
  (void)fleetmeter::app::stop_signals();  // First: threads started later inherit the blocked mask.
  if (argc < 2) {
    (void)fleetmeter::app::command_help({});
    return fleetmeter::app::kExitUsage;
  }
  const std::string_view name = argv[1];
  const CommandLine line{std::vector<std::string>(argv + 2, argv + argc)};
  for (const SubCommand& command : kSubCommands) {
    if (command.name == name) return command.run(line);
  }
  return fleetmeter::app::fail(fleetmeter::app::kExitUsage,
                               "`" + std::string(name) + "` is not a command; `fleetmeter help` lists them");
}
