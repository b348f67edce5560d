#include "alarms/evaluate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace fleetmeter::alarms {
namespace {

using Kind = RangeSlot::Kind;

/// Oldest first: '0' good, 'X' breaching, '-' missing, '?' unknown, '.' before the first datapoint.
std::vector<RangeSlot> range_of(std::string_view text) {
  std::vector<RangeSlot> range;
  for (const char c : text) {
    switch (c) {
      case '0':
        range.push_back({Kind::kGood});
        break;
      case 'X':
        range.push_back({Kind::kBreaching});
        break;
      case '-':
        range.push_back({Kind::kMissing});
        break;
      case '?':
        range.push_back({Kind::kUnknown});
        break;
      case '.':
        range.push_back({Kind::kNonexistent});
        break;
      default:
        break;
    }
  }
  return range;
}

EvaluationRule m_of_n(std::uint32_t m, std::uint32_t n,
                      MissingData missing = MissingData::kMissing) {
  return {.evaluation_periods = n, .datapoints_to_alarm = m, .missing = missing};
}

/// One row of the published tables: the state per treatment; "RETAIN" keeps the current one.
struct PublishedRow {
  std::uint32_t m;
  const char* points;
  const char* missing;
  const char* ignore;
  const char* breaching;
  const char* not_breaching;
};

// Amazon CloudWatch User Guide, "Configuring how CloudWatch alarms treat missing data": N = 3,
// evaluation range 5.
constexpr PublishedRow kPublished[] = {
    {3, "0-X-X", "OK", "OK", "OK", "OK"},
    {3, "0----", "OK", "OK", "OK", "OK"},
    {3, "-----", "INSUFFICIENT_DATA", "RETAIN", "ALARM", "OK"},
    {3, "0XX-X", "ALARM", "ALARM", "ALARM", "ALARM"},
    {3, "--X--", "ALARM", "RETAIN", "ALARM", "OK"},
    {2, "0-X-X", "ALARM", "ALARM", "ALARM", "ALARM"},
    {2, "00X0X", "ALARM", "ALARM", "ALARM", "ALARM"},
    {2, "0-X--", "OK", "OK", "ALARM", "OK"},
    {2, "----0", "OK", "OK", "ALARM", "OK"},
    {2, "---X-", "ALARM", "RETAIN", "ALARM", "OK"},
};

class PublishedTable : public testing::TestWithParam<PublishedRow> {
 protected:
  void expect(MissingData missing, std::string_view wanted) const {
    const auto range = range_of(GetParam().points);
    for (const AlarmState current :
         {AlarmState::kInsufficientData, AlarmState::kOk, AlarmState::kAlarm}) {
      const AlarmState next = evaluate(m_of_n(GetParam().m, 3, missing), range, current);
      EXPECT_EQ(to_string(next), wanted == "RETAIN" ? std::string_view(to_string(current)) : wanted)
          << GetParam().points << " from " << to_string(current) << " with " << to_string(missing);
    }
  }
};

TEST_P(PublishedTable, HoldsForEveryTreatmentAndEveryCurrentState) {
  expect(MissingData::kMissing, GetParam().missing);
  expect(MissingData::kIgnore, GetParam().ignore);
  expect(MissingData::kBreaching, GetParam().breaching);
  expect(MissingData::kNotBreaching, GetParam().not_breaching);
}
INSTANTIATE_TEST_SUITE_P(AllCells, PublishedTable, testing::ValuesIn(kPublished));

AlarmState state_of(const EvaluationRule& rule, std::string_view points,
                    AlarmState current = AlarmState::kOk) {
  return evaluate(rule, range_of(points), current);
}

TEST(Evaluate, GoesToAlarmOnMissingDataOnceTheGoodPointHasLeftTheRange) {
  EXPECT_EQ(state_of(m_of_n(3, 3, MissingData::kBreaching), "-----"), AlarmState::kAlarm);
}

TEST(Evaluate, LooksPastAGapToOlderRealPointsBeforeItFillsAnything) {
  EXPECT_EQ(state_of(m_of_n(3, 3), "0-X-X"), AlarmState::kOk);
}

TEST(Evaluate, DoesNotAlarmPrematurelyWhileTheBreachIsYoungerThanM) {
  EXPECT_EQ(state_of(m_of_n(3, 3), "----X"), AlarmState::kOk);
  EXPECT_EQ(state_of(m_of_n(3, 3), "---X-"), AlarmState::kOk);
  EXPECT_EQ(state_of(m_of_n(3, 3), "--X--"), AlarmState::kAlarm);
}

TEST(Evaluate, MixedPointsBelowMDoNotAlarmWhateverTheirAge) {
  EXPECT_EQ(state_of(m_of_n(3, 3), "0-X--"), AlarmState::kOk);
}

TEST(Evaluate, SlotsBeforeTheFirstDatapointAreNeitherCountedNorFilled) {
  EXPECT_EQ(state_of(m_of_n(3, 3, MissingData::kBreaching), "....X"), AlarmState::kOk);
  EXPECT_EQ(state_of(m_of_n(3, 3, MissingData::kBreaching), "...X-"), AlarmState::kOk);
  EXPECT_EQ(state_of(m_of_n(3, 3, MissingData::kBreaching), "..X--"), AlarmState::kAlarm);
  EXPECT_EQ(state_of(m_of_n(1, 3, MissingData::kBreaching), "....0"), AlarmState::kOk);
}

TEST(Evaluate, KeepsTheStateWhenNothingExistsYet) {
  EXPECT_EQ(state_of(m_of_n(1, 1, MissingData::kBreaching), "...", AlarmState::kInsufficientData),
            AlarmState::kInsufficientData);
}

TEST(Evaluate, UnknownSlotsKeepTheStateWhenTheyCouldDecideIt) {
  for (const AlarmState current :
       {AlarmState::kInsufficientData, AlarmState::kOk, AlarmState::kAlarm}) {
    EXPECT_EQ(state_of(m_of_n(1, 1), "???", current), current);
    EXPECT_EQ(state_of(m_of_n(2, 2), "00?X", current), current);
  }
}

TEST(Evaluate, AnUnknownSlotDoesNotHideADecisionThatHoldsWhateverItWas) {
  EXPECT_EQ(state_of(m_of_n(1, 3), "00?0X"), AlarmState::kAlarm);
  EXPECT_EQ(state_of(m_of_n(3, 3), "0000?00"), AlarmState::kOk);
  EXPECT_EQ(state_of(m_of_n(1, 1), "??X"), AlarmState::kAlarm);
}

TEST(Evaluate, SlotsOfWhichNoneIsKnownKeepTheStateThoughTheyAreFewerThanM) {
  for (const MissingData missing : {MissingData::kMissing, MissingData::kIgnore,
                                    MissingData::kBreaching, MissingData::kNotBreaching}) {
    for (const AlarmState current :
         {AlarmState::kInsufficientData, AlarmState::kOk, AlarmState::kAlarm}) {
      EXPECT_EQ(state_of(m_of_n(3, 3, missing), "....?", current), current);
      EXPECT_EQ(state_of(m_of_n(3, 3, missing), "...??", current), current);
    }
    EXPECT_EQ(state_of(m_of_n(3, 3, missing), "...?0"), AlarmState::kOk);
  }
  EXPECT_EQ(state_of(m_of_n(3, 3, MissingData::kNotBreaching), "...?-"), AlarmState::kOk);
}

TEST(Evaluate, UnknownNeverAlarmsAndNeverClears) {
  EXPECT_EQ(state_of(m_of_n(1, 1, MissingData::kBreaching), "--?", AlarmState::kOk),
            AlarmState::kOk);
  EXPECT_EQ(state_of(m_of_n(1, 1, MissingData::kNotBreaching), "XX?", AlarmState::kAlarm),
            AlarmState::kAlarm);
}

/// With at least N real points the treatment plays no part, whatever the range looks like.
TEST(EvaluateProperty, TreatmentPlaysNoPartWithNRealPoints) {
  std::mt19937 engine(7);
  const auto random = [&] { return static_cast<std::uint32_t>(engine()); };
  for (int round = 0; round < 20'000; ++round) {
    const std::uint32_t n = 1 + random() % 6;
    const std::uint32_t m = 1 + random() % n;
    std::vector<RangeSlot> range(n + random() % 5);
    for (RangeSlot& slot : range) slot.kind = static_cast<Kind>(random() % 3);
    const auto real = std::count_if(range.begin(), range.end(),
                                    [](RangeSlot s) { return s.kind != Kind::kMissing; });
    const AlarmState first = evaluate(m_of_n(m, n, MissingData::kMissing), range, AlarmState::kOk);
    const AlarmState bad = evaluate(m_of_n(m, n, MissingData::kBreaching), range, AlarmState::kOk);
    const AlarmState good =
        evaluate(m_of_n(m, n, MissingData::kNotBreaching), range, AlarmState::kOk);
    if (static_cast<std::uint32_t>(real) >= n) {
      ASSERT_EQ(first, bad) << round;
      ASSERT_EQ(first, good) << round;
    }
    // A filled slot can only push towards its own side.
    ASSERT_TRUE(good != AlarmState::kAlarm || bad == AlarmState::kAlarm) << round;
  }
}

TEST(EvaluateDeathTest, RefusesARangeShorterThanTheEvaluationPeriods) {
  EXPECT_DEATH((void)state_of(m_of_n(2, 3), "XX"), "range.size");
}

}  // namespace
}  // namespace fleetmeter::alarms
