#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "aggregator/inventory_data.h"
#include "proto/result.h"

namespace fleetmeter::aggregator {

/// What a reader does not know goes here, each thing once.
class InventoryWarnings {
 public:
  InventoryWarnings(std::string file, std::vector<Inventory::Problem>& out)
      : file_(std::move(file)), out_(out) {}
  void add(std::string message);

 private:
  std::string file_;
  std::vector<Inventory::Problem>& out_;
  std::unordered_set<std::string> said_;
};

/// Appends what one text holds; its kind is told by its content. Errors do not name the file: the
/// caller knows it.
[[nodiscard]] Result<void> read_inventory_text(const std::string& text, InventoryEntries& out,
                                               InventoryWarnings& warnings);

/// A release that has learned to refuse more must still read what an earlier one took into the log.
enum class InventoryOrigin : std::uint8_t { kFile, kLog };

/// The plain form (docs/inventory.md).
[[nodiscard]] Result<void> read_plain(const std::string& text, bool json, InventoryOrigin origin,
                                      InventoryEntries& out, InventoryWarnings& warnings);

/// Role of an interface by what EC2 says of it. Rule: Amazon EC2 User Guide, "Requester-managed
/// network interfaces", and the InterfaceType values of the EC2 API reference, "NetworkInterface".
/// `resource_id` gets the owner that the description names.
[[nodiscard]] proto::InterfaceRole role_of_interface(const std::string& type,
                                                     const std::string& description,
                                                     bool requester_managed, bool has_instance,
                                                     std::string& resource_id);
/// Whether anything reads an attribute of this name ("multi_az", "ebs_block_device.0.volume_size",
/// "allocation_id_address"): of any type, since most names are those of several.
[[nodiscard]] bool is_known_attribute(std::string_view name);
/// nullopt when it is none of instance, nat, alb, nlb, endpoint, rds, transit_gateway, lambda,
/// other, unknown.
[[nodiscard]] std::optional<proto::InterfaceRole> role_by_name(std::string_view name);
[[nodiscard]] std::string_view name_of_role(proto::InterfaceRole role);

}  // namespace fleetmeter::aggregator
