#include "generate/expected.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fleetmeter::generate {
namespace {

/// Transitions as "rule minute from>to" of one machine, gateway or interface each, counted per
/// line.
class ExpectedTest : public ::testing::Test {
 protected:
  ExpectedTest() {
    options_.machines = 4;
    options_.duration_min = 200;
    options_.groups[0].maximum = 6;
  }
  void run(std::vector<Incident> script) {
    fleet_ = *lay_out(options_);
    expected_ = expect(script, options_, fleet_);
  }
  [[nodiscard]] std::map<std::string, int> alarms() const {
    std::map<std::string, int> out;
    for (const AlarmTransition& a : expected_.alarms) {
      ++out[a.rule + " " + std::to_string((a.time_s - options_.start_s) / 60) + " " + a.from + ">" +
            a.to];
    }
    return out;
  }
  [[nodiscard]] std::vector<std::string> scaling() const {
    std::vector<std::string> out;
    for (const ScalingDecision& s : expected_.scaling) {
      out.push_back(std::to_string((s.time_s - options_.start_s) / 60) + " " +
                    std::to_string(s.from) + ">" + std::to_string(s.to));
    }
    return out;
  }

  FleetOptions options_;
  Topology fleet_;
  Expected expected_;
};

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Counts = std::map<std::string, int>;

TEST_F(ExpectedTest, ASurgeWarnsAtTheEndOfItsFifthMinuteAndClearsAtTheEndOfTheFirstGoodOne) {
  run({{IncidentKind::kCpu, 20, 18, 0, 92.5}});
  EXPECT_EQ(alarms(), (Counts{{"cpu-critical 23 OK>ALARM", 4},
                              {"cpu-warn 25 OK>ALARM", 4},
                              {"cpu-critical 39 ALARM>OK", 4},
                              {"cpu-warn 39 ALARM>OK", 4}}));
}

TEST_F(ExpectedTest, AValueAtAThresholdDoesNotBreachIt) {
  run({{IncidentKind::kCpu, 20, 18, 0, 85}});
  EXPECT_EQ(alarms(), (Counts{{"cpu-warn 25 OK>ALARM", 4}, {"cpu-warn 39 ALARM>OK", 4}}));
  run({{IncidentKind::kCpu, 20, 18, 0, 70}});
  EXPECT_THAT(alarms(), IsEmpty());
}

TEST_F(ExpectedTest, AConditionShorterThanTheRuleChangesNothing) {
  run({{IncidentKind::kCpu, 20, 4, 0, 80}});
  EXPECT_THAT(alarms(), IsEmpty());
  EXPECT_THAT(scaling(), IsEmpty());
}

TEST_F(ExpectedTest, WhatClearsAfterTheEndOfTheTelemetryIsNotStated) {
  run({{IncidentKind::kStatusCheck, 190, 10, 2, 1}});
  EXPECT_EQ(alarms(), (Counts{{"status-check 192 OK>ALARM", 1}}));
  run({{IncidentKind::kStatusCheck, 189, 10, 2, 1}});
  EXPECT_EQ(alarms(), (Counts{{"status-check 191 OK>ALARM", 1}, {"status-check 200 ALARM>OK", 1}}));
}

TEST_F(ExpectedTest, ScalesOutEveryFiveMinutesWhileTheSurgeLastsUpToTheMaximum) {
  run({{IncidentKind::kCpu, 20, 18, 0, 92.5}});
  EXPECT_THAT(scaling(), ElementsAre("25 4>5", "30 5>6"));
  options_.groups[0].maximum = 20;
  run({{IncidentKind::kCpu, 20, 18, 0, 92.5}});
  EXPECT_THAT(scaling(), ElementsAre("25 4>5", "30 5>6", "35 6>7"));
  run({{IncidentKind::kCpu, 20, 20, 0, 92.5}});
  EXPECT_EQ(scaling().back(), "40 7>8")
      << "the alarm still holds at the end of the last breaching minute";
  EXPECT_EQ(expected_.desired[0].back(), (std::pair<std::int32_t, std::uint32_t>{40, 8}));
}

TEST_F(ExpectedTest, ScalesInAfterTenQuietMinutesDownToTheMinimum) {
  run({{IncidentKind::kCpu, 20, 40, 0, 20}});
  EXPECT_THAT(scaling(), ElementsAre("30 4>3", "35 3>2"));
  EXPECT_THAT(alarms(), IsEmpty());
}

TEST_F(ExpectedTest, ADiskAlarmsFiveMinutesAfterItPassesEighty) {
  run({{IncidentKind::kDisk, 20, 120, 1,
        0.5}});  // 55 + 0.5 x 51 = 80.5 in minute 71; cleaned in minute 140.
  EXPECT_EQ(alarms(), (Counts{{"disk-warn 76 OK>ALARM", 1}, {"disk-warn 141 ALARM>OK", 1}}));
  EXPECT_EQ(expected_.alarms[0].series, "InstanceId=" + fleet_.machines[1].at.instance_id);
  run({{IncidentKind::kDisk, 20, 51, 1, 0.5}});  // Ends at exactly 80.
  EXPECT_THAT(alarms(), IsEmpty());
}

TEST_F(ExpectedTest, AScanAlarmsItsInterfaceWhenItsRejectsPassTheThreshold) {
  run({{IncidentKind::kScan, 20, 10, 3, 600}});
  EXPECT_EQ(alarms(), (Counts{{"reject-scan 23 OK>ALARM", 1}, {"reject-scan 31 ALARM>OK", 1}}));
  EXPECT_EQ(expected_.alarms[0].series, "InterfaceId=" + fleet_.machines[3].at.interface_id);
  run({{IncidentKind::kScan, 20, 10, 0, 199}});  // One more at rest: 200 is not above 200.
  EXPECT_THAT(alarms(), IsEmpty());
  run({{IncidentKind::kScan, 20, 10, 3, 199}});  // Two more at rest.
  EXPECT_EQ(alarms().size(), 2u);
}

TEST_F(ExpectedTest, ALostZoneAlarmsStatusChecksOnceNoRealDatapointIsLeftInTheRange) {
  run({{IncidentKind::kAzLoss, 20, 15, 1, 0}});
  EXPECT_EQ(alarms(), (Counts{{"status-check 24 OK>ALARM", 2}, {"status-check 36 ALARM>OK", 2}}));
  run({{IncidentKind::kAzLoss, 20, 3, 1, 0}});
  EXPECT_THAT(alarms(), IsEmpty());
}

TEST_F(ExpectedTest, NatDropsAlarmAtOnceAndMemoryAfterFive) {
  run({{IncidentKind::kNatDrops, 20, 3, 1, 12}, {IncidentKind::kMemory, 40, 15, 0, 92.5}});
  EXPECT_EQ(alarms(), (Counts{{"nat-drops 21 OK>ALARM", 1},
                              {"nat-drops 24 ALARM>OK", 1},
                              {"memory-warn 45 OK>ALARM", 1},
                              {"memory-warn 56 ALARM>OK", 1}}));
}

}  // namespace
}  // namespace fleetmeter::generate
