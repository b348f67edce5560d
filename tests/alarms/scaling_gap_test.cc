// docs/time.md 5: what is quiet is advanced in ranges. A scaling group decides over a gap what it
// would have decided minute by minute, and takes no longer for years of it than for an hour.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/alarms/fleet_fixture.h"

namespace fleetmeter::alarms {
namespace {

using Lines = std::vector<std::string>;
constexpr std::int64_t kDay = 1440, kYears = 50 * 365 * kDay;
constexpr const char* kInventory =
    "{instances: [{id: i-a, group: web}, {id: i-b, group: web}],"
    " groups: [{name: web, min: 2, max: 10, desired: 4}]}";

/// The group "web", one more over 70 % CPU for one minute, one less under 30 %.
ScalingRule minute_rule() {
  ScalingRule rule = web_rule(60);
  rule.simple[0].for_s = 60;
  return rule;
}

Sample desired_capacity(std::int64_t m, double value) {
  return {.metric_namespace = "AWS/AutoScaling",
          .name = "GroupDesiredCapacity",
          .dimensions = {{"AutoScalingGroupName", "web"}},
          .minute = m,
          .value = value,
          .source = "stream"};
}

TEST(ScalingGap, AGapOfYearsIsNotWalkedMinuteByMinute) {
  for (const bool heard : {false, true}) {
    SCOPED_TRACE(heard);
    Fleet fleet(only(minute_rule()));
    if (heard) fleet.listen("ear", -kYears - 60);
    fleet.inventory(kInventory);
    std::vector<Sample> samples{Fleet::cpu("i-a", -kYears, 90), desired_capacity(-kYears, 4),
                                Fleet::cpu("i-b", 0, 90), desired_capacity(0, 7)};
    for (Sample& sample : samples) sample.source = heard ? "ear" : "stream";
    fleet.samples(samples);
    for (std::int64_t m = 1; m <= 4; ++m) {
      if (heard) fleet.progress("ear", m, true);
      fleet.tick(m);
    }
    EXPECT_EQ(fleet.decisions(), (Lines{std::to_string(-kYears + 1) + " web 4>5", "1 web 7>8"}));
    EXPECT_LT(fleet.engine().evaluations_total(), 100U);
  }
}

TEST(ScalingGap, AGapOfYearsInBoundedInputIsNotWalkedMinuteByMinute) {
  Fleet fleet(only(minute_rule()), Fleet::Input::kBounded);
  fleet.inventory(kInventory);
  fleet.samples({Fleet::cpu("i-a", 0, 90), Fleet::cpu("i-b", 0, 90), Fleet::cpu("i-a", kYears, 10),
                 Fleet::cpu("i-b", kYears, 10)});
  proto::LogRecord end;
  end.mutable_input_end()->set_event_time_min_s(minute(0));
  end.mutable_input_end()->set_event_time_max_s(minute(kYears + 1));
  fleet.apply(std::move(end));
  for (std::int64_t m = 0; m < kYears; m += kDay) fleet.tick(m);
  fleet.ticks(kYears, kYears + 20);
  EXPECT_EQ(fleet.decisions(), (Lines{"1 web 4>5", std::to_string(kYears + 1) + " web 5>4"}));
  EXPECT_LT(fleet.engine().evaluations_total(), 5 * kYears / kDay);
}

}  // namespace
}  // namespace fleetmeter::alarms
