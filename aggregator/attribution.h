#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "aggregator/flow_facts.h"
#include "aggregator/index_table.h"
#include "aggregator/inventory.h"
#include "aggregator/string_pool.h"

namespace fleetmeter::aggregator {

/// The texts of a record that say who captured it; absent ones are empty and not in `present`.
struct CaptureTexts {
  enum Field : std::uint8_t {
    kInterface,
    kResource,
    kAccount,
    kVpc,
    kSubnet,
    kInstance,
    kRegion,
    kAz,
    kType,
    kCount
  };
  std::array<std::string_view, kCount> text;
  /// Bit i: field i. Version 2 has two of nine, so only these are looked at.
  std::uint32_t present = 0;

  void set(std::size_t field, std::string_view value) noexcept {
    text[field] = value;
    present |= 1u << field;
  }
};

/// Look-ups of the inventory, remembered: what a record's texts and addresses mean at its event
/// time. Entries of the inventory begin and end, so everything is remembered per epoch, a stretch
/// of time in which none does. Answers depend on the arguments alone, never on what was asked
/// before. Not thread safe.
class Attribution {
 public:
  Attribution(std::shared_ptr<const Inventory> inventory, std::string forced_environment,
              std::string account, std::string region, StringPool& strings);

  void set_inventory(std::shared_ptr<const Inventory> inventory);
  [[nodiscard]] const Inventory& inventory() const noexcept { return *inventory_; }

  /// Number of the epoch that holds `at_s`.
  [[nodiscard]] std::uint32_t epoch(std::int64_t at_s);
  [[nodiscard]] const CaptureFacts& capture(const CaptureTexts& texts, std::int64_t at_s,
                                            std::uint32_t epoch);
  [[nodiscard]] const AddressFacts& address(const parsers::IpAddress& address, std::int64_t at_s,
                                            std::uint32_t epoch);

  /// Environments by the index in CaptureFacts::environment.
  std::uint32_t environment_index(std::string_view name);
  [[nodiscard]] std::string_view environment_of(Inventory::Facts facts) const;
  [[nodiscard]] const std::vector<std::string>& environments() const noexcept {
    return environments_;
  }

  /// Forgets what it remembers when that grew large; facts given out before are void. The
  /// environments stay.
  void shrink();
  void forget();

 private:
  struct AddressEntry {
    parsers::IpAddress address;
    std::uint32_t epoch;
    AddressFacts facts;
  };
  struct CaptureEntry {
    std::array<std::string, CaptureTexts::kCount> text;
    std::uint32_t present;
    std::uint32_t epoch;
    CaptureFacts facts;
  };
  void read_bounds();
  [[nodiscard]] CaptureFacts make_capture(const CaptureTexts& texts, std::int64_t at_s);
  [[nodiscard]] AddressFacts make_address(const parsers::IpAddress& address, std::int64_t at_s);

  std::shared_ptr<const Inventory> inventory_;
  std::string forced_environment_, account_, region_;
  StringPool& strings_;
  std::vector<std::string> environments_;
  std::vector<std::int64_t> bounds_;  ///< Times at which some entry begins or ends, ascending.
  std::uint32_t last_epoch_ = 0;
  std::deque<AddressEntry> addresses_;
  IndexTable address_table_;
  std::deque<CaptureEntry> captures_;
  IndexTable capture_table_;
};

}  // namespace fleetmeter::aggregator
