#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aggregator/inventory.h"
#include "cost/price_book.h"
#include "cost/report.h"
#include "cost/usage_file.h"
#include "proto/result.h"

namespace fleetmeter::app {

/// "2026-11"; nullopt on anything else.
[[nodiscard]] std::optional<std::chrono::year_month> parse_month(std::string_view text) noexcept;
[[nodiscard]] std::string month_text(std::chrono::year_month month);
/// The month, UTC, that holds a time in Unix seconds.
[[nodiscard]] std::chrono::year_month month_of(std::int64_t at_s) noexcept;

/// Unix hours [first, last) of a month.
struct MonthHours {
  std::uint32_t first = 0, last = 0;
};
[[nodiscard]] MonthHours hours_of(std::chrono::year_month month) noexcept;

/// The months that a cost.db holds usage of, oldest first: one of them may have only the rest of
/// records that began in the month before.
[[nodiscard]] Result<std::vector<std::chrono::year_month>> months_of(const std::string& cost_db);

/// The report of `options.month` with the usage that cost.db holds of it; an estimate reads no
/// cost.db. An environment that neither the configuration declares nor the bill has is
/// kInvalidArgument, naming those there are.
[[nodiscard]] Result<cost::Report> report_of(const cost::ReportOptions& options,
                                             const cost::PriceBook& prices,
                                             const aggregator::Inventory& inventory,
                                             const cost::UsageFile* usage_file,
                                             const std::string& cost_db);

}  // namespace fleetmeter::app
