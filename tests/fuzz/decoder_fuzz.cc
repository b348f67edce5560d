// Any bytes: the decoder neither crashes nor reads past its input, and what it counts does not
// depend on where a stream is cut. The first byte is the length of the pieces, the rest the stream.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "parsers/decoder.h"
#include "proto/check.h"

namespace {

using fleetmeter::parsers::DecodeCounts;
using fleetmeter::parsers::Decoder;
using fleetmeter::parsers::DecoderOptions;
using fleetmeter::parsers::PayloadDrop;

class CountingSink final : public fleetmeter::parsers::PayloadSink {
 public:
  void on_flows(const fleetmeter::parsers::FlowColumns& flows) override { flows_ += flows.size; }
  void on_metrics(const fleetmeter::parsers::MetricBatch& batch) override {
    metrics_ += batch.records.size();
  }
  [[nodiscard]] std::size_t flows() const { return flows_; }
  [[nodiscard]] std::size_t metrics() const { return metrics_; }

 private:
  std::size_t flows_ = 0;
  std::size_t metrics_ = 0;
};

DecoderOptions options() {
  DecoderOptions small;
  small.inflated_bytes_max = std::size_t{1} << 20;
  return small;
}

void check_message(std::string_view bytes) {
  CountingSink sink;
  Decoder decoder{options(), sink};
  decoder.message(bytes);
  FM_CHECK(decoder.counts().metrics.datapoints == sink.metrics());
}

struct Outcome {
  DecodeCounts counts;
  std::size_t flows = 0;
  std::size_t metrics = 0;
  bool whole = false;
};

Outcome stream(std::string_view bytes, std::size_t piece) {
  CountingSink sink;
  Decoder decoder{options(), sink};
  for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size())))
    decoder.feed(bytes.substr(0, piece));
  Outcome outcome;
  outcome.whole = decoder.finish();
  outcome.counts = decoder.counts();
  outcome.flows = sink.flows();
  outcome.metrics = sink.metrics();
  return outcome;
}

void check_cuts(std::string_view bytes, std::size_t piece) {
  const Outcome at_once = stream(bytes, std::max<std::size_t>(bytes.size(), 1));
  const Outcome in_pieces = stream(bytes, piece);
  FM_CHECK(at_once.whole == in_pieces.whole);
  // How much a damaged member yields before the damage shows depends on how it was fed.
  if (at_once.counts.dropped[static_cast<std::size_t>(PayloadDrop::kBadGzip)] > 0) return;
  FM_CHECK(at_once.flows == in_pieces.flows);
  FM_CHECK(at_once.metrics == in_pieces.metrics);
  FM_CHECK(at_once.counts.flows.ok == in_pieces.counts.flows.ok);
  if (at_once.whole) FM_CHECK(at_once.counts.plain_bytes == in_pieces.counts.plain_bytes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes{reinterpret_cast<const char*>(data) + 1, size - 1};
  check_message(bytes);
  check_cuts(bytes, std::size_t{data[0]} + 1);
  return 0;
}
