#include "ingest/kafka_worker.h"

#include <spdlog/spdlog.h>

#include "ingest/retry.h"

namespace fleetmeter::ingest {

bool is_final(const Error& error) {
  return error.code == ErrorCode::kInvalidArgument || error.code == ErrorCode::kDataLoss;
}

void KafkaWorker::start(Work work) {
  thread_ = std::jthread(
      [this, work = std::move(work)](const std::stop_token& stop) { run(work, stop); });
}

void KafkaWorker::stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  thread_.join();
}

void KafkaWorker::run(const Work& work, const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const Result<void> ended = work(stop);
    if (ended) return;
    if (is_final(ended.error())) {
      const std::lock_guard lock(mutex_);
      failure_ = ended.error();
      return;
    }
    spdlog::warn("{} starts over: {}", name_, ended.error().message);
    set_blocked(ended.error().message);
    if (!stop.stop_requested()) std::this_thread::sleep_for(kRetryInterval);
  }
}

std::string KafkaWorker::blocked() const {
  const std::lock_guard lock(mutex_);
  return blocked_;
}

void KafkaWorker::set_blocked(const std::string& why) {
  const std::lock_guard lock(mutex_);
  blocked_ = why;
}

std::optional<Error> KafkaWorker::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

}  // namespace fleetmeter::ingest
