#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "aggregator/aggregate_log.h"
#include "ingest/kafka_transaction.h"

namespace fleetmeter::ingest {

/// Snapshots of one log partition in PREFIX.snapshots, a compacted topic: in pieces, in two slots
/// taken in turns, so that the one before stays readable while a new one is written, or when the
/// new one is damaged.
struct FoundSnapshot {
  std::uint32_t slot = 0;
  aggregator::Snapshot snapshot;
};

[[nodiscard]] std::vector<KafkaRecord> snapshot_records(const std::string& prefix,
                                                        aggregator::LogPartition partition,
                                                        std::uint32_t slot,
                                                        const aggregator::Snapshot& snapshot);
/// The newest one whose pieces are all there and whose digest fits. Reads the partition's topic
/// from its beginning.
[[nodiscard]] Result<std::optional<FoundSnapshot>> find_snapshot(
    const KafkaConnection& connection, const std::string& prefix,
    aggregator::LogPartition partition);

}  // namespace fleetmeter::ingest
