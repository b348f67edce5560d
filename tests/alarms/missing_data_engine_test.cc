// Missing data through the engine: the published tables cell by cell, and what the tables leave to
// the sequence of minutes.
#include <gtest/gtest.h>

#include "tests/alarms/fleet_fixture.h"

namespace fleetmeter::alarms {
namespace {

using Lines = std::vector<std::string>;
constexpr const char* kA = "i-a";

/// One row of the tables of Amazon CloudWatch User Guide, "Configuring how CloudWatch alarms treat
/// missing data": N = 3 and a range of five; the states are those of the four treatments.
struct Row {
  std::uint32_t m;
  const char* points;
  AlarmState missing, ignore, breaching, not_breaching;
};
constexpr AlarmState kOk = AlarmState::kOk;
constexpr AlarmState kAlarm = AlarmState::kAlarm;
constexpr AlarmState kNoData = AlarmState::kInsufficientData;
/// RETAIN: every case begins in OK or in ALARM, see Cell.
constexpr auto kRetain = static_cast<AlarmState>(99);
constexpr Row kRows[] = {
    {3, "0-X-X", kOk, kOk, kOk, kOk},
    {3, "0----", kOk, kOk, kOk, kOk},
    {3, "-----", kNoData, kRetain, kAlarm, kOk},
    {3, "0XX-X", kAlarm, kAlarm, kAlarm, kAlarm},
    {3, "--X--", kAlarm, kRetain, kAlarm, kOk},
    {2, "0-X-X", kAlarm, kAlarm, kAlarm, kAlarm},
    {2, "00X0X", kAlarm, kAlarm, kAlarm, kAlarm},
    {2, "0-X--", kOk, kOk, kAlarm, kOk},
    {2, "----0", kOk, kOk, kAlarm, kOk},
    {2, "---X-", kAlarm, kRetain, kAlarm, kOk},
};

constexpr std::int64_t kFirst = 20;  ///< Minute of the oldest slot of the range.

class Cell : public testing::TestWithParam<std::tuple<Row, MissingData, AlarmState, bool>> {
 protected:
  [[nodiscard]] AlarmState wanted() const {
    const auto& [row, treatment, before, bounded] = GetParam();
    const AlarmState state = treatment == MissingData::kMissing     ? row.missing
                             : treatment == MissingData::kIgnore    ? row.ignore
                             : treatment == MissingData::kBreaching ? row.breaching
                                                                    : row.not_breaching;
    return state == kRetain ? before : state;
  }
};

TEST_P(Cell, HoldsThroughTheEngine) {
  const auto& [row, treatment, before, bounded] = GetParam();
  Fleet fleet(only(cpu_alarm(80, row.m, 3, treatment)),
              bounded ? Fleet::Input::kBounded : Fleet::Input::kLive);
  // An alarm in the state before, with nothing but good or bad points behind the range.
  for (std::int64_t m = 0; m < kFirst; ++m) {
    fleet.datapoint(kA, m, before == kAlarm ? 95 : 10);
    fleet.tick(m + 1);
  }
  for (std::int64_t i = 0; i < 5; ++i) {
    const char point = row.points[i];
    if (point != '-') fleet.datapoint(kA, kFirst + i, point == 'X' ? 95 : 10);
    fleet.tick(kFirst + i + 1);
  }
  // The last slot falls due three minutes after its end; the next is not due before the fourth.
  fleet.ticks(kFirst + 6, kFirst + 8);
  const std::vector<AlarmView> alarms = fleet.engine().alarms(fleet.shard());
  ASSERT_EQ(alarms.size(), 1U);
  EXPECT_EQ(alarms[0].evaluated_s, minute(kFirst + 5));
  // The state of the way there may have changed what is retained: compare with what came before.
  AlarmState retained = before;
  for (const proto::Event& event : fleet.events) {
    if (event.time_s() >= minute(kFirst + 5)) continue;
    retained = event.to() == "OK" ? kOk : event.to() == "ALARM" ? kAlarm : kNoData;
  }
  const bool retains = treatment == MissingData::kIgnore && row.ignore == kRetain;
  EXPECT_STREQ(to_string(alarms[0].state), to_string(retains ? retained : wanted()));
}

INSTANTIATE_TEST_SUITE_P(
    AllFortyLiveAndBounded, Cell,
    testing::Combine(testing::ValuesIn(kRows),
                     testing::Values(MissingData::kMissing, MissingData::kIgnore,
                                     MissingData::kBreaching, MissingData::kNotBreaching),
                     testing::Values(kOk, kAlarm), testing::Bool()),
    [](const auto& cell) {
      std::string points;
      for (const char* c = std::get<0>(cell.param).points; *c != 0; ++c)
        points += *c == '-' ? '_' : *c;
      return std::to_string(std::get<0>(cell.param).m) + "of3_" + points + "_" +
             to_string(std::get<1>(cell.param)) + "_from" + to_string(std::get<2>(cell.param)) +
             (std::get<3>(cell.param) ? "_bounded" : "_live");
    });

TEST(MissingData, WithBreachingTheAlarmComesOnceTheLastGoodPointHasLeftTheRange) {
  Fleet fleet(only(cpu_alarm(80, 3, 3, MissingData::kBreaching)));
  fleet.run({kA}, 0, 11, 10);
  fleet.ticks(12, 30);
  // `0 - - - -` at minute 15 is still OK, `- - - - -` at 16 is not.
  EXPECT_EQ(fleet.changes(),
            (Lines{"1 InstanceId=i-a INSUFFICIENT_DATA>OK initial", "16 InstanceId=i-a OK>ALARM"}));
  EXPECT_NE(fleet.events.back().reason().find("3 missing datapoints were treated as [Breaching]"),
            std::string::npos)
      << fleet.events.back().reason();
}

TEST(MissingData, ASingleBreachWhoseSuccessorsStayAwayAlarmsOnlyWhenItIsMSlotsOld) {
  Fleet fleet(only(cpu_alarm(80, 3, 3)));
  fleet.run({kA}, 0, 6, 10);
  fleet.ticks(7, 12);  // Minutes 6-9 stay away.
  fleet.datapoint(kA, 10, 95);
  fleet.ticks(13, 14);
  EXPECT_EQ(fleet.engine().alarms(fleet.shard()).at(0).evaluated_s, minute(11));
  EXPECT_EQ(fleet.changes().size(), 1U) << "`- - - - X` is no alarm yet.";
  fleet.tick(15);
  EXPECT_EQ(fleet.changes().size(), 1U) << "`- - - X -` neither.";
  fleet.tick(16);
  EXPECT_EQ(fleet.changes().back(), "13 InstanceId=i-a OK>ALARM") << "`- - X - -` is.";
}

TEST(MissingData, TheTailOfAStoppedMetricIsEvaluatedAgain) {
  Fleet fleet(only(cpu_alarm(80, 1, 1)));
  fleet.run({kA}, 0, 6, 10);
  fleet.datapoint(kA, 6, 95);
  fleet.ticks(7, 20);
  EXPECT_EQ(fleet.changes(),
            (Lines{"1 InstanceId=i-a INSUFFICIENT_DATA>OK initial", "7 InstanceId=i-a OK>ALARM",
                   "10 InstanceId=i-a ALARM>INSUFFICIENT_DATA"}))
      << "The last point counts in three ranges.";
}

TEST(Actions, NTimesThePeriodIsHowLongTheConditionMustLast) {
  // The published example, M = N = 3: periods 3, 4, 5 breach, 6 does not, 9 does alone.
  Fleet fleet(only(cpu_alarm(80, 3, 3)));
  for (std::int64_t m = 0; m < 12; ++m) {
    const bool bad = (m >= 3 && m <= 5) || m == 9;
    fleet.run({kA}, m, m + 1, bad ? 95 : 10);
  }
  EXPECT_EQ(fleet.changes(), (Lines{"1 InstanceId=i-a INSUFFICIENT_DATA>OK initial",
                                    "6 InstanceId=i-a OK>ALARM", "7 InstanceId=i-a ALARM>OK"}));
}

TEST(Actions, AnAlarmThatStaysInItsStateSaysNothingAgain) {
  Fleet fleet(only(cpu_alarm()));
  fleet.run({kA}, 0, 60, 95);
  EXPECT_EQ(fleet.events.size(), 1U);
}

}  // namespace
}  // namespace fleetmeter::alarms
