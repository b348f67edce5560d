#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "aggregator/partial_aggregator.h"
#include "ingest/source.h"

namespace fleetmeter::ingest {

/// The part that every source shares: what decoders yield becomes partial aggregates, and a commit
/// of them with positions, progress and once keys goes to the log. Holds nothing across a commit.
/// One per source thread; not thread safe.
class Batcher {
 public:
  /// `source` names the source partition ("files:0", "kafka:flow-logs/3"). Where several batchers
  /// serve one source partition, one alone writes its progress.
  Batcher(const SourceContext& context, const SourceSettings& settings, std::string source,
          bool writes_progress = true);
  ~Batcher();

  /// Where decoders of this source send what they find.
  [[nodiscard]] parsers::PayloadSink& sink() noexcept;
  [[nodiscard]] parsers::DecoderOptions decoder_options() const;
  /// Adds a decoder's counts to the shared counters and clears them.
  void count(parsers::Decoder& decoder, std::uint64_t raw_bytes);

  /// Says how far this source has been read; written at most once a second, or with `now` at the
  /// next commit.
  void caught_up(std::int64_t wall_ms);  ///< The last poll, begun at this wall time, found nothing.
  void behind();                         ///< Read up to the largest event time seen.
  void push_open(std::int64_t wall_ms);  ///< A push source whose listener is open: behind for its
                                         ///< first five minutes.

  /// Largest plausible event time read so far; what other batchers of this source partition have
  /// read is noted here.
  void note_event_time(std::int64_t event_time_s) noexcept;
  [[nodiscard]] std::int64_t event_time_max_s() const noexcept;

  [[nodiscard]] bool has_records() const noexcept;
  [[nodiscard]] bool progress_due() const noexcept;

  /// Appends what was read with the positions it came from and `once_keys`; retries while the log
  /// is unavailable, until `stop`. kUnavailable then: nothing was committed, read again from the
  /// old positions.
  Result<void> commit(std::map<std::string, std::string> positions,
                      std::vector<std::string> once_keys, const std::stop_token& stop);
  /// One try, no waiting: for sources that refuse their sender instead (Firehose).
  Result<void> try_commit(std::map<std::string, std::string> positions,
                          std::vector<std::string> once_keys);

  [[nodiscard]] std::pair<std::int64_t, std::int64_t> event_time_range_s() const noexcept;
  [[nodiscard]] std::string blocked() const;  ///< Thread safe.

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fleetmeter::ingest
