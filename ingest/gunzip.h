#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace fleetmeter::ingest {

enum class Gunzip : unsigned char { kDone, kDamaged, kTooLarge };

/// Inflates a whole gzip body, of many members if need be, into `out`; never holds more than
/// `bytes_max`.
[[nodiscard]] Gunzip gunzip(std::string_view body, std::string& out, std::size_t bytes_max);

}  // namespace fleetmeter::ingest
