#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/decoder.h"

namespace fleetmeter::parsers::testing {

/// Ways in which the same records reach a decoder.
enum class Delivery : std::uint8_t {
  kText,              ///< A file, in pieces cut at any byte.
  kGzipMembers,       ///< A file of members that end at any byte, in pieces cut at any byte.
  kValues,            ///< Messages of one to some records, as Kafka values are.
  kPackedValues,      ///< The same, each compressed by gzip, zlib or zstd.
  kFirehoseRecords,   ///< Requests of some records, each of one to some of ours.
  kFirehoseMessages,  ///< The same, each of ours a vended {"message"}. Flow lines only.
  kLogEvents,         ///< CloudWatch Logs envelopes, each compressed. Flow lines only.
  kLogEventsInAFile,  ///< A file whose members are such envelopes. Flow lines only.
};
inline constexpr Delivery kDeliveries[] = {
    Delivery::kText,         Delivery::kGzipMembers,     Delivery::kValues,
    Delivery::kPackedValues, Delivery::kFirehoseRecords, Delivery::kFirehoseMessages,
    Delivery::kLogEvents,    Delivery::kLogEventsInAFile};

[[nodiscard]] std::string_view to_string(Delivery delivery) noexcept;
/// It carries log messages: no JSON datapoints, no OTLP.
[[nodiscard]] bool is_for_messages(Delivery delivery) noexcept;

/// Gives the records, in their order, to the decoder in that way, chopped as `random` says; calls
/// `after` behind every call of the decoder. Records end in what ends them: line feed, or nothing
/// for OTLP frames. Text is UTF-8.
void deliver(const std::vector<std::string>& records, Delivery delivery, std::mt19937& random,
             Decoder& decoder, const std::function<void()>& after);

/// Lines of flow logs as they may come: mostly right, of the default format and of that of the
/// headers in mid-stream; NODATA, SKIPDATA, and lines that are dropped alone. Interfaces, addresses
/// and times are few, so that sums meet; starts lie in [start_s, start_s + seconds).
struct LineOptions {
  std::int64_t start_s = 1'700'000'400;
  std::uint32_t seconds = 1200;
  std::int64_t length_s = 59;
  bool by_time = false;       ///< Sorted by start.
  bool long_records = false;  ///< Some last over 120 s.
};
[[nodiscard]] std::vector<std::string> mixed_lines(std::uint32_t seed, std::size_t count,
                                                   const LineOptions& options = {});

}  // namespace fleetmeter::parsers::testing
