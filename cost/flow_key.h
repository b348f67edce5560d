#pragma once

#include <cstdint>
#include <string>

#include "aggregator/sqlite_database.h"
#include "cost/usage_fold.h"
#include "proto/log.pb.h"

namespace fleetmeter::cost {

/// The columns of table flow_key in the order of FlowFact, as a SELECT names them.
inline const std::string kFlowKeyColumns =
    "environment, status, action, direction, path_class, nat_leg, role, peer_role, interface, "
    "interface_az, owner, owner_az, peer_owner, peer_az, peer_service, peer_region, "
    "peer_interface, traffic_path";

/// The facts of a flow from a row whose first columns are kFlowKeyColumns. `texts` maps ids to
/// std::string and holds every id; `flow` is a FlowUsage, or a FlowView whose views live as long
/// as `texts`.
template <typename Texts, typename Flow>
void read_flow_key(const aggregator::SqliteQuery& query, const Texts& texts, Flow& flow) {
  const auto number = [&](FlowFact fact) { return query.integer(static_cast<int>(fact)); };
  const auto text = [&](FlowFact fact) -> const std::string& { return texts.at(number(fact)); };
  flow.environment = text(kEnvironment);
  flow.status = static_cast<proto::FlowStatus>(number(kStatus));
  flow.action = static_cast<proto::FlowAction>(number(kAction));
  flow.direction = static_cast<proto::FlowDirection>(number(kDirection));
  flow.path_class = static_cast<proto::PathClass>(number(kPathClass));
  flow.nat_leg = static_cast<proto::NatLeg>(number(kNatLeg));
  flow.role = static_cast<proto::InterfaceRole>(number(kRole));
  flow.peer_role = static_cast<proto::InterfaceRole>(number(kPeerRole));
  flow.interface = text(kInterface);
  flow.interface_az = text(kInterfaceAz);
  flow.owner = text(kOwner);
  flow.owner_az = text(kOwnerAz);
  flow.peer_owner = text(kPeerOwner);
  flow.peer_az = text(kPeerAz);
  flow.peer_service = text(kPeerService);
  flow.peer_region = text(kPeerRegion);
  flow.peer_interface = text(kPeerInterface);
  flow.traffic_path = static_cast<std::uint32_t>(number(kTrafficPath));
}

}  // namespace fleetmeter::cost
