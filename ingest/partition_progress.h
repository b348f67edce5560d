#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

namespace fleetmeter::ingest {

/// Up to which wall time everything that was appended to one input partition has been read
/// (docs/time.md 1). That nothing comes proves nothing: an answer under way, a stalled connection
/// and a process that waits for a core look like an idle source. So the broker is asked where the
/// partition ends; once all before that end has been read, so has everything that was appended
/// before the question. Holds whoever read it, and whenever the partition was assigned.
class PartitionProgress {
 public:
  /// Everything before `next_offset` has been read: by us, or committed before we began there.
  void read_up_to(std::int64_t next_offset) noexcept {
    next_offset_ = std::max(next_offset_, next_offset);
    if (open_ && next_offset_ >= open_->end) settle(*open_);
  }
  /// The broker's answer to a question asked at `asked_ms`: the partition ends before `end`.
  void ended_at(std::int64_t asked_ms, std::int64_t end) noexcept {
    const Question asked{asked_ms, end};
    if (next_offset_ >= end) return settle(asked);
    if (!open_) open_ = asked;  // An older one is answered sooner.
  }

  [[nodiscard]] std::int64_t next_offset() const noexcept { return next_offset_; }  ///< -1: none.
  /// 0 = not known yet.
  [[nodiscard]] std::int64_t complete_ms() const noexcept { return complete_ms_; }

 private:
  struct Question {
    std::int64_t asked_ms, end;
  };
  void settle(Question asked) noexcept {
    complete_ms_ = std::max(complete_ms_, asked.asked_ms);
    open_.reset();
  }

  std::int64_t next_offset_ = -1;
  std::int64_t complete_ms_ = 0;
  std::optional<Question> open_;  // Not everything before its end has been read.
};

}  // namespace fleetmeter::ingest
