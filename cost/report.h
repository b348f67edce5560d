#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aggregator/inventory.h"
#include "cost/budget.h"
#include "cost/money.h"
#include "cost/price_book.h"
#include "cost/usage_file.h"
#include "cost/usage_store.h"
#include "proto/result.h"

namespace fleetmeter::cost {

struct ReportOptions {
  /// "2026-11"; empty = of the data or the current one, given by the caller.
  std::string month = {};
  enum class Basis : std::uint8_t { kEstimate, kToDate } basis = Basis::kEstimate;
  /// Of a month in an estimate; "actual" = 672..744. To date the month's own count, these only where
  /// no month is named.
  std::uint32_t hours = 730;
  /// --assume os=linux|windows; nullopt = what the inventory says.
  std::optional<bool> assume_windows = {};
  bool free_tier = false;
  std::uint64_t bytes_per_gb = 1ull << 30;
  std::string environment = {};  ///< Empty = all.
  /// --region: of what neither itself, nor its environment, nor the inventory as a whole places.
  std::string region = {};
  /// By environment; checked where the report has lines of it, else a warning says so.
  std::map<std::string, Budget> budgets = {};
};

/// One priced line. Unknown is nullopt with a reason, never zero.
struct Line {
  std::string resource, component;
  /// "stated": in the usage file's or document's scope; "added": we saw it besides.
  std::string scope = "stated";
  std::optional<Quantity> quantity;
  std::string unit;  ///< "h", "GB", "GB-month", "LCU-h", ...
  std::optional<Money> price;
  std::optional<Money> amount;
  std::string source;  ///< inventory, telemetry, usage_file.
  /// Why something is nullopt; else how a price came about (tiers, free allowance), if not plainly.
  std::string reason;
};
struct EnvironmentReport {
  std::string environment;
  std::vector<Line> lines;
  /// Over known amounts; nullopt = there are lines and the amount of none is known, or their sum
  /// does not fit.
  std::optional<Money> total = Money{};
  std::optional<Money> stated_total = Money{};  ///< The same of stated lines.
  std::optional<BudgetCheck> budget = {};       ///< Of `total`; nullopt = it has none.
};
struct Report {
  std::string month, currency = "USD", basis;
  std::uint32_t hours = 730;
  std::vector<EnvironmentReport> environments;
  /// As an environment's; nullopt too where nothing was recorded of the time.
  std::optional<Money> total = Money{}, stated_total = Money{};
  std::uint32_t unknown_lines = 0;
  std::vector<std::string> warnings;
};

/// A pure function of its inputs. `usage_file` may be null.
/// Rules: docs/cost.md (AWS pricing pages by service).
[[nodiscard]] Result<Report> make_report(const ReportOptions& options, const PriceBook& prices,
                                         const aggregator::Inventory& inventory,
                                         const UsageFile* usage_file,
                                         const std::vector<HourlyUsage>& usage,
                                         const std::vector<FlowUsage>& flows);

/// The same of usage that is summed up already, such as UsageStore::month gives it.
struct MonthUsage;
[[nodiscard]] Result<Report> make_report(const ReportOptions& options, const PriceBook& prices,
                                         const aggregator::Inventory& inventory,
                                         const UsageFile* usage_file, const MonthUsage& usage);

enum class Format : std::uint8_t { kTable, kJson, kCsv, kMarkdown, kHtml };
[[nodiscard]] std::string render(const Report& report, Format format, bool color = false);

}  // namespace fleetmeter::cost
