#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "aggregator/aggregate_log.h"
#include "ingest/kafka_source.h"
#include "proto/result.h"

namespace fleetmeter::ingest {

struct UsageMessage {
  std::int64_t offset = 0;
  aggregator::UsageRecord record;
};

/// PREFIX.usage as readers see it: hourly usage of all log partitions, a topic partition each, a
/// compacted topic of absolute totals (proto/usage.proto). Every log partition may be read, owned
/// or not; writing is the owner's alone, with its other outputs (Outputs::usage). Thread safe.
class UsageTopic {
 public:
  /// Creates the topics of the log where they are missing. kUnavailable: no broker answers.
  static Result<std::unique_ptr<UsageTopic>> open(const KafkaLogOptions& options);
  ~UsageTopic();

  [[nodiscard]] std::int32_t partitions() const;
  /// Up to `records_max` committed records from offset `from` on, in order; empty only at the end.
  /// What the broker has removed is passed over.
  Result<std::vector<UsageMessage>> read(aggregator::LogPartition partition, std::int64_t from,
                                         std::size_t records_max);
  /// Offset after the last committed record.
  Result<std::int64_t> end(aggregator::LogPartition partition);
  /// This process has committed up to before `end`: read() and end() wait until it is visible.
  void expect(aggregator::LogPartition partition, std::int64_t end);

 private:
  struct State;
  explicit UsageTopic(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace fleetmeter::ingest
