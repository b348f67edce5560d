#include <spdlog/spdlog.h>

#include "app/command.h"
#include "app/kafka_evaluation.h"

namespace fleetmeter::app {

namespace {

/// Until a broker answers or a signal comes; false on the latter.
Result<bool> start(KafkaEvaluation& evaluation) {
  for (;;) {
    auto started = evaluation.start();
    if (started) return true;
    if (started.error().code != ErrorCode::kUnavailable) return std::move(started).error();
    spdlog::warn("{}; trying again", started.error().message);
    evaluation.drain();
    if (stop_signals().wait_for(1000)) return false;
  }
}

}  // namespace

int command_evaluate(const CommandLine& line) {
  KafkaCommandOptions options;
  Command command(
      "fleetmeter evaluate [OPTION]...",
      "Evaluates the aggregate topic: alarms, scaling, delivery, and the bill of all shards. Start "
      "several: each owns some\n"
      "partitions, and a survivor takes over those of one that died. SIGTERM and Ctrl-C drain.",
      {"fleetmeter evaluate -c fleet.yaml",
       "fleetmeter evaluate -c fleet.yaml --instance evaluate-0 --http 0.0.0.0:8080"});
  add_kafka_options(command, options);
  int exit_code = kExitDone;
  if (!command.parse(line, exit_code)) return exit_code;
  auto setup = set_up_kafka_command(options);
  if (!setup) return fail(setup.error());
  const std::string listen = options.listen.empty() ? setup->config.http_listen : options.listen;
  KafkaEvaluation evaluation(*std::move(setup));
  auto started = start(evaluation);
  if (!started) return fail(started.error());
  if (!*started) return kExitDone;
  WorkerHealth health([&] { return evaluation.failure().value_or(""); },
                      [&] { return evaluation.not_ready(); });
  if (!options.no_http) {
    if (auto serving = health.start(listen); !serving) return fail(serving.error());
  }
  while (!stop_signals().wait_for(500)) {
    if (const auto why = evaluation.failure()) {
      spdlog::error("evaluation has failed: {}", *why);
      health.stop();
      evaluation.drain();
      return kExitPartly;
    }
  }
  spdlog::info("stopping: releasing what is owned");
  health.stop();
  evaluation.drain();
  return kExitDone;
}

}  // namespace fleetmeter::app
