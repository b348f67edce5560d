#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

#include "parsers/inflate.h"
#include "parsers/parquet_footer.h"

namespace fleetmeter::parsers {

/// One page, inflated, may be so large, and all that is held of an object at once. Writers make
/// pages and dictionaries of 1 MiB.
inline constexpr std::size_t kParquetPageBytesMax = 64u << 20;
inline constexpr std::size_t kParquetMemoryMax = 512u << 20;

/// A block of bytes that grows and is reused; what it takes comes out of a shared allowance.
class ParquetBuffer {
 public:
  /// Room for `count` bytes (what it held is lost), and 8 more that may be read; nullptr when
  /// `allowance` has no more.
  [[nodiscard]] char* room(std::size_t count, std::size_t& allowance);

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t capacity_ = 0;
};

/// What the columns of one object share. The first problem ends the reading of all.
struct ParquetContext {
  ParquetContext(const RandomAccess& from, ParquetProblem& into) noexcept
      : bytes(from), problem(into) {}
  const RandomAccess& bytes;
  ParquetProblem& problem;
  std::size_t allowance = kParquetMemoryMax;
  std::uint64_t plain_bytes = 0;  ///< Pages read so far, inflated.
  ParquetBuffer compressed;       ///< The page being inflated.
  std::unique_ptr<Inflater> gzip, zlib, zstd;
};

/// A page of a column, inflated. Views die with the next page.
struct ParquetPage {
  bool is_dictionary = false;
  std::uint32_t value_count = 0;  ///< Nulls included.
  ParquetEncoding encoding = ParquetEncoding::kPlain;
  std::string_view levels;  ///< Definition levels, hybrid of width 1; empty for a required column.
  std::string_view values;
};

/// The pages of one column chunk after another. Page checksums are verified where the writer left
/// them. Rule: Apache Parquet, "Data Pages" and "Checksumming".
class ParquetPages {
 public:
  enum class Next : std::uint8_t { kPage, kEnd, kProblem };

  void start(const ParquetColumn& column, const ParquetChunk& chunk) noexcept;
  /// A dictionary page into a buffer of its own, any other into one that the next page reuses.
  [[nodiscard]] Next next(ParquetContext& context, ParquetPage& page);

 private:
  struct Header;
  [[nodiscard]] bool read_header(ParquetContext& context, Header& header);
  [[nodiscard]] bool check(ParquetContext& context, const Header& header);
  [[nodiscard]] bool read_body(ParquetContext& context, const Header& header, ParquetPage& page);
  [[nodiscard]] bool split_levels(ParquetContext& context, const Header& header,
                                  std::string_view plain, ParquetPage& page) const;
  bool damaged(ParquetContext& context, const char* what) const;

  const ParquetColumn* column_ = nullptr;
  ParquetChunk chunk_;
  std::uint64_t at_ = 0;           // File offset of the next page.
  std::uint64_t values_left_ = 0;  // In the data pages to come.
  bool begun_ = false;             // A page was read: a dictionary comes first or never.
  ParquetBuffer header_bytes_;
  ParquetBuffer dictionary_;
  ParquetBuffer data_;
};

}  // namespace fleetmeter::parsers
