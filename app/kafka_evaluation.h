#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/kafka_setup.h"

namespace fleetmeter::app {

/// `fleetmeter evaluate`: an evaluation loop for each partition of the aggregate topic that the
/// group gives to this process, delivery of their outbox, and cost.db over all partitions, so that
/// any one process serves the bill of all shards. Only wires.
class KafkaEvaluation {
 public:
  explicit KafkaEvaluation(KafkaSetup setup);
  ~KafkaEvaluation();

  /// kUnavailable: no broker answers; call again.
  Result<void> start();
  /// Releases every partition: what was read is evaluated and committed, with a snapshot.
  void drain();
  [[nodiscard]] std::optional<std::string> failure() const;
  [[nodiscard]] std::vector<std::string> not_ready() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fleetmeter::app
