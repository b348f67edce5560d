#include "parsers/parquet_encoding.h"

#include <algorithm>
#include <cstring>

namespace fleetmeter::parsers {
namespace {

/// Bytes as a little-endian number; those behind `end` count as 0.
std::uint64_t load_tail(const char* at, const char* end) noexcept {
  std::uint64_t word = 0;
  if (at < end)
    std::memcpy(&word, at, std::min<std::size_t>(8, static_cast<std::size_t>(end - at)));
  return word;
}

std::uint64_t load_whole(const char* at) noexcept {
  std::uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

std::optional<std::uint64_t> take_varint(const char*& at, const char* end) noexcept {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64 && at != end; shift += 7) {
    const auto byte = static_cast<unsigned char>(*at++);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  return std::nullopt;
}

}  // namespace

void HybridReader::start(std::string_view bytes, unsigned bit_width) noexcept {
  *this = {};
  at_ = bytes.data();
  end_ = bytes.data() + bytes.size();
  width_ = bit_width;
}

bool HybridReader::next_run() noexcept {
  const std::optional<std::uint64_t> header = take_varint(at_, end_);
  if (!header || *header < 2) return false;
  const std::uint64_t count = *header >> 1;
  const auto bytes_left = static_cast<std::uint64_t>(end_ - at_);
  if ((*header & 1) == 0) {
    const std::uint64_t value_bytes = (width_ + 7) / 8;
    if (value_bytes > bytes_left) return false;
    const std::uint64_t value = load_tail(at_, at_ + value_bytes);
    if (value >> width_ != 0) return false;
    repeated_ = static_cast<std::uint32_t>(value);
    repeated_left_ = count;
    at_ += value_bytes;
    return true;
  }
  // Groups of eight values take `width_` bytes. The last group may be cut behind its last value.
  const std::uint64_t groups_whole = std::min(count, bytes_left / width_);
  const std::uint64_t bytes =
      std::min(bytes_left, groups_whole < count ? bytes_left : groups_whole * width_);
  packed_left_ = groups_whole < count ? bytes * 8 / width_ : groups_whole * 8;
  packed_ = at_;
  packed_bit_ = 0;
  at_ += bytes;
  return packed_left_ > 0;
}

void HybridReader::unpack(std::uint32_t* out, std::size_t count) noexcept {
  const std::uint64_t mask = (std::uint64_t{1} << width_) - 1;
  std::size_t done = 0;
  for (; done < count; ++done, packed_bit_ += width_) {
    const char* const from = packed_ + packed_bit_ / 8;
    if (end_ - from < 8) break;
    out[done] = static_cast<std::uint32_t>((load_whole(from) >> (packed_bit_ % 8)) & mask);
  }
  for (; done < count; ++done, packed_bit_ += width_) {
    const std::uint64_t word = load_tail(packed_ + packed_bit_ / 8, end_);
    out[done] = static_cast<std::uint32_t>((word >> (packed_bit_ % 8)) & mask);
  }
}

bool HybridReader::read(std::uint32_t* out, std::size_t count) noexcept {
  if (width_ == 0) {
    std::fill_n(out, count, 0u);
    return true;
  }
  while (count > 0) {
    if (repeated_left_ == 0 && packed_left_ == 0 && !next_run()) return false;
    std::size_t taken;
    if (repeated_left_ > 0) {
      taken = static_cast<std::size_t>(std::min<std::uint64_t>(count, repeated_left_));
      std::fill_n(out, taken, repeated_);
      repeated_left_ -= taken;
    } else {
      taken = static_cast<std::size_t>(std::min<std::uint64_t>(count, packed_left_));
      unpack(out, taken);
      packed_left_ -= taken;
    }
    out += taken;
    count -= taken;
  }
  return true;
}

std::optional<std::uint32_t> HybridReader::take_constant(std::size_t count) noexcept {
  if (width_ == 0) return 0;
  if (repeated_left_ == 0 && packed_left_ == 0 && !next_run()) return std::nullopt;
  if (repeated_left_ < count) return std::nullopt;
  repeated_left_ -= count;
  return repeated_;
}

std::optional<std::uint64_t> DeltaReader::varint() noexcept { return take_varint(at_, end_); }

bool DeltaReader::start(std::string_view bytes) noexcept {
  constexpr std::uint64_t kBlockValuesMax = 1u << 20;
  *this = {};
  at_ = bytes.data();
  end_ = bytes.data() + bytes.size();
  const auto block_values = varint();
  const auto miniblocks = varint();
  const auto count = varint();
  const auto first = varint();
  if (!first || *block_values == 0 || *block_values > kBlockValuesMax || *miniblocks == 0 ||
      *block_values % *miniblocks != 0) {
    return false;
  }
  miniblocks_ = *miniblocks;
  miniblock_ = miniblocks_;
  miniblock_values_ = *block_values / *miniblocks;
  // Miniblocks of other sizes would begin inside a byte.
  if (miniblock_values_ % 8 != 0) return false;
  left_ = *count;
  value_ = (*first >> 1) ^ (~(*first & 1) + 1);
  first_ = left_ > 0;
  return true;
}

bool DeltaReader::next_miniblock() noexcept {
  if (miniblock_ == miniblocks_) {
    const auto min_delta = varint();
    if (!min_delta || static_cast<std::uint64_t>(end_ - at_) < miniblocks_) return false;
    min_delta_ = (*min_delta >> 1) ^ (~(*min_delta & 1) + 1);
    widths_ = at_;
    at_ += miniblocks_;
    miniblock_ = 0;
  }
  width_ = static_cast<unsigned char>(widths_[miniblock_++]);
  if (width_ > 64) return false;
  miniblock_left_ = miniblock_values_;
  packed_ = at_;
  packed_bit_ = 0;
  // Behind the last value writers may leave out what pads the miniblock.
  const std::uint64_t needed = (std::min(left_, miniblock_values_) * width_ + 7) / 8;
  const auto bytes_left = static_cast<std::uint64_t>(end_ - at_);
  if (needed > bytes_left) return false;
  at_ += std::min(bytes_left, miniblock_values_ * width_ / 8);
  return true;
}

std::uint64_t DeltaReader::unpack_one() noexcept {
  if (width_ == 0) return 0;
  const char* const from = packed_ + packed_bit_ / 8;
  const auto shift = static_cast<unsigned>(packed_bit_ % 8);
  std::uint64_t bits = load_tail(from, end_) >> shift;
  // A wide one can lie in nine bytes.
  if (shift + width_ > 64 && from + 8 < end_)
    bits |= std::uint64_t{static_cast<unsigned char>(from[8])} << (64 - shift);
  packed_bit_ += width_;
  return width_ == 64 ? bits : bits & ((std::uint64_t{1} << width_) - 1);
}

bool DeltaReader::read(std::int64_t* out, std::size_t count) noexcept {
  if (count > left_) return false;
  for (std::size_t i = 0; i < count; ++i, --left_) {
    if (first_) {
      first_ = false;
    } else {
      if (miniblock_left_ == 0 && !next_miniblock()) return false;
      --miniblock_left_;
      value_ += min_delta_ + unpack_one();
    }
    out[i] = static_cast<std::int64_t>(value_);
  }
  return true;
}

std::optional<std::string_view> DeltaReader::rest() noexcept {
  std::int64_t unused[256];
  while (left_ > 0) {
    if (!read(unused, static_cast<std::size_t>(std::min<std::uint64_t>(left_, 256))))
      return std::nullopt;
  }
  return std::string_view{at_, static_cast<std::size_t>(end_ - at_)};
}

}  // namespace fleetmeter::parsers
