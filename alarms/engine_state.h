#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <queue>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "aggregator/state_codec.h"
#include "alarms/alarm_instance.h"
#include "alarms/engine.h"
#include "alarms/scaling_group.h"
#include "alarms/series_directory.h"

namespace fleetmeter::alarms {

/// One thing that is evaluated: an alarm or a scaling group, by index.
using UnitId = std::uint32_t;

/// Private to the engine: rules bound to series, and what has to be looked at when.
struct Engine::State {
  /// A rule that reads a metric.
  struct Reader {
    bool scaling = false;
    std::uint32_t rule = 0;   ///< Of plans or groups.
    std::uint32_t input = 0;  ///< Of a group.
  };
  /// A silence that alarms born later must obey too.
  struct Standing {
    std::string rule, series;
    AlarmCommand command;
  };

  std::string environment;
  std::shared_ptr<const RuleSet> rules;
  std::deque<AlarmPlan> plans;  ///< Stable addresses.
  bool singles_made = false;    ///< Those of `plans` that wait for no datapoint.
  std::deque<AlarmInstance> alarms;
  std::deque<ScalingGroup> groups;
  std::unordered_map<std::string, std::vector<Reader>> readers;  ///< By namespace and name.
  std::unordered_map<std::string, std::uint32_t> instances;  ///< By rule index and for_each value.
  std::vector<std::vector<UnitId>> links;                    ///< By series.
  /// By series, as last looked at; period 0 = no rule reads it.
  std::vector<aggregator::SeriesTable::OwnSlots> own_slots;
  SeriesDirectory directory;
  std::vector<Standing> standing;

  std::uint32_t cache_version = 1;
  aggregator::GridTime previous_tick_s = aggregator::kBeforeAll;
  aggregator::GridTime previous_watermark_s = aggregator::kBeforeAll;
  std::uint64_t evaluations = 0;

  static constexpr aggregator::SeriesId kNoSeries = ~aggregator::SeriesId{0};
  std::set<std::string, std::less<>>
      heard_sources;                              ///< That had a progress record; only saves work.
  aggregator::SeriesId flow_witness = kNoSeries;  ///< Any flow series that a rule reads.
  std::uint32_t flow_period_s = 60;               ///< Its own period when last looked at.
  bool flow_unsaid = true;                        ///< That some period is too short for it.
  std::set<std::string> said_too_short;           ///< Rules of which that was said.

  using Wake = std::pair<aggregator::GridTime, UnitId>;
  std::priority_queue<Wake, std::vector<Wake>, std::greater<>> wakes;
  struct Pace {
    aggregator::GridTime armed_s =
        aggregator::kNever;  ///< Earliest entry of `wakes`; kNever = none.
    bool dirty = false;
    bool free = false;       ///< An alarm that is no more: its place is used again.
    std::uint32_t rule = 0;  ///< Of an alarm: of plans.
  };
  std::vector<Pace> alarm_paces, group_paces;
  std::vector<UnitId> free_alarms;  ///< Places of alarms that are no more.
  /// What is left of an alarm that waited for data of series that are gone: enough to make it anew.
  struct Gone {
    std::uint64_t fingerprint = 0;
    aggregator::GridTime evaluated_s = aggregator::kBeforeAll;
    std::vector<aggregator::SeriesId> series;
  };
  std::unordered_map<std::string, Gone> gone;  ///< By the keys of `instances`, never in both.
  std::vector<bool> has_gone;                  ///< By series: an alarm over it may be in `gone`.
  std::vector<UnitId> dirty;
  std::vector<UnitId> holding;        ///< Alarms that hold back what a catch-up led to.
  std::vector<proto::Event> orphans;  ///< Held by alarms whose rule is gone: told to nobody.
  std::vector<RangeSlot> kinds;       ///< Scratch, kept for its capacity.
  std::vector<SeenValue> range;

  explicit State(std::string environment_name) : environment(std::move(environment_name)) {}

  [[nodiscard]] EvaluationContext context(const aggregator::Shard& shard) {
    return {shard.table(), shard.frontier(), shard.inventory(),   directory,
            cache_version, previous_tick_s,  previous_watermark_s};
  }
  void take_rules(std::shared_ptr<const RuleSet> new_rules);
  void bind(aggregator::SeriesId id, aggregator::Shard& shard);
  void bind_all(aggregator::Shard& shard);
  void make_singles(aggregator::Shard& shard);
  void bind_groups(aggregator::Shard& shard);
  void link(aggregator::SeriesId id, UnitId unit);
  UnitId alarm_of(std::uint32_t plan, const std::string& key);
  void let_go(UnitId unit);
  void let_spent_go(const EvaluationContext& now);
  void mark(UnitId unit);
  void mark_all();
  void schedule(UnitId unit, aggregator::GridTime wake_s, aggregator::GridTime tick_s);
  void note_record(const proto::LogRecord& record, aggregator::Shard& shard);
  [[nodiscard]] bool starts_listening(const proto::Progress& progress);
  [[nodiscard]] bool flow_slots_changed(const aggregator::Shard& shard);
  void note_slots(const std::vector<aggregator::Change>& changes, const aggregator::Shard& shard);
  void run_command(const proto::Command& command);
  void warn_of_short_periods(aggregator::GridTime at_s, std::vector<proto::Event>& events);
  [[nodiscard]] bool too_short(const AlarmPlan& plan) const noexcept;
  void mark_tellers(const aggregator::Shard& shard);
  void note_holding();
  void save(std::string& out) const;
  /// Alarms keep their state by rule and series, groups by rule and group, whatever else of the rule
  /// has changed; those of new rules start after the present tick.
  [[nodiscard]] bool load(std::string_view& in, aggregator::Shard& shard);
  void save_gone(aggregator::StateWriter& writer) const;
  [[nodiscard]] bool load_gone(aggregator::StateReader& reader, aggregator::GridTime tick_s);
  [[nodiscard]] bool load_alarms(aggregator::StateReader& reader, const EvaluationContext& now);
  [[nodiscard]] bool load_groups(aggregator::StateReader& reader, const EvaluationContext& now);

  static constexpr UnitId kGroupBit = 1U << 31;
  [[nodiscard]] Pace& pace(UnitId unit) {
    return (unit & kGroupBit) ? group_paces[unit & ~kGroupBit] : alarm_paces[unit];
  }
};

}  // namespace fleetmeter::alarms
