#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>

/// The logger exists before any thread does, as in the program itself: made at its first use by one
/// of two threads, ThreadSanitizer could not see that the other waited, as spdlog is a library that
/// it did not compile.
int main(int argc, char** argv) {
  spdlog::default_logger_raw();
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
