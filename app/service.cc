#include "app/service.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <mutex>
#include <thread>
#include <utility>

#include "aggregator/shard_time.h"
#include "aggregator/sqlite_log.h"
#include "proto/rfc3339.h"

namespace fleetmeter::app {

namespace {

constexpr std::int64_t kDrainTimeoutMs = 60'000;  // For the outbox of a bounded run.
constexpr std::int64_t kBacklogReadyRecords =
    20'000;  // Log records not yet applied beyond which we are not ready.

/// A tick is never taken back: a clock that was set back has to pass it before anything falls due.
std::string clock_behind(const EvaluationView& view, const Clock& clock) {
  const std::int64_t now_s = clock.wall().time_since_epoch().count() / 1000;
  for (const Evaluator::ShardView& shard : view.shards) {
    if (shard.tick_s > now_s + aggregator::kTickAheadMax)
      return "the clock is behind: nothing falls due until it has passed " + rfc3339(shard.tick_s);
  }
  return {};
}

}  // namespace

struct Service::State {
  State(Config config_in, const Clock& clock_in, ServiceOptions options_in)
      : config(std::move(config_in)), clock(clock_in), options(std::move(options_in)) {}

  Config config;
  const Clock& clock;
  ServiceOptions options;

  // In dependency order: destroyed in reverse.
  std::shared_ptr<const aggregator::Inventory> loaded_inventory;
  std::vector<aggregator::Inventory::Problem> inventory_warnings;
  std::unique_ptr<ingest::InventoryHolder> inventory;
  std::unique_ptr<aggregator::SqliteLog> log;
  std::unique_ptr<cost::UsageStore> usage;
  std::map<std::string, alarms::Receiver> receivers;
  std::unique_ptr<alarms::ActionOutcomes> outcomes;
  std::unique_ptr<alarms::Deliverer> deliverer;
  std::unique_ptr<EvaluationLoop> loop;
  ingest::IngestCounters counters;
  ingest::OnceClaims claims;
  std::vector<std::unique_ptr<ingest::Source>> sources;
  std::vector<ingest::FirehoseSource*> firehoses;
  std::atomic<bool> running{false};  // Before, the sources are start()'s alone.
  std::jthread ender;        // Bounded runs that stay up: appends InputEnd when the files are read.
  mutable std::mutex mutex;  // Guards bytes_read and the failure.
  std::map<std::size_t, std::pair<std::uint64_t, std::uint64_t>> bytes_read;
  std::optional<std::string> failure;

  Result<void> open_stores();
  Result<void> match_stores();
  Result<void> load_inventory();
  Result<void> make_sources();
  Result<void> wait_for_sources(const std::stop_token& stop);
  [[nodiscard]] ingest::SourceContext context(std::size_t index);
  [[nodiscard]] bool bounded() const;
  [[nodiscard]] std::string path(const char* name) const {
    return (std::filesystem::path(config.state) / name).string();
  }
};

bool Service::State::bounded() const {
  return config.firehose.empty() && config.kafka.empty() &&
         std::none_of(config.files.begin(), config.files.end(),
                      [](const auto& files) { return files.follow; });
}

Result<void> Service::State::load_inventory() {
  auto loaded =
      config.inventory.empty()
          ? Result<std::shared_ptr<const aggregator::Inventory>>(
                aggregator::Inventory::empty(config.environments))
          : aggregator::Inventory::load(config.inventory, config.environments, inventory_warnings);
  if (!loaded) return std::move(loaded).error();
  for (const auto& warning : inventory_warnings)
    spdlog::warn("{}: {}", warning.file, warning.message);
  loaded_inventory = *std::move(loaded);
  inventory = std::make_unique<ingest::InventoryHolder>(loaded_inventory);
  return {};
}

Result<void> Service::State::open_stores() {
  std::error_code error;
  std::filesystem::create_directories(config.state, error);
  if (error) {
    return Error{ErrorCode::kInvalidArgument,
                 "state directory " + config.state + ": " + error.message() +
                     "; set `state:` to a directory that can be written"};
  }
  aggregator::SqliteLog::Options log_options;
  log_options.clock = &clock;
  log_options.fault = options.fault;
  auto opened = aggregator::SqliteLog::open(path("log.db"), std::move(log_options));
  if (!opened) return std::move(opened).error();
  log = *std::move(opened);
  auto opened_usage = cost::UsageStore::open(path("cost.db"));
  if (!opened_usage) return std::move(opened_usage).error();
  usage = *std::move(opened_usage);
  return match_stores();
}

/// cost.db skips the log's records up to its own position, so it must be a position of this log.
Result<void> Service::State::match_stores() {
  const aggregator::SqliteLogStatus status = log->status();
  const auto applied = usage->applied_position(0);
  if (!applied) return applied.error();
  if (*applied == 0 && status.pruned_to > 0) {
    spdlog::warn(
        "{}: is new and begins where the log does, at position {}: the bill lacks what was before",
        path("cost.db"), status.pruned_to + 1);
  }
  return usage->belong_to({path("log.db"), log->log_id(), status.pruned_to, status.last_position});
}

ingest::SourceContext Service::State::context(std::size_t index) {
  ingest::SourceContext made{
      .log = *log, .clock = clock, .inventory = *inventory, .counters = counters, .claims = claims};
  made.partition_of = [](std::string_view) { return aggregator::LogPartition{0}; };
  made.all_partitions = {0};
  made.fault = options.fault;
  made.on_progress = [this, index](std::uint64_t done, std::uint64_t all) {
    if (!options.on_read) return;
    std::uint64_t done_sum = 0, all_sum = 0;
    {
      const std::lock_guard lock(mutex);
      bytes_read[index] = {done, all};
      for (const auto& [source, bytes] : bytes_read) {
        done_sum += bytes.first;
        all_sum += bytes.second;
      }
    }
    options.on_read(done_sum, all_sum);
  };
  return made;
}

Result<void> Service::State::make_sources() {
  const bool any_live = !bounded();
  for (ingest::FilesOptions files : config.files) {
    files.settings.bounded = !files.follow;
    files.beside_live = any_live && !files.follow;
    if (!options.environment.empty()) files.settings.environment = options.environment;
    sources.push_back(ingest::make_files_source(context(sources.size()), std::move(files)));
  }
  for (const FirehoseConfig& firehose : config.firehose) {
    ingest::FirehoseOptions made = firehose.options;
    if (!firehose.access_key.empty()) {
      auto key = resolve_secret(firehose.access_key);
      if (!key) return std::move(key).error().with_context("sources: firehose: access_key");
      made.access_key = *std::move(key);
    }
    if (!options.environment.empty()) made.settings.environment = options.environment;
    auto source = ingest::make_firehose_source(context(sources.size()), std::move(made));
    firehoses.push_back(source.get());
    sources.push_back(std::move(source));
  }
  for (const KafkaConfig& kafka : config.kafka) {
    ingest::KafkaSourceOptions made = kafka.options;
    for (const auto& [property, secret] : kafka.secrets) {
      auto value = resolve_secret(secret);
      if (!value) return std::move(value).error().with_context("sources: kafka: " + property);
      made.connection.properties[property] = *std::move(value);
    }
    if (!options.environment.empty()) made.settings.environment = options.environment;
    sources.push_back(ingest::make_kafka_source(context(sources.size()), std::move(made)));
  }
  return {};
}

Service::Service(Config config, const Clock& clock, ServiceOptions options)
    : state_(std::make_unique<State>(std::move(config), clock, std::move(options))) {}

Service::~Service() { drain(); }

Result<void> Service::open() {
  State& state = *state_;
  if (auto loaded = state.load_inventory(); !loaded) return loaded;
  if (state.options.deliver) {
    auto resolved = resolve_receivers(state.config);
    if (!resolved) return std::move(resolved).error();
    state.receivers = *std::move(resolved);
  }
  if (auto opened = state.open_stores(); !opened) return opened;
  if (state.options.deliver) {
    alarms::Deliverer::Options delivery;
    delivery.fault = state.options.fault;
    state.outcomes = std::make_unique<alarms::ActionOutcomes>(*state.log, state.clock);
    delivery.outcomes = state.outcomes.get();
    state.deliverer = std::make_unique<alarms::Deliverer>(*state.log, state.receivers, state.clock,
                                                          std::move(delivery));
  }
  EvaluationLoop::Options loop;
  loop.receivers = state.receivers;
  loop.deliver = state.options.deliver;
  loop.stop = state.options.stop;
  loop.log_days = state.config.log_days;
  loop.log_bytes_max = state.config.log_bytes_max;
  loop.on_progress = state.options.on_evaluate;
  if (state.deliverer) loop.on_outbox = [deliverer = state.deliverer.get()] { deliverer->wake(); };
  state.loop =
      std::make_unique<EvaluationLoop>(*state.log, state.usage.get(), state.clock, std::move(loop));
  return {};
}

Result<void> Service::start() {
  State& state = *state_;
  if (!state.loop) {
    if (auto opened = open(); !opened) return opened;
  }
  if (auto recovered = state.loop->recover(state.config.text, state.config.fingerprint(),
                                           state.loaded_inventory.get());
      !recovered) {
    return std::move(recovered).error().with_context(state.path("log.db"));
  }
  if (auto made = state.make_sources(); !made) return made;
  state.loop->start();
  if (state.deliverer) state.deliverer->start();
  for (const auto& source : state.sources) {
    if (auto started = source->start(); !started) return started;
  }
  state.running = true;
  if (state.bounded() && !state.options.until_eof) {
    state.ender = std::jthread([&state](const std::stop_token& stop) {
      std::optional<Error> failed;
      if (auto read = state.wait_for_sources(stop); !read) failed = std::move(read).error();
      if (!failed && !stop.stop_requested()) {
        if (auto ended = state.loop->end_input(stop); !ended) failed = std::move(ended).error();
      }
      if (!failed) return;
      const std::lock_guard lock(state.mutex);
      state.failure = failed->message;
    });
  }
  return {};
}

Result<void> Service::State::wait_for_sources(const std::stop_token& stop) {
  for (const auto& source : sources) {
    while (!source->finished() && !stop.stop_requested()) {
      if (auto failed = source->failure()) return *std::move(failed);
      if (auto failed = loop->failure()) return *std::move(failed);
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
  }
  return {};
}

Result<void> Service::run_to_end(const std::stop_token& stop) {
  State& state = *state_;
  if (auto read = state.wait_for_sources(stop); !read) return read;
  if (!stop.stop_requested()) {
    auto ended = state.loop->end_input(stop);
    if (!ended) return std::move(ended).error();
    if (auto evaluated = state.loop->wait_to_end(*ended, stop); !evaluated) return evaluated;
  }
  if (stop.stop_requested()) {
    return Error{
        ErrorCode::kUnavailable,
        "stopped before the end; " + (state.options.scratch
                                          ? "nothing of it is kept"
                                          : "the next run on " + state.config.state + " goes on")};
  }
  if (state.deliverer && !state.deliverer->drain(kDrainTimeoutMs)) {
    const auto why = state.deliverer->last_error();
    return Error{ErrorCode::kUnavailable,
                 "notifications are left in the outbox: " + why.value_or("receivers are slow") +
                     "; they go out when it runs again on " + state.config.state};
  }
  return {};
}

bool Service::bounded() const noexcept { return state_->bounded(); }

void Service::drain() {
  State& state = *state_;
  if (state.ender.joinable()) {
    state.ender.request_stop();
    state.ender.join();
  }
  for (const auto& source : state.sources) source->stop();
  if (state.loop) state.loop->stop();
  state.deliverer.reset();
}

const Config& Service::config() const noexcept { return state_->config; }
std::shared_ptr<const EvaluationView> Service::view() const { return state_->loop->view(); }
aggregator::AggregateLog& Service::log() noexcept { return *state_->log; }
ingest::IngestCounters& Service::counters() noexcept { return state_->counters; }
const alarms::DeliveryCounters* Service::delivery() const noexcept {
  return state_->deliverer ? &state_->deliverer->counters() : nullptr;
}
std::string Service::cost_db_path() const { return state_->path("cost.db"); }
std::shared_ptr<const aggregator::Inventory> Service::inventory() const {
  return state_->inventory->get();
}
const std::vector<aggregator::Inventory::Problem>& Service::inventory_warnings() const noexcept {
  return state_->inventory_warnings;
}

std::vector<std::uint16_t> Service::firehose_ports() const {
  std::vector<std::uint16_t> ports;
  for (const ingest::FirehoseSource* firehose : state_->firehoses)
    ports.push_back(firehose->port());
  return ports;
}

std::optional<std::string> Service::failure() const {
  const State& state = *state_;
  if (auto failed = state.loop->failure()) return failed->message;
  if (!state.running) return std::nullopt;
  for (const auto& source : state.sources) {
    if (auto failed = source->failure()) return failed->message;
  }
  const std::lock_guard lock(state.mutex);
  return state.failure;
}

std::vector<std::string> Service::not_ready() const {
  const State& state = *state_;
  std::vector<std::string> reasons;
  if (auto failed = failure()) reasons.push_back(*std::move(failed));
  if (std::string why = state.loop->blocked(); !why.empty()) reasons.push_back(std::move(why));
  if (!state.running) {
    reasons.emplace_back("recovering");
    return reasons;
  }
  for (const auto& source : state.sources) {
    if (std::string why = source->blocked(); !why.empty()) reasons.push_back(std::move(why));
  }
  const auto view = state.loop->view();
  if (view->last - view->applied > kBacklogReadyRecords) {
    reasons.push_back("backlog: " + std::to_string(view->last - view->applied) +
                      " log records are not evaluated yet");
  }
  for (const auto& lag : view->lags) {
    if (lag.stalled) reasons.push_back("source " + lag.source + " is stalled");
  }
  if (std::string why = clock_behind(*view, state.clock); !bounded() && !why.empty())
    reasons.push_back(std::move(why));
  return reasons;
}

std::vector<std::string> Service::notes() const {
  const aggregator::SqliteLogStatus log = state_->log->status();
  if (!log.limited_by_bytes) return {};
  const std::string kept = log.kept_from_ms == 0
                               ? "nothing before the last snapshot is kept"
                               : "the log is kept from " + rfc3339(log.kept_from_ms / 1000) + " on";
  return {"log.bytes_max is reached before log.days (" + std::to_string(state_->config.log_days) +
          "): " + kept};
}

}  // namespace fleetmeter::app
