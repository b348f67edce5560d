#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aggregator/inventory.h"
#include "app/command.h"
#include "app/config.h"
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

/// /health (503 once `failure` says why) and /ready (503 with the reasons) of a worker, and what
/// else it answers; nullopt = there is nothing there.
class WorkerHealth {
 public:
  using Answer = std::function<std::optional<ingest::HttpResponse>(const ingest::HttpRequest&)>;
  WorkerHealth(std::function<std::string()> failure,
               std::function<std::vector<std::string>()> not_ready, Answer more = {});
  ~WorkerHealth();
  Result<void> start(const std::string& listen);
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fleetmeter::app
