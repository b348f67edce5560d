#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "aggregator/series_table.h"
#include "aggregator/state_codec.h"

namespace fleetmeter::aggregator {

/// Datapoints of one series sorted by start, 40 bytes each; the rare extras (percentiles, lower
/// bounds) stand aside. Of two values of one start the larger SampleCount wins, ties by a fixed
/// order of the content: a maximum, so the order of arrival never matters.
class SeriesPoints {
 public:
  [[nodiscard]] std::size_t size() const noexcept { return points_.size(); }
  [[nodiscard]] bool empty() const noexcept { return points_.empty(); }
  [[nodiscard]] GridTime start(std::size_t index) const noexcept { return points_[index].start_s; }
  [[nodiscard]] Datapoint get(std::size_t index) const;
  /// Index of the first datapoint that starts at or after `start_s`.
  [[nodiscard]] std::size_t lower_bound(GridTime start_s) const noexcept;

  bool upsert(const Datapoint& datapoint);  ///< True when the stored value of that start changed.
  void drop_before(GridTime start_s);
  void drop_from(GridTime start_s);
  void clear() noexcept;

  void save(StateWriter& out) const;
  void load(StateReader& in);

 private:
  struct Point {
    GridTime start_s = 0;
    double sample_count = 0, sum = 0, minimum = 0, maximum = 0;
  };
  struct Extra {
    bool lower_bound = false;
    std::vector<std::pair<std::string, double>> extended;
    [[nodiscard]] bool empty() const noexcept { return !lower_bound && extended.empty(); }
  };
  void put_extra(const Datapoint& datapoint);

  std::vector<Point> points_;
  std::unique_ptr<std::map<GridTime, Extra>> extras_;
};

/// Adds `other` to `sum`: counts and sums add up, extremes widen; lower bounds stay lower bounds.
/// Extended statistics cannot be combined and are dropped.
void combine_into(Datapoint& sum, const Datapoint& other);

/// Learns the period of a series whose datapoints do not carry one, from the spacings of its newest
/// starts: three equal spacings are the period, until a smaller spacing contradicts them. Looks at
/// the sorted starts, not at their arrival, and not at those after `heard_s`: between them others
/// may still come. Of a backlog one partition of four brings every fourth start first.
class PeriodLearner {
 public:
  void add(GridTime start_s, GridTime heard_s);
  /// 0 = nothing learned.
  [[nodiscard]] std::uint32_t period_s() const noexcept { return learned_s_; }

  void save(StateWriter& out) const;
  void load(StateReader& in);

 private:
  static constexpr std::size_t kStarts = 8;
  void learn(GridTime heard_s);

  GridTime newest_s_ = kBeforeAll;
  std::uint32_t spacing_s_[kStarts - 1] = {};  ///< Newest first.
  std::uint8_t spacings_ = 0;
  std::uint32_t learned_s_ = 0;
};

}  // namespace fleetmeter::aggregator
