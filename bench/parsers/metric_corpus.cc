#include "bench/parsers/metric_corpus.h"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <random>
#include <utility>
#include <vector>

namespace fleetmeter::parsers::bench {
namespace {

constexpr std::uint32_t kSeed = 20260101;
constexpr std::uint32_t kMachines = 2000;
constexpr std::size_t kPerFrame = 20;
constexpr std::string_view kStream = "MyMetricStream";
constexpr std::string_view kArn = "arn:aws:cloudwatch:us-east-1:123456789012:metric-stream/s";
constexpr std::string_view kAccount = "123456789012";
constexpr std::string_view kRegion = "us-east-1";
constexpr std::uint64_t kStart_s = 1700000040;

struct Metric {
  std::string_view metric_namespace, name, unit, otlp_unit;
  std::vector<std::string_view> dimensions;
};

const Metric kMetrics[] = {
    {"AWS/EC2", "CPUUtilization", "Percent", "%", {"InstanceId"}},
    {"AWS/EC2", "NetworkIn", "Bytes", "By", {"InstanceId"}},
    {"AWS/NATGateway", "BytesOutToDestination", "Bytes", "By", {"NatGatewayId"}},
    {"AWS/EBS", "VolumeReadOps", "Count", "{Count}", {"VolumeId"}},
    {"CWAgent", "disk_used_percent", "Percent", "%", {"InstanceId", "device", "fstype", "path"}},
};

struct Extra {
  std::string_view name;
  double quantile;  // 0: JSON alone has it.
};
constexpr Extra kExtras[] = {{"p50", 0.5},   {"p90", 0.9},         {"p99", 0.99},
                             {"p99.9", 0.0}, {"TM(10%:90%)", 0.0}, {"IQM", 0.0}};

/// A datapoint before it is written in a format.
struct Point {
  const Metric* metric;
  std::vector<std::pair<std::string_view, std::string>> dimensions;
  std::uint64_t start_s;
  double count, sum, minimum, maximum;
  std::vector<std::pair<Extra, double>> extras;
};

std::string id_of(std::string_view dimension, std::uint32_t machine) {
  if (dimension == "device") return "nvme0n1p" + std::to_string(machine % 4);
  if (dimension == "fstype") return "ext4";
  if (dimension == "path") return machine % 2 == 0 ? "/" : "/var/lib/data";
  char text[40];
  std::snprintf(text, sizeof text, "%s%017llx", dimension == "InstanceId" ? "i-" : "vol-",
                0x1235b8ca0000000ull + machine * 7919ull);
  return text;
}

std::uint32_t draw(std::mt19937& random, std::uint32_t below) {
  return static_cast<std::uint32_t>(random() % below);
}

double value_of(std::mt19937& random) {
  const std::uint32_t kind = draw(random, 12);
  if (kind < 3) return 0;
  if (kind < 6) return draw(random, 100000);
  if (kind < 9) return draw(random, 1000000) / 60.0;
  return kind < 10 ? draw(random, 0xffffffff) * 16.0 : draw(random, 10000) / 100.0;
}

class Points {
 public:
  Points(Statistics statistics, bool is_json) : statistics_(statistics), is_json_(is_json) {}

  Point next(MetricAnswer& answer) {
    Point point;
    point.metric = &kMetrics[made_ % std::size(kMetrics)];
    const std::uint32_t machine = draw(random_, kMachines);
    for (const std::string_view name : point.metric->dimensions)
      point.dimensions.emplace_back(name, id_of(name, machine));
    point.start_s = kStart_s + made_ / 10000 * 60;
    point.count = 1 + draw(random_, 5);
    point.sum = value_of(random_);
    point.minimum = value_of(random_);
    point.maximum = value_of(random_);
    for (const Extra& extra : kExtras) {
      if (statistics_ == Statistics::kExtended && (is_json_ || extra.quantile > 0))
        point.extras.emplace_back(extra, value_of(random_));
    }
    ++made_;
    add(answer, point);
    return point;
  }
  std::mt19937& random() noexcept { return random_; }

 private:
  static void add(MetricAnswer& answer, const Point& point) {
    ++answer.records;
    answer.extended += point.extras.size();
    answer.dimensions += point.dimensions.size();
    answer.text_bytes += kAccount.size() + kRegion.size() + point.metric->metric_namespace.size() +
                         point.metric->name.size();
    for (const auto& [name, value] : point.dimensions)
      answer.text_bytes += name.size() + value.size();
    answer.time_sum_s += point.start_s;
    answer.value_sum += point.count + point.sum + point.minimum + point.maximum;
    for (const auto& [extra, value] : point.extras) answer.value_sum += value;
  }

  const Statistics statistics_;
  const bool is_json_;
  std::mt19937 random_{kSeed};
  std::size_t made_ = 0;
};

// As Java writes a double: a fraction always, an exponent from ten million on.
std::string number(double value) {
  char text[32];
  const auto format = value < 1e7 ? std::chars_format::fixed : std::chars_format::scientific;
  std::string out(text, std::to_chars(text, text + sizeof text, value, format).ptr);
  if (out.find('.') == std::string::npos) out.insert(std::min(out.find('e'), out.size()), ".0");
  return out;
}

std::string json_line(const Point& point) {
  const auto text = [](std::string_view key, std::string_view value) {
    return '"' + std::string{key} + "\":\"" + std::string{value} + '"';
  };
  std::string line = '{' + text("metric_stream_name", kStream) + ',' +
                     text("account_id", kAccount) + ',' + text("region", kRegion) + ',' +
                     text("namespace", point.metric->metric_namespace) + ',' +
                     text("metric_name", point.metric->name) + R"(,"dimensions":{)";
  for (const auto& [name, value] : point.dimensions)
    line += (line.back() == '{' ? "" : ",") + text(name, value);
  line += R"(},"timestamp":)" + std::to_string(point.start_s * 1000) + R"(,"value":{"max":)" +
          number(point.maximum) + R"(,"min":)" + number(point.minimum) + R"(,"sum":)" +
          number(point.sum) + R"(,"count":)" + number(point.count);
  for (const auto& [extra, value] : point.extras)
    line += ",\"" + std::string{extra.name} + "\":" + number(value);
  return line + "}," + text("unit", point.metric->unit) + '}';
}

std::string broken(std::string line, std::uint32_t how) {
  const auto replace = [&](std::string_view from, std::string_view to) {
    return line.replace(line.find(from), from.size(), to);
  };
  switch (how) {
    case 0:
      return line.substr(0, line.size() / 2);
    case 1:
      return replace("\"namespace\":", "\"nameplate\":");
    case 2:
      return replace("\"max\":", "\"max\":null,\"top\":");
    case 3:
      return replace("\"timestamp\":", "\"timestamp\":-");
    default:
      return replace("\"dimensions\":", "\"dimensions\" ");
  }
}

void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

void put_bytes(std::string& out, char tag, std::string_view value) {
  out += tag;
  put_varint(out, value.size());
  out += value;
}

// proto3 leaves out zeros.
template <typename T>
void put_fixed64(std::string& out, char tag, T value) {
  if (value == 0) return;
  char wire[8];
  std::memcpy(wire, &value, sizeof wire);
  out += tag;
  out.append(wire, sizeof wire);
}

std::string pair(std::string_view key, std::string_view value) {
  std::string out;
  put_bytes(out, 0x0a, key);
  put_bytes(out, 0x12, value);
  return out;
}

std::string any(char tag, std::string_view value) {
  std::string out;
  put_bytes(out, tag, value);
  return out;
}

std::string attribute(std::string_view key, std::string_view value) {
  return pair(key, any(0x0a, value));
}

std::string quantile(double at, double value) {
  std::string out;
  put_fixed64(out, 0x09, at);
  put_fixed64(out, 0x11, value);
  return out;
}

void put_labels_07(std::string& out, const Point& point) {
  put_bytes(out, 0x0a, pair("Namespace", point.metric->metric_namespace));
  put_bytes(out, 0x0a, pair("MetricName", point.metric->name));
  for (const auto& [name, value] : point.dimensions) put_bytes(out, 0x0a, pair(name, value));
}

void put_labels_10(std::string& out, const Point& point) {
  std::string list;
  for (const auto& [name, value] : point.dimensions) put_bytes(list, 0x0a, attribute(name, value));
  put_bytes(out, 0x3a, attribute("Namespace", point.metric->metric_namespace));
  put_bytes(out, 0x3a, attribute("MetricName", point.metric->name));
  put_bytes(out, 0x3a, pair("Dimensions", any(0x32, list)));
}

/// A Metric message of one datapoint; labels come first in 0.7.0 and last in 1.0.0, by their field
/// numbers.
std::string otlp_metric(const Point& point, bool is_10) {
  std::string data;
  if (!is_10) put_labels_07(data, point);
  put_fixed64(data, 0x11, point.start_s * 1000000000);
  put_fixed64(data, 0x19, (point.start_s + 60) * 1000000000);
  put_fixed64(data, 0x21, static_cast<std::uint64_t>(point.count));
  put_fixed64(data, 0x29, point.sum);
  put_bytes(data, 0x32, quantile(0, point.minimum));
  for (const auto& [extra, value] : point.extras)
    put_bytes(data, 0x32, quantile(extra.quantile, value));
  put_bytes(data, 0x32, quantile(1, point.maximum));
  if (is_10) put_labels_10(data, point);
  std::string out;
  put_bytes(out, 0x0a,
            "amazonaws.com/" + std::string{point.metric->metric_namespace} + '/' +
                std::string{point.metric->name});
  put_bytes(out, 0x1a, point.metric->otlp_unit);
  put_bytes(out, 0x5a, any(0x0a, data));
  return out;
}

MetricCorpus otlp_frames(std::size_t records, Statistics statistics, bool is_10) {
  MetricCorpus corpus;
  Points points{statistics, false};
  std::string resource;
  put_bytes(resource, 0x0a, attribute("cloud.provider", "aws"));
  put_bytes(resource, 0x0a, attribute("cloud.account.id", kAccount));
  put_bytes(resource, 0x0a, attribute("cloud.region", kRegion));
  put_bytes(resource, 0x0a, attribute("aws.exporter.arn", kArn));
  while (corpus.lines < records) {
    std::string scope;
    for (std::size_t i = 0; i < kPerFrame && corpus.lines < records; ++i, ++corpus.lines)
      put_bytes(scope, 0x12, otlp_metric(points.next(corpus.answer), is_10));
    std::string resource_metrics;
    put_bytes(resource_metrics, 0x0a, resource);
    put_bytes(resource_metrics, 0x12, scope);
    put_varint(corpus.bytes, any(0x0a, resource_metrics).size());
    corpus.bytes += any(0x0a, resource_metrics);
  }
  return corpus;
}

}  // namespace

void add_to(MetricAnswer& answer, const MetricBatch& batch) {
  for (const MetricRecord& record : batch.records) {
    ++answer.records;
    answer.extended += record.extended_count;
    answer.dimensions += record.dimension_count;
    answer.text_bytes += record.account.size() + record.region.size() +
                         record.metric_namespace.size() + record.name.size();
    for (const Dimension& dimension : batch.dimensions_of(record))
      answer.text_bytes += dimension.name.size() + dimension.value.size();
    answer.time_sum_s += static_cast<std::uint64_t>(record.start_ms) / 1000;
    answer.value_sum += record.sample_count + record.sum + record.minimum + record.maximum;
    for (const ExtendedStatistic& extended : batch.extended_of(record))
      answer.value_sum += extended.value;
  }
}

MetricCorpus json_lines(std::size_t records, Statistics statistics) {
  MetricCorpus corpus;
  Points points{statistics, true};
  for (; corpus.lines < records; ++corpus.lines)
    corpus.bytes += json_line(points.next(corpus.answer)) + '\n';
  return corpus;
}

MetricCorpus json_lines_malformed(std::size_t records, Statistics statistics) {
  MetricCorpus corpus;
  Points points{statistics, true};
  MetricAnswer unused;
  for (; corpus.lines < records; ++corpus.lines) {
    const bool is_bad = corpus.lines % 20 == 7;
    const std::string line = json_line(points.next(is_bad ? unused : corpus.answer));
    corpus.bytes += (is_bad ? broken(line, draw(points.random(), 5)) : line) + '\n';
  }
  return corpus;
}

MetricCorpus otlp_07_frames(std::size_t records, Statistics statistics) {
  return otlp_frames(records, statistics, false);
}

MetricCorpus otlp_10_frames(std::size_t records, Statistics statistics) {
  return otlp_frames(records, statistics, true);
}

}  // namespace fleetmeter::parsers::bench
