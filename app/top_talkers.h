#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/flow_totals.h"
#include "parsers/flow_columns.h"
#include "parsers/index_table.h"

namespace fleetmeter::app {

/// Traffic by address, of at most `keys_max` addresses: those met later count as "other", so that a
/// scan cannot fill the memory.
class AddressTraffic {
 public:
  explicit AddressTraffic(std::uint32_t keys_max) : keys_max_(keys_max) {}
  void add(const parsers::IpAddress& address, const Traffic& traffic);
  void add_unknown(const Traffic& traffic) { unknown_ += traffic; }  ///< "-", or no such column.
  [[nodiscard]] std::vector<TopEntry> entries() const;

 private:
  struct Entry {
    parsers::IpAddress address;
    Traffic traffic;
  };
  std::uint32_t keys_max_;
  parsers::IndexTable index_;
  std::vector<Entry> entries_;
  Traffic other_, unknown_;
};

/// Counts what flow records say of themselves, without inventory: traffic by action, the span of
/// time, talkers by address and port. Of records whose log-status is OK; display only, no alarm and
/// no bill reads it.
class TopTalkers {
 public:
  static constexpr std::uint32_t kAddressesMax = 1u << 18;

  explicit TopTalkers(std::uint32_t addresses_max = kAddressesMax);
  void add(const parsers::FlowColumns& flows);

  [[nodiscard]] const Traffic& accept() const noexcept { return accept_; }
  [[nodiscard]] const Traffic& reject() const noexcept { return reject_; }
  /// The format has no action, or the record none that a version knows.
  [[nodiscard]] const Traffic& no_action() const noexcept { return no_action_; }
  [[nodiscard]] Traffic not_rejected() const noexcept;
  /// Least `start` and largest `end` of all records, Unix seconds; nullopt when none has them.
  [[nodiscard]] std::optional<std::uint64_t> first_s() const noexcept { return first_s_; }
  [[nodiscard]] std::optional<std::uint64_t> last_s() const noexcept { return last_s_; }

  // Of everything that was not rejected, except the last two.
  [[nodiscard]] TopList sources(std::size_t entries_max) const;
  [[nodiscard]] TopList destinations(std::size_t entries_max) const;
  [[nodiscard]] TopList ports(std::size_t entries_max) const;  ///< Destination ports.
  [[nodiscard]] TopList rejected_sources(
      std::size_t entries_max) const;  ///< By records, not bytes.
  [[nodiscard]] TopList rejected_ports(std::size_t entries_max) const;

  /// Fields that add() reads.
  [[nodiscard]] static parsers::FieldSet fields_needed();

 private:
  [[nodiscard]] Traffic& sum_of(parsers::Action action) noexcept;

  AddressTraffic sources_, destinations_, rejected_sources_;
  std::vector<Traffic> ports_, rejected_ports_;  // By port number; the last is of no port.
  Traffic accept_, reject_, no_action_;
  std::optional<std::uint64_t> first_s_, last_s_;
};

}  // namespace fleetmeter::app
