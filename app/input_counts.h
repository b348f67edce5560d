#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "parsers/decoder.h"

namespace fleetmeter::app {

// What was read and what was not, as the JSON documents of `flows`, `run` and `replay` have it
// (docs/json.md).

/// Name and count, in the order in which they are shown.
using Counted = std::vector<std::pair<std::string, std::uint64_t>>;

/// Name and count of every reason that was met.
template <typename Reason, std::size_t kSize>
[[nodiscard]] Counted reasons_of(const std::uint64_t (&counts)[kSize]) {
  Counted reasons;
  for (std::size_t i = 0; i < kSize; ++i) {
    if (counts[i] > 0) reasons.emplace_back(to_string(static_cast<Reason>(i)), counts[i]);
  }
  return reasons;
}

/// What would have been right, of the reasons of drops that whoever begins meets; else "".
[[nodiscard]] std::string_view hint_of(std::string_view reason) noexcept;
/// For people: a line for each reason, with what was dropped for it and hint_of().
[[nodiscard]] std::string samples_text(const parsers::FlowDropSamples::ByReason& samples);

/// Nothing of the input could be used: no record, datapoint or control message. A header line counts
/// where nothing was dropped: Parquet, which has none, and lines are to end alike.
[[nodiscard]] bool nothing_read(const parsers::DecodeCounts& counts) noexcept;

[[nodiscard]] std::string counts_json(const Counted& counts);  ///< An object.

/// The object `records`; `more` are the counts that only some documents have.
[[nodiscard]] std::string records_json(const parsers::FlowCounts& flows, const Counted& more = {});

/// The members `duplicate_events` to `dropped`, without the braces around them. `dropped`: records
/// that were decoded and not summed, by reason.
[[nodiscard]] std::string input_counts_json(const parsers::DecodeCounts& counts,
                                            const std::map<std::string, std::uint64_t>& dropped);

/// An object: by reason, where a line came from and the line.
[[nodiscard]] std::string samples_json(const parsers::FlowDropSamples::ByReason& samples);
/// The array `files`, from pairs of a file and why it was not read to its end.
[[nodiscard]] std::string bad_files_json(
    const std::vector<std::pair<std::string, std::string>>& files);

}  // namespace fleetmeter::app
