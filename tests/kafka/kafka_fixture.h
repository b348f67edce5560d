#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "ingest/kafka_client.h"
#include "proto/log.pb.h"

namespace fleetmeter::ingest {

/// The broker that tests/kafka/broker.py has started for this run.
inline std::string test_brokers() {
  const char* brokers = std::getenv("FLEETMETER_TEST_KAFKA");
  return brokers == nullptr ? "" : brokers;
}

/// A prefix that no other test of this broker uses.
inline std::string fresh_prefix(const std::string& name) {
  static int count = 0;
  return name + "-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
}

inline bool eventually(const std::function<bool()>& holds, int seconds = 60) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(seconds);
  while (std::chrono::steady_clock::now() < deadline) {
    if (holds()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return holds();
}

/// A folder of its own, gone afterwards.
class TestFolder {
 public:
  TestFolder() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "fleetmeter-kafka-test-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    path_ = pattern;
  }
  ~TestFolder() { std::filesystem::remove_all(path_); }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  [[nodiscard]] std::string path() const { return path_; }

 private:
  std::string path_;
};

/// A plain producer with an admin side, and what a topic holds for read_committed readers.
class TestCluster {
 public:
  TestCluster() : connection{test_brokers(), {}} {
    auto made = make_kafka_client(RD_KAFKA_PRODUCER, connection, {{"enable.idempotence", "true"}});
    EXPECT_TRUE(made) << made.error().message;
    producer_ = *std::move(made);
  }
  void create(const std::string& topic, std::int32_t partitions,
              const KafkaProperties& settings = {}) {
    const auto made = ensure_topics(producer_.get(), {{topic, partitions, 1, settings}});
    ASSERT_TRUE(made) << made.error().message;
  }
  void send(const std::string& topic, std::int32_t partition, const std::string& value,
            const std::string& key = {}) {
    std::string copy = value;
    const auto error = rd_kafka_producev(
        producer_.get(), RD_KAFKA_V_TOPIC(topic.c_str()), RD_KAFKA_V_PARTITION(partition),
        RD_KAFKA_V_KEY(key.data(), key.size()), RD_KAFKA_V_VALUE(copy.data(), copy.size()),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
    ASSERT_EQ(error, RD_KAFKA_RESP_ERR_NO_ERROR);
  }
  void flush() { ASSERT_EQ(rd_kafka_flush(producer_.get(), 30'000), RD_KAFKA_RESP_ERR_NO_ERROR); }

  struct Message {
    std::int64_t offset;
    std::string key, value;
    std::int64_t timestamp_ms;
  };
  /// Everything committed in one partition, in order.
  std::vector<Message> read(const std::string& topic, std::int32_t partition) {
    std::vector<Message> all;
    auto reader = make_kafka_reader(connection);
    EXPECT_TRUE(reader);
    KafkaOffsets from;
    from[{topic, partition}] = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_assign(reader->get(), PartitionList(from).get());
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (std::chrono::steady_clock::now() < deadline) {
      const KafkaMessage message(rd_kafka_consumer_poll(reader->get(), 200));
      if (!message) continue;
      if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) return all;
      if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) continue;
      all.push_back({message->offset,
                     {static_cast<const char*>(message->key), message->key_len},
                     {static_cast<const char*>(message->payload), message->len},
                     rd_kafka_message_timestamp(message.get(), nullptr)});
    }
    ADD_FAILURE() << topic << " was not read to its end";
    return all;
  }
  std::vector<proto::LogRecord> records(const std::string& topic, std::int32_t partition) {
    std::vector<proto::LogRecord> all;
    for (const Message& message : read(topic, partition)) {
      EXPECT_TRUE(all.emplace_back().ParseFromString(message.value));
    }
    return all;
  }
  /// Sum of a group's committed offsets over `partitions` partitions of a topic.
  std::int64_t committed(const std::string& group, const std::string& topic,
                         std::int32_t partitions) {
    std::vector<TopicPartition> asked;
    for (std::int32_t i = 0; i < partitions; ++i) asked.emplace_back(topic, i);
    return committed_sum(group, asked);
  }
  [[nodiscard]] rd_kafka_t* producer() const { return producer_.get(); }

  KafkaConnection connection;

 private:
  std::int64_t committed_sum(const std::string& group, const std::vector<TopicPartition>& asked) {
    auto member = make_kafka_client(RD_KAFKA_CONSUMER, connection,
                                    {{"group.id", group}, {"isolation.level", "read_committed"}});
    EXPECT_TRUE(member);
    const auto offsets = committed_offsets(member->get(), asked);
    EXPECT_TRUE(offsets) << offsets.error().message;
    std::int64_t sum = 0;
    if (offsets) {
      for (const auto& [partition, offset] : *offsets) sum += offset < 0 ? 0 : offset;
    }
    return sum;
  }

  KafkaHandle producer_;
};

}  // namespace fleetmeter::ingest
