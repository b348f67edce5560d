#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "aggregator/sqlite_database.h"
#include "cost/network.h"
#include "cost/usage_store.h"
#include "proto/result.h"

namespace fleetmeter::cost {

/// What a report needs of the hourly usage of its hours: sums over them, so that it grows with the
/// resources alone, but for the runs of a machine whose hours differ.
struct MonthUsage {
  using Owner = std::pair<std::string, std::string>;  ///< environment, resource
  /// Metered quantities by kind (HourlyUsage::kind), without those below.
  std::map<std::string, std::map<Owner, std::uint64_t>, std::less<>> totals;

  struct InstanceTime {
    /// The first by name that saw it; "unassigned" only where no other did.
    std::string environment;
    /// Hours [first_hour, first_hour + hours) in each of which so many seconds were seen: of most
    /// machines a run or two. An hour that two environments saw (before and after the inventory knew
    /// it) counts once.
    struct Run {
      std::uint32_t first_hour = 0, hours = 0;
      std::uint32_t seconds = 0;
    };
    std::vector<Run> runs;
  };
  std::map<std::string, InstanceTime> instances;

  struct GatewayHours {
    std::string environment;
    std::map<std::uint32_t, std::uint64_t> bytes;  ///< By Unix hour.
    /// Of its metrics, by Unix hour: minutes that each of the two told. An hour that an earlier
    /// release wrote has none.
    struct Minutes {
      std::uint32_t from_source = 0, from_destination = 0;
    };
    std::map<std::uint32_t, Minutes> minutes = {};
  };
  std::map<std::string, GatewayHours> metered_gateways;   ///< By NAT gateway, from its metrics.
  std::map<std::string, GatewayHours> recorded_gateways;  ///< By its interface, from flow records.

  std::vector<ChargedBytes> charged;
  std::map<std::string, std::uint64_t> without_action;  ///< As FlowCharger has it.
  std::uint64_t skipped_records = 0;                    ///< SKIPDATA.
  /// Hours from the first to the last that anything speaks of, both included; 0 = of none.
  [[nodiscard]] std::uint32_t hours() const noexcept {
    return first_hour > last_hour ? 0 : last_hour - first_hour + 1;
  }
  void see(std::uint32_t hour) noexcept {
    first_hour = hour < first_hour ? hour : first_hour;
    last_hour = hour > last_hour ? hour : last_hour;
  }
  std::uint32_t first_hour = UINT32_MAX, last_hour = 0;
};

/// Seconds per instance and hour, from seconds in hours that come in ascending order of the hour but
/// for the one before.
class InstanceSeconds {
 public:
  /// `environment` and `instance` must outlive this.
  void add(const std::string& environment, const std::string& instance, std::uint32_t hour,
           std::uint64_t seconds);
  void finish(MonthUsage& month);

 private:
  struct Clock {
    const std::string* environment = nullptr;
    std::vector<MonthUsage::InstanceTime::Run> runs;
    std::uint32_t hours[2] = {UINT32_MAX, UINT32_MAX};  ///< By parity; not in `runs` yet.
    std::uint64_t seconds[2] = {0, 0};

    void end_hour(std::size_t slot);
  };
  std::unordered_map<std::string_view, Clock> clocks_;
};

class FlowCharger;
/// Its results, into the month.
void take_charges(const FlowCharger& charger, MonthUsage& month);

/// Minutes of an hour in which a NAT gateway's metric was there, named by its sighting.
void add_gateway_minutes(std::string_view sighting, const std::string& environment,
                         std::uint32_t hour, std::uint64_t minutes, MonthUsage& month);

/// Of rows in any order.
[[nodiscard]] MonthUsage month_usage(const std::vector<HourlyUsage>& usage,
                                     const std::vector<FlowUsage>& flows);

/// Of the hours [from_hour, to_hour) of a usage store, read one after the other: memory grows with
/// resources and keys, not with hours that are alike. Equal to month_usage of its rows.
Result<MonthUsage> read_month(aggregator::SqliteDatabase& database, std::uint32_t from_hour,
                              std::uint32_t to_hour);

}  // namespace fleetmeter::cost
