#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "parsers/flow_columns.h"
#include "parsers/parquet_pages.h"

namespace fleetmeter::parsers {

/// What the rows of a batch have met besides their values; entry i of each is row i.
struct ParquetRows {
  static constexpr std::uint8_t kKept = static_cast<std::uint8_t>(FlowDrop::kCount);
  enum : std::uint8_t { kNoStart = 1, kNoBytes = 2, kNoRecord = 4 };

  std::vector<std::uint8_t> drop;     ///< FlowDrop of the first column that was wrong, or kKept.
  std::vector<std::uint8_t> bad;      ///< How many bad values were made absent.
  std::vector<std::uint8_t> unknown;  ///< How many words no version knows.
  /// kNoStart, kNoBytes; kNoRecord: dropped whatever its status.
  std::vector<std::uint8_t> unplaced;
  bool any_drop = false;

  void reset(std::size_t rows, std::uint8_t unplaced_by_schema);
};

/// One column of a Parquet object as one flow field: decodes runs of rows into FlowColumns and
/// judges each value as the text parser does. A dictionary is judged once a row group, so a value
/// that repeats costs a copy.
class ParquetFlowColumn {
 public:
  /// nullptr: a column stored so cannot hold that field (problem).
  [[nodiscard]] static std::unique_ptr<ParquetFlowColumn> make(const ParquetColumn& column,
                                                               FlowField field, bool is_asked,
                                                               ParquetContext& context);
  virtual ~ParquetFlowColumn() = default;

  /// Begins a row group.
  virtual void start(const ParquetChunk& chunk) = 0;
  /// How many of `rows` the next batch may hold, so that no view of it dies before it; 0: problem.
  [[nodiscard]] virtual std::size_t rows_ready(std::size_t rows) = 0;
  /// The next `rows`, as records 0, 1, ... of `out`, whose columns have room and whose presence
  /// says that all are present. False: problem.
  [[nodiscard]] virtual bool decode(std::size_t rows, FlowColumns& out, ParquetRows& marks) = 0;
};

/// All of `rows` absent: a column that has no values, as decode() would do it.
void put_null_column(FlowField field, bool is_asked, std::size_t rows, FlowColumns& out,
                     ParquetRows& marks);

}  // namespace fleetmeter::parsers
