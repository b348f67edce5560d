#include "app/flow_usage.h"

#include <algorithm>
#include <deque>
#include <string>
#include <unordered_map>

#include "cost/usage_fold.h"
#include "proto/check.h"

namespace fleetmeter::app {

namespace {

/// Numbers for strings in memory; never fails.
class Texts final : public cost::TextIds {
 public:
  Texts() { (void)add({}); }
  Result<cost::TextId> id_of(std::string_view text) override {
    const auto found = ids_.find(text);
    return found != ids_.end() ? found->second : add(text);
  }
  [[nodiscard]] const std::string& text(cost::TextId id) const { return texts_[id]; }

 private:
  cost::TextId add(std::string_view text) {
    const auto id = static_cast<cost::TextId>(texts_.size());
    ids_.emplace(texts_.emplace_back(text), id);
    return id;
  }
  std::deque<std::string> texts_;  // A deque keeps its elements in place: ids_ views them.
  std::unordered_map<std::string_view, cost::TextId> ids_;
};

cost::FlowUsage usage_of(const cost::FlowHour& key, const cost::FlowSums& sums,
                         const Texts& texts) {
  const auto fact = [&key](cost::FlowFact which) { return key.facts[which]; };
  const auto text = [&](cost::FlowFact which) { return texts.text(fact(which)); };
  cost::FlowUsage usage;
  usage.environment = text(cost::kEnvironment);
  usage.hour = key.hour;
  usage.status = static_cast<proto::FlowStatus>(fact(cost::kStatus));
  usage.action = static_cast<proto::FlowAction>(fact(cost::kAction));
  usage.direction = static_cast<proto::FlowDirection>(fact(cost::kDirection));
  usage.path_class = static_cast<proto::PathClass>(fact(cost::kPathClass));
  usage.nat_leg = static_cast<proto::NatLeg>(fact(cost::kNatLeg));
  usage.role = static_cast<proto::InterfaceRole>(fact(cost::kRole));
  usage.peer_role = static_cast<proto::InterfaceRole>(fact(cost::kPeerRole));
  usage.interface = text(cost::kInterface);
  usage.interface_az = text(cost::kInterfaceAz);
  usage.owner = text(cost::kOwner);
  usage.owner_az = text(cost::kOwnerAz);
  usage.peer_owner = text(cost::kPeerOwner);
  usage.peer_az = text(cost::kPeerAz);
  usage.peer_service = text(cost::kPeerService);
  usage.peer_region = text(cost::kPeerRegion);
  usage.peer_interface = text(cost::kPeerInterface);
  usage.traffic_path = fact(cost::kTrafficPath);
  usage.bytes = sums.bytes;
  usage.packets = sums.packets;
  usage.records = sums.records;
  return usage;
}

}  // namespace

struct FlowUsageTable::State {
  Texts texts;
  cost::UsageFold fold{texts};
};

FlowUsageTable::FlowUsageTable() : state_(std::make_unique<State>()) {}
FlowUsageTable::~FlowUsageTable() = default;

void FlowUsageTable::add(const proto::AggregateBatch& batch) {
  const auto added = state_->fold.add(batch);
  FM_CHECK(added.has_value());  // Fails on torn batches only, and this one never left the process.
}

std::vector<cost::FlowUsage> FlowUsageTable::rows() const {
  std::vector<cost::FlowUsage> rows;
  rows.reserve(state_->fold.flows.size());
  for (const auto& [key, sums] : state_->fold.flows)
    rows.push_back(usage_of(key, sums, state_->texts));
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.hour < b.hour; });
  return rows;
}

}  // namespace fleetmeter::app
