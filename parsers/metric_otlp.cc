#include "parsers/metric_otlp.h"

#include <cmath>

#include "parsers/protobuf_wire.h"

namespace fleetmeter::parsers {
namespace {

constexpr std::uint64_t kNsPerMs = 1000000;
constexpr std::uint64_t kNsPerSecond = 1000000000;
// Periods go up to a day (S3 storage metrics); a week leaves room and still refuses nonsense.
constexpr std::uint64_t kPeriodSecondsMax = 7 * 86400;

void count(MetricCounts& counts, MetricDrop reason) noexcept {
  ++counts.dropped[static_cast<std::size_t>(reason)];
}

struct Pair {
  std::string_view key;
  std::string_view value;  // StringKeyValue's string, or KeyValue's AnyValue still encoded.
};

bool read_pair(std::string_view message, Pair& pair) noexcept {
  WireReader reader{message};
  while (reader.next()) {
    if (reader.message_field() == 1) pair.key = reader.bytes();
    if (reader.message_field() == 2) pair.value = reader.bytes();
  }
  return reader.ok();
}

struct AnyValue {
  std::string_view text;  // string_value
  std::string_view list;  // kvlist_value
  bool is_text = false;
  bool is_list = false;
};

bool read_any(std::string_view message, AnyValue& value) noexcept {
  WireReader reader{message};
  while (reader.next()) {
    if (reader.message_field() == 1) {
      value.text = reader.bytes();
      value.is_text = true;
    } else if (reader.message_field() == 6) {
      value.list = reader.bytes();
      value.is_list = true;
    }
  }
  return reader.ok();
}

/// What one datapoint says, before it is judged.
struct Point {
  std::uint64_t start_ns = 0;
  std::uint64_t end_ns = 0;
  std::uint64_t count = 0;
  double sum = 0;
  double minimum = 0;
  double maximum = 0;
  bool has_minimum = false;
  bool has_maximum = false;
  std::string_view metric_namespace;
  std::string_view name;
  bool has_namespace = false;
  bool has_name = false;

  /// True when the pair was one of the two fixed labels. Only the first of each: in 0.7.0 a
  /// dimension may bear the same name.
  bool take_label(std::string_view key, std::string_view value) noexcept {
    if (!has_namespace && key == "Namespace") {
      metric_namespace = value;
      return has_namespace = true;
    }
    if (!has_name && key == "MetricName") {
      name = value;
      return has_name = true;
    }
    return false;
  }
};

/// KeyValueList of dimension name to string value (1.0.0's `Dimensions`).
bool read_dimension_list(std::string_view list, MetricBatch& batch, MetricCounts& counts) {
  WireReader reader{list};
  while (reader.next()) {
    if (reader.message_field() != 1) continue;
    Pair pair;
    AnyValue value;
    if (!read_pair(reader.bytes(), pair) || !read_any(pair.value, value)) return false;
    if (value.is_text || pair.value.empty()) {
      batch.dimensions.push_back({pair.key, value.text});
    } else {
      ++counts.unknown_keys;  // CloudWatch dimensions are text; another kind is nothing we know.
    }
  }
  return reader.ok();
}

bool read_attribute(std::string_view message, Point& point, MetricBatch& batch,
                    MetricCounts& counts) {
  Pair pair;
  AnyValue value;
  if (!read_pair(message, pair) || !read_any(pair.value, value)) return false;
  if (value.is_list && pair.key == "Dimensions")
    return read_dimension_list(value.list, batch, counts);
  if (value.is_text && point.take_label(pair.key, value.text)) return true;
  ++counts.unknown_keys;
  return true;
}

struct Quantile {
  double quantile = 0;  // proto3 leaves out zeros: a missing one is 0, the minimum.
  double value = 0;
};

bool read_quantile(std::string_view message, Quantile& quantile) noexcept {
  WireReader reader{message};
  while (reader.next()) {
    if (reader.fixed64_field() == 1) quantile.quantile = reader.real();
    if (reader.fixed64_field() == 2) quantile.value = reader.real();
  }
  return reader.ok();
}

}  // namespace

FramePrefix read_frame_prefix(std::string_view bytes) noexcept {
  std::uint64_t length = 0;
  for (std::uint32_t i = 0; i < 5; ++i) {
    if (i == bytes.size()) return {FramePrefix::Kind::kNeedMore};
    const auto byte = static_cast<unsigned char>(bytes[i]);
    length |= static_cast<std::uint64_t>(byte & 0x7f) << (7 * i);
    if (byte >= 0x80) continue;
    if (length > kOtlpFrameBytesMax) break;
    return {FramePrefix::Kind::kComplete, i + 1, static_cast<std::uint32_t>(length)};
  }
  return {FramePrefix::Kind::kBad};
}

void OtlpDecoder::decode_request(std::string_view message, MetricBatch& batch,
                                 MetricCounts& counts) {
  WireReader reader{message};
  while (reader.next()) {
    if (reader.message_field() == 1) decode_resource_metrics(reader.bytes(), batch, counts);
  }
  if (!reader.ok()) count(counts, MetricDrop::kBadProtobuf);
}

void OtlpDecoder::decode_resource_metrics(std::string_view message, MetricBatch& batch,
                                          MetricCounts& counts) {
  // Fields may come in any order, and the resource belongs to every datapoint: it is read first.
  Resource resource;
  bool ok = true;
  for (WireReader reader{message}; reader.next();) {
    if (reader.message_field() == 1) ok = read_resource(reader.bytes(), resource) && ok;
  }
  WireReader reader{message};
  while (reader.next()) {
    if (reader.message_field() == 2)
      ok = decode_scope(reader.bytes(), resource, batch, counts) && ok;
  }
  if (!ok || !reader.ok()) count(counts, MetricDrop::kBadProtobuf);
}

bool OtlpDecoder::read_resource(std::string_view message, Resource& resource) const {
  WireReader reader{message};
  while (reader.next()) {
    if (reader.message_field() != 1) continue;
    Pair pair;
    AnyValue value;
    if (!read_pair(reader.bytes(), pair) || !read_any(pair.value, value)) return false;
    if (pair.key == "cloud.account.id") resource.account = value.text;
    if (pair.key == "cloud.region") resource.region = value.text;
    if (pair.key == "aws.exporter.arn") resource.stream = value.text;
  }
  return reader.ok();
}

bool OtlpDecoder::decode_scope(std::string_view message, const Resource& resource,
                               MetricBatch& batch, MetricCounts& counts) {
  WireReader reader{message};
  bool ok = true;
  while (reader.next()) {
    if (reader.message_field() == 2)
      ok = decode_metric(reader.bytes(), resource, batch, counts) && ok;
  }
  return ok && reader.ok();
}

bool OtlpDecoder::decode_metric(std::string_view message, const Resource& resource,
                                MetricBatch& batch, MetricCounts& counts) {
  MetricHead head;
  std::uint32_t summaries = 0;
  for (WireReader reader{message}; reader.next();) {
    if (reader.message_field() == 3) head.unit = cloudwatch_unit(reader.bytes());
    if (reader.message_field() == 11) ++summaries;
  }
  WireReader reader{message};
  bool ok = true;
  while (reader.next()) {
    if (reader.message_field() != 11) continue;
    WireReader points{reader.bytes()};
    while (points.next()) {
      if (points.message_field() == 1) decode_point(points.bytes(), resource, head, batch, counts);
    }
    ok = points.ok() && ok;
  }
  if (reader.ok() && summaries == 0) count(counts, MetricDrop::kNotASummary);
  return ok && reader.ok();
}

void OtlpDecoder::decode_point(std::string_view message, const Resource& resource,
                               const MetricHead& head, MetricBatch& batch, MetricCounts& counts) {
  const std::size_t first_dimension = batch.dimensions.size();
  const std::size_t first_extended = batch.extended.size();
  Point point;
  WireReader reader{message};
  bool ok = true;
  bool finite = true;
  while (ok && reader.next()) {
    if (reader.is_fixed64()) {
      switch (reader.fixed64_field()) {
        case 2:
          point.start_ns = reader.number();
          break;
        case 3:
          point.end_ns = reader.number();
          break;
        case 4:
          point.count = reader.number();
          break;
        case 5:
          point.sum = reader.real();
          break;
        default:
          break;
      }
      continue;
    }
    switch (reader.message_field()) {
      case 1: {
        Pair label;
        ok = read_pair(reader.bytes(), label);
        if (ok && !point.take_label(label.key, label.value))
          batch.dimensions.push_back({label.key, label.value});
        break;
      }
      case 6: {
        Quantile quantile;
        ok = read_quantile(reader.bytes(), quantile);
        finite = finite && std::isfinite(quantile.value) && quantile.quantile >= 0 &&
                 quantile.quantile <= 1;
        if (!ok || !finite) break;
        if (quantile.quantile == 0) {
          point.minimum = quantile.value;
          point.has_minimum = true;
        } else if (quantile.quantile == 1) {
          point.maximum = quantile.value;
          point.has_maximum = true;
        } else {
          const std::string_view name = quantile_names_.name(quantile.quantile);
          if (name.empty()) {
            // Over a thousand different percentiles: no CloudWatch stream has them.
            ++counts.unknown_keys;
          } else {
            batch.extended.push_back({name, quantile.value});
          }
        }
        break;
      }
      case 7:
        ok = read_attribute(reader.bytes(), point, batch, counts);
        break;
      default:
        break;
    }
  }
  const auto reject = [&](MetricDrop reason) {
    batch.dimensions.resize(first_dimension);
    batch.extended.resize(first_extended);
    count(counts, reason);
  };
  if (!ok || !reader.ok()) return reject(MetricDrop::kBadProtobuf);
  if (!point.has_namespace || !point.has_name) return reject(MetricDrop::kMissingLabel);
  if (!finite || !point.has_minimum || !point.has_maximum || !std::isfinite(point.sum)) {
    return reject(MetricDrop::kBadValue);
  }
  const std::uint64_t period_s = (point.end_ns - point.start_ns) / kNsPerSecond;
  if (point.start_ns == 0 || point.end_ns <= point.start_ns || period_s > kPeriodSecondsMax ||
      point.start_ns / kNsPerMs > static_cast<std::uint64_t>(kTimestampMsMax)) {
    return reject(MetricDrop::kBadTimestamp);
  }
  MetricRecord& record = batch.records.emplace_back();
  record.stream = resource.stream;
  record.account = resource.account;
  record.region = resource.region;
  record.metric_namespace = point.metric_namespace;
  record.name = point.name;
  record.unit = head.unit;
  record.start_ms = static_cast<std::int64_t>(point.start_ns / kNsPerMs);
  record.period_s = static_cast<std::uint32_t>(period_s);
  record.sample_count = static_cast<double>(point.count);
  record.sum = point.sum;
  record.minimum = point.minimum;
  record.maximum = point.maximum;
  record.first_dimension = static_cast<std::uint32_t>(first_dimension);
  record.dimension_count = static_cast<std::uint32_t>(batch.dimensions.size() - first_dimension);
  record.first_extended = static_cast<std::uint32_t>(first_extended);
  record.extended_count = static_cast<std::uint32_t>(batch.extended.size() - first_extended);
  sort_dimensions(batch, record);
  ++counts.datapoints;
}

}  // namespace fleetmeter::parsers
