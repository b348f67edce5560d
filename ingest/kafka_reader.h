#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "ingest/batcher.h"
#include "ingest/kafka_client.h"

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
  std::int64_t next_offset = -1;  ///< -1 = nothing read yet.
  bool uncommitted = false;       ///< Read past what is committed.
  bool at_end = false;            ///< The broker has said so, and nothing came since.
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
  /// Raw bytes read since the last mark_committed().
  [[nodiscard]] std::size_t uncommitted_bytes() const noexcept;
  [[nodiscard]] bool progress_due() const noexcept;
  /// Tells each batcher how far its partition has been read, before a commit.
  void note_progress();
  void mark_committed();
  /// After an aborted commit: drops what was read and goes back to the committed offsets.
  Result<void> rewind();

  [[nodiscard]] std::map<TopicPartition, std::unique_ptr<KafkaInput>>& inputs() noexcept;
  [[nodiscard]] rd_kafka_t* handle() const noexcept;

 private:
  struct State;
  explicit KafkaReader(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace fleetmeter::ingest
