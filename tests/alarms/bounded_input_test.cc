// Of bounded input everything is there before the first tick, and nothing of it may tell in a minute
// before it came (docs/time.md 8).
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "tests/alarms/fleet_fixture.h"

namespace fleetmeter::alarms {
namespace {

using Lines = std::vector<std::string>;
using Dimensions = std::vector<std::pair<std::string, std::string>>;

void add_minutes(std::vector<Sample>& samples, const Dimensions& dimensions, std::int64_t from,
                 const std::vector<double>& values) {
  for (const double value : values) {
    Sample& sample = samples.emplace_back();
    sample.dimensions = dimensions;
    sample.minute = from++;
    sample.value = value;
  }
}

constexpr std::int64_t kMinutes = 20;

/// The samples at once, then a tick a minute; a restart behind tick `restart_at`.
std::vector<proto::Event> events_of_bounded(const RuleSet& rules,
                                            const std::vector<Sample>& samples,
                                            std::int64_t restart_at = -1,
                                            std::uint32_t period_s = 60) {
  Fleet fleet(rules, Fleet::Input::kBounded);
  proto::LogRecord batch = Fleet::batch(samples);
  for (std::uint32_t& of_one : *batch.mutable_batch()->mutable_datapoints()->mutable_period_s())
    of_one = period_s;
  fleet.apply(std::move(batch));
  proto::LogRecord end;
  end.mutable_input_end()->set_event_time_min_s(minute(0));
  end.mutable_input_end()->set_event_time_max_s(minute(kMinutes) - 1);
  fleet.apply(std::move(end));
  for (std::int64_t m = 0; m <= kMinutes; ++m) {
    fleet.tick(m);
    if (m == restart_at) fleet.restart();
  }
  return std::move(fleet.events);
}

/// The samples of each minute as it ends.
std::vector<proto::Event> events_of_live(const RuleSet& rules, const std::vector<Sample>& samples) {
  Fleet fleet(rules);
  for (std::int64_t m = 0; m < kMinutes; ++m) {
    fleet.tick(m);
    std::vector<Sample> now;
    for (const Sample& sample : samples) {
      if (sample.minute == m) now.push_back(sample);
    }
    if (!now.empty()) fleet.samples(now);
  }
  fleet.tick(kMinutes);
  return std::move(fleet.events);
}

Lines lines(const std::vector<proto::Event>& events) {
  Lines out;
  for (const proto::Event& event : events) {
    out.push_back(std::to_string((event.time_s() - kMidnightS) / 60) + " " + event.type() + " " +
                  event.to());
    if (event.has_scaling())
      out.back() += std::to_string(event.scaling().current()) + ">" +
                    std::to_string(event.scaling().desired());
  }
  return out;
}

void expect_as_live(const RuleSet& rules, const std::vector<Sample>& samples) {
  const Lines live = lines(events_of_live(rules, samples));
  EXPECT_EQ(lines(events_of_bounded(rules, samples)), live);
  for (std::int64_t m = 0; m <= kMinutes; ++m)
    EXPECT_EQ(lines(events_of_bounded(rules, samples, m)), live) << "restarted at " << m;
}

TEST(BoundedInput, AMoreDetailedSetThatComesLaterTakesNothingOfEarlierMinutes) {
  std::vector<Sample> samples;
  add_minutes(samples, {{"InstanceId", "i-a"}}, 0, {0, 95, 95, 0, 0, 0, 0, 0, 0, 0});
  add_minutes(samples, {{"InstanceId", "i-a"}, {"Process", "1"}}, 9, {0, 0, 95});
  const RuleSet rules = only(cpu_alarm());
  expect_as_live(rules, samples);
  EXPECT_EQ(
      lines(events_of_bounded(rules, samples)),
      (Lines{"1 alarm.state_changed OK", "2 alarm.state_changed ALARM", "4 alarm.state_changed OK",
             "12 alarm.state_changed ALARM", "15 alarm.state_changed INSUFFICIENT_DATA"}));
}

TEST(BoundedInput, TheExactSeriesThatComesLaterIsReadFromThenOn) {
  AlarmRule rule = cpu_alarm();
  rule.for_each.clear();
  rule.metric.dimensions = {{"InstanceId", "i-a"}};
  std::vector<Sample> samples;
  add_minutes(samples, {{"InstanceId", "i-a"}, {"Process", "1"}}, 0,
              {0, 95, 95, 0, 0, 0, 95, 95, 95, 95});
  add_minutes(samples, {{"InstanceId", "i-a"}}, 6, {0, 0, 0, 0});
  expect_as_live(only(rule), samples);
}

TEST(BoundedInput, MachinesThatAreSeenLaterTakeNoDecisionOfTheGroupsOwnSeries) {
  ScalingRule rule = web_rule();
  rule.desired = 10;
  rule.simple[0].for_s = 60;
  std::vector<Sample> samples;
  add_minutes(samples, {{"AutoScalingGroupName", "web"}}, 0, {50, 80, 80, 80, 80, 50, 50, 50});
  add_minutes(samples, {{"AutoScalingGroupName", "web"}, {"InstanceId", "i-a"}}, 6, {80, 50, 50});
  const Lines made = lines(events_of_bounded(only(rule), samples));
  EXPECT_FALSE(made.empty());
  expect_as_live(only(rule), samples);
}

TEST(BoundedInput, AHeartbeatIsMissedBeforeItsFirstDatapoint) {
  AlarmRule rule = cpu_alarm(80, 2, 3, MissingData::kBreaching);
  rule.for_each.clear();
  std::vector<Sample> samples;
  Sample clock = Fleet::cpu("i-a", 0, 0);
  clock.name = "clock";
  for (; clock.minute < kMinutes; ++clock.minute) samples.push_back(clock);
  add_minutes(samples, {{"InstanceId", "i-a"}}, 10, std::vector<double>(10, 0.0));
  // At 4 all of the newest four slots were heard; with fewer the unknown ones would decide.
  const Lines wanted{"4 alarm.state_changed ALARM", "12 alarm.state_changed OK"};
  EXPECT_EQ(lines(events_of_bounded(only(rule), samples)), wanted);
  for (std::int64_t m = 0; m <= kMinutes; ++m)
    EXPECT_EQ(lines(events_of_bounded(only(rule), samples, m)), wanted) << "restarted at " << m;
}

// docs/time.md 6; one metric's family has the period of five minutes, the other's datapoints say it.
TEST(BoundedInput, WhatEndedBeforeItsBeginIsUnknownAndNotMissing) {
  for (const char* name : {"NetworkPacketsIn", "CPUUtilization"}) {
    for (const std::uint32_t n : {1U, 2U}) {
      AlarmRule rule = cpu_alarm(50, 1, n, MissingData::kBreaching);
      rule.metric.name = name;
      rule.for_each.clear();
      rule.period_s = 300;
      std::vector<Sample> samples;
      for (std::int64_t m = 0; m < kMinutes; m += 5) {
        samples.push_back(Fleet::cpu("i-a", m, 1));
        samples.back().name = name;
      }
      const Lines wanted{n == 1 ? "5 alarm.state_changed OK" : "10 alarm.state_changed OK"};
      for (std::int64_t m = -1; m <= kMinutes; ++m) {
        EXPECT_EQ(lines(events_of_bounded(only(rule), samples, m, 300)), wanted)
            << name << " restarted at " << m;
      }
    }
  }
}

// docs/time.md 5: a quiet series is advanced in ranges. Walked minute by minute, the gap takes 26
// million evaluations of each alarm.
TEST(BoundedInput, AGapOfYearsIsNotWalkedMinuteByMinute) {
  constexpr std::int64_t kDay = 1440, kGap = 50 * 365 * kDay;
  RuleSet rules = only(cpu_alarm());
  rules.alarms.push_back(cpu_alarm(80, 3, 5, MissingData::kBreaching));
  rules.alarms[1].name = "all";
  rules.alarms[1].for_each.clear();
  for (const bool restarts : {false, true}) {
    Fleet fleet(rules, Fleet::Input::kBounded);
    std::vector<Sample> samples;
    for (const char* machine : {"i-a", "i-b", "i-c"}) {
      samples.push_back(Fleet::cpu(machine, 0, 95));
      samples.push_back(Fleet::cpu(machine, kGap, 10));
    }
    fleet.samples(samples);
    proto::LogRecord end;
    end.mutable_input_end()->set_event_time_min_s(minute(0));
    end.mutable_input_end()->set_event_time_max_s(minute(kGap + 1));
    fleet.apply(std::move(end));
    for (std::int64_t m = 0; m < kGap; m += kDay) {
      fleet.tick(m);
      if (restarts && m % (2000 * kDay) == 0) fleet.restart();
    }
    fleet.ticks(kGap, kGap + 20);
    Lines wanted;
    const std::string machines[] = {"i-a", "i-b", "i-c"};
    for (const std::string& of : machines)
      wanted.push_back("1 InstanceId=" + of + " INSUFFICIENT_DATA>ALARM");
    wanted.push_back("1 AWS/EC2 CPUUtilization INSUFFICIENT_DATA>OK initial");
    wanted.push_back("3 AWS/EC2 CPUUtilization OK>ALARM");
    for (const std::string& of : machines)
      wanted.push_back("4 InstanceId=" + of + " ALARM>INSUFFICIENT_DATA");
    const std::string back = std::to_string(kGap + 1);
    for (const std::string& of : machines)
      wanted.push_back(back + " InstanceId=" + of + " INSUFFICIENT_DATA>OK initial");
    Lines changes = fleet.changes();
    std::ranges::sort(changes);
    std::ranges::sort(wanted);
    EXPECT_EQ(changes, wanted);
    EXPECT_EQ(fleet.told("alarm.retired"),
              (Lines{"181 InstanceId=i-a", "181 InstanceId=i-b", "181 InstanceId=i-c"}));
    EXPECT_LT(fleet.engine().evaluations_total(), 500U);
  }
}

// docs/time.md 8: all that was read is evaluated. The slot of the last datapoint ends off the grid.
TEST(BoundedInput, TheLastDatapointOffTheMinuteIsJudged) {
  for (const std::int64_t offset_s : {0, 1, 3, 30, 59}) {
    for (const std::int64_t last : {0, 1, 5}) {
      SCOPED_TRACE(std::to_string(last) + " at " + std::to_string(offset_s));
      Fleet fleet(only(cpu_alarm()), Fleet::Input::kBounded);
      std::vector<Sample> samples;
      for (std::int64_t m = 0; m <= last; ++m)
        samples.push_back(Fleet::cpu("i-a", m, m == last ? 95 : 10));
      proto::LogRecord batch = Fleet::batch(samples);
      for (auto& start_s : *batch.mutable_batch()->mutable_datapoints()->mutable_start_s())
        start_s += offset_s;
      fleet.apply(std::move(batch));
      proto::LogRecord end;
      end.mutable_input_end()->set_event_time_min_s(minute(0) + offset_s);
      end.mutable_input_end()->set_event_time_max_s(minute(last + 1) + offset_s);
      fleet.apply(std::move(end));
      fleet.ticks(0, last + 30);
      ASSERT_FALSE(fleet.events.empty());
      EXPECT_EQ(fleet.events.back().to(), "ALARM") << "It says nothing of the time after it.";
      EXPECT_EQ(fleet.events.back().time_s(), minute(last + (offset_s > 0 ? 2 : 1)));

      // A later run goes on there: the next slot is none that was decided.
      batch = Fleet::batch({Fleet::cpu("i-a", last + 1, 10)});
      batch.mutable_batch()->mutable_datapoints()->set_start_s(0, minute(last + 1) + offset_s);
      fleet.apply(std::move(batch));
      end.mutable_input_end()->set_event_time_min_s(minute(last + 1) + offset_s);
      end.mutable_input_end()->set_event_time_max_s(minute(last + 2) + offset_s);
      fleet.apply(std::move(end));
      fleet.ticks(last + 31, last + 40);
      EXPECT_EQ(fleet.events.back().to(), "OK");
      EXPECT_EQ(fleet.events.back().time_s(), minute(last + (offset_s > 0 ? 3 : 2)));
    }
  }
}

}  // namespace
}  // namespace fleetmeter::alarms
