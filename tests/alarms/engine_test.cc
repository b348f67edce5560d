#include "alarms/engine.h"

#include <gtest/gtest.h>

#include "tests/alarms/fleet_fixture.h"

namespace fleetmeter::alarms {
namespace {

using Lines = std::vector<std::string>;
constexpr const char* kA = "i-a";

TEST(Engine, AlarmsWithTheRecordThatBringsTheDecidingDatapoint) {
  Fleet fleet(only(cpu_alarm()));
  fleet.run({kA}, 0, 6, 10);
  EXPECT_EQ(fleet.changes(), (Lines{"1 InstanceId=i-a INSUFFICIENT_DATA>OK initial"}));
  fleet.datapoint(kA, 6, 95);
  EXPECT_EQ(fleet.changes().back(), "7 InstanceId=i-a OK>ALARM");
}

TEST(Engine, TheFirstOkOfAnAlarmIsRecordedAndNotSentButAFirstAlarmIs) {
  Fleet fleet(only(cpu_alarm()));
  fleet.run({kA}, 0, 5, 10);
  ASSERT_EQ(fleet.events.size(), 1U);
  EXPECT_TRUE(fleet.events[0].initial());
  EXPECT_EQ(fleet.events[0].notify_size(), 0);
  fleet.run({"i-b"}, 5, 10, 95);
  const proto::Event& first_alarm = fleet.events.back();
  EXPECT_EQ(first_alarm.to(), "ALARM");
  EXPECT_EQ(first_alarm.from(), "INSUFFICIENT_DATA");
  EXPECT_FALSE(first_alarm.initial());
  EXPECT_EQ(first_alarm.notify(0), "ops");
}

TEST(Engine, EventsCarryTheReasonInCloudWatchsWordsAndTheDetailOfTheRule) {
  Fleet fleet(only(cpu_alarm()));
  fleet.run({kA}, 0, 5, 10);
  fleet.datapoint(kA, 5, 99.5);
  const proto::Event& event = fleet.events.back();
  EXPECT_EQ(event.reason(),
            "Threshold Crossed: 1 out of the last 1 datapoints [99.5 (20/12/24 00:05:00)] was "
            "greater than the threshold "
            "(80.0) (minimum 1 datapoint for OK -> ALARM transition).");
  EXPECT_EQ(event.type(), "alarm.state_changed");
  EXPECT_EQ(event.time_s(), minute(6));
  EXPECT_EQ(event.expires_s(), 0);
  EXPECT_EQ(event.alarm().metric(), "CPUUtilization");
  EXPECT_EQ(event.alarm().dimension_names(0), "InstanceId");
  EXPECT_EQ(event.alarm().recent_value(0), 99.5);
  EXPECT_EQ(event.id(),
            event_id("prod", "alarm.state_changed", "cpu", "InstanceId=i-a", minute(6), 0));
}

TEST(Engine, EvaluatesEachMinuteOnceAndInOrderWhenDataComesLate) {
  Fleet fleet(only(cpu_alarm()));
  fleet.run({kA}, 0, 6, 10);
  fleet.datapoint(kA, 7, 95);  // Its neighbour is still on its way.
  EXPECT_EQ(fleet.changes().size(), 1U);
  fleet.datapoint(kA, 6, 96);
  EXPECT_EQ(fleet.changes(),
            (Lines{"1 InstanceId=i-a INSUFFICIENT_DATA>OK initial", "7 InstanceId=i-a OK>ALARM"}));
}

TEST(Engine, LateValueChangesTheNextEvaluationOnly) {
  Fleet fleet(only(cpu_alarm(80, 2, 2)));
  fleet.run({kA}, 0, 6, 10);
  fleet.ticks(7, 10);  // The datapoint of minute 6 stays away: due as missing at tick 10.
  fleet.datapoint(kA, 6, 95);
  EXPECT_EQ(fleet.changes().size(), 1U);
  fleet.datapoint(kA, 7, 95);
  EXPECT_EQ(fleet.changes().back(), "8 InstanceId=i-a OK>ALARM");
}

TEST(Engine, ADatapointCountsOnceWhenItsSeriesPeriodTurnsOutToBeLonger) {
  Fleet fleet(only(cpu_alarm(70, 2, 2, MissingData::kNotBreaching)));
  const auto without_period = [&](std::int64_t m, double value) {
    proto::LogRecord record = Fleet::batch({Fleet::cpu(kA, m, value)});
    record.mutable_batch()->mutable_datapoints()->set_period_s(0, 0);
    fleet.apply(std::move(record));
  };
  without_period(0, 10);
  without_period(2, 10);
  without_period(4, 95);
  fleet.ticks(1, 8);      // Minutes 4 and 5 are evaluated with slots of 60 s.
  without_period(6, 10);  // Three spacings of 120 s: the slot of the 95 now ends at minute 6.
  fleet.ticks(9, 14);
  EXPECT_EQ(fleet.changes(), (Lines{"1 InstanceId=i-a INSUFFICIENT_DATA>OK initial"}));
}

TEST(Engine, WaitsForThePublicationDelayBeforeItCallsASlotMissing) {
  Fleet fleet(only(cpu_alarm(80, 1, 1, MissingData::kBreaching)));
  fleet.run({kA}, 0, 6, 10);
  // Nothing after minute 5. Range of three: the last good point is looked past for two more
  // minutes.
  fleet.ticks(7, 11);
  EXPECT_EQ(fleet.changes().size(), 1U);
  fleet.tick(12);
  EXPECT_EQ(fleet.changes().back(), "9 InstanceId=i-a OK>ALARM");
}

TEST(Engine, SilenceOfASourceGivesInsufficientDataAndDataBringsItBackAsARealChange) {
  Fleet fleet(only(cpu_alarm()));
  fleet.run({kA}, 0, 6, 10);
  fleet.ticks(7, 30);
  EXPECT_EQ(fleet.changes().back(), "9 InstanceId=i-a OK>INSUFFICIENT_DATA");
  EXPECT_EQ(fleet.events.back().reason(), "Insufficient Data: 1 datapoint was unknown.");
  fleet.datapoint(kA, 30, 10);
  fleet.ticks(31, 33);  // The minutes before it fall due as missing.
  EXPECT_EQ(fleet.changes().back(), "31 InstanceId=i-a INSUFFICIENT_DATA>OK");
  EXPECT_FALSE(fleet.events.back().initial());
  EXPECT_EQ(fleet.events.back().notify_size(), 1);
}

TEST(Engine, AQuietAlarmIsNotEvaluatedMinuteByMinute) {
  Fleet fleet(only(cpu_alarm()));
  fleet.run({kA}, 0, 6, 10);
  fleet.ticks(7, 20);
  const std::uint64_t before = fleet.engine().evaluations_total();
  fleet.ticks(21, 150);
  EXPECT_EQ(fleet.engine().evaluations_total(), before);
}

TEST(Engine, PeriodsLongerThanTheGridSlide) {
  AlarmRule rule = cpu_alarm();
  rule.period_s = 300;
  Fleet fleet(only(rule));
  fleet.run({kA}, 0, 10, 10);
  fleet.datapoint(kA, 10, 400);  // Average of minutes 6-10 is 88.
  EXPECT_EQ(fleet.changes().back(), "11 InstanceId=i-a OK>ALARM");
  fleet.tick(11);
  fleet.run({kA}, 11, 15, 10);
  EXPECT_EQ(fleet.changes().size(), 2U);
  fleet.datapoint(kA, 15, 10);
  EXPECT_EQ(fleet.changes().back(), "16 InstanceId=i-a ALARM>OK");
}

TEST(Engine, AlarmsLongerThanADayLookOnceAnHour) {
  AlarmRule rule = cpu_alarm();
  rule.period_s = 3600;
  rule.evaluation_periods = 25;
  rule.datapoints_to_alarm = 1;
  Fleet fleet(only(rule), Fleet::Input::kBounded);
  fleet.datapoints(kA, 0, 180, 95);
  fleet.ticks(1, 185);
  EXPECT_EQ(fleet.changes(), (Lines{"60 InstanceId=i-a INSUFFICIENT_DATA>ALARM"}));
  EXPECT_EQ(fleet.engine().evaluations_total(), 3U);
}

TEST(Engine, AForEachAlarmReadsTheMostDetailedDimensionSetOnly) {
  AlarmRule rule = cpu_alarm();
  rule.metric.metric_namespace = "CWAgent";
  rule.metric.name = "disk_used_percent";
  rule.metric.statistic = "Maximum";
  Fleet fleet(only(rule));
  const auto disk = [](const std::string& path, std::int64_t m, double value) {
    Sample sample{.metric_namespace = "CWAgent",
                  .name = "disk_used_percent",
                  .dimensions = {{"InstanceId", kA}},
                  .minute = m,
                  .value = value,
                  .source = "stream"};
    if (!path.empty()) sample.dimensions.emplace_back("path", path);
    return sample;
  };
  for (std::int64_t m = 0; m < 6; ++m) {
    fleet.samples({disk("/", m, 20), disk("/data", m, m == 5 ? 90 : 30), disk("", m, 99)});
    fleet.tick(m + 1);
  }
  EXPECT_EQ(fleet.changes(),
            (Lines{"1 InstanceId=i-a INSUFFICIENT_DATA>OK initial", "6 InstanceId=i-a OK>ALARM"}));
  EXPECT_EQ(fleet.events.back().alarm().recent_value(0), 90);
}

TEST(Engine, AnAlarmWithoutForEachReadsTheSeriesWithExactlyItsDimensions) {
  AlarmRule rule = cpu_alarm();
  rule.for_each.clear();
  rule.metric.dimensions = {{"AutoScalingGroupName", "web"}};
  Fleet fleet(only(rule));
  for (std::int64_t m = 0; m < 6; ++m) {
    Sample group = Fleet::cpu(kA, m, 10);
    group.dimensions = {{"AutoScalingGroupName", "web"}};
    Sample machine = Fleet::cpu(kA, m, 99);
    machine.dimensions.emplace_back("AutoScalingGroupName", "web");
    fleet.samples({machine, group});
    fleet.tick(m + 1);
  }
  EXPECT_EQ(
      fleet.changes(),
      (Lines{"1 AWS/EC2 CPUUtilization AutoScalingGroupName=web INSUFFICIENT_DATA>OK initial"}));
}

TEST(Engine, ASingleAlarmIsShownBeforeItsFirstDatapoint) {
  AlarmRule rule = cpu_alarm();
  rule.for_each.clear();
  Fleet fleet(only(rule));
  const std::vector<AlarmView> views = fleet.engine().alarms(fleet.shard());
  ASSERT_EQ(views.size(), 1U);
  EXPECT_EQ(views[0].state, AlarmState::kInsufficientData);
  EXPECT_EQ(views[0].reason, "Unchecked: Initial alarm creation");
}

TEST(Engine, RulesOfOtherEnvironmentsAreLeftOut) {
  AlarmRule rule = cpu_alarm();
  rule.environments = {"staging"};
  Fleet fleet(only(rule));
  fleet.run({kA}, 0, 10, 99);
  EXPECT_TRUE(fleet.events.empty());
}

TEST(Engine, SilencedAlarmsRecordTheirChangesAndSendNone) {
  Fleet fleet(only(cpu_alarm()));
  fleet.run({kA}, 0, 6, 10);
  fleet.command("silence", 6, "cpu");
  fleet.datapoint(kA, 6, 95);
  ASSERT_EQ(fleet.changes().back(), "7 InstanceId=i-a OK>ALARM");
  EXPECT_EQ(fleet.events.back().notify_size(), 0);
  fleet.command("unsilence", 7, "cpu");
  fleet.datapoint(kA, 7, 10);
  EXPECT_EQ(fleet.events.back().notify_size(), 1);
}

TEST(Engine, ASilenceHoldsForAlarmsThatAreBornLater) {
  Fleet fleet(only(cpu_alarm()));
  fleet.command("silence", 0, "cpu");
  fleet.run({kA}, 0, 6, 95);
  ASSERT_EQ(fleet.changes().size(), 1U);
  EXPECT_EQ(fleet.events.back().notify_size(), 0);
}

TEST(Engine, SetStateTakesEffectAtTheNextGridMinuteAndTheNextEvaluationMayOverwriteIt) {
  Fleet fleet(only(cpu_alarm()));
  fleet.run({kA}, 0, 6, 10);
  fleet.command("set_state", 6, "cpu", "ALARM");
  EXPECT_EQ(fleet.changes().size(), 1U);
  fleet.datapoint(kA, 6, 10);
  EXPECT_EQ(fleet.changes(), (Lines{"1 InstanceId=i-a INSUFFICIENT_DATA>OK initial",
                                    "7 InstanceId=i-a OK>ALARM", "7 InstanceId=i-a ALARM>OK"}));
  EXPECT_NE(fleet.events[1].id(), fleet.events[2].id());
}

TEST(Engine, AfterACatchUpAnAlarmSendsItsNetChangeOnce) {
  Fleet fleet(only(cpu_alarm()));
  fleet.run({kA}, 0, 6, 10);
  fleet.clock(40);
  std::vector<Sample> backlog;
  for (std::int64_t m = 6; m < 30; ++m) backlog.push_back(Fleet::cpu(kA, m, m % 10 < 5 ? 95 : 10));
  fleet.samples(backlog);
  std::size_t sent = 0;
  for (const proto::Event& event : fleet.events) sent += event.notify_size() > 0 ? 1 : 0;
  EXPECT_EQ(fleet.changes().size(), 5U);
  EXPECT_EQ(sent, 0U) << "It came back to OK, which is what receivers believe.";
}

TEST(Engine, AfterACatchUpThatEndsInAlarmOnlyTheLastChangeIsSent) {
  Fleet fleet(only(cpu_alarm()));
  fleet.run({kA}, 0, 6, 10);
  fleet.clock(40);
  std::vector<Sample> backlog;
  for (std::int64_t m = 6; m < 33; ++m) backlog.push_back(Fleet::cpu(kA, m, m % 10 < 5 ? 95 : 10));
  fleet.samples(backlog);
  fleet.progress("stream", 40, true);
  ASSERT_EQ(fleet.events.back().to(), "ALARM");
  for (const proto::Event& event : fleet.events)
    EXPECT_EQ(event.notify_size(), &event == &fleet.events.back() ? 1 : 0);
}

/// A source that was away and reads what it missed in several commits (docs/time.md 7).
class CatchUp : public testing::Test {
 protected:
  CatchUp() : fleet(only(cpu_alarm())) {
    fleet.run({kA}, 0, 6, 10);
    fleet.progress("stream", 6, true);
    fleet.clock(40);
  }
  void read(std::int64_t from, std::int64_t to, double value) {
    std::vector<Sample> some;
    for (std::int64_t m = from; m < to; ++m) some.push_back(Fleet::cpu(kA, m, value));
    fleet.samples(some);
    fleet.progress("stream", to, false);
  }
  /// "minute to", of the events that receivers are told.
  [[nodiscard]] Lines sent() const {
    Lines lines;
    for (const proto::Event& event : fleet.events) {
      if (event.notify_size() > 0)
        lines.push_back(std::to_string((event.time_s() - kMidnightS) / 60) + " " + event.to());
    }
    return lines;
  }
  Fleet fleet;
};

TEST_F(CatchUp, OverManyRecordsTheNetChangeIsSentOnceWhenItIsOver) {
  read(6, 12, 95);
  read(12, 18, 10);
  read(18, 24, 95);
  EXPECT_EQ(sent(), Lines{});
  read(24, 30, 95);
  fleet.progress("stream", 40, true);
  EXPECT_EQ(sent(), Lines{"19 ALARM"});
  EXPECT_EQ(fleet.changes().size(), 4U) << "The way there stays in the record.";
}

TEST_F(CatchUp, OverManyRecordsThatEndsWhereItBeganSendsNothing) {
  read(6, 12, 95);
  read(12, 36, 10);
  fleet.progress("stream", 40, true);
  EXPECT_EQ(sent(), Lines{});
  EXPECT_EQ(fleet.changes().size(), 3U);
}

TEST_F(CatchUp, ThatNeverEndsHoldsNothingForOverAQuarterOfAnHour) {
  read(6, 12, 95);
  fleet.clock(54);
  fleet.progress("stream", 13, false);
  EXPECT_EQ(sent(), Lines{});
  fleet.clock(55);
  fleet.progress("stream", 14, false);
  EXPECT_EQ(sent(), Lines{"7 ALARM"});
}

TEST_F(CatchUp, GoesOnAcrossARestart) {
  read(6, 12, 95);
  fleet.restart();
  read(12, 18, 10);
  read(18, 24, 95);
  fleet.restart();
  EXPECT_EQ(sent(), Lines{});
  fleet.progress("stream", 40, true);
  EXPECT_EQ(sent(), Lines{"19 ALARM"});
}

TEST_F(CatchUp, WhatARuleThatIsGoneHeldStaysInTheRecord) {
  read(6, 12, 95);
  EXPECT_EQ(fleet.changes().size(), 1U);
  fleet.set_rules({});
  fleet.tick(40);
  EXPECT_EQ(fleet.changes().at(1), "7 InstanceId=i-a OK>ALARM");
  EXPECT_EQ(fleet.events.at(1).notify_size(), 0);
}

TEST_F(CatchUp, ARuleThatStaysGoesOnHolding) {
  read(6, 12, 95);
  fleet.set_rules(only(cpu_alarm()));
  EXPECT_EQ(fleet.changes().size(), 1U);
  fleet.progress("stream", 40, true);
  EXPECT_EQ(sent(), Lines{"7 ALARM"});
}

TEST(TimeRules, ALateMetricOfASourceThatIsReadUpToNowIsToldAtOnce) {  // docs/time.md 7
  Fleet fleet(only(cpu_alarm()));
  fleet.run({kA}, 0, 6, 10);
  fleet.progress("stream", 20, true);
  fleet.datapoint(kA, 6, 95);
  ASSERT_EQ(fleet.changes().back(), "7 InstanceId=i-a OK>ALARM");
  EXPECT_EQ(fleet.events.back().notify_size(), 1) << "13 minutes late by nature";
}

TEST(Engine, UnchangedRulesKeepTheirAlarmsStateAndNewOnesStartFromTheirRecord) {
  Fleet fleet(only(cpu_alarm()));
  fleet.run({kA}, 0, 6, 95);
  RuleSet rules = only(cpu_alarm());
  rules.alarms[0].severity = "critical";
  rules.alarms.push_back(cpu_alarm(50));
  rules.alarms[1].name = "cpu-low";
  fleet.set_rules(rules);
  fleet.run({kA}, 6, 9, 95);
  EXPECT_EQ(fleet.changes(), (Lines{"1 InstanceId=i-a INSUFFICIENT_DATA>ALARM",
                                    "7 InstanceId=i-a INSUFFICIENT_DATA>ALARM"}));
  EXPECT_EQ(fleet.events.back().rule(), "cpu-low");
}

TEST(Engine, BoundedInputEvaluatesInEventTimeAndNothingExpires) {
  Fleet fleet(only(cpu_alarm()), Fleet::Input::kBounded);
  fleet.clock(60 * 24 * 365);
  fleet.datapoints(kA, 10, 20, 95);
  fleet.datapoints(kA, 0, 10, 10);
  EXPECT_TRUE(fleet.events.empty());
  fleet.ticks(1, 27);
  EXPECT_EQ(fleet.changes(),
            (Lines{"1 InstanceId=i-a INSUFFICIENT_DATA>OK initial", "11 InstanceId=i-a OK>ALARM",
                   "23 InstanceId=i-a ALARM>INSUFFICIENT_DATA"}));
  EXPECT_EQ(fleet.events[1].notify_size(), 1);
}

TEST(Engine, BoundedInputWithAGapLongerThanAnAlarmIsKeptRetiresAndBeginsAgain) {
  Fleet fleet(only(cpu_alarm()), Fleet::Input::kBounded);
  fleet.datapoints(kA, 0, 10, 10);
  fleet.datapoints(kA, 400, 410, 95);
  fleet.ticks(1, 412);
  EXPECT_EQ(fleet.told("alarm.retired"), (Lines{"190 InstanceId=i-a"}));
  EXPECT_EQ(fleet.changes().back(), "401 InstanceId=i-a INSUFFICIENT_DATA>ALARM");
}

TEST(Engine, APeriodWithTooFewSamplesForItsPercentileKeepsTheStateIfTheRuleSaysSo) {
  const auto changes = [](bool ignore_low_samples) {
    AlarmRule rule = cpu_alarm();
    rule.metric.statistic = "p50";  // It takes 20 samples.
    rule.ignore_low_samples = ignore_low_samples;
    Fleet fleet(only(rule));
    const std::pair<double, double> minutes[] = {{20, 10}, {19, 95}, {20, 95}, {19, 10}, {20, 10}};
    std::int64_t m = 0;
    for (const auto& [samples, value] : minutes) {
      proto::LogRecord record = Fleet::batch({Fleet::cpu(kA, m, value)});
      record.mutable_batch()->mutable_datapoints()->set_sample_count(0, samples);
      fleet.apply(record);
      fleet.tick(++m);
      EXPECT_FALSE(fleet.engine().alarms(fleet.shard())[0].unknown) << "it was heard";
    }
    fleet.ticks(m + 1, m + 3);
    return fleet.changes();
  };
  EXPECT_EQ(changes(true), (Lines{"1 InstanceId=i-a INSUFFICIENT_DATA>OK initial",
                                  "3 InstanceId=i-a OK>ALARM", "5 InstanceId=i-a ALARM>OK"}));
  EXPECT_EQ(changes(false), (Lines{"1 InstanceId=i-a INSUFFICIENT_DATA>OK initial",
                                   "2 InstanceId=i-a OK>ALARM", "4 InstanceId=i-a ALARM>OK"}));
}

// docs/alarms.md, `low_samples: ignore`; what is missing later is what the rule says of it.
TEST(Engine, AnAlarmOfTooFewSamplesHasNoStateUntilThereAreEnough) {
  const auto events = [](MissingData missing) {
    AlarmRule rule = cpu_alarm(80, 3, 3, missing);
    rule.metric.statistic = "p50";  // It takes 20 samples.
    rule.ignore_low_samples = true;
    Fleet fleet(only(rule));
    for (std::int64_t m = 0; m < 6; ++m) {
      proto::LogRecord record = Fleet::batch({Fleet::cpu(kA, m, 10)});
      record.mutable_batch()->mutable_datapoints()->set_sample_count(0, 19);
      fleet.apply(record);
      fleet.tick(m + 1);
    }
    EXPECT_TRUE(fleet.events.empty());
    fleet.ticks(7, 20);
    return fleet.events;
  };
  EXPECT_TRUE(events(MissingData::kMissing).empty());
  // Two of the range still have samples, and three are missing.
  const auto good = events(MissingData::kNotBreaching);
  ASSERT_EQ(good.size(), 1U);
  EXPECT_EQ(good[0].time_s(), minute(9));
  EXPECT_EQ(good[0].to(), "OK");
  const auto bad = events(MissingData::kBreaching);
  ASSERT_EQ(bad.size(), 1U);
  EXPECT_EQ(bad[0].time_s(), minute(11));
  EXPECT_EQ(bad[0].to(), "ALARM");
}

TEST(Engine, AReasonCallsMissingOnlyWhatIs) {
  AlarmRule rule = cpu_alarm(80, 2, 3, MissingData::kNotBreaching);
  rule.metric.statistic = "p50";
  rule.ignore_low_samples = true;
  Fleet fleet(only(rule));
  proto::LogRecord record = Fleet::batch({Fleet::cpu(kA, 0, 95)});
  record.mutable_batch()->mutable_datapoints()->set_sample_count(0, 19);
  fleet.apply(record);
  fleet.ticks(1, 5);
  ASSERT_EQ(fleet.events.size(), 1U);
  EXPECT_EQ(fleet.events[0].time_s(), minute(2));
  EXPECT_EQ(
      fleet.events[0].reason(),
      "Threshold Crossed: no datapoints were received for 1 period and 1 missing datapoint was "
      "treated as [NonBreaching].");
}

TEST(Engine, APercentileOverALongerPeriodDecidesWhereAllItsPartsAreOnOneSide) {
  AlarmRule rule = cpu_alarm();
  rule.metric.statistic = "p99";
  rule.period_s = 300;
  Fleet fleet(only(rule));
  const auto minutes = [&](std::int64_t from, std::vector<double> p99) {
    for (std::size_t i = 0; i < p99.size(); ++i) {
      const std::int64_t m = from + static_cast<std::int64_t>(i);
      proto::LogRecord record = Fleet::batch({Fleet::cpu(kA, m, 0)});
      proto::Datapoints& points = *record.mutable_batch()->mutable_datapoints();
      points.set_sample_count(0, 1000);
      points.set_maximum(0, 100);
      proto::ExtendedStatistic& extended = *points.add_extended();
      extended.set_name("p99.0");
      extended.set_value(p99[i]);
      fleet.apply(record);
      fleet.tick(m + 1);
    }
  };
  minutes(0, {10, 20, 30, 20, 10});
  EXPECT_EQ(fleet.changes(), (Lines{"1 InstanceId=i-a INSUFFICIENT_DATA>OK initial"}));
  minutes(5, {95, 99, 91, 97, 92});
  EXPECT_EQ(fleet.changes().back(), "10 InstanceId=i-a OK>ALARM");
  minutes(10, {95, 10, 10, 10});
  EXPECT_EQ(fleet.changes().size(), 2U) << "On both sides: unknown, the state stays.";
  minutes(14, {10, 10});
  EXPECT_EQ(fleet.changes().back(), "16 InstanceId=i-a ALARM>OK");
}

TEST(EventJson, HasItsKeysInOrderAndEscapesText) {
  proto::Event event;
  event.set_id("ab");
  event.set_time_s(kMidnightS);
  event.set_type("alarm.state_changed");
  event.set_environment("prod");
  event.set_rule("a \"quoted\" rule");
  event.set_from("OK");
  event.set_to("ALARM");
  const std::string json = event_json(event);
  EXPECT_EQ(json.rfind("{\"id\":\"ab\",\"time\":\"2024-12-20T00:00:00Z\",\"type\":\"alarm.state_"
                       "changed\",\"environment\":"
                       "\"prod\",\"rule\":\"a \\\"quoted\\\" "
                       "rule\",\"series\":\"\",\"from\":\"OK\",\"to\":\"ALARM\",",
                       0),
            0U)
      << json;
}

TEST(EventId, DependsOnEveryPartAndOnNothingElse) {
  const std::string id = event_id("prod", "t", "r", "s", 60, 0);
  EXPECT_EQ(id.size(), 32U);
  EXPECT_EQ(id, event_id("prod", "t", "r", "s", 60, 0));
  EXPECT_NE(id, event_id("prod", "t", "rs", "", 60, 0));
  EXPECT_NE(id, event_id("prod", "t", "r", "s", 60, 1));
  EXPECT_NE(id, event_id("prod", "t", "r", "s", 120, 0));
}

}  // namespace
}  // namespace fleetmeter::alarms
