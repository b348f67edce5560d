#include "ingest/wait_notice.h"

#include <spdlog/spdlog.h>

namespace fleetmeter::ingest {

void WaitNotice::refused(SteadyTime now, const std::string& why) {
  if (!refused_at_) spdlog::error("{} waits: {}", who_, why);
  refused_at_ = now;
}

void WaitNotice::works(SteadyTime now) {
  if (!refused_at_ || now - *refused_at_ < kCalm) return;
  spdlog::info("{} goes on", who_);
  refused_at_.reset();
}

}  // namespace fleetmeter::ingest
