#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "aggregator/partial_aggregator.h"
#include "ingest/source.h"

namespace fleetmeter::ingest {

/// Whom a batcher serves.
enum class Serves : std::uint8_t {
  /// A source partition: writes its progress. What was read and not committed is read again, so
  /// that keys of log events can be claimed as they are met (OnceClaims).
  kSource,
  /// Requests to a push source, each a commit, beside other batchers: writes no progress and claims
  /// nothing. Who serves the request enters with event_keys() before the commit.
  kRequests,
};

/// The part that every source shares: what decoders yield becomes partial aggregates, and a commit
/// of them with positions, progress and once keys goes to the log. Holds nothing across a commit.
/// One per source thread; not thread safe.
class Batcher {
 public:
  /// `source` names the source partition ("files:0", "kafka:flow-logs/3").
  Batcher(const SourceContext& context, const SourceSettings& settings, std::string source,
          Serves serves = Serves::kSource);
  ~Batcher();

  /// Reads the clock and takes the inventory of the moment, for the records that come next.
  /// commit() does it too; one that may have lain idle since calls it first, or its first records
  /// would seem to come from the future.
  void refresh();

  /// Where decoders of this source send what they find.
  [[nodiscard]] parsers::PayloadSink& sink() noexcept;
  [[nodiscard]] parsers::DecoderOptions decoder_options() const;
  /// Takes a decoder's counts and clears them. They reach the shared counters with the commit: what
  /// is read again after a failed one is counted once. `input`: where the bytes came from, for the
  /// samples of what was dropped; empty = the source.
  void count(parsers::Decoder& decoder, std::uint64_t raw_bytes, std::string_view input = {});
  /// The same for drops that no decoder sees.
  void count_drop(const std::string& reason, std::uint64_t count);

  /// Says how far this source has been read; written with the first commit, then at most once a
  /// second (docs/time.md 1). It follows the batches of its commit, so that they are not late by
  /// what it says; in bounded runs, where it moves no watermark, it comes first and says that the
  /// run is bounded. Never goes back within a process; over restarts readers take the maximum.
  void caught_up(std::int64_t wall_ms);  ///< The last poll, begun at this wall time, found nothing.
  void behind();                         ///< Read up to the largest event time seen.
  void push_open(std::int64_t wall_ms);  ///< A push source whose listener is open: behind for its
                                         ///< first five minutes.

  /// Largest plausible event time read so far; what other batchers of this source partition have
  /// read is noted here.
  void note_event_time(std::int64_t event_time_s) noexcept;
  [[nodiscard]] std::int64_t event_time_max_s() const noexcept;

  [[nodiscard]] bool has_records() const noexcept;
  /// Enough for one commit: more would cost memory and meet the limits of keys of a batch.
  [[nodiscard]] bool full() const noexcept;
  [[nodiscard]] bool progress_due() const noexcept;

  /// Keys of the log events read since the last commit, which takes them along.
  [[nodiscard]] const std::set<std::string>& event_keys() const noexcept;
  /// Drops what was read since the last commit, counts included, to be read again.
  void discard();

  /// Appends what was read with the positions it came from and `once_keys`; retries while the log
  /// is unavailable, until `stop`. On any error nothing was committed and nothing is kept: read
  /// again from the old positions. Log events that could not be looked up fail the commit likewise.
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
