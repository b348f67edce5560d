#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "parsers/identity_memory.h"
#include "parsers/metric_batch.h"
#include "parsers/metric_support.h"

namespace fleetmeter::parsers {

inline constexpr std::size_t kOtlpFrameBytesMax = 64u << 20;

/// The length prefix at the front of a frame.
struct FramePrefix {
  enum class Kind : std::uint8_t { kComplete, kNeedMore, kBad };
  Kind kind;
  std::uint32_t prefix_bytes = 0;  ///< Of the varint itself.
  std::uint32_t frame_bytes = 0;   ///< Of the message behind it.
};
[[nodiscard]] FramePrefix read_frame_prefix(std::string_view bytes) noexcept;

/// Decodes ExportMetricsServiceRequest messages of metric streams, OTLP 0.7.0 and 1.0.0 alike: the
/// two differ in the labels alone (field 1 of a datapoint: string pairs; field 7: KeyValue with any
/// value), so one walk of the wire serves both. Field numbers: opentelemetry-proto 0.7.0 and 1.0.0,
/// metrics.proto. Views of `batch` point into the message, or into this decoder for percentile
/// names. Attributes that were met before are compared instead of walked; what a message yields
/// does not depend on those before it, but for MetricRecord::attributes.
class OtlpDecoder {
 public:
  explicit OtlpDecoder(std::size_t identities_max = IdentityMemory::kEntriesMax)
      : identities_(identities_max) {}

  /// One frame's message. Datapoints are appended to `batch`. A datapoint that lacks what is needed
  /// is dropped alone; where the wire itself is broken the rest of the broken message is dropped,
  /// and what was read before is kept.
  void decode_request(std::string_view message, MetricBatch& batch, MetricCounts& counts);
  /// One ResourceMetrics: what a request that came without a frame consists of.
  void decode_resource_metrics(std::string_view message, MetricBatch& batch, MetricCounts& counts);

 private:
  struct Resource {
    std::string_view account;
    std::string_view region;
    std::string_view stream;
  };
  [[nodiscard]] bool read_resource(std::string_view message, Resource& resource) const;
  [[nodiscard]] bool decode_scope(std::string_view message, const Resource& resource,
                                  MetricBatch& batch, MetricCounts& counts);
  [[nodiscard]] bool decode_metric(std::string_view message, const Resource& resource,
                                   MetricBatch& batch, MetricCounts& counts);
  void decode_point(std::string_view message, const Resource& resource, MetricBatch& batch,
                    MetricCounts& counts);

  QuantileNames quantile_names_;
  IdentityMemory identities_;
};

}  // namespace fleetmeter::parsers
