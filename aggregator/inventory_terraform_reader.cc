#include <algorithm>
#include <charconv>

#include "aggregator/inventory_terraform.h"

namespace fleetmeter::aggregator {
namespace {

using simdjson::dom::element;
using Attributes = std::map<std::string, std::string>;

// Of a longer list of references only the number is told.
constexpr std::size_t kNamedMax = 256;

/// One resource of any of the three forms.
struct Block {
  std::string address, module, type, mode, name;
  std::optional<element> sensitive;
};

std::string get(const Attributes& attributes, const std::string& name) {
  const auto found = attributes.find(name);
  return found == attributes.end() ? std::string() : found->second;
}

std::optional<std::int64_t> whole(const std::string& text) {
  std::int64_t value = 0;
  const auto [stop, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || failed != std::errc() || stop != text.data() + text.size())
    return std::nullopt;
  return value;
}

class TerraformReader {
 public:
  TerraformReader(const element& root, bool planned, InventoryEntries& out,
                  InventoryWarnings& warnings)
      : configuration_(root), planned_(planned), out_(out), warnings_(warnings) {}

  void read_module(const element& module, const std::string& address) {
    for (const element resource : json_list(module, "resources")) {
      Block block;
      block.address = json_text(resource, "address");
      block.module = address;
      block.type = json_text(resource, "type");
      block.mode = json_text(resource, "mode");
      block.name = json_text(resource, "name");
      block.sensitive = json_at(resource, "sensitive_values");
      if (const auto values = json_at(resource, "values")) add(block, *values);
    }
    for (const element inner : json_list(module, "child_modules"))
      read_module(inner, json_text(inner, "address"));
  }
  /// Machine images alone, of a plan's prior state.
  void read_images(const element& module) {
    for (const element resource : json_list(module, "resources")) {
      if (json_text(resource, "mode") != "data") continue;
      Block block;
      block.type = json_text(resource, "type");
      if (const auto values = json_at(resource, "values")) add_image(block, *values);
    }
    for (const element inner : json_list(module, "child_modules")) read_images(inner);
  }
  void read_raw(const element& root) {
    for (const element resource : json_list(root, "resources")) {
      Block block;
      block.module = json_text(resource, "module");
      block.type = json_text(resource, "type");
      block.mode = json_text(resource, "mode");
      block.name = json_text(resource, "name");
      for (const element instance : json_list(resource, "instances")) {
        block.address = raw_address(block, instance);
        secrets_ = raw_secrets(instance);
        if (const auto values = json_at(instance, "attributes")) add(block, *values);
      }
    }
    secrets_.clear();
  }
  /// After the last resource: groups get what their launch templates say.
  void finish() {
    resolve_references();
    for (const PendingGroup& pending : groups_) {
      Group group = pending.group;
      const auto found = templates_.find(template_of(out_.resources[pending.resource]));
      if (found != templates_.end()) {
        if (group.instance_type.empty()) group.instance_type = found->second.instance_type;
        group.windows = windows_images_.count(found->second.image) != 0;
        Resource& resource = out_.resources[pending.resource];
        resource.attributes["launch_template_address"] = found->second.address;
        if (!group.instance_type.empty())
          resource.attributes.try_emplace("instance_type", group.instance_type);
      }
      if (group.windows) out_.resources[pending.resource].attributes["windows"] = "true";
      if (!group.name.empty()) out_.groups.push_back(std::move(group));
    }
    for (const auto& [index, image] : images_of_instances_) {
      if (windows_images_.count(image) != 0) out_.instances[index].windows = true;
    }
    for (const auto& [index, image] : images_of_resources_) {
      if (windows_images_.count(image) != 0) out_.resources[index].attributes["windows"] = "true";
    }
  }

 private:
  struct Template {
    std::string address, instance_type, image;
  };
  struct PendingGroup {
    Group group;
    std::size_t resource;
  };

  /// What a plan's attribute refers to while its id is not known: `<attribute>_address` is the
  /// resource, in the same instance of the module, with its index where it is told, and
  /// `<attribute>_count` how many there are, where nothing else is referred to; a list of ids has
  /// `<attribute>.N_address` of each then.
  void resolve_references() {
    if (!planned_) return;
    std::map<std::string, std::vector<const Resource*>> planned, in_any_instance;
    for (const Resource& one : out_.resources) {
      if (!one.planned) continue;
      planned[one.address].push_back(&one);
      const auto [module, name, index] = split_address(one.address);
      if (!index.empty()) planned[module + name].push_back(&one);
      in_any_instance[without_indexes(one.address)].push_back(&one);
    }
    for (Resource& one : out_.resources) {
      if (!one.planned) continue;
      const auto [module, name, index] = split_address(one.address);
      for (const auto& [attribute, targets] : configuration_.references_of(one.address)) {
        std::vector<const Resource*> all;
        std::string address;
        bool complete = targets.complete;
        for (const std::string& target : targets.addresses) {
          auto found = planned.end();
          if (targets.by_index) found = planned.find(module + target + index);
          if (found == planned.end()) found = planned.find(module + target);
          if (found == planned.end()) {
            // Some plans leave the instance out of one address and not of another.
            found = in_any_instance.find(without_indexes(module) + target);
            if (found == in_any_instance.end() || found->second.size() > 1) continue;
          }
          const std::vector<const Resource*>& those = found->second;
          if (address.empty()) address = those.size() == 1 ? those[0]->address : found->first;
          all.insert(all.end(), those.begin(), those.end());
          // Some of them, by an index that is computed.
          if (targets.by_index && those.size() > 1) complete = false;
        }
        if (all.empty()) continue;
        one.attributes.try_emplace(attribute + "_address", address);
        if (!complete) continue;
        one.attributes.try_emplace(attribute + "_count", std::to_string(all.size()));
        const std::size_t named = attribute.ends_with("_ids") ? std::min(all.size(), kNamedMax) : 0;
        for (std::size_t i = 0; i < named; ++i)
          one.attributes.try_emplace(attribute + "." + std::to_string(i) + "_address",
                                     all[i]->address);
      }
    }
  }

  static std::string raw_address(const Block& block, const element& instance) {
    std::string address = block.module.empty() ? "" : block.module + ".";
    address += block.type + "." + block.name;
    const auto key = json_at(instance, "index_key");
    if (!key) return address;
    const std::string text = json_scalar(*key).value_or("");
    return address + (key->is_string() ? "[\"" + text + "\"]" : "[" + text + "]");
  }
  /// Top-level names of `sensitive_attributes`: lists of steps, the first of which names the
  /// attribute.
  static std::unordered_set<std::string> raw_secrets(const element& instance) {
    std::unordered_set<std::string> names;
    for (const element path : json_list(instance, "sensitive_attributes")) {
      simdjson::dom::array steps;
      if (path.get(steps) != simdjson::SUCCESS) continue;
      for (const element step : steps) {
        names.insert(json_text(step, "value"));
        break;
      }
    }
    return names;
  }

  void add(const Block& block, const element& values) {
    if (block.mode == "data") return add_image(block, values);
    const bool known = is_known_terraform_type(block.type);
    if (is_of_another_cloud(block.type))
      warnings_.add("resources of type " + block.type + " are not of AWS: left out");
    if (!block.type.starts_with("aws_") || (is_free_terraform_type(block.type) && !known)) return;
    Resource resource;
    resource.address = block.address;
    resource.type = block.type;
    resource.planned = planned_;
    // Of an unknown type even an id may be a secret.
    if (known) copy_allowed_attributes(values, block.sensitive, resource.attributes);
    for (const std::string& name : secrets_) erase_attribute(resource.attributes, name);
    resource.id = get(resource.attributes, "id");
    read_tags(values, block, resource.tags);
    const auto [region, account] = region_and_account_of_arn(get(resource.attributes, "arn"));
    resource.account = account;
    resource.region = get(resource.attributes, "region");
    for (const std::string& next :
         {region, region_of_zone(get(resource.attributes, "availability_zone")),
          region_of_zone(get(resource.attributes, "availability_zones.0")),
          configuration_.region_of(block.address)}) {
      if (resource.region.empty()) resource.region = next;
    }
    if (!known) {
      warnings_.add("resources of type " + block.type + " are not known: listed without a price");
    }
    out_.resources.push_back(std::move(resource));
    add_lookups(block, values);
  }

  static void erase_attribute(Attributes& attributes, const std::string& name) {
    const std::string prefix = name + ".";
    std::erase_if(attributes, [&](const auto& one) {
      return one.first == name || one.first.starts_with(prefix);
    });
  }

  void read_tags(const element& values, const Block& block, Tags& tags) const {
    // tags_all has the provider's defaults too, and wins.
    for (const char* key : {"tags", "tags_all"}) {
      const auto found = json_at(values, key);
      if (!found || !found->is_object() || secrets_.count(key) != 0) continue;
      const auto secret = block.sensitive ? json_at(*block.sensitive, key) : std::nullopt;
      if (secret && secret->is_bool()) continue;
      for (const auto [name, value] : simdjson::dom::object(*found)) {
        if (secret && json_at(*secret, name)) continue;
        if (auto text = json_scalar(value)) tags[std::string(name)] = *std::move(text);
      }
    }
    // Groups have their own form: tag { key, value, propagate_at_launch }.
    for (const element tag : json_list(values, "tag")) {
      if (std::string name = json_text(tag, "key"); !name.empty())
        tags[std::move(name)] = json_text(tag, "value");
    }
  }

  void add_image(const Block& block, const element& values) {
    const std::string id = json_text(values, "id");
    if (block.type == "aws_ami" && !id.empty() && json_text(values, "platform") == "windows")
      windows_images_.insert(id);
  }

  /// What is looked up by address, interface or name besides; a plan's things do not exist yet, but
  /// for its groups.
  void add_lookups(const Block& block, const element& values) {
    const std::size_t index = out_.resources.size() - 1;
    const Resource& resource = out_.resources[index];
    const std::string& type = block.type;
    if (type == "aws_launch_template" || type == "aws_launch_configuration")
      return add_template(resource);
    if (type == "aws_autoscaling_group") return add_group(resource, index);
    if (type == "aws_eks_node_group") return add_node_group(resource);
    if (type == "aws_ecs_service") return add_service(resource);
    if (type == "aws_instance") note_image(resource, index, json_true(values, "get_password_data"));
    if (planned_) return;
    if (type == "aws_vpc") add_vpc(resource, values);
    if (type == "aws_subnet") add_subnet(resource);
    if (type == "aws_instance") add_instance(resource);
    if (type == "aws_network_interface") add_interface(resource, values);
    if (type == "aws_nat_gateway") add_nat_gateway(resource);
    if (type == "aws_vpc_endpoint") add_endpoint(resource, values);
  }

  /// get_password_data asks for the Windows password: nothing else has one.
  void note_image(const Resource& resource, std::size_t index, bool has_password) {
    images_of_resources_.emplace_back(index, image_of(resource));
    if (has_password) windows_images_.insert(image_of(resource));
  }
  /// An image that is not known yet is the resource's own.
  static std::string image_of(const Resource& resource) {
    const std::string image = get(resource.attributes, "ami");
    return image.empty() ? resource.address : image;
  }
  void add_template(const Resource& resource) {
    Template made{.address = resource.address,
                  .instance_type = get(resource.attributes, "instance_type"),
                  .image = get(resource.attributes, "image_id")};
    const auto [module, name, index] = split_address(resource.address);
    for (const std::string& key :
         {resource.id, get(resource.attributes, "name"), module + name, resource.address}) {
      if (!key.empty()) templates_[key] = made;
    }
  }
  /// Id, name or address of a group's launch template or configuration; empty when there is none.
  static std::string template_of(const Resource& group) {
    const std::string mixed = "mixed_instances_policy.0.launch_template.0.";
    for (const std::string& attribute :
         {std::string("launch_template.0.id"), std::string("launch_template.0.name"),
          std::string("launch_configuration"),
          mixed + "launch_template_specification.0.launch_template_id",
          mixed + "launch_template_specification.0.launch_template_name",
          std::string("launch_template_address"), std::string("launch_configuration_address"),
          std::string("mixed_instances_policy_address")}) {
      if (std::string key = get(group.attributes, attribute); !key.empty()) return key;
    }
    return {};
  }
  Group group_of(const Resource& resource, std::string name, std::string_view kind) const {
    Group group;
    group.name = std::move(name);
    group.kind = kind;
    group.account = resource.account;
    group.region = resource.region;
    group.tags = resource.tags;
    group.planned = planned_;
    return group;
  }
  void add_group(const Resource& resource, std::size_t index) {
    const Attributes& attributes = resource.attributes;
    std::string name = get(attributes, "name");
    // The provider makes the name up when it applies.
    if (name.empty() && planned_) name = resource.address;
    Group group = group_of(resource, std::move(name), "asg");
    group.minimum = whole(get(attributes, "min_size"));
    group.maximum = whole(get(attributes, "max_size"));
    group.desired = whole(get(attributes, "desired_capacity"));
    group.instance_type =
        get(attributes, "mixed_instances_policy.0.launch_template.0.override.0.instance_type");
    groups_.push_back({.group = std::move(group), .resource = index});
  }
  void add_node_group(const Resource& resource) {
    Group group = group_of(resource, get(resource.attributes, "node_group_name"), "eks_node_group");
    group.minimum = whole(get(resource.attributes, "scaling_config.0.min_size"));
    group.maximum = whole(get(resource.attributes, "scaling_config.0.max_size"));
    group.desired = whole(get(resource.attributes, "scaling_config.0.desired_size"));
    group.instance_type = get(resource.attributes, "instance_types.0");
    group.windows = get(resource.attributes, "ami_type").starts_with("WINDOWS");
    if (!group.name.empty()) out_.groups.push_back(std::move(group));
  }
  void add_service(const Resource& resource) {
    Group group = group_of(resource, get(resource.attributes, "name"), "ecs_service");
    group.desired = whole(get(resource.attributes, "desired_count"));
    if (!group.name.empty()) out_.groups.push_back(std::move(group));
  }
  void add_vpc(const Resource& resource, const element& values) {
    Vpc vpc{.id = resource.id,
            .name = get(resource.tags, "Name"),
            .region = resource.region,
            .account = resource.account,
            .cidrs = {},
            .tags = resource.tags};
    for (const char* key : {"cidr_block", "ipv6_cidr_block"}) {
      if (std::string cidr = json_text(values, key); parse_cidr(cidr))
        vpc.cidrs.push_back(std::move(cidr));
    }
    out_.vpcs.push_back(std::move(vpc));
  }
  void add_subnet(const Resource& resource) {
    Subnet subnet{.id = resource.id,
                  .vpc_id = get(resource.attributes, "vpc_id"),
                  .name = get(resource.tags, "Name"),
                  .cidr = get(resource.attributes, "cidr_block"),
                  .az = get(resource.attributes, "availability_zone"),
                  .region = resource.region,
                  .account = resource.account,
                  .tags = resource.tags};
    if (!subnet.id.empty()) out_.subnets.push_back(std::move(subnet));
  }
  Interface interface_of(const Resource& resource, std::string id) const {
    Interface interface;
    interface.id = std::move(id);
    interface.subnet_id = get(resource.attributes, "subnet_id");
    interface.vpc_id = get(resource.attributes, "vpc_id");
    interface.az = get(resource.attributes, "availability_zone");
    interface.account = resource.account;
    interface.region = resource.region;
    interface.tags = resource.tags;
    if (std::string ip = get(resource.attributes, "private_ip"); parse_address(ip))
      interface.private_addresses.push_back(ip);
    if (std::string ip = get(resource.attributes, "public_ip"); parse_address(ip))
      interface.public_addresses.push_back(ip);
    return interface;
  }
  void put(Interface interface) {
    if (!interface.id.empty()) out_.interfaces.push_back(std::move(interface));
  }
  void add_instance(const Resource& resource) {
    Instance instance;
    instance.id = resource.id;
    instance.type = get(resource.attributes, "instance_type");
    instance.az = get(resource.attributes, "availability_zone");
    instance.subnet_id = get(resource.attributes, "subnet_id");
    instance.account = resource.account;
    instance.region = resource.region;
    instance.state = get(resource.attributes, "instance_state");
    instance.tags = resource.tags;
    if (instance.id.empty()) return;
    images_of_instances_.emplace_back(out_.instances.size(), image_of(resource));
    Interface interface =
        interface_of(resource, get(resource.attributes, "primary_network_interface_id"));
    interface.instance_id = instance.id;
    interface.role = proto::ROLE_INSTANCE;
    out_.instances.push_back(std::move(instance));
    put(std::move(interface));
  }
  void add_interface(const Resource& resource, const element& values) {
    Interface interface = interface_of(resource, resource.id);
    interface.description = json_text(values, "description");
    for (const element ip : json_list(values, "private_ips")) {
      std::string text = json_scalar(ip).value_or("");
      const bool fresh =
          std::find(interface.private_addresses.begin(), interface.private_addresses.end(), text) ==
          interface.private_addresses.end();
      if (fresh && parse_address(text)) interface.private_addresses.push_back(std::move(text));
    }
    interface.instance_id = get(resource.attributes, "attachment.0.instance");
    interface.role =
        role_of_interface(json_text(values, "interface_type"), interface.description, false,
                          !interface.instance_id.empty(), interface.resource_id);
    put(std::move(interface));
  }
  void add_nat_gateway(const Resource& resource) {
    Interface interface = interface_of(resource, get(resource.attributes, "network_interface_id"));
    interface.role = proto::ROLE_NAT;
    interface.resource_id = resource.id;
    put(std::move(interface));
  }
  /// The provider's sets of interfaces and of addresses have no order in common, so only one of each
  /// is a pair; of more, an address has an entry of its own. Rule: Terraform AWS provider,
  /// "aws_vpc_endpoint", subnet_configuration.
  void add_endpoint(const Resource& resource, const element& values) {
    Interface interface;
    interface.vpc_id = get(resource.attributes, "vpc_id");
    interface.account = resource.account;
    interface.region = resource.region;
    interface.role = proto::ROLE_ENDPOINT;
    interface.resource_id = resource.id;
    interface.tags = resource.tags;
    std::vector<Interface> by_id, by_address;
    const auto count = whole(get(resource.attributes, "network_interface_ids.#")).value_or(0);
    for (std::int64_t i = 0; i < count; ++i) {
      by_id.push_back(interface);
      by_id.back().id = get(resource.attributes, "network_interface_ids." + std::to_string(i));
    }
    if (secrets_.count("subnet_configuration") == 0) {
      for (const element subnet : json_list(values, "subnet_configuration")) {
        Interface& at = by_address.emplace_back(interface);
        at.subnet_id = json_text(subnet, "subnet_id");
        for (const char* key : {"ipv4", "ipv6"}) {
          if (std::string ip = json_text(subnet, key); parse_address(ip))
            at.private_addresses.push_back(std::move(ip));
        }
        if (at.private_addresses.empty()) by_address.pop_back();
      }
    }
    if (by_id.size() == 1 && by_address.size() == 1) {
      by_address[0].id = by_id[0].id;
      by_id.clear();
    }
    for (Interface& one : by_id) put(std::move(one));
    for (Interface& one : by_address) {
      if (one.id.empty() && !resource.id.empty())
        one.id = resource.id + "/" + one.private_addresses[0];
      put(std::move(one));
    }
  }

  TerraformConfiguration configuration_;
  bool planned_;
  InventoryEntries& out_;
  InventoryWarnings& warnings_;
  std::unordered_set<std::string> secrets_;  // Of the raw instance at hand.
  std::map<std::string, Template> templates_;
  std::vector<PendingGroup> groups_;
  std::unordered_set<std::string> windows_images_;
  std::vector<std::pair<std::size_t, std::string>> images_of_instances_, images_of_resources_;
};

}  // namespace

TerraformKind terraform_kind(const element& root) {
  if (json_at(root, "planned_values") || json_at(root, "resource_changes"))
    return TerraformKind::kPlan;
  const bool versioned = json_at(root, "format_version") || json_at(root, "terraform_version");
  if (versioned && json_at(root, "values")) return TerraformKind::kState;
  if (json_at(root, "lineage") && json_at(root, "serial")) return TerraformKind::kRawState;
  if (versioned && json_at(root, "resources")) return TerraformKind::kRawState;
  return json_at(root, "format_version") ? TerraformKind::kState : TerraformKind::kNone;
}

void read_terraform(const element& root, TerraformKind kind, InventoryEntries& out,
                    InventoryWarnings& warnings) {
  const std::size_t before = out.resources.size();
  TerraformReader reader(root, kind == TerraformKind::kPlan, out, warnings);
  if (kind == TerraformKind::kRawState) {
    reader.read_raw(root);
  } else {
    const auto values = json_at(root, kind == TerraformKind::kPlan ? "planned_values" : "values");
    const auto module = values ? json_at(*values, "root_module") : std::nullopt;
    // Data sources that a plan has read already are in its prior state.
    const auto prior = json_at(root, "prior_state");
    const auto prior_values = prior ? json_at(*prior, "values") : std::nullopt;
    const auto prior_module = prior_values ? json_at(*prior_values, "root_module") : std::nullopt;
    if (kind == TerraformKind::kPlan && prior_module) reader.read_images(*prior_module);
    if (module) reader.read_module(*module, "");
  }
  reader.finish();
  if (out.resources.size() == before) warnings.add("holds no AWS resource");
}

}  // namespace fleetmeter::aggregator
