#include "alarms/delivery.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <thread>
#include <utility>

#include "alarms/delivery_attempt.h"
#include "alarms/delivery_order.h"
#include "alarms/http_client.h"
#include "proto/check.h"

namespace fleetmeter::alarms {
namespace {

using aggregator::DeliveryState;
using aggregator::OutboxEntry;

constexpr std::size_t kBatch = 64;       ///< Entries of one receiver held in memory at first, and
constexpr std::size_t kBatchMax = 4096;  ///< at most, while none of them can be sent.
constexpr std::int64_t kLookAgainMs =
    1000;  ///< Between two looks at the outbox, and two tries to record an outcome.
constexpr std::int64_t kStopGraceMs =
    1000;  ///< For answers under way, so that a stop makes no needless repeat.
constexpr std::int64_t kOrphansLookMs = 10'000;
constexpr std::size_t kOrphansBatch = 1000;

/// One receiver's queue and what is known of it. Only the delivery thread touches it.
struct Lane {
  Receiver receiver;
  DeliveryQueue queue;
  std::size_t limit = kBatch;  ///< Of `queue`.
  bool whole = false;          ///< The outbox held no more than `queue` when we looked.
  bool look = true;            ///< The outbox may hold other entries than `queue`.
  SteadyTime looked{};
  bool in_flight = false;
  std::size_t current = 0;  ///< In `queue`: the entry under way, or whose outcome is `unrecorded`.
  std::optional<OutboxEntry> unrecorded;  ///< Outcome that the log would not take yet.
  SteadyTime record_tried{};
  bool blocked = false;  ///< The log did not answer what has to be known before anything is sent.
  SteadyTime blocked_at{};
  std::int64_t idle_until_ms = 0;  ///< Wall time before which nothing in `queue` falls due.
};

}  // namespace

struct Deliverer::State {
  aggregator::Outbox& log;
  const Clock& clock;
  const Options options;
  DeliveryCounters counters;
  std::vector<Lane> lanes;
  HttpClient client;
  std::int64_t orphans_looked_ms = -kOrphansLookMs;
  std::size_t turn = 0;

  std::atomic<bool> woken{true};
  std::atomic<bool> stopping{false};
  mutable std::mutex mutex;  // Guards last_error and started; `settled` is signalled with it.
  std::condition_variable settled;
  std::optional<std::string> last_error;
  bool started = false;
  std::jthread thread;  // Last: it uses everything above.

  State(aggregator::Outbox& log_in, std::map<std::string, Receiver> receivers,
        const Clock& clock_in, Options options_in)
      : log(log_in),
        clock(clock_in),
        options(std::move(options_in)),
        client(receivers.size(), options.allow_private_targets) {
    for (auto& [name, receiver] : receivers) {
      Lane& lane = lanes.emplace_back();
      lane.receiver = std::move(receiver);
      lane.receiver.name = name;
    }
  }

  [[nodiscard]] std::int64_t now_ms() const { return clock.wall().time_since_epoch().count(); }
  [[nodiscard]] bool passed(SteadyTime since, std::int64_t wait_ms) const {
    return clock.steady() - since >= std::chrono::milliseconds(wait_ms);
  }

  void note_error(std::string text) {
    const std::lock_guard lock(mutex);
    last_error = std::move(text);
  }

  void run();
  void step(Lane& lane, std::size_t index);
  bool look(Lane& lane);
  bool look_further(Lane& lane);
  void block(Lane& lane, std::string why);
  [[nodiscard]] bool conclude_one(Lane& lane, std::int64_t now);
  void send(Lane& lane, std::size_t index, std::int64_t now);
  void finish(Lane& lane, const HttpOutcome& outcome);
  [[nodiscard]] bool ask(Lane& lane, QueuedEntry& queued);
  Result<void> make_durable(const OutboxEntry& entry);
  void conclude(Lane& lane, OutboxEntry entry);
  bool record(Lane& lane);
  void count(const OutboxEntry& entry);
  void bury_orphans();
  [[nodiscard]] int wait_ms() const;
  void wind_down();
};

void Deliverer::State::run() {
  while (!stopping.load()) {
    if (woken.exchange(false)) {
      for (Lane& lane : lanes) lane.look = true;
    }
    for (std::size_t i = 0; i < lanes.size();
         ++i) {  // Each time from another lane: where slots are few all get their turn.
      const std::size_t index = (turn + i) % lanes.size();
      step(lanes[index], index);
    }
    ++turn;
    bury_orphans();
    for (const HttpOutcome& outcome : client.wait(wait_ms())) finish(lanes[outcome.lane], outcome);
  }
  wind_down();
}

/// Does all that can be done for a receiver without waiting.
void Deliverer::State::step(Lane& lane, std::size_t index) {
  for (;;) {
    if (lane.in_flight || stopping.load()) return;
    if (lane.unrecorded && (!passed(lane.record_tried, kLookAgainMs) || !record(lane))) return;
    if (lane.blocked && !passed(lane.blocked_at, kLookAgainMs)) return;
    lane.blocked = false;
    // Many entries are read once a second, however often others are queued.
    const bool at_once = lane.look && (lane.limit == kBatch || lane.queue.entries().empty());
    if ((at_once || passed(lane.looked, kLookAgainMs)) && !look(lane)) return;
    const std::int64_t now = now_ms();
    if (now < lane.idle_until_ms) return;
    if (conclude_one(lane, now)) continue;
    if (lane.blocked) return;
    const std::optional<DeliveryQueue::Turn> next = lane.queue.next(now);
    if (!next || now < next->due_ms) {
      if (!lane.whole && look_further(lane)) continue;
      lane.idle_until_ms = next ? next->due_ms : std::numeric_limits<std::int64_t>::max();
      for (const QueuedEntry& queued : lane.queue.entries()) {
        const std::int64_t expires_s = queued.entry.expires_s;
        if (expires_s > 0) lane.idle_until_ms = std::min(lane.idle_until_ms, expires_s * 1000 + 1);
      }
      return;
    }
    if (client.in_flight() >= std::max(options.parallel_receivers, 1U)) return;
    lane.current = next->index;
    send(lane, index, now);
  }
}

/// Reads the lane's oldest pending entries; false when the log cannot be read now.
bool Deliverer::State::look(Lane& lane) {
  lane.looked = clock.steady();
  lane.idle_until_ms = 0;
  Result<std::vector<OutboxEntry>> pending = log.pending_outbox(lane.receiver.name, lane.limit);
  if (!pending) {
    block(lane, "the outbox cannot be read: " + pending.error().message);
    return false;
  }
  lane.whole = pending->size() < lane.limit;
  if (pending->size() < kBatch) lane.limit = kBatch;
  lane.queue.assign(*std::move(pending), now_ms());
  lane.look = false;
  return true;
}

/// Looks past entries that wait: they must not hide others that could be sent, or that expire.
/// False when there is nothing else to see.
bool Deliverer::State::look_further(Lane& lane) {
  if (lane.queue.entries().size() > lane.limit / 2) {
    if (lane.limit >= kBatchMax) return false;
    lane.limit = std::min(lane.limit * 4, kBatchMax);
  }
  return look(lane);
}

/// Ends one entry that needs no attempt any more, whatever it waits for; false = none, or blocked.
bool Deliverer::State::conclude_one(Lane& lane, std::int64_t now) {
  std::vector<QueuedEntry>& entries = lane.queue.entries();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (!ask(lane, entries[i])) return false;
    OutboxEntry& entry = entries[i].entry;
    if (entry.state == DeliveryState::kPending && is_expired(entry, now)) {
      entry.state = DeliveryState::kExpired;
      entry.last_error = "expired before it could be delivered";
    }
    if (entry.state == DeliveryState::kPending) continue;
    lane.current = i;
    conclude(lane, entry);
    return true;
  }
  return false;
}

/// The lane waits a while before it asks the log again.
void Deliverer::State::block(Lane& lane, std::string why) {
  lane.blocked = true;
  lane.blocked_at = clock.steady();
  note_error(std::move(why));
}

/// An action that the log was told of, before a crash kept us from recording it, is over; false when
/// the log cannot say now.
bool Deliverer::State::ask(Lane& lane, QueuedEntry& queued) {
  if (options.outcomes == nullptr || !queued.entry.action || queued.asked) return true;
  const auto told = options.outcomes->told(queued.entry);
  if (!told) {
    block(lane, "the log cannot say whether an action failed: " + told.error().message);
    return false;
  }
  queued.asked = true;
  if (!*told) return true;
  queued.entry.state = **told;
  queued.entry.last_error = "given up before a restart";
  return true;
}

void Deliverer::State::send(Lane& lane, std::size_t index, std::int64_t now) {
  if (options.fault) options.fault("delivery.before_send");
  counters.attempts.fetch_add(1);
  Result<HttpPost> request =
      make_request(lane.receiver, lane.queue.entries()[lane.current].entry, now / 1000);
  if (!request) {  // Bad configuration: tried again like an unreachable receiver, so that a fixed
                   // secret loses nothing.
    HttpOutcome outcome;
    outcome.error = request.error().message;
    finish(lane, outcome);
    return;
  }
  lane.in_flight = true;
  client.post(index, *std::move(request));
}

void Deliverer::State::finish(Lane& lane, const HttpOutcome& outcome) {
  lane.in_flight = false;
  if (options.fault) options.fault("delivery.after_send");
  const std::int64_t now = now_ms();
  const bool retry = judge(outcome) == AttemptVerdict::kRetry;
  OutboxEntry entry =
      after_attempt(lane.queue.entries()[lane.current].entry, lane.receiver, outcome, now);
  if (retry && !lane.queue.failing()) {
    spdlog::warn("receiver {} fails: {}", lane.receiver.name, entry.last_error);
  } else if (!retry && lane.queue.failing()) {
    spdlog::info("receiver {} answers again", lane.receiver.name);
  }
  lane.queue.tried(lane.current, retry, asked_wait_ms(outcome), now);
  if (retry) {
    counters.failed.fetch_add(1);
    note_error(fmt::format("{}: {}", lane.receiver.name, entry.last_error));
  }
  conclude(lane, std::move(entry));
}

/// Records an outcome of the current entry; a final one removes it from the queue once it is
/// recorded.
void Deliverer::State::conclude(Lane& lane, OutboxEntry entry) {
  FM_CHECK(!lane.unrecorded);
  lane.unrecorded = std::move(entry);
  lane.idle_until_ms = 0;
  record(lane);
}

/// First the log learns that an action failed, then it is over: the other way round a crash between
/// the two would lose the observation.
Result<void> Deliverer::State::make_durable(const OutboxEntry& entry) {
  const bool failed = entry.state == DeliveryState::kDead || entry.state == DeliveryState::kExpired;
  if (options.outcomes != nullptr && entry.action && failed) {
    const Result<void> told = options.outcomes->tell(entry);
    if (!told && told.error().code != ErrorCode::kNotFound) return told;
    if (!told) spdlog::error("an action of {} failed: {}", entry.receiver, told.error().message);
    if (options.fault) options.fault("delivery.after_tell");
  }
  return log.record_delivery(entry);
}

/// True when the outcome is durable, or is no longer ours to record.
bool Deliverer::State::record(Lane& lane) {
  lane.record_tried = clock.steady();
  const Result<void> recorded = make_durable(*lane.unrecorded);
  if (!recorded && recorded.error().code != ErrorCode::kFenced &&
      recorded.error().code != ErrorCode::kNotFound) {
    note_error("a delivery cannot be recorded: " + recorded.error().message);
    return false;
  }
  const OutboxEntry entry = *std::exchange(lane.unrecorded, std::nullopt);
  if (!recorded) {  // Another owner has the partition and its outbox now.
    lane.queue.entries().clear();
    lane.look = true;
    return true;
  }
  std::vector<QueuedEntry>& entries = lane.queue.entries();
  if (entry.state == DeliveryState::kPending) {
    entries[lane.current].entry = entry;
    return true;
  }
  count(entry);
  entries.erase(entries.begin() + static_cast<std::ptrdiff_t>(lane.current));
  lane.look |= entries.empty();
  settled.notify_all();
  return true;
}

void Deliverer::State::count(const OutboxEntry& entry) {
  const std::string id = webhook_id(entry.event_id, entry.receiver);
  if (entry.state == DeliveryState::kDelivered) {
    counters.delivered.fetch_add(1);
  } else if (entry.state == DeliveryState::kExpired) {
    counters.expired.fetch_add(1);
    spdlog::warn("delivery {} to {} expired unsent", id, entry.receiver);
  } else {
    counters.dead.fetch_add(1);
    note_error(fmt::format("{}: {}", entry.receiver, entry.last_error));
    spdlog::error("delivery {} to {} is dead after {} attempts: {}", id, entry.receiver,
                  entry.attempts, entry.last_error);
  }
}

/// Entries of receivers that the configuration no longer names would stay pending for ever.
void Deliverer::State::bury_orphans() {
  const std::int64_t now =
      std::chrono::duration_cast<std::chrono::milliseconds>(clock.steady().time_since_epoch())
          .count();
  if (now - orphans_looked_ms < kOrphansLookMs) return;
  orphans_looked_ms = now;
  Result<std::vector<OutboxEntry>> due = log.due_outbox(now_ms(), kOrphansBatch);
  if (!due) return;
  for (OutboxEntry& entry : *due) {
    const bool known = std::any_of(lanes.begin(), lanes.end(), [&](const Lane& lane) {
      return lane.receiver.name == entry.receiver;
    });
    if (known) continue;
    entry.state = DeliveryState::kDead;
    entry.last_error = "its receiver is no longer configured";
    if (make_durable(entry)) count(entry);
  }
  settled.notify_all();
}

/// Until the next lane has something due, at most until the next look at the outbox.
int Deliverer::State::wait_ms() const {
  if (woken.load()) return 0;
  std::int64_t wait = kLookAgainMs;
  const std::int64_t now = now_ms();
  for (const Lane& lane : lanes) {
    if (lane.in_flight || lane.unrecorded || lane.blocked) continue;
    if (client.in_flight() >= std::max(options.parallel_receivers, 1U))
      continue;  // A finished transfer ends the wait.
    wait = std::min(wait, std::max<std::int64_t>(lane.idle_until_ms - now, 0));
  }
  return static_cast<int>(wait);
}

void Deliverer::State::wind_down() {
  const SteadyTime since = clock.steady();
  const auto begun = std::chrono::steady_clock::now();
  while (client.in_flight() > 0 && !passed(since, kStopGraceMs) &&
         std::chrono::steady_clock::now() - begun < std::chrono::milliseconds(kStopGraceMs)) {
    for (const HttpOutcome& outcome : client.wait(50)) finish(lanes[outcome.lane], outcome);
  }
}

Deliverer::Deliverer(aggregator::Outbox& log, std::map<std::string, Receiver> receivers,
                     const Clock& clock, Options options)
    : state_(std::make_unique<State>(log, std::move(receivers), clock, std::move(options))) {}

Deliverer::~Deliverer() {
  state_->stopping.store(true);
  state_->client.wake();
  if (state_->thread.joinable()) state_->thread.join();
}

void Deliverer::start() {
  const std::lock_guard lock(state_->mutex);
  if (std::exchange(state_->started, true)) return;
  state_->thread = std::jthread([state = state_.get()] { state->run(); });
}

void Deliverer::wake() {
  state_->woken.store(true);
  state_->client.wake();
}

bool Deliverer::drain(std::int64_t timeout_ms) {
  start();
  wake();
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  for (;;) {
    const auto counts = state_->log.outbox_counts();
    if (counts) {
      const auto pending = counts->find(DeliveryState::kPending);
      if (pending == counts->end() || pending->second == 0) return true;
    }
    const auto now = std::chrono::steady_clock::now();
    if (now >= deadline) return false;
    std::unique_lock lock(
        state_->mutex);  // A signal missed between the count and here costs one short wait.
    state_->settled.wait_until(lock, std::min(deadline, now + std::chrono::milliseconds(50)));
  }
}

const DeliveryCounters& Deliverer::counters() const noexcept { return state_->counters; }

std::optional<std::string> Deliverer::last_error() const {
  const std::lock_guard lock(state_->mutex);
  return state_->last_error;
}

}  // namespace fleetmeter::alarms
