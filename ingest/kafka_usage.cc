#include "ingest/kafka_usage.h"

#include "ingest/kafka_topic.h"

namespace fleetmeter::ingest {

using aggregator::LogPartition;

struct UsageTopic::State {
  std::vector<std::unique_ptr<TopicReader>> readers;  // By log partition.

  [[nodiscard]] TopicReader& reader(LogPartition partition) const {
    return *readers.at(static_cast<std::size_t>(partition));
  }
};

UsageTopic::UsageTopic(std::unique_ptr<State> state) : state_(std::move(state)) {}
UsageTopic::~UsageTopic() = default;

Result<std::unique_ptr<UsageTopic>> UsageTopic::open(const KafkaLogOptions& options) {
  auto client = make_kafka_client(RD_KAFKA_PRODUCER, options.connection, {});
  if (!client) return std::move(client).error();
  if (auto created = ensure_topics(client->get(), log_topics(options)); !created)
    return std::move(created).error();
  const std::string topic = options.prefix + ".usage";
  auto partitions = partition_count(client->get(), topic);
  if (!partitions) return std::move(partitions).error();
  auto state = std::make_unique<State>();
  for (std::int32_t i = 0; i < *partitions; ++i) {
    auto reader = TopicReader::open(options.connection, {topic, i}, true);
    if (!reader) return std::move(reader).error();
    state->readers.push_back(*std::move(reader));
  }
  return std::unique_ptr<UsageTopic>(new UsageTopic(std::move(state)));
}

std::int32_t UsageTopic::partitions() const {
  return static_cast<std::int32_t>(state_->readers.size());
}

Result<std::vector<UsageMessage>> UsageTopic::read(LogPartition partition, std::int64_t from,
                                                   std::size_t records_max) {
  auto messages = state_->reader(partition).read(from, records_max);
  if (!messages) return std::move(messages).error();
  std::vector<UsageMessage> found;
  found.reserve(messages->size());
  for (TopicMessage& message : *messages)
    found.push_back({message.offset, {std::move(message.key), std::move(message.value)}});
  return found;
}

Result<std::int64_t> UsageTopic::end(LogPartition partition) {
  return state_->reader(partition).end();
}

void UsageTopic::expect(LogPartition partition, std::int64_t end) {
  state_->reader(partition).expect(end);
}

}  // namespace fleetmeter::ingest
