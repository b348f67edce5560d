#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "aggregator/aggregate_log.h"
#include "proto/clock.h"
#include "proto/result.h"

namespace fleetmeter::alarms {

/// Tells the log of scaling actions that never reached their group, so that the evaluator takes the
/// decision back (docs/alarms.md, "Scaling"; ARCHITECTURE.md D1). What is told is one Observation
/// per action: environment and group of the event, `event_id`, `receiver`, `result` "expired" or
/// "failed", and the wall clock as its time; in the log partition of the environment.
///
/// Once, whatever crashes: the observation is durable before the delivery result is, together with
/// a key that says so, and an action that was told of is never sent again, by no later process
/// either. So a crash between the two leaves an entry that is concluded at the next start without a
/// second observation. Keys are kept 48 h; a repeat after that is harmless, the evaluator knows a
/// decision by its event. Any thread, as the log.
class ActionOutcomes {
 public:
  using PartitionOf = std::function<aggregator::LogPartition(std::string_view environment)>;
  /// `log` and `clock` must outlive it. Without `partition_of` everything goes to partition 0.
  ActionOutcomes(aggregator::AggregateLog& log, const Clock& clock, PartitionOf partition_of = {});

  /// What the log was told of `entry`, an action: kExpired or kDead; nullopt = nothing yet.
  [[nodiscard]] Result<std::optional<aggregator::DeliveryState>> told(
      const aggregator::OutboxEntry& entry);
  /// Makes durable that `entry`, an action, ended as its state says: kExpired or kDead. Nothing
  /// happens when the log was told before. kNotFound: its event is not kept any more (13 months), so
  /// nobody can be told; kUnavailable: try again; kFenced: the partition has another owner.
  [[nodiscard]] Result<void> tell(const aggregator::OutboxEntry& entry);

 private:
  [[nodiscard]] Result<proto::Event> event_of(const aggregator::OutboxEntry& entry);

  aggregator::AggregateLog& log_;
  const Clock& clock_;
  PartitionOf partition_of_;
};

}  // namespace fleetmeter::alarms
