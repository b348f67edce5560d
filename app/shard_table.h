#pragma once

#include <vector>

#include "app/config.h"
#include "proto/log.pb.h"

namespace fleetmeter::app {

/// Which partition of the aggregate topic holds which environment: what `kafka_log.shards` says;
/// the others by their order of declaration, modulo the configured partitions. `unassigned` is
/// partition 0's. A function of the configuration alone, so that every process has the same table;
/// never a hash, so that it can be read and changed (ARCHITECTURE.md).
[[nodiscard]] std::vector<ingest::EnvironmentPartition> shard_table(const Config& config);
/// The same as the ConfigVersion record carries it.
[[nodiscard]] std::vector<proto::ShardAssignment> shard_assignments(const Config& config);

}  // namespace fleetmeter::app
