#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace fleetmeter::parsers::bench {

/// Input and what a right decoder finds in it.
struct Corpus {
  std::string bytes;
  std::uint64_t records = 0;
  std::uint64_t byte_sum = 0;  ///< Flow logs: sum of `bytes`.
};

/// Seeded; the same on every machine. Records: FLEETMETER_BENCH_RECORDS, else 200,000.
[[nodiscard]] std::size_t record_count();
[[nodiscard]] Corpus flow_lines(std::size_t records);
[[nodiscard]] std::string gzip(const std::string& plain);

}  // namespace fleetmeter::parsers::bench
