#pragma once

#include <time.h>

#include <cstddef>
#include <cstdlib>

namespace fleetmeter {

/// How much a bench reads: FLEETMETER_BENCH_RECORDS, else `otherwise`.
[[nodiscard]] inline std::size_t records_wanted(std::size_t otherwise) {
  const char* const given = std::getenv("FLEETMETER_BENCH_RECORDS");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : otherwise;
}

/// What a clock of clock_gettime shows.
[[nodiscard]] inline double seconds_on(clockid_t clock) noexcept {
  timespec now;
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

}  // namespace fleetmeter
