#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

/// A reader of generated telemetry, written apart from the generator and from our parsers: slow and
/// plain, zlib and a walk of the wire format by the published field numbers.
namespace fleetmeter::testing {

std::vector<std::filesystem::path> files_below(const std::filesystem::path& root);  ///< Sorted.
std::string read_plain(const std::filesystem::path& path);  ///< Inflated when gzip.
std::vector<std::string> lines_of(std::string_view text);
std::vector<std::string> words_of(std::string_view line);

/// One datapoint of a metric stream.
struct Point {
  std::string metric_namespace, name, unit;
  std::map<std::string, std::string> dimensions;
  std::int64_t start_s = 0;
  std::int64_t period_s = 0;  ///< 0 in JSON.
  double count = 0, sum = 0, minimum = 0, maximum = 0;
  friend bool operator==(const Point&, const Point&) = default;
};

std::vector<Point> read_json_points(std::string_view text);
/// All frames; throws std::runtime_error on the first byte that is not as the format says.
/// `version` 7 or 10.
std::vector<Point> read_otlp_points(std::string_view text, int version,
                                    std::map<std::string, std::string>* resource = nullptr);

}  // namespace fleetmeter::testing
