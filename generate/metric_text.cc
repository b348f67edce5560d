#include "generate/metric_text.h"

#include <bit>
#include <cstring>

#include "generate/json_text.h"
#include "proto/check.h"

namespace fleetmeter::generate {
namespace {

constexpr std::uint32_t kFramePointsMax = 100;

// Wire format tags, (field << 3) | type; names of the fields are in
// opentelemetry/proto/metrics/v1/metrics.proto.
constexpr char kField1 = 0x0a, kField2 = 0x12, kField3 = 0x1a, kField6 = 0x32, kField7 = 0x3a,
               kSummary = 0x5a;
constexpr char kStartTime = 0x11, kTime = 0x19, kCount = 0x21, kSum = 0x29, kQuantile = 0x09,
               kQuantileValue = 0x11;

std::size_t varint_bytes(std::uint64_t value) noexcept {
  return static_cast<std::size_t>(std::bit_width(value | 1) + 6) / 7;
}

void append_varint(std::uint64_t value, std::string& out) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>((value & 0x7f) | 0x80);
  out += static_cast<char>(value);
}

void append_length_field(char tag, std::string_view bytes, std::string& out) {
  out += tag;
  append_varint(bytes.size(), out);
  out += bytes;
}

void append_fixed64(char tag, std::uint64_t value, std::string& out) {
  static_assert(std::endian::native == std::endian::little);
  char buffer[9] = {tag};
  std::memcpy(buffer + 1, &value, sizeof value);
  out.append(buffer, sizeof buffer);
}
void append_double(char tag, double value, std::string& out) {
  append_fixed64(tag, std::bit_cast<std::uint64_t>(value), out);
}

/// AnyValue{string_value}
std::string any_string(std::string_view text) {
  std::string out;
  append_length_field(kField1, text, out);
  return out;
}
/// KeyValue{key, AnyValue}
std::string key_value(std::string_view key, std::string_view any_value) {
  std::string out;
  append_length_field(kField1, key, out);
  append_length_field(kField2, any_value, out);
  return out;
}

/// 0.7.0: StringKeyValue entries in field 1, dimensions flat beside Namespace and MetricName.
std::string labels_07(const SeriesSpec& spec) {
  std::string out;
  const auto add = [&out](std::string_view key, std::string_view value) {
    append_length_field(kField1, key_value(key, value), out);
  };
  add("Namespace", spec.metric_namespace);
  add("MetricName", spec.name);
  for (const auto& [key, value] : spec.dimensions) add(key, value);
  return out;
}

/// 1.0.0: KeyValue entries in field 7, dimensions as one kvlist.
std::string labels_10(const SeriesSpec& spec) {
  std::string list, any, out;
  for (const auto& [key, value] : spec.dimensions)
    append_length_field(kField1, key_value(key, any_string(value)), list);
  append_length_field(kField6, list, any);
  append_length_field(kField7, key_value("Namespace", any_string(spec.metric_namespace)), out);
  append_length_field(kField7, key_value("MetricName", any_string(spec.name)), out);
  append_length_field(kField7, key_value("Dimensions", any), out);
  return out;
}

/// CloudWatch unit to UCUM, as metric streams translate it; one it does not know stays.
std::string_view ucum(std::string_view unit) noexcept {
  if (unit == "Percent") return "%";
  if (unit == "Bytes") return "By";
  if (unit == "Count") return "{Count}";
  if (unit == "Milliseconds") return "ms";
  if (unit == "Seconds") return "s";
  if (unit == "Bytes/Second") return "By/s";
  if (unit == "None") return "1";
  return unit;
}

/// ValueAtQuantile without its proto3 zeros.
std::size_t quantile_bytes(double quantile, double value) noexcept {
  return (quantile != 0 ? 9u : 0u) + (value != 0 ? 9u : 0u);
}
void append_quantile(double quantile, double value, std::string& out) {
  out += kField6;
  append_varint(quantile_bytes(quantile, value), out);
  if (quantile != 0) append_double(kQuantile, quantile, out);
  if (value != 0) append_double(kQuantileValue, value, out);
}

}  // namespace

MetricText::MetricText(MetricFormat format, std::string_view stream, std::string_view account,
                       std::string_view region)
    : format_(format), stream_(stream), account_(account), region_(region) {
  const std::string arn =
      "arn:aws:cloudwatch:" + region_ + ":" + account_ + ":metric-stream/" + stream_;
  std::string attributes;
  for (const auto& [key, value] :
       {std::pair<std::string_view, std::string_view>{"cloud.provider", "aws"},
        {"cloud.account.id", account_},
        {"cloud.region", region_},
        {"aws.exporter.arn", arn}}) {
    append_length_field(kField1, key_value(key, any_string(value)), attributes);
  }
  append_length_field(kField1, attributes, resource_);
}

std::uint32_t MetricText::add_series(const SeriesSpec& spec) {
  Series series;
  if (format_ == MetricFormat::kJson) {
    const auto member = [&series](std::string_view key, std::string_view value) {
      append_json_string(key, series.head);
      series.head += ':';
      append_json_string(value, series.head);
      series.head += ',';
    };
    series.head = "{";
    member("metric_stream_name", stream_);
    member("account_id", account_);
    member("region", region_);
    member("namespace", spec.metric_namespace);
    member("metric_name", spec.name);
    series.head += "\"dimensions\":{";
    for (const auto& [key, value] : spec.dimensions) member(key, value);
    if (series.head.back() == ',') series.head.pop_back();
    series.head += "},\"timestamp\":";
    series.tail = "},\"unit\":";
    append_json_string(spec.unit, series.tail);
    series.tail += "}\n";
  } else {
    append_length_field(kField1, "amazonaws.com/" + spec.metric_namespace + "/" + spec.name,
                        series.head);
    append_length_field(kField3, ucum(spec.unit), series.head);
    series.labels = format_ == MetricFormat::kOtlp07 ? labels_07(spec) : labels_10(spec);
  }
  series_.push_back(std::move(series));
  return static_cast<std::uint32_t>(series_.size() - 1);
}

void MetricText::append(std::uint32_t series, std::int64_t start_s, std::uint32_t period_s,
                        const StatisticSet& set, std::string& out) {
  FM_CHECK(series < series_.size());
  if (format_ == MetricFormat::kJson) return append_json(series_[series], start_s, set, out);
  append_point(series_[series], start_s, period_s, set);
  if (++frame_points_ == kFramePointsMax) end_frame(out);
}

void MetricText::append_json(const Series& series, std::int64_t start_s, const StatisticSet& set,
                             std::string& out) const {
  out += series.head;
  append_number(static_cast<std::uint64_t>(start_s) * 1000, out);
  out += ",\"value\":{\"max\":";
  append_json_double(set.maximum, out);
  out += ",\"min\":";
  append_json_double(set.minimum, out);
  out += ",\"sum\":";
  append_json_double(set.sum, out);
  out += ",\"count\":";
  append_json_double(set.count, out);
  out += series.tail;
}

void MetricText::append_point(const Series& series, std::int64_t start_s, std::uint32_t period_s,
                              const StatisticSet& set) {
  const std::size_t point = series.labels.size() + 3 * 9 + (set.sum != 0 ? 9u : 0u) + 2 +
                            quantile_bytes(0, set.minimum) + 2 + quantile_bytes(1, set.maximum);
  const std::size_t summary = 1 + varint_bytes(point) + point;
  const std::size_t metric = series.head.size() + 1 + varint_bytes(summary) + summary;
  metrics_ += kField2;
  append_varint(metric, metrics_);
  metrics_ += series.head;
  metrics_ += kSummary;
  append_varint(summary, metrics_);
  metrics_ += kField1;
  append_varint(point, metrics_);
  constexpr std::uint64_t kNanoseconds = 1'000'000'000;
  const auto start_ns = static_cast<std::uint64_t>(start_s) * kNanoseconds;
  // Fields in the order of their numbers: 0.7.0 labels are field 1, 1.0.0 attributes field 7.
  if (format_ == MetricFormat::kOtlp07) metrics_ += series.labels;
  append_fixed64(kStartTime, start_ns, metrics_);
  append_fixed64(kTime, start_ns + period_s * kNanoseconds, metrics_);
  append_fixed64(kCount, static_cast<std::uint64_t>(set.count), metrics_);
  if (set.sum != 0) append_double(kSum, set.sum, metrics_);
  append_quantile(0, set.minimum, metrics_);
  append_quantile(1, set.maximum, metrics_);
  if (format_ == MetricFormat::kOtlp10) metrics_ += series.labels;
}

void MetricText::end_frame(std::string& out) {
  if (frame_points_ == 0) return;
  const std::size_t scope_field = 1 + varint_bytes(metrics_.size()) + metrics_.size();
  const std::size_t resource_metrics = resource_.size() + scope_field;
  append_varint(1 + varint_bytes(resource_metrics) + resource_metrics, out);
  out += kField1;
  append_varint(resource_metrics, out);
  out += resource_;
  append_length_field(kField2, metrics_, out);
  metrics_.clear();
  frame_points_ = 0;
}

}  // namespace fleetmeter::generate
