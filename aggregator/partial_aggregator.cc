#include "aggregator/partial_aggregator.h"

#include <algorithm>
#include <span>

#include "aggregator/attribution.h"
#include "aggregator/flow_sums.h"
#include "aggregator/metric_collector.h"

namespace fleetmeter::aggregator {
namespace {

using parsers::FlowColumns;
using parsers::FlowField;
using parsers::IpAddress;

constexpr std::uint64_t kLongRecordSeconds = 120;  // Longer ones tell a capture interval of 600 s.
/// Texts remembered between commits; a scan or short-lived pods make ever new ones.
constexpr std::size_t kStringsMax = 1u << 20;

/// One column of a batch with its presence bits; all absent when the layout lacks the field.
template <typename T>
class Column {
 public:
  Column(std::span<const T> values, const FlowColumns& flows, FlowField field)
      : values_(values), bits_(flows.presence[static_cast<std::size_t>(field)].data()) {}
  [[nodiscard]] bool present(std::uint32_t record) const noexcept {
    return !values_.empty() && ((bits_[record / 64] >> (record % 64)) & 1) != 0;
  }
  [[nodiscard]] const T& operator[](std::uint32_t record) const noexcept { return values_[record]; }
  [[nodiscard]] T value_or(std::uint32_t record, T absent) const noexcept {
    return present(record) ? values_[record] : absent;
  }

 private:
  std::span<const T> values_;
  const std::uint64_t* bits_;
};

struct Columns {
  explicit Columns(const FlowColumns& f)
      : texts{text(f, FlowField::kInterfaceId),  text(f, FlowField::kResourceId),
              text(f, FlowField::kAccountId),    text(f, FlowField::kVpcId),
              text(f, FlowField::kSubnetId),     text(f, FlowField::kInstanceId),
              text(f, FlowField::kRegion),       text(f, FlowField::kAzId),
              text(f, FlowField::kInterfaceType)},
        source_service(text(f, FlowField::kPktSrcAwsService)),
        destination_service(text(f, FlowField::kPktDstAwsService)),
        source(address(f, FlowField::kSrcaddr)),
        destination(address(f, FlowField::kDstaddr)),
        packet_source(address(f, FlowField::kPktSrcaddr)),
        packet_destination(address(f, FlowField::kPktDstaddr)),
        packets(number(f, FlowField::kPackets)),
        bytes(number(f, FlowField::kBytes)),
        start(number(f, FlowField::kStart)),
        end(number(f, FlowField::kEnd)),
        traffic_path(number(f, FlowField::kTrafficPath)) {}

  static Column<std::string_view> text(const FlowColumns& f, FlowField field) {
    return {f.texts(field), f, field};
  }
  static Column<std::uint64_t> number(const FlowColumns& f, FlowField field) {
    return {f.numbers(field), f, field};
  }
  static Column<IpAddress> address(const FlowColumns& f, FlowField field) {
    return {f.addresses(field), f, field};
  }

  Column<std::string_view> texts[CaptureTexts::kCount];
  Column<std::string_view> source_service, destination_service;
  Column<IpAddress> source, destination, packet_source, packet_destination;
  Column<std::uint64_t> packets, bytes, start, end, traffic_path;
};

/// What the pipeline carried, by environment and hour: few rows, mostly the last one again.
class Volumes {
 public:
  proto::Volume& at(std::uint32_t environment, std::uint32_t hour) {
    if (last_ < rows_.size() && rows_[last_].environment == environment &&
        rows_[last_].volume.hour() == hour) {
      return rows_[last_].volume;
    }
    for (last_ = 0; last_ < rows_.size(); ++last_) {
      if (rows_[last_].environment == environment && rows_[last_].volume.hour() == hour)
        return rows_[last_].volume;
    }
    rows_.push_back({environment, {}});
    rows_.back().volume.set_hour(hour);
    return rows_.back().volume;
  }
  void take(std::uint32_t environment, proto::AggregateBatch& batch) const {
    for (const Row& row : rows_) {
      if (row.environment == environment) *batch.add_volumes() = row.volume;
    }
  }
  void clear() { rows_.clear(); }

 private:
  struct Row {
    std::uint32_t environment;
    proto::Volume volume;
  };
  std::vector<Row> rows_;
  std::size_t last_ = 0;
};

std::uint32_t hour_of(std::int64_t at_s) { return static_cast<std::uint32_t>(at_s / 3600); }

proto::FlowStatus status_of(parsers::LogStatus status) {
  switch (status) {
    case parsers::LogStatus::kOk:
      return proto::FLOW_OK;
    case parsers::LogStatus::kNoData:
      return proto::FLOW_NODATA;
    case parsers::LogStatus::kSkipData:
      return proto::FLOW_SKIPDATA;
  }
  return proto::FLOW_OK;
}

proto::FlowAction action_of(parsers::Action action) {
  switch (action) {
    case parsers::Action::kNone:
      return proto::ACTION_NONE;
    case parsers::Action::kAccept:
      return proto::ACTION_ACCEPT;
    case parsers::Action::kReject:
      return proto::ACTION_REJECT;
  }
  return proto::ACTION_NONE;
}

}  // namespace

struct PartialAggregator::State {
  State(std::shared_ptr<const Inventory> inventory, PartialAggregatorOptions given)
      : options(std::move(given)),
        attribution(std::move(inventory), options.environment, options.account, options.region,
                    strings),
        sums(options.keys_max),
        metrics(attribution, options.series_max) {}

  void add_flow(const FlowColumns& flows, const Columns& columns, std::uint32_t record);
  void fill_addresses(const Columns& columns, std::uint32_t record, std::int64_t start_s,
                      std::uint32_t epoch, const CaptureFacts& capture, RecordFacts& facts);
  [[nodiscard]] bool is_future(std::int64_t at_s) const {
    return now_s > 0 && at_s > now_s + options.future_after_s;
  }
  void note_time(std::uint32_t environment, std::int64_t at_s) {
    event_time_max_s = std::max(event_time_max_s, at_s);
    if (environment >= environment_time_max_s.size())
      environment_time_max_s.resize(environment + 1);
    environment_time_max_s[environment] = std::max(environment_time_max_s[environment], at_s);
  }
  void drop(const char* reason) {
    ++dropped[reason];
    ++dropped_since_take[reason];
  }
  proto::AggregateBatch take_environment(std::uint32_t environment);

  PartialAggregatorOptions options;
  StringPool strings;
  Attribution attribution;
  FlowSums sums;
  MetricCollector metrics;
  Volumes volumes;
  std::vector<std::int64_t> environment_time_max_s;  ///< 0 = met nothing since the last take.
  /// Of a pool id in the batch being taken; 0 = not in it.
  std::vector<std::uint32_t> batch_index;
  std::uint32_t other = 0;  ///< Owner and peer of keys beyond the limit.
  std::int64_t now_s = 0;
  std::uint64_t records = 0;
  std::int64_t event_time_max_s = 0;
  std::map<std::string, std::uint64_t> dropped;
  std::map<std::string, std::uint64_t> dropped_since_take;
};

PartialAggregator::PartialAggregator(std::shared_ptr<const Inventory> inventory,
                                     PartialAggregatorOptions options)
    : state_(std::make_unique<State>(std::move(inventory), std::move(options))) {}
PartialAggregator::~PartialAggregator() = default;

void PartialAggregator::set_now(std::int64_t now_s) noexcept { state_->now_s = now_s; }

void PartialAggregator::set_inventory(std::shared_ptr<const Inventory> inventory) {
  state_->attribution.set_inventory(std::move(inventory));
  state_->metrics.inventory_changed();
}

void PartialAggregator::State::fill_addresses(const Columns& columns, std::uint32_t record,
                                              std::int64_t start_s, std::uint32_t epoch,
                                              const CaptureFacts& capture, RecordFacts& facts) {
  const auto look_up = [&](const Column<IpAddress>& column) -> const AddressFacts* {
    return column.present(record) ? &attribution.address(column[record], start_s, epoch) : nullptr;
  };
  const auto is_own = [&](const IpAddress& address) {
    return std::ranges::find(capture.addresses, address) != capture.addresses.end();
  };
  facts.source = look_up(columns.source);
  facts.destination = look_up(columns.destination);
  if (facts.source != nullptr) facts.source_is_own = is_own(columns.source[record]);
  if (facts.destination != nullptr) facts.destination_is_own = is_own(columns.destination[record]);
  facts.packet_source = look_up(columns.packet_source);
  facts.packet_destination = look_up(columns.packet_destination);
  if (facts.source != nullptr && facts.packet_source != nullptr) {
    facts.source_translated = columns.source[record] != columns.packet_source[record];
  }
  if (facts.destination != nullptr && facts.packet_destination != nullptr) {
    facts.destination_translated =
        columns.destination[record] != columns.packet_destination[record];
  }
  if (columns.source_service.present(record)) {
    facts.source_service = strings.intern(columns.source_service[record]);
  }
  if (columns.destination_service.present(record)) {
    facts.destination_service = strings.intern(columns.destination_service[record]);
  }
}

void PartialAggregator::State::add_flow(const FlowColumns& flows, const Columns& columns,
                                        std::uint32_t record) {
  const parsers::LogStatus status = flows.status[record];
  const bool counted = status == parsers::LogStatus::kOk;
  if (!columns.start.present(record) || (counted && !columns.bytes.present(record)))
    return drop("unwindowed");
  const auto start_s = static_cast<std::int64_t>(columns.start[record]);
  if (start_s / 60 > 0xffffffff || is_future(start_s)) return drop("future");

  CaptureTexts texts;
  for (std::size_t i = 0; i < CaptureTexts::kCount; ++i) {
    if (columns.texts[i].present(record)) texts.set(i, columns.texts[i][record]);
  }
  const std::uint32_t epoch = attribution.epoch(start_s);
  const CaptureFacts& capture = attribution.capture(texts, start_s, epoch);
  RecordFacts facts;
  facts.direction = flows.direction[record];
  fill_addresses(columns, record, start_s, epoch, capture, facts);
  const FlowAttribution a = attribute_flow(capture, facts);

  FlowKey key{.environment = capture.environment,
              .window_start_min = static_cast<std::uint32_t>(start_s / 60),
              .interface = capture.interface,
              .interface_az = capture.az,
              .owner = a.owner,
              .owner_az = a.owner_az,
              .peer_owner = a.peer_owner,
              .peer_az = a.peer_az,
              .peer_service = a.peer_service,
              .peer_region = a.peer_region,
              .peer_interface = a.peer_interface,
              .status = static_cast<std::uint8_t>(status_of(status)),
              .action = static_cast<std::uint8_t>(action_of(flows.action[record])),
              .direction = static_cast<std::uint8_t>(a.direction),
              .path_class = static_cast<std::uint8_t>(a.path_class),
              .nat_leg = static_cast<std::uint8_t>(a.nat_leg),
              .role = static_cast<std::uint8_t>(capture.role),
              .peer_role = static_cast<std::uint8_t>(a.peer_role),
              .traffic_path = static_cast<std::uint8_t>(columns.traffic_path.value_or(record, 0)),
              .unused = 0};
  const std::uint64_t end = columns.end.value_or(record, columns.start[record]);
  const bool is_long = end > columns.start[record] + kLongRecordSeconds;
  FlowSum sum{columns.bytes.value_or(record, 0), columns.packets.value_or(record, 0), 1,
              is_long ? 1u : 0u};

  ++records;
  note_time(capture.environment, start_s);
  proto::Volume& volume = volumes.at(capture.environment, hour_of(start_s));
  volume.set_flow_log_bytes(volume.flow_log_bytes() + flows.line_bytes[record]);
  volume.set_flow_log_records(volume.flow_log_records() + 1);
  if (flows.line_bytes[record] == 0)
    volume.set_flow_log_unsized_records(volume.flow_log_unsized_records() + 1);

  const auto end_s =
      static_cast<std::int64_t>(std::min<std::uint64_t>(end, std::uint64_t{1} << 62));
  if (!crosses_month(start_s, end_s)) {
    if (!sums.add(key, sum, other)) drop("keys_over_limit");
    return;
  }
  // The record is counted where it starts; what falls into the next month is a row without records.
  for (const FlowPart& part : split_by_month(start_s, end_s, sum.bytes, sum.packets)) {
    key.window_start_min = static_cast<std::uint32_t>(part.start_s / 60);
    sum.bytes = part.bytes;
    sum.packets = part.packets;
    if (!sums.add(key, sum, other)) drop("keys_over_limit");
    sum.records = sum.long_records = 0;
  }
}

void PartialAggregator::on_flows(const FlowColumns& flows) {
  const Columns columns(flows);
  state_->attribution.shrink();
  state_->other = state_->strings.intern("other");
  for (std::uint32_t record = 0; record < flows.size; ++record)
    state_->add_flow(flows, columns, record);
}

void PartialAggregator::on_metrics(const parsers::MetricBatch& metrics) {
  for (const parsers::MetricRecord& record : metrics.records) {
    const std::int64_t start_s = record.start_ms / 1000;
    if (record.start_ms < 0 || start_s / 3600 > 0xffffffff || state_->is_future(start_s)) {
      state_->drop("future");
      continue;
    }
    const MetricCollector::Taken taken = state_->metrics.add(metrics, record, start_s);
    if (!taken.ok) state_->drop("series_over_limit");
    ++state_->records;
    state_->note_time(taken.environment, start_s);
    proto::Volume& volume = state_->volumes.at(taken.environment, hour_of(start_s));
    volume.set_metric_updates(volume.metric_updates() + 1 + record.extended_count);
  }
}

proto::AggregateBatch PartialAggregator::State::take_environment(std::uint32_t environment) {
  proto::AggregateBatch batch;
  batch.set_environment(attribution.environments()[environment]);
  batch.set_inventory_version(attribution.inventory().version());
  batch.set_source(options.source);
  batch.set_event_time_max_s(environment_time_max_s[environment]);
  batch.add_strings("");
  batch_index.assign(strings.size(), 0);
  if (sums.has(environment)) {
    sums.take(environment, *batch.mutable_flows(), [&](std::uint32_t id) {
      if (id == 0) return 0u;
      if (batch_index[id] == 0) {
        batch_index[id] = static_cast<std::uint32_t>(batch.strings_size());
        batch.add_strings(strings.text(id));
      }
      return batch_index[id];
    });
  }
  metrics.take(environment, batch);
  volumes.take(environment, batch);
  return batch;
}

std::vector<proto::AggregateBatch> PartialAggregator::take() {
  State& state = *state_;
  std::vector<proto::AggregateBatch> batches;
  for (std::uint32_t i = 0; i < state.environment_time_max_s.size(); ++i) {
    if (state.environment_time_max_s[i] != 0) batches.push_back(state.take_environment(i));
    state.environment_time_max_s[i] = 0;
  }
  // Drops belong to no environment; they are for show and ride with the first batch that goes.
  if (!batches.empty()) {
    for (const auto& [reason, count] : state.dropped_since_take)
      (*batches[0].mutable_dropped())[reason] = count;
    state.dropped_since_take.clear();
  }
  state.sums.clear();
  state.metrics.clear();
  state.volumes.clear();
  state.records = 0;
  state.event_time_max_s = 0;
  if (state.strings.size() > kStringsMax) {
    state.attribution.forget();
    state.strings.clear();
  }
  return batches;
}

bool PartialAggregator::empty() const noexcept { return state_->records == 0; }
std::uint64_t PartialAggregator::records() const noexcept { return state_->records; }
std::int64_t PartialAggregator::event_time_max_s() const noexcept {
  return state_->event_time_max_s;
}
const std::map<std::string, std::uint64_t>& PartialAggregator::dropped() const noexcept {
  return state_->dropped;
}

parsers::FieldSet PartialAggregator::fields_needed() {
  return {FlowField::kInterfaceId,
          FlowField::kResourceId,
          FlowField::kAccountId,
          FlowField::kVpcId,
          FlowField::kSubnetId,
          FlowField::kInstanceId,
          FlowField::kRegion,
          FlowField::kAzId,
          FlowField::kInterfaceType,
          FlowField::kPktSrcAwsService,
          FlowField::kPktDstAwsService,
          FlowField::kSrcaddr,
          FlowField::kDstaddr,
          FlowField::kPktSrcaddr,
          FlowField::kPktDstaddr,
          FlowField::kPackets,
          FlowField::kBytes,
          FlowField::kStart,
          FlowField::kEnd,
          FlowField::kTrafficPath,
          FlowField::kAction,
          FlowField::kLogStatus,
          FlowField::kFlowDirection};
}

}  // namespace fleetmeter::aggregator
