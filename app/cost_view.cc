#include "app/cost_view.h"

#include "alarms/json_text.h"
#include "app/command.h"
#include "app/cost_report.h"
#include "app/flow_totals.h"
#include "cost/usage_store.h"
#include "proto/rfc3339.h"

namespace fleetmeter::app {

namespace {

constexpr std::size_t kTopEntries = 20;

/// Facts that the binary carries; read once, they never change.
const Result<cost::PriceBook>& embedded_prices() {
  static const Result<cost::PriceBook> kPrices = cost::PriceBook::embedded();
  return kPrices;
}

Error bad(const std::string& message) { return {ErrorCode::kInvalidArgument, message}; }

Result<cost::ReportOptions> options_of(const CostQuery& query) {
  using Basis = cost::ReportOptions::Basis;
  cost::ReportOptions options;
  options.month = query.month.empty() ? month_text(month_of(query.now_s)) : query.month;
  if (!parse_month(options.month))
    return bad("month: `" + query.month + "` is not a month like 2026-11");
  options.environment = query.environment;
  options.budgets = query.budgets;
  if (query.basis.empty() || query.basis == "to_date") {
    options.basis = Basis::kToDate;
  } else if (query.basis == "estimate") {
    options.basis = Basis::kEstimate;
  } else {
    return bad("basis: `" + query.basis + "` is none of to_date, estimate");
  }
  return options;
}

}  // namespace

Result<std::string> cost_report_json(const std::string& cost_db,
                                     const aggregator::Inventory& inventory,
                                     const CostQuery& query) {
  const auto options = options_of(query);
  if (!options) return options.error();
  const auto& prices = embedded_prices();
  if (!prices) return prices.error();
  const auto report = report_of(*options, *prices, inventory, nullptr, cost_db);
  if (!report) return report.error();
  return cost::render(*report, cost::Format::kJson);
}

Result<std::string> flows_json(const std::string& cost_db, std::int64_t now_s,
                               std::uint32_t hours) {
  auto store = cost::UsageStore::open_read_only(cost_db);
  if (!store) return std::move(store).error();
  const auto end_hour = static_cast<std::uint32_t>(now_s / 3600 + 1);  // The hour we are in counts.
  const std::uint32_t first_hour = end_hour > hours ? end_hour - hours : 0;
  auto flows = (*store)->flows(first_hour, end_hour);
  if (!flows) return std::move(flows).error();
  FlowTotals totals = total_flows(hourly_flows(*flows));
  // Hourly usage holds no record without bytes, and of packets only their sum.
  const auto told = [](const Traffic& sums) { return sums.bytes == 0 || sums.packets > 0; };
  if (!told(totals.not_rejected())) totals.forget_packets();
  if (!told(totals.reject)) totals.reject.records_without_packets = totals.reject.records;
  const std::vector<TopList> top{
      make_top("interface", totals.interfaces, totals.not_rejected(), kTopEntries),
      make_top("owner", totals.owners, totals.not_rejected(), kTopEntries),
      make_top("nat_gateway", totals.nat_gateways, totals.nat(), kTopEntries),
      make_top("nat", totals.nat_owners, totals.nat(), kTopEntries)};
  return "{\"schema\":1,\"time\":{\"first\":" +
         alarms::json_string(rfc3339(std::int64_t{first_hour} * 3600)) +
         ",\"last\":" + alarms::json_string(rfc3339(std::int64_t{end_hour} * 3600)) +
         "},\"accept\":" + traffic_json(totals.accept) +
         ",\"reject\":" + traffic_json(totals.reject) +
         ",\"no_action\":" + traffic_json(totals.no_action, totals.no_action_path_classes) +
         ",\"path_classes\":" + path_classes_json(totals.path_classes) +
         ",\"charges\":" + charges_json(totals.charges) + ",\"top\":" + top_json(top) + "}";
}

Result<std::vector<cost::Report>> replay_cost(const std::string& cost_db,
                                              const aggregator::Inventory& inventory) {
  const auto months = months_of(cost_db);
  if (!months) return months.error();
  const auto& prices = embedded_prices();
  if (!prices) return prices.error();
  std::vector<cost::Report> reports;
  for (const std::chrono::year_month month : *months) {
    cost::ReportOptions options;
    options.month = month_text(month);
    options.basis = cost::ReportOptions::Basis::kToDate;
    auto report = report_of(options, *prices, inventory, nullptr, cost_db);
    if (!report) return std::move(report).error();
    reports.push_back(*std::move(report));
  }
  return reports;
}

}  // namespace fleetmeter::app
