#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "aggregator/aggregate_log.h"

namespace fleetmeter::alarms {

/// What an entry keeps its order within: environment, rule and series of its event; of a scaling
/// event these name the group. Read from the frozen body, whatever kind of receiver it was rendered
/// for, so that it is the same after every restart. Entries whose bodies do not say share one order.
[[nodiscard]] std::string order_of(const aggregator::OutboxEntry& entry);

/// A pending entry and what this process knows of it besides.
struct QueuedEntry {
  aggregator::OutboxEntry entry;
  std::string order;
  std::int64_t tried_ms = 0;  ///< Wall time of its last attempt; before one, of our first sight.
  bool refused = false;       ///< Others got through between its last two attempts: it is to blame.
  bool asked = false;         ///< The log was asked whether it was told of it.
};

/// Pending entries of one receiver and whose turn it is. No thread, no clock.
///
/// Entries of one order go strictly one after the other; those of different orders do not wait for
/// each other. Each is due when its own schedule says, or before, at the cost of an attempt like any
/// other:
/// - an hour after its last attempt when another of its order waits behind it;
/// - 5 min after its last attempt when the receiver has taken something since, unless it was refused
///   although others got through before.
/// While the receiver fails, nothing at all is due for 1 s, 2 s, 4 s ... 60 s after each failure in a
/// row, or as long as Retry-After asked: so whatever piles up, a receiver that is down gets one
/// request a minute, and an action still gets its try before it expires.
class DeliveryQueue {
 public:
  /// Takes over the receiver's oldest pending entries, in event order; keeps what it knows of those
  /// it held before.
  void assign(std::vector<aggregator::OutboxEntry> pending, std::int64_t now_ms);
  [[nodiscard]] std::vector<QueuedEntry>& entries() noexcept { return entries_; }
  [[nodiscard]] const std::vector<QueuedEntry>& entries() const noexcept { return entries_; }

  struct Turn {
    std::size_t index;    ///< In entries().
    std::int64_t due_ms;  ///< Wall time; not after now = may be sent.
  };
  /// Of those that are due an action first, then the oldest; while the receiver fails the newest
  /// every other time, lest many that it refuses hide one that it takes. Else the one that is due
  /// next; nullopt = empty.
  [[nodiscard]] std::optional<Turn> next(std::int64_t now_ms) const;
  /// An attempt of entry `index` ended: `retry` = it failed for now, with `asked_ms` of Retry-After.
  void tried(std::size_t index, bool retry, std::int64_t asked_ms, std::int64_t now_ms);
  [[nodiscard]] bool failing() const noexcept { return failures_ > 0; }

 private:
  [[nodiscard]] std::int64_t due_ms(const QueuedEntry& queued, bool others_behind) const;

  std::vector<QueuedEntry> entries_;
  std::uint32_t failures_ = 0;  ///< Of the receiver in a row.
  std::int64_t taken_ms_ = 0;   ///< Wall time at which the receiver last did not fail; 0 = never.
  std::int64_t quiet_until_ms_ = 0;
};

}  // namespace fleetmeter::alarms
