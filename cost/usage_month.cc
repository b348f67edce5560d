#include <algorithm>
#include <bit>
#include <string>
#include <unordered_map>
#include <vector>

#include "cost/flow_key.h"
#include "cost/month_usage.h"
#include "cost/network_hours.h"
#include "cost/usage_tables.h"

namespace fleetmeter::cost {
namespace {

using aggregator::SqliteDatabase;
using aggregator::SqliteQuery;
using Texts = std::unordered_map<std::int64_t, std::string>;

const std::string kKeysOfRole = "SELECT " + kFlowKeyColumns + " FROM flow_key WHERE role = ?1";
const std::string kKeyOfId = "SELECT " + kFlowKeyColumns + " FROM flow_key WHERE id = ?1";

FlowView view_of(const SqliteQuery& query, const Texts& texts) {
  FlowView view;
  read_flow_key(query, texts, view);
  return view;
}

/// Keys of flow_key as the charger numbers them, met one by one.
class Keys {
 public:
  Keys(SqliteDatabase& database, const Texts& texts, FlowCharger& charger)
      : database_(database), texts_(texts), charger_(charger) {}

  /// Whether a gateway's own address is told by an outside leg of any month does not matter: it is
  /// the same gateway.
  Result<void> learn_gateways() {
    SqliteQuery query(database_, kKeysOfRole.c_str());
    query.bind(1, static_cast<std::int64_t>(proto::ROLE_NAT));
    while (query.next()) charger_.learn(view_of(query, texts_));
    return query.finish();
  }

  struct Key {
    std::uint32_t number = 0;
    bool skipped = false;  ///< SKIPDATA.
    bool met = false;
  };
  Result<Key> find(std::int64_t id) {
    const auto place = static_cast<std::size_t>(id);
    if (place < keys_.size() && keys_[place].met) return keys_[place];
    SqliteQuery query(database_, kKeyOfId.c_str());
    query.bind(1, id);
    if (!query.next()) {
      if (auto done = query.finish(); !done) return std::move(done).error();
      return Error{ErrorCode::kDataLoss, "cost.db: a flow row names a key that is not there"};
    }
    const FlowView view = view_of(query, texts_);
    const Key key{charger_.add(view), view.status == proto::FLOW_SKIPDATA, true};
    if (place >= keys_.size()) keys_.resize(std::max(place + 1, 2 * keys_.size()));
    keys_[place] = key;
    return key;
  }

 private:
  SqliteDatabase& database_;
  const Texts& texts_;
  FlowCharger& charger_;
  std::vector<Key> keys_;  // By id, which the table counts up.
};

Result<void> read_flows(SqliteDatabase& database, const Texts& texts, std::uint32_t from_hour,
                        std::uint32_t to_hour, MonthUsage& month) {
  FlowCharger charger;
  Keys keys(database, texts, charger);
  if (auto learned = keys.learn_gateways(); !learned) return learned;
  // The primary key begins with the hour, so nothing is sorted.
  SqliteQuery query(database,
                    "SELECT hour, key, bytes, records FROM flow_hour WHERE hour >= ?1 AND hour < "
                    "?2 ORDER BY hour, key, partition");
  query.bind(1, from_hour).bind(2, to_hour);
  std::vector<FlowCharger::Row> rows;
  std::uint32_t hour = 0;
  const auto end_hour = [&] {
    if (rows.empty()) return;
    month.see(hour);
    charger.charge(hour, rows);
    rows.clear();
  };
  while (query.next()) {
    const auto next = static_cast<std::uint32_t>(query.integer(0));
    if (next != hour) end_hour();
    hour = next;
    const Result<Keys::Key> key = keys.find(query.integer(1));
    if (!key) return key.error();
    rows.push_back({key->number, static_cast<std::uint64_t>(query.integer(2))});
    if (key->skipped) month.skipped_records += static_cast<std::uint64_t>(query.integer(3));
  }
  if (auto done = query.finish(); !done) return done;
  end_hour();
  take_charges(charger, month);
  return {};
}

Result<void> read_metered(SqliteQuery& query, const Texts& texts, MonthUsage& month) {
  while (query.next()) {
    const auto hour = static_cast<std::uint32_t>(query.integer(1));
    const std::string& environment = texts.at(query.integer(0));
    const std::string& kind = texts.at(query.integer(2));
    const std::string& resource = texts.at(query.integer(3));
    const auto quantity = static_cast<std::uint64_t>(query.integer(4));
    month.see(hour);
    if (kind == "nat_bytes") {
      MonthUsage::GatewayHours& gateway = month.metered_gateways[resource];
      gateway.environment = environment;
      gateway.bytes[hour] += quantity;
    } else {
      month.totals[kind][{environment, resource}] += quantity;
    }
  }
  return query.finish();
}

/// Runs of sightings as in read_usage, but with the hours in order and the open runs in memory.
Result<void> read_instances(SqliteDatabase& database, const Texts& texts, std::uint32_t from_hour,
                            std::uint32_t to_hour, MonthUsage& month) {
  // One hour more on both sides, for runs that cross the edge.
  SqliteQuery query(database,
                    "SELECT hour, environment, instance, mask FROM instance_minutes WHERE hour >= "
                    "?1 AND hour < ?2 ORDER BY hour, environment, instance, partition");
  query.bind(1, std::int64_t{from_hour} - 1).bind(2, std::int64_t{to_hour} + 1);
  std::unordered_map<std::uint64_t, std::int64_t> ends;  // By environment and instance, in minutes.
  InstanceSeconds seconds;
  std::int64_t hour = 0, environment = -1, instance = -1;
  std::uint64_t seen = 0;
  const auto add = [&](std::int64_t first, std::int64_t end) {
    for (std::int64_t at = first / 60; at * 60 < end; ++at) {
      if (at < from_hour || at >= to_hour) continue;
      const std::int64_t minutes = std::min(end, (at + 1) * 60) - std::max(first, at * 60);
      month.see(static_cast<std::uint32_t>(at));
      seconds.add(texts.at(environment), texts.at(instance), static_cast<std::uint32_t>(at),
                  static_cast<std::uint64_t>(minutes * 60));
    }
  };
  const auto end_row = [&] {
    if (seen == 0) return;
    const std::string& name = texts.at(instance);
    if (read_gateway_sighting(name)) {
      if (hour >= from_hour && hour < to_hour) {
        const auto at = static_cast<std::uint32_t>(hour);
        month.see(at);
        const auto minutes = static_cast<std::uint64_t>(std::popcount(seen));
        add_gateway_minutes(name, texts.at(environment), at, minutes, month);
      }
      seen = 0;
      return;
    }
    const std::uint64_t of =
        (static_cast<std::uint64_t>(environment) << 32) | static_cast<std::uint64_t>(instance);
    std::int64_t& end = ends.try_emplace(of, INT64_MIN / 2).first->second;
    std::int64_t first = -1;  // Of the stretch that is not added yet.
    while (seen != 0) {       // A run of minutes at a time: most hours are one.
      const int from = std::countr_zero(seen);
      const int minutes = std::countr_one(seen >> from);
      const std::int64_t minute = hour * 60 + from;
      const bool runs_on = minute - end < kSightingGapMinutes;
      if (first < 0) {
        first = runs_on ? end : minute;
      } else if (!runs_on) {
        add(first, end);
        first = minute;
      }
      end = minute + minutes;
      seen &= ~(((std::uint64_t{1} << minutes) - 1) << from);  // At most 60 of them.
    }
    add(first, end);
  };
  while (query.next()) {
    const bool same =
        query.integer(0) == hour && query.integer(1) == environment && query.integer(2) == instance;
    if (!same) end_row();
    hour = query.integer(0);
    environment = query.integer(1);
    instance = query.integer(2);
    seen |= static_cast<std::uint64_t>(query.integer(3));
  }
  if (auto done = query.finish(); !done) return done;
  end_row();
  seconds.finish(month);
  return {};
}

}  // namespace

Result<MonthUsage> read_month(SqliteDatabase& database, std::uint32_t from_hour,
                              std::uint32_t to_hour) {
  Texts texts;
  {
    SqliteQuery query(database, "SELECT id, value FROM text");
    while (query.next()) texts.emplace(query.integer(0), std::string(query.blob(1)));
    if (auto done = query.finish(); !done) return std::move(done).error();
  }
  MonthUsage month;
  {
    SqliteQuery query(database,
                      "SELECT environment, hour, kind, resource, quantity FROM usage_hour WHERE "
                      "hour >= ?1 AND hour < ?2");
    query.bind(1, from_hour).bind(2, to_hour);
    if (auto done = read_metered(query, texts, month); !done) return std::move(done).error();
  }
  {
    SqliteQuery query(database,
                      "SELECT environment, start_s / 3600, kind, resource, quantity FROM "
                      "metric_period WHERE start_s >= ?1 AND start_s < ?2");
    query.bind(1, std::int64_t{from_hour} * 3600).bind(2, std::int64_t{to_hour} * 3600);
    if (auto done = read_metered(query, texts, month); !done) return std::move(done).error();
  }
  if (auto done = read_instances(database, texts, from_hour, to_hour, month); !done)
    return std::move(done).error();
  if (auto done = read_flows(database, texts, from_hour, to_hour, month); !done)
    return std::move(done).error();
  return month;
}

}  // namespace fleetmeter::cost
