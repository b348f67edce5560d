#include "aggregator/flow_minute.h"

#include <algorithm>

#include "aggregator/capped_sum.h"

namespace fleetmeter::aggregator {

void FlowMinuteSums::add(const FlowMinuteSums& other) noexcept {
  carry(other.source_index(), other.unknown());
  add_capped(accepted_bytes, other.accepted_bytes);
  add_capped(accepted_packets, other.accepted_packets);
  add_capped(accepted_records, other.accepted_records);
  add_capped(rejected_bytes, other.rejected_bytes);
  add_capped(rejected_packets, other.rejected_packets);
  add_capped(rejected_records, other.rejected_records);
  add_capped(nat_bytes, other.nat_bytes);
}

FlowMinuteSums& FlowMinute::add(std::uint32_t interface, std::size_t slot) {
  if (4 * (size_ + std::size_t{1}) > 3 * slots_.size()) {
    fill_slots(2 * slots_.size());
    slot = slot_of(interface);
  }
  if (size_ % kBlock == 0) blocks_.push_back(std::make_unique<Block>());
  slots_[slot] = ++size_;
  FlowMinuteSums& sums = entry(size_ - 1);
  sums.interface = interface;
  return sums;
}

void FlowMinute::fill_slots(std::size_t slots) {
  std::vector<std::uint32_t>(slots).swap(slots_);
  for (std::uint32_t index = 0; index < size_; ++index)
    slots_[slot_of(entry(index).interface)] = index + 1;
}

std::vector<const FlowMinuteSums*> FlowMinute::sorted() const {
  std::vector<const FlowMinuteSums*> all;
  all.reserve(size_);
  for (std::uint32_t index = 0; index < size_; ++index) all.push_back(&entry(index));
  std::ranges::sort(all, {}, [](const FlowMinuteSums* one) { return one->interface; });
  return all;
}

void FlowMinute::mark(std::vector<bool>& interfaces) const {
  for (std::uint32_t index = 0; index < size_; ++index) interfaces[entry(index).interface] = true;
}

void FlowMinute::rename(const std::vector<std::uint32_t>& to) {
  for (std::uint32_t index = 0; index < size_; ++index) {
    FlowMinuteSums& sums = entry(index);
    sums.interface = to[sums.interface];
  }
  fill_slots(slots_.size());
}

}  // namespace fleetmeter::aggregator
