// One metric JSON object: what is taken, dropped and why is what a slow walk over simdjson's
// validating document tree says; the quick path takes nothing that the exact one would not take as
// well, in the same words; and a stream of such values does not depend on where it is cut.
#include <simdjson.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "parsers/flow_field.h"
#include "parsers/json_scan.h"
#include "parsers/metric_json.h"
#include "parsers/metric_support.h"
#include "proto/check.h"
#include "tests/fuzz/decode_outcome.h"
#include "tests/fuzz/json_text.h"

namespace {

using namespace fleetmeter;
using parsers::MetricDrop;
using Result = parsers::MetricJsonParser::Result;
using Element = simdjson::dom::element;

struct Parsed {
  Result result = Result::kNotClean;
  parsers::MetricBatch batch;
  parsers::MetricCounts counts;
};

void check_ranges(const Parsed& parsed) {
  FM_CHECK(parsed.batch.records.size() == parsed.counts.datapoints);
  for (const parsers::MetricRecord& record : parsed.batch.records) {
    FM_CHECK(record.first_dimension + record.dimension_count <= parsed.batch.dimensions.size());
    FM_CHECK(record.first_extended + record.extended_count <= parsed.batch.extended.size());
  }
}

/// What the exact path has to make of an object that is JSON all through.
struct Expected {
  std::map<std::string_view, std::string_view> texts;  // By key, the last of each.
  std::map<std::string_view, double> statistics;
  std::vector<std::pair<std::string_view, std::string_view>> dimensions;
  std::vector<std::pair<std::string_view, double>> extended;
  std::optional<std::int64_t> timestamp_ms;
  bool has_timestamp = false;
  bool has_value = false;
  bool bad_value = false;
  bool is_metric = false;
  bool is_envelope = false;
  std::uint64_t unknown_keys = 0;
};

void expect_value(Element value, Expected& expected) {
  constexpr std::string_view kPlaces[] = {"max", "min", "sum", "count"};
  expected.has_value = true;
  simdjson::dom::object object;
  if (value.get_object().get(object) != simdjson::SUCCESS) {
    expected.bad_value = true;
    return;
  }
  for (const auto& [name, item] : object) {
    double number = 0;
    const bool is_number = item.get_double().get(number) == simdjson::SUCCESS;
    bool is_basic = false;
    for (const std::string_view place : kPlaces) is_basic = is_basic || name == place;
    if (is_number && is_basic) expected.statistics[name] = number;
    if (is_number && !is_basic) expected.extended.emplace_back(name, number);
    if (!is_number && is_basic) expected.bad_value = true;
    if (!is_number && !is_basic) ++expected.unknown_keys;
  }
}

void expect_dimensions(Element value, Expected& expected) {
  simdjson::dom::object object;
  if (value.get_object().get(object) != simdjson::SUCCESS) {
    expected.bad_value = true;
    return;
  }
  for (const auto& [name, item] : object) {
    std::string_view text;
    if (item.get_string().get(text) != simdjson::SUCCESS) expected.bad_value = true;
    expected.dimensions.emplace_back(name, text);
  }
}

Expected expect(simdjson::dom::object object) {
  constexpr std::string_view kTexts[] = {"metric_stream_name", "account_id",  "region",
                                         "namespace",          "metric_name", "unit"};
  constexpr std::string_view kOfMetrics[] = {"metric_stream_name", "namespace", "metric_name",
                                             "value"};
  constexpr std::string_view kOfEnvelopes[] = {"messageType", "logEvents", "records",   "Records",
                                               "awslogs",     "message",   "requestId", "rawData"};
  const auto is_one_of = [](std::string_view key, const auto& names) {
    for (const std::string_view name : names) {
      if (name == key) return true;
    }
    return false;
  };
  Expected expected;
  bool has_stream = false;
  for (const auto& [key, value] : object) {
    expected.is_metric = expected.is_metric || is_one_of(key, kOfMetrics);
    has_stream = has_stream || key == "metric_stream_name";
    std::string_view text;
    if (is_one_of(key, kTexts)) {
      if (value.get_string().get(text) == simdjson::SUCCESS) {
        expected.texts[key] = text;
      } else if (key == "namespace" || key == "metric_name") {
        expected.texts.erase(key);
      } else {
        expected.unknown_keys += value.is_null() ? 0 : 1;
      }
    } else if (key == "timestamp") {
      std::int64_t number = 0;
      expected.has_timestamp = true;
      expected.timestamp_ms.reset();
      if (value.get_int64().get(number) == simdjson::SUCCESS && number >= 0 &&
          number <= parsers::kTimestampMsMax) {
        expected.timestamp_ms = number;
      }
    } else if (key == "dimensions") {
      expect_dimensions(value, expected);
    } else if (key == "value") {
      expect_value(value, expected);
    } else if (!has_stream && (is_one_of(key, kOfEnvelopes) || parsers::is_flow_record_key(key))) {
      expected.is_envelope = true;
      return expected;  // Known for one from here on.
    } else {
      ++expected.unknown_keys;
    }
  }
  return expected;
}

void check_drop(const Parsed& parsed, MetricDrop reason) {
  FM_CHECK(parsed.counts.dropped[static_cast<std::size_t>(reason)] == 1);
  FM_CHECK(parsed.counts.malformed() == 1);
  FM_CHECK(parsed.batch.records.empty());
  FM_CHECK(parsed.batch.dimensions.empty());
}

void check_record(const parsers::MetricBatch& batch, Expected& expected) {
  const parsers::MetricRecord& record = batch.records.front();
  FM_CHECK(record.stream == expected.texts["metric_stream_name"]);
  FM_CHECK(record.account == expected.texts["account_id"]);
  FM_CHECK(record.region == expected.texts["region"]);
  FM_CHECK(record.metric_namespace == expected.texts["namespace"]);
  FM_CHECK(record.name == expected.texts["metric_name"]);
  FM_CHECK(record.unit == expected.texts["unit"]);
  FM_CHECK(record.start_ms == *expected.timestamp_ms);
  FM_CHECK(record.sample_count == expected.statistics["count"]);
  FM_CHECK(record.sum == expected.statistics["sum"]);
  FM_CHECK(record.minimum == expected.statistics["min"]);
  FM_CHECK(record.maximum == expected.statistics["max"]);
  std::stable_sort(expected.dimensions.begin(), expected.dimensions.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  FM_CHECK(record.dimension_count == expected.dimensions.size());
  std::size_t i = 0;
  for (const parsers::Dimension& dimension : batch.dimensions_of(record)) {
    FM_CHECK(dimension.name == expected.dimensions[i].first);
    FM_CHECK(dimension.value == expected.dimensions[i].second);
    ++i;
  }
  i = 0;
  FM_CHECK(record.extended_count == expected.extended.size());
  for (const parsers::ExtendedStatistic& statistic : batch.extended_of(record)) {
    FM_CHECK(statistic.name == expected.extended[i].first);
    FM_CHECK(statistic.value == expected.extended[i].second);
    ++i;
  }
}

void check_against_tree(std::string_view value, const Parsed& parsed) {
  static simdjson::dom::parser tree_parser;
  simdjson::dom::object object;
  if (tree_parser.parse(value.data(), value.size()).get_object().get(object) != simdjson::SUCCESS) {
    return;  // simdjson on demand is not asked to look at what nobody reads.
  }
  Expected expected = expect(object);
  if (expected.is_envelope) {
    FM_CHECK(parsed.result == Result::kOther);
    FM_CHECK(parsed.counts.malformed() == 0);
    return;
  }
  FM_CHECK(parsed.result == Result::kTaken);
  FM_CHECK(parsed.counts.unknown_keys == (expected.is_metric ? expected.unknown_keys : 0));
  if (expected.texts["namespace"].empty() || expected.texts["metric_name"].empty() ||
      !expected.has_timestamp || !expected.has_value) {
    return check_drop(parsed, MetricDrop::kMissingKey);
  }
  if (!expected.timestamp_ms) return check_drop(parsed, MetricDrop::kBadTimestamp);
  if (expected.bad_value || expected.statistics.size() != 4 || expected.statistics["count"] < 0)
    return check_drop(parsed, MetricDrop::kBadValue);
  FM_CHECK(parsed.batch.records.size() == 1);
  check_record(parsed.batch, expected);
}

void check_equal(const Parsed& a, const Parsed& b) {
  FM_CHECK(a.batch.records.size() == b.batch.records.size());
  FM_CHECK(a.batch.dimensions.size() == b.batch.dimensions.size());
  FM_CHECK(a.batch.extended.size() == b.batch.extended.size());
  FM_CHECK(a.counts.unknown_keys == b.counts.unknown_keys);
  FM_CHECK(a.counts.malformed() == b.counts.malformed());
  fuzz::DigestSink digests[2];
  digests[0].on_metrics(a.batch);
  digests[1].on_metrics(b.batch);
  FM_CHECK(digests[0] == digests[1]);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::FuzzInput input{data, size};
  const fuzz::Pieces pieces{input};
  fuzz::check_cuts(input.rest(), pieces);

  const std::string_view value = input.rest();
  if (!value.starts_with('{')) return 0;
  const fuzz::PaddedBlock padded{value};
  parsers::JsonScanner scanner;
  const parsers::JsonScanner::Result scan = scanner.scan(value);
  const bool is_exact =
      scan.status == parsers::JsonScanner::Status::kComplete && scan.end == value.size();
  Parsed quick;
  parsers::MetricJsonParser quick_parser;
  if (value.ends_with('}') && value.find('\n') == std::string_view::npos) {
    quick.result = quick_parser.parse(padded.view(), false, quick.batch, quick.counts);
    check_ranges(quick);
    const bool is_taken = quick.result == Result::kTaken;
    FM_CHECK(quick.batch.records.size() + quick.counts.malformed() == (is_taken ? 1u : 0u));
    FM_CHECK(is_exact || quick.result == Result::kNotClean);
    // Now the parser knows how values begin, and then this series.
    for (int time = 0; time < 3; ++time) {
      Parsed again;
      again.result = quick_parser.parse(padded.view(), false, again.batch, again.counts);
      check_ranges(again);
      FM_CHECK(again.result == quick.result);
      if (is_taken) check_equal(again, quick);
    }
  }
  if (!is_exact) return 0;

  parsers::MetricJsonParser exact_parser;
  Parsed exact;
  exact.result = exact_parser.parse(padded.view(), true, exact.batch, exact.counts);
  check_ranges(exact);
  FM_CHECK(exact.result != Result::kNotClean);
  if (quick.result == Result::kTaken) check_equal(quick, exact);
  check_against_tree(value, exact);
  return 0;
}
