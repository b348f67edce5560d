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

/// Depth first: the first "aws_launch_...name" that anything inside refers to.
std::string first_reference(const element& in) {
  if (in.is_string()) {
    const std::string text = json_scalar(in).value_or("");
    if (!text.starts_with("aws_launch_")) return {};
    const std::size_t dot = text.find('.');
    return dot == std::string::npos ? std::string()
                                    : without_indexes(text.substr(0, text.find('.', dot + 1)));
  }
  std::string found;
  if (in.is_array()) {
    for (const element item : simdjson::dom::array(in)) {
      if (found.empty()) found = first_reference(item);
    }
  } else if (in.is_object()) {
    for (const auto [key, value] : simdjson::dom::object(in)) {
      if (found.empty()) found = first_reference(value);
    }
  }
  return found;
}

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
    if (const auto expressions = json_at(resource, "expressions"))
      read_template(*expressions, address, prefix);
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
    const std::string target = found ? first_reference(*found) : std::string();
    if (!target.empty()) template_of_[address] = prefix + target;
  }
}

}  // namespace fleetmeter::aggregator
