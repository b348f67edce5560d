#include "alarms/delivery_order.h"

#include <algorithm>
#include <map>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "alarms/delivery.h"
#include "proto/check.h"

namespace fleetmeter::alarms {
namespace {

using aggregator::OutboxEntry;

constexpr std::int64_t kBehindRetryMs = 3'600'000;
constexpr std::int64_t kBackAgainRetryMs = 300'000;

/// What follows `start` up to `end`; empty when either is missing. No text within the JSON looks like
/// `start`, because its quotes are escaped; one that looks like `end` makes two series share an
/// order, which only holds them back needlessly.
std::string_view between(std::string_view body, std::string_view start, std::string_view end) {
  const std::size_t at = body.find(start);
  if (at == std::string_view::npos) return {};
  const std::size_t from = at + start.size();
  const std::size_t to = body.find(end, from);
  return to == std::string_view::npos ? std::string_view{} : body.substr(from, to - from);
}

}  // namespace

std::string order_of(const OutboxEntry& entry) {
  const std::string_view body = entry.body;
  if (body.rfind("{\"event_action\"", 0) == 0)
    return std::string(between(body, R"("dedup_key":")", "\""));
  if (body.rfind("[{\"labels\"", 0) == 0)
    return std::string(between(body, R"("labels":{)", R"(},"annotations")"));
  if (body.rfind("{\"text\"", 0) == 0) {
    std::string order;
    for (const std::string_view field : {"Environment", "Rule", "Series"}) {
      const std::string start = R"({"type":"mrkdwn","text":"*)" + std::string(field) + R"(*\n)";
      order += std::string(between(body, start, "\"}")) + '\n';
    }
    return order;
  }
  return std::string(between(body, R"(,"environment":)", R"(,"from":)"));
}

void DeliveryQueue::assign(std::vector<OutboxEntry> pending, std::int64_t now_ms) {
  std::unordered_map<std::string, QueuedEntry> known;
  for (QueuedEntry& queued : entries_) known[queued.entry.event_id] = std::move(queued);
  entries_.clear();
  for (OutboxEntry& entry : pending) {
    const auto found = known.find(entry.event_id);
    QueuedEntry queued;
    if (found != known.end()) {
      queued = std::move(found->second);
    } else {
      queued.order = order_of(entry);
      queued.tried_ms = now_ms;
    }
    queued.asked = false;  // Another owner may have told meanwhile.
    queued.entry = std::move(entry);
    entries_.push_back(std::move(queued));
  }
}

std::int64_t DeliveryQueue::due_ms(const QueuedEntry& queued, bool others_behind) const {
  std::int64_t due = queued.entry.next_attempt_ms;
  if (queued.entry.attempts == 0) return due;
  if (others_behind) due = std::min(due, queued.tried_ms + kBehindRetryMs);
  if (taken_ms_ > queued.tried_ms && !queued.refused)
    due = std::min(due, queued.tried_ms + kBackAgainRetryMs);
  return due;
}

std::optional<DeliveryQueue::Turn> DeliveryQueue::next(std::int64_t now_ms) const {
  std::unordered_map<std::string_view, std::size_t> behind;  // Entries of each order.
  for (const QueuedEntry& queued : entries_) ++behind[queued.order];
  std::optional<Turn> best;
  const auto better = [&](const Turn& turn) {
    const bool due = turn.due_ms <= now_ms;
    if (due != (best->due_ms <= now_ms)) return due;
    if (!due) return turn.due_ms < best->due_ms;
    const bool action = entries_[turn.index].entry.action;
    if (action != entries_[best->index].entry.action) return action;
    return failures_ % 2 == 1;  // Later ones are newer.
  };
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    std::size_t& count = behind[entries_[i].order];
    if (count == 0) continue;  // Not the first of its order.
    const Turn turn{i, due_ms(entries_[i], count > 1)};
    count = 0;
    if (!best || better(turn)) best = turn;
  }
  if (best) best->due_ms = std::max(best->due_ms, quiet_until_ms_);
  return best;
}

void DeliveryQueue::tried(std::size_t index, bool retry, std::int64_t asked_ms,
                          std::int64_t now_ms) {
  FM_CHECK(index < entries_.size());
  QueuedEntry& queued = entries_[index];
  if (!retry) {
    failures_ = 0;
    taken_ms_ = now_ms;
    quiet_until_ms_ = 0;
    return;
  }
  ++failures_;
  queued.refused = queued.entry.attempts > 0 && taken_ms_ > queued.tried_ms;
  queued.tried_ms = now_ms;
  const auto seed = static_cast<std::uint64_t>(now_ms);
  quiet_until_ms_ = now_ms + std::max(asked_ms, retry_delay_ms(failures_, true, seed));
}

}  // namespace fleetmeter::alarms
