#include "cost/month_usage.h"

#include <algorithm>
#include <utility>

#include "cost/network_hours.h"
#include "cost/usage_fold.h"

namespace fleetmeter::cost {
namespace {

constexpr const char* kUnassigned = "unassigned";

}  // namespace

void InstanceSeconds::Clock::end_hour(std::size_t slot) {
  if (seconds[slot] == 0) return;
  const auto seen = static_cast<std::uint32_t>(std::min<std::uint64_t>(3600, seconds[slot]));
  const bool goes_on = !runs.empty() && runs.back().seconds == seen &&
                       runs.back().first_hour + runs.back().hours == hours[slot];
  if (goes_on) {
    ++runs.back().hours;
  } else {
    runs.push_back({hours[slot], 1, seen});
  }
}

void InstanceSeconds::add(const std::string& environment, const std::string& instance,
                          std::uint32_t hour, std::uint64_t seconds) {
  Clock& clock = clocks_[instance];
  const bool better = clock.environment == nullptr || *clock.environment == kUnassigned ||
                      (environment != kUnassigned && environment < *clock.environment);
  if (better) clock.environment = &environment;
  const std::size_t slot = hour % 2;
  if (clock.hours[slot] != hour) {
    clock.end_hour(slot);
    clock.hours[slot] = hour;
    clock.seconds[slot] = 0;
  }
  clock.seconds[slot] += seconds;
}

void InstanceSeconds::finish(MonthUsage& month) {
  for (auto& [instance, clock] : clocks_) {
    const std::size_t earlier = clock.hours[1] < clock.hours[0] ? 1 : 0;
    clock.end_hour(earlier);
    clock.end_hour(1 - earlier);
    month.instances[std::string(instance)] = {*clock.environment, std::move(clock.runs)};
  }
}

void add_gateway_minutes(std::string_view sighting, const std::string& environment,
                         std::uint32_t hour, std::uint64_t minutes, MonthUsage& month) {
  const auto told = read_gateway_sighting(sighting);
  if (!told) return;
  const auto& [name, metric] = *told;
  MonthUsage::GatewayHours& gateway = month.metered_gateways[std::string(name)];
  if (gateway.environment.empty()) gateway.environment = environment;
  MonthUsage::GatewayHours::Minutes& of_hour = gateway.minutes[hour];
  std::uint32_t& count =
      metric == "BytesInFromSource" ? of_hour.from_source : of_hour.from_destination;
  count += static_cast<std::uint32_t>(minutes);
}

MonthUsage month_usage(const std::vector<HourlyUsage>& usage, const std::vector<FlowUsage>& flows) {
  MonthUsage month;
  InstanceSeconds instances;
  std::vector<const HourlyUsage*> sorted;
  for (const HourlyUsage& row : usage) sorted.push_back(&row);
  std::ranges::stable_sort(sorted, {}, [](const HourlyUsage* row) { return row->hour; });
  for (const HourlyUsage* row : sorted) {
    month.see(row->hour);
    if (row->kind == "instance_seconds") {
      instances.add(row->environment, row->resource, row->hour, row->quantity);
    } else if (row->kind == "nat_bytes") {
      MonthUsage::GatewayHours& gateway = month.metered_gateways[row->resource];
      gateway.environment = row->environment;
      gateway.bytes[row->hour] += row->quantity;
    } else if (row->kind == "nat_minutes") {
      add_gateway_minutes(row->resource, row->environment, row->hour, row->quantity, month);
    } else {
      month.totals[row->kind][{row->environment, row->resource}] += row->quantity;
    }
  }
  instances.finish(month);

  FlowCharger charger;
  charge_all(flows, charger);
  for (const FlowUsage& flow : flows) {
    month.see(flow.hour);
    if (flow.status == proto::FLOW_SKIPDATA) month.skipped_records += flow.records;
  }
  take_charges(charger, month);
  return month;
}

void take_charges(const FlowCharger& charger, MonthUsage& month) {
  month.charged = charger.charged();
  month.without_action = charger.without_action();
  for (const auto& [key, hours] : charger.nat_hours()) {
    MonthUsage::GatewayHours& gateway = month.recorded_gateways[key.second];
    if (gateway.environment.empty()) gateway.environment = key.first;
    for (const auto& [hour, bytes] : hours) gateway.bytes[hour] += bytes;
  }
}

}  // namespace fleetmeter::cost
