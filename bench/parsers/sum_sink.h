#pragma once

#include <cstdint>

#include "parsers/decoder.h"

namespace fleetmeter::parsers::bench {

/// What a decoder finds of flows, to be held against a Corpus.
struct SumSink final : PayloadSink {
  void on_flows(const FlowColumns& flows) override {
    records += flows.size;
    const auto bytes = flows.numbers(FlowField::kBytes);
    for (std::uint32_t i = 0; i < flows.size; ++i)
      byte_sum += flows.present(FlowField::kBytes, i) ? bytes[i] : 0;
  }
  void on_metrics(const MetricBatch& /*metrics*/) override {}
  std::uint64_t records = 0;
  std::uint64_t byte_sum = 0;
};

}  // namespace fleetmeter::parsers::bench
