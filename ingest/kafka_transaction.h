#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ingest/kafka_client.h"

namespace fleetmeter::ingest {

struct KafkaRecord {
  TopicPartition to;
  std::string key;
  std::string value;
  std::int64_t timestamp_ms = 0;  ///< 0 = now.
  bool tombstone = false;         ///< No value: a compacted topic forgets the key.
};

/// A transactional producer of one process: everything that a commit writes, and the consumer
/// offsets it comes from, become visible together or not at all. One call at a time: the caller
/// serialises.
///
/// Every call is bounded by the transaction timeout. When the outcome of a commit is unknown, or
/// the producer is fenced or failed for good, `broken()` says so: then only a new producer, which
/// settles the old transaction, and the committed offsets tell what happened. Never retried in
/// place.
class KafkaTransactions {
 public:
  /// Settles what an earlier producer of the same id left open.
  static Result<std::unique_ptr<KafkaTransactions>> open(const KafkaConnection& connection,
                                                         const std::string& transactional_id,
                                                         std::uint32_t timeout_ms);
  ~KafkaTransactions();

  /// One transaction of `records` and `offsets`, which `member` (a group's consumer) has read up
  /// to: fenced once the group has moved on. Returns the last offset written per partition.
  /// kUnavailable without broken(): nothing was committed. kFenced: another owner took over.
  Result<KafkaOffsets> commit(const std::vector<KafkaRecord>& records, const KafkaOffsets& offsets,
                              rd_kafka_t* member);
  [[nodiscard]] bool broken() const noexcept;
  [[nodiscard]] rd_kafka_t* handle() const noexcept;

  /// KafkaLogOptions::fault.
  std::function<void(std::string_view)> fault;

 private:
  struct State;
  explicit KafkaTransactions(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace fleetmeter::ingest
