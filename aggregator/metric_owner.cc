#include "aggregator/metric_owner.h"

#include <algorithm>
#include <array>
#include <functional>
#include <set>
#include <string>

namespace fleetmeter::aggregator {
namespace {

/// What a dimension names.
struct Named {
  std::string_view dimension;
  std::array<std::string_view, 2> types;
  std::array<proto::InterfaceRole, 2> roles{};  ///< Of the interfaces that such a thing has.
  bool is_member =
      false;  ///< The value is the thing's name and one or two numbers, each after '-'.
  bool is_global = false;  ///< Its metrics are of one region, wherever the thing was made.
};
/// As the AWS documentation of each service's metrics names them; of several that one series may
/// have, the narrower first.
constexpr std::array kNamed{
    Named{"VolumeId", {"aws_ebs_volume"}},
    Named{"NatGatewayId", {"aws_nat_gateway"}, {proto::ROLE_NAT}},
    Named{"VPC Endpoint Id", {"aws_vpc_endpoint"}, {proto::ROLE_ENDPOINT}},
    Named{"TransitGatewayAttachment",
          {"aws_ec2_transit_gateway_vpc_attachment", "aws_ec2_transit_gateway_peering_attachment"},
          {proto::ROLE_TRANSIT_GATEWAY}},
    Named{"TransitGateway", {"aws_ec2_transit_gateway"}},
    Named{"VpnId", {"aws_vpn_connection"}},
    Named{"Endpoint", {"aws_ec2_client_vpn_endpoint"}},
    Named{"FirewallName", {"aws_networkfirewall_firewall"}},
    Named{"LoadBalancer", {"aws_lb", "aws_alb"}, {proto::ROLE_ALB, proto::ROLE_NLB}},
    Named{"LoadBalancerName", {"aws_elb"}, {proto::ROLE_OTHER}},
    Named{
        "DBInstanceIdentifier", {"aws_db_instance", "aws_rds_cluster_instance"}, {proto::ROLE_RDS}},
    Named{"DBClusterIdentifier", {"aws_rds_cluster"}},
    Named{"CacheClusterId", {"aws_elasticache_cluster"}},
    Named{.dimension = "CacheClusterId",
          .types = {"aws_elasticache_replication_group"},
          .is_member = true},
    Named{"ReplicationGroupId", {"aws_elasticache_replication_group"}},
    Named{"FileSystemId", {"aws_efs_file_system", "aws_fsx_windows_file_system"}},
    Named{"TableName", {"aws_dynamodb_table"}},
    Named{"FunctionName", {"aws_lambda_function"}, {proto::ROLE_LAMBDA}},
    Named{"ServiceName", {"aws_ecs_service"}},
    Named{"ClusterName", {"aws_ecs_cluster", "aws_eks_cluster"}},
    Named{"Cluster Name", {"aws_msk_cluster"}},
    Named{"DomainName", {"aws_opensearch_domain"}},
    Named{.dimension = "Broker", .types = {"aws_mq_broker"}, .is_member = true},
    Named{"QueueName", {"aws_sqs_queue"}},
    Named{"TopicName", {"aws_sns_topic"}},
    Named{"StreamName", {"aws_kinesis_stream"}},
    Named{"DeliveryStreamName", {"aws_kinesis_firehose_delivery_stream"}},
    Named{"BucketName", {"aws_s3_bucket"}},
    Named{"LogGroupName", {"aws_cloudwatch_log_group"}},
    Named{
        .dimension = "DistributionId", .types = {"aws_cloudfront_distribution"}, .is_global = true},
    Named{.dimension = "HealthCheckId", .types = {"aws_route53_health_check"}, .is_global = true},
};

template <typename Value>
bool is_one_of(const std::array<Value, 2>& values, const Value& value) {
  return value != Value{} && (value == values[0] || value == values[1]);
}
bool is_named(std::string_view type) {
  return std::ranges::any_of(kNamed,
                             [&](const Named& named) { return is_one_of(named.types, type); });
}

/// A load balancer is named by three parts of its ARN, all else by the last part of an ARN or URL.
std::string_view name_in(std::string_view text) {
  constexpr std::string_view kBalancer = ":loadbalancer/";
  if (const std::size_t at = text.find(kBalancer); at != std::string_view::npos)
    return text.substr(at + kBalancer.size());
  const bool is_path = text.starts_with("arn:") || text.starts_with("https://");
  return is_path ? text.substr(text.find_last_of(":/") + 1) : text;
}

/// "front" of "app/front/50dc...", as interfaces have it.
std::string_view middle_of(std::string_view path) {
  const std::size_t first = path.find('/'), last = path.rfind('/');
  return first == last ? path : path.substr(first + 1, last - first - 1);
}

/// "cache-0001" of "cache-0001-002"; empty if there is no number.
std::string_view without_number(std::string_view name) {
  const std::size_t last = name.find_last_not_of("0123456789");
  const bool has_number = last != std::string_view::npos && last + 1 < name.size();
  return has_number && name[last] == '-' ? name.substr(0, last) : std::string_view();
}

std::string_view value_of(std::span<const parsers::Dimension> dimensions, std::string_view name) {
  const auto at = std::ranges::find(dimensions, name, &parsers::Dimension::name);
  return at == dimensions.end() ? std::string_view() : at->value;
}

/// Ends the stretch where an entry begins or ends.
void narrow(Validity& stretch, const Validity& entry, std::int64_t at_s) {
  for (const std::int64_t bound : {entry.from_s, entry.to_s}) {
    if (bound <= at_s) stretch.from_s = std::max(stretch.from_s, bound);
    if (bound > at_s) stretch.to_s = std::min(stretch.to_s, bound);
  }
}

/// The later of two entries in the inventory, so that the answer does not hang on a hash.
template <typename Entry>
const Entry* later(const Entry* a, const Entry* b) {
  return std::less<>()(a, b) ? b : a;
}

}  // namespace

MetricOwners::MetricOwners(const Inventory& inventory) {
  for (const Resource& one : inventory.resources()) {
    if (one.planned || !is_named(one.type)) continue;
    std::set<std::string_view> names{name_in(one.id)};
    // Some have an id that no dimension shows.
    for (const char* attribute : {"arn", "identifier", "name", "cluster_name"}) {
      const auto at = one.attributes.find(attribute);
      if (at != one.attributes.end()) names.insert(name_in(at->second));
    }
    for (const std::string_view name : names) resources_.emplace(name, &one);
  }
  for (const Interface& one : inventory.interfaces()) {
    if (!one.resource_id.empty()) interfaces_.emplace(one.resource_id, &one);
  }
}

MetricOwners::Found MetricOwners::find(std::span<const parsers::Dimension> dimensions,
                                       std::string_view account, std::string_view region,
                                       std::int64_t at_s) const {
  Found out;
  for (const Named& named : kNamed) {
    const std::string_view value = value_of(dimensions, named.dimension);
    if (value.empty()) continue;
    const auto is_near = [&](const auto& one) {
      return may_be(one.account, account) && (named.is_global || may_be(one.region, region));
    };
    const auto is_it = [&](const Resource& one) {
      if (!is_one_of(named.types, std::string_view(one.type)) || !is_near(one)) return false;
      // Services of two clusters may have one name.
      return one.type != "aws_ecs_service" ||
             may_be(name_in(one.attribute("cluster")), value_of(dimensions, "ClusterName"));
    };
    const auto resource_named = [&](std::string_view name) {
      const Resource* found = nullptr;
      bool is_clear = true;
      const auto [first, last] = resources_.equal_range(name);
      for (auto at = first; at != last; ++at) {
        const Resource& one = *at->second;
        if (!is_it(one)) continue;
        narrow(out.stretch, one.valid, at_s);
        if (!one.valid.holds(at_s)) continue;
        is_clear = is_clear && (found == nullptr || found->environment == one.environment);
        found = later(found, &one);
      }
      return is_clear ? found : nullptr;
    };
    MetricOwner owner;
    if (named.is_member) {
      for (std::string_view name = without_number(value);
           !name.empty() && owner.resource == nullptr; name = without_number(name))
        owner.resource = resource_named(name);
    } else {
      owner.resource = resource_named(value);
    }
    const auto [first, last] =
        interfaces_.equal_range(named.dimension == "LoadBalancer" ? middle_of(value) : value);
    for (auto at = first; at != last; ++at) {
      const Interface& one = *at->second;
      if (is_one_of(named.roles, one.role) && is_near(one) && one.valid.holds(at_s))
        owner.interface = later(owner.interface, &one);
    }
    if (owner.resource != nullptr || owner.interface != nullptr) out.owners.push_back(owner);
  }
  return out;
}

}  // namespace fleetmeter::aggregator
