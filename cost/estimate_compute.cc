#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "cost/estimate.h"

namespace fleetmeter::cost {
namespace {

using aggregator::Resource;

/// Reads a block device: "root_block_device.0", "ebs_block_device.2",
/// "block_device_mappings.0.ebs.0".
VolumeSpec block_device(const Subject& subject, const std::string& block) {
  VolumeSpec volume;
  volume.kind = subject.text(block + ".volume_type", "gp2");
  volume.size_gb = subject.number(block + ".volume_size");
  // What the common images ask for; infracost assumes the same.
  if (!volume.size_gb) {
    volume.size_gb = units(8);
    volume.assumption = "size assumed: 8 GB, as the common images ask for";
  }
  volume.iops = subject.number(block + ".iops");
  volume.throughput_mibps = subject.number(block + ".throughput");
  return volume;
}

/// A volume of an instance that is in the inventory by itself too is billed there.
bool volume_listed(const Subject& subject, const std::string& block) {
  return subject.estimator.find("aws_ebs_volume", subject.text(block + ".volume_id")) != nullptr;
}

/// What a machine's price depends on besides type and system.
struct Purchase {
  std::string tenancy = "default";
  bool spot = false;
  std::string lifecycle = {};  ///< As EC2 says; empty = on demand.
};

/// Why the list has no price of machines bought so; empty = it has.
std::string why_unpriced(const Purchase& purchase) {
  if (purchase.tenancy == "dedicated" || purchase.tenancy == "host")
    return fmt::format("unsupported: tenancy {}", purchase.tenancy);
  if (purchase.spot || purchase.lifecycle == "spot") return "unsupported: spot prices vary";
  if (!purchase.lifecycle.empty())
    return fmt::format("unsupported: machines bought as {}", purchase.lifecycle);
  return {};
}

/// Of one machine; nothing when the inventory holds no more than its id.
Purchase purchase_of(const Resource* machine) {
  if (machine == nullptr) return {};
  return {machine->attribute("tenancy"), false, machine->attribute("instance_lifecycle")};
}

std::string system_of(const Resource* machine) {
  return machine == nullptr ? std::string() : machine->attribute("system");
}

void add_bought_machines(Subject& subject, const std::string& type, bool windows, Quantity count,
                         const Purchase& purchase) {
  const std::string reason = why_unpriced(purchase);
  if (reason.empty()) return add_machines(subject, type, windows, count);
  Draft& draft = subject.add("instance hours" + (type.empty() ? "" : ", " + type), {},
                             product(count, subject.month()));
  draft.unit = "h";
  draft.reason = reason;
}

void add_addresses(Subject& subject) {
  const std::int64_t addresses = subject.estimator.public_addresses(subject);
  if (addresses > 0)
    subject.add("public IPv4", "vpc.public_ipv4.in_use", multiply(subject.month(), addresses));
}

/// Whether a machine is gone. If so and nothing says since when, its hours are unknown: not those
/// of the whole month, and none only if it went before. Rule: Amazon EC2 User Guide, "Instance
/// state changes", usage is not billed from shutting-down on.
bool is_gone(const std::string& state) { return state == "terminated" || state == "shutting-down"; }
void add_gone(Subject& subject, const std::string& type) {
  subject.add_unknown("instance hours" + (type.empty() ? "" : ", " + type),
                      "the machine was terminated, and the inventory does not say when");
}
/// Whether lines are cut to the time until which the machine ran.
bool ends_within(const Period& period, const aggregator::Validity& valid) {
  return period.to_s != Period().to_s && valid.to_s != Period().to_s;
}

void price_machine(Subject& subject, bool spot) {
  const aggregator::Instance* known = subject.estimator.instance(subject.resource.id);
  const std::string state =
      known != nullptr && !known->state.empty() ? known->state : subject.text("instance_state");
  // The machine's own entry has what the last file says, also one of the AWS CLI, but no plan's.
  std::string type = subject.text("instance_type");
  if (known != nullptr && !known->type.empty() && (!subject.resource.planned || type.empty()))
    type = known->type;
  const bool ends = ends_within(subject.estimator.period, subject.resource.valid) ||
                    (known != nullptr && ends_within(subject.estimator.period, known->valid));
  if (is_gone(state) && !ends) return add_gone(subject, type);
  if (state != "stopped" && state != "stopping") {
    const bool windows =
        subject.flag("windows") || (known != nullptr ? known->windows
                                                     : subject.text("platform") == "windows" ||
                                                           subject.flag("get_password_data"));
    const Purchase purchase{subject.text("tenancy", "default"),
                            spot || subject.text("instance_market_options.0.market_type") == "spot",
                            subject.text("instance_lifecycle")};
    add_bought_machines(subject, type, windows, units(1), purchase);
    if (subject.flag("monitoring"))
      subject.add("detailed monitoring", "cloudwatch.metrics", units(7));
  }
  if (!volume_listed(subject, "root_block_device.0")) {
    add_volume(subject, "root volume", block_device(subject, "root_block_device.0"), units(1));
  }
  for (std::int64_t i = 0; i < subject.count("ebs_block_device"); ++i) {
    const std::string block = fmt::format("ebs_block_device.{}", i);
    if (!volume_listed(subject, block))
      add_volume(subject, fmt::format("volume {}", i), block_device(subject, block), units(1));
  }
  add_addresses(subject);
}

void price_instance(Subject& subject) { price_machine(subject, false); }
void price_spot_request(Subject& subject) { price_machine(subject, true); }

/// Launch template or configuration of a group; nullptr where the references do not lead to one.
const Resource* template_of(const Subject& subject) {
  const Estimator& all = subject.estimator;
  for (const char* block :
       {"launch_template.0",
        "mixed_instances_policy.0.launch_template.0.launch_template_specification.0"}) {
    for (const char* key : {".id", ".launch_template_id", ".name", ".launch_template_name"}) {
      if (const Resource* found =
              all.find("aws_launch_template", subject.text(std::string(block) + key)))
        return found;
    }
  }
  for (const char* attribute : {"launch_configuration", "launch_template_address"}) {
    for (const char* type : {"aws_launch_configuration", "aws_launch_template"}) {
      if (const Resource* found = all.find(type, subject.text(attribute))) return found;
    }
  }
  return nullptr;
}

/// Else it is a disk of the machine's own, or leaves out a volume of the image.
bool is_volume(const Subject& source, const std::string& mapping) {
  return source.text(mapping + ".virtual_name").empty() &&
         source.text(mapping + ".no_device").empty();
}

/// Which mapping of a launch template is the root volume's: by its name, as the common images have
/// it, else the first that has none. A launch configuration has a block of its own for it. Rule:
/// Amazon EC2 User Guide, "Device names for volumes on Amazon EC2 instances".
std::optional<std::int64_t> root_mapping(const Subject& source, const std::string& list) {
  std::optional<std::int64_t> unnamed;
  for (std::int64_t i = 0; i < source.count(list); ++i) {
    const std::string mapping = fmt::format("{}.{}", list, i);
    const std::string device = source.text(mapping + ".device_name");
    if (device == "/dev/xvda" || device == "/dev/sda1") return i;
    if (device.empty() && is_volume(source, mapping) && !unnamed) unnamed = i;
  }
  return unnamed;
}

/// Volumes of each machine of a group.
void add_template_volumes(Subject& subject, const Subject& source, Quantity count) {
  const bool configuration = source.resource.type == "aws_launch_configuration";
  const char* list = configuration ? "ebs_block_device" : "block_device_mappings";
  const std::string inside = configuration ? "" : ".ebs.0";
  const std::optional<std::int64_t> root =
      configuration ? std::nullopt : root_mapping(source, list);
  if (!root) add_volume(subject, "root volume", block_device(source, "root_block_device.0"), count);
  for (std::int64_t i = 0; i < source.count(list); ++i) {
    const std::string mapping = fmt::format("{}.{}", list, i);
    if (!is_volume(source, mapping)) continue;
    add_volume(subject, root == i ? "root volume" : fmt::format("volume {}", i),
               block_device(source, mapping + inside), count);
  }
}

/// What each machine of a group has besides its hours: volumes, detailed monitoring, an address.
/// Volumes that are in the inventory by themselves are billed there.
void add_template_parts(Subject& subject, const Resource& from, Quantity count) {
  const Subject source(subject.estimator, from, subject.environment, subject.region, {});
  if (!subject.estimator.lists_volumes_of(subject.resource))
    add_template_volumes(subject, source, count);
  const bool configuration = from.type == "aws_launch_configuration";
  if (source.flag(configuration ? "enable_monitoring" : "monitoring.0.enabled"))
    subject.add("detailed monitoring", "cloudwatch.metrics", product(units(7), count));
  if (source.flag("associate_public_ip_address") ||
      source.flag("network_interfaces.0.associate_public_ip_address")) {
    subject.add("public IPv4", "vpc.public_ipv4.in_use", product(subject.month(), count));
  }
}

/// How many of a group's machines are on demand and how many are spot. Rule: Amazon EC2 Auto
/// Scaling User Guide, "Auto Scaling groups with multiple instance types and purchase options".
struct Split {
  Quantity on_demand, spot;
};
/// Where `count` is in units of weight, so are they.
Split split_purchase(const Subject& subject, Quantity count, bool template_is_spot) {
  const std::string policy = "mixed_instances_policy.0.";
  if (subject.text("mixed_instances_policy.#", "0") == "0" && !template_is_spot)
    return {count, Quantity{}};
  if (template_is_spot) return {Quantity{}, count};
  const std::string distribution = policy + "instances_distribution.0.";
  const Quantity base =
      std::min(count, subject.number(distribution + "on_demand_base_capacity").value_or(units(0)));
  const std::int64_t percentage =
      subject.integer(distribution + "on_demand_percentage_above_base_capacity", 100);
  const Quantity above = count - base;
  // The on-demand part is rounded up to whole machines.
  const Quantity part = scale(above, percentage, 100);
  const std::int64_t whole =
      part.e9_units / kQuantityOne + (part.e9_units % kQuantityOne > 0 ? 1 : 0);
  const Quantity on_demand = base + std::min(above, units(whole));
  return {on_demand, count - on_demand};
}

void price_group(Subject& subject) {
  const aggregator::Group* known = subject.estimator.group(subject.text("name"));
  if (known == nullptr) known = subject.estimator.group(subject.resource.id);
  if (known == nullptr) known = subject.estimator.group(subject.resource.address);
  std::optional<Quantity> count = subject.usage("instances");
  const bool told = count.has_value();
  // The group's own entry has what the last file says, also one of the AWS CLI.
  const bool current = known != nullptr && known->planned == subject.resource.planned;
  const auto size = [&](std::optional<std::int64_t> aggregator::Group::*latest,
                        const char* attribute) {
    const auto latest_size = current ? known->*latest : std::nullopt;
    return latest_size && *latest_size >= 0 ? units(*latest_size) : subject.number(attribute);
  };
  if (!count) count = size(&aggregator::Group::desired, "desired_capacity");
  if (!count) count = size(&aggregator::Group::minimum, "min_size");
  if (!count)
    return subject.add_unknown("instance hours",
                               "the group's desired and minimum size are not known");
  const Resource* from = template_of(subject);
  std::string type = known != nullptr ? known->instance_type : "";
  const std::string override_block = "mixed_instances_policy.0.launch_template.0.override.0.";
  std::int64_t weight = 1;
  if (const std::string other = subject.text(override_block + "instance_type"); !other.empty()) {
    type = other;
    if (!told)
      weight = std::max<std::int64_t>(1, subject.integer(override_block + "weighted_capacity", 1));
  }
  Purchase purchase;
  if (from != nullptr) {
    const Subject source(subject.estimator, *from, "", "", {});
    if (type.empty()) type = source.text("instance_type");
    purchase.tenancy = source.text("placement_tenancy", source.text("placement.0.tenancy"));
    purchase.spot = !source.text("spot_price").empty() ||
                    source.text("instance_market_options.0.market_type") == "spot";
  }
  const bool windows = subject.flag("windows") || (known != nullptr && known->windows);
  Split split = split_purchase(subject, *count, purchase.spot);
  // The sizes of the group and of its on-demand part are units of weight, and so many of them make
  // one machine. Rule: Amazon EC2 Auto Scaling User Guide, "instance weights".
  if (weight > 1) {
    const auto machines = [weight](Quantity of) {
      return units((of.e9_units / kQuantityOne + weight - 1) / weight);
    };
    count = machines(*count);
    split.on_demand = machines(split.on_demand);
    split.spot = *count - split.on_demand;
  }
  if (split.on_demand > Quantity{} || split.spot == Quantity{})
    add_bought_machines(subject, type, windows, split.on_demand, {purchase.tenancy, false, {}});
  if (split.spot > Quantity{})
    add_bought_machines(subject, type, windows, split.spot, {purchase.tenancy, true, {}});
  if (from != nullptr) return add_template_parts(subject, *from, *count);
  if (!subject.estimator.lists_volumes_of(subject.resource))
    subject.add_unknown("root volume storage", "the group's launch template is not known");
}

void price_volume(Subject& subject) {
  VolumeSpec volume{subject.text("type", "gp2"),
                    subject.number("size"),
                    subject.number("iops"),
                    subject.number("throughput"),
                    {}};
  add_volume(subject, "volume", volume, units(1));
}

/// Tasks of a service by capacity provider: each its base, and of the others the part that its weight
/// is of all; without weights equal parts. Rule: Amazon ECS Developer Guide, "Amazon ECS capacity
/// providers", "Capacity provider strategy considerations".
using TasksByProvider = std::map<std::string, Quantity>;
TasksByProvider split_tasks(const Subject& subject, const std::string& list, Quantity count) {
  struct Provider {
    std::string name;
    std::int64_t weight;
  };
  std::vector<Provider> providers;
  TasksByProvider tasks;
  std::int64_t weights = 0;
  Quantity rest = count;
  for (std::int64_t i = 0; i < subject.count(list); ++i) {
    const std::string block = fmt::format("{}.{}.", list, i);
    providers.push_back({subject.text(block + "capacity_provider"),
                         std::min<std::int64_t>(subject.integer(block + "weight", 0), 1000)});
    weights += providers.back().weight;
    const Quantity base = std::min(rest, subject.number(block + "base").value_or(Quantity{}));
    Quantity& own = tasks[providers.back().name];
    own = own + base;
    rest = rest - base;
  }
  for (const auto& [name, weight] : providers) {
    Quantity& own = tasks[name];
    own = own + (weights > 0 ? scale(rest, weight, weights)
                             : scale(rest, 1, static_cast<std::int64_t>(providers.size())));
  }
  std::erase_if(tasks, [](const auto& one) { return one.second == Quantity{}; });
  return tasks;
}

/// The capacity provider strategy of a service's cluster, of its own resource or the cluster's;
/// nullptr = none is known.
constexpr const char* kDefaultStrategy = "default_capacity_provider_strategy";
const Resource* default_strategy_of(const Subject& service) {
  const Estimator& all = service.estimator;
  const auto cluster_of = [&all](const Subject& one, const char* name) {
    const std::string reference = one.text(name, one.text(std::string(name) + "_address"));
    const Resource* cluster = all.find("aws_ecs_cluster", reference);
    // An ARN ends in the name.
    return cluster != nullptr ? cluster->address : reference.substr(reference.rfind('/') + 1);
  };
  const std::string cluster = cluster_of(service, "cluster");
  if (cluster.empty()) return nullptr;
  for (const auto& [type, name] : {std::pair("aws_ecs_cluster_capacity_providers", "cluster_name"),
                                   std::pair("aws_ecs_cluster", "name")}) {
    for (const Resource* one : all.of_type(type)) {
      const Subject providers(service.estimator, *one, "", "", {});
      if (providers.count(kDefaultStrategy) > 0 && cluster_of(providers, name) == cluster)
        return one;
    }
  }
  return nullptr;
}

const Resource* task_definition_of(const Subject& service) {
  const Estimator& all = service.estimator;
  const std::string reference = service.text("task_definition");
  // "family:revision", or as a plan's configuration says.
  for (const std::string& name : {reference, reference.substr(0, reference.rfind(':')),
                                  service.text("task_definition_address")}) {
    if (const Resource* found = all.find("aws_ecs_task_definition", name)) return found;
  }
  // A plan does not say which, but there is one only.
  const auto& definitions = all.of_type("aws_ecs_task_definition");
  return definitions.size() == 1 ? definitions.front() : nullptr;
}

/// Fargate tasks: vCPU and memory of the task definition for every task of the service. Without a
/// launch type and a strategy the cluster's default holds, else what the task definition can run on.
/// Rule: Amazon ECS API Reference, "CreateService", capacityProviderStrategy.
void price_service(Subject& subject) {
  std::string launch = subject.text("launch_type");
  std::string list = "capacity_provider_strategy";
  const Resource* strategy = nullptr;
  if (launch.empty() && subject.count(list) > 0) strategy = &subject.resource;
  if (launch.empty() && strategy == nullptr) {
    strategy = default_strategy_of(subject);
    list = kDefaultStrategy;
  }
  const Resource* definition = task_definition_of(subject);
  if (launch.empty() && strategy == nullptr && definition != nullptr) {
    const Subject task(subject.estimator, *definition, "", "", {});
    if (task.count("requires_compatibilities") == 1)
      launch = task.text("requires_compatibilities.0");
  }
  if (launch.empty() && strategy == nullptr) {
    return subject.add_unknown("task hours",
                               "neither the launch type nor a capacity provider strategy is known");
  }
  // The machines are billed.
  if (launch != "FARGATE" && strategy == nullptr) return;
  std::optional<Quantity> told = subject.usage("tasks");
  if (!told) told = subject.number("desired_count");
  const Quantity count = told.value_or(units(1));
  const auto assume = [&told](Draft& draft) {
    if (!told) draft.reason = "one task assumed: desired_count is not known";
  };
  TasksByProvider parts{{"FARGATE", count}};
  if (strategy != nullptr)
    parts = split_tasks(Subject(subject.estimator, *strategy, "", "", {}), list, count);
  for (const auto& [provider, tasks] : parts) {
    if (provider == "FARGATE") continue;
    Draft& draft = subject.add("task hours, " + provider, {}, product(tasks, subject.month()));
    draft.unit = "h";
    draft.reason = provider == "FARGATE_SPOT"
                       ? "unsupported: spot prices vary"
                       : fmt::format("unsupported: capacity provider {}", provider);
  }
  if (subject.flag("network_configuration.0.assign_public_ip"))
    assume(subject.add("public IPv4", "vpc.public_ipv4.in_use", product(subject.month(), count)));
  if (!parts.contains("FARGATE")) return;
  const Quantity fargate = parts["FARGATE"];
  if (definition == nullptr)
    return subject.add_unknown("task hours",
                               "the service's task definition is not in the inventory");
  const Subject task(subject.estimator, *definition, "", "", {});
  const std::optional<Quantity> cpu = task.number("cpu"), memory = task.number("memory");
  if (!cpu || !memory)
    return subject.add_unknown("task hours", "cpu and memory of the task definition are not known");
  const bool arm = task.text("runtime_platform.0.cpu_architecture") == "ARM64";
  if (task.text("runtime_platform.0.operating_system_family", "LINUX") != "LINUX") {
    return subject.add_unknown("task hours", "unsupported: Fargate tasks that run Windows");
  }
  const std::string key = arm ? "fargate.arm64." : "fargate.x86_64.";
  const Quantity hours = product(fargate, subject.month());
  // CPU units and MiB, 1,024 of them a vCPU and a GB.
  constexpr std::int64_t kPart = 1024 * kQuantityOne;
  assume(subject.add("Fargate vCPU", key + "vcpu", scale(hours, cpu->e9_units, kPart)));
  assume(subject.add("Fargate memory", key + "memory", scale(hours, memory->e9_units, kPart)));
  const std::int64_t storage_gb = task.integer("ephemeral_storage.0.size_in_gib", 20);
  if (storage_gb > 20)
    assume(subject.add("Fargate ephemeral storage", "fargate.ephemeral_storage",
                       multiply(hours, storage_gb - 20)));
}

/// When standard support of Kubernetes 1.<minor> ends: extended support is billed from the beginning
/// of that day, UTC. Rule: Amazon EKS User Guide, "Understand the Kubernetes version lifecycle on
/// EKS", "Amazon EKS Kubernetes release calendar".
struct SupportEnd {
  std::int64_t minor;
  std::chrono::sys_days day;
};
std::optional<std::chrono::sys_days> end_of_standard_support(std::int64_t minor) {
  using namespace std::chrono;
  static constexpr SupportEnd kEnds[] = {
      {25, sys_days{2024y / 5 / 1}},   {26, sys_days{2024y / 6 / 11}},
      {27, sys_days{2024y / 7 / 24}},  {28, sys_days{2024y / 11 / 26}},
      {29, sys_days{2025y / 3 / 23}},  {30, sys_days{2025y / 7 / 23}},
      {31, sys_days{2025y / 11 / 26}}, {32, sys_days{2026y / 3 / 23}},
      {33, sys_days{2026y / 7 / 29}},  {34, sys_days{2026y / 12 / 2}},
      {35, sys_days{2027y / 3 / 27}}};
  // Older ones had ended when extended support began to be billed.
  if (minor < kEnds[0].minor) return sys_days{2024y / 4 / 1};
  for (const SupportEnd& end : kEnds) {
    if (end.minor == minor) return end.day;
  }
  return std::nullopt;  // Newer than this list.
}

/// An hour in extended support costs more than one in standard support, unless the cluster's policy
/// is to be upgraded instead. Rule: Amazon EKS pricing.
void price_cluster(Subject& subject) {
  const std::string version = subject.text("version");
  const Period& period = subject.estimator.period;
  const Period all;
  Quantity extended;
  std::optional<std::chrono::sys_days> end;
  if (const auto minor =
          version.starts_with("1.") ? parse_quantity(version.substr(2)) : std::nullopt)
    end = end_of_standard_support(minor->e9_units / kQuantityOne);
  const bool upgraded = subject.text("upgrade_policy.0.support_type") == "STANDARD";
  if (end && !upgraded && period.from_s != all.from_s && period.to_s != all.to_s) {
    const std::int64_t end_s = std::chrono::sys_seconds{*end}.time_since_epoch().count();
    const std::int64_t begin_s = std::clamp(end_s, period.from_s, period.to_s);
    extended = scale(subject.month(), period.to_s - begin_s, period.to_s - period.from_s);
  }
  if (extended < subject.month())
    subject.add("control plane hours", "eks.cluster.standard", subject.month() - extended);
  if (extended > Quantity{}) {
    subject.add(fmt::format("control plane hours, extended support of {}", version),
                "eks.cluster.extended", extended);
  }
}

void price_node_group(Subject& subject) {
  std::optional<Quantity> count = subject.usage("instances");
  if (!count) count = subject.number("scaling_config.0.desired_size");
  if (!count) count = subject.number("scaling_config.0.min_size");
  if (!count)
    return subject.add_unknown("instance hours",
                               "the node group's desired and minimum size are not known");
  const Resource* from = template_of(subject);
  std::string type = subject.text("instance_types.0");
  if (type.empty() && from != nullptr)
    type = Subject(subject.estimator, *from, "", "", {}).text("instance_type");
  if (type.empty()) type = "t3.medium";  // Amazon EKS User Guide, "Managed node groups".
  add_bought_machines(subject, type, subject.text("ami_type").starts_with("WINDOWS"), *count,
                      {"default", subject.text("capacity_type") == "SPOT", {}});
  if (from != nullptr) return add_template_parts(subject, *from, *count);
  if (subject.estimator.lists_volumes_of(subject.resource)) return;
  // Nodes get one root volume of 20 GB unless the group says otherwise.
  VolumeSpec root{"gp2", subject.number("disk_size"), {}, {}, {}};
  if (!root.size_gb) {
    root.size_gb = units(20);
    root.assumption = "size assumed: 20 GB, the default of managed node groups";
  }
  add_volume(subject, "root volume", root, *count);
}

/// Requests, and GB-seconds of memory. Rule: AWS Lambda pricing.
void price_function(Subject& subject) {
  const std::string arm = subject.text("architectures.0") == "arm64" ? "arm64" : "x86_64";
  const std::optional<Quantity> requests = subject.usage("monthly_requests", 6);
  const std::optional<Quantity> duration_ms = subject.usage("request_duration_ms");
  const auto ask = [&](const char* component, const std::string& key, const char* missing) {
    Draft& draft = subject.add(component, key, Quantity{}, "usage_file");
    draft.quantity.reset();
    draft.reason = fmt::format("depends on usage: state {} of {} in the usage file", missing,
                               subject.resource.address);
  };
  if (requests) {
    subject.add("requests", "lambda.requests", *requests, "usage_file");
  } else {
    ask("requests", "lambda.requests", "monthly_requests");
  }
  const Quantity memory_mb = subject.number("memory_size").value_or(units(128));
  if (requests && duration_ms) {
    // Millions of requests x ms are thousands of seconds.
    const Quantity seconds_e3 = product(*requests, *duration_ms);
    subject.add("duration", "lambda.duration." + arm,
                scale(seconds_e3, memory_mb.e9_units, 1024 * kQuantityOne / 1000), "usage_file");
  } else {
    ask("duration", "lambda.duration." + arm, "monthly_requests and request_duration_ms");
  }
}

/// Size of the volume that a snapshot, or a copy of one, was taken of.
std::optional<Quantity> snapshot_size(const Subject& subject, const Resource& snapshot) {
  const Estimator& all = subject.estimator;
  const Subject source(subject.estimator, snapshot, "", "", {});
  if (const auto told = source.number("volume_size")) return told;
  for (const char* attribute : {"volume_id", "volume_id_address"}) {
    if (const Resource* volume = all.find("aws_ebs_volume", source.text(attribute)))
      return Subject(subject.estimator, *volume, "", "", {}).number("size");
  }
  for (const char* attribute : {"source_snapshot_id", "source_snapshot_id_address"}) {
    const Resource* copied = all.find("aws_ebs_snapshot", source.text(attribute));
    if (copied != nullptr && copied != &snapshot) return snapshot_size(subject, *copied);
  }
  return std::nullopt;
}

/// Only changed blocks are billed, which no inventory knows; without usage the volume's size is the
/// most that the first snapshot of it can be.
void price_snapshot(Subject& subject) {
  const bool archived = subject.text("storage_tier") == "archive";
  const char* key = archived ? "ebs.snapshot.archive" : "ebs.snapshot.storage";
  if (const auto told = subject.usage("storage_gb"))
    return void(subject.add("snapshot storage", key, *told, "usage_file"));
  const std::optional<Quantity> size = snapshot_size(subject, subject.resource);
  if (!size) return (void)subject.add_usage("snapshot storage", key, "storage_gb");
  subject.add("snapshot storage", key, *size).reason =
      "at most: the whole volume; only used and changed blocks are billed";
}

}  // namespace

void add_machines(Subject& subject, const std::string& type, bool windows, Quantity count) {
  const std::string system = subject.estimator.system_of(subject, windows);
  const std::optional<Quantity> told = subject.usage("monthly_hrs");
  const Quantity hours = product(count, told.value_or(subject.month()));
  if (type.empty()) return subject.add_unknown("instance hours", "the instance type is not known");
  subject
      .add(fmt::format("instance hours, {} {}", type, system),
           fmt::format("ec2.instance.{}.{}", type, system), hours,
           told ? "usage_file" : "inventory")
      .unit = "h";
  // Rule: Amazon EC2 User Guide, "Burstable performance instances": no others have credits.
  const std::string family = type.substr(0, type.find('.'));
  if (family == "t2" || family == "t3" || family == "t3a" || family == "t4g") {
    add_cpu_credits(subject,
                    fmt::format("ec2.cpu_credits.{}.{}", family == "t4g" ? "t4g" : "t3", system),
                    type, count);
  }
}

std::optional<Quantity> vcpus_of(Subject& subject, const std::string& type) {
  if (const auto told = subject.usage("vcpu_count")) return told;
  const InstanceType* known =
      subject.estimator.prices.instance_type(type.starts_with("db.") ? type.substr(3) : type);
  return known == nullptr ? std::nullopt : std::optional(units(known->vcpu));
}

void add_cpu_credits(Subject& subject, const std::string& price_key, const std::string& type,
                     Quantity count) {
  const std::optional<Quantity> credits = subject.usage("monthly_cpu_credit_hrs");
  if (!credits) return;
  const std::optional<Quantity> vcpus = vcpus_of(subject, type);
  Draft& draft =
      subject.add("CPU credits", price_key,
                  product(product(*credits, vcpus.value_or(Quantity{})), count), "usage_file");
  if (vcpus) return;
  draft.quantity.reset();
  draft.reason = fmt::format("depends on usage: state vcpu_count of {} in the usage file",
                             subject.resource.address);
}

MachineKind kind_of(const ReportOptions& options, const aggregator::Instance& instance,
                    const Resource* facts) {
  MachineKind kind{instance.type, system_of(facts), {}};
  if (kind.system.empty()) kind.system = instance.windows ? "windows" : "linux";
  if (options.assume_windows) kind.system = *options.assume_windows ? "windows" : "linux";
  kind.unpriced = why_unpriced(purchase_of(facts));
  return kind;
}

bool is_facts_of_machine(const Resource& resource) {
  return resource.type == "aws_instance" && !resource.attributes.contains("instance_type") &&
         !resource.id.empty() && resource.address == resource.type + "/" + resource.id;
}

void add_lone_machine(Subject& subject, const aggregator::Instance& instance) {
  const std::string& state = instance.state;
  if (is_gone(state) && !ends_within(subject.estimator.period, instance.valid))
    return add_gone(subject, instance.type);
  // A stopped machine keeps its Elastic IP.
  add_addresses(subject);
  if (state == "stopped" || state == "stopping") return;
  add_bought_machines(subject, instance.type, instance.windows, units(1),
                      {subject.text("tenancy"), false, subject.text("instance_lifecycle")});
  if (subject.flag("monitoring"))
    subject.add("detailed monitoring", "cloudwatch.metrics", units(7));
}

void add_lone_group(Subject& subject, const aggregator::Group& group, Quantity count) {
  Estimator& all = subject.estimator;
  const std::vector<const aggregator::Instance*> members = all.members_of(group);
  // By kind: how many, and one of them to price by.
  std::map<MachineKind, std::pair<std::int64_t, const aggregator::Instance*>> kinds;
  std::int64_t addresses = 0, monitored = 0;
  for (const aggregator::Instance* member : members) {
    const Resource* facts = all.find("aws_instance", member->id);
    auto& [number, example] = kinds[kind_of(all.options, *member, facts)];
    ++number;
    example = member;
    Resource stand_in;
    if (facts != nullptr) stand_in = *facts;
    stand_in.id = member->id;
    const Subject machine(all, stand_in, subject.environment, subject.region, {});
    addresses += all.public_addresses(machine);
    monitored += std::int64_t{machine.flag("monitoring")};
  }
  const bool typed = std::ranges::none_of(
      members, [](const aggregator::Instance* one) { return one->type.empty(); });
  // What the group itself says goes over members that say no more than their type.
  const bool plain =
      kinds.size() == 1 && kinds.begin()->first.unpriced.empty() &&
      (kinds.begin()->first.system == "linux" || kinds.begin()->first.system == "windows");
  if (members.empty() || !typed || (plain && !group.instance_type.empty())) {
    add_machines(subject, group.instance_type, group.windows, count);
  } else {
    for (const auto& [kind, of] : kinds) {
      const auto& [number, example] = of;
      const Quantity part = scale(count, number, static_cast<std::int64_t>(members.size()));
      const Resource* facts = all.find("aws_instance", example->id);
      subject.set_system(system_of(facts));
      add_bought_machines(subject, kind.type, example->windows, part, purchase_of(facts));
    }
  }
  if (monitored > 0) subject.add("detailed monitoring", "cloudwatch.metrics", units(7 * monitored));
  if (addresses > 0)
    subject.add("public IPv4", "vpc.public_ipv4.in_use", multiply(subject.month(), addresses));
}

void add_volume(Subject& subject, const std::string& name, const VolumeSpec& volume,
                Quantity count) {
  const std::string& kind = volume.kind;
  if (!volume.size_gb)
    return subject.add_unknown(name + " storage", "the volume's size is not known");
  Quantity size = *volume.size_gb;
  if ((kind == "st1" || kind == "sc1") && size < units(125)) size = units(125);
  Draft& storage = subject.add(fmt::format("{} storage, {}", name, kind),
                               fmt::format("ebs.{}.storage", kind), product(size, count));
  storage.unit = "GB-month";
  storage.reason = volume.assumption;
  const auto above = [&](const std::optional<Quantity>& provisioned, std::int64_t included,
                         const char* what) {
    if (!provisioned || *provisioned <= units(included)) return;
    const Quantity paid = *provisioned - units(included);
    Draft& draft = subject.add(fmt::format("{} {}, {}", name, what, kind),
                               fmt::format("ebs.{}.{}", kind, what), product(paid, count));
    // AWS meters each tier of a volume's IOPS as a usage type of its own (VolumeP-IOPS.io2.tier2).
    // Rule: Amazon EBS pricing, "Provisioned IOPS SSD (io2) volumes".
    if (kind == "io2") draft.tiered_by = paid;
  };
  if (kind == "gp3") {
    above(volume.iops, 3000, "iops");
    above(volume.throughput_mibps, 125, "throughput");
  } else if (kind == "io1" || kind == "io2") {
    if (volume.iops) {
      above(volume.iops, 0, "iops");
    } else {
      subject.add_unknown(fmt::format("{} iops, {}", name, kind),
                          "the volume's provisioned IOPS are not known");
    }
  } else if (kind == "standard") {
    subject.add_usage(name + " I/O", "ebs.standard.io", "monthly_standard_io_requests", 6);
  }
}

std::vector<TypeEntry> compute_types() {
  return {
      {"aws_instance", price_instance},         {"aws_spot_instance_request", price_spot_request},
      {"aws_autoscaling_group", price_group},   {"aws_ebs_volume", price_volume},
      {"aws_ebs_snapshot", price_snapshot},     {"aws_ebs_snapshot_copy", price_snapshot},
      {"aws_ecs_service", price_service},       {"aws_eks_cluster", price_cluster},
      {"aws_eks_node_group", price_node_group}, {"aws_lambda_function", price_function}};
}

}  // namespace fleetmeter::cost
