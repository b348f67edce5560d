#include "aggregator/shard_time.h"

#include <algorithm>

namespace fleetmeter::aggregator {
namespace {

constexpr std::int64_t kGrid = 10;
constexpr std::int64_t kDefaultLateness = 600;
/// A source that carried nothing for this long holds nobody up.
constexpr std::int64_t kCarriesFor = 86'400;

/// End of the window that holds the last second before `end_s`.
GridTime window_end(GridTime end_s, std::int64_t interval_s) {
  if (end_s == kNever) return kNever;
  const GridTime past_s = end_s % interval_s;
  return past_s == 0 ? end_s : end_s - past_s + (past_s < 0 ? 0 : interval_s);
}

/// "kafka:TOPIC" of "kafka:TOPIC/PARTITION"; empty = the source has no partitions.
std::string topic_of(const std::string& name) {
  const std::size_t slash = name.rfind('/');
  if (!name.starts_with("kafka:") || slash == std::string::npos) return {};
  return name.substr(0, slash);
}

}  // namespace

std::uint32_t ShardTime::source(const std::string& name) {
  const auto [at, added] = ids_.try_emplace(name, static_cast<std::uint32_t>(sources_.size()));
  const std::uint32_t index = at->second;
  if (added) {
    sources_.emplace_back();
    find_carrier(name, index);
  }
  return index;
}

void ShardTime::find_carrier(const std::string& name, std::uint32_t index) {
  const std::string topic = topic_of(name);
  const std::uint32_t carrier = topic.empty() ? index : source(topic);
  sources_[index].carrier = carrier;
}

void ShardTime::carried(std::uint32_t source, bool flows) {
  if (flows) sources_[source].carried_at_s = frontier_.append_time_s;
}

void ShardTime::apply(const proto::Progress& progress, SeriesTable& table) {
  for (const proto::SourceProgress& one : progress.sources()) apply(one, table);
  set_bounded();
  advance_watermark();
}

void ShardTime::set_bounded() {
  // Before any progress nothing is known to be live: then nothing is due, as in bounded input. Nor
  // beside live sources, as long as files of ours are not read whole.
  frontier_.bounded =
      std::ranges::all_of(sources_, [](const Source& s) { return !s.known || s.bounded; }) ||
      std::ranges::any_of(sources_, [](const Source& s) {
        return s.unread && !s.elsewhere && !s.stalled && !s.given_up;
      });
}

void ShardTime::apply(const proto::SourceProgress& progress, SeriesTable& table) {
  const std::uint32_t index = source(progress.source());
  Source& source = sources_[index];
  // Progress never passes the append time and never goes back.
  const GridTime read_to_s =
      std::min<GridTime>(progress.read_to_ms() / 1000, frontier_.append_time_s);
  const GridTime listening_s = progress.listening_since_ms() / 1000;
  if (!progress.bounded()) {
    if (!source.known) {
      GridTime heard_s = progress.push() && listening_s > 0 ? listening_s : read_to_s;
      if (source.carrier != index) {
        Source& topic = sources_[source.carrier];
        heard_s = topic.read_to_s = std::max(topic.read_to_s, heard_s);
      }
      table.add_deaf_span(source.carrier, kBeforeAll, heard_s);
    } else if (progress.push() && progress.started()) {
      table.add_deaf_span(source.carrier, source.read_to_s, listening_s);
    }
  }
  source.known = true;
  source.bounded = progress.bounded();
  source.unread = progress.bounded() && !progress.caught_up();
  source.read_to_s = std::max(source.read_to_s, read_to_s);
  tell_of(source.carrier, table);
  source.lateness_s =
      progress.allowed_lateness_s() > 0 ? progress.allowed_lateness_s() : kDefaultLateness;
  source.named =
      std::ranges::find(progress.environments(), environment_) != progress.environments().end();
  source.elsewhere = progress.environments_size() > 0 && !source.named;
}

void ShardTime::apply(const proto::SourceStall& stall, SeriesTable& table) {
  const std::uint32_t index = source(stall.source());
  Source& source = sources_[index];
  source.stalled = stall.stalled() && !stall.given_up();
  if (stall.given_up()) {
    source.given_up = true;
    source.given_up_from_s = source.read_to_s;
    table.add_deaf_span(source.carrier, source.given_up_from_s, kNever);
  } else if (!stall.stalled()) {
    // It is heard again: what was decided without it stays unknown, the rest waits for it as
    // before.
    if (source.given_up)
      table.add_deaf_span(source.carrier, source.given_up_from_s, frontier_.tick_s);
    source.given_up = false;
  }
  set_bounded();
  tell_of(source.carrier, table);
  advance_watermark();
}

/// The partition that is furthest behind speaks for its topic.
void ShardTime::tell_of(std::uint32_t carrier, SeriesTable& table) const {
  GridTime read_to_s = kNever, stalled_at_s = kNever;
  for (const Source& source : sources_) {
    if (source.carrier != carrier) continue;
    if (source.stalled) stalled_at_s = std::min(stalled_at_s, source.read_to_s);
    const bool waited_for = source.known && !source.bounded && !source.given_up;
    if (waited_for) read_to_s = std::min(read_to_s, source.read_to_s);
  }
  table.set_stalled(carrier, stalled_at_s != kNever, stalled_at_s);
  table.set_read_to(carrier, read_to_s);
}

void ShardTime::tell(SeriesTable& table) const {
  for (const Source& source : sources_) {
    if (source.known) tell_of(source.carrier, table);
  }
}

bool ShardTime::apply(const proto::Tick& tick, std::uint32_t flow_interval_s) {
  const GridTime at_s = tick.time_s();
  if (at_s <= frontier_.tick_s || at_s % kGrid != 0) return false;
  if (!frontier_.bounded && at_s > frontier_.append_time_s + kTickAheadMax) return false;
  frontier_.tick_s = at_s;
  if (frontier_.bounded) {
    // Ticks go on behind the end, for what is due by delay. Windows there stay open: a later run
    // over more files goes on with them.
    const GridTime end_s = window_end(frontier_.input_end_s, flow_interval_s);
    frontier_.watermark_s = std::max(frontier_.watermark_s, std::min(at_s, end_s));
  }
  return true;
}

void ShardTime::apply(const proto::InputEnd& end, SeriesTable& table) {
  // Nobody listened before the input begins, as before the first progress of a live source.
  if (frontier_.input_end_s == kNever) {
    for (const Source& source : sources_)
      if (!source.known || source.bounded)
        table.add_deaf_span(source.carrier, kBeforeAll, end.event_time_min_s());
  }
  const GridTime at_s = end.event_time_max_s();
  frontier_.input_end_s =
      frontier_.input_end_s == kNever ? at_s : std::max(frontier_.input_end_s, at_s);
}

void ShardTime::advance_watermark() {
  if (frontier_.bounded) return;
  GridTime least = kNever;
  for (const Source& source : sources_) {
    const bool carried = source.carried_at_s != kBeforeAll && !source.elsewhere &&
                         source.carried_at_s >= frontier_.append_time_s - kCarriesFor;
    if ((!carried && !source.named) || source.given_up) continue;
    // Its records came before its first progress: nothing can be said of their end.
    if (!source.known) return;
    least = std::min(least, source.read_to_s - source.lateness_s);
  }
  if (least != kNever) frontier_.watermark_s = std::max(frontier_.watermark_s, least);
}

void ShardTime::save(StateWriter& out) const {
  out.i64(frontier_.tick_s);
  out.i64(frontier_.watermark_s);
  out.boolean(frontier_.bounded);
  out.i64(frontier_.append_time_s);
  out.i64(frontier_.input_end_s);
  out.u64(sources_.size());
  for (const auto& [name, index] : ids_) {
    const Source& source = sources_[index];
    out.text(name);
    out.u32(index);
    out.boolean(source.known);
    out.boolean(source.bounded);
    out.boolean(source.unread);
    out.boolean(source.named);
    out.boolean(source.elsewhere);
    out.boolean(source.stalled);
    out.boolean(source.given_up);
    out.i64(source.read_to_s);
    out.i64(source.lateness_s);
    out.i64(source.carried_at_s);
    out.i64(source.given_up_from_s);
  }
}

void ShardTime::load(StateReader& in) {
  frontier_.tick_s = in.i64();
  frontier_.watermark_s = in.i64();
  frontier_.bounded = in.boolean();
  frontier_.append_time_s = in.i64();
  frontier_.input_end_s = in.i64();
  const std::uint64_t count = in.count();
  sources_.assign(count, {});
  ids_.clear();
  for (std::uint64_t i = 0; i < count && in.ok(); ++i) {
    const std::string name = in.text();
    const std::uint32_t index = in.u32();
    if (index >= count || !ids_.try_emplace(name, index).second) {
      in.fail();
      return;
    }
    Source& source = sources_[index];
    source.known = in.boolean();
    source.bounded = in.boolean();
    source.unread = in.boolean();
    source.named = in.boolean();
    source.elsewhere = in.boolean();
    source.stalled = in.boolean();
    source.given_up = in.boolean();
    source.read_to_s = in.i64();
    source.lateness_s = in.i64();
    source.carried_at_s = in.i64();
    source.given_up_from_s = in.i64();
  }
  for (const auto& [name, index] : ids_) {
    const auto topic = ids_.find(topic_of(name));
    sources_[index].carrier = topic == ids_.end() ? index : topic->second;
  }
}

}  // namespace fleetmeter::aggregator
