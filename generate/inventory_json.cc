#include "generate/inventory_json.h"

#include <algorithm>

#include "generate/expected.h"
#include "generate/json_text.h"

namespace fleetmeter::generate {
namespace {

std::string launch_time(const FleetOptions& options) {
  std::string time = rfc3339(options.start_s - 30 * 86'400);
  time.replace(time.size() - 1, 1, "+00:00");  // As the CLI prints times.
  return time;
}

void tag(JsonWriter& json, std::string_view key, std::string_view value) {
  json.open('{').pair("Key", key).pair("Value", value).close('}');
}
void tags(JsonWriter& json, std::string_view list, std::string_view name, const GroupOptions& group,
          bool in_group) {
  json.key(list).open('[');
  tag(json, "Name", name);
  tag(json, "Environment", group.environment);
  tag(json, "Project", "hyperion");
  tag(json, "Department", "operations");
  if (in_group) tag(json, "aws:autoscaling:groupName", group.name);
  json.close(']');
}

std::string machine_name(const FleetOptions& options, const Machine& machine, std::size_t index) {
  return options.groups[machine.group].name + "-" + std::to_string(index);
}

void instance(JsonWriter& json, const FleetOptions& options, const Topology& fleet,
              std::size_t index) {
  const Machine& machine = fleet.machines[index];
  const GroupOptions& group = options.groups[machine.group];
  json.open('{');
  json.pair("InstanceId", machine.at.instance_id).pair("InstanceType", group.instance_type);
  json.pair("LaunchTime", launch_time(options))
      .pair("Platform", "windows")
      .pair("PlatformDetails", "Windows");
  json.key("Monitoring").open('{').pair("State", "enabled").close('}');
  json.key("Placement")
      .open('{')
      .pair("AvailabilityZone", fleet.zones[machine.at.zone].name)
      .pair("Tenancy", "default")
      .close('}');
  json.pair("PrivateIpAddress", machine.at.address)
      .pair("SubnetId", machine.at.subnet_id)
      .pair("VpcId", fleet.vpc_id);
  json.key("State").open('{').pair("Code", std::uint64_t{16}).pair("Name", "running").close('}');
  json.key("NetworkInterfaces").open('[').open('{');
  json.pair("NetworkInterfaceId", machine.at.interface_id)
      .pair("PrivateIpAddress", machine.at.address);
  json.pair("SubnetId", machine.at.subnet_id)
      .pair("VpcId", fleet.vpc_id)
      .pair("InterfaceType", "interface");
  json.close('}').close(']');
  tags(json, "Tags", machine_name(options, machine, index), group, true);
  json.close('}');
}

std::string instances(const FleetOptions& options, const Topology& fleet) {
  JsonWriter json;
  json.open('{').key("Reservations").open('[');
  for (std::size_t m = 0; m < fleet.machines.size(); ++m) {
    json.open('{').key("Groups").open('[').close(']').key("Instances").open('[');
    instance(json, options, fleet, m);
    json.close(']').pair("OwnerId", options.account).close('}');
  }
  json.close(']').close('}');
  return json.take();
}

void interface_head(JsonWriter& json, const FleetOptions& options, const Topology& fleet,
                    const Endpoint& at) {
  json.open('{')
      .pair("NetworkInterfaceId", at.interface_id)
      .pair("AvailabilityZone", fleet.zones[at.zone].name);
  json.pair("OwnerId", options.account)
      .pair("VpcId", fleet.vpc_id)
      .pair("SubnetId", at.subnet_id)
      .pair("Status", "in-use");
  json.pair("PrivateIpAddress", at.address);
}

std::string interfaces(const FleetOptions& options, const Topology& fleet) {
  JsonWriter json;
  json.open('{').key("NetworkInterfaces").open('[');
  for (std::size_t m = 0; m < fleet.machines.size(); ++m) {
    const Machine& machine = fleet.machines[m];
    interface_head(json, options, fleet, machine.at);
    json.key("Attachment")
        .open('{')
        .pair("AttachTime", launch_time(options))
        .pair("DeviceIndex", std::uint64_t{0});
    json.pair("InstanceId", machine.at.instance_id)
        .pair("InstanceOwnerId", options.account)
        .pair("Status", "attached")
        .close('}');
    json.pair("Description", "").pair("InterfaceType", "interface").pair("RequesterManaged", false);
    json.key("PrivateIpAddresses")
        .open('[')
        .open('{')
        .pair("Primary", true)
        .pair("PrivateIpAddress", machine.at.address);
    json.close('}').close(']');
    tags(json, "TagSet", machine_name(options, machine, m), options.groups[machine.group], false);
    json.close('}');
  }
  for (const Gateway& gateway : fleet.gateways) {
    interface_head(json, options, fleet, gateway.at);
    json.key("Attachment")
        .open('{')
        .pair("AttachTime", launch_time(options))
        .pair("DeviceIndex", std::uint64_t{1});
    json.pair("InstanceOwnerId", "amazon-aws").pair("Status", "attached").close('}');
    json.pair("Description", "Interface for NAT Gateway " + gateway.id)
        .pair("InterfaceType", "nat_gateway");
    json.pair("RequesterManaged", true);
    const auto association = [&json, &gateway] {
      json.key("Association")
          .open('{')
          .pair("AllocationId", gateway.allocation_id)
          .pair("IpOwnerId", "amazon-aws");
      json.pair("PublicIp", gateway.public_address).close('}');
    };
    association();
    json.key("PrivateIpAddresses").open('[').open('{');
    association();
    json.pair("Primary", true).pair("PrivateIpAddress", gateway.at.address).close('}').close(']');
    tags(json, "TagSet", "nat-" + fleet.zones[gateway.at.zone].name, options.groups[0], false);
    json.close('}');
  }
  json.close(']').close('}');
  return json.take();
}

std::string subnets(const FleetOptions& options, const Topology& fleet) {
  JsonWriter json;
  json.open('{').key("Subnets").open('[');
  for (const Subnet& subnet : fleet.subnets) {
    json.open('{')
        .pair("SubnetId", subnet.id)
        .pair("VpcId", fleet.vpc_id)
        .pair("CidrBlock", subnet.cidr);
    json.pair("AvailabilityZone", fleet.zones[subnet.zone].name)
        .pair("AvailabilityZoneId", fleet.zones[subnet.zone].id);
    json.pair("MapPublicIpOnLaunch", subnet.is_public)
        .pair("OwnerId", options.account)
        .pair("State", "available");
    tags(json, "Tags", subnet.name, options.groups[0], false);
    json.close('}');
  }
  json.close(']').close('}');
  return json.take();
}

std::string nat_gateways(const FleetOptions& options, const Topology& fleet) {
  JsonWriter json;
  json.open('{').key("NatGateways").open('[');
  for (const Gateway& gateway : fleet.gateways) {
    json.open('{')
        .pair("NatGatewayId", gateway.id)
        .pair("VpcId", fleet.vpc_id)
        .pair("SubnetId", gateway.at.subnet_id);
    json.pair("CreateTime", launch_time(options))
        .pair("State", "available")
        .pair("ConnectivityType", "public");
    json.key("NatGatewayAddresses").open('[').open('{').pair("AllocationId", gateway.allocation_id);
    json.pair("NetworkInterfaceId", gateway.at.interface_id).pair("PrivateIp", gateway.at.address);
    json.pair("PublicIp", gateway.public_address)
        .pair("IsPrimary", true)
        .pair("Status", "succeeded")
        .close('}')
        .close(']');
    tags(json, "Tags", "nat-" + fleet.zones[gateway.at.zone].name, options.groups[0], false);
    json.close('}');
  }
  json.close(']').close('}');
  return json.take();
}

std::string groups(const FleetOptions& options, const Topology& fleet) {
  JsonWriter json;
  json.open('{').key("AutoScalingGroups").open('[');
  for (std::size_t g = 0; g < options.groups.size(); ++g) {
    const GroupOptions& group = options.groups[g];
    const auto& members = fleet.group_machines[g];
    json.open('{').pair("AutoScalingGroupName", group.name);
    json.pair("AutoScalingGroupARN",
              "arn:aws:autoscaling:" + options.region + ":" + options.account +
                  ":autoScalingGroup:00000000-0000-4000-8000-00000000000" + std::to_string(g % 10) +
                  ":autoScalingGroupName/" + group.name);
    json.pair("MinSize", std::uint64_t{group.minimum})
        .pair("MaxSize", std::uint64_t{group_maximum(options, fleet, g)});
    json.pair("DesiredCapacity", std::uint64_t{members.size()})
        .pair("DefaultCooldown", std::uint64_t{300});
    json.key("AvailabilityZones").open('[');
    for (const Zone& zone : fleet.zones) json.value(zone.name);
    json.close(']')
        .pair("HealthCheckType", "ELB")
        .pair("HealthCheckGracePeriod", std::uint64_t{300});
    json.key("Instances").open('[');
    for (const std::uint32_t m : members) {
      const Endpoint& at = fleet.machines[m].at;
      json.open('{').pair("InstanceId", at.instance_id).pair("InstanceType", group.instance_type);
      json.pair("AvailabilityZone", fleet.zones[at.zone].name).pair("LifecycleState", "InService");
      json.pair("HealthStatus", "Healthy").pair("ProtectedFromScaleIn", false).close('}');
    }
    json.close(']').pair("CreatedTime", launch_time(options));
    tags(json, "Tags", group.name, group, false);
    json.close('}');
  }
  json.close(']').close('}');
  return json.take();
}

}  // namespace

std::vector<std::pair<std::string, std::string>> inventory_files(const FleetOptions& options,
                                                                 const Topology& fleet) {
  return {{"describe-instances.json", instances(options, fleet)},
          {"describe-network-interfaces.json", interfaces(options, fleet)},
          {"describe-subnets.json", subnets(options, fleet)},
          {"describe-nat-gateways.json", nat_gateways(options, fleet)},
          {"describe-auto-scaling-groups.json", groups(options, fleet)}};
}

}  // namespace fleetmeter::generate
