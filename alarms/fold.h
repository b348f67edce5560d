#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aggregator/inventory.h"
#include "aggregator/series_table.h"
#include "alarms/series_directory.h"

namespace fleetmeter::alarms {

/// One value that a rule looks at: a span of time of one series, or of many folded into one
/// statistic set.
struct FoldedSlot {
  aggregator::GridTime end_s = aggregator::kBeforeAll;
  aggregator::ValueRange value;  ///< When present. A range of a percentile over several sets.
  aggregator::SlotState state =
      aggregator::SlotState::kMissing;  ///< kPending decides nothing, like kUnknown.
  bool lower_bound = false;
  bool has_data = false;     ///< Of a member, perhaps without the statistic: then it is missing.
  bool few_samples = false;  ///< Fewer than the rule asks for: its value decides nothing.
};

/// What a fold reads; one for all the alarms of a rule.
struct FoldSpec {
  /// Which of the matching series take part: never two dimension sets at once, they measure the
  /// same things twice.
  enum class Choice : std::uint8_t {
    kDetailed,           ///< The set with the most dimensions; ties by the order of the names.
    kExactElseDetailed,  ///< The series with exactly the dimensions asked for, as CloudWatch does,
                         ///< else kDetailed.
    kMachinesElseGroup,  ///< Series of single machines (most detailed), else the group's own series
                         ///< (fewest dimensions).
  };
  Choice choice = Choice::kDetailed;
  std::string statistic = "Average";
  std::uint32_t dimensions_asked = 0;
  std::uint64_t samples_min = 0;  ///< A value of fewer is one of few samples; 0 = none is.
  std::uint32_t period_s = 60;
  std::uint32_t unit_s = 60;  ///< Slot ends that are asked for are multiples of it.
  std::uint32_t range_slots = 3;
  std::uint32_t young_s =
      0;  ///< Members whose resource began less than this before a slot's end are left out.
  /// Before its first member there are slots too, missing or unknown: of a single alarm that says
  /// what missing data is worth. They fall due this long after their end; nullopt = there are none.
  std::optional<std::uint32_t> unseen_delay_s = {};
  std::string group;  ///< Machines count while the inventory has them in this group; empty = all.
};

/// Everything outside the alarms that a decision may look at; valid while one record is applied.
struct EvaluationContext {
  const aggregator::SeriesTable& table;
  const aggregator::Frontier& frontier;
  const aggregator::Inventory* inventory;
  SeriesDirectory& directory;
  std::uint32_t
      cache_version;  ///< Raised by every record that can change old slots other than by data.
  aggregator::GridTime previous_tick_s;  ///< Before this record.
  aggregator::GridTime previous_watermark_s;
};

/// The series that one alarm or scaling metric reads, folded. A slot is due when every live member
/// has data there, or at its end plus the publication delay; live = a datapoint in its last three
/// own periods, and in the inventory if that knows it. A member without data is left out; without
/// any member's data the slot is missing, or unknown if a member is. Doubles are summed in the
/// order of the series' keys. A series that matches takes part from the grid time on at which the
/// slot of its first datapoint has ended: of bounded input all are known before the first tick, and
/// none may change what was decided before it came. Rule: docs/alarms.md, "Folding".
class MetricFold {
 public:
  /// The series matches.
  void add(aggregator::SeriesId id);
  /// As of the grid time that was last looked at.
  [[nodiscard]] const std::vector<aggregator::SeriesId>& members() const noexcept {
    return members_;
  }

  /// Members, what matches but takes no part, and what has yet to come.
  [[nodiscard]] const std::vector<aggregator::SeriesId>& candidates() const noexcept {
    return candidates_;
  }

  [[nodiscard]] bool due(aggregator::GridTime at_s, const FoldSpec& spec,
                         const EvaluationContext& context);
  /// Tick at which `due` should be asked again if no data comes; kNever = data or a new record must
  /// come first.
  [[nodiscard]] aggregator::GridTime next_wake(const EvaluationContext& context) const;
  [[nodiscard]] const FoldedSlot& at(aggregator::GridTime end_s, const FoldSpec& spec,
                                     const EvaluationContext& context);
  /// A datapoint of a member was inserted or changed.
  void datapoint_changed(aggregator::GridTime start_s, std::uint32_t own_period_s,
                         const FoldSpec& spec) noexcept;
  void forget() noexcept { seen_.clear(); }

  /// End of the oldest and the newest datapoint ever seen of a member, or of what has yet to come.
  [[nodiscard]] aggregator::GridTime first_end_s(const EvaluationContext& context) const;
  [[nodiscard]] aggregator::GridTime last_end_s(const EvaluationContext& context) const;
  [[nodiscard]] std::uint32_t delay_s(const EvaluationContext& context) const;
  [[nodiscard]] std::uint32_t own_period_s(const EvaluationContext& context) const;
  /// True when the inventory has ended the resource of every member.
  [[nodiscard]] bool ended(aggregator::GridTime at_s, const EvaluationContext& context) const;
  /// When the inventory will have ended them all, as far as it says; kNever = not said.
  [[nodiscard]] aggregator::GridTime ends_s(aggregator::GridTime at_s,
                                            const EvaluationContext& context) const;
  /// Up to where every grid time after `from_s` is due, as far as the members tell without being
  /// asked for each; of a fold that has none yet, its unseen slots.
  [[nodiscard]] aggregator::GridTime due_until(aggregator::GridTime from_s, const FoldSpec& spec,
                                               const EvaluationContext& context) const;
  /// End of the first slot after `after_s` with data of a member, or of what has yet to come.
  [[nodiscard]] aggregator::GridTime next_data(aggregator::GridTime after_s,
                                               const EvaluationContext& context) const;
  /// Nothing but `state`, kMissing, kUnknown or kNonexistent, is in the range that ends at `at_s`,
  /// the last time that was looked at: up to before this time nothing else will be. kNever = always,
  /// at most `at_s` = that cannot be said.
  [[nodiscard]] aggregator::GridTime same_until(aggregator::GridTime at_s,
                                                aggregator::SlotState state, const FoldSpec& spec,
                                                const EvaluationContext& context) const;
  /// No slot after `from_s`, at most `at_s`, has data, and those of a member are all heard or all
  /// unheard: up to before this time it stays so. At most `at_s` = that cannot be said.
  [[nodiscard]] aggregator::GridTime silent_until(aggregator::GridTime from_s,
                                                  aggregator::GridTime at_s, const FoldSpec& spec,
                                                  const EvaluationContext& context) const;
  /// While it is silent, spans that end so far apart hold the like; a multiple of `step_s`. kNever =
  /// over a day.
  [[nodiscard]] aggregator::GridTime cycle_s(std::uint32_t step_s,
                                             const EvaluationContext& context) const;
  /// Slots that end after `from_s`, up to and with `to_s`, are `state`, as same_until() told: what a
  /// later range looks back on is taken for seen.
  void pass_over(aggregator::GridTime from_s, aggregator::GridTime to_s,
                 aggregator::SlotState state, const FoldSpec& spec) noexcept;
  /// Up to where slots had fallen due without data before this record.
  [[nodiscard]] aggregator::GridTime expired_before(const FoldSpec& spec,
                                                    const EvaluationContext& context) const;

  void save(std::string& out) const;
  /// Call when all series have been added.
  [[nodiscard]] bool load(std::string_view& in, const FoldSpec& spec,
                          const EvaluationContext& context);

 private:
  void take_in(aggregator::GridTime at_s, const FoldSpec& spec, const EvaluationContext& context);
  void enter(aggregator::SeriesId id, const FoldSpec& spec, const EvaluationContext& context);
  /// Whose time tells what is due.
  [[nodiscard]] const std::vector<aggregator::SeriesId>& heard() const noexcept {
    return members_.empty() ? to_come_ : members_;
  }
  [[nodiscard]] bool live(aggregator::SeriesId id, aggregator::GridTime at_s, const FoldSpec& spec,
                          const EvaluationContext& context) const;
  [[nodiscard]] FoldedSlot fold(aggregator::GridTime end_s, const FoldSpec& spec,
                                const EvaluationContext& context) const;
  [[nodiscard]] bool shorter_than_capture(aggregator::SeriesId id, const FoldSpec& spec,
                                          const EvaluationContext& context) const;
  [[nodiscard]] bool takes_part(aggregator::SeriesId id, aggregator::GridTime end_s,
                                const FoldSpec& spec, const EvaluationContext& context) const;
  /// First slot end after `from_s` for which the inventory, or a member's age, may say otherwise
  /// whether it takes part.
  [[nodiscard]] aggregator::GridTime part_until(aggregator::SeriesId id,
                                                aggregator::GridTime from_s, const FoldSpec& spec,
                                                const EvaluationContext& context) const;
  /// First time after `at_s` at which one of `to_come_` may come in; `at_s` = it is there already.
  [[nodiscard]] aggregator::GridTime next_member(aggregator::GridTime at_s, const FoldSpec& spec,
                                                 const EvaluationContext& context) const;
  /// Of a machine that a group asks for: the inventory has it there.
  [[nodiscard]] bool in_group(aggregator::SeriesId id, aggregator::GridTime end_s,
                              const FoldSpec& spec, const EvaluationContext& context) const;

  std::vector<aggregator::SeriesId> candidates_;  ///< All that match.
  std::vector<aggregator::SeriesId> to_come_;     ///< Those whose first slot has not ended.
  std::vector<aggregator::SeriesId> members_;     ///< In the order of their keys.
  std::vector<FoldedSlot> seen_;                  ///< Ring by slot end; a pure cache.
  std::uint32_t cache_version_ = 0;
  // Those of heard() before `scanned_` need not be waited for at `scanned_for_s_`: each is looked at once a
  // grid minute.
  aggregator::GridTime scanned_for_s_ = aggregator::kBeforeAll;
  std::uint32_t scanned_ = 0;
  bool any_due_ = false;
  bool none_live_ = false;  ///< None was due or live when last asked.
};

}  // namespace fleetmeter::alarms
