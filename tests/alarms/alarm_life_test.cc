// How alarms begin, change their rules, end, and are forgotten.
#include <gtest/gtest.h>

#include "tests/alarms/fleet_fixture.h"

namespace fleetmeter::alarms {
namespace {

using Lines = std::vector<std::string>;
constexpr const char* kA = "i-a";

AlarmRule plain_alarm(MissingData missing = MissingData::kMissing) {
  AlarmRule rule = cpu_alarm(80, 1, 1, missing);
  rule.for_each.clear();
  rule.metric.dimensions = {{"InstanceId", kA}};
  return rule;
}

TEST(AlarmLife, AnUpdatedRuleKeepsTheStateAndDecidesFromTheNextMinuteOn) {
  Fleet fleet(only(cpu_alarm(80)));
  fleet.run({kA}, 0, 6, 95);
  fleet.set_rules(only(cpu_alarm(99)));
  ASSERT_EQ(fleet.engine().alarms(fleet.shard()).at(0).state, AlarmState::kAlarm);
  fleet.run({kA}, 6, 9, 95);
  EXPECT_EQ(fleet.changes(),
            (Lines{"1 InstanceId=i-a INSUFFICIENT_DATA>ALARM", "7 InstanceId=i-a ALARM>OK"}));
  EXPECT_EQ(fleet.events.back().notify_size(), 1) << "Who heard of the alarm hears of its end.";
}

TEST(AlarmLife, AnUpdatedRuleWithALongerRangeDoesNotFillWhatWasNotKept) {
  Fleet fleet(only(cpu_alarm(80)));
  fleet.run({kA}, 0, 200, 10);
  fleet.set_rules(only(cpu_alarm(80, 2, 60, MissingData::kBreaching)));
  fleet.run({kA}, 200, 210, 10);
  EXPECT_EQ(fleet.changes().size(), 1U);
}

TEST(AlarmLife, AnUpdatedRuleOverAnotherMetricKeepsTheStateUntilItsDataDecides) {
  Fleet fleet(only(cpu_alarm(80)));
  fleet.run({kA}, 0, 6, 95);
  AlarmRule network = cpu_alarm(80);
  network.metric.name = "NetworkIn";
  fleet.set_rules(only(network));
  for (std::int64_t m = 6; m < 12; ++m) {
    Sample in = Fleet::cpu(kA, m, 10);
    in.name = "NetworkIn";
    fleet.samples({in, Fleet::cpu(kA, m, 95)});
    fleet.tick(m + 1);
  }
  EXPECT_EQ(fleet.changes().size(), 2U);
  EXPECT_EQ(fleet.engine().alarms(fleet.shard()).at(0).state, AlarmState::kOk);
}

TEST(AlarmLife, ANewRuleUsesOlderDatapointsOverTheGapsBetweenThem) {
  AlarmRule first = cpu_alarm(200, 1, 8);  // Keeps the data.
  Fleet fleet(only(first));
  fleet.run({kA}, 0, 10, 10);
  fleet.datapoint(kA, 10, 95);
  fleet.datapoint(kA, 12, 95);  // 11 and 13 stay away.
  fleet.ticks(11, 16);
  RuleSet rules = only(first);
  rules.alarms.push_back(cpu_alarm(80, 3, 3));
  rules.alarms[1].name = "new";
  fleet.set_rules(rules);
  fleet.tick(17);
  fleet.datapoint(kA, 16, 95);  // 14 and 15 too: `X - X - - - X` with a range of eight.
  fleet.ticks(18, 20);
  ASSERT_FALSE(fleet.events.empty());
  EXPECT_EQ(fleet.events.back().rule(), "new");
  EXPECT_EQ(fleet.events.back().to(), "ALARM")
      << "`X - - - X`: the oldest breach is five slots old, and nothing since was good.";
}

TEST(AlarmLife, AnAlarmWithoutForEachIsKeptHoweverLongItsMetricStaysAway) {
  Fleet fleet(only(plain_alarm(MissingData::kBreaching)));
  fleet.run({kA}, 0, 6, 10);
  fleet.ticks(7, 600);
  EXPECT_TRUE(fleet.told("alarm.retired").empty());
  ASSERT_EQ(fleet.changes().size(), 2U);
  EXPECT_EQ(fleet.engine().alarms(fleet.shard()).at(0).state, AlarmState::kAlarm);
  const std::uint64_t before = fleet.engine().evaluations_total();
  fleet.ticks(601, 700);
  EXPECT_EQ(fleet.engine().evaluations_total(), before) << "It costs nothing meanwhile.";
  fleet.datapoint(kA, 700, 10);
  fleet.ticks(701, 704);
  EXPECT_EQ(fleet.changes().back(), "701 AWS/EC2 CPUUtilization InstanceId=i-a ALARM>OK");
  EXPECT_EQ(fleet.events.back().notify_size(), 1);
}

// docs/time.md 5: a quiet series is advanced in ranges, whether nothing came or nobody listened. A
// sender that takes seconds for milliseconds is enough for a gap of decades.
TEST(AlarmLife, AGapOfYearsIsNotWalkedMinuteByMinute) {
  constexpr std::int64_t kYears = 50LL * 365 * 1440;
  for (const bool heard : {false, true}) {
    RuleSet rules = only(plain_alarm(MissingData::kBreaching));
    rules.alarms.push_back(cpu_alarm());
    rules.alarms[1].name = "each";
    Fleet fleet(rules);
    if (heard) fleet.listen("ear", -kYears - 60);
    Sample first = Fleet::cpu(kA, -kYears, 10), next = Fleet::cpu(kA, 0, 10);
    if (heard) first.source = next.source = "ear";
    fleet.samples({first});
    fleet.samples({next});
    for (std::int64_t m = 1; m <= 4; ++m) {
      if (heard) fleet.progress("ear", m, true);
      fleet.tick(m);
    }
    // Where nobody listened it is not known that nothing came; the stream was heard from -60 on.
    const std::string all = " AWS/EC2 CPUUtilization InstanceId=i-a ", each = " InstanceId=i-a ";
    const std::string born = std::to_string(-kYears + 1);
    const std::string silent = std::to_string(heard ? -kYears + 4 : -57);
    EXPECT_EQ(fleet.changes(),
              (std::vector<std::string>{
                  born + all + "INSUFFICIENT_DATA>OK initial",
                  born + each + "INSUFFICIENT_DATA>OK initial", silent + all + "OK>ALARM",
                  silent + each + "OK>INSUFFICIENT_DATA", "1" + all + "ALARM>OK",
                  "1" + each + (heard ? "INSUFFICIENT_DATA>OK initial" : "INSUFFICIENT_DATA>OK")}));
    EXPECT_EQ(fleet.told("alarm.retired").size(), heard ? 1U : 0U);
    EXPECT_LT(fleet.engine().evaluations_total(), 1000U);
  }
}

/// A datapoint of ten minutes.
proto::LogRecord of_ten_minutes(std::int64_t m, double value) {
  proto::LogRecord record = Fleet::batch({Fleet::cpu(kA, m, value)});
  record.mutable_batch()->mutable_datapoints()->set_period_s(0, 600);
  return record;
}

// In nine of ten minutes no slot of the series ends, so nothing is missing in them that one could
// have heard: what was not heard ends at 650.
TEST(AlarmLife,
     TimeInWhichNobodyListenedDoesNotCountForRetirementWhereSlotsAreLongerThanThePeriod) {
  Fleet fleet(only(cpu_alarm()), Fleet::Input::kBounded);
  fleet.listen("stream", 652);
  fleet.apply(of_ten_minutes(0, 10));
  for (const std::int64_t m : {655, 829, 900, 901}) {
    fleet.progress("stream", m, true);
    fleet.tick(m);
  }
  EXPECT_EQ(fleet.told("alarm.retired"), (Lines{"830 InstanceId=i-a"}));
}

// docs/time.md 5, where unheard slots and minutes without any take turns.
TEST(AlarmLife, AnUnheardGapOfYearsIsNotWalkedWhereSlotsAreLongerThanThePeriod) {
  constexpr std::int64_t kYears = 50LL * 365 * 1440;
  RuleSet rules = only(plain_alarm(MissingData::kBreaching));
  rules.alarms.push_back(cpu_alarm());
  rules.alarms[1].name = "each";
  Fleet fleet(rules);
  fleet.apply(of_ten_minutes(-kYears, 10));
  fleet.apply(of_ten_minutes(0, 90));
  fleet.ticks(1, 12);
  const std::string each = " InstanceId=i-a ";
  EXPECT_EQ(fleet.changes().back(), "10" + each + "INSUFFICIENT_DATA>ALARM");
  EXPECT_LT(fleet.engine().evaluations_total(), 1000U);
}

// A set of several samples has no percentile unless it brings it; the span that has slid behind it
// has one again.
TEST(AlarmLife, APercentileThatComesBackAsTheSpanSlidesIsNotPassedOver) {
  AlarmRule rule = cpu_alarm(50);
  rule.metric.statistic = "p90";
  rule.period_s = 300;
  Lines changes[2];
  for (const bool every_minute : {false, true}) {
    Fleet fleet(only(rule));
    std::vector<Sample> samples;
    for (std::int64_t m = 0; m < 15; ++m) samples.push_back(Fleet::cpu(kA, m, 90));
    samples.push_back(Fleet::cpu(kA, -20, 10));
    samples.push_back(Fleet::cpu(kA, 100, 10));
    proto::LogRecord batch = Fleet::batch(samples);
    for (const int m : {0, 5, 10}) {
      proto::Datapoints& points = *batch.mutable_batch()->mutable_datapoints();
      points.set_sample_count(m, 2);
      points.set_sum(m, 180);
      points.set_minimum(m, 80);
    }
    fleet.apply(std::move(batch));
    fleet.ticks(every_minute ? 1 : 105, 105);
    changes[every_minute] = fleet.changes();
  }
  EXPECT_EQ(changes[false], changes[true]);
  EXPECT_FALSE(changes[false].empty());
}

// docs/alarms.md, "Folding": two values have no trimmed mean, though each has one of its own. What is
// missing for that reason alone does not stay so, and the alarm must not sleep over it.
TEST(AlarmLife, ATrimmedMeanThatComesBackAsTheSpanSlidesEndsItsAlarm) {
  for (const Fleet::Input input : {Fleet::Input::kLive, Fleet::Input::kBounded}) {
    AlarmRule rule = cpu_alarm(100, 1, 1, MissingData::kIgnore);
    rule.metric.statistic = "tm90";
    rule.comparison = Comparison::kLess;
    rule.period_s = 120;
    rule.range_slots = 1;
    Fleet fleet(only(rule), input);
    fleet.datapoints(kA, 0, 3, 50);
    fleet.datapoint(kA, 10, 50);
    fleet.datapoint(kA, 11, 120);
    fleet.ticks(1, 20);
    EXPECT_EQ(fleet.changes(),
              (Lines{"1 InstanceId=i-a INSUFFICIENT_DATA>ALARM", "13 InstanceId=i-a ALARM>OK"}));
  }
}

/// Ten samples that differ: they have no percentile.
proto::LogRecord without_percentile(std::int64_t m) {
  proto::LogRecord record = Fleet::batch({Fleet::cpu(kA, m, 90)});
  record.mutable_batch()->mutable_datapoints()->set_sample_count(0, 10);
  record.mutable_batch()->mutable_datapoints()->set_minimum(0, 0);
  return record;
}

// docs/time.md 6: it begins at its first datapoint, and retires after three hours without.
TEST(AlarmLife, DatapointsWithoutTheStatisticBeginAnAlarmAndKeepIt) {
  AlarmRule rule = cpu_alarm(50, 2, 2, MissingData::kBreaching);
  rule.metric.statistic = "p99";
  Fleet fleet(only(rule));
  for (std::int64_t m = 0; m < 240; ++m) {
    fleet.apply(without_percentile(m));
    fleet.tick(m + 1);
  }
  EXPECT_EQ(fleet.changes(),
            (Lines{"1 InstanceId=i-a INSUFFICIENT_DATA>OK initial", "2 InstanceId=i-a OK>ALARM"}));
  EXPECT_TRUE(fleet.told("alarm.retired").empty());
  fleet.ticks(241, 430);
  EXPECT_EQ(fleet.told("alarm.retired"), (Lines{"420 InstanceId=i-a"}));
}

// The period of two minutes has no trimmed mean, though each of its minutes has one.
TEST(AlarmLife, PartsThatNeverCombineBeginAnAlarmWhateverTheFirstOneBrings) {
  for (const bool first_brings : {false, true}) {
    AlarmRule rule = cpu_alarm(50, 1, 1, MissingData::kNotBreaching);
    rule.metric.statistic = "tm90";
    rule.period_s = 120;
    Fleet fleet(only(rule));
    if (first_brings) fleet.datapoint(kA, 0, 10);
    if (!first_brings) fleet.apply(without_percentile(0));
    for (std::int64_t m = 1; m < 10; ++m) fleet.datapoint(kA, m, 90 + static_cast<double>(m));
    fleet.ticks(1, 10);
    EXPECT_EQ(fleet.changes(), (Lines{"1 InstanceId=i-a INSUFFICIENT_DATA>OK initial"}));
  }
}

TEST(AlarmLife, AnAlarmWithoutForEachEndsWithTheResourceThatItNames) {
  Fleet fleet(only(plain_alarm(MissingData::kBreaching)));
  fleet.inventory("instances: [{id: i-a}]");
  fleet.run({kA}, 0, 6, 10);
  fleet.inventory("instances: [{id: i-a, valid_to: '2024-12-20T00:06:00Z'}]");
  fleet.ticks(7, 20);
  EXPECT_EQ(fleet.told("alarm.retired").size(), 1U);
  EXPECT_EQ(fleet.changes().size(), 1U);
  EXPECT_TRUE(fleet.engine().alarms(fleet.shard()).empty());
}

TEST(AlarmLife, AnAlarmWhoseResourceHasEndedBeginsAgainWithItsDataAlsoAfterARestart) {
  for (const bool restart : {false, true}) {
    Fleet fleet(only(plain_alarm(MissingData::kBreaching)));
    fleet.inventory("instances: [{id: i-a}]");
    fleet.run({kA}, 0, 6, 10);
    fleet.inventory("instances: [{id: i-a, valid_to: '2024-12-20T00:06:00Z'}]");
    fleet.ticks(7, 20);
    ASSERT_EQ(fleet.told("alarm.retired").size(), 1U);
    if (restart) fleet.restart();
    fleet.inventory("instances: [{id: i-a}]");
    fleet.ticks(21, 40);
    fleet.run({kA}, 40, 44, 10);
    const std::string born = " AWS/EC2 CPUUtilization InstanceId=i-a INSUFFICIENT_DATA>OK initial";
    EXPECT_EQ(fleet.changes(), (Lines{"1" + born, "41" + born}));
  }
}

TEST(AlarmLife, ACommandSetsNoStateWhereThereIsNone) {
  Fleet fleet(only(cpu_alarm()));
  fleet.run({kA}, 0, 6, 10);
  fleet.ticks(7, 200);  // Retired.
  fleet.command("set_state", 200, "cpu", "ALARM");
  fleet.run({kA}, 300, 306, 10);
  EXPECT_EQ(fleet.changes().back(), "301 InstanceId=i-a INSUFFICIENT_DATA>OK initial");
}

TEST(AlarmLife, AStateThatACommandSetIsToldLikeAnyChange) {
  Fleet fleet(only(cpu_alarm(80, 1, 3, MissingData::kIgnore)));
  fleet.run({kA}, 0, 6, 95);
  fleet.command("set_state", 6, "cpu", "OK");
  fleet.datapoint(kA, 6, 95);
  const auto told = fleet.changes();
  ASSERT_EQ(told.size(), 3U);
  EXPECT_EQ(told[1], "7 InstanceId=i-a ALARM>OK");
  EXPECT_EQ(fleet.events[1].notify_size(), 1);
}

TEST(AlarmLife, DimensionsOfAForEachRuleOverrideTheMostDetailedSet) {
  AlarmRule rule = cpu_alarm();
  rule.metric.metric_namespace = "CWAgent";
  rule.metric.name = "disk_used_percent";
  rule.metric.dimensions = {{"path", "/"}};
  Fleet fleet(only(rule));
  for (std::int64_t m = 0; m < 6; ++m) {
    Sample by_path = Fleet::cpu(kA, m, m == 5 ? 95 : 10);
    by_path.metric_namespace = "CWAgent";
    by_path.name = "disk_used_percent";
    by_path.dimensions = {{"InstanceId", kA}, {"path", "/"}};
    Sample by_device = by_path;
    by_device.value = 20;
    by_device.dimensions.emplace_back("device", "xvda1");
    fleet.samples({by_device, by_path});
    fleet.tick(m + 1);
  }
  EXPECT_EQ(fleet.changes().back(), "6 InstanceId=i-a OK>ALARM");
}

/// Machines that come and go: one each ten minutes, for ten minutes.
void churn(Fleet& fleet, int from, int to) {
  for (int i = from; i < to; ++i) {
    const std::string id = "i-" + std::to_string(1000 + i);
    fleet.run({id}, i * 10, i * 10 + 10, 10);
  }
}

TEST(AlarmLife, TheMemoryOfRetiredAlarmsIsFreed) {
  Fleet fleet(only(cpu_alarm()));
  churn(fleet, 0, 60);
  EXPECT_LE(fleet.engine().alarms_held(), 21U) << "Three hours of machines, ten minutes each.";
  EXPECT_EQ(fleet.told("alarm.retired").size(), 60 - fleet.engine().alarms_held());
}

TEST(AlarmLife, AForgottenAlarmBeginsAgainWithItsDataAlsoAfterARestart) {
  for (const bool restart : {false, true}) {
    Fleet fleet(only(cpu_alarm()));
    churn(fleet, 0, 40);
    if (restart) fleet.restart();
    fleet.run({"i-1000"}, 400, 404, 95);
    EXPECT_EQ(fleet.changes().back(), "401 InstanceId=i-1000 INSUFFICIENT_DATA>ALARM");
    EXPECT_EQ(fleet.events.back().notify_size(), 1);
  }
}

TEST(AlarmLife, ALateDatapointOfAForgottenAlarmBeginsNothing) {
  Fleet fleet(only(cpu_alarm()));
  churn(fleet, 0, 40);
  const std::size_t events = fleet.events.size();
  const std::size_t held = fleet.engine().alarms_held();
  fleet.datapoint("i-1000", 100, 95);  // Long before it retired.
  fleet.tick(401);
  EXPECT_EQ(fleet.events.size(), events);
  EXPECT_EQ(fleet.engine().alarms_held(), held);
}

TEST(AlarmLife, AForgottenAlarmIsTheSameInASnapshotOfASnapshot) {
  Fleet fleet(only(cpu_alarm()));
  churn(fleet, 0, 40);
  const std::string before = fleet.state_bytes();
  fleet.restart();
  EXPECT_EQ(fleet.state_bytes(), before);
}

TEST(AlarmLife, ASilenceHoldsForAnAlarmThatWasForgotten) {
  Fleet fleet(only(cpu_alarm()));
  churn(fleet, 0, 30);
  fleet.command("silence", 300, "cpu");
  fleet.run({"i-1000"}, 300, 304, 95);
  ASSERT_EQ(fleet.changes().back(), "301 InstanceId=i-1000 INSUFFICIENT_DATA>ALARM");
  EXPECT_EQ(fleet.events.back().notify_size(), 0);
}

}  // namespace
}  // namespace fleetmeter::alarms
