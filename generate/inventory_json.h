#pragma once

#include <string>
#include <utility>
#include <vector>

#include "generate/fleet.h"
#include "generate/topology.h"

namespace fleetmeter::generate {

/// The fleet as `aws ec2 describe-instances | describe-network-interfaces | describe-subnets |
/// describe-nat-gateways` and `aws autoscaling describe-auto-scaling-groups` print it: pairs of
/// file name and text. Launched 30 days before the start. Tags: Name, Environment, Project,
/// Department, and aws:autoscaling:groupName on machines. Desired capacity is that of the start of
/// the telemetry.
std::vector<std::pair<std::string, std::string>> inventory_files(const FleetOptions& options,
                                                                 const Topology& fleet);

}  // namespace fleetmeter::generate
