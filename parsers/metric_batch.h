#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace fleetmeter::parsers {

struct Dimension {
  std::string_view name;
  std::string_view value;
};

/// A statistic besides the four basic ones, named as CloudWatch names it: "p99", "p99.9",
/// "TM(25%:75%)", "IQM".
struct ExtendedStatistic {
  std::string_view name;
  double value;
};

/// One datapoint of a metric stream, same shape from JSON, OTLP 0.7.0 and OTLP 1.0.0 (Amazon
/// CloudWatch User Guide, "Metric streams: output formats"). Views point into the payload or the
/// batch's arena and die with the batch.
struct MetricRecord {
  std::string_view stream;   ///< Stream name (JSON) or ARN (OTLP); may be empty.
  std::string_view account;  ///< Text: leading zeros matter.
  std::string_view region;
  std::string_view metric_namespace;
  std::string_view name;
  std::string_view unit;       ///< CloudWatch unit name; an unknown unit is kept as it came.
  std::int64_t start_ms = 0;   ///< Period start, ms since the Unix epoch.
  std::uint32_t period_s = 0;  ///< 0 = the format does not say (JSON).
  double sample_count = 0;     ///< Not guaranteed whole.
  double sum = 0;
  double minimum = 0;
  double maximum = 0;
  std::uint32_t first_dimension = 0;  ///< Into MetricBatch::dimensions, sorted by name.
  std::uint32_t dimension_count = 0;
  std::uint32_t first_extended = 0;  ///< Into MetricBatch::extended.
  std::uint32_t extended_count = 0;
  /// Equal and not 0: namespace, name and dimensions are equal, whichever decoders of this process
  /// the records are from.
  std::uint64_t identity = 0;
};

/// Why a frame, value or datapoint was dropped; names are stable drop reasons.
enum class MetricDrop : std::uint8_t {
  kBadJson,     ///< "bad_json": not a JSON object; the rest of the line is skipped.
  kMissingKey,  ///< "missing_key": namespace, metric_name, timestamp or value is missing.
  /// "bad_value": count, sum, min or max missing or not finite, count below 0; a dimension no text.
  kBadValue,
  kBadTimestamp,  ///< "bad_timestamp"
  kBadFrame,      ///< "bad_frame": varint over 5 bytes, or a length past the end.
  kBadProtobuf,   ///< "bad_protobuf": a field runs past its message, or wire type 3, 4, 6, 7.
  kNotASummary,   ///< "not_a_summary": a metric without summary data.
  kMissingLabel,  ///< "missing_label": a datapoint without Namespace or MetricName.
  kCount
};
[[nodiscard]] std::string_view to_string(MetricDrop reason) noexcept;

struct MetricCounts {
  std::uint64_t datapoints = 0;
  std::uint64_t frames = 0;        ///< OTLP frames, empty ones included.
  std::uint64_t unknown_keys = 0;  ///< Keys, statistics and attributes outside the format; skipped.
  std::uint64_t dropped[static_cast<std::size_t>(MetricDrop::kCount)] = {};
  [[nodiscard]] std::uint64_t malformed() const noexcept;
  MetricCounts& operator+=(const MetricCounts& other) noexcept;
};

/// Datapoints of one or more payloads. Reuse it: clear() keeps capacity.
struct MetricBatch {
  std::vector<MetricRecord> records;
  std::vector<Dimension> dimensions;
  std::vector<ExtendedStatistic> extended;
  [[nodiscard]] std::span<const Dimension> dimensions_of(
      const MetricRecord& record) const noexcept {
    return {dimensions.data() + record.first_dimension, record.dimension_count};
  }
  [[nodiscard]] std::span<const ExtendedStatistic> extended_of(
      const MetricRecord& record) const noexcept {
    return {extended.data() + record.first_extended, record.extended_count};
  }
  void clear() noexcept {
    records.clear();
    dimensions.clear();
    extended.clear();
  }
};

}  // namespace fleetmeter::parsers
