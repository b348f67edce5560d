#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <optional>
#include <set>
#include <string>

#include "cost/estimate.h"

namespace fleetmeter::cost {
namespace {

void price_nat_gateway(Subject& subject) {
  // Rule: Amazon VPC pricing, "NAT gateway", a partial hour is a full one.
  subject.add("gateway hours", "vpc.nat_gateway.hours", subject.month()).part = Part::kFullHours;
  subject.add_usage("data processed", "vpc.nat_gateway.data", "monthly_data_processed_gb");
  if (const std::int64_t addresses = addresses_of_gateway(subject); addresses > 0)
    subject.add("public IPv4", "vpc.public_ipv4.in_use", multiply(subject.month(), addresses));
}

/// In use or idle, the price is the same.
void price_address(Subject& subject) {
  subject.add("public IPv4", "vpc.public_ipv4.in_use", subject.month());
}

/// Zones that a load balancer or endpoint lies in: one a subnet. nullopt = not known.
std::optional<std::int64_t> zones_of(const Subject& subject,
                                     std::initializer_list<const char*> lists) {
  std::int64_t zones = 0;
  for (const char* list : lists) zones = std::max(zones, subject.planned_count(list));
  return zones > 0 ? std::optional(zones) : std::nullopt;
}

constexpr const char* kOneZone = "one zone assumed: the subnets are not known";

/// Units of capacity of a month: each dimension's mean over the month in units, the largest of them
/// counts. Rule: Elastic Load Balancing pricing, "LCU details". The largest of the means is a lower
/// bound: AWS takes the largest of each hour.
struct CapacityUnit {
  const char* key;
  std::int64_t per_unit;  // Of the key's figure.
  bool monthly;           // A sum of the month rather than a rate.
};

void add_capacity_units(Subject& subject, const std::string& price_key,
                        std::initializer_list<CapacityUnit> dimensions) {
  if (const auto told = subject.usage("monthly_lcu_hours")) {  // Ours: as telemetry or a bill says.
    subject.add("LCU", price_key, *told, "usage_file");
    return;
  }
  std::optional<Quantity> largest;
  for (const CapacityUnit& dimension : dimensions) {
    const auto value = subject.usage(dimension.key);
    if (!value) continue;
    const Quantity lcu_hours =
        scale(dimension.monthly ? *value : product(*value, subject.month()), 1, dimension.per_unit);
    largest = std::max(largest.value_or(lcu_hours), lcu_hours);
  }
  Draft& draft = subject.add("LCU", price_key, largest.value_or(Quantity{}), "usage_file");
  if (largest) return;
  draft.quantity.reset();
  draft.reason = fmt::format(
      "depends on usage: state processed_bytes_gb or monthly_lcu_hours of {} in the usage file",
      subject.resource.address);
}

/// Each node of an internet-facing load balancer has a public address.
void add_node_addresses(Subject& subject, std::initializer_list<const char*> lists) {
  if (subject.flag("internal")) return;
  const auto nodes = zones_of(subject, lists);
  if (!nodes)
    return subject.add_unknown("public IPv4",
                               "one per zone, but the load balancer's subnets are not known");
  subject.add("public IPv4", "vpc.public_ipv4.in_use", multiply(subject.month(), *nodes));
}

/// Protocols of a load balancer's listeners, as far as the inventory has these.
std::set<std::string> protocols_of(const Subject& balancer) {
  const aggregator::Resource& resource = balancer.resource;
  std::set<std::string> protocols;
  for (const char* type : {"aws_lb_listener", "aws_alb_listener"}) {
    for (const aggregator::Resource* listener : balancer.estimator.of_type(type)) {
      for (const char* attribute : {"load_balancer_arn", "load_balancer_arn_address"}) {
        const std::string of = listener->attribute(attribute);
        const std::string protocol = listener->attribute("protocol");
        const bool own = of == resource.address || of == resource.id || of == balancer.text("arn");
        if (!of.empty() && own && !protocol.empty()) protocols.insert(protocol);
      }
    }
  }
  return protocols;
}

/// Connections weigh by the protocol; TCP is taken where no listener is known. Rule: Elastic Load
/// Balancing pricing, "NLCU details".
void add_network_capacity_units(Subject& subject) {
  struct Weights {
    std::int64_t new_connections, active_connections;
    auto operator<=>(const Weights&) const = default;
  };
  constexpr Weights kTcp{800, 100'000}, kUdp{400, 50'000}, kTls{50, 3'000};
  std::set<Weights> weights;
  for (const std::string& protocol : protocols_of(subject)) {
    if (protocol == "TLS") weights.insert(kTls);
    if (protocol == "UDP" || protocol == "TCP_UDP") weights.insert(kUdp);
    if (protocol == "TCP" || protocol == "TCP_UDP") weights.insert(kTcp);
  }
  const bool tells_connections = subject.usage("new_connections").has_value() ||
                                 subject.usage("active_connections").has_value();
  if (weights.size() > 1 && tells_connections && !subject.usage("monthly_lcu_hours")) {
    return subject.add_unknown(
        "LCU",
        fmt::format("depends on usage: state monthly_lcu_hours of {} in the usage file, since its "
                    "listeners are of several protocols, whose connections do not weigh alike",
                    subject.resource.address));
  }
  const Weights of = weights.empty() ? kTcp : *weights.begin();
  add_capacity_units(subject, "elb.network.lcu",
                     {{"new_connections", of.new_connections, false},
                      {"active_connections", of.active_connections, false},
                      {"processed_bytes_gb", 1, true}});
}

/// A partial hour is a full one. Rule: Elastic Load Balancing pricing.
void price_load_balancer(Subject& subject) {
  const std::string kind = subject.text("load_balancer_type", "application");
  if (kind == "gateway") {
    const auto zones = zones_of(subject, {"subnets", "subnet_mapping"});
    Draft& hours = subject.add("load balancer hours", "elb.gateway.hours",
                               multiply(subject.month(), zones.value_or(1)));
    hours.part = Part::kFullHours;
    if (!zones) hours.reason = kOneZone;
    return add_capacity_units(subject, "elb.gateway.lcu",
                              {{"new_connections", 600, false},
                               {"active_connections", 60'000, false},
                               {"processed_bytes_gb", 1, true}});
  }
  if (kind != "application" && kind != "network") {
    return subject.add_unknown("load balancer hours",
                               fmt::format("unsupported: load balancer of type {}", kind));
  }
  subject.add("load balancer hours", fmt::format("elb.{}.hours", kind), subject.month()).part =
      Part::kFullHours;
  if (kind == "application") {
    add_capacity_units(subject, "elb.application.lcu",
                       {{"new_connections", 25, false},
                        {"active_connections", 3'000, false},
                        {"processed_bytes_gb", 1, true},
                        {"rule_evaluations", 1'000, false}});
  } else {
    add_network_capacity_units(subject);
  }
  // Clients reach such a one by IPv6 alone.
  if (subject.text("ip_address_type") == "dualstack-without-public-ipv4") return;
  add_node_addresses(subject, {"subnets", "subnet_mapping"});
}

void price_classic_balancer(Subject& subject) {
  subject.add("load balancer hours", "elb.classic.hours", subject.month()).part = Part::kFullHours;
  subject.add_usage("data processed", "elb.classic.data", "monthly_data_processed_gb");
  add_node_addresses(subject, {"subnets"});
}

void price_endpoint(Subject& subject) {
  const std::string kind = subject.text("vpc_endpoint_type", "Gateway");
  if (kind == "Gateway") return;  // Free, by hour and by byte.
  const std::string key = kind == "Interface"             ? "vpc.interface_endpoint."
                          : kind == "GatewayLoadBalancer" ? "vpc.gwlb_endpoint."
                                                          : "";
  if (key.empty())
    return subject.add_unknown("endpoint hours",
                               fmt::format("unsupported: endpoint of type {}", kind));
  // One interface in each.
  const auto zones = zones_of(subject, {"subnet_ids"});
  Draft& hours =
      subject.add("endpoint hours", key + "hours", multiply(subject.month(), zones.value_or(1)));
  if (!zones) hours.reason = kOneZone;
  subject.add_usage("data processed", key + "data", "monthly_data_processed_gb");
}

void price_transit_attachment(Subject& subject) {
  subject.add("attachment hours", "vpc.transit_gateway.attachment", subject.month());
  subject.add_usage("data processed", "vpc.transit_gateway.data", "monthly_data_processed_gb");
}

/// Each side of a peering pays its own attachment; its bytes pay as transfer between regions.
void price_transit_peering(Subject& subject) {
  subject.add("attachment hours", "vpc.transit_gateway.attachment", subject.month());
}

/// One that ends at a transit gateway is an attachment of it too. Rule: AWS Transit Gateway pricing.
void price_vpn(Subject& subject) {
  subject.add("connection hours", "vpc.vpn_connection.hours", subject.month());
  const bool attached = !subject.text("transit_gateway_id").empty() ||
                        !subject.text("transit_gateway_id_address").empty();
  if (attached) price_transit_attachment(subject);
}

void price_firewall(Subject& subject) {
  const auto zones = zones_of(subject, {"subnet_mapping"});
  Draft& hours = subject.add("endpoint hours", "network_firewall.endpoint",
                             multiply(subject.month(), zones.value_or(1)));
  if (!zones) hours.reason = kOneZone;
  subject.add_usage("data processed", "network_firewall.data", "monthly_data_processed_gb");
}

void price_client_vpn_association(Subject& subject) {
  subject.add("association hours", "vpc.client_vpn.association", subject.month());
}

/// Clients pay for the hours in which they are connected. Rule: AWS VPN pricing, "Client VPN".
void price_client_vpn(Subject& subject) {
  subject.add_usage("connection hours", "vpc.client_vpn.connection", "monthly_connection_hrs");
}

void price_nothing(Subject&) {}  // Billed by attachment.

}  // namespace

std::int64_t addresses_of_gateway(const Subject& gateway) {
  if (gateway.text("connectivity_type") == "private") return 0;
  return std::max(1 + gateway.planned_count("secondary_allocation_ids"),
                  gateway.integer("public_address_count", 1));  // Of the AWS CLI.
}

std::vector<TypeEntry> network_types() {
  return {{"aws_nat_gateway", price_nat_gateway},
          {"aws_eip", price_address},
          {"aws_lb", price_load_balancer},
          {"aws_alb", price_load_balancer},
          {"aws_elb", price_classic_balancer},
          {"aws_vpc_endpoint", price_endpoint},
          {"aws_ec2_transit_gateway", price_nothing},
          {"aws_ec2_transit_gateway_vpc_attachment", price_transit_attachment},
          {"aws_ec2_transit_gateway_peering_attachment", price_transit_peering},
          {"aws_ec2_client_vpn_endpoint", price_client_vpn},
          {"aws_ec2_client_vpn_network_association", price_client_vpn_association},
          {"aws_networkfirewall_firewall", price_firewall},
          {"aws_vpn_connection", price_vpn}};
}

}  // namespace fleetmeter::cost
