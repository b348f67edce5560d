#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "parsers/decoder.h"

namespace fleetmeter::ingest {

/// For each reason of dropped datapoints and payloads in `counts` that `all` knows no example of:
/// `input`, where one came from. Flow log lines have examples of their own
/// (parsers::FlowDropSamples). Returns those reasons.
std::vector<std::string> add_drop_inputs(const parsers::DecodeCounts& counts,
                                         std::string_view input,
                                         parsers::FlowDropSamples::ByReason& all);

}  // namespace fleetmeter::ingest
