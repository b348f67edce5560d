#pragma once

#include <vector>

#include "aggregator/inventory.h"
#include "cost/draft.h"
#include "cost/estimate.h"
#include "cost/usage_store.h"

namespace fleetmeter::cost {

/// Lines of what telemetry has seen: instance time, NAT gateways, transfer, load balancers, logs
/// and metric updates. Machines are named by the inventory; where it does not know one, its line is
/// unknown.
[[nodiscard]] std::vector<Draft> drafts_to_date(const ReportOptions& options,
                                                const aggregator::Inventory& inventory,
                                                const std::vector<HourlyUsage>& usage,
                                                const std::vector<FlowUsage>& flows,
                                                std::vector<std::string>& warnings);

/// Hours from the first to the last that the usage or the flows speak of, both included.
[[nodiscard]] std::uint32_t hours_seen(const std::vector<HourlyUsage>& usage,
                                       const std::vector<FlowUsage>& flows) noexcept;

}  // namespace fleetmeter::cost
