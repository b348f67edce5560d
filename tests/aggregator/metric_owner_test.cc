#include "aggregator/metric_owner.h"

#include <gtest/gtest.h>

#include "tests/aggregator/partial_fixture.h"

namespace fleetmeter::aggregator {
namespace {

EnvironmentMatch by_tag(std::string name) {
  EnvironmentMatch match{.name = name};
  match.tags["Environment"] = std::move(name);
  return match;
}

/// Datapoints to the environments that they fall to.
class MetricOwnerTest : public PartialAggregatorTest {
 protected:
  void use(std::string_view yaml) { inventory = inventory_of(yaml, environments); }
  std::string placed(const std::vector<parsers::Dimension>& dimensions,
                     std::int64_t at_s = 1'700'000'040) {
    PartialAggregator aggregator(inventory, options);
    return placed_by(aggregator, dimensions, at_s);
  }
  std::string placed_by(PartialAggregator& aggregator,
                        const std::vector<parsers::Dimension>& dimensions,
                        std::int64_t at_s = 1'700'000'040) {
    parsers::MetricBatch batch;
    batch.dimensions = dimensions;
    parsers::MetricRecord record{.stream = "s",
                                 .account = account,
                                 .region = region,
                                 .metric_namespace = "AWS/X",
                                 .name = "M",
                                 .unit = "Count"};
    record.start_ms = at_s * 1000;
    record.sample_count = 1;
    record.dimension_count = static_cast<std::uint32_t>(dimensions.size());
    batch.records = {record};
    aggregator.on_metrics(batch);
    const auto taken = aggregator.take();
    EXPECT_EQ(taken.size(), 1u);
    return taken.empty() ? "" : taken[0].environment();
  }

  std::vector<EnvironmentMatch> environments{by_tag("prod"), by_tag("dev")};
  std::string account = "111111111111", region = "us-east-1";
};

TEST_F(MetricOwnerTest, ADatapointBelongsToTheEnvironmentOfTheThingThatItsDimensionNames) {
  use(R"(
resources:
  - { type: aws_nat_gateway, id: nat-1, tags: { Environment: prod } }
  - { type: aws_ebs_volume, id: vol-1, tags: { Environment: dev } }
  - { type: aws_db_instance, id: db-ABC, attributes: { identifier: orders }, tags: { Environment: prod } }
  - { type: aws_efs_file_system, id: fs-1, environment: stated }
  - { type: aws_sqs_queue, id: "https://sqs.us-east-1.amazonaws.com/111111111111/jobs", tags: { Environment: dev } }
  - { type: aws_ecs_cluster, id: "arn:aws:ecs:us-east-1:111111111111:cluster/web", tags: { Environment: prod } }
  - { type: aws_lb, id: "arn:aws:elasticloadbalancing:us-east-1:111111111111:loadbalancer/app/front/50dc", tags: { Environment: dev } }
)");
  EXPECT_EQ(placed({{"NatGatewayId", "nat-1"}}), "prod");
  EXPECT_EQ(placed({{"VolumeId", "vol-1"}}), "dev");
  EXPECT_EQ(placed({{"DBInstanceIdentifier", "orders"}}), "prod");
  EXPECT_EQ(placed({{"FileSystemId", "fs-1"}}), "stated");
  EXPECT_EQ(placed({{"QueueName", "jobs"}}), "dev");
  EXPECT_EQ(placed({{"ClusterName", "web"}}), "prod");
  EXPECT_EQ(placed({{"AvailabilityZone", "us-east-1a"}, {"LoadBalancer", "app/front/50dc"}}),
            "dev");
  EXPECT_EQ(placed({{"NatGatewayId", "nat-2"}}), "unassigned");
}

TEST_F(MetricOwnerTest, AThingIsPlacedByTheVpcAndSubnetThatItLiesIn) {
  environments = {{.name = "prod", .vpcs = {"vpc-1"}}, {.name = "dev", .subnets = {"s2"}}};
  use(R"(
subnets:
  - { id: s1, cidr: 10.0.1.0/24, az: us-east-1a, vpc_id: vpc-1 }
  - { id: s2, cidr: 10.1.2.0/24, az: us-east-1a, vpc_id: vpc-2 }
resources:
  - { type: aws_nat_gateway, id: nat-1, attributes: { subnet_id: s1 } }
  - { type: aws_nat_gateway, id: nat-2, attributes: { subnet_id: s2 } }
)");
  EXPECT_EQ(placed({{"NatGatewayId", "nat-1"}}), "prod");
  EXPECT_EQ(placed({{"NatGatewayId", "nat-2"}}), "dev");
}

TEST_F(MetricOwnerTest, ADatapointsAccountPlacesAThingOfWhichTheInventoryKnowsNone) {
  environments = {{.name = "prod", .accounts = {"111111111111"}, .vpcs = {"vpc-1"}},
                  {.name = "dev", .accounts = {"222222222222"}, .vpcs = {"vpc-1"}}};
  use("resources: [ { type: aws_nat_gateway, id: nat-1, attributes: { vpc_id: vpc-1 } } ]");
  EXPECT_EQ(placed({{"NatGatewayId", "nat-1"}}), "prod");
  account = "222222222222";
  EXPECT_EQ(placed({{"NatGatewayId", "nat-1"}}), "dev");
}

TEST_F(MetricOwnerTest, ADatapointsAccountDecidesBeforeATagOfTheThingButNotBeforeWhatIsStated) {
  environments = {{.name = "prod", .accounts = {"111111111111"}}, by_tag("dev")};
  use(R"(
resources:
  - { type: aws_nat_gateway, id: nat-1, tags: { Environment: dev } }
  - { type: aws_nat_gateway, id: nat-2, environment: dev }
)");
  EXPECT_EQ(placed({{"NatGatewayId", "nat-1"}}), "prod");
  EXPECT_EQ(placed({{"NatGatewayId", "nat-2"}}), "dev");
  account = "222222222222";
  EXPECT_EQ(placed({{"NatGatewayId", "nat-1"}}), "dev");
}

TEST_F(MetricOwnerTest, WithoutAnEntryOfItsOwnAThingIsPlacedByItsInterface) {
  use(R"(
interfaces:
  - { id: eni-1, role: nat, resource: nat-1, tags: { Environment: prod } }
  - { id: eni-2, role: alb, resource: front, tags: { Environment: dev } }
  - { id: eni-3, role: lambda, resource: jobs, tags: { Environment: dev } }
)");
  EXPECT_EQ(placed({{"NatGatewayId", "nat-1"}}), "prod");
  EXPECT_EQ(placed({{"LoadBalancer", "app/front/50dc"}}), "dev");
  EXPECT_EQ(placed({{"DBInstanceIdentifier", "jobs"}}), "unassigned");
}

TEST_F(MetricOwnerTest, ADimensionNamesThingsOfItsOwnTypesOnly) {
  use(R"(
resources:
  - { type: aws_lambda_function, id: orders, tags: { Environment: dev } }
  - { type: aws_dynamodb_table, id: orders, tags: { Environment: prod } }
  - { type: aws_sns_topic, id: "arn:aws:sns:us-east-1:111111111111:jobs", tags: { Environment: prod } }
)");
  EXPECT_EQ(placed({{"FunctionName", "orders"}}), "dev");
  EXPECT_EQ(placed({{"TableName", "orders"}}), "prod");
  EXPECT_EQ(placed({{"QueueName", "jobs"}}), "unassigned");
  EXPECT_EQ(placed({{"Customer", "orders"}}), "unassigned");
}

TEST_F(MetricOwnerTest, OfOneNameTheThingOfTheDatapointsAccountAndRegionIsMeant) {
  use(R"(
resources:
  - { type: aws_ecs_cluster, id: "arn:aws:ecs:us-east-1:111111111111:cluster/web", account: "111111111111", region: us-east-1, tags: { Environment: prod } }
  - { type: aws_ecs_cluster, id: "arn:aws:ecs:us-east-1:222222222222:cluster/web", account: "222222222222", region: us-east-1, tags: { Environment: dev } }
)");
  EXPECT_EQ(placed({{"ClusterName", "web"}}), "prod");
  account = "222222222222";
  EXPECT_EQ(placed({{"ClusterName", "web"}}), "dev");
  region = "eu-west-1";
  EXPECT_EQ(placed({{"ClusterName", "web"}}), "unassigned");
  account = "", region = "us-east-1";  // Of either.
  EXPECT_EQ(placed({{"ClusterName", "web"}}), "unassigned");
}

TEST_F(MetricOwnerTest, TheNarrowerOfTwoThingsDecidesIfItIsPlaced) {
  use(R"(
instances: [ { id: i-1, tags: { Environment: dev } } ]
resources:
  - { type: aws_ecs_cluster, id: web, tags: { Environment: prod } }
  - { type: aws_ecs_service, id: s1, attributes: { name: api, cluster: "arn:aws:ecs:us-east-1:111111111111:cluster/web" }, tags: { Environment: dev } }
  - { type: aws_ecs_service, id: s2, attributes: { name: jobs, cluster: web } }
  - { type: aws_ecs_service, id: s3, attributes: { name: cron, cluster: other }, tags: { Environment: dev } }
)");
  EXPECT_EQ(placed({{"ClusterName", "web"}, {"InstanceId", "i-1"}}), "dev");
  EXPECT_EQ(placed({{"ClusterName", "web"}, {"ServiceName", "api"}}), "dev");
  EXPECT_EQ(placed({{"ClusterName", "web"}, {"ServiceName", "jobs"}}), "prod");
  EXPECT_EQ(placed({{"ClusterName", "web"}, {"ServiceName", "cron"}}), "prod");
}

TEST_F(MetricOwnerTest, ANodeIsOfTheReplicationGroupOfWhichItIsANumber) {
  use("resources: [ { type: aws_elasticache_replication_group, id: cache, tags: { Environment: "
      "prod } } ]");
  EXPECT_EQ(placed({{"CacheClusterId", "cache-001"}}), "prod");
  EXPECT_EQ(placed({{"CacheClusterId", "cache-0001-002"}, {"CacheNodeId", "0001"}}), "prod");
  EXPECT_EQ(placed({{"CacheClusterId", "cache2"}}), "unassigned");
}

TEST_F(MetricOwnerTest, AThingIsNamedAtEventTimeAndNotWhileItIsPlanned) {
  use(R"(
resources:
  - { type: aws_dynamodb_table, id: orders, tags: { Environment: dev }, valid_to: "2023-11-14T22:14:00Z" }
  - { type: aws_dynamodb_table, id: orders, tags: { Environment: prod }, valid_from: "2023-11-14T22:15:00Z" }
  - { type: aws_dynamodb_table, id: later, tags: { Environment: prod }, planned: true }
)");
  PartialAggregator aggregator(inventory, options);  // Remembers the series.
  const std::vector<parsers::Dimension> orders{{"TableName", "orders"}};
  for (int twice = 0; twice < 2; ++twice) {
    EXPECT_EQ(placed_by(aggregator, orders, 1'699'999'980), "dev");
    EXPECT_EQ(placed_by(aggregator, orders, 1'700'000'040), "unassigned");
    EXPECT_EQ(placed_by(aggregator, orders, 1'700'000'100), "prod");
  }
  EXPECT_EQ(placed({{"TableName", "later"}}), "unassigned");
}

TEST_F(MetricOwnerTest, ANewInventoryPlacesASeriesAnewAndAForcedEnvironmentAlways) {
  const std::vector<parsers::Dimension> gateway{{"NatGatewayId", "nat-1"}};
  use("resources: [ { type: aws_nat_gateway, id: nat-1, tags: { Environment: prod } } ]");
  PartialAggregator aggregator(inventory, options);
  EXPECT_EQ(placed_by(aggregator, gateway), "prod");
  use("resources: [ { type: aws_nat_gateway, id: nat-1, tags: { Environment: dev } } ]");
  aggregator.set_inventory(inventory);
  EXPECT_EQ(placed_by(aggregator, gateway), "dev");
  options.environment = "forced";
  EXPECT_EQ(placed(gateway), "forced");
}

}  // namespace
}  // namespace fleetmeter::aggregator
