#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "parsers/decoder.h"
#include "tests/fuzz/fuzz_input.h"

namespace fleetmeter::fuzz {

/// Folds values in order into one number.
class Digest {
 public:
  void fold(std::uint64_t number) noexcept { value_ = (value_ ^ number) * 0x9e3779b97f4a7c15u; }
  void fold(double number) noexcept { fold(std::bit_cast<std::uint64_t>(number)); }
  void fold(std::string_view text) noexcept {
    fold(std::uint64_t{text.size()});
    for (const char c : text) fold(static_cast<std::uint64_t>(static_cast<unsigned char>(c)));
  }
  friend bool operator==(const Digest&, const Digest&) = default;

 private:
  std::uint64_t value_ = 0;
};

/// Counts and digests what it takes. The cuts of a stream also decide how flows and metrics that
/// are mixed alternate, hence a digest of each.
class DigestSink final : public parsers::PayloadSink {
 public:
  void on_flows(const parsers::FlowColumns& flows) override;
  void on_metrics(const parsers::MetricBatch& batch) override;

  std::size_t flow_count = 0;
  std::size_t metric_count = 0;
  Digest flow_digest;
  Digest metric_digest;
  friend bool operator==(const DigestSink& a, const DigestSink& b) noexcept {
    return a.flow_count == b.flow_count && a.metric_count == b.metric_count &&
           a.flow_digest == b.flow_digest && a.metric_digest == b.metric_digest;
  }

 private:
  void fold_field(const parsers::FlowColumns& flows, parsers::FlowField field,
                  std::uint32_t record);
};

/// What a decoder made of some bytes.
struct Outcome {
  DigestSink yield;
  parsers::DecodeCounts counts;
  bool whole = false;  ///< What finish() said.

  [[nodiscard]] std::uint64_t dropped(parsers::PayloadDrop reason) const noexcept {
    return counts.dropped[static_cast<std::size_t>(reason)];
  }
  [[nodiscard]] bool any_dropped() const noexcept;
};

/// With small limits, so that they are reached.
[[nodiscard]] parsers::DecoderOptions small_options();

[[nodiscard]] Outcome decode_message(std::string_view bytes);
[[nodiscard]] Outcome decode_stream(std::string_view bytes);
[[nodiscard]] Outcome decode_stream(std::string_view bytes, const Pieces& pieces);

/// Where a stream is cut changes neither what it yields nor what is counted.
void check_cuts(std::string_view bytes, const Pieces& pieces);

/// A stream stopped after `stop` bytes and resumed where position() says yields in all what an
/// unbroken run does. Only of what is told anew at any record border: compressed bytes, and text
/// whose lines cannot be taken for a beginning of something else.
void check_resume(std::string_view bytes, std::size_t stop, const Pieces& pieces);

/// A file of text that was read to its end, its last line too, when it had `stop` bytes, and has
/// grown since: nothing is lost and nothing read twice. Where that line counted without its line end
/// no more is said than that what continues it is dropped once.
void check_growth(std::string_view bytes, std::size_t stop);

}  // namespace fleetmeter::fuzz
