#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "cost/usage_store.h"
#include "ingest/kafka_usage.h"
#include "proto/clock.h"

namespace fleetmeter::app {

/// cost.db of a process of `evaluate`: a view of PREFIX.usage over all log partitions, so that any
/// one process serves the bill of all shards, and what the owner of a partition adds to. The truth
/// is the topic; losing the file costs only time. Thread safe.
///
/// A partition's rows change in one of two ways. Of one that is not ours, follow() takes in what
/// its owner has committed, transaction by transaction. Of one that is taken, the owner's loop asks
/// totals(), commits them with its outputs, and says committed(); follow() leaves it alone.
class KafkaBill {
 public:
  /// The file alone, of the topic under `prefix`. kUnavailable: another process holds it.
  /// kInvalidArgument: it is a view of something else.
  static Result<std::unique_ptr<KafkaBill>> open(const std::string& cost_db, const Clock& clock,
                                                 const std::string& prefix);
  /// The topic, before any call below; once it has worked, another call does nothing. kUnavailable:
  /// no broker.
  Result<void> connect(const ingest::KafkaLogOptions& options);

  /// One round over the partitions that are not taken; false when nothing was new.
  Result<bool> follow();

  /// Brings the partition to the end of the topic, which must be settled, and keeps follow() away.
  /// Returns the log position that its rows hold.
  Result<aggregator::LogPosition> take(aggregator::LogPartition partition);
  void release(aggregator::LogPartition partition);
  /// What `entries`, the next ones of a taken partition, make of its totals; Outputs::usage.
  Result<std::vector<aggregator::UsageRecord>> totals(
      aggregator::LogPartition partition, std::span<const aggregator::LogEntry> entries);
  /// They are in the topic, up to before `next_offset`.
  void committed(aggregator::LogPartition partition,
                 std::span<const aggregator::UsageRecord> records, std::int64_t next_offset);

 private:
  KafkaBill(const Clock& clock, std::string topic, std::unique_ptr<cost::UsageStore> store)
      : clock_(clock), topic_(std::move(topic)), store_(std::move(store)) {}
  Result<bool> follow_one(aggregator::LogPartition partition);
  Result<void> complete(aggregator::LogPartition partition);
  void prune();

  const Clock& clock_;
  std::string topic_;
  SteadyTime pruned_at_{};  // Of follow()'s thread.

  std::mutex mutex_;  // Guards the three below.
  std::unique_ptr<cost::UsageStore> store_;
  std::set<aggregator::LogPartition> taken_;
  std::set<aggregator::LogPartition> behind_;  // Taken, and the topic holds what the file lacks.

  std::unique_ptr<ingest::UsageTopic> usage_;
};

}  // namespace fleetmeter::app
