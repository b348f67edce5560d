#include <algorithm>
#include <array>

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

/// Addresses, without indexes, of all resources that anything inside refers to, each once, in order.
void collect_references(const element& in, TerraformConfiguration::Targets& out) {
  if (in.is_string()) {
    const std::string text = json_scalar(in).value_or("");
    if (text.starts_with("count.") || text.starts_with("each.")) return;
    const std::size_t dot = text.find('.');
    if (!text.starts_with("aws_") || dot == std::string::npos) {
      out.complete = false;  // A variable, a module's output, a data source.
      return;
    }
    std::string address = without_indexes(text.substr(0, text.find('.', dot + 1)));
    if (std::find(out.addresses.begin(), out.addresses.end(), address) == out.addresses.end())
      out.addresses.push_back(std::move(address));
  } else if (in.is_array()) {
    for (const element item : simdjson::dom::array(in)) collect_references(item, out);
  } else if (in.is_object()) {
    for (const auto [key, value] : simdjson::dom::object(in)) {
      if (key != "constant_value") collect_references(value, out);
    }
  }
}

/// Attributes that name another resource by an id that a plan does not know yet.
constexpr std::array<std::string_view, 9> kReferring{
    "task_definition",   "allocation_id", "volume_id",  "source_snapshot_id", "instance",
    "network_interface", "subnets",       "subnet_ids", "launch_template"};

}  // namespace

std::string without_indexes(std::string_view address) {
  std::string out;
  int depth = 0;
  for (const char c : address) {
    if (c == '[') ++depth;
    if (depth == 0) out += c;
    if (c == ']') --depth;
  }
  return out;
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

std::string TerraformConfiguration::template_of(const std::string& address) const {
  const auto found = template_of_.find(without_indexes(address));
  return found == template_of_.end() ? std::string() : found->second;
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
    if (!expressions) continue;
    read_template(*expressions, address, prefix);
    read_references(*expressions, address, prefix);
  }
  const auto calls = json_at(module, "module_calls");
  if (!calls || !calls->is_object()) return;
  for (const auto [name, call] : simdjson::dom::object(*calls)) {
    if (const auto inner = json_at(call, "module"))
      read_module(*inner, prefix + "module." + std::string(name) + ".");
  }
}

void TerraformConfiguration::read_template(const element& expressions, const std::string& address,
                                           const std::string& prefix) {
  for (const char* key : {"launch_template", "launch_configuration", "mixed_instances_policy"}) {
    const auto found = json_at(expressions, key);
    if (!found) continue;
    Targets targets;
    collect_references(*found, targets);
    for (const std::string& target : targets.addresses) {
      if (!target.starts_with("aws_launch_")) continue;
      template_of_[address] = prefix + target;
      break;
    }
  }
}

void TerraformConfiguration::read_references(const element& expressions, const std::string& address,
                                             const std::string& prefix) {
  for (const std::string_view key : kReferring) {
    const auto found = json_at(expressions, key);
    if (!found) continue;
    Targets targets;
    collect_references(*found, targets);
    for (std::string& target : targets.addresses) target.insert(0, prefix);
    if (!targets.addresses.empty()) references_of_[address][std::string(key)] = std::move(targets);
  }
}

const TerraformConfiguration::References& TerraformConfiguration::references_of(
    const std::string& address) const {
  static const References kNone;
  const auto found = references_of_.find(without_indexes(address));
  return found == references_of_.end() ? kNone : found->second;
}

}  // namespace fleetmeter::aggregator
