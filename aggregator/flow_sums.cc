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
  for (const std::uint64_t word : words) hash = parsers::mix(hash, word);
  return hash;
}

std::uint32_t FlowSums::series(const FlowKey& key, std::uint64_t hash) {
  const std::uint32_t found =
      series_table_.find(hash, [&](std::uint32_t index) { return keys_[index] == key; });
  if (found != parsers::IndexTable::kNone) return found;
  const auto series = static_cast<std::uint32_t>(keys_.size());
  keys_.push_back(key);
  environments_.push_back(key.environment);
  newest_.emplace_back();
  series_table_.insert(hash, series);
  return series;
}

std::uint32_t FlowSums::find_row(std::uint32_t series, std::uint32_t minute, bool is_rest,
                                 std::uint32_t other) {
  const Newest newest = newest_[series];
  const bool has_rows = (newest.commit & ~1u) == commit_;
  if (has_rows && minute <= newest.largest_minute) {
    const std::uint32_t found = find_among_older(newest.row, minute, is_rest);
    if (found != kNone) return found;
  }
  if (rows_.size() >= rows_max_) {
    const std::uint32_t others = series_of_others(series, other);
    over_limit_ += others == series ? 0 : 1;
    if (others != series) return find_row(others, minute, is_rest, other);
  }
  const auto row = static_cast<std::uint32_t>(rows_.size());
  Row& added = rows_.emplace_back();
  added.series = series;
  added.minute = minute;
  added.is_rest = is_rest;
  if (has_rows) added.older = newest.row;
  newest_[series] = {.row = row,
                     .minute = minute,
                     .largest_minute = has_rows ? std::max(minute, newest.largest_minute) : minute,
                     .commit = commit_ | (is_rest ? 1u : 0u)};
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

void FlowSums::carry_rests(std::span<const std::uint32_t> block) {
  for (std::size_t i = 0; i < block.size(); ++i) {
    const Row& row = rows_[block[i]];
    if (!row.is_rest) continue;
    columns_.carried_min[i] = minutes_to_next_month(row.minute);
    columns_.window_start_min[i] += columns_.carried_min[i];
  }
}

void FlowSums::clear() {
  row_table_.clear();
  rows_.clear();
  commit_ += 2;
  if (commit_ == 0) {  // All numbers were given out; what bears one of them is of no commit.
    std::ranges::fill(newest_, Newest{});
    commit_ = 2;
  }
  over_limit_ = 0;
}

void FlowSums::forget() {
  clear();
  series_table_.clear();
  keys_.clear();
  environments_.clear();
  newest_.clear();
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
