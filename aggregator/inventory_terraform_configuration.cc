#include <algorithm>
#include <array>
#include <utility>

#include "aggregator/inventory_terraform.h"

namespace fleetmeter::aggregator {
namespace {

using simdjson::dom::element;

std::string variable(const element& root, const std::string& reference) {
  constexpr std::string_view kPrefix = "var.";
  const auto variables = json_at(root, "variables");
  if (!variables || !reference.starts_with(kPrefix)) return {};
  const auto one = json_at(*variables, std::string_view(reference).substr(kPrefix.size()));
  return one ? json_text(*one, "value") : std::string();
}

constexpr std::size_t kEnd = std::string_view::npos;

/// The first of `wanted` from `from` on that is not in a quoted key.
std::size_t find_unquoted(std::string_view address, char wanted, std::size_t from) {
  bool quoted = false;
  for (std::size_t i = from; i < address.size(); ++i) {
    if (address[i] == wanted && !quoted) return i;
    if (address[i] == '"') quoted = !quoted;
    if (address[i] == '\\') ++i;
  }
  return kEnd;
}

/// All resources that anything inside refers to.
void collect_references(const element& in, TerraformConfiguration::Targets& out) {
  if (in.is_array()) {
    std::string whole;  // The list names "aws_x.y" once more after each "aws_x.y[0]".
    for (const element item : simdjson::dom::array(in)) {
      if (!item.is_string()) {
        collect_references(item, out);
        continue;
      }
      const std::string text = json_scalar(item).value_or("");
      if (text.starts_with("count.") || text.starts_with("each.")) {
        out.by_index = true;
        continue;
      }
      if (!text.starts_with("aws_") || text.find('.') == kEnd) {
        out.complete = false;  // A variable, a module's output, a data source.
        continue;
      }
      const TerraformAddress target = split_address(text);
      const std::string address = target.name + target.index;
      if (std::exchange(whole, target.index.empty() ? "" : target.name) == address) continue;
      if (std::find(out.addresses.begin(), out.addresses.end(), address) == out.addresses.end())
        out.addresses.push_back(address);
    }
  } else if (in.is_object()) {
    for (const auto [key, value] : simdjson::dom::object(in)) {
      if (key != "constant_value") collect_references(value, out);
    }
  }
}

/// Attributes that name another resource by an id that a plan does not know yet.
constexpr std::array kReferring{"task_definition",
                                "allocation_id",
                                "secondary_allocation_ids",
                                "volume_id",
                                "source_snapshot_id",
                                "instance",
                                "network_interface",
                                "subnets",
                                "subnet_ids",
                                "instance_id",
                                "replicate_source_db",
                                "replication_group_id",
                                "load_balancer_arn",
                                "cluster",
                                "cluster_name",
                                "cluster_identifier",
                                "transit_gateway_id",
                                "launch_template",
                                "launch_configuration",
                                "mixed_instances_policy"};

TerraformConfiguration::References read_references(const element& expressions) {
  TerraformConfiguration::References out;
  const auto read = [&out](const element& in, const char* key, const std::string& block) {
    const auto found = json_at(in, key);
    if (!found) return;
    TerraformConfiguration::Targets targets;
    collect_references(*found, targets);
    if (!targets.addresses.empty()) out[block + key] = std::move(targets);
  };
  for (const char* key : kReferring) read(expressions, key, "");
  std::size_t index = 0;
  for (const element mapping : json_list(expressions, "subnet_mapping"))
    read(mapping, "allocation_id", "subnet_mapping." + std::to_string(index++) + ".");
  return out;
}

}  // namespace

std::string without_indexes(std::string_view address) {
  std::string out;
  for (std::size_t at = 0; at < address.size();) {
    const std::size_t open = std::min(address.find('[', at), address.size());
    out += address.substr(at, open - at);
    const std::size_t close = find_unquoted(address, ']', open);
    at = close == kEnd ? address.size() : close + 1;
  }
  return out;
}

TerraformAddress split_address(std::string_view address) {
  constexpr std::string_view kModule = "module.";
  std::size_t start = 0;
  while (address.substr(start).starts_with(kModule)) {
    const std::size_t dot = find_unquoted(address, '.', start + kModule.size());
    if (dot == kEnd) break;
    start = dot + 1;
  }
  const std::size_t name = find_unquoted(address, '.', start);
  const std::size_t end =
      std::min(name == kEnd ? kEnd : find_unquoted(address, '.', name + 1), address.size());
  const std::size_t index = std::min(address.find('[', start), end);
  return {.module = std::string(address.substr(0, start)),
          .name = std::string(address.substr(start, index - start)),
          .index = std::string(address.substr(index, end - index))};
}

TerraformConfiguration::TerraformConfiguration(const element& root) {
  const auto configuration = json_at(root, "configuration");
  if (!configuration) return;
  if (const auto providers = json_at(*configuration, "provider_config"))
    read_providers(*providers, root);
  if (const auto module = json_at(*configuration, "root_module")) read_module(*module, "");
}

std::string TerraformConfiguration::region_of(const std::string& address) const {
  const auto key = provider_of_.find(without_indexes(address));
  const auto region = region_of_.find(key == provider_of_.end() ? "aws" : key->second);
  return region == region_of_.end() ? std::string() : region->second;
}

void TerraformConfiguration::read_providers(const element& providers, const element& root) {
  if (!providers.is_object()) return;
  for (const auto [key, provider] : simdjson::dom::object(providers)) {
    // Only the region is looked at: a provider block may hold access keys.
    const auto expressions = json_at(provider, "expressions");
    const auto region = expressions ? json_at(*expressions, "region") : std::nullopt;
    if (!region) continue;
    std::string value = json_text(*region, "constant_value");
    for (const element reference : json_list(*region, "references")) {
      if (value.empty()) value = variable(root, json_scalar(reference).value_or(""));
    }
    if (!value.empty()) region_of_[std::string(key)] = value;
  }
}

void TerraformConfiguration::read_module(const element& module, const std::string& prefix) {
  for (const element resource : json_list(module, "resources")) {
    const std::string address = prefix + json_text(resource, "address");
    provider_of_[address] = json_text(resource, "provider_config_key");
    const auto expressions = json_at(resource, "expressions");
    if (expressions) references_of_[address] = read_references(*expressions);
  }
  const auto calls = json_at(module, "module_calls");
  if (!calls || !calls->is_object()) return;
  for (const auto [name, call] : simdjson::dom::object(*calls)) {
    if (const auto inner = json_at(call, "module"))
      read_module(*inner, prefix + "module." + std::string(name) + ".");
  }
}

const TerraformConfiguration::References& TerraformConfiguration::references_of(
    const std::string& address) const {
  static const References kNone;
  const auto found = references_of_.find(without_indexes(address));
  return found == references_of_.end() ? kNone : found->second;
}

}  // namespace fleetmeter::aggregator
