#include "aggregator/flow_windows.h"

#include <algorithm>

#include "aggregator/capped_sum.h"

namespace fleetmeter::aggregator {
namespace {

constexpr std::uint32_t kShortInterval = 60;
constexpr std::uint32_t kLongInterval = 600;
/// Names of interfaces that are kept in any case.
constexpr std::size_t kInterfacesKept = 1024;

GridTime floor_to(GridTime time_s, GridTime step_s) {
  const GridTime rest = time_s % step_s;
  return time_s - (rest < 0 ? rest + step_s : rest);
}

/// Every series has what is read here; a batch where one has not was not written by us.
bool well_formed(const proto::AggregateBatch& batch) {
  const proto::FlowAggregates& flows = batch.flows();
  const int series = flows.interface_size();
  return flows.status_size() == series && flows.action_size() == series &&
         flows.nat_leg_size() == series && flows.role_size() == series &&
         std::ranges::all_of(flows.interface(), [&](std::uint32_t index) {
           return index < static_cast<std::uint32_t>(batch.strings_size());
         });
}

}  // namespace

FlowWindows::FlowWindows(std::uint32_t capture_interval_s)
    : interval_s_(std::max(capture_interval_s, kShortInterval)),
      configured_(capture_interval_s > 0) {}

std::uint32_t FlowWindows::intern(const std::string& name) {
  const std::uint32_t index = names_.intern(name);
  nat_.resize(names_.size());
  return index;
}

void FlowWindows::widen() {
  interval_s_ = kLongInterval;
  if (closed_until_s_ != kBeforeAll) closed_until_s_ = floor_to(closed_until_s_, kLongInterval);
}

std::uint64_t FlowWindows::add(const proto::AggregateBatch& batch, std::uint32_t source) {
  if (!batch.has_flows() || !well_formed(batch)) return 0;
  if (!configured_ && interval_s_ < kLongInterval && has_long_records(batch.flows())) widen();
  read_series(batch.flows());
  indexes_.assign(static_cast<std::size_t>(batch.strings_size()), kUnknown);
  std::uint64_t late = 0;
  for (int block = 0; block < flow_block_count(batch.flows()); ++block) {
    if (!rows_.read(batch.flows(), block)) break;
    late += add_rows(batch, source);
  }
  return late;
}

std::uint64_t FlowWindows::add_rows(const proto::AggregateBatch& batch, std::uint32_t source) {
  std::uint64_t late = 0;
  for (std::size_t row = 0; row < rows_.size(); ++row) {
    const GridTime minute_s = GridTime{rows_.window_minute(row)} * 60;
    if (closed_until_s_ != kBeforeAll && minute_s < closed_until_s_) {
      late += rows_.records[row];
      continue;
    }
    const std::uint32_t index = rows_.series[row];
    Series& series = series_[index];
    if (series.interface == kUnknown) series.interface = interface_of(batch, index);
    FlowMinuteSums& sums = minute_at(minute_s).at(series.interface);
    std::uint32_t unknown = series.unknown;
    if (series.is_ok && (rows_.without_bytes[row] | rows_.without_packets[row]) != 0) [[unlikely]] {
      if (rows_.without_bytes[row] != 0) unknown |= FlowMinuteSums::kBytes;
      if (rows_.without_packets[row] != 0) unknown |= FlowMinuteSums::kPackets;
    }
    sums.carry(source, unknown);
    if (series.is_accepted) {
      add_capped(sums.accepted_bytes, rows_.bytes[row]);
      add_capped(sums.accepted_packets, rows_.packets[row]);
      add_capped(sums.accepted_records, rows_.records[row]);
    } else if (series.is_rejected) {
      add_capped(sums.rejected_bytes, rows_.bytes[row]);
      add_capped(sums.rejected_packets, rows_.packets[row]);
      add_capped(sums.rejected_records, rows_.records[row]);
    }
    if (series.is_nat_inside) add_capped(sums.nat_bytes, rows_.bytes[row]);
  }
  return late;
}

void FlowWindows::read_series(const proto::FlowAggregates& flows) {
  series_.resize(static_cast<std::size_t>(flows.interface_size()));
  for (int i = 0; i < flows.interface_size(); ++i) {
    Series& series = series_[static_cast<std::size_t>(i)];
    series.interface = kUnknown;
    series.is_ok = flows.status(i) == proto::FLOW_OK;
    series.is_accepted = series.is_ok && flows.action(i) == proto::ACTION_ACCEPT;
    series.is_rejected = series.is_ok && flows.action(i) == proto::ACTION_REJECT;
    const bool is_either = series.is_ok && !series.is_accepted && !series.is_rejected;
    const bool is_skipdata = flows.status(i) == proto::FLOW_SKIPDATA;
    series.unknown = is_skipdata || is_either ? FlowMinuteSums::kRecords : 0u;
    series.is_nat_inside = series.is_accepted && flows.nat_leg(i) == proto::NAT_LEG_INSIDE;
  }
}

/// Of a series that has a row in time: what comes late leaves no trace.
std::uint32_t FlowWindows::interface_of(const proto::AggregateBatch& batch, std::uint32_t at) {
  const int series = static_cast<int>(at);
  const std::uint32_t name = batch.flows().interface(series);
  std::uint32_t& index = indexes_[name];
  if (index == kUnknown) index = intern(batch.strings(static_cast<int>(name)));
  if (batch.flows().role(series) == proto::ROLE_NAT) nat_[index] = true;
  return index;
}

FlowMinute& FlowWindows::minute_at(GridTime minute_s) {
  RecentMinute& recent = recent_[static_cast<std::uint64_t>(minute_s / 60) % recent_.size()];
  if (recent.minute == nullptr || recent.start_s != minute_s)
    recent = {minute_s, &minutes_[minute_s]};
  return *recent.minute;
}

void FlowWindows::close(GridTime watermark_s, std::vector<FlowWindow>& closed) {
  if (watermark_s == kBeforeAll) return;
  const GridTime until_s = floor_to(watermark_s, interval_s_);
  if (closed_until_s_ != kBeforeAll && until_s <= closed_until_s_) return;
  forget_interfaces();
  for (auto at = minutes_.lower_bound(closed_until_s_);
       at != minutes_.end() && at->first < until_s;) {
    const GridTime start_s = floor_to(at->first, interval_s_);
    const auto first = at++;
    if (at == minutes_.end() || at->first >= start_s + interval_s_) {
      append(start_s, first->second, closed);
      continue;
    }
    FlowMinute window;
    for (at = first; at != minutes_.end() && at->first < start_s + interval_s_; ++at) {
      for (const FlowMinuteSums* sums : at->second.sorted()) window.at(sums->interface).add(*sums);
    }
    append(start_s, window, closed);
  }
  closed_until_s_ = until_s;
  // The long interval at hand is kept: should one long record tell that interval, its windows open
  // again.
  minutes_.erase(minutes_.begin(), minutes_.lower_bound(floor_to(until_s, kLongInterval)));
  recent_ = {};
}

void FlowWindows::append(GridTime start_s, const FlowMinute& minute,
                         std::vector<FlowWindow>& closed) const {
  for (const FlowMinuteSums* sums : minute.sorted()) {
    const auto is_unknown = [sums](std::uint32_t which) {
      return (sums->unknown() & (which | FlowMinuteSums::kRecords)) != 0;
    };
    closed.push_back({.interface = sums->interface,
                      .start_s = start_s,
                      .source = sums->source_index(),
                      .nat = nat_[sums->interface],
                      .records_lower_bound = is_unknown(FlowMinuteSums::kRecords),
                      .bytes_lower_bound = is_unknown(FlowMinuteSums::kBytes),
                      .packets_lower_bound = is_unknown(FlowMinuteSums::kPackets),
                      .accepted_bytes = sums->accepted_bytes,
                      .accepted_packets = sums->accepted_packets,
                      .accepted_records = sums->accepted_records,
                      .rejected_bytes = sums->rejected_bytes,
                      .rejected_packets = sums->rejected_packets,
                      .rejected_records = sums->rejected_records,
                      .nat_bytes = sums->nat_bytes});
  }
}

/// Once most interfaces have no window any more: machines come and go.
void FlowWindows::forget_interfaces() {
  if (names_.size() < kInterfacesKept) return;
  std::vector<bool> kept = nat_;
  for (const auto& [minute_s, minute] : minutes_) minute.mark(kept);
  if (2 * static_cast<std::size_t>(std::ranges::count(kept, true)) > names_.size()) return;
  StringPool names;
  std::vector<bool> nat(1, nat_[0]);
  std::vector<std::uint32_t> to(names_.size());
  for (std::uint32_t index = 1; index < names_.size(); ++index) {
    if (!kept[index]) continue;
    to[index] = names.intern(names_.text(index));
    nat.push_back(nat_[index]);
  }
  for (auto& [minute_s, minute] : minutes_) minute.rename(to);
  std::swap(names_, names);
  nat_ = std::move(nat);
}

void FlowWindows::save(StateWriter& out) const {
  out.u32(interval_s_);
  out.i64(closed_until_s_);
  out.u64(names_.size());
  for (std::uint32_t index = 0; index < names_.size(); ++index) {
    out.text(names_.text(index));
    out.boolean(nat_[index]);
  }
  out.u64(minutes_.size());
  for (const auto& [minute_s, minute] : minutes_) {
    out.i64(minute_s);
    out.u64(minute.size());
    for (const FlowMinuteSums* sums : minute.sorted()) {
      out.u32(sums->interface);
      out.u32(sums->source & ~FlowMinuteSums::kRecords);
      out.boolean((sums->unknown() & FlowMinuteSums::kRecords) != 0);
      for (const std::uint64_t sum :
           {sums->accepted_bytes, sums->accepted_packets, sums->accepted_records,
            sums->rejected_bytes, sums->rejected_packets, sums->rejected_records,
            sums->nat_bytes}) {
        out.u64(sum);
      }
    }
  }
}

void FlowWindows::load(StateReader& in) {
  interval_s_ = in.u32();
  if (interval_s_ < kShortInterval) in.fail();
  closed_until_s_ = in.i64();
  names_.clear();
  nat_.assign(1, false);
  minutes_.clear();
  recent_ = {};
  std::vector<std::uint32_t> interfaces(in.count());
  for (std::size_t i = 0; i < interfaces.size() && in.ok(); ++i) {
    const std::string name = in.text();
    const std::size_t known = names_.size();
    interfaces[i] = intern(name);
    nat_[interfaces[i]] = in.boolean();
    if (!name.empty() && names_.size() == known) in.fail();  // Twice the same name.
  }
  const std::uint64_t minutes = in.count();
  for (std::uint64_t i = 0; i < minutes && in.ok(); ++i) {
    FlowMinute& minute = minutes_[in.i64()];
    const std::uint64_t rows = in.count();
    for (std::uint64_t j = 0; j < rows && in.ok(); ++j) {
      const std::uint32_t index = in.u32();
      if (index >= interfaces.size()) return in.fail();
      FlowMinuteSums& sums = minute.at(interfaces[index]);
      const std::uint32_t source = in.u32();
      sums.carry(source & ~FlowMinuteSums::kRecords, in.boolean() ? FlowMinuteSums::kRecords : 0u);
      for (std::uint64_t* sum : {&sums.accepted_bytes, &sums.accepted_packets,
                                 &sums.accepted_records, &sums.rejected_bytes,
                                 &sums.rejected_packets, &sums.rejected_records, &sums.nat_bytes}) {
        *sum = in.u64();
      }
    }
  }
}

}  // namespace fleetmeter::aggregator
