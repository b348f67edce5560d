#include "cost/report.h"

#include <fmt/format.h>

#include <algorithm>

#include "cost/draft.h"
#include "cost/estimate.h"
#include "cost/month_usage.h"
#include "cost/to_date.h"

namespace fleetmeter::cost {
namespace {

void check_budgets(const ReportOptions& options, Report& report) {
  for (const auto& [name, budget] : options.budgets) {
    if (!options.environment.empty() && options.environment != name) continue;
    const auto found = std::find_if(
        report.environments.begin(), report.environments.end(),
        [&name = name](const EnvironmentReport& one) { return one.environment == name; });
    if (found == report.environments.end()) {
      report.warnings.push_back(
          fmt::format("the budget of {} is not checked: nothing is known to belong to it", name));
      continue;
    }
    const bool has_unknown = std::any_of(found->lines.begin(), found->lines.end(),
                                         [](const Line& line) { return !line.amount; });
    found->budget = check_budget(budget, found->total.value_or(Money{}), has_unknown);
  }
}

Result<Report> estimate(const ReportOptions& options, const PriceBook& prices,
                        const aggregator::Inventory& inventory, const UsageFile* usage_file) {
  std::vector<std::string> warnings;
  Result<std::vector<Draft>> drafts =
      Estimator(options, prices, inventory, usage_file, period_of_month(options.month))
          .run(warnings);
  if (!drafts) return std::move(drafts).error();
  Report report = settle(options, options.hours, prices, usage_file, *std::move(drafts));
  report.warnings.insert(report.warnings.begin(), warnings.begin(), warnings.end());
  check_budgets(options, report);
  return report;
}

/// To date, what is billed by the month is billed for the part that was seen of the month's own hours,
/// as AWS prorates it: a whole February costs a month. Rule: Amazon EBS pricing, "GB-month".
std::uint32_t hours_of_bill(const ReportOptions& options) {
  const Period month = period_of_month(options.month), all;
  if (month.from_s == all.from_s || month.to_s == all.to_s) return options.hours;
  return static_cast<std::uint32_t>((month.to_s - month.from_s) / 3600);
}

}  // namespace

Result<Report> make_report(const ReportOptions& options, const PriceBook& prices,
                           const aggregator::Inventory& inventory, const UsageFile* usage_file,
                           const std::vector<HourlyUsage>& usage,
                           const std::vector<FlowUsage>& flows) {
  return make_report(options, prices, inventory, usage_file, month_usage(usage, flows));
}

Result<Report> make_report(const ReportOptions& options, const PriceBook& prices,
                           const aggregator::Inventory& inventory, const UsageFile* usage_file,
                           const MonthUsage& usage) {
  if (options.bytes_per_gb == 0)
    return Error{ErrorCode::kInvalidArgument, "a GB of 0 bytes; say 2^30 or 10^9"};
  if (options.basis == ReportOptions::Basis::kEstimate)
    return estimate(options, prices, inventory, usage_file);
  std::vector<std::string> warnings;
  ReportOptions seen = options;
  seen.hours = usage.hours();
  const std::uint32_t month_hours = hours_of_bill(options);
  std::vector<Draft> drafts = drafts_to_date(seen, month_hours, prices, inventory, usage, warnings);
  Report report = settle(seen, month_hours, prices, usage_file, std::move(drafts));
  report.warnings.insert(report.warnings.begin(), warnings.begin(), warnings.end());
  if (usage_file != nullptr &&
      !(usage_file->resources().empty() && usage_file->defaults().empty())) {
    report.warnings.push_back(
        fmt::format("{}: usage by resource and type is an estimate's, and is not used to date",
                    usage_file->name()));
  }
  if (seen.hours == 0) {
    report.total = report.stated_total = std::nullopt;
    report.warnings.insert(report.warnings.begin(),
                           options.month.empty()
                               ? "nothing was recorded: the total is unknown, and not 0"
                               : fmt::format("nothing was recorded of {}: its total is unknown, "
                                             "and not 0",
                                             options.month));
  }
  check_budgets(options, report);
  return report;
}

}  // namespace fleetmeter::cost
