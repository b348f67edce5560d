#include "ingest/kafka_ends.h"

#include "proto/check.h"

namespace fleetmeter::ingest {

namespace {

constexpr int kAnswerTimeoutMs = 5000;

}  // namespace

KafkaEnds::KafkaEnds(rd_kafka_t* client) : client_(client), queue_(rd_kafka_queue_new(client)) {}
KafkaEnds::~KafkaEnds() = default;

void KafkaEnds::ask(const std::vector<TopicPartition>& partitions, std::int64_t now_ms) {
  FM_CHECK(!asking());
  if (partitions.empty()) return;
  PartitionList list;
  for (const TopicPartition& partition : partitions)
    list.add(partition, RD_KAFKA_OFFSET_SPEC_LATEST);
  const std::unique_ptr<rd_kafka_AdminOptions_t, void (*)(rd_kafka_AdminOptions_t*)> options(
      rd_kafka_AdminOptions_new(client_, RD_KAFKA_ADMIN_OP_LISTOFFSETS),
      rd_kafka_AdminOptions_destroy);
  char why[256];
  rd_kafka_AdminOptions_set_request_timeout(options.get(), kAnswerTimeoutMs, why, sizeof why);
  const KafkaError refused(rd_kafka_AdminOptions_set_isolation_level(
      options.get(), RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED));
  FM_CHECK(!refused);
  asked_ms_ = now_ms;
  rd_kafka_ListOffsets(client_, list.get(), options.get(), queue_.get());
}

std::optional<KafkaEnds::Answer> KafkaEnds::answer() {
  if (!asking()) return std::nullopt;
  const std::unique_ptr<rd_kafka_event_t, void (*)(rd_kafka_event_t*)> event(
      rd_kafka_queue_poll(queue_.get(), 0), rd_kafka_event_destroy);
  if (!event) return std::nullopt;
  Answer answer;
  answer.asked_ms = std::exchange(asked_ms_, 0);
  const rd_kafka_ListOffsets_result_t* result = rd_kafka_event_ListOffsets_result(event.get());
  if (result == nullptr || rd_kafka_event_error(event.get()) != RD_KAFKA_RESP_ERR_NO_ERROR)
    return answer;
  std::size_t count = 0;
  const rd_kafka_ListOffsetsResultInfo_t** infos =
      rd_kafka_ListOffsets_result_infos(result, &count);
  for (std::size_t i = 0; i < count; ++i) {
    const rd_kafka_topic_partition_t* end =
        rd_kafka_ListOffsetsResultInfo_topic_partition(infos[i]);
    if (end->err == RD_KAFKA_RESP_ERR_NO_ERROR && end->offset >= 0)
      answer.ends[{end->topic, end->partition}] = end->offset;
  }
  return answer;
}

}  // namespace fleetmeter::ingest
