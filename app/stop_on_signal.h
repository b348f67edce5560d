#pragma once

#include <stop_token>
#include <thread>

#include "app/command.h"

namespace fleetmeter::app {

/// StopSignals as a stop token, for bounded work that looks at it now and then. One at a
/// time, and nobody else waits for the signals meanwhile.
class StopOnSignal {
 public:
  StopOnSignal()
      : waiter_([this](const std::stop_token& over) {
          while (!over.stop_requested()) {
            if (!stop_signals().wait_for(kPollMs)) continue;
            source_.request_stop();
            return;
          }
        }) {}
  [[nodiscard]] std::stop_token token() const { return source_.get_token(); }

 private:
  static constexpr std::int64_t kPollMs = 50;
  std::stop_source source_;
  std::jthread waiter_;  // Last: it uses source_, and is joined first.
};

}  // namespace fleetmeter::app
