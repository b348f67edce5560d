#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "parsers/decoder.h"
#include "parsers/random_access.h"

namespace fleetmeter::parsers {

/// Why a Parquet object, or the rest of it, is not read. The text goes on after the object's name
/// ("X.parquet: is Parquet ...") and says what would be right where that is not plain.
struct ParquetProblem {
  PayloadDrop reason = PayloadDrop::kCount;  ///< kCount: none.
  std::string text;
  [[nodiscard]] bool any() const noexcept { return reason != PayloadDrop::kCount; }
  /// The first one stands. False, for `return problem.set(...)`.
  bool set(PayloadDrop why, std::string what) {
    if (any()) return false;
    reason = why;
    text = "is Parquet " + std::move(what);
    return false;
  }
  bool damaged(std::string what) { return set(PayloadDrop::kParquet, std::move(what)); }
};

/// Numbers as in parquet.thrift.
enum class ParquetType : std::uint8_t {
  kBoolean,
  kInt32,
  kInt64,
  kInt96,
  kFloat,
  kDouble,
  kByteArray,
  kFixedLength,
};
enum class ParquetCodec : std::uint8_t { kNone = 0, kSnappy = 1, kGzip = 2, kZstd = 6 };
enum class ParquetEncoding : std::uint8_t {
  kPlain = 0,
  kPlainDictionary = 2,
  kRle = 3,
  kDeltaBinaryPacked = 5,
  kDeltaLengthByteArray = 6,
  kDeltaByteArray = 7,
  kRleDictionary = 8,
};

struct ParquetColumn {
  std::string name;
  ParquetType type = ParquetType::kBoolean;
  bool is_optional = false;  ///< Definition levels 0 and 1; else every row has a value.
  bool is_unsigned = false;  ///< Integers without sign.
  bool is_null = false;      ///< Of the type that has no values at all.
  /// What its values mean when it is neither text nor a whole number: "a timestamp", ...
  const char* odd_meaning = nullptr;
};

/// The pages of one column in one row group: file offsets [begin, end).
struct ParquetChunk {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::uint64_t value_count = 0;
  std::uint8_t codec = 0;
  std::uint32_t encodings = 0;  ///< A bit each.
  bool is_encrypted = false;
};

struct ParquetFooter {
  std::vector<ParquetColumn> columns;
  std::vector<std::uint64_t> group_rows;
  std::vector<ParquetChunk> chunks;  ///< columns.size() of them a row group.
  std::uint64_t rows = 0;
  /// Of memory, by its row groups.
  [[nodiscard]] std::size_t held_bytes() const noexcept {
    return chunks.capacity() * sizeof(ParquetChunk) + group_rows.capacity() * sizeof(std::uint64_t);
  }
  [[nodiscard]] const ParquetChunk& chunk(std::size_t group, std::size_t column) const noexcept {
    return chunks[group * columns.size() + column];
  }
};

inline constexpr std::uint64_t kParquetFooterBytesMax = 16u << 20;

/// Does it end as a Parquet object does? One that is still being written or copied does not.
[[nodiscard]] bool has_parquet_end(const RandomAccess& bytes) noexcept;

/// Reads the footer of a flat schema: columns of the root, required or optional. Everything that it
/// says is held against the object's size, so that no more memory or rows follow from it than the
/// object can stand for. Rule: Apache Parquet, "File Format" and parquet.thrift.
[[nodiscard]] bool read_parquet_footer(const RandomAccess& bytes, ParquetFooter& footer,
                                       ParquetProblem& problem);

/// For messages: "ZSTD", "BYTE_STREAM_SPLIT", ... or the number of what has no name.
[[nodiscard]] std::string parquet_codec_name(std::uint8_t codec);
[[nodiscard]] std::string parquet_encoding_name(std::int64_t encoding);
[[nodiscard]] const char* parquet_type_name(ParquetType type) noexcept;

}  // namespace fleetmeter::parsers
