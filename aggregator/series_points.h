#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <vector>

#include "aggregator/series_table.h"
#include "aggregator/state_codec.h"

namespace fleetmeter::aggregator {

/// Datapoints of one series sorted by start, 40 bytes each with the period that they carried; the
/// rare extras (percentiles, lower bounds) stand aside. Of two values of one start the larger
/// SampleCount wins, ties by a fixed order of the content: a maximum, so the order of arrival never
/// matters.
class SeriesPoints {
 public:
  [[nodiscard]] std::size_t size() const noexcept { return points_.size() - gone_; }
  [[nodiscard]] bool empty() const noexcept { return size() == 0; }
  [[nodiscard]] GridTime start(std::size_t index) const noexcept {
    return points_[gone_ + index].start_s();
  }
  [[nodiscard]] Datapoint get(std::size_t index) const;
  /// Index of the first datapoint that starts at or after `start_s`.
  [[nodiscard]] std::size_t lower_bound(GridTime start_s) const noexcept;

  /// Period that the datapoint carried; 0 = none.
  [[nodiscard]] std::uint32_t carried_s(std::size_t index) const noexcept {
    return points_[gone_ + index].carried_s();
  }

  /// True when the stored value of that start changed.
  bool upsert(const Datapoint& datapoint, std::uint32_t carried_s = 0);
  void drop_before(GridTime start_s);
  void drop_from(GridTime start_s);
  void clear() noexcept;

  void save(StateWriter& out) const;
  void load(StateReader& in);

 private:
  static constexpr int kCarriedBits = 20;
  struct Point {
    /// Start in the upper 44 bits, a quarter of a million years to both sides; carried period.
    std::int64_t when = 0;
    [[nodiscard]] GridTime start_s() const noexcept { return when >> kCarriedBits; }
    [[nodiscard]] std::uint32_t carried_s() const noexcept {
      return static_cast<std::uint32_t>(when & ((1 << kCarriedBits) - 1));
    }
    double sample_count = 0, sum = 0, minimum = 0, maximum = 0;
  };
  struct Extra {
    bool lower_bound = false;
    std::vector<std::pair<std::string, ValueRange>> extended;
    [[nodiscard]] bool empty() const noexcept { return !lower_bound && extended.empty(); }
  };
  void put_extra(const Datapoint& datapoint);
  void close_gap();

  /// The first `gone_` of them have been dropped. A series moves on by a datapoint at a time: moving
  /// all the others each time took an eighth of a day's evaluation.
  std::vector<Point> points_;
  std::uint32_t gone_ = 0;
  std::unique_ptr<std::map<GridTime, Extra>> extras_;
};

/// Learns the period of a series whose datapoints do not carry one, from the spacings of its
/// starts. Three equal spacings among the newest are the period, but never one longer than the
/// smallest spacing that was ever seen: a datapoint lost now and then is missing, not a longer
/// period. Looks at the sorted starts, not at their arrival, and for a run not at those after
/// `heard_s`: between them others may still come. Of a backlog one partition of four brings every
/// fourth start first.
class PeriodLearner {
 public:
  void add(GridTime start_s, GridTime heard_s);
  /// Of a series whose family has this one. A spacing below it proves a shorter period: 1, 5, 10 or
  /// 30 s, or whole minutes, as CloudWatch knows them.
  [[nodiscard]] std::uint32_t period_s(std::uint32_t family_s) const noexcept;
  /// The spacing that three in a row had; 0 = none.
  [[nodiscard]] std::uint32_t kept_s() const noexcept { return run_s_; }

  void save(StateWriter& out) const;
  void load(StateReader& in);

 private:
  static constexpr std::size_t kStarts = 8;
  static constexpr std::uint32_t kNoSpacing = std::numeric_limits<std::uint32_t>::max();
  void learn(GridTime heard_s);

  GridTime newest_s_ = kBeforeAll;
  std::uint32_t spacing_s_[kStarts - 1] = {};  ///< Newest first.
  std::uint8_t spacings_ = 0;
  std::uint32_t least_s_ = kNoSpacing;  ///< Smallest spacing ever.
  std::uint32_t run_s_ = 0;             ///< The same once three in a row had it; else 0.
};

}  // namespace fleetmeter::aggregator
