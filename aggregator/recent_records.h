#pragma once

#include <cstddef>
#include <deque>
#include <vector>

#include "aggregator/aggregate_log.h"

namespace fleetmeter::aggregator {

/// The newest records of a log as they were appended, so that a reader that keeps up need not read
/// them back and decode them again. Each is given out once. Not thread safe.
class RecentRecords {
 public:
  explicit RecentRecords(std::size_t bytes_max) : bytes_max_(bytes_max) {}

  /// Positions without a gap; `bytes` is what it counts as. The oldest go when there is no room.
  void add(LogPosition position, proto::LogRecord record, std::size_t bytes);
  /// Up to `records_max` that come next after `after`; none when the next is not here.
  [[nodiscard]] std::vector<LogEntry> take(LogPosition after, std::size_t records_max);
  /// They are read, or kept otherwise from now on.
  void forget(LogPosition up_to);

 private:
  struct Kept {
    LogEntry entry;
    std::size_t bytes = 0;
  };
  void drop_oldest();

  std::size_t bytes_max_;
  std::size_t bytes_ = 0;
  std::deque<Kept> kept_;
};

}  // namespace fleetmeter::aggregator
