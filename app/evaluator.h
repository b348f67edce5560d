#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "aggregator/aggregate_log.h"
#include "aggregator/shard.h"
#include "alarms/engine.h"

namespace fleetmeter::app {

/// Everything right of the aggregate log of one partition but the bill: its shards with their
/// alarms and scaling. A pure function of the records applied: same log, same events. The
/// configuration and the inventory come from the log too, so that recovery uses the version in
/// force at each position. Not thread safe: owned by one thread.
class Evaluator {
 public:
  Evaluator();
  ~Evaluator();

  /// Applies the next record; its events are appended in order.
  Result<void> apply(const aggregator::LogEntry& entry, std::vector<proto::Event>& events);

  [[nodiscard]] aggregator::LogPosition position() const noexcept;  ///< Of the last record applied.
  [[nodiscard]] const std::string& config_fingerprint() const noexcept;
  [[nodiscard]] std::uint64_t inventory_version() const noexcept;  ///< 0 = none in the log yet.
  /// The newest records that tell time, oldest kind first: what a pacemaker or shard born now must
  /// have seen.
  [[nodiscard]] std::vector<proto::LogRecord> time_records() const;

  /// What the log has told of bounded input.
  struct Input {
    bool ended = false;  ///< It has an InputEnd record.
    bool live = false;   ///< It has progress of a source that never ends.
    /// Event time of the batches since the last InputEnd record, [from_s, to_s); 0 and 0 = none.
    std::int64_t open_from_s = 0, open_to_s = 0;
  };
  [[nodiscard]] Input input() const;

  [[nodiscard]] std::vector<alarms::AlarmView> alarms() const;
  [[nodiscard]] std::vector<alarms::GroupView> groups() const;
  struct ShardView {
    std::string environment;
    std::int64_t tick_s = 0, watermark_s = 0;
    std::uint64_t series = 0, late_records = 0, series_over_limit = 0, evaluations = 0;
  };
  [[nodiscard]] std::vector<ShardView> shards() const;

  static constexpr std::uint32_t kSnapshotSchema = 2;
  [[nodiscard]] std::string save() const;
  Result<void> load(const aggregator::Snapshot& snapshot);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fleetmeter::app
