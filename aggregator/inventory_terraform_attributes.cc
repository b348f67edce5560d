#include <algorithm>
#include <array>

#include "aggregator/inventory_terraform.h"

namespace fleetmeter::aggregator {
namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

// Every name on the way to a value must be here. Names only that decide a price or a place; nothing
// free-form: no user data, environment, container definition, policy, password or connection string
// can pass.
constexpr std::array kAllowed{
    // places and names
    "arn", "availability_zone", "availability_zones", "region", "vpc_id", "subnet_id", "subnet_ids",
    "subnets", "vpc_zone_identifier", "name", "name_prefix", "id", "identifier", "bucket",
    "cluster", "cluster_name", "cluster_identifier", "replication_group_id", "node_group_name",
    "family", "instance_id", "resources", "autoscaling_groups", "state", "instance_state", "status",
    // compute
    "instance_type", "instance_types", "tenancy", "placement", "placement_tenancy", "ebs_optimized",
    "monitoring", "enabled", "enable_monitoring", "credit_specification", "cpu_credits", "ami",
    "image_id", "get_password_data", "platform", "launch_template", "launch_template_id",
    "launch_template_name", "launch_template_specification", "version", "launch_configuration",
    "mixed_instances_policy", "instances_distribution", "on_demand_base_capacity",
    "on_demand_percentage_above_base_capacity", "spot_allocation_strategy", "override",
    "weighted_capacity", "min_size", "max_size", "desired_capacity", "desired_size",
    "scaling_config", "capacity_type", "disk_size", "ami_type", "host_id",
    "instance_market_options", "market_type", "spot_price", "network_interfaces", "resource_id",
    "min_capacity", "max_capacity", "scalable_dimension", "service_namespace",
    // storage
    "root_block_device", "ebs_block_device", "block_device_mappings", "ebs", "device_name",
    "virtual_name", "no_device", "volume_type", "volume_size", "volume_id", "type", "size", "iops",
    "throughput", "multi_attach_enabled", "storage_tier", "source_snapshot_id", "source_region",
    // network
    "connectivity_type", "load_balancer_type", "load_balancer_arn", "protocol", "internal",
    "vpc_endpoint_type", "service_name", "network_interface_ids", "primary_network_interface_id",
    "network_interface_id", "allocation_id", "secondary_allocation_ids", "association_id",
    "network_interface", "public_ip", "private_ip", "private_ips", "ip_address_type",
    "transit_gateway_id", "transit_gateway_attachment_id", "cidr_block", "attachment", "instance",
    "domain", "associate_public_ip_address", "subnet_mapping", "interface_type",
    "enable_cross_zone_load_balancing", "ip_address",
    // databases and caches
    "engine", "engine_version", "engine_mode", "instance_class", "db_cluster_instance_class",
    "multi_az", "publicly_accessible", "allocated_storage", "max_allocated_storage", "storage_type",
    "storage_throughput", "backup_retention_period", "license_model", "monitoring_interval",
    "performance_insights_enabled", "performance_insights_retention_period",
    "serverlessv2_scaling_configuration", "node_type", "num_node_groups", "num_cache_clusters",
    "num_cache_nodes", "replicas_per_node_group", "snapshot_retention_limit", "replicate_source_db",
    "number_cache_clusters", "cluster_mode", "billing_mode", "read_capacity", "write_capacity",
    "replica", "region_name", "global_secondary_index", "table_class", "point_in_time_recovery",
    // containers
    "launch_type", "desired_count", "task_definition", "cpu", "memory", "runtime_platform",
    "cpu_architecture", "operating_system_family", "ephemeral_storage", "size_in_gib",
    "requires_compatibilities", "capacity_provider_strategy", "default_capacity_provider_strategy",
    "capacity_provider", "weight", "base", "scheduling_strategy", "network_configuration",
    "assign_public_ip", "upgrade_policy", "support_type",
    // observability and the rest
    "period", "metric_query", "metric", "retention_in_days", "log_group_class",
    "log_destination_type", "destination_options", "file_format", "comparison_operator",
    "threshold_metric_id", "traffic_type", "max_aggregation_interval", "shard_count",
    "retention_period", "stream_mode_details", "stream_mode", "destination",
    "extended_s3_configuration", "data_format_conversion_configuration", "number_of_broker_nodes",
    "broker_node_group_info", "ebs_volume_size", "storage_info", "ebs_storage_info", "price_class",
    "versioning", "rule", "tier", "fifo_queue", "request_interval", "measure_latency",
    "memory_size", "architectures", "output_format", "key_usage", "is_multi_region"};

bool is_allowed(std::string_view name) {
  static const std::unordered_set<std::string_view> names(kAllowed.begin(), kAllowed.end());
  return names.count(name) != 0;
}

/// Of a flattened attribute: "ebs_block_device.0.volume_size", "subnet_ids.#".
bool is_allowed_path(std::string_view path) {
  while (true) {
    const std::size_t dot = path.find('.');
    const std::string_view part = path.substr(0, dot);
    const bool place = part == "#" || (!part.empty() && part.find_first_not_of("0123456789") ==
                                                            std::string_view::npos);
    if (!place && !is_allowed(part)) return false;
    if (dot == std::string_view::npos) return true;
    path.remove_prefix(dot + 1);
  }
}

// Beyond this a flattened list is a data set, not a shape.
constexpr std::size_t kItemsMax = 256;

std::optional<element> child(const std::optional<element>& sensitive, std::string_view key) {
  return sensitive ? json_at(*sensitive, key) : std::nullopt;
}
std::optional<element> child(const std::optional<element>& sensitive, std::size_t index) {
  simdjson::dom::array list;
  element found;
  if (!sensitive || sensitive->get(list) != simdjson::SUCCESS ||
      list.at(index).get(found) != simdjson::SUCCESS)
    return std::nullopt;
  return found;
}
bool is_secret(const std::optional<element>& sensitive) {
  bool secret = false;
  return sensitive && sensitive->get(secret) == simdjson::SUCCESS && secret;
}

void flatten(const std::string& path, const element& value, const std::optional<element>& sensitive,
             std::map<std::string, std::string>& out) {
  if (is_secret(sensitive)) return;
  if (value.type() == element_type::ARRAY) {
    const simdjson::dom::array list(value);
    out[path + ".#"] = std::to_string(list.size());
    std::size_t index = 0;
    for (const element item : list) {
      if (index == kItemsMax) return;
      flatten(path + "." + std::to_string(index), item, child(sensitive, index), out);
      ++index;
    }
  } else if (value.type() == element_type::OBJECT) {
    for (const auto [key, inner] : simdjson::dom::object(value)) {
      if (is_allowed(key))
        flatten(path + "." + std::string(key), inner, child(sensitive, key), out);
    }
  } else if (auto text = json_scalar(value)) {
    out[path] = *std::move(text);
  }
}

}  // namespace

void copy_allowed_attributes(const element& values, const std::optional<element>& sensitive,
                             std::map<std::string, std::string>& out) {
  if (values.type() != element_type::OBJECT) return;
  for (const auto [key, value] : simdjson::dom::object(values)) {
    if (is_allowed(key)) flatten(std::string(key), value, child(sensitive, key), out);
  }
}

bool is_known_attribute(std::string_view name) {
  // What the list does not hold because no Terraform file says it.
  for (const std::string_view own :
       {"windows", "system", "instance_lifecycle", "public_address_count"}) {
    if (name == own) return true;
  }
  for (const std::string_view of_plans : {"", "_address", "_count"}) {
    if (name.ends_with(of_plans) && is_allowed_path(name.substr(0, name.size() - of_plans.size())))
      return true;
  }
  return false;
}

bool is_known_terraform_type(std::string_view type) {
  static const std::unordered_set<std::string_view> types{
      "aws_instance",
      "aws_spot_instance_request",
      "aws_autoscaling_group",
      "aws_launch_template",
      "aws_launch_configuration",
      "aws_ebs_volume",
      "aws_volume_attachment",
      "aws_ebs_snapshot",
      "aws_ebs_snapshot_copy",
      "aws_nat_gateway",
      "aws_eip",
      "aws_eip_association",
      "aws_lb",
      "aws_alb",
      "aws_elb",
      "aws_lb_listener",
      "aws_alb_listener",
      "aws_vpc_endpoint",
      "aws_vpc",
      "aws_subnet",
      "aws_network_interface",
      "aws_vpn_connection",
      "aws_ec2_transit_gateway",
      "aws_ec2_transit_gateway_vpc_attachment",
      "aws_ec2_transit_gateway_peering_attachment",
      "aws_db_instance",
      "aws_rds_cluster",
      "aws_rds_cluster_instance",
      "aws_elasticache_replication_group",
      "aws_elasticache_cluster",
      "aws_dynamodb_table",
      "aws_ecs_cluster",
      "aws_ecs_cluster_capacity_providers",
      "aws_ecs_service",
      "aws_ecs_task_definition",
      "aws_eks_cluster",
      "aws_eks_node_group",
      "aws_eks_fargate_profile",
      "aws_ecr_repository",
      "aws_cloudwatch_metric_alarm",
      "aws_cloudwatch_composite_alarm",
      "aws_cloudwatch_dashboard",
      "aws_cloudwatch_log_group",
      "aws_cloudwatch_metric_stream",
      "aws_flow_log",
      "aws_kinesis_firehose_delivery_stream",
      "aws_kinesis_stream",
      "aws_msk_cluster",
      "aws_secretsmanager_secret",
      "aws_kms_key",
      "aws_route53_zone",
      "aws_route53_health_check",
      "aws_route53_resolver_endpoint",
      "aws_ssm_parameter",
      "aws_cloudtrail",
      "aws_networkfirewall_firewall",
      "aws_ec2_client_vpn_endpoint",
      "aws_ec2_client_vpn_network_association",
      "aws_cloudfront_distribution",
      "aws_s3_bucket",
      "aws_lambda_function",
      "aws_appautoscaling_target",
      "aws_sns_topic",
      "aws_sqs_queue",
      "aws_fsx_windows_file_system",
      "aws_efs_file_system",
      "aws_opensearch_domain",
      "aws_wafv2_web_acl",
      "aws_mq_broker"};
  return types.count(type) != 0;
}

bool is_of_another_cloud(std::string_view type) {
  constexpr std::string_view kProviders[] = {"google_",       "azurerm_", "azapi_",   "alicloud_",
                                             "digitalocean_", "hcloud_",  "linode_",  "oci_",
                                             "ibm_",          "vultr_",   "scaleway_"};
  return std::ranges::any_of(kProviders, [&](auto prefix) { return type.starts_with(prefix); });
}

bool is_free_terraform_type(std::string_view type) {
  constexpr std::array<std::string_view, 37> kPrefixes{"aws_iam_",
                                                       "aws_security_group",
                                                       "aws_vpc_security_group",
                                                       "aws_route_table",
                                                       "aws_network_acl",
                                                       "aws_default_",
                                                       "aws_lb_listener",
                                                       "aws_lb_target_group",
                                                       "aws_alb_listener",
                                                       "aws_alb_target_group",
                                                       "aws_s3_bucket_",
                                                       "aws_autoscaling_policy",
                                                       "aws_autoscaling_schedule",
                                                       "aws_autoscaling_attachment",
                                                       "aws_autoscaling_lifecycle_hook",
                                                       "aws_autoscaling_notification",
                                                       "aws_appautoscaling_policy",
                                                       "aws_appautoscaling_scheduled_action",
                                                       "aws_vpn_gateway",
                                                       "aws_vpc_peering_connection",
                                                       "aws_vpc_dhcp_options",
                                                       "aws_vpc_endpoint_",
                                                       "aws_ec2_transit_gateway_route",
                                                       "aws_acm_certificate",
                                                       "aws_secretsmanager_secret_",
                                                       "aws_sns_topic_",
                                                       "aws_sqs_queue_",
                                                       "aws_ecr_lifecycle_policy",
                                                       "aws_ecr_repository_policy",
                                                       "aws_cloudwatch_event_",
                                                       "aws_lambda_permission",
                                                       "aws_lambda_alias",
                                                       "aws_lambda_event_source_mapping",
                                                       "aws_lambda_layer_version",
                                                       "aws_eks_access_",
                                                       "aws_eks_addon",
                                                       "aws_ecs_capacity_provider"};
  constexpr std::array<std::string_view, 25> kNames{"aws_route",
                                                    "aws_internet_gateway",
                                                    "aws_egress_only_internet_gateway",
                                                    "aws_customer_gateway",
                                                    "aws_vpn_connection_route",
                                                    "aws_key_pair",
                                                    "aws_placement_group",
                                                    "aws_db_subnet_group",
                                                    "aws_db_parameter_group",
                                                    "aws_db_option_group",
                                                    "aws_rds_cluster_parameter_group",
                                                    "aws_elasticache_subnet_group",
                                                    "aws_elasticache_parameter_group",
                                                    "aws_ec2_tag",
                                                    "aws_kms_alias",
                                                    "aws_kms_grant",
                                                    "aws_kms_key_policy",
                                                    "aws_route53_record",
                                                    "aws_route53_zone_association",
                                                    "aws_cloudwatch_log_stream",
                                                    "aws_cloudwatch_log_resource_policy",
                                                    "aws_cloudwatch_log_subscription_filter",
                                                    "aws_main_route_table_association",
                                                    "aws_ram_resource_share",
                                                    "aws_resourcegroups_group"};
  return std::any_of(kPrefixes.begin(), kPrefixes.end(),
                     [&](std::string_view one) { return type.starts_with(one); }) ||
         std::find(kNames.begin(), kNames.end(), type) != kNames.end();
}

}  // namespace fleetmeter::aggregator
