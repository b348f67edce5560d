// What becomes of a scaling group's decisions: confirmed, taken back, kept over new rules.
#include <gtest/gtest.h>

#include "tests/alarms/fleet_fixture.h"

namespace fleetmeter::alarms {
namespace {

using Lines = std::vector<std::string>;
const std::vector<std::string> kWeb{"i-a", "i-b"};

constexpr std::uint32_t kInAfterS = 60;

/// Adds one machine a minute while the load is high.
ScalingRule step_rule(std::uint32_t warm_up_s) {
  ScalingRule rule = web_rule(kInAfterS);
  rule.simple.clear();
  StepPolicy out;
  out.metric = "cpu";
  out.threshold = 70;
  out.steps = {{0, {}, 1}};
  out.warm_up_s = warm_up_s;
  rule.step = {out};
  return rule;
}

class Outcome : public testing::Test {
 protected:
  Fleet& start(ScalingRule rule) {
    fleet_.emplace(only(std::move(rule)));
    fleet_->inventory(
        "{instances: [{id: i-a, group: web}, {id: i-b, group: web}],"
        " groups: [{name: web, min: 2, max: 10, desired: 4}]}");
    return *fleet_;
  }
  void tell(std::int64_t m, const std::string& event_id, const std::string& result,
            const std::string& receiver = "provisioning") {
    proto::LogRecord record = fleet_->observation("web", m);
    record.mutable_observation()->set_event_id(event_id);
    record.mutable_observation()->set_result(result);
    record.mutable_observation()->set_receiver(receiver);
    fleet_->apply(std::move(record));
  }
  [[nodiscard]] std::string last_id() const { return fleet_->events.back().id(); }
  [[nodiscard]] std::int64_t desired() { return fleet_->group().desired; }
  std::optional<Fleet> fleet_;
};

TEST_F(Outcome, AnActionThatFailedIsTakenBackOnceHoweverOftenItIsTold) {
  Fleet& fleet = start(web_rule(kInAfterS));
  fleet.run(kWeb, 0, 6, 90);
  const std::string id = last_id();
  tell(6, id, "failed");
  tell(6, id, "failed");
  fleet.run(kWeb, 6, 11, 90);
  tell(11, id, "expired");
  fleet.run(kWeb, 11, 12, 90);
  EXPECT_EQ(fleet.decisions(), (Lines{"5 web 4>5", "10 web 4>5"}));
  EXPECT_EQ(desired(), 5) << "The second decision stands.";
}

TEST_F(Outcome, ADeliveredActionChangesNothing) {
  Fleet& fleet = start(web_rule(kInAfterS));
  fleet.run(kWeb, 0, 6, 90);
  tell(6, last_id(), "delivered");
  fleet.run(kWeb, 6, 8, 90);
  EXPECT_EQ(desired(), 5);
}

TEST_F(Outcome, OfSeveralReceiversEachMustHaveFailed) {
  ScalingRule rule = web_rule(kInAfterS);
  rule.act = {"provisioning", "second"};
  Fleet& fleet = start(rule);
  fleet.run(kWeb, 0, 6, 90);
  tell(6, last_id(), "failed", "second");
  tell(6, last_id(), "expired", "second");
  fleet.run(kWeb, 6, 8, 90);
  EXPECT_EQ(desired(), 5) << "The other one may have acted.";
  tell(8, last_id(), "failed", "provisioning");
  fleet.restart();
  fleet.run(kWeb, 8, 9, 90);
  EXPECT_EQ(desired(), 4);
}

// The next two: what was taken back never counts, whatever was decided after it. Decisions ask for
// absolute capacities, so one that was made on top of it counts if it is carried out.
TEST_F(Outcome, ADecisionOnTopOfOneThatFailedCountsOnceItIsCarriedOut) {
  Fleet& fleet = start(step_rule(0));
  fleet.run(kWeb, 0, 4, 50);
  fleet.run(kWeb, 4, 6, 90);
  ASSERT_EQ(fleet.decisions(), (Lines{"5 web 4>5", "6 web 5>6"}));
  tell(6, fleet.events[0].id(), "failed");
  fleet.run(kWeb, 6, 14, 90);
  EXPECT_EQ(desired(), 4) << "Whether six is reached is known at minute 15.";
  EXPECT_EQ(fleet.decisions().size(), 2U) << "Neither 4>5 nor 6>7 is right in both cases.";
  EXPECT_NE(fleet.group().last_reason.find("waits"), std::string::npos);
  fleet.restart();
  fleet.run(kWeb, 14, 15, 90);
  EXPECT_EQ(fleet.decisions().back(), "15 web 6>7") << "Its expiry passed at minute 14.";
}

TEST_F(Outcome, ADecisionOnTopOfOneThatFailedLeavesNothingWhenItFailsToo) {
  Fleet& fleet = start(step_rule(0));
  fleet.run(kWeb, 0, 4, 50);
  fleet.run(kWeb, 4, 7, 90);
  ASSERT_EQ(fleet.decisions(), (Lines{"5 web 4>5", "6 web 5>6", "7 web 6>7"}));
  tell(7, fleet.events[1].id(), "failed");
  fleet.run(kWeb, 7, 8, 90);
  EXPECT_EQ(desired(), 5) << "The first still stands.";
  tell(8, fleet.events[0].id(), "failed");
  fleet.run(kWeb, 8, 9, 90);
  EXPECT_EQ(desired(), 4);
  tell(9, fleet.events[2].id(), "failed");
  fleet.run(kWeb, 9, 10, 90);
  EXPECT_EQ(fleet.decisions().back(), "10 web 4>5");
}

TEST_F(Outcome, AnActuatorThatIsDownLeavesNoLadderOfDecisions) {
  Fleet& fleet = start(web_rule(kInAfterS));  // The cooldown is shorter than an expiry.
  std::size_t told = 0;
  for (std::int64_t m = 0; m < 45; ++m) {
    if (told < fleet.events.size() && fleet.events[told].expires_s() <= minute(m))
      tell(m, fleet.events[told++].id(), "expired");
    fleet.run(kWeb, m, m + 1, 90);
  }
  EXPECT_EQ(fleet.decisions(), (Lines{"5 web 4>5", "10 web 5>6", "19 web 4>5", "24 web 5>6",
                                      "33 web 4>5", "38 web 5>6"}));
}

TEST_F(Outcome, ADecisionIsTakenBackHoweverLateItIsToldToHaveFailed) {
  Fleet& fleet = start(step_rule(0));
  fleet.run(kWeb, 0, 4, 50);
  fleet.run(kWeb, 4, 6, 90);
  tell(6, fleet.events[0].id(), "failed");
  fleet.run(kWeb, 6, 30, 50);
  EXPECT_EQ(desired(), 6);
  tell(30, fleet.events[1].id(), "expired");
  fleet.run(kWeb, 30, 31, 50);
  EXPECT_EQ(desired(), 4);
}

TEST_F(Outcome, TheNewerOfTwoFailingLeavesTheOlder) {
  Fleet& fleet = start(step_rule(0));
  fleet.run(kWeb, 0, 4, 50);
  fleet.run(kWeb, 4, 6, 90);
  tell(6, fleet.events[1].id(), "failed");
  fleet.run(kWeb, 6, 7, 50);
  EXPECT_EQ(desired(), 5);
}

TEST_F(Outcome, OnlyWhatTheFailedDecisionAddedNoLongerWarms) {
  Fleet& fleet = start(step_rule(3600));
  fleet.run(kWeb, 0, 4, 50);
  fleet.run(kWeb, 4, 5, 90);
  const std::string first = last_id();
  fleet.run(kWeb, 5, 8, 90);
  ASSERT_EQ(fleet.decisions(), (Lines{"5 web 4>5"})) << "One of five warms up for an hour.";
  tell(8, first, "failed");
  fleet.run(kWeb, 8, 9, 90);
  EXPECT_EQ(fleet.decisions(), (Lines{"5 web 4>5", "9 web 4>5"}));
}

TEST_F(Outcome, TheCooldownOfAFailedActionStays) {
  Fleet& fleet = start(web_rule(kInAfterS));
  fleet.run(kWeb, 0, 6, 90);
  tell(6, last_id(), "expired");
  fleet.run(kWeb, 6, 9, 90);
  EXPECT_EQ(desired(), 4);
  EXPECT_EQ(fleet.decisions().size(), 1U);
  EXPECT_EQ(fleet.group().cooldown_until_s, minute(10));
}

TEST_F(Outcome, AFactAboutTheGroupEndsEveryDecisionThatWaited) {
  Fleet& fleet = start(step_rule(0));
  fleet.run(kWeb, 0, 4, 50);
  fleet.run(kWeb, 4, 6, 90);
  proto::LogRecord fact = fleet.observation("web", 7);
  fact.mutable_observation()->set_desired(6);
  fleet.apply(std::move(fact));
  fleet.run(kWeb, 6, 7, 50);
  tell(7, fleet.events[0].id(), "failed");
  tell(7, fleet.events[1].id(), "failed");
  fleet.run(kWeb, 7, 8, 50);
  EXPECT_EQ(desired(), 6);
}

TEST_F(Outcome, NothingIsRemovedByAnyPolicyWhileSomethingWarms) {
  ScalingRule rule = step_rule(600);
  rule.simple = {simple_policy(Comparison::kLess, 30, 60, -1)};
  Fleet& fleet = start(rule);
  fleet.run(kWeb, 0, 4, 50);
  fleet.run(kWeb, 4, 5, 90);
  fleet.run(kWeb, 5, 14, 10);
  EXPECT_EQ(fleet.decisions(), (Lines{"5 web 4>5"}));
  EXPECT_EQ(fleet.group().last_reason, "new capacity warms up: nothing is removed");
  fleet.run(kWeb, 14, 15, 10);
  EXPECT_EQ(fleet.decisions().back(), "15 web 5>4");
}

// EC2 Auto Scaling User Guide, "Instance warmup": whichever policy launched it, for the default
// warm-up, else the group's cooldown.
TEST_F(Outcome, WhatASimplePolicyAddedWarmsForTheStepPoliciesOfItsGroup) {
  for (const std::optional<std::uint32_t> warm_up_s : {std::optional<std::uint32_t>(), {120U}}) {
    ScalingRule rule = step_rule(0);
    rule.step[0].comparison = Comparison::kLess;
    rule.step[0].threshold = 30;
    rule.step[0].steps = {{{}, 0, -2}};
    rule.simple = {simple_policy(Comparison::kGreater, 70, 60, 3)};
    rule.simple[0].cooldown_s = 60;
    rule.default_warm_up_s = warm_up_s;
    Fleet& fleet = start(rule);
    fleet.run(kWeb, 0, 4, 50);
    fleet.run(kWeb, 4, 5, 90);
    fleet.run(kWeb, 5, 10, 10);
    const std::string removal = (warm_up_s ? "7" : "10") + std::string(" web 7>5");
    ASSERT_GE(fleet.decisions().size(), 2U);
    EXPECT_EQ(fleet.decisions()[0], "5 web 4>7");
    EXPECT_EQ(fleet.decisions()[1], removal);
  }
}

TEST_F(Outcome, ACooldownHoldsSimplePoliciesOnly) {
  ScalingRule rule = step_rule(0);
  rule.simple = {simple_policy(Comparison::kGreater, 70, 60, 1)};
  rule.default_warm_up_s = 0;
  rule.step[0].threshold = 90;
  Fleet& fleet = start(rule);
  fleet.run(kWeb, 0, 4, 50);
  fleet.run(kWeb, 4, 6, 80);
  EXPECT_EQ(fleet.decisions(), (Lines{"5 web 4>5"}));
  fleet.run(kWeb, 6, 7, 95);
  EXPECT_EQ(fleet.decisions().back(), "7 web 5>6");
}

TEST_F(Outcome, ForAnyTimeMeansThatManyPeriodsOfTheMetricsOwn) {
  ScalingRule rule = web_rule(kInAfterS);
  rule.simple = {simple_policy(Comparison::kGreater, 70, 301, 1)};  // Two periods of five minutes.
  Fleet& fleet = start(rule);
  for (std::int64_t m = 0; m < 40; m += 5) {
    proto::LogRecord record = Fleet::batch({Fleet::cpu("i-a", m, m < 20 ? 50 : 90)});
    record.mutable_batch()->mutable_datapoints()->set_period_s(0, 300);
    fleet.apply(std::move(record));
    fleet.ticks(m + 5, m + 9);
  }
  ASSERT_FALSE(fleet.decisions().empty());
  EXPECT_EQ(fleet.decisions()[0], "30 web 4>5") << "20-25 and 25-30.";
}

/// Every five minutes in [from, to] one of these, ready to be compared.
Lines every_five(std::int64_t from, std::int64_t to, const std::string& decision) {
  Lines lines;
  for (std::int64_t m = from; m <= to; m += 5)
    lines.push_back(std::to_string(m) + " web " + decision);
  return lines;
}

/// A minute of the group "web" in which its metric says that it has `desired`.
void run_with_capacity(Fleet& fleet, std::int64_t m, double cpu, double desired) {
  const Sample capacity{.metric_namespace = "AWS/AutoScaling",
                        .name = "GroupDesiredCapacity",
                        .dimensions = {{"AutoScalingGroupName", "web"}},
                        .minute = m,
                        .value = desired,
                        .source = "stream"};
  fleet.samples({capacity, Fleet::cpu("i-a", m, cpu), Fleet::cpu("i-b", m, cpu)});
  fleet.tick(m + 1);
}

// The rule's own cooldown is the default one: whenever a decision is 300 s old there is a newer one.
TEST_F(Outcome, AMetricThatContradictsADecisionIsBelievedWhateverWasDecidedSince) {
  for (const double cpu : {90.0, 10.0}) {
    Fleet& fleet = start(web_rule(300));
    for (std::int64_t m = 0; m < 30; ++m) run_with_capacity(fleet, m, cpu, 7);
    EXPECT_EQ(fleet.decisions(), every_five(5, 30, cpu > 50 ? "7>8" : "7>6"));
  }
}

TEST_F(Outcome, WhatAContradictedDecisionAddedNoLongerWarms) {
  Fleet& fleet = start(step_rule(3600));
  for (std::int64_t m = 0; m < 4; ++m) run_with_capacity(fleet, m, 50, 7);
  for (std::int64_t m = 4; m < 10; ++m) run_with_capacity(fleet, m, 90, 7);
  EXPECT_EQ(fleet.decisions(), (Lines{"5 web 7>8", "10 web 7>8"}));
}

TEST_F(Outcome, ADatapointContradictsOnlyDecisionsThatAreOldEnoughForIt) {
  Fleet& fleet = start(step_rule(0));
  for (std::int64_t m = 0; m < 4; ++m) run_with_capacity(fleet, m, 50, 4);
  run_with_capacity(fleet, 4, 90, 4);
  run_with_capacity(fleet, 5, 50, 4);
  run_with_capacity(fleet, 6, 90, 4);
  ASSERT_EQ(fleet.decisions(), (Lines{"5 web 4>5", "7 web 5>6"}));
  for (std::int64_t m = 7; m < 9; ++m) run_with_capacity(fleet, m, 50, 4);
  EXPECT_EQ(desired(), 6);
  run_with_capacity(fleet, 9, 90, 4);
  EXPECT_EQ(desired(), 4) << "Minute 9 is 240 s younger than the first, but not than the second.";
  run_with_capacity(fleet, 10, 90, 4);
  EXPECT_EQ(fleet.decisions().size(), 2U);
  run_with_capacity(fleet, 11, 90, 4);
  EXPECT_EQ(fleet.decisions().back(), "12 web 4>5");
}

TEST_F(Outcome, AMetricConfirmsTheDecisionThatItShowsAndNotTheOnesAfterIt) {
  Fleet& fleet = start(step_rule(0));
  for (std::int64_t m = 0; m < 4; ++m) run_with_capacity(fleet, m, 50, 4);
  for (std::int64_t m = 4; m < 6; ++m) run_with_capacity(fleet, m, 90, 4);
  ASSERT_EQ(fleet.decisions(), (Lines{"5 web 4>5", "6 web 5>6"}));
  tell(6, fleet.events[0].id(), "failed");
  run_with_capacity(fleet, 6, 50, 4);
  EXPECT_EQ(desired(), 4);
  run_with_capacity(fleet, 7, 50, 6);
  EXPECT_EQ(desired(), 6) << "The metric need not wait for the expiry.";
}

// One writer per count: a number that we never ordered is somebody else's.
TEST_F(Outcome, ANumberThatWeNeverOrderedIsBelievedAtOnce) {
  for (const double cpu : {90.0, 10.0}) {
    ScalingRule rule = web_rule(kInAfterS);
    rule.simple[0].for_s = 60;
    rule.cooldown_s = 60;
    Fleet& fleet = start(rule);
    for (std::int64_t m = 0; m < 4; ++m) run_with_capacity(fleet, m, 50, 5);
    run_with_capacity(fleet, 4, 10, 5);
    ASSERT_EQ(fleet.decisions(), (Lines{"5 web 5>4"}));
    run_with_capacity(fleet, 5, cpu, 9);
    EXPECT_EQ(fleet.decisions().back(), cpu > 50 ? "6 web 9>10" : "6 web 9>8");
  }
}

TEST_F(Outcome, AScaleOutNeverOrdersFewerThanTheMetricSays) {
  ScalingRule rule = web_rule(kInAfterS);
  rule.simple[0].for_s = 60;
  rule.simple[1].amount = -4;
  rule.cooldown_s = 60;
  Fleet& fleet = start(rule);
  for (std::int64_t m = 0; m < 4; ++m) run_with_capacity(fleet, m, 50, 9);
  run_with_capacity(fleet, 4, 10, 9);
  ASSERT_EQ(fleet.decisions(), (Lines{"5 web 9>5"}));
  run_with_capacity(fleet, 5, 90, 9);
  run_with_capacity(fleet, 6, 90, 9);
  EXPECT_EQ(fleet.decisions().size(), 1U) << "Six would remove three more than the load allows.";
  EXPECT_EQ(
      fleet.group().last_reason,
      "cpu > 70.0 wants 6, but the group still has 9: what was removed last is not confirmed");
  run_with_capacity(fleet, 7, 90, 5);
  EXPECT_EQ(fleet.decisions().back(), "8 web 5>6");
}

// docs/time.md 7: a decision expires when its record was appended over 5 min after it fell due.
TEST_F(Outcome, ADecisionThatHasExpiredWhenItIsMadeNeverHappened) {
  for (const std::int64_t restart_at : {0, 60, 118}) {
    SCOPED_TRACE(restart_at);
    Fleet& fleet = start(web_rule(kInAfterS));
    fleet.clock(120);  // Two hours of backlog.
    fleet.run(kWeb, 0, restart_at, 90);
    fleet.restart();
    fleet.run(kWeb, restart_at, 126, 90);
    Lines expected = every_five(5, 115, "4>5");  // That of minute 115 is in time: until 123.
    expected.insert(expected.end(), {"120 web 5>6", "125 web 6>7"});
    EXPECT_EQ(fleet.decisions(), expected);
  }
}

TEST_F(Outcome, WhatADecisionThatHasExpiredWouldHaveAddedDoesNotWarm) {
  ScalingRule rule = step_rule(3600);
  rule.step[0].steps = {{0, {}, 2}};
  Fleet& fleet = start(rule);
  fleet.clock(60);
  fleet.run(kWeb, 0, 55, 90);
  ASSERT_EQ(fleet.decisions().size(), 52U) << "None of them holds the next one back until 52.";
  EXPECT_EQ(fleet.decisions().back(), "52 web 4>6");
}

// An action that waited when the process stopped expires when it starts again; what is told of it
// then holds for the backlog as well.
TEST_F(Outcome, WhatBecameOfAnActionIsHeardBeforeTheBacklogIsDecided) {
  Fleet& fleet = start(web_rule(kInAfterS));
  fleet.run(kWeb, 0, 6, 90);
  ASSERT_EQ(fleet.decisions(), (Lines{"5 web 4>5"}));
  fleet.clock(60);
  tell(60, last_id(), "expired");
  fleet.run(kWeb, 6, 56, 90);
  EXPECT_EQ(fleet.decisions(), every_five(5, 55, "4>5"));
}

TEST_F(Outcome, NewPoliciesKeepTheGroupsCapacityAndItsCooldown) {
  Fleet& fleet = start(web_rule(kInAfterS));
  fleet.run(kWeb, 0, 6, 90);
  ASSERT_EQ(desired(), 5);
  ScalingRule changed = web_rule(kInAfterS);
  changed.simple[0].threshold = 60;
  changed.simple[0].for_s = 60;
  fleet.set_rules(only(changed));
  EXPECT_EQ(desired(), 5);
  fleet.run(kWeb, 6, 12, 90);
  EXPECT_EQ(fleet.decisions(), (Lines{"5 web 4>5", "10 web 5>6"}));
}

TEST_F(Outcome, AnotherGroupUnderTheSameNameStartsAnew) {
  ScalingRule rule = web_rule(kInAfterS);
  rule.name = "scale";
  Fleet& fleet = start(rule);
  fleet.run(kWeb, 0, 6, 90);
  ASSERT_EQ(desired(), 5);
  rule.group.name = "other";
  rule.desired = 3;
  fleet.set_rules(only(rule));
  EXPECT_EQ(desired(), 3);
  EXPECT_EQ(fleet.group().cooldown_until_s, 0);
}

}  // namespace
}  // namespace fleetmeter::alarms
