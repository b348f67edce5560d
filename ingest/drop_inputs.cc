#include "ingest/drop_inputs.h"

#include <cstddef>

namespace fleetmeter::ingest {

std::vector<std::string> add_drop_inputs(const parsers::DecodeCounts& counts,
                                         std::string_view input,
                                         parsers::FlowDropSamples::ByReason& all) {
  std::vector<std::string> added;
  const auto add = [&]<typename Reason>(const std::uint64_t* dropped, Reason end) {
    for (std::size_t i = 0; i < static_cast<std::size_t>(end); ++i) {
      if (dropped[i] == 0) continue;
      const auto [at, is_new] =
          all.try_emplace(std::string(parsers::to_string(static_cast<Reason>(i))), input);
      if (is_new) added.push_back(at->first);
    }
  };
  add(counts.metrics.dropped, parsers::MetricDrop::kCount);
  add(counts.dropped, parsers::PayloadDrop::kCount);
  return added;
}

}  // namespace fleetmeter::ingest
