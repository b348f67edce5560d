#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "parsers/decoder.h"
#include "tests/parsers/base64_text.h"

namespace fleetmeter::parsers::testing {

/// Every field of record `index` that is filled, as "name=value name=- ...": absent ones as "-".
[[nodiscard]] std::string flow_text(const FlowColumns& flows, std::uint32_t index);
/// One field of it, "-" when absent.
[[nodiscard]] std::string flow_value(const FlowColumns& flows, FlowField field,
                                     std::uint32_t index);
[[nodiscard]] std::string metric_text(const MetricBatch& batch, const MetricRecord& record);

/// Keeps what a decoder yields, as text that outlives the batches.
class Recorder final : public PayloadSink {
 public:
  void on_flows(const FlowColumns& flows) override;
  void on_metrics(const MetricBatch& metrics) override;
  bool keep_log_event(std::string_view event_id) override;
  bool keep_request(std::string_view request_id) override;

  std::vector<std::string> flows;
  std::vector<std::string> metrics;
  std::vector<std::string> event_ids;
  std::string refused_event_id;
  std::vector<std::string> request_ids;
  std::string refused_request_id;
  std::uint32_t flow_batches = 0;
  std::uint32_t largest_batch = 0;
};

/// What a decoder counted.
struct Counted {
  DecodeCounts counts;
  [[nodiscard]] std::uint64_t dropped(PayloadDrop reason) const {
    return counts.dropped[static_cast<std::size_t>(reason)];
  }
  [[nodiscard]] std::uint64_t dropped(FlowDrop reason) const {
    return counts.flows.dropped[static_cast<std::size_t>(reason)];
  }
  [[nodiscard]] std::uint64_t dropped(MetricDrop reason) const {
    return counts.metrics.dropped[static_cast<std::size_t>(reason)];
  }
};

struct Decoded : Counted {
  std::vector<std::string> flows;
  std::vector<std::string> metrics;
  bool whole = true;  ///< What finish() said.
};

[[nodiscard]] Decoded decode_message(std::string_view bytes, const DecoderOptions& options = {});
/// As a stream in pieces of `piece_bytes`.
[[nodiscard]] Decoded decode_stream(std::string_view bytes, std::size_t piece_bytes,
                                    const DecoderOptions& options = {});
/// As a stream in two pieces.
[[nodiscard]] Decoded decode_cut(std::string_view bytes, std::size_t cut);

[[nodiscard]] std::string gzip(std::string_view plain);
[[nodiscard]] std::string zlib(std::string_view plain);
[[nodiscard]] std::string zstd(std::string_view plain);
/// Of base64 text that may be wrapped; fails the test when it is none.
[[nodiscard]] std::string from_base64(std::string_view wrapped);

}  // namespace fleetmeter::parsers::testing
