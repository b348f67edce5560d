#include "parsers/decoder.h"

namespace fleetmeter::parsers {

std::string_view to_string(PayloadDrop reason) noexcept {
  switch (reason) {
    case PayloadDrop::kBadGzip:
      return "bad_gzip";
    case PayloadDrop::kTruncated:
      return "truncated";
    case PayloadDrop::kTooLarge:
      return "too_large";
    case PayloadDrop::kBadEnvelope:
      return "bad_envelope";
    case PayloadDrop::kBadBase64:
      return "bad_base64";
    case PayloadDrop::kNestedTooDeep:
      return "nested_too_deep";
    case PayloadDrop::kUnknownContent:
      return "unknown_content";
    case PayloadDrop::kParquet:
      return "parquet";
    case PayloadDrop::kContinuedLine:
      return "continued_line";
    case PayloadDrop::kCount:
      break;
  }
  return "unknown";
}

DecodeCounts& DecodeCounts::operator+=(const DecodeCounts& other) noexcept {
  flows += other.flows;
  metrics += other.metrics;
  control_messages += other.control_messages;
  duplicate_events += other.duplicate_events;
  duplicate_requests += other.duplicate_requests;
  payloads += other.payloads;
  for (std::size_t i = 0; i < std::size(dropped); ++i) dropped[i] += other.dropped[i];
  raw_bytes += other.raw_bytes;
  plain_bytes += other.plain_bytes;
  return *this;
}

}  // namespace fleetmeter::parsers
