#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "aggregator/inventory.h"
#include "aggregator/shard.h"
#include "alarms/engine.h"
#include "proto/log.pb.h"

namespace fleetmeter::alarms {

inline constexpr std::int64_t kMidnightS = 1'734'652'800;  ///< 2024-12-20T00:00:00Z.
inline constexpr std::int64_t minute(std::int64_t m) { return kMidnightS + 60 * m; }

/// One datapoint of one series, in minutes after midnight.
struct Sample {
  std::string metric_namespace = "AWS/EC2", name = "CPUUtilization";
  std::vector<std::pair<std::string, std::string>> dimensions;
  std::int64_t minute = 0;  ///< Start of its period.
  double value = 0;
  std::string source = "stream";
};

/// A real shard and engine, fed with log records; every verb is one record.
class Fleet {
 public:
  enum class Input { kLive, kBounded };
  explicit Fleet(RuleSet rules, Input input = Input::kLive)
      : rules_(std::make_shared<const RuleSet>(std::move(rules))),
        shard_(std::make_unique<aggregator::Shard>(options())),
        engine_(std::make_unique<Engine>("prod", rules_)) {
    if (input == Input::kLive) listen("stream", -60);
    live_ = input == Input::kLive;
  }

  static aggregator::ShardOptions options() {
    aggregator::ShardOptions options;
    options.environment = "prod";
    return options;
  }

  void apply(proto::LogRecord record) {
    if (record.append_time_ms() == 0) record.set_append_time_ms(now_s_ * 1000);
    shard_->apply(record, changes_);
    engine_->apply(record, changes_, *shard_, events);
  }
  /// Wall clock of the records that follow.
  void clock(std::int64_t m) { now_s_ = minute(m); }

  static proto::LogRecord batch(const std::vector<Sample>& samples) {
    proto::LogRecord record;
    proto::AggregateBatch& out = *record.mutable_batch();
    out.set_environment("prod");
    for (const Sample& sample : samples) {
      out.set_source(sample.source);
      proto::Series& series = *out.add_series();
      series.set_account("123456789012");
      series.set_region("us-east-1");
      series.set_namespace_(sample.metric_namespace);
      series.set_metric(sample.name);
      for (const auto& [name, value] : sample.dimensions) {
        series.add_dimension_names(name);
        series.add_dimension_values(value);
      }
      proto::Datapoints& points = *out.mutable_datapoints();
      points.add_series(static_cast<std::uint32_t>(out.series_size() - 1));
      points.add_start_s(minute(sample.minute));
      points.add_period_s(60);
      points.add_sample_count(1);
      points.add_sum(sample.value);
      points.add_minimum(sample.value);
      points.add_maximum(sample.value);
    }
    return record;
  }
  static Sample cpu(const std::string& instance, std::int64_t m, double value) {
    Sample sample;
    sample.dimensions = {{"InstanceId", instance}};
    sample.minute = m;
    sample.value = value;
    return sample;
  }

  void samples(const std::vector<Sample>& all) { apply(batch(all)); }
  void datapoint(const std::string& instance, std::int64_t m, double value) {
    samples({cpu(instance, m, value)});
  }
  void datapoints(const std::string& instance, std::int64_t from, std::int64_t to, double value) {
    for (std::int64_t m = from; m < to; ++m) datapoint(instance, m, value);
  }
  /// Of a live fleet: its stream has been read up to there, or no tick would be made.
  void tick(std::int64_t m) {
    now_s_ = std::max(now_s_, minute(m));
    if (live_ && !stalled_) progress("stream", m, true);
    proto::LogRecord record;
    record.mutable_tick()->set_time_s(minute(m));
    apply(std::move(record));
  }
  /// A tick a minute, up to and with `to`.
  void ticks(std::int64_t from, std::int64_t to) {
    for (std::int64_t m = from; m <= to; ++m) tick(m);
  }
  /// Everything an established fleet does in minutes [from, to): its datapoints, then the tick of
  /// that minute.
  void run(const std::vector<std::string>& instances, std::int64_t from, std::int64_t to,
           double value) {
    for (std::int64_t m = from; m < to; ++m) {
      for (const std::string& instance : instances) datapoint(instance, m, value);
      tick(m + 1);
    }
  }
  void listen(const std::string& source, std::int64_t m, bool push = false,
              std::int64_t since = 0) {
    proto::LogRecord record;
    proto::SourceProgress& progress = *record.mutable_progress()->add_sources();
    progress.set_source(source);
    progress.set_read_to_ms(minute(m) * 1000);
    progress.set_caught_up(true);
    progress.set_started(true);
    progress.set_push(push);
    if (push) progress.set_listening_since_ms(minute(since) * 1000);
    now_s_ = std::max(now_s_, minute(m));
    apply(std::move(record));
  }
  /// How far a source that is known has been read.
  void progress(const std::string& source, std::int64_t m, bool caught_up) {
    proto::LogRecord record;
    proto::SourceProgress& progress = *record.mutable_progress()->add_sources();
    progress.set_source(source);
    progress.set_read_to_ms(minute(m) * 1000);
    progress.set_caught_up(caught_up);
    if (caught_up) now_s_ = std::max(now_s_, minute(m));
    apply(std::move(record));
  }
  void stall(const std::string& source, bool stalled) {
    proto::LogRecord record;
    record.mutable_source_stall()->set_source(source);
    record.mutable_source_stall()->set_stalled(stalled);
    stalled_ = stalled;
    apply(std::move(record));
  }
  void inventory(const std::string& yaml) {
    std::vector<aggregator::Inventory::Problem> warnings;
    auto parsed = aggregator::Inventory::parse({{"inventory.yaml", yaml}}, {}, warnings);
    ASSERT_TRUE(parsed.has_value()) << parsed.error().message;
    proto::LogRecord record;
    record.mutable_inventory()->set_version((*parsed)->version());
    record.mutable_inventory()->set_inventory((*parsed)->serialize());
    apply(std::move(record));
  }
  void command(const std::string& kind, std::int64_t m, const std::string& rule,
               const std::string& argument = {}) {
    proto::LogRecord record;
    proto::Command& command = *record.mutable_command();
    command.set_environment("prod");
    command.set_time_s(minute(m));
    command.set_kind(kind);
    command.set_rule(rule);
    command.set_argument(argument);
    apply(std::move(record));
  }
  proto::LogRecord observation(const std::string& group, std::int64_t m) {
    proto::LogRecord record;
    record.mutable_observation()->set_environment("prod");
    record.mutable_observation()->set_group(group);
    record.mutable_observation()->set_time_s(minute(m));
    return record;
  }

  /// Events of a type as "minute series from>to", initial ones marked.
  [[nodiscard]] std::vector<std::string> told(const std::string& type) const {
    std::vector<std::string> lines;
    for (const proto::Event& event : events) {
      if (event.type() != type) continue;
      std::string line = std::to_string((event.time_s() - kMidnightS) / 60) + " " + event.series();
      if (!event.from().empty() && !event.to().empty())
        line += " " + event.from() + ">" + event.to();
      if (event.initial()) line += " initial";
      lines.push_back(std::move(line));
    }
    return lines;
  }
  [[nodiscard]] std::vector<std::string> changes() const { return told("alarm.state_changed"); }
  [[nodiscard]] std::vector<std::string> decisions() const { return told("scaling.decided"); }

  /// Saves everything and goes on from what was loaded into fresh objects.
  void restart() {
    std::string bytes;
    shard_->save(bytes);
    engine_->save(bytes);
    auto shard = std::make_unique<aggregator::Shard>(options());
    auto engine = std::make_unique<Engine>("prod", rules_);
    std::string_view in = bytes;
    ASSERT_TRUE(shard->load(in));
    ASSERT_TRUE(engine->load(in, *shard));
    ASSERT_TRUE(in.empty());
    shard_ = std::move(shard);
    engine_ = std::move(engine);
  }
  [[nodiscard]] std::string state_bytes() const {
    std::string bytes;
    engine_->save(bytes);
    return bytes;
  }
  void set_rules(RuleSet rules) {
    rules_ = std::make_shared<const RuleSet>(std::move(rules));
    engine_->set_rules(rules_, *shard_);
  }
  [[nodiscard]] Engine& engine() { return *engine_; }
  [[nodiscard]] aggregator::Shard& shard() { return *shard_; }
  [[nodiscard]] GroupView group() const { return engine_->groups(*shard_).at(0); }

  std::vector<proto::Event> events;

 private:
  std::shared_ptr<const RuleSet> rules_;
  std::unique_ptr<aggregator::Shard> shard_;
  std::unique_ptr<Engine> engine_;
  std::vector<aggregator::Change> changes_;
  std::int64_t now_s_ = minute(0);
  bool live_ = false, stalled_ = false;
};

inline AlarmRule cpu_alarm(double threshold = 80, std::uint32_t m = 1, std::uint32_t n = 1,
                           MissingData missing = MissingData::kMissing) {
  AlarmRule rule;
  rule.name = "cpu";
  rule.metric.metric_namespace = "AWS/EC2";
  rule.metric.name = "CPUUtilization";
  rule.for_each = "InstanceId";
  rule.threshold = threshold;
  rule.datapoints_to_alarm = m;
  rule.evaluation_periods = n;
  rule.missing = missing;
  rule.notify = {"ops"};
  return rule;
}

inline RuleSet only(AlarmRule rule) {
  RuleSet rules;
  rules.alarms.push_back(std::move(rule));
  return rules;
}
inline RuleSet only(ScalingRule rule) {
  RuleSet rules;
  rules.scaling.push_back(std::move(rule));
  return rules;
}

inline SimplePolicy simple_policy(Comparison comparison, double threshold, std::uint32_t for_s,
                                  std::int64_t amount) {
  SimplePolicy policy;
  policy.metric = "cpu";
  policy.comparison = comparison;
  policy.threshold = threshold;
  policy.for_s = for_s;
  policy.amount = amount;
  return policy;
}

/// The group "web": one more over 70 % CPU for 5 minutes, one less under 30 % for `in_for_s`.
inline ScalingRule web_rule(std::uint32_t in_for_s = 600) {
  ScalingRule rule;
  rule.group.name = "web";
  rule.metrics["cpu"].metric_namespace = "AWS/EC2";
  rule.metrics["cpu"].name = "CPUUtilization";
  rule.simple = {simple_policy(Comparison::kGreater, 70, 300, 1),
                 simple_policy(Comparison::kLess, 30, in_for_s, -1)};
  rule.act = {"provisioning"};
  return rule;
}

}  // namespace fleetmeter::alarms
