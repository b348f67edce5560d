#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

namespace fleetmeter::aggregator {

/// Sums of one interface in one minute.
struct FlowMinuteSums {
  std::uint32_t interface = 0;
  std::uint32_t source = 0;  ///< Source partition that carried it last, and of Unknown.
  std::uint64_t accepted_bytes = 0, accepted_packets = 0, accepted_records = 0;
  std::uint64_t rejected_bytes = 0, rejected_packets = 0, rejected_records = 0;
  std::uint64_t nat_bytes = 0;

  /// What the sums are lower bounds of.
  enum Unknown : std::uint32_t {
    kPackets = std::uint32_t{1} << 29,  ///< Some records do not tell them.
    kBytes = std::uint32_t{1} << 30,
    kRecords = std::uint32_t{1} << 31,  ///< Some were lost upstream, or do not tell their action.
  };
  static constexpr std::uint32_t kUnknown = kPackets | kBytes | kRecords;
  [[nodiscard]] std::uint32_t unknown() const noexcept { return source & kUnknown; }
  [[nodiscard]] std::uint32_t source_index() const noexcept { return source & ~kUnknown; }
  void carry(std::uint32_t by_source, std::uint32_t more_unknown) noexcept {
    source = unknown() | by_source | more_unknown;
  }
  void add(const FlowMinuteSums& other) noexcept;
};
static_assert(sizeof(FlowMinuteSums) == 64);

/// The interfaces of one minute: a hash table whose entries lie in blocks of their own, so that it
/// grows without moving or doubling them. At most 80 bytes an interface, and one block.
class FlowMinute {
 public:
  /// The sums of an interface, zero when new; good until the next call.
  [[nodiscard]] FlowMinuteSums& at(std::uint32_t interface) {
    if (slots_.empty()) slots_.resize(kSlotsAtFirst);
    const std::size_t slot = slot_of(interface);
    return slots_[slot] != 0 ? entry(slots_[slot] - 1) : add(interface, slot);
  }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  /// Every interface's, in the order of their indexes.
  [[nodiscard]] std::vector<const FlowMinuteSums*> sorted() const;
  /// Sets the bit of every interface.
  void mark(std::vector<bool>& interfaces) const;
  /// Every interface's index becomes `to[index]`; no two become one.
  void rename(const std::vector<std::uint32_t>& to);

 private:
  static constexpr std::size_t kSlotsAtFirst = 16;
  static constexpr std::uint32_t kBlock = 64;
  using Block = std::array<FlowMinuteSums, kBlock>;

  [[nodiscard]] FlowMinuteSums& entry(std::uint32_t index) const noexcept {
    return (*blocks_[index / kBlock])[index % kBlock];
  }
  /// Slot of an interface, or the free one for it.
  [[nodiscard]] std::size_t slot_of(std::uint32_t interface) const noexcept {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = (interface * 0x9e3779b1u) >> 7 & mask;
    while (slots_[at] != 0 && entry(slots_[at] - 1).interface != interface) at = (at + 1) & mask;
    return at;
  }
  FlowMinuteSums& add(std::uint32_t interface, std::size_t slot);
  void fill_slots(std::size_t slots);

  std::vector<std::uint32_t> slots_;  ///< Entry plus one; 0 = free. At most three quarters full.
  std::vector<std::unique_ptr<Block>> blocks_;
  std::uint32_t size_ = 0;
};

}  // namespace fleetmeter::aggregator
