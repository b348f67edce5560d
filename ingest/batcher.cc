#include "ingest/batcher.h"

#include <algorithm>
#include <mutex>
#include <set>
#include <thread>

namespace fleetmeter::ingest {

namespace {

constexpr std::int64_t kProgressIntervalMs = 1000;
constexpr std::int64_t kPushSettleMs =
    5 * 60 * 1000;  // docs/time.md 1: a push source counts as caught up this long after it opened.
constexpr auto kRetryInterval = std::chrono::milliseconds(500);

/// Passes batches on and drops log events that an earlier commit, or this one, holds already
/// (docs/time.md 10).
class OnceSink final : public parsers::PayloadSink {
 public:
  OnceSink(aggregator::AggregateLog& log, aggregator::PartialAggregator& aggregator)
      : log_(log), aggregator_(aggregator) {}
  void on_flows(const parsers::FlowColumns& flows) override { aggregator_.on_flows(flows); }
  void on_metrics(const parsers::MetricBatch& metrics) override { aggregator_.on_metrics(metrics); }
  bool keep_log_event(std::string_view event_id) override {
    if (event_id.empty()) return true;
    std::string key = "event:" + std::string(event_id);
    if (keys_.contains(key)) return false;
    if (const auto seen = log_.seen_keys({key}); seen && !seen->empty()) return false;
    keys_.insert(std::move(key));
    return true;
  }
  [[nodiscard]] const std::set<std::string>& keys() const noexcept { return keys_; }
  void clear() { keys_.clear(); }

 private:
  aggregator::AggregateLog& log_;
  aggregator::PartialAggregator& aggregator_;
  std::set<std::string> keys_;
};

aggregator::PartialAggregatorOptions aggregator_options(const SourceSettings& settings,
                                                        const std::string& source) {
  aggregator::PartialAggregatorOptions options;
  options.environment = settings.environment;
  options.source = source;
  options.account = settings.account;
  options.region = settings.region;
  return options;
}

}  // namespace

struct Batcher::State {
  State(const SourceContext& context_in, const SourceSettings& settings_in, std::string source_in,
        bool writes_progress_in)
      : context(context_in),
        settings(settings_in),
        source(std::move(source_in)),
        writes_progress(writes_progress_in),
        aggregator(context.inventory.get(), aggregator_options(settings, source)),
        sink(context.log, aggregator) {
    progress.set_source(source);
    progress.set_started(true);
    progress.set_bounded(settings.bounded);
    progress.set_allowed_lateness_s(settings.allowed_lateness_s);
    progress.set_listening_since_ms(wall_ms());
    for (const std::string& environment : settings.environments)
      progress.add_environments(environment);
    aggregator.set_now(wall_ms() / 1000);
  }

  SourceContext context;
  SourceSettings settings;
  std::string source;
  bool writes_progress;
  aggregator::PartialAggregator aggregator;
  OnceSink sink;
  proto::SourceProgress progress;  // Next to write.
  std::int64_t progress_written_ms = 0;
  bool progress_written =
      false;  // The first commit always carries one: it says that we listen, and since when.
  bool turned = true;  // Caught up <-> behind since the last one.
  std::int64_t event_time_max_s = 0;
  std::int64_t time_from_s = 0, time_to_s = 0;
  std::map<std::string, std::uint64_t> dropped_before;
  mutable std::mutex mutex;  // Guards blocked.
  std::string blocked;

  [[nodiscard]] std::int64_t wall_ms() const {
    return context.clock.wall().time_since_epoch().count();
  }
  void advance(std::int64_t read_to_ms, bool caught_up);
  void note_times(const proto::AggregateBatch& batch);
  void count_drops();
  void set_blocked(const std::string& why) {
    const std::lock_guard lock(mutex);
    blocked = why;
  }
  aggregator::Commit build(std::map<std::string, std::string> positions,
                           std::vector<std::string> once_keys);
};

/// Progress never goes back and never passes the append time.
void Batcher::State::advance(std::int64_t read_to_ms, bool caught_up) {
  turned = turned || progress.caught_up() != caught_up;
  progress.set_caught_up(caught_up);
  progress.set_read_to_ms(std::max(progress.read_to_ms(), std::min(read_to_ms, wall_ms())));
}

void Batcher::State::note_times(const proto::AggregateBatch& batch) {
  const auto note = [&](std::int64_t from_s, std::int64_t to_s) {
    time_from_s = time_from_s == 0 ? from_s : std::min(time_from_s, from_s);
    time_to_s = std::max(time_to_s, to_s);
  };
  for (const std::uint32_t minute : batch.flows().window_start_min())
    note(std::int64_t{minute} * 60, std::int64_t{minute} * 60 + 60);
  for (int i = 0; i < batch.datapoints().start_s_size(); ++i) {
    const std::int64_t start_s = batch.datapoints().start_s(i);
    const std::int64_t period_s = batch.datapoints().period_s(i);
    note(start_s, start_s + (period_s == 0 ? 60 : period_s));
  }
}

void Batcher::State::count_drops() {
  const std::lock_guard lock(context.counters.mutex);
  for (const auto& [reason, count] : aggregator.dropped()) {
    context.counters.dropped[reason] += count - dropped_before[reason];
    dropped_before[reason] = count;
  }
}

aggregator::Commit Batcher::State::build(std::map<std::string, std::string> positions,
                                         std::vector<std::string> once_keys) {
  aggregator::Commit commit;
  event_time_max_s = std::max(event_time_max_s, aggregator.event_time_max_s());
  std::vector<proto::AggregateBatch> batches = aggregator.take();
  if (!progress.caught_up()) advance(event_time_max_s * 1000, false);
  const std::int64_t now_ms = wall_ms();
  if (writes_progress &&
      (turned || !progress_written || now_ms - progress_written_ms >= kProgressIntervalMs)) {
    proto::LogRecord record;
    *record.mutable_progress()->add_sources() = progress;
    for (const aggregator::LogPartition partition : context.all_partitions)
      commit.records.push_back({partition, record});
  }
  for (proto::AggregateBatch& batch : batches) {
    note_times(batch);
    const aggregator::LogPartition partition = context.partition_of(batch.environment());
    proto::LogRecord record;
    *record.mutable_batch() = std::move(batch);
    commit.records.push_back({partition, std::move(record)});
  }
  commit.positions = std::move(positions);
  commit.once_keys = std::move(once_keys);
  commit.once_keys.insert(commit.once_keys.end(), sink.keys().begin(), sink.keys().end());
  return commit;
}

Batcher::Batcher(const SourceContext& context, const SourceSettings& settings, std::string source,
                 bool writes_progress)
    : state_(std::make_unique<State>(context, settings, std::move(source), writes_progress)) {}
Batcher::~Batcher() = default;

parsers::PayloadSink& Batcher::sink() noexcept { return state_->sink; }

parsers::DecoderOptions Batcher::decoder_options() const {
  parsers::DecoderOptions options;
  options.flow_format = state_->settings.flow_format;
  options.fields = aggregator::PartialAggregator::fields_needed();
  return options;
}

void Batcher::count(parsers::Decoder& decoder, std::uint64_t raw_bytes) {
  state_->context.counters.bytes_read += raw_bytes;
  {
    const std::lock_guard lock(state_->context.counters.mutex);
    state_->context.counters.decode += decoder.counts();
  }
  decoder.reset_counts();
}

void Batcher::caught_up(std::int64_t wall_ms) { state_->advance(wall_ms, true); }

void Batcher::behind() {
  state_->event_time_max_s =
      std::max(state_->event_time_max_s, state_->aggregator.event_time_max_s());
  state_->advance(state_->event_time_max_s * 1000, false);
}

void Batcher::push_open(std::int64_t wall_ms) {
  state_->progress.set_push(true);
  if (wall_ms - state_->progress.listening_since_ms() >= kPushSettleMs) return caught_up(wall_ms);
  behind();
}

void Batcher::note_event_time(std::int64_t event_time_s) noexcept {
  state_->event_time_max_s = std::max(state_->event_time_max_s, event_time_s);
}

std::int64_t Batcher::event_time_max_s() const noexcept {
  return std::max(state_->event_time_max_s, state_->aggregator.event_time_max_s());
}

bool Batcher::has_records() const noexcept { return !state_->aggregator.empty(); }

bool Batcher::progress_due() const noexcept {
  return !state_->progress_written ||
         state_->wall_ms() - state_->progress_written_ms >= kProgressIntervalMs;
}

Result<void> Batcher::try_commit(std::map<std::string, std::string> positions,
                                 std::vector<std::string> once_keys) {
  return commit(std::move(positions), std::move(once_keys), [] {
    std::stop_source stopped;  // Stopped from the start: no waiting.
    stopped.request_stop();
    return stopped.get_token();
  }());
}

Result<void> Batcher::commit(std::map<std::string, std::string> positions,
                             std::vector<std::string> once_keys, const std::stop_token& stop) {
  State& state = *state_;
  const aggregator::Commit commit = state.build(std::move(positions), std::move(once_keys));
  const bool carries_progress =
      !commit.records.empty() && commit.records.front().record.has_progress();
  const std::int64_t now_ms = state.wall_ms();
  Result<void> outcome;
  if (!commit.records.empty() || !commit.positions.empty() || !commit.once_keys.empty()) {
    for (;;) {
      auto appended = state.context.log.append(commit);
      if (appended) break;
      ++state.context.counters.commit_failures;
      state.set_blocked(state.source + ": " + appended.error().message);
      outcome = std::move(appended).error();
      if (outcome.error().code != ErrorCode::kUnavailable || stop.stop_requested()) break;
      outcome = Result<void>();
      std::this_thread::sleep_for(kRetryInterval);
    }
  }
  if (outcome) {
    ++state.context.counters.commits;
    state.set_blocked({});
    if (carries_progress) {
      state.progress_written = true;
      state.progress_written_ms = now_ms;
      state.turned = false;
      state.progress.set_started(false);
    }
  }
  state.count_drops();
  state.sink.clear();
  state.aggregator.set_inventory(state.context.inventory.get());
  state.aggregator.set_now(state.wall_ms() / 1000);
  return outcome;
}

std::pair<std::int64_t, std::int64_t> Batcher::event_time_range_s() const noexcept {
  return {state_->time_from_s, state_->time_to_s};
}

std::string Batcher::blocked() const {
  const std::lock_guard lock(state_->mutex);
  return state_->blocked;
}

}  // namespace fleetmeter::ingest
