#include <algorithm>
#include <array>

#include "aggregator/inventory_aws.h"
#include "aggregator/inventory_document.h"

namespace fleetmeter::aggregator {
namespace {

using simdjson::dom::element;

Tags tags_of(const element& in, std::string_view key = "Tags") {
  Tags tags;
  for (const element tag : json_list(in, key)) {
    std::string name = json_text(tag, "Key");
    if (!name.empty()) tags[std::move(name)] = json_text(tag, "Value");
  }
  return tags;
}

std::string text_in(const element& in, std::string_view object, std::string_view key) {
  const auto found = json_at(in, object);
  return found ? json_text(*found, key) : std::string();
}

/// The earlier of what `valid` says and the time at `key`.
void begin_at(const std::string& time, Validity& valid) {
  std::int64_t seconds = 0;
  if (!parse_rfc3339(time, seconds)) return;
  const bool unset = valid.from_s == Validity().from_s;
  if (unset || seconds < valid.from_s) valid.from_s = seconds;
}

/// When a machine that is gone went: "User initiated (2026-01-02 03:04:05 GMT)". Other reasons name
/// no time. Rule: Amazon EC2 API reference, "Instance", reason.
void end_at(const std::string& reason, Validity& valid) {
  constexpr std::string_view kZone = " GMT)";
  const std::size_t begin = reason.rfind('(');
  if (begin == std::string::npos || !reason.ends_with(kZone)) return;
  const std::string time = reason.substr(begin + 1, reason.size() - kZone.size() - begin - 1) + "Z";
  std::int64_t seconds = 0;
  if (parse_rfc3339(time, seconds)) valid.to_s = std::max(seconds, valid.from_s);
}

/// A resource named by type and id, until a Terraform file gives it an address.
Resource resource_of(std::string_view type, std::string id) {
  Resource entry;
  entry.type = type;
  entry.address = entry.type + "/" + id;
  entry.id = std::move(id);
  return entry;
}

void put(Resource& entry, std::string_view name, std::string value) {
  if (!value.empty()) entry.attributes[std::string(name)] = std::move(value);
}

/// What a machine pays for its system. Own licences (":0800", ":00g0") pay the Linux rate. Rule:
/// Amazon EC2 User Guide, "AMI billing information fields".
struct System {
  std::string_view operation, details;
  std::string_view name;  ///< Empty: plain Linux or Windows, as `windows` says.
  bool windows = false;
};
constexpr std::array<System, 21> kSystems{{
    {"RunInstances", "Linux/UNIX", "", false},
    {"RunInstances:0002", "Windows", "", true},
    {"RunInstances:0800", "Windows BYOL", "", false},
    {"RunInstances:00g0", "Red Hat BYOL Linux", "", false},
    {"RunInstances:0010", "Red Hat Enterprise Linux", "rhel", false},
    {"RunInstances:1010", "Red Hat Enterprise Linux with HA", "rhel_ha", false},
    {"RunInstances:000g", "SUSE Linux", "suse", false},
    {"RunInstances:0g00", "Ubuntu Pro", "ubuntu_pro", false},
    {"RunInstances:0006", "Windows with SQL Server Standard", "windows_sql_standard", true},
    {"RunInstances:0102", "Windows with SQL Server Enterprise", "windows_sql_enterprise", true},
    {"RunInstances:0202", "Windows with SQL Server Web", "windows_sql_web", true},
    {"RunInstances:0004", "SQL Server Standard", "linux_sql_standard", false},
    {"RunInstances:0100", "SQL Server Enterprise", "linux_sql_enterprise", false},
    {"RunInstances:0200", "SQL Server Web", "linux_sql_web", false},
    {"RunInstances:0014", "Red Hat Enterprise Linux with SQL Server Standard", "rhel_sql_standard",
     false},
    {"RunInstances:0110", "Red Hat Enterprise Linux with SQL Server Enterprise",
     "rhel_sql_enterprise", false},
    {"RunInstances:0210", "Red Hat Enterprise Linux with SQL Server Web", "rhel_sql_web", false},
    {"RunInstances:1014", "Red Hat Enterprise Linux with HA and SQL Server Standard",
     "rhel_ha_sql_standard", false},
    {"RunInstances:1110", "Red Hat Enterprise Linux with HA and SQL Server Enterprise",
     "rhel_ha_sql_enterprise", false},
    {"", "Red Hat Enterprise Linux with High Availability", "rhel_ha", false},
    {"", "Linux with SQL Server Standard", "linux_sql_standard", false},
}};

/// Puts `windows` and, where neither plain rate is paid, the attribute `system`. An operation or
/// platform that is none of the list is named as it is: no price will be found for it.
void read_system(const element& instance, Instance& out, Resource& facts) {
  const std::string operation = json_text(instance, "UsageOperation");
  const std::string details = json_text(instance, "PlatformDetails");
  if (operation.empty() && details.empty()) {
    std::string platform = json_text(instance, "Platform");
    std::transform(platform.begin(), platform.end(), platform.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    out.windows = platform == "windows";
    return;
  }
  const auto known = std::find_if(kSystems.begin(), kSystems.end(), [&](const System& one) {
    return operation.empty() ? one.details == details : one.operation == operation;
  });
  if (known == kSystems.end()) {
    out.windows = details.starts_with("Windows");
    put(facts, "system", operation.empty() ? details : operation);
    return;
  }
  out.windows = known->windows;
  put(facts, "system", std::string(known->name));
}

void read_interface(const element& in, const std::string& instance_id, InventoryEntries& out) {
  Interface entry;
  entry.id = json_text(in, "NetworkInterfaceId");
  if (entry.id.empty()) return;
  entry.subnet_id = json_text(in, "SubnetId");
  entry.vpc_id = json_text(in, "VpcId");
  entry.az = json_text(in, "AvailabilityZone");
  entry.account = json_text(in, "OwnerId");
  entry.description = json_text(in, "Description");
  entry.instance_id = instance_id.empty() ? text_in(in, "Attachment", "InstanceId") : instance_id;
  entry.tags = tags_of(in, "TagSet");
  const auto add = [](std::vector<std::string>& list, std::string address) {
    if (parse_address(address) && std::find(list.begin(), list.end(), address) == list.end())
      list.push_back(std::move(address));
  };
  add(entry.private_addresses, json_text(in, "PrivateIpAddress"));
  add(entry.public_addresses, text_in(in, "Association", "PublicIp"));
  for (const element one : json_list(in, "PrivateIpAddresses")) {
    add(entry.private_addresses, json_text(one, "PrivateIpAddress"));
    add(entry.public_addresses, text_in(one, "Association", "PublicIp"));
  }
  for (const element one : json_list(in, "Ipv6Addresses"))
    add(entry.private_addresses, json_text(one, "Ipv6Address"));
  // What an interface was before it was attached, this output does not say.
  begin_at(text_in(in, "Attachment", "AttachTime"), entry.valid);
  entry.role = role_of_interface(json_text(in, "InterfaceType"), entry.description,
                                 json_true(in, "RequesterManaged"), !entry.instance_id.empty(),
                                 entry.resource_id);
  out.interfaces.push_back(std::move(entry));
}

/// The volumes of a machine: of those that no other file describes the bill at least says that they
/// are not known.
void read_attached_volumes(const element& in, const Instance& machine, InventoryEntries& out) {
  for (const element mapping : json_list(in, "BlockDeviceMappings")) {
    Resource volume = resource_of("aws_ebs_volume", text_in(mapping, "Ebs", "VolumeId"));
    if (volume.id.empty()) continue;
    put(volume, "instance_id", machine.id);
    volume.account = machine.account;
    volume.region = region_of_zone(machine.az);
    out.resources.push_back(std::move(volume));
  }
}

void read_instance(const element& in, const std::string& account, InventoryEntries& out) {
  Instance entry;
  entry.id = json_text(in, "InstanceId");
  if (entry.id.empty()) return;
  entry.type = json_text(in, "InstanceType");
  entry.az = text_in(in, "Placement", "AvailabilityZone");
  entry.vpc_id = json_text(in, "VpcId");
  entry.subnet_id = json_text(in, "SubnetId");
  entry.account = account;
  entry.state = text_in(in, "State", "Name");
  entry.tags = tags_of(in);
  Resource facts = resource_of("aws_instance", entry.id);
  read_system(in, entry, facts);
  if (std::string tenancy = text_in(in, "Placement", "Tenancy"); tenancy != "default")
    put(facts, "tenancy", std::move(tenancy));
  put(facts, "instance_lifecycle", json_text(in, "InstanceLifecycle"));
  const std::string monitoring = text_in(in, "Monitoring", "State");
  if (monitoring == "enabled" || monitoring == "pending") put(facts, "monitoring", "true");
  put(facts, "public_ip", json_text(in, "PublicIpAddress"));
  // LaunchTime moves at every stop and start; the first attachment of the primary interface does
  // not.
  begin_at(json_text(in, "LaunchTime"), entry.valid);
  for (const element interface : json_list(in, "NetworkInterfaces")) {
    begin_at(text_in(interface, "Attachment", "AttachTime"), entry.valid);
    read_interface(interface, entry.id, out);
  }
  if (entry.state == "terminated" || entry.state == "shutting-down")
    end_at(json_text(in, "StateTransitionReason"), entry.valid);
  read_attached_volumes(in, entry, out);
  // What only the bill asks for is the resource's; of most machines there is nothing to say.
  if (!facts.attributes.empty()) {
    facts.account = entry.account;
    facts.region = region_of_zone(entry.az);
    facts.tags = entry.tags;
    facts.valid = entry.valid;
    out.resources.push_back(std::move(facts));
  }
  out.instances.push_back(std::move(entry));
}

void read_subnet(const element& in, InventoryEntries& out) {
  Subnet entry;
  entry.id = json_text(in, "SubnetId");
  entry.vpc_id = json_text(in, "VpcId");
  entry.cidr = json_text(in, "CidrBlock");
  entry.az = json_text(in, "AvailabilityZone");
  entry.account = json_text(in, "OwnerId");
  entry.tags = tags_of(in);
  if (const auto name = entry.tags.find("Name"); name != entry.tags.end())
    entry.name = name->second;
  if (!entry.id.empty()) out.subnets.push_back(std::move(entry));
}

void read_vpc(const element& in, InventoryEntries& out) {
  Vpc entry;
  entry.id = json_text(in, "VpcId");
  entry.account = json_text(in, "OwnerId");
  entry.tags = tags_of(in);
  if (const auto name = entry.tags.find("Name"); name != entry.tags.end())
    entry.name = name->second;
  const auto add = [&](std::string cidr) {
    if (parse_cidr(cidr) &&
        std::find(entry.cidrs.begin(), entry.cidrs.end(), cidr) == entry.cidrs.end()) {
      entry.cidrs.push_back(std::move(cidr));
    }
  };
  add(json_text(in, "CidrBlock"));
  for (const element one : json_list(in, "CidrBlockAssociationSet"))
    add(json_text(one, "CidrBlock"));
  for (const element one : json_list(in, "Ipv6CidrBlockAssociationSet"))
    add(json_text(one, "Ipv6CidrBlock"));
  if (!entry.id.empty()) out.vpcs.push_back(std::move(entry));
}

void read_nat_gateway(const element& in, InventoryEntries& out) {
  Resource entry = resource_of("aws_nat_gateway", json_text(in, "NatGatewayId"));
  if (entry.id.empty()) return;
  entry.tags = tags_of(in);
  put(entry, "subnet_id", json_text(in, "SubnetId"));
  put(entry, "vpc_id", json_text(in, "VpcId"));
  put(entry, "connectivity_type", json_text(in, "ConnectivityType"));
  put(entry, "state", json_text(in, "State"));
  begin_at(json_text(in, "CreateTime"), entry.valid);
  std::int64_t deleted = 0;
  if (parse_rfc3339(json_text(in, "DeleteTime"), deleted))
    entry.valid.to_s = std::max(deleted, entry.valid.from_s);
  std::size_t public_addresses = 0;
  for (const element address : json_list(in, "NatGatewayAddresses")) {
    if (!json_text(address, "PublicIp").empty()) ++public_addresses;
    Interface interface;
    interface.id = json_text(address, "NetworkInterfaceId");
    if (interface.id.empty()) continue;
    interface.role = proto::ROLE_NAT;
    interface.resource_id = entry.id;
    interface.subnet_id = json_text(in, "SubnetId");
    interface.vpc_id = json_text(in, "VpcId");
    interface.tags = entry.tags;
    interface.valid = entry.valid;
    if (std::string ip = json_text(address, "PrivateIp"); parse_address(ip))
      interface.private_addresses = {std::move(ip)};
    if (std::string ip = json_text(address, "PublicIp"); parse_address(ip))
      interface.public_addresses = {std::move(ip)};
    out.interfaces.push_back(std::move(interface));
  }
  if (public_addresses > 1) put(entry, "public_address_count", std::to_string(public_addresses));
  out.resources.push_back(std::move(entry));
}

void read_volume(const element& in, InventoryEntries& out) {
  Resource entry = resource_of("aws_ebs_volume", json_text(in, "VolumeId"));
  if (entry.id.empty()) return;
  put(entry, "type", json_text(in, "VolumeType"));
  put(entry, "size", json_text(in, "Size"));
  put(entry, "iops", json_text(in, "Iops"));
  put(entry, "throughput", json_text(in, "Throughput"));
  put(entry, "availability_zone", json_text(in, "AvailabilityZone"));
  put(entry, "state", json_text(in, "State"));
  for (const element attachment : json_list(in, "Attachments")) {
    put(entry, "instance_id", json_text(attachment, "InstanceId"));
  }
  entry.region = region_of_zone(json_text(in, "AvailabilityZone"));
  entry.tags = tags_of(in);
  begin_at(json_text(in, "CreateTime"), entry.valid);
  out.resources.push_back(std::move(entry));
}

void read_group(const element& in, InventoryEntries& out) {
  Group entry;
  entry.name = json_text(in, "AutoScalingGroupName");
  if (entry.name.empty()) return;
  entry.kind = "asg";
  std::tie(entry.region, entry.account) =
      region_and_account_of_arn(json_text(in, "AutoScalingGroupARN"));
  entry.minimum = json_integer(in, "MinSize");
  entry.maximum = json_integer(in, "MaxSize");
  entry.desired = json_integer(in, "DesiredCapacity");
  for (const element instance : json_list(in, "Instances")) {
    Instance member;
    member.id = json_text(instance, "InstanceId");
    if (member.id.empty()) continue;
    entry.instance_ids.push_back(member.id);
    // Since when it runs, this output does not say.
    member.type = json_text(instance, "InstanceType");
    if (member.type.empty() || json_text(instance, "LifecycleState").starts_with("Terminat"))
      continue;
    member.az = json_text(instance, "AvailabilityZone");
    member.group = entry.name;
    member.account = entry.account;
    member.region = entry.region;
    out.instances.push_back(std::move(member));
  }
  entry.tags = tags_of(in);
  begin_at(json_text(in, "CreatedTime"), entry.valid);
  out.groups.push_back(std::move(entry));
}

}  // namespace

bool is_aws_output(const element& root) {
  for (const char* key : {"Reservations", "NetworkInterfaces", "Subnets", "Vpcs", "NatGateways",
                          "Volumes", "AutoScalingGroups"}) {
    if (json_at(root, key)) return true;
  }
  return false;
}

void read_aws(const element& root, InventoryEntries& out, InventoryWarnings& warnings) {
  for (const element reservation : json_list(root, "Reservations")) {
    const std::string account = json_text(reservation, "OwnerId");
    for (const element one : json_list(reservation, "Instances")) read_instance(one, account, out);
  }
  for (const element one : json_list(root, "NetworkInterfaces")) read_interface(one, "", out);
  for (const element one : json_list(root, "Subnets")) read_subnet(one, out);
  for (const element one : json_list(root, "Vpcs")) read_vpc(one, out);
  for (const element one : json_list(root, "NatGateways")) read_nat_gateway(one, out);
  for (const element one : json_list(root, "Volumes")) read_volume(one, out);
  for (const element one : json_list(root, "AutoScalingGroups")) read_group(one, out);
  constexpr std::array<std::string_view, 9> kKnown{
      "Reservations", "NetworkInterfaces", "Subnets",          "Vpcs",     "NatGateways",
      "Volumes",      "AutoScalingGroups", "ResponseMetadata", "NextToken"};
  for (const auto field : simdjson::dom::object(root)) {
    if (std::find(kKnown.begin(), kKnown.end(), field.key) != kKnown.end()) continue;
    warnings.add("unknown key " + std::string(field.key) + " is ignored");
  }
  if (!json_text(root, "NextToken").empty())
    warnings.add("is one page of several (NextToken): the rest is missing");
}

}  // namespace fleetmeter::aggregator
