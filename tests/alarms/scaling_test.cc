#include "alarms/scaling.h"

#include <gtest/gtest.h>

#include <random>

namespace fleetmeter::alarms {
namespace {

std::int64_t percent(std::int64_t current, std::int64_t amount, std::int64_t magnitude = 0) {
  return adjusted(Adjustment::kPercent, current, amount, magnitude);
}

TEST(PercentChange, RoundsTowardZeroButNeverToZero) {
  EXPECT_EQ(percent_change(127, 10), 12);  // 12.7
  EXPECT_EQ(percent_change(67, 1), 1);     // 0.67
  EXPECT_EQ(percent_change(58, -1), -1);   // -0.58
  EXPECT_EQ(percent_change(667, -1), -6);  // -6.67
  EXPECT_EQ(percent_change(10, 10), 1);
  EXPECT_EQ(percent_change(10, 0), 0);
  EXPECT_EQ(percent_change(0, 50), 0);
}

TEST(Adjusted, FollowsThePublishedExamples) {
  EXPECT_EQ(adjusted(Adjustment::kChange, 3, 5, 0), 8);
  EXPECT_EQ(adjusted(Adjustment::kExact, 3, 5, 0), 5);
  EXPECT_EQ(percent(10, 10), 11);
  EXPECT_EQ(percent(4, 25, 2), 6);
}

TEST(Arbitrate, FollowsThePublishedExamplesOfSeveralPolicies) {
  const auto largest = [](std::int64_t current, std::vector<std::int64_t> capacities) {
    std::vector<Wish> wishes;
    for (const std::int64_t capacity : capacities) {
      Wish one;
      one.capacity = capacity;
      wishes.push_back(one);
    }
    return arbitrate(wishes, current, {0, 1000}, true).desired;
  };
  EXPECT_EQ(largest(8, {8 - 3, percent(8, -25)}), 6);      // In by 3 or by 25 %.
  EXPECT_EQ(largest(10, {10 + 3, percent(10, 200)}), 30);  // Out by 3 or by 200 %.
  EXPECT_EQ(largest(4, {4 + 1, 4 + 2}), 6);
}

TEST(Adjusted, MagnitudeFollowsTheDirectionAndLeavesZeroAlone) {
  EXPECT_EQ(percent(10, -10, 3), 7);
  EXPECT_EQ(percent(10, 0, 3), 10);
  EXPECT_EQ(percent(0, 10, 3), 0);
}

TEST(Adjusted, IsNeverNegativeAndNeverWraps) {
  EXPECT_EQ(adjusted(Adjustment::kChange, 2, -5, 0), 0);
  EXPECT_EQ(adjusted(Adjustment::kExact, 2, -5, 0), 0);
  EXPECT_GT(percent(INT64_MAX / 2, INT64_MAX), 0);
}

StepPolicy out_policy() {
  return {.metric = "cpu",
          .comparison = Comparison::kGreaterOrEqual,
          .threshold = 50,
          .for_s = 60,
          .adjustment = Adjustment::kPercent,
          .min_adjustment_magnitude = 0,
          .steps = {{0, 10, 0}, {10, 20, 10}, {20, {}, 30}},
          .warm_up_s = {}};
}
StepPolicy in_policy() {
  return {.metric = "cpu",
          .comparison = Comparison::kLessOrEqual,
          .threshold = 50,
          .for_s = 60,
          .adjustment = Adjustment::kPercent,
          .min_adjustment_magnitude = 0,
          .steps = {{-10, 0, 0}, {-20, -10, -10}, {{}, -20, -30}},
          .warm_up_s = {}};
}
std::int64_t after(double metric, std::int64_t current, std::int64_t warming = 0) {
  const StepPolicy policy = metric > 50 ? out_policy() : in_policy();
  return step_wish(policy, *step_of(policy, metric), current, warming);
}

TEST(StepScaling, FollowsThePublishedWalkThrough) {
  EXPECT_EQ(after(60, 10), 11);
  EXPECT_EQ(after(70, 11), 14);
  EXPECT_EQ(after(40, 14), 13);
  EXPECT_EQ(after(30, 13), 10);
  for (const double metric : {41.0, 50.0, 59.9}) EXPECT_EQ(after(metric, 10), 10) << metric;
}

TEST(StepScaling, IncludesTheLowerBoundOnTheWayOutAndTheUpperOnTheWayIn) {
  EXPECT_EQ(step_of(out_policy(), 60)->amount, 10);
  EXPECT_EQ(step_of(out_policy(), 59.99)->amount, 0);
  EXPECT_EQ(step_of(in_policy(), 40)->amount, -10);
  EXPECT_EQ(step_of(in_policy(), 40.01)->amount, 0);
  EXPECT_EQ(step_of(out_policy(), 49.9), nullptr);
}

TEST(StepScaling, DecimalsOnABoundAreOnItThoughTheirBinaryFractionsAreNot) {
  StepPolicy out = out_policy();
  out.threshold = 0.1;
  out.steps = {{0, 0.2, 1}, {0.2, {}, 5}};
  EXPECT_EQ(step_of(out, 0.3)->amount, 5);
  EXPECT_EQ(step_of(out, 0.299999999999999)->amount, 1) << "15 digits are told apart.";
  EXPECT_EQ(step_of(out, (0.1 + 0.2 + 0.6) / 3)->amount, 5) << "So is a rounded average.";
  StepPolicy in = in_policy();
  in.threshold = 0.8;
  in.steps = {{-0.1, 0, 1}, {{}, -0.1, 5}};
  EXPECT_EQ(step_of(in, 0.7)->amount, 5);
  EXPECT_EQ(step_of(in, 0.700000000000001)->amount, 1);
}

/// Tenths against whole numbers of tenths: exact decimal arithmetic.
TEST(StepScaling, EveryValueInTenthsPicksTheStepThatDecimalArithmeticPicks) {
  for (int threshold = -20; threshold <= 20; ++threshold) {
    for (int bound = 1; bound <= 20; ++bound) {
      for (int value = threshold; value <= threshold + 40; ++value) {
        StepPolicy out = out_policy();
        out.threshold = threshold / 10.0;
        out.steps = {{0, bound / 10.0, 1}, {bound / 10.0, {}, 5}};
        ASSERT_EQ(step_of(out, value / 10.0)->amount, value - threshold >= bound ? 5 : 1)
            << threshold << " + " << bound << " against " << value;
        StepPolicy in = in_policy();
        in.threshold = -threshold / 10.0;
        in.steps = {{-bound / 10.0, 0, 1}, {{}, -bound / 10.0, 5}};
        ASSERT_EQ(step_of(in, -value / 10.0)->amount, value - threshold >= bound ? 5 : 1)
            << -threshold << " - " << bound << " against " << -value;
      }
    }
  }
}

TEST(StepScaling, WarmingInstancesCountSoThatARepeatedBreachAddsOnceAndAHigherStepTheDifference) {
  EXPECT_EQ(after(62, 11, 1), 11);
  EXPECT_EQ(after(70, 11, 1), 13);
}

TEST(StepScaling, NothingIsRemovedWhileAnythingWarms) {
  EXPECT_EQ(after(30, 13, 2), 13);
  EXPECT_EQ(after(30, 13, 0), 10);
}

Wish wish(std::int64_t capacity) {
  return {.policy = "p",
          .capacity = capacity,
          .metric_value = 0,
          .simple = true,
          .cooldown_s = 0,
          .warm_up_s = 0};
}

TEST(Arbitrate, TheLargestCapacityWinsOutAndIn) {
  const std::vector<Wish> out{wish(13), wish(30)};
  EXPECT_EQ(arbitrate(out, 10, {0, 100}, true).desired, 30);
  const std::vector<Wish> in{wish(5), wish(6)};
  EXPECT_EQ(arbitrate(in, 8, {0, 100}, true).desired, 6);
  const std::vector<Wish> both{wish(5), wish(9)};
  EXPECT_EQ(arbitrate(both, 8, {0, 100}, true).desired, 9);
}

TEST(Arbitrate, ClampsToTheLimitsAndSaysWhenTheMaximumCut) {
  const std::vector<Wish> out{wish(5)};
  EXPECT_EQ(arbitrate(out, 2, {0, 3}, true).desired, 3);
  EXPECT_TRUE(arbitrate(out, 2, {0, 3}, true).cut);
  EXPECT_FALSE(arbitrate(out, 2, {0, 5}, true).cut);
  const std::vector<Wish> in{wish(1)};
  EXPECT_EQ(arbitrate(in, 3, {2, 10}, true).desired, 2);
}

TEST(Arbitrate, ALimitNeverTurnsAWishRound) {
  const std::vector<Wish> out{wish(13)};
  EXPECT_EQ(arbitrate(out, 12, {0, 10}, true).desired, 12);
  const std::vector<Wish> in{wish(1)};
  EXPECT_EQ(arbitrate(in, 2, {4, 10}, true).desired, 2);
}

TEST(Arbitrate, InvalidInputForbidsScaleInButNotScaleOut) {
  const std::vector<Wish> in{wish(5)};
  EXPECT_EQ(arbitrate(in, 8, {0, 100}, false).winner, nullptr);
  const std::vector<Wish> both{wish(5), wish(9)};
  EXPECT_EQ(arbitrate(both, 8, {0, 100}, false).desired, 9);
}

TEST(Arbitrate, NoWishIsNoChange) {
  EXPECT_EQ(arbitrate({}, 8, {0, 100}, true).winner, nullptr);
  EXPECT_EQ(arbitrate({}, 8, {0, 100}, true).desired, 8);
}

TEST(Arbitrate, AWishForTheCurrentCapacityWinsAgainstRemovingButNotAgainstAdding) {
  const std::vector<Wish> in{wish(7), wish(8)};
  for (const bool scale_in_allowed : {true, false}) {
    const Decision kept = arbitrate(in, 8, {0, 100}, scale_in_allowed);
    EXPECT_EQ(kept.winner, &in[1]);
    EXPECT_EQ(kept.desired, 8);
    EXPECT_FALSE(kept.cut);
  }
  const std::vector<Wish> out{wish(8), wish(9)};
  EXPECT_EQ(arbitrate(out, 8, {0, 100}, true).desired, 9);
}

TEST(Arbitrate, AWishForTheCurrentCapacityMovesNoGroupThatIsOutsideItsLimits) {
  const std::vector<Wish> same{wish(8)};
  EXPECT_EQ(arbitrate(same, 8, {0, 5}, true).desired, 8);
  EXPECT_FALSE(arbitrate(same, 8, {0, 5}, true).cut);
  EXPECT_EQ(arbitrate(same, 8, {10, 20}, true).desired, 8);
}

TEST(Limits, TheQuotaCapsTheMaximumAndTheMinimum) {
  EXPECT_EQ(limits_of(2, 200, 100).maximum, 100);
  EXPECT_EQ(limits_of(2, 10, 100).maximum, 10);
  EXPECT_EQ(limits_of(8, {}, 5).minimum, 5);
}

TEST(ScalingProperty, DesiredStaysInsideTheLimitsOrWhereItWas) {
  std::mt19937 random(11);
  std::uniform_int_distribution<std::int64_t> small(0, 40);
  for (int round = 0; round < 20'000; ++round) {
    std::vector<Wish> wishes;
    for (std::int64_t i = small(random) % 4; i > 0; --i) wishes.push_back(wish(small(random)));
    const std::int64_t current = small(random);
    const CapacityLimits limits = limits_of(small(random), small(random), small(random));
    const Decision decision = arbitrate(wishes, current, limits, true);
    const bool inside = decision.desired >= limits.minimum && decision.desired <= limits.maximum;
    ASSERT_TRUE(inside || decision.desired == current) << round;
  }
}

}  // namespace
}  // namespace fleetmeter::alarms
