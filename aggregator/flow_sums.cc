#include "aggregator/flow_sums.h"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace fleetmeter::aggregator {
namespace {

constexpr std::int64_t kDay = 86'400;

std::uint64_t hash_key(const FlowKey& key) noexcept {
  std::uint64_t words[sizeof(FlowKey) / 8];
  std::memcpy(words, &key, sizeof key);
  std::uint64_t hash = 0;
  for (const std::uint64_t word : words) hash = mix(hash, word);
  return hash;
}

/// Start of the month after the one that holds `at_s`.
std::int64_t next_month(std::int64_t at_s) {
  using namespace std::chrono;
  const year_month_day day{floor<days>(sys_seconds{seconds{at_s}})};
  const sys_days next{(day.year() / day.month() + months{1}) / 1};
  return sys_seconds{next}.time_since_epoch().count();
}

std::uint64_t share(std::uint64_t amount, std::int64_t part_s, std::int64_t whole_s) {
  return static_cast<std::uint64_t>(static_cast<unsigned __int128>(amount) *
                                    static_cast<std::uint64_t>(part_s) /
                                    static_cast<std::uint64_t>(whole_s));
}

}  // namespace

FlowSum* FlowSums::find(const FlowKey& key, std::uint64_t hash) {
  const std::uint32_t at =
      table_.find(hash, [&](std::uint32_t index) { return keys_[index] == key; });
  return at == IndexTable::kNone ? nullptr : &sums_[at];
}

bool FlowSums::add(FlowKey key, const FlowSum& sum, std::uint32_t other) {
  std::uint64_t hash = hash_key(key);
  FlowSum* row = find(key, hash);
  bool kept = true;
  if (row == nullptr && keys_.size() >= keys_max_) {
    kept = false;
    key.owner = key.peer_owner = other;
    key.owner_az = key.peer_az = key.peer_region = key.peer_interface = 0;
    hash = hash_key(key);
    row = find(key, hash);
  }
  if (row == nullptr) {
    table_.insert(hash, static_cast<std::uint32_t>(keys_.size()));
    keys_.push_back(key);
    row = &sums_.emplace_back();
  }
  row->bytes += sum.bytes;
  row->packets += sum.packets;
  row->records += sum.records;
  row->long_records += sum.long_records;
  return kept;
}

bool FlowSums::has(std::uint32_t environment) const noexcept {
  return std::ranges::any_of(keys_,
                             [&](const FlowKey& key) { return key.environment == environment; });
}

void FlowSums::clear() {
  table_.clear();
  keys_.clear();
  sums_.clear();
}

bool crosses_month(std::int64_t start_s, std::int64_t end_s) noexcept {
  if (end_s <= start_s || end_s - start_s > kDay) return false;
  if (start_s / kDay == (end_s - 1) / kDay) return false;
  return next_month(start_s) < end_s;
}

std::vector<FlowPart> split_by_month(std::int64_t start_s, std::int64_t end_s, std::uint64_t bytes,
                                     std::uint64_t packets) {
  if (!crosses_month(start_s, end_s)) return {{start_s, bytes, packets}};
  const std::int64_t border = next_month(start_s);  // Over a day: not two borders.
  const FlowPart first{start_s, share(bytes, border - start_s, end_s - start_s),
                       share(packets, border - start_s, end_s - start_s)};
  return {first, {border, bytes - first.bytes, packets - first.packets}};
}

}  // namespace fleetmeter::aggregator
