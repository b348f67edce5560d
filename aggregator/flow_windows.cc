#include "aggregator/flow_windows.h"

#include <algorithm>

namespace fleetmeter::aggregator {
namespace {

constexpr std::uint32_t kShortInterval = 60;
constexpr std::uint32_t kLongInterval = 600;

GridTime floor_to(GridTime time_s, GridTime step_s) {
  const GridTime rest = time_s % step_s;
  return time_s - (rest < 0 ? rest + step_s : rest);
}

void merge(FlowWindow& sum, const FlowWindow& other) {
  sum.source = other.source;
  sum.lower_bound = sum.lower_bound || other.lower_bound;
  sum.accepted_bytes += other.accepted_bytes;
  sum.accepted_packets += other.accepted_packets;
  sum.accepted_records += other.accepted_records;
  sum.rejected_bytes += other.rejected_bytes;
  sum.rejected_packets += other.rejected_packets;
  sum.rejected_records += other.rejected_records;
  sum.nat_bytes += other.nat_bytes;
}

/// Rows have as many entries in every column; one that does not was not written by us.
bool well_formed(const proto::AggregateBatch& batch) {
  const proto::FlowAggregates& flows = batch.flows();
  const int rows = flows.window_start_min_size();
  const bool equal = flows.status_size() == rows && flows.action_size() == rows &&
                     flows.nat_leg_size() == rows && flows.role_size() == rows &&
                     flows.interface_size() == rows && flows.bytes_size() == rows &&
                     flows.packets_size() == rows && flows.records_size() == rows &&
                     flows.long_records_size() == rows;
  return equal && std::ranges::all_of(flows.interface(), [&](std::uint32_t index) {
           return index < static_cast<std::uint32_t>(batch.strings_size());
         });
}

}  // namespace

FlowWindows::FlowWindows(std::uint32_t capture_interval_s)
    : interval_s_(std::max(capture_interval_s, kShortInterval)),
      configured_(capture_interval_s > 0) {}

std::uint32_t FlowWindows::interface_index(const std::string& name) {
  const auto [at, added] =
      interface_ids_.try_emplace(name, static_cast<std::uint32_t>(interfaces_.size()));
  if (added) interfaces_.push_back({name, false});
  return at->second;
}

void FlowWindows::widen() {
  interval_s_ = kLongInterval;
  if (closed_until_s_ != kBeforeAll) closed_until_s_ = floor_to(closed_until_s_, kLongInterval);
}

std::uint64_t FlowWindows::add(const proto::AggregateBatch& batch, std::uint32_t source) {
  if (!batch.has_flows() || !well_formed(batch)) return 0;
  const proto::FlowAggregates& flows = batch.flows();
  const bool any_long =
      std::ranges::any_of(flows.long_records(), [](std::uint64_t count) { return count > 0; });
  if (any_long && !configured_ && interval_s_ < kLongInterval) widen();
  std::uint64_t late = 0;
  for (int row = 0; row < flows.window_start_min_size(); ++row) add_row(batch, row, source, late);
  return late;
}

void FlowWindows::add_row(const proto::AggregateBatch& batch, int row, std::uint32_t source,
                          std::uint64_t& late) {
  const proto::FlowAggregates& flows = batch.flows();
  // A row without records is what a record carried over the end of a month: here it counts whole
  // where it started, which is the minute before midnight as long as no flow outlasts its capture
  // interval.
  const bool rest = flows.records(row) == 0;
  const GridTime minute_s =
      (static_cast<GridTime>(flows.window_start_min(row)) - (rest ? 1 : 0)) * 60;
  if (closed_until_s_ != kBeforeAll && minute_s < closed_until_s_) {
    late += flows.records(row);
    return;
  }
  const std::uint32_t index =
      interface_index(batch.strings(static_cast<int>(flows.interface(row))));
  Interface& interface = interfaces_[index];
  interface.nat = interface.nat || flows.role(row) == proto::ROLE_NAT;
  FlowWindow& window = minutes_[minute_s][index];
  window.source = source;
  if (flows.status(row) == proto::FLOW_SKIPDATA) window.lower_bound = true;
  if (flows.status(row) != proto::FLOW_OK) return;
  if (flows.action(row) == proto::ACTION_REJECT) {
    window.rejected_bytes += flows.bytes(row);
    window.rejected_packets += flows.packets(row);
    window.rejected_records += flows.records(row);
  } else if (flows.action(row) == proto::ACTION_ACCEPT) {
    window.accepted_bytes += flows.bytes(row);
    window.accepted_packets += flows.packets(row);
    window.accepted_records += flows.records(row);
    if (flows.nat_leg(row) == proto::NAT_LEG_INSIDE) window.nat_bytes += flows.bytes(row);
  }
}

void FlowWindows::close(GridTime watermark_s, std::vector<FlowWindow>& closed) {
  if (watermark_s == kBeforeAll) return;
  const GridTime until_s = floor_to(watermark_s, interval_s_);
  if (closed_until_s_ != kBeforeAll && until_s <= closed_until_s_) return;
  std::map<std::pair<GridTime, std::uint32_t>, FlowWindow> windows;
  for (auto at = minutes_.lower_bound(closed_until_s_); at != minutes_.end() && at->first < until_s;
       ++at) {
    const GridTime start_s = floor_to(at->first, interval_s_);
    for (const auto& [interface, sums] : at->second) {
      FlowWindow& window = windows[{start_s, interface}];
      window.interface = interface;
      window.start_s = start_s;
      merge(window, sums);
    }
  }
  for (auto& [key, window] : windows) {
    window.nat = interfaces_[window.interface].nat;
    closed.push_back(window);
  }
  closed_until_s_ = until_s;
  // The long interval at hand is kept: should one long record tell that interval, its windows open
  // again.
  minutes_.erase(minutes_.begin(), minutes_.lower_bound(floor_to(until_s, kLongInterval)));
}

void FlowWindows::save(StateWriter& out) const {
  out.u32(interval_s_);
  out.i64(closed_until_s_);
  out.u64(interfaces_.size());
  for (const Interface& interface : interfaces_) {
    out.text(interface.name);
    out.boolean(interface.nat);
  }
  out.u64(minutes_.size());
  for (const auto& [minute_s, minute] : minutes_) {
    out.i64(minute_s);
    out.u64(minute.size());
    for (const auto& [index, window] : minute) {
      out.u32(index);
      out.u32(window.source);
      out.boolean(window.lower_bound);
      for (const std::uint64_t sum :
           {window.accepted_bytes, window.accepted_packets, window.accepted_records,
            window.rejected_bytes, window.rejected_packets, window.rejected_records,
            window.nat_bytes}) {
        out.u64(sum);
      }
    }
  }
}

void FlowWindows::load(StateReader& in) {
  interval_s_ = in.u32();
  if (interval_s_ < kShortInterval) in.fail();
  closed_until_s_ = in.i64();
  interfaces_.clear();
  interface_ids_.clear();
  minutes_.clear();
  const std::uint64_t interfaces = in.count();
  for (std::uint64_t i = 0; i < interfaces && in.ok(); ++i) {
    const std::uint32_t index = interface_index(in.text());
    interfaces_[index].nat = in.boolean();
    if (index != i) in.fail();
  }
  const std::uint64_t minutes = in.count();
  for (std::uint64_t i = 0; i < minutes && in.ok(); ++i) {
    Minute& minute = minutes_[in.i64()];
    const std::uint64_t rows = in.count();
    for (std::uint64_t j = 0; j < rows && in.ok(); ++j) {
      const std::uint32_t index = in.u32();
      if (index >= interfaces_.size()) in.fail();
      FlowWindow& window = minute[index];
      window.source = in.u32();
      window.lower_bound = in.boolean();
      for (std::uint64_t* sum :
           {&window.accepted_bytes, &window.accepted_packets, &window.accepted_records,
            &window.rejected_bytes, &window.rejected_packets, &window.rejected_records,
            &window.nat_bytes}) {
        *sum = in.u64();
      }
    }
  }
}

}  // namespace fleetmeter::aggregator
