#include "tests/aggregator/inventory_fixture.h"

namespace fleetmeter::aggregator {
namespace {

TEST(Cidr, ParsesBothKindsAndRefusesTheRest) {
  EXPECT_EQ(parse_cidr("10.1.2.3/16")->network, *parse_address("10.1.0.0"));
  EXPECT_EQ(parse_cidr("10.0.0.0/8")->length, 104);
  EXPECT_EQ(parse_cidr("2001:db8::1/32")->network, *parse_address("2001:db8::"));
  EXPECT_EQ(parse_cidr("0.0.0.0/0")->length, 96);
  for (const char* bad : {"", "10.0.0.0", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/", "10.0.0.0/8x",
                          "10.0.0.0/-1", "::/129", "x/8"}) {
    EXPECT_FALSE(parse_cidr(bad)) << bad;
  }
  EXPECT_EQ(parse_address("10.0.1.2")->v4(), 0x0a000102U);
  EXPECT_EQ(*parse_address("::ffff:10.0.1.2"), *parse_address("10.0.1.2"));
  EXPECT_FALSE(parse_address("10.0.1.2 "));
}

TEST(CidrTable, TheLongestPrefixWins) {
  CidrTable table;
  EXPECT_EQ(table.find(*parse_address("10.0.0.1")), CidrTable::kNone);
  table.add(*parse_cidr("10.0.0.0/16"), 1);
  table.add(*parse_cidr("10.0.1.0/24"), 2);
  table.add(*parse_cidr("0.0.0.0/0"), 3);
  table.add(*parse_cidr("10.0.1.0/24"), 2);
  EXPECT_EQ(table.find(*parse_address("10.0.1.255")), 2U);
  EXPECT_EQ(table.find(*parse_address("10.0.2.0")), 1U);
  EXPECT_EQ(table.find(*parse_address("192.0.2.1")), 3U);
  EXPECT_EQ(table.find(*parse_address("2001:db8::1")), CidrTable::kNone);
  table.add(*parse_cidr("10.0.1.0/24"), 9);
  EXPECT_EQ(table.find(*parse_address("10.0.1.1")), CidrTable::kAmbiguous);
}

constexpr const char* kPlaces = R"yaml(
vpc_cidr: [10.0.0.0/16, 100.64.0.0/16]
vpc_id: vpc-1
region: us-east-1
subnets: [{ id: subnet-a, cidr: 10.0.1.0/24, az: us-east-1a }]
interfaces:
  - { id: eni-1, address: 10.0.1.5, public_address: 203.0.113.5, instance: i-1, subnet: subnet-a }
  - { id: eni-6, address: "2600:1f18::5", subnet: subnet-a }
instances: [{ id: i-1, group: web }]
)yaml";

TEST_F(InventoryTest, WhatStandsIsFoundBesideAPlanOfIt) {
  for (const char* address : {"aws_nat_gateway.n", "aws_nat_gateway/nat-1"}) {
    parse(std::string("resources:\n") +
          "  - { id: nat-1, type: aws_nat_gateway, address: " + address +
          " }\n  - { id: nat-1, type: aws_nat_gateway, address: aws_nat_gateway.n, planned: true "
          "}\n");
    EXPECT_EQ(inventory->resources().size(), 2U);
    EXPECT_FALSE(inventory->resource("nat-1")->planned) << address;
  }
}

TEST_F(InventoryTest, AnAddressIsAnInterfaceElseASubnetElseInTheVpc) {
  parse(kPlaces);
  EXPECT_EQ(at("10.0.1.5").interface->id, "eni-1");
  EXPECT_EQ(at("10.0.1.5").instance->id, "i-1");
  EXPECT_TRUE(at("10.0.1.5").in_vpc);
  EXPECT_EQ(at("10.0.1.6").interface, nullptr);
  EXPECT_EQ(at("10.0.1.6").subnet->id, "subnet-a");
  EXPECT_TRUE(at("10.0.1.6").in_vpc);
  EXPECT_EQ(at("10.0.9.9").subnet, nullptr);
  EXPECT_TRUE(at("10.0.9.9").in_vpc);
  EXPECT_TRUE(at("100.64.3.3").in_vpc);
  EXPECT_FALSE(at("192.0.2.1").in_vpc);
  EXPECT_EQ(at("2600:1f18::5").interface->id, "eni-6");
}

TEST_F(InventoryTest, APublicAddressIsItsInterfacesButNotInTheVpc) {
  parse(kPlaces);
  EXPECT_EQ(at("203.0.113.5").interface->id, "eni-1");
  EXPECT_FALSE(at("203.0.113.5").in_vpc);
}

TEST_F(InventoryTest, AnAddressOfTwoInterfacesAtOnceIsNobodys) {
  parse(
      "interfaces: [{id: eni-1, address: 10.0.0.5, vpc_id: vpc-1}, {id: eni-2, address: 10.0.0.5, "
      "vpc_id: vpc-2}]\n");
  EXPECT_EQ(at("10.0.0.5").interface, nullptr);
  EXPECT_NE(inventory->place_of_interface("eni-2", 0).interface, nullptr);
}

TEST_F(InventoryTest, EntriesHoldFromTheirBeginningUpToTheirEnd) {
  parse(R"yaml(
interfaces:
  - { id: eni-1, address: 10.0.0.5, instance: i-old, valid_from: "2024-01-01T00:00:00Z", valid_to: "2024-02-01T00:00:00Z" }
  - { id: eni-1, address: 10.0.0.5, instance: i-new, valid_from: "2024-02-01T01:00:00+01:00" }
instances:
  - { id: i-old, valid_to: "2024-02-01T00:00:00Z" }
  - { id: i-new, valid_from: "2024-02-01T00:00:00Z" }
groups: [{ name: g, valid_from: "2024-02-01T00:00:00Z" }]
)yaml");
  constexpr std::int64_t kJanuary = 1704067200;
  constexpr std::int64_t kFebruary = 1706745600;
  EXPECT_EQ(inventory->place_of_interface("eni-1", kJanuary - 1).interface, nullptr);
  EXPECT_EQ(inventory->place_of_interface("eni-1", kJanuary).interface->instance_id, "i-old");
  EXPECT_EQ(at("10.0.0.5", kFebruary - 1).instance->id, "i-old");
  EXPECT_EQ(at("10.0.0.5", kFebruary).instance->id, "i-new");
  EXPECT_EQ(inventory->instance("i-old", kFebruary), nullptr);
  EXPECT_EQ(inventory->instance("i-new", kFebruary - 1), nullptr);
  EXPECT_EQ(inventory->group("g", kFebruary - 1), nullptr);
  EXPECT_NE(inventory->group("g", kFebruary), nullptr);
  EXPECT_TRUE(inventory->known("i-old"));
  EXPECT_FALSE(inventory->known("i-never"));
}

TEST_F(InventoryTest, ALaterFileAddsToAnEntryAndWinsWhereItSpeaks) {
  parse_all({{"a", "interfaces: [{id: eni-1, address: 10.0.0.5, az: us-east-1a, role: other}]\n"},
             {"b", "interfaces: [{id: eni-1, role: nat, resource: nat-1}]\n"},
             {"c", "interfaces: [{id: eni-1, role: other}]\n"}});
  ASSERT_EQ(inventory->interfaces().size(), 1U);
  const Interface& one = inventory->interfaces().front();
  EXPECT_EQ(one.role, proto::ROLE_NAT);  // "Other" knows less than what was there.
  EXPECT_EQ(one.resource_id, "nat-1");
  EXPECT_EQ(one.az, "us-east-1a");
}

// --- environments ---

const std::vector<EnvironmentMatch> kByAccount{
    {.name = "prod", .accounts = {"111"}, .region = "us-east-1"},
    {.name = "standby", .accounts = {"111"}, .region = "eu-west-1"},
    {.name = "dev", .accounts = {"222"}}};

TEST_F(InventoryTest, AccountAndRegionDecideFirst) {
  parse("", kByAccount);
  EXPECT_EQ(inventory->environment_of({.account = "111", .region = "us-east-1"}), "prod");
  EXPECT_EQ(inventory->environment_of({.account = "111", .region = "eu-west-1"}), "standby");
  EXPECT_EQ(inventory->environment_of({.account = "222", .region = "eu-west-1"}), "dev");
  EXPECT_EQ(inventory->environment_of({.account = "333", .region = "us-east-1"}), "unassigned");
  // Two match: not known which.
  EXPECT_EQ(inventory->environment_of({.account = "111"}), "unassigned");
  EXPECT_EQ(inventory->environment_of({}), "unassigned");
}

TEST_F(InventoryTest, WhereSeveralMatchTheNextFactNarrows) {
  parse(
      "instances: [{id: i-d, tags: {Environment: dev}}, {id: i-p, tags: {Environment: prod}}, {id: "
      "i-x, tags: {Environment: x}}]\n",
      {{.name = "prod", .accounts = {"111"}, .tags = {{"Environment", "prod"}}},
       {.name = "dev", .accounts = {"111"}, .tags = {{"Environment", "dev"}}},
       {.name = "lab", .accounts = {"111"}, .vpcs = {"vpc-lab"}}});
  EXPECT_EQ(inventory->environment_of({.account = "111", .instance_id = "i-d"}), "dev");
  EXPECT_EQ(inventory->environment_of({.account = "111", .vpc_id = "vpc-1", .instance_id = "i-p"}),
            "prod");
  EXPECT_EQ(inventory->environment_of({.account = "111", .vpc_id = "vpc-lab"}), "lab");
  EXPECT_EQ(inventory->environment_of({.account = "111", .vpc_id = "vpc-1", .instance_id = "i-x"}),
            "unassigned");
  EXPECT_EQ(
      inventory->environment_of({.account = "111", .vpc_id = "vpc-1", .instance_id = "i-unheard"}),
      "unassigned");
}

constexpr const char* kTagged =
    "instances: [{id: i-d, tags: {Environment: dev}}, {id: i-p, tags: {Environment: prod}}, {id: "
    "i-none, name: n, tags: {Name: n}}]\n";

TEST_F(InventoryTest, AnAccountDecidesBeforeATagOfAnEnvironmentThatNamesNoAccount) {
  parse(kTagged,
        {{.name = "prod", .accounts = {"111"}}, {.name = "dev", .tags = {{"Environment", "dev"}}}});
  // One account: the account is the more stable fact, and it matches prod alone.
  EXPECT_EQ(inventory->environment_of({.account = "111", .instance_id = "i-d"}), "prod");
  EXPECT_EQ(inventory->environment_of({.account = "111", .instance_id = "i-none"}), "prod");
  EXPECT_EQ(inventory->environment_of({.account = "111"}), "prod")
      << "whether the inventory knows the machine or not";
  // Another account: prod is out, the tag decides.
  EXPECT_EQ(inventory->environment_of({.account = "222", .instance_id = "i-d"}), "dev");
  EXPECT_EQ(inventory->environment_of({.account = "222", .instance_id = "i-none"}), "unassigned");
  EXPECT_EQ(inventory->environment_of({.account = "222"}), "unassigned");
  EXPECT_EQ(inventory->environment_of({.instance_id = "i-d"}), "dev") << "account not known";
}

TEST_F(InventoryTest, WhatAnEnvironmentAsksForHasToHoldAltogether) {
  parse(kTagged, {{.name = "prod", .accounts = {"111"}, .tags = {{"Environment", "prod"}}},
                  {.name = "dev", .tags = {{"Environment", "dev"}}}});
  EXPECT_EQ(inventory->environment_of({.account = "111", .instance_id = "i-p"}), "prod");
  EXPECT_EQ(inventory->environment_of({.account = "111", .instance_id = "i-d"}), "dev")
      << "prod's own match speaks against it";
  EXPECT_EQ(inventory->environment_of({.account = "111", .instance_id = "i-none"}), "unassigned");
  EXPECT_EQ(inventory->environment_of({.account = "111"}), "prod") << "tags not known (yet)";
}

TEST_F(InventoryTest, WithoutAnyTagsTheAccountThatOneEnvironmentNamesDecides) {
  const std::vector<EnvironmentMatch> tagged{
      {.name = "prod", .accounts = {"111"}, .tags = {{"Environment", "prod"}}},
      {.name = "dev", .accounts = {"222"}, .tags = {{"Environment", "dev"}}}};
  parse("account: \"111\"\ninterfaces: [{id: eni-bare}, {id: eni-x, tags: {Environment: x}}]\n",
        tagged);
  EXPECT_EQ(inventory->environment_of({.interface_id = "eni-bare"}), "prod");
  EXPECT_EQ(inventory->environment_of({.interface_id = "eni-x"}), "unassigned");
  std::vector<EnvironmentMatch> shared = tagged;
  shared[1].accounts = {"111"};
  parse("account: \"111\"\ninterfaces: [{id: eni-bare}]\n", shared);
  EXPECT_EQ(inventory->environment_of({.interface_id = "eni-bare"}), "unassigned")
      << "both name the account, and nothing tells which";
}

TEST_F(InventoryTest, TagsOfTheResourceThatAnInterfaceBelongsToCount) {
  parse(R"yaml(
interfaces: [ { id: eni-nat, role: nat, resource: nat-1 }, { id: eni-own, resource: nat-1, tags: { Environment: dev } } ]
resources: [ { type: aws_nat_gateway, id: nat-1, tags: { Environment: prod } } ]
)yaml",
        {{.name = "prod", .tags = {{"Environment", "prod"}}},
         {.name = "dev", .tags = {{"Environment", "dev"}}}});
  EXPECT_EQ(inventory->environment_of({.interface_id = "eni-nat"}), "prod");
  EXPECT_EQ(inventory->environment_of({.interface_id = "eni-own"}), "dev") << "its own are nearer";
}

TEST_F(InventoryTest, InASharedAccountATagNarrowsAndTheOtherTakesTheRest) {
  parse(kTagged, {{.name = "prod", .accounts = {"111"}},
                  {.name = "dev", .accounts = {"111"}, .tags = {{"Environment", "dev"}}}});
  EXPECT_EQ(inventory->environment_of({.account = "111", .instance_id = "i-d"}), "dev");
  EXPECT_EQ(inventory->environment_of({.account = "111", .instance_id = "i-p"}), "prod");
  EXPECT_EQ(inventory->environment_of({.account = "111", .instance_id = "i-none"}), "prod");
  EXPECT_EQ(inventory->environment_of({.account = "111"}), "prod")
      << "all that prod asks for matches; dev asks for a tag that nobody knows";
  EXPECT_EQ(inventory->environment_of({.account = "222", .instance_id = "i-d"}), "unassigned");
}

TEST_F(InventoryTest, TwoEnvironmentsOfOneAccountAreToldBySubnetBeforeTags) {
  parse(kTagged, {{.name = "a", .accounts = {"111"}, .subnets = {"subnet-a"}},
                  {.name = "b", .accounts = {"111"}, .subnets = {"subnet-b"}},
                  {.name = "dev", .accounts = {"111"}, .tags = {{"Environment", "dev"}}}});
  const auto in = [&](const char* subnet, const char* instance) {
    return inventory->environment_of(
        {.account = "111", .subnet_id = subnet, .instance_id = instance});
  };
  EXPECT_EQ(in("subnet-a", "i-d"), "a") << "a subnet is more stable than a tag";
  EXPECT_EQ(in("subnet-b", "i-p"), "b");
  EXPECT_EQ(in("subnet-c", "i-d"), "dev");
  EXPECT_EQ(in("subnet-c", "i-p"), "unassigned");
}

TEST_F(InventoryTest, AResourceIsPlacedByItsSubnetBeforeItsTags) {
  parse(R"yaml(
subnets: [ { id: subnet-a, cidr: 10.0.0.0/24 } ]
resources:
  - { type: aws_nat_gateway, id: nat-1, attributes: { subnet_id: subnet-a }, tags: { Environment: dev } }
  - { type: aws_lb, id: lb-1, attributes: { subnets.0: subnet-a } }
  - { type: aws_ebs_volume, id: vol-1, tags: { Environment: dev } }
)yaml",
        {{.name = "prod", .subnets = {"subnet-a"}},
         {.name = "dev", .tags = {{"Environment", "dev"}}}});
  EXPECT_EQ(inventory->resource("nat-1")->environment, "prod");
  EXPECT_EQ(inventory->resource("lb-1")->environment, "prod");
  EXPECT_EQ(inventory->resource("vol-1")->environment, "dev");
}

TEST_F(InventoryTest, AnAddressOfTerraformReplacesTypeAndIdThoughAKeyOfItHoldsASlash) {
  parse(R"yaml(
resources:
  - { type: aws_ebs_volume, id: vol-1 }
  - { type: aws_ebs_volume, id: vol-1, address: 'aws_ebs_volume.v["/dev/sdf"]' }
)yaml");
  EXPECT_EQ(inventory->resource("vol-1")->address, "aws_ebs_volume.v[\"/dev/sdf\"]");
}

TEST_F(InventoryTest, FactsOfAnInterfaceFollowFromTheInventory) {
  parse(kPlaces, {{.name = "web", .groups = {"web"}}, {.name = "rest", .subnets = {"subnet-z"}}});
  EXPECT_EQ(inventory->environment_of({.interface_id = "eni-1"}), "web");
  EXPECT_EQ(inventory->environment_of({.interface_id = "eni-6"}), "unassigned");
  parse(kPlaces, {{.name = "a", .subnets = {"subnet-a"}}, {.name = "b", .vpcs = {"vpc-2"}}});
  EXPECT_EQ(inventory->environment_of({.interface_id = "eni-6"}), "a");
  EXPECT_EQ(inventory->environment_of({.subnet_id = "subnet-a"}), "a");
}

TEST_F(InventoryTest, TheOnlyEnvironmentWithoutAMatchTakesEverything) {
  parse("", {{.name = "all"}});
  EXPECT_EQ(inventory->environment_of({.account = "9"}), "all");
  parse("", {{.name = "all", .accounts = {"1"}, .region = "us-east-1"}});
  EXPECT_EQ(inventory->environment_of({}), "all") << "nothing is known against it";
  EXPECT_EQ(inventory->environment_of({.account = "9"}), "unassigned") << "not its account";
  parse("", {{.name = "all"}, {.name = "prod", .accounts = {"1"}}});
  EXPECT_EQ(inventory->environment_of({.account = "9"}), "unassigned");
  parse("", {});
  EXPECT_EQ(inventory->environment_of({.account = "9"}), "unassigned");
}

TEST_F(InventoryTest, TagsAloneCanTell) {
  parse("", {{.name = "prod", .tags = {{"Environment", "prod"}, {"Team", "a"}}},
             {.name = "dev", .tags = {{"Environment", "dev"}}}});
  EXPECT_EQ(inventory->environment_of_tags({{"Environment", "prod"}, {"Team", "a"}}, "", ""),
            "prod");
  EXPECT_EQ(inventory->environment_of_tags({{"Environment", "prod"}}, "", ""), "unassigned");
  EXPECT_EQ(inventory->environment_of_tags({{"Environment", "dev"}}, "1", "us-east-1"), "dev");
}

}  // namespace
}  // namespace fleetmeter::aggregator
