// The wire walker against libprotobuf: seeded random requests of both versions, fields of every
// message in any order, unknown ones between them. libprotobuf reads the same bytes by a schema, and
// a plain rendering of the rules makes of its objects what the decoder has to yield.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "parsers/metric_otlp.h"
#include "parsers/metric_support.h"
#include "tests/parsers/otlp_subset.pb.h"
#include "tests/parsers/otlp_wire.h"
#include "tests/parsers/recorder.h"

namespace fleetmeter::parsers::testing {
namespace {

/// Writes random requests; `shuffled` ones with fields in any order and unknown ones among them.
class Writer {
 public:
  Writer(std::uint32_t seed, bool shuffled) : random_(seed), shuffled_(shuffled) {}

  std::string request() {
    std::vector<std::string> fields;
    for (std::uint32_t i = draw(3); i > 0; --i)
      fields.push_back(length_field(1, resource_metrics()));
    return message(std::move(fields));
  }

 private:
  std::uint32_t draw(std::uint32_t below) { return static_cast<std::uint32_t>(random_() % below); }
  bool rarely() { return draw(12) == 0; }

  std::string message(std::vector<std::string> fields) {
    if (shuffled_) {
      if (draw(4) == 0) fields.push_back(unknown());
      std::shuffle(fields.begin(), fields.end(), random_);
    }
    std::string out;
    for (const std::string& field : fields) out += field;
    return out;
  }

  std::string unknown() {
    const std::uint32_t number = 20 + draw(4000);
    switch (draw(4)) {
      case 0:
        return varint(number << 3) + varint(random_() >> draw(32));
      case 1:
        return fixed64_field(number, random_());
      case 2:
        return varint(number << 3 | 5) + "abcd";
      default:
        return length_field(number, text(200));
    }
  }

  std::string text(std::uint32_t below) {
    std::string out(draw(below), 'x');
    for (char& c : out) c = static_cast<char>('a' + draw(26));
    return out;
  }

  std::string pair(std::string_view key, const std::string& value) {
    std::vector<std::string> fields = {length_field(1, key)};
    if (!rarely()) fields.push_back(length_field(2, value));
    return message(std::move(fields));
  }

  std::string any_text(std::string_view value) {
    if (rarely()) return draw(2) == 0 ? "" : varint(3 << 3) + varint(draw(1000));  // int_value
    return length_field(1, value);
  }

  std::string resource_metrics() {
    std::vector<std::string> attributes;
    for (const char* key :
         {"cloud.provider", "cloud.account.id", "cloud.region", "aws.exporter.arn"})
      attributes.push_back(length_field(1, pair(key, any_text(text(150)))));
    std::vector<std::string> fields = {length_field(1, message(std::move(attributes)))};
    for (std::uint32_t i = draw(3); i > 0; --i) fields.push_back(length_field(2, scope()));
    return message(std::move(fields));
  }

  std::string scope() {
    std::vector<std::string> fields;
    for (std::uint32_t i = draw(5); i > 0; --i) fields.push_back(length_field(2, metric()));
    return message(std::move(fields));
  }

  std::string metric() {
    constexpr const char* kUnits[] = {"%", "By", "{Count}", "1", "", "GBit/s", "NoneTranslated"};
    std::vector<std::string> fields = {length_field(1, text(40)), length_field(3, kUnits[draw(7)])};
    std::vector<std::string> points;
    for (std::uint32_t i = draw(4); i > 0; --i)
      points.push_back(length_field(1, draw(2) == 0 ? point_07() : point_10()));
    fields.push_back(length_field(rarely() ? 5 : 11, message(std::move(points))));
    return message(std::move(fields));
  }

  std::vector<std::string> numbers() {
    std::vector<std::string> fields;
    const std::uint64_t start_ns = rarely() ? random_() : 1700000040000000000u;
    if (!rarely()) fields.push_back(fixed64_field(2, start_ns));
    if (!rarely()) fields.push_back(fixed64_field(3, start_ns + 60000000000u * draw(20)));
    if (!rarely()) fields.push_back(fixed64_field(4, draw(100)));
    if (!rarely()) fields.push_back(fixed64_field(5, bits(value())));
    for (const double quantile : {0.0, 0.5, 0.9, 0.99, 0.999, 1.0}) {
      if (draw(15) > 0)
        fields.push_back(length_field(6, quantile_at(rarely() ? value() : quantile)));
    }
    return fields;
  }

  static std::uint64_t bits(double value) { return std::bit_cast<std::uint64_t>(value); }
  double value() {
    if (draw(40) == 0) return std::numeric_limits<double>::quiet_NaN();
    return draw(3) == 0 ? 0 : draw(100000) / 60.0;
  }

  std::string quantile_at(double quantile) {
    std::vector<std::string> fields;
    if (quantile != 0 || draw(3) == 0) fields.push_back(fixed64_field(1, bits(quantile)));
    const double at = value();
    if (at != 0 || draw(3) == 0) fields.push_back(fixed64_field(2, bits(at)));
    return message(std::move(fields));
  }

  std::string point_07() {
    std::vector<std::string> fields;
    if (!rarely()) fields.push_back(length_field(1, pair("Namespace", text(20))));
    if (!rarely()) fields.push_back(length_field(1, pair("MetricName", text(20))));
    for (std::uint32_t i = draw(4); i > 0; --i)
      fields.push_back(length_field(1, pair(rarely() ? "Namespace" : text(8), text(140))));
    for (std::string& number : numbers()) fields.push_back(std::move(number));
    return message(std::move(fields));
  }

  std::string point_10() {
    std::vector<std::string> fields = numbers();
    if (!rarely()) fields.push_back(length_field(7, pair("Namespace", any_text(text(20)))));
    if (!rarely()) fields.push_back(length_field(7, pair("MetricName", any_text(text(20)))));
    std::vector<std::string> list;
    for (std::uint32_t i = draw(4); i > 0; --i)
      list.push_back(length_field(1, pair(text(8), any_text(text(140)))));
    fields.push_back(
        length_field(7, pair("Dimensions", length_field(6, message(std::move(list))))));
    if (rarely()) fields.push_back(length_field(7, pair(text(8), any_text(text(10)))));
    return message(std::move(fields));
  }

  std::mt19937_64 random_;
  const bool shuffled_;
};

/// What the rules make of libprotobuf's objects (docs of the output formats, metric_batch.h).
class Expected {
 public:
  explicit Expected(const otlp::Request& request) {
    for (const otlp::ResourceMetrics& resource : request.resource_metrics()) add(resource);
  }
  std::vector<std::string> texts;
  MetricCounts counts;

 private:
  void drop(MetricDrop reason) { ++counts.dropped[static_cast<std::size_t>(reason)]; }

  void add(const otlp::ResourceMetrics& resource) {
    MetricRecord head;
    for (const otlp::KeyValue& attribute : resource.resource().attributes()) {
      const std::string_view value = attribute.value().string_value();
      if (attribute.key() == "cloud.account.id") head.account = value;
      if (attribute.key() == "cloud.region") head.region = value;
      if (attribute.key() == "aws.exporter.arn") head.stream = value;
    }
    for (const otlp::ScopeMetrics& scope : resource.scope_metrics()) {
      for (const otlp::Metric& metric : scope.metrics()) {
        if (!metric.has_summary()) drop(MetricDrop::kNotASummary);
        head.unit = cloudwatch_unit(metric.unit());
        for (const otlp::Point& point : metric.summary().data_points()) add(point, head);
      }
    }
  }

  /// False for a label that is neither.
  static bool take_label(const std::string& key, const std::string& value, MetricRecord& record,
                         bool& has_namespace, bool& has_name) {
    if (key == "Namespace" && !has_namespace) {
      record.metric_namespace = value;
      return has_namespace = true;
    }
    if (key == "MetricName" && !has_name) {
      record.name = value;
      return has_name = true;
    }
    return false;
  }

  void add(const otlp::Point& point, MetricRecord record) {
    MetricBatch batch;
    bool has_namespace = false, has_name = false, are_texts = true;
    for (const otlp::StringKeyValue& label : point.labels()) {
      if (!take_label(label.key(), label.value(), record, has_namespace, has_name))
        batch.dimensions.push_back({label.key(), label.value()});
    }
    for (const otlp::KeyValue& attribute : point.attributes()) {
      const otlp::AnyValue& value = attribute.value();
      if (attribute.key() == "Dimensions") {
        are_texts = are_texts && (value.has_kvlist_value() ||
                                  value.value_case() == otlp::AnyValue::VALUE_NOT_SET);
        are_texts = add_list(value.kvlist_value(), batch) && are_texts;
      } else if (!value.has_string_value() || !take_label(attribute.key(), value.string_value(),
                                                          record, has_namespace, has_name)) {
        ++counts.unknown_keys;
      }
    }
    bool is_good = std::isfinite(point.sum()), has_minimum = false, has_maximum = false;
    for (const otlp::ValueAtQuantile& quantile : point.quantile_values()) {
      const double at = quantile.quantile();
      if (!std::isfinite(quantile.value()) || !(at >= 0 && at <= 1)) is_good = false;
      if (at == 0) has_minimum = true, record.minimum = quantile.value();
      if (at == 1) has_maximum = true, record.maximum = quantile.value();
      if (at > 0 && at < 1) batch.extended.push_back({names_.name(at), quantile.value()});
    }
    if (record.metric_namespace.empty() || record.name.empty())
      return drop(MetricDrop::kMissingLabel);
    if (!are_texts || !is_good || !has_minimum || !has_maximum) return drop(MetricDrop::kBadValue);
    const std::uint64_t start_ns = point.start_time_unix_nano(), end_ns = point.time_unix_nano();
    if (start_ns == 0 || end_ns <= start_ns || (end_ns - start_ns) / 1000000000 > 7 * 86400 ||
        start_ns / 1000000 > static_cast<std::uint64_t>(kTimestampMsMax)) {
      return drop(MetricDrop::kBadTimestamp);
    }
    record.start_ms = static_cast<std::int64_t>(start_ns / 1000000);
    record.period_s = static_cast<std::uint32_t>((end_ns - start_ns) / 1000000000);
    record.sample_count = static_cast<double>(point.count());
    record.sum = point.sum();
    record.dimension_count = static_cast<std::uint32_t>(batch.dimensions.size());
    record.extended_count = static_cast<std::uint32_t>(batch.extended.size());
    std::ranges::stable_sort(batch.dimensions, {}, &Dimension::name);
    texts.push_back(metric_text(batch, record));
    ++counts.datapoints;
  }

  /// False when one of them is no text.
  static bool add_list(const otlp::KeyValueList& list, MetricBatch& batch) {
    bool are_texts = true;
    for (const otlp::KeyValue& item : list.values()) {
      // Without a value, or with an empty one, it is an empty text.
      are_texts = are_texts && (item.value().has_string_value() ||
                                item.value().value_case() == otlp::AnyValue::VALUE_NOT_SET);
      batch.dimensions.push_back({item.key(), item.value().string_value()});
    }
    return are_texts;
  }

  QuantileNames names_;
};

void expect_as_libprotobuf(const std::string& bytes) {
  otlp::Request request;
  ASSERT_TRUE(request.ParseFromString(bytes));
  const Expected expected{request};
  OtlpDecoder decoder;
  MetricBatch batch;
  MetricCounts counts;
  decoder.decode_request(bytes, batch, counts);
  std::vector<std::string> texts;
  for (const MetricRecord& record : batch.records) texts.push_back(metric_text(batch, record));
  ASSERT_EQ(texts, expected.texts);
  ASSERT_EQ(counts.datapoints, expected.counts.datapoints);
  ASSERT_EQ(counts.unknown_keys, expected.counts.unknown_keys);
  for (std::size_t i = 0; i < std::size(counts.dropped); ++i) {
    ASSERT_EQ(counts.dropped[i], expected.counts.dropped[i])
        << to_string(static_cast<MetricDrop>(i));
  }
}

TEST(MetricOtlpOracle, FieldsInTheOrderOfTheirNumbersReadAsLibprotobufReadsThem) {
  std::uint64_t bytes = 0;
  for (std::uint32_t seed = 0; seed < 3000; ++seed) {
    SCOPED_TRACE(seed);
    const std::string request = Writer(seed, false).request();
    bytes += request.size();
    expect_as_libprotobuf(request);
    if (HasFatalFailure()) return;
  }
  EXPECT_GT(bytes, 1000000u);
}

TEST(MetricOtlpOracle, FieldsInAnyOrderAmongUnknownOnesReadAsLibprotobufReadsThem) {
  for (std::uint32_t seed = 0; seed < 3000; ++seed) {
    SCOPED_TRACE(seed);
    expect_as_libprotobuf(Writer(seed, true).request());
    if (HasFatalFailure()) return;
  }
}

TEST(MetricOtlpOracle, APointOfManyDimensionsIsSortedInTime) {
  std::string point;
  for (std::uint32_t i = 0; i < 300000; ++i)
    point += length_field(1, length_field(1, std::to_string(i * 7919u % 300007u)));
  OtlpDecoder decoder;
  MetricBatch batch;
  MetricCounts counts;
  point += length_field(1, length_field(1, "Namespace") + length_field(2, "N")) +
           length_field(1, length_field(1, "MetricName") + length_field(2, "M")) +
           fixed64_field(2, 1700000040000000000u) + fixed64_field(3, 1700000100000000000u) +
           length_field(6, "") + length_field(6, fixed64_field(1, 0x3ff0000000000000u));
  const std::string summary = length_field(11, length_field(1, point));
  // The batch points into it.
  const std::string request = length_field(1, length_field(2, length_field(2, summary)));
  decoder.decode_request(request, batch, counts);
  ASSERT_EQ(counts.datapoints, 1u);
  EXPECT_TRUE(std::ranges::is_sorted(batch.dimensions, {}, &Dimension::name));
}

}  // namespace
}  // namespace fleetmeter::parsers::testing
