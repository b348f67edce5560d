#pragma once

#include <string_view>

#include "bench/parsers/metric_corpus.h"

namespace fleetmeter::parsers::bench {

// The ceilings of metric streams: each reads the fields that our decoders read, checks nothing that
// its reading does not need, and keeps nothing but the answer.

/// Walks the wire by hand. No length, order, value or wire type is checked; lengths have two bytes
/// at most where messages are small.
[[nodiscard]] MetricAnswer probe_otlp(std::string_view frames);

/// simdjson on demand as its documentation has it: iterate_many, fields in the order they stand in.
/// Compiled for AVX2, so that not the baseline's slow kernel is measured. 64 bytes behind the text
/// are readable.
class JsonProbe {
 public:
  [[nodiscard]] static bool is_supported() noexcept;
  [[nodiscard]] static MetricAnswer run(std::string_view lines, Statistics statistics);
};

}  // namespace fleetmeter::parsers::bench
