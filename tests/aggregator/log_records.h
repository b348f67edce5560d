#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "aggregator/datapoint_rows.h"
#include "aggregator/flow_rows.h"
#include "aggregator/series_table.h"
#include "proto/log.pb.h"

namespace fleetmeter::aggregator {

/// Verbs that make log records for tests; times are Unix seconds.
struct ProgressOptions {
  bool caught_up = true;
  bool push = false;
  bool bounded = false;
  bool started = false;
  std::int64_t listening_since_s = 0;
  std::vector<std::string> environments = {};
};
inline proto::LogRecord progress_record(std::int64_t append_s, const std::string& source,
                                        std::int64_t read_to_s,
                                        const ProgressOptions& options = {}) {
  proto::LogRecord record;
  record.set_append_time_ms(append_s * 1000);
  proto::SourceProgress& one = *record.mutable_progress()->add_sources();
  one.set_source(source);
  one.set_read_to_ms(read_to_s * 1000);
  one.set_caught_up(options.caught_up);
  one.set_push(options.push);
  one.set_bounded(options.bounded);
  one.set_started(options.started);
  one.set_listening_since_ms(options.listening_since_s * 1000);
  for (const std::string& environment : options.environments) one.add_environments(environment);
  return record;
}

inline proto::LogRecord tick_record(std::int64_t append_s, std::int64_t time_s) {
  proto::LogRecord record;
  record.set_append_time_ms(append_s * 1000);
  record.mutable_tick()->set_time_s(time_s);
  return record;
}

inline proto::LogRecord stall_record(std::int64_t append_s, const std::string& source, bool stalled,
                                     bool given_up) {
  proto::LogRecord record;
  record.set_append_time_ms(append_s * 1000);
  record.mutable_source_stall()->set_source(source);
  record.mutable_source_stall()->set_stalled(stalled);
  record.mutable_source_stall()->set_given_up(given_up);
  return record;
}

inline proto::LogRecord input_end_record(std::int64_t min_s, std::int64_t max_s) {
  proto::LogRecord record;
  record.mutable_input_end()->set_event_time_min_s(min_s);
  record.mutable_input_end()->set_event_time_max_s(max_s);
  return record;
}

struct MetricPoint {
  std::int64_t start_s;
  double value;
};
inline proto::LogRecord metric_record(std::int64_t append_s, const std::string& source,
                                      const std::string& environment, const SeriesKey& key,
                                      const std::vector<MetricPoint>& points) {
  proto::LogRecord record;
  record.set_append_time_ms(append_s * 1000);
  proto::AggregateBatch& batch = *record.mutable_batch();
  batch.set_environment(environment);
  batch.set_source(source);
  batch.add_strings("");
  proto::Series& series = *batch.add_series();
  series.set_account(key.account);
  series.set_region(key.region);
  series.set_namespace_(key.metric_namespace);
  series.set_metric(key.name);
  for (const auto& [name, value] : key.dimensions) {
    series.add_dimension_names(name);
    series.add_dimension_values(value);
  }
  proto::Datapoints& out = *batch.mutable_datapoints();
  for (const MetricPoint& point : points) {
    out.add_series(0);
    out.add_start_s(point.start_s);
    out.add_period_s(0);
    out.add_sample_count(1);
    out.add_sum(point.value);
    out.add_minimum(point.value);
    out.add_maximum(point.value);
  }
  return record;
}

/// One row of flow sums of an interface.
struct FlowRow {
  std::int64_t start_s;
  std::string interface = "eni-1";
  proto::FlowStatus status = proto::FLOW_OK;
  proto::FlowAction action = proto::ACTION_ACCEPT;
  std::uint64_t bytes = 100;
  std::uint64_t records = 1;
  std::uint64_t long_records = 0;
  std::uint32_t carried_min = 0;
  std::uint64_t without_bytes = 0, without_packets = 0;
  proto::InterfaceRole role = proto::ROLE_INSTANCE;
  proto::NatLeg nat_leg = proto::NAT_LEG_NONE;
};
inline proto::LogRecord flow_record(std::int64_t append_s, const std::string& source,
                                    const std::string& environment,
                                    const std::vector<FlowRow>& rows) {
  proto::LogRecord record;
  record.set_append_time_ms(append_s * 1000);
  proto::AggregateBatch& batch = *record.mutable_batch();
  batch.set_environment(environment);
  batch.set_source(source);
  batch.add_strings("");
  proto::FlowAggregates& flows = *batch.mutable_flows();
  FlowRows columns;
  for (const FlowRow& row : rows) {
    columns.series.push_back(static_cast<std::uint32_t>(columns.size()));
    columns.window_start_min.push_back(static_cast<std::uint32_t>(row.start_s / 60));
    columns.carried_min.push_back(row.carried_min);
    columns.bytes.push_back(row.status == proto::FLOW_OK ? row.bytes : 0);
    columns.packets.push_back(row.records);
    columns.records.push_back(row.records);
    columns.long_records.push_back(row.long_records);
    columns.without_bytes.push_back(row.without_bytes);
    columns.without_packets.push_back(row.without_packets);
    flows.add_interface(static_cast<std::uint32_t>(batch.strings_size()));
    batch.add_strings(row.interface);
    flows.add_status(row.status);
    flows.add_action(row.status == proto::FLOW_OK ? row.action : proto::ACTION_NONE);
    flows.add_nat_leg(row.nat_leg);
    flows.add_role(row.role);
  }
  columns.write(flows);
  return record;
}

/// Aggregates of any number of batches put together: what the laws say must not depend on order or
/// on commits.
struct Combined {
  using Key = std::vector<std::string>;
  std::map<Key, std::tuple<std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t>> flows;
  std::map<std::pair<Key, std::int64_t>, std::multiset<std::tuple<double, double, double, double>>>
      datapoints;
  std::map<std::pair<std::string, std::uint32_t>,
           std::tuple<std::uint64_t, std::uint64_t, std::uint64_t>>
      volumes;
  friend bool operator==(const Combined&, const Combined&) = default;
};

inline void combine(const proto::AggregateBatch& batch, Combined& out) {
  const auto text = [&](std::uint32_t index) { return batch.strings(static_cast<int>(index)); };
  const proto::FlowAggregates& f = batch.flows();
  const FlowRows rows = FlowRows::of(f);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const int s = static_cast<int>(rows.series[i]);
    const Combined::Key key = {batch.environment(),
                               std::to_string(rows.window_start_min[i]),
                               std::to_string(f.status(s)),
                               std::to_string(f.action(s)),
                               std::to_string(f.direction(s)),
                               std::to_string(f.path_class(s)),
                               std::to_string(f.nat_leg(s)),
                               std::to_string(f.role(s)),
                               text(f.interface(s)),
                               text(f.owner(s)),
                               text(f.owner_az(s)),
                               text(f.peer_owner(s)),
                               text(f.peer_az(s)),
                               text(f.peer_service(s)),
                               text(f.peer_region(s)),
                               text(f.interface_az(s)),
                               std::to_string(f.traffic_path(s)),
                               text(f.peer_interface(s)),
                               std::to_string(f.peer_role(s))};
    auto& [bytes, packets, records, long_records] = out.flows[key];
    bytes += rows.bytes[i];
    packets += rows.packets[i];
    records += rows.records[i];
    long_records += rows.long_records[i];
  }
  const DatapointRows d = DatapointRows::of(batch);
  for (std::size_t i = 0; i < d.size(); ++i) {
    const proto::Series& series = batch.series(static_cast<int>(d.series[i]));
    Combined::Key key = {batch.environment(), series.account(), series.region(),
                         series.namespace_(), series.metric()};
    key.insert(key.end(), series.dimension_names().begin(), series.dimension_names().end());
    key.insert(key.end(), series.dimension_values().begin(), series.dimension_values().end());
    out.datapoints[{key, d.start_s[i]}].insert(
        {d.sample_count[i], d.sum[i], d.minimum[i], d.maximum[i]});
  }
  for (const proto::Volume& volume : batch.volumes()) {
    auto& [bytes, records, updates] = out.volumes[{batch.environment(), volume.hour()}];
    bytes += volume.flow_log_bytes();
    records += volume.flow_log_records();
    updates += volume.metric_updates();
  }
}

}  // namespace fleetmeter::aggregator
