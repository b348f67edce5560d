#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string_view>
#include <vector>

#include "aggregator/flow_minute.h"
#include "aggregator/flow_rows.h"
#include "aggregator/series_table.h"
#include "aggregator/state_codec.h"
#include "aggregator/string_pool.h"
#include "proto/log.pb.h"

namespace fleetmeter::aggregator {

/// Sums of one interface in one window: it had a record of some kind, so that no traffic is 0, not
/// missing.
struct FlowWindow {
  std::uint32_t interface = 0;  ///< Index for FlowWindows::interface_name.
  GridTime start_s = 0;
  std::uint32_t source = 0;  ///< Source partition that carried it last.
  bool nat = false;          ///< The interface has been seen in the role of a NAT gateway.
  /// The sums are lower bounds: some records of the window were lost upstream (SKIPDATA) or do not
  /// tell their action; or, of bytes and packets, do not tell them.
  bool records_lower_bound = false, bytes_lower_bound = false, packets_lower_bound = false;
  std::uint64_t accepted_bytes = 0, accepted_packets = 0, accepted_records = 0;
  std::uint64_t rejected_bytes = 0, rejected_packets = 0, rejected_records = 0;
  std::uint64_t nat_bytes = 0;  ///< Processed by a NAT gateway: accepted bytes of its inside legs.
};

/// Windows of flow records of one shard, aligned to the Unix epoch. A record counts whole in the
/// window of its `start`. A window is closed exactly once, by the watermark; what comes for it
/// later is late: counted, not added. Windows last 60 s, or the capture interval when that is
/// longer: configured, else 600 s as soon as a record over 120 s long was seen; the windows of the
/// 600 s at hand are then open again (docs/time.md 3). Keeps sums per interface only, and of the
/// last 600 s behind the watermark: at most 80 bytes an interface and minute, and its name while it
/// has any, or is a NAT gateway's.
class FlowWindows {
 public:
  explicit FlowWindows(std::uint32_t capture_interval_s);

  /// Adds the rows of a batch. Returns how many records were late.
  std::uint64_t add(const proto::AggregateBatch& batch, std::uint32_t source);
  /// Closes every window that ends at or before the watermark; appends them by time and interface,
  /// whose indexes are good until the next call.
  void close(GridTime watermark_s, std::vector<FlowWindow>& closed);

  [[nodiscard]] std::uint32_t interval_s() const noexcept { return interval_s_; }
  [[nodiscard]] GridTime closed_until_s() const noexcept { return closed_until_s_; }
  [[nodiscard]] std::string_view interface_name(std::uint32_t index) const {
    return names_.text(index);
  }

  void save(StateWriter& out) const;
  void load(StateReader& in);

 private:
  /// What a batch says of one of its series.
  struct Series {
    std::uint32_t interface = kUnknown;
    std::uint32_t unknown = 0;  ///< FlowMinuteSums::Unknown.
    bool is_ok = false, is_accepted = false, is_rejected = false, is_nat_inside = false;
  };
  static constexpr std::uint32_t kUnknown = 0xffffffff;

  void read_series(const proto::FlowAggregates& flows);
  /// Those of a block, which rows_ holds; how many of its records are late.
  [[nodiscard]] std::uint64_t add_rows(const proto::AggregateBatch& batch, std::uint32_t source);
  [[nodiscard]] std::uint32_t interface_of(const proto::AggregateBatch& batch, std::uint32_t at);
  std::uint32_t intern(const std::string& name);
  FlowMinute& minute_at(GridTime minute_s);
  void widen();
  void append(GridTime start_s, const FlowMinute& minute, std::vector<FlowWindow>& closed) const;
  void forget_interfaces();

  std::uint32_t interval_s_;
  bool configured_;
  GridTime closed_until_s_ = kBeforeAll;
  StringPool names_;
  std::vector<bool> nat_ = std::vector<bool>(1);  ///< By interface; of the empty name at first.
  std::map<GridTime, FlowMinute> minutes_;        ///< By start of the minute.
  /// Minutes of `minutes_` asked for last, each in the place that its number gives: rows of a few go
  /// by turns.
  struct RecentMinute {
    GridTime start_s = kBeforeAll;
    FlowMinute* minute = nullptr;
  };
  std::array<RecentMinute, 16> recent_{};
  FlowRows rows_;  ///< Scratch, as the two below: of the batch being added.
  std::vector<Series> series_;
  std::vector<std::uint32_t> indexes_;  ///< Interfaces by the batch's strings.
};

}  // namespace fleetmeter::aggregator
