#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "aggregator/inventory.h"
#include "app/flow_totals.h"
#include "cost/usage_store.h"
#include "parsers/flow_columns.h"
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

/// Hourly usage of flow records, straight from their columns and apart by what they lack. Records
/// without bytes or start are attributed like the others, which no aggregate does: those without
/// start in an hour of their own, by the newest entries of the inventory. Bounded input: nothing
/// is late. Not thread safe.
class FlowUsageReader {
 public:
  /// `environment` is forced on every record; empty = by the inventory.
  FlowUsageReader(std::shared_ptr<const aggregator::Inventory> inventory,
                  const std::string& environment);
  ~FlowUsageReader();
  void add(const parsers::FlowColumns& flows);
  [[nodiscard]] FlowParts rows();  ///< Of all records added.
  /// By the aggregator, by reason.
  [[nodiscard]] std::map<std::string, std::uint64_t> dropped() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fleetmeter::app
