#pragma once

#include <librdkafka/rdkafka.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ingest/kafka_source.h"
#include "proto/result.h"

namespace fleetmeter::ingest {

/// The one adapter over librdkafka's C API: owners, errors and the calls that every part needs.

struct KafkaDestroy {
  void operator()(rd_kafka_t* handle) const noexcept { rd_kafka_destroy(handle); }
  void operator()(rd_kafka_message_t* message) const noexcept { rd_kafka_message_destroy(message); }
  void operator()(rd_kafka_error_t* error) const noexcept { rd_kafka_error_destroy(error); }
  void operator()(rd_kafka_queue_t* queue) const noexcept { rd_kafka_queue_destroy(queue); }
  void operator()(rd_kafka_topic_partition_list_t* list) const noexcept {
    rd_kafka_topic_partition_list_destroy(list);
  }
};
/// A consumer's handle: destroying it closes the consumer, which leaves its group.
using KafkaHandle = std::unique_ptr<rd_kafka_t, KafkaDestroy>;
using KafkaMessage = std::unique_ptr<rd_kafka_message_t, KafkaDestroy>;
using KafkaError = std::unique_ptr<rd_kafka_error_t, KafkaDestroy>;
using KafkaQueue = std::unique_ptr<rd_kafka_queue_t, KafkaDestroy>;

using TopicPartition = std::pair<std::string, std::int32_t>;
using KafkaOffsets = std::map<TopicPartition, std::int64_t>;  ///< Next offset to read.

/// Topic partitions as librdkafka takes them.
class PartitionList {
 public:
  explicit PartitionList(const KafkaOffsets& offsets = {});
  void add(const TopicPartition& partition, std::int64_t offset = RD_KAFKA_OFFSET_INVALID);
  [[nodiscard]] rd_kafka_topic_partition_list_t* get() const noexcept { return list_.get(); }

 private:
  std::unique_ptr<rd_kafka_topic_partition_list_t, KafkaDestroy> list_;
};

/// Settings of a client on top of a connection; ours win over the connection's properties, because
/// exactly once rests on them.
using KafkaProperties = std::map<std::string, std::string>;

struct KafkaHooks {
  void* opaque = nullptr;
  void (*rebalance)(rd_kafka_t*, rd_kafka_resp_err_t, rd_kafka_topic_partition_list_t*,
                    void*) = nullptr;
  void (*delivered)(rd_kafka_t*, const rd_kafka_message_t*, void*) = nullptr;
  /// Told of trouble with connections and authentication instead of the log.
  void (*failed)(rd_kafka_t*, int error, const char* reason, void*) = nullptr;
};

/// kInvalidArgument names the property that librdkafka refuses. Connects in the background.
[[nodiscard]] Result<KafkaHandle> make_kafka_client(rd_kafka_type_t type,
                                                    const KafkaConnection& connection,
                                                    KafkaProperties ours, KafkaHooks hooks = {});

/// Logs what librdkafka tells of connections and authentication, and returns it.
std::string log_kafka_trouble(int error, const char* reason);

/// A read_committed consumer without a group protocol, which reads only what it is assigned and
/// reports the end of a partition.
[[nodiscard]] Result<KafkaHandle> make_kafka_reader(const KafkaConnection& connection);

[[nodiscard]] Error kafka_error(rd_kafka_resp_err_t error, std::string_view context);
[[nodiscard]] Error kafka_error(const rd_kafka_error_t& error, std::string_view context);

struct TopicSpec {
  std::string name;
  std::int32_t partitions = 1;
  std::int16_t replication = 1;
  KafkaProperties settings;  ///< Of the topic, as `retention.ms`.
};
/// Creates what is missing; a topic that is there stays as it is.
[[nodiscard]] Result<void> ensure_topics(rd_kafka_t* client, const std::vector<TopicSpec>& topics);
/// Topics of the aggregate log under `options.prefix`.
[[nodiscard]] std::vector<TopicSpec> log_topics(const KafkaLogOptions& options);
/// Partitions that the brokers know of at the moment; 0 = there is no such topic.
[[nodiscard]] Result<std::int32_t> partitions_known(rd_kafka_t* client, const std::string& topic,
                                                    int timeout_ms);
/// Of a topic that there is; waits for one that was just made.
[[nodiscard]] Result<std::int32_t> partition_count(rd_kafka_t* client, const std::string& topic);

/// Whether those of the log fit together: `PREFIX.aggregates` with at least `options.partitions`
/// partitions, and what goes with each of its partitions with at least as many as it has.
/// kInvalidArgument names the topic, its count and the wanted one.
[[nodiscard]] Result<void> check_partitions(rd_kafka_t* client, const KafkaLogOptions& options);

/// [first offset kept, next offset to be read by a read_committed reader), asked of the broker.
[[nodiscard]] Result<std::pair<std::int64_t, std::int64_t>> watermarks(
    rd_kafka_t* client, const TopicPartition& partition);
/// Committed offsets of the consumer's group; waits for open transactions. -1 = none.
[[nodiscard]] Result<KafkaOffsets> committed_offsets(rd_kafka_t* consumer,
                                                     const std::vector<TopicPartition>& partitions);

}  // namespace fleetmeter::ingest
