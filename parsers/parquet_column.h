#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/parquet_encoding.h"
#include "parsers/parquet_pages.h"

namespace fleetmeter::parsers {

/// Which rows of a run have a value.
struct ParquetLevels {
  std::size_t present = 0;  ///< How many.
  /// 1 = has a value, one entry a row; empty: all have, or none (`present` tells).
  std::span<const std::uint32_t> each;
};

/// The values of one column, row group by row group, as they are stored: INT32 (by its sign or
/// without), INT64 and BYTE_ARRAY. A run of rows is read in two steps, levels() and then as many
/// values as are present, and never crosses a page. After a problem in the context nothing is read.
class ParquetColumnReader {
 public:
  /// How the values of the current page are stored.
  enum class Form : std::uint8_t { kDictionary, kNumbers, kTexts };

  ParquetColumnReader(const ParquetColumn& column, ParquetContext& context) noexcept
      : column_(column), context_(context) {}

  void start(const ParquetChunk& chunk) noexcept;
  /// Goes on to the next page that has rows, if this one has none left; false at a problem. At the
  /// end of the row group rows_left() stays 0.
  [[nodiscard]] bool prepare();
  [[nodiscard]] std::uint32_t rows_left() const noexcept { return rows_left_; }
  [[nodiscard]] Form form() const noexcept { return form_; }

  /// The dictionary of this row group: one of the two, by the column's type. Stays until the next
  /// start().
  [[nodiscard]] std::span<const std::int64_t> dictionary_numbers() const noexcept {
    return dictionary_numbers_;
  }
  [[nodiscard]] std::span<const std::string_view> dictionary_texts() const noexcept {
    return dictionary_texts_;
  }
  /// Counts the dictionaries that were read.
  [[nodiscard]] std::uint64_t dictionary_serial() const noexcept { return dictionary_serial_; }

  /// The next `rows` of the page, at most rows_left().
  [[nodiscard]] bool levels(std::size_t rows, ParquetLevels& levels);
  /// Values by the page's form. Indexes are inside the dictionary; texts are views into the page,
  /// or, of DELTA_BYTE_ARRAY, into what the next read_texts() reuses.
  [[nodiscard]] bool read_indexes(std::uint32_t* out, std::size_t count);
  [[nodiscard]] bool read_numbers(std::int64_t* out, std::size_t count);
  [[nodiscard]] bool read_texts(std::string_view* out, std::size_t count);

 private:
  [[nodiscard]] bool take_dictionary(const ParquetPage& page);
  [[nodiscard]] bool take_page(const ParquetPage& page);
  [[nodiscard]] bool take_plain_numbers(std::string_view& bytes, std::int64_t* out,
                                        std::size_t count) const noexcept;
  [[nodiscard]] bool read_delta_lengths(std::string_view* out, std::size_t count);
  [[nodiscard]] bool read_delta_texts(std::string_view* out, std::size_t count);
  bool damaged(const char* what);

  const ParquetColumn& column_;
  ParquetContext& context_;
  ParquetPages pages_;
  std::uint32_t rows_left_ = 0;
  Form form_ = Form::kNumbers;
  ParquetEncoding encoding_ = ParquetEncoding::kPlain;
  HybridReader levels_;
  std::vector<std::uint32_t> level_values_;
  HybridReader indexes_;
  std::string_view values_;  // What is left of PLAIN values and of the bytes behind delta lengths.
  DeltaReader numbers_;      // DELTA_BINARY_PACKED, or the lengths of (the rest of) texts.
  DeltaReader prefixes_;     // DELTA_BYTE_ARRAY: bytes shared with the text before.
  std::string previous_;
  std::string texts_;  // DELTA_BYTE_ARRAY: the texts of one read.
  std::vector<std::int64_t> lengths_, prefix_lengths_;
  std::vector<std::int64_t> dictionary_numbers_;
  std::vector<std::string_view> dictionary_texts_;
  std::uint64_t dictionary_serial_ = 0;
  bool has_dictionary_ = false;
  std::size_t dictionary_charge_ = 0;  // Of the shared allowance.
};

}  // namespace fleetmeter::parsers
