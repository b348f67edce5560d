#pragma once

#include <memory>
#include <vector>

#include "cost/usage_store.h"
#include "proto/log.pb.h"

namespace fleetmeter::app {

/// Flow facts per hour, summed in memory: what network attribution reads where there is no cost.db.
/// Grows with the distinct facts of an hour, never with the records.
class FlowUsageTable {
 public:
  FlowUsageTable();
  ~FlowUsageTable();
  void add(const proto::AggregateBatch& batch);             ///< A batch of our own aggregator.
  [[nodiscard]] std::vector<cost::FlowUsage> rows() const;  ///< Sorted by hour.

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fleetmeter::app
