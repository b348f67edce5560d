#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "aggregator/series_table.h"
#include "aggregator/state_codec.h"
#include "proto/log.pb.h"

namespace fleetmeter::aggregator {

/// Seconds that a tick may be ahead of its append (docs/time.md 2).
inline constexpr std::int64_t kTickAheadMax = 60;

/// Time of one shard as progress, ticks and stalls tell it (docs/time.md 1, 2, 6). Writes what was
/// not heard into the series table. A pure function of the records.
class ShardTime {
 public:
  explicit ShardTime(std::string environment) : environment_(std::move(environment)) {}

  [[nodiscard]] const Frontier& frontier() const noexcept { return frontier_; }
  /// Index of a source partition, new ones included.
  std::uint32_t source(const std::string& name);
  /// What the series table knows it by: one index for all partitions of a topic, since any of them
  /// may carry the next datapoint of a series. While one of them is not heard, no slot that could
  /// have come by it is missing.
  [[nodiscard]] std::uint32_t carrier(std::uint32_t source) const {
    return sources_[source].carrier;
  }

  void set_append_time(std::int64_t append_time_ms) {
    frontier_.append_time_s = append_time_ms / 1000;
  }
  /// A batch of this environment came from the source.
  void carried(std::uint32_t source, bool flows);
  void apply(const proto::Progress& progress, SeriesTable& table);
  void apply(const proto::SourceStall& stall, SeriesTable& table);
  /// False when the tick is not taken: not later than the last, off the grid, or too far ahead of
  /// its append time. In bounded input it closes windows of `flow_interval_s` up to the input's end.
  bool apply(const proto::Tick& tick, std::uint32_t flow_interval_s);
  /// Of several, as later runs over more files write them, the first begin and the latest end hold.
  void apply(const proto::InputEnd& end, SeriesTable& table);

  /// Tells the table how far its sources have been read: after a load, which leaves that out.
  void tell(SeriesTable& table) const;
  void save(StateWriter& out) const;
  void load(StateReader& in);

 private:
  struct Source {
    std::uint32_t carrier = 0;  ///< Itself, or the entry of its topic.
    bool known = false;         ///< Has written progress.
    bool bounded = false;
    bool unread = false;     ///< Bounded, and not read to its end yet.
    bool named = false;      ///< By configuration, for this environment.
    bool elsewhere = false;  ///< Configured for other environments only.
    bool stalled = false;
    bool given_up = false;
    /// Of a topic's entry: from when on the last of its partitions was heard.
    GridTime read_to_s = kBeforeAll;
    std::int64_t lateness_s = 0;
    /// Append time of its last batch with flow records of this environment.
    std::int64_t carried_at_s = kBeforeAll;
    GridTime given_up_from_s = kBeforeAll;  ///< Event time from which it was not heard.
  };
  void apply(const proto::SourceProgress& progress, SeriesTable& table);
  void tell_of(std::uint32_t carrier, SeriesTable& table) const;
  void set_bounded();
  void advance_watermark();
  void find_carrier(const std::string& name, std::uint32_t index);

  std::string environment_;
  Frontier frontier_{.tick_s = kBeforeAll, .watermark_s = kBeforeAll, .bounded = true};
  std::vector<Source> sources_;
  std::map<std::string, std::uint32_t, std::less<>> ids_;
};

}  // namespace fleetmeter::aggregator
