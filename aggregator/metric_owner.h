#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "aggregator/inventory.h"
#include "parsers/metric_batch.h"

namespace fleetmeter::aggregator {

/// What the inventory says of a thing that a series is of; nullptr = nothing.
struct MetricOwner {
  const Resource* resource = nullptr;
  const Interface* interface = nullptr;  ///< One that such a thing has.
};

/// Things of an inventory by the values of the dimensions that name them (NatGatewayId, TableName,
/// ...), each dimension naming things of its own types only. Names are not unique as ids are: an
/// entry of another account or region than the datapoint's is another thing, and where entries of
/// several environments are left, the name says nothing. Views into the inventory, which must
/// outlive it; grows with the entries that a dimension can name. Rule: docs/inventory.md,
/// "Environments".
class MetricOwners {
 public:
  explicit MetricOwners(const Inventory& inventory);

  struct Found {
    std::vector<MetricOwner> owners;  ///< The narrowest first.
    Validity stretch;                 ///< Around the time asked for: all of it has this answer.
  };
  /// Of the things that the dimensions name; an empty account or region is not known.
  [[nodiscard]] Found find(std::span<const parsers::Dimension> dimensions, std::string_view account,
                           std::string_view region, std::int64_t at_s) const;

 private:
  std::unordered_multimap<std::string_view, const Resource*> resources_;
  std::unordered_multimap<std::string_view, const Interface*> interfaces_;
};

}  // namespace fleetmeter::aggregator
