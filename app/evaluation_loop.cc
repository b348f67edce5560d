#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "aggregator/flow_rows.h"
#include "app/evaluation_loop_state.h"

namespace fleetmeter::app {

namespace {

constexpr std::size_t kRowsPerStep =
    100'000;  // As kRecordsPerStepMax, where records are large: a backlog may hold many keys.
constexpr std::size_t kTicksPerStep =
    512;  // Missed ticks after a downtime come in batches of this size.
constexpr std::int64_t kIdleWaitMs =
    200;  // How late a tick may be appended when no record arrives.
constexpr std::int64_t kViewIntervalMs = 500;
constexpr std::int64_t kPruneIntervalMs = 600'000;
constexpr std::int64_t kStopWithinMs = 1'000;  // What a stop still applies of a backlog.

/// Cuts entries off behind the one that brings their rows to the limit; true when any went.
bool keep_within(std::vector<aggregator::LogEntry>& entries, std::size_t rows_max) {
  std::size_t rows = 0, kept = 0;
  while (kept < entries.size() && rows < rows_max) {
    const proto::AggregateBatch& batch = entries[kept++].record.batch();
    rows += aggregator::flow_row_count(batch.flows()) +
            static_cast<std::size_t>(batch.datapoints().series_size());
  }
  if (kept == entries.size()) return false;
  entries.resize(kept);
  return true;
}

}  // namespace

Result<void> EvaluationLoop::State::apply_entry(const aggregator::LogEntry& entry,
                                                std::vector<proto::Event>& events) {
  pacemaker.apply(entry.record);
  return evaluator.apply(entry, events);
}

/// What comes after a position. As many records are asked for as fitted the last time: what is cut
/// off was read for nothing.
Result<EvaluationLoop::State::Read> EvaluationLoop::State::read(aggregator::LogPosition after) {
  auto entries = log.read(options.partition, after, records_per_step);
  if (!entries) return std::move(entries).error();
  const bool read_all = entries->size() < records_per_step;
  const bool too_many = keep_within(*entries, kRowsPerStep);
  if (too_many)
    records_per_step = entries->size();
  else if (!read_all)
    records_per_step = std::min(2 * records_per_step, kRecordsPerStepMax);
  return Read{*std::move(entries), too_many || !read_all};
}

/// One round: what the log has after our position, its outputs, and the ticks that are due once it
/// is drained, up to `now_s`.
Result<EvaluationLoop::State::Step> EvaluationLoop::State::step(std::int64_t now_s) {
  auto got = read(evaluator.position());
  if (!got) return std::move(got).error();
  auto& [entries, more] = *got;
  std::vector<proto::Event> events;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (auto applied = apply_entry(entries[i], events); !applied) return std::move(applied).error();
    if (i + 1 == entries.size() || !out_of_time()) continue;
    // What has been applied is committed, the rest is as if it had not been read.
    entries.resize(i + 1);
    more = true;
  }
  // The bill first: its rows carry the position, so a crash before the commit below repeats
  // nothing.
  if (usage != nullptr && !entries.empty()) {
    for (;;) {
      auto applied = usage->apply(options.partition, entries);
      if (applied) break;
      if (applied.error().code != ErrorCode::kUnavailable) return std::move(applied).error();
      set_blocked("cost.db: " + applied.error().message);
      if (stopping()) return abandon(std::move(applied).error());
      std::this_thread::sleep_for(std::chrono::milliseconds(options.retry_ms));
    }
  }
  std::vector<proto::LogRecord> append;
  if (!more) append = pacemaker.due(now_s, kTicksPerStep);
  if (entries.empty() && append.empty()) return Step::kIdle;
  const bool drained = append.empty() && !more;
  if (auto committed = commit(entries, std::move(events), std::move(append)); !committed)
    return std::move(committed).error();
  return drained ? Step::kDrained : Step::kMore;
}

/// Applies and ticks up to the end of the log, and the time, as they are now. Not to where there is
/// nothing left to do: sources that go on writing would keep us here.
Result<void> EvaluationLoop::State::catch_up() {
  const auto end = log.last_position(options.partition);
  if (!end) return end.error();
  const std::int64_t now_s = wall_s();
  for (;;) {
    auto stepped = step(now_s);
    if (!stepped) return std::move(stepped).error();
    if (*stepped == Step::kIdle) return {};
    if (*stepped == Step::kDrained && evaluator.position() >= *end) return {};
    if (out_of_time())
      return Error{ErrorCode::kUnavailable, "there is more to do than a stop waits for"};
  }
}

/// True once a stop has waited for as long as it may: in a long catch-up the rest is left for the
/// next start.
bool EvaluationLoop::State::out_of_time() {
  if (!stopping()) return false;
  const SteadyTime now = clock.steady();
  if (!leave_at) leave_at = now + Milliseconds(kStopWithinMs);
  return now >= *leave_at;
}

Result<void> EvaluationLoop::State::commit(std::span<const aggregator::LogEntry> entries,
                                           std::vector<proto::Event> events,
                                           std::vector<proto::LogRecord> append) {
  aggregator::Outputs outputs;
  outputs.partition = options.partition;
  outputs.evaluated = evaluator.position();
  for (const proto::Event& event : events) {
    ++events_by_type[event.type()];
    if (!options.deliver) continue;
    for (aggregator::OutboxEntry& entry : alarms::outbox_entries(event, options.receivers)) {
      outputs.outbox.push_back(std::move(entry));
    }
  }
  const bool queued = !outputs.outbox.empty();
  outputs.events = std::move(events);
  outputs.append = std::move(append);
  if (options.amend) {
    auto amended = until_available([&] { return options.amend(entries, outputs); });
    if (!amended) return amended;
  }
  auto committed = until_available([&] { return log.commit_outputs(outputs); });
  if (!committed) return committed;
  set_blocked({});
  if (queued && options.on_outbox) options.on_outbox();
  return {};
}

/// Again and again while a store cannot, until told to stop; what it says is shown meanwhile.
Result<void> EvaluationLoop::State::until_available(const std::function<Result<void>()>& attempt) {
  for (;;) {
    auto done = attempt();
    if (done || done.error().code != ErrorCode::kUnavailable) return done;
    set_blocked(done.error().message);
    if (stopping()) return abandon(std::move(done).error());
    std::this_thread::sleep_for(std::chrono::milliseconds(options.retry_ms));
  }
}

Result<void> EvaluationLoop::State::snapshot() {
  if (evaluator.position() == snapshot_position) return {};
  aggregator::Snapshot snapshot;
  snapshot.position = evaluator.position();
  snapshot.schema = Evaluator::kSnapshotSchema;
  snapshot.state = evaluator.save();
  if (auto put = log.put_snapshot(options.partition, snapshot); !put) return put;
  snapshot_position = snapshot.position;
  return {};
}

/// Snapshots and pruning at their intervals; a failure is logged and tried again, it never stops
/// evaluation.
void EvaluationLoop::State::maintain() {
  const SteadyTime now = clock.steady();
  notice.works(now);
  if (now - snapshot_at >= Milliseconds(options.snapshot_interval_ms)) {
    snapshot_at = now;
    if (auto done = snapshot(); !done)
      spdlog::warn("snapshot not written: {}", done.error().message);
  }
  if (now - prune_at >= Milliseconds(kPruneIntervalMs)) {
    prune_at = now;
    const std::int64_t before_ms =
        clock.wall().time_since_epoch().count() - std::int64_t{options.log_days} * 86'400'000;
    auto pruned = log.prune(options.partition, before_ms, options.log_bytes_max);
    if (!pruned) spdlog::warn("log not pruned: {}", pruned.error().message);
    if (pruned && *pruned > 0) spdlog::info("pruned {} log records behind the snapshot", *pruned);
  }
  if (now - view_at >= Milliseconds(kViewIntervalMs)) publish();
}

void EvaluationLoop::State::publish() {
  view_at = clock.steady();
  auto fresh = std::make_shared<EvaluationView>();
  fresh->alarms = evaluator.alarms();
  fresh->groups = evaluator.groups();
  fresh->shards = evaluator.shards();
  fresh->lags = pacemaker.lags();
  fresh->applied = evaluator.position();
  const auto last = log.last_position(options.partition);
  fresh->last = last ? *last : fresh->applied;
  fresh->events_by_type = events_by_type;
  const std::lock_guard lock(mutex);
  view = std::move(fresh);
}

void EvaluationLoop::State::set_blocked(std::string why) {
  if (!why.empty()) notice.refused(clock.steady(), why);
  const std::lock_guard lock(mutex);
  blocked = std::move(why);
}

void EvaluationLoop::State::fail(Error error) {
  spdlog::error("evaluation ended: {}", error.message);
  const std::lock_guard lock(mutex);
  failure = std::move(error);
}

Error EvaluationLoop::State::abandon(Error why) {
  abandoned = true;
  return why;
}

void EvaluationLoop::State::run(const std::stop_token& stop) {
  stop_asked = stop;
  while (!stop.stop_requested()) {
    auto stepped = step(wall_s());
    if (!stepped && stepped.error().code == ErrorCode::kUnavailable) {
      set_blocked(stepped.error().message);
      std::this_thread::sleep_for(std::chrono::milliseconds(options.retry_ms));
      continue;
    }
    if (!stepped) return fail(std::move(stepped).error());
    maintain();
    {
      const std::lock_guard lock(mutex);
      input = evaluator.input();
    }
    applied_position.store(evaluator.position(), std::memory_order_release);
    const bool ended = *stepped == Step::kIdle && pacemaker.finished();
    ended_at.store(ended ? evaluator.position() : 0, std::memory_order_release);
    if (*stepped == Step::kIdle)
      (void)log.wait(options.partition, evaluator.position(), kIdleWaitMs);
  }
}

EvaluationLoop::EvaluationLoop(aggregator::AggregateLog& log, cost::UsageStore* usage,
                               const Clock& clock, Options options)
    : state_(std::make_unique<State>(log, usage, clock, std::move(options))) {}

EvaluationLoop::~EvaluationLoop() { stop(); }

void EvaluationLoop::start() {
  state_->thread =
      std::jthread([state = state_.get()](const std::stop_token& stop) { state->run(stop); });
}

Result<bool> EvaluationLoop::step() {
  auto stepped = state_->step(state_->wall_s());
  if (!stepped) return std::move(stepped).error();
  state_->maintain();
  return *stepped != State::Step::kIdle;
}

void EvaluationLoop::stop() {
  State& state = *state_;
  if (!state.thread.joinable()) return;
  state.thread.request_stop();
  state.thread.join();
  if (state.failure) return;
  if (state.abandoned) {
    spdlog::warn("not evaluated to the end: {}; the next start goes on", state.blocked);
    return;
  }
  // Drain: what was appended before we were asked to stop is evaluated, so that a restart starts
  // from a fresh snapshot.
  if (auto drained = state.catch_up(); !drained)
    spdlog::warn("not evaluated to the end: {}", drained.error().message);
  if (auto done = state.snapshot(); !done)
    spdlog::warn("snapshot not written: {}", done.error().message);
  state.publish();
}

Result<aggregator::LogPosition> EvaluationLoop::end_input(const std::stop_token& stop) {
  State& state = *state_;
  const auto last = state.log.last_position(state.options.partition);
  if (!last) return last.error();
  while (state.applied_position.load(std::memory_order_acquire) < *last) {
    if (stop.stop_requested()) return aggregator::LogPosition{0};
    if (auto failed = failure()) return *std::move(failed);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  Evaluator::Input input;
  {
    const std::lock_guard lock(state.mutex);
    input = state.input;
  }
  if (input.open_to_s == 0) return input.ended ? *last : aggregator::LogPosition{0};
  aggregator::Commit commit;
  proto::LogRecord record;
  record.mutable_input_end()->set_event_time_min_s(input.open_from_s);
  record.mutable_input_end()->set_event_time_max_s(input.open_to_s);
  commit.records.push_back({state.options.partition, std::move(record)});
  auto appended = state.log.append(std::move(commit));
  if (!appended) return std::move(appended).error();
  return appended->at(state.options.partition);
}

Result<void> EvaluationLoop::wait_to_end(aggregator::LogPosition input_end,
                                         const std::stop_token& stop) {
  State& state = *state_;
  while (state.ended_at.load(std::memory_order_acquire) < input_end) {
    if (stop.stop_requested()) return {};
    {
      const std::lock_guard lock(state.mutex);
      if (state.input.live) {
        return Error{ErrorCode::kInvalidArgument,
                     "the state was written by a run over live sources, and a run to the end of "
                     "files cannot go on from it: set `state:` to another directory"};
      }
    }
    if (auto failed = failure()) return *std::move(failed);
    if (state.options.on_progress) {
      const auto last = state.log.last_position(state.options.partition);
      const aggregator::LogPosition applied =
          state.applied_position.load(std::memory_order_relaxed);
      state.options.on_progress(applied, last ? *last : applied);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return {};
}

std::shared_ptr<const EvaluationView> EvaluationLoop::view() const {
  const std::lock_guard lock(state_->mutex);
  return state_->view;
}

std::optional<Error> EvaluationLoop::failure() const {
  const std::lock_guard lock(state_->mutex);
  return state_->failure;
}

std::string EvaluationLoop::blocked() const {
  const std::lock_guard lock(state_->mutex);
  return state_->blocked;
}

}  // namespace fleetmeter::app
