#include "app/cost_report.h"

#include <charconv>
#include <cstdio>
#include <set>

#include "cost/month_usage.h"
#include "cost/usage_store.h"

namespace fleetmeter::app {

using std::chrono::year_month;

std::optional<year_month> parse_month(std::string_view text) noexcept {
  if (text.size() != 7 || text[4] != '-') return std::nullopt;
  int year = 0;
  unsigned month = 0;
  const char* const end = text.data() + text.size();
  const auto [year_end, year_error] = std::from_chars(text.data(), text.data() + 4, year);
  const auto [month_end, month_error] = std::from_chars(text.data() + 5, end, month);
  if (year_error != std::errc{} || month_error != std::errc{}) return std::nullopt;
  if (year_end != text.data() + 4 || month_end != end) return std::nullopt;
  const year_month parsed{std::chrono::year{year}, std::chrono::month{month}};
  // Unix hours begin in 1970.
  if (!parsed.ok() || year < 1970) return std::nullopt;
  return parsed;
}

std::string month_text(year_month month) {
  char text[16];
  std::snprintf(text, sizeof text, "%04d-%02u", static_cast<int>(month.year()),
                static_cast<unsigned>(month.month()));
  return text;
}

year_month month_of(std::int64_t at_s) noexcept {
  const auto day =
      std::chrono::floor<std::chrono::days>(std::chrono::sys_seconds{std::chrono::seconds{at_s}});
  const std::chrono::year_month_day date{day};
  return {date.year(), date.month()};
}

MonthHours hours_of(year_month month) noexcept {
  const auto hour = [](year_month of) {
    const std::chrono::sys_days first{of / std::chrono::day{1}};
    return static_cast<std::uint32_t>(first.time_since_epoch().count() * 24);
  };
  return {hour(month), hour(month + std::chrono::months{1})};
}

Result<std::vector<year_month>> months_of(const std::string& cost_db) {
  auto store = cost::UsageStore::open_read_only(cost_db);
  if (!store) return std::move(store).error();
  std::vector<year_month> months;
  for (std::uint32_t from_hour = 0;;) {
    const auto hour = (*store)->first_hour(from_hour);
    if (!hour) return hour.error();
    if (!*hour) return months;
    months.push_back(month_of(std::int64_t{**hour} * 3600));
    from_hour = hours_of(months.back()).last;
  }
}

namespace {

Result<cost::Report> priced(const cost::ReportOptions& options, const cost::PriceBook& prices,
                            const aggregator::Inventory& inventory,
                            const cost::UsageFile* usage_file, const std::string& cost_db) {
  if (options.basis == cost::ReportOptions::Basis::kEstimate)
    return cost::make_report(options, prices, inventory, usage_file, {}, {});
  const auto month = parse_month(options.month);
  if (!month)
    return Error{ErrorCode::kInvalidArgument,
                 "month: `" + options.month + "` is not a month like 2026-11"};
  auto store = cost::UsageStore::open_read_only(cost_db);
  if (!store) return std::move(store).error();
  const MonthHours hours = hours_of(*month);
  const auto usage = (*store)->month(hours.first, hours.last);
  if (!usage) return usage.error();
  return cost::make_report(options, prices, inventory, usage_file, *usage);
}

/// Names that a bill may be asked for by, in order.
std::set<std::string> environments_of(const cost::Report& report,
                                      const aggregator::Inventory& inventory) {
  std::set<std::string> names{"unassigned"};
  for (const aggregator::EnvironmentMatch& declared : inventory.environments())
    names.insert(declared.name);
  for (const cost::EnvironmentReport& one : report.environments) names.insert(one.environment);
  return names;
}

}  // namespace

Result<cost::Report> report_of(const cost::ReportOptions& options, const cost::PriceBook& prices,
                               const aggregator::Inventory& inventory,
                               const cost::UsageFile* usage_file, const std::string& cost_db) {
  auto report = priced(options, prices, inventory, usage_file, cost_db);
  const std::string& asked = options.environment;
  if (!report || asked.empty() || environments_of(*report, inventory).contains(asked))
    return report;
  cost::ReportOptions all = options;
  all.environment.clear();
  const auto whole = priced(all, prices, inventory, usage_file, cost_db);
  if (!whole) return whole.error();
  std::string names;
  for (const std::string& name : environments_of(*whole, inventory))
    names += (names.empty() ? "" : ", ") + name;
  return Error{ErrorCode::kInvalidArgument, "environment: `" + asked + "` is none of " + names};
}

}  // namespace fleetmeter::app
