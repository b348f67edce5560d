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

/// What the configuration part of a plan tells of things that have no id yet: regions of providers
/// and what hangs on what. It is asked by addresses with or without their indexes.
class TerraformConfiguration {
 public:
  explicit TerraformConfiguration(const simdjson::dom::element& root);
  [[nodiscard]] std::string region_of(const std::string& address) const;
  struct Targets {
    std::vector<std::string> addresses;  ///< Within the module: "aws_x.y", or "aws_x.y[0]" if told.
    bool complete = true;                ///< Unless variables or other modules are referred to too.
    bool by_index = false;               ///< Which one depends on the referring resource's index.
  };
  /// What attributes refer to: {"allocation_id": {["aws_eip.a"]}}.
  using References = std::map<std::string, Targets>;
  [[nodiscard]] const References& references_of(const std::string& address) const;

 private:
  void read_providers(const simdjson::dom::element& providers, const simdjson::dom::element& root);
  void read_module(const simdjson::dom::element& module, const std::string& prefix);
  std::map<std::string, std::string> region_of_, provider_of_;
  std::map<std::string, References> references_of_;
};
/// "module.a[0].aws_x.y[\"k\"]" -> "module.a.aws_x.y": configuration blocks have no instances.
[[nodiscard]] std::string without_indexes(std::string_view address);

/// "module.a[0].aws_x.y[\"k\"]": an index is a number or a quoted key, which may hold any text.
struct TerraformAddress {
  std::string module;  ///< "module.a[0]."; empty for the root module.
  std::string name;    ///< "aws_x.y"
  std::string index;   ///< "[\"k\"]"; empty where there is one only.
};
/// An attribute that follows ("aws_x.y.id") is left out.
[[nodiscard]] TerraformAddress split_address(std::string_view address);

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
/// Of a provider whose machines cost money elsewhere.
[[nodiscard]] bool is_of_another_cloud(std::string_view type);

}  // namespace fleetmeter::aggregator
