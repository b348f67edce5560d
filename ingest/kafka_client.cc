#include "ingest/kafka_client.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <thread>

namespace fleetmeter::ingest {

namespace {

constexpr int kCallTimeoutMs = 10'000;       // Of one question to a broker.
constexpr int kCommittedTimeoutMs = 30'000;  // Waits for the open transaction of a dead member.
constexpr const char* kMessageBytesMax = "67108864";  // A commit's batch is one message.

void log_line(const rd_kafka_t*, int level, const char* facility, const char* text) {
  if (level <= 3) return spdlog::error("kafka: {}: {}", facility, text);
  if (level == 4) return spdlog::warn("kafka: {}: {}", facility, text);
  spdlog::debug("kafka: {}: {}", facility, text);
}

void note_error(rd_kafka_t*, int error, const char* reason, void*) {
  log_kafka_trouble(error, reason);
}

ErrorCode code_of(rd_kafka_resp_err_t error) {
  switch (error) {
    case RD_KAFKA_RESP_ERR__FENCED:
    case RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH:
    case RD_KAFKA_RESP_ERR_PRODUCER_FENCED:
    case RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID:
    case RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION:
    case RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID:
      return ErrorCode::kFenced;
    case RD_KAFKA_RESP_ERR__INVALID_ARG:
    case RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION:
    case RD_KAFKA_RESP_ERR_INVALID_CONFIG:
    case RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
      return ErrorCode::kInvalidArgument;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
      return ErrorCode::kDataLoss;
    default:
      return ErrorCode::kUnavailable;
  }
}

/// Right after a start or a fail-over brokers refuse what they will soon answer: asks again for a
/// while.
template <typename Call>
rd_kafka_resp_err_t ask(Call&& call) {
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::milliseconds(kCallTimeoutMs);
  for (;;) {
    const rd_kafka_resp_err_t error = call();
    switch (error) {
      case RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION:
      case RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE:
      case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
      case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
      case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
      case RD_KAFKA_RESP_ERR_NOT_COORDINATOR_FOR_GROUP:
      case RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE:
      case RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS:
        break;
      default:
        return error;
    }
    if (std::chrono::steady_clock::now() > deadline) return error;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}

class Conf {
 public:
  Conf() : conf_(rd_kafka_conf_new()) {}
  ~Conf() {
    if (conf_ != nullptr) rd_kafka_conf_destroy(conf_);
  }
  Conf(const Conf&) = delete;
  Conf& operator=(const Conf&) = delete;
  Result<void> set(const std::string& key, const std::string& value) {
    char why[512];
    if (rd_kafka_conf_set(conf_, key.c_str(), value.c_str(), why, sizeof why) == RD_KAFKA_CONF_OK) {
      return {};
    }
    // Not librdkafka's text: it repeats the value, which may be a secret.
    return Error{ErrorCode::kInvalidArgument,
                 "kafka property `" + key + "` is unknown to librdkafka, or its value is refused"};
  }
  [[nodiscard]] rd_kafka_conf_t* get() const noexcept { return conf_; }
  void release() noexcept { conf_ = nullptr; }

 private:
  rd_kafka_conf_t* conf_;
};

}  // namespace

std::string log_kafka_trouble(int error, const char* reason) {
  std::string text =
      std::string(rd_kafka_err2name(static_cast<rd_kafka_resp_err_t>(error))) + ": " + reason;
  spdlog::warn("kafka: {}", text);
  return text;
}

PartitionList::PartitionList(const KafkaOffsets& offsets)
    : list_(rd_kafka_topic_partition_list_new(static_cast<int>(offsets.size()) + 1)) {
  for (const auto& [partition, offset] : offsets) add(partition, offset);
}

void PartitionList::add(const TopicPartition& partition, std::int64_t offset) {
  rd_kafka_topic_partition_list_add(list_.get(), partition.first.c_str(), partition.second)
      ->offset = offset;
}

Error kafka_error(rd_kafka_resp_err_t error, std::string_view context) {
  return Error{code_of(error), "kafka: " + std::string(context) + ": " + rd_kafka_err2str(error)};
}

Error kafka_error(const rd_kafka_error_t& error, std::string_view context) {
  return Error{code_of(rd_kafka_error_code(&error)),
               "kafka: " + std::string(context) + ": " + rd_kafka_error_string(&error)};
}

Result<KafkaHandle> make_kafka_client(rd_kafka_type_t type, const KafkaConnection& connection,
                                      KafkaProperties ours, KafkaHooks hooks) {
  Conf conf;
  ours["bootstrap.servers"] = connection.brokers;
  ours["socket.nagle.disable"] = "true";
  ours["log.connection.close"] = "false";
  for (const KafkaProperties* properties :
       std::initializer_list<const KafkaProperties*>{&connection.properties, &ours}) {
    for (const auto& [key, value] : *properties) {
      if (auto set = conf.set(key, value); !set) return std::move(set).error();
    }
  }
  rd_kafka_conf_set_log_cb(conf.get(), log_line);
  rd_kafka_conf_set_error_cb(conf.get(), hooks.failed != nullptr ? hooks.failed : note_error);
  rd_kafka_conf_set_opaque(conf.get(), hooks.opaque);
  if (hooks.rebalance != nullptr) rd_kafka_conf_set_rebalance_cb(conf.get(), hooks.rebalance);
  if (hooks.delivered != nullptr) rd_kafka_conf_set_dr_msg_cb(conf.get(), hooks.delivered);
  char why[512];
  KafkaHandle handle(rd_kafka_new(type, conf.get(), why, sizeof why));
  if (!handle) return Error{ErrorCode::kInvalidArgument, std::string("kafka: ") + why};
  conf.release();
  if (type == RD_KAFKA_CONSUMER) rd_kafka_poll_set_consumer(handle.get());
  return handle;
}

Result<KafkaHandle> make_kafka_reader(const KafkaConnection& connection) {
  return make_kafka_client(RD_KAFKA_CONSUMER, connection,
                           {{"group.id", "fleetmeter-unused"},  // Required even by assign().
                            {"enable.auto.commit", "false"},
                            {"enable.auto.offset.store", "false"},
                            {"isolation.level", "read_committed"},
                            {"auto.offset.reset", "error"},
                            {"enable.partition.eof", "true"},
                            {"fetch.wait.max.ms", "100"},
                            {"receive.message.max.bytes", "200000000"},
                            {"queued.max.messages.kbytes", "32768"}});
}

Result<void> ensure_topics(rd_kafka_t* client, const std::vector<TopicSpec>& topics) {
  struct NewTopics {
    std::vector<rd_kafka_NewTopic_t*> all;
    ~NewTopics() { rd_kafka_NewTopic_destroy_array(all.data(), all.size()); }
  } wanted;
  for (const TopicSpec& topic : topics) {
    char why[512];
    rd_kafka_NewTopic_t* made = rd_kafka_NewTopic_new(topic.name.c_str(), topic.partitions,
                                                      topic.replication, why, sizeof why);
    if (made == nullptr) {
      return Error{ErrorCode::kInvalidArgument, "kafka topic " + topic.name + ": " + why};
    }
    wanted.all.push_back(made);
    for (const auto& [key, value] : topic.settings)
      rd_kafka_NewTopic_set_config(made, key.c_str(), value.c_str());
  }
  const KafkaQueue queue(rd_kafka_queue_new(client));
  rd_kafka_CreateTopics(client, wanted.all.data(), wanted.all.size(), nullptr, queue.get());
  const std::unique_ptr<rd_kafka_event_t, void (*)(rd_kafka_event_t*)> event(
      rd_kafka_queue_poll(queue.get(), 2 * kCallTimeoutMs), rd_kafka_event_destroy);
  if (!event) return Error{ErrorCode::kUnavailable, "kafka: no answer to the creation of topics"};
  if (const auto error = rd_kafka_event_error(event.get()); error != RD_KAFKA_RESP_ERR_NO_ERROR)
    return kafka_error(error, "creation of topics");
  std::size_t count = 0;
  const rd_kafka_topic_result_t** results =
      rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event.get()), &count);
  for (std::size_t i = 0; i < count; ++i) {
    const rd_kafka_resp_err_t error = rd_kafka_topic_result_error(results[i]);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR || error == RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
      continue;
    return kafka_error(error, std::string("topic ") + rd_kafka_topic_result_name(results[i]));
  }
  return {};
}

std::vector<TopicSpec> log_topics(const KafkaLogOptions& options) {
  // Pruned only behind a verified snapshot, by us: the broker must not remove by age. A test clock
  // may stamp records with any time.
  const KafkaProperties forever = {{"cleanup.policy", "delete"},
                                   {"retention.ms", "-1"},
                                   {"max.message.bytes", kMessageBytesMax},
                                   {"message.timestamp.after.max.ms", "9223372036854775807"}};
  const KafkaProperties months = {{"cleanup.policy", "delete"},
                                  {"retention.ms", "34300800000"},  // 397 days: 13 months.
                                  {"max.message.bytes", kMessageBytesMax}};
  const KafkaProperties days = {{"cleanup.policy", "delete"},
                                {"retention.ms", "180000000"},  // 50 h for keys kept 48 h.
                                {"max.message.bytes", kMessageBytesMax}};
  const KafkaProperties compact = {{"cleanup.policy", "compact"},
                                   {"segment.bytes", "67108864"},
                                   {"segment.ms", "3600000"},
                                   {"min.cleanable.dirty.ratio", "0.1"},
                                   {"max.message.bytes", kMessageBytesMax}};
  // Totals of hours that are over do not change any more: they go by age.
  KafkaProperties totals = compact;
  totals["cleanup.policy"] = "compact,delete";
  totals["retention.ms"] = months.at("retention.ms");
  const auto topic = [&](const char* name, std::int32_t partitions, const KafkaProperties& with) {
    return TopicSpec{options.prefix + name, partitions, options.replication, with};
  };
  return {topic(".aggregates", options.partitions, forever),
          topic(".events", options.partitions, months),
          topic(".outbox", options.partitions, months),
          topic(".snapshots", options.partitions, compact),
          topic(".usage", options.partitions, totals),
          topic(".positions", 1, compact),
          topic(".once", 1, days)};
}

Result<std::int32_t> partitions_known(rd_kafka_t* client, const std::string& topic,
                                      int timeout_ms) {
  const std::unique_ptr<rd_kafka_topic_t, void (*)(rd_kafka_topic_t*)> handle(
      rd_kafka_topic_new(client, topic.c_str(), nullptr), rd_kafka_topic_destroy);
  const rd_kafka_metadata_t* metadata = nullptr;
  const auto error = rd_kafka_metadata(client, 0, handle.get(), &metadata, timeout_ms);
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return kafka_error(error, "metadata of " + topic);
  const std::int32_t count = metadata->topic_cnt == 1 ? metadata->topics[0].partition_cnt : 0;
  rd_kafka_metadata_destroy(metadata);
  return count;
}

Result<std::int32_t> partition_count(rd_kafka_t* client, const std::string& topic) {
  // Right after its creation a broker may not know the topic yet.
  for (int turn = 0; turn < 50; ++turn) {
    auto count = partitions_known(client, topic, kCallTimeoutMs);
    if (!count || *count > 0) return count;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  return Error{ErrorCode::kUnavailable, "kafka: topic " + topic + " does not exist"};
}

Result<void> check_partitions(rd_kafka_t* client, const KafkaLogOptions& options) {
  std::int32_t wanted = options.partitions;
  for (const char* name : {".aggregates", ".events", ".outbox", ".snapshots", ".usage"}) {
    const std::string topic = options.prefix + name;
    const auto count = partition_count(client, topic);
    if (!count) return count.error();
    if (*count < wanted) {
      return Error{ErrorCode::kInvalidArgument,
                   "topic " + topic + " has " + std::to_string(*count) + " of the " +
                       std::to_string(wanted) + " partitions that the log needs"};
    }
    if (name == std::string_view(".aggregates")) wanted = *count;
  }
  return {};
}

Result<std::pair<std::int64_t, std::int64_t>> watermarks(rd_kafka_t* client,
                                                         const TopicPartition& partition) {
  std::int64_t low = 0, high = 0;
  const auto error = ask([&] {
    return rd_kafka_query_watermark_offsets(client, partition.first.c_str(), partition.second, &low,
                                            &high, kCallTimeoutMs);
  });
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
    return kafka_error(error, "end of " + partition.first + "/" + std::to_string(partition.second));
  }
  return std::pair(low, high);
}

Result<KafkaOffsets> committed_offsets(rd_kafka_t* consumer,
                                       const std::vector<TopicPartition>& partitions) {
  PartitionList list;
  for (const TopicPartition& partition : partitions) list.add(partition);
  const auto error =
      ask([&] { return rd_kafka_committed(consumer, list.get(), kCommittedTimeoutMs); });
  if (error != RD_KAFKA_RESP_ERR_NO_ERROR) return kafka_error(error, "committed offsets");
  KafkaOffsets offsets;
  for (int i = 0; i < list.get()->cnt; ++i) {
    const rd_kafka_topic_partition_t& entry = list.get()->elems[i];
    if (entry.err != RD_KAFKA_RESP_ERR_NO_ERROR)
      return kafka_error(entry.err, std::string("committed offset of ") + entry.topic);
    offsets[{entry.topic, entry.partition}] = std::max<std::int64_t>(entry.offset, -1);
  }
  return offsets;
}

}  // namespace fleetmeter::ingest
