#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "aggregator/metric_family.h"
#include "aggregator/series_points.h"
#include "aggregator/series_table.h"
#include "parsers/index_table.h"
#include "proto/check.h"

namespace fleetmeter::aggregator {

/// One series of the table.
struct SeriesState {
  SeriesInfo info;
  MetricFamily family;
  bool flow = false;  ///< Of closed flow windows: due by watermark, not by delay.
  bool period_configured = false;
  std::uint32_t retention_s = 0;
  /// Period that the newest datapoint with one carried; 0 = none did.
  std::uint32_t carried_period_s = 0;
  GridTime carried_start_s = kBeforeAll;  ///< Start of that datapoint.
  PeriodLearner learner;
  /// Newest start that was learned from: own slots are aligned to it. kBeforeAll = none yet.
  GridTime learned_s = kBeforeAll;
  SeriesPoints points;
  std::uint32_t unlearned_at = kLearned;  ///< Its place in SeriesTable::State::unlearned.
  static constexpr std::uint32_t kLearned = 0xffffffff;

  /// Slot ends [from_s, to_s) are known to be present: a cache that lets due_until walk each slot
  /// once. Not saved.
  struct Run {
    GridTime from_s = 0, to_s = 0;
  };
  mutable Run run;

  /// Own period after a datapoint: configured, else carried by the newest datapoint, else learned,
  /// else the family's. Everything that starts up to `heard_s` has been read. True when the own
  /// slots are others now.
  bool learn(GridTime start_s, std::uint32_t carried_s, GridTime heard_s);
  /// A start of the own slots' grid.
  [[nodiscard]] GridTime phase_s() const noexcept {
    return learned_s != kBeforeAll ? learned_s : info.first_start_s;
  }
};

/// Datapoints of a series that nothing was learned from yet, the first of which starts then.
struct Unlearned {
  GridTime next_s = 0;
  SeriesId id = 0;
};

/// Slots that ended in (from_s, to_s] were not heard.
struct DeafSpan {
  GridTime from_s = 0, to_s = 0;
};
struct SourceState {
  std::vector<DeafSpan> deaf;
  /// Event time a stalled source has read to; kNever = not stalled.
  GridTime stalled_at_s = kNever;
  /// Event time it has read to; kNever = it holds nobody up. Told anew after a load.
  GridTime read_to_s = kNever;

  /// Datapoints that start up to here have been read; kNever = nothing says how far.
  [[nodiscard]] GridTime heard_until(std::uint32_t delay_s) const noexcept;
  /// Slots that end up to here can be missing. Ticks go on while the source is stalled: once it is
  /// heard again, only what it has been read past can be.
  [[nodiscard]] GridTime expired_until(std::uint32_t delay_s) const noexcept;
};

[[nodiscard]] std::uint64_t hash_of(const SeriesKey& key) noexcept;

struct SeriesTable::State {
  /// No vector: one of a million would hold room for as many more, and move them all to grow.
  std::deque<SeriesState> series;
  parsers::IndexTable ids;  ///< By key, which stands in `series` alone.
  std::vector<SourceState> sources;
  std::uint32_t deaf_kept_s = 0;  ///< For series that were never seen.
  /// Series without retention that hold values until the next record.
  std::vector<SeriesId> unretained;
  bool learns_by_tick = false;  ///< Bounded input: all is there before the first tick.
  std::vector<Unlearned> unlearned;

  [[nodiscard]] SeriesId find(const SeriesKey& key, std::uint64_t hash) const {
    return ids.find(hash, [&](std::uint32_t id) { return series[id].info.key == key; });
  }
  /// Of a key that is not there yet.
  SeriesId add(SeriesKey key, std::uint64_t hash, std::string_view unit);
  [[nodiscard]] SeriesState& at(SeriesId id) {
    FM_CHECK(id < series.size());
    return series[id];
  }
  [[nodiscard]] const SeriesState& at(SeriesId id) const {
    FM_CHECK(id < series.size());
    return series[id];
  }
  [[nodiscard]] SourceState& source(std::uint32_t index) {
    if (index >= sources.size()) sources.resize(index + 1);
    return sources[index];
  }
  void learn_later(SeriesId id, GridTime start_s);
  /// What `one` has not learned from before `before_s`; true when its own slots are others now.
  bool learn_points(Unlearned& one, GridTime before_s);
  /// How far the source that carried the series last has been read; kNever = nothing says it.
  [[nodiscard]] GridTime read_to(const SeriesState& of) const;
  /// Datapoints of the series that start up to here have been read, whichever partition of the
  /// source they came by; kNever = nothing says how far it has been read.
  [[nodiscard]] GridTime heard_until(const SeriesState& of) const;
  /// Slots that end at or before this are due without data.
  [[nodiscard]] GridTime expired_until(const SeriesState& of, const Frontier& frontier) const;
  /// End of the first own slot that is neither present nor expired.
  [[nodiscard]] GridTime first_undue_end(const SeriesState& of, const Frontier& frontier) const;
  [[nodiscard]] GridTime bounded_until(const SeriesState& of, GridTime input_end_s) const;
  /// Whether any of the slot ends first, first + step, ... <= last fell into a deaf span of the
  /// source.
  [[nodiscard]] bool deaf(std::uint32_t source, GridTime first_end_s, GridTime last_end_s,
                          GridTime step_s) const;
};

}  // namespace fleetmeter::aggregator
