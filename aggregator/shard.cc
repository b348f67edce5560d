#include "aggregator/shard.h"

#include <algorithm>
#include <array>
#include <utility>

#include "aggregator/datapoint_rows.h"
#include "aggregator/flow_rows.h"
#include "aggregator/flow_windows.h"
#include "aggregator/metric_family.h"
#include "aggregator/shard_time.h"
#include "aggregator/state_codec.h"

namespace fleetmeter::aggregator {
namespace {

struct FlowMetric {
  std::string_view name, unit;
  std::uint64_t FlowWindow::*value;
  bool FlowWindow::*is_lower_bound;
};
constexpr std::array<FlowMetric, 7> kFlowMetrics = {{
    {"AcceptedBytes", "Bytes", &FlowWindow::accepted_bytes, &FlowWindow::bytes_lower_bound},
    {"AcceptedPackets", "Count", &FlowWindow::accepted_packets, &FlowWindow::packets_lower_bound},
    {"AcceptedRecords", "Count", &FlowWindow::accepted_records, &FlowWindow::records_lower_bound},
    {"RejectedBytes", "Bytes", &FlowWindow::rejected_bytes, &FlowWindow::bytes_lower_bound},
    {"RejectedPackets", "Count", &FlowWindow::rejected_packets, &FlowWindow::packets_lower_bound},
    {"RejectedRecords", "Count", &FlowWindow::rejected_records, &FlowWindow::records_lower_bound},
    // The last one: of NAT interfaces alone.
    {"NatProcessedBytes", "Bytes", &FlowWindow::nat_bytes, &FlowWindow::bytes_lower_bound},
}};

SeriesKey key_of(const proto::Series& series) {
  SeriesKey key{series.account(), series.region(), series.namespace_(), series.metric(), {}};
  const int dimensions = std::min(series.dimension_names_size(), series.dimension_values_size());
  for (int i = 0; i < dimensions; ++i)
    key.dimensions.emplace_back(series.dimension_names(i), series.dimension_values(i));
  std::ranges::sort(key.dimensions);
  return key;
}

bool matches(const SeriesSetting& setting, const SeriesKey& key) {
  return (setting.metric_namespace.empty() || setting.metric_namespace == key.metric_namespace) &&
         (setting.name.empty() || setting.name == key.name);
}

Datapoint datapoint_of(const DatapointRows& rows, std::size_t row) {
  return {.start_s = rows.start_s[row],
          .sample_count = rows.sample_count[row],
          .sum = rows.sum[row],
          .minimum = rows.minimum[row],
          .maximum = rows.maximum[row],
          .lower_bound = false,
          .extended = {}};
}

}  // namespace

struct Shard::State {
  explicit State(ShardOptions given)
      : options(std::move(given)), time(options.environment), windows(options.capture_interval_s) {}

  void apply(const proto::AggregateBatch& batch, std::vector<Change>& changes);
  void apply(const proto::InventoryVersion& version);
  [[nodiscard]] Result<std::shared_ptr<const Inventory>> parse_inventory(
      const std::string& bytes) const {
    return options.parse_inventory ? options.parse_inventory(bytes) : Inventory::deserialize(bytes);
  }
  void put_datapoints(const proto::AggregateBatch& batch, std::uint32_t source,
                      std::vector<Change>& changes);
  void put(SeriesId id, bool created, const Datapoint& datapoint, std::uint32_t source,
           std::uint32_t period_s, std::vector<Change>& changes);
  std::optional<SeriesId> intern(const SeriesKey& key, std::string_view unit, bool& created);
  void apply_settings(SeriesId id);
  void close_windows(std::vector<Change>& changes);
  void put_window(const FlowWindow& window, std::vector<Change>& changes);
  void widen_series();

  ShardOptions options;
  ShardTime time;
  SeriesTable table;
  FlowWindows windows;
  std::uint32_t flow_interval_s = 60;  ///< That the flow series of the table have.
  std::vector<SeriesId> flow_series;
  std::string inventory_bytes;
  std::shared_ptr<const Inventory> inventory;
  std::uint64_t late_records = 0;
  std::uint64_t series_over_limit = 0;
  DatapointRows datapoints;  ///< Scratch, as the next.
  std::vector<FlowWindow> closed;
};

std::vector<std::string> flow_metric_names() {
  std::vector<std::string> names;
  for (const FlowMetric& metric : kFlowMetrics) names.emplace_back(metric.name);
  return names;
}

Shard::Shard(ShardOptions options) : state_(std::make_unique<State>(std::move(options))) {}
Shard::~Shard() = default;
Shard::Shard(Shard&&) noexcept = default;
Shard& Shard::operator=(Shard&&) noexcept = default;

const Frontier& Shard::frontier() const noexcept { return state_->time.frontier(); }
SeriesTable& Shard::table() noexcept { return state_->table; }
const SeriesTable& Shard::table() const noexcept { return state_->table; }
const Inventory* Shard::inventory() const noexcept { return state_->inventory.get(); }
const std::string& Shard::environment() const noexcept { return state_->options.environment; }
std::uint64_t Shard::late_records() const noexcept { return state_->late_records; }
std::uint64_t Shard::series_over_limit() const noexcept { return state_->series_over_limit; }

std::uint32_t Shard::publication_delay_s(const SeriesKey& key) const {
  std::uint32_t delay_s = family_of(key).publication_delay_s;
  for (const SeriesSetting& setting : state_->options.settings) {
    if (matches(setting, key) && setting.publication_delay_s >= 0)
      delay_s = static_cast<std::uint32_t>(setting.publication_delay_s);
  }
  return delay_s;
}

void Shard::apply(const proto::LogRecord& record, std::vector<Change>& changes) {
  State& state = *state_;
  changes.clear();
  state.table.drop_unretained();
  state.time.set_append_time(record.append_time_ms());
  switch (record.body_case()) {
    case proto::LogRecord::kBatch:
      if (record.batch().environment() == state.options.environment)
        state.apply(record.batch(), changes);
      break;
    case proto::LogRecord::kProgress:
      state.time.apply(record.progress(), state.table);
      state.table.set_learning(state.time.frontier().bounded, changes);
      break;
    case proto::LogRecord::kSourceStall:
      state.time.apply(record.source_stall(), state.table);
      state.table.set_learning(state.time.frontier().bounded, changes);
      break;
    case proto::LogRecord::kTick: {
      // By the time before it: what this tick makes due has not been evaluated yet.
      const Frontier before = state.time.frontier();
      if (!state.time.apply(record.tick(), state.windows.interval_s())) break;
      if (record.tick().time_s() % 60 == 0) state.table.trim(before);
      if (before.bounded) state.table.learn_until(record.tick().time_s(), changes);
      break;
    }
    case proto::LogRecord::kInputEnd:
      state.time.apply(record.input_end(), state.table);
      break;
    case proto::LogRecord::kInventory:
      state.apply(record.inventory());
      break;
    default:
      break;  // Configuration, observations and commands are for the rules.
  }
  state.close_windows(changes);
}

void Shard::State::apply(const proto::InventoryVersion& version) {
  auto parsed = parse_inventory(version.inventory());
  // One that this release cannot read leaves the last one in force: names are lost, no decision.
  if (!parsed) return;
  inventory = *std::move(parsed);
  inventory_bytes = version.inventory();
}

void Shard::State::apply(const proto::AggregateBatch& batch, std::vector<Change>& changes) {
  const std::uint32_t source = time.source(batch.source());
  time.carried(source, flow_row_count(batch.flows()) > 0);
  const std::uint32_t carrier = time.carrier(source);
  put_datapoints(batch, carrier, changes);
  late_records += windows.add(batch, carrier);
  if (windows.interval_s() != flow_interval_s) widen_series();
}

std::optional<SeriesId> Shard::State::intern(const SeriesKey& key, std::string_view unit,
                                             bool& created) {
  created = false;
  if (const auto id = table.find(key)) return id;
  if (table.size() >= options.series_max) {
    ++series_over_limit;
    return std::nullopt;
  }
  created = true;
  const SeriesId id = table.intern(key, unit);
  apply_settings(id);
  return id;
}

void Shard::State::apply_settings(SeriesId id) {
  const SeriesKey& key = table.info(id).key;
  for (const SeriesSetting& setting : options.settings) {
    if (!matches(setting, key)) continue;
    if (setting.own_period_s > 0 && key.metric_namespace != kFlowNamespace)
      table.set_own_period(id, setting.own_period_s);
    if (setting.publication_delay_s >= 0) {
      table.set_publication_delay(id, static_cast<std::uint32_t>(setting.publication_delay_s));
    }
  }
}

void Shard::State::put(SeriesId id, bool created, const Datapoint& datapoint, std::uint32_t source,
                       std::uint32_t period_s, std::vector<Change>& changes) {
  if (table.upsert(id, datapoint, source, period_s))
    changes.push_back({id, datapoint.start_s, created});
}

void Shard::State::put_datapoints(const proto::AggregateBatch& batch, std::uint32_t source,
                                  std::vector<Change>& changes) {
  struct Known {
    std::optional<SeriesId> id;
    bool created = false;
  };
  std::vector<Known> known;
  known.reserve(static_cast<std::size_t>(batch.series_size()));
  for (const proto::Series& series : batch.series()) {
    Known& one = known.emplace_back();
    one.id = intern(key_of(series), series.unit(), one.created);
  }
  const proto::Datapoints& points = batch.datapoints();
  std::size_t before = 0;  // Rows of the blocks before.
  int extended = 0;        // Sparse, in the order of the rows.
  for (int block = 0; block < datapoint_block_count(points) && datapoints.read(batch, block);
       before += datapoints.size(), ++block) {
    for (std::size_t row = 0; row < datapoints.size(); ++row) {
      Datapoint datapoint = datapoint_of(datapoints, row);
      for (; extended < points.extended_size() && points.extended(extended).row() <= before + row;
           ++extended) {
        const proto::ExtendedStatistic& one = points.extended(extended);
        if (one.row() == before + row) datapoint.extended.emplace_back(one.name(), one.value());
      }
      std::ranges::sort(datapoint.extended);
      Known& series = known[datapoints.series[row]];
      if (!series.id) continue;
      put(*series.id, series.created, datapoint, source, datapoints.period_s[row], changes);
      series.created = false;
    }
  }
}

void Shard::State::widen_series() {
  flow_interval_s = windows.interval_s();
  for (const SeriesId id : flow_series) table.widen(id, flow_interval_s, windows.closed_until_s());
}

void Shard::State::close_windows(std::vector<Change>& changes) {
  closed.clear();
  windows.close(time.frontier().watermark_s, closed);
  for (const FlowWindow& window : closed) put_window(window, changes);
}

void Shard::State::put_window(const FlowWindow& window, std::vector<Change>& changes) {
  const std::string_view interface = windows.interface_name(window.interface);
  SeriesKey key;
  key.metric_namespace = kFlowNamespace;
  if (inventory != nullptr) {
    const Place place = inventory->place_of_interface(interface, window.start_s);
    if (place.interface != nullptr && !place.interface->instance_id.empty()) {
      key.dimensions.emplace_back("InstanceId", place.interface->instance_id);
    }
  }
  key.dimensions.emplace_back("InterfaceId", interface);
  const std::size_t metrics = kFlowMetrics.size() - (window.nat ? 0 : 1);
  for (std::size_t i = 0; i < metrics; ++i) {
    key.name = kFlowMetrics[i].name;
    bool created = false;
    const std::optional<SeriesId> id = intern(key, kFlowMetrics[i].unit, created);
    if (!id) continue;
    if (created) {
      flow_series.push_back(*id);
      table.set_own_period(*id, flow_interval_s);
    }
    const auto value = static_cast<double>(window.*kFlowMetrics[i].value);
    const bool is_lower_bound = window.*kFlowMetrics[i].is_lower_bound;
    put(*id, created, {window.start_s, 1, value, value, value, is_lower_bound, {}}, window.source,
        0, changes);
  }
}

void Shard::save(std::string& out) const {
  StateWriter writer(out);
  writer.text(state_->inventory_bytes);
  writer.u64(state_->late_records);
  writer.u64(state_->series_over_limit);
  writer.u32(state_->flow_interval_s);
  writer.u64(state_->flow_series.size());
  for (const SeriesId id : state_->flow_series) writer.u32(id);
  state_->time.save(writer);
  state_->windows.save(writer);
  state_->table.save(out);
}

bool Shard::load(std::string_view& in) {
  auto loaded = std::make_unique<State>(state_->options);
  StateReader reader(in);
  loaded->inventory_bytes = reader.text();
  loaded->late_records = reader.u64();
  loaded->series_over_limit = reader.u64();
  loaded->flow_interval_s = reader.u32();
  const std::uint64_t flow_series = reader.count();
  for (std::uint64_t i = 0; i < flow_series && reader.ok(); ++i)
    loaded->flow_series.push_back(reader.u32());
  loaded->time.load(reader);
  loaded->windows.load(reader);
  if (!reader.ok() || !loaded->table.load(in)) return false;
  const bool known = std::ranges::all_of(loaded->flow_series,
                                         [&](SeriesId id) { return id < loaded->table.size(); });
  if (!known) return false;
  loaded->time.tell(loaded->table);
  if (!loaded->inventory_bytes.empty()) {
    auto parsed = loaded->parse_inventory(loaded->inventory_bytes);
    if (!parsed) return false;
    loaded->inventory = *std::move(parsed);
  }
  state_ = std::move(loaded);
  return true;
}

}  // namespace fleetmeter::aggregator
