#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "aggregator/column.h"
#include "aggregator/flow_rows.h"
#include "aggregator/string_pool.h"
#include "aggregator/word_table.h"
#include "parsers/huge_pages.h"
#include "parsers/index_table.h"
#include "proto/log.pb.h"

namespace fleetmeter::aggregator {

/// Key of a series of flow sums: that of a row of FlowAggregates without its minute. Texts are ids
/// of a StringPool. Plain words without padding, so it hashes as bytes.
struct FlowKey {
  std::uint32_t environment = 0;
  std::uint32_t interface = 0, interface_az = 0;
  std::uint32_t owner = 0, owner_az = 0;
  std::uint32_t peer_owner = 0, peer_az = 0, peer_service = 0, peer_region = 0, peer_interface = 0;
  std::uint8_t status = 0, action = 0, direction = 0, path_class = 0;
  std::uint8_t nat_leg = 0, role = 0, peer_role = 0, traffic_path = 0;
  friend bool operator==(const FlowKey&, const FlowKey&) = default;
};
static_assert(sizeof(FlowKey) == 48);

/// Integer sums by series and minute: a hash aggregation whose result no order of records can
/// change. Series are remembered beyond a commit, rows are not.
class FlowSums {
 public:
  static constexpr std::uint32_t kNone = WordTable<1>::kNone;

  /// Sums of one series in one minute; a commit has less than 2^32 records. One cache line.
  struct alignas(64) Row {
    std::uint32_t series = 0;
    std::uint32_t minute = 0;  ///< Unix minutes, of the records' start.
    std::uint64_t bytes = 0, packets = 0;
    std::uint64_t line_bytes = 0;  ///< Of the records' text.
    std::uint32_t records = 0, long_records = 0;
    std::uint32_t unsized_records = 0;  ///< Of these, without a line of text: from Parquet.
    std::uint32_t without_bytes = 0, without_packets = 0;  ///< Of these, that do not tell them.
    std::uint32_t older = kNone;     ///< The row of the series that was added before it.
    std::uint8_t latest_second = 0;  ///< Of the minute: the largest start of the records.
    bool is_in_table = false;
    bool is_rest = false;  ///< What the records carry into the next month: none of its own.

    [[nodiscard]] std::int64_t latest_s() const noexcept {
      return std::int64_t{minute} * 60 + latest_second;
    }
  };

  explicit FlowSums(std::uint32_t rows_max) : rows_max_(rows_max) {}

  [[nodiscard]] static std::uint64_t hash(const FlowKey& key) noexcept;
  /// Before series(), some keys ahead.
  void prefetch_series(std::uint64_t hash) const noexcept { series_table_.prefetch(hash); }
  /// Id of a series, valid until forget().
  [[nodiscard]] std::uint32_t series(const FlowKey& key, std::uint64_t hash);
  [[nodiscard]] std::uint32_t series(const FlowKey& key) { return series(key, hash(key)); }
  /// Row to add to, an index for at(), valid until clear(). At rows_max it is of another series: the
  /// one whose owner and peer are `other`; over_limit() grows then.
  [[nodiscard]] std::uint32_t row(std::uint32_t series, std::uint32_t minute, std::uint32_t other) {
    const Newest& newest = newest_[series];
    const bool is_newest = newest.commit == commit_ && newest.minute == minute;
    return is_newest ? newest.row : find_row(series, minute, false, other);
  }
  /// The same for what records that start in the minute carry into the next month: the bill counts it
  /// there, windows where they start.
  [[nodiscard]] std::uint32_t rest_row(std::uint32_t series, std::uint32_t minute,
                                       std::uint32_t other) {
    return find_row(series, minute, true, other);
  }
  [[nodiscard]] Row& at(std::uint32_t row) noexcept { return rows_[row]; }
  /// Before row(), some series ahead.
  void prefetch(std::uint32_t series) const noexcept { __builtin_prefetch(&newest_[series]); }
  /// Before at(), some rows ahead.
  void prefetch_row(std::uint32_t row) const noexcept { __builtin_prefetch(&rows_[row], 1); }
  /// Records that found no row of their own, since clear().
  [[nodiscard]] std::uint64_t over_limit() const noexcept { return over_limit_; }

  [[nodiscard]] bool empty() const noexcept { return rows_.empty(); }
  [[nodiscard]] std::span<const Row> rows() const noexcept { return rows_; }
  [[nodiscard]] const FlowKey& key(std::uint32_t series) const noexcept { return keys_[series]; }
  /// FlowKey::environment; four bytes a series, since it is asked for every row.
  [[nodiscard]] std::uint32_t environment(std::uint32_t series) const noexcept {
    return environments_[series];
  }
  [[nodiscard]] std::size_t series_count() const noexcept { return keys_.size(); }

  /// Rows to FlowAggregates, in the order given; they are of one environment. `string_index` maps a
  /// pool id to the batch's strings.
  template <typename StringIndex>
  void write(const std::vector<std::uint32_t>& rows, proto::FlowAggregates& out,
             StringIndex&& string_index);

  void clear();   ///< The rows.
  void forget();  ///< The series too.

 private:
  /// The row of a series that was added last. What is asked of it for every record stands here, since
  /// the row itself may have left the cache.
  struct Newest {
    std::uint32_t row = kNone;
    std::uint32_t minute = 0;
    std::uint32_t largest_minute = 0;  ///< Of it and all older ones.
    std::uint32_t commit = 0;          ///< Of the row, rows of others are gone; plus 1 for a rest.
  };
  template <typename T>
  using Large = std::vector<T, parsers::HugePages<T>>;
  /// Rows of a series that are looked through, newest first, before the table is asked. Minutes come
  /// nearly in order: most are larger than all before, or of the last few.
  static constexpr int kChained = 4;
  /// Rows and keys are fetched so far ahead of where they are written from.
  static constexpr std::size_t kAhead = 16;

  [[nodiscard]] std::uint32_t find_row(std::uint32_t series, std::uint32_t minute, bool is_rest,
                                       std::uint32_t other);
  [[nodiscard]] std::uint32_t find_among_older(std::uint32_t newest, std::uint32_t minute,
                                               bool is_rest);
  [[nodiscard]] std::uint32_t series_of_others(std::uint32_t series, std::uint32_t other);
  /// The keys of the series `written`, and forgets where they were written.
  template <typename StringIndex>
  void write_keys(const std::vector<std::uint32_t>& written, proto::FlowAggregates& out,
                  StringIndex& string_index);
  /// Moves rests to the month that they are carried into.
  void carry_rests(std::span<const std::uint32_t> block);

  std::uint32_t rows_max_;
  std::uint64_t over_limit_ = 0;
  parsers::IndexTable series_table_;
  Large<FlowKey> keys_;                ///< By series.
  Large<std::uint32_t> environments_;  ///< The same's.
  Large<Newest> newest_;               ///< By series.
  Large<std::uint32_t> written_as_;    ///< Of a series: index in the batch, plus one.
  WordTable<1>
      row_table_;  ///< Of rows behind the kChained newest of a series, once one is asked for.
  Large<Row> rows_;
  std::uint32_t commit_ = 2;  ///< Counts clear(), by twos.
  FlowRows columns_;          ///< Scratch: the block being written.
};

template <typename StringIndex>
void FlowSums::write(const std::vector<std::uint32_t>& rows, proto::FlowAggregates& out,
                     StringIndex&& string_index) {
  written_as_.resize(keys_.size());
  std::vector<std::uint32_t> written;
  for (std::size_t first = 0; first < rows.size(); first += FlowRows::kBlock) {
    const auto block =
        std::span(rows).subspan(first, std::min(FlowRows::kBlock, rows.size() - first));
    columns_.resize(block.size());
    bool any_rest = false;
    for (std::size_t i = 0; i < block.size(); ++i) {
      if (i + kAhead < block.size()) __builtin_prefetch(&rows_[block[i + kAhead]]);
      const Row& row = rows_[block[i]];
      std::uint32_t& index = written_as_[row.series];
      if (index == 0) {
        written.push_back(row.series);
        index = static_cast<std::uint32_t>(written.size());
      }
      columns_.series[i] = index - 1;
      columns_.window_start_min[i] = row.minute;
      columns_.carried_min[i] = 0;
      columns_.bytes[i] = row.bytes;
      columns_.packets[i] = row.packets;
      columns_.records[i] = row.records;
      columns_.long_records[i] = row.long_records;
      columns_.without_bytes[i] = row.without_bytes;
      columns_.without_packets[i] = row.without_packets;
      any_rest |= row.is_rest;
    }
    if (any_rest) carry_rests(block);
    columns_.write(out);
  }
  write_keys(written, out, string_index);
}

template <typename StringIndex>
void FlowSums::write_keys(const std::vector<std::uint32_t>& written, proto::FlowAggregates& out,
                          StringIndex& string_index) {
  const auto column = [&](auto* field) { return extend(*field, written.size()); };
  int* const status = column(out.mutable_status());
  int* const action = column(out.mutable_action());
  int* const direction = column(out.mutable_direction());
  int* const path_class = column(out.mutable_path_class());
  int* const nat_leg = column(out.mutable_nat_leg());
  int* const role = column(out.mutable_role());
  int* const peer_role = column(out.mutable_peer_role());
  std::uint32_t* const traffic_path = column(out.mutable_traffic_path());
  std::uint32_t* const interface = column(out.mutable_interface());
  std::uint32_t* const interface_az = column(out.mutable_interface_az());
  std::uint32_t* const owner = column(out.mutable_owner());
  std::uint32_t* const owner_az = column(out.mutable_owner_az());
  std::uint32_t* const peer_owner = column(out.mutable_peer_owner());
  std::uint32_t* const peer_az = column(out.mutable_peer_az());
  std::uint32_t* const peer_service = column(out.mutable_peer_service());
  std::uint32_t* const peer_region = column(out.mutable_peer_region());
  std::uint32_t* const peer_interface = column(out.mutable_peer_interface());
  for (std::size_t i = 0; i < written.size(); ++i) {
    if (i + kAhead < written.size()) __builtin_prefetch(&keys_[written[i + kAhead]]);
    written_as_[written[i]] = 0;
    const FlowKey& key = keys_[written[i]];
    status[i] = key.status;
    action[i] = key.action;
    direction[i] = key.direction;
    path_class[i] = key.path_class;
    nat_leg[i] = key.nat_leg;
    role[i] = key.role;
    peer_role[i] = key.peer_role;
    traffic_path[i] = key.traffic_path;
    interface[i] = string_index(key.interface);
    interface_az[i] = string_index(key.interface_az);
    owner[i] = string_index(key.owner);
    owner_az[i] = string_index(key.owner_az);
    peer_owner[i] = string_index(key.peer_owner);
    peer_az[i] = string_index(key.peer_az);
    peer_service[i] = string_index(key.peer_service);
    peer_region[i] = string_index(key.peer_region);
    peer_interface[i] = string_index(key.peer_interface);
  }
}

/// Whether a record crosses a month's first midnight (UTC); not if it claims to last over a day.
[[nodiscard]] bool crosses_month(std::int64_t start_s, std::int64_t end_s) noexcept;
/// What of an amount falls before that midnight, rounded down; the rest falls behind it. Of a record
/// that crosses it.
[[nodiscard]] std::uint64_t share_before_month(std::int64_t start_s, std::int64_t end_s,
                                               std::uint64_t amount) noexcept;

}  // namespace fleetmeter::aggregator
