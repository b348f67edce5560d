#include "app/test_fault.h"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

namespace fleetmeter::app {

std::function<void(std::string_view)> test_fault() {
  const char* given = std::getenv("FLEETMETER_TEST_FAULT");
  if (given == nullptr || *given == '\0') return {};
  const std::string text = given;
  const std::size_t colon = text.rfind(':');
  const std::string point = text.substr(0, colon);
  const long count =
      colon == std::string::npos ? 1 : std::strtol(text.c_str() + colon + 1, nullptr, 10);
  auto left = std::make_shared<std::atomic<long>>(count);
  return [point, left](std::string_view passed) {
    if (point == passed && --*left == 0) (void)std::raise(SIGKILL);
  };
}

}  // namespace fleetmeter::app
