#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "aggregator/sqlite_log.h"
#include "ingest/kafka_client.h"
#include "ingest/kafka_transaction.h"

namespace fleetmeter::ingest {

/// Events and outbox of one log partition in a SQLite file of its own: a view of PREFIX.events and
/// PREFIX.outbox with the topic offsets up to which it holds them. Applying a record again changes
/// nothing, so that a file that is behind, or empty, is completed from the topics. The truth is the
/// topics; losing the file costs only time.
class KafkaView {
 public:
  static Result<std::unique_ptr<KafkaView>> open(const Clock& clock, const KafkaLogOptions& options,
                                                 aggregator::LogPartition partition);
  ~KafkaView();

  /// Brings it to the end of the topics, as far as it is not known to be there already.
  Result<void> complete();
  /// What has just been committed to the topics. On failure the view completes itself at the next
  /// use.
  void apply(const std::vector<proto::Event>& events,
             const std::vector<aggregator::OutboxEntry>& outbox);
  void apply_result(const aggregator::OutboxEntry& entry);

  /// Its tables; only events, outbox and delivery are used. Complete() first.
  [[nodiscard]] aggregator::SqliteLog& tables() noexcept;

 private:
  struct State;
  explicit KafkaView(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

/// Records of both topics.
[[nodiscard]] KafkaRecord event_record(const std::string& prefix,
                                       aggregator::LogPartition partition,
                                       const proto::Event& event);
[[nodiscard]] KafkaRecord outbox_record(const std::string& prefix,
                                        aggregator::LogPartition partition,
                                        const aggregator::OutboxEntry& entry, bool result);

}  // namespace fleetmeter::ingest
