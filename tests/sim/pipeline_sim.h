#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "aggregator/inventory.h"
#include "cost/usage_store.h"
#include "proto/clock.h"
#include "tests/sim/memory_log.h"
#include "tests/sim/telemetry.h"

namespace fleetmeter::sim {

/// What goes wrong, and how the telemetry arrives. Probabilities are per step (about 12 s) or per
/// commit.
struct Faults {
  /// An acknowledged request comes again, up to ten minutes later; an answer is lost on the way.
  double redeliver = 0;
  /// Up to so long after they are known, records are pushed or written.
  std::int64_t late_max_s = 0;
  /// The process dies between two steps, or in a commit, before or after it is durable.
  double crash = 0;
  double refuse = 0;     ///< A commit is refused.
  double lose_bill = 0;  ///< In a crash the cost database is lost as well.
  /// Times that the process is stopped for 2 to 20 min; what was to come then is given up.
  int pauses = 0;
  /// A second evaluator takes over while the first, paused, thinks that it goes on.
  double hand_over = 0;
  /// In a crash the newest snapshot is damaged: the one before it is used.
  double damage = 0;
  /// The wall clock of the process steps by up to so much, either way, now and then.
  double clock_step = 0;
  std::int64_t clock_step_max_s = 0;
  /// The file cannot be reached for a while, others can: its source falls behind, or stalls.
  double unreachable = 0;
  std::int64_t unreachable_max_s = 0;
  /// A configuration or inventory comes that says the same of all that telemetry speaks of; with a
  /// restart or, an inventory, without.
  double change = 0;
  bool idle_source = false;  ///< One more source, in which nothing ever happens.
  bool bill = true;          ///< Keep the hourly usage.
};

/// The real pipeline (Decoder, Batcher, EvaluationLoop, UsageStore) between simulated senders, a
/// log in memory and a simulated receiver, on a clock that moves only here. Telemetry seed, fault
/// seed and faults fix everything.
class PipelineSim {
 public:
  PipelineSim(const Telemetry& telemetry, std::uint32_t seed, const Faults& faults,
              Rules rules = Rules::kPresent);
  ~PipelineSim();

  /// All of the telemetry, until it is acknowledged, read and evaluated: 25 min beyond its end.
  void run();

  [[nodiscard]] std::uint64_t bytes_billed();
  [[nodiscard]] std::uint64_t records_billed();
  /// Total of one kind of hourly usage over all environments.
  [[nodiscard]] std::uint64_t usage_of(const std::string& kind);
  [[nodiscard]] std::string bill();  ///< Every row of the hourly usage as text, sorted.
  /// The same, as a new cost database makes it of these records.
  [[nodiscard]] std::string bill_of(std::span<const aggregator::LogEntry> entries);
  /// Lines of the event log up to a grid time, sorted by (environment, time, id).
  [[nodiscard]] std::vector<std::string> events(std::int64_t until_s) const;
  [[nodiscard]] std::vector<proto::Event> event_records() const;
  [[nodiscard]] const MemoryDisk& disk() const;

  /// (event id, receiver) -> the bodies that came; attempts that were answered or not.
  using Arrived = std::map<std::pair<std::string, std::string>, std::set<std::string>>;
  [[nodiscard]] const Arrived& arrived() const;
  struct Counts {
    std::uint64_t crashes = 0, refusals = 0, repeats = 0, lost_answers = 0, sent_twice = 0,
                  fenced = 0, rereads = 0, damaged = 0, clock_steps = 0, spells = 0, changes = 0;
  };
  [[nodiscard]] const Counts& counts() const;

  /// Spans [down, up) of the pauses, and the slots (machine, end) whose datapoint was taken in.
  [[nodiscard]] const std::vector<std::pair<std::int64_t, std::int64_t>>& pauses() const;
  [[nodiscard]] const std::set<std::pair<int, std::int64_t>>& delivered() const;
  /// Why it could not go on: an error that no fault explains. Empty = nothing.
  [[nodiscard]] const std::string& broken() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Parsed once; every run shares it. `grown` has one more machine that nothing is heard of.
[[nodiscard]] std::shared_ptr<const aggregator::Inventory> fleet_inventory(bool grown = false);

}  // namespace fleetmeter::sim
