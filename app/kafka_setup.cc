#include "app/kafka_setup.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include "app/logging.h"
#include "app/test_clock.h"
#include "app/test_fault.h"

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
      "host:port of the API instead of the configuration's; port 0 takes a free one")(
      "no-http", po::bool_switch(&options.no_http), "serve no API")(
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
  if (auto there = check_inventory(setup.config); !there) return std::move(there).error();
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

WorkerApi::WorkerApi(WorkerPages pages) : pages_(std::move(pages)) {
  routes_.insert(routes_.end(), pages_.more_routes.begin(), pages_.more_routes.end());
}
WorkerApi::~WorkerApi() { stop(); }

ingest::HttpResponse WorkerApi::answer(const ingest::HttpRequest& request) const {
  if (auto refused = refuse(request, routes_)) return *std::move(refused);
  if (request.path == "/") return index_answer(pages_.fleet, routes_);
  if (request.path == kHealthRoute.path) return health_answer(pages_.failure());
  if (request.path == kReadyRoute.path) return ready_answer(pages_.not_ready());
  if (request.path == kMetricsRoute.path) return metrics_answer(pages_.metrics());
  for (const HttpRoute& route : pages_.more_routes) {
    if (request.path == route.path) return pages_.more(request);
  }
  return no_such_path();
}

Result<void> WorkerApi::start(const std::string& listen) {
  ingest::HttpServerOptions options;
  options.listen = listen;
  options.threads = 1;
  options.refuse = [](const ingest::HttpRequest&, unsigned status, const std::string& why) {
    return error_answer(status, why);
  };
  server_ = std::make_unique<ingest::HttpServer>(
      std::move(options), [this](ingest::HttpRequest& request) { return answer(request); });
  if (auto started = server_->start(); !started) return cannot_serve(std::move(started).error());
  spdlog::info("HTTP API listens on port {}", server_->port());
  return {};
}

void WorkerApi::stop() {
  if (server_) server_->stop();
}

}  // namespace fleetmeter::app
