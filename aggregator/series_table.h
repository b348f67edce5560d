#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fleetmeter::aggregator {

/// Grid and event time right of the log: whole seconds since the Unix epoch.
using GridTime = std::int64_t;
inline constexpr GridTime kNever = std::numeric_limits<GridTime>::max();
inline constexpr GridTime kBeforeAll = std::numeric_limits<GridTime>::min();

using SeriesId = std::uint32_t;

/// Canonical identity of a series: dimensions sorted by name.
struct SeriesKey {
  std::string account, region, metric_namespace, name;
  std::vector<std::pair<std::string, std::string>> dimensions;
  friend auto operator<=>(const SeriesKey&, const SeriesKey&) = default;
  /// Empty = lacks it.
  [[nodiscard]] std::string_view dimension(std::string_view dimension_name) const noexcept;
  [[nodiscard]] std::string display() const;  ///< "AWS/EC2 CPUUtilization InstanceId=i-0"
};

/// A value that is known to lie between two others, both included; one number is both.
struct ValueRange {
  double least = 0, greatest = 0;
  constexpr ValueRange() = default;
  constexpr ValueRange(double value)
      : least(value), greatest(value) {}  // NOLINT: meant to convert.
  constexpr ValueRange(double from, double to) : least(from), greatest(to) {}
  /// What lies nearest to `to`; of one number that number.
  [[nodiscard]] constexpr double nearest(double to) const noexcept {
    if (!(to > least)) return least;
    return to < greatest ? to : greatest;
  }
  friend auto operator<=>(const ValueRange&, const ValueRange&) = default;
};

/// One statistic set of one series for one period.
struct Datapoint {
  GridTime start_s = 0;
  double sample_count = 0, sum = 0, minimum = 0, maximum = 0;
  /// Flow metric of a window with SKIPDATA: breaches of ">" rules count, nothing is OK on it.
  bool lower_bound = false;
  /// p99 etc., sorted by name. A range only where sets were combined.
  std::vector<std::pair<std::string, ValueRange>> extended;
  /// Combined of sets each of which had one value, not negative: any percentile lies between them.
  /// Never stored.
  bool of_single_values = false;
};

/// What is known of a span of time of a series.
enum class SlotState : std::uint8_t {
  kPresent,
  kMissing,      ///< Due, and no data: not zero.
  kUnknown,      ///< We were not listening, or the source is behind: decides nothing.
  kPending,      ///< Not due yet.
  kNonexistent,  ///< Before the series' first datapoint.
};
struct Slot {
  SlotState state = SlotState::kPending;
  Datapoint value;  ///< When kPresent or partial; periods longer than the series' own are combined.
  bool partial = false;  ///< kPending, but some of it is there, in `value`.
};

/// Time as the log has told it up to the record being applied: progress of sources, ticks, downtime
/// (docs/time.md 1, 2, 6). A plain value, part of the snapshot; kept by ShardTime (shard_time.h),
/// read by everything else.
struct Frontier {
  GridTime tick_s = kBeforeAll;  ///< Last tick.
  /// For flow windows: least progress of live sources less the allowed lateness.
  GridTime watermark_s = kBeforeAll;
  /// Bounded input: evaluation waits for ticks, nothing is late.
  bool bounded = false;
  std::int64_t append_time_s = 0;  ///< Of the record being applied.
  /// End of bounded input, as its InputEnd record says; kNever = none yet.
  GridTime input_end_s = kNever;
};

struct SeriesInfo {
  SeriesKey key;
  std::string unit;
  /// Configured, else by family, else 60; three equal spacings seen set it.
  std::uint32_t own_period_s = 60;
  std::uint32_t publication_delay_s = 180;
  GridTime first_start_s = kNever;  ///< Of the oldest datapoint ever seen.
  GridTime last_start_s = kBeforeAll;
  std::uint32_t source = 0;  ///< Index of the source partition that carried it last.
};

/// A datapoint of the table that a record has just brought or changed, or from which on the series'
/// own slots are others.
struct Change {
  SeriesId series;
  GridTime start_s;
  bool created;  ///< The series is new.
};

/// The datapoint table of one shard, keyed (series, period start). Of two values of one key the
/// larger SampleCount wins, ties by a fixed order of the content, so arrival order never matters
/// (docs/time.md 4). Slots: a datapoint belongs to the span that holds the end of its own period.
/// Memory: only `retention_s` of each series is kept (0 = identity only). Not thread safe: owned by
/// the shard's thread.
class SeriesTable {
 public:
  SeriesTable();
  ~SeriesTable();
  SeriesTable(SeriesTable&&) noexcept;
  SeriesTable& operator=(SeriesTable&&) noexcept;

  SeriesId intern(const SeriesKey& key, std::string_view unit);
  [[nodiscard]] std::optional<SeriesId> find(const SeriesKey& key) const;
  [[nodiscard]] std::size_t size() const noexcept;
  [[nodiscard]] const SeriesInfo& info(SeriesId id) const;
  /// The grid of its own slots: those that were looked at on another count for nothing.
  struct OwnSlots {
    std::uint32_t period_s = 0;
    std::uint32_t offset_s = 0;  ///< Of their starts, less than the period.
    friend bool operator==(const OwnSlots&, const OwnSlots&) = default;
  };
  [[nodiscard]] OwnSlots own_slots(SeriesId id) const;
  /// Period that its datapoints tell or keep to, with those that no tick has come to; 0 = neither.
  [[nodiscard]] std::uint32_t shown_period_s(SeriesId id) const;

  void set_retention(SeriesId id, std::uint32_t retention_s);  ///< Raises, never lowers.
  /// By configuration; learned spacings then change nothing.
  void set_own_period(SeriesId id, std::uint32_t period_s);
  void set_publication_delay(SeriesId id, std::uint32_t delay_s);

  /// Inserts or replaces; true when the stored value of that start changed. `period_s` is what the
  /// datapoint says of its period; 0 = it does not say, then the own period is learned from the
  /// spacing of the starts.
  bool upsert(SeriesId id, const Datapoint& datapoint, std::uint32_t source,
              std::uint32_t period_s = 0);
  /// Bounded input is there whole before the first tick. A later datapoint changes no past
  /// evaluation, so while `by_tick`, periods are learned from what starts before a tick, as it comes.
  /// Those that moved, with the start they moved at, go behind `moved`.
  void set_learning(bool by_tick, std::vector<Change>& moved);
  void learn_until(GridTime tick_s, std::vector<Change>& moved);

  /// The span (end_s - period_s, end_s] of slot ends, combined over the own slots in it: Unknown when
  /// any is (a sum of some is not that of all), else Pending when any is, else Present when any is,
  /// else Missing or Nonexistent.
  [[nodiscard]] Slot slot(SeriesId id, GridTime end_s, std::uint32_t period_s,
                          const Frontier& frontier) const;
  /// Latest grid second up to which every own slot of the series is due; kBeforeAll before its
  /// first datapoint. Never beyond the last slot with data or the tick, whichever is later; with
  /// `bounded` never beyond the tick, nor beyond the end of the input and the last slot with data:
  /// that the data ended says nothing of the time after it.
  [[nodiscard]] GridTime due_until(SeriesId id, const Frontier& frontier) const;
  /// The same two for a series that was never seen. Nobody knows which source it would come by, so
  /// all of the shard speak: a span is missing when every one was heard in it, else unknown, and it
  /// is pending behind one that is stalled or has not been read past it.
  [[nodiscard]] SlotState unseen_slot(GridTime end_s, std::uint32_t period_s, std::uint32_t delay_s,
                                      const Frontier& frontier) const;
  [[nodiscard]] GridTime unseen_due_until(std::uint32_t delay_s, const Frontier& frontier) const;
  /// End of the first own slot after `after_s` that has data; kNever = none has yet.
  [[nodiscard]] GridTime next_data(SeriesId id, GridTime after_s) const;
  /// End of the first own slot after `after_s` that was heard, data or none (`heard`), or was not;
  /// kNever = there is none.
  [[nodiscard]] GridTime next_heard(SeriesId id, GridTime after_s, bool heard) const;
  /// First time after `after_s` at which unseen_slot() is known to differ from kMissing (`missing`)
  /// or from kUnknown, wherever due; kNever = none.
  [[nodiscard]] GridTime next_unseen(GridTime after_s, std::uint32_t period_s, bool missing) const;
  /// Tick at which due_until moves on without new data.
  [[nodiscard]] GridTime next_expiry(SeriesId id, const Frontier& frontier) const;

  /// Spans of wall time that this process or a source did not hear: slots that ended inside are
  /// unknown until data comes.
  void add_deaf_span(std::uint32_t source, GridTime from_s, GridTime to_s);
  /// While a source is stalled, its slots after `read_to_s` stay pending whatever the tick.
  void set_stalled(std::uint32_t source, bool stalled, GridTime read_to_s);
  /// How far the source that carried the series last has been read; kNever = bounded, given up, or
  /// without progress.
  void set_read_to(std::uint32_t source, GridTime read_to_s);
  [[nodiscard]] GridTime read_to(SeriesId id) const;

  /// For slots of series that were never seen: how long it stays known what was not heard. Raises,
  /// never lowers; not saved.
  void keep_deaf_spans(std::uint32_t seconds);
  /// Drops slots that no rule can look at any more.
  void trim(const Frontier& frontier);
  /// Drops the values of series whose retention is still 0: one record after they came, so that
  /// whoever reads the changes of a record can still ask for them.
  void drop_unretained();
  /// The capture interval of a flow series grew: its datapoints from `reopened_s` on go (their
  /// windows are open again), the older ones are combined into the new slots.
  void widen(SeriesId id, std::uint32_t period_s, GridTime reopened_s);

  void save(std::string& out) const;  ///< For snapshots; appends.
  /// Consumes its part; false = damaged.
  [[nodiscard]] bool load(std::string_view& in);

 private:
  struct State;
  State* state_;
};

/// Value of a statistic by CloudWatch name ("Average", "Sum", "p99", ...); nullopt when the
/// datapoint lacks it. Rule: Amazon CloudWatch User Guide, "CloudWatch statistics definitions". A
/// stored percentile or trimmed statistic serves as it came, however it is spelled ("p99.0",
/// "TM(:99%)"); a set with one sample or minimum == maximum serves any, unless its value is
/// negative. A range for a percentile of sets that were combined.
[[nodiscard]] std::optional<ValueRange> statistic(const Datapoint& datapoint,
                                                  std::string_view name);

/// Adds `other` to `sum`: counts and sums add up, extremes widen; lower bounds stay lower bounds. A
/// percentile that both have lies between theirs: as many samples as it asks for are at or below the
/// greater one in either set, and fewer below the lesser one. A set of one value has them all. Other
/// extended statistics are dropped.
void combine_into(Datapoint& sum, const Datapoint& other);

}  // namespace fleetmeter::aggregator
