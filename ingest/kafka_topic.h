#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ingest/kafka_client.h"

namespace fleetmeter::ingest {

struct TopicMessage {
  std::int64_t offset = 0;
  std::string key, value;
};

/// Exact reads of one topic partition by offset, committed records only. Thread safe; one consumer
/// of its own.
class TopicReader {
 public:
  /// `skip_removed`: what the broker has removed for age is passed over (events, snapshots);
  /// otherwise reading it is kDataLoss.
  static Result<std::unique_ptr<TopicReader>> open(const KafkaConnection& connection,
                                                   TopicPartition partition, bool skip_removed);
  ~TopicReader();

  /// Up to `messages_max` messages from offset `from` on; empty only when nothing was committed
  /// there at the time of the call.
  Result<std::vector<TopicMessage>> read(std::int64_t from, std::size_t messages_max);
  /// A transaction of ours has written up to before `end`: the broker makes it visible soon after
  /// the commit; calls below wait for that.
  void expect(std::int64_t end) noexcept;
  /// Waits until a message at `from` or later may be there; false on timeout.
  bool wait(std::int64_t from, std::int64_t timeout_ms);
  /// Offset after the last committed record.
  Result<std::int64_t> end();
  Result<std::int64_t> begin();
  /// Reads everything from `from` to the end, and returns the offset after it.
  Result<std::int64_t> fold(std::int64_t from,
                            const std::function<Result<void>(TopicMessage&)>& each);

 private:
  struct State;
  explicit TopicReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Waits until no transaction on the partitions is open: what a dead writer left is aborted, or
/// visible. kUnavailable after `timeout_ms`.
[[nodiscard]] Result<void> wait_settled(const KafkaConnection& connection,
                                        const std::vector<TopicPartition>& partitions,
                                        std::uint32_t timeout_ms);

}  // namespace fleetmeter::ingest
