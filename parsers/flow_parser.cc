#include "parsers/flow_parser.h"

#include "parsers/flow_scalar.h"

namespace fleetmeter::parsers {

FlowParseResult parse_flow_records(std::string_view buffer, const FlowParseOptions& options,
                                   FlowBinding& binding, FlowColumns& out, FlowCounts& counts) {
  return ScalarFlowKernel(buffer, options, binding, out, counts).run();
}

}  // namespace fleetmeter::parsers
