#include <simdjson.h>

#include "bench/parsers/metric_probe.h"

namespace fleetmeter::parsers::bench {
namespace {

namespace ondemand = simdjson::ondemand;

void read_value(ondemand::object value, Statistics statistics, MetricAnswer& answer) {
  if (statistics == Statistics::kBasic) {
    const double maximum = value.find_field("max");
    const double minimum = value.find_field("min");
    const double sum = value.find_field("sum");
    const double count = value.find_field("count");
    answer.value_sum += count + sum + minimum + maximum;
    return;
  }
  double maximum = 0, minimum = 0, sum = 0, count = 0, extended = 0;
  for (auto field : value) {
    const ondemand::raw_json_string key = field.key();
    const double number = field.value();
    if (key == "max") {
      maximum = number;
    } else if (key == "min") {
      minimum = number;
    } else if (key == "sum") {
      sum = number;
    } else if (key == "count") {
      count = number;
    } else {
      ++answer.extended;
      extended += number;
    }
  }
  answer.value_sum += count + sum + minimum + maximum;
  answer.value_sum += extended;
}

void read_datapoint(ondemand::object object, Statistics statistics, MetricAnswer& answer) {
  const std::string_view stream = object.find_field("metric_stream_name");
  const std::string_view account = object.find_field("account_id");
  const std::string_view region = object.find_field("region");
  const std::string_view metric_namespace = object.find_field("namespace");
  const std::string_view name = object.find_field("metric_name");
  for (auto dimension : object.find_field("dimensions").get_object()) {
    const std::string_view key = dimension.unescaped_key();
    const std::string_view value = dimension.value();
    ++answer.dimensions;
    answer.text_bytes += key.size() + value.size();
  }
  const std::int64_t time_ms = object.find_field("timestamp");
  read_value(object.find_field("value"), statistics, answer);
  const std::string_view unit = object.find_field("unit");
  ++answer.records;
  answer.text_bytes += account.size() + region.size() + metric_namespace.size() + name.size();
  answer.time_sum_s += static_cast<std::uint64_t>(time_ms) / 1000;
  if (stream.empty() || unit.empty()) answer.records = 0;
}

}  // namespace

bool JsonProbe::is_supported() noexcept {
#ifdef __x86_64__
  return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("bmi2") != 0;
#else
  return true;
#endif
}

MetricAnswer JsonProbe::run(std::string_view lines, Statistics statistics) {
  MetricAnswer answer;
  ondemand::parser parser;
#ifdef SIMDJSON_THREADS_ENABLED
  parser.threaded = false;  // All of it is to be on this thread's time.
#endif
  ondemand::document_stream documents =
      parser.iterate_many(lines.data(), lines.size(), std::size_t{1} << 20);
  for (auto document : documents) read_datapoint(document.get_object(), statistics, answer);
  return answer;
}

}  // namespace fleetmeter::parsers::bench
