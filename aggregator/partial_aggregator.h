#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "aggregator/inventory.h"
#include "parsers/decoder.h"
#include "proto/log.pb.h"

namespace fleetmeter::aggregator {

struct PartialAggregatorOptions {
  std::string environment;      ///< Forced by the command line; empty = by the inventory.
  std::string source;           ///< Source partition, goes into every batch.
  std::string account, region;  ///< Of the source, when records do not say.
  /// Distinct flow keys a commit; beyond it owner and peer become "other", counted.
  std::uint32_t keys_max = 1u << 20;
  std::uint32_t series_max = 1u << 20;
  /// Texts, and series of flows, remembered between commits: with more, all are forgotten. A scan or
  /// short-lived pods make ever new ones.
  std::uint32_t remembered_max = 1u << 20;
  /// A record this far ahead of `now_s` is dropped and counted as "future".
  std::int64_t future_after_s = 300;
};

/// Builds the partial aggregates of one commit from decoded columns: attributes each record by the
/// inventory and folds it into integer sums (flows) or keeps it as a datapoint (metrics). Holds
/// nothing across a commit and drops nothing for age. One per consumer thread. Laws held by tests:
/// any order of records, any split into commits and any placing of commits combine to the same
/// aggregates. A flow record counts whole in the 60 s window of its `start`; one that crosses a
/// month's first midnight UTC is split by time, integer floor first, the rest last (docs/time.md
/// 3).
class PartialAggregator final : public parsers::PayloadSink {
 public:
  PartialAggregator(std::shared_ptr<const Inventory> inventory, PartialAggregatorOptions options);
  ~PartialAggregator() override;

  /// Wall clock of this commit, read once per batch by the caller.
  void set_now(std::int64_t now_s) noexcept;
  void set_inventory(std::shared_ptr<const Inventory> inventory);
  void on_flows(const parsers::FlowColumns& flows) override;
  void on_metrics(const parsers::MetricBatch& metrics) override;

  /// One batch per environment met since the last take; empties the aggregator, keeps its memory.
  [[nodiscard]] std::vector<proto::AggregateBatch> take();
  [[nodiscard]] bool empty() const noexcept;
  /// Flow records and datapoints since the last take.
  [[nodiscard]] std::uint64_t records() const noexcept;
  /// Largest plausible event time since the last take; 0 = none.
  [[nodiscard]] std::int64_t event_time_max_s() const noexcept;
  /// By reason, since creation.
  [[nodiscard]] const std::map<std::string, std::uint64_t>& dropped() const noexcept;

  /// Fields that attribution and the bill need; hand it to the decoder.
  [[nodiscard]] static parsers::FieldSet fields_needed();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fleetmeter::aggregator
