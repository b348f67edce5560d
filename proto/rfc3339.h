#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>

namespace fleetmeter {

/// A time of Unix seconds as RFC 3339 writes it, in UTC: "2024-12-20T12:00:00Z". A year has four
/// digits there, and readers parse no other: what lies before year 0 or after 9999 is written as
/// the first or the last second of these, "0000-01-01T00:00:00Z" or "9999-12-31T23:59:59Z".
/// Rule: RFC 3339, section 5.6.
[[nodiscard]] inline std::string rfc3339(std::int64_t time_s) {
  constexpr std::int64_t kFirstS = -62'167'219'200;
  constexpr std::int64_t kLastS = 253'402'300'799;
  const std::chrono::sys_seconds time{std::chrono::seconds{std::clamp(time_s, kFirstS, kLastS)}};
  const auto midnight = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{midnight};
  const std::chrono::hh_mm_ss clock{time - midnight};
  std::string text = "0000-00-00T00:00:00Z";
  const auto put = [&text](std::size_t last, std::int64_t number) {
    for (; number > 0; number /= 10, --last) text[last] = static_cast<char>('0' + number % 10);
  };
  put(3, static_cast<int>(date.year()));
  put(6, static_cast<unsigned>(date.month()));
  put(9, static_cast<unsigned>(date.day()));
  put(12, clock.hours().count());
  put(15, clock.minutes().count());
  put(18, clock.seconds().count());
  return text;
}

}  // namespace fleetmeter
