#include <algorithm>

#include "ingest/kafka_log.h"

// Events, outbox and delivery of the Kafka store: answered from the views of the partitions owned.
namespace fleetmeter::ingest {

using aggregator::DeliveryState;
using aggregator::LogPartition;
using aggregator::OutboxEntry;

Result<std::vector<proto::Event>> KafkaLog::events(const aggregator::EventQuery& query) {
  std::vector<proto::Event> all;
  for (const auto& [partition, state] : all_owned()) {
    if (auto completed = state->view->complete(); !completed) return std::move(completed).error();
    auto found = state->view->tables().events(query);
    if (!found) return found;
    for (proto::Event& event : *found) all.push_back(std::move(event));
  }
  std::stable_sort(all.begin(), all.end(), [](const proto::Event& a, const proto::Event& b) {
    return a.time_s() < b.time_s();
  });
  if (all.size() > query.limit) {
    all.erase(all.begin(), all.end() - static_cast<std::ptrdiff_t>(query.limit));
  }
  return all;
}

/// The oldest `limit` of what every view answers, with a note of where each lies.
Result<std::vector<OutboxEntry>> KafkaLog::merged_outbox(
    const std::function<Result<std::vector<OutboxEntry>>(aggregator::SqliteLog&)>& ask,
    std::size_t limit) {
  std::vector<std::pair<OutboxEntry, LogPartition>> all;
  for (const auto& [partition, state] : all_owned()) {
    if (state->releasing) continue;  // The next owner sends them.
    if (auto completed = state->view->complete(); !completed) return std::move(completed).error();
    auto found = ask(state->view->tables());
    if (!found) return found;
    for (OutboxEntry& entry : *found) all.emplace_back(std::move(entry), partition);
  }
  std::stable_sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return a.first.event_time_s < b.first.event_time_s;
  });
  if (all.size() > limit) all.resize(limit);
  std::vector<OutboxEntry> entries;
  const std::lock_guard lock(owned_mutex_);
  for (auto& [entry, partition] : all) {
    outbox_partition_[{entry.event_id, entry.receiver}] = partition;
    entries.push_back(std::move(entry));
  }
  return entries;
}

Result<std::vector<OutboxEntry>> KafkaLog::due_outbox(std::int64_t now_ms, std::size_t limit) {
  return merged_outbox(
      [&](aggregator::SqliteLog& tables) { return tables.due_outbox(now_ms, limit); }, limit);
}

Result<std::vector<OutboxEntry>> KafkaLog::pending_outbox(std::string_view receiver,
                                                          std::size_t limit) {
  return merged_outbox(
      [&](aggregator::SqliteLog& tables) { return tables.pending_outbox(receiver, limit); }, limit);
}

/// Where an entry lies: it was handed out before its outcome is recorded.
Result<LogPartition> KafkaLog::partition_of(const OutboxEntry& entry) {
  for (const bool searched : {false, true}) {
    {
      const std::lock_guard lock(owned_mutex_);
      const auto found = outbox_partition_.find({entry.event_id, entry.receiver});
      if (found != outbox_partition_.end()) return found->second;
    }
    if (searched) break;
    auto all = pending_outbox(entry.receiver, std::numeric_limits<std::size_t>::max() / 2);
    if (!all) return std::move(all).error();
  }
  return Error{ErrorCode::kNotFound, "no outbox entry of event " + entry.event_id + " for " +
                                         entry.receiver + " in a partition of ours"};
}

Result<void> KafkaLog::record_delivery(const OutboxEntry& entry) {
  auto partition = partition_of(entry);
  if (!partition) return std::move(partition).error();
  const std::shared_ptr<Owned> state = owned(*partition);
  if (!state) {
    return Error{ErrorCode::kFenced, "partition " + std::to_string(*partition) +
                                         " went to another owner, who sends it again"};
  }
  auto committed =
      transact({outbox_record(options_.prefix, *partition, entry, true)}, {*partition}, {});
  if (!committed) return std::move(committed).error();
  state->view->apply_result(entry);
  if (entry.state != DeliveryState::kPending) {
    const std::lock_guard lock(owned_mutex_);
    outbox_partition_.erase({entry.event_id, entry.receiver});
  }
  return {};
}

Result<std::map<DeliveryState, std::uint64_t>> KafkaLog::outbox_counts() {
  std::map<DeliveryState, std::uint64_t> sum;
  for (const auto& [partition, state] : all_owned()) {
    if (auto completed = state->view->complete(); !completed) return std::move(completed).error();
    auto counts = state->view->tables().outbox_counts();
    if (!counts) return counts;
    for (const auto& [key, count] : *counts) sum[key] += count;
  }
  return sum;
}

Result<std::unique_ptr<aggregator::AggregateLog>> open_kafka_log(const Clock& clock,
                                                                 KafkaLogOptions options,
                                                                 KafkaLogCallbacks callbacks) {
  auto log = std::make_unique<KafkaLog>(clock, std::move(options), std::move(callbacks));
  if (auto started = log->start(); !started) return std::move(started).error();
  return std::unique_ptr<aggregator::AggregateLog>(std::move(log));
}

}  // namespace fleetmeter::ingest
