#include <spdlog/spdlog.h>

#include <iostream>

#include "app/command.h"
#include "app/kafka_setup.h"
#include "app/metrics.h"
#include "app/run_summary.h"
#include "app/shard_table.h"
#include "ingest/kafka_source.h"

namespace fleetmeter::app {

namespace {

using Members = std::vector<std::unique_ptr<ingest::KafkaIngest>>;

/// One group member for each Kafka source of the configuration.
Result<Members> start_members(const KafkaSetup& setup, const std::string& environment,
                              const ingest::InventoryHolder& inventory,
                              ingest::IngestCounters& counters) {
  if (setup.config.kafka.empty()) {
    return Error{ErrorCode::kInvalidArgument,
                 setup.config.file + ": `ingest` reads Kafka; name a `kafka:` under `sources:`"};
  }
  Members members;
  for (const KafkaConfig& kafka : setup.config.kafka) {
    auto input = resolve_kafka(kafka);
    if (!input) return std::move(input).error();
    if (!environment.empty()) input->settings.environment = environment;
    ingest::KafkaLogOptions log = setup.log;
    log.instance += "." + std::to_string(members.size());
    auto member = ingest::make_kafka_ingest(*setup.clock, inventory, counters, *std::move(input),
                                            std::move(log), shard_table(setup.config));
    if (auto started = member->start(); !started) return std::move(started).error();
    members.push_back(std::move(member));
  }
  return members;
}

std::optional<std::string> failure_of(const Members& members) {
  for (const auto& member : members) {
    if (auto failed = member->failure()) return failed->message;
  }
  return std::nullopt;
}

std::vector<std::string> blocked(const Members& members) {
  std::vector<std::string> reasons;
  for (const auto& member : members) {
    if (std::string why = member->blocked(); !why.empty()) reasons.push_back(std::move(why));
  }
  return reasons;
}

}  // namespace

int command_ingest(const CommandLine& line) {
  KafkaCommandOptions options;
  std::string environment;
  Command command(
      "fleetmeter ingest [OPTION]...",
      "Reads the Kafka topics of `sources:` as a member of their group, and writes aggregates, "
      "progress and the offsets\n"
      "they come from to the aggregate topic in one transaction. Start as many as there are "
      "partitions. Serves /health,\n"
      "/ready and /metrics.",
      {"fleetmeter ingest -c fleet.yaml",
       "fleetmeter ingest -c fleet.yaml --instance ingest-0 --no-http"});
  add_kafka_options(command, options);
  command.options().add_options()("environment", boost::program_options::value(&environment),
                                  "environment of every record, whatever the inventory says");
  int exit_code = kExitDone;
  if (!command.parse(line, exit_code)) return exit_code;
  auto setup = set_up_kafka_command(options);
  if (!setup) return fail(setup.error());
  if (auto known = check_environment(setup->config, environment); !known)
    return fail(known.error());
  const ingest::InventoryHolder inventory(setup->inventory);
  ingest::IngestCounters counters;
  auto members = start_members(*setup, environment, inventory, counters);
  if (!members) return fail(members.error());
  WorkerApi api({.fleet = setup->config.fleet,
                 .failure = [&] { return failure_of(*members); },
                 .not_ready = [&] { return blocked(*members); },
                 .metrics = [&] { return metrics_text(counters); }});
  if (!options.no_http) {
    const std::string listen = options.listen.empty() ? setup->config.http_listen : options.listen;
    if (auto serving = api.start(listen); !serving) return fail(serving.error());
  }
  while (!stop_signals().wait_for(500)) {
    const auto why = failure_of(*members);
    if (!why) continue;
    exit_code = fail(kExitUsage, *why);
    break;
  }
  spdlog::info("stopping: committing what was read");
  api.stop();
  for (const auto& member : *members) member->stop();
  std::cerr << data_quality(counters);
  return exit_code;
}

}  // namespace fleetmeter::app
