#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <utility>

#include "proto/clock.h"

namespace fleetmeter::ingest {

/// Says once in the log that somebody waits for a store, and once that it goes on: when nothing was
/// refused for kCalm, since a nearly full disk takes a small write between two that it refuses.
/// Not thread safe.
class WaitNotice {
 public:
  static constexpr std::chrono::seconds kCalm{15};  ///< Longer than a tick takes to come.

  explicit WaitNotice(std::string who) : who_(std::move(who)) {}

  void refused(SteadyTime now, const std::string& why);
  void works(SteadyTime now);  ///< A write succeeded, or there was none to do.

 private:
  std::string who_;
  std::optional<SteadyTime> refused_at_;  ///< Latest refusal of the wait that was said.
};

}  // namespace fleetmeter::ingest
