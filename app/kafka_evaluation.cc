#include "app/kafka_evaluation.h"

#include <spdlog/spdlog.h>

#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include "alarms/action_outcome.h"
#include "alarms/delivery.h"
#include "app/evaluation_loop.h"
#include "app/kafka_bill.h"
#include "app/metrics.h"
#include "app/shard_table.h"
#include "ingest/kafka_worker.h"
#include "ingest/retry.h"

namespace fleetmeter::app {

namespace {

using aggregator::LogPartition;
using aggregator::LogPosition;

constexpr auto kBillInterval = std::chrono::milliseconds(200);
constexpr std::size_t kRefoldRecords = 256;

/// One partition while it is ours: recovers on a thread of its own, then its loop runs.
class OwnedPartition {
 public:
  using MakeLoop = std::function<std::unique_ptr<EvaluationLoop>()>;
  using Recover = std::function<Result<void>(EvaluationLoop&)>;

  OwnedPartition(MakeLoop make, Recover recover)
      : make_(std::move(make)), recover_(std::move(recover)) {
    starter_ = std::jthread([this](const std::stop_token& stop) { start(stop); });
  }
  ~OwnedPartition() {
    starter_.request_stop();
    starter_.join();
    if (loop_) loop_->stop();
  }
  OwnedPartition(const OwnedPartition&) = delete;
  OwnedPartition& operator=(const OwnedPartition&) = delete;

  /// Ended for good, for a reason other than that the partition moved on.
  [[nodiscard]] std::optional<Error> failure() const {
    const std::lock_guard lock(mutex_);
    auto failed = loop_ ? loop_->failure() : failure_;
    if (failed && failed->code == ErrorCode::kFenced) return std::nullopt;
    return failed;
  }
  [[nodiscard]] std::string blocked() const {
    const std::lock_guard lock(mutex_);
    return loop_ ? loop_->blocked() : "recovering";
  }

 private:
  void start(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      auto loop = make_();
      const auto recovered = recover_(*loop);
      const std::lock_guard lock(mutex_);
      if (recovered) {
        loop->start();
        loop_ = std::move(loop);
        return;
      }
      if (recovered.error().code != ErrorCode::kUnavailable) {
        spdlog::error("recovery failed: {}", recovered.error().message);
        failure_ = recovered.error();
        return;
      }
      spdlog::warn("recovery is tried again: {}", recovered.error().message);
      std::this_thread::sleep_for(ingest::kRetryInterval);
    }
  }

  MakeLoop make_;
  Recover recover_;
  mutable std::mutex mutex_;  // Guards the two below.
  std::unique_ptr<EvaluationLoop> loop_;
  std::optional<Error> failure_;
  std::jthread starter_;
};

std::map<std::string, LogPartition, std::less<>> partitions_by_environment(const Config& config) {
  std::map<std::string, LogPartition, std::less<>> table;
  for (const ingest::EnvironmentPartition& entry : shard_table(config))
    table[entry.environment] = entry.partition;
  return table;
}

}  // namespace

struct KafkaEvaluation::State {
  explicit State(KafkaSetup setup_in) : setup(std::move(setup_in)) {}

  KafkaSetup setup;
  std::map<std::string, alarms::Receiver> receivers;
  std::vector<proto::ShardAssignment> shards;

  mutable std::mutex mutex;  // Guards log, owned, deliverer, trouble and log_failure.
  std::condition_variable opened;
  aggregator::AggregateLog* log = nullptr;  // Known to loops once it is open.
  std::map<LogPartition, std::unique_ptr<OwnedPartition>> owned;
  std::unique_ptr<alarms::Deliverer> deliverer;
  std::string trouble;  // Of the log.
  std::optional<Error> log_failure;

  std::unique_ptr<KafkaBill> bill;
  std::unique_ptr<aggregator::AggregateLog> log_owner;
  std::unique_ptr<alarms::ActionOutcomes> outcomes;  // Of actions; in the log of their environment.
  ingest::KafkaWorker worker{"evaluation"};

  void take(LogPartition partition);
  void release(LogPartition partition);
  std::unique_ptr<EvaluationLoop> make_loop(LogPartition partition);
  Result<void> recover(LogPartition partition, EvaluationLoop& loop);
  Result<void> take_bill(LogPartition partition);
  Result<void> open_bill(const std::stop_token& stop);
  Result<void> open_log();
  Result<void> work(const std::stop_token& stop);
  [[nodiscard]] std::string cost_db_path() const {
    return (std::filesystem::path(setup.config.state) / "cost.db").string();
  }
};

std::unique_ptr<EvaluationLoop> KafkaEvaluation::State::make_loop(LogPartition partition) {
  EvaluationLoop::Options options;
  options.partition = partition;
  options.receivers = receivers;
  options.shards = shards;
  options.log_days = setup.config.log_days;
  options.log_bytes_max = setup.config.log_bytes_max;
  options.on_outbox = [this] {
    const std::lock_guard lock(mutex);
    if (deliverer) deliverer->wake();
  };
  options.amend = [this, partition](std::span<const aggregator::LogEntry> entries,
                                    aggregator::Outputs& outputs) -> Result<void> {
    auto totals = bill->totals(partition, entries);
    if (!totals) return std::move(totals).error().with_context("cost.db");
    outputs.usage = *std::move(totals);
    return {};
  };
  std::unique_lock lock(mutex);
  opened.wait(lock, [&] { return log != nullptr; });
  // Usage goes out with the loop's outputs; cost.db follows from there.
  return std::make_unique<EvaluationLoop>(*log, nullptr, *setup.clock, std::move(options));
}

void KafkaEvaluation::State::take(LogPartition partition) {
  auto made = std::make_unique<OwnedPartition>(
      [this, partition] { return make_loop(partition); },
      [this, partition](EvaluationLoop& loop) { return recover(partition, loop); });
  const std::lock_guard lock(mutex);
  owned[partition] = std::move(made);
}

void KafkaEvaluation::State::release(LogPartition partition) {
  std::unique_ptr<OwnedPartition> gone;
  {
    const std::lock_guard lock(mutex);
    const auto found = owned.find(partition);
    if (found == owned.end()) return;
    gone = std::move(found->second);
    owned.erase(found);
  }
  gone.reset();  // Outside the lock: it commits what it has.
  bill->release(partition);
}

Result<void> KafkaEvaluation::State::recover(LogPartition partition, EvaluationLoop& loop) {
  if (auto taken = take_bill(partition); !taken) return taken;
  return loop.recover(setup.config.text, setup.config.fingerprint(), setup.inventory.get());
}

/// Brings the partition's usage to where its evaluation is. They move in one transaction, so that
/// only a usage topic that was lost, or is newer than the log, is behind: then the log says what it
/// lacks, as far back as it is kept.
Result<void> KafkaEvaluation::State::take_bill(LogPartition partition) {
  auto covered = bill->take(partition);
  if (!covered) return std::move(covered).error();
  auto evaluated = log->evaluated_position(partition);
  if (!evaluated) return std::move(evaluated).error();
  if (*covered > *evaluated) {
    return Error{ErrorCode::kDataLoss, "usage covers position " + std::to_string(*covered) +
                                           ", the evaluation only " + std::to_string(*evaluated) +
                                           ": the aggregate topic was made anew"};
  }
  while (*covered < *evaluated) {
    const std::string lacks =
        "usage covers position " + std::to_string(*covered) + " of " + std::to_string(*evaluated);
    auto entries = log->read(partition, *covered, kRefoldRecords);
    if (!entries) return std::move(entries).error().with_context(lacks);
    while (!entries->empty() && entries->back().position > *evaluated) entries->pop_back();
    if (entries->empty()) return Error{ErrorCode::kDataLoss, lacks + ", and the log ends there"};
    aggregator::Outputs outputs;
    outputs.partition = partition;
    outputs.evaluated = *evaluated;
    auto totals = bill->totals(partition, *entries);
    if (!totals) return std::move(totals).error();
    outputs.usage = *std::move(totals);
    if (auto done = log->commit_outputs(std::move(outputs)); !done) return done;
    *covered = entries->back().position;
  }
  return {};
}

Result<void> KafkaEvaluation::State::open_log() {
  ingest::KafkaLogCallbacks callbacks;
  callbacks.on_assigned = [this](LogPartition partition) { take(partition); };
  callbacks.on_revoked = [this](LogPartition partition) { release(partition); };
  callbacks.on_trouble = [this](const std::string& why) {
    const std::lock_guard lock(mutex);
    trouble = why;
  };
  callbacks.on_failed = [this](const Error& why) {
    const std::lock_guard lock(mutex);
    log_failure = why;
  };
  callbacks.on_usage =
      [this](LogPartition partition, std::span<const aggregator::UsageRecord> records,
             std::int64_t next_offset) { bill->committed(partition, records, next_offset); };
  auto made = ingest::open_kafka_log(*setup.clock, setup.log, std::move(callbacks));
  if (!made) return std::move(made).error();
  log_owner = *std::move(made);
  outcomes = std::make_unique<alarms::ActionOutcomes>(
      *log_owner, *setup.clock,
      [table = partitions_by_environment(setup.config)](std::string_view environment) {
        const auto found = table.find(environment);
        return found == table.end() ? LogPartition{0} : found->second;
      });
  alarms::Deliverer::Options delivery;
  delivery.outcomes = outcomes.get();
  auto sender =
      std::make_unique<alarms::Deliverer>(*log_owner, receivers, *setup.clock, std::move(delivery));
  sender->start();
  {
    const std::lock_guard lock(mutex);
    deliverer = std::move(sender);
    log = log_owner.get();
  }
  opened.notify_all();
  return {};
}

/// The bill is brought up first and joins later: who takes a partition over needs its totals, and
/// the shard would wait while a lost file is rebuilt.
Result<void> KafkaEvaluation::State::work(const std::stop_token& stop) {
  if (auto connected = bill->connect(setup.log); !connected) return connected;
  if (!log_owner) worker.set_blocked("cost.db: being brought up to date");
  while (!stop.stop_requested()) {
    auto came = bill->follow();
    if (!came) return std::move(came).error().with_context("cost.db");
    if (*came) continue;
    if (!log_owner) {
      if (auto done = open_log(); !done) return done;
    }
    worker.set_blocked({});
    std::this_thread::sleep_for(kBillInterval);
  }
  return {};
}

KafkaEvaluation::KafkaEvaluation(KafkaSetup setup)
    : state_(std::make_unique<State>(std::move(setup))) {}

KafkaEvaluation::~KafkaEvaluation() { drain(); }

/// A predecessor that is ending still has the file; two members with one would tread on each other.
Result<void> KafkaEvaluation::State::open_bill(const std::stop_token& stop) {
  for (std::int64_t left_ms = setup.log.session_timeout_ms;;
       left_ms -= ingest::kRetryInterval.count()) {
    auto made = KafkaBill::open(cost_db_path(), *setup.clock, setup.log.prefix);
    if (made) {
      bill = *std::move(made);
      return {};
    }
    const bool may_pass = made.error().code == ErrorCode::kUnavailable && left_ms > 0;
    if (!may_pass || stop.stop_requested()) return std::move(made).error();
    if (left_ms == setup.log.session_timeout_ms)
      spdlog::warn("{}; waiting {} ms for it", made.error().message, left_ms);
    std::this_thread::sleep_for(ingest::kRetryInterval);
  }
}

Result<void> KafkaEvaluation::start(const std::stop_token& stop) {
  State& state = *state_;
  auto receivers = resolve_receivers(state.setup.config);
  if (!receivers) return std::move(receivers).error();
  state.receivers = *std::move(receivers);
  state.shards = shard_assignments(state.setup.config);
  if (auto opened = state.open_bill(stop); !opened) return opened;
  state.worker.start([&state](const std::stop_token& over) { return state.work(over); });
  return {};
}

void KafkaEvaluation::drain() {
  State& state = *state_;
  state.worker.stop();
  std::unique_ptr<alarms::Deliverer> deliverer;
  {
    const std::lock_guard lock(state.mutex);
    deliverer = std::move(state.deliverer);
  }
  deliverer.reset();
  state.log_owner.reset();  // Leaves the group, which releases every partition.
}

std::optional<Error> KafkaEvaluation::failure() const {
  const State& state = *state_;
  if (auto failed = state.worker.failure()) return failed;
  const std::lock_guard lock(state.mutex);
  if (state.log_failure) return state.log_failure;
  for (const auto& [partition, owned] : state.owned) {
    if (auto failed = owned->failure())
      return std::move(*failed).with_context("log partition " + std::to_string(partition));
  }
  return std::nullopt;
}

std::string KafkaEvaluation::cost_db_path() const { return state_->cost_db_path(); }

const aggregator::Inventory& KafkaEvaluation::inventory() const { return *state_->setup.inventory; }

const Config& KafkaEvaluation::config() const { return state_->setup.config; }

const Clock& KafkaEvaluation::clock() const { return *state_->setup.clock; }

std::string KafkaEvaluation::metrics() const {
  const std::lock_guard lock(state_->mutex);
  return metrics_text(state_->deliverer ? &state_->deliverer->counters() : nullptr);
}

std::vector<std::string> KafkaEvaluation::not_ready() const {
  const State& state = *state_;
  const std::lock_guard lock(state.mutex);
  std::vector<std::string> reasons;
  if (std::string why = state.worker.blocked(); !why.empty()) reasons.push_back(std::move(why));
  if (!state.trouble.empty()) reasons.push_back(state.trouble);
  for (const auto& [partition, owned] : state.owned) {
    if (std::string why = owned->blocked(); !why.empty())
      reasons.push_back("log partition " + std::to_string(partition) + ": " + why);
  }
  return reasons;
}

}  // namespace fleetmeter::app
