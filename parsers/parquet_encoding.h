#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace fleetmeter::parsers {

/// The RLE/bit-packed hybrid: definition levels and dictionary indexes. Any bytes in; each run
/// takes a byte at least and yields no more than is asked for.
/// Rule: Apache Parquet, "Encodings", RLE / bit-packing hybrid.
class HybridReader {
 public:
  static constexpr unsigned kWidthMax = 32;

  /// `bit_width` up to kWidthMax. Of width 0 all values are 0, whatever `bytes` holds.
  void start(std::string_view bytes, unsigned bit_width) noexcept;
  /// The next `count` values into `out`; false when the bytes end before them, a run is empty or
  /// its value is wider than `bit_width`.
  [[nodiscard]] bool read(std::uint32_t* out, std::size_t count) noexcept;
  /// Takes the next `count` values if they are one value from one run, which it returns; else takes
  /// none.
  [[nodiscard]] std::optional<std::uint32_t> take_constant(std::size_t count) noexcept;

 private:
  [[nodiscard]] bool next_run() noexcept;
  void unpack(std::uint32_t* out, std::size_t count) noexcept;

  const char* at_ = nullptr;
  const char* end_ = nullptr;
  unsigned width_ = 0;
  std::uint64_t repeated_left_ = 0;
  std::uint32_t repeated_ = 0;
  std::uint64_t packed_left_ = 0;
  const char* packed_ = nullptr;
  std::uint64_t packed_bit_ = 0;  // Behind packed_.
};

/// DELTA_BINARY_PACKED integers, as they come: memory does not depend on how many they claim to be.
/// Rule: Apache Parquet, "Encodings", delta encoding.
class DeltaReader {
 public:
  /// False when the header is no legal one.
  [[nodiscard]] bool start(std::string_view bytes) noexcept;
  [[nodiscard]] std::uint64_t left() const noexcept { return left_; }
  [[nodiscard]] bool read(std::int64_t* out, std::size_t count) noexcept;
  /// Reads on to the last value; what lies behind it, nullopt when it is not all there.
  [[nodiscard]] std::optional<std::string_view> rest() noexcept;

 private:
  [[nodiscard]] std::optional<std::uint64_t> varint() noexcept;
  [[nodiscard]] bool next_miniblock() noexcept;
  [[nodiscard]] std::uint64_t unpack_one() noexcept;

  const char* at_ = nullptr;  // Behind the widths, then behind each miniblock.
  const char* end_ = nullptr;
  std::uint64_t left_ = 0;
  std::uint64_t value_ = 0;  // Wraps around as the writer's did.
  bool first_ = false;       // The next value is value_ itself.
  std::uint64_t miniblocks_ = 0;
  std::uint64_t miniblock_values_ = 0;
  std::uint64_t min_delta_ = 0;
  const char* widths_ = nullptr;
  std::uint64_t miniblock_ = 0;  // Of the block, the next one.
  std::uint64_t miniblock_left_ = 0;
  unsigned width_ = 0;
  const char* packed_ = nullptr;
  std::uint64_t packed_bit_ = 0;
};

}  // namespace fleetmeter::parsers
