#include "app/test_clock.h"

#include <cstdio>
#include <cstdlib>

namespace fleetmeter::app {

Result<std::unique_ptr<Clock>> make_clock() {
  const char* given = std::getenv("FLEETMETER_TEST_CLOCK");
  if (given == nullptr || *given == '\0')
    return std::unique_ptr<Clock>(std::make_unique<SystemClock>());
  long long anchor_ms = 0, start_ms = 0;
  double rate = 0;
  int end = 0;
  if (std::sscanf(given, "%lld:%lld:%lf%n", &anchor_ms, &start_ms, &rate, &end) != 3 ||
      given[end] != '\0' || !(rate > 0)) {
    return Error{ErrorCode::kInvalidArgument,
                 "FLEETMETER_TEST_CLOCK must be ANCHOR_MS:START_MS:RATE"};
  }
  return std::unique_ptr<Clock>(std::make_unique<RateClock>(
      WallTime(Milliseconds(anchor_ms)), WallTime(Milliseconds(start_ms)), rate));
}

}  // namespace fleetmeter::app
