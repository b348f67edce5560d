#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "proto/result.h"

namespace fleetmeter::cost {

struct CsvRow {
  std::size_t line = 0;             ///< Of the file, from 1.
  std::vector<std::string> fields;  ///< One per column asked for, in the order asked.
};

/// Rows of a price file: a header line that names every one of `columns` (others are ignored), then
/// plain fields without quotes or commas inside. Blank lines and those starting with '#' are
/// skipped. Errors name `name` and line.
[[nodiscard]] Result<std::vector<CsvRow>> read_csv(const std::string& name, std::string_view text,
                                                   const std::vector<std::string>& columns);

}  // namespace fleetmeter::cost
