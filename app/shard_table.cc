#include "app/shard_table.h"

#include <algorithm>

namespace fleetmeter::app {

std::vector<ingest::EnvironmentPartition> shard_table(const Config& config) {
  std::vector<ingest::EnvironmentPartition> table = config.shards;
  const auto named = [&](const std::string& environment) {
    return std::any_of(table.begin(), table.end(),
                       [&](const auto& entry) { return entry.environment == environment; });
  };
  std::int32_t order = 0;
  for (const aggregator::EnvironmentMatch& match : config.environments) {
    const std::int32_t partition = order++ % std::max(config.kafka_log.partitions, 1);
    if (!named(match.name)) table.push_back({match.name, partition});
  }
  if (!named("unassigned")) table.push_back({"unassigned", 0});
  return table;
}

std::vector<proto::ShardAssignment> shard_assignments(const Config& config) {
  std::vector<proto::ShardAssignment> assignments;
  for (const ingest::EnvironmentPartition& entry : shard_table(config)) {
    proto::ShardAssignment& made = assignments.emplace_back();
    made.set_environment(entry.environment);
    made.set_partition(static_cast<std::uint32_t>(entry.partition));
  }
  return assignments;
}

}  // namespace fleetmeter::app
