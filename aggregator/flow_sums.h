#pragma once

#include <cstdint>
#include <vector>

#include "aggregator/index_table.h"
#include "aggregator/string_pool.h"
#include "proto/log.pb.h"

namespace fleetmeter::aggregator {

/// Key of one row of FlowAggregates; texts are ids of a StringPool. Plain words without padding, so
/// it hashes as bytes.
struct FlowKey {
  std::uint32_t environment = 0;
  std::uint32_t window_start_min = 0;
  std::uint32_t interface = 0, interface_az = 0;
  std::uint32_t owner = 0, owner_az = 0;
  std::uint32_t peer_owner = 0, peer_az = 0, peer_service = 0, peer_region = 0, peer_interface = 0;
  std::uint8_t status = 0, action = 0, direction = 0, path_class = 0;
  std::uint8_t nat_leg = 0, role = 0, peer_role = 0, traffic_path = 0;
  std::uint32_t unused = 0;
  friend bool operator==(const FlowKey&, const FlowKey&) = default;
};
static_assert(sizeof(FlowKey) == 56);

struct FlowSum {
  std::uint64_t bytes = 0, packets = 0, records = 0, long_records = 0;
};

/// Integer sums by key: a hash aggregation whose result no order of records can change.
class FlowSums {
 public:
  explicit FlowSums(std::uint32_t keys_max) : keys_max_(keys_max) {}

  /// Adds to the row of `key`. At keys_max a new key is folded into one whose owner and peer are
  /// `other`; false then.
  bool add(FlowKey key, const FlowSum& sum, std::uint32_t other);
  [[nodiscard]] bool empty() const noexcept { return keys_.empty(); }
  /// Appends the rows of an environment to its batch; `string_index` maps a pool id to the batch's
  /// strings.
  template <typename StringIndex>
  void take(std::uint32_t environment, proto::FlowAggregates& out,
            StringIndex&& string_index) const;
  [[nodiscard]] bool has(std::uint32_t environment) const noexcept;
  void clear();

 private:
  [[nodiscard]] FlowSum* find(const FlowKey& key, std::uint64_t hash);

  std::uint32_t keys_max_;
  IndexTable table_;
  std::vector<FlowKey> keys_;
  std::vector<FlowSum> sums_;
};

template <typename StringIndex>
void FlowSums::take(std::uint32_t environment, proto::FlowAggregates& out,
                    StringIndex&& string_index) const {
  for (std::size_t i = 0; i < keys_.size(); ++i) {
    const FlowKey& key = keys_[i];
    if (key.environment != environment) continue;
    out.add_window_start_min(key.window_start_min);
    out.add_status(static_cast<proto::FlowStatus>(key.status));
    out.add_action(static_cast<proto::FlowAction>(key.action));
    out.add_direction(static_cast<proto::FlowDirection>(key.direction));
    out.add_path_class(static_cast<proto::PathClass>(key.path_class));
    out.add_nat_leg(static_cast<proto::NatLeg>(key.nat_leg));
    out.add_role(static_cast<proto::InterfaceRole>(key.role));
    out.add_interface(string_index(key.interface));
    out.add_owner(string_index(key.owner));
    out.add_owner_az(string_index(key.owner_az));
    out.add_peer_owner(string_index(key.peer_owner));
    out.add_peer_az(string_index(key.peer_az));
    out.add_peer_service(string_index(key.peer_service));
    out.add_peer_region(string_index(key.peer_region));
    out.add_interface_az(string_index(key.interface_az));
    out.add_traffic_path(key.traffic_path);
    out.add_peer_interface(string_index(key.peer_interface));
    out.add_peer_role(static_cast<proto::InterfaceRole>(key.peer_role));
    out.add_bytes(sums_[i].bytes);
    out.add_packets(sums_[i].packets);
    out.add_records(sums_[i].records);
    out.add_long_records(sums_[i].long_records);
  }
}

/// A record's amounts before and after each first midnight of a month (UTC) that it crosses.
struct FlowPart {
  std::int64_t start_s = 0;
  std::uint64_t bytes = 0, packets = 0;
};
/// Splits by time: every part but the last takes its share rounded down, the last the rest, so
/// nothing is lost. A record that crosses none, or that claims to last over a day, is one part.
[[nodiscard]] std::vector<FlowPart> split_by_month(std::int64_t start_s, std::int64_t end_s,
                                                   std::uint64_t bytes, std::uint64_t packets);
/// Whether split_by_month would yield more than one part; cheap.
[[nodiscard]] bool crosses_month(std::int64_t start_s, std::int64_t end_s) noexcept;

}  // namespace fleetmeter::aggregator
