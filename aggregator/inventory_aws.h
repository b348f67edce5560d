#pragma once

#include "aggregator/inventory_json.h"
#include "aggregator/inventory_readers.h"

namespace fleetmeter::aggregator {

/// Whether the document is what `aws ec2 describe-...` or `aws autoscaling
/// describe-auto-scaling-groups` prints.
[[nodiscard]] bool is_aws_output(const simdjson::dom::element& root);
/// Reads instances, interfaces, subnets, VPCs, NAT gateways, volumes and Auto Scaling groups. Rule:
/// EC2 and Auto Scaling API references, the data types of the same names.
void read_aws(const simdjson::dom::element& root, InventoryEntries& out,
              InventoryWarnings& warnings);

}  // namespace fleetmeter::aggregator
