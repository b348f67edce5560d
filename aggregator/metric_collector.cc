#include "aggregator/metric_collector.h"

namespace fleetmeter::aggregator {
namespace {

/// Series remembered from one commit to the next; beyond it they are looked up afresh.
constexpr std::size_t kRememberedMax = 1u << 21;
constexpr std::uint32_t kNoEpoch = 0xffffffff;

void append_text(std::string& key, std::string_view text) {
  const auto size = static_cast<std::uint32_t>(text.size());
  key.append(reinterpret_cast<const char*>(&size), sizeof size);
  key.append(text);
}

proto::Series identity_of(const parsers::MetricBatch& batch, const parsers::MetricRecord& record) {
  proto::Series series;
  series.set_account(std::string(record.account));
  series.set_region(std::string(record.region));
  series.set_namespace_(std::string(record.metric_namespace));
  series.set_metric(std::string(record.name));
  for (const parsers::Dimension& dimension : batch.dimensions_of(record)) {
    series.add_dimension_names(std::string(dimension.name));
    series.add_dimension_values(std::string(dimension.value));
  }
  series.set_unit(std::string(record.unit));
  series.set_stream_health(record.metric_namespace == "AWS/CloudWatch/MetricStreams");
  return series;
}

}  // namespace

void MetricCollector::write_key(const parsers::MetricBatch& batch,
                                const parsers::MetricRecord& record) {
  key_.clear();
  for (const std::string_view text :
       {record.account, record.region, record.metric_namespace, record.name, record.unit}) {
    append_text(key_, text);
  }
  for (const parsers::Dimension& dimension : batch.dimensions_of(record)) {
    append_text(key_, dimension.name);
    append_text(key_, dimension.value);
  }
}

std::uint32_t MetricCollector::environment_of(const proto::Series& identity, std::int64_t at_s) {
  Inventory::Facts facts;
  facts.account = identity.account();
  facts.region = identity.region();
  facts.at_s = at_s;
  for (int i = 0; i < identity.dimension_names_size(); ++i) {
    if (identity.dimension_names(i) == "InstanceId")
      facts.instance_id = identity.dimension_values(i);
    if (identity.dimension_names(i) == "AutoScalingGroupName")
      facts.group = identity.dimension_values(i);
    if (identity.dimension_names(i) == "SubnetId") facts.subnet_id = identity.dimension_values(i);
    if (identity.dimension_names(i) == "VpcId") facts.vpc_id = identity.dimension_values(i);
  }
  if (const Instance* instance = attribution_.inventory().instance(facts.instance_id, at_s);
      instance != nullptr) {
    if (facts.group.empty()) facts.group = instance->group;
    if (facts.subnet_id.empty()) facts.subnet_id = instance->subnet_id;
    if (facts.vpc_id.empty()) facts.vpc_id = instance->vpc_id;
  }
  return attribution_.environment_index(attribution_.environment_of(facts));
}

MetricCollector::Taken MetricCollector::add(const parsers::MetricBatch& batch,
                                            const parsers::MetricRecord& record,
                                            std::int64_t start_s) {
  write_key(batch, record);
  const std::uint32_t epoch = attribution_.epoch(start_s);
  const auto [at, added] = ids_.try_emplace(key_, static_cast<std::uint32_t>(series_.size()));
  if (added) {
    KnownSeries known;
    known.identity = identity_of(batch, record);
    known.environment = environment_of(known.identity, start_s);
    known.epoch = epoch;
    series_.push_back(std::move(known));
  }
  KnownSeries& series = series_[at->second];
  if (series.epoch != epoch) {
    series.environment = environment_of(series.identity, start_s);
    series.epoch = epoch;
  }
  if (series.commit != commit_) {
    if (series_in_commit_ >= series_max_) return {false, series.environment};
    ++series_in_commit_;
    series.commit = commit_;
  }
  Row row{.series = at->second,
          .start_s = start_s,
          .period_s = record.period_s,
          .sample_count = record.sample_count,
          .sum = record.sum,
          .minimum = record.minimum,
          .maximum = record.maximum,
          .first_extended = static_cast<std::uint32_t>(extended_.size()),
          .extended_count = record.extended_count};
  for (const parsers::ExtendedStatistic& extended : batch.extended_of(record)) {
    extended_.emplace_back(extended.name, extended.value);
  }
  if (rows_.size() <= series.environment) rows_.resize(series.environment + 1);
  rows_[series.environment].push_back(row);
  return {true, series.environment};
}

void MetricCollector::take(std::uint32_t environment, proto::AggregateBatch& batch) {
  if (environment >= rows_.size() || rows_[environment].empty()) return;
  proto::Datapoints& out = *batch.mutable_datapoints();
  std::vector<std::uint32_t> used;
  for (const Row& row : rows_[environment]) {
    KnownSeries& series = series_[row.series];
    if (series.in_batch == 0) {
      *batch.add_series() = series.identity;
      series.in_batch = static_cast<std::uint32_t>(batch.series_size());
      used.push_back(row.series);
    }
    const auto index = static_cast<std::uint32_t>(out.start_s_size());
    out.add_series(series.in_batch - 1);
    out.add_start_s(row.start_s);
    out.add_period_s(row.period_s);
    out.add_sample_count(row.sample_count);
    out.add_sum(row.sum);
    out.add_minimum(row.minimum);
    out.add_maximum(row.maximum);
    for (std::uint32_t i = 0; i < row.extended_count; ++i) {
      const auto& [name, value] = extended_[row.first_extended + i];
      proto::ExtendedStatistic& extended = *out.add_extended();
      extended.set_row(index);
      extended.set_name(name);
      extended.set_value(value);
    }
  }
  // An environment may have changed with the epoch, so the same series can stand in two batches of
  // one commit.
  for (const std::uint32_t series : used) series_[series].in_batch = 0;
  rows_[environment].clear();
}

void MetricCollector::inventory_changed() {
  for (KnownSeries& series : series_) series.epoch = kNoEpoch;
}

void MetricCollector::clear() {
  ++commit_;
  series_in_commit_ = 0;
  extended_.clear();
  if (series_.size() > kRememberedMax) {
    series_.clear();
    ids_.clear();
  }
}

}  // namespace fleetmeter::aggregator
