#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "aggregator/aggregate_log.h"
#include "ingest/source.h"

namespace fleetmeter::ingest {

struct KafkaConnection {
  std::string brokers;
  std::map<std::string, std::string>
      properties;  ///< Further librdkafka properties (security.protocol, sasl.*, ssl.*).
};

struct KafkaSourceOptions {
  SourceSettings settings;
  KafkaConnection connection;
  std::vector<std::string>
      topics;  ///< Flow logs and metrics alike; content is sniffed per message.
  std::string group = "fleetmeter";
};

/// Consumer-group member over input topics whose batches go to `context.log` with its positions:
/// for `run` with the SQLite log, positions are kept in the log and the group's own offsets are
/// only a hint. One source partition per topic partition.
[[nodiscard]] std::unique_ptr<Source> make_kafka_source(SourceContext context,
                                                        KafkaSourceOptions options);

struct KafkaLogOptions {
  KafkaConnection connection;
  std::string prefix = "fleetmeter";  ///< Topics PREFIX.aggregates, .snapshots, .events, .outbox
                                      ///< (delivery results), .usage
  std::int32_t partitions = 4;        ///< Of the aggregate topic when it is created.
  std::int16_t replication = 1;
  std::string instance;   ///< Names the transactional.id of this process.
  std::string state_dir;  ///< The view's SQLite file; rebuilt from the topics when lost.
  std::uint32_t session_timeout_ms = 6000;
  std::uint32_t transaction_timeout_ms = 10000;
  /// Test hook: called with "transaction.before_commit" and "transaction.after_commit".
  std::function<void(std::string_view)> fault;
};

/// `fleetmeter ingest`: batches, progress and consumer offsets commit in one Kafka transaction to
/// the aggregate topic.
class KafkaIngest {
 public:
  virtual ~KafkaIngest() = default;
  virtual Result<void> start() = 0;
  virtual void stop() = 0;
  [[nodiscard]] virtual std::optional<Error> failure() const = 0;
  [[nodiscard]] virtual std::string blocked() const = 0;
};
struct EnvironmentPartition {
  std::string environment;
  std::int32_t partition;
};
[[nodiscard]] std::unique_ptr<KafkaIngest> make_kafka_ingest(
    const Clock& clock, const InventoryHolder& inventory, IngestCounters& counters,
    KafkaSourceOptions input, KafkaLogOptions log, std::vector<EnvironmentPartition> table);

/// The aggregate log over Kafka, evaluator side: member of the group of the aggregate topic;
/// outputs, appended records (ticks) and consumer offsets commit in one transaction, so a fenced
/// owner can write none of them. Readers are read_committed. A call on a partition that is not
/// owned is kFenced. The callbacks run on a thread of the log: `on_assigned` must return soon (it
/// may not call the log), `on_revoked` once nobody works on the partition any more; until it
/// returns commits of that partition may still pass.
struct KafkaLogCallbacks {
  std::function<void(aggregator::LogPartition)> on_assigned, on_revoked;
  /// Why the log is not reached, or a partition that was assigned not taken over; tried again. Empty
  /// = all that was assigned is ours.
  std::function<void(const std::string& why)> on_trouble;
  /// A partition that was assigned cannot be taken over, and trying again does not mend it
  /// (kInvalidArgument, kDataLoss): the log leaves its group for good, so that others may try.
  std::function<void(const Error& why)> on_failed;
  /// Outputs::usage was committed, up to before `next_offset` of the partition's usage topic; on
  /// the thread of commit_outputs.
  std::function<void(aggregator::LogPartition, std::span<const aggregator::UsageRecord>,
                     std::int64_t next_offset)>
      on_usage;
};
[[nodiscard]] Result<std::unique_ptr<aggregator::AggregateLog>> open_kafka_log(
    const Clock& clock, KafkaLogOptions options, KafkaLogCallbacks callbacks);

}  // namespace fleetmeter::ingest
