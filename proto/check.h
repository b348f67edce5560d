#pragma once

#include <cstdio>

namespace fleetmeter::detail {

/// Prints the broken invariant and ends the process; restart is cheap and everything durable is
/// committed.
[[noreturn]] inline void check_failed(const char* condition, const char* file, int line) noexcept {
  std::fprintf(stderr, "%s:%d: check failed: %s\n", file, line, condition);
  std::fflush(stderr);
  __builtin_trap();
}

}  // namespace fleetmeter::detail

/// A broken invariant of our own: on in every build, one condition a check, never reachable from
/// input.
#define FM_CHECK(condition)                          \
  (__builtin_expect(static_cast<bool>(condition), 1) \
       ? static_cast<void>(0)                        \
       : ::fleetmeter::detail::check_failed(#condition, __FILE__, __LINE__))
