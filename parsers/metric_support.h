#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/metric_batch.h"

namespace fleetmeter::parsers {

/// Year 9999, as for flow records.
inline constexpr std::int64_t kTimestampMsMax = 253402300799000;

/// The CloudWatch name of a unit in OTLP's spelling ("By/s" -> "Bytes/Second"); one that is not in
/// the table is returned as it came. The result is a constant or `unit` itself. Rule: Amazon
/// CloudWatch User Guide, "Metric streams: translation of units".
[[nodiscard]] std::string_view cloudwatch_unit(std::string_view unit) noexcept;

/// Sorts the dimensions of `record` by name (names are unique in CloudWatch; equal ones keep their
/// order).
void sort_dimensions(MetricBatch& batch, const MetricRecord& record);

/// True when JSON that cannot be read shows an envelope's key and none of a datapoint's own.
[[nodiscard]] bool looks_like_envelope(std::string_view json) noexcept;

/// Text that has to live as long as a batch and lies in no payload: unescaped strings. clear()
/// keeps one block.
class TextArena {
 public:
  [[nodiscard]] std::string_view keep(std::string_view text);
  void clear() noexcept;

 private:
  static constexpr std::size_t kBlockBytes = 64 * 1024;
  std::vector<std::unique_ptr<char[]>> blocks_;
  std::size_t block_bytes_ = 0;
  std::size_t used_bytes_ = 0;
};

/// Names of percentiles from OTLP quantiles: 0.99 -> "p99", 0.999 -> "p99.9". At most kNamesMax of
/// them are remembered: CloudWatch has fewer. Past that each name is made for itself.
class QuantileNames {
 public:
  static constexpr std::size_t kNamesMax = 1024;
  /// Lives until forget_many().
  [[nodiscard]] std::string_view name(double quantile);
  /// Forgets all names when there are over kNamesMax of them.
  void forget_many() noexcept;

 private:
  struct Entry {
    double quantile;
    std::string_view name;
  };
  std::vector<Entry> entries_;
  std::deque<std::string> texts_;  // A deque: views of its strings stay valid as it grows.
};

}  // namespace fleetmeter::parsers
