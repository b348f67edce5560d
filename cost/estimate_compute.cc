#include <fmt/format.h>

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
  if (!volume.size_gb) volume.size_gb = units(8);
  volume.iops = subject.number(block + ".iops");
  volume.throughput_mibps = subject.number(block + ".throughput");
  return volume;
}

/// A volume of an instance that is in the inventory by itself too is billed there.
bool volume_listed(const Subject& subject, const std::string& block) {
  return subject.estimator.find("aws_ebs_volume", subject.text(block + ".volume_id")) != nullptr;
}

void price_instance(Subject& subject) {
  const aggregator::Instance* known = subject.estimator.instance(subject.resource.id);
  const std::string state =
      known != nullptr && !known->state.empty() ? known->state : subject.text("instance_state");
  const std::string tenancy = subject.text("tenancy", "default");
  if (state == "terminated") return;
  if (state != "stopped" && state != "stopping") {
    if (tenancy == "dedicated" || tenancy == "host") {
      subject.add_unknown("instance hours", fmt::format("unsupported: tenancy {}", tenancy));
    } else {
      const bool windows = known != nullptr ? known->windows
                                            : subject.text("platform") == "windows" ||
                                                  subject.flag("get_password_data");
      add_machines(subject, subject.text("instance_type", known != nullptr ? known->type : ""),
                   windows, units(1));
    }
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
  const bool has_address =
      !subject.text("public_ip").empty() || subject.flag("associate_public_ip_address");
  if (has_address && !subject.estimator.has_elastic_address(subject.resource.id))
    subject.add("public IPv4", "vpc.public_ipv4.in_use", subject.month());
}

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
  if (const Resource* found =
          all.find("aws_launch_configuration", subject.text("launch_configuration")))
    return found;
  return nullptr;
}

void add_template_volumes(Subject& subject, const Resource& from, Quantity count) {
  const Subject source(subject.estimator, from, subject.environment, subject.region, {});
  if (from.type == "aws_launch_configuration") {
    add_volume(subject, "root volume", block_device(source, "root_block_device.0"), count);
    for (std::int64_t i = 0; i < source.count("ebs_block_device"); ++i) {
      add_volume(subject, fmt::format("volume {}", i),
                 block_device(source, fmt::format("ebs_block_device.{}", i)), count);
    }
    return;
  }
  const std::int64_t mappings = source.count("block_device_mappings");
  if (mappings == 0)
    add_volume(subject, "root volume", block_device(source, "root_block_device.0"), count);
  for (std::int64_t i = 0; i < mappings; ++i) {
    add_volume(subject, i == 0 ? "root volume" : fmt::format("volume {}", i),
               block_device(source, fmt::format("block_device_mappings.{}.ebs.0", i)), count);
  }
}

void price_group(Subject& subject) {
  const aggregator::Group* known = subject.estimator.group(subject.text("name"));
  if (known == nullptr) known = subject.estimator.group(subject.resource.id);
  if (known == nullptr) known = subject.estimator.group(subject.resource.address);
  std::optional<Quantity> count = subject.usage("instances");
  if (!count) count = subject.number("desired_capacity");
  if (!count && known != nullptr && known->desired) count = units(*known->desired);
  if (!count) count = subject.number("min_size");
  if (!count)
    return subject.add_unknown("instance hours",
                               "the group's desired and minimum size are not known");
  const Resource* from = template_of(subject);
  std::string type = known != nullptr ? known->instance_type : "";
  const std::string override_type =
      subject.text("mixed_instances_policy.0.launch_template.0.override.0.instance_type");
  if (!override_type.empty()) type = override_type;
  if (type.empty() && from != nullptr) {
    type = Subject(subject.estimator, *from, "", "", {}).text("instance_type");
  }
  add_machines(subject, type, known != nullptr && known->windows, *count);
  if (from != nullptr) add_template_volumes(subject, *from, *count);
}

void price_volume(Subject& subject) {
  VolumeSpec volume{subject.text("type", "gp2"), subject.number("size"), subject.number("iops"),
                    subject.number("throughput")};
  add_volume(subject, "volume", volume, units(1));
}

/// Fargate tasks: vCPU and memory of the task definition for every task of the service.
void price_service(Subject& subject) {
  const std::string launch = subject.text("launch_type");
  const std::string provider = subject.text("capacity_provider_strategy.0.capacity_provider");
  // The machines are billed.
  if (launch == "EC2" || launch == "EXTERNAL" || (launch.empty() && provider.empty())) return;
  if (launch.empty() && provider != "FARGATE") {
    return subject.add_unknown("task hours",
                               fmt::format("unsupported: capacity provider {}", provider));
  }
  const Estimator& all = subject.estimator;
  const Resource* definition = all.find("aws_ecs_task_definition", subject.text("task_definition"));
  if (definition == nullptr) {  // "family:revision"
    const std::string reference = subject.text("task_definition");
    definition = all.find("aws_ecs_task_definition", reference.substr(0, reference.rfind(':')));
  }
  if (definition == nullptr && all.of_type("aws_ecs_task_definition").size() == 1) {
    // A plan does not say which, but there is one only.
    definition = all.of_type("aws_ecs_task_definition").front();
  }
  if (definition == nullptr)
    return subject.add_unknown("task hours",
                               "the service's task definition is not in the inventory");
  const Subject task(subject.estimator, *definition, "", "", {});
  const std::optional<Quantity> cpu = task.number("cpu"), memory = task.number("memory");
  if (!cpu || !memory)
    return subject.add_unknown("task hours", "cpu and memory of the task definition are not known");
  std::optional<Quantity> count = subject.usage("tasks");
  if (!count) count = units(subject.integer("desired_count", 1));
  const bool arm = task.text("runtime_platform.0.cpu_architecture") == "ARM64";
  if (task.text("runtime_platform.0.operating_system_family", "LINUX") != "LINUX") {
    return subject.add_unknown("task hours", "unsupported: Fargate tasks that run Windows");
  }
  const std::string key = arm ? "fargate.arm64." : "fargate.x86_64.";
  const Quantity hours = product(*count, subject.month());
  subject.add("Fargate vCPU", key + "vcpu", scale(product(hours, *cpu), 1, 1024));
  subject.add("Fargate memory", key + "memory", scale(product(hours, *memory), 1, 1024));
  const std::int64_t storage_gb = task.integer("ephemeral_storage.0.size_in_gib", 20);
  if (storage_gb > 20)
    subject.add("Fargate ephemeral storage", "fargate.ephemeral_storage",
                multiply(hours, storage_gb - 20));
}

void price_cluster(Subject& subject) {
  subject.add("control plane hours", "eks.cluster.standard", subject.month());
}

void price_node_group(Subject& subject) {
  std::optional<Quantity> count = subject.usage("instances");
  if (!count) count = subject.number("scaling_config.0.desired_size");
  if (!count) count = subject.number("scaling_config.0.min_size");
  if (!count)
    return subject.add_unknown("instance hours",
                               "the node group's desired and minimum size are not known");
  if (subject.text("capacity_type") == "SPOT") {
    subject.add_unknown("instance hours", "unsupported: spot prices vary");
  } else {
    add_machines(subject, subject.text("instance_types.0", "t3.medium"), false, *count);
  }
  // Nodes get one gp2 root volume of 20 GB unless the group or its launch template says otherwise.
  if (const Resource* from =
          subject.estimator.find("aws_launch_template", subject.text("launch_template.0.id"))) {
    return add_template_volumes(subject, *from, *count);
  }
  add_volume(subject, "root volume",
             {"gp2", subject.number("disk_size").value_or(units(20)), {}, {}}, *count);
}

}  // namespace

void add_machines(Subject& subject, const std::string& type, bool windows, Quantity count) {
  const std::string system = subject.estimator.system_of(subject, windows);
  const Quantity hours = product(count, subject.usage("monthly_hrs").value_or(subject.month()));
  if (type.empty()) return subject.add_unknown("instance hours", "the instance type is not known");
  subject
      .add(fmt::format("instance hours, {} {}", type, system),
           fmt::format("ec2.instance.{}.{}", type, system), hours)
      .unit = "h";
  const std::optional<Quantity> credits = subject.usage("monthly_cpu_credit_hrs");
  if (!credits) return;
  const std::string family = type.starts_with("t4g") ? "t4g" : "t3";
  const Quantity vcpu = subject.usage("vcpu_count").value_or(units(2));
  subject.add("CPU credits", fmt::format("ec2.cpu_credits.{}.{}", family, system),
              product(product(*credits, vcpu), count), "usage_file");
}

void add_volume(Subject& subject, const std::string& name, const VolumeSpec& volume,
                Quantity count) {
  const std::string& kind = volume.kind;
  if (!volume.size_gb)
    return subject.add_unknown(name + " storage", "the volume's size is not known");
  Quantity size = *volume.size_gb;
  if ((kind == "st1" || kind == "sc1") && size < units(125)) size = units(125);
  subject
      .add(fmt::format("{} storage, {}", name, kind), fmt::format("ebs.{}.storage", kind),
           product(size, count))
      .unit = "GB-month";
  const auto above = [&](const std::optional<Quantity>& provisioned, std::int64_t included,
                         const char* what) {
    if (!provisioned || *provisioned <= units(included)) return;
    subject.add(fmt::format("{} {}, {}", name, what, kind), fmt::format("ebs.{}.{}", kind, what),
                product(*provisioned - units(included), count));
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
  return {{"aws_instance", price_instance},   {"aws_autoscaling_group", price_group},
          {"aws_ebs_volume", price_volume},   {"aws_ecs_service", price_service},
          {"aws_eks_cluster", price_cluster}, {"aws_eks_node_group", price_node_group}};
}

}  // namespace fleetmeter::cost
