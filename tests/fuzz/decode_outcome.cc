#include "tests/fuzz/decode_outcome.h"

#include <algorithm>
#include <iterator>

#include "parsers/inflate.h"
#include "parsers/sniff.h"
#include "proto/check.h"

namespace fleetmeter::fuzz {
namespace {

using namespace parsers;

template <std::size_t kCount>
void check_same(const std::uint64_t (&left)[kCount], const std::uint64_t (&right)[kCount]) {
  FM_CHECK(std::equal(std::begin(left), std::end(left), std::begin(right)));
}

void check_same(const DecodeCounts& left, const DecodeCounts& right) {
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

Outcome finished(Decoder& decoder, const DigestSink& sink) {
  Outcome outcome;
  outcome.whole = decoder.finish();
  outcome.counts = decoder.counts();
  outcome.yield = sink;
  return outcome;
}

bool is_plain_text(std::string_view bytes) noexcept {
  return std::all_of(bytes.begin(), bytes.end(),
                     [](char c) { return (c >= ' ' && c <= '~') || c == '\n' || c == '\r'; });
}

}  // namespace

void DigestSink::on_flows(const FlowColumns& flows) {
  flow_count += flows.size;
  for (std::uint32_t record = 0; record < flows.size; ++record) {
    flow_digest.fold(std::uint64_t{flows.line_bytes[record]});
    flow_digest.fold(static_cast<std::uint64_t>(flows.status[record]));
    for (std::size_t i = 0; i < kFlowFieldCount; ++i)
      fold_field(flows, static_cast<FlowField>(i), record);
  }
}

void DigestSink::on_metrics(const MetricBatch& batch) {
  metric_count += batch.records.size();
  for (const MetricRecord& record : batch.records) {
    metric_digest.fold(record.metric_namespace);
    metric_digest.fold(record.name);
    metric_digest.fold(static_cast<std::uint64_t>(record.start_ms));
    metric_digest.fold(record.sum);
    metric_digest.fold(record.sample_count);
    for (const Dimension& dimension : batch.dimensions_of(record)) {
      metric_digest.fold(dimension.name);
      metric_digest.fold(dimension.value);
    }
    for (const ExtendedStatistic& statistic : batch.extended_of(record))
      metric_digest.fold(statistic.name);
  }
}

void DigestSink::fold_field(const FlowColumns& flows, FlowField field, std::uint32_t record) {
  if (!flows.present(field, record)) return;
  flow_digest.fold(static_cast<std::uint64_t>(field));
  switch (info(field).type) {
    case FieldType::kNumber:
      return flow_digest.fold(flows.numbers(field)[record]);
    case FieldType::kText:
      return flow_digest.fold(flows.texts(field)[record]);
    case FieldType::kAddress:
      return flow_digest.fold(flows.addresses(field)[record].low);
    case FieldType::kStatus:
    case FieldType::kAction:
    case FieldType::kDirection:
      return;
  }
}

bool Outcome::any_dropped() const noexcept {
  return std::any_of(std::begin(counts.dropped), std::end(counts.dropped),
                     [](std::uint64_t count) { return count > 0; }) ||
         counts.flows.malformed() > 0 || counts.metrics.malformed() > 0;
}

DecoderOptions small_options() {
  DecoderOptions options;
  options.inflated_bytes_max = std::size_t{1} << 20;
  options.batch_records = 64;
  return options;
}

Outcome decode_message(std::string_view bytes) {
  Outcome outcome;
  Decoder decoder{small_options(), outcome.yield};
  decoder.message(bytes);
  outcome.counts = decoder.counts();
  FM_CHECK(outcome.counts.metrics.datapoints == outcome.yield.metric_count);
  FM_CHECK(outcome.counts.raw_bytes == bytes.size());
  return outcome;
}

Outcome decode_stream(std::string_view bytes) {
  DigestSink sink;
  Decoder decoder{small_options(), sink};
  decoder.feed(bytes);
  return finished(decoder, sink);
}

Outcome decode_stream(std::string_view bytes, const Pieces& pieces) {
  DigestSink sink;
  Decoder decoder{small_options(), sink};
  for_each_piece(bytes, pieces, [&](std::string_view piece) { decoder.feed(piece); });
  return finished(decoder, sink);
}

void check_cuts(std::string_view bytes, const Pieces& pieces) {
  const Outcome at_once = decode_stream(bytes);
  const Outcome in_pieces = decode_stream(bytes, pieces);
  FM_CHECK(at_once.whole == in_pieces.whole);
  FM_CHECK(at_once.counts.raw_bytes == in_pieces.counts.raw_bytes);
  // ISA-L decodes ahead in groups of symbols: how near to the damage of a member it gets depends on
  // how it is fed.
  if (at_once.dropped(PayloadDrop::kBadGzip) > 0) {
    FM_CHECK(at_once.dropped(PayloadDrop::kBadGzip) == in_pieces.dropped(PayloadDrop::kBadGzip));
    return;
  }
  FM_CHECK(at_once.yield == in_pieces.yield);
  check_same(at_once.counts, in_pieces.counts);
}

void check_resume(std::string_view bytes, std::size_t stop, const Pieces& pieces) {
  const bool compressed = compression_of(bytes) != Compression::kNone;
  if (!compressed && (!is_plain_text(bytes) || bytes.find("x^") != std::string_view::npos)) return;
  const Outcome whole = decode_stream(bytes);
  if (!whole.whole) return;

  DigestSink sink;
  StreamPosition position;
  {
    Decoder before{small_options(), sink};
    for_each_piece(bytes.substr(0, stop), pieces,
                   [&](std::string_view piece) { before.feed(piece); });
    position = before.position();
  }
  FM_CHECK(position.member_start <= bytes.size());
  Decoder after{small_options(), sink};
  after.resume(position);
  FM_CHECK(after.position() == position);
  after.feed(bytes.substr(position.member_start));
  FM_CHECK(after.finish());
  FM_CHECK(sink == whole.yield);
}

void check_growth(std::string_view bytes, std::size_t stop) {
  if (!is_plain_text(bytes) || bytes.find("x^") != std::string_view::npos) return;
  const std::string_view begun = bytes.substr(0, stop);
  if (sniff(begun, true) != Content::kLines || sniff(bytes, true) != Content::kLines) return;
  const Outcome whole = decode_stream(bytes);
  if (!whole.whole) return;

  DigestSink sink;
  Decoder before{small_options(), sink};
  before.resume_plain({});
  before.feed(begun);
  (void)before.finish();
  const StreamPosition position = before.position();
  FM_CHECK(position.plain_bytes <= stop);
  Decoder after{small_options(), sink};
  after.resume_plain(position);
  after.feed(bytes.substr(position.plain_bytes));
  const auto continued =
      after.counts().dropped[static_cast<std::size_t>(PayloadDrop::kContinuedLine)];
  FM_CHECK(continued <= (position.line_open ? 1 : 0));
  if (position.line_open) return;
  FM_CHECK(after.finish());
  FM_CHECK(sink == whole.yield);
}

}  // namespace fleetmeter::fuzz
