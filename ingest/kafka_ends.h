#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "ingest/kafka_client.h"

namespace fleetmeter::ingest {

/// Asks the brokers where partitions end, without waiting for the answer. One question at a time,
/// one thread.
class KafkaEnds {
 public:
  /// `client` outlives it.
  explicit KafkaEnds(rd_kafka_t* client);
  ~KafkaEnds();

  struct Answer {
    std::int64_t asked_ms = 0;  ///< Wall time before the question left.
    KafkaOffsets ends;          ///< Offset after the last record that a read_committed reader sees;
                                ///< partitions that nobody answered for are missing.
  };
  [[nodiscard]] bool asking() const noexcept { return asked_ms_ != 0; }
  /// Nothing may be asked already.
  void ask(const std::vector<TopicPartition>& partitions, std::int64_t now_ms);
  /// nullopt = it has not come yet, or nothing was asked. An answer of trouble alone is empty.
  std::optional<Answer> answer();

 private:
  rd_kafka_t* client_;
  KafkaQueue queue_;
  std::int64_t asked_ms_ = 0;
};

}  // namespace fleetmeter::ingest
