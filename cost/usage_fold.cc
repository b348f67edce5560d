#include "cost/usage_fold.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace fleetmeter::cost {
namespace {

constexpr std::uint32_t kMinutesPerHour = 60;
// Capture interval of a record that is longer than 120 s.
constexpr std::int64_t kLongIntervalMinutes = 10;

Error torn(const char* what) {
  return {ErrorCode::kDataLoss, std::string("an aggregate batch is damaged: ") + what};
}

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) noexcept {
  hash ^= value;
  hash *= 0x9E3779B97F4A7C15ull;
  return hash ^ (hash >> 29);
}

/// A metric that is billed: `kind` of the hourly usage and the one dimension that names the
/// resource. The series must have exactly this dimension, else per-AZ and per-target breakdowns of
/// the same bytes would be added to it. The units of a table's index are in no other series: they
/// are the table's too. Rule: Amazon DynamoDB Developer Guide, "DynamoDB metrics and dimensions".
struct BilledMetric {
  std::string_view metric_namespace, metric, dimension, kind;
  double scale;  // Of the quantity: 1e9 where the unit is no whole number.
};
constexpr BilledMetric kBilledMetrics[] = {
    {"AWS/NATGateway", "BytesInFromSource", "NatGatewayId", "nat_bytes", 1},
    {"AWS/NATGateway", "BytesInFromDestination", "NatGatewayId", "nat_bytes", 1},
    {"AWS/ApplicationELB", "ConsumedLCUs", "LoadBalancer", "lcu_hours_e9", 1e9},
    {"AWS/ApplicationELB", "ProcessedBytes", "LoadBalancer", "lb_bytes", 1},
    {"AWS/NetworkELB", "ConsumedLCUs", "LoadBalancer", "lcu_hours_e9", 1e9},
    {"AWS/NetworkELB", "ProcessedBytes", "LoadBalancer", "lb_bytes", 1},
    {"AWS/Logs", "IncomingBytes", "LogGroupName", "log_bytes", 1},
    {"AWS/DynamoDB", "ConsumedReadCapacityUnits", "TableName", "dynamodb_read_units_e3", 1e3},
    {"AWS/DynamoDB", "ConsumedWriteCapacityUnits", "TableName", "dynamodb_write_units_e3", 1e3},
};

std::string_view dimension_of(const proto::Series& series, std::string_view name) {
  for (int i = 0; i < series.dimension_names_size(); ++i) {
    if (series.dimension_names(i) == name) return series.dimension_values(i);
  }
  return {};
}

constexpr std::string_view kIndex = "GlobalSecondaryIndexName";

const BilledMetric* billed(const proto::Series& series) {
  const bool of_index = series.namespace_() == "AWS/DynamoDB" &&
                        series.dimension_names_size() == 2 && !dimension_of(series, kIndex).empty();
  if (series.dimension_names_size() != 1 && !of_index) return nullptr;
  for (const BilledMetric& metric : kBilledMetrics) {
    if (series.namespace_() == metric.metric_namespace && series.metric() == metric.metric &&
        !dimension_of(series, metric.dimension).empty()) {
      return &metric;
    }
  }
  return nullptr;
}

/// Rounded to an integer; nullopt for what no meter counts (negative, not a number, beyond 2^62).
std::optional<std::int64_t> whole(double value) {
  if (!(value >= 0) || value > 4.6e18) return std::nullopt;
  return std::llround(value);
}

}  // namespace

FlowFacts plain_facts(const proto::FlowAggregates& flows, int series) {
  FlowFacts facts{};
  facts[kStatus] = static_cast<std::uint32_t>(flows.status(series));
  facts[kAction] = static_cast<std::uint32_t>(flows.action(series));
  facts[kDirection] = static_cast<std::uint32_t>(flows.direction(series));
  facts[kPathClass] = static_cast<std::uint32_t>(flows.path_class(series));
  facts[kNatLeg] = static_cast<std::uint32_t>(flows.nat_leg(series));
  facts[kRole] = static_cast<std::uint32_t>(flows.role(series));
  facts[kPeerRole] = static_cast<std::uint32_t>(flows.peer_role(series));
  facts[kTrafficPath] = flows.traffic_path(series);
  return facts;
}

std::size_t FlowFactsHash::operator()(const FlowFacts& facts) const noexcept {
  std::uint64_t hash = 0;
  for (const std::uint32_t fact : facts) hash = mix(hash, fact);
  return hash;
}

std::string gateway_sighting(std::string_view gateway, std::string_view metric) {
  return std::string(gateway).append("/").append(metric);
}

std::optional<std::pair<std::string_view, std::string_view>> read_gateway_sighting(
    std::string_view sighting) noexcept {
  const std::size_t slash = sighting.rfind('/');
  if (slash == std::string_view::npos) return std::nullopt;
  return std::pair{sighting.substr(0, slash), sighting.substr(slash + 1)};
}

/// The batch's strings as numbers of the store, looked up once each and only when used.
struct UsageFold::Strings {
  const proto::AggregateBatch& batch;
  TextIds& ids;
  std::vector<std::optional<TextId>> known;

  Strings(const proto::AggregateBatch& from, TextIds& text_ids)
      : batch(from), ids(text_ids), known(static_cast<std::size_t>(from.strings_size())) {}

  Result<TextId> at(std::uint32_t index) {
    if (index >= known.size()) return torn("a string index is out of range");
    if (!known[index]) {
      Result<TextId> id = ids.id_of(batch.strings(static_cast<int>(index)));
      if (!id) return id;
      known[index] = *id;
    }
    return *known[index];
  }
};

Result<void> UsageFold::add(const proto::AggregateBatch& batch) {
  Result<TextId> environment = ids_->id_of(batch.environment());
  if (!environment) return std::move(environment).error();
  Strings strings(batch, *ids_);
  if (auto added = add_flows(batch, *environment, strings); !added) return added;
  if (auto added = add_volumes(batch, *environment); !added) return added;
  return add_datapoints(batch, *environment);
}

/// What rows of one series have in common.
struct UsageFold::FlowSeries {
  FlowFacts facts{};
  FlowKeyId key = 0;
  bool runs = false;         ///< Its traffic proves that the instance which owns it ran.
  std::uint32_t hour = 0;    ///< Of its last row.
  FlowSums* sums = nullptr;  ///< Of that hour; null before the first row.
};

Result<std::vector<UsageFold::FlowSeries>> UsageFold::read_series(
    const proto::AggregateBatch& batch, TextId environment, Strings& strings) {
  const proto::FlowAggregates& flows_in = batch.flows();
  const int count = flows_in.interface_size();
  for (const int size :
       {flows_in.status_size(), flows_in.action_size(), flows_in.direction_size(),
        flows_in.path_class_size(), flows_in.nat_leg_size(), flows_in.role_size(),
        flows_in.owner_size(), flows_in.owner_az_size(), flows_in.peer_owner_size(),
        flows_in.peer_az_size(), flows_in.peer_service_size(), flows_in.peer_region_size(),
        flows_in.interface_az_size(), flows_in.traffic_path_size(), flows_in.peer_interface_size(),
        flows_in.peer_role_size()}) {
    if (size != count) return torn("flow columns differ in length");
  }
  std::vector<FlowSeries> all;
  all.reserve(static_cast<std::size_t>(count));
  for (int series = 0; series < count; ++series) {
    FlowSeries& one = all.emplace_back();
    one.facts = plain_facts(flows_in, series);
    one.facts[kEnvironment] = environment;
    const std::pair<FlowFact, std::uint32_t> texts[] = {
        {kInterface, flows_in.interface(series)},
        {kInterfaceAz, flows_in.interface_az(series)},
        {kOwner, flows_in.owner(series)},
        {kOwnerAz, flows_in.owner_az(series)},
        {kPeerOwner, flows_in.peer_owner(series)},
        {kPeerAz, flows_in.peer_az(series)},
        {kPeerService, flows_in.peer_service(series)},
        {kPeerRegion, flows_in.peer_region(series)},
        {kPeerInterface, flows_in.peer_interface(series)}};
    for (const auto& [fact, index] : texts) {
      Result<TextId> id = strings.at(index);
      if (!id) return std::move(id).error();
      one.facts[fact] = *id;
    }
    Result<FlowKeyId> key = ids_->key_of(one.facts);
    if (!key) return std::move(key).error();
    one.key = *key;
    // A record without data proves nothing: the interface of a stopped machine is still watched.
    one.runs = flows_in.status(series) == proto::FLOW_OK &&
               batch.strings(static_cast<int>(flows_in.owner(series))).starts_with("i-");
  }
  return all;
}

Result<void> UsageFold::add_flows(const proto::AggregateBatch& batch, TextId environment,
                                  Strings& strings) {
  Result<std::vector<FlowSeries>> all = read_series(batch, environment, strings);
  if (!all) return std::move(all).error();
  aggregator::FlowRows rows;
  for (int block = 0; block < aggregator::flow_block_count(batch.flows()); ++block) {
    if (!rows.read(batch.flows(), block))
      return torn("flow columns differ in length, or a row has no series");
    add_rows(rows, *all);
    if (auto added = add_unsized(rows, *all, environment); !added) return added;
  }
  return {};
}

void FlowSums::add(const FlowSums& more) noexcept {
  const auto up_to_max = [](std::uint64_t a, std::uint64_t b) {
    return std::min(std::min(a, kMax) + std::min(b, kMax), kMax);
  };
  bytes = up_to_max(bytes, more.bytes);
  packets = up_to_max(packets, more.packets);
  records = up_to_max(records, more.records);
}

void UsageFold::add_rows(const aggregator::FlowRows& rows, std::span<FlowSeries> all) {
  for (std::size_t row = 0; row < rows.size(); ++row) {
    FlowSeries& series = all[rows.series[row]];
    const std::uint32_t hour = rows.window_start_min[row] / kMinutesPerHour;
    if (series.sums == nullptr || series.hour != hour) {
      series.hour = hour;
      series.sums = &flows[{hour, series.key}];
    }
    series.sums->add({rows.bytes[row], rows.packets[row], rows.records[row]});
    if (series.runs) {
      see(series.facts[kEnvironment], series.facts[kOwner], rows.window_start_min[row],
          rows.long_records[row] > 0 ? kLongIntervalMinutes : 1);
    }
  }
}

/// What the bill does not know: of records that may have been accepted.
Result<void> UsageFold::add_unsized(const aggregator::FlowRows& rows,
                                    std::span<const FlowSeries> all, TextId environment) {
  for (std::size_t row = 0; row < rows.size(); ++row) {
    if (rows.without_bytes[row] == 0) continue;
    const auto& facts = all[rows.series[row]].facts;
    if (facts[kStatus] != proto::FLOW_OK || facts[kAction] == proto::ACTION_REJECT) continue;
    Result<TextId> id = ids_->id_of("flow_records_without_bytes");
    if (!id) return std::move(id).error();
    volumes[{environment, rows.window_start_min[row] / kMinutesPerHour, *id, TextId{0}}] +=
        rows.without_bytes[row];
  }
  return {};
}

Result<void> UsageFold::add_volumes(const proto::AggregateBatch& batch, TextId environment) {
  for (const proto::Volume& volume : batch.volumes()) {
    const std::pair<std::string_view, std::uint64_t> parts[] = {
        {"flow_log_bytes", volume.flow_log_bytes()},
        {"flow_log_records", volume.flow_log_records()},
        {"flow_log_unsized_records", volume.flow_log_unsized_records()},
        {"metric_updates", volume.metric_updates()}};
    for (const auto& [kind, quantity] : parts) {
      if (quantity == 0) continue;
      Result<TextId> id = ids_->id_of(kind);
      if (!id) return std::move(id).error();
      volumes[{environment, volume.hour(), *id, TextId{0}}] += quantity;
    }
  }
  return {};
}

/// What the bill looks at in the datapoints of a series.
struct UsageFold::MetricSeries {
  std::optional<TextId> instance;
  const BilledMetric* metric = nullptr;
  TextId kind = 0, resource = 0, name = 0;
  std::optional<TextId> sighting;  // Of a NAT gateway's metric.
};

Result<std::vector<UsageFold::MetricSeries>> UsageFold::read_metrics(
    const proto::AggregateBatch& batch) {
  std::vector<MetricSeries> all(static_cast<std::size_t>(batch.series_size()));
  for (std::size_t i = 0; i < all.size(); ++i) {
    MetricSeries& one = all[i];
    const proto::Series& series = batch.series(static_cast<int>(i));
    if (series.dimension_names_size() != series.dimension_values_size())
      return torn("dimensions differ in length");
    const auto id_of = [this](std::string_view text, TextId& id) -> Result<void> {
      Result<TextId> found = ids_->id_of(text);
      if (!found) return std::move(found).error();
      id = *found;
      return {};
    };
    if (const std::string_view instance = dimension_of(series, "InstanceId");
        instance.starts_with("i-")) {
      one.instance.emplace();
      if (auto done = id_of(instance, *one.instance); !done) return std::move(done).error();
    }
    one.metric = billed(series);
    if (one.metric == nullptr) continue;
    if (auto done = id_of(one.metric->kind, one.kind); !done) return std::move(done).error();
    if (auto done = id_of(dimension_of(series, one.metric->dimension), one.resource); !done)
      return std::move(done).error();
    // Periods of one name are values of one thing, of which the larger counts.
    std::string name = series.metric();
    if (const std::string_view index = dimension_of(series, kIndex); !index.empty())
      name.append("/").append(index);
    if (auto done = id_of(name, one.name); !done) return std::move(done).error();
    if (one.metric->kind != "nat_bytes") continue;
    one.sighting.emplace();
    if (auto done =
            id_of(gateway_sighting(dimension_of(series, one.metric->dimension), one.metric->metric),
                  *one.sighting);
        !done)
      return std::move(done).error();
  }
  return all;
}

Result<void> UsageFold::add_datapoints(const proto::AggregateBatch& batch, TextId environment) {
  const Result<std::vector<MetricSeries>> all = read_metrics(batch);
  if (!all) return all.error();
  aggregator::DatapointRows points;
  for (int block = 0; block < aggregator::datapoint_block_count(batch.datapoints()); ++block) {
    if (!points.read(batch, block))
      return torn("datapoint columns differ in length, or a datapoint has no series");
    add_points(points, *all, environment);
  }
  return {};
}

void UsageFold::add_points(const aggregator::DatapointRows& points,
                           std::span<const MetricSeries> all, TextId environment) {
  for (std::size_t row = 0; row < points.size(); ++row) {
    if (points.start_s[row] < 0) continue;
    const MetricSeries& series = all[points.series[row]];
    // A period covers its minutes; one that is not told counts as the minute it starts in.
    const std::int64_t first_minute = points.start_s[row] / 60;
    const auto minutes_count =
        std::clamp<std::int64_t>(points.period_s[row] / 60, 1, kMinutesPerHour);
    if (series.instance && points.sample_count[row] > 0)
      see(environment, *series.instance, first_minute, minutes_count);
    if (series.metric == nullptr) continue;
    const std::optional<std::int64_t> quantity = whole(points.sum[row] * series.metric->scale);
    const std::optional<std::int64_t> count = whole(points.sample_count[row] * 1e6);
    if (!quantity || !count) continue;
    PeriodValue& value =
        periods[{environment, series.kind, series.resource, series.name, points.start_s[row]}];
    value = std::max(value, PeriodValue{*count, *quantity});
    if (series.sighting) see(environment, *series.sighting, first_minute, minutes_count);
  }
}

void UsageFold::see(TextId environment, TextId instance, std::int64_t first_minute,
                    std::int64_t minutes_count) {
  for (std::int64_t minute = first_minute; minute < first_minute + minutes_count; ++minute) {
    const auto hour = static_cast<std::uint32_t>(minute / kMinutesPerHour);
    minutes[{environment, instance, hour}] |= std::uint64_t{1} << (minute % kMinutesPerHour);
  }
}

}  // namespace fleetmeter::cost
