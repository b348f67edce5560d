#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "parsers/flow_columns.h"
#include "parsers/parquet_footer.h"

namespace fleetmeter::parsers {

/// Flow logs as AWS writes them to S3 in Parquet, to the same columns as text: flat schema; pages
/// plain, SNAPPY, GZIP or ZSTD; data pages v1 and v2; plain, dictionary and delta encodings;
/// required and optional columns; names with hyphens or underscores. Records are kept, dropped and
/// counted as those of text: null is "-". Numbers may also be stored as text, and ids as numbers.
/// Anything outside of that (nested, encrypted, other codecs and encodings) is one problem that
/// names it. line_bytes is 0, unknown: there are no lines, and what AWS measures of a Parquet
/// delivery is not what lies here.
///
/// Memory: the pages of one row group that are being read, one a column, kParquetMemoryMax in all;
/// no part of it depends on what a page claims to hold. Any bytes in, no exception; one thread's.
/// Rules: Apache Parquet, "File Format"; Amazon VPC User Guide, "Flow log files".
class ParquetFlows {
 public:
  /// `bytes` outlives it. Only the columns of `fields`, and those that can drop a record, are read.
  ParquetFlows(const RandomAccess& bytes, FieldSet fields, std::uint32_t batch_records);
  ~ParquetFlows();
  ParquetFlows(const ParquetFlows&) = delete;
  ParquetFlows& operator=(const ParquetFlows&) = delete;

  /// Reads the footer and goes to row `first_row`. False: problem().
  [[nodiscard]] bool open(std::uint64_t first_row, FlowCounts& counts);
  /// The next rows into `out` (replaced), whose views die with the next call; `out` may be empty
  /// when all of them were dropped. False at the end, or at a problem(): what came before is whole.
  [[nodiscard]] bool next(FlowColumns& out, FlowCounts& counts);

  [[nodiscard]] std::uint64_t row() const noexcept;          ///< Rows taken, dropped ones included.
  [[nodiscard]] std::uint64_t rows() const noexcept;         ///< In the object.
  [[nodiscard]] std::uint64_t plain_bytes() const noexcept;  ///< Pages read, inflated.
  /// The least that its rows would be as text, in the columns that are read: a character and a
  /// separator a value. Bounds the work that stored bytes do not: a constant takes none of them.
  [[nodiscard]] std::uint64_t text_bytes_min() const noexcept;
  [[nodiscard]] const ParquetProblem& problem() const noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fleetmeter::parsers
