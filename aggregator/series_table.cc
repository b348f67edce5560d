#include "aggregator/series_table.h"

#include <algorithm>

#include "aggregator/series_state.h"
#include "aggregator/shard.h"
#include "proto/check.h"

namespace fleetmeter::aggregator {
namespace {

constexpr GridTime kMinute = 60;

GridTime floor_mod(GridTime value, GridTime divisor) {
  return ((value % divisor) + divisor) % divisor;
}

/// Saturating: frontiers may be kBeforeAll.
GridTime minus(GridTime time_s, GridTime seconds) {
  return time_s < kBeforeAll + seconds ? kBeforeAll : time_s - seconds;
}

/// Smallest slot end at or after `time_s`.
GridTime slot_end_at_or_after(const SeriesState& series, GridTime time_s) {
  const GridTime period = series.info.own_period_s;
  return time_s + floor_mod(series.phase_s() - time_s, period);
}

GridTime slot_end_of(const SeriesState& series, GridTime start_s) {
  return slot_end_at_or_after(series, start_s + series.info.own_period_s);
}

}  // namespace

std::string_view SeriesKey::dimension(std::string_view dimension_name) const noexcept {
  for (const auto& [name_, value] : dimensions) {
    if (name_ == dimension_name) return value;
  }
  return {};
}

std::string SeriesKey::display() const {
  std::string text = metric_namespace + " " + name;
  for (const auto& [dimension_name, value] : dimensions) text += " " + dimension_name + "=" + value;
  return text;
}

SeriesTable::SeriesTable() : state_(new State) {}
SeriesTable::~SeriesTable() { delete state_; }
SeriesTable::SeriesTable(SeriesTable&& other) noexcept
    : state_(std::exchange(other.state_, nullptr)) {}
SeriesTable& SeriesTable::operator=(SeriesTable&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}

SeriesId SeriesTable::intern(const SeriesKey& key, std::string_view unit) {
  const std::uint64_t hash = hash_of(key);
  if (const SeriesId known = state_->find(key, hash); known != parsers::IndexTable::kNone)
    return known;
  return state_->add(key, hash, unit);
}

SeriesId SeriesTable::State::add(SeriesKey key, std::uint64_t hash, std::string_view unit) {
  const auto id = static_cast<SeriesId>(series.size());
  ids.insert(hash, id);
  SeriesState& made = series.emplace_back();
  made.family = family_of(key);
  made.flow = key.metric_namespace == kFlowNamespace;
  made.info.key = std::move(key);
  made.info.unit = unit;
  made.info.own_period_s = made.family.own_period_s;
  made.info.publication_delay_s = made.family.publication_delay_s;
  return id;
}

std::optional<SeriesId> SeriesTable::find(const SeriesKey& key) const {
  const SeriesId known = state_->find(key, hash_of(key));
  if (known == parsers::IndexTable::kNone) return std::nullopt;
  return known;
}

std::size_t SeriesTable::size() const noexcept { return state_->series.size(); }

const SeriesInfo& SeriesTable::info(SeriesId id) const { return state_->at(id).info; }

SeriesTable::OwnSlots SeriesTable::own_slots(SeriesId id) const {
  const SeriesState& series = state_->at(id);
  const std::uint32_t period_s = series.info.own_period_s;
  return {period_s, static_cast<std::uint32_t>(floor_mod(series.phase_s(), period_s))};
}

std::uint32_t SeriesTable::shown_period_s(SeriesId id) const {
  const SeriesState& series = state_->at(id);
  if (series.period_configured || series.carried_period_s > 0) return series.info.own_period_s;
  PeriodLearner learner = series.learner;
  if (series.unlearned_at == SeriesState::kLearned) return learner.kept_s();
  const SeriesPoints& points = series.points;
  for (std::size_t i = points.lower_bound(state_->unlearned[series.unlearned_at].next_s);
       i < points.size(); ++i) {
    if (points.carried_s(i) > 0) return points.carried_s(i);
    learner.add(points.start(i), kNever);
  }
  return learner.kept_s();
}

void SeriesTable::set_retention(SeriesId id, std::uint32_t retention_s) {
  SeriesState& series = state_->at(id);
  series.retention_s = std::max(series.retention_s, retention_s);
}

void SeriesTable::set_own_period(SeriesId id, std::uint32_t period_s) {
  FM_CHECK(period_s > 0);
  SeriesState& series = state_->at(id);
  series.period_configured = true;
  series.info.own_period_s = period_s;
  series.run = {};
}

void SeriesTable::set_publication_delay(SeriesId id, std::uint32_t delay_s) {
  state_->at(id).info.publication_delay_s = delay_s;
}

bool SeriesTable::upsert(SeriesId id, const Datapoint& datapoint, std::uint32_t source,
                         std::uint32_t period_s) {
  SeriesState& series = state_->at(id);
  series.info.source = source;
  series.info.first_start_s = std::min(series.info.first_start_s, datapoint.start_s);
  series.info.last_start_s = std::max(series.info.last_start_s, datapoint.start_s);
  if (state_->learns_by_tick) {
    // Before the first of them is learned from, the grid begins with the oldest.
    if (series.learned_s == kBeforeAll) series.run = {};
    state_->learn_later(id, datapoint.start_s);
  } else if (series.learn(datapoint.start_s, period_s, state_->heard_until(series))) {
    // The run of present slots is known by its slot ends.
    series.run = {};
  }
  const bool changed = series.points.upsert(datapoint, period_s);
  if (series.retention_s == 0 && series.points.size() == 1) state_->unretained.push_back(id);
  return changed;
}

void SeriesTable::State::learn_later(SeriesId id, GridTime start_s) {
  SeriesState& of = at(id);
  if (of.unlearned_at == SeriesState::kLearned) {
    of.unlearned_at = static_cast<std::uint32_t>(unlearned.size());
    unlearned.push_back({start_s, id});
  }
  GridTime& next_s = unlearned[of.unlearned_at].next_s;
  next_s = std::min(next_s, start_s);
}

bool SeriesTable::State::learn_points(Unlearned& one, GridTime before_s) {
  SeriesState& of = at(one.id);
  bool moved = false;
  std::size_t i = of.points.lower_bound(one.next_s);
  for (; i < of.points.size() && of.points.start(i) < before_s; ++i)
    moved |= of.learn(of.points.start(i), of.points.carried_s(i), kNever);
  one.next_s = i < of.points.size() ? of.points.start(i) : kNever;
  if (moved) of.run = {};
  return moved;
}

void SeriesTable::learn_until(GridTime tick_s, std::vector<Change>& moved) {
  std::vector<Unlearned>& unlearned = state_->unlearned;
  for (std::size_t i = 0; i < unlearned.size();) {
    if (unlearned[i].next_s >= tick_s) {
      ++i;
      continue;
    }
    Unlearned& one = unlearned[i];
    const SeriesId id = one.id;
    if (state_->learn_points(one, tick_s)) moved.push_back({id, state_->at(id).learned_s, false});
    if (one.next_s != kNever) {
      ++i;
      continue;
    }
    state_->at(id).unlearned_at = SeriesState::kLearned;
    one = unlearned.back();
    unlearned.pop_back();
    if (i < unlearned.size()) state_->at(one.id).unlearned_at = static_cast<std::uint32_t>(i);
  }
}

void SeriesTable::set_learning(bool by_tick, std::vector<Change>& moved) {
  state_->learns_by_tick = by_tick;
  if (!by_tick) learn_until(kNever, moved);
}

GridTime SeriesTable::State::read_to(const SeriesState& of) const {
  return of.info.source < sources.size() ? sources[of.info.source].read_to_s : kNever;
}

GridTime SourceState::heard_until(std::uint32_t delay_s) const noexcept {
  return read_to_s == kNever ? kNever : minus(read_to_s, delay_s);
}

GridTime SourceState::expired_until(std::uint32_t delay_s) const noexcept {
  return std::min(heard_until(delay_s), stalled_at_s);
}

GridTime SeriesTable::State::heard_until(const SeriesState& of) const {
  return of.info.source < sources.size()
             ? sources[of.info.source].heard_until(of.info.publication_delay_s)
             : kNever;
}

GridTime SeriesTable::State::expired_until(const SeriesState& of, const Frontier& frontier) const {
  if (of.flow) return frontier.watermark_s;
  const GridTime by_tick = minus(frontier.tick_s, of.info.publication_delay_s);
  if (of.info.source >= sources.size()) return by_tick;
  return std::min(by_tick, sources[of.info.source].expired_until(of.info.publication_delay_s));
}

GridTime SeriesTable::State::first_undue_end(const SeriesState& of,
                                             const Frontier& frontier) const {
  const GridTime expired = expired_until(of, frontier);
  GridTime end = slot_end_of(of, of.info.first_start_s);
  if (expired >= end) end = slot_end_at_or_after(of, expired + 1);
  const GridTime last_end = slot_end_of(of, of.info.last_start_s);
  SeriesState::Run& run = of.run;
  if (end >= run.from_s && end <= run.to_s) {
    end = run.to_s;
  } else {
    run = {end, end};
  }
  const GridTime period = of.info.own_period_s;
  for (std::size_t i = of.points.lower_bound(end - 2 * period + 1);
       end <= last_end && i < of.points.size(); ++i) {
    const GridTime present = slot_end_of(of, of.points.start(i));
    if (present > end) break;
    if (present == end) end += period;
  }
  run.to_s = end;
  return end;
}

/// Last time that bounded input says something of: its end, or the series' last slot with data. Where
/// that is off the minute, the minute that it lies in is decided too, for all that was read is
/// evaluated; but not what the series' next slot belongs to, which a later run may bring.
GridTime SeriesTable::State::bounded_until(const SeriesState& of, GridTime input_end_s) const {
  if (input_end_s == kNever) return kNever;
  const GridTime end_s = std::max(input_end_s, slot_end_of(of, of.info.last_start_s));
  const GridTime minute_end_s = end_s + floor_mod(-end_s, kMinute);
  return std::min(minute_end_s, slot_end_at_or_after(of, end_s + 1) - 1);
}

GridTime SeriesTable::due_until(SeriesId id, const Frontier& frontier) const {
  const SeriesState& series = state_->at(id);
  if (series.info.first_start_s == kNever) return kBeforeAll;
  if (frontier.bounded && frontier.tick_s < slot_end_of(series, series.info.first_start_s))
    return kBeforeAll;
  const GridTime undue = state_->first_undue_end(series, frontier);
  if (frontier.bounded) {
    return std::min(
        {undue - 1, frontier.tick_s, state_->bounded_until(series, frontier.input_end_s)});
  }
  if (undue == slot_end_of(series, series.info.first_start_s)) return kBeforeAll;
  // The newest slot with data of the unbroken run, where data and not the tick carries it.
  const GridTime data_end =
      std::min(undue - series.info.own_period_s, slot_end_of(series, series.info.last_start_s));
  return std::min(undue - 1, std::max(data_end, frontier.tick_s));
}

GridTime SeriesTable::unseen_due_until(std::uint32_t delay_s, const Frontier& frontier) const {
  GridTime due_s = minus(frontier.tick_s, delay_s);
  for (const SourceState& source : state_->sources)
    due_s = std::min(due_s, source.expired_until(delay_s));
  return frontier.bounded ? std::min(due_s, frontier.input_end_s) : due_s;
}

SlotState SeriesTable::unseen_slot(GridTime end_s, std::uint32_t period_s, std::uint32_t delay_s,
                                   const Frontier& frontier) const {
  if (unseen_due_until(delay_s, frontier) < end_s) return SlotState::kPending;
  const bool heard = std::ranges::all_of(state_->sources, [&](const SourceState& source) {
    return std::ranges::none_of(source.deaf, [&](const DeafSpan& span) {
      return span.from_s < end_s && span.to_s > end_s - GridTime{period_s};
    });
  });
  return heard ? SlotState::kMissing : SlotState::kUnknown;
}

GridTime SeriesTable::next_data(SeriesId id, GridTime after_s) const {
  const SeriesState& series = state_->at(id);
  if (series.points.empty()) return kNever;
  const GridTime from_s = minus(after_s, 2 * GridTime{series.info.own_period_s});
  for (std::size_t i = series.points.lower_bound(from_s); i < series.points.size(); ++i) {
    const GridTime end_s = slot_end_of(series, series.points.start(i));
    if (end_s > after_s) return end_s;
  }
  return kNever;
}

GridTime SeriesTable::next_heard(SeriesId id, GridTime after_s, bool heard) const {
  const SeriesState& series = state_->at(id);
  if (series.info.first_start_s == kNever) return kNever;
  const GridTime own = series.info.own_period_s;
  const GridTime first_end = slot_end_of(series, series.info.first_start_s);
  GridTime end_s = std::max(first_end, slot_end_at_or_after(series, after_s + 1));
  if (series.info.source >= state_->sources.size()) return heard ? end_s : kNever;
  const std::vector<DeafSpan>& spans = state_->sources[series.info.source].deaf;
  if (!heard) {
    GridTime next_s = kNever;
    for (const DeafSpan& span : spans) {
      GridTime at_s = end_s;
      if (span.from_s >= at_s) at_s = slot_end_at_or_after(series, span.from_s + 1);
      if (at_s <= span.to_s) next_s = std::min(next_s, at_s);
    }
    return next_s;
  }
  for (bool moved = true; moved;) {
    moved = false;
    for (const DeafSpan& span : spans) {
      if (end_s <= span.from_s || end_s > span.to_s) continue;
      if (span.to_s >= kNever - own) return kNever;
      end_s = slot_end_at_or_after(series, span.to_s + 1);
      moved = true;
    }
  }
  return end_s;
}

GridTime SeriesTable::next_unseen(GridTime after_s, std::uint32_t period_s, bool missing) const {
  const GridTime period = period_s;
  GridTime next_s = missing ? kNever : after_s + 1;
  for (const SourceState& source : state_->sources) {
    for (const DeafSpan& span : source.deaf) {
      // It touches the spans that end in (from, to + period).
      const GridTime ends_s = span.to_s >= kNever - period ? kNever : span.to_s + period;
      if (!missing) {
        if (span.from_s <= after_s) next_s = std::max(next_s, ends_s);
        continue;
      }
      const GridTime begins_s = std::max(span.from_s, after_s) + 1;
      if (begins_s < ends_s) next_s = std::min(next_s, begins_s);
    }
  }
  return next_s;
}

void SeriesTable::keep_deaf_spans(std::uint32_t seconds) {
  state_->deaf_kept_s = std::max(state_->deaf_kept_s, seconds);
}

GridTime SeriesTable::next_expiry(SeriesId id, const Frontier& frontier) const {
  const SeriesState& series = state_->at(id);
  if (series.info.first_start_s == kNever) return kNever;
  if (frontier.tick_s == kBeforeAll) return kBeforeAll + 1;  // The first tick, whichever it is.
  const GridTime undue = state_->first_undue_end(series, frontier);
  const GridTime due = due_until(id, frontier);
  if (frontier.bounded && due == kBeforeAll) return slot_end_of(series, series.info.first_start_s);
  if (due != kBeforeAll && due < undue - 1) return std::max(due, frontier.tick_s) + 1;
  if (!series.flow) {
    const bool stalled = series.info.source < state_->sources.size() &&
                         undue > state_->sources[series.info.source].stalled_at_s;
    if (stalled) return kNever;
    // Where the source and not the tick holds it back, the next tick asks again.
    return std::max(undue + series.info.publication_delay_s, frontier.tick_s + 1);
  }
  if (frontier.watermark_s == kBeforeAll) return kNever;
  // The watermark runs behind the tick by what it runs behind now; asked again then, if it did not
  // keep up.
  return std::max(frontier.tick_s + 1, undue + (frontier.tick_s - frontier.watermark_s));
}

Slot SeriesTable::slot(SeriesId id, GridTime end_s, std::uint32_t period_s,
                       const Frontier& frontier) const {
  FM_CHECK(period_s > 0);
  const SeriesState& series = state_->at(id);
  Slot slot;
  if (series.info.first_start_s == kNever) {
    slot.state = SlotState::kNonexistent;
    return slot;
  }
  const GridTime first_end = slot_end_of(series, series.info.first_start_s);
  if (end_s < first_end) {
    slot.state = SlotState::kNonexistent;
    return slot;
  }
  const GridTime begin_s = end_s - period_s;
  if (frontier.bounded && end_s > frontier.tick_s) return slot;
  // Slots that are not due yet make the whole span pending, even when others in it are present.
  const bool pending = state_->first_undue_end(series, frontier) <= end_s;

  std::uint32_t present = 0;
  bool unknown = false;
  const GridTime own = series.info.own_period_s;
  const std::uint32_t source = series.info.source;
  GridTime next = slot_end_at_or_after(series, std::max(begin_s + 1, first_end));
  for (std::size_t i = series.points.lower_bound(begin_s - 2 * own + 1); i < series.points.size();
       ++i) {
    const GridTime at = slot_end_of(series, series.points.start(i));
    if (at > end_s) break;
    if (at <= begin_s) continue;
    unknown = unknown || (next < at && state_->deaf(source, next, at - own, own));
    next = at + own;
    if (present++ == 0) {
      slot.value = series.points.get(i);
    } else {
      combine_into(slot.value, series.points.get(i));
    }
  }
  unknown = unknown || (next <= end_s && state_->deaf(source, next, end_s, own));
  slot.state = unknown       ? SlotState::kUnknown
               : pending     ? SlotState::kPending
               : present > 0 ? SlotState::kPresent
                             : SlotState::kMissing;
  slot.partial = slot.state == SlotState::kPending && present > 0;
  return slot;
}

bool SeriesTable::State::deaf(std::uint32_t source, GridTime first_end_s, GridTime last_end_s,
                              GridTime step_s) const {
  if (source >= sources.size()) return false;
  for (const DeafSpan& span : sources[source].deaf) {
    // First slot end inside (from, to].
    GridTime end = first_end_s;
    if (span.from_s >= end) end += (span.from_s - end) / step_s * step_s + step_s;
    if (end <= last_end_s && end <= span.to_s) return true;
  }
  return false;
}

void SeriesTable::add_deaf_span(std::uint32_t source, GridTime from_s, GridTime to_s) {
  if (to_s <= from_s) return;
  std::vector<DeafSpan>& spans = state_->source(source).deaf;
  const auto same = std::ranges::find(spans, from_s, &DeafSpan::from_s);
  if (same != spans.end()) {
    same->to_s = to_s;
  } else {
    spans.push_back({from_s, to_s});
  }
}

void SeriesTable::set_stalled(std::uint32_t source, bool stalled, GridTime read_to_s) {
  state_->source(source).stalled_at_s = stalled ? read_to_s : kNever;
}

void SeriesTable::set_read_to(std::uint32_t source, GridTime read_to_s) {
  // Told of all sources after a load: those of which there is nothing to hold stay unheld.
  if (read_to_s == kNever && source >= state_->sources.size()) return;
  state_->source(source).read_to_s = read_to_s;
}

GridTime SeriesTable::read_to(SeriesId id) const { return state_->read_to(state_->at(id)); }

void SeriesTable::drop_unretained() {
  for (const SeriesId id : state_->unretained) {
    SeriesState& series = state_->at(id);
    if (series.retention_s != 0) continue;
    if (series.unlearned_at != SeriesState::kLearned)
      (void)state_->learn_points(state_->unlearned[series.unlearned_at], kNever);
    series.points.clear();
    series.run = {};
  }
  state_->unretained.clear();
}

void SeriesTable::widen(SeriesId id, std::uint32_t period_s, GridTime reopened_s) {
  FM_CHECK(period_s > 0);
  SeriesState& series = state_->at(id);
  SeriesPoints folded;
  series.points.drop_from(reopened_s);
  Datapoint sum;
  for (std::size_t i = 0; i < series.points.size(); ++i) {
    Datapoint datapoint = series.points.get(i);
    const GridTime start = datapoint.start_s - floor_mod(datapoint.start_s, period_s);
    datapoint.start_s = start;
    if (i > 0 && sum.start_s == start) {
      // One capture interval is one sample: its value is the sum over its windows.
      sum.sum += datapoint.sum;
      sum.minimum = sum.maximum = sum.sum;
      sum.lower_bound = sum.lower_bound || datapoint.lower_bound;
    } else {
      if (i > 0) folded.upsert(sum);
      sum = datapoint;
    }
  }
  if (!series.points.empty()) folded.upsert(sum);
  series.points = std::move(folded);
  if (series.info.first_start_s != kNever)
    series.info.first_start_s -= floor_mod(series.info.first_start_s, period_s);
  if (series.info.last_start_s != kBeforeAll)
    series.info.last_start_s -= floor_mod(series.info.last_start_s, period_s);
  if (series.learned_s != kBeforeAll) series.learned_s -= floor_mod(series.learned_s, period_s);
  set_own_period(id, period_s);
}

void SeriesTable::trim(const Frontier& frontier) {
  if (frontier.tick_s == kBeforeAll) return;
  // What is postponed is evaluated later in order, over these very slots: nothing behind it may go.
  GridTime floor_s = frontier.tick_s;
  if (frontier.watermark_s != kBeforeAll) floor_s = std::min(floor_s, frontier.watermark_s);
  // A later run may go on from there.
  if (frontier.bounded) floor_s = std::min(floor_s, frontier.input_end_s);
  for (const SourceState& source : state_->sources)
    floor_s = std::min(floor_s, source.stalled_at_s);
  std::uint32_t longest_s = state_->deaf_kept_s;
  for (SeriesState& series : state_->series) {
    const std::uint32_t kept =
        series.retention_s + series.info.publication_delay_s + 2 * series.info.own_period_s;
    longest_s = std::max(longest_s, kept);
    if (!series.points.empty()) series.points.drop_before(minus(floor_s, kept));
  }
  for (SourceState& source : state_->sources) {
    std::erase_if(source.deaf,
                  [&](const DeafSpan& span) { return span.to_s < minus(floor_s, longest_s); });
  }
}

}  // namespace fleetmeter::aggregator
