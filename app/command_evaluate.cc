#include <spdlog/spdlog.h>

#include "app/command.h"
#include "app/kafka_evaluation.h"
#include "app/stop_on_signal.h"

namespace fleetmeter::app {

namespace {

/// The bill of all shards, as `run` serves that of its one process.
ingest::HttpResponse answer(const KafkaEvaluation& evaluation, const ingest::HttpRequest& request) {
  const std::int64_t now_s = evaluation.clock().wall().time_since_epoch().count() / 1000;
  if (request.path == kFlowsRoute.path)
    return flows_answer(request, evaluation.cost_db_path(), now_s);
  return cost_answer(request, evaluation.cost_db_path(), evaluation.inventory(),
                     evaluation.config(), now_s);
}

}  // namespace

int command_evaluate(const CommandLine& line) {
  KafkaCommandOptions options;
  Command command(
      "fleetmeter evaluate [OPTION]...",
      "Evaluates the aggregate topic: alarms, scaling, delivery, and the bill of all shards. Start "
      "several: each owns some\n"
      "partitions, and a survivor takes over those of one that died. Serves /health, /ready, "
      "/metrics, /api/v1/cost and\n"
      "/api/v1/flows. SIGTERM and Ctrl-C drain.",
      {"fleetmeter evaluate -c fleet.yaml",
       "fleetmeter evaluate -c fleet.yaml --instance evaluate-0 --http 0.0.0.0:8080"});
  add_kafka_options(command, options);
  int exit_code = kExitDone;
  if (!command.parse(line, exit_code)) return exit_code;
  auto setup = set_up_kafka_command(options);
  if (!setup) return fail(setup.error());
  const std::string listen = options.listen.empty() ? setup->config.http_listen : options.listen;
  KafkaEvaluation evaluation(*std::move(setup));
  {
    const StopOnSignal starting;
    if (auto started = evaluation.start(starting.token()); !started) {
      const bool stopped =
          started.error().code == ErrorCode::kUnavailable && starting.token().stop_requested();
      return stopped ? kExitDone : fail(started.error());
    }
  }
  WorkerApi api(
      {.fleet = evaluation.config().fleet,
       .failure = [&]() -> std::optional<std::string> {
         const auto failed = evaluation.failure();
         return failed ? std::optional(failed->message) : std::nullopt;
       },
       .not_ready = [&] { return evaluation.not_ready(); },
       .metrics = [&] { return evaluation.metrics(); },
       .more_routes = {kCostRoute, kFlowsRoute},
       .more = [&](const ingest::HttpRequest& request) { return answer(evaluation, request); }});
  if (!options.no_http) {
    if (auto serving = api.start(listen); !serving) return fail(serving.error());
  }
  while (!stop_signals().wait_for(500)) {
    const auto why = evaluation.failure();
    if (!why) continue;
    exit_code = fail(*why);
    break;
  }
  spdlog::info("stopping: releasing what is owned");
  evaluation.drain();  // Until it has, /health says why it ends.
  api.stop();
  return exit_code;
}

}  // namespace fleetmeter::app
