#include "aggregator/series_points.h"

#include <algorithm>
#include <array>
#include <bit>
#include <tuple>

namespace fleetmeter::aggregator {
namespace {

/// A total order of doubles by value where there is one, by bits where there is not (zeros, NaN).
std::uint64_t ordered_bits(double value) {
  const auto bits = std::bit_cast<std::uint64_t>(value);
  constexpr std::uint64_t kSign = 1ull << 63;
  return (bits & kSign) != 0 ? ~bits : bits | kSign;
}

bool wins(const Datapoint& challenger, const Datapoint& holder) {
  const auto rank = [](const Datapoint& d) {
    return std::tuple(ordered_bits(d.sample_count), ordered_bits(d.sum), ordered_bits(d.minimum),
                      ordered_bits(d.maximum), d.lower_bound, d.extended.size());
  };
  const auto a = rank(challenger);
  const auto b = rank(holder);
  if (a != b) return a > b;
  return std::ranges::lexicographical_compare(
      holder.extended, challenger.extended, [](const auto& x, const auto& y) {
        return std::tuple(x.first, ordered_bits(x.second.least)) <
               std::tuple(y.first, ordered_bits(y.second.least));
      });
}

}  // namespace

Datapoint SeriesPoints::get(std::size_t index) const {
  const Point& point = points_[gone_ + index];
  Datapoint datapoint{.start_s = point.start_s(),
                      .sample_count = point.sample_count,
                      .sum = point.sum,
                      .minimum = point.minimum,
                      .maximum = point.maximum,
                      .lower_bound = false,
                      .extended = {}};
  if (!extras_) return datapoint;
  if (const auto extra = extras_->find(point.start_s()); extra != extras_->end()) {
    datapoint.lower_bound = extra->second.lower_bound;
    datapoint.extended = extra->second.extended;
  }
  return datapoint;
}

std::size_t SeriesPoints::lower_bound(GridTime start_s) const noexcept {
  if (empty() || points_.back().start_s() < start_s) return size();
  const auto first = points_.begin() + gone_;
  const auto at = std::ranges::lower_bound(first, points_.end(), start_s, {},
                                           [](const Point& point) { return point.start_s(); });
  return static_cast<std::size_t>(at - first);
}

void SeriesPoints::close_gap() {
  points_.erase(points_.begin(), points_.begin() + gone_);
  gone_ = 0;
}

void SeriesPoints::put_extra(const Datapoint& datapoint) {
  Extra extra{datapoint.lower_bound, datapoint.extended};
  if (extra.empty()) {
    if (extras_) extras_->erase(datapoint.start_s);
    return;
  }
  if (!extras_) extras_ = std::make_unique<std::map<GridTime, Extra>>();
  (*extras_)[datapoint.start_s] = std::move(extra);
}

bool SeriesPoints::upsert(const Datapoint& datapoint, std::uint32_t carried_s) {
  constexpr std::uint32_t kCarriedMax = (1u << kCarriedBits) - 1;  // Twelve days.
  const Point point{
      (datapoint.start_s << kCarriedBits) | std::int64_t{std::min(carried_s, kCarriedMax)},
      datapoint.sample_count, datapoint.sum, datapoint.minimum, datapoint.maximum};
  const std::size_t index = lower_bound(datapoint.start_s);
  if (index < size() && start(index) == datapoint.start_s) {
    if (!wins(datapoint, get(index))) return false;
    points_[gone_ + index] = point;
  } else {
    // An eighth at least, so that each datapoint moves a few others at most.
    if (points_.size() == points_.capacity() && gone_ > 0 && gone_ >= size() / 8) close_gap();
    // Grow by a quarter: with a million datapoints of backlog, doubling would hold as much again
    // for nothing.
    if (points_.size() == points_.capacity())
      points_.reserve(points_.size() + points_.size() / 4 + 4);
    points_.insert(points_.begin() + static_cast<std::ptrdiff_t>(gone_ + index), point);
  }
  put_extra(datapoint);
  return true;
}

void SeriesPoints::drop_before(GridTime start_s) {
  gone_ += static_cast<std::uint32_t>(lower_bound(start_s));
  if (gone_ > size()) close_gap();
  if (extras_) extras_->erase(extras_->begin(), extras_->lower_bound(start_s));
}

void SeriesPoints::drop_from(GridTime start_s) {
  points_.resize(gone_ + lower_bound(start_s));
  if (extras_) extras_->erase(extras_->lower_bound(start_s), extras_->end());
}

void SeriesPoints::clear() noexcept {
  points_.clear();
  points_.shrink_to_fit();
  gone_ = 0;
  extras_.reset();
}

void SeriesPoints::save(StateWriter& out) const {
  out.u64(size());
  for (std::size_t i = 0; i < size(); ++i) {
    const Datapoint datapoint = get(i);
    out.i64(datapoint.start_s);
    out.u32(carried_s(i));
    out.f64(datapoint.sample_count);
    out.f64(datapoint.sum);
    out.f64(datapoint.minimum);
    out.f64(datapoint.maximum);
    out.boolean(datapoint.lower_bound);
    out.u64(datapoint.extended.size());
    for (const auto& [name, value] : datapoint.extended) {
      out.text(name);
      out.f64(value.least);  // What came is one number.
    }
  }
}

void SeriesPoints::load(StateReader& in) {
  clear();
  const std::uint64_t count = in.count();
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    Datapoint datapoint;
    datapoint.start_s = in.i64();
    const std::uint32_t carried_s = in.u32();
    datapoint.sample_count = in.f64();
    datapoint.sum = in.f64();
    datapoint.minimum = in.f64();
    datapoint.maximum = in.f64();
    datapoint.lower_bound = in.boolean();
    const std::uint64_t extended = in.count();
    for (std::uint64_t j = 0; j < extended && in.ok(); ++j) {
      std::string name = in.text();
      const double value = in.f64();
      datapoint.extended.emplace_back(std::move(name), value);
    }
    if (in.ok()) upsert(datapoint, carried_s);
  }
}

void PeriodLearner::add(GridTime start_s, GridTime heard_s) {
  if (newest_s_ == kBeforeAll) {
    newest_s_ = start_s;
    return;
  }
  std::array<GridTime, kStarts + 1> starts;  // Newest first.
  std::size_t count = 1;
  starts[0] = newest_s_;
  for (std::size_t i = 0; i < spacings_; ++i, ++count)
    starts[count] = starts[count - 1] - spacing_s_[i];
  const auto begin = starts.begin();
  const auto end = begin + static_cast<std::ptrdiff_t>(count);
  const auto at = std::find_if(begin, end, [&](GridTime t) { return t <= start_s; });
  if (at != end && *at == start_s) return;
  std::move_backward(at, end, end + 1);
  *at = start_s;
  count = std::min(count + 1, kStarts);
  // A spacing beyond 136 years cannot be told from one of 136 years; neither is a period.
  constexpr GridTime kSpacingMax = std::numeric_limits<std::uint32_t>::max();
  newest_s_ = starts[0];
  spacings_ = 0;
  for (std::size_t i = 0; i + 1 < count; ++i) {
    if (starts[i] - starts[i + 1] > kSpacingMax) break;
    spacing_s_[i] = static_cast<std::uint32_t>(starts[i] - starts[i + 1]);
    ++spacings_;
  }
  learn(heard_s);
}

void PeriodLearner::learn(GridTime heard_s) {
  for (std::size_t i = 0; i < spacings_; ++i) least_s_ = std::min(least_s_, spacing_s_[i]);
  std::size_t first = 0;
  for (GridTime start_s = newest_s_; first < spacings_ && start_s > heard_s; ++first)
    start_s -= spacing_s_[first];
  for (std::size_t i = first; i + 2 < spacings_; ++i) {
    if (spacing_s_[i] == spacing_s_[i + 1] && spacing_s_[i] == spacing_s_[i + 2] &&
        spacing_s_[i] == least_s_)
      run_s_ = least_s_;
  }
  if (run_s_ > least_s_) run_s_ = 0;
}

std::uint32_t PeriodLearner::period_s(std::uint32_t family_s) const noexcept {
  if (least_s_ >= family_s) return std::max(run_s_, family_s);
  if (least_s_ >= 60) return least_s_ - least_s_ % 60;
  for (const std::uint32_t period : {30u, 10u, 5u}) {
    if (least_s_ % period == 0) return period;
  }
  return 1;
}

void PeriodLearner::save(StateWriter& out) const {
  out.i64(newest_s_);
  out.u8(spacings_);
  for (std::size_t i = 0; i < spacings_; ++i) out.u32(spacing_s_[i]);
  out.u32(run_s_);
  out.u32(least_s_);
}

void PeriodLearner::load(StateReader& in) {
  newest_s_ = in.i64();
  spacings_ = in.u8();
  if (spacings_ > kStarts - 1) {
    in.fail();
    spacings_ = 0;
  }
  for (std::size_t i = 0; i < spacings_; ++i) spacing_s_[i] = in.u32();
  run_s_ = in.u32();
  least_s_ = in.u32();
}

}  // namespace fleetmeter::aggregator
