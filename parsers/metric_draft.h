#pragma once

#include <cstdint>
#include <string_view>

#include "parsers/metric_batch.h"

namespace fleetmeter::parsers {

/// What a key of a metric stream's JSON object says, in the order in which AWS writes them.
enum class MetricKey : std::uint8_t {
  kStream,
  kAccount,
  kRegion,
  kNamespace,
  kName,
  kDimensions,
  kTimestamp,
  kValue,
  kUnit,
  kEnvelope,  ///< One that only envelopes have.
  kUnknown
};
[[nodiscard]] MetricKey metric_key_of(std::string_view name) noexcept;

/// A datapoint on its way out of a JSON object: what has been seen of it, and what is wrong with
/// it.
struct MetricDraft {
  enum : std::uint32_t { kMaximum = 1, kMinimum = 2, kSum = 4, kSampleCount = 8, kAll = 15 };

  MetricRecord record;
  bool has_namespace = false;
  bool has_name = false;
  bool has_timestamp = false;
  bool has_value = false;
  bool bad_timestamp = false;
  bool bad_value = false;
  bool has_stream = false;
  bool is_metric = false;    ///< A key that only metrics have.
  bool is_envelope = false;  ///< A key that only envelopes have, or flow records as objects.
  /// A label or timestamp that is none, even if the same key comes again with a good one.
  bool bad_token = false;
  std::uint32_t statistics = 0;
  std::uint64_t unknown_keys = 0;

  [[nodiscard]] bool has_all_keys() const noexcept {
    return has_namespace && has_name && has_timestamp && has_value;
  }
  [[nodiscard]] bool has_good_value() const noexcept {
    return !bad_value && statistics == kAll && record.sample_count >= 0;
  }
  /// Every token was read and is what it should be.
  [[nodiscard]] bool is_clean() const noexcept {
    return has_all_keys() && has_good_value() && !bad_timestamp && !bad_token && !is_envelope &&
           unknown_keys == 0;
  }
  void note_key(MetricKey key) noexcept {
    has_stream |= key == MetricKey::kStream;
    is_metric |= key == MetricKey::kStream || key == MetricKey::kNamespace ||
                 key == MetricKey::kName || key == MetricKey::kValue;
  }
  /// Where a basic statistic goes, and its bit; {nullptr, 0} for every other.
  struct Place {
    double* value;
    std::uint32_t bit;
  };
  [[nodiscard]] Place place_of(std::string_view statistic) noexcept {
    if (statistic == "max") return {&record.maximum, kMaximum};
    if (statistic == "min") return {&record.minimum, kMinimum};
    if (statistic == "sum") return {&record.sum, kSum};
    if (statistic == "count") return {&record.sample_count, kSampleCount};
    return {nullptr, 0};
  }
};

}  // namespace fleetmeter::parsers
