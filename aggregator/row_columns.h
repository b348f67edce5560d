#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <tuple>
#include <vector>

#include "aggregator/column.h"
#include "proto/log.pb.h"

namespace fleetmeter::aggregator {

/// A column of `Rows`, a struct of vectors of one length, and where a `Block` of the log has it. What
/// is done to all columns goes through a tuple of these, so that they are named once.
template <typename Rows, typename Block, typename T>
struct RowColumn {
  std::vector<T> Rows::*values;
  const proto::Column& (Block::*packed)() const;
  proto::Column* (Block::*mutable_packed)();
};

template <typename Columns, typename Use>
void each_column(const Columns& columns, Use&& use) {
  std::apply([&](const auto&... column) { (use(column), ...); }, columns);
}

template <typename Columns, typename Rows>
void resize_rows(const Columns& columns, Rows& rows, std::size_t count) {
  each_column(columns, [&](const auto& column) { (rows.*column.values).resize(count); });
}

template <typename Columns, typename Rows>
void append_rows(const Columns& columns, const Rows& from, Rows& to) {
  each_column(columns, [&](const auto& column) {
    const auto& values = from.*column.values;
    (to.*column.values).insert((to.*column.values).end(), values.begin(), values.end());
  });
}

/// Rows `first` to `first + count`, which are there.
template <typename Columns, typename Rows, typename Block>
void write_rows(const Columns& columns, const Rows& rows, std::size_t first, std::size_t count,
                Block& block) {
  each_column(columns, [&](const auto& column) {
    const std::span values(rows.*column.values);
    write_column(values.subspan(first, count), *(block.*column.mutable_packed)());
  });
}

/// False when some column was not written by write_rows() for so many rows.
template <typename Columns, typename Block, typename Rows>
[[nodiscard]] bool read_rows(const Columns& columns, const Block& block, std::size_t count,
                             Rows& rows) {
  const auto read = [&](const auto& column) {
    return read_column((block.*column.packed)(), count, rows.*column.values);
  };
  return std::apply([&](const auto&... column) { return (read(column) && ...); }, columns);
}

/// A block larger than any that we write is refused before it takes memory.
template <typename Rows, typename Block>
[[nodiscard]] bool has_fair_size(const Block& block) noexcept {
  return block.count() <= Rows::kBlock;
}

/// How many rows blocks hold at most.
template <typename Rows, typename Blocks>
[[nodiscard]] std::size_t rows_in(const Blocks& blocks) noexcept {
  std::size_t count = 0;
  for (const auto& block : blocks) count += std::min<std::size_t>(block.count(), Rows::kBlock);
  return count;
}

/// 0 of none. A loop over values, which std::ranges::max is not to a compiler.
[[nodiscard]] inline std::uint32_t largest_of(const std::vector<std::uint32_t>& values) noexcept {
  std::uint32_t largest = 0;
  for (const std::uint32_t value : values) largest = std::max(largest, value);
  return largest;
}

}  // namespace fleetmeter::aggregator
