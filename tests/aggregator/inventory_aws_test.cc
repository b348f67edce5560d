#include "tests/aggregator/inventory_fixture.h"

// The files under data/ are what boto3 returned from moto (an EC2 imitation) for a small fleet made
// for this test: two subnets in two zones, a group of three Windows machines, a NAT gateway, one
// other machine.
namespace fleetmeter::aggregator {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

std::string data(const std::string& name) {
  return std::string(FLEETMETER_TEST_DATA) + "/describe-" + name + ".json";
}

class AwsInventoryTest : public InventoryTest {
 protected:
  void load_fleet(std::vector<EnvironmentMatch> environments = {}) {
    load({data("instances"), data("network-interfaces"), data("subnets"), data("vpcs"),
          data("nat-gateways"), data("volumes"), data("auto-scaling-groups")},
         std::move(environments));
  }
  const Interface* nat() const {
    for (const Interface& one : inventory->interfaces()) {
      if (one.role == proto::ROLE_NAT) return &one;
    }
    return nullptr;
  }
};

TEST_F(AwsInventoryTest, TheFleetIsWholeAndNothingIsWarnedOf) {
  load_fleet();
  EXPECT_THAT(warned(), IsEmpty());
  EXPECT_EQ(inventory->instances().size(), 4U);
  // Each once, though two files tell of the machines'.
  EXPECT_EQ(inventory->interfaces().size(), 6U);
  EXPECT_EQ(inventory->subnets().size(), 3U);
  ASSERT_EQ(inventory->groups().size(), 1U);
}

TEST_F(AwsInventoryTest, AMachineKnowsItsGroupZoneAccountTypeAndSystem) {
  load_fleet();
  const Group& group = inventory->groups().front();
  EXPECT_EQ(group.name, "hyperion-windows-fleet-asg");
  EXPECT_EQ(group.minimum, 2);
  EXPECT_EQ(group.maximum, 10);
  EXPECT_EQ(group.desired, 3);
  EXPECT_EQ(group.region, "us-east-1");
  EXPECT_EQ(group.account, "123456789012");
  EXPECT_EQ(group.instance_type, "m5.large");
  EXPECT_TRUE(group.windows);
  ASSERT_EQ(group.instance_ids.size(), 3U);
  const Instance* machine = inventory->instance(group.instance_ids.front(), 4'000'000'000);
  ASSERT_NE(machine, nullptr);
  EXPECT_EQ(machine->group, group.name);
  EXPECT_EQ(machine->type, "m5.large");
  EXPECT_EQ(machine->region, "us-east-1");
  EXPECT_EQ(machine->account, "123456789012");
  EXPECT_EQ(machine->state, "running");
  EXPECT_EQ(machine->name, "fleet");
  EXPECT_TRUE(machine->windows);
}

TEST_F(AwsInventoryTest, AMachineIsValidFromItsLaunch) {
  load_fleet();
  const Instance& machine = inventory->instances().front();
  EXPECT_GT(machine.valid.from_s, 1'700'000'000);
  EXPECT_EQ(inventory->instance(machine.id, machine.valid.from_s - 1), nullptr);
  EXPECT_NE(inventory->instance(machine.id, machine.valid.from_s), nullptr);
}

TEST_F(AwsInventoryTest, TheNatGatewaysInterfaceIsFoundThroughTheGateway) {
  load_fleet();
  ASSERT_NE(nat(), nullptr);
  EXPECT_THAT(nat()->resource_id, testing::StartsWith("nat-"));
  EXPECT_EQ(nat()->az, "us-east-1a");
  ASSERT_EQ(nat()->public_addresses.size(), 1U);
  EXPECT_EQ(at(nat()->public_addresses.front(), 4'000'000'000).interface, nat());
  const Resource* gateway = inventory->resource(nat()->resource_id);
  ASSERT_NE(gateway, nullptr);
  EXPECT_EQ(gateway->type, "aws_nat_gateway");
  EXPECT_EQ(gateway->attributes.at("subnet_id"), nat()->subnet_id);
}

TEST_F(AwsInventoryTest, ANatGatewayWithSeveralPublicAddressesSaysHowMany) {
  parse(
      R"({"NatGateways":[{"NatGatewayId":"nat-1","NatGatewayAddresses":[{"PublicIp":"198.51.100.1"},
    {"PublicIp":"198.51.100.2"},{"PrivateIp":"10.0.0.9"}]},
    {"NatGatewayId":"nat-2","NatGatewayAddresses":[{"PublicIp":"198.51.100.3"}]}]})");
  EXPECT_EQ(inventory->resource("nat-1")->attributes.at("public_address_count"), "2");
  EXPECT_EQ(inventory->resource("nat-2")->attributes.count("public_address_count"), 0U);
}

constexpr const char* kMachineWithVolumes =
    R"({"Reservations": [{"OwnerId": "111111111111", "Instances": [
  {"InstanceId": "i-1", "InstanceType": "m5.large", "LaunchTime": "2026-09-01T00:00:00+00:00",
   "Placement": {"AvailabilityZone": "us-east-1a"},
   "BlockDeviceMappings": [{"DeviceName": "/dev/xvda", "Ebs": {"VolumeId": "vol-77"}},
                           {"DeviceName": "/dev/xvdb", "Ebs": {"VolumeId": "vol-78"}}]}]}]})";

std::vector<std::string> volumes_of(const Inventory& inventory) {
  std::vector<std::string> ids;
  for (const Resource& one : inventory.resources()) {
    if (one.type == "aws_ebs_volume") ids.push_back(one.id);
  }
  return ids;
}

TEST_F(AwsInventoryTest, VolumesThatOnlyTheirMachineNamesAreResourcesWithoutSize) {
  parse(kMachineWithVolumes);
  EXPECT_THAT(volumes_of(*inventory), ElementsAre("vol-77", "vol-78"));
  const Resource* volume = inventory->resource("vol-77");
  EXPECT_EQ(volume->attribute("size"), "");
  EXPECT_EQ(volume->region, "us-east-1");
  EXPECT_EQ(volume->account, "111111111111");
  EXPECT_EQ(volume->valid.from_s, 1788220800);  // Of the machine.
  const auto stored = Inventory::deserialize(inventory->serialize());
  ASSERT_TRUE(stored);
  EXPECT_EQ((*stored)->version(), inventory->version());
}

TEST_F(AwsInventoryTest, AVolumeIsAsItIsDescribedWhereverItIsNamedToo) {
  const std::string described =
      R"({"Volumes": [{"VolumeId": "vol-77", "VolumeType": "gp3", "Size": 100,
    "CreateTime": "2026-01-01T00:00:00+00:00", "AvailabilityZone": "us-east-1a"}]})";
  for (const bool first : {false, true}) {
    const std::pair<std::string, std::string> named{"instances.json", kMachineWithVolumes};
    const std::pair<std::string, std::string> volumes{"volumes.json", described};
    first ? parse_all({volumes, named}) : parse_all({named, volumes});
    EXPECT_THAT(volumes_of(*inventory), ElementsAre("vol-77", "vol-78"));
    EXPECT_EQ(inventory->resource("vol-77")->attribute("size"), "100");
    EXPECT_EQ(inventory->resource("vol-77")->valid.from_s, 1767225600);
  }
}

TEST_F(AwsInventoryTest, VolumesOfAMachineWhoseResourceOrGroupHasThemAreNotThereTwice) {
  parse_all({{"instances.json", kMachineWithVolumes},
             {"plain.yaml",
              "resources: [{type: aws_instance, id: i-1, attributes: {instance_type: "
              "m5.large, root_block_device.0.volume_size: 8}}]"}});
  EXPECT_THAT(volumes_of(*inventory), IsEmpty());
  parse_all({{"instances.json", kMachineWithVolumes},
             {"plain.yaml", "groups: [{name: g, instances: [i-1]}]"}});
  EXPECT_THAT(volumes_of(*inventory), IsEmpty());
}

TEST_F(AwsInventoryTest, VolumesAreResources) {
  load_fleet({{.name = "prod", .tags = {{"Environment", "prod"}}}});
  int gp3 = 0;
  for (const Resource& one : inventory->resources()) {
    if (one.type != "aws_ebs_volume" || one.attributes.at("type") != "gp3") continue;
    ++gp3;
    EXPECT_EQ(one.attributes.at("size"), "100");
    EXPECT_EQ(one.region, "us-east-1");
    EXPECT_EQ(one.environment, "prod");
  }
  EXPECT_EQ(gp3, 1);
}

TEST_F(AwsInventoryTest, TheLoadBalancersInterfaceIsKnownByItsDescription) {
  load_fleet();
  const Place place = at("10.0.10.99");
  ASSERT_NE(place.interface, nullptr);
  EXPECT_EQ(place.interface->role, proto::ROLE_ALB);
  EXPECT_EQ(place.interface->resource_id, "front");
}

TEST_F(AwsInventoryTest, TagsOfTheMachinesGiveTheirEnvironment) {
  load_fleet({{.name = "prod", .tags = {{"Environment", "prod"}}},
              {.name = "dev", .tags = {{"Environment", "dev"}}}});
  std::map<std::string, int> machines;
  for (const Interface& one : inventory->interfaces()) {
    if (one.role == proto::ROLE_INSTANCE) {
      ++machines[std::string(
          inventory->environment_of({.interface_id = one.id, .at_s = 4'000'000'000}))];
    }
  }
  EXPECT_EQ(machines, (std::map<std::string, int>{{"dev", 1}, {"prod", 3}}));
}

TEST_F(AwsInventoryTest, ItComesBackFromItsSerializedFormTheSame) {
  load_fleet({{.name = "prod", .tags = {{"Environment", "prod"}}}});
  const auto again = Inventory::deserialize(inventory->serialize());
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ((*again)->version(), inventory->version());
}

TEST_F(AwsInventoryTest, TheOrderOfTheFilesDoesNotMatterWhereTheyAgree) {
  load_fleet();
  const std::uint64_t version = inventory->version();
  load({data("auto-scaling-groups"), data("volumes"), data("nat-gateways"), data("vpcs"),
        data("subnets"), data("network-interfaces"), data("instances")});
  EXPECT_EQ(inventory->version(), version);
}

struct RoleCase {
  const char *type, *description;
  bool requester_managed;
  proto::InterfaceRole role;
  const char* resource;
};
class AwsRoleTest : public InventoryTest, public testing::WithParamInterface<RoleCase> {};

TEST_P(AwsRoleTest, FollowsFromTypeAndDescription) {
  const RoleCase& one = GetParam();
  parse(std::string(R"({"NetworkInterfaces":[{"NetworkInterfaceId":"eni-1","InterfaceType":")") +
        one.type + R"(","Description":")" + one.description + R"(","RequesterManaged":)" +
        (one.requester_managed ? "true" : "false") + "}]}");
  ASSERT_EQ(inventory->interfaces().size(), 1U);
  EXPECT_EQ(inventory->interfaces().front().role, one.role);
  EXPECT_EQ(inventory->interfaces().front().resource_id, one.resource);
}

INSTANTIATE_TEST_SUITE_P(
    Roles, AwsRoleTest,
    testing::Values(
        RoleCase{"nat_gateway", "Interface for NAT Gateway nat-0a1b", true, proto::ROLE_NAT,
                 "nat-0a1b"},
        RoleCase{"interface", "Interface for NAT Gateway nat-0a1b", true, proto::ROLE_NAT,
                 "nat-0a1b"},
        RoleCase{"interface", "ELB app/front/50dc6c495c0c9188", true, proto::ROLE_ALB, "front"},
        RoleCase{"network_load_balancer", "ELB net/edge/50dc6c495c0c9188", true, proto::ROLE_NLB,
                 "edge"},
        RoleCase{"interface", "ELB classic-one", true, proto::ROLE_OTHER, "classic-one"},
        RoleCase{"vpc_endpoint", "VPC Endpoint Interface vpce-0c3d", true, proto::ROLE_ENDPOINT,
                 "vpce-0c3d"},
        RoleCase{"interface", "RDSNetworkInterface", true, proto::ROLE_RDS, ""},
        RoleCase{"transit_gateway", "Network Interface for Transit Gateway Attachment tgw-attach-1",
                 true, proto::ROLE_TRANSIT_GATEWAY, "tgw-attach-1"},
        RoleCase{"lambda", "AWS Lambda VPC ENI-resize-6a7b", true, proto::ROLE_LAMBDA,
                 "resize-6a7b"},
        RoleCase{"efa", "", false, proto::ROLE_OTHER, ""},
        RoleCase{"interface", "something", true, proto::ROLE_OTHER, ""},
        RoleCase{"interface", "something", false, proto::ROLE_UNKNOWN, ""}));

TEST_F(AwsInventoryTest, TheLicenceFollowsFromTheUsageOperation) {
  const auto windows = [&](const std::string& fields) {
    parse(R"({"Reservations":[{"OwnerId":"1","Instances":[{"InstanceId":"i-1",)" + fields +
          "}]}]}");
    return inventory->instances().front().windows;
  };
  EXPECT_TRUE(windows(R"("UsageOperation":"RunInstances:0002")"));
  EXPECT_TRUE(windows(R"("UsageOperation":"RunInstances:0202")"));
  // Own licence.
  EXPECT_FALSE(windows(R"("UsageOperation":"RunInstances:0800","Platform":"windows")"));
  EXPECT_FALSE(windows(R"("UsageOperation":"RunInstances:0010")"));
  EXPECT_TRUE(windows(R"("PlatformDetails":"Windows with SQL Server Web")"));
  EXPECT_FALSE(windows(R"("PlatformDetails":"Linux/UNIX")"));
  EXPECT_TRUE(windows(R"("Platform":"Windows")"));
  EXPECT_FALSE(windows(R"("InstanceType":"m5.large")"));
}

TEST_F(AwsInventoryTest, AMachineThatIsGoneHoldsUntilTheTimeOfItsLastTransition) {
  const auto end_of = [this](const std::string& state, const std::string& reason) {
    parse(
        R"({"Reservations":[{"Instances":[{"InstanceId":"i-1","LaunchTime":"2026-01-01T00:00:00Z",)"
        R"("State":{"Name":")" +
        state + R"("},"StateTransitionReason":")" + reason + R"("}]}]})");
    return inventory->instances().front().valid.to_s;
  };
  constexpr std::int64_t kEnd = 1'767'323'045;  // 2026-01-02T03:04:05Z
  const std::int64_t never = Validity().to_s;
  EXPECT_EQ(end_of("terminated", "User initiated (2026-01-02 03:04:05 GMT)"), kEnd);
  EXPECT_EQ(end_of("shutting-down", "User initiated (2026-01-02 03:04:05 GMT)"), kEnd);
  EXPECT_EQ(end_of("stopped", "User initiated (2026-01-02 03:04:05 GMT)"), never)
      << "it is still there";
  EXPECT_EQ(end_of("terminated", "User initiated (2025-01-02 03:04:05 GMT)"), 1'767'225'600)
      << "not before it began";
  for (const char* other : {"", "User initiated", "Server.SpotInstanceTermination: price", "( GMT)",
                            "(2026-13-02 03:04:05 GMT)", "GMT)", "()"}) {
    EXPECT_EQ(end_of("terminated", other), never) << other;
  }
}

TEST_F(AwsInventoryTest, WhatElseDecidesAPriceIsKept) {
  parse(
      R"({"Reservations":[{"Instances":[{"InstanceId":"i-1","UsageOperation":"RunInstances:0010","InstanceLifecycle":"spot",
    "Placement":{"Tenancy":"dedicated"},"Monitoring":{"State":"enabled"},"PublicIpAddress":"198.51.100.7"},
    {"InstanceId":"i-2","UsageOperation":"RunInstances","Placement":{"Tenancy":"default"},"Monitoring":{"State":"disabled"}}]}]})");
  const std::map<std::string, std::string> kept{{"instance_lifecycle", "spot"},
                                                {"monitoring", "true"},
                                                {"public_ip", "198.51.100.7"},
                                                {"system", "rhel"},
                                                {"tenancy", "dedicated"}};
  ASSERT_EQ(inventory->resources().size(), 1U) << "of i-2 there is nothing to say";
  EXPECT_EQ(inventory->resource("i-1")->attributes, kept);
  EXPECT_EQ(inventory->resource("i-1")->type, "aws_instance");
}

TEST_F(AwsInventoryTest, AFolderIsNoFileAndItsFilesAreNamed) {
  auto loaded = Inventory::load({FLEETMETER_TEST_DATA}, {}, warnings);
  ASSERT_FALSE(loaded);
  EXPECT_THAT(loaded.error().message,
              testing::AllOf(HasSubstr("is a folder; name its files one by one: "),
                             HasSubstr("/describe-auto-scaling-groups.json, ")));
}

TEST_F(AwsInventoryTest, AGroupTellsTheTypesOfItsMembers) {
  parse(
      R"({"AutoScalingGroups":[{"AutoScalingGroupName":"g","AutoScalingGroupARN":"arn:aws:autoscaling:us-east-1:111:g",
    "Instances":[{"InstanceId":"i-1","InstanceType":"m5.large","AvailabilityZone":"us-east-1a","LifecycleState":"InService"},
                 {"InstanceId":"i-2","InstanceType":"c5.large","LifecycleState":"Terminating"},{"InstanceId":"i-3"}]}]})");
  EXPECT_THAT(inventory->groups().front().instance_ids, ElementsAre("i-1", "i-2", "i-3"));
  ASSERT_EQ(inventory->instances().size(), 1U);
  const Instance& member = inventory->instances().front();
  EXPECT_EQ(member.id, "i-1");
  EXPECT_EQ(member.type, "m5.large");
  EXPECT_EQ(member.group, "g");
  EXPECT_EQ(member.account, "111");
}

TEST_F(AwsInventoryTest, ARestartDoesNotMakeAMachineYounger) {
  parse(
      R"({"Reservations":[{"OwnerId":"1","Instances":[{"InstanceId":"i-1","LaunchTime":"2024-05-01T00:00:00+00:00",
    "NetworkInterfaces":[{"NetworkInterfaceId":"eni-1","Attachment":{"AttachTime":"2024-01-01T00:00:00+00:00"}}]}]}]})");
  EXPECT_EQ(inventory->instances().front().valid.from_s, 1704067200);
}

TEST_F(AwsInventoryTest, OnePageOfSeveralAndUnknownKeysWarn) {
  parse(R"({"Subnets":[],"NextToken":"abc","Extra":1})");
  EXPECT_THAT(warned(), ElementsAre(HasSubstr("unknown key Extra"), HasSubstr("NextToken")));
}

TEST_F(AwsInventoryTest, UserDataAndOtherFreeTextIsNotKept) {
  parse(R"({"Reservations":[{"OwnerId":"1","Instances":[{"InstanceId":"i-1","UserData":"hunter2",
    "StateReason":{"Message":"hunter2"}}]}]})");
  EXPECT_THAT(inventory->serialize(), Not(HasSubstr("hunter2")));
}

}  // namespace
}  // namespace fleetmeter::aggregator
