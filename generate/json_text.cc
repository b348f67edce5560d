#include "generate/json_text.h"

#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <utility>

#include "proto/check.h"

namespace fleetmeter::generate {

void append_json_string(std::string_view text, std::string& out) {
  out += '"';
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char buffer[8];
      std::snprintf(buffer, sizeof buffer, "\\u%04x",
                    static_cast<unsigned>(static_cast<unsigned char>(c)));
      out += buffer;
    } else {
      out += c;
    }
  }
  out += '"';
}

void append_number(std::uint64_t value, std::string& out) {
  char buffer[20];
  out.append(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
}

void append_json_double(double value, std::string& out) {
  FM_CHECK(std::isfinite(value));
  // Nearly every generated value is a small whole number of quarters: far cheaper than the general
  // conversion.
  const double quarters = value * 4;
  if (quarters >= 0 && quarters < 4e15 && quarters == std::floor(quarters)) {
    static constexpr std::string_view kFractions[] = {".0", ".25", ".5", ".75"};
    const auto whole = static_cast<std::uint64_t>(quarters);
    append_number(whole / 4, out);
    out += kFractions[whole % 4];
    return;
  }
  char buffer[32];
  const std::string_view text(buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr);
  out += text;
  if (text.find_first_of(".e") == std::string_view::npos) out += ".0";
}

void JsonWriter::line() {
  text_ += '\n';
  text_.append(depth_ * 4, ' ');
}

void JsonWriter::element() {
  if (std::exchange(after_key_, false)) return;
  if (!first_) text_ += ',';
  if (depth_ > 0) line();
  first_ = false;
}

JsonWriter& JsonWriter::open(char bracket) {
  element();
  text_ += bracket;
  ++depth_;
  first_ = true;
  return *this;
}

JsonWriter& JsonWriter::close(char bracket) {
  FM_CHECK(depth_ > 0);
  --depth_;
  if (!std::exchange(first_, false)) line();
  text_ += bracket;
  return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
  element();
  append_json_string(name, text_);
  text_ += ": ";
  after_key_ = true;
  return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
  element();
  append_json_string(text, text_);
  return *this;
}

JsonWriter& JsonWriter::value(std::uint64_t number) {
  element();
  append_number(number, text_);
  return *this;
}

JsonWriter& JsonWriter::value(std::int64_t number) {
  element();
  text_ += std::to_string(number);
  return *this;
}

JsonWriter& JsonWriter::value(double number) {
  element();
  append_json_double(number, text_);
  return *this;
}

JsonWriter& JsonWriter::value(bool flag) {
  element();
  text_ += flag ? "true" : "false";
  return *this;
}

std::string JsonWriter::take() {
  FM_CHECK(depth_ == 0);
  text_ += '\n';
  first_ = true;
  return std::exchange(text_, {});
}

CivilTime civil_time(std::int64_t time_s) noexcept {
  const std::chrono::sys_seconds at{std::chrono::seconds{time_s}};
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date{day};
  const auto second = static_cast<int>((at - day).count());
  return {static_cast<int>(date.year()),
          static_cast<int>(static_cast<unsigned>(date.month())),
          static_cast<int>(static_cast<unsigned>(date.day())),
          second / 3600,
          second / 60 % 60,
          second % 60};
}

std::int64_t unix_time(const CivilTime& time) noexcept {
  const std::chrono::sys_days day = std::chrono::year{time.year} / time.month / time.day;
  return std::chrono::sys_seconds{day}.time_since_epoch().count() + time.hour * 3600 +
         time.minute * 60 + time.second;
}

std::string rfc3339(std::int64_t time_s) {
  const CivilTime t = civil_time(time_s);
  char buffer[96];
  std::snprintf(buffer, sizeof buffer, "%04d-%02d-%02dT%02d:%02d:%02dZ", t.year, t.month, t.day,
                t.hour, t.minute, t.second);
  return buffer;
}

}  // namespace fleetmeter::generate
