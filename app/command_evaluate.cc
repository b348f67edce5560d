#include <spdlog/spdlog.h>

#include "alarms/json_text.h"
#include "app/command.h"
#include "app/cost_view.h"
#include "app/kafka_evaluation.h"
#include "app/yaml_reader.h"

namespace fleetmeter::app {

namespace {

ingest::HttpResponse json_or_error(const Result<std::string>& body) {
  if (body) return {200, "application/json", *body, {}};
  const bool theirs = body.error().code == ErrorCode::kInvalidArgument;
  return {theirs ? 400u : 503u,
          "application/json",
          "{\"schema\":1,\"error\":" + alarms::json_string(body.error().message) + "}",
          {}};
}

/// The bill of all shards, as `run` serves that of its one process.
std::optional<ingest::HttpResponse> answer(const KafkaEvaluation& evaluation,
                                           const ingest::HttpRequest& request) {
  const auto value = [&request](const char* key) {
    const auto found = request.query.find(key);
    return found == request.query.end() ? std::string() : found->second;
  };
  const std::int64_t now_s = evaluation.clock().wall().time_since_epoch().count() / 1000;
  if (request.path == "/api/v1/cost") {
    const CostQuery query{value("month"), value("basis"), value("environment"), now_s,
                          evaluation.config().budgets};
    return json_or_error(
        cost_report_json(evaluation.cost_db_path(), evaluation.inventory(), query));
  }
  if (request.path == "/api/v1/flows") {
    const std::string given = value("hours");
    const auto hours = parse_integer(given.empty() ? "24" : given);
    if (!hours || *hours < 1 || *hours > 9600) {
      return json_or_error(
          Error{ErrorCode::kInvalidArgument, "hours: must be a number from 1 to 9600"});
    }
    return json_or_error(
        flows_json(evaluation.cost_db_path(), now_s, static_cast<std::uint32_t>(*hours)));
  }
  return std::nullopt;
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
  if (auto started = evaluation.start(); !started) return fail(started.error());
  WorkerHealth health(
      [&] {
        const auto failed = evaluation.failure();
        return failed ? failed->message : std::string();
      },
      [&] { return evaluation.not_ready(); },
      [&](const ingest::HttpRequest& request) { return answer(evaluation, request); });
  if (!options.no_http) {
    if (auto serving = health.start(listen); !serving) return fail(serving.error());
  }
  while (!stop_signals().wait_for(500)) {
    if (const auto why = evaluation.failure()) {
      spdlog::error("evaluation has failed: {}", why->message);
      health.stop();
      evaluation.drain();
      return why->code == ErrorCode::kInvalidArgument ? fail(*why) : kExitPartly;
    }
  }
  spdlog::info("stopping: releasing what is owned");
  health.stop();
  evaluation.drain();
  return kExitDone;
}

}  // namespace fleetmeter::app
