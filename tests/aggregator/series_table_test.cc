#include "aggregator/series_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <random>
#include <string>
#include <vector>

namespace fleetmeter::aggregator {
namespace {

constexpr GridTime kNoon = 1'700'000'400;  // A multiple of 600.
static_assert(kNoon % 600 == 0);

SeriesKey agent_metric(std::string name = "disk_used_percent") {
  return {"123456789012", "us-east-1", "CWAgent", std::move(name), {{"InstanceId", "i-0"}}};
}

Datapoint at(GridTime start_s, double value = 1) {
  return {start_s, 1, value, value, value, false, {}};
}

class SeriesTableTest : public testing::Test {
 protected:
  SeriesId series(const SeriesKey& key = agent_metric()) {
    const SeriesId id = table.intern(key, "Percent");
    table.set_retention(id, 86'400);
    return id;
  }
  void minutes(SeriesId id, std::vector<int> starts, int spacing_s = 60) {
    for (const int i : starts) table.upsert(id, at(kNoon + i * spacing_s, i), 0);
  }
  Frontier tick(GridTime tick_s) { return {.tick_s = tick_s}; }
  SlotState state(SeriesId id, GridTime end_s, const Frontier& frontier,
                  std::uint32_t period_s = 60) {
    return table.slot(id, end_s, period_s, frontier).state;
  }
  SeriesTable table;
};

TEST_F(SeriesTableTest, InternsOneIdPerKey) {
  const SeriesId id = series();
  EXPECT_EQ(table.intern(agent_metric(), "Percent"), id);
  EXPECT_NE(table.intern(agent_metric("other"), "Percent"), id);
  EXPECT_EQ(table.find(agent_metric()), id);
  EXPECT_EQ(table.find(agent_metric("unseen")), std::nullopt);
  EXPECT_EQ(table.info(id).key.display(), "CWAgent disk_used_percent InstanceId=i-0");
}

TEST_F(SeriesTableTest, TheLargerSampleCountWinsWhateverTheOrder) {
  const Datapoint early{kNoon, 1, 90, 90, 90, false, {}};
  const Datapoint full{kNoon, 5, 10, 1, 3, false, {}};
  const SeriesId a = series(agent_metric("a"));
  const SeriesId b = series(agent_metric("b"));
  EXPECT_TRUE(table.upsert(a, early, 0));
  EXPECT_TRUE(table.upsert(a, full, 0));
  EXPECT_TRUE(table.upsert(b, full, 0));
  EXPECT_FALSE(table.upsert(b, early, 0));
  EXPECT_EQ(table.slot(a, kNoon + 60, 60, tick(kNoon)).value.sum, 10);
  EXPECT_EQ(table.slot(b, kNoon + 60, 60, tick(kNoon)).value.sum, 10);
}

TEST_F(SeriesTableTest, TiesAreBrokenByContentNotByArrival) {
  std::vector<Datapoint> values = {{kNoon, 2, 8, 1, 7, false, {}},
                                   {kNoon, 2, 8, 1, 7, false, {{"p99", 7}}},
                                   {kNoon, 2, 8, 1, 7, false, {{"p99", 6}}},
                                   {kNoon, 2, -8, -7, -1, false, {}}};
  std::ranges::sort(values, {}, &Datapoint::sum);
  do {
    SeriesTable fresh;
    const SeriesId id = fresh.intern(agent_metric(), "");
    fresh.set_retention(id, 600);
    for (const Datapoint& value : values) fresh.upsert(id, value, 0);
    EXPECT_EQ(statistic(fresh.slot(id, kNoon + 60, 60, {}).value, "p99"), 7);
  } while (std::ranges::next_permutation(values, {}, [](const Datapoint& d) {
             return std::pair(d.sum, d.extended.empty() ? 0.0 : d.extended[0].second.least);
           }).found);
}

TEST_F(SeriesTableTest, SlotsBelongToTheSpanThatHoldsTheirEnd) {
  const SeriesId id = series();
  minutes(id, {0, 1, 2, 3, 4});
  const Slot five = table.slot(id, kNoon + 300, 300, tick(kNoon + 300));
  ASSERT_EQ(five.state, SlotState::kPresent);
  EXPECT_EQ(five.value.sample_count, 5);
  EXPECT_EQ(five.value.sum, 10);
  EXPECT_EQ(five.value.minimum, 0);
  EXPECT_EQ(five.value.maximum, 4);
  EXPECT_EQ(table.slot(id, kNoon + 240, 60, tick(kNoon + 300)).value.sum, 3);
}

TEST_F(SeriesTableTest, APercentileOfALongerSpanLiesBetweenThoseOfItsParts) {
  const SeriesId id = series();
  table.upsert(id, {kNoon, 9, 9, 0, 3, false, {{"p99", 3}, {"tm99", 1}}}, 0);
  table.upsert(id, {kNoon + 60, 9, 9, 0, 3, false, {{"p99.0", 2}, {"tm99", 1}}}, 0);
  EXPECT_EQ(statistic(table.slot(id, kNoon + 60, 60, tick(kNoon)).value, "p99"), 3);
  const Datapoint both = table.slot(id, kNoon + 120, 120, tick(kNoon)).value;
  EXPECT_EQ(statistic(both, "p99"), ValueRange(2, 3));
  EXPECT_EQ(statistic(both, "tm99"), std::nullopt) << "Of a trimmed mean that does not hold.";
}

TEST(Statistic, OfCombinedSetsNeedsThePercentileOfEach) {
  const Datapoint many{0, 9, 9, 0, 3, false, {{"p90", 2.5}, {"p99", 3}}};
  const Datapoint without{0, 9, 9, 0, 3, false, {}};
  const Datapoint equal{0, 2, 14, 7, 7, false, {}};
  Datapoint sum = many;
  combine_into(sum, equal);
  EXPECT_EQ(statistic(sum, "p99"), ValueRange(3, 7)) << "Equal samples tell any percentile.";
  EXPECT_EQ(statistic(sum, "p90"), ValueRange(2.5, 7));
  combine_into(sum, many);
  EXPECT_EQ(statistic(sum, "p99"), ValueRange(3, 7));
  combine_into(sum, without);
  EXPECT_EQ(statistic(sum, "p99"), std::nullopt);
  sum = equal;
  combine_into(sum, many);
  EXPECT_EQ(statistic(sum, "p90"), ValueRange(2.5, 7)) << "In any order.";
}

TEST(Statistic, SetsOfOneValueEachHaveAnyPercentileBetweenTheirValuesInAnyOrder) {
  const Datapoint low{0, 1, 60, 60, 60, false, {}}, high{0, 2, 140, 70, 70, false, {}};
  const Datapoint many{0, 9, 540, 1, 99, false, {{"p90", 80}}};
  std::vector<const Datapoint*> parts{&low, &high, &many};
  std::ranges::sort(parts);
  do {
    Datapoint sum = *parts[0];
    combine_into(sum, *parts[1]);
    const bool of_two_values = parts[2] == &many;
    EXPECT_EQ(statistic(sum, "p50"),
              of_two_values ? std::optional(ValueRange(60, 70)) : std::nullopt);
    EXPECT_EQ(statistic(sum, "tm99"), std::nullopt);
    combine_into(sum, *parts[2]);
    EXPECT_EQ(statistic(sum, "p90"), ValueRange(60, 80));
    EXPECT_EQ(statistic(sum, "p50"), std::nullopt);
  } while (std::ranges::next_permutation(parts).found);
  Datapoint negative{0, 1, -1, -1, -1, false, {}};
  combine_into(negative, low);
  EXPECT_EQ(statistic(negative, "p50"), std::nullopt) << "As of one negative value.";
}

/// Percentiles by counting: the least sample that at least this share of all are at or below.
double percentile(std::vector<double> samples, double percent) {
  std::ranges::sort(samples);
  const auto rank = static_cast<std::size_t>(
      std::ceil(percent / 100 * static_cast<double>(samples.size()) - 1e-9));
  return samples[std::max<std::size_t>(rank, 1) - 1];
}

TEST(Statistic, ThePercentileOfAUnionIsInsideTheCombinedRange) {
  std::mt19937 random(7);
  for (int round = 0; round < 500; ++round) {
    std::vector<double> all;
    Datapoint sum;
    const int parts = 2 + static_cast<int>(random() % 4);
    const double percent = 1 + static_cast<int>(random() % 99);
    const std::string name = "p" + std::to_string(static_cast<int>(percent));
    for (int part = 0; part < parts; ++part) {
      std::vector<double> samples(1 + random() % 40);
      for (double& sample : samples) sample = static_cast<int>(random() % 100);
      all.insert(all.end(), samples.begin(), samples.end());
      const auto [least, greatest] = std::ranges::minmax(samples);
      const Datapoint one{0,
                          static_cast<double>(samples.size()),
                          std::accumulate(samples.begin(), samples.end(), 0.0),
                          least,
                          greatest,
                          false,
                          {{name, percentile(samples, percent)}}};
      if (part == 0) {
        sum = one;
      } else {
        combine_into(sum, one);
      }
    }
    const std::optional<ValueRange> range = statistic(sum, name);
    ASSERT_TRUE(range);
    EXPECT_LE(range->least, percentile(all, percent));
    EXPECT_GE(range->greatest, percentile(all, percent));
  }
}

TEST_F(SeriesTableTest, ASlotIsDueWhenItsDataIsThere) {
  const SeriesId id = series();
  EXPECT_EQ(table.due_until(id, tick(kNoon)), kBeforeAll);
  minutes(id, {0, 1});
  EXPECT_EQ(table.due_until(id, tick(kBeforeAll)), kNoon + 120);
  EXPECT_EQ(table.due_until(id, tick(kNoon + 130)), kNoon + 130)
      << "between slots the tick carries it";
  EXPECT_EQ(table.due_until(id, tick(kNoon + 200)), kNoon + 179)
      << "until the next slot ends without data";
  EXPECT_EQ(state(id, kNoon + 180, tick(kNoon + 200)), SlotState::kPending);
}

TEST_F(SeriesTableTest, ASlotWithoutDataIsDueAtItsEndPlusThePublicationDelay) {
  const SeriesId id = series();
  minutes(id, {0, 2});
  EXPECT_EQ(table.due_until(id, tick(kNoon + 299)), kNoon + 119);
  EXPECT_EQ(table.next_expiry(id, tick(kNoon + 299)), kNoon + 300);
  EXPECT_EQ(state(id, kNoon + 120, tick(kNoon + 299)), SlotState::kPending);
  EXPECT_EQ(table.due_until(id, tick(kNoon + 300)), kNoon + 239)
      << "the slot behind the gap is there already";
  EXPECT_EQ(state(id, kNoon + 120, tick(kNoon + 300)), SlotState::kMissing);
  EXPECT_EQ(state(id, kNoon + 180, tick(kNoon + 300)), SlotState::kPresent);
  EXPECT_EQ(state(id, kNoon, tick(kNoon + 300)), SlotState::kNonexistent);
}

TEST_F(SeriesTableTest, APendingSpanHoldsWhatIsThereOfIt) {
  const SeriesId id = series();
  minutes(id, {0, 1});
  const Slot three = table.slot(id, kNoon + 180, 180, tick(kNoon + 200));
  EXPECT_EQ(three.state, SlotState::kPending);
  EXPECT_TRUE(three.partial);
  EXPECT_EQ(three.value.sample_count, 2);
  EXPECT_FALSE(table.slot(id, kNoon + 180, 60, tick(kNoon + 200)).partial);
  EXPECT_FALSE(table.slot(id, kNoon + 180, 180, tick(kNoon + 360)).partial) << "due";
}

TEST_F(SeriesTableTest, NextExpiryIsTheTickThatMovesDueUntil) {
  const SeriesId id = series();
  minutes(id, {0, 1, 4, 9});
  Frontier now = tick(kNoon);
  while (now.tick_s < kNoon + 1200) {
    const GridTime due = table.due_until(id, now);
    const GridTime next = table.next_expiry(id, now);
    ASSERT_GT(next, now.tick_s);
    ASSERT_EQ(table.due_until(id, tick(next - 1)), due) << next;
    ASSERT_GT(table.due_until(id, tick(next)), due) << next;
    now = tick(next);
  }
}

TEST_F(SeriesTableTest, BoundedInputIsDueByTickOnly) {
  const SeriesId id = series();
  minutes(id, {0, 1, 2, 4});
  Frontier frontier{
      .tick_s = kBeforeAll, .watermark_s = kBeforeAll, .bounded = true, .append_time_s = 0};
  EXPECT_EQ(table.due_until(id, frontier), kBeforeAll);
  frontier.tick_s = kNoon + 120;
  EXPECT_EQ(table.due_until(id, frontier), kNoon + 120);
  EXPECT_EQ(state(id, kNoon + 180, frontier), SlotState::kPending) << "its time has not come";
  frontier.tick_s = kNoon + 420;
  EXPECT_EQ(table.due_until(id, frontier), kNoon + 359);
}

TEST_F(SeriesTableTest, DeafSpansMakeMissingSlotsUnknownUntilDataComes) {
  const SeriesId id = series();
  minutes(id, {0, 1});
  table.add_deaf_span(0, kNoon + 120, kNoon + 300);
  const Frontier late = tick(kNoon + 3600);
  EXPECT_EQ(state(id, kNoon + 120, late), SlotState::kPresent);
  EXPECT_EQ(state(id, kNoon + 180, late), SlotState::kUnknown);
  EXPECT_EQ(state(id, kNoon + 300, late), SlotState::kUnknown);
  EXPECT_EQ(state(id, kNoon + 360, late), SlotState::kMissing);
  EXPECT_EQ(state(id, kNoon + 420, late, 120), SlotState::kMissing);
  EXPECT_EQ(state(id, kNoon + 360, late, 120), SlotState::kUnknown);
  minutes(id, {2});
  EXPECT_EQ(state(id, kNoon + 180, late), SlotState::kPresent);
}

TEST_F(SeriesTableTest, AStalledSourceKeepsItsSlotsPendingWhateverTheTick) {
  const SeriesId id = series();
  minutes(id, {0, 1});
  table.set_stalled(0, true, kNoon + 130);
  EXPECT_EQ(table.due_until(id, tick(kNoon + 3600)), kNoon + 179);
  EXPECT_EQ(table.next_expiry(id, tick(kNoon + 3600)), kNever);
  EXPECT_EQ(state(id, kNoon + 180, tick(kNoon + 3600)), SlotState::kPending);
  table.set_stalled(0, false, 0);
  EXPECT_EQ(state(id, kNoon + 180, tick(kNoon + 3600)), SlotState::kMissing);
}

TEST_F(SeriesTableTest, ASourceHeardAgainMissesNothingThatItHasNotBeenReadPast) {
  const SeriesId id = series();
  minutes(id, {0, 1});
  // Ticks went on to 60 minutes while it was stalled; it has come within five minutes of them.
  table.set_stalled(0, false, 0);
  table.set_read_to(0, kNoon + 55 * 60);
  const Frontier ahead = tick(kNoon + 3600);
  EXPECT_EQ(state(id, kNoon + 52 * 60, ahead), SlotState::kMissing);
  EXPECT_EQ(state(id, kNoon + 53 * 60, ahead), SlotState::kPending);
  EXPECT_EQ(table.next_expiry(id, ahead), kNoon + 3601);
  table.set_read_to(0, kNoon + 3600);
  EXPECT_EQ(state(id, kNoon + 57 * 60, ahead), SlotState::kMissing);
}

TEST_F(SeriesTableTest, ASeriesNeverSeenIsMissingWhereEverySourceHasBeenReadPast) {
  const Frontier ahead = tick(kNoon + 3600);
  table.set_read_to(0, kNoon + 3600);
  table.set_stalled(1, true, kNoon + 600);
  EXPECT_EQ(table.unseen_slot(kNoon + 600, 60, 180, ahead), SlotState::kMissing);
  EXPECT_EQ(table.unseen_slot(kNoon + 660, 60, 180, ahead), SlotState::kPending);
  // Heard again, within five minutes of the ticks that went on without it.
  table.set_stalled(1, false, 0);
  table.set_read_to(1, kNoon + 55 * 60);
  EXPECT_EQ(table.unseen_slot(kNoon + 52 * 60, 60, 180, ahead), SlotState::kMissing);
  EXPECT_EQ(table.unseen_slot(kNoon + 53 * 60, 60, 180, ahead), SlotState::kPending);
  table.set_read_to(1, kNoon + 3600);
  EXPECT_EQ(table.unseen_slot(kNoon + 57 * 60, 60, 180, ahead), SlotState::kMissing);
  EXPECT_EQ(table.unseen_slot(kNoon + 58 * 60, 60, 180, ahead), SlotState::kPending);
}

TEST_F(SeriesTableTest, ThreeEqualSpacingsMakeTheOwnPeriodWhateverTheArrival) {
  std::vector<int> starts = {0, 1, 2, 3};
  do {
    SeriesTable fresh;
    const SeriesId id = fresh.intern(agent_metric(), "");
    for (const int i : starts) fresh.upsert(id, at(kNoon + i * 300), 0);
    EXPECT_EQ(fresh.info(id).own_period_s, 300u);
  } while (std::ranges::next_permutation(starts).found);
}

TEST_F(SeriesTableTest, TheBacklogOfOnePartitionTeachesNoPeriod) {
  const SeriesId id = series();
  minutes(id, {0, 1, 2, 3});
  table.set_read_to(0, kNoon + 4 * 60);  // By the partition that is furthest behind.
  minutes(id, {7, 11, 15, 19});
  EXPECT_EQ(table.info(id).own_period_s, 60u);
  table.set_read_to(0, kNoon + 12 * 60);
  minutes(id, {5, 9, 13, 6, 10, 14, 8, 12, 16});
  EXPECT_EQ(table.info(id).own_period_s, 60u);
}

TEST_F(SeriesTableTest, SpacingsTeachThePeriodOnceTheirSourceHasBeenReadPastThem) {
  const SeriesId id = table.intern(agent_metric(), "");
  for (const int i : {0, 1, 2, 3}) {
    table.set_read_to(0, kNoon + i * 300 + 179);  // The publication delay is 180 s.
    table.upsert(id, at(kNoon + i * 300), 0);
  }
  EXPECT_EQ(table.info(id).own_period_s, 60u);
  table.set_read_to(0, kNoon + 3 * 300 + 180);
  table.upsert(id, at(kNoon + 4 * 300), 0);
  EXPECT_EQ(table.info(id).own_period_s, 300u);
}

TEST_F(SeriesTableTest, ASmallerSpacingContradictsALearnedPeriod) {
  const SeriesId id = series();
  minutes(id, {0, 2, 4, 6});
  EXPECT_EQ(table.info(id).own_period_s, 120u);
  minutes(id, {7});
  EXPECT_EQ(table.info(id).own_period_s, 60u);
}

TEST_F(SeriesTableTest, DatapointsThatAreLostAreMissingAndNoLongerPeriod) {
  const SeriesId id = series();
  minutes(id, {0, 1, 2, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21});
  EXPECT_EQ(table.info(id).own_period_s, 60u);
  EXPECT_EQ(state(id, kNoon + 21 * 60, tick(kNoon + 30 * 60)), SlotState::kMissing);
  EXPECT_EQ(state(id, kNoon + 22 * 60, tick(kNoon + 30 * 60)), SlotState::kPresent);
}

TEST_F(SeriesTableTest, ASpacingBelowTheFamilysPeriodProvesAShorterOne) {
  const std::vector<std::pair<std::vector<int>, std::uint32_t>> cases = {
      {{0, 10}, 10},         {{0, 30}, 30},     {{0, 20, 40}, 10}, {{0, 10, 40, 50}, 10},
      {{0, 60, 65, 120}, 5}, {{0, 60, 90}, 30}, {{0, 7}, 1},       {{0, 60}, 60}};
  for (const auto& [starts, period_s] : cases) {
    SeriesTable fresh;
    const SeriesId id = fresh.intern(agent_metric(), "");
    for (const int start : starts) fresh.upsert(id, at(kNoon + start), 0);
    EXPECT_EQ(fresh.info(id).own_period_s, period_s) << testing::PrintToString(starts);
  }
}

// docs/time.md 5: all of bounded input is there before the first tick.
TEST_F(SeriesTableTest, OfBoundedInputALaterDatapointChangesNoEarlierSlot) {
  std::vector<Change> moved;
  table.set_learning(true, moved);
  const SeriesId id = series();
  const SeriesId longer = series(agent_metric("longer"));
  const SeriesId carried = series(agent_metric("carried"));
  minutes(id, {0, 1, 2, 3});
  minutes(longer, {0, 5, 10, 15, 20, 25});
  for (const int i : {0, 5, 10}) table.upsert(carried, at(kNoon + i * 60), 0, 300);
  Frontier bounded = tick(kNoon + 30 * 60);
  bounded.bounded = true;
  table.learn_until(bounded.tick_s, moved);
  const auto told = [&] {
    std::vector<SlotState> states;
    for (const SeriesId one : {id, longer, carried}) {
      for (int i = 1; i <= 30; ++i) states.push_back(state(one, kNoon + i * 60, bounded, 300));
    }
    return states;
  };
  const std::vector<SlotState> before = told();
  EXPECT_EQ(table.info(longer).own_period_s, 300u);
  EXPECT_EQ(table.info(carried).own_period_s, 300u);
  // Of other periods, and half a minute beside the grid.
  for (int i = 0; i < 4; ++i) {
    table.upsert(id, at(kNoon + 3630 + i * 120), 0);
    table.upsert(longer, at(kNoon + 3630 + i * 60), 0);
    table.upsert(carried, at(kNoon + 3630 + i * 60), 0, 60);
  }
  EXPECT_EQ(told(), before);
  moved.clear();
  table.learn_until(kNoon + 3 * 3600, moved);
  EXPECT_EQ(table.info(longer).own_period_s, 60u);
  EXPECT_EQ(table.info(carried).own_period_s, 60u);
  EXPECT_EQ(moved.size(), 3u) << "whoever looked at their slots hears of it";
}

TEST_F(SeriesTableTest, WhatBoundedInputHasNotTaughtYetIsInTheSnapshot) {
  std::vector<Change> moved;
  table.set_learning(true, moved);
  const SeriesId id = series();
  minutes(id, {0, 5, 10, 15, 16});
  table.learn_until(kNoon + 901, moved);
  EXPECT_EQ(table.info(id).own_period_s, 300u);
  std::string saved;
  table.save(saved);
  std::string_view in = saved;
  SeriesTable loaded;
  ASSERT_TRUE(loaded.load(in));
  loaded.learn_until(kNoon + 3600, moved);
  EXPECT_EQ(loaded.info(id).own_period_s, 60u);
}

// docs/time.md 6: unknown never alarms and never clears.
TEST_F(SeriesTableTest, ASpanOfWhichAPartWasNotHeardIsUnknown) {
  const SeriesId id = series();
  minutes(id, {0, 1, 2, 3, 4, 8, 9, 10, 11, 12, 13});
  table.add_deaf_span(0, kNoon + 5 * 60, kNoon + 8 * 60);
  const Frontier now = tick(kNoon + 20 * 60);
  EXPECT_EQ(state(id, kNoon + 5 * 60, now, 300), SlotState::kPresent);
  for (int i = 6; i < 13; ++i)
    EXPECT_EQ(state(id, kNoon + i * 60, now, 300), SlotState::kUnknown) << i;
  EXPECT_EQ(state(id, kNoon + 13 * 60, now, 300), SlotState::kPresent);
  minutes(id, {5, 6, 7});  // They come after all.
  EXPECT_EQ(state(id, kNoon + 8 * 60, now, 300), SlotState::kPresent);
}

TEST_F(SeriesTableTest, ACarriedOrConfiguredPeriodIsNotLearnedOver) {
  const SeriesId carried = series(agent_metric("carried"));
  for (int i = 0; i < 5; ++i) table.upsert(carried, at(kNoon + i * 300), 0, 60);
  EXPECT_EQ(table.info(carried).own_period_s, 60u);
  const SeriesId configured = series(agent_metric("configured"));
  table.set_own_period(configured, 10);
  minutes(configured, {0, 1, 2, 3, 4});
  EXPECT_EQ(table.info(configured).own_period_s, 10u);
}

TEST_F(SeriesTableTest, FamiliesGivePeriodAndDelay) {
  const auto family = [&](std::string space, std::string name) {
    const SeriesId id = table.intern({"1", "r", std::move(space), std::move(name), {}}, "");
    return std::pair(table.info(id).own_period_s, table.info(id).publication_delay_s);
  };
  EXPECT_EQ(family("AWS/EC2", "CPUUtilization"), std::pair(60u, 180u));
  EXPECT_EQ(family("AWS/EC2", "CPUCreditBalance"), std::pair(300u, 600u));
  EXPECT_EQ(family("AWS/EC2", "EBSReadOps"), std::pair(300u, 900u));
  EXPECT_EQ(family("AWS/EC2", "StatusCheckFailed_System"), std::pair(60u, 60u));
  EXPECT_EQ(family("AWS/NATGateway", "BytesInFromSource"), std::pair(60u, 840u));
  EXPECT_EQ(family("AWS/ApplicationELB", "ConsumedLCUs"), std::pair(60u, 2640u));
  EXPECT_EQ(family("AWS/DynamoDB", "ProvisionedReadCapacityUnits"), std::pair(300u, 600u));
  EXPECT_EQ(family("AWS/S3", "BucketSizeBytes"), std::pair(86'400u, 172'800u));
  EXPECT_EQ(family("Custom", "anything"), std::pair(60u, 180u));
}

TEST_F(SeriesTableTest, LowerBoundsAndRetention) {
  const SeriesId id = table.intern(agent_metric(), "");
  Datapoint bound = at(kNoon);
  bound.lower_bound = true;
  table.upsert(id, bound, 0);
  EXPECT_TRUE(table.slot(id, kNoon + 60, 60, tick(kNoon)).value.lower_bound);
  table.drop_unretained();
  EXPECT_NE(state(id, kNoon + 60, tick(kNoon + 3600)), SlotState::kPresent) << "identity only";
  table.set_retention(id, 600);
  table.upsert(id, bound, 0);
  table.trim(tick(kNoon + 600));
  EXPECT_EQ(state(id, kNoon + 60, tick(kNoon + 600)), SlotState::kPresent);
  table.trim(tick(kNoon + 3600));
  EXPECT_EQ(state(id, kNoon + 60, tick(kNoon + 3600)), SlotState::kMissing);
}

TEST_F(SeriesTableTest, TrimKeepsWhatAStalledSourceStillHasToDecide) {
  const SeriesId id = series(agent_metric());
  const SeriesId other = table.intern(agent_metric("other"), "");
  table.set_retention(other, 300);
  minutes(other, {0, 1, 2});
  table.upsert(id, at(kNoon), 1);
  table.set_stalled(1, true, kNoon + 60);
  table.trim(tick(kNoon + 20'000));
  EXPECT_EQ(state(other, kNoon + 60, tick(kNoon + 20'000)), SlotState::kPresent);
}

/// The obvious model of due_until: every own slot in turn, from the first datapoint.
GridTime slow_due_until(const std::map<GridTime, bool>& starts, GridTime period_s, GridTime delay_s,
                        GridTime tick_s) {
  if (starts.empty()) return kBeforeAll;
  GridTime last_present = kBeforeAll;
  GridTime end = starts.begin()->first + period_s;
  for (;; end += period_s) {
    const bool present = starts.contains(end - period_s);
    if (!present && end + delay_s > tick_s) break;
    if (present) last_present = end;
  }
  return std::min(end - 1, std::max(last_present, tick_s));
}

TEST_F(SeriesTableTest, DueUntilFollowsTheSlowModelOnAnyArrival) {
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    SeriesTable fresh;
    const SeriesId id = fresh.intern(agent_metric(), "");
    fresh.set_retention(id, 86'400);
    fresh.set_own_period(id, 60);
    std::map<GridTime, bool> starts;
    Frontier frontier = tick(kNoon);
    for (int step = 0; step < 80; ++step) {
      if (random() % 3 == 0) {
        frontier.tick_s += 10 * static_cast<GridTime>(random() % 12);
      } else {
        const GridTime start = kNoon + 60 * static_cast<GridTime>(random() % 40);
        starts[start] = true;
        fresh.upsert(id, at(start), 0);
      }
      ASSERT_EQ(fresh.due_until(id, frontier), slow_due_until(starts, 60, 180, frontier.tick_s));
    }
  }
}

TEST_F(SeriesTableTest, SavedAndLoadedItIsTheSameTable) {
  const SeriesId id = series();
  minutes(id, {0, 1, 3, 4, 5});
  table.upsert(id, {kNoon + 600, 3, 3, 1, 1, true, {{"p90", 1}}}, 1);
  table.upsert(table.intern(agent_metric("fresh"), "Bytes"), at(kNoon), 2, 300);
  table.add_deaf_span(0, kBeforeAll, kNoon);
  table.set_stalled(1, true, kNoon + 60);
  std::string bytes;
  table.save(bytes);
  SeriesTable loaded;
  std::string_view in = bytes;
  ASSERT_TRUE(loaded.load(in));
  EXPECT_TRUE(in.empty());
  std::string again;
  loaded.save(again);
  EXPECT_EQ(bytes, again);
  EXPECT_EQ(loaded.due_until(id, tick(kNoon + 200)), table.due_until(id, tick(kNoon + 200)));
  EXPECT_EQ(loaded.find(agent_metric("fresh")), table.find(agent_metric("fresh")));
}

TEST_F(SeriesTableTest, DamagedStateIsRefusedAtEveryCut) {
  minutes(series(), {0, 1, 2});
  std::string bytes;
  table.save(bytes);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    SeriesTable loaded;
    std::string_view in(bytes.data(), size);
    ASSERT_FALSE(loaded.load(in)) << size;
  }
}

TEST(Statistic, ReadsTheBasicOnesAndTheStoredOnes) {
  const Datapoint d{0, 4, 10, 1, 4, false, {{"TM(:99%)", 2.5}, {"p50", 2}}};
  EXPECT_EQ(statistic(d, "Average"), 2.5);
  EXPECT_EQ(statistic(d, "SampleCount"), 4);
  EXPECT_EQ(statistic(d, "Minimum"), 1);
  EXPECT_EQ(statistic(d, "Maximum"), 4);
  EXPECT_EQ(statistic(d, "Sum"), 10);
  EXPECT_EQ(statistic(d, "p50"), 2);
  EXPECT_EQ(statistic(d, "p50.0"), 2);
  EXPECT_EQ(statistic(d, "tm99"), 2.5);
  EXPECT_EQ(statistic(d, "TM(:99.0%)"), 2.5);
  EXPECT_EQ(statistic(d, "p99"), std::nullopt) << "cannot be had from a set of several samples";
  EXPECT_EQ(statistic(d, "Median"), std::nullopt);
}

TEST(Statistic, OneValueServesAnyPercentile) {
  EXPECT_EQ(statistic({0, 1, 7, 7, 7, false, {}}, "p99.9"), 7);
  EXPECT_EQ(statistic({0, 3, 21, 7, 7, false, {}}, "p1"), 7);
  EXPECT_EQ(statistic({0, 1, 7, 7, 7, false, {}}, "pig"), std::nullopt);
  EXPECT_EQ(statistic({}, "Average"), std::nullopt) << "no samples have no mean";
}

}  // namespace
}  // namespace fleetmeter::aggregator
