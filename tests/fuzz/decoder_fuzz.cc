// Any bytes: the decoder neither crashes nor reads past its input, and neither what it yields nor
// what it counts depends on where a stream is cut. The first byte is the length of the pieces, the
// rest the stream.
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string_view>

#include "parsers/decoder.h"
#include "proto/check.h"

namespace {

using fleetmeter::parsers::DecodeCounts;
using fleetmeter::parsers::Decoder;
using fleetmeter::parsers::DecoderOptions;
using fleetmeter::parsers::FieldType;
using fleetmeter::parsers::FlowColumns;
using fleetmeter::parsers::FlowField;
using fleetmeter::parsers::MetricBatch;
using fleetmeter::parsers::PayloadDrop;

/// Folds values in order into one number.
class Digest {
 public:
  void fold(std::uint64_t number) { value_ = (value_ ^ number) * 0x9e3779b97f4a7c15u; }
  void fold(double number) { fold(std::bit_cast<std::uint64_t>(number)); }
  void fold(std::string_view text) {
    fold(std::uint64_t{text.size()});
    for (const char c : text) fold(static_cast<std::uint64_t>(static_cast<unsigned char>(c)));
  }
  friend bool operator==(const Digest&, const Digest&) = default;

 private:
  std::uint64_t value_ = 0;
};

/// Counts and digests what it takes. The cuts of a stream also decide how flows and metrics that
/// are mixed alternate, hence a digest of each.
class DigestSink final : public fleetmeter::parsers::PayloadSink {
 public:
  void on_flows(const FlowColumns& flows) override {
    flow_count += flows.size;
    for (std::uint32_t record = 0; record < flows.size; ++record) {
      flow_digest.fold(std::uint64_t{flows.line_bytes[record]});
      flow_digest.fold(static_cast<std::uint64_t>(flows.status[record]));
      for (std::size_t i = 0; i < fleetmeter::parsers::kFlowFieldCount; ++i)
        fold_field(flows, static_cast<FlowField>(i), record);
    }
  }
  void on_metrics(const MetricBatch& batch) override {
    metric_count += batch.records.size();
    for (const auto& record : batch.records) {
      metric_digest.fold(record.name);
      metric_digest.fold(record.metric_namespace);
      metric_digest.fold(static_cast<std::uint64_t>(record.start_ms));
      metric_digest.fold(record.sum);
      metric_digest.fold(record.sample_count);
      for (const auto& dimension : batch.dimensions_of(record)) {
        metric_digest.fold(dimension.name);
        metric_digest.fold(dimension.value);
      }
      for (const auto& statistic : batch.extended_of(record)) metric_digest.fold(statistic.name);
    }
  }

  std::size_t flow_count = 0;
  std::size_t metric_count = 0;
  Digest flow_digest;
  Digest metric_digest;

 private:
  void fold_field(const FlowColumns& flows, FlowField field, std::uint32_t record) {
    if (!flows.present(field, record)) return;
    flow_digest.fold(static_cast<std::uint64_t>(field));
    switch (fleetmeter::parsers::info(field).type) {
      case FieldType::kNumber:
        flow_digest.fold(flows.numbers(field)[record]);
        break;
      case FieldType::kText:
        flow_digest.fold(flows.texts(field)[record]);
        break;
      case FieldType::kAddress:
        flow_digest.fold(flows.addresses(field)[record].low);
        break;
      case FieldType::kStatus:
      case FieldType::kAction:
      case FieldType::kDirection:
        break;
    }
  }
};

DecoderOptions options() {
  DecoderOptions small;
  small.inflated_bytes_max = std::size_t{1} << 20;
  return small;
}

void check_message(std::string_view bytes) {
  DigestSink sink;
  Decoder decoder{options(), sink};
  decoder.message(bytes);
  FM_CHECK(decoder.counts().metrics.datapoints == sink.metric_count);
}

struct Outcome {
  DigestSink yield;
  DecodeCounts counts;
  bool whole = false;
};

Outcome stream(std::string_view bytes, std::size_t piece) {
  Outcome outcome;
  Decoder decoder{options(), outcome.yield};
  for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size())))
    decoder.feed(bytes.substr(0, piece));
  outcome.whole = decoder.finish();
  outcome.counts = decoder.counts();
  return outcome;
}

std::uint64_t dropped(const Outcome& outcome, PayloadDrop reason) {
  return outcome.counts.dropped[static_cast<std::size_t>(reason)];
}

template <std::size_t kCount>
void check_same(const std::uint64_t (&left)[kCount], const std::uint64_t (&right)[kCount]) {
  FM_CHECK(std::equal(std::begin(left), std::end(left), std::begin(right)));
}

void check_cuts(std::string_view bytes, std::size_t piece) {
  const Outcome at_once = stream(bytes, std::max<std::size_t>(bytes.size(), 1));
  const Outcome in_pieces = stream(bytes, piece);
  FM_CHECK(at_once.whole == in_pieces.whole);
  FM_CHECK(at_once.counts.raw_bytes == in_pieces.counts.raw_bytes);
  // ISA-L decodes ahead in groups of symbols: how near to the damage of a member it gets depends on
  // how it is fed.
  if (dropped(at_once, PayloadDrop::kBadGzip) > 0) {
    FM_CHECK(dropped(at_once, PayloadDrop::kBadGzip) == dropped(in_pieces, PayloadDrop::kBadGzip));
    return;
  }
  FM_CHECK(at_once.yield.flow_count == in_pieces.yield.flow_count);
  FM_CHECK(at_once.yield.metric_count == in_pieces.yield.metric_count);
  FM_CHECK(at_once.yield.flow_digest == in_pieces.yield.flow_digest);
  FM_CHECK(at_once.yield.metric_digest == in_pieces.yield.metric_digest);
  const DecodeCounts& left = at_once.counts;
  const DecodeCounts& right = in_pieces.counts;
  check_same(left.dropped, right.dropped);
  check_same(left.flows.dropped, right.flows.dropped);
  check_same(left.metrics.dropped, right.metrics.dropped);
  FM_CHECK(left.flows.ok == right.flows.ok);
  FM_CHECK(left.flows.nodata == right.flows.nodata);
  FM_CHECK(left.flows.skipdata == right.flows.skipdata);
  FM_CHECK(left.flows.headers == right.flows.headers);
  FM_CHECK(left.flows.unwindowed == right.flows.unwindowed);
  FM_CHECK(left.metrics.frames == right.metrics.frames);
  FM_CHECK(left.metrics.unknown_keys == right.metrics.unknown_keys);
  FM_CHECK(left.control_messages == right.control_messages);
  FM_CHECK(left.plain_bytes == right.plain_bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes{reinterpret_cast<const char*>(data) + 1, size - 1};
  check_message(bytes);
  check_cuts(bytes, std::size_t{data[0]} + 1);
  return 0;
}
