#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "ingest/batcher.h"
#include "ingest/kafka_client.h"
#include "ingest/partition_progress.h"

namespace fleetmeter::ingest {

/// What one process reads of one input partition: "kafka:TOPIC/PARTITION" is its source partition.
struct KafkaInput {
  KafkaInput(const SourceContext& context, const SourceSettings& settings, std::string source_in)
      : source(std::move(source_in)),
        batcher(context, settings, source),
        decoder(batcher.decoder_options(), batcher.sink()) {}

  std::string source;
  Batcher batcher;
  parsers::Decoder decoder;
  PartitionProgress progress;  ///< Its next_offset() is the next to read.
  bool uncommitted = false;    ///< Read past what is committed.
};

/// A member of a consumer group over input topics: polls, and feeds each assigned partition's own
/// decoder and batcher. What a partition that is taken away had read and not committed is dropped;
/// its next owner reads it again. One thread.
class KafkaReader {
 public:
  /// Committed next offset of an input partition by another store than the group; nullopt = ask
  /// the group.
  using StoredOffset =
      std::function<Result<std::optional<std::int64_t>>(const std::string& source)>;

  static Result<std::unique_ptr<KafkaReader>> open(const SourceContext& context,
                                                   const KafkaSourceOptions& options,
                                                   std::uint32_t session_timeout_ms,
                                                   StoredOffset stored);
  ~KafkaReader();

  /// Waits up to `timeout_ms` for a message and reads it; false when none came.
  Result<bool> poll(int timeout_ms);
  /// Why it may read nothing: no member of the group yet, with the last trouble, or a topic that is
  /// not there. Empty = it reads what the group gives it, which may be no partition at all.
  [[nodiscard]] std::string waiting();
  /// Raw bytes read since the last mark_committed().
  [[nodiscard]] std::size_t uncommitted_bytes() const noexcept;
  [[nodiscard]] bool progress_due() const noexcept;
  /// Tells each batcher how far its partition has been read, before a commit.
  void note_progress();
  /// Next offset of every partition of which one is known: with these a commit is this member's,
  /// and fenced once the group has moved on, also when it holds progress alone.
  [[nodiscard]] KafkaOffsets offsets() const;
  void mark_committed();
  /// After an aborted commit: where something was read that is not committed, drops it and goes
  /// back to the committed offset.
  Result<void> rewind();

  [[nodiscard]] std::map<TopicPartition, std::unique_ptr<KafkaInput>>& inputs() noexcept;
  [[nodiscard]] rd_kafka_t* handle() const noexcept;

 private:
  struct State;
  explicit KafkaReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace fleetmeter::ingest
