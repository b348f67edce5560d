#include "app/test_clock.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

namespace fleetmeter::app {
namespace {

constexpr std::string_view kFilePrefix = "file:";

/// Reads what a test has written into a file, which stays mapped as long as the process lives.
class FileClock final : public Clock {
 public:
  static Result<std::unique_ptr<Clock>> open(const std::string& path) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    struct stat facts {};
    void* mapped = MAP_FAILED;
    if (file >= 0 && ::fstat(file, &facts) == 0 && facts.st_size == sizeof(std::int64_t))
      mapped = ::mmap(nullptr, sizeof(std::int64_t), PROT_READ, MAP_SHARED, file, 0);
    if (file >= 0) ::close(file);
    if (mapped == MAP_FAILED) {
      return Error{ErrorCode::kInvalidArgument,
                   "FLEETMETER_TEST_CLOCK: " + path + " is no file of eight bytes"};
    }
    return std::unique_ptr<Clock>(new FileClock(static_cast<const std::int64_t*>(mapped)));
  }
  ~FileClock() override { ::munmap(const_cast<std::int64_t*>(now_ms_), sizeof *now_ms_); }
  FileClock(const FileClock&) = delete;
  FileClock& operator=(const FileClock&) = delete;

  [[nodiscard]] WallTime wall() const override {
    return WallTime(Milliseconds(__atomic_load_n(now_ms_, __ATOMIC_RELAXED)));
  }
  [[nodiscard]] SteadyTime steady() const override { return std::chrono::steady_clock::now(); }

 private:
  explicit FileClock(const std::int64_t* now_ms) : now_ms_(now_ms) {}
  const std::int64_t* now_ms_;
};

}  // namespace

Result<std::unique_ptr<Clock>> make_clock() {
  const char* given = std::getenv("FLEETMETER_TEST_CLOCK");
  if (given == nullptr || *given == '\0')
    return std::unique_ptr<Clock>(std::make_unique<SystemClock>());
  const std::string_view setting = given;
  if (setting.starts_with(kFilePrefix))
    return FileClock::open(std::string(setting.substr(kFilePrefix.size())));
  long long anchor_ms = 0, start_ms = 0;
  double rate = 0;
  int end = 0;
  if (std::sscanf(given, "%lld:%lld:%lf%n", &anchor_ms, &start_ms, &rate, &end) != 3 ||
      given[end] != '\0' || !(rate > 0)) {
    return Error{ErrorCode::kInvalidArgument,
                 "FLEETMETER_TEST_CLOCK must be ANCHOR_MS:START_MS:RATE or file:PATH"};
  }
  return std::unique_ptr<Clock>(std::make_unique<RateClock>(
      WallTime(Milliseconds(anchor_ms)), WallTime(Milliseconds(start_ms)), rate));
}

}  // namespace fleetmeter::app
