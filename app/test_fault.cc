#include "app/test_fault.h"

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

namespace fleetmeter::app {

std::function<void(std::string_view)> test_fault() {
  const char* given = std::getenv("FLEETMETER_TEST_FAULT");
  if (given == nullptr || *given == '\0') return {};
  const std::string text = given;
  const std::size_t colon = text.find(':');
  const std::string point = text.substr(0, colon);
  long count = 1;
  std::string file;
  if (colon != std::string::npos) {
    char* rest = nullptr;
    count = std::strtol(text.c_str() + colon + 1, &rest, 10);
    if (*rest == ':') file = rest + 1;
  }
  auto left = std::make_shared<std::atomic<long>>(count);
  return [point, file, left](std::string_view passed) {
    if (point != passed || (!file.empty() && !std::filesystem::exists(file))) return;
    if (--*left == 0) (void)std::raise(SIGKILL);
  };
}

}  // namespace fleetmeter::app
