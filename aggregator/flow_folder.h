#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "aggregator/attribution.h"
#include "aggregator/flow_record_columns.h"
#include "aggregator/flow_sums.h"
#include "aggregator/service_names.h"
#include "aggregator/string_pool.h"
#include "aggregator/word_table.h"
#include "parsers/flow_columns.h"

namespace fleetmeter::aggregator {

/// Longer texts of a record are taken as absent. What attribution looks at are ids, zones, regions,
/// kinds of interfaces and names of services, of AWS none over some sixty bytes; names that users
/// give are at most 255. Each distinct text is kept: without a limit few records fill the memory.
inline constexpr std::size_t kFlowTextBytesMax = 255;

/// What became of the records of a batch.
struct FoldCounts {
  std::uint64_t folded = 0;      ///< Not those in no window (FlowCounts::unwindowed).
  std::uint64_t future = 0;      ///< Starts behind the limit.
  std::uint64_t over_limit = 0;  ///< Of the folded: parts without a row of their own.
  std::uint64_t long_text = 0;   ///< Of the folded: with a text over kFlowTextBytesMax.
  std::int64_t latest_s = 0;     ///< Largest start of the folded.
};

/// Folds flow records into sums: who captured each, which of its ends is its own, what series that
/// makes. Records repeat, so answers are remembered twice: by the record's capture and addresses,
/// and, for a record that is new, by what attribute_flow() would look at, of which there are as many
/// as series, and few more. Goes through a batch in blocks, one step after the other, so that the
/// cache misses of a step overlap. Not thread safe.
class FlowFolder {
 public:
  FlowFolder(Attribution& attribution, FlowSums& sums, StringPool& strings)
      : attribution_(attribution), sums_(sums), strings_(strings) {}

  /// `start_max_s`: starts behind it are in the future.
  [[nodiscard]] FoldCounts fold(const parsers::FlowColumns& flows, std::uint64_t start_max_s);
  /// After Attribution, FlowSums or StringPool forgot what ids stood for.
  void forget();

 private:
  static constexpr std::uint32_t kBlock = 256;

  using Key = WordTable<2>::Key;
  /// The records of a block that are folded; entry i of each belongs to records[i].
  struct Block {
    std::uint32_t size = 0;
    std::array<std::uint32_t, kBlock> records, captures, series, rows;
    std::array<std::uint64_t, kBlock> starts;
    std::array<std::uint32_t, kBlock> epochs{};  ///< Stay 0 while no entry of the inventory ends.
    std::array<Key, kBlock> keys;                ///< record_key().
    std::array<std::uint64_t, kBlock> hashes;
    std::bitset<kBlock> long_text;  ///< FoldCounts::long_text.
  };
  /// Entries of the block whose like was not met before.
  struct New {
    std::uint32_t size = 0;
    std::array<std::uint32_t, kBlock> entries;
    std::array<Attribution::Ends, kBlock> ends;
    std::array<Key, kBlock> keys;  ///< series_key().
    std::array<std::uint64_t, kBlock> hashes;
  };
  /// Entries of New whose series are not remembered either.
  struct Unknown {
    std::uint32_t size = 0;
    std::array<std::uint32_t, kBlock> entries;
    std::array<FlowKey, kBlock> keys;
    std::array<std::uint64_t, kBlock> hashes;
  };
  /// The fields of CaptureTexts that the batch has.
  struct Layout {
    std::array<std::uint8_t, CaptureTexts::kCount> fields{};
    std::uint8_t count = 0;
    /// First and last field of each piece of text that they make in the line.
    std::array<std::pair<std::uint8_t, std::uint8_t>, CaptureTexts::kCount> pieces{};
    std::uint8_t pieces_count = 0;
    std::uint64_t order = 0;  ///< CaptureRun::order.
  };
  /// What else attribution looks at, of the side or sides that matter; ids, 0 = absent.
  struct Packet {
    std::uint32_t source = 0, destination = 0, source_service = 0, destination_service = 0;
    [[nodiscard]] bool empty() const noexcept {
      return (source | destination | source_service | destination_service) == 0;
    }
  };

  void select(const parsers::FlowColumns& flows, const FlowRecordColumns& columns,
              std::uint32_t begin, std::uint32_t end, std::uint64_t start_max_s,
              FoldCounts& counts);
  void find_epochs();
  void find_layout(const parsers::FlowColumns& flows, const FlowRecordColumns& columns);
  void read_texts(const FlowRecordColumns& columns, std::uint32_t i);
  void read_run(const FlowRecordColumns& columns, std::uint32_t record, CaptureRun& run) const;
  void find_captures(const FlowRecordColumns& columns);
  [[nodiscard]] std::uint32_t find_capture(const FlowRecordColumns& columns, std::uint32_t i,
                                           const CaptureRun& run);
  void forget_records();
  void find_series(const parsers::FlowColumns& flows, const FlowRecordColumns& columns);
  void find_remembered(const parsers::FlowColumns& flows, const FlowRecordColumns& columns);
  template <bool kHasPackets>
  void find_keys(const parsers::FlowColumns& flows, const FlowRecordColumns& columns);
  template <bool kHasPackets>
  [[nodiscard]] Key record_key(const parsers::FlowColumns& flows, const FlowRecordColumns& columns,
                               std::uint32_t i);
  [[nodiscard]] std::uint32_t service_number(const FlowColumn<std::string_view>& column,
                                             std::uint32_t record);
  void find_new(const parsers::FlowColumns& flows, const FlowRecordColumns& columns);
  [[nodiscard]] Key series_key(const parsers::FlowColumns& flows, const FlowRecordColumns& columns,
                               std::uint32_t n);
  [[nodiscard]] Packet packet_of(const FlowRecordColumns& columns, std::uint32_t n);
  [[nodiscard]] std::uint32_t find_packet(const Packet& packet);
  void make_series(const parsers::FlowColumns& flows, const FlowRecordColumns& columns);
  [[nodiscard]] FlowKey attribute(const parsers::FlowColumns& flows,
                                  const FlowRecordColumns& columns, std::uint32_t n);
  void add_block(const parsers::FlowColumns& flows, const FlowRecordColumns& columns);
  void add_parts(const FlowRecordColumns& columns, std::uint32_t i, std::int64_t end_s);

  Attribution& attribution_;
  FlowSums& sums_;
  StringPool& strings_;
  std::uint32_t other_ = 0;  ///< Owner and peer of rows beyond the limit.
  ServiceNames services_;
  WordTable<2> packets_;               ///< Ids of what Packet holds, from 1.
  WordTable<2> series_;                ///< Series by what attribution depends on.
  WordTable<2> records_;               ///< Series by record_key().
  std::uint64_t records_asked_ = 0;    ///< Of records_, since it was empty.
  std::uint64_t records_unasked_ = 0;  ///< To be folded before records_ is asked again.
  Layout layout_;                      ///< Of the batch.
  CaptureTexts texts_;                 ///< Scratch, as the block.
  bool has_ends_ = false;              ///< The batch has the columns of both addresses.
  bool has_packets_ = false;  ///< The batch has a column that Packet takes from, or a path.
  Block block_;
  New new_;  ///< Scratch too, as the next.
  Unknown unknown_;
};

}  // namespace fleetmeter::aggregator
