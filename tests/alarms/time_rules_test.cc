// The rules of docs/time.md that live in the engine, by their names.
#include <gtest/gtest.h>

#include <algorithm>

#include "alarms/reason.h"
#include "tests/aggregator/log_records.h"
#include "tests/alarms/fleet_fixture.h"

namespace fleetmeter::alarms {
namespace {

using Lines = std::vector<std::string>;
constexpr const char* kA = "i-a";

TEST(TimeRules, TheFirstMinuteAfterAFirstStartDoesNotPage) {
  for (const MissingData missing : {MissingData::kMissing, MissingData::kBreaching}) {
    Fleet fleet(only(cpu_alarm(80, 1, 3, missing)), Fleet::Input::kLive);
    fleet.run({kA}, 0, 10, 10);
    EXPECT_EQ(fleet.changes(), (Lines{"1 InstanceId=i-a INSUFFICIENT_DATA>OK initial"}));
    EXPECT_EQ(fleet.events[0].notify_size(), 0);
  }
}

TEST(TimeRules, ARemovedInstanceRetiresAndDoesNotAlarm) {
  Fleet fleet(only(cpu_alarm(80, 1, 1, MissingData::kBreaching)));
  fleet.inventory("instances: [{id: i-a, group: web}, {id: i-b, group: web}]");
  fleet.run({kA, "i-b"}, 0, 6, 10);
  fleet.inventory(
      "instances: [{id: i-a, group: web}, {id: i-b, group: web, valid_to: "
      "'2024-12-20T00:06:00Z'}]");
  fleet.run({kA}, 6, 20, 10);
  EXPECT_EQ(fleet.told("alarm.retired"), (Lines{"7 InstanceId=i-b"}));
  EXPECT_EQ(fleet.changes().size(), 2U) << "Only the two initial states.";
  EXPECT_EQ(fleet.events.back().notify_size() + fleet.events.back().act_size(), 0);
}

TEST(TimeRules, AnInstanceThatANewInventoryNoLongerListsRetires) {
  Fleet fleet(only(cpu_alarm(80, 1, 1, MissingData::kBreaching)));
  fleet.inventory("instances: [{id: i-a}, {id: i-b}]");
  fleet.run({kA, "i-b"}, 0, 6, 10);
  fleet.inventory("instances: [{id: i-a}]");
  fleet.run({kA}, 6, 20, 10);
  EXPECT_EQ(fleet.told("alarm.retired"), (Lines{"7 InstanceId=i-b"}));
}

TEST(TimeRules, AnInstanceThatNoInventoryEverKnewIsNotRetiredByOne) {
  Fleet fleet(only(cpu_alarm()));
  fleet.run({kA}, 0, 6, 10);
  fleet.inventory("instances: [{id: i-b}]");
  fleet.run({kA}, 6, 20, 10);
  EXPECT_TRUE(fleet.told("alarm.retired").empty());
}

TEST(TimeRules, APerSeriesAlarmRetiresAfterThreeHoursWithoutData) {
  Fleet fleet(only(cpu_alarm()));
  fleet.run({kA}, 0, 6, 10);
  fleet.ticks(7, 200);
  EXPECT_EQ(fleet.told("alarm.retired"), (Lines{"186 InstanceId=i-a"}));
  EXPECT_TRUE(fleet.engine().alarms(fleet.shard()).empty());
  fleet.datapoint(kA, 200, 95);
  fleet.ticks(201, 204);
  EXPECT_EQ(fleet.changes().back(), "201 InstanceId=i-a INSUFFICIENT_DATA>ALARM")
      << "It begins again with its data.";
}

TEST(TimeRules, SlotsOfOurOwnDowntimeAreUnknownForPushSourcesAndDecideNothing) {
  Fleet fleet(only(cpu_alarm(80, 1, 1, MissingData::kBreaching)), Fleet::Input::kBounded);
  fleet.listen("stream", 0, true, -10);
  fleet.run({kA}, 0, 6, 10);
  fleet.listen("stream", 5, true, -10);
  fleet.clock(186);
  fleet.listen("stream", 186, true, 186);  // Three hours down.
  fleet.progress("stream", 189, true);
  fleet.ticks(7, 189);
  EXPECT_EQ(fleet.changes(), (Lines{"1 InstanceId=i-a INSUFFICIENT_DATA>OK initial"}));
  EXPECT_TRUE(fleet.told("alarm.retired").empty());
  ASSERT_EQ(fleet.engine().alarms(fleet.shard()).size(), 1U);
  EXPECT_TRUE(fleet.engine().alarms(fleet.shard())[0].unknown);
  fleet.datapoints(kA, 186, 190, 95);
  EXPECT_EQ(fleet.changes().back(), "187 InstanceId=i-a OK>ALARM");
}

TEST(TimeRules, AStalledSourcePostponesItsMinutesAndTheyAreEvaluatedInOrderWhenItCatchesUp) {
  Fleet fleet(only(cpu_alarm(80, 1, 1, MissingData::kBreaching)));
  fleet.run({kA}, 0, 6, 10);
  fleet.listen("stream", 6);
  fleet.stall("stream", true);
  fleet.ticks(7, 60);
  EXPECT_EQ(fleet.changes().size(), 1U);
  EXPECT_TRUE(fleet.engine().alarms(fleet.shard())[0].unknown);
  std::vector<Sample> backlog;
  for (std::int64_t m = 6; m < 59; ++m) backlog.push_back(Fleet::cpu(kA, m, m == 20 ? 95 : 10));
  fleet.samples(backlog);
  fleet.stall("stream", false);
  EXPECT_EQ(fleet.changes(), (Lines{"1 InstanceId=i-a INSUFFICIENT_DATA>OK initial",
                                    "21 InstanceId=i-a OK>ALARM", "22 InstanceId=i-a ALARM>OK"}));
}

AlarmRule fleet_average() {
  AlarmRule rule = cpu_alarm(50);
  rule.for_each.clear();
  return rule;
}

TEST(TimeRules, AFoldedGroupWaitsForEveryLiveMember) {
  Fleet fleet(only(fleet_average()));
  fleet.run({kA, "i-b"}, 0, 8, 10);
  fleet.datapoint(kA, 8, 80);
  EXPECT_EQ(fleet.changes().size(), 1U) << "One machine does not speak for the group.";
  fleet.datapoint("i-b", 8, 30);
  EXPECT_EQ(fleet.changes().back(), "9 AWS/EC2 CPUUtilization OK>ALARM");
}

TEST(TimeRules, AMemberWithoutDataAtTheEndOfItsDelayIsLeftOutOfTheFold) {
  Fleet fleet(only(fleet_average()));
  fleet.run({kA, "i-b"}, 0, 8, 10);
  fleet.datapoint(kA, 8, 80);
  fleet.ticks(9, 11);
  EXPECT_EQ(fleet.changes().size(), 1U);
  fleet.tick(12);
  EXPECT_EQ(fleet.changes().back(), "9 AWS/EC2 CPUUtilization OK>ALARM");
}

TEST(TimeRules, AMemberThatTheInventoryEndedIsNotWaitedFor) {
  Fleet fleet(only(fleet_average()));
  fleet.inventory("instances: [{id: i-a}, {id: i-b, valid_to: '2024-12-20T00:08:00Z'}]");
  fleet.run({kA, "i-b"}, 0, 8, 10);
  fleet.datapoint(kA, 8, 80);
  EXPECT_EQ(fleet.changes().back(), "9 AWS/EC2 CPUUtilization OK>ALARM");
}

/// A tick every so many minutes, of the live or the bounded kind.
struct Pace {
  std::int64_t minutes;
  Fleet::Input input = Fleet::Input::kLive;
  bool restarts = false;
};

/// i-a has 1 in each minute of two hours, i-b as well up to `last`, where it has `value`, and then
/// falls silent.
Lines changes_of_a_pair(const AlarmRule& rule, std::int64_t last, double value, const Pace& pace) {
  constexpr std::int64_t kEnd = 120;
  Fleet fleet(only(rule), pace.input);
  std::vector<Sample> rest;
  for (std::int64_t m = 0; m < kEnd; ++m) {
    std::vector<Sample> now{Fleet::cpu(kA, m, 1)};
    if (m <= last) now.push_back(Fleet::cpu("i-b", m, m == last ? value : 1));
    if (pace.input == Fleet::Input::kBounded) {
      rest.insert(rest.end(), now.begin(), now.end());
      continue;
    }
    fleet.samples(now);
    if ((m + 1) % pace.minutes == 0) fleet.tick(m + 1);
    if (pace.restarts) fleet.restart();
  }
  if (!rest.empty()) {
    fleet.samples(rest);
    fleet.apply(aggregator::input_end_record(minute(0), minute(kEnd)));
    for (std::int64_t m = 0; m <= kEnd; m += pace.minutes) {
      fleet.tick(m);
      if (pace.restarts) fleet.restart();
    }
  }
  return fleet.changes();
}

TEST(TimeRules, AMemberThatFallsSilentKeepsWhatItHasInALongerPeriod) {  // docs/alarms.md, Folding
  AlarmRule highest = fleet_average();
  highest.metric.statistic = "Maximum";
  highest.period_s = 600;
  AlarmRule total = fleet_average();
  total.metric.statistic = "Sum";
  total.comparison = Comparison::kLess;
  total.threshold = 80;
  total.period_s = 3600;
  total.missing = MissingData::kNotBreaching;
  const std::string series = " AWS/EC2 CPUUtilization ";
  for (const bool restarts : {false, true}) {
    for (const Fleet::Input input : {Fleet::Input::kLive, Fleet::Input::kBounded}) {
      for (const std::int64_t minutes : {1, 5}) {
        SCOPED_TRACE(testing::Message() << restarts << static_cast<int>(input) << minutes);
        const Pace pace{.minutes = minutes, .input = input, .restarts = restarts};
        EXPECT_EQ(changes_of_a_pair(highest, 14, 99, pace),
                  (Lines{"1" + series + "INSUFFICIENT_DATA>OK initial", "15" + series + "OK>ALARM",
                         "25" + series + "ALARM>OK"}));
        const Lines sums = changes_of_a_pair(total, 59, 1, pace);
        ASSERT_FALSE(sums.empty());
        EXPECT_EQ(sums.back(), "101" + series + "OK>ALARM");
      }
    }
  }
}

TEST(TimeRules, AMemberThatFellSilentIsMissingAndNotUnknownBeforeItsSlotsAreDue) {
  AlarmRule rule = fleet_average();
  rule.range_slots = 1;
  rule.missing = MissingData::kNotBreaching;
  Fleet fleet(only(rule));
  for (std::int64_t m = 0; m < 30; m += 5) {
    std::vector<Sample> now{Fleet::cpu(kA, m, m == 20 ? 95 : 10)};
    if (m == 0) now.push_back(Fleet::cpu("i-b", m, 10));
    proto::LogRecord record = Fleet::batch(now);
    for (std::uint32_t& period_s :
         *record.mutable_batch()->mutable_datapoints()->mutable_period_s())
      period_s = 300;
    fleet.ticks(m + 1, m + 5);
    fleet.apply(record);
  }
  fleet.ticks(31, 40);
  // At 26 i-b's slot that ended at 25 is not due, and i-a has none that ends there.
  EXPECT_EQ(fleet.changes().size(), 3U);
  EXPECT_EQ(fleet.changes().back(), "26 AWS/EC2 CPUUtilization ALARM>OK");
}

TEST(TimeRules, AMetricEveryFiveMinutesAlarmsOnItsOwnPeriod) {
  AlarmRule rule = cpu_alarm(80, 2, 2);
  rule.period_s = 300;
  Fleet fleet(only(rule));
  const auto five = [&fleet](std::int64_t m, double value) {
    proto::LogRecord record = Fleet::batch({Fleet::cpu(kA, m, value)});
    record.mutable_batch()->mutable_datapoints()->set_period_s(0, 300);
    fleet.apply(record);
  };
  for (std::int64_t m = 0; m < 60; m += 5) {
    five(m, m >= 30 ? 95 : 10);
    fleet.ticks(m + 5, m + 9);
  }
  EXPECT_EQ(fleet.changes().back(), "40 InstanceId=i-a OK>ALARM");
  EXPECT_EQ(fleet.changes().size(), 2U);
}

TEST(TimeRules, NatMetricsTwelveMinutesLateStillAlarmAtTheirOwnTime) {
  AlarmRule rule = cpu_alarm(0);
  rule.metric = {.metric_namespace = "AWS/NATGateway",
                 .name = "PacketsDropCount",
                 .statistic = "Sum",
                 .dimensions = {},
                 .exact = false};
  rule.for_each = "NatGatewayId";
  rule.missing = MissingData::kBreaching;
  Fleet fleet(only(rule));
  for (std::int64_t m = 0; m < 40; ++m) {
    fleet.clock(m + 13);
    fleet.samples({{.metric_namespace = "AWS/NATGateway",
                    .name = "PacketsDropCount",
                    .dimensions = {{"NatGatewayId", "nat-1"}},
                    .minute = m,
                    .value = m == 30 ? 5.0 : 0.0,
                    .source = "stream"}});
    fleet.tick(m + 13);
  }
  EXPECT_EQ(fleet.changes(),
            (Lines{"1 NatGatewayId=nat-1 INSUFFICIENT_DATA>OK initial",
                   "31 NatGatewayId=nat-1 OK>ALARM", "32 NatGatewayId=nat-1 ALARM>OK"}));
}

TEST(TimeRules, RejectsOfAScanUnderSkipdataAlarmAndNothingIsOkOnALowerBound) {
  const FoldedSlot bound{
      .end_s = 60, .value = 90, .state = aggregator::SlotState::kPresent, .lower_bound = true};
  EXPECT_EQ(range_slot(bound, Comparison::kGreater, 80).kind, RangeSlot::Kind::kBreaching);
  EXPECT_EQ(range_slot(bound, Comparison::kGreater, 100).kind, RangeSlot::Kind::kUnknown);
  EXPECT_EQ(range_slot(bound, Comparison::kLess, 100).kind, RangeSlot::Kind::kUnknown);
  EXPECT_EQ(range_slot(bound, Comparison::kLess, 10).kind, RangeSlot::Kind::kUnknown);
}

/// Flow records of one minute; long ones tell a capture interval of ten minutes.
proto::LogRecord flows(std::int64_t m, std::uint64_t rejected, bool long_records) {
  proto::LogRecord record;
  proto::AggregateBatch& batch = *record.mutable_batch();
  batch.set_environment("prod");
  batch.set_source("stream");
  for (const char* text : {"", "eni-1"}) batch.add_strings(text);
  proto::FlowAggregates& rows = *batch.mutable_flows();
  rows.add_window_start_min(static_cast<std::uint32_t>(minute(m) / 60));
  rows.add_status(proto::FLOW_OK);
  rows.add_action(proto::ACTION_REJECT);
  rows.add_direction(proto::DIRECTION_INGRESS);
  rows.add_path_class(proto::PATH_EXTERNAL);
  rows.add_nat_leg(proto::NAT_LEG_NONE);
  rows.add_role(proto::ROLE_INSTANCE);
  rows.add_peer_role(proto::ROLE_UNKNOWN);
  rows.add_interface(1);
  for (auto* column :
       {rows.mutable_owner(), rows.mutable_owner_az(), rows.mutable_peer_owner(),
        rows.mutable_peer_az(), rows.mutable_peer_service(), rows.mutable_peer_region(),
        rows.mutable_interface_az(), rows.mutable_traffic_path(), rows.mutable_peer_interface()}) {
    column->Add(0);
  }
  rows.add_bytes(40 * rejected);
  rows.add_packets(rejected);
  rows.add_records(rejected);
  rows.add_long_records(long_records ? 1 : 0);
  return record;
}

/// A single alarm, which has no datapoint to begin with.
AlarmRule single_alarm(MissingData missing, std::uint32_t m = 2) {
  AlarmRule rule = cpu_alarm(80, m, 2, missing);
  rule.for_each.clear();
  rule.metric.dimensions = {{"InstanceId", kA}};
  return rule;
}

TEST(TimeRules, ASingleAlarmOnAMetricNeverSeenIsInTheStateOfItsMissingData) {
  const auto changes = [](MissingData missing) {
    Fleet fleet(only(single_alarm(missing)));
    fleet.ticks(0, 30);
    return fleet.changes();
  };
  const std::string from = " AWS/EC2 CPUUtilization InstanceId=i-a INSUFFICIENT_DATA>";
  EXPECT_EQ(changes(MissingData::kBreaching).size(), 1U);
  EXPECT_TRUE(changes(MissingData::kBreaching)[0].ends_with(from + "ALARM"));
  EXPECT_EQ(changes(MissingData::kNotBreaching).size(), 1U);
  EXPECT_TRUE(changes(MissingData::kNotBreaching)[0].ends_with(from + "OK initial"));
  EXPECT_TRUE(changes(MissingData::kMissing).empty());
  EXPECT_TRUE(changes(MissingData::kIgnore).empty());
}

TEST(TimeRules, WhatNoSourceWasListeningToIsUnknownOfAMetricNeverSeenToo) {
  Fleet fleet(only(single_alarm(MissingData::kBreaching)));
  fleet.listen("late", 10, true, 10);  // Its first progress: it may be the one that carries it.
  const auto both_read = [&](std::int64_t from, std::int64_t to) {
    for (std::int64_t m = from; m <= to; ++m) {
      fleet.progress("late", m, true);
      fleet.tick(m);
    }
  };
  both_read(10, 16);
  EXPECT_TRUE(fleet.changes().empty())
      << "minutes up to 10 were not heard, and one of them decides";
  both_read(17, 30);
  // A range of four slots: the first without a slot that was not heard ends at 14.
  const std::string series = " AWS/EC2 CPUUtilization InstanceId=i-a INSUFFICIENT_DATA>ALARM";
  EXPECT_EQ(fleet.changes(), (Lines{"14" + series}));
}

TEST(TimeRules, ASingleAlarmGoesOnWithItsFirstDatapointAndTheSlotsBeforeItWereMissing) {
  Fleet fleet(only(single_alarm(MissingData::kBreaching, 1)));
  fleet.ticks(0, 20);
  fleet.run({kA}, 20, 23, 10);
  fleet.ticks(24, 30);
  const std::string series = " AWS/EC2 CPUUtilization InstanceId=i-a ";
  const Lines told = fleet.changes();
  ASSERT_EQ(told.size(), 3U);
  EXPECT_EQ(told[1], "22" + series + "ALARM>OK") << "at 21 one of two is filled as breaching";
  EXPECT_EQ(told[2], "26" + series + "OK>ALARM");
}

// Table 1.5 of the missing-data rules, the row without any point: when the metric's first datapoint
// comes, which lacks the statistic like all of them, makes no difference.
TEST(TimeRules, ASingleAlarmOnAStatisticNeverSeenIsInTheStateOfItsMissingData) {
  for (const Fleet::Input input : {Fleet::Input::kLive, Fleet::Input::kBounded}) {
    for (const std::int64_t first : {0, 1, 10}) {
      for (const MissingData missing : {MissingData::kBreaching, MissingData::kNotBreaching}) {
        AlarmRule rule = single_alarm(missing);
        rule.metric.statistic = "p99";
        Fleet fleet(only(rule), input);
        fleet.listen("stream", 0);
        for (std::int64_t m = 0; m < 30; ++m) {
          proto::LogRecord record = Fleet::batch({Fleet::cpu(kA, m, 90), Fleet::cpu("i-b", m, 90)});
          for (int i = 0; i < 2;
               ++i) {  // Of several samples that differ a percentile is not known.
            record.mutable_batch()->mutable_datapoints()->set_sample_count(i, 10);
            record.mutable_batch()->mutable_datapoints()->set_minimum(i, 0);
          }
          if (m < first) record = Fleet::batch({Fleet::cpu("i-b", m, 90)});
          fleet.apply(record);
        }
        fleet.ticks(1, 34);
        const Lines told = fleet.changes();
        ASSERT_EQ(told.size(), 1U) << first;
        EXPECT_TRUE(told[0].ends_with(missing == MissingData::kBreaching
                                          ? " INSUFFICIENT_DATA>ALARM"
                                          : " INSUFFICIENT_DATA>OK initial"))
            << told[0];
      }
    }
  }
}

// A rule that watches for silence is often made in it.
TEST(TimeRules, ASingleAlarmOnAMetricThatHasStoppedIsInTheStateOfItsMissingData) {
  for (const bool restart : {false, true}) {
    Fleet fleet(only(cpu_alarm()));
    fleet.run({kA}, 0, 6, 10);
    fleet.ticks(7, 20);
    RuleSet rules = only(cpu_alarm());
    rules.alarms.push_back(single_alarm(MissingData::kBreaching));
    rules.alarms.back().name = "single";
    fleet.set_rules(rules);
    for (std::int64_t m = 21; m <= 30; ++m) {
      if (restart) fleet.restart();
      fleet.tick(m);
    }
    const std::string series = " AWS/EC2 CPUUtilization InstanceId=i-a ";
    EXPECT_EQ(fleet.changes().back(), "21" + series + "INSUFFICIENT_DATA>ALARM");
    fleet.run({kA}, 30, 34, 10);
    EXPECT_EQ(fleet.changes().back(), "31" + series + "ALARM>OK");
  }
}

TEST(TimeRules, ASingleAlarmOnAMetricNeverSeenIsTheSameAfterARestart) {
  const auto changes = [](bool restart) {
    Fleet fleet(only(single_alarm(MissingData::kBreaching)));
    fleet.listen("late", 10, true, 10);
    for (std::int64_t m = 10; m < 30; ++m) {
      fleet.tick(m);
      if (restart) fleet.restart();
    }
    fleet.run({kA}, 30, 33, 10);
    return fleet.changes();
  };
  EXPECT_EQ(changes(true), changes(false));
}

TEST(TimeRules, AFirstStartOwesItsAlarmsTheFlowWindowsThatCloseBeforeTheFirstTick) {
  AlarmRule rule = cpu_alarm(5);
  rule.metric.metric_namespace = std::string(aggregator::kFlowNamespace);
  rule.metric.name = "RejectedRecords";
  rule.metric.statistic = "Sum";
  rule.for_each = "InterfaceId";
  Fleet fleet(only(rule));
  for (std::int64_t m = 0; m < 30; ++m) fleet.apply(flows(m, m == 15 ? 9 : 1, false));
  const Lines decided{"1 InterfaceId=eni-1 INSUFFICIENT_DATA>OK initial",
                      "16 InterfaceId=eni-1 OK>ALARM", "17 InterfaceId=eni-1 ALARM>OK"};
  fleet.clock(41);
  fleet.progress("stream", 40, false);  // Ten minutes of lateness: the windows to 30 close.
  EXPECT_EQ(fleet.changes(), decided) << "at once, without a tick";
  fleet.ticks(41, 42);
  EXPECT_EQ(fleet.changes(), decided) << "each minute once";
}

AlarmRule rejects(const std::string& for_each, double threshold) {
  AlarmRule rule = cpu_alarm(threshold);
  rule.metric.metric_namespace = std::string(aggregator::kFlowNamespace);
  rule.metric.name = "RejectedRecords";
  rule.metric.statistic = "Sum";
  rule.for_each = for_each;
  return rule;
}

/// Each minute of [from, to): one reject at eni-1, fifty at eni-2.
void reject_on_both(Fleet& fleet, std::int64_t from, std::int64_t to) {
  for (std::int64_t m = from; m < to; ++m) {
    fleet.clock(m + 1);
    fleet.apply(aggregator::flow_record(minute(m + 1), "stream", "prod",
                                        {{.start_s = minute(m), .action = proto::ACTION_REJECT},
                                         {.start_s = minute(m),
                                          .interface = "eni-2",
                                          .action = proto::ACTION_REJECT,
                                          .records = 50}}));
    fleet.progress("stream", m + 1, true);
    fleet.tick(m + 1);
  }
}

TEST(TimeRules, AFlowAlarmCountsInterfacesWithAnInstanceAndWithout) {  // docs/alarms.md, Folding
  AlarmRule rule = rejects("", 50);
  rule.metric.dimensions.clear();
  Fleet fleet(only(rule));
  fleet.inventory("{interfaces: [{id: eni-1, role: instance, instance: i-a}]}");
  reject_on_both(fleet, 0, 20);
  EXPECT_EQ(fleet.changes(), (Lines{"1 Fleetmeter/VPC RejectedRecords INSUFFICIENT_DATA>ALARM"}));
}

TEST(TimeRules, AnAlarmOfAnInterfaceGoesOnWhenItsAttachmentEnds) {
  Fleet fleet(only(rejects("InterfaceId", 0)));
  fleet.inventory(
      "{interfaces: [{id: eni-1, role: instance, instance: i-a, valid_to: '2024-12-20T00:05:00Z'},"
      " {id: eni-1, role: other, valid_from: '2024-12-20T00:05:00Z'}]}");
  reject_on_both(fleet, 0, 30);
  EXPECT_EQ(fleet.changes(), (Lines{"1 InterfaceId=eni-1 INSUFFICIENT_DATA>ALARM",
                                    "1 InterfaceId=eni-2 INSUFFICIENT_DATA>ALARM"}));
  EXPECT_TRUE(fleet.told("alarm.retired").empty());
}

TEST(TimeRules, TheWarningOfAPeriodThatIsTooShortComesOnceWhateverTheFirstRecordsAre) {
  for (const Fleet::Input input : {Fleet::Input::kLive, Fleet::Input::kBounded}) {
    Fleet fleet(only(rejects("InterfaceId", 5)), input);
    const auto warnings = [&fleet] { return fleet.told("rule.warning").size(); };
    for (std::int64_t m = 0; m < 60; m += 10) fleet.apply(flows(m, 9, true));
    for (std::int64_t m = 1; m < 90; ++m) fleet.tick(m);
    EXPECT_EQ(warnings(), 1U);
    fleet.restart();
    fleet.ticks(91, 95);
    EXPECT_EQ(warnings(), 1U) << "A restart does not say it again.";
    RuleSet rules = only(rejects("InterfaceId", 5));
    rules.alarms.push_back(rejects("InterfaceId", 7));
    rules.alarms.back().name = "new";
    fleet.set_rules(rules);
    fleet.ticks(96, 97);
    ASSERT_EQ(warnings(), 2U);
    EXPECT_EQ(fleet.events.back().rule(), "new");
  }
}

TEST(TimeRules, APeriodShorterThanTheCaptureIntervalYieldsNoDatapointAndOneWarning) {
  const AlarmRule rule = rejects("InterfaceId", 5);
  AlarmRule longer = rule;
  longer.name = "ten-minutes";
  longer.period_s = 600;
  RuleSet rules = only(rule);
  rules.alarms.push_back(longer);
  Fleet fleet(rules);
  const auto minutes = [&fleet](std::int64_t from, std::int64_t to, std::uint64_t rejected) {
    for (std::int64_t m = from; m < to; ++m) {
      fleet.clock(m + 1);
      fleet.apply(flows(m, rejected, m >= 20));
      fleet.progress("stream", m + 1, true);
      fleet.tick(m + 1);
    }
  };
  minutes(0, 20, 1);
  EXPECT_TRUE(fleet.told("rule.warning").empty());
  minutes(20, 70, 9);
  ASSERT_EQ(fleet.told("rule.warning").size(), 1U);
  for (const proto::Event& event : fleet.events) {
    if (event.type() == "rule.warning") {
      EXPECT_EQ(event.rule(), "cpu");
      EXPECT_NE(event.reason().find("capture interval of the flow logs, 600 s"), std::string::npos);
      EXPECT_EQ(event.notify_size(), 0);
    }
    EXPECT_FALSE(event.rule() == "cpu" && event.to() == "ALARM") << "of the sum of ten minutes";
  }
  EXPECT_TRUE(std::ranges::any_of(fleet.events, [](const proto::Event& event) {
    return event.rule() == "ten-minutes" && event.to() == "ALARM";
  }));
}

}  // namespace
}  // namespace fleetmeter::alarms
