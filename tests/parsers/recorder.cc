#include "tests/parsers/recorder.h"

#include <gtest/gtest.h>
#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstdio>

namespace fleetmeter::parsers::testing {
namespace {

std::string address_text(const IpAddress& address) {
  char text[64];
  if (address.is_v4()) {
    const std::uint32_t v4 = address.v4();
    std::snprintf(text, sizeof text, "%u.%u.%u.%u", v4 >> 24, v4 >> 16 & 255, v4 >> 8 & 255,
                  v4 & 255);
  } else {
    std::snprintf(text, sizeof text, "%016lx:%016lx", address.high, address.low);
  }
  return text;
}

std::string deflated(std::string_view plain, int window_bits) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::string out(deflateBound(&stream, plain.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace

std::string flow_value(const FlowColumns& flows, FlowField field, std::uint32_t index) {
  if (!flows.present(field, index)) {
    // What FlowColumns says of absent ones.
    if (!flows.numbers(field).empty()) {
      EXPECT_EQ(flows.numbers(field)[index], 0u);
    }
    if (!flows.addresses(field).empty()) {
      EXPECT_EQ(flows.addresses(field)[index], IpAddress{});
    }
    return "-";
  }
  switch (info(field).type) {
    case FieldType::kText:
      return std::string{flows.texts(field)[index]};
    case FieldType::kNumber:
      return std::to_string(flows.numbers(field)[index]);
    case FieldType::kAddress:
      return address_text(flows.addresses(field)[index]);
    case FieldType::kStatus:
      return flows.status[index] == LogStatus::kOk       ? "OK"
             : flows.status[index] == LogStatus::kNoData ? "NODATA"
                                                         : "SKIPDATA";
    case FieldType::kAction:
      return flows.action[index] == Action::kAccept   ? "ACCEPT"
             : flows.action[index] == Action::kReject ? "REJECT"
                                                      : "?";
    case FieldType::kDirection:
      return flows.direction[index] == Direction::kIngress  ? "ingress"
             : flows.direction[index] == Direction::kEgress ? "egress"
                                                            : "?";
  }
  return "?";
}

std::string flow_text(const FlowColumns& flows, std::uint32_t index) {
  std::string text;
  for (std::size_t i = 0; i < kFlowFieldCount; ++i) {
    const auto field = static_cast<FlowField>(i);
    if (!flows.fields.has(field)) continue;
    if (!text.empty()) text += ' ';
    text += std::string{info(field).name} + '=' + flow_value(flows, field, index);
  }
  return text + " line_bytes=" + std::to_string(flows.line_bytes[index]);
}

std::string metric_text(const MetricBatch& batch, const MetricRecord& record) {
  char numbers[160];
  std::snprintf(numbers, sizeof numbers, " start_ms=%ld period_s=%u count=%g sum=%g min=%g max=%g",
                record.start_ms, record.period_s, record.sample_count, record.sum, record.minimum,
                record.maximum);
  std::string text;
  for (const std::string_view part : {record.stream, record.account, record.region,
                                      record.metric_namespace, record.name, record.unit}) {
    text += std::string{part} + '|';
  }
  text += numbers;
  for (const Dimension& dimension : batch.dimensions_of(record)) {
    text += ' ' + std::string{dimension.name} + '=' + std::string{dimension.value};
  }
  for (const ExtendedStatistic& extended : batch.extended_of(record)) {
    text += ' ' + std::string{extended.name} + ':' + std::to_string(extended.value);
  }
  return text;
}

void Recorder::on_flows(const FlowColumns& batch) {
  ++flow_batches;
  largest_batch = std::max(largest_batch, batch.size);
  for (std::uint32_t i = 0; i < batch.size; ++i) flows.push_back(flow_text(batch, i));
}

void Recorder::on_metrics(const MetricBatch& batch) {
  for (const MetricRecord& record : batch.records) metrics.push_back(metric_text(batch, record));
}

bool Recorder::keep_log_event(std::string_view event_id) {
  event_ids.emplace_back(event_id);
  return event_id != refused_event_id;
}

bool Recorder::keep_request(std::string_view request_id) {
  request_ids.emplace_back(request_id);
  return request_id != refused_request_id;
}

Decoded decode_message(std::string_view bytes, const DecoderOptions& options) {
  Recorder recorder;
  Decoder decoder{options, recorder};
  // An exact block of its own, so that a sanitizer sees any read past it.
  const std::string own{bytes};
  const std::vector<char> block(own.begin(), own.end());
  decoder.message({block.data(), block.size()});
  return {{decoder.counts()}, std::move(recorder.flows), std::move(recorder.metrics)};
}

Decoded decode_stream(std::string_view bytes, std::size_t piece_bytes,
                      const DecoderOptions& options) {
  Recorder recorder;
  Decoder decoder{options, recorder};
  for (std::size_t at = 0; at < bytes.size(); at += piece_bytes) {
    const std::string_view piece = bytes.substr(at, piece_bytes);
    const std::vector<char> block(piece.begin(), piece.end());
    decoder.feed({block.data(), block.size()});
  }
  const bool whole = decoder.finish();
  return {{decoder.counts()}, std::move(recorder.flows), std::move(recorder.metrics), whole};
}

Decoded decode_cut(std::string_view bytes, std::size_t cut) {
  Recorder recorder;
  Decoder decoder{{}, recorder};
  decoder.feed(bytes.substr(0, cut));
  decoder.feed(bytes.substr(cut));
  const bool whole = decoder.finish();
  return {{decoder.counts()}, std::move(recorder.flows), std::move(recorder.metrics), whole};
}

std::string gzip(std::string_view plain) { return deflated(plain, 31); }
std::string zlib(std::string_view plain) { return deflated(plain, 15); }

std::string zstd(std::string_view plain) {
  std::string out(ZSTD_compressBound(plain.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), plain.data(), plain.size(), 3));
  return out;
}

std::string from_base64(std::string_view wrapped) {
  std::string text;
  std::copy_if(wrapped.begin(), wrapped.end(), std::back_inserter(text),
               [](char c) { return c != '\n' && c != ' '; });
  std::string out;
  EXPECT_TRUE(decode_base64(text, out));
  return out;
}

}  // namespace fleetmeter::parsers::testing
