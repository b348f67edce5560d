#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "app/evaluator.h"
#include "tests/aggregator/log_records.h"

namespace fleetmeter::app {

inline constexpr std::int64_t kStartS = 1'734'652'800;  // 2024-12-20T00:00:00Z.

inline constexpr const char* kRules =
    "environments: { prod: { accounts: [\"111111111111\"] }, staging: { accounts: "
    "[\"222222222222\"] } }\n"
    "alarms:\n"
    "  - { name: hot, metric: { namespace: Custom, name: cpu }, for_each: InstanceId, when: \"> "
    "80\",\n"
    "      period: 60s, datapoints: 2 of 3 }\n"
    "  - { name: silent, metric: { namespace: Custom, name: cpu }, for_each: InstanceId, when: \"> "
    "80\",\n"
    "      period: 60s, datapoints: 3, missing: breaching }\n"
    "scaling:\n"
    "  - { group: { asg: web }, min: 1, max: 9, desired: 2, cooldown: 60s,\n"
    "      metrics: { cpu: { namespace: Custom, name: cpu, dimensions: { InstanceId: i-0 } } },\n"
    "      policies: [ { simple: { metric: cpu, when: \"> 80\", for: 1m, add: 1 } } ] }\n";

/// Writes a small log of bounded input, one record a verb; minutes count from kStartS.
class SmallLog {
 public:
  std::vector<aggregator::LogEntry> entries;

  void put(proto::LogRecord record) {
    if (record.append_time_ms() == 0) record.set_append_time_ms(kNowS * 1000);
    const auto position = static_cast<aggregator::LogPosition>(entries.size() + 1);
    entries.push_back({0, position, std::move(record)});
  }
  void config(const std::string& yaml) {
    proto::LogRecord record;
    record.mutable_config()->set_yaml(yaml);
    record.mutable_config()->set_fingerprint(std::to_string(std::hash<std::string>()(yaml)));
    put(std::move(record));
  }
  static proto::LogRecord cpu_record(const std::string& environment, std::int64_t minute,
                                     double value, const std::string& instance = "i-0") {
    return aggregator::metric_record(
        kNowS, "files:0", environment,
        {"111111111111", "us-east-1", "Custom", "cpu", {{"InstanceId", instance}}},
        {{kStartS + minute * 60, value}});
  }
  void cpu(const std::string& environment, std::int64_t minute, double value,
           const std::string& instance = "i-0") {
    put(cpu_record(environment, minute, value, instance));
  }
  static proto::LogRecord progress_record(bool bounded = true) {
    return aggregator::progress_record(kNowS, bounded ? "files:0" : "firehose:1", kNowS,
                                       {.caught_up = true, .bounded = bounded});
  }
  void progress(bool bounded = true) { put(progress_record(bounded)); }
  void input_end(std::int64_t from_minute = 0, std::int64_t to_minute = 10) {
    put(aggregator::input_end_record(kStartS + from_minute * 60, kStartS + to_minute * 60));
  }
  void tick(std::int64_t minute) { put(aggregator::tick_record(kNowS, kStartS + minute * 60)); }

  /// What `evaluator` has not seen yet.
  void apply_to(Evaluator& evaluator, std::vector<proto::Event>& events) const {
    for (const aggregator::LogEntry& entry : entries) {
      if (entry.position <= evaluator.position()) continue;
      const auto applied = evaluator.apply(entry, events);
      ASSERT_TRUE(applied) << applied.error().message;
    }
  }

  static constexpr std::int64_t kNowS = kStartS + 100 * 86'400;
};

/// A random log of a few hundred records: two declared environments and one that is not, flows and
/// metrics with gaps, rules that change in the middle, ticks to the end and after.
inline std::vector<aggregator::LogEntry> small_log(std::uint32_t seed) {
  std::mt19937 random(seed);
  SmallLog log;
  log.config(kRules);
  log.progress();
  static const char* const kEnvironments[] = {"prod", "staging", "unassigned"};
  for (int m = 0; m < 40; ++m) {
    for (int i = 0; i < 3; ++i) {
      if (random() % 4 == 0) continue;
      log.cpu(kEnvironments[random() % 3], m, random() % 3 == 0 ? 20 : 95,
              "i-" + std::to_string(i));
    }
    if (random() % 3 == 0)
      log.put(aggregator::flow_record(SmallLog::kNowS, "files:0", "prod", {{kStartS + m * 60}}));
    if (random() % 9 == 0) log.progress();
  }
  log.input_end(0, 40);
  for (int m = 0; m <= 60; ++m) {
    if (m == 20) {
      std::string lower = kRules;
      lower.replace(lower.find("> 80"), 4, "> 10");
      log.config(lower);
    }
    if (m == 30) log.cpu("late", 5, 99);
    log.tick(m);
  }
  return log.entries;
}

}  // namespace fleetmeter::app
