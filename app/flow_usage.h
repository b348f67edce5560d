#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "aggregator/inventory.h"
#include "app/flow_totals.h"
#include "parsers/flow_columns.h"

namespace fleetmeter::app {

/// How much is told apart. What is met beyond it adds up in entries named "other", so that input
/// full of ever new names cannot fill the memory; sums of the whole stay exact. Beyond `keys_max` and
/// `rows_max` charges cannot pair a record with that of its other end.
struct FlowUsageLimits {
  static constexpr std::uint32_t kInterfacesMax = 1u << 16;
  static constexpr std::uint32_t kOwnersMax = 1u << 16;
  static constexpr std::uint32_t kNamesMax = 1u << 12;
  static constexpr std::uint32_t kKeysMax = 1u << 19;
  static constexpr std::uint32_t kRowsMax = 1u << 23;

  /// Names that only records tell; those that the inventory knows are told apart in any case, as
  /// charges depend on them, and it is no larger than the user made it.
  std::uint32_t interfaces_max = kInterfacesMax;
  std::uint32_t owners_max = kOwnersMax;
  std::uint32_t names_max = kNamesMax;  ///< Zones and services, of which AWS has some hundred.
  std::uint32_t keys_max = kKeysMax;    ///< Combinations of facts; under a kB each.
  std::uint32_t rows_max = kRowsMax;    ///< Combinations in an hour; under 100 bytes each.
};

/// Records that were not rejected, by what they could not be told apart by.
struct FlowsOverLimit {
  std::uint64_t by_interface = 0, by_owner = 0;
};

/// Hourly usage of flow records, straight from their columns and apart by what they lack. Records
/// without bytes or start are attributed like the others, which no aggregate does: those without
/// start in an hour of their own, by the newest entries of the inventory. Bounded input: nothing
/// is late. Not thread safe.
class FlowUsageReader {
 public:
  /// `environment` is forced on every record; empty = by the inventory.
  FlowUsageReader(std::shared_ptr<const aggregator::Inventory> inventory,
                  const std::string& environment, const FlowUsageLimits& limits = {});
  ~FlowUsageReader();
  void add(const parsers::FlowColumns& flows);
  /// Of all records added; views are good as long as this. Nothing is added after it.
  [[nodiscard]] HourlyFlows finish();
  /// After finish().
  [[nodiscard]] FlowsOverLimit over_limit() const noexcept;
  /// By the aggregator, by reason; after finish().
  [[nodiscard]] std::map<std::string, std::uint64_t> dropped() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace fleetmeter::app
