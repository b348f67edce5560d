#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "aggregator/inventory_json.h"
#include "aggregator/inventory_readers.h"

namespace fleetmeter::aggregator {

enum class TerraformKind : std::uint8_t { kNone, kPlan, kState, kRawState };
[[nodiscard]] TerraformKind terraform_kind(const simdjson::dom::element& root);

/// Reads a plan (`terraform show -json PLAN`: resources and groups, marked planned), a state
/// (`terraform show -json`) or a raw terraform.tfstate. Rule: Terraform documentation, "JSON Output
/// Format"; docs/inventory.md has the shapes.
void read_terraform(const simdjson::dom::element& root, TerraformKind kind, InventoryEntries& out,
                    InventoryWarnings& warnings);

/// What the configuration part of a plan tells of things that have no id yet: regions of providers,
/// which launch template a group takes, and what hangs on what. Addresses of modules match with and
/// without their indexes.
class TerraformConfiguration {
 public:
  explicit TerraformConfiguration(const simdjson::dom::element& root);
  [[nodiscard]] std::string region_of(const std::string& address) const;
  /// Address without indexes; empty when there is none.
  [[nodiscard]] std::string template_of(const std::string& address) const;
  /// Resources, without indexes; not complete where variables or other modules are referred to too.
  struct Targets {
    std::vector<std::string> addresses;
    bool complete = true;
  };
  /// What attributes refer to: {"allocation_id": {["aws_eip.a"]}}.
  using References = std::map<std::string, Targets>;
  [[nodiscard]] const References& references_of(const std::string& address) const;

 private:
  void read_providers(const simdjson::dom::element& providers, const simdjson::dom::element& root);
  void read_module(const simdjson::dom::element& module, const std::string& prefix);
  void read_template(const simdjson::dom::element& expressions, const std::string& address,
                     const std::string& prefix);
  void read_references(const simdjson::dom::element& expressions, const std::string& address,
                       const std::string& prefix);
  std::map<std::string, std::string> region_of_, provider_of_, template_of_;
  std::map<std::string, References> references_of_;
};
/// "module.a[0].aws_x.y[\"k\"]" -> "module.a.aws_x.y": configuration blocks have no instances.
[[nodiscard]] std::string without_indexes(std::string_view address);

/// Copies what is allowed of one resource's attributes, flattened:
/// "root_block_device.0.volume_size", "subnet_ids.#". Everything else is dropped here: plans and
/// states print secrets in clear. `sensitive` mirrors `values` with `true` where a value is secret
/// (it may be absent); such a value is dropped even if its name is allowed.
void copy_allowed_attributes(const simdjson::dom::element& values,
                             const std::optional<simdjson::dom::element>& sensitive,
                             std::map<std::string, std::string>& out);
/// Whether the bill or a lookup knows this type.
[[nodiscard]] bool is_known_terraform_type(std::string_view type);
/// Types that cost nothing and say nothing of a place: left out without a word.
[[nodiscard]] bool is_free_terraform_type(std::string_view type);

}  // namespace fleetmeter::aggregator
