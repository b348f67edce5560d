#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "parsers/flow_columns.h"

namespace fleetmeter::parsers::bench {

/// What decoding flow log text costs on this machine when nothing is checked: the ceiling of the
/// kernels, written for itself with AVX-512 or AVX2. Finds the blanks, takes every so many of them
/// for a line, converts numbers and dotted addresses, stores views of texts and the first letter of
/// words. No digits, ranges, syntax, widths, line feeds, "-", presence, headers, export times or
/// drops are looked at, and nothing is counted; so the text has to be plain.
class FlowProbe {
 public:
  /// What each column is: 'n' a number of 8 digits at most, 'N' of 9 to 16, 'a' an IPv4 address,
  /// 't' text, 'w' a word, '-' nothing that is asked for.
  explicit FlowProbe(std::string kinds);
  /// What a column of `field` is, where it is asked for.
  [[nodiscard]] static char kind_of(FlowField field) noexcept;

  [[nodiscard]] static bool is_supported() noexcept;
  [[nodiscard]] static std::string_view kernel() noexcept;  ///< "avx512" or "avx2".

  /// Decodes whole lines into the columns, which hold the last `batch_lines` of them or fewer;
  /// calls `use(lines)` for each batch. 64 bytes behind the text are readable.
  template <typename Use>
  void run(std::string_view text, Use use) {
    begin(text);
    while (const std::uint32_t lines = next_batch()) use(lines);
  }

  static constexpr std::uint32_t kBatchLines = 4096;
  struct Column {
    std::vector<std::uint64_t> numbers;
    std::vector<IpAddress> addresses;
    std::vector<std::string_view> texts;
    std::vector<char> words;
  };
  std::vector<Column> columns;

 private:
  void begin(std::string_view text);
  [[nodiscard]] std::uint32_t next_batch();
  void scan();
  void decode(std::uint32_t lines, std::uint32_t at);

  std::string kinds_;
  std::string_view text_;
  std::size_t scanned_ = 0;
  std::vector<std::uint32_t> blanks_;
  std::uint32_t blank_count_ = 0;
};

}  // namespace fleetmeter::parsers::bench
