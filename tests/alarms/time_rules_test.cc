// The rules of docs/time.md that live in the engine, by their names.
#include <gtest/gtest.h>

#include "alarms/reason.h"
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

}  // namespace
}  // namespace fleetmeter::alarms
