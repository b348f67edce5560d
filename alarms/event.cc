#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <charconv>

#include "alarms/engine.h"
#include "alarms/json_text.h"
#include "proto/check.h"
#include "proto/rfc3339.h"

namespace fleetmeter::alarms {
namespace {

/// Writes `"key":` with the comma before it where one is due.
class ObjectWriter {
 public:
  explicit ObjectWriter(std::string& out) : out_(out) { out_ += '{'; }
  void close() { out_ += '}'; }
  std::string& key(std::string_view name) {
    if (!first_) out_ += ',';
    first_ = false;
    out_ += json_string(name);
    out_ += ':';
    return out_;
  }
  void text(std::string_view name, std::string_view value) { key(name) += json_string(value); }
  void integer(std::string_view name, std::int64_t value) { key(name) += std::to_string(value); }
  void boolean(std::string_view name, bool value) { key(name) += value ? "true" : "false"; }
  /// Decimals are strings, so that no reader rounds them.
  void decimal(std::string_view name, double value) {
    std::array<char, 64> text{};
    const auto end = std::to_chars(text.data(), text.data() + text.size(), value);
    key(name) += json_string({text.data(), static_cast<std::size_t>(end.ptr - text.data())});
  }

 private:
  std::string& out_;
  bool first_ = true;
};

void write_alarm(const proto::AlarmDetail& alarm, std::string& out) {
  ObjectWriter object(out);
  object.text("namespace", alarm.namespace_());
  object.text("metric", alarm.metric());
  object.text("statistic", alarm.statistic());
  ObjectWriter dimensions(object.key("dimensions"));
  for (int i = 0; i < alarm.dimension_names_size(); ++i)
    dimensions.text(alarm.dimension_names(i), alarm.dimension_values(i));
  dimensions.close();
  object.text("comparison", alarm.comparison());
  object.decimal("threshold", alarm.threshold());
  object.integer("period_s", alarm.period_s());
  object.integer("evaluation_periods", alarm.evaluation_periods());
  object.integer("datapoints_to_alarm", alarm.datapoints_to_alarm());
  object.text("missing", alarm.missing());
  object.close();
}

void write_scaling(const proto::ScalingDetail& scaling, std::string& out) {
  ObjectWriter object(out);
  object.text("group", scaling.group());
  object.text("policy", scaling.policy());
  object.integer("current", scaling.current());
  object.integer("desired", scaling.desired());
  object.integer("wanted", scaling.wanted());
  object.integer("minimum", scaling.minimum());
  object.integer("maximum", scaling.maximum());
  object.decimal("metric_value", scaling.metric_value());
  object.close();
}

}  // namespace

std::string event_id(std::string_view environment, std::string_view type, std::string_view rule,
                     std::string_view series, aggregator::GridTime time_s, std::uint32_t ordinal) {
  // Length-prefixed, so that no two different tuples make the same text.
  std::string text;
  for (const std::string_view part : {environment, type, rule, series})
    text += fmt::format("{}:{};", part.size(), part);
  text += fmt::format("{};{}", time_s, ordinal);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  FM_CHECK(EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr) == 1);
  FM_CHECK(size >= 16);
  std::string id;
  for (std::size_t i = 0; i < 16; ++i) fmt::format_to(std::back_inserter(id), "{:02x}", digest[i]);
  return id;
}

std::string event_json(const proto::Event& event) {
  std::string out;
  ObjectWriter object(out);
  object.text("id", event.id());
  object.text("time", rfc3339(event.time_s()));
  object.text("type", event.type());
  object.text("environment", event.environment());
  object.text("rule", event.rule());
  object.text("series", event.series());
  object.text("from", event.from());
  object.text("to", event.to());
  object.text("reason", event.reason());
  object.text("severity", event.severity());
  object.boolean("initial", event.initial());
  if (event.expires_s() != 0) object.text("expires", rfc3339(event.expires_s()));
  if (event.has_alarm()) write_alarm(event.alarm(), object.key("alarm"));
  if (event.has_scaling()) write_scaling(event.scaling(), object.key("scaling"));
  object.close();
  return out;
}

}  // namespace fleetmeter::alarms
