#include "app/kafka_setup.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include "alarms/json_text.h"
#include "app/logging.h"
#include "app/test_clock.h"
#include "app/test_fault.h"
#include "ingest/http_server.h"

namespace fleetmeter::app {

namespace {

namespace po = boost::program_options;

/// Of this process alone: two that share a name would fence each other.
std::string default_instance() {
  char host[256] = "host";
  (void)::gethostname(host, sizeof host - 1);
  return std::string(host) + "-" + std::to_string(::getpid());
}

Result<std::shared_ptr<const aggregator::Inventory>> load_inventory(const Config& config) {
  if (config.inventory.empty()) return aggregator::Inventory::empty(config.environments);
  std::vector<aggregator::Inventory::Problem> warnings;
  auto loaded = aggregator::Inventory::load(config.inventory, config.environments, warnings);
  for (const auto& warning : warnings) spdlog::warn("{}: {}", warning.file, warning.message);
  return loaded;
}

}  // namespace

void add_kafka_options(Command& command, KafkaCommandOptions& options) {
  command.options().add_options()(
      "config,c", po::value(&options.config)->default_value(options.config), "configuration file")(
      "instance", po::value(&options.instance),
      "name of this process, unlike that of every other; one that a restart keeps is taken over "
      "faster (default: kafka_log.instance, else host and process id)")(
      "http", po::value(&options.listen),
      "host:port of /health and /ready instead of the configuration's; port 0 takes a free one")(
      "no-http", po::bool_switch(&options.no_http), "serve no /health and /ready")(
      "log-level", po::value(&options.log_level)->default_value(options.log_level),
      "debug, info, warn, error or off");
}

Result<KafkaSetup> set_up_kafka_command(const KafkaCommandOptions& options) {
  if (!set_up_logging(options.log_level)) {
    return Error{ErrorCode::kInvalidArgument, "--log-level: `" + options.log_level +
                                                  "` is none of debug, info, warn, error, off"};
  }
  KafkaSetup setup;
  auto clock = make_clock();
  if (!clock) return std::move(clock).error();
  setup.clock = *std::move(clock);
  std::vector<ConfigProblem> warnings;
  auto config = load_config(options.config, warnings);
  if (!config) return std::move(config).error();
  for (const ConfigProblem& warning : warnings)
    spdlog::warn("{}:{}: {}", options.config, warning.line, warning.text());
  setup.config = *std::move(config);
  if (setup.config.kafka_log.connection.brokers.empty()) {
    return Error{
        ErrorCode::kInvalidArgument,
        options.config + ": `kafka_log:` is missing; write kafka_log: { brokers: \"host:9092\" }"};
  }
  auto inventory = load_inventory(setup.config);
  if (!inventory) return std::move(inventory).error();
  setup.inventory = *std::move(inventory);
  auto log = resolve_kafka_log(setup.config);
  if (!log) return std::move(log).error();
  setup.log = *std::move(log);
  setup.log.state_dir = setup.config.state;
  if (!options.instance.empty()) setup.log.instance = options.instance;
  if (setup.log.instance.empty()) setup.log.instance = default_instance();
  setup.log.fault = test_fault();
  return setup;
}

Result<ingest::KafkaSourceOptions> resolve_kafka(const KafkaConfig& config) {
  ingest::KafkaSourceOptions made = config.options;
  for (const auto& [property, secret] : config.secrets) {
    auto value = resolve_secret(secret);
    if (!value) return std::move(value).error().with_context("sources: kafka: " + property);
    made.connection.properties[property] = *std::move(value);
  }
  return made;
}

struct WorkerHealth::State {
  std::function<std::string()> failure;
  std::function<std::vector<std::string>()> not_ready;
  Answer more;
  std::unique_ptr<ingest::HttpServer> server;

  [[nodiscard]] ingest::HttpResponse answer(const ingest::HttpRequest& request) const;
};

ingest::HttpResponse WorkerHealth::State::answer(const ingest::HttpRequest& request) const {
  using alarms::json_string;
  ingest::HttpResponse response;
  if (request.path == "/health") {
    const std::string why = failure();
    response.status = why.empty() ? 200 : 503;
    response.body = std::string("{\"status\":\"") + (why.empty() ? "healthy" : "failed") +
                    "\",\"version\":" + json_string(std::string(kVersion)) + "}";
    return response;
  }
  if (request.path == "/ready") {
    const std::vector<std::string> reasons = not_ready();
    response.status = reasons.empty() ? 200 : 503;
    response.body = "{\"schema\":1,\"ready\":" + std::string(reasons.empty() ? "true" : "false") +
                    ",\"reasons\":[";
    for (const std::string& reason : reasons) {
      if (response.body.back() != '[') response.body += ',';
      response.body += json_string(reason);
    }
    response.body += "]}";
    return response;
  }
  if (more) {
    if (auto made = more(request)) return *std::move(made);
  }
  response.status = 404;
  response.body = "{\"schema\":1,\"error\":\"a worker serves /health and /ready" +
                  std::string(more ? ", /api/v1/cost and /api/v1/flows" : "") + "\"}";
  return response;
}

WorkerHealth::WorkerHealth(std::function<std::string()> failure,
                           std::function<std::vector<std::string>()> not_ready, Answer more)
    : state_(std::make_unique<State>()) {
  state_->failure = std::move(failure);
  state_->not_ready = std::move(not_ready);
  state_->more = std::move(more);
}
WorkerHealth::~WorkerHealth() { stop(); }

Result<void> WorkerHealth::start(const std::string& listen) {
  ingest::HttpServerOptions options;
  options.listen = listen;
  options.threads = 1;
  state_->server = std::make_unique<ingest::HttpServer>(
      std::move(options),
      [state = state_.get()](ingest::HttpRequest& request) { return state->answer(request); });
  if (auto started = state_->server->start(); !started) return started;
  spdlog::info("/health and /ready listen on port {}", state_->server->port());
  return {};
}

void WorkerHealth::stop() {
  if (state_->server) state_->server->stop();
}

}  // namespace fleetmeter::app
