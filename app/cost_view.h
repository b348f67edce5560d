#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "aggregator/inventory.h"
#include "cost/report.h"
#include "proto/result.h"

namespace fleetmeter::app {

struct CostQuery {
  std::string month;        ///< "2026-11"; empty = the month of `now_s`.
  std::string basis;        ///< "to_date" (default) or "estimate".
  std::string environment;  ///< Empty = all.
  std::int64_t now_s = 0;
  std::map<std::string, cost::Budget> budgets = {};  ///< By environment.
};

/// The cost report of a running service as JSON (docs/json.md), read from cost.db by a connection
/// of its own.
[[nodiscard]] Result<std::string> cost_report_json(const std::string& cost_db,
                                                   const aggregator::Inventory& inventory,
                                                   const CostQuery& query);

/// Traffic of the `hours` up to now by path class, charge and owner, as JSON: the parts of `flows`
/// that cost.db holds.
[[nodiscard]] Result<std::string> flows_json(const std::string& cost_db, std::int64_t now_s,
                                             std::uint32_t hours);

/// The to-date report of every month in cost.db: what a backtest would have cost. Without budgets,
/// which are of whole months.
[[nodiscard]] Result<std::vector<cost::Report>> replay_cost(const std::string& cost_db,
                                                            const aggregator::Inventory& inventory);

}  // namespace fleetmeter::app
