#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace fleetmeter::generate {

/// Appends `text` quoted and escaped as JSON.
void append_json_string(std::string_view text, std::string& out);
/// Appends a finite number with a fraction ("2.0"), shortest form that reads back equal, as metric
/// streams print it.
void append_json_double(double value, std::string& out);
/// Appends an unsigned decimal.
void append_number(std::uint64_t value, std::string& out);

/// Writes one JSON document, indented by 4 as the AWS CLI does. Calls must nest rightly; keys only
/// inside objects.
class JsonWriter {
 public:
  JsonWriter& open(char bracket);   ///< '{' or '['.
  JsonWriter& close(char bracket);  ///< '}' or ']'.
  JsonWriter& key(std::string_view name);
  JsonWriter& value(std::string_view text);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(std::uint64_t number);
  JsonWriter& value(std::int64_t number);
  JsonWriter& value(double number);
  JsonWriter& value(bool flag);
  template <typename T>
  JsonWriter& pair(std::string_view name, const T& content) {
    return key(name).value(content);
  }
  [[nodiscard]] std::string take();  ///< The document with a line end.

 private:
  void element();
  void line();
  std::string text_;
  std::size_t depth_ = 0;
  bool first_ = true;
  bool after_key_ = false;
};

/// "2026-03-02T00:00:00Z" of Unix seconds.
std::string rfc3339(std::int64_t time_s);

struct CivilTime {
  int year, month, day, hour, minute, second;
};
/// UTC calendar of Unix seconds and back (proleptic Gregorian).
CivilTime civil_time(std::int64_t time_s) noexcept;
std::int64_t unix_time(const CivilTime& time) noexcept;

}  // namespace fleetmeter::generate
