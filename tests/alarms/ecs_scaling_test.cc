// Step scaling of ECS services: Application Auto Scaling's cooldowns instead of a warm-up.
#include <gtest/gtest.h>

#include "alarms/scaling.h"
#include "tests/alarms/fleet_fixture.h"

namespace fleetmeter::alarms {
namespace {

using Lines = std::vector<std::string>;

StepPolicy step_policy(Comparison comparison, double threshold, std::vector<Step> steps) {
  StepPolicy policy;
  policy.metric = "cpu";
  policy.comparison = comparison;
  policy.threshold = threshold;
  policy.for_s = 60;
  policy.steps = std::move(steps);
  return policy;
}

ScalingRule service_rule() {
  ScalingRule rule;
  rule.group = {.kind = GroupRef::Kind::kEcsService, .name = "shop/cart"};
  rule.minimum = 1;
  rule.maximum = 20;
  rule.desired = 10;
  rule.metrics["cpu"].metric_namespace = "AWS/ECS";
  rule.metrics["cpu"].name = "CPUUtilization";
  rule.step = {step_policy(Comparison::kGreaterOrEqual, 70, {{0, 10, 2}, {10, {}, 3}}),
               step_policy(Comparison::kLessOrEqual, 30, {{{}, 0, -2}})};
  rule.act = {"provisioning"};
  return rule;
}

Sample service_cpu(std::int64_t m, double value, const std::string& service = "cart") {
  Sample sample = Fleet::cpu("", m, value);
  sample.metric_namespace = "AWS/ECS";
  sample.dimensions = {{"ClusterName", "shop"}, {"ServiceName", service}};
  return sample;
}

void run(Fleet& fleet, std::int64_t from, std::int64_t to, double value) {
  for (std::int64_t m = from; m < to; ++m) {
    fleet.samples({service_cpu(m, value)});
    fleet.tick(m + 1);
  }
}

TEST(EcsScaling, WithinTheCooldownWhatTheLastScaleOutAddedCounts) {
  Fleet fleet(only(service_rule()));
  run(fleet, 0, 6, 50);
  run(fleet, 6, 8, 75);  // Adds two, once.
  run(fleet, 8, 9, 85);  // Asks for three: one more.
  EXPECT_EQ(fleet.decisions(), (Lines{"7 shop/cart 10>12", "9 shop/cart 12>13"}));
}

TEST(EcsScaling, AScaleInHoldsTheNextOneBackForTheCooldownOfItsPolicy) {
  ScalingRule rule = service_rule();
  rule.step[1].cooldown_s = 240;
  Fleet fleet(only(rule));
  run(fleet, 0, 6, 50);
  run(fleet, 6, 15, 20);
  EXPECT_EQ(fleet.decisions(), (Lines{"7 shop/cart 10>8", "11 shop/cart 8>6", "15 shop/cart 6>4"}));
  EXPECT_NE(fleet.group().last_reason.find("4"), std::string::npos);
}

TEST(EcsScaling, TheCooldownIsThreeHundredSecondsWhereNobodySaysOtherwise) {
  Fleet fleet(only(service_rule()));
  run(fleet, 0, 6, 50);
  run(fleet, 6, 13, 20);
  EXPECT_EQ(fleet.decisions(), (Lines{"7 shop/cart 10>8", "12 shop/cart 8>6"}));
}

TEST(EcsScaling, AScaleOutIsImmediateAndEndsTheCooldownOfAScaleIn) {
  Fleet fleet(only(service_rule()));
  run(fleet, 0, 6, 50);
  run(fleet, 6, 7, 20);
  run(fleet, 7, 8, 75);
  run(fleet, 8, 9, 20);
  EXPECT_EQ(fleet.decisions(), (Lines{"7 shop/cart 10>8", "8 shop/cart 8>10", "9 shop/cart 10>8"}));
}

TEST(EcsScaling, ThereIsNoWarmUpThatBlocksAScaleIn) {
  Fleet fleet(only(service_rule()));
  run(fleet, 0, 6, 50);
  run(fleet, 6, 7, 75);
  run(fleet, 7, 8, 20);
  EXPECT_EQ(fleet.decisions(), (Lines{"7 shop/cart 10>12", "8 shop/cart 12>10"}));
}

TEST(EcsScaling, OnlyTheServiceItselfIsRead) {
  Fleet fleet(only(service_rule()));
  run(fleet, 0, 6, 50);
  for (std::int64_t m = 6; m < 12; ++m) {
    Sample cluster = service_cpu(m, 99);
    cluster.dimensions.pop_back();
    fleet.samples({service_cpu(m, 50), service_cpu(m, 99, "search"), cluster});
    fleet.tick(m + 1);
  }
  EXPECT_TRUE(fleet.decisions().empty());
}

TEST(EcsScaling, TheServicesOwnMetricTellsItsTaskCount) {
  ScalingRule rule = service_rule();
  rule.desired.reset();
  Fleet fleet(only(rule));
  for (std::int64_t m = 0; m < 7; ++m) {
    Sample desired = service_cpu(m, 4);
    desired.metric_namespace = "ECS/ContainerInsights";
    desired.name = "DesiredTaskCount";
    Sample running = desired;
    running.name = "RunningTaskCount";
    running.value = 3;
    fleet.samples({desired, running, service_cpu(m, m < 6 ? 50 : 75)});
    fleet.tick(m + 1);
  }
  EXPECT_EQ(fleet.decisions(), (Lines{"7 shop/cart 4>6"}));
  EXPECT_EQ(fleet.group().in_service, 3);
}

TEST(EcsScaling, ASnapshotKeepsItsCooldown) {
  Fleet fleet(only(service_rule()));
  run(fleet, 0, 6, 50);
  run(fleet, 6, 8, 20);
  fleet.restart();
  run(fleet, 8, 12, 20);
  EXPECT_EQ(fleet.decisions(), (Lines{"7 shop/cart 10>8", "12 shop/cart 8>6"}));
}

TEST(EcsScaling, KnowsNoWarmUpAndOthersKnowNoCooldownOfAStepPolicy) {
  ScalingRule rule = service_rule();
  rule.step[0].warm_up_s = 60;
  ASSERT_FALSE(validate(rule));
  EXPECT_NE(validate(rule).error().message.find("no warm-up"), std::string::npos);
  rule = service_rule();
  rule.default_warm_up_s = 60;
  EXPECT_FALSE(validate(rule));
  rule = service_rule();
  rule.step[0].cooldown_s = 60;
  EXPECT_TRUE(validate(rule));
  rule.group = {.kind = GroupRef::Kind::kAsg, .name = "web"};
  ASSERT_FALSE(validate(rule));
  EXPECT_NE(validate(rule).error().message.find("warm-up"), std::string::npos);
}

}  // namespace
}  // namespace fleetmeter::alarms
