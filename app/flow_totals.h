#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "aggregator/capped_sum.h"
#include "cost/network.h"
#include "cost/network_rules.h"
#include "cost/usage_store.h"
#include "proto/log.pb.h"

namespace fleetmeter::app {

/// Integer sums of flow records.
struct Traffic {
  std::uint64_t records = 0, packets = 0, bytes = 0;
  /// Records among them that do not tell their packets (bytes): the sum is of the others.
  std::uint64_t records_without_packets = 0, records_without_bytes = 0;
  Traffic& operator+=(const Traffic& other) noexcept {
    records += other.records;
    aggregator::add_capped(packets, other.packets);
    aggregator::add_capped(bytes, other.bytes);
    records_without_packets += other.records_without_packets;
    records_without_bytes += other.records_without_bytes;
    return *this;
  }
  Traffic& operator-=(const Traffic& other) noexcept {
    records -= other.records;
    packets -= std::min(packets, other.packets);  // Capped sums may lack some.
    bytes -= std::min(bytes, other.bytes);
    records_without_packets -= other.records_without_packets;
    records_without_bytes -= other.records_without_bytes;
    return *this;
  }
  /// The sum of what is known, where a record tells it; that of no record is 0.
  [[nodiscard]] std::optional<std::uint64_t> known_packets() const noexcept {
    const bool nobody_tells = records > 0 && records_without_packets == records;
    return nobody_tells ? std::nullopt : std::optional(packets);
  }
  [[nodiscard]] std::optional<std::uint64_t> known_bytes() const noexcept {
    const bool nobody_tells = records > 0 && records_without_bytes == records;
    return nobody_tells ? std::nullopt : std::optional(bytes);
  }
  friend bool operator==(const Traffic&, const Traffic&) = default;
};

/// The closed list of path classes in the order they are shown.
inline constexpr std::array<proto::PathClass, 6> kPathClasses{
    proto::PATH_SAME_AZ,       proto::PATH_CROSS_AZ, proto::PATH_VPC_UNKNOWN_AZ,
    proto::PATH_OTHER_PRIVATE, proto::PATH_EXTERNAL, proto::PATH_UNCLASSIFIED};
[[nodiscard]] const char* path_class_name(proto::PathClass path_class) noexcept;

/// Entry i belongs to kPathClasses[i].
using PathClassTotals = std::array<Traffic, kPathClasses.size()>;

/// What a list of talkers is sorted by, largest first: ties by the other sums, then by key.
enum class TopRank : std::uint8_t { kBytes, kRecords };

struct TopEntry {
  std::string key;         ///< Empty = unknown.
  bool remainder = false;  ///< The last entry: everything that is not listed.
  Traffic traffic;
};
/// The largest keys of one kind, then their remainder; all entries add up to the whole.
struct TopList {
  std::string by;
  std::vector<TopEntry> entries;
};
[[nodiscard]] TopList make_top(std::string by, std::vector<TopEntry> all, const Traffic& whole,
                               std::size_t entries_max, TopRank rank);

/// Bits of what all records of a row of hourly usage lack.
inline constexpr std::size_t kWithoutPackets = 1, kWithoutBytes = 2;
/// Hourly usage, its rows apart by these bits too. Each combination of facts stands once, however
/// many hours it has. Views stay with whoever holds the texts.
struct HourlyFlows {
  struct Row {
    std::uint32_t key = 0;  ///< Index in `keys`.
    std::uint32_t hour = 0;
    std::uint64_t bytes = 0, packets = 0, records = 0;  ///< 0 where lacking.
    std::uint8_t lacks = 0;
  };
  std::vector<cost::FlowView> keys;
  std::vector<Row> rows;  ///< Sorted by hour.
};
/// Rows that lack nothing; `flows` must outlive it.
[[nodiscard]] HourlyFlows hourly_flows(const std::vector<cost::FlowUsage>& flows);

/// What the rows of hourly usage say of records whose log-status is OK. Whether a record without
/// action went through is not known: it is talk, and neither accepted, rejected nor charged.
struct FlowTotals {
  Traffic accept, reject, no_action;
  PathClassTotals path_classes{};                 ///< Of `accept`.
  PathClassTotals no_action_path_classes{};       ///< Of `no_action`.
  std::map<cost::Charge, std::uint64_t> charges;  ///< Bytes; only charges that were met.
  std::map<std::string, Traffic> interfaces;      ///< By capturing interface; not of `reject`.
  std::map<std::string, Traffic> owners;          ///< The same; a NAT gateway's are its own.
  std::map<std::string, Traffic> nat_gateways;    ///< Processed, by gateway.
  std::map<std::string, Traffic> nat_owners;      ///< Processed, by the private address behind.
  [[nodiscard]] Traffic nat() const noexcept;     ///< Processed by all gateways.
  [[nodiscard]] Traffic not_rejected() const noexcept;
  /// No record that was not rejected had packets, and the rows were not apart by it.
  void forget_packets() noexcept;
};
/// Records without bytes are in no charges, nor in what gateways processed.
[[nodiscard]] FlowTotals total_flows(const HourlyFlows& flows);

[[nodiscard]] TopList make_top(std::string by, const std::map<std::string, Traffic>& all,
                               const Traffic& whole, std::size_t entries_max);

// Parts of the JSON documents (docs/json.md).
/// {"records","packets","bytes"}; unknown is null, then with "reason". Records that do not tell are
/// counted beside them, when there are any.
[[nodiscard]] std::string traffic_json(const Traffic& traffic);
[[nodiscard]] std::string path_classes_json(const PathClassTotals& totals);
/// traffic_json() with its "path_classes".
[[nodiscard]] std::string traffic_json(const Traffic& traffic, const PathClassTotals& totals);
[[nodiscard]] std::string charges_json(const std::map<cost::Charge, std::uint64_t>& charges);
[[nodiscard]] std::string top_json(const std::vector<TopList>& lists);

}  // namespace fleetmeter::app
