#include <algorithm>
#include <iterator>
#include <string_view>

#include "app/command.h"
#include "app/yaml_reader.h"
#include "ingest/descriptor_share.h"

namespace {

using fleetmeter::app::CommandLine;

struct SubCommand {
  std::string_view name;
  int (*run)(const CommandLine&);
  bool drains;  // Ends by SIGTERM or Ctrl-C with everything durable; the others just end.
};

constexpr SubCommand kSubCommands[] = {
    {"run", fleetmeter::app::command_run, true},
    {"ingest", fleetmeter::app::command_ingest, true},
    {"evaluate", fleetmeter::app::command_evaluate, true},
    {"replay", fleetmeter::app::command_replay, true},
    {"cost", fleetmeter::app::command_cost, false},
    {"rules", fleetmeter::app::command_rules, false},
    {"flows", fleetmeter::app::command_flows, false},
    {"generate", fleetmeter::app::command_generate, false},
    {"receive", fleetmeter::app::command_receive, true},
    {"version", fleetmeter::app::command_version, false},
    {"--version", fleetmeter::app::command_version, false},
    {"help", fleetmeter::app::command_help, false},
    {"--help", fleetmeter::app::command_help, false},
    {"-h", fleetmeter::app::command_help, false},
};

int no_such_command(std::string_view name) {
  std::vector<std::string> known;
  std::transform(std::begin(kSubCommands), std::end(kSubCommands), std::back_inserter(known),
                 [](const SubCommand& command) { return std::string(command.name); });
  const std::string near = fleetmeter::app::nearest_word(name, known);
  return fleetmeter::app::fail(fleetmeter::app::kExitUsage,
                               "`" + std::string(name) + "` is not a command; " +
                                   (near.empty() ? "" : "did you mean `" + near + "`? ") +
                                   "`fleetmeter help` lists them");
}

}  // namespace

int main(int argc, char** argv) {
  fleetmeter::app::occupy_closed_streams();
  if (argc < 2) {
    (void)fleetmeter::app::command_help({});
    return fleetmeter::app::kExitUsage;
  }
  fleetmeter::ingest::raise_descriptor_limit();
  const std::string_view name = argv[1];
  const CommandLine line{std::vector<std::string>(argv + 2, argv + argc)};
  for (const SubCommand& command : kSubCommands) {
    if (command.name != name) continue;
    if (command.drains)
      (void)fleetmeter::app::stop_signals();  // Before any thread: they inherit the blocked mask.
    return fleetmeter::app::flush_output(command.run(line));
  }
  return no_such_command(name);
}
