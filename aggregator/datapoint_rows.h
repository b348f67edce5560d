#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "proto/log.pb.h"

namespace fleetmeter::aggregator {

/// Rows of Datapoints, a statistic set each: a column each, of one length. A batch has them in
/// blocks, which stay in the cache while they are written and read.
struct DatapointRows {
  static constexpr std::size_t kBlock = 4096;

  std::vector<std::uint32_t> series;    ///< Where AggregateBatch tells it.
  std::vector<std::int64_t> start_s;    ///< Unix seconds.
  std::vector<std::uint32_t> period_s;  ///< 0 = the source does not say.
  std::vector<double> sample_count, sum, minimum, maximum;

  [[nodiscard]] std::size_t size() const noexcept { return series.size(); }
  void resize(std::size_t rows);
  /// Appends them to a batch, block by block.
  void write(proto::Datapoints& out) const;
  /// One block of datapoint_block_count(). False, and no rows: not written by us. Columns differ in
  /// length, or a row's series is none.
  [[nodiscard]] bool read(const proto::AggregateBatch& batch, int block);
  /// Of that block `start_s` and `period_s` alone.
  [[nodiscard]] bool read_times(const proto::Datapoints& points, int block);
  /// All rows of a batch, up to a block that was not written by us.
  [[nodiscard]] static DatapointRows of(const proto::AggregateBatch& batch);
};

[[nodiscard]] int datapoint_block_count(const proto::Datapoints& points) noexcept;

/// Calls `use` with start and period of every row, up to a block that was not written by us.
template <typename Use>
void each_period(const proto::Datapoints& points, Use&& use) {
  DatapointRows rows;
  for (int block = 0; block < datapoint_block_count(points) && rows.read_times(points, block);
       ++block) {
    for (std::size_t row = 0; row < rows.start_s.size(); ++row)
      use(rows.start_s[row], rows.period_s[row]);
  }
}

/// How many rows a batch has.
[[nodiscard]] std::size_t datapoint_count(const proto::Datapoints& points) noexcept;

}  // namespace fleetmeter::aggregator
