#include "alarms/action_outcome.h"

#include <string>
#include <utility>
#include <vector>

#include "proto/check.h"

namespace fleetmeter::alarms {
namespace {

using aggregator::DeliveryState;
using aggregator::OutboxEntry;

constexpr std::size_t kEventsRead =
    256;  ///< At first; as many as there are when it is not among them.

const char* result_of(DeliveryState state) noexcept {
  FM_CHECK(state == DeliveryState::kExpired || state == DeliveryState::kDead);
  return state == DeliveryState::kExpired ? "expired" : "failed";
}

/// Among the keys of upstream requests: it starts with a word that none of those does.
std::string key_of(const OutboxEntry& entry, DeliveryState state) {
  return "action-outcome/" + entry.event_id + "/" + entry.receiver + "/" + result_of(state);
}

}  // namespace

ActionOutcomes::ActionOutcomes(aggregator::AggregateLog& log, const Clock& clock,
                               PartitionOf partition_of)
    : log_(log), clock_(clock), partition_of_(std::move(partition_of)) {}

Result<std::optional<DeliveryState>> ActionOutcomes::told(const OutboxEntry& entry) {
  FM_CHECK(entry.action);
  const std::string expired = key_of(entry, DeliveryState::kExpired);
  auto seen = log_.seen_keys({expired, key_of(entry, DeliveryState::kDead)});
  if (!seen) return std::move(seen).error();
  if (seen->empty()) return std::optional<DeliveryState>();
  return std::optional(seen->front() == expired ? DeliveryState::kExpired : DeliveryState::kDead);
}

Result<void> ActionOutcomes::tell(const OutboxEntry& entry) {
  const char* result = result_of(entry.state);
  const auto before = told(entry);
  if (!before) return before.error();
  if (*before) return {};
  const auto event = event_of(entry);
  if (!event) return event.error();

  proto::LogRecord record;
  proto::Observation& observation = *record.mutable_observation();
  observation.set_environment(event->environment());
  observation.set_group(event->scaling().group());
  observation.set_time_s(clock_.wall().time_since_epoch().count() / 1000);
  observation.set_event_id(entry.event_id);
  observation.set_receiver(entry.receiver);
  observation.set_result(result);
  aggregator::Commit commit;
  commit.records.push_back(
      {partition_of_ ? partition_of_(event->environment()) : 0, std::move(record)});
  commit.once_keys.push_back(key_of(entry, entry.state));
  auto appended = log_.append(std::move(commit));
  if (!appended) return std::move(appended).error();
  return {};
}

/// An entry says when its event was, not for whom.
Result<proto::Event> ActionOutcomes::event_of(const OutboxEntry& entry) {
  for (std::size_t limit = kEventsRead;; limit *= 8) {
    auto events =
        log_.events({.type_prefix = "scaling.", .since_s = entry.event_time_s, .limit = limit});
    if (!events) return std::move(events).error();
    for (proto::Event& event : *events) {
      if (event.id() == entry.event_id) return std::move(event);
    }
    if (events->size() < limit) break;
  }
  return Error{ErrorCode::kNotFound, "event " + entry.event_id + " is not kept any more"};
}

}  // namespace fleetmeter::alarms
