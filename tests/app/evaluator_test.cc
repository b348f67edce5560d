#include "app/evaluator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/app/small_log.h"

namespace fleetmeter::app {
namespace {

using aggregator::LogEntry;
using aggregator::Snapshot;

std::string environments_of(const Evaluator& evaluator) {
  std::string names;
  for (const auto& shard : evaluator.shards()) names += shard.environment + " ";
  return names;
}

Snapshot snapshot_of(const Evaluator& evaluator) {
  return {evaluator.position(), Evaluator::kSnapshotSchema, evaluator.save()};
}

std::string bytes(const std::vector<proto::Event>& events) {
  std::string out;
  for (const proto::Event& event : events) out += event.SerializeAsString() + "\n";
  return out;
}

/// What is decided; how far a quiet alarm has been walked may differ, it is walked when asked.
std::string states_of(const Evaluator& evaluator) {
  std::string states;
  for (const auto& alarm : evaluator.alarms()) {
    states += alarm.environment + " " + alarm.rule + " " + alarm.series + " " +
              to_string(alarm.state) + " " + std::to_string(alarm.since_s) + " " + alarm.reason +
              "\n";
  }
  for (const auto& group : evaluator.groups())
    states += group.environment + " " + group.group + " " + std::to_string(group.desired) + "\n";
  return states;
}

TEST(Evaluator, ASnapshotAtAnyPositionIsTheEvaluatorItself) {
  for (std::uint32_t seed = 0; seed < 6; ++seed) {
    SCOPED_TRACE(seed);
    const std::vector<LogEntry> log = small_log(seed);
    Evaluator straight;
    std::vector<proto::Event> expected, discarded;
    for (const LogEntry& entry : log) ASSERT_TRUE(straight.apply(entry, expected));
    ASSERT_FALSE(expected.empty()) << "the log decides something";
    Evaluator walking;
    for (std::size_t cut = 0; cut < log.size(); cut += 1 + cut % 7) {
      while (walking.position() < log[cut].position) {
        const auto next = std::ranges::find_if(
            log, [&](const LogEntry& entry) { return entry.position > walking.position(); });
        ASSERT_TRUE(walking.apply(*next, discarded));
      }
      const std::size_t before = discarded.size();
      Evaluator loaded;
      const Snapshot snapshot = snapshot_of(walking);
      ASSERT_TRUE(loaded.load(snapshot)) << "position " << snapshot.position;
      EXPECT_EQ(loaded.save(), snapshot.state) << "position " << snapshot.position;
      std::vector<proto::Event> rest;
      for (std::size_t i = cut + 1; i < log.size(); ++i) ASSERT_TRUE(loaded.apply(log[i], rest));
      ASSERT_EQ(bytes({expected.begin() + static_cast<std::ptrdiff_t>(before), expected.end()}),
                bytes(rest))
          << "position " << snapshot.position;
      EXPECT_EQ(states_of(loaded), states_of(straight)) << "position " << snapshot.position;
    }
  }
}

TEST(Evaluator, AnEnvironmentThatNobodyDeclaredBeginsWithItsFirstBatch) {
  SmallLog log;
  log.config(kRules);
  log.cpu("prod", 0, 10);
  Evaluator evaluator;
  std::vector<proto::Event> events;
  log.apply_to(evaluator, events);
  EXPECT_EQ(environments_of(evaluator), "prod staging ");
  log.progress();
  log.input_end();
  log.tick(5);
  log.cpu("unassigned", 0, 10);
  log.apply_to(evaluator, events);
  EXPECT_EQ(environments_of(evaluator), "prod staging unassigned ");
  EXPECT_EQ(evaluator.shards()[2].tick_s, evaluator.shards()[0].tick_s)
      << "it knows the time that has passed before it";
}

TEST(Evaluator, TheConfigurationInForceAtEachPositionDecides) {
  SmallLog log;
  log.config(kRules);  // "> 80"
  for (int m = 0; m < 10; ++m) log.cpu("prod", m, 70);
  log.progress();
  log.input_end();
  for (int m = 0; m <= 5; ++m) log.tick(m);
  Evaluator evaluator;
  std::vector<proto::Event> events;
  log.apply_to(evaluator, events);
  for (const auto& alarm : evaluator.alarms()) EXPECT_NE(alarm.state, alarms::AlarmState::kAlarm);
  std::string lower = kRules;
  lower.replace(lower.find("> 80"), 4, "> 60");
  log.config(lower);
  for (int m = 6; m <= 20; ++m) log.tick(m);
  events.clear();
  log.apply_to(evaluator, events);
  const auto fired =
      std::ranges::find_if(events, [](const proto::Event& event) { return event.to() == "ALARM"; });
  ASSERT_NE(fired, events.end());
  EXPECT_GE(fired->time_s(), kStartS + 5 * 60) << "the past is not decided again";
}

TEST(Evaluator, InputStaysOpenUntilItsEndIsInTheLog) {
  SmallLog log;
  log.config(kRules);
  Evaluator evaluator;
  std::vector<proto::Event> events;
  log.apply_to(evaluator, events);
  EXPECT_EQ(evaluator.input().open_to_s, 0);
  EXPECT_FALSE(evaluator.input().ended);
  log.cpu("prod", 7, 1);
  log.cpu("staging", 3, 1);
  log.progress();
  log.apply_to(evaluator, events);
  Evaluator loaded;
  ASSERT_TRUE(loaded.load(snapshot_of(evaluator)));
  for (const Evaluator* each : {&evaluator, &loaded}) {
    EXPECT_EQ(each->input().open_from_s, kStartS + 3 * 60);
    EXPECT_EQ(each->input().open_to_s, kStartS + 8 * 60);
    EXPECT_FALSE(each->input().live);
  }
  log.input_end();
  log.apply_to(evaluator, events);
  EXPECT_EQ(evaluator.input().open_to_s, 0);
  EXPECT_TRUE(evaluator.input().ended);
  log.progress(/*bounded=*/false);
  log.apply_to(evaluator, events);
  EXPECT_TRUE(evaluator.input().live);
}

TEST(Evaluator, InputEndsWithTheLastDatapointOfASeriesOfSeconds) {
  SmallLog log;
  std::string rules = kRules;
  rules.replace(rules.find("datapoints: 3, missing"), 13, "datapoints: 1");
  rules.replace(rules.rfind("period: 60s"), 11, "period: 10s");
  log.config(rules);
  log.progress();
  std::vector<aggregator::MetricPoint> points;
  for (int i = 0; i <= 12; ++i) points.push_back({kStartS + i * 10, 1});
  log.put(aggregator::metric_record(
      SmallLog::kNowS, "files:0", "prod",
      {"111111111111", "us-east-1", "Custom", "cpu", {{"InstanceId", "i-0"}}}, points));
  for (const bool restart : {false, true}) {
    Evaluator evaluator;
    std::vector<proto::Event> events;
    log.apply_to(evaluator, events);
    EXPECT_EQ(evaluator.input().open_to_s, kStartS + 180)
        << "What a period that is not told may be.";
    Evaluator loaded;
    ASSERT_TRUE(loaded.load(snapshot_of(evaluator)));
    SmallLog whole = log;
    whole.put(aggregator::input_end_record(kStartS, evaluator.input().open_to_s));
    for (int s = 10; s <= 600; s += 10)
      whole.put(aggregator::tick_record(SmallLog::kNowS, kStartS + s));
    whole.apply_to(restart ? loaded : evaluator, events);
    EXPECT_FALSE(events.empty());
    for (const proto::Event& event : events) EXPECT_EQ(event.to(), "OK") << event.reason();
  }
}

TEST(Evaluator, InputEndsWithTheWindowInWhichTheRecordStartedThatAMonthCuts) {
  SmallLog log;
  log.config(kRules);
  log.progress();
  log.put(aggregator::flow_record(
      SmallLog::kNowS, "files:0", "prod",
      {{.start_s = kStartS, .bytes = 30},
       {.start_s = kStartS + 120, .bytes = 70, .records = 0, .carried_min = 2}}));
  Evaluator evaluator;
  std::vector<proto::Event> events;
  log.apply_to(evaluator, events);
  EXPECT_EQ(evaluator.input().open_to_s, kStartS + 60);
}

TEST(Evaluator, InputOfASeriesThatJittersEndsAMinuteAfterItsLastDatapoint) {
  SmallLog log;
  log.config(kRules);
  log.progress();
  std::vector<aggregator::MetricPoint> points;
  for (const int s : {0, 62, 119, 181}) points.push_back({kStartS + s, 1});
  log.put(aggregator::metric_record(
      SmallLog::kNowS, "files:0", "prod",
      {"111111111111", "us-east-1", "Custom", "cpu", {{"InstanceId", "i-0"}}}, points));
  log.put(aggregator::input_end_record(kStartS, kStartS + 241));
  for (int m = 0; m <= 9; ++m) log.tick(m);
  Evaluator evaluator;
  std::vector<proto::Event> events;
  log.apply_to(evaluator, events);
  for (const auto& alarm : evaluator.alarms()) EXPECT_EQ(alarm.evaluated_s, kStartS + 240);
}

TEST(Evaluator, AFlowMetricThatAnEarlierReleaseTookIsReadFromTheLog) {
  std::string rules = kRules;
  rules.replace(rules.find("namespace: Custom, name: cpu"), 28,
                "namespace: Fleetmeter/VPC, name: AcceptedByte");
  SmallLog log;
  log.config(rules);
  Evaluator evaluator;
  std::vector<proto::Event> events;
  log.apply_to(evaluator, events);
}

TEST(Evaluator, AConfigurationThatCannotBeReadEndsEvaluation) {
  SmallLog log;
  log.config("alarms: nonsense\n");
  Evaluator evaluator;
  std::vector<proto::Event> events;
  const auto applied = evaluator.apply(log.entries.front(), events);
  ASSERT_FALSE(applied);
  EXPECT_THAT(applied.error().message, testing::HasSubstr("configuration in the log:1: alarms"));
}

TEST(Evaluator, DamagedAndNewerSnapshotsAreRefused) {
  Evaluator evaluator;
  std::vector<proto::Event> events;
  for (const LogEntry& entry : small_log(1)) ASSERT_TRUE(evaluator.apply(entry, events));
  const Snapshot whole = snapshot_of(evaluator);

  Snapshot newer = whole;
  newer.schema = Evaluator::kSnapshotSchema + 1;
  const auto refused = Evaluator().load(newer);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kDataLoss);
  EXPECT_THAT(refused.error().message, testing::HasSubstr("run the release that wrote it"));

  Snapshot elsewhere = whole;
  ++elsewhere.position;
  EXPECT_FALSE(Evaluator().load(elsewhere)) << "of another position";

  const std::size_t step = std::max<std::size_t>(1, whole.state.size() / 400);
  for (std::size_t size = 0; size < whole.state.size(); size += step) {
    Snapshot cut = whole;
    cut.state.resize(size);
    const auto loaded = Evaluator().load(cut);
    ASSERT_FALSE(loaded) << "cut at " << size << " of " << whole.state.size();
    EXPECT_EQ(loaded.error().code, ErrorCode::kDataLoss);
  }
  Snapshot longer = whole;
  longer.state += "x";
  EXPECT_FALSE(Evaluator().load(longer));

  std::mt19937 random(7);
  // The store has a checksum; without it damage must still not crash.
  for (int i = 0; i < 400; ++i) {
    Snapshot flipped = whole;
    flipped.state[random() % flipped.state.size()] ^= static_cast<char>(1 + random() % 255);
    const auto loaded = Evaluator().load(flipped);
    if (!loaded) {
      EXPECT_EQ(loaded.error().code, ErrorCode::kDataLoss);
    }
  }
}

}  // namespace
}  // namespace fleetmeter::app
