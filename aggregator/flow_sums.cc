#include "aggregator/flow_sums.h"

#include <algorithm>
#include <chrono>
#include <cstring>

namespace fleetmeter::aggregator {
namespace {

constexpr std::int64_t kDay = 86'400;

/// Start of the month after the one that holds `at_s`.
std::int64_t next_month(std::int64_t at_s) {
  using namespace std::chrono;
  const year_month_day day{floor<days>(sys_seconds{seconds{at_s}})};
  const sys_days next{(day.year() / day.month() + months{1}) / 1};
  return sys_seconds{next}.time_since_epoch().count();
}

std::uint32_t minutes_to_next_month(std::uint32_t minute) {
  return static_cast<std::uint32_t>(next_month(std::int64_t{minute} * 60) / 60) - minute;
}

}  // namespace

std::uint64_t FlowSums::hash(const FlowKey& key) noexcept {
  std::uint64_t words[sizeof(FlowKey) / 8];
  std::memcpy(words, &key, sizeof key);
  std::uint64_t hash = 0;
  for (const std::uint64_t word : words) hash = mix(hash, word);
  return hash;
}

std::uint32_t FlowSums::series(const FlowKey& key, std::uint64_t hash) {
  const std::uint32_t found =
      series_table_.find(hash, [&](std::uint32_t index) { return keys_[index] == key; });
  if (found != IndexTable::kNone) return found;
  const auto series = static_cast<std::uint32_t>(keys_.size());
  keys_.push_back(key);
  environments_.push_back(key.environment);
  newest_row_.push_back(0);
  series_table_.insert(hash, series);
  return series;
}

std::uint32_t FlowSums::find_row(std::uint32_t series, std::uint32_t minute, bool is_rest,
                                 std::uint32_t other) {
  const std::uint32_t newest = newest_row_[series];
  const bool has_rows = newest < row_count_ && rows_[newest].series == series;
  if (has_rows && minute <= rows_[newest].largest_minute) {
    const std::uint32_t found = find_among_older(newest, minute, is_rest);
    if (found != kNone) return found;
  }
  if (rows_.size() >= rows_max_) {
    const std::uint32_t others = series_of_others(series, other);
    over_limit_ += others == series ? 0 : 1;
    if (others != series) return find_row(others, minute, is_rest, other);
  }
  const auto row = static_cast<std::uint32_t>(rows_.size());
  Row& added = rows_.emplace_back();
  ++row_count_;
  added.series = series;
  added.minute = added.largest_minute = minute;
  added.is_rest = is_rest;
  if (has_rows) {
    added.older = newest;
    added.largest_minute = std::max(minute, rows_[newest].largest_minute);
  }
  newest_row_[series] = row;
  return row;
}

std::uint32_t FlowSums::find_among_older(std::uint32_t newest, std::uint32_t minute, bool is_rest) {
  std::uint32_t at = newest;
  for (int seen = 0; at != kNone && seen < kChained; at = rows_[at].older, ++seen) {
    if (rows_[at].minute == minute && rows_[at].is_rest == is_rest) return at;
  }
  if (at == kNone) return kNone;
  const auto key = [this](std::uint32_t row, std::uint32_t of_minute, bool of_rest) {
    return WordTable<1>::Key{std::uint64_t{rows_[row].series} << 33 | std::uint64_t{of_rest} << 32 |
                             of_minute};
  };
  for (; at != kNone && !rows_[at].is_in_table; at = rows_[at].older) {
    row_table_.insert(key(at, rows_[at].minute, rows_[at].is_rest), at);
    rows_[at].is_in_table = true;
  }
  return row_table_.find(key(newest, minute, is_rest));
}

std::uint32_t FlowSums::series_of_others(std::uint32_t series, std::uint32_t other) {
  FlowKey key = keys_[series];
  key.owner = key.peer_owner = other;
  key.owner_az = key.peer_az = key.peer_region = key.peer_interface = 0;
  return this->series(key);
}

void FlowSums::write_sums(const std::vector<std::uint32_t>& rows,
                          proto::FlowAggregates& out) const {
  const auto count = static_cast<int>(rows.size());
  out.mutable_window_start_min()->Reserve(count);
  out.mutable_bytes()->Reserve(count);
  out.mutable_packets()->Reserve(count);
  out.mutable_records()->Reserve(count);
  out.mutable_long_records()->Reserve(count);
  const bool any_rest =
      std::ranges::any_of(rows, [this](std::uint32_t index) { return rows_[index].is_rest; });
  for (const std::uint32_t index : rows) {
    const Row& row = rows_[index];
    const std::uint32_t carried_min = row.is_rest ? minutes_to_next_month(row.minute) : 0;
    if (any_rest) out.add_carried_min(carried_min);
    out.mutable_window_start_min()->AddAlreadyReserved(row.minute + carried_min);
    out.mutable_bytes()->AddAlreadyReserved(row.bytes);
    out.mutable_packets()->AddAlreadyReserved(row.packets);
    out.mutable_records()->AddAlreadyReserved(row.records);
    out.mutable_long_records()->AddAlreadyReserved(row.long_records);
  }
}

void FlowSums::clear() {
  row_table_.clear();
  rows_.clear();
  row_count_ = 0;
  over_limit_ = 0;
}

void FlowSums::forget() {
  clear();
  series_table_.clear();
  keys_.clear();
  environments_.clear();
  newest_row_.clear();
}

bool crosses_month(std::int64_t start_s, std::int64_t end_s) noexcept {
  if (end_s <= start_s || end_s - start_s > kDay) return false;
  if (start_s / kDay == (end_s - 1) / kDay) return false;
  return next_month(start_s) < end_s;
}

std::uint64_t share_before_month(std::int64_t start_s, std::int64_t end_s,
                                 std::uint64_t amount) noexcept {
  const auto before_s = static_cast<std::uint64_t>(next_month(start_s) - start_s);
  const auto whole_s = static_cast<std::uint64_t>(end_s - start_s);
  return static_cast<std::uint64_t>(static_cast<unsigned __int128>(amount) * before_s / whole_s);
}

}  // namespace fleetmeter::aggregator
