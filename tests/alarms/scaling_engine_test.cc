#include <gtest/gtest.h>

#include "tests/alarms/fleet_fixture.h"

namespace fleetmeter::alarms {
namespace {

using Lines = std::vector<std::string>;
const std::vector<std::string> kWeb{"i-a", "i-b"};
constexpr const char* kInventory =
    "{instances: [{id: i-a, group: web}, {id: i-b, group: web}, {id: i-c, group: other}],"
    " groups: [{name: web, min: 2, max: 10, desired: 4}]}";

Fleet web_fleet(ScalingRule rule = web_rule()) {
  Fleet fleet(only(std::move(rule)));
  fleet.inventory(kInventory);
  return fleet;
}

TEST(Scaling, AddsAMachineWhenTheMetricHoldsForTheTimeAsked) {
  Fleet fleet = web_fleet();
  fleet.run(kWeb, 0, 8, 50);
  fleet.run(kWeb, 8, 12, 90);
  EXPECT_TRUE(fleet.decisions().empty());
  fleet.run(kWeb, 12, 13, 90);
  EXPECT_EQ(fleet.decisions(), (Lines{"13 web 4>5"}));
  const proto::Event& event = fleet.events.back();
  EXPECT_EQ(event.act(0), "provisioning");
  EXPECT_EQ(event.scaling().group(), "web");
  EXPECT_EQ(event.scaling().minimum(), 2);
  EXPECT_EQ(event.scaling().maximum(), 10);
  EXPECT_EQ(event.scaling().metric_value(), 90);
  EXPECT_EQ(event.reason(), "cpu > 70.0 holds at 90.0: 4 -> 5 (wanted 5, min 2, max 10)");
}

TEST(Scaling, ADecisionExpiresFiveMinutesAfterItFellDue) {
  Fleet fleet = web_fleet();
  fleet.run(kWeb, 0, 8, 90);
  ASSERT_EQ(fleet.decisions().size(), 1U);
  const proto::Event& event = fleet.events.back();
  EXPECT_EQ(event.expires_s(), event.time_s() + 180 + 300);
}

TEST(Scaling, NothingExpiresInBoundedInput) {
  Fleet fleet(only(web_rule()), Fleet::Input::kBounded);
  fleet.inventory(kInventory);
  fleet.run(kWeb, 0, 8, 90);
  fleet.ticks(9, 12);
  ASSERT_FALSE(fleet.decisions().empty());
  EXPECT_EQ(fleet.events.back().expires_s(), 0);
}

TEST(Scaling, ActsAgainOnceTheCooldownIsOverWhileTheAlarmHolds) {
  Fleet fleet = web_fleet();
  fleet.run(kWeb, 0, 17, 90);
  EXPECT_EQ(fleet.decisions(), (Lines{"5 web 4>5", "10 web 5>6", "15 web 6>7"}));
  EXPECT_EQ(fleet.group().cooldown_until_s, minute(20));
}

TEST(Scaling, TheCooldownOfAPolicyOverridesTheGroupsAndHoldsAllItsSimplePolicies) {
  ScalingRule rule = web_rule();
  rule.simple[0].cooldown_s = 600;
  rule.simple[1].for_s = 60;
  Fleet fleet = web_fleet(rule);
  fleet.run(kWeb, 0, 6, 90);
  fleet.run(kWeb, 6, 17, 10);
  EXPECT_EQ(fleet.decisions(), (Lines{"5 web 4>5", "15 web 5>4"}));
}

TEST(Scaling, ScalesInDownToTheMinimumOnly) {
  Fleet fleet = web_fleet();
  fleet.run(kWeb, 0, 40, 10);
  EXPECT_EQ(fleet.decisions(), (Lines{"10 web 4>3", "15 web 3>2"}));
  EXPECT_NE(fleet.group().last_reason.find("min 2"), std::string::npos)
      << fleet.group().last_reason;
}

TEST(Scaling, TheQuotaCapsTheMaximumAndTheCutIsReportedOncePerEpisode) {
  ScalingRule rule = web_rule();
  rule.quota = 5;
  Fleet fleet = web_fleet(rule);
  fleet.run(kWeb, 0, 40, 90);
  EXPECT_EQ(fleet.decisions(), (Lines{"5 web 4>5"}));
  EXPECT_EQ(fleet.told("scaling.limited"), (Lines{"10 web 5>5"}));
  fleet.run(kWeb, 40, 50, 50);
  fleet.run(kWeb, 50, 60, 90);
  EXPECT_EQ(fleet.told("scaling.limited"), (Lines{"10 web 5>5", "55 web 5>5"}));
}

TEST(Scaling, FoldsOnlyTheMachinesOfTheGroup) {
  Fleet fleet = web_fleet();
  for (std::int64_t m = 0; m < 10; ++m) {
    fleet.datapoint("i-c", m, 100);
    fleet.run(kWeb, m, m + 1, 60);
  }
  EXPECT_TRUE(fleet.decisions().empty());
}

/// The group "web" at once, with a machine i-m that changes its group at minute 5.
ScalingRule minute_rule() {
  ScalingRule rule = web_rule(60);
  rule.simple[0].for_s = 60;
  return rule;
}
std::string mover(const std::string& from, const std::string& to) {
  const std::string five = "'2024-12-20T00:05:00Z'";
  return "{instances: [{id: i-a, group: web}, {id: i-m, group: " + from + ", valid_to: " + five +
         "}" + (to.empty() ? "" : ", {id: i-m, group: " + to + ", valid_from: " + five + "}") +
         "], groups: [{name: web, min: 2, max: 10, desired: 4}]}";
}

TEST(Scaling, AMachineCountsWhereTheInventoryHasItAtThatTime) {
  for (const Fleet::Input input : {Fleet::Input::kLive, Fleet::Input::kBounded}) {
    const auto decisions = [input](const std::string& from, const std::string& to) {
      Fleet fleet(only(minute_rule()), input);
      fleet.inventory(mover(from, to));
      for (std::int64_t m = 0; m < 10; ++m) {
        fleet.samples({Fleet::cpu("i-a", m, 60), Fleet::cpu("i-m", m, 100)});
        if (input == Fleet::Input::kLive) fleet.tick(m + 1);
      }
      if (input == Fleet::Input::kBounded) fleet.ticks(1, 20);
      return fleet.decisions();
    };
    EXPECT_EQ(decisions("web", "other"), (Lines{"1 web 4>5"}));
    EXPECT_EQ(decisions("other", "web"), (Lines{"6 web 4>5"}));
    EXPECT_EQ(decisions("other", ""), (Lines{}));
  }
}

TEST(Scaling, AMachineThatHasEndedCountsBeforeWhateverItSaidLast) {
  std::vector<Sample> samples;
  for (std::int64_t m = 0; m < 10; ++m) samples.push_back(Fleet::cpu("i-a", m, 50));
  for (std::int64_t m = 0; m <= 5; ++m) samples.push_back(Fleet::cpu("i-m", m, 100));
  const auto decisions = [](const std::vector<std::vector<Sample>>& batches) {
    Fleet fleet(only(minute_rule()), Fleet::Input::kBounded);
    fleet.inventory(mover("web", ""));
    for (const std::vector<Sample>& batch : batches) fleet.samples(batch);
    fleet.ticks(1, 20);
    return fleet.decisions();
  };
  EXPECT_EQ(decisions({samples}), (Lines{"1 web 4>5", "6 web 5>6"}));
  const std::vector<Sample> newest{samples.back()};
  samples.pop_back();
  EXPECT_EQ(decisions({samples, newest}), decisions({newest, samples}));
  EXPECT_EQ(decisions({samples, newest}), (Lines{"1 web 4>5", "6 web 5>6"}));
}

TEST(Scaling, AMachineThatWillComeTakesNothingFromTheGroupsOwnSeriesBefore) {
  Fleet fleet(only(minute_rule()));
  fleet.inventory(
      "{instances: [{id: i-m, group: web, valid_from: '2024-12-20T00:05:00Z'}],"
      " groups: [{name: web, min: 2, max: 10, desired: 4}]}");
  for (std::int64_t m = 0; m < 12; ++m) {
    Sample group = Fleet::cpu("", m, 90);
    group.dimensions = {{"AutoScalingGroupName", "web"}};
    fleet.samples({group, Fleet::cpu("i-m", m, 50)});
    fleet.tick(m + 1);
  }
  EXPECT_EQ(fleet.decisions(), (Lines{"1 web 4>5"})) << "From minute 6 on the machine is read.";
}

// docs/time.md 5: a minute is evaluated as soon as it is due. Here by i-b, which is silent, and not
// only once i-a comes.
TEST(Scaling, WhereNoMachineIsLiveTheFirstThatFallsDueDecides) {
  Fleet fleet(only(minute_rule()), Fleet::Input::kBounded);
  fleet.inventory(
      "{instances: [{id: i-a, group: web, valid_from: '2024-12-20T08:00:00Z'},"
      " {id: i-b, group: web, valid_from: '2024-12-20T08:00:00Z'}],"
      " groups: [{name: web, min: 2, max: 10, desired: 4}]}");
  fleet.samples({Fleet::cpu("i-a", 600, 50), Fleet::cpu("i-b", 0, 50)});
  proto::LogRecord record = fleet.observation("web", 10);
  record.mutable_observation()->set_desired(7);
  fleet.apply(record);
  fleet.ticks(0, 12);
  EXPECT_EQ(fleet.group().desired, 4);
  fleet.ticks(13, 20);
  EXPECT_EQ(fleet.group().desired, 7);
}

TEST(Scaling, SimplePoliciesAloneKnowNoWarmUp) {
  ScalingRule rule = minute_rule();
  rule.cooldown_s = 60;
  rule.default_warm_up_s = 600;
  Fleet fleet = web_fleet(rule);
  fleet.run(kWeb, 0, 1, 90);
  fleet.run(kWeb, 1, 3, 10);
  fleet.ticks(4, 5);
  EXPECT_EQ(fleet.decisions(), (Lines{"1 web 4>5", "2 web 5>4", "3 web 4>3"}));
}

TEST(Scaling, AGroupThatTheInventoryDoesNotKnowIsReadFromItsOwnSeries) {
  ScalingRule rule = web_rule();
  rule.minimum = 1;
  rule.maximum = 9;
  rule.desired = 3;
  Fleet fleet(only(rule));
  for (std::int64_t m = 0; m < 6; ++m) {
    Sample group = Fleet::cpu("", m, 90);
    group.dimensions = {{"AutoScalingGroupName", "web"}};
    fleet.samples({group, Fleet::cpu("i-x", m, 5)});
    fleet.tick(m + 1);
  }
  EXPECT_EQ(fleet.decisions(), (Lines{"5 web 3>4"}));
}

TEST(Scaling, WithoutACapacityThereIsNoDecisionAndTheReasonSaysSo) {
  ScalingRule rule = web_rule();
  Fleet fleet(only(rule));
  for (std::int64_t m = 0; m < 8; ++m) {
    Sample group = Fleet::cpu("", m, 90);
    group.dimensions = {{"AutoScalingGroupName", "web"}};
    fleet.samples({group});
    fleet.tick(m + 1);
  }
  EXPECT_TRUE(fleet.decisions().empty());
  EXPECT_EQ(fleet.group().desired, -1);
  EXPECT_NE(fleet.group().last_reason.find("unknown"), std::string::npos);
}

TEST(Scaling, AnObservationOverridesWhatWasKnown) {
  Fleet fleet = web_fleet();
  fleet.run(kWeb, 0, 3, 90);
  proto::LogRecord record = fleet.observation("web", 3);
  record.mutable_observation()->set_desired(7);
  record.mutable_observation()->set_in_service(6);
  fleet.apply(record);
  fleet.run(kWeb, 3, 8, 90);
  EXPECT_EQ(fleet.decisions(), (Lines{"5 web 7>8"}));
  EXPECT_EQ(fleet.group().in_service, 6);
}

TEST(Scaling, AnActionThatFailedLeavesTheCapacityAsItWas) {
  Fleet fleet = web_fleet();
  fleet.run(kWeb, 0, 6, 90);
  ASSERT_EQ(fleet.group().desired, 5);
  proto::LogRecord record = fleet.observation("web", 6);
  record.mutable_observation()->set_event_id(fleet.events.back().id());
  record.mutable_observation()->set_result("expired");
  fleet.apply(record);
  fleet.run(kWeb, 6, 12, 90);
  EXPECT_EQ(fleet.decisions(), (Lines{"5 web 4>5", "10 web 4>5"}));
}

TEST(Scaling, TheGroupsOwnMetricTellsItsCapacityButNotWhileADecisionIsBeingCarriedOut) {
  Fleet fleet = web_fleet();
  const auto step = [&fleet](std::int64_t m, double desired) {
    Sample capacity{.metric_namespace = "AWS/AutoScaling",
                    .name = "GroupDesiredCapacity",
                    .dimensions = {{"AutoScalingGroupName", "web"}},
                    .minute = m,
                    .value = desired,
                    .source = "stream"};
    fleet.samples({capacity, Fleet::cpu("i-a", m, 90), Fleet::cpu("i-b", m, 90)});
    fleet.tick(m + 1);
  };
  for (std::int64_t m = 0; m < 7; ++m) step(m, 6);
  EXPECT_EQ(fleet.group().desired, 7) << "Minutes 5 and 6 still showed 6.";
  for (std::int64_t m = 7; m < 12; ++m) step(m, 7);
  EXPECT_EQ(fleet.decisions(), (Lines{"5 web 6>7", "10 web 7>8"}));
}

TEST(TimeRules, UnknownNeverScales) {
  Fleet fleet(only(web_rule()), Fleet::Input::kBounded);
  fleet.inventory(kInventory);
  fleet.listen("stream", 0, true, -10);
  fleet.run(kWeb, 0, 8, 25);
  fleet.listen("stream", 7, true, -10);
  fleet.listen("stream", 68, true, 68);  // An hour down.
  fleet.ticks(9, 71);
  EXPECT_TRUE(fleet.decisions().empty());
  EXPECT_NE(fleet.group().last_reason.find("unknown"), std::string::npos)
      << fleet.group().last_reason;
}

TEST(TimeRules, MissingDataNeverScalesInEitherDirection) {
  for (const double value : {90.0, 10.0}) {
    Fleet fleet = web_fleet();
    fleet.run(kWeb, 0, 4, value);
    fleet.ticks(5, 60);
    EXPECT_TRUE(fleet.decisions().empty());
    EXPECT_NE(fleet.group().last_reason.find("no data"), std::string::npos)
        << fleet.group().last_reason;
  }
}

TEST(Scaling, AnyInvalidMetricForbidsScaleInButNotScaleOut) {
  ScalingRule rule = web_rule();
  rule.metrics["memory"].metric_namespace = "CWAgent";
  rule.metrics["memory"].name = "mem_used_percent";
  rule.simple.push_back(simple_policy(Comparison::kGreater, 80, 300, 1));
  rule.simple.back().metric = "memory";
  Fleet quiet = web_fleet(rule);
  quiet.run(kWeb, 0, 30, 10);
  EXPECT_TRUE(quiet.decisions().empty()) << "Memory never came.";
  Fleet busy = web_fleet(rule);
  busy.run(kWeb, 0, 6, 90);
  EXPECT_EQ(busy.decisions(), (Lines{"5 web 4>5"}));
}

TEST(Scaling, YoungMachinesAreLeftOutForTheirGrace) {
  ScalingRule rule = web_rule();
  rule.grace_s = 600;
  Fleet fleet(only(rule));
  fleet.inventory(
      "{instances: [{id: i-a, group: web}, {id: i-b, group: web, valid_from: "
      "'2024-12-20T00:00:00Z'}],"
      " groups: [{name: web, min: 2, max: 10, desired: 4}]}");
  for (std::int64_t m = 0; m < 20; ++m) {
    fleet.samples({Fleet::cpu("i-a", m, 60), Fleet::cpu("i-b", m, 100)});
    fleet.tick(m + 1);
  }
  EXPECT_EQ(fleet.decisions(), (Lines{"14 web 4>5", "19 web 5>6"}))
      << "Counted from minute 10 on: " << fleet.group().last_reason;
}

ScalingRule step_rule() {
  ScalingRule rule = web_rule();
  rule.simple.clear();
  rule.minimum = 1;
  rule.maximum = 100;
  rule.desired = 10;
  StepPolicy out{.metric = "cpu",
                 .comparison = Comparison::kGreaterOrEqual,
                 .threshold = 50,
                 .for_s = 60,
                 .adjustment = Adjustment::kPercent,
                 .min_adjustment_magnitude = 0,
                 .steps = {{0, 10, 0}, {10, 20, 10}, {20, {}, 30}},
                 .warm_up_s = 300};
  StepPolicy in = out;
  in.comparison = Comparison::kLessOrEqual;
  in.steps = {{-10, 0, 0}, {-20, -10, -10}, {{}, -20, -30}};
  rule.step = {out, in};
  return rule;
}

Fleet step_fleet() {
  Fleet fleet(only(step_rule()));
  fleet.inventory("{instances: [{id: i-a, group: web}, {id: i-b, group: web}]}");
  return fleet;
}

TEST(StepScaling, FollowsThePublishedWalkThroughThroughTheEngine) {
  Fleet fleet = step_fleet();
  fleet.run(kWeb, 0, 6, 50);
  for (const auto& [m, value] :
       std::vector<std::pair<std::int64_t, double>>{{6, 60}, {20, 70}, {40, 40}, {50, 30}}) {
    fleet.run(kWeb, m, m + 1, value);
    const std::int64_t next = m == 6 ? 20 : m == 20 ? 40 : m == 40 ? 50 : 60;
    fleet.run(kWeb, m + 1, next, 50);
  }
  EXPECT_EQ(fleet.decisions(),
            (Lines{"7 web 10>11", "21 web 11>14", "41 web 14>13", "51 web 13>10"}));
}

TEST(StepScaling, WarmingCapacityCountsAndBlocksScaleIn) {
  Fleet fleet = step_fleet();
  fleet.run(kWeb, 0, 6, 50);
  fleet.run(kWeb, 6, 9, 62);   // Adds once.
  fleet.run(kWeb, 9, 10, 70);  // The difference to 30 % of the ten warm ones.
  fleet.run(kWeb, 10, 14, 20);
  EXPECT_EQ(fleet.decisions(), (Lines{"7 web 10>11", "10 web 11>13"}));
  fleet.run(kWeb, 14, 15, 20);  // Minute 15: all warm.
  EXPECT_EQ(fleet.decisions().back(), "15 web 13>10");
}

TEST(Scaling, TheLargestCapacityWinsOncePerMinute) {
  ScalingRule rule = web_rule();
  rule.simple.push_back(simple_policy(Comparison::kGreater, 80, 300, 3));
  Fleet fleet = web_fleet(rule);
  fleet.run(kWeb, 0, 6, 90);
  EXPECT_EQ(fleet.decisions(), (Lines{"5 web 4>7"}));
}

/// Above 70 the group is to have four; a second metric, that of queues, wants one less below 5.
ScalingRule keep_or_remove_rule() {
  ScalingRule rule = web_rule();
  rule.metrics["queue"].metric_namespace = "Custom";
  rule.metrics["queue"].name = "Queue";
  rule.metrics["queue"].dimensions = {{"Name", "orders"}};
  rule.simple = {simple_policy(Comparison::kGreater, 70, 60, 4),
                 simple_policy(Comparison::kLess, 5, 60, -1)};
  rule.simple[0].adjustment = Adjustment::kExact;
  rule.simple[1].metric = "queue";
  return rule;
}

void run_with_queue(Fleet& fleet, std::int64_t from, std::int64_t to, double cpu, double queue) {
  for (std::int64_t m = from; m < to; ++m) {
    Sample waiting = Fleet::cpu("", m, queue);
    waiting.metric_namespace = "Custom";
    waiting.name = "Queue";
    waiting.dimensions = {{"Name", "orders"}};
    fleet.samples({Fleet::cpu("i-a", m, cpu), Fleet::cpu("i-b", m, cpu), waiting});
    fleet.tick(m + 1);
  }
}

TEST(Scaling, AWishForThePresentCapacityKeepsOthersFromRemovingAndStartsNoCooldown) {
  Fleet fleet = web_fleet(keep_or_remove_rule());
  run_with_queue(fleet, 0, 8, 90, 1);
  EXPECT_TRUE(fleet.decisions().empty());
  EXPECT_EQ(fleet.group().last_reason, "cpu > 70.0 wants 4, which the group has");
  EXPECT_EQ(fleet.group().last_action_s, 0);
  run_with_queue(fleet, 8, 9, 50, 1);
  EXPECT_EQ(fleet.decisions(), (Lines{"9 web 4>3"})) << "Nothing cooled down.";
}

TEST(Scaling, AWishThatCoolsDownKeepsNobodyFromRemoving) {
  ScalingRule rule = keep_or_remove_rule();
  rule.step = {{.metric = "queue",
                .comparison = Comparison::kLess,
                .threshold = 5,
                .for_s = 60,
                .adjustment = Adjustment::kChange,
                .min_adjustment_magnitude = 0,
                .steps = {{{}, 0, -1}},
                .warm_up_s = 0}};
  rule.simple.pop_back();
  rule.cooldown_s = 240;
  rule.default_warm_up_s = 0;
  rule.desired = 3;
  Fleet fleet(only(rule));
  fleet.inventory("{instances: [{id: i-a, group: web}, {id: i-b, group: web}]}");
  run_with_queue(fleet, 0, 1, 90, 9);
  run_with_queue(fleet, 1, 5, 90, 1);
  EXPECT_EQ(fleet.decisions(),
            (Lines{"1 web 3>4", "2 web 4>3", "3 web 3>2", "4 web 2>1", "5 web 1>4"}));
}

TEST(StepScaling, AStepThatAddsNothingKeepsOthersFromRemoving) {
  ScalingRule rule = keep_or_remove_rule();
  rule.simple.erase(rule.simple.begin());
  rule.step = {step_rule().step[0]};  // 0 % from 50 to 60.
  rule.minimum = 1;
  Fleet fleet = web_fleet(rule);
  run_with_queue(fleet, 0, 3, 55, 1);
  EXPECT_TRUE(fleet.decisions().empty());
  run_with_queue(fleet, 3, 4, 45, 1);
  EXPECT_EQ(fleet.decisions(), (Lines{"4 web 4>3"}));
}

}  // namespace
}  // namespace fleetmeter::alarms
