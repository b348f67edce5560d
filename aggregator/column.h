#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "proto/log.pb.h"

namespace fleetmeter::aggregator {

/// A column of the aggregate log: what all values have in common stands once, and of every byte in
/// which some differ a plane, that byte of each value in their order. Writing and reading costs an
/// instruction or two a value and plane, and a compressor meets like beside like. T: a number of 32
/// or 64 bits, of which the bits are kept.
template <typename T>
void write_column(std::span<const T> values, proto::Column& out);

/// The `count` values of a column, behind nothing else in `values`. False: write_column() did not
/// write it for so many of T.
template <typename T>
[[nodiscard]] bool read_column(const proto::Column& column, std::size_t count,
                               std::vector<T>& values);

/// Room for `count` more values of a repeated field, to be written at once.
template <typename Field>
[[nodiscard]] auto* extend(Field& field, std::size_t count) {
  field.Reserve(field.size() + static_cast<int>(count));
  return field.AddNAlreadyReserved(static_cast<int>(count));
}

}  // namespace fleetmeter::aggregator
