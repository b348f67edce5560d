#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "app/kafka_setup.h"

namespace fleetmeter::app {

/// `fleetmeter evaluate`: cost.db over all log partitions, so that any one process serves the bill
/// of all shards; an evaluation loop for each partition of the aggregate topic that the group gives
/// to this process, with its usage among its outputs; delivery of their outbox. Only wires.
class KafkaEvaluation {
 public:
  explicit KafkaEvaluation(KafkaSetup setup);
  ~KafkaEvaluation();

  /// Takes the state directory, waiting up to a session timeout for a predecessor that is ending,
  /// or until `stop`. Connects in the background, for as long as it takes.
  Result<void> start(const std::stop_token& stop = {});
  /// Releases every partition: what was read is evaluated and committed, with a snapshot.
  void drain();
  /// What has ended it, or one of its partitions, for good.
  [[nodiscard]] std::optional<Error> failure() const;
  [[nodiscard]] std::vector<std::string> not_ready() const;
  [[nodiscard]] std::string metrics() const;  ///< Of its deliveries; Prometheus text.

  [[nodiscard]] std::string cost_db_path() const;
  [[nodiscard]] const aggregator::Inventory& inventory() const;
  [[nodiscard]] const Config& config() const;
  [[nodiscard]] const Clock& clock() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fleetmeter::app
