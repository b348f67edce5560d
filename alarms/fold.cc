#include "alarms/fold.h"

#include <algorithm>
#include <numeric>

#include "aggregator/shard.h"
#include "aggregator/state_codec.h"
#include "proto/check.h"

namespace fleetmeter::alarms {
namespace {

using aggregator::Datapoint;
using aggregator::GridTime;
using aggregator::kBeforeAll;
using aggregator::kNever;
using aggregator::SeriesId;
using aggregator::SeriesInfo;
using aggregator::Slot;
using aggregator::SlotState;
using aggregator::ValueRange;

// What a snapshot's byte of a fold says.
constexpr std::uint8_t kAnyDue = 1, kToCome = 2;

/// Own periods that a member may stay away before a fold no longer waits for it.
constexpr GridTime kLivePeriods = 3;
constexpr GridTime kDayS = 86'400;

GridTime minus(GridTime time_s, GridTime seconds) noexcept {
  return time_s < kBeforeAll + seconds ? kBeforeAll : time_s - seconds;
}

GridTime first_end_of(const SeriesInfo& info) noexcept {
  return info.first_start_s == kNever ? kNever : info.first_start_s + GridTime{info.own_period_s};
}

/// True when dimension set `a` is to be read rather than `b`.
bool preferred(const DimensionNames& a, const DimensionNames& b, const FoldSpec& spec) {
  using Choice = FoldSpec::Choice;
  bool most_detailed = true;
  if (spec.choice == Choice::kExactElseDetailed) {
    const bool a_exact = a.count == spec.dimensions_asked;
    const bool b_exact = b.count == spec.dimensions_asked;
    if (a_exact != b_exact) return a_exact;
  }
  if (spec.choice == Choice::kMachinesElseGroup) {
    if (a.machine != b.machine) return a.machine;
    most_detailed = a.machine;
  }
  if (a.count != b.count) return most_detailed ? a.count > b.count : a.count < b.count;
  return a.joined < b.joined;
}

}  // namespace

void MetricFold::add(SeriesId id) {
  if (std::ranges::find(candidates_, id) != candidates_.end()) return;
  candidates_.push_back(id);
  to_come_.push_back(id);
}

void MetricFold::take_in(GridTime at_s, const FoldSpec& spec, const EvaluationContext& context) {
  std::erase_if(to_come_, [&](SeriesId id) {
    const bool has_come =
        first_end_of(context.table.info(id)) <= at_s && in_group(id, at_s, spec, context);
    if (has_come) enter(id, spec, context);
    return has_come;
  });
}

void MetricFold::enter(SeriesId id, const FoldSpec& spec, const EvaluationContext& context) {
  const SeriesDirectory& directory = context.directory;
  // A minute of an interface is in one flow series, whether that names the instance or not.
  const bool flow = context.table.info(id).key.metric_namespace == aggregator::kFlowNamespace;
  const bool same =
      !members_.empty() && (flow || directory.names_id(id) == directory.names_id(members_.front()));
  if (!same) {
    if (!members_.empty() &&
        !preferred(directory.names(id), directory.names(members_.front()), spec))
      return;
    members_.clear();
  }
  const auto by_key = [&](SeriesId a, SeriesId b) {
    return context.table.info(a).key < context.table.info(b).key;
  };
  members_.insert(std::ranges::upper_bound(members_, id, by_key), id);
  scanned_for_s_ = kBeforeAll;
  forget();
}

bool MetricFold::live(SeriesId id, GridTime at_s, const FoldSpec& spec,
                      const EvaluationContext& context) const {
  const SeriesInfo& info = context.table.info(id);
  const GridTime own = info.own_period_s;
  if (info.last_start_s == kBeforeAll) return false;
  if (info.last_start_s + own <= at_s - (kLivePeriods + 1) * own) return false;
  const ResourceTerm term = context.directory.term(id, info.key, context.inventory, at_s - 1);
  return term.started && !term.ended && takes_part(id, at_s, spec, context);
}

bool MetricFold::due(GridTime at_s, const FoldSpec& spec, const EvaluationContext& context) {
  take_in(at_s, spec, context);
  const std::vector<SeriesId>& asked = heard();
  none_live_ = false;
  if (asked.size() == 1) return context.table.due_until(asked[0], context.frontier) >= at_s;
  if (scanned_for_s_ != at_s) {
    scanned_for_s_ = at_s;
    scanned_ = 0;
    any_due_ = false;
  }
  for (; scanned_ < asked.size(); ++scanned_) {
    const SeriesId id = asked[scanned_];
    if (context.table.due_until(id, context.frontier) >= at_s) {
      any_due_ = true;
    } else if (live(id, at_s, spec, context)) {
      return false;
    }
  }
  if (any_due_) return true;
  scanned_ = 0;  // Nobody is live: the first that falls due decides.
  none_live_ = true;
  return false;
}

GridTime MetricFold::next_wake(const EvaluationContext& context) const {
  const std::vector<SeriesId>& asked = heard();
  if (asked.empty()) return kNever;
  if (none_live_) {
    GridTime first_s = kNever;
    for (const SeriesId id : asked)
      first_s = std::min(first_s, context.table.next_expiry(id, context.frontier));
    return first_s;
  }
  const std::size_t witness = scanned_ < asked.size() ? scanned_ : 0;
  return context.table.next_expiry(asked[asked.size() == 1 ? 0 : witness], context.frontier);
}

const FoldedSlot& MetricFold::at(GridTime end_s, const FoldSpec& spec,
                                 const EvaluationContext& context) {
  const std::size_t ring = std::size_t{spec.range_slots - 1} * (spec.period_s / spec.unit_s) + 1;
  if (seen_.size() != ring || cache_version_ != context.cache_version) {
    seen_.assign(ring, FoldedSlot{});
    cache_version_ = context.cache_version;
  }
  FoldedSlot& slot = seen_[static_cast<std::size_t>(end_s / spec.unit_s) % ring];
  if (slot.end_s != end_s || slot.state == SlotState::kPending) slot = fold(end_s, spec, context);
  return slot;
}

bool MetricFold::takes_part(SeriesId id, GridTime end_s, const FoldSpec& spec,
                            const EvaluationContext& context) const {
  if (spec.young_s > 0) {
    const aggregator::SeriesKey& key = context.table.info(id).key;
    const ResourceTerm term = context.directory.term(id, key, context.inventory, end_s - 1);
    if (term.from_s != kBeforeAll && term.from_s + GridTime{spec.young_s} > end_s) return false;
  }
  return in_group(id, end_s, spec, context);
}

bool MetricFold::in_group(SeriesId id, GridTime end_s, const FoldSpec& spec,
                          const EvaluationContext& context) const {
  if (spec.group.empty() || !context.directory.names(id).machine) return true;
  const aggregator::SeriesKey& key = context.table.info(id).key;
  // A machine that has ended keeps the datapoints it had, in the group it was in last.
  return key.dimension("AutoScalingGroupName") == spec.group ||
         context.directory.term(id, key, context.inventory, end_s - 1).group == spec.group;
}

bool MetricFold::shorter_than_capture(SeriesId id, const FoldSpec& spec,
                                      const EvaluationContext& context) const {
  const SeriesInfo& info = context.table.info(id);
  return spec.period_s < info.own_period_s &&
         info.key.metric_namespace == aggregator::kFlowNamespace;
}

FoldedSlot MetricFold::fold(GridTime end_s, const FoldSpec& spec,
                            const EvaluationContext& context) const {
  FoldedSlot folded{
      .end_s = end_s, .value = {}, .state = SlotState::kNonexistent, .lower_bound = false};
  Datapoint sum;
  bool present = false, missing = false, unknown = false;
  for (const SeriesId id : members_) {
    if (!takes_part(id, end_s, spec, context)) continue;
    Slot slot = context.table.slot(id, end_s, spec.period_s, context.frontier);
    // Who was to be waited for has been: what the others have counts as it is, due or not, or a member
    // that falls silent would take what it has of a longer period along until its slots are due.
    if (slot.state == SlotState::kPending)
      slot.state = slot.partial ? SlotState::kPresent : SlotState::kMissing;
    // The sum of a capture interval belongs to no part of it.
    if (slot.state == SlotState::kPresent && shorter_than_capture(id, spec, context))
      slot.state = SlotState::kMissing;
    switch (slot.state) {
      case SlotState::kPresent:
        if (present) {
          aggregator::combine_into(sum, slot.value);
        } else {
          sum = std::move(slot.value);
        }
        present = true;
        break;
      case SlotState::kMissing:
        missing = true;
        break;
      case SlotState::kUnknown:
        unknown = true;
        break;
      case SlotState::kPending:
      case SlotState::kNonexistent:
        break;
    }
  }
  folded.has_data = present;
  if (present) {
    const std::optional<ValueRange> value = aggregator::statistic(sum, spec.statistic);
    folded.state = value ? SlotState::kPresent : SlotState::kMissing;
    folded.value = value.value_or(ValueRange());
    folded.lower_bound = sum.lower_bound;
    folded.few_samples = sum.sample_count < static_cast<double>(spec.samples_min);
  } else if (unknown) {
    folded.state = SlotState::kUnknown;
  } else if (missing) {
    folded.state = SlotState::kMissing;
  } else if (spec.unseen_delay_s) {
    folded.state =
        context.table.unseen_slot(end_s, spec.period_s, *spec.unseen_delay_s, context.frontier);
  }
  return folded;
}

void MetricFold::datapoint_changed(GridTime start_s, std::uint32_t own_period_s,
                                   const FoldSpec& spec) noexcept {
  // It lies in every span whose end is less than a period after the end of its own slot; one own
  // period more on both sides, because own slots need not be aligned to its start.
  const GridTime from = start_s;
  const GridTime to = start_s + 2 * GridTime{own_period_s} + spec.period_s;
  for (FoldedSlot& slot : seen_) {
    if (slot.end_s >= from && slot.end_s <= to) slot.end_s = kBeforeAll;
  }
}

GridTime MetricFold::first_end_s(const EvaluationContext& context) const {
  GridTime first = kNever;
  for (const auto* of : {&members_, &to_come_}) {
    for (const SeriesId id : *of) first = std::min(first, first_end_of(context.table.info(id)));
  }
  return first;
}

GridTime MetricFold::last_end_s(const EvaluationContext& context) const {
  GridTime last = kBeforeAll;
  for (const auto* of : {&members_, &to_come_}) {
    for (const SeriesId id : *of) {
      const SeriesInfo& info = context.table.info(id);
      if (info.last_start_s != kBeforeAll)
        last = std::max(last, info.last_start_s + GridTime{info.own_period_s});
    }
  }
  return last;
}

std::uint32_t MetricFold::delay_s(const EvaluationContext& context) const {
  std::uint32_t delay = 0;
  for (const SeriesId id : heard())
    delay = std::max(delay, context.table.info(id).publication_delay_s);
  return delay;
}

std::uint32_t MetricFold::own_period_s(const EvaluationContext& context) const {
  std::uint32_t period = 1;
  for (const SeriesId id : heard()) period = std::max(period, context.table.info(id).own_period_s);
  return period;
}

bool MetricFold::ended(GridTime at_s, const EvaluationContext& context) const {
  for (const SeriesId id : members_) {
    if (!context.directory.term(id, context.table.info(id).key, context.inventory, at_s - 1).ended)
      return false;
  }
  return !members_.empty();
}

GridTime MetricFold::ends_s(GridTime at_s, const EvaluationContext& context) const {
  GridTime ends = kBeforeAll;
  for (const SeriesId id : members_) {
    ends = std::max(
        ends,
        context.directory.term(id, context.table.info(id).key, context.inventory, at_s - 1).to_s);
  }
  return members_.empty() ? kNever : ends;
}

GridTime MetricFold::due_until(GridTime from_s, const FoldSpec& spec,
                               const EvaluationContext& context) const {
  const std::vector<SeriesId>& asked = heard();
  if (members_.empty() && spec.unseen_delay_s)
    return context.table.unseen_due_until(*spec.unseen_delay_s, context.frontier);
  GridTime waited_for = kNever, any = kBeforeAll;
  for (const SeriesId id : asked) {
    const SeriesInfo& info = context.table.info(id);
    const GridTime due_s = context.table.due_until(id, context.frontier);
    any = std::max(any, due_s);
    // Who is not live by its last datapoint will not be.
    const GridTime own = info.own_period_s;
    if (info.last_start_s > from_s - (kLivePeriods + 2) * own)
      waited_for = std::min(waited_for, due_s);
  }
  return std::min(waited_for, any);
}

GridTime MetricFold::next_data(GridTime after_s, const EvaluationContext& context) const {
  GridTime next_s = kNever;
  for (const SeriesId id : members_)
    next_s = std::min(next_s, context.table.next_data(id, after_s));
  for (const SeriesId id : to_come_)
    next_s = std::min(next_s, first_end_of(context.table.info(id)));
  return next_s;
}

GridTime MetricFold::part_until(SeriesId id, GridTime from_s, const FoldSpec& spec,
                                const EvaluationContext& context) const {
  const aggregator::SeriesKey& key = context.table.info(id).key;
  const bool stays = spec.group.empty() || !context.directory.names(id).machine ||
                     key.dimension("AutoScalingGroupName") == spec.group;
  if (stays && spec.young_s == 0) return kNever;
  // A slot asks for the second before its end.
  const GridTime last_s = minus(from_s, 1);
  const GridTime change_s = context.directory.next_change(id, key, context.inventory, last_s);
  const GridTime until_s = change_s == kNever ? kNever : change_s + 1;
  const ResourceTerm term = context.directory.term(id, key, context.inventory, last_s);
  if (spec.young_s == 0 || term.from_s == kBeforeAll) return until_s;
  const GridTime grown_s = term.from_s + GridTime{spec.young_s};
  return grown_s > from_s ? std::min(until_s, grown_s) : until_s;
}

GridTime MetricFold::next_member(GridTime at_s, const FoldSpec& spec,
                                 const EvaluationContext& context) const {
  GridTime next_s = kNever;
  for (const SeriesId id : to_come_) {
    const GridTime first_s = first_end_of(context.table.info(id));
    if (first_s <= at_s && in_group(id, at_s, spec, context)) return at_s;
    next_s = std::min(next_s, first_s > at_s ? first_s : part_until(id, at_s, spec, context));
  }
  return next_s;
}

GridTime MetricFold::same_until(GridTime at_s, SlotState state, const FoldSpec& spec,
                                const EvaluationContext& context) const {
  const bool missing = state == SlotState::kMissing, unknown = state == SlotState::kUnknown;
  // A later range has spans that lie across those of this one: all of it must be alike. Where all of
  // it is missing, so is every part of it; what is unknown may have parts that are not.
  const GridTime from_s = minus(at_s, GridTime{spec.range_slots} * spec.period_s);
  GridTime until_s = next_member(at_s, spec, context);
  if (members_.empty()) {
    if (!spec.unseen_delay_s) return state == SlotState::kNonexistent ? until_s : at_s;
    const GridTime unseen_from_s = missing ? at_s : from_s;
    return std::min(until_s, context.table.next_unseen(unseen_from_s, spec.period_s, missing));
  }
  GridTime unheard_until_s = kBeforeAll;
  for (const SeriesId id : members_) {
    until_s = std::min(until_s, part_until(id, from_s, spec, context));
    if (until_s <= at_s) return at_s;
    if (!takes_part(id, at_s, spec, context)) continue;
    const SeriesInfo& info = context.table.info(id);
    const GridTime own = info.own_period_s;
    // Its first slot may end up to a period later than that of its first datapoint.
    if (state == SlotState::kNonexistent || first_end_of(info) + own > from_s) return at_s;
    // A datapoint may lack the statistic in one span and have it in another.
    until_s = std::min(until_s, context.table.next_data(id, from_s));
    if (missing) until_s = std::min(until_s, context.table.next_heard(id, at_s, false));
    if (unknown && own <= spec.period_s)
      unheard_until_s = std::max(unheard_until_s, context.table.next_heard(id, from_s, true));
  }
  return unknown ? std::min(until_s, unheard_until_s) : until_s;
}

GridTime MetricFold::silent_until(GridTime from_s, GridTime at_s, const FoldSpec& spec,
                                  const EvaluationContext& context) const {
  if (members_.empty()) return at_s;
  GridTime until_s = next_member(at_s, spec, context);
  for (const SeriesId id : members_) {
    const SeriesInfo& info = context.table.info(id);
    if (first_end_of(info) + GridTime{info.own_period_s} > from_s) return at_s;
    // One of the two is the next slot, the other the first that is not like it.
    const GridTime alike_until_s = std::max(context.table.next_heard(id, from_s, true),
                                            context.table.next_heard(id, from_s, false));
    until_s = std::min({until_s, alike_until_s, context.table.next_data(id, from_s)});
  }
  return until_s;
}

GridTime MetricFold::cycle_s(std::uint32_t step_s, const EvaluationContext& context) const {
  GridTime cycle = step_s;
  for (const SeriesId id : members_) {
    cycle = std::lcm(cycle, GridTime{context.table.info(id).own_period_s});
    if (cycle > kDayS) return kNever;
  }
  return cycle;
}

void MetricFold::pass_over(GridTime from_s, GridTime to_s, SlotState state,
                           const FoldSpec& spec) noexcept {
  const GridTime unit_s = spec.unit_s, ring = static_cast<GridTime>(seen_.size());
  for (GridTime end_s = std::max(from_s + unit_s, to_s - (ring - 1) * unit_s); end_s <= to_s;
       end_s += unit_s) {
    FoldedSlot& slot = seen_[static_cast<std::size_t>(end_s / unit_s) % seen_.size()];
    slot = FoldedSlot{};
    slot.end_s = end_s;
    slot.state = state;
  }
}

GridTime MetricFold::expired_before(const FoldSpec& spec, const EvaluationContext& context) const {
  const std::vector<SeriesId>& of = heard();
  if (of.empty() && !spec.unseen_delay_s) return kBeforeAll;
  const bool flow =
      !of.empty() && context.table.info(of[0]).key.metric_namespace == aggregator::kFlowNamespace;
  const GridTime delay = of.empty() ? *spec.unseen_delay_s : delay_s(context);
  const GridTime expired =
      flow ? context.previous_watermark_s : minus(context.previous_tick_s, delay);
  // What lies after the end of bounded input is not passed over: a later run may bring it.
  return context.frontier.bounded ? std::min(expired, context.frontier.input_end_s) : expired;
}

void MetricFold::save(std::string& out) const {
  aggregator::StateWriter writer(out);
  writer.i64(scanned_for_s_);
  writer.u32(scanned_);
  // A list follows only where there is one, which is rare.
  writer.u8(static_cast<std::uint8_t>((any_due_ ? kAnyDue : 0) | (to_come_.empty() ? 0 : kToCome)));
  if (to_come_.empty()) return;
  writer.u64(to_come_.size());
  for (const SeriesId id : to_come_) writer.u32(id);
}

bool MetricFold::load(std::string_view& in, const FoldSpec& spec,
                      const EvaluationContext& context) {
  aggregator::StateReader reader(in);
  const GridTime scanned_for_s = reader.i64();
  const std::uint32_t scanned = reader.u32();
  const std::uint8_t marks = reader.u8();
  std::vector<SeriesId> to_come;
  for (std::uint64_t left = (marks & kToCome) != 0 ? reader.count() : 0; left > 0 && reader.ok();
       --left)
    to_come.push_back(reader.u32());
  std::erase_if(to_come_, [&](SeriesId id) {
    if (std::ranges::find(to_come, id) != to_come.end()) return false;
    enter(id, spec, context);
    return true;
  });
  scanned_for_s_ = scanned_for_s;
  scanned_ = scanned;
  any_due_ = (marks & kAnyDue) != 0;
  return reader.ok();
}

}  // namespace fleetmeter::alarms
