#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "aggregator/inventory.h"
#include "aggregator/series_table.h"
#include "proto/log.pb.h"
#include "proto/result.h"

namespace fleetmeter::aggregator {

/// Namespace of the series that closed flow windows yield, one datapoint a 60 s window, dimensions
/// InterfaceId, and InstanceId where the inventory knows it: AcceptedBytes, AcceptedPackets,
/// AcceptedRecords, RejectedBytes, RejectedPackets, RejectedRecords, and NatProcessedBytes on NAT
/// interfaces.
inline constexpr std::string_view kFlowNamespace = "Fleetmeter/VPC";

/// Their names.
[[nodiscard]] std::vector<std::string> flow_metric_names();

/// Per-series overrides from the configuration; empty strings match everything.
struct SeriesSetting {
  std::string metric_namespace, name;
  std::uint32_t own_period_s = 0;         ///< 0 = not set.
  std::int64_t publication_delay_s = -1;  ///< -1 = not set.
};
struct ShardOptions {
  std::string environment;
  std::vector<SeriesSetting> settings;
  /// Of flow logs; 0 = 60 until records over 120 s long were seen.
  std::uint32_t capture_interval_s = 0;
  /// Beyond it new series are counted as "other" and kept out.
  /// Room for 100,000 machines with 20 metrics and an interface each: about 2 GB.
  std::size_t series_max = 3'000'000;
  /// Reads the inventory of an InventoryVersion record; empty = Inventory::deserialize. Shards of
  /// one owner share what theirs has read.
  std::function<Result<std::shared_ptr<const Inventory>>(const std::string& bytes)> parse_inventory;
};

/// Time and tables of one shard (environment): what the records of the log have told so far.
/// Applies every record of its log partition in order; a pure function of them: no clock, no
/// thread, no I/O (docs/time.md 1-6).
class Shard {
 public:
  explicit Shard(ShardOptions options);
  ~Shard();
  Shard(Shard&&) noexcept;
  Shard& operator=(Shard&&) noexcept;

  /// Applies a record (batches of other environments only move time). `changes` is replaced.
  void apply(const proto::LogRecord& record, std::vector<Change>& changes);

  [[nodiscard]] const Frontier& frontier() const noexcept;
  [[nodiscard]] SeriesTable& table() noexcept;
  [[nodiscard]] const SeriesTable& table() const noexcept;
  /// Publication delay of a metric, by configuration, else by family: for one that was never seen.
  [[nodiscard]] std::uint32_t publication_delay_s(const SeriesKey& key) const;
  /// Of the last InventoryVersion record; may be null.
  [[nodiscard]] const Inventory* inventory() const noexcept;
  [[nodiscard]] const std::string& environment() const noexcept;
  /// Flow records behind their closed window; still billed.
  [[nodiscard]] std::uint64_t late_records() const noexcept;
  [[nodiscard]] std::uint64_t series_over_limit() const noexcept;

  void save(std::string& out) const;
  [[nodiscard]] bool load(std::string_view& in);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The owner's pacemaker: which ticks and stall records to append, from the progress in the log and
/// the wall clock. Embedded and over Kafka alike; one per log partition. Ticks lie on the 10 s
/// grid, never pass the slowest live source, and follow the wall clock only while every source is
/// caught up; missed ones are written in order, one a grid point.
class Pacemaker {
 public:
  Pacemaker();
  ~Pacemaker();
  void apply(const proto::LogRecord& record);
  /// Records due at wall time `now_s`, at most `records_max`; call again until empty. After
  /// InputEnd: ticks made from the telemetry up to its end plus the largest publication delay, then
  /// none (`finished()`).
  [[nodiscard]] std::vector<proto::LogRecord> due(std::int64_t now_s, std::size_t records_max);
  [[nodiscard]] bool finished() const noexcept;
  /// Sources that are behind, with the event time they have read to: for /ready.
  struct Lag {
    std::string source;
    std::int64_t read_to_s;
    bool caught_up;
    bool stalled;
  };
  [[nodiscard]] std::vector<Lag> lags() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fleetmeter::aggregator
