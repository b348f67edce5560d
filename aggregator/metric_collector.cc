#include "aggregator/metric_collector.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "aggregator/equal_bytes.h"

namespace fleetmeter::aggregator {
namespace {

/// Series remembered from one commit to the next; beyond it they are looked up afresh.
constexpr std::size_t kRememberedMax = 1u << 21;
constexpr std::uint32_t kNoEpoch = 0xffffffff;
constexpr std::string_view kUnassigned = "unassigned";

void fill(std::string_view& into, std::string_view from) {
  if (into.empty()) into = from;
}

/// Calls `use` with each text of a datapoint's identity that its attributes do not tell, as long as
/// it says true; false when it did not.
template <typename Use>
bool each_text_around(const parsers::MetricRecord& record, Use&& use) {
  return use(record.account) && use(record.region) && use(record.unit);
}

/// As each_text_around, with all of the identity, in the order of a key.
template <typename Use>
bool each_text(const parsers::MetricRecord& record, std::span<const parsers::Dimension> dimensions,
               Use&& use) {
  if (!each_text_around(record, use) || !use(record.metric_namespace) || !use(record.name))
    return false;
  for (const parsers::Dimension& dimension : dimensions) {
    if (!use(dimension.name) || !use(dimension.value)) return false;
  }
  return true;
}

/// Texts one behind the other, each after its size: the identity of a series.
class KeyReader {
 public:
  explicit KeyReader(std::string_view key) : at_(key.data()), end_(key.data() + key.size()) {}
  [[nodiscard]] bool done() const noexcept { return at_ == end_; }
  std::string_view next() noexcept {
    std::uint32_t size = 0;
    std::memcpy(&size, at_, sizeof size);
    const std::string_view text{at_ + sizeof size, size};
    at_ += sizeof size + size;
    return text;
  }

 private:
  const char* at_;
  const char* end_;
};

[[gnu::always_inline]] inline bool is_next(KeyReader& reader, std::string_view text) noexcept {
  if (reader.done()) return false;
  const std::string_view next = reader.next();
  return next.size() == text.size() && equal_bytes(next.data(), text.data(), text.size());
}

bool is_key_of(std::string_view key, const parsers::MetricRecord& record,
               std::span<const parsers::Dimension> dimensions) noexcept {
  KeyReader reader{key};
  const auto use = [&](std::string_view text) { return is_next(reader, text); };
  return each_text(record, dimensions, use) && reader.done();
}

/// Of a record whose attributes are those of the key.
bool is_key_around(std::string_view key, const parsers::MetricRecord& record) noexcept {
  KeyReader reader{key};
  return each_text_around(record, [&](std::string_view text) { return is_next(reader, text); });
}

std::uint64_t hash_of(const parsers::MetricRecord& record,
                      std::span<const parsers::Dimension> dimensions) noexcept {
  std::uint64_t hash = 0;
  each_text(record, dimensions, [&](std::string_view text) {
    hash = parsers::mix(hash, parsers::hash_text(text));
    return true;
  });
  return hash;
}

void write_series(std::string_view key, proto::Series& series) {
  const auto set = [](std::string& out, std::string_view text) {
    out.assign(text.data(), text.size());
  };
  KeyReader reader{key};
  set(*series.mutable_account(), reader.next());
  set(*series.mutable_region(), reader.next());
  set(*series.mutable_unit(), reader.next());
  set(*series.mutable_namespace_(), reader.next());
  set(*series.mutable_metric(), reader.next());
  while (!reader.done()) {
    set(*series.add_dimension_names(), reader.next());
    set(*series.add_dimension_values(), reader.next());
  }
  series.set_stream_health(series.namespace_() == "AWS/CloudWatch/MetricStreams");
}

/// Many environments have few rows each.
void grow(DatapointRows& block) {
  constexpr std::size_t kRowsMin = 64;
  block.resize(std::min(DatapointRows::kBlock, std::max(kRowsMin, 2 * block.size())));
}

}  // namespace

std::uint32_t MetricCollector::environment_of(const parsers::MetricRecord& record,
                                              std::span<const parsers::Dimension> dimensions,
                                              std::int64_t at_s, Validity& stretch) {
  Inventory::Facts facts;
  facts.account = record.account;
  facts.region = record.region;
  facts.at_s = at_s;
  for (const parsers::Dimension& dimension : dimensions) {
    if (dimension.name == "InstanceId") facts.instance_id = dimension.value;
    if (dimension.name == "AutoScalingGroupName") facts.group = dimension.value;
    if (dimension.name == "SubnetId") facts.subnet_id = dimension.value;
    if (dimension.name == "VpcId") facts.vpc_id = dimension.value;
  }
  stretch = {};
  MetricOwners::Found found;
  if (const Instance* instance = attribution_.inventory().instance(facts.instance_id, at_s);
      instance != nullptr) {
    fill(facts.group, instance->group);
    fill(facts.subnet_id, instance->subnet_id);
    fill(facts.vpc_id, instance->vpc_id);
  } else if (attribution_.forced_environment().empty()) {
    if (!owners_) owners_.emplace(attribution_.inventory());
    found = owners_->find(dimensions, record.account, record.region, at_s);
    stretch = found.stretch;
  }
  std::string_view environment = kUnassigned;
  for (const MetricOwner& owner : found.owners) {
    if (environment == kUnassigned) environment = environment_by(facts, owner);
  }
  if (found.owners.empty()) environment = attribution_.environment_of(facts);
  return attribution_.environment_index(environment);
}

/// By all that is known of both, unless the inventory states an environment: that of the owner is
/// then another than its facts alone give.
std::string_view MetricCollector::environment_by(Inventory::Facts facts,
                                                 const MetricOwner& owner) const {
  if (owner.resource != nullptr) {
    const Inventory::Facts own = facts_of(*owner.resource);
    const std::string_view placed = owner.resource->environment;
    if (!placed.empty() && placed != attribution_.inventory().environment_of(own)) return placed;
    fill(facts.account, own.account);
    fill(facts.region, own.region);
    fill(facts.vpc_id, own.vpc_id);
    fill(facts.subnet_id, own.subnet_id);
    fill(facts.instance_id, own.instance_id);
    facts.tags = own.tags;
  }
  if (owner.interface != nullptr) facts.interface_id = owner.interface->id;
  return attribution_.environment_of(facts);
}

std::uint32_t MetricCollector::series_of(const parsers::MetricRecord& record,
                                         std::span<const parsers::Dimension> dimensions) {
  // Streams tell their series in nearly the same order every minute.
  const std::uint32_t expected = last_ + 1 < series_.size() ? last_ + 1 : 0;
  const auto is_it = [&](std::uint32_t index) {
    KnownSeries& series = series_[index];
    if (record.identity != 0 && record.identity == series.identity)
      return is_key_around(series.key, record);
    if (!is_key_of(series.key, record, dimensions)) return false;
    series.identity = record.identity;
    return true;
  };
  if (expected < series_.size() && is_it(expected)) return expected;
  const std::uint64_t hash = hash_of(record, dimensions);
  std::uint32_t index = ids_.find(hash, is_it);
  if (index != parsers::IndexTable::kNone) return index;
  std::size_t bytes = 0;
  const auto fits = [&bytes](std::string_view text) {
    bytes += text.size();
    return text.size() <= kMetricTextBytesMax && bytes <= kMetricTextsBytesMax;
  };
  if (!each_text(record, dimensions, fits)) return parsers::IndexTable::kNone;
  index = static_cast<std::uint32_t>(series_.size());
  key_.clear();
  each_text(record, dimensions, [&](std::string_view text) {
    const auto size = static_cast<std::uint32_t>(text.size());
    key_.append(reinterpret_cast<const char*>(&size), sizeof size);
    key_.append(text);
    return true;
  });
  series_.push_back({.key = keys_.keep(key_), .epoch = kNoEpoch, .identity = record.identity});
  ids_.insert(hash, index);
  return index;
}

MetricCollector::Taken MetricCollector::add(const parsers::MetricBatch& batch,
                                            const parsers::MetricRecord& record,
                                            std::int64_t start_s) {
  const std::span<const parsers::Dimension> dimensions = batch.dimensions_of(record);
  const std::uint32_t index = series_of(record, dimensions);
  if (index == parsers::IndexTable::kNone) {
    Validity stretch;
    return {environment_of(record, dimensions, start_s, stretch), "text_over_limit"};
  }
  last_ = index;
  KnownSeries& series = series_[last_];
  if (const std::uint32_t epoch = attribution_.epoch(start_s);
      series.epoch != epoch || !series.stretch.holds(start_s)) {
    series.environment = environment_of(record, dimensions, start_s, series.stretch);
    series.epoch = epoch;
  }
  if (series.commit != commit_) {
    if (series_in_commit_ >= series_max_) return {series.environment, "series_over_limit"};
    ++series_in_commit_;
  }
  if (open_.size() <= series.environment) open_.resize(series.environment + 1);
  const std::uint32_t in_batch = index_in_batch(series, series.environment);
  Open& open = open_[series.environment];
  if (open.block_rows == open.block.size()) grow(open.block);
  const std::size_t row = open.block_rows++;
  open.block.series[row] = in_batch;
  open.block.start_s[row] = start_s;
  open.block.period_s[row] = record.period_s;
  open.block.sample_count[row] = record.sample_count;
  open.block.sum[row] = record.sum;
  open.block.minimum[row] = record.minimum;
  open.block.maximum[row] = record.maximum;
  for (const parsers::ExtendedStatistic& statistic : batch.extended_of(record)) {
    proto::ExtendedStatistic& extended = *open.batch.mutable_datapoints()->add_extended();
    extended.set_row(open.rows);
    extended.set_name(std::string(statistic.name));
    extended.set_value(statistic.value);
  }
  ++open.rows;
  if (open.block_rows == DatapointRows::kBlock) write_block(open);
  return {series.environment};
}

/// An environment may have changed with the epoch, so the same series can stand in two batches of
/// one commit.
std::uint32_t MetricCollector::index_in_batch(KnownSeries& series, std::uint32_t environment) {
  if (series.commit == commit_ && series.batch_environment == environment) return series.in_batch;
  proto::AggregateBatch& batch = open_[environment].batch;
  series.commit = commit_;
  series.batch_environment = environment;
  series.in_batch = static_cast<std::uint32_t>(batch.series_size());
  write_series(series.key, *batch.add_series());
  return series.in_batch;
}

void MetricCollector::write_block(Open& open) {
  open.block.resize(open.block_rows);
  open.block.write(*open.batch.mutable_datapoints());
  open.block_rows = 0;
}

void MetricCollector::take(std::uint32_t environment, proto::AggregateBatch& batch) {
  if (environment >= open_.size() || open_[environment].rows == 0) return;
  Open& open = open_[environment];
  write_block(open);
  batch.mutable_series()->Swap(open.batch.mutable_series());
  batch.mutable_datapoints()->Swap(open.batch.mutable_datapoints());
  open.batch.Clear();
  open.rows = 0;
}

void MetricCollector::inventory_changed() {
  owners_.reset();
  for (KnownSeries& series : series_) series.epoch = kNoEpoch;
}

void MetricCollector::clear() {
  ++commit_;
  series_in_commit_ = 0;
  if (series_.size() > kRememberedMax) {
    series_.clear();
    ids_.clear();
    keys_.clear();
    last_ = 0;
  }
}

}  // namespace fleetmeter::aggregator
