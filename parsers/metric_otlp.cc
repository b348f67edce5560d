#include "parsers/metric_otlp.h"

#include <cmath>
#include <cstring>

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

std::size_t byte_at(std::string_view bytes, std::size_t at) noexcept {
  return static_cast<unsigned char>(bytes[at]);
}

/// The content of a message that is one length-delimited field of `tag` and under 128 bytes, as
/// encoders write it; no data() when it is anything else.
std::string_view only_field(std::string_view message, std::uint64_t tag) noexcept {
  const bool is_only = message.size() >= 2 && message.size() < 2 + 0x80 &&
                       byte_at(message, 0) == tag && byte_at(message, 1) == message.size() - 2;
  return is_only ? message.substr(2) : std::string_view{};
}

struct Pair {
  std::string_view key;
  std::string_view value;  // StringKeyValue's string, or KeyValue's AnyValue still encoded.
};

[[gnu::noinline]] bool walk_pair(std::string_view message, Pair& pair) noexcept {
  WireReader reader{message};
  while (reader.next()) {
    if (reader.tag() == length_tag(1)) pair.key = reader.bytes();
    if (reader.tag() == length_tag(2)) pair.value = reader.bytes();
  }
  return reader.ok();
}

/// Key and value as encoders write them are taken apart in one step, everything else is walked.
bool read_pair(std::string_view message, Pair& pair) noexcept {
  if (message.size() >= 4 && byte_at(message, 0) == length_tag(1) && byte_at(message, 1) < 0x80) {
    const std::size_t value_at = 2 + byte_at(message, 1);
    if (value_at < message.size()) {
      const std::string_view value = only_field(message.substr(value_at), length_tag(2));
      if (value.data() != nullptr) {
        pair = {message.substr(2, value_at - 2), value};
        return true;
      }
    }
  }
  return walk_pair(message, pair);
}

struct AnyValue {
  std::string_view text;  // string_value
  std::string_view list;  // kvlist_value
  bool is_text = false;
  bool is_list = false;
};

[[gnu::noinline]] bool walk_any(std::string_view message, AnyValue& value) noexcept {
  WireReader reader{message};
  while (reader.next()) {
    if (reader.tag() == length_tag(1)) {
      value.text = reader.bytes();
      value.is_text = true;
    } else if (reader.tag() == length_tag(6)) {
      value.list = reader.bytes();
      value.is_list = true;
    }
  }
  return reader.ok();
}

bool read_any(std::string_view message, AnyValue& value) noexcept {
  value.text = only_field(message, length_tag(1));
  value.is_text = value.text.data() != nullptr;
  return value.is_text || walk_any(message, value);
}

/// The numbers of one datapoint, before they are judged. Apart from its labels, of which addresses
/// are handed out: these live in registers.
struct Numbers {
  std::uint64_t start_ns = 0;
  std::uint64_t end_ns = 0;
  std::uint64_t count = 0;
  double sum = 0;
  double minimum = 0;
  double maximum = 0;
  bool has_minimum = false;
  bool has_maximum = false;
  bool finite = true;  // Every quantile so far is one, and of a number.
};

/// What tells the series of one datapoint, but for its dimensions.
struct Labels {
  std::string_view metric_namespace;
  std::string_view name;
  bool has_namespace = false;
  bool has_name = false;
  bool has_bad_dimension = false;
  std::uint64_t identity = 0;  // MetricRecord::identity, when they were known.
  // When they were not, and nothing that tells the series stood before them; else without data.
  std::string_view first_attribute;
  std::uint64_t unknown_keys = 0;  // From the first attribute on.

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
bool read_dimension_list(std::string_view list, Labels& labels, MetricBatch& batch) {
  WireReader reader{list};
  while (reader.next()) {
    if (reader.tag() != length_tag(1)) continue;
    Pair pair;
    AnyValue value;
    if (!read_pair(reader.bytes(), pair) || !read_any(pair.value, value)) return false;
    // CloudWatch dimensions are text. Without one the datapoint would be another series'.
    labels.has_bad_dimension |= !value.is_text && !pair.value.empty();
    batch.dimensions.push_back({pair.key, value.text});
  }
  return reader.ok();
}

bool read_attribute(std::string_view message, Labels& labels, MetricBatch& batch,
                    MetricCounts& counts) {
  Pair pair;
  AnyValue value;
  if (!read_pair(message, pair) || !read_any(pair.value, value)) return false;
  if (pair.key == "Dimensions") {
    if (value.is_list) return read_dimension_list(value.list, labels, batch);
    // Without its dimensions the datapoint would be another series', as with one that is no text.
    labels.has_bad_dimension |= !pair.value.empty();
    return true;
  }
  if (value.is_text && labels.take_label(pair.key, value.text)) return true;
  ++counts.unknown_keys;
  return true;
}

struct Quantile {
  double quantile = 0;  // proto3 leaves out zeros: a missing one is 0, the minimum.
  double value = 0;
};

[[gnu::noinline]] bool walk_quantile(std::string_view message, Quantile& quantile) noexcept {
  WireReader reader{message};
  while (reader.next()) {
    if (reader.tag() == fixed64_tag(1)) quantile.quantile = reader.real();
    if (reader.tag() == fixed64_tag(2)) quantile.value = reader.real();
  }
  return reader.ok();
}

bool read_quantile(std::string_view message, Quantile& quantile) noexcept {
  if (message.empty()) return true;
  if (message.size() == 18 && byte_at(message, 0) == fixed64_tag(1) &&
      byte_at(message, 9) == fixed64_tag(2)) {
    std::memcpy(&quantile.quantile, message.data() + 1, 8);
    std::memcpy(&quantile.value, message.data() + 10, 8);
    return true;
  }
  if (message.size() == 9 && byte_at(message, 0) == fixed64_tag(1)) {
    std::memcpy(&quantile.quantile, message.data() + 1, 8);
    return true;
  }
  if (message.size() == 9 && byte_at(message, 0) == fixed64_tag(2)) {
    std::memcpy(&quantile.value, message.data() + 1, 8);
    return true;
  }
  return walk_quantile(message, quantile);
}

void take_quantile(const Quantile& quantile, QuantileNames& names, Numbers& numbers,
                   MetricBatch& batch) {
  if (quantile.quantile == 0) {
    numbers.minimum = quantile.value;
    numbers.has_minimum = true;
  } else if (quantile.quantile == 1) {
    numbers.maximum = quantile.value;
    numbers.has_maximum = true;
  } else {
    batch.extended.push_back({names.name(quantile.quantile), quantile.value});
  }
}

/// True when, in a message that is whole, the fields from the first attribute on are attributes.
bool are_attributes(const IdentityMemory::Key& key) noexcept {
  WireReader reader{key.bytes.substr(key.first_bytes)};
  while (reader.next()) {
    if (reader.tag() != length_tag(7)) return false;
  }
  return true;
}

/// Times, count and sum (left out when it is 0) as encoders write them, ahead of everything, are
/// taken in one step. What is left of the message.
std::string_view read_numbers(std::string_view message, Numbers& numbers) noexcept {
  if (message.size() < 27 || byte_at(message, 0) != fixed64_tag(2) ||
      byte_at(message, 9) != fixed64_tag(3) || byte_at(message, 18) != fixed64_tag(4)) {
    return message;
  }
  std::memcpy(&numbers.start_ns, message.data() + 1, 8);
  std::memcpy(&numbers.end_ns, message.data() + 10, 8);
  std::memcpy(&numbers.count, message.data() + 19, 8);
  if (message.size() < 36 || byte_at(message, 27) != fixed64_tag(5)) return message.substr(27);
  std::memcpy(&numbers.sum, message.data() + 28, 8);
  return message.substr(36);
}

/// What `make` returns, made where it is put.
template <typename Make>
struct MadeInPlace {
  const Make& make;
  operator MetricRecord() const { return make(); }
};
template <typename Make>
MadeInPlace(const Make&) -> MadeInPlace<Make>;

IdentityMemory::Key key_at(std::string_view first_attribute, std::string_view message) noexcept {
  const char* const end = message.data() + message.size();
  const char* const begin = first_attribute.data();
  return {{begin, static_cast<std::size_t>(end - begin)}, first_attribute.size()};
}

/// False when the attributes are not known.
bool take_known(const IdentityMemory::Key& key, IdentityMemory& identities, Labels& labels,
                MetricBatch& batch, MetricCounts& counts) {
  IdentityMemory::Meaning meaning;
  if (!identities.find(key, meaning, batch.dimensions)) return false;
  labels.identity = meaning.id;
  labels.metric_namespace = meaning.metric_namespace;
  labels.name = meaning.name;
  labels.has_namespace = labels.has_name = true;
  counts.unknown_keys += meaning.unknown_keys;
  return true;
}

/// False when the wire is broken.
bool read_point(std::string_view message, QuantileNames& names, IdentityMemory& identities,
                Numbers& numbers, Labels& labels, MetricBatch& batch, MetricCounts& counts) {
  const std::size_t first_dimension = batch.dimensions.size();
  std::uint64_t unknown_keys = 0;
  bool has_attributes = false;
  WireReader reader{read_numbers(message, numbers)};
  while (reader.next()) {
    switch (reader.tag()) {
      case length_tag(1): {
        Pair label;
        if (!read_pair(reader.bytes(), label)) return false;
        if (!labels.take_label(label.key, label.value))
          batch.dimensions.push_back({label.key, label.value});
        break;
      }
      case fixed64_tag(2):
        numbers.start_ns = reader.number();
        break;
      case fixed64_tag(3):
        numbers.end_ns = reader.number();
        break;
      case fixed64_tag(4):
        numbers.count = reader.number();
        break;
      case fixed64_tag(5):
        numbers.sum = reader.real();
        break;
      case length_tag(6): {
        Quantile quantile;
        if (!read_quantile(reader.bytes(), quantile)) return false;
        numbers.finite = numbers.finite && std::isfinite(quantile.value) &&
                         quantile.quantile >= 0 && quantile.quantile <= 1;
        if (numbers.finite) take_quantile(quantile, names, numbers, batch);
        break;
      }
      case length_tag(7):
        if (!has_attributes && !labels.has_namespace && !labels.has_name &&
            batch.dimensions.size() == first_dimension) {
          const IdentityMemory::Key key = key_at(reader.bytes(), message);
          if (take_known(key, identities, labels, batch, counts)) return true;
          labels.first_attribute = reader.bytes();
          unknown_keys = counts.unknown_keys;
        }
        has_attributes = true;
        if (!read_attribute(reader.bytes(), labels, batch, counts)) return false;
        break;
      default:
        break;
    }
  }
  labels.unknown_keys = counts.unknown_keys - unknown_keys;
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
    if (reader.tag() == length_tag(1)) decode_resource_metrics(reader.bytes(), batch, counts);
  }
  if (!reader.ok()) count(counts, MetricDrop::kBadProtobuf);
}

void OtlpDecoder::decode_resource_metrics(std::string_view message, MetricBatch& batch,
                                          MetricCounts& counts) {
  if (batch.extended.empty()) quantile_names_.forget_many();
  // Fields may come in any order, and the resource belongs to every datapoint: it is read first.
  Resource resource;
  bool ok = true;
  for (WireReader reader{message}; reader.next();) {
    if (reader.tag() == length_tag(1)) ok = read_resource(reader.bytes(), resource) && ok;
  }
  WireReader reader{message};
  while (reader.next()) {
    if (reader.tag() == length_tag(2)) {
      ok = decode_scope(reader.bytes(), resource, batch, counts) && ok;
    }
  }
  if (!ok || !reader.ok()) count(counts, MetricDrop::kBadProtobuf);
}

bool OtlpDecoder::read_resource(std::string_view message, Resource& resource) const {
  WireReader reader{message};
  while (reader.next()) {
    if (reader.tag() != length_tag(1)) continue;
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
    if (reader.tag() == length_tag(2)) {
      ok = decode_metric(reader.bytes(), resource, batch, counts) && ok;
    }
  }
  return ok && reader.ok();
}

bool OtlpDecoder::decode_metric(std::string_view message, const Resource& resource,
                                MetricBatch& batch, MetricCounts& counts) {
  const std::size_t first_record = batch.records.size();
  std::string_view unit;
  bool has_summary = false;
  WireReader reader{message};
  bool ok = true;
  while (reader.next()) {
    if (reader.tag() == length_tag(3)) {
      unit = cloudwatch_unit(reader.bytes());
    } else if (reader.tag() == length_tag(11)) {
      has_summary = true;
      WireReader points{reader.bytes()};
      while (points.next()) {
        if (points.tag() == length_tag(1)) decode_point(points.bytes(), resource, batch, counts);
      }
      ok = points.ok() && ok;
    }
  }
  // Here, and not with each datapoint: the unit may stand behind them.
  for (std::size_t i = first_record; i < batch.records.size(); ++i) batch.records[i].unit = unit;
  if (reader.ok() && !has_summary) count(counts, MetricDrop::kNotASummary);
  return ok && reader.ok();
}

void OtlpDecoder::decode_point(std::string_view message, const Resource& resource,
                               MetricBatch& batch, MetricCounts& counts) {
  const std::size_t first_dimension = batch.dimensions.size();
  const std::size_t first_extended = batch.extended.size();
  Numbers numbers;
  Labels labels;
  const bool ok = read_point(message, quantile_names_, identities_, numbers, labels, batch, counts);
  const auto reject = [&](MetricDrop reason) {
    batch.dimensions.resize(first_dimension);
    batch.extended.resize(first_extended);
    count(counts, reason);
  };
  if (!ok) return reject(MetricDrop::kBadProtobuf);
  if (labels.metric_namespace.empty() || labels.name.empty())
    return reject(MetricDrop::kMissingLabel);
  if (labels.has_bad_dimension || !numbers.finite || !numbers.has_minimum || !numbers.has_maximum ||
      !std::isfinite(numbers.sum)) {
    return reject(MetricDrop::kBadValue);
  }
  const std::uint64_t period_s = (numbers.end_ns - numbers.start_ns) / kNsPerSecond;
  if (numbers.start_ns == 0 || numbers.end_ns <= numbers.start_ns || period_s > kPeriodSecondsMax ||
      numbers.start_ns / kNsPerMs > static_cast<std::uint64_t>(kTimestampMsMax)) {
    return reject(MetricDrop::kBadTimestamp);
  }
  // All members at once, and where they will stand: a record that is cleared first costs more than
  // the walk of a message, and one that is copied has to wait for its members.
  const auto record_of = [&] {
    return MetricRecord{
        .stream = resource.stream,
        .account = resource.account,
        .region = resource.region,
        .metric_namespace = labels.metric_namespace,
        .name = labels.name,
        .unit = {},
        .start_ms = static_cast<std::int64_t>(numbers.start_ns / kNsPerMs),
        .period_s = static_cast<std::uint32_t>(period_s),
        .sample_count = static_cast<double>(numbers.count),
        .sum = numbers.sum,
        .minimum = numbers.minimum,
        .maximum = numbers.maximum,
        .first_dimension = static_cast<std::uint32_t>(first_dimension),
        .dimension_count = static_cast<std::uint32_t>(batch.dimensions.size() - first_dimension),
        .first_extended = static_cast<std::uint32_t>(first_extended),
        .extended_count = static_cast<std::uint32_t>(batch.extended.size() - first_extended),
        .identity = labels.identity};
  };
  batch.records.emplace_back(MadeInPlace{record_of});
  ++counts.datapoints;
  if (labels.identity != 0) return;  // The dimensions are sorted.
  MetricRecord& record = batch.records.back();
  sort_dimensions(batch, record);
  if (labels.first_attribute.data() == nullptr) return;
  const IdentityMemory::Key key = key_at(labels.first_attribute, message);
  if (!are_attributes(key)) return;
  record.identity = identities_.keep(key,
                                     {.metric_namespace = record.metric_namespace,
                                      .name = record.name,
                                      .unknown_keys = labels.unknown_keys},
                                     batch.dimensions_of(record));
}

}  // namespace fleetmeter::parsers
