#include "aggregator/column.h"

#include <bit>
#include <type_traits>

namespace fleetmeter::aggregator {
namespace {

/// Bit k: byte k of `bits` is not 0.
std::uint32_t bytes_in(std::uint64_t bits) noexcept {
  std::uint32_t mask = 0;
  for (std::uint32_t byte = 0; byte < 8; ++byte)
    mask |= std::uint32_t{(bits >> (8 * byte) & 0xff) != 0} << byte;
  return mask;
}

/// All bits of the bytes of a mask.
std::uint64_t bits_in(std::uint32_t mask) noexcept {
  std::uint64_t bits = 0;
  for (std::uint32_t byte = 0; byte < 8; ++byte)
    bits |= (mask >> byte & 1) != 0 ? std::uint64_t{0xff} << (8 * byte) : 0;
  return bits;
}

template <typename T>
using BitsOf = std::conditional_t<sizeof(T) == 8, std::uint64_t, std::uint32_t>;

}  // namespace

template <typename T>
void write_column(std::span<const T> values, proto::Column& out) {
  out.Clear();
  if (values.empty()) return;
  using Bits = BitsOf<T>;
  const Bits first = std::bit_cast<Bits>(values[0]);
  Bits differing = 0;
  for (const T value : values) differing |= std::bit_cast<Bits>(value) ^ first;
  const std::uint32_t varying = bytes_in(differing);
  out.set_common(first & ~bits_in(varying));
  out.set_varying(varying);
  std::string& planes = *out.mutable_planes();
  planes.resize(values.size() * static_cast<std::size_t>(std::popcount(varying)));
  char* plane = planes.data();
  for (std::uint32_t rest = varying; rest != 0; rest &= rest - 1, plane += values.size()) {
    const int shift = 8 * std::countr_zero(rest);
    for (std::size_t i = 0; i < values.size(); ++i)
      plane[i] = static_cast<char>(std::bit_cast<Bits>(values[i]) >> shift);
  }
}

template <typename T>
bool read_column(const proto::Column& column, std::size_t count, std::vector<T>& values) {
  const std::uint32_t varying = column.varying();
  const std::string& planes = column.planes();
  using Bits = BitsOf<T>;
  if (varying >> sizeof(T) != 0 || static_cast<Bits>(column.common()) != column.common() ||
      planes.size() != count * static_cast<std::size_t>(std::popcount(varying)))
    return false;
  values.assign(count, std::bit_cast<T>(static_cast<Bits>(column.common())));
  const char* plane = planes.data();
  T* const out = values.data();
  for (std::uint32_t rest = varying; rest != 0; rest &= rest - 1, plane += count) {
    const int shift = 8 * std::countr_zero(rest);
    for (std::size_t i = 0; i < count; ++i)
      out[i] = std::bit_cast<T>(std::bit_cast<Bits>(out[i]) |
                                Bits{static_cast<unsigned char>(plane[i])} << shift);
  }
  return true;
}

template void write_column(std::span<const std::uint32_t>, proto::Column&);
template void write_column(std::span<const std::uint64_t>, proto::Column&);
template void write_column(std::span<const std::int64_t>, proto::Column&);
template void write_column(std::span<const double>, proto::Column&);
template bool read_column(const proto::Column&, std::size_t, std::vector<std::uint32_t>&);
template bool read_column(const proto::Column&, std::size_t, std::vector<std::uint64_t>&);
template bool read_column(const proto::Column&, std::size_t, std::vector<std::int64_t>&);
template bool read_column(const proto::Column&, std::size_t, std::vector<double>&);

}  // namespace fleetmeter::aggregator
