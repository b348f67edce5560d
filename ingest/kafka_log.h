#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "ingest/kafka_snapshots.h"
#include "ingest/kafka_topic.h"
#include "ingest/kafka_view.h"

namespace fleetmeter::ingest {

/// The aggregate log over Kafka, evaluator side (open_kafka_log). Three parts: a group member that
/// decides who owns which partition and whose generation fences every transaction; readers of the
/// data, one per partition; one transactional producer. A thread of its own serves the group. When
/// a transaction ends in the unknown, member and producer are made anew, and every partition is
/// released and recovered from what was committed.
class KafkaLog final : public aggregator::AggregateLog {
 public:
  KafkaLog(const Clock& clock, KafkaLogOptions options, KafkaLogCallbacks callbacks);
  ~KafkaLog() override;
  Result<void> start();

  Result<std::map<aggregator::LogPartition, aggregator::LogPosition>> append(
      aggregator::Commit&& commit) override;
  Result<std::optional<std::string>> source_position(std::string_view source) override;
  Result<std::vector<std::string>> seen_keys(const std::vector<std::string>& keys) override;

  std::vector<aggregator::LogPartition> owned_partitions() override;
  Result<std::vector<aggregator::LogEntry>> read(aggregator::LogPartition partition,
                                                 aggregator::LogPosition after,
                                                 std::size_t records_max) override;
  bool wait(aggregator::LogPartition partition, aggregator::LogPosition after,
            std::int64_t timeout_ms) override;
  Result<aggregator::LogPosition> last_position(aggregator::LogPartition partition) override;
  Result<aggregator::LogPosition> evaluated_position(aggregator::LogPartition partition) override;
  Result<void> commit_outputs(aggregator::Outputs outputs) override;
  Result<void> put_snapshot(aggregator::LogPartition partition,
                            const aggregator::Snapshot& snapshot) override;
  Result<std::optional<aggregator::Snapshot>> latest_snapshot(
      aggregator::LogPartition partition) override;
  /// By age alone: the broker does not say how many bytes a partition has.
  Result<std::uint64_t> prune(aggregator::LogPartition partition, std::int64_t before_ms,
                              std::uint64_t bytes_max) override;

  Result<std::vector<proto::Event>> events(const aggregator::EventQuery& query) override;
  Result<std::vector<aggregator::OutboxEntry>> due_outbox(std::int64_t now_ms,
                                                          std::size_t limit) override;
  Result<std::vector<aggregator::OutboxEntry>> pending_outbox(std::string_view receiver,
                                                              std::size_t limit) override;
  Result<void> record_delivery(const aggregator::OutboxEntry& entry) override;
  Result<std::map<aggregator::DeliveryState, std::uint64_t>> outbox_counts() override;

 private:
  /// What this process holds of a partition that it owns.
  struct Owned {
    std::unique_ptr<TopicReader> reader;
    std::unique_ptr<KafkaView> view;
    std::atomic<aggregator::LogPosition> evaluated{0};
    std::atomic<bool> releasing{false};  // Being taken away: the last commits either pass or fail.
    std::atomic<std::int64_t> snapshot_slot{-1};
  };
  /// Lives and dies as one.
  struct Session {
    std::unique_ptr<KafkaTransactions> transactions;
    KafkaHandle member;
  };

  static Error not_owned(aggregator::LogPartition partition);
  static void rebalance(rd_kafka_t* member, rd_kafka_resp_err_t event,
                        rd_kafka_topic_partition_list_t* list, void* opaque);
  Result<void> open_session();
  void close_session();
  void serve(const std::stop_token& stop);
  Result<std::shared_ptr<Owned>> take(rd_kafka_t* member, aggregator::LogPartition partition);
  void refuse(const Error& why);
  void note_trouble(const std::string& why);
  void assign(rd_kafka_t* member, rd_kafka_topic_partition_list_t* list);
  void release(aggregator::LogPartition partition, bool lost);
  Result<KafkaOffsets> transact(const std::vector<KafkaRecord>& records,
                                const std::vector<aggregator::LogPartition>& partitions,
                                const KafkaOffsets& offsets);
  void note_written(const TopicPartition& partition, std::int64_t end);
  [[nodiscard]] std::shared_ptr<Owned> owned(aggregator::LogPartition partition) const;
  [[nodiscard]] std::map<aggregator::LogPartition, std::shared_ptr<Owned>> all_owned() const;
  Result<std::vector<aggregator::OutboxEntry>> merged_outbox(
      const std::function<Result<std::vector<aggregator::OutboxEntry>>(aggregator::SqliteLog&)>&
          ask,
      std::size_t limit);
  Result<aggregator::LogPartition> partition_of(const aggregator::OutboxEntry& entry);
  Result<void> catch_keys_up();
  Result<void> catch_positions_up();
  [[nodiscard]] std::string topic(const char* name) const { return options_.prefix + name; }
  [[nodiscard]] std::int64_t wall_ms() const { return clock_.wall().time_since_epoch().count(); }

  const Clock& clock_;
  KafkaLogOptions options_;
  KafkaLogCallbacks callbacks_;

  mutable std::mutex owned_mutex_;  // Guards the two below.
  std::map<aggregator::LogPartition, std::shared_ptr<Owned>> owned_;
  std::map<std::pair<std::string, std::string>, aggregator::LogPartition> outbox_partition_;

  std::mutex transaction_mutex_;  // One transaction at a time; guards session_.
  std::unique_ptr<Session> session_;
  std::atomic<bool> broken_{false};

  std::mutex tables_mutex_;  // Guards the four below.
  std::unique_ptr<TopicReader> positions_reader_, once_reader_;
  std::int64_t positions_next_ = 0, once_next_ = 0;
  std::map<std::string, std::string, std::less<>> positions_;
  std::map<std::string, std::int64_t, std::less<>> once_keys_;  // Key -> append time.

  bool failed_ = false, pause_ = false;  // Of the thread below: refuse() to serve().
  std::jthread thread_;
};

}  // namespace fleetmeter::ingest
