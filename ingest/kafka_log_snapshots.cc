#include <algorithm>

#include "ingest/kafka_log.h"

// Snapshots of the Kafka store, and what is removed behind them.
namespace fleetmeter::ingest {

namespace {

using aggregator::LogPartition;
using aggregator::Snapshot;

constexpr int kAdminTimeoutMs = 15'000;

}  // namespace

Result<void> KafkaLog::put_snapshot(LogPartition partition, const Snapshot& snapshot) {
  const std::shared_ptr<Owned> state = owned(partition);
  if (!state) return not_owned(partition);
  if (state->snapshot_slot < 0) {
    auto found = find_snapshot(options_.connection, options_.prefix, partition);
    if (!found) return std::move(found).error();
    state->snapshot_slot = *found ? static_cast<std::int64_t>((*found)->slot) : 0;
  }
  const auto slot = static_cast<std::uint32_t>((state->snapshot_slot + 1) % 2);
  auto committed =
      transact(snapshot_records(options_.prefix, partition, slot, snapshot), {partition}, {});
  if (!committed) return std::move(committed).error();
  state->snapshot_slot = slot;
  return {};
}

Result<std::optional<Snapshot>> KafkaLog::latest_snapshot(LogPartition partition) {
  const std::shared_ptr<Owned> state = owned(partition);
  if (!state) return not_owned(partition);
  auto found = find_snapshot(options_.connection, options_.prefix, partition);
  if (!found) return std::move(found).error();
  if (!*found) return std::optional<Snapshot>();
  state->snapshot_slot = (*found)->slot;
  return std::optional<Snapshot>(std::move((*found)->snapshot));
}

Result<std::uint64_t> KafkaLog::prune(LogPartition partition, std::int64_t before_ms,
                                      std::uint64_t /*bytes_max*/) {
  auto snapshot = latest_snapshot(partition);
  if (!snapshot) return std::move(snapshot).error();
  const std::shared_ptr<Owned> state = owned(partition);
  if (!*snapshot || !state) return 0;
  auto low = state->reader->begin();
  if (!low) return std::move(low).error();
  const std::lock_guard lock(transaction_mutex_);
  if (!session_) return Error{ErrorCode::kUnavailable, "kafka: not connected"};
  rd_kafka_t* producer = session_->transactions->handle();
  const TopicPartition data{topic(".aggregates"), partition};
  PartitionList times;
  times.add(data, before_ms);  // Asked for as a time, answered as an offset.
  const auto error = rd_kafka_offsets_for_times(producer, times.get(), kAdminTimeoutMs);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return kafka_error(error, "offsets by time");
  const std::int64_t young = times.get()->elems[0].offset;
  std::int64_t upto = (*snapshot)->position;
  if (young >= 0) upto = std::min(upto, young);  // Below 0: everything is older.
  if (upto <= *low) return 0;
  KafkaOffsets before;
  before[data] = upto;
  const PartitionList list(before);
  rd_kafka_DeleteRecords_t* request = rd_kafka_DeleteRecords_new(list.get());
  const KafkaQueue queue(rd_kafka_queue_new(producer));
  rd_kafka_DeleteRecords(producer, &request, 1, nullptr, queue.get());
  rd_kafka_DeleteRecords_destroy(request);
  const std::unique_ptr<rd_kafka_event_t, void (*)(rd_kafka_event_t*)> event(
      rd_kafka_queue_poll(queue.get(), kAdminTimeoutMs), rd_kafka_event_destroy);
  if (!event) return Error{ErrorCode::kUnavailable, "kafka: no answer to the removal of records"};
  const auto failed = rd_kafka_event_error(event.get());
  if (failed != RD_KAFKA_RESP_ERR_NO_ERROR) return kafka_error(failed, "removal of records");
  return static_cast<std::uint64_t>(upto - *low);
}

}  // namespace fleetmeter::ingest
