#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aggregator/inventory.h"
#include "app/command.h"
#include "app/config.h"
#include "app/http_answers.h"
#include "ingest/http_server.h"
#include "proto/clock.h"

namespace fleetmeter::app {

/// What `ingest` and `evaluate` have in common before they start.
struct KafkaCommandOptions {
  std::string config = "fleet.yaml", instance, listen, log_level = "info";
  bool no_http = false;
};
void add_kafka_options(Command& command, KafkaCommandOptions& options);

struct KafkaSetup {
  std::unique_ptr<Clock> clock;
  Config config;
  ingest::KafkaLogOptions log;  ///< With instance and state directory filled in.
  std::shared_ptr<const aggregator::Inventory> inventory;
};
/// Logging, clock, configuration and inventory; the error says what to fix.
[[nodiscard]] Result<KafkaSetup> set_up_kafka_command(const KafkaCommandOptions& options);
/// The connection's properties with its secrets resolved.
[[nodiscard]] Result<ingest::KafkaSourceOptions> resolve_kafka(const KafkaConfig& config);

/// What a worker serves: /health, /ready, /metrics, a list of them at /, and what `more` answers.
struct WorkerPages {
  std::string fleet;
  std::function<std::optional<std::string>()> failure;  ///< Why it has failed for good.
  std::function<std::vector<std::string>()> not_ready;
  std::function<std::string()> metrics;
  std::vector<HttpRoute> more_routes = {};
  std::function<ingest::HttpResponse(const ingest::HttpRequest&)> more = {};  ///< For those alone.
};

/// The HTTP API of a worker, with the contract of that of `run` (docs/api.md).
class WorkerApi {
 public:
  explicit WorkerApi(WorkerPages pages);
  ~WorkerApi();
  Result<void> start(const std::string& listen);
  void stop();

  /// One request to its answer; public for tests.
  [[nodiscard]] ingest::HttpResponse answer(const ingest::HttpRequest& request) const;

 private:
  WorkerPages pages_;
  std::vector<HttpRoute> routes_{kHealthRoute, kReadyRoute, kMetricsRoute};
  std::unique_ptr<ingest::HttpServer> server_;
};

}  // namespace fleetmeter::app
