#include <algorithm>
#include <limits>
#include <map>

#include "aggregator/shard.h"

namespace fleetmeter::aggregator {
namespace {

constexpr std::int64_t kGrid = 10;
constexpr std::int64_t kMinute = 60;
constexpr std::int64_t kStalledAfter = 15 * 60;
constexpr std::int64_t kCaughtUpWithin = 5 * 60;
constexpr std::int64_t kGivenUpAfter = 24 * 3600;
/// Bounded input ends its ticks this long after the last event: longer than the publication delay
/// of common metrics.
constexpr std::int64_t kBoundedTail = 20 * 60;
/// Where bounded input spans so many minutes (one stray record of 1970 does), ticks are further
/// apart: states do not depend on where ticks fall, only on what lies between them.
constexpr std::int64_t kBoundedTicksMax = 200'000;
/// The log keeps 14 days: what is older than that can not be decided any more, so its ticks are not
/// made up for.
constexpr std::int64_t kMissedTicksMax = 14 * 24 * 3600;

std::int64_t floor_to(std::int64_t time_s, std::int64_t step_s) {
  const std::int64_t rest = time_s % step_s;
  return time_s - (rest < 0 ? rest + step_s : rest);
}

struct Source {
  std::int64_t read_to_s = 0;
  bool caught_up = false;
  bool bounded = false;
  bool stalled = false;
  bool given_up = false;
  std::int64_t behind_since_s = 0;   ///< Wall time; of a caught-up source the last time it said so.
  std::int64_t stalled_since_s = 0;  ///< Wall time.
};

}  // namespace

struct Pacemaker::State {
  std::map<std::string, Source> sources;
  GridTime last_tick_s = kBeforeAll;
  /// Wall time of the first `due`: a downtime of ours is no stall of a source.
  std::int64_t watching_since_s = 0;
  bool input_ended = false;
  std::int64_t input_min_s = 0, input_max_s = 0;

  [[nodiscard]] bool bounded() const {
    return std::ranges::all_of(sources, [](const auto& entry) { return entry.second.bounded; });
  }
  [[nodiscard]] GridTime bounded_end() const {
    return floor_to(input_max_s + kBoundedTail + kMinute - 1, kMinute);
  }
  void apply(const proto::SourceProgress& progress, std::int64_t append_s);
  void apply(const proto::SourceStall& stall, std::int64_t append_s);
  void note_stalls(std::int64_t now_s, std::vector<proto::LogRecord>& out);
  [[nodiscard]] GridTime limit(std::int64_t now_s) const;
  void tick(GridTime at_s, std::vector<proto::LogRecord>& out);
  void bounded_ticks(std::size_t records_max, std::vector<proto::LogRecord>& out);
  void live_ticks(std::int64_t now_s, std::size_t records_max, std::vector<proto::LogRecord>& out);
};

Pacemaker::Pacemaker() : state_(std::make_unique<State>()) {}
Pacemaker::~Pacemaker() = default;

void Pacemaker::apply(const proto::LogRecord& record) {
  const std::int64_t append_s = record.append_time_ms() / 1000;
  switch (record.body_case()) {
    case proto::LogRecord::kProgress:
      for (const proto::SourceProgress& one : record.progress().sources())
        state_->apply(one, append_s);
      break;
    case proto::LogRecord::kSourceStall:
      state_->apply(record.source_stall(), append_s);
      break;
    case proto::LogRecord::kTick:
      state_->last_tick_s = std::max(state_->last_tick_s, record.tick().time_s());
      break;
    case proto::LogRecord::kInputEnd:
      state_->input_ended = true;
      state_->input_min_s = record.input_end().event_time_min_s();
      state_->input_max_s = record.input_end().event_time_max_s();
      break;
    default:
      break;
  }
}

void Pacemaker::State::apply(const proto::SourceProgress& progress, std::int64_t append_s) {
  const auto [at, added] = sources.try_emplace(progress.source());
  Source& source = at->second;
  const bool was_caught_up = source.caught_up;
  source.read_to_s = std::max(source.read_to_s, std::min(progress.read_to_ms() / 1000, append_s));
  source.caught_up = progress.caught_up();
  source.bounded = progress.bounded();
  if (source.caught_up) {
    source.behind_since_s = source.read_to_s;
  } else if (added || was_caught_up) {
    source.behind_since_s = append_s;
  }
}

void Pacemaker::State::apply(const proto::SourceStall& stall, std::int64_t append_s) {
  Source& source = sources[stall.source()];
  if (stall.stalled() && !source.stalled) source.stalled_since_s = append_s;
  source.stalled = stall.stalled() || stall.given_up();
  source.given_up = stall.given_up();
}

void Pacemaker::State::note_stalls(std::int64_t now_s, std::vector<proto::LogRecord>& out) {
  for (auto& [name, source] : sources) {
    const bool heard = source.read_to_s >= now_s - kCaughtUpWithin;
    bool stalled = source.stalled;
    bool given_up = source.given_up;
    if (source.stalled && heard) {
      stalled = given_up = false;
    } else if (!source.stalled) {
      const std::int64_t since_s = std::max(source.behind_since_s, watching_since_s);
      stalled = now_s - source.read_to_s > kStalledAfter && now_s - since_s > kStalledAfter;
    } else if (!source.given_up) {
      given_up = now_s - source.stalled_since_s >= kGivenUpAfter;
    }
    if (stalled == source.stalled && given_up == source.given_up) continue;
    if (stalled && !source.stalled) source.stalled_since_s = now_s;
    source.stalled = stalled;
    source.given_up = given_up;
    proto::SourceStall& stall = *out.emplace_back().mutable_source_stall();
    stall.set_source(name);
    stall.set_stalled(stalled);
    stall.set_given_up(given_up);
  }
}

GridTime Pacemaker::State::limit(std::int64_t now_s) const {
  GridTime least = now_s;
  for (const auto& [name, source] : sources) {
    // Held back alone: its own slots stay pending.
    if (source.stalled || source.given_up) continue;
    // Files beside live sources are read whole first: in what order their records come says nothing.
    if (source.bounded && !source.caught_up) return kBeforeAll;
    // Read whole: it holds nobody up.
    if (source.bounded && source.caught_up) continue;
    // Caught up or not: what it said last is all that is known, and what came since may be unread.
    least = std::min(least, source.read_to_s);
  }
  return floor_to(least, kGrid);
}

void Pacemaker::State::tick(GridTime at_s, std::vector<proto::LogRecord>& out) {
  out.emplace_back().mutable_tick()->set_time_s(at_s);
  last_tick_s = at_s;
}

void Pacemaker::State::bounded_ticks(std::size_t records_max, std::vector<proto::LogRecord>& out) {
  if (!input_ended) return;
  const GridTime first = floor_to(input_min_s, kMinute);
  const GridTime end = bounded_end();
  const GridTime step = kMinute * (1 + (end - first) / (kMinute * kBoundedTicksMax));
  GridTime next =
      last_tick_s == kBeforeAll ? first : std::max(first, floor_to(last_tick_s, kMinute) + step);
  while (last_tick_s < end && out.size() < records_max) {
    tick(std::min(next, end), out);
    next += step;
  }
}

void Pacemaker::State::live_ticks(std::int64_t now_s, std::size_t records_max,
                                  std::vector<proto::LogRecord>& out) {
  const GridTime until = limit(now_s);
  // A source that has read nothing yet and is not caught up: no time to tell.
  if (until <= 0) return;
  if (last_tick_s == kBeforeAll) {
    if (out.size() < records_max) tick(until, out);
    return;
  }
  GridTime next = std::max(floor_to(last_tick_s, kGrid) + kGrid, until - kMissedTicksMax);
  for (; next <= until && out.size() < records_max; next += kGrid) tick(next, out);
}

std::vector<proto::LogRecord> Pacemaker::due(std::int64_t now_s, std::size_t records_max) {
  std::vector<proto::LogRecord> out;
  if (state_->bounded()) {
    if (state_->input_ended) state_->bounded_ticks(records_max, out);
    return out;
  }
  if (state_->watching_since_s == 0) state_->watching_since_s = now_s;
  state_->note_stalls(now_s, out);
  state_->live_ticks(now_s, records_max, out);
  return out;
}

bool Pacemaker::finished() const noexcept {
  return state_->input_ended && state_->bounded() && state_->last_tick_s >= state_->bounded_end();
}

std::vector<Pacemaker::Lag> Pacemaker::lags() const {
  std::vector<Lag> lags;
  for (const auto& [name, source] : state_->sources) {
    if (!source.caught_up)
      lags.push_back({name, source.read_to_s, source.caught_up, source.stalled});
  }
  return lags;
}

}  // namespace fleetmeter::aggregator
