#include <array>

#include "aggregator/inventory_readers.h"

namespace fleetmeter::aggregator {
namespace {

struct RoleName {
  proto::InterfaceRole role;
  std::string_view name;
};
constexpr std::array<RoleName, 10> kRoles{{{proto::ROLE_UNKNOWN, "unknown"},
                                           {proto::ROLE_INSTANCE, "instance"},
                                           {proto::ROLE_NAT, "nat"},
                                           {proto::ROLE_ALB, "alb"},
                                           {proto::ROLE_NLB, "nlb"},
                                           {proto::ROLE_ENDPOINT, "endpoint"},
                                           {proto::ROLE_RDS, "rds"},
                                           {proto::ROLE_TRANSIT_GATEWAY, "transit_gateway"},
                                           {proto::ROLE_LAMBDA, "lambda"},
                                           {proto::ROLE_OTHER, "other"}}};

/// The word of the description that begins with `prefix`.
std::string word_with(std::string_view description, std::string_view prefix) {
  const std::size_t at = description.find(prefix);
  if (at == std::string_view::npos) return {};
  const std::size_t end = description.find_first_of(" ,;)", at);
  return std::string(description.substr(at, end == std::string_view::npos ? end : end - at));
}

/// "app/front/50dc..." -> "front".
std::string middle_of(std::string_view path) {
  const std::size_t first = path.find('/');
  const std::size_t last = path.rfind('/');
  if (first == std::string_view::npos || last == first) return std::string(path);
  return std::string(path.substr(first + 1, last - first - 1));
}

}  // namespace

std::optional<proto::InterfaceRole> role_by_name(std::string_view name) {
  for (const RoleName& one : kRoles) {
    if (one.name == name) return one.role;
  }
  return std::nullopt;
}

std::string_view name_of_role(proto::InterfaceRole role) {
  for (const RoleName& one : kRoles) {
    if (one.role == role) return one.name;
  }
  return "unknown";
}

proto::InterfaceRole role_of_interface(const std::string& type, const std::string& description,
                                       bool requester_managed, bool has_instance,
                                       std::string& resource_id) {
  const std::string_view text = description;
  if (type == "nat_gateway" || type == "natGateway" ||
      text.starts_with("Interface for NAT Gateway")) {
    resource_id = word_with(text, "nat-");
    return proto::ROLE_NAT;
  }
  if (type == "vpc_endpoint" || type == "gateway_load_balancer_endpoint" ||
      text.starts_with("VPC Endpoint Interface")) {
    resource_id = word_with(text, "vpce-");
    return proto::ROLE_ENDPOINT;
  }
  if (type == "transit_gateway" ||
      text.find("Transit Gateway Attachment") != std::string_view::npos) {
    resource_id = word_with(text, "tgw-attach-");
    return proto::ROLE_TRANSIT_GATEWAY;
  }
  if (text.starts_with("ELB app/")) {
    resource_id = middle_of(text.substr(4));
    return proto::ROLE_ALB;
  }
  if (type == "network_load_balancer" || type == "gateway_load_balancer" ||
      text.starts_with("ELB net/") || text.starts_with("ELB gwy/")) {
    resource_id = text.starts_with("ELB ") ? middle_of(text.substr(4)) : std::string();
    return proto::ROLE_NLB;
  }
  if (text.starts_with("ELB ")) {  // A classic load balancer: neither of the two that have a role.
    resource_id = text.substr(4);
    return proto::ROLE_OTHER;
  }
  // All of a family's databases share one description: which one it is, only an address can tell.
  if (text == "RDSNetworkInterface") return proto::ROLE_RDS;
  if (type == "lambda" || text.starts_with("AWS Lambda VPC ENI")) {
    constexpr std::string_view kName = "AWS Lambda VPC ENI-";
    if (text.starts_with(kName)) resource_id = text.substr(kName.size());
    return proto::ROLE_LAMBDA;
  }
  if (has_instance) return proto::ROLE_INSTANCE;
  return requester_managed || (!type.empty() && type != "interface") ? proto::ROLE_OTHER
                                                                     : proto::ROLE_UNKNOWN;
}

}  // namespace fleetmeter::aggregator
