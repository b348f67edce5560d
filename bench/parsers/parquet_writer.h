#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace fleetmeter::parsers::bench {

enum class PageCodec { kNone, kSnappy, kGzip, kZstd };

/// Flow log lines of the default format as one Parquet object, written as AWS's writers do: one row
/// group, optional columns, texts by dictionary, numbers plain, data pages of 20,000 rows.
[[nodiscard]] std::string parquet_of(std::string_view default_lines, PageCodec codec);

}  // namespace fleetmeter::parsers::bench
