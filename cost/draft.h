#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cost/money.h"
#include "cost/price_book.h"
#include "cost/report.h"
#include "cost/usage_file.h"

namespace fleetmeter::cost {

/// How a line is billed of what stood for a part of the time only.
enum class Part : std::uint8_t {
  kLinear,
  kFullHours,   ///< A part of an hour is an hour.
  kWholeMonth,  ///< A part of the month is the month.
};

/// A line before prices: what is used, and the key of what it costs.
struct Draft {
  std::string environment, region;
  std::string resource, component;
  std::string type;                  ///< Terraform's, of the resource; empty = it is none's.
  std::string price_key;             ///< Empty: no price can be named, `reason` says why.
  std::optional<Quantity> quantity;  ///< In the price's unit; nullopt with a reason.
  std::string source = "inventory";
  std::string reason;
  std::string unit;               ///< Shown where the price is not found.
  std::int64_t price_factor = 1;  ///< 2 where Multi-AZ is twice the Single-AZ row.
  Part part = Part::kLinear;
  /// Where each thing goes through the tiers by itself, what one has of it for the whole month: the
  /// IOPS of a volume. nullopt: the payer's sum does.
  std::optional<Quantity> tiered_by = {};
};

/// Prices the drafts and groups them by environment. Tiers and free allowances are settled per
/// payer over all drafts of a price (one payer is assumed), then spread pro rata by quantity, unless
/// a draft is tiered by itself; only then are other environments left out. `month_hours` are those of
/// the whole month, of which allowances are.
[[nodiscard]] Report settle(const ReportOptions& options, std::uint32_t month_hours,
                            const PriceBook& prices, const UsageFile* usage_file,
                            std::vector<Draft> drafts);

}  // namespace fleetmeter::cost
