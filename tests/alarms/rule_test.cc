#include "alarms/rule.h"

#include <gtest/gtest.h>

#include <limits>

namespace fleetmeter::alarms {
namespace {

AlarmRule cpu_rule() {
  AlarmRule rule;
  rule.name = "cpu";
  rule.metric = {.metric_namespace = "AWS/EC2",
                 .name = "CPUUtilization",
                 .statistic = "Average",
                 .dimensions = {},
                 .exact = false};
  rule.threshold = 80;
  return rule;
}

ScalingRule step_rule(std::vector<Step> steps) {
  ScalingRule rule;
  rule.group.name = "web";
  rule.metrics["cpu"] = {};
  rule.step.push_back({.metric = "cpu",
                       .comparison = Comparison::kGreaterOrEqual,
                       .threshold = 50,
                       .for_s = 60,
                       .adjustment = Adjustment::kPercent,
                       .min_adjustment_magnitude = 0,
                       .steps = std::move(steps),
                       .warm_up_s = {}});
  return rule;
}

TEST(Breaches, TakesTheStatisticAsLeftOperand) {
  EXPECT_TRUE(breaches(Comparison::kGreater, 81, 80));
  EXPECT_FALSE(breaches(Comparison::kGreater, 80, 80));
  EXPECT_TRUE(breaches(Comparison::kGreaterOrEqual, 80, 80));
  EXPECT_TRUE(breaches(Comparison::kLess, 79, 80));
  EXPECT_FALSE(breaches(Comparison::kLess, 80, 80));
  EXPECT_TRUE(breaches(Comparison::kLessOrEqual, 80, 80));
}

TEST(Breaches, ZeroIsAValueLikeAnyOther) { EXPECT_TRUE(breaches(Comparison::kLessOrEqual, 0, 0)); }

TEST(ValidateAlarm, TakesWhatCloudWatchTakes) {
  for (const std::uint32_t period_s : {10U, 20U, 30U, 60U, 300U, 86'400U}) {
    AlarmRule rule = cpu_rule();
    rule.period_s = period_s;
    EXPECT_TRUE(validate(rule)) << period_s;
  }
}

TEST(ValidateAlarm, NamesWhatIsWrong) {
  const auto reason = [](auto change) {
    AlarmRule rule = cpu_rule();
    change(rule);
    const Result<void> result = validate(rule);
    return result ? std::string() : result.error().message;
  };
  EXPECT_NE(reason([](AlarmRule& r) { r.period_s = 45; }).find("period"), std::string::npos);
  EXPECT_NE(reason([](AlarmRule& r) { r.datapoints_to_alarm = 2; }).find("exceed"),
            std::string::npos);
  EXPECT_NE(reason([](AlarmRule& r) { r.datapoints_to_alarm = 0; }).find("at least 1"),
            std::string::npos);
  EXPECT_NE(reason([](AlarmRule& r) { r.evaluation_periods = 1441; }).find("over a day"),
            std::string::npos);
  EXPECT_NE(reason([](AlarmRule& r) { r.evaluation_periods = 3, r.range_slots = 2; }).find("range"),
            std::string::npos);
  EXPECT_NE(reason([](AlarmRule& r) {
              r.threshold = std::numeric_limits<double>::quiet_NaN();
            }).find("finite"),
            std::string::npos);
  EXPECT_NE(reason([](AlarmRule& r) { r.name.clear(); }).find("name"), std::string::npos);
}

TEST(ValidateAlarm, CountsTheCharactersOfNamesAndDescriptionsNotTheirBytes) {
  AlarmRule rule = cpu_rule();
  rule.name.clear();
  for (int i = 0; i < 255; ++i) rule.name += "\u00e4";
  EXPECT_TRUE(validate(rule));
  rule.name += 'a';
  ASSERT_FALSE(validate(rule));
  EXPECT_NE(validate(rule).error().message.find("255"), std::string::npos);
  rule = cpu_rule();
  rule.description.assign(1024, 'd');
  EXPECT_TRUE(validate(rule));
  rule.description += 'd';
  EXPECT_FALSE(validate(rule));
}

TEST(ValidateAlarm, RefusesControlCharactersInANameAndStatisticsThatCloudWatchDoesNotKnow) {
  AlarmRule rule = cpu_rule();
  rule.name = "a\tb";
  ASSERT_FALSE(validate(rule));
  EXPECT_NE(validate(rule).error().message.find("control"), std::string::npos);
  rule = cpu_rule();
  rule.metric.statistic = "tmfoo";
  ASSERT_FALSE(validate(rule));
  EXPECT_NE(validate(rule).error().message.find("tmfoo"), std::string::npos);
}

TEST(ValidateAlarm, LowSamplesAreForPercentilesAlone) {
  AlarmRule rule = cpu_rule();
  rule.ignore_low_samples = true;
  EXPECT_FALSE(validate(rule));
  for (const char* other : {"p100", "tm99", "IQM"}) {
    rule.metric.statistic = other;
    EXPECT_FALSE(validate(rule)) << other;
  }
  rule.metric.statistic = "p99";
  EXPECT_TRUE(validate(rule));
}

TEST(SamplesNeeded, AreThoseThatCloudWatchStates) {
  const std::pair<const char*, std::uint64_t> stated[] = {
      {"p50", 20}, {"p90", 100}, {"p95", 200}, {"p99", 1000}, {"p99.9", 10000},
      {"p25", 40}, {"p10", 100}, {"p1", 1000}, {"p100", 0},   {"Average", 0}};
  for (const auto& [statistic, samples] : stated)
    EXPECT_EQ(samples_needed(statistic), samples) << statistic;
}

TEST(ValidateAlarm, TakesTheLongestWindowsAndNoMore) {
  const auto valid = [](std::uint32_t period_s, std::uint32_t n) {
    AlarmRule rule = cpu_rule();
    rule.period_s = period_s;
    rule.evaluation_periods = n;
    return validate(rule).has_value();
  };
  EXPECT_TRUE(valid(60, 1440));
  EXPECT_FALSE(valid(60, 1441));
  EXPECT_TRUE(valid(10, 8640));
  EXPECT_FALSE(valid(10, 8641));
  EXPECT_TRUE(valid(3600, 168));
  EXPECT_FALSE(valid(3600, 169));
  EXPECT_TRUE(valid(86'400, 7));
  EXPECT_FALSE(valid(1800, 49)) << "Over a day only with periods of an hour or more.";
}

TEST(DefaultMissing, DynamoDbIgnoresMissingDataUnlessARuleSaysOtherwise) {
  EXPECT_EQ(default_missing("AWS/DynamoDB"), MissingData::kIgnore);
  EXPECT_EQ(default_missing("AWS/EC2"), MissingData::kMissing);
}

TEST(ValidateScaling, AMagnitudeBelongsToPercentAndNoExactCapacityIsNegative) {
  ScalingRule rule = step_rule({{0, {}, 10}});
  rule.step[0].min_adjustment_magnitude = 2;
  EXPECT_TRUE(validate(rule));
  rule.step[0].adjustment = Adjustment::kChange;
  ASSERT_FALSE(validate(rule));
  EXPECT_NE(validate(rule).error().message.find("percent"), std::string::npos);
  rule = step_rule({{0, {}, -1}});
  rule.step[0].adjustment = Adjustment::kExact;
  EXPECT_FALSE(validate(rule));
  rule = step_rule({{0, {}, 1}});
  rule.metrics["cpu"].statistic = "median";
  EXPECT_FALSE(validate(rule));
}

TEST(ValidateScaling, TakesThePublishedStepsInAnyOrder) {
  EXPECT_TRUE(validate(step_rule({{20, {}, 30}, {0, 10, 0}, {10, 20, 10}})));
  EXPECT_TRUE(validate(step_rule({{-10, 0, 0}, {-20, -10, -10}, {{}, -20, -30}})));
}

TEST(ValidateScaling, RefusesGapsOverlapsAndBoundsThatLeaveSomethingOut) {
  const auto reason = [](std::vector<Step> steps) {
    const Result<void> result = validate(step_rule(std::move(steps)));
    return result ? std::string() : result.error().message;
  };
  EXPECT_NE(reason({}).find("at least one"), std::string::npos);
  EXPECT_NE(reason({{{}, {}, 1}}).find("lower or an upper"), std::string::npos);
  EXPECT_NE(reason({{0, 10, 1}, {11, {}, 2}}).find("gap"), std::string::npos);
  EXPECT_NE(reason({{0, 10, 1}, {9, {}, 2}}).find("overlap"), std::string::npos);
  EXPECT_NE(reason({{0, {}, 1}, {10, {}, 2}}).find("lack an upper"), std::string::npos);
  EXPECT_NE(reason({{{}, 0, 1}, {{}, 10, 2}}).find("lack a lower"), std::string::npos);
  EXPECT_NE(reason({{5, 5, 1}}).find("above its lower"), std::string::npos);
  EXPECT_NE(reason({{-10, 0, 1}}).find("negative lower"), std::string::npos);
  EXPECT_NE(reason({{0, 10, 1}}).find("positive upper"), std::string::npos);
}

TEST(ValidateScaling, RefusesAPolicyOnAnUnknownMetricAndImpossibleSizes) {
  ScalingRule rule = step_rule({{0, {}, 1}});
  rule.step[0].metric = "memory";
  ASSERT_FALSE(validate(rule));
  EXPECT_NE(validate(rule).error().message.find("memory"), std::string::npos);
  rule = step_rule({{0, {}, 1}});
  rule.minimum = 5;
  rule.maximum = 4;
  EXPECT_FALSE(validate(rule));
}

}  // namespace
}  // namespace fleetmeter::alarms
