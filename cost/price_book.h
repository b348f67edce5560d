#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cost/money.h"
#include "proto/result.h"

namespace fleetmeter::cost {

/// Slice of a graduated price: units from `from` up to the next slice cost `price` each.
struct PriceTier {
  Quantity from;
  Money price;
};

/// List price of one component in one region. Tiers ascend, the first starts at 0, the last has no
/// end.
struct Price {
  std::string unit;  ///< As AWS quotes it: "h", "GB", "GB-month", "1M requests".
  std::vector<PriceTier> tiers;
  std::string as_of;       ///< Date of the fact, "2026-07-20" or "2024-09"; empty = undated.
  std::string confidence;  ///< checked, derived (by a rule from a checked one), unverified.
};

/// What a payer gets free each month; applied only on demand (--free-tier always).
struct FreeAllowance {
  std::string name;  ///< Its key; one ending in ".*" is a pool for all keys that begin so.
  Quantity quantity;
  bool per_hour = false;    ///< For each hour of the month: its unit ends in "/h".
  bool per_region = false;  ///< Else one pool for the payer over all regions.
};

struct InstanceType {
  std::int64_t vcpu = 0;
  std::string memory_gib;
  bool arm = false, burstable = false;
};

/// Cost of `quantity` in graduated tiers, each slice at its own price (AWS Pricing, "tiered
/// pricing").
[[nodiscard]] Money tiered_cost(const std::vector<PriceTier>& tiers, Quantity quantity) noexcept;

/// On-demand list prices by region and component key such as "ec2.instance.m5.large.windows"
/// (docs/cost.md lists the keys). Built from dated CSV facts inside the binary; a directory may
/// replace or add rows. Immutable after loading, so any thread may read it. A key without a row is
/// a named unknown for the caller, never 0.
class PriceBook {
 public:
  /// The facts that the binary carries.
  static Result<PriceBook> embedded();
  /// Those, overlaid by the files of `directory`: `<region>.csv` (all tiers of a key are replaced
  /// together), `instance-types.csv`, `free-tier.csv`. Errors name file and line: also of a file by
  /// another name and of a unit that is not the built-in price's. `warnings` gets "FILE:LINE: ..." of
  /// keys that no built-in price has and that are of no open family (`ec2.instance.<type>...`).
  static Result<PriceBook> load(const std::string& directory,
                                std::vector<std::string>* warnings = nullptr);
  /// From named texts, in order, later ones overlay earlier ones; for tests and `load`.
  static Result<PriceBook> parse(
      const std::vector<std::pair<std::string, std::string>>& named_texts);

  /// nullptr = price not found.
  [[nodiscard]] const Price* find(std::string_view region, std::string_view key) const;
  /// Of the price key, by its own name or the pool that it belongs to; nullptr = none.
  [[nodiscard]] const FreeAllowance* free_allowance(std::string_view key) const;
  /// Unit of a key wherever it has a price; empty = nowhere.
  [[nodiscard]] std::string_view unit_of(std::string_view key) const;
  [[nodiscard]] const InstanceType* instance_type(std::string_view type) const;
  [[nodiscard]] std::vector<std::string> regions() const;
  [[nodiscard]] bool has_region(std::string_view region) const;

 private:
  using Prices = std::map<std::string, Price, std::less<>>;
  /// Of a file that overlays the built-in prices, before it is read: keys and units.
  [[nodiscard]] Result<void> check_overlay(const std::string& name, std::string_view text,
                                           std::vector<std::string>& warnings) const;
  Result<void> read_prices(const std::string& name, const std::string& region,
                           std::string_view text);
  Result<void> read_instance_types(const std::string& name, std::string_view text);
  Result<void> read_free_tier(const std::string& name, std::string_view text);
  void add_surcharged();

  std::map<std::string, Prices, std::less<>> regions_;
  std::map<std::string, InstanceType, std::less<>> types_;
  std::map<std::string, FreeAllowance, std::less<>> free_;
};

}  // namespace fleetmeter::cost
