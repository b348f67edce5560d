#include <regex>

#include "tests/aggregator/inventory_fixture.h"

namespace fleetmeter::aggregator {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// As `terraform show -json` prints a state.
constexpr const char* kState =
    R"json({"format_version":"1.0","terraform_version":"1.11.4","values":{"outputs":{"password":{"value":"hunter2","sensitive":true}},
"root_module":{"resources":[
 {"address":"aws_vpc.main","mode":"managed","type":"aws_vpc","name":"main","values":{"id":"vpc-1","arn":"arn:aws:ec2:eu-west-1:123456789012:vpc/vpc-1","cidr_block":"10.0.0.0/16","tags_all":{"Environment":"prod"}}},
 {"address":"aws_subnet.a","mode":"managed","type":"aws_subnet","name":"a","values":{"id":"subnet-a","vpc_id":"vpc-1","cidr_block":"10.0.1.0/24","availability_zone":"eu-west-1a","tags":{"Name":"private-a"},"tags_all":{"Name":"private-a","Environment":"prod"}}},
 {"address":"data.aws_ami.win","mode":"data","type":"aws_ami","name":"win","values":{"id":"ami-win","platform":"windows"}},
 {"address":"aws_instance.web[0]","mode":"managed","type":"aws_instance","name":"web","index":0,"values":{"id":"i-1","ami":"ami-win","instance_type":"m5.large","availability_zone":"eu-west-1a","subnet_id":"subnet-a","primary_network_interface_id":"eni-1","private_ip":"10.0.1.5","public_ip":"","user_data":"hunter2","root_block_device":[{"volume_size":30,"volume_type":"gp3","kms_key_id":"hunter2"}],"tags_all":{"Environment":"prod","Token":"hunter2"}},
  "sensitive_values":{"tags_all":{"Token":true}}},
 {"address":"aws_nat_gateway.a","mode":"managed","type":"aws_nat_gateway","name":"a","values":{"id":"nat-1","subnet_id":"subnet-a","network_interface_id":"eni-nat","private_ip":"10.0.1.9","public_ip":"198.51.100.9"}},
 {"address":"aws_db_instance.db","mode":"managed","type":"aws_db_instance","name":"db","values":{"id":"db-1","identifier":"orders","engine":"mysql","instance_class":"db.t3.small","multi_az":true,"allocated_storage":50,"username":"admin","password":"hunter2","engine_version":"hunter2"},"sensitive_values":{"password":true,"engine_version":true}},
 {"address":"aws_quantum_lamp.k","mode":"managed","type":"aws_quantum_lamp","name":"k","values":{"id":"hunter2","secret":"hunter2"}},
 {"address":"random_password.db","mode":"managed","type":"random_password","name":"db","values":{"id":"none","result":"hunter2"}}],
"child_modules":[{"address":"module.edge","resources":[
 {"address":"module.edge.aws_launch_template.t","mode":"managed","type":"aws_launch_template","name":"t","values":{"id":"lt-1","name":"t","image_id":"ami-win","instance_type":"c5.xlarge","user_data":"hunter2"}},
 {"address":"module.edge.aws_autoscaling_group.g","mode":"managed","type":"aws_autoscaling_group","name":"g","values":{"id":"edge","name":"edge","min_size":2,"max_size":10,"desired_capacity":4,"launch_template":[{"id":"lt-1","version":"$Latest"}],"tag":[{"key":"Environment","value":"prod","propagate_at_launch":true}]}},
 {"address":"module.edge.aws_vpc_endpoint.s","mode":"managed","type":"aws_vpc_endpoint","name":"s","values":{"id":"vpce-1","vpc_id":"vpc-1","vpc_endpoint_type":"Interface","network_interface_ids":["eni-e1","eni-e2"],"subnet_ids":["subnet-a","subnet-b"],"policy":"hunter2"}},
 {"address":"module.edge.aws_iam_access_key.k","mode":"managed","type":"aws_iam_access_key","name":"k","values":{"id":"hunter2","secret":"hunter2"}}]}]}}})json";

TEST_F(InventoryTest, AStateGivesMachinesInterfacesSubnetsAndResources) {
  parse(kState);
  const Place place = at("10.0.1.5");
  ASSERT_NE(place.interface, nullptr);
  EXPECT_EQ(place.interface->id, "eni-1");
  EXPECT_EQ(place.instance->id, "i-1");
  EXPECT_EQ(place.instance->region, "eu-west-1");
  EXPECT_TRUE(place.instance->windows);  // By its image.
  EXPECT_EQ(place.subnet->name, "private-a");
  EXPECT_EQ(place.interface->vpc_id, "vpc-1");
  const Resource* machine = resource_at("aws_instance.web[0]");
  ASSERT_NE(machine, nullptr);
  EXPECT_EQ(machine->attributes.at("root_block_device.#"), "1");
  EXPECT_EQ(machine->attributes.at("root_block_device.0.volume_size"), "30");
  EXPECT_EQ(machine->attributes.at("windows"), "true");
  EXPECT_FALSE(machine->planned);
}

TEST_F(InventoryTest, AStatesNatGatewayAndEndpointsHaveTheirInterfaces) {
  parse(kState);
  const Place nat = inventory->place_of_interface("eni-nat", 0);
  EXPECT_EQ(nat.interface->role, proto::ROLE_NAT);
  EXPECT_EQ(nat.interface->resource_id, "nat-1");
  EXPECT_EQ(nat.interface->az, "eu-west-1a");
  EXPECT_EQ(at("198.51.100.9").interface, nat.interface);
  EXPECT_EQ(inventory->place_of_interface("eni-e2", 0).interface->role, proto::ROLE_ENDPOINT);
  EXPECT_EQ(inventory->place_of_interface("eni-e2", 0).interface->resource_id, "vpce-1");
}

TEST_F(InventoryTest, AnEndpointHasTheAddressesOfItsSubnetConfiguration) {
  parse(
      R"json({"format_version":"1.0","terraform_version":"1.11.4","values":{"root_module":{"resources":[
 {"address":"aws_subnet.a","mode":"managed","type":"aws_subnet","name":"a","values":{"id":"subnet-a","vpc_id":"vpc-1","cidr_block":"10.0.1.0/24","availability_zone":"eu-west-1a"}},
 {"address":"aws_vpc_endpoint.one","mode":"managed","type":"aws_vpc_endpoint","name":"one","values":{"id":"vpce-1","network_interface_ids":["eni-e1"],"subnet_configuration":[{"ipv4":"10.0.1.100","ipv6":"2001:db8::1","subnet_id":"subnet-a"}]}},
 {"address":"aws_vpc_endpoint.two","mode":"managed","type":"aws_vpc_endpoint","name":"two","values":{"id":"vpce-2","network_interface_ids":["eni-e2","eni-e3"],"subnet_configuration":[{"ipv4":"10.0.1.101","ipv6":"","subnet_id":"subnet-a"},{"ipv4":"10.0.2.101","ipv6":"","subnet_id":"subnet-b"}]}}]}}})json");
  for (const char* address : {"10.0.1.100", "2001:db8::1"})
    EXPECT_EQ(at(address).interface->id, "eni-e1") << address;
  EXPECT_EQ(at("10.0.1.100").interface->az, "eu-west-1a");
  for (const char* address : {"10.0.1.101", "10.0.2.101"}) {
    EXPECT_EQ(at(address).interface->role, proto::ROLE_ENDPOINT) << address;
    EXPECT_EQ(at(address).interface->resource_id, "vpce-2") << address;
  }
  for (const char* id : {"eni-e2", "eni-e3"}) {
    EXPECT_EQ(inventory->place_of_interface(id, 0).interface->resource_id, "vpce-2");
    EXPECT_TRUE(inventory->place_of_interface(id, 0).interface->private_addresses.empty())
        << "which of the addresses is its own is not told";
  }
}

TEST_F(InventoryTest, AGroupTakesTypeAndSystemFromItsLaunchTemplate) {
  parse(kState);
  const Group* group = inventory->group("edge", 0);
  ASSERT_NE(group, nullptr);
  EXPECT_EQ(group->kind, "asg");
  EXPECT_EQ(group->minimum, 2);
  EXPECT_EQ(group->maximum, 10);
  EXPECT_EQ(group->desired, 4);
  EXPECT_EQ(group->instance_type, "c5.xlarge");
  EXPECT_TRUE(group->windows);
  EXPECT_EQ(group->tags.at("Environment"), "prod");
  EXPECT_EQ(
      resource_at("module.edge.aws_autoscaling_group.g")->attributes.at("launch_template_address"),
      "module.edge.aws_launch_template.t");
}

TEST_F(InventoryTest, NoSecretOfAStateIsKept) {
  parse(kState);
  EXPECT_THAT(inventory->serialize(), Not(HasSubstr("hunter2")));
  EXPECT_EQ(inventory->resource("db-1")->attributes.at("instance_class"), "db.t3.small");
  // Marked secret, though its name is allowed.
  EXPECT_EQ(inventory->resource("db-1")->attributes.count("engine_version"), 0U);
}

TEST_F(InventoryTest, ATypeThatIsNotKnownWarnsAndIsListedBare) {
  parse(kState);
  EXPECT_THAT(warned(), ElementsAre(HasSubstr("aws_quantum_lamp")));
  ASSERT_NE(resource_at("aws_quantum_lamp.k"), nullptr);
  EXPECT_TRUE(resource_at("aws_quantum_lamp.k")->attributes.empty());
}

TEST_F(InventoryTest, WhatCostsNothingIsLeftOutWithoutAWord) {
  parse(kState);
  EXPECT_EQ(resource_at("module.edge.aws_iam_access_key.k"), nullptr);
}

TEST_F(InventoryTest, ARawStateIsReadTheSameWay) {
  parse(
      R"json({"version":4,"terraform_version":"1.11.4","serial":7,"lineage":"3f","outputs":{},"resources":[
 {"module":"module.m","mode":"managed","type":"aws_instance","name":"web","provider":"provider[\"registry.terraform.io/hashicorp/aws\"]","instances":[
  {"index_key":"a","schema_version":1,"attributes":{"id":"i-1","arn":"arn:aws:ec2:us-west-2:123456789012:instance/i-1","instance_type":"t3.small","primary_network_interface_id":"eni-1","private_ip":"10.0.0.4","availability_zone":"us-west-2b","user_data":"hunter2","tags_all":{"Environment":"dev"}},"sensitive_attributes":[]},
  {"index_key":1,"attributes":{"id":"i-2","instance_type":"t3.small"}}]},
 {"mode":"managed","type":"aws_db_instance","name":"db","instances":[{"attributes":{"id":"db-1","engine":"hunter2","password":"hunter2"},
  "sensitive_attributes":[[{"type":"get_attr","value":"engine"}]]}]}]})json");
  EXPECT_THAT(warned(), IsEmpty());
  EXPECT_NE(resource_at("module.m.aws_instance.web[\"a\"]"), nullptr);
  EXPECT_NE(resource_at("module.m.aws_instance.web[1]"), nullptr);
  EXPECT_EQ(at("10.0.0.4").instance->account, "123456789012");
  EXPECT_EQ(at("10.0.0.4").instance->region, "us-west-2");
  EXPECT_EQ(at("10.0.0.4").instance->tags.at("Environment"), "dev");
  EXPECT_THAT(inventory->serialize(), Not(HasSubstr("hunter2")));
}

// Ids are unknown before apply; what refers to what is in the configuration part.
constexpr const char* kPlan =
    R"json({"format_version":"1.2","terraform_version":"1.11.4","variables":{"region":{"value":"eu-west-3"},"db_password":{"value":"hunter2"}},
"planned_values":{"root_module":{"resources":[
  {"address":"aws_instance.one","mode":"managed","type":"aws_instance","name":"one","values":{"ami":"ami-1","instance_type":"m5.large","get_password_data":true,"subnet_id":"subnet-a","tags":{"Name":"one"},"tags_all":{"Name":"one","Environment":"prod"}}},
  {"address":"aws_ebs_volume.paris","mode":"managed","type":"aws_ebs_volume","name":"paris","values":{"size":100,"type":"gp3"}},
  {"address":"aws_ebs_volume.zoned","mode":"managed","type":"aws_ebs_volume","name":"zoned","values":{"size":10,"availability_zone":"us-west-2a"}}],
 "child_modules":[{"address":"module.m[0]","resources":[
  {"address":"module.m[0].aws_launch_template.t","mode":"managed","type":"aws_launch_template","name":"t","values":{"instance_type":"c5.large","image_id":"ami-2"}},
  {"address":"module.m[0].aws_autoscaling_group.g[0]","mode":"managed","type":"aws_autoscaling_group","name":"g","index":0,"values":{"min_size":1,"max_size":5,"launch_template":[{"version":"$Latest"}]}}]}]}},
"resource_changes":[{"address":"aws_instance.one","change":{"actions":["create"],"after":{"password":"hunter2"},"after_unknown":{"id":true}}}],
"configuration":{"provider_config":{"aws":{"name":"aws","expressions":{"access_key":{"constant_value":"hunter2"},"region":{"constant_value":"eu-west-1"}}},
  "aws.paris":{"name":"aws","alias":"paris","expressions":{"region":{"references":["var.region"]}}}},
 "root_module":{"resources":[{"address":"aws_ebs_volume.paris","provider_config_key":"aws.paris"},{"address":"aws_instance.one","provider_config_key":"aws"}],
  "module_calls":{"m":{"module":{"resources":[{"address":"aws_autoscaling_group.g","provider_config_key":"aws","expressions":{"launch_template":[{"id":{"references":["aws_launch_template.t.id","aws_launch_template.t"]}}]}}]}}}}}})json";

TEST_F(InventoryTest, APlanGivesResourcesAndGroupsForTheBillOnly) {
  parse(kPlan);
  EXPECT_TRUE(inventory->instances().empty());
  EXPECT_TRUE(inventory->interfaces().empty());
  for (const Resource& one : inventory->resources()) EXPECT_TRUE(one.planned) << one.address;
  const Resource* machine = resource_at("aws_instance.one");
  ASSERT_NE(machine, nullptr);
  EXPECT_TRUE(machine->id.empty());  // Not known before apply.
  EXPECT_EQ(machine->attributes.count("id"), 0U);
  EXPECT_EQ(machine->tags.at("Environment"), "prod");
  EXPECT_EQ(machine->attributes.at("windows"), "true");  // It asks for the Windows password.
}

TEST_F(InventoryTest, APlannedGroupFindsItsTemplateThroughTheConfiguration) {
  parse(kPlan);
  const Group* group = group_named("module.m[0].aws_autoscaling_group.g[0]");
  ASSERT_NE(group, nullptr);
  EXPECT_TRUE(group->planned);
  EXPECT_EQ(group->instance_type, "c5.large");
  EXPECT_EQ(group->minimum, 1);
  EXPECT_EQ(group->desired, std::nullopt);
  EXPECT_EQ(inventory->group(group->name, 0), nullptr);  // Nothing to scale yet.
}

TEST_F(InventoryTest, ThePlansRegionsComeFromProviderVariableOrZone) {
  parse(kPlan);
  EXPECT_EQ(resource_at("aws_instance.one")->region, "eu-west-1");
  EXPECT_EQ(resource_at("aws_ebs_volume.paris")->region, "eu-west-3");
  EXPECT_EQ(resource_at("aws_ebs_volume.zoned")->region, "us-west-2");
}

TEST_F(InventoryTest, NoSecretOfAPlanIsKept) {
  parse(kPlan);
  EXPECT_THAT(inventory->serialize(), Not(HasSubstr("hunter2")));
}

TEST_F(InventoryTest, StateAndAwsOutputOfOneThingAreOneEntry) {
  parse_all(
      {{"aws",
        R"({"NatGateways":[{"NatGatewayId":"nat-1","SubnetId":"subnet-a","NatGatewayAddresses":[{"NetworkInterfaceId":"eni-nat"}]}]})"},
       {"state", kState}});
  EXPECT_EQ(inventory->resource("nat-1")->address, "aws_nat_gateway.a");
  EXPECT_EQ(std::count_if(inventory->resources().begin(), inventory->resources().end(),
                          [](const Resource& one) { return one.id == "nat-1"; }),
            1);
  parse_all({{"state", kState}, {"aws", R"({"NatGateways":[{"NatGatewayId":"nat-1"}]})"}});
  EXPECT_EQ(inventory->resource("nat-1")->address, "aws_nat_gateway.a");
}

TEST_F(InventoryTest, WhatDecidesAPriceOrAPlacePassesTheAllowList) {
  parse(
      R"json({"format_version":"1.0","values":{"root_module":{"resources":[
 {"address":"aws_ecs_task_definition.t","mode":"managed","type":"aws_ecs_task_definition","values":{"id":"api","family":"api","cpu":"512","container_definitions":"hunter2"}},
 {"address":"aws_msk_cluster.k","mode":"managed","type":"aws_msk_cluster","values":{"id":"msk","broker_node_group_info":[{"instance_type":"kafka.m5.large","ebs_volume_size":100}]}},
 {"address":"aws_eip.e","mode":"managed","type":"aws_eip","values":{"id":"eipalloc-1","association_id":"eipassoc-1","network_interface":"eni-1"}},
 {"address":"aws_elasticache_replication_group.c","mode":"managed","type":"aws_elasticache_replication_group","values":{"id":"c","cluster_mode":[{"num_node_groups":2,"replicas_per_node_group":1}],"auth_token":"hunter2"}},
 {"address":"aws_ecr_repository.r","mode":"managed","type":"aws_ecr_repository","values":{"id":"r","arn":"arn:aws:ecr:us-east-1:123456789012:repository/r"}},
 {"address":"aws_cloudwatch_composite_alarm.a","mode":"managed","type":"aws_cloudwatch_composite_alarm","values":{"id":"a","alarm_name":"a"}}]}}})json");
  EXPECT_THAT(warned(), IsEmpty());
  EXPECT_EQ(resource_at("aws_ecs_task_definition.t")->attributes.at("family"), "api");
  EXPECT_EQ(
      resource_at("aws_msk_cluster.k")->attributes.at("broker_node_group_info.0.ebs_volume_size"),
      "100");
  EXPECT_EQ(resource_at("aws_eip.e")->attributes.at("association_id"), "eipassoc-1");
  EXPECT_EQ(resource_at("aws_eip.e")->attributes.at("network_interface"), "eni-1");
  EXPECT_EQ(resource_at("aws_elasticache_replication_group.c")
                ->attributes.at("cluster_mode.0.num_node_groups"),
            "2");
  EXPECT_EQ(resource_at("aws_ecr_repository.r")->region, "us-east-1");
  EXPECT_THAT(inventory->serialize(), Not(HasSubstr("hunter2")));
}

TEST_F(InventoryTest, APlansReferencesStandForIdsThatAreNotKnownYet) {
  parse(
      R"json({"format_version":"1.2","planned_values":{"root_module":{"resources":[
 {"address":"aws_eip.nat[0]","mode":"managed","type":"aws_eip","values":{}},
 {"address":"aws_eip.nat[1]","mode":"managed","type":"aws_eip","values":{}},
 {"address":"aws_nat_gateway.n[0]","mode":"managed","type":"aws_nat_gateway","values":{"connectivity_type":"public"}},
 {"address":"aws_subnet.a","mode":"managed","type":"aws_subnet","values":{}},
 {"address":"aws_subnet.b","mode":"managed","type":"aws_subnet","values":{}},
 {"address":"aws_vpc_endpoint.e","mode":"managed","type":"aws_vpc_endpoint","values":{"vpc_endpoint_type":"Interface"}},
 {"address":"aws_vpc_endpoint.v","mode":"managed","type":"aws_vpc_endpoint","values":{"vpc_endpoint_type":"Interface"}},
 {"address":"aws_ecs_task_definition.t","mode":"managed","type":"aws_ecs_task_definition","values":{"family":"t","cpu":"256"}},
 {"address":"aws_ecs_service.s","mode":"managed","type":"aws_ecs_service","values":{"name":"s","launch_type":"FARGATE"}}]}},
 "configuration":{"root_module":{"resources":[
 {"address":"aws_nat_gateway.n","expressions":{"allocation_id":{"references":["aws_eip.nat","count.index"]}}},
 {"address":"aws_vpc_endpoint.e","expressions":{"subnet_ids":{"references":["aws_subnet.a.id","aws_subnet.a","aws_subnet.b.id","aws_subnet.b"]}}},
 {"address":"aws_vpc_endpoint.v","expressions":{"subnet_ids":{"references":["aws_subnet.a.id","aws_subnet.a","var.more"]}}},
 {"address":"aws_ecs_service.s","expressions":{"task_definition":{"references":["aws_ecs_task_definition.t.arn","aws_ecs_task_definition.t"]}}}]}}})json");
  EXPECT_EQ(resource_at("aws_nat_gateway.n[0]")->attributes.at("allocation_id_address"),
            "aws_eip.nat[0]");
  EXPECT_EQ(resource_at("aws_vpc_endpoint.e")->attributes.at("subnet_ids_count"), "2");
  EXPECT_EQ(resource_at("aws_vpc_endpoint.v")->attributes.count("subnet_ids_count"), 0U)
      << "a variable may name more";
  EXPECT_EQ(resource_at("aws_ecs_service.s")->attributes.at("task_definition_address"),
            "aws_ecs_task_definition.t");
}

/// One planned resource without values; `values` may give some.
std::string planned(const std::string& address, const std::string& values = "{}") {
  const std::size_t type = address.find("aws_");
  return R"({"mode":"managed","address":")" +
         std::regex_replace(address, std::regex("\""), "\\\"") + R"(","type":")" +
         address.substr(type, address.find('.', type) - type) + R"(","values":)" + values + "}";
}
/// A configuration block whose `attribute` has these references.
std::string configured(const std::string& address, const std::string& attribute,
                       const std::string& references) {
  return R"({"address":")" + address + R"(","expressions":{")" + attribute +
         R"(":{"references":[)" + references + "]}}}";
}
std::string plan(const std::string& resources, const std::string& configuration) {
  return R"({"format_version":"1.2","planned_values":{"root_module":{"resources":[)" + resources +
         R"(]}},"configuration":{"root_module":)" + configuration + "}}";
}

TEST_F(InventoryTest, AReferenceInAModuleStaysInTheModulesInstance) {
  std::string resources;
  for (const std::string module : {R"(module.app["a.b]"].)", R"(module.app["c"].)"}) {
    for (const char* address : {"aws_subnet.s[0]", "aws_subnet.s[1]", "aws_lb.a", "aws_eip.nat[0]",
                                "aws_eip.nat[1]", "aws_nat_gateway.n", "aws_autoscaling_group.g"})
      resources += planned(module + address) + ",";
  }
  resources +=
      planned(R"(module.app["a.b]"].aws_launch_template.t)", R"({"instance_type":"m5.large"})");
  resources +=
      "," + planned(R"(module.app["c"].aws_launch_template.t)", R"({"instance_type":"c5.large"})");
  parse(plan(resources, R"({"module_calls":{"app":{"module":{"resources":[)" +
                            configured("aws_lb.a", "subnets", R"("aws_subnet.s")") + "," +
                            configured("aws_nat_gateway.n", "allocation_id", R"("aws_eip.nat")") +
                            "," +
                            configured("aws_autoscaling_group.g", "launch_template",
                                       R"("aws_launch_template.t.id","aws_launch_template.t")") +
                            "]}}}}"));
  EXPECT_EQ(resource_at(R"(module.app["a.b]"].aws_lb.a)")->attributes.at("subnets_count"), "2");
  EXPECT_EQ(
      resource_at(R"(module.app["c"].aws_nat_gateway.n)")->attributes.at("allocation_id_address"),
      R"(module.app["c"].aws_eip.nat)");
  const auto type_of = [this](const std::string& group) {
    return group_named(group)->instance_type;
  };
  EXPECT_EQ(type_of(R"(module.app["a.b]"].aws_autoscaling_group.g)"), "m5.large");
  EXPECT_EQ(type_of(R"(module.app["c"].aws_autoscaling_group.g)"), "c5.large");
}

TEST_F(InventoryTest, AReferenceIsToTheOnlyResourceWhereAPlanLeavesOutTheModulesInstance) {
  parse(plan(planned("module.app[0].aws_autoscaling_group.g[0]") + "," +
                 planned("module.app.aws_launch_template.t", R"({"instance_type":"m5.large"})"),
             R"({"module_calls":{"app":{"module":{"resources":[)" +
                 configured("aws_autoscaling_group.g", "launch_template",
                            R"("aws_launch_template.t.id","aws_launch_template.t")") +
                 "]}}}}"));
  EXPECT_EQ(group_named("module.app[0].aws_autoscaling_group.g[0]")->instance_type, "m5.large");
}

TEST_F(InventoryTest, AReferenceByCountOrKeyIsToTheResourceOfTheSameIndex) {
  std::string resources;
  for (const char* address :
       {"aws_instance.web[0]", "aws_instance.web[1]", "aws_eip.web[0]", "aws_eip.web[1]",
        "aws_ecs_task_definition.t[\"a\"]", "aws_ecs_task_definition.t[\"b\"]",
        "aws_ecs_service.s[\"b\"]", "aws_subnet.s[0]", "aws_subnet.s[1]", "aws_vpc_endpoint.e[1]",
        "aws_vpc_endpoint.e[2]"})
    resources += planned(address) + ",";
  resources += planned("aws_vpc.v");
  parse(plan(
      resources,
      R"({"resources":[)" +
          configured("aws_eip.web", "instance", R"("aws_instance.web","count.index")") + "," +
          configured("aws_ecs_service.s", "task_definition",
                     R"("aws_ecs_task_definition.t","each.key")") +
          "," + configured("aws_vpc_endpoint.e", "subnet_ids", R"("aws_subnet.s","count.index")") +
          "]}"));
  EXPECT_EQ(resource_at("aws_eip.web[1]")->attributes.at("instance_address"),
            "aws_instance.web[1]");
  EXPECT_EQ(resource_at("aws_ecs_service.s[\"b\"]")->attributes.at("task_definition_address"),
            "aws_ecs_task_definition.t[\"b\"]");
  EXPECT_EQ(resource_at("aws_vpc_endpoint.e[1]")->attributes.at("subnet_ids_count"), "1");
  EXPECT_EQ(resource_at("aws_vpc_endpoint.e[2]")->attributes.count("subnet_ids_count"), 0U)
      << "a computed index may take any of them";
}

TEST_F(InventoryTest, AReferenceWithAnIndexIsToThatOneAlone) {
  parse(plan(
      planned("aws_subnet.s[0]") + "," + planned("aws_subnet.s[1]") + "," +
          planned("aws_subnet.s[2]") + "," + planned("aws_vpc_endpoint.e"),
      R"({"resources":[)" +
          configured(
              "aws_vpc_endpoint.e", "subnet_ids",
              R"("aws_subnet.s[2].id","aws_subnet.s[2]","aws_subnet.s","aws_subnet.s[0].id","aws_subnet.s[0]","aws_subnet.s")") +
          "]}"));
  const Resource* endpoint = resource_at("aws_vpc_endpoint.e");
  EXPECT_EQ(endpoint->attributes.at("subnet_ids_address"), "aws_subnet.s[2]");
  EXPECT_EQ(endpoint->attributes.at("subnet_ids_count"), "2");
}

TEST_F(InventoryTest, APlansAssociationsReplicasAndMembersReferToWhatTheyHangOn) {
  std::string resources;
  for (const char* address :
       {"aws_instance.i", "aws_eip.e", "aws_eip_association.a", "aws_db_instance.main",
        "aws_db_instance.replica", "aws_elasticache_replication_group.g",
        "aws_elasticache_cluster.m", "aws_ecs_cluster.c", "aws_ecs_service.s"})
    resources += planned(address) + ",";
  resources += planned(
      "aws_ecs_cluster_capacity_providers.p",
      R"({"default_capacity_provider_strategy":[{"capacity_provider":"FARGATE","weight":1}]})");
  parse(plan(resources,
             R"({"resources":[{"address":"aws_eip_association.a","expressions":{
          "instance_id":{"references":["aws_instance.i.id","aws_instance.i"]},"allocation_id":{"references":["aws_eip.e.id","aws_eip.e"]}}},)" +
                 configured("aws_db_instance.replica", "replicate_source_db",
                            R"("aws_db_instance.main.identifier","aws_db_instance.main")") +
                 "," +
                 configured("aws_elasticache_cluster.m", "replication_group_id",
                            R"("aws_elasticache_replication_group.g")") +
                 "," + configured("aws_ecs_service.s", "cluster", R"("aws_ecs_cluster.c")") + "," +
                 configured("aws_ecs_cluster_capacity_providers.p", "cluster_name",
                            R"("aws_ecs_cluster.c.name","aws_ecs_cluster.c")") +
                 "]}"));
  EXPECT_THAT(warned(), IsEmpty());
  const auto of = [this](const char* address, const char* attribute) {
    return resource_at(address)->attributes.at(attribute);
  };
  EXPECT_EQ(of("aws_eip_association.a", "instance_id_address"), "aws_instance.i");
  EXPECT_EQ(of("aws_eip_association.a", "allocation_id_address"), "aws_eip.e");
  EXPECT_EQ(of("aws_db_instance.replica", "replicate_source_db_address"), "aws_db_instance.main");
  EXPECT_EQ(of("aws_elasticache_cluster.m", "replication_group_id_address"),
            "aws_elasticache_replication_group.g");
  EXPECT_EQ(of("aws_ecs_service.s", "cluster_address"), "aws_ecs_cluster.c");
  EXPECT_EQ(of("aws_ecs_cluster_capacity_providers.p", "cluster_name_address"),
            "aws_ecs_cluster.c");
  EXPECT_EQ(of("aws_ecs_cluster_capacity_providers.p",
               "default_capacity_provider_strategy.0.capacity_provider"),
            "FARGATE");
}

TEST_F(InventoryTest, APlansAddressesClustersAndGatewaysAreReferredToAsWell) {
  std::string resources;
  for (const char* address :
       {"aws_eip.a", "aws_eip.b", "aws_lb.l", "aws_nat_gateway.n", "aws_rds_cluster.c",
        "aws_rds_cluster_instance.i", "aws_ec2_transit_gateway.t"})
    resources += planned(address) + ",";
  resources += planned("aws_vpn_connection.v");
  parse(plan(
      resources,
      R"({"resources":[{"address":"aws_lb.l","expressions":{"subnet_mapping":[
          {"subnet_id":{"references":["var.s"]},"allocation_id":{"references":["aws_eip.a.id","aws_eip.a"]}},
          {"allocation_id":{"references":["aws_eip.b.id","aws_eip.b"]}}]}},)" +
          configured("aws_nat_gateway.n", "secondary_allocation_ids",
                     R"("aws_eip.a","aws_eip.b")") +
          "," +
          configured("aws_rds_cluster_instance.i", "cluster_identifier", R"("aws_rds_cluster.c")") +
          "," +
          configured("aws_vpn_connection.v", "transit_gateway_id",
                     R"("aws_ec2_transit_gateway.t")") +
          "]}"));
  const auto& balancer = resource_at("aws_lb.l")->attributes;
  EXPECT_EQ(balancer.at("subnet_mapping.0.allocation_id_address"), "aws_eip.a");
  EXPECT_EQ(balancer.at("subnet_mapping.1.allocation_id_address"), "aws_eip.b");
  const auto& gateway = resource_at("aws_nat_gateway.n")->attributes;
  EXPECT_EQ(gateway.at("secondary_allocation_ids_count"), "2");
  EXPECT_EQ(gateway.at("secondary_allocation_ids.1_address"), "aws_eip.b");
  EXPECT_EQ(resource_at("aws_rds_cluster_instance.i")->attributes.at("cluster_identifier_address"),
            "aws_rds_cluster.c");
  EXPECT_EQ(resource_at("aws_vpn_connection.v")->attributes.at("transit_gateway_id_address"),
            "aws_ec2_transit_gateway.t");
}

TEST_F(InventoryTest, WhatAddsToABillPassesTheAllowList) {
  const auto kept = [this](const std::string& type, const std::string& values,
                           const std::string& attribute) {
    parse(
        R"({"format_version":"1.0","values":{"root_module":{"resources":[{"address":"x","mode":"managed","type":")" +
        type + R"(","values":)" + values + "}]}}}");
    const auto& attributes = resource_at("x")->attributes;
    const auto found = attributes.find(attribute);
    return found == attributes.end() ? "nothing" : found->second;
  };
  EXPECT_EQ(kept("aws_ecs_service", R"({"network_configuration":[{"assign_public_ip":true}]})",
                 "network_configuration.0.assign_public_ip"),
            "true");
  EXPECT_EQ(kept("aws_nat_gateway", R"({"secondary_allocation_ids":["eipalloc-1","eipalloc-2"]})",
                 "secondary_allocation_ids.1"),
            "eipalloc-2");
  EXPECT_EQ(
      kept(
          "aws_kinesis_firehose_delivery_stream",
          R"({"extended_s3_configuration":[{"data_format_conversion_configuration":[{"enabled":true}]}]})",
          "extended_s3_configuration.0.data_format_conversion_configuration.0.enabled"),
      "true");
  EXPECT_EQ(kept("aws_db_instance", R"({"status":"stopped"})", "status"), "stopped");
  EXPECT_EQ(
      kept("aws_launch_template", R"({"block_device_mappings":[{"virtual_name":"ephemeral0"}]})",
           "block_device_mappings.0.virtual_name"),
      "ephemeral0");
  EXPECT_EQ(kept("aws_launch_template", R"({"block_device_mappings":[{"no_device":"true"}]})",
                 "block_device_mappings.0.no_device"),
            "true");
}

TEST_F(InventoryTest, ListenersAreKeptForWhatTheirProtocolWeighs) {
  parse(plan(
      planned("aws_lb.b") + "," + planned("aws_lb_listener.l", R"({"protocol":"TLS"})") + "," +
          planned("aws_lb_listener_rule.r"),
      R"({"resources":[)" +
          configured("aws_lb_listener.l", "load_balancer_arn", R"("aws_lb.b.arn","aws_lb.b")") +
          "]}"));
  EXPECT_THAT(warned(), IsEmpty());
  ASSERT_NE(resource_at("aws_lb_listener.l"), nullptr);
  EXPECT_EQ(resource_at("aws_lb_listener.l")->attributes.at("protocol"), "TLS");
  EXPECT_EQ(resource_at("aws_lb_listener.l")->attributes.at("load_balancer_arn_address"),
            "aws_lb.b");
  EXPECT_EQ(resource_at("aws_lb_listener_rule.r"), nullptr);
}

TEST_F(InventoryTest, MachinesOfAnotherCloudAreSaidToBeLeftOut) {
  const auto other = [](const std::string& type) {
    return R"(,{"mode":"managed","address":")" + type + R"(.x","type":")" + type +
           R"(","values":{}})";
  };
  parse(plan(planned("aws_lb.b") + other("google_compute_instance") + other("random_id"),
             R"({"resources":[]})"));
  EXPECT_THAT(warned(), ElementsAre(HasSubstr("google_compute_instance are not of AWS: left out")));
}

TEST_F(InventoryTest, AnEmptyStateSaysSo) {
  parse(R"({"format_version":"1.0"})");
  EXPECT_THAT(warned(), Contains("holds no AWS resource"));
}

}  // namespace
}  // namespace fleetmeter::aggregator
