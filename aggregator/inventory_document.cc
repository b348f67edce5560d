#include "aggregator/inventory_document.h"

#include <array>
#include <chrono>
#include <cstdio>

namespace fleetmeter::aggregator {
namespace {

/// Reads `count` digits at `at` and moves on; -1 when there are fewer.
int digits(std::string_view text, std::size_t& at, std::size_t count) {
  int value = 0;
  if (at + count > text.size()) return -1;
  for (const std::size_t end = at + count; at < end; ++at) {
    if (text[at] < '0' || text[at] > '9') return -1;
    value = value * 10 + (text[at] - '0');
  }
  return value;
}

bool literal(std::string_view text, std::size_t& at, std::string_view any_of) {
  if (at >= text.size() || any_of.find(text[at]) == std::string_view::npos) return false;
  ++at;
  return true;
}

}  // namespace

const DocumentNode* DocumentNode::find(std::string_view key) const noexcept {
  for (const auto& [name, node] : entries) {
    if (name == key) return &node;
  }
  return nullptr;
}

bool parse_rfc3339(std::string_view text, std::int64_t& seconds) noexcept {
  std::size_t at = 0;
  const int year = digits(text, at, 4);
  if (!literal(text, at, "-")) return false;
  const int month = digits(text, at, 2);
  if (!literal(text, at, "-")) return false;
  const int day = digits(text, at, 2);
  if (!literal(text, at, "Tt ")) return false;
  const int hour = digits(text, at, 2);
  if (!literal(text, at, ":")) return false;
  const int minute = digits(text, at, 2);
  if (!literal(text, at, ":")) return false;
  const int second = digits(text, at, 2);
  if (literal(text, at, ".")) {
    while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
  }
  const std::chrono::year_month_day date{std::chrono::year(year),
                                         std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (year < 0 || month < 0 || day < 0 || !date.ok()) return false;
  if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) return false;
  std::int64_t offset_s = 0;
  if (!literal(text, at, "Zz")) {
    const bool behind = at < text.size() && text[at] == '-';
    if (!literal(text, at, "+-")) return false;
    const int hours = digits(text, at, 2);
    if (!literal(text, at, ":")) return false;
    const int minutes = digits(text, at, 2);
    if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59) return false;
    offset_s = (hours * 3600 + minutes * 60) * (behind ? -1 : 1);
  }
  if (at != text.size()) return false;
  const std::int64_t days = std::chrono::sys_days(date).time_since_epoch().count();
  seconds = days * 86400 + hour * 3600 + minute * 60 + second - offset_s;
  return true;
}

std::string format_rfc3339(std::int64_t seconds) {
  const std::chrono::sys_seconds at{std::chrono::seconds(seconds)};
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss time(at - day);
  std::array<char, 64> text{};
  const int size = std::snprintf(
      text.data(), text.size(), "%04d-%02u-%02uT%02d:%02d:%02dZ", int(date.year()),
      unsigned(date.month()), unsigned(date.day()), static_cast<int>(time.hours().count()),
      static_cast<int>(time.minutes().count()), static_cast<int>(time.seconds().count()));
  return std::string(text.data(), static_cast<std::size_t>(size));
}

}  // namespace fleetmeter::aggregator
