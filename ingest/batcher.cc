#include "ingest/batcher.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <iterator>
#include <limits>
#include <mutex>
#include <optional>
#include <set>
#include <thread>
#include <utility>

#include "aggregator/datapoint_rows.h"
#include "aggregator/flow_rows.h"
#include "ingest/drop_inputs.h"
#include "ingest/retry.h"
#include "ingest/wait_notice.h"

namespace fleetmeter::ingest {

namespace {

constexpr std::int64_t kProgressIntervalMs = 1000;
constexpr std::int64_t kPushSettleMs =
    5 * 60 * 1000;  // docs/time.md 1: a push source counts as caught up this long after it opened.
constexpr std::uint64_t kRecordsMax =
    1u << 18;  // A commit; well under the keys that a batch may hold.

/// Passes batches on and drops log events that an earlier commit, this one, or another reader's next
/// one holds (docs/time.md 10).
class OnceSink final : public parsers::PayloadSink {
 public:
  /// `claims`: null = keys are not claimed here.
  OnceSink(aggregator::IngestLog& log, OnceClaims* claims,
           aggregator::PartialAggregator& aggregator)
      : log_(log), claims_(claims), aggregator_(aggregator) {}
  ~OnceSink() override { release(); }
  OnceSink(const OnceSink&) = delete;
  OnceSink& operator=(const OnceSink&) = delete;
  void on_flows(const parsers::FlowColumns& flows) override { aggregator_.on_flows(flows); }
  void on_metrics(const parsers::MetricBatch& metrics) override { aggregator_.on_metrics(metrics); }
  bool keep_log_event(std::string_view event_id) override {
    return event_id.empty() || keep("event:" + std::string(event_id));
  }
  bool keep_request(std::string_view request_id) override {
    return keep("request:" + std::string(request_id));
  }
  [[nodiscard]] const std::set<std::string>& keys() const noexcept { return keys_; }
  /// Why it is not known whether an event is a repeat; then the commit must not happen.
  [[nodiscard]] const std::optional<Error>& failed() const noexcept { return failed_; }
  /// The outcome of the keys is known: the log answers for them, or they are to be read again.
  void clear() {
    release();
    keys_.clear();
    failed_.reset();
  }

 private:
  void release() {
    if (claims_) claims_->release(keys_);
  }
  bool keep(std::string key) {
    if (keys_.contains(key)) return false;
    // First: who held it until now released it after the log knew it.
    if (claims_ && !claims_->claim(key)) return false;
    auto seen = log_.seen_keys({key});
    if (seen && !seen->empty()) {
      if (claims_) claims_->release({key});
      return false;
    }
    if (!seen && !failed_) failed_ = std::move(seen).error();
    keys_.insert(std::move(key));
    return true;
  }

  aggregator::IngestLog& log_;
  OnceClaims* claims_;
  aggregator::PartialAggregator& aggregator_;
  std::set<std::string> keys_;  // Claimed, if there are claims.
  std::optional<Error> failed_;
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
  void note_samples(const parsers::Decoder& decoder, std::string_view input) {
    if (input.empty()) input = source;
    parsers::FlowDropSamples::ByReason& all = context.counters.drop_samples;
    const std::lock_guard lock(context.counters.mutex);
    for (const auto& reasons : {decoder.drop_samples().add_to(all, input),
                                add_drop_inputs(decoder.counts(), input, all)}) {
      for (const std::string& reason : reasons) {
        if (!settings.bounded) spdlog::warn("dropped for {}, such as {}", reason, all[reason]);
      }
    }
  }

  State(const SourceContext& context_in, const SourceSettings& settings_in, std::string source_in,
        Serves serves_in)
      : context(context_in),
        settings(settings_in),
        source(std::move(source_in)),
        serves(serves_in),
        inventory(context.inventory.get()),
        aggregator(inventory, aggregator_options(settings, source)),
        sink(context.log, serves == Serves::kSource ? &context.claims : nullptr, aggregator) {
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
  Serves serves;
  std::shared_ptr<const aggregator::Inventory> inventory;
  aggregator::PartialAggregator aggregator;
  OnceSink sink;
  proto::SourceProgress progress;  // Next to write.
  std::int64_t progress_written_ms = 0;
  bool progress_written =
      false;  // The first commit always carries one: it says that we listen, and since when.
  bool written_caught_up = false;
  bool push_opened = false;
  std::int64_t event_time_max_s = 0;
  std::int64_t time_from_s = 0, time_to_s = 0;
  parsers::DecodeCounts decoded;  // Counts of what the next commit holds, with the two below.
  std::uint64_t raw_bytes = 0;
  std::map<std::string, std::uint64_t> dropped;
  std::map<std::string, std::uint64_t> dropped_before;  // By the aggregator, up to the last commit.
  WaitNotice notice{source};
  mutable std::mutex mutex;  // Guards blocked.
  std::string blocked;

  [[nodiscard]] std::int64_t wall_ms() const {
    return context.clock.wall().time_since_epoch().count();
  }
  void advance(std::int64_t read_to_ms, bool caught_up);
  void note_times(const proto::AggregateBatch& batch);
  void publish_counts();
  void forget_counts();
  void refresh();
  [[nodiscard]] bool progress_due() const {
    // That all of a bounded source was read is said at once: there may be no later commit.
    const bool read_whole = settings.bounded && progress.caught_up() && !written_caught_up;
    return !progress_written || read_whole ||
           wall_ms() - progress_written_ms >= kProgressIntervalMs;
  }
  /// What is done once the outcome of a commit is known.
  Result<void> settle(Result<void> outcome, bool carries_progress, std::int64_t built_ms);
  void set_blocked(const std::string& why) {
    const std::lock_guard lock(mutex);
    blocked = why;
  }
  aggregator::Commit build(std::map<std::string, std::string> positions,
                           std::vector<std::string> once_keys);
};

/// Progress never goes back and never passes the append time.
void Batcher::State::advance(std::int64_t read_to_ms, bool caught_up) {
  progress.set_caught_up(caught_up);
  progress.set_read_to_ms(std::max(progress.read_to_ms(), std::min(read_to_ms, wall_ms())));
}

void Batcher::State::note_times(const proto::AggregateBatch& batch) {
  constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();
  std::int64_t from_s = kNever, to_s = 0;
  if (const auto flows = aggregator::window_span(batch.flows())) {
    from_s = std::int64_t{flows->first} * 60;
    to_s = (std::int64_t{flows->last} + 1) * 60;
  }
  aggregator::each_period(batch.datapoints(), [&](std::int64_t start_s, std::uint32_t period_s) {
    from_s = std::min(from_s, start_s);
    to_s = std::max(to_s, start_s + (period_s == 0 ? 60 : period_s));
  });
  if (from_s == kNever) return;
  time_from_s = time_from_s == 0 ? from_s : std::min(time_from_s, from_s);
  time_to_s = std::max(time_to_s, to_s);
}

void Batcher::State::publish_counts() {
  context.counters.bytes_read += raw_bytes;
  for (const auto& [reason, count] : aggregator.dropped())
    dropped[reason] += count - dropped_before[reason];
  const std::lock_guard lock(context.counters.mutex);
  context.counters.decode += decoded;
  for (const auto& [reason, count] : dropped) {
    if (count > 0) context.counters.dropped[reason] += count;
  }
}

void Batcher::State::forget_counts() {
  decoded = {};
  raw_bytes = 0;
  dropped.clear();
  dropped_before = aggregator.dropped();
}

void Batcher::State::refresh() {
  aggregator.set_now(wall_ms() / 1000);
  auto newest = context.inventory.get();
  if (newest == inventory) return;  // Attribution would forget what it has looked up.
  inventory = std::move(newest);
  aggregator.set_inventory(inventory);
}

aggregator::Commit Batcher::State::build(std::map<std::string, std::string> positions,
                                         std::vector<std::string> once_keys) {
  aggregator::Commit commit;
  event_time_max_s = std::max(event_time_max_s, aggregator.event_time_max_s());
  std::vector<proto::AggregateBatch> batches = aggregator.take();
  if (!progress.caught_up()) advance(event_time_max_s * 1000, false);
  for (proto::AggregateBatch& batch : batches) {
    note_times(batch);
    const aggregator::LogPartition partition = context.partition_of(batch.environment());
    proto::LogRecord record;
    *record.mutable_batch() = std::move(batch);
    commit.records.push_back({partition, std::move(record)});
  }
  if (serves == Serves::kSource && progress_due()) {
    std::vector<aggregator::Commit::Record> told;
    for (const aggregator::LogPartition partition : context.all_partitions) {
      told.push_back({partition, {}});
      *told.back().record.mutable_progress()->add_sources() = progress;
    }
    commit.records.insert(settings.bounded ? commit.records.begin() : commit.records.end(),
                          std::make_move_iterator(told.begin()),
                          std::make_move_iterator(told.end()));
  }
  commit.positions = std::move(positions);
  commit.once_keys = std::move(once_keys);
  commit.once_keys.insert(commit.once_keys.end(), sink.keys().begin(), sink.keys().end());
  return commit;
}

Batcher::Batcher(const SourceContext& context, const SourceSettings& settings, std::string source,
                 Serves serves)
    : state_(std::make_unique<State>(context, settings, std::move(source), serves)) {}
Batcher::~Batcher() = default;

parsers::PayloadSink& Batcher::sink() noexcept { return state_->sink; }

parsers::DecoderOptions Batcher::decoder_options() const {
  parsers::DecoderOptions options;
  options.flow_format = state_->settings.flow_format;
  options.fields = aggregator::PartialAggregator::fields_needed();
  return options;
}

void Batcher::refresh() { state_->refresh(); }

void Batcher::count(parsers::Decoder& decoder, std::uint64_t raw_bytes, std::string_view input) {
  state_->raw_bytes += raw_bytes;
  state_->decoded += decoder.counts();
  const parsers::DecodeCounts& counts = decoder.counts();
  const bool is_dropped =
      counts.flows.malformed() + counts.metrics.malformed() > 0 ||
      std::ranges::any_of(counts.dropped, [](std::uint64_t count) { return count > 0; });
  if (is_dropped) state_->note_samples(decoder, input);
  decoder.reset_counts();
}

void Batcher::count_drop(const std::string& reason, std::uint64_t count) {
  if (count > 0) state_->dropped[reason] += count;
}

void Batcher::caught_up(std::int64_t wall_ms) { state_->advance(wall_ms, true); }

void Batcher::behind() {
  state_->event_time_max_s =
      std::max(state_->event_time_max_s, state_->aggregator.event_time_max_s());
  state_->advance(state_->event_time_max_s * 1000, false);
}

void Batcher::push_open(std::int64_t wall_ms) {
  if (!std::exchange(state_->push_opened, true)) state_->progress.set_listening_since_ms(wall_ms);
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

bool Batcher::full() const noexcept {
  return state_->aggregator.records() >= kRecordsMax ||
         state_->decoded.plain_bytes >= state_->settings.commit_bytes_max;
}

const std::set<std::string>& Batcher::event_keys() const noexcept { return state_->sink.keys(); }

void Batcher::discard() {
  (void)state_->aggregator.take();
  state_->forget_counts();
  state_->sink.clear();
}

bool Batcher::progress_due() const noexcept { return state_->progress_due(); }

namespace {

bool says_anything(const aggregator::Commit& commit) {
  return !commit.records.empty() || !commit.positions.empty() || !commit.once_keys.empty();
}

bool carries_progress(const aggregator::Commit& commit) {
  return !commit.records.empty() && (commit.records.front().record.has_progress() ||
                                     commit.records.back().record.has_progress());
}

}  // namespace

Result<void> Batcher::State::settle(Result<void> outcome, bool with_progress,
                                    std::int64_t built_ms) {
  if (outcome) {
    set_blocked({});
    notice.works(context.clock.steady());
    publish_counts();
    if (with_progress) {
      progress_written = true;
      progress_written_ms = built_ms;
      written_caught_up = progress.caught_up();
      progress.set_started(false);
    }
  }
  forget_counts();
  sink.clear();
  refresh();
  return outcome;
}

Result<void> Batcher::try_commit(std::map<std::string, std::string> positions,
                                 std::vector<std::string> once_keys) {
  State& state = *state_;
  const std::int64_t built_ms = state.wall_ms();
  aggregator::Commit commit = state.build(std::move(positions), std::move(once_keys));
  const bool with_progress = carries_progress(commit);
  if (state.sink.failed()) return state.settle(*state.sink.failed(), with_progress, built_ms);
  if (!says_anything(commit)) return state.settle({}, with_progress, built_ms);
  auto appended = state.context.log.append(std::move(commit));
  if (appended) {
    ++state.context.counters.commits;
    return state.settle({}, with_progress, built_ms);
  }
  ++state.context.counters.commit_failures;
  state.set_blocked(state.source + ": " + appended.error().message);
  return state.settle(std::move(appended).error(), with_progress, built_ms);
}

Result<void> Batcher::commit(std::map<std::string, std::string> positions,
                             std::vector<std::string> once_keys, const std::stop_token& stop) {
  State& state = *state_;
  const std::int64_t built_ms = state.wall_ms();
  aggregator::Commit commit = state.build(std::move(positions), std::move(once_keys));
  const bool with_progress = carries_progress(commit);
  if (state.sink.failed()) return state.settle(*state.sink.failed(), with_progress, built_ms);
  Result<void> outcome;
  while (says_anything(commit)) {
    auto appended = state.context.log.append(std::move(commit));  // Taken if it succeeds.
    if (appended) {
      ++state.context.counters.commits;
      break;
    }
    ++state.context.counters.commit_failures;
    state.set_blocked(state.source + ": " + appended.error().message);
    if (appended.error().code != ErrorCode::kUnavailable || stop.stop_requested()) {
      outcome = std::move(appended).error();
      break;
    }
    state.notice.refused(state.context.clock.steady(), appended.error().message);
    std::this_thread::sleep_for(kRetryInterval);
  }
  return state.settle(std::move(outcome), with_progress, built_ms);
}

std::pair<std::int64_t, std::int64_t> Batcher::event_time_range_s() const noexcept {
  return {state_->time_from_s, state_->time_to_s};
}

std::string Batcher::blocked() const {
  const std::lock_guard lock(state_->mutex);
  return state_->blocked;
}

}  // namespace fleetmeter::ingest
