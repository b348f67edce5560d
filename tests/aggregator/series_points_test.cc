#include "aggregator/series_points.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace fleetmeter::aggregator {
namespace {

/// The same with nothing but a map.
class Model {
 public:
  void upsert(const Datapoint& datapoint, std::uint32_t carried_s) {
    auto [at, is_new] = points_.try_emplace(datapoint.start_s);
    if (is_new || at->second.first.sum < datapoint.sum) at->second = {datapoint, carried_s};
  }
  void drop_before(GridTime start_s) {
    points_.erase(points_.begin(), points_.lower_bound(start_s));
  }
  void drop_from(GridTime start_s) { points_.erase(points_.lower_bound(start_s), points_.end()); }
  void clear() { points_.clear(); }

  void expect_equal(const SeriesPoints& points, GridTime any_s) const {
    ASSERT_EQ(points.size(), points_.size());
    ASSERT_EQ(points.empty(), points_.empty());
    std::size_t index = 0;
    for (const auto& [start_s, one] : points_) {
      ASSERT_EQ(points.start(index), start_s);
      ASSERT_EQ(points.carried_s(index), one.second);
      const Datapoint datapoint = points.get(index);
      ASSERT_EQ(datapoint.start_s, start_s);
      ASSERT_EQ(datapoint.sum, one.first.sum);
      ASSERT_EQ(datapoint.lower_bound, one.first.lower_bound);
      ++index;
    }
    const auto at =
        static_cast<std::size_t>(std::distance(points_.begin(), points_.lower_bound(any_s)));
    ASSERT_EQ(points.lower_bound(any_s), at);
  }

 private:
  std::map<GridTime, std::pair<Datapoint, std::uint32_t>> points_;
};

std::string saved(const SeriesPoints& points) {
  std::string bytes;
  StateWriter writer(bytes);
  points.save(writer);
  return bytes;
}

TEST(SeriesPoints, AreASortedMapWhateverComesAndGoes) {
  for (std::uint32_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    SeriesPoints points;
    Model model;
    GridTime now_s = -6000;
    for (int step = 0; step < 2000; ++step) {
      now_s += random() % 8 == 0 ? 0 : 60;
      const GridTime near_s = now_s - 60 * static_cast<GridTime>(random() % 40);
      switch (random() % 64) {
        case 0:
          points.drop_from(near_s);
          model.drop_from(near_s);
          break;
        case 1:
          points.clear();
          model.clear();
          break;
        case 2:
          points.drop_before(now_s + 60);  // All of them.
          model.drop_before(now_s + 60);
          break;
        default: {
          Datapoint datapoint;
          datapoint.start_s = random() % 4 == 0 ? near_s : now_s;
          datapoint.sample_count = 1;
          datapoint.sum = static_cast<double>(random() % 5);
          datapoint.lower_bound = datapoint.sum == 4;
          const auto carried_s = static_cast<std::uint32_t>(datapoint.sum) * 60;
          points.upsert(datapoint, carried_s);
          model.upsert(datapoint, carried_s);
          // As a table trims: the window moves on with time.
          const GridTime kept_s = now_s - 60 * static_cast<GridTime>(10 + seed);
          points.drop_before(kept_s);
          model.drop_before(kept_s);
        }
      }
      model.expect_equal(points, near_s);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(SeriesPoints, WhatWasDroppedIsNotSaved) {
  SeriesPoints moved, fresh;
  for (GridTime minute = 0; minute < 100; ++minute) {
    Datapoint datapoint;
    datapoint.start_s = minute * 60;
    moved.upsert(datapoint, 60);
    if (minute >= 70) fresh.upsert(datapoint, 60);
    moved.drop_before((minute - 29) * 60);
  }
  EXPECT_EQ(saved(moved), saved(fresh));
  const std::string bytes = saved(moved);
  std::string_view rest = bytes;
  StateReader reader(rest);
  SeriesPoints loaded;
  loaded.load(reader);
  ASSERT_TRUE(reader.ok());
  EXPECT_EQ(saved(loaded), bytes);
}

}  // namespace
}  // namespace fleetmeter::aggregator
