#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "generate/fleet.h"

namespace fleetmeter::generate {

/// Identity of a series in a metric stream.
struct SeriesSpec {
  std::string metric_namespace, name;
  std::string unit;  ///< CloudWatch's name: "Percent", "Bytes", "Count", "Milliseconds", "None".
  std::vector<std::pair<std::string, std::string>> dimensions;
};
struct StatisticSet {
  double count = 1, sum = 0, minimum = 0, maximum = 0;
  /// One sample of `value`.
  [[nodiscard]] static StatisticSet one(double value) noexcept { return {1, value, value, value}; }
};

/// Prints metric stream records: JSON lines, or OTLP frames (varint length +
/// ExportMetricsServiceRequest of one resource, one data point a metric), written by hand so that
/// no decoder's schema is trusted to check itself. Rule: Amazon CloudWatch User Guide, "Metric
/// streams: output formats" (JSON, OpenTelemetry 0.7.0 and 1.0.0).
class MetricText {
 public:
  MetricText(MetricFormat format, std::string_view stream, std::string_view account,
             std::string_view region);

  std::uint32_t add_series(const SeriesSpec& spec);
  /// Start and period in seconds. OTLP points gather into a frame of at most 100; JSON says no
  /// period.
  void append(std::uint32_t series, std::int64_t start_s, std::uint32_t period_s,
              const StatisticSet& set, std::string& out);
  void end_frame(std::string& out);  ///< Writes what an OTLP frame has gathered.

 private:
  struct Series {
    std::string head;    ///< JSON up to the timestamp; OTLP: the metric's name and unit fields.
    std::string labels;  ///< OTLP: the data point's label or attribute fields.
    std::string tail;    ///< JSON: from the end of the values.
  };
  void append_json(const Series& series, std::int64_t start_s, const StatisticSet& set,
                   std::string& out) const;
  void append_point(const Series& series, std::int64_t start_s, std::uint32_t period_s,
                    const StatisticSet& set);

  MetricFormat format_;
  std::string stream_, account_, region_;
  std::vector<Series> series_;
  std::string resource_;  ///< OTLP: the resource field, encoded.
  std::string metrics_;   ///< OTLP: Metric messages of the open frame.
  std::uint32_t frame_points_ = 0;
};

}  // namespace fleetmeter::generate
