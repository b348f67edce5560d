// OTLP 0.7 and 1.0: any bytes end in whole records and counted drops; a frame's length is what a
// slow reading of its varint says; and of any message that libprotobuf reads, written anew by it,
// the wire walker yields the datapoints and the drops that the rules make of libprotobuf's fields.
// Told once more, when its attributes are remembered, a message yields the same.
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "parsers/metric_otlp.h"
#include "proto/check.h"
#include "tests/fuzz/decode_outcome.h"
#include "tests/parsers/otlp_subset.pb.h"

namespace {

using namespace fleetmeter;
using parsers::MetricDrop;
namespace otlp = parsers::testing::otlp;

struct Walked {
  parsers::OtlpDecoder decoder;  // Holds the names of percentiles.
  parsers::MetricBatch batch;
  parsers::MetricCounts counts;
};

void walk(std::string_view message, Walked& walked) {
  walked.decoder.decode_request(message, walked.batch, walked.counts);
  FM_CHECK(walked.batch.records.size() == walked.counts.datapoints);
  for (const parsers::MetricRecord& record : walked.batch.records) {
    FM_CHECK(record.first_dimension + record.dimension_count <= walked.batch.dimensions.size());
    FM_CHECK(record.first_extended + record.extended_count <= walked.batch.extended.size());
    FM_CHECK(std::isfinite(record.sum));
    FM_CHECK(std::isfinite(record.minimum));
    FM_CHECK(std::isfinite(record.maximum));
  }
}

/// The message once more, from a decoder that has decoded it before.
void check_again(std::string_view message, Walked& walked) {
  const parsers::MetricBatch first = std::move(walked.batch);
  const parsers::MetricCounts counts = walked.counts;
  walked.batch = {};
  walked.counts = {};
  walk(message, walked);
  FM_CHECK(walked.counts.datapoints == counts.datapoints);
  FM_CHECK(walked.counts.unknown_keys == counts.unknown_keys);
  FM_CHECK(std::ranges::equal(walked.counts.dropped, counts.dropped));
  const auto is_same = [](const parsers::Dimension& a, const parsers::Dimension& b) {
    return a.name == b.name && a.value == b.value;
  };
  for (std::size_t i = 0; i < first.records.size(); ++i) {
    const parsers::MetricRecord& a = first.records[i];
    const parsers::MetricRecord& b = walked.batch.records[i];
    FM_CHECK(a.metric_namespace == b.metric_namespace);
    FM_CHECK(a.name == b.name);
    FM_CHECK(a.unit == b.unit);
    FM_CHECK(a.start_ms == b.start_ms);
    FM_CHECK(std::ranges::equal(first.dimensions_of(a), walked.batch.dimensions_of(b), is_same));
    FM_CHECK(first.extended_of(a).size() == walked.batch.extended_of(b).size());
  }
}

using Pairs = std::vector<std::pair<std::string, std::string>>;

/// What the rules make of one point that libprotobuf has read.
struct Expected {
  std::string metric_namespace, name;
  bool has_namespace = false, has_name = false, has_minimum = false, has_maximum = false;
  bool finite = true, are_texts = true;
  double minimum = 0, maximum = 0;
  Pairs dimensions;
  std::vector<double> extended;
  std::uint64_t unknown_keys = 0;

  bool take_label(const std::string& key, const std::string& value) {
    std::string* const place = key == "Namespace" && !has_namespace ? &metric_namespace
                               : key == "MetricName" && !has_name   ? &name
                                                                    : nullptr;
    if (place == nullptr) return false;
    (place == &name ? has_name : has_namespace) = true;
    *place = value;
    return true;
  }
  void take_dimensions(const otlp::KeyValueList& list) {
    for (const otlp::KeyValue& item : list.values()) {
      const bool is_nothing = !item.has_value() || item.value().ByteSizeLong() == 0;
      are_texts = are_texts && (is_nothing || item.value().has_string_value());
      dimensions.emplace_back(item.key(), item.value().string_value());
    }
  }
  void take_attribute(const otlp::KeyValue& attribute) {
    if (attribute.key() == "Dimensions") {
      const bool is_nothing = !attribute.has_value() || attribute.value().ByteSizeLong() == 0;
      are_texts = are_texts && (is_nothing || attribute.value().has_kvlist_value());
      return take_dimensions(attribute.value().kvlist_value());
    }
    if (!attribute.value().has_string_value() ||
        !take_label(attribute.key(), attribute.value().string_value()))
      ++unknown_keys;
  }
  void take_quantile(const otlp::ValueAtQuantile& quantile) {
    finite = finite && std::isfinite(quantile.value()) && quantile.quantile() >= 0 &&
             quantile.quantile() <= 1;
    if (!finite) return;
    if (quantile.quantile() == 0) {
      minimum = quantile.value();
      has_minimum = true;
    } else if (quantile.quantile() == 1) {
      maximum = quantile.value();
      has_maximum = true;
    } else {
      extended.push_back(quantile.value());
    }
  }
};

/// kCount: it is kept.
MetricDrop judge(const otlp::Point& point, const Expected& expected) {
  constexpr std::uint64_t kSecond = 1'000'000'000;
  if (expected.metric_namespace.empty() || expected.name.empty()) return MetricDrop::kMissingLabel;
  if (!expected.are_texts || !expected.finite || !expected.has_minimum || !expected.has_maximum ||
      !std::isfinite(point.sum())) {
    return MetricDrop::kBadValue;
  }
  const bool is_in_order =
      point.start_time_unix_nano() > 0 && point.time_unix_nano() > point.start_time_unix_nano();
  if (!is_in_order || (point.time_unix_nano() - point.start_time_unix_nano()) / kSecond > 7 * 86400)
    return MetricDrop::kBadTimestamp;
  return point.start_time_unix_nano() / 1'000'000 > std::uint64_t{parsers::kTimestampMsMax}
             ? MetricDrop::kBadTimestamp
             : MetricDrop::kCount;
}

/// Follows the walker's records through a message that libprotobuf has read.
class Comparison {
 public:
  explicit Comparison(const Walked& walked) : walked_(walked) {}

  void run(const otlp::Request& request) {
    for (const otlp::ResourceMetrics& resource : request.resource_metrics()) {
      for (const otlp::ScopeMetrics& scope : resource.scope_metrics()) {
        for (const otlp::Metric& metric : scope.metrics()) take(resource, metric);
      }
    }
    FM_CHECK(at_ == walked_.batch.records.size());
    FM_CHECK(unknown_keys_ == walked_.counts.unknown_keys);
    for (const auto& [reason, count] : drops_)
      FM_CHECK(walked_.counts.dropped[static_cast<std::size_t>(reason)] == count);
    FM_CHECK(dropped_ == walked_.counts.malformed());
  }

 private:
  void drop(MetricDrop reason) {
    ++drops_[reason];
    ++dropped_;
  }

  void take(const otlp::ResourceMetrics& resource, const otlp::Metric& metric) {
    if (!metric.has_summary()) drop(MetricDrop::kNotASummary);
    for (const otlp::Point& point : metric.summary().data_points()) {
      Expected expected;
      for (const otlp::StringKeyValue& label : point.labels()) {
        if (!expected.take_label(label.key(), label.value()))
          expected.dimensions.emplace_back(label.key(), label.value());
      }
      for (const otlp::ValueAtQuantile& quantile : point.quantile_values())
        expected.take_quantile(quantile);
      for (const otlp::KeyValue& attribute : point.attributes()) expected.take_attribute(attribute);
      unknown_keys_ += expected.unknown_keys;
      const MetricDrop verdict = judge(point, expected);
      if (verdict != MetricDrop::kCount) {
        drop(verdict);
        continue;
      }
      FM_CHECK(at_ < walked_.batch.records.size());
      check(walked_.batch.records[at_++], resource, metric, point, expected);
    }
  }

  void check(const parsers::MetricRecord& record, const otlp::ResourceMetrics& resource,
             const otlp::Metric& metric, const otlp::Point& point, Expected& expected) {
    std::map<std::string, std::string> facts;
    for (const otlp::KeyValue& fact : resource.resource().attributes())
      facts[fact.key()] = fact.value().string_value();
    FM_CHECK(record.account == facts["cloud.account.id"]);
    FM_CHECK(record.region == facts["cloud.region"]);
    FM_CHECK(record.stream == facts["aws.exporter.arn"]);
    FM_CHECK(record.unit == parsers::cloudwatch_unit(metric.unit()));
    FM_CHECK(record.metric_namespace == expected.metric_namespace);
    FM_CHECK(record.name == expected.name);
    FM_CHECK(record.start_ms ==
             static_cast<std::int64_t>(point.start_time_unix_nano() / 1'000'000));
    FM_CHECK(record.period_s ==
             (point.time_unix_nano() - point.start_time_unix_nano()) / 1'000'000'000);
    FM_CHECK(record.sample_count == static_cast<double>(point.count()));
    FM_CHECK(record.sum == point.sum());
    FM_CHECK(record.minimum == expected.minimum);
    FM_CHECK(record.maximum == expected.maximum);
    std::stable_sort(expected.dimensions.begin(), expected.dimensions.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    Pairs dimensions;
    for (const parsers::Dimension& dimension : walked_.batch.dimensions_of(record))
      dimensions.emplace_back(dimension.name, dimension.value);
    FM_CHECK(dimensions == expected.dimensions);
    std::vector<double> extended;
    for (const parsers::ExtendedStatistic& statistic : walked_.batch.extended_of(record))
      extended.push_back(statistic.value);
    FM_CHECK(extended == expected.extended);
  }

  const Walked& walked_;
  std::size_t at_ = 0;
  std::uint64_t unknown_keys_ = 0;
  std::uint64_t dropped_ = 0;
  std::map<MetricDrop, std::uint64_t> drops_;
};

/// Seven bits at a time, five bytes at most, 64 MiB at most.
void check_prefix(std::string_view bytes) {
  using Kind = parsers::FramePrefix::Kind;
  const parsers::FramePrefix prefix = parsers::read_frame_prefix(bytes);
  std::uint64_t length = 0;
  std::size_t width = 0;
  while (width < std::min<std::size_t>(bytes.size(), 5) && (bytes[width] & 0x80) != 0) ++width;
  if (width == bytes.size() && width < 5) {
    FM_CHECK(prefix.kind == Kind::kNeedMore);
    return;
  }
  if (width < 5) {
    ++width;
    for (std::size_t i = width; i-- > 0;)
      length = length << 7 | (static_cast<unsigned char>(bytes[i]) & 0x7f);
  } else {
    length = ~std::uint64_t{0};
  }
  FM_CHECK((prefix.kind == Kind::kBad) == (length > parsers::kOtlpFrameBytesMax));
  if (prefix.kind == Kind::kBad) return;
  FM_CHECK(prefix.kind == Kind::kComplete);
  FM_CHECK(prefix.prefix_bytes == width);
  FM_CHECK(prefix.frame_bytes == length);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::FuzzInput input{data, size};
  const fuzz::Pieces pieces{input};
  const fuzz::ExactBlock block{input.rest()};
  check_prefix(block.view());
  fuzz::check_cuts(block.view(), pieces);
  Walked any;
  walk(block.view(), any);
  check_again(block.view(), any);

  otlp::Request request;
  if (!request.ParseFromArray(block.view().data(), static_cast<int>(block.view().size()))) return 0;
  request.DiscardUnknownFields();
  const fuzz::ExactBlock canonical{request.SerializeAsString()};
  Walked walked;
  walk(canonical.view(), walked);
  Comparison{walked}.run(request);
  check_again(canonical.view(), walked);
  Comparison{walked}.run(request);
  return 0;
}
