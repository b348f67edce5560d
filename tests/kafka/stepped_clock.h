#pragma once

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace fleetmeter::ingest {

/// The test clock of all processes of a test (app/test_clock.h "file:PATH"). It runs `rate` times
/// as fast as the real one, but never past the time that the test allows, and stands still while
/// the machine has no core for it: a slow machine makes the test longer, its telemetry no later.
class SteppedClock {
 public:
  SteppedClock(const std::string& path, std::int64_t start_ms, double rate) : rate_(rate) {
    std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(&start_ms), 8);
    std::FILE* file = std::fopen(path.c_str(), "r+");
    if (file == nullptr) std::abort();
    void* mapped = ::mmap(nullptr, 8, PROT_READ | PROT_WRITE, MAP_SHARED, ::fileno(file), 0);
    std::fclose(file);
    if (mapped == MAP_FAILED) std::abort();
    now_ms_ = static_cast<std::int64_t*>(mapped);
    limit_ms_ = start_ms;
    note(start_ms);
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }
  ~SteppedClock() {
    thread_.request_stop();
    thread_.join();
    ::munmap(now_ms_, 8);
  }
  SteppedClock(const SteppedClock&) = delete;
  SteppedClock& operator=(const SteppedClock&) = delete;

  [[nodiscard]] std::int64_t now_ms() const { return __atomic_load_n(now_ms_, __ATOMIC_RELAXED); }
  /// Lets it run to here; not back.
  void allow(std::int64_t limit_ms) { limit_ms_ = std::max(limit_ms_.load(), limit_ms); }
  void run_to(std::int64_t time_ms) {
    allow(time_ms);
    while (now_ms() < time_ms) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  /// Real time at which it first read this, or the last value before.
  [[nodiscard]] std::int64_t real_ms(std::int64_t time_ms) const {
    const std::lock_guard lock(mutex_);
    const auto after =
        std::upper_bound(steps_.begin(), steps_.end(), time_ms,
                         [](std::int64_t time, const auto& step) { return time < step.first; });
    return after == steps_.begin() ? 0 : std::prev(after)->second;
  }

 private:
  static constexpr std::int64_t kStepMs = 5;  // Real time.

  void run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(kStepMs));
      const auto step_ms = static_cast<std::int64_t>(kStepMs * rate_);
      const std::int64_t next_ms = std::min(now_ms() + step_ms, limit_ms_.load());
      if (next_ms > now_ms()) note(next_ms);
    }
  }
  void note(std::int64_t time_ms) {
    const std::lock_guard lock(mutex_);
    // Noted before anybody can read it, so that real_ms() is never too late.
    steps_.emplace_back(time_ms, std::chrono::duration_cast<std::chrono::milliseconds>(
                                     std::chrono::system_clock::now().time_since_epoch())
                                     .count());
    __atomic_store_n(now_ms_, time_ms, __ATOMIC_RELAXED);
  }

  double rate_;
  std::int64_t* now_ms_ = nullptr;
  std::atomic<std::int64_t> limit_ms_ = 0;
  mutable std::mutex mutex_;                                  // Guards steps_.
  std::vector<std::pair<std::int64_t, std::int64_t>> steps_;  ///< Reading, real time.
  std::jthread thread_;
};

}  // namespace fleetmeter::ingest
