#include <algorithm>
#include <bit>
#include <map>
#include <tuple>
#include <unordered_map>

#include "cost/flow_key.h"
#include "cost/usage_tables.h"

namespace fleetmeter::cost {
namespace {

using aggregator::SqliteDatabase;
using aggregator::SqliteQuery;
using Texts = std::unordered_map<std::int64_t, std::string>;

Result<Texts> read_texts(SqliteDatabase& database) {
  Texts texts;
  SqliteQuery query(database, "SELECT id, value FROM text");
  while (query.next()) texts.emplace(query.integer(0), std::string(query.blob(1)));
  if (auto done = query.finish(); !done) return std::move(done).error();
  return texts;
}

auto order_of(const FlowUsage& f) {
  return std::tie(f.hour, f.environment, f.interface, f.owner, f.peer_owner, f.status, f.action,
                  f.direction, f.path_class, f.nat_leg, f.role, f.peer_role, f.interface_az,
                  f.owner_az, f.peer_az, f.peer_service, f.peer_region, f.peer_interface,
                  f.traffic_path);
}

using UsageMap =
    std::map<std::tuple<std::string, std::uint32_t, std::string, std::string>, std::uint64_t>;

Result<void> add_rows(SqliteQuery& query, const Texts& texts, const std::string& environment,
                      UsageMap& usage) {
  while (query.next()) {
    const std::string& of = texts.at(query.integer(0));
    if (!environment.empty() && of != environment) continue;
    usage[{of, static_cast<std::uint32_t>(query.integer(1)), texts.at(query.integer(2)),
           texts.at(query.integer(3))}] += static_cast<std::uint64_t>(query.integer(4));
  }
  return query.finish();
}

/// Adds the minutes from `first` up to `end` to the hours they lie in, as seconds.
void add_run(UsageMap& usage, const std::string& environment, const std::string& instance,
             std::int64_t first, std::int64_t end, std::int64_t from_hour, std::int64_t to_hour) {
  for (std::int64_t hour = first / 60; hour * 60 < end; ++hour) {
    if (hour < from_hour || hour >= to_hour) continue;
    const std::int64_t minutes = std::min(end, (hour + 1) * 60) - std::max(first, hour * 60);
    usage[{environment, static_cast<std::uint32_t>(hour), "instance_seconds", instance}] +=
        static_cast<std::uint64_t>(minutes * 60);
  }
}

/// Seconds that each instance ran: its seen minutes, with the gaps between two sightings of one run
/// filled.
Result<void> add_instances(SqliteDatabase& database, const Texts& texts, std::uint32_t from_hour,
                           std::uint32_t to_hour, const std::string& environment, UsageMap& usage) {
  // One hour more on both sides, for runs that cross the edge.
  SqliteQuery query(database,
                    "SELECT environment, instance, hour, mask FROM instance_minutes WHERE hour >= "
                    "?1 AND hour < ?2 "
                    "ORDER BY environment, instance, hour");
  query.bind(1, std::int64_t{from_hour} - 1).bind(2, std::int64_t{to_hour} + 1);
  std::pair<std::int64_t, std::int64_t> of{-1, -1};
  std::int64_t first = 0, end = 0;  // The open run, [first, end) in minutes.
  std::int64_t hour = -1;           // Its minutes are gathered: several log partitions may tell.
  std::uint64_t seen = 0;
  const auto close = [&] {
    if (of.first < 0 || end == first) return;
    const std::string& name = texts.at(of.first);
    if (environment.empty() || name == environment)
      add_run(usage, name, texts.at(of.second), first, end, from_hour, to_hour);
  };
  const auto end_hour = [&] {
    if (of.first >= 0 && seen != 0 && read_gateway_sighting(texts.at(of.second))) {
      const std::string& name = texts.at(of.first);
      const bool asked = hour >= from_hour && hour < to_hour;
      if (asked && (environment.empty() || name == environment)) {
        usage[{name, static_cast<std::uint32_t>(hour), "nat_minutes", texts.at(of.second)}] +=
            static_cast<std::uint64_t>(std::popcount(seen));
      }
      seen = 0;
    }
    for (; seen != 0; seen &= seen - 1) {
      const std::int64_t minute = hour * 60 + std::countr_zero(seen);
      if (end == first || minute - end >= kSightingGapMinutes) {
        close();
        first = minute;
      }
      end = minute + 1;
    }
  };
  while (query.next()) {
    const std::pair<std::int64_t, std::int64_t> row{query.integer(0), query.integer(1)};
    if (row != of || query.integer(2) != hour) end_hour();
    if (row != of) {
      close();
      of = row;
      first = end = 0;
    }
    hour = query.integer(2);
    seen |= static_cast<std::uint64_t>(query.integer(3));
  }
  end_hour();
  close();
  return query.finish();
}

}  // namespace

Result<std::vector<FlowUsage>> read_flows(SqliteDatabase& database, std::uint32_t from_hour,
                                          std::uint32_t to_hour, const std::string& environment) {
  Result<Texts> texts = read_texts(database);
  if (!texts) return std::move(texts).error();
  std::vector<FlowUsage> flows;
  const std::string sql = "SELECT " + kFlowKeyColumns +
                          ", hour, sum(bytes), sum(packets), sum(records) FROM flow_hour "
                          "JOIN flow_key ON flow_key.id = key "
                          "WHERE hour >= ?1 AND hour < ?2 GROUP BY hour, key";
  SqliteQuery query(database, sql.c_str());
  query.bind(1, from_hour).bind(2, to_hour);
  const auto number = [&](std::size_t column) { return query.integer(static_cast<int>(column)); };
  while (query.next()) {
    if (!environment.empty() && texts->at(number(kEnvironment)) != environment) continue;
    FlowUsage flow;
    read_flow_key(query, *texts, flow);
    flow.hour = static_cast<std::uint32_t>(number(kFlowFacts));
    flow.bytes = static_cast<std::uint64_t>(number(kFlowFacts + 1));
    flow.packets = static_cast<std::uint64_t>(number(kFlowFacts + 2));
    flow.records = static_cast<std::uint64_t>(number(kFlowFacts + 3));
    flows.push_back(std::move(flow));
  }
  if (auto done = query.finish(); !done) return std::move(done).error();
  std::sort(flows.begin(), flows.end(),
            [](const FlowUsage& a, const FlowUsage& b) { return order_of(a) < order_of(b); });
  return flows;
}

Result<std::vector<HourlyUsage>> read_usage(SqliteDatabase& database, std::uint32_t from_hour,
                                            std::uint32_t to_hour, const std::string& environment) {
  Result<Texts> texts = read_texts(database);
  if (!texts) return std::move(texts).error();
  UsageMap usage;
  {
    SqliteQuery query(database,
                      "SELECT environment, hour, kind, resource, quantity FROM usage_hour WHERE "
                      "hour >= ?1 AND hour < ?2");
    query.bind(1, from_hour).bind(2, to_hour);
    if (auto done = add_rows(query, *texts, environment, usage); !done)
      return std::move(done).error();
  }
  {
    SqliteQuery query(database,
                      "SELECT environment, start_s / 3600, kind, resource, quantity FROM "
                      "metric_period WHERE start_s >= "
                      "?1 AND start_s < ?2");
    query.bind(1, std::int64_t{from_hour} * 3600).bind(2, std::int64_t{to_hour} * 3600);
    if (auto done = add_rows(query, *texts, environment, usage); !done)
      return std::move(done).error();
  }
  if (auto done = add_instances(database, *texts, from_hour, to_hour, environment, usage); !done) {
    return std::move(done).error();
  }
  std::vector<HourlyUsage> rows;
  rows.reserve(usage.size());
  for (const auto& [key, quantity] : usage) {
    rows.push_back(
        {std::get<0>(key), std::get<1>(key), std::get<2>(key), std::get<3>(key), quantity});
  }
  return rows;
}

Result<std::optional<std::uint32_t>> find_first_hour(SqliteDatabase& database,
                                                     std::uint32_t from_hour) {
  std::optional<std::uint32_t> first;
  for (const char* sql :
       {"SELECT hour FROM flow_hour WHERE hour >= ?1 AND bytes + packets + records > 0 "
        "ORDER BY hour LIMIT 1",
        "SELECT hour FROM usage_hour WHERE hour >= ?1 ORDER BY hour LIMIT 1",
        "SELECT hour FROM instance_minutes WHERE hour >= ?1 ORDER BY hour LIMIT 1",
        "SELECT start_s / 3600 FROM metric_period WHERE start_s / 3600 >= ?1 "
        "ORDER BY start_s LIMIT 1"}) {
    SqliteQuery query(database, sql);
    query.bind(1, from_hour);
    if (query.next()) {
      const auto hour = static_cast<std::uint32_t>(query.integer(0));
      first = std::min(first.value_or(hour), hour);
    }
    if (auto done = query.finish(); !done) return std::move(done).error();
  }
  return first;
}

}  // namespace fleetmeter::cost
