#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "parsers/decoder.h"

namespace fleetmeter::ingest {

/// Tells when two flow logs hold records of the same interfaces of the same time, such as one of a
/// VPC and one of its subnet: each counts, so what both log counts twice (docs/time.md 10). It
/// stands between a decoder and its sink and looks at a sample of the records; of which flow log
/// they are, the names of AWS's objects say. Two with one action each, ACCEPT and REJECT, do not
/// overlap, nor does one that takes another's place. Bounded memory. Not thread safe.
class FlowLogOverlap final : public parsers::PayloadSink {
 public:
  explicit FlowLogOverlap(parsers::PayloadSink& to) noexcept : to_(to) {}

  /// What comes next is of this file.
  void begin(std::string_view path);
  /// What was found since the last call, a line for each two flow logs, once.
  [[nodiscard]] std::vector<std::string> take_notices() { return std::exchange(notices_, {}); }

  void on_flows(const parsers::FlowColumns& flows) override;
  void on_metrics(const parsers::MetricBatch& metrics) override { to_.on_metrics(metrics); }
  bool keep_log_event(std::string_view event_id) override { return to_.keep_log_event(event_id); }
  bool keep_request(std::string_view request_id) override { return to_.keep_request(request_id); }

 private:
  void look_at(const parsers::FlowColumns& flows, std::uint32_t record);
  void found(std::uint32_t other, std::string_view interface, std::uint64_t span);
  void thin();

  static constexpr std::uint32_t kNone = 0xffffffff;

  parsers::PayloadSink& to_;
  std::vector<std::string> names_;  ///< Of the flow logs met.
  std::uint32_t flow_log_ = kNone;  ///< Of the file; index in names_.
  /// Who logged an interface in a span of time with an action, by the hash of these three.
  std::unordered_map<std::uint64_t, std::uint32_t> seen_;
  int thinned_ = 0;  ///< Only hashes with so many zeros in front are kept.
  /// The first span in which two were found, by their indexes; kTold = both were told.
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint64_t> pairs_;
  std::vector<std::string> notices_;
};

/// "fl-..." of an object that a flow log wrote to S3, compressed or not; empty = of something else.
[[nodiscard]] std::string_view flow_log_of(std::string_view path) noexcept;

}  // namespace fleetmeter::ingest
