#include "aggregator/partial_aggregator.h"

#include <algorithm>
#include <array>
#include <utility>

#include "aggregator/attribution.h"
#include "aggregator/flow_folder.h"
#include "aggregator/flow_sums.h"
#include "aggregator/metric_collector.h"

namespace fleetmeter::aggregator {
namespace {

using parsers::FlowField;

/// What the pipeline carried, by environment and hour: few rows, mostly the last one again.
class Volumes {
 public:
  proto::Volume& at(std::uint32_t environment, std::uint32_t hour) {
    const Key key{environment, hour};
    if (last_ == nullptr || key != last_key_) {
      last_ = &rows_[key];
      last_->set_hour(hour);
      last_key_ = key;
    }
    return *last_;
  }
  void take(std::uint32_t environment, proto::AggregateBatch& batch) const {
    for (auto at = rows_.lower_bound({environment, 0});
         at != rows_.end() && at->first.first == environment; ++at) {
      *batch.add_volumes() = at->second;
    }
  }
  void clear() {
    rows_.clear();
    last_ = nullptr;
  }

 private:
  using Key = std::pair<std::uint32_t, std::uint32_t>;
  std::map<Key, proto::Volume> rows_;
  proto::Volume* last_ = nullptr;
  Key last_key_{};
};

std::uint32_t hour_of(std::int64_t at_s) { return static_cast<std::uint32_t>(at_s / 3600); }

}  // namespace

struct PartialAggregator::State {
  State(std::shared_ptr<const Inventory> inventory, PartialAggregatorOptions given)
      : options(std::move(given)),
        attribution(std::move(inventory), options.environment, options.account, options.region,
                    strings),
        sums(options.keys_max),
        folder(attribution, sums, strings),
        metrics(attribution, options.series_max) {}

  /// Starts behind it are dropped: in the future, or in no minute that a batch can name.
  [[nodiscard]] std::uint64_t start_max_s() const {
    constexpr std::uint64_t kLargest = (std::uint64_t{1} << 32) * 60 - 1;
    if (now_s <= 0) return kLargest;
    return std::min(kLargest, static_cast<std::uint64_t>(now_s + options.future_after_s));
  }
  /// An environment was met, with a record of this time.
  void note_time(std::uint32_t environment, std::int64_t at_s) {
    Met& one = met_at(environment);
    one.event_time_max_s = std::max(one.event_time_max_s, at_s);
    event_time_max_s = std::max(event_time_max_s, at_s);
  }
  void drop(const char* reason, std::uint64_t count) {
    if (count == 0) return;
    dropped[reason] += count;
    dropped_since_take[reason] += count;
  }
  void sort_rows();
  proto::AggregateBatch take_environment(std::uint32_t environment);
  void clear();

  /// What one environment has met since the last take.
  struct Met {
    bool anything = false;
    std::int64_t event_time_max_s = 0;
    std::vector<std::uint32_t> rows;  ///< Of `sums`.
  };
  Met& met_at(std::uint32_t environment) {
    if (environment >= met.size()) met.resize(environment + 1);
    met[environment].anything = true;
    return met[environment];
  }

  PartialAggregatorOptions options;
  StringPool strings;
  Attribution attribution;
  FlowSums sums;
  FlowFolder folder;
  MetricCollector metrics;
  Volumes volumes;
  std::vector<Met> met;  ///< By environment.
  /// Of a pool id in the batch being taken; 0 = not in it.
  std::vector<std::uint32_t> batch_index;
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
  state_->folder.forget();
  state_->metrics.inventory_changed();
}

void PartialAggregator::on_flows(const parsers::FlowColumns& flows) {
  State& state = *state_;
  const FoldCounts counts = state.folder.fold(flows, state.start_max_s());
  state.records += counts.folded;
  state.event_time_max_s = std::max(state.event_time_max_s, counts.latest_s);
  state.drop("future", counts.future);
  state.drop("keys_over_limit", counts.over_limit);
  state.drop("text_over_limit", counts.long_text);
}

void PartialAggregator::on_metrics(const parsers::MetricBatch& metrics) {
  const std::uint64_t start_max_s = state_->start_max_s();
  for (const parsers::MetricRecord& record : metrics.records) {
    const std::int64_t start_s = record.start_ms / 1000;
    if (record.start_ms < 0 || static_cast<std::uint64_t>(start_s) > start_max_s) {
      state_->drop("future", 1);
      continue;
    }
    const MetricCollector::Taken taken = state_->metrics.add(metrics, record, start_s);
    if (taken.drop != nullptr) state_->drop(taken.drop, 1);
    ++state_->records;
    state_->note_time(taken.environment, start_s);
    proto::Volume& volume = state_->volumes.at(taken.environment, hour_of(start_s));
    volume.set_metric_updates(volume.metric_updates() + 1 + record.extended_count);
  }
}

/// Rows to their environments, with what they say of them.
void PartialAggregator::State::sort_rows() {
  constexpr std::uint32_t kNone = 0xffffffff;
  std::uint32_t environment = kNone, hour = kNone;  // Of the row before.
  Met* one = nullptr;
  proto::Volume* volume = nullptr;
  for (std::uint32_t i = 0; i < sums.rows().size(); ++i) {
    const FlowSums::Row& row = sums.rows()[i];
    if (sums.environment(row.series) != environment) {
      environment = sums.environment(row.series);
      one = &met_at(environment);
      volume = nullptr;
    }
    one->rows.push_back(i);
    if (row.is_rest) continue;
    if (volume == nullptr || row.minute / 60 != hour) {
      hour = row.minute / 60;
      volume = &volumes.at(environment, hour);
    }
    one->event_time_max_s = std::max(one->event_time_max_s, row.latest_s());
    volume->set_flow_log_bytes(volume->flow_log_bytes() + row.line_bytes);
    volume->set_flow_log_records(volume->flow_log_records() + row.records);
    volume->set_flow_log_unsized_records(volume->flow_log_unsized_records() + row.unsized_records);
  }
}

proto::AggregateBatch PartialAggregator::State::take_environment(std::uint32_t environment) {
  const Met& one = met[environment];
  proto::AggregateBatch batch;
  batch.set_environment(attribution.environments()[environment]);
  batch.set_inventory_version(attribution.inventory().version());
  batch.set_source(options.source);
  batch.set_event_time_max_s(one.event_time_max_s);
  batch.add_strings("");
  batch_index.assign(strings.size(), 0);
  if (!one.rows.empty()) {
    sums.write(one.rows, *batch.mutable_flows(), [&](std::uint32_t id) {
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

void PartialAggregator::State::clear() {
  for (Met& one : met) {
    one.anything = false;
    one.event_time_max_s = 0;
    one.rows.clear();
  }
  sums.clear();
  metrics.clear();
  volumes.clear();
  records = 0;
  event_time_max_s = 0;
  if (std::max(strings.size(), sums.series_count()) <= options.remembered_max) return;
  strings.clear();
  attribution.forget();
  sums.forget();
  folder.forget();
}

std::vector<proto::AggregateBatch> PartialAggregator::take() {
  State& state = *state_;
  std::vector<proto::AggregateBatch> batches;
  state.sort_rows();
  for (std::uint32_t i = 0; i < state.met.size(); ++i) {
    if (state.met[i].anything) batches.push_back(state.take_environment(i));
  }
  // Drops belong to no environment; they are for show and ride with the first batch that goes.
  if (!batches.empty()) {
    for (const auto& [reason, count] : state.dropped_since_take)
      (*batches[0].mutable_dropped())[reason] = count;
    state.dropped_since_take.clear();
  }
  state.clear();
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
