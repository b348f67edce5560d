// Alarms with periods of 10, 20 and 30 s: looked at every 10 s.
#include <gtest/gtest.h>

#include "tests/alarms/fleet_fixture.h"

namespace fleetmeter::alarms {
namespace {

using Lines = std::vector<std::string>;

AlarmRule fast_rule(std::uint32_t period_s, std::uint32_t m, std::uint32_t n) {
  AlarmRule rule = cpu_alarm(80, m, n);
  rule.period_s = period_s;
  return rule;
}

/// A metric that says its value every 10 s; times are seconds after midnight.
class HighResolution : public testing::Test {
 protected:
  Fleet& start(AlarmRule rule) {
    fleet_.emplace(only(std::move(rule)));
    return *fleet_;
  }
  void say(std::int64_t second, double value, std::uint32_t period_s = 10) {
    proto::LogRecord record = Fleet::batch({Fleet::cpu("i-a", 0, value)});
    record.mutable_batch()->mutable_datapoints()->set_start_s(0, kMidnightS + second);
    record.mutable_batch()->mutable_datapoints()->set_period_s(0, period_s);
    record.set_append_time_ms((kMidnightS + second) * 1000);
    fleet_->apply(std::move(record));
  }
  /// A tick of a live fleet never passes what its source has said.
  void tick(std::int64_t second) {
    if (live_) say_read_to(second);
    proto::LogRecord record;
    record.mutable_tick()->set_time_s(kMidnightS + second);
    record.set_append_time_ms((kMidnightS + second) * 1000);
    fleet_->apply(std::move(record));
  }
  void say_read_to(std::int64_t second) {
    proto::LogRecord record;
    proto::SourceProgress& source = *record.mutable_progress()->add_sources();
    source.set_source("stream");
    source.set_read_to_ms((kMidnightS + second) * 1000);
    source.set_caught_up(true);
    record.set_append_time_ms((kMidnightS + second) * 1000);
    fleet_->apply(std::move(record));
  }
  /// Says `value` for each 10 s of [from, to), with the tick that ends them.
  void run(std::int64_t from, std::int64_t to, double value) {
    for (std::int64_t second = from; second < to; second += 10) {
      say(second, value);
      tick(second + 10);
    }
  }
  /// "second from>to" of each change.
  [[nodiscard]] Lines changes() const {
    Lines lines;
    for (const proto::Event& event : fleet_->events) {
      lines.push_back(std::to_string(event.time_s() - kMidnightS) + " " + event.from() + ">" +
                      event.to());
    }
    return lines;
  }
  [[nodiscard]] std::string last() const {
    const Lines all = changes();
    return all.empty() ? "" : all.back();
  }
  std::optional<Fleet> fleet_;
  bool live_ = true;
};

TEST_F(HighResolution, AlarmsTenSecondsAfterTheBreachBegan) {
  start(fast_rule(10, 1, 1));
  run(0, 300, 10);
  say(300, 95);
  EXPECT_EQ(changes(), (Lines{"10 INSUFFICIENT_DATA>OK", "310 OK>ALARM"}));
  run(310, 320, 10);
  EXPECT_EQ(last(), "320 ALARM>OK");
}

TEST_F(HighResolution, EachTenSecondsAreEvaluatedOnce) {
  Fleet& fleet = start(fast_rule(10, 1, 1));
  run(0, 300, 10);
  const std::uint64_t before = fleet.engine().evaluations_total();
  run(300, 600, 10);
  EXPECT_EQ(fleet.engine().evaluations_total() - before, 30U);
}

TEST_F(HighResolution, MOfNCountsSlotsOfTenSeconds) {
  start(fast_rule(10, 2, 3));
  run(0, 300, 10);
  run(300, 310, 95);
  run(310, 320, 10);
  EXPECT_EQ(changes().size(), 1U);
  run(320, 330, 95);
  EXPECT_EQ(last(), "330 OK>ALARM");
}

TEST_F(HighResolution, APeriodOfThirtySecondsSlidesByTen) {
  start(fast_rule(30, 1, 1));
  run(0, 300, 10);
  run(300, 310, 400);  // Average of 280-310: 140.
  EXPECT_EQ(last(), "310 OK>ALARM");
  run(310, 330, 10);
  EXPECT_EQ(changes().size(), 2U) << "The spike is still inside 300-330.";
  run(330, 340, 10);
  EXPECT_EQ(last(), "340 ALARM>OK");
}

TEST_F(HighResolution, AMetricOfAMinuteLeavesMostSlotsEmpty) {
  start(fast_rule(10, 1, 1));
  for (std::int64_t second = 0; second < 600; second += 60) {
    say(second, 10, 60);
    for (std::int64_t at = second + 10; at <= second + 60; at += 10) tick(at);
  }
  const Lines all = changes();
  ASSERT_GE(all.size(), 3U);
  EXPECT_EQ(all[0], "60 INSUFFICIENT_DATA>OK");
  EXPECT_EQ(all[1], "90 OK>INSUFFICIENT_DATA") << "A range of three looks 30 s back.";
  EXPECT_EQ(all[2], "120 INSUFFICIENT_DATA>OK");
}

TEST_F(HighResolution, SurvivesARestartInTheMiddleOfAMinute) {
  Fleet& fleet = start(fast_rule(10, 3, 3));
  run(0, 300, 10);
  run(300, 320, 95);
  fleet.restart();
  run(320, 330, 95);
  EXPECT_EQ(last(), "330 OK>ALARM");
}

TEST_F(HighResolution, WhatStaysAwayFallsDueWithTheTickAfterItsDelay) {
  start(fast_rule(10, 1, 1));
  run(0, 300, 10);
  for (std::int64_t second = 310; second <= 500; second += 10) tick(second);
  // The range of three is empty at 330; 180 s of publication delay.
  EXPECT_EQ(changes().size(), 1U);
  tick(510);
  EXPECT_EQ(last(), "330 OK>INSUFFICIENT_DATA");
}

TEST_F(HighResolution, BoundedInputWhosePeriodIsLearnedBeginsWithItsFirstSlot) {
  fleet_.emplace(only(fast_rule(10, 1, 1)), Fleet::Input::kBounded);
  live_ = false;
  for (std::int64_t second = 0; second < 600; second += 10) say(second, 10, 0);
  proto::LogRecord end;
  end.mutable_input_end()->set_event_time_min_s(kMidnightS);
  end.mutable_input_end()->set_event_time_max_s(kMidnightS + 590);
  fleet_->apply(std::move(end));
  for (std::int64_t second = 10; second <= 900; second += 10) tick(second);
  EXPECT_EQ(changes(), (Lines{"10 INSUFFICIENT_DATA>OK"}));
}

}  // namespace
}  // namespace fleetmeter::alarms
