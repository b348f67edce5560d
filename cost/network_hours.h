#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cost/network.h"
#include "cost/network_rules.h"

namespace fleetmeter::cost {

/// Chooses the canonical record of each byte, over all shards and per hour: egress records at the
/// sender; ingress ones only where the sender's interface is not in the logged set; NAT inside legs
/// when the NAT interface is logged. Rule: docs/network-cost.md (Amazon EC2 On-Demand Pricing "Data
/// transfer"; Amazon VPC pricing "NAT gateway").
/// A record counts in the hour of its start, so that near the hour's edge two records of the same bytes
/// may lie in different hours: what nothing answers in its own hour is compared with what the hours
/// beside it leave over.
/// Memory grows with the number of keys (combinations of facts), never with the hours. First learn()
/// every key of a NAT gateway's interface, then add() keys and charge() hours, ascending, each once.
/// Views of the keys stay with their owner, who must outlive this. Not thread safe.
class FlowCharger {
 public:
  struct Row {
    std::uint32_t key = 0;  ///< As add() numbered it.
    std::uint64_t bytes = 0;
  };

  void learn(const FlowView& facts) { gateways_.learn(facts); }
  /// Numbers keys from 0. All are numbered before the hour they first appear in.
  std::uint32_t add(const FlowView& facts);
  /// All rows of one hour; a key may come more than once. Hours in which nothing was recorded may be
  /// left out.
  void charge(std::uint32_t hour, std::span<const Row> rows);

  /// Sums of all hours, of accepted records, sorted by content.
  [[nodiscard]] std::vector<ChargedBytes> charged() const;
  /// By environment, once per byte: what would pay something if it was let through, of records that
  /// do not say whether it was.
  [[nodiscard]] std::map<std::string, std::uint64_t> without_action() const;
  /// What gateways processed in each hour, by environment and interface (or address). Hours in which
  /// a gateway's interface wrote any record, one without data included, are there with 0.
  using Hours = std::vector<std::pair<std::uint32_t, std::uint64_t>>;
  [[nodiscard]] const std::map<std::pair<std::string, std::string>, Hours>& nat_hours() const {
    return nat_hours_;
  }

 private:
  static constexpr std::uint32_t kNone = UINT32_MAX;
  static constexpr std::uint32_t kUnmade = UINT32_MAX - 1;
  /// Where a gateway's record may stand for another: beyond it are public or private addresses.
  enum Beyond : std::uint8_t { kPublic, kPrivate, kNowhere };
  /// What each row looks at, close together: rows are many times as many as keys.
  struct KeyState {
    std::uint32_t interface = 0, peer_interface = 0, owner = 0, behind = 0;  ///< Of names_.
    std::uint32_t environment = 0, peer_environment = 0;                     ///< The same.
    /// Of spans_: that this record was written, that the peer's of the same bytes was.
    std::uint32_t own_record = 0, peer_record = 0;
    Hours* hours = nullptr;  ///< Of a gateway's own records: of nat_hours_.
    /// Of spans_: records of the other end that this one stands for where one of the two interfaces
    /// is not known by its address; those that stand for this one.
    std::uint32_t covers = 0;
    std::array<std::uint32_t, 2> covered_by{};
    Beyond beyond = kNowhere;  ///< Where its peer lies.
    /// Of spans_: where its bytes are told, and where other records tell them that stand for it;
    /// 0 = nowhere.
    std::uint32_t tells = 0, told_by = 0;
    bool leaves = false;  ///< Bytes that were not rejected on a gateway's outside leg.
    bool is_endpoint = false;
    bool is_ipv6 = false;  ///< Its peer is in the internet by IPv6, where no NAT gateway leads.
    bool passes_resource =
        false;  ///< Path 1 for a public address: a gateway of the VPC let it out.
    /// Sums that its bytes are added to, at most two, for each answer that the hour gives (Seen).
    std::array<std::array<std::uint32_t, 2>, 4> sums{
        {{kUnmade, kNone}, {kUnmade, kNone}, {kUnmade, kNone}, {kUnmade, kNone}}};
  };
  struct KeyFacts {
    FlowView facts;
    std::string_view behind;  ///< Of a gateway's inside leg: who stands behind it.
  };
  struct Sum {
    ChargedBytes charged;
    Hours* hours = nullptr;  ///< Of NAT processing.
  };
  /// Bytes that pass between two ends, as a record tells of them: between two interfaces, between a
  /// zone and an interface that it names, or between two zones. Numbers of names_, 0 = not said.
  struct Span {
    /// kIntoGateways and kOwnPublic: what `named` sends to the internet, as NAT gateways and as its
    /// own records tell it.
    enum Kind : std::uint8_t { kOfPair, kToInterface, kBetweenZones, kIntoGateways, kOwnPublic };
    Kind kind = kOfPair;
    bool by_sender = false;  ///< Who writes the record.
    proto::PathClass path_class = proto::PATH_UNCLASSIFIED;
    std::uint32_t writer = 0, named = 0;  ///< Interfaces: the record's own, its peer's.
    std::uint32_t writer_zone = 0, other_zone = 0;
    friend auto operator<=>(const Span&, const Span&) = default;
  };
  [[nodiscard]] std::uint32_t number_of(std::string_view name);
  [[nodiscard]] std::uint32_t number_of(const Span& span);
  void find_other_end(const FlowView& facts, KeyState& key);
  /// Bytes of the last round in which it was told.
  struct Told {
    std::uint32_t round = 0;
    std::uint64_t bytes = 0;
  };
  /// A row for which other records may stand in the hour after its own.
  struct Open {
    std::uint32_t tells = 0, told_by = 0;
    /// Of all rows of the hour that tell the same: what it and the hour before leave unexplained.
    std::uint64_t unexplained = 0;
    std::array<std::uint32_t, 2> sums{};
    std::uint64_t bytes = 0;
  };
  struct Verdict {
    std::uint32_t round = 0;
    bool explained = false;
  };
  void find_twin(const FlowView& facts, KeyState& key);
  void begin_hour(std::uint32_t hour);
  void mark(std::span<const Row> rows);
  void tell(std::uint32_t span, std::uint64_t bytes);
  [[nodiscard]] std::uint64_t told_in(std::uint32_t round, std::uint32_t span) const;
  [[nodiscard]] std::uint64_t left_over(std::uint32_t round, std::uint32_t tells,
                                        std::uint32_t told_by) const;
  void close_open();
  [[nodiscard]] bool may_wait(const KeyState& key, const Seen& seen) const;
  bool wait(const KeyState& key, const std::array<std::uint32_t, 2>& sums, std::uint64_t bytes);
  void add_to(const std::array<std::uint32_t, 2>& sums, std::uint32_t hour, std::uint64_t bytes);
  [[nodiscard]] std::vector<std::uint64_t> bytes_of_sums() const;
  [[nodiscard]] bool is_covered(const KeyState& key) const;
  [[nodiscard]] Seen see(KeyState& key) const;
  void make_sums(std::uint32_t key, Seen seen, std::array<std::uint32_t, 2>& sums);
  std::uint32_t sum_of(const FlowView& facts, const Due& due);
  std::uint32_t sum_without_action(std::string_view environment);

  NatGateways gateways_;
  std::vector<KeyState> keys_;
  std::vector<KeyFacts> facts_;
  // Of interfaces, owners, zones and environments; "" is 0.
  std::unordered_map<std::string_view, std::uint32_t> names_;
  std::vector<std::string_view> texts_{{}};  // By number.
  std::map<Span, std::uint32_t> spans_;      // From 1.
  // By number of a name: the inventory has its address, since it is the peer of a record.
  std::vector<bool> addressed_{false};
  // By number of a name: the last round (one an hour) in which it held.
  std::vector<std::uint32_t> logged_;
  std::array<std::vector<std::uint32_t>, 2> leaves_, behind_;  // By Beyond.
  // By environment: something left for the internet for an address that no owner is known of.
  std::vector<std::uint32_t> strangers_;
  std::vector<std::uint32_t> written_, covered_;  // The same by number of a span.
  std::vector<std::uint32_t> environments_;       // Of interfaces, by number; where logged_ holds.
  std::array<std::vector<Told>, 2> told_;         // The same, of even and of odd rounds.
  std::vector<Verdict> verdicts_;                 // The same.
  std::vector<Open> open_;                        // Of the last hour.
  std::uint32_t round_ = 0, hour_ = 0;
  std::vector<Sum> sums_;
  std::map<ChargeKey, std::uint32_t> sum_numbers_;
  std::map<std::string, std::uint32_t> without_action_;  // Of sums_, by environment.
  std::map<std::pair<std::string, std::string>, Hours> nat_hours_;
};

/// Entries sorted by hour, each hour as one. `row_of` gives the FlowCharger::Row of an entry, nullopt
/// for one that is not charged.
template <typename Entries, typename HourOf, typename RowOf>
void charge_hours(const Entries& entries, HourOf&& hour_of, RowOf&& row_of, FlowCharger& charger) {
  std::vector<FlowCharger::Row> rows;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (const std::optional<FlowCharger::Row> row = row_of(entries[i])) rows.push_back(*row);
    const std::uint32_t hour = hour_of(entries[i]);
    if (i + 1 < entries.size() && hour_of(entries[i + 1]) == hour) continue;
    charger.charge(hour, rows);
    rows.clear();
  }
}

/// Rows in any order through `charger`; they must outlive it.
void charge_all(const std::vector<FlowUsage>& flows, FlowCharger& charger);

/// Region of an availability zone by name ("us-east-1a") or by id ("use1-az4"); empty when it is
/// neither. Rule: Amazon EC2 User Guide, "Regions and Zones"; AWS RAM User Guide, "Availability
/// Zone IDs".
[[nodiscard]] std::string region_of_zone(std::string_view zone);
/// Nothing where either is unknown, or one is a name (us-east-1a) and the other an id (use1-az1),
/// which every account pairs in its own way (Amazon EC2 User Guide, "AZ IDs").
[[nodiscard]] std::optional<bool> zones_differ(std::string_view a, std::string_view b);

}  // namespace fleetmeter::cost
