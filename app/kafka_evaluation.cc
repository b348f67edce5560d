#include "app/kafka_evaluation.h"

#include <spdlog/spdlog.h>

#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <thread>

#include "alarms/delivery.h"
#include "app/evaluation_loop.h"
#include "app/shard_table.h"
#include "cost/usage_store.h"

namespace fleetmeter::app {

namespace {

using aggregator::LogPartition;
using aggregator::LogPosition;

constexpr auto kRetryInterval = std::chrono::milliseconds(500);
constexpr auto kBillInterval = std::chrono::milliseconds(200);
constexpr std::size_t kBillRecords = 256;

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
      std::this_thread::sleep_for(kRetryInterval);
    }
  }

  MakeLoop make_;
  Recover recover_;
  mutable std::mutex mutex_;  // Guards the two below.
  std::unique_ptr<EvaluationLoop> loop_;
  std::optional<Error> failure_;
  std::jthread starter_;
};

}  // namespace

struct KafkaEvaluation::State {
  explicit State(KafkaSetup setup_in) : setup(std::move(setup_in)) {}

  KafkaSetup setup;
  std::map<std::string, alarms::Receiver> receivers;
  std::unique_ptr<cost::UsageStore> usage;
  std::unique_ptr<ingest::KafkaLogReader> bill_reader;
  std::vector<proto::ShardAssignment> shards;

  mutable std::mutex mutex;  // Guards the three below.
  std::condition_variable opened;
  aggregator::AggregateLog* log = nullptr;  // Known to loops once it is open.
  std::map<LogPartition, std::unique_ptr<OwnedPartition>> owned;
  std::optional<std::string> bill_failure;  // Guarded by mutex too.

  std::unique_ptr<aggregator::AggregateLog> log_owner;
  std::unique_ptr<alarms::Deliverer> deliverer;
  std::jthread bill;

  void take(LogPartition partition);
  void release(LogPartition partition);
  std::unique_ptr<EvaluationLoop> make_loop(LogPartition partition);
  Result<void> fold_bill(const std::stop_token& stop);
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
  std::unique_lock lock(mutex);
  opened.wait(lock, [&] { return log != nullptr; });
  // The bill is folded over all partitions by a thread of its own.
  return std::make_unique<EvaluationLoop>(*log, nullptr, *setup.clock, std::move(options));
}

void KafkaEvaluation::State::take(LogPartition partition) {
  auto made = std::make_unique<OwnedPartition>(
      [this, partition] { return make_loop(partition); },
      [this](EvaluationLoop& loop) {
        return loop.recover(setup.config.text, setup.config.fingerprint(), setup.inventory.get());
      });
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
}

/// Brings cost.db up to every partition's end, again and again; its rows carry the log positions.
Result<void> KafkaEvaluation::State::fold_bill(const std::stop_token& stop) {
  std::vector<LogPosition> positions;
  for (LogPartition p = 0; p < bill_reader->partitions(); ++p) {
    auto applied = usage->applied_position(p);
    if (!applied) return std::move(applied).error();
    positions.push_back(*applied);
  }
  while (!stop.stop_requested()) {
    bool idle = true;
    for (LogPartition p = 0; p < bill_reader->partitions(); ++p) {
      LogPosition& position = positions[static_cast<std::size_t>(p)];
      auto entries = bill_reader->read(p, position, kBillRecords);
      if (!entries) return std::move(entries).error();
      if (entries->empty()) continue;
      if (auto applied = usage->apply(p, *entries); !applied) return applied;
      position = entries->back().position;
      idle = false;
    }
    if (idle) std::this_thread::sleep_for(kBillInterval);
  }
  return {};
}

KafkaEvaluation::KafkaEvaluation(KafkaSetup setup)
    : state_(std::make_unique<State>(std::move(setup))) {}

KafkaEvaluation::~KafkaEvaluation() { drain(); }

Result<void> KafkaEvaluation::start() {
  State& state = *state_;
  auto receivers = resolve_receivers(state.setup.config);
  if (!receivers) return std::move(receivers).error();
  state.receivers = *std::move(receivers);
  state.shards = shard_assignments(state.setup.config);
  ingest::KafkaLogCallbacks callbacks;
  callbacks.on_assigned = [&state](LogPartition partition) { state.take(partition); };
  callbacks.on_revoked = [&state](LogPartition partition) { state.release(partition); };
  auto log = ingest::open_kafka_log(*state.setup.clock, state.setup.log, std::move(callbacks));
  if (!log) return std::move(log).error();
  state.log_owner = *std::move(log);
  auto deliverer = std::make_unique<alarms::Deliverer>(
      *state.log_owner, state.receivers, *state.setup.clock, alarms::Deliverer::Options{});
  deliverer->start();
  {
    const std::lock_guard lock(state.mutex);
    state.deliverer = std::move(deliverer);
    state.log = state.log_owner.get();
  }
  state.opened.notify_all();
  auto usage = cost::UsageStore::open(
      (std::filesystem::path(state.setup.config.state) / "cost.db").string());
  if (!usage) return std::move(usage).error();
  state.usage = *std::move(usage);
  auto reader = ingest::open_kafka_log_reader(state.setup.log);
  if (!reader) return std::move(reader).error();
  state.bill_reader = *std::move(reader);
  state.bill = std::jthread([&state](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      const auto folded = state.fold_bill(stop);
      if (folded) return;
      spdlog::error("cost.db: {}", folded.error().message);
      if (folded.error().code != ErrorCode::kUnavailable) {
        const std::lock_guard lock(state.mutex);
        state.bill_failure = "cost.db: " + folded.error().message;
        return;
      }
      std::this_thread::sleep_for(kRetryInterval);
    }
  });
  return {};
}

void KafkaEvaluation::drain() {
  State& state = *state_;
  if (state.bill.joinable()) {
    state.bill.request_stop();
    state.bill.join();
  }
  std::unique_ptr<alarms::Deliverer> deliverer;
  {
    const std::lock_guard lock(state.mutex);
    deliverer = std::move(state.deliverer);
  }
  deliverer.reset();
  state.log_owner.reset();  // Leaves the group, which releases every partition.
}

std::optional<std::string> KafkaEvaluation::failure() const {
  const State& state = *state_;
  const std::lock_guard lock(state.mutex);
  for (const auto& [partition, owned] : state.owned) {
    if (auto failed = owned->failure())
      return "log partition " + std::to_string(partition) + ": " + failed->message;
  }
  return state.bill_failure;
}

std::vector<std::string> KafkaEvaluation::not_ready() const {
  const State& state = *state_;
  const std::lock_guard lock(state.mutex);
  std::vector<std::string> reasons;
  for (const auto& [partition, owned] : state.owned) {
    if (std::string why = owned->blocked(); !why.empty())
      reasons.push_back("log partition " + std::to_string(partition) + ": " + why);
  }
  return reasons;
}

}  // namespace fleetmeter::app
