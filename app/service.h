#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "aggregator/aggregate_log.h"
#include "app/config.h"
#include "app/evaluation_loop.h"
#include "cost/usage_store.h"
#include "ingest/source.h"
#include "proto/clock.h"
#include "proto/result.h"

namespace fleetmeter::app {

struct ServiceOptions {
  bool until_eof = false;        ///< Bounded: end when every file is read and evaluated.
  bool deliver = true;           ///< With until_eof only when asked for.
  bool scratch = false;          ///< The state directory goes with the process.
  std::string environment = {};  ///< Forced for every record; empty = by the inventory.
  /// Test hook of the stores, sources and delivery.
  std::function<void(std::string_view)> fault = {};
  std::stop_token stop = {};  ///< Ends a start() that waits for room on the disk.
  /// Bounded sources: bytes.
  std::function<void(std::uint64_t done, std::uint64_t all)> on_read = {};
  std::function<void(std::int64_t done, std::int64_t all)> on_evaluate = {};  ///< Log positions.
};

/// One process: sources -> SQLite log -> evaluator -> outbox -> delivery, and cost.db. Only wires;
/// rules live below. start() in dependency order, drain() in reverse: what was read is durable and
/// evaluated, the outbox is safe.
class Service {
 public:
  Service(Config config, const Clock& clock, ServiceOptions options);
  ~Service();

  /// Inventory and stores: from here on the API may ask, and is told that it is not ready.
  Result<void> open();
  /// Opens what is not open yet, recovers, which waits while the disk is full, and begins to read.
  Result<void> start();
  /// Bounded runs: reads everything, evaluates to the end, delivers when asked to. The error is the
  /// first that stopped it; `stop` ends it early, and the next run on the state goes on from there.
  Result<void> run_to_end(const std::stop_token& stop = {});
  /// All sources are bounded: InputEnd follows when they are read; the API stays up.
  [[nodiscard]] bool bounded() const noexcept;
  void drain();

  [[nodiscard]] const Config& config() const noexcept;
  [[nodiscard]] std::shared_ptr<const EvaluationView> view() const;
  [[nodiscard]] aggregator::AggregateLog& log() noexcept;
  [[nodiscard]] ingest::IngestCounters& counters() noexcept;
  [[nodiscard]] const alarms::DeliveryCounters* delivery()
      const noexcept;  ///< Null when nothing is delivered.
  [[nodiscard]] std::string cost_db_path() const;
  [[nodiscard]] std::shared_ptr<const aggregator::Inventory> inventory() const;
  [[nodiscard]] const std::vector<aggregator::Inventory::Problem>& inventory_warnings()
      const noexcept;
  [[nodiscard]] std::vector<std::uint16_t> firehose_ports() const;

  /// Why the pipeline has failed for good; nullopt = it works. /health answers 503 on it.
  [[nodiscard]] std::optional<std::string> failure() const;
  /// Why it does not take or evaluate data right now (backlog, full disk); empty = ready. /ready.
  [[nodiscard]] std::vector<std::string> not_ready() const;
  /// What /ready says besides, without being less ready for it: that the log is kept for fewer days
  /// than asked for (docs/time.md 11).
  [[nodiscard]] std::vector<std::string> notes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fleetmeter::app
