#pragma once

#include <string>
#include <vector>

#include "aggregator/inventory.h"
#include "cost/draft.h"
#include "cost/estimate.h"
#include "cost/month_usage.h"

namespace fleetmeter::cost {

/// Lines of what telemetry has seen: instance time, NAT gateways, transfer, load balancers, logs
/// and metric updates; and of the inventory's standing things for `options.hours` of the month's
/// `month_hours`. Machines are named by the inventory; where it does not know one, its line is
/// unknown.
[[nodiscard]] std::vector<Draft> drafts_to_date(const ReportOptions& options,
                                                std::uint32_t month_hours, const PriceBook& prices,
                                                const aggregator::Inventory& inventory,
                                                const MonthUsage& usage,
                                                std::vector<std::string>& warnings);

}  // namespace fleetmeter::cost
