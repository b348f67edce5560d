#include "tests/aggregator/inventory_fixture.h"

namespace fleetmeter::aggregator {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* kFleet = R"yaml(
region: us-east-1
account: "123456789012"
vpc_id: vpc-1
vpc_cidr: 10.0.0.0/16
subnets:
  - { name: private-a, cidr: 10.0.10.0/24, az: us-east-1a }
  - { id: subnet-b, name: private-b, cidr: 10.0.20.0/24, az: us-east-1b }
interfaces:
  - { id: eni-1, role: instance, address: 10.0.10.5, instance: i-1, subnet: private-a }
  - { id: eni-nat, role: nat, addresses: [10.0.20.9, 10.0.20.10], public_address: 198.51.100.7, resource: nat-1, subnet: subnet-b }
instances:
  - { id: i-1, type: m5.large, group: fleet, windows: true, tags: { Environment: prod } }
groups:
  - { name: fleet, kind: asg, min: 2, max: 10, desired: 4, instances: [i-1] }
resources:
  - { address: aws_ebs_volume.data, type: aws_ebs_volume, id: vol-1, attributes: { type: gp3, size: 100 } }
)yaml";

TEST_F(InventoryTest, APlainFileGivesEveryKindOfEntry) {
  parse(kFleet);
  EXPECT_THAT(warned(), IsEmpty());
  const Place place = inventory->place_of_interface("eni-1", 0);
  ASSERT_NE(place.interface, nullptr);
  EXPECT_EQ(place.interface->role, proto::ROLE_INSTANCE);
  EXPECT_EQ(place.interface->az, "us-east-1a");  // Of its subnet.
  EXPECT_EQ(place.interface->vpc_id, "vpc-1");
  ASSERT_NE(place.instance, nullptr);
  EXPECT_EQ(place.instance->type, "m5.large");
  EXPECT_TRUE(place.instance->windows);
  EXPECT_EQ(place.instance->account, "123456789012");
  ASSERT_NE(place.subnet, nullptr);
  EXPECT_EQ(place.subnet->name, "private-a");
  const Group* group = inventory->group("fleet", 0);
  ASSERT_NE(group, nullptr);
  EXPECT_EQ(group->minimum, 2);
  EXPECT_EQ(group->maximum, 10);
  EXPECT_EQ(group->desired, 4);
  EXPECT_EQ(group->instance_type, "m5.large");  // Of its machines.
  ASSERT_NE(inventory->resource("vol-1"), nullptr);
  EXPECT_EQ(inventory->resource("vol-1")->attributes.at("size"), "100");
}

TEST_F(InventoryTest, JsonAndYamlOfTheSameContentAreOneVersion) {
  parse("vpc_cidr: 10.0.0.0/16\nsubnets:\n  - {name: a, cidr: 10.0.1.0/24, az: eu-west-1c}\n");
  const std::uint64_t version = inventory->version();
  parse(
      R"({"vpc_cidr":"10.0.0.0/16","subnets":[{"name":"a","cidr":"10.0.1.0/24","az":"eu-west-1c"}]})");
  EXPECT_EQ(inventory->version(), version);
  EXPECT_EQ(inventory->subnets().front().region, "eu-west-1");
}

TEST_F(InventoryTest, UnknownKeysWarnOnceEachAndTheRestHolds) {
  parse(R"({"source":"a capture","vpc_cidr":"10.0.0.0/16","nat_gateways":"single",
    "subnets":[{"name":"a","cidr":"10.0.1.0/24","az":"us-east-1a","tier":"private"},
               {"name":"b","cidr":"10.0.2.0/24","az":"us-east-1b","tier":"private"}]})");
  EXPECT_THAT(warned(),
              ElementsAre("unknown key subnets[].tier is ignored", "unknown key source is ignored",
                          "unknown key nat_gateways is ignored"));
  EXPECT_EQ(warnings.front().file, "inventory.yaml");
  EXPECT_EQ(at("10.0.2.1").subnet->az, "us-east-1b");
}

TEST_F(InventoryTest, AnAttributeThatNobodyReadsWarnsAtItsLine) {
  parse(R"yaml(resources:
  - type: aws_ebs_volume
    attributes: { type: gp3, size: 100, iop: 16000,
                  throughputs: 1000 }
  - { type: aws_db_instance, attributes: { instance_class: db.t3.small, multiaz: true } }
)yaml");
  EXPECT_THAT(warned(),
              ElementsAre("line 3: unknown key resources[].attributes.iop is ignored",
                          "line 4: unknown key resources[].attributes.throughputs is ignored",
                          "line 5: unknown key resources[].attributes.multiaz is ignored"));
}

TEST_F(InventoryTest, AttributesOfBlocksListsPlansAndOurOwnAreKnown) {
  parse(R"yaml(resources:
  - type: aws_instance
    attributes: { instance_type: t3.small, root_block_device.#: 1, root_block_device.0.volume_size: 8,
                  windows: true, system: rhel, instance_lifecycle: spot }
  - type: aws_nat_gateway
    attributes: { allocation_id_address: aws_eip.nat, public_address_count: 2, subnet_ids_count: 2 }
  - { type: aws_ecs_service, attributes: { desired_count: 2 } }
)yaml");
  EXPECT_THAT(warned(), IsEmpty());
}

TEST_F(InventoryTest, AnUnknownKeyOfYamlNamesItsLine) {
  parse("region: us-east-1\nregoin: us-east-1\n");
  EXPECT_THAT(warned(), ElementsAre("line 2: unknown key regoin is ignored"));
}

TEST_F(InventoryTest, ADamagedFileNamesFileAndLine) {
  EXPECT_THAT(
      error_of("{\"subnets\": [\n{\"name\": \"a\",\n \"cidr\" 1}]}"),
      testing::AllOf(HasSubstr("fleet.json: not valid JSON: line 3"), HasSubstr("unexpected '1'")));
  EXPECT_THAT(error_of("{\"subnets\": [\n{\"name\": \"a\"}"),
              HasSubstr("line 2: the text ends too early"));
  EXPECT_THAT(error_of("subnets:\n  - {name: a\n  - b: ]\n"), HasSubstr("fleet.json: line 3"));
}

TEST_F(InventoryTest, WrongValuesNameTheKeyAndWhatWouldBeRight) {
  EXPECT_THAT(error_of("subnets:\n- {name: a, cidr: 10.0.0.0/33}\n"),
              HasSubstr("line 2: subnets[].cidr must be a range"));
  EXPECT_THAT(error_of("subnets: 5\n"), HasSubstr("line 1: subnets must be a list"));
  EXPECT_THAT(error_of("interfaces:\n- {id: eni-1, role: router}\n"),
              HasSubstr("interfaces[].role must be instance, nat"));
  EXPECT_THAT(error_of("interfaces:\n- {id: eni-1, address: 10.0.0}\n"), HasSubstr("not '10.0.0'"));
  EXPECT_THAT(error_of("interfaces:\n- {role: nat}\n"), HasSubstr("interfaces[].id must be given"));
  EXPECT_THAT(error_of("groups:\n- {name: g, min: two}\n"),
              HasSubstr("groups[].min must be a whole number"));
  EXPECT_THAT(error_of("groups:\n- name: g\n  desired: -4\n"),
              HasSubstr("fleet.json: line 3: groups[].desired must be a whole number, 0 or more, "
                        "not '-4'"));
  EXPECT_THAT(error_of("instances:\n- {id: i-1, valid_from: yesterday}\n"),
              HasSubstr("instances[].valid_from must be a time"));
  EXPECT_THAT(error_of("resources:\n- type: aws_lb\n  attributes: { subnets: [a, b] }\n"),
              HasSubstr("line 3: resources[].attributes.subnets must be one text; the elements of "
                        "a list are keys of their own: `subnets.#: 2`, `subnets.0: ...`"));
  EXPECT_THAT(error_of("resources:\n- {type: aws_lb, attributes: {a: {b: c}}}\n"),
              HasSubstr("resources[].attributes.a must be one text"));
  EXPECT_THAT(error_of("- a\n- b\n"), HasSubstr("no inventory"));
}

TEST_F(InventoryTest, AnEntryThatEndsBeforeItBeginsIsAnErrorAtItsEnd) {
  EXPECT_EQ(error_of("instances:\n- id: i-1\n  valid_from: \"2026-10-16T00:00:00Z\"\n"
                     "  valid_to: \"2026-10-15T00:00:00Z\"\n"),
            "fleet.json: line 4: instances[].valid_to must be a time not before valid_from, "
            "2026-10-16T00:00:00Z");
  for (const std::string entry : {"interfaces: [{id: eni-1, ", "groups: [{name: g, ",
                                  "resources: [{type: aws_ebs_volume, "}) {
    EXPECT_THAT(error_of(entry + "valid_from: \"2026-10-02T00:00:00Z\", "
                                 "valid_to: \"2026-10-01T23:59:59Z\"}]"),
                HasSubstr("[].valid_to must be a time not before valid_from"));
  }
  // Half open: one that ends as it begins held at no time, which is no contradiction.
  parse(
      "instances: [{id: i-1, valid_from: \"2026-10-02T00:00:00Z\", "
      "valid_to: \"2026-10-02T00:00:00Z\"}]");
  EXPECT_EQ(inventory->instance("i-1", 1790899200), nullptr);
}

TEST_F(InventoryTest, AStateOrKindThatThereIsNotIsAnErrorThatNamesThoseThereAre) {
  EXPECT_EQ(error_of("instances:\n- {id: i-1, type: m5.large, state: stoped}\n"),
            "fleet.json: line 2: instances[].state must be pending, running, shutting-down, "
            "terminated, stopping or stopped, not 'stoped'");
  EXPECT_EQ(error_of("groups:\n- name: g\n  kind: asgs\n"),
            "fleet.json: line 3: groups[].kind must be asg, ecs_service, eks_node_group or other, "
            "not 'asgs'");
  parse("instances: [{id: i-1, state: stopped}]\ngroups: [{name: g, kind: ecs_service}]\n");
  EXPECT_EQ(inventory->instance("i-1", 0)->state, "stopped");
}

TEST_F(InventoryTest, AGroupsDesiredSizeLiesWithinItsLimits) {
  EXPECT_THAT(error_of("groups:\n- { name: g, min: 5, max: 3 }\n"),
              HasSubstr("line 2: groups[].min must be at most max, 3, not '5'"));
  EXPECT_THAT(error_of("groups:\n- name: g\n  max: 3\n  desired: 9\n"),
              HasSubstr("line 4: groups[].desired must be at most max, 3, not '9'"));
  EXPECT_THAT(error_of("groups:\n- { name: g, min: 2, desired: 1 }\n"),
              HasSubstr("groups[].desired must be at least min, 2, not '1'"));
  parse("groups: [{ name: g, min: 3, max: 3, desired: 3 }]");
  EXPECT_EQ(group_named("g")->desired, 3);
}

TEST_F(InventoryTest, WhatAnEarlierReleaseTookIntoTheLogIsStillRead) {
  const auto stored = Inventory::deserialize(
      R"({"groups":[{"name":"g","kind":"asgs","maximum":3,"desired":9}],"instances":[{"id":"i-1","state":"stoped","valid_from":"2026-10-16T00:00:00Z","valid_to":"2026-10-15T00:00:00Z"}]})");
  ASSERT_TRUE(stored) << stored.error().message;
  EXPECT_EQ((*stored)->groups().front().desired, 9);
  EXPECT_EQ((*stored)->instances().size(), 1u);
}

TEST_F(InventoryTest, AFileThatCannotBeReadIsAnErrorThatNamesIt) {
  auto loaded = Inventory::load({"/nonexistent/state.json"}, {}, warnings);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().message,
            "/nonexistent/state.json: cannot be read: No such file or directory");
  EXPECT_THAT(Inventory::load({"/dev/null/state.json"}, {}, warnings).error().message,
              HasSubstr("cannot be read: Not a directory"));
  EXPECT_THAT(Inventory::load({"/nonexistent/*.json"}, {}, warnings).error().message,
              HasSubstr("patterns are not read here, name the files one by one"));
}

TEST_F(InventoryTest, JsonInUtf16SaysWhatItIs) {
  std::string text = "\xff\xfe";
  for (const char c : std::string("{\"Reservations\": []}")) text += {c, '\0'};
  EXPECT_THAT(error_of(text), testing::AllOf(HasSubstr("fleet.json: is JSON in UTF-16"),
                                             HasSubstr("Out-File -Encoding utf8")));
  std::string yaml = "\xff\xfe";
  for (const char c : std::string("region: us-east-1\nregoin: x\n")) yaml += {c, '\0'};
  parse(yaml);
  EXPECT_THAT(warned(), ElementsAre("line 2: unknown key regoin is ignored"));
}

TEST_F(InventoryTest, AMergeKeyOfYamlIsRefusedByItsName) {
  EXPECT_THAT(error_of("resources:\n- type: aws_ebs_volume\n  attributes: &a { type: gp3 }\n"
                       "- type: aws_ebs_volume\n  attributes:\n    <<: *a\n"),
              HasSubstr("line 6: merge keys (<<) are not read; write the keys out"));
}

TEST_F(InventoryTest, AnEmptyFileHoldsNothingAndSaysSo) {
  parse("");
  EXPECT_THAT(warned(), ElementsAre("holds nothing"));
  EXPECT_TRUE(inventory->interfaces().empty());
}

TEST_F(InventoryTest, ItComesBackFromItsSerializedFormTheSame) {
  parse(kFleet, {{.name = "prod",
                  .accounts = {"123456789012"},
                  .region = "us-east-1",
                  .vpcs = {"v"},
                  .subnets = {"s"},
                  .groups = {"g"},
                  .instances = {"i"},
                  .tags = {{"quote\"\\", "line\n\x01 \xc3\xa9"}}}});
  const auto again = Inventory::deserialize(inventory->serialize());
  ASSERT_TRUE(again) << again.error().message;
  EXPECT_EQ((*again)->serialize(), inventory->serialize());
  EXPECT_EQ((*again)->version(), inventory->version());
  EXPECT_EQ((*again)->environments().front().tags, inventory->environments().front().tags);
  EXPECT_EQ((*again)->place_of_interface("eni-nat", 0).interface->resource_id, "nat-1");
}

TEST_F(InventoryTest, DamagedStoredBytesAreDataLoss) {
  parse(kFleet);
  const std::string bytes = inventory->serialize();
  const auto cut = Inventory::deserialize(bytes.substr(0, bytes.size() / 2));
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().code, ErrorCode::kDataLoss);
}

TEST_F(InventoryTest, TheVersionFollowsTheContent) {
  parse(kFleet);
  const std::uint64_t version = inventory->version();
  parse(std::string(kFleet) + "\n# a comment\n");
  EXPECT_EQ(inventory->version(), version);
  parse(kFleet, {{.name = "prod"}});
  EXPECT_NE(inventory->version(), version);
}

TEST_F(InventoryTest, TheFilesEnvironmentTagsItsEntries) {
  parse(
      "environment: dev\ninstances: [{id: i-1}, {id: i-2, tags: {Environment: prod}}]\nresources: "
      "[{type: aws_eip, id: eip-1}]\n",
      {{.name = "prod", .tags = {{"Environment", "prod"}}},
       {.name = "dev", .tags = {{"Environment", "dev"}}}});
  EXPECT_EQ(inventory->environment_of({.instance_id = "i-1"}), "dev");
  EXPECT_EQ(inventory->environment_of({.instance_id = "i-2"}), "prod");
  EXPECT_EQ(inventory->resource("eip-1")->environment, "dev");
}

TEST_F(InventoryTest, EnvironmentsBelongInTheConfiguration) {
  parse("environments: [{name: prod}]\n");
  EXPECT_THAT(warned(), ElementsAre(HasSubstr("environments are declared in the configuration")));
  EXPECT_TRUE(inventory->environments().empty());
}

}  // namespace
}  // namespace fleetmeter::aggregator
