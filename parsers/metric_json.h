#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "parsers/metric_batch.h"

namespace fleetmeter::parsers {

/// Reads one JSON object of a metric stream (Amazon CloudWatch User Guide, "Metric streams: JSON
/// format"): as AWS writes it in one pass, else by simdjson on demand. Statistics besides max, min,
/// sum and count keep the name they came with; keys outside the format are counted and skipped.
class MetricJsonParser {
 public:
  enum class Result : std::uint8_t {
    kTaken,  ///< A datapoint was appended, or the object was dropped and counted.
    kOther,  ///< An object with a key of an envelope, or broken JSON that shows one: not a metric.
    /// Only when not `exact`: not sure to be one whole object; nothing appended or counted.
    kNotClean,
  };

  MetricJsonParser();
  ~MetricJsonParser();

  /// `value` begins with '{' and has ByteBuffer::kPaddingBytes readable behind it. `exact`: it is
  /// known to be balanced from first to last byte (JsonScanner), so what does not parse is bad. Not
  /// `exact`: only what JsonScanner would find to end at the same byte is taken. Views in `batch`
  /// point into `value`, or into this parser until clear_text().
  [[nodiscard]] Result parse(std::string_view value, bool exact, MetricBatch& batch,
                             MetricCounts& counts);
  void clear_text() noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fleetmeter::parsers
