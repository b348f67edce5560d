#include "app/flow_usage.h"

#include <algorithm>
#include <array>
#include <bit>
#include <deque>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "aggregator/capped_sum.h"
#include "aggregator/flow_rows.h"
#include "aggregator/partial_aggregator.h"
#include "aggregator/word_table.h"
#include "cost/usage_fold.h"
#include "parsers/index_table.h"
#include "proto/check.h"

namespace fleetmeter::app {

namespace {

/// Names by number, 0 is the empty one: at most so many, and those that are always taken.
class Names {
 public:
  static constexpr std::uint32_t kOver = UINT32_MAX;

  explicit Names(std::uint32_t limited_max) : left_(limited_max) { texts_.emplace_back(); }

  /// Taken without regard to the limit.
  std::uint32_t always(std::string_view text) { return number_of(text, true); }
  /// kOver when there is no room for it.
  std::uint32_t limited(std::string_view text) { return number_of(text, false); }
  [[nodiscard]] std::string_view text(std::uint32_t number) const { return texts_[number]; }

 private:
  std::uint32_t number_of(std::string_view text, bool is_always) {
    if (text.empty()) return 0;
    const std::uint64_t hash = parsers::hash_text(text);
    const std::uint32_t found =
        table_.find(hash, [&](std::uint32_t i) { return texts_[i] == text; });
    if (found != parsers::IndexTable::kNone) return found;
    if (!is_always && left_ == 0) return kOver;
    left_ -= is_always ? 0 : 1;
    const auto number = static_cast<std::uint32_t>(texts_.size());
    texts_.emplace_back(text);
    table_.insert(hash, number);
    return number;
  }

  std::uint32_t left_;
  std::deque<std::string> texts_;
  parsers::IndexTable table_;
};

/// Flow facts per hour, summed in memory: what network attribution reads where there is no cost.db.
class UsageTable {
 public:
  UsageTable(const aggregator::Inventory& inventory, const FlowUsageLimits& limits);
  /// A batch of our own aggregator, of records that lack the same.
  void add(const proto::AggregateBatch& batch, std::uint8_t lacks);
  [[nodiscard]] HourlyFlows take();  ///< The rows, sorted by hour; views are good as long as this.
  [[nodiscard]] FlowsOverLimit over_limit() const noexcept { return over_limit_; }

 private:
  /// What rows of one series of a batch have in common.
  struct Series {
    std::uint32_t key = 0;
    bool talks = false;  ///< It has a place in the lists: its records were not rejected.
    bool is_nat = false;
    bool interface_is_other = false, owner_is_other = false;
  };

  [[nodiscard]] Series series_of(const proto::AggregateBatch& batch, int index);
  [[nodiscard]] std::uint32_t find_key(const cost::FlowFacts& facts) const;
  [[nodiscard]] std::uint32_t key_of(const cost::FlowFacts& facts);
  [[nodiscard]] std::uint32_t key_of_others(cost::FlowFacts facts);
  [[nodiscard]] HourlyFlows::Row& row_of(Series& series, std::uint32_t hour, std::uint8_t lacks);
  [[nodiscard]] cost::FlowView view_of(const cost::FlowFacts& facts) const;

  FlowUsageLimits limits_;
  Names interfaces_, owners_;
  Names names_;      // Of zones and services.
  Names inventory_;  // What only the inventory tells.
  std::uint32_t other_interface_, other_owner_;
  std::vector<cost::FlowFacts> keys_;
  parsers::IndexTable key_table_;
  std::vector<HourlyFlows::Row> rows_;
  aggregator::WordTable<1> row_table_;  // By what they lack, key and hour.
  FlowsOverLimit over_limit_;
};

UsageTable::UsageTable(const aggregator::Inventory& inventory, const FlowUsageLimits& limits)
    : limits_(limits),
      interfaces_(limits.interfaces_max),
      owners_(limits.owners_max),
      names_(limits.names_max),
      inventory_(0),
      other_interface_(interfaces_.always("other")),
      other_owner_(owners_.always("other")) {
  for (const aggregator::Interface& interface : inventory.interfaces()) {
    interfaces_.always(interface.id);
    owners_.always(interface.instance_id);
    owners_.always(interface.resource_id);
    names_.always(interface.az);
  }
  for (const aggregator::Instance& instance : inventory.instances()) {
    owners_.always(instance.id);
    names_.always(instance.az);
  }
  for (const aggregator::Subnet& subnet : inventory.subnets()) names_.always(subnet.az);
}

void UsageTable::add(const proto::AggregateBatch& batch, std::uint8_t lacks) {
  const proto::FlowAggregates& flows = batch.flows();
  std::vector<Series> all;
  all.reserve(static_cast<std::size_t>(flows.interface_size()));
  for (int i = 0; i < flows.interface_size(); ++i) all.push_back(series_of(batch, i));
  aggregator::FlowRows rows;
  for (int block = 0; block < aggregator::flow_block_count(flows); ++block) {
    FM_CHECK(rows.read(flows, block));  // Fails on torn batches; this one never left the process.
    for (std::size_t i = 0; i < rows.size(); ++i) {
      Series series = all[rows.series[i]];
      HourlyFlows::Row& row = row_of(series, rows.window_start_min[i] / 60, lacks);
      aggregator::add_capped(row.bytes, rows.bytes[i]);
      aggregator::add_capped(row.packets, rows.packets[i]);
      aggregator::add_capped(row.records, rows.records[i]);
      if (!series.talks) continue;
      const bool owner_is_other = series.is_nat ? series.interface_is_other : series.owner_is_other;
      over_limit_.by_interface += series.interface_is_other ? rows.records[i] : 0;
      over_limit_.by_owner += owner_is_other ? rows.records[i] : 0;
    }
  }
}

UsageTable::Series UsageTable::series_of(const proto::AggregateBatch& batch, int index) {
  const proto::FlowAggregates& flows = batch.flows();
  const auto text = [&](std::uint32_t at) -> std::string_view {
    return batch.strings(static_cast<int>(at));
  };
  Series series;
  series.talks =
      flows.status(index) == proto::FLOW_OK && flows.action(index) != proto::ACTION_REJECT;
  series.is_nat = flows.role(index) == proto::ROLE_NAT;
  cost::FlowFacts facts = cost::plain_facts(flows, index);
  facts[cost::kEnvironment] = inventory_.always(batch.environment());
  facts[cost::kPeerAz] = inventory_.always(text(flows.peer_az(index)));
  facts[cost::kPeerRegion] = inventory_.always(text(flows.peer_region(index)));
  facts[cost::kPeerInterface] = inventory_.always(text(flows.peer_interface(index)));

  const std::uint32_t interface = interfaces_.limited(text(flows.interface(index)));
  series.interface_is_other = interface == Names::kOver;
  facts[cost::kInterface] = series.interface_is_other ? other_interface_ : interface;
  const std::uint32_t owner = owners_.limited(text(flows.owner(index)));
  series.owner_is_other = owner == Names::kOver;
  facts[cost::kOwner] = series.owner_is_other ? other_owner_ : owner;
  // Peers are named by the inventory or by kinds of address ranges, but in records of gateways.
  const std::string_view peer = text(flows.peer_owner(index));
  const std::uint32_t peer_owner = series.is_nat ? owners_.limited(peer) : owners_.always(peer);
  facts[cost::kPeerOwner] = peer_owner == Names::kOver ? other_owner_ : peer_owner;
  bool has_names = true;
  for (const auto& [fact, at] : {std::pair(cost::kInterfaceAz, flows.interface_az(index)),
                                 std::pair(cost::kOwnerAz, flows.owner_az(index)),
                                 std::pair(cost::kPeerService, flows.peer_service(index))}) {
    const std::uint32_t name = names_.limited(text(at));
    has_names &= name != Names::kOver;
    facts[fact] = name == Names::kOver ? 0 : name;
  }

  series.key = find_key(facts);
  const bool has_room = has_names && keys_.size() < limits_.keys_max;
  if (has_names && series.key != parsers::IndexTable::kNone) return series;
  series.key = has_room ? key_of(facts) : key_of_others(facts);
  series.interface_is_other |= !has_room;
  series.owner_is_other |= !has_room;
  return series;
}

std::uint32_t UsageTable::find_key(const cost::FlowFacts& facts) const {
  return key_table_.find(cost::FlowFactsHash{}(facts),
                         [&](std::uint32_t key) { return keys_[key] == facts; });
}

std::uint32_t UsageTable::key_of(const cost::FlowFacts& facts) {
  const std::uint32_t found = find_key(facts);
  if (found != parsers::IndexTable::kNone) return found;
  const auto key = static_cast<std::uint32_t>(keys_.size());
  keys_.push_back(facts);
  key_table_.insert(cost::FlowFactsHash{}(facts), key);
  return key;
}

/// What is left says where the bytes go, as path classes and charges need it: few combinations, but
/// for those of peers that the inventory knows.
std::uint32_t UsageTable::key_of_others(cost::FlowFacts facts) {
  constexpr std::uint32_t kTrafficPathMax = 8;
  facts[cost::kInterface] = other_interface_;
  facts[cost::kOwner] = other_owner_;
  if (facts[cost::kRole] == proto::ROLE_NAT) facts[cost::kPeerOwner] = other_owner_;
  facts[cost::kInterfaceAz] = facts[cost::kOwnerAz] = 0;
  if (facts[cost::kTrafficPath] > kTrafficPathMax) facts[cost::kTrafficPath] = 0;
  return key_of(facts);
}

/// Beyond the limit it is one of others, in an hour that stands for all.
HourlyFlows::Row& UsageTable::row_of(Series& series, std::uint32_t hour, std::uint8_t lacks) {
  const auto word_of = [lacks](std::uint32_t key, std::uint32_t at) {
    return aggregator::WordTable<1>::Key{std::uint64_t{lacks} << 62 | std::uint64_t{key} << 32 |
                                         at};
  };
  std::uint32_t found = row_table_.find(word_of(series.key, hour));
  if (found != aggregator::WordTable<1>::kNone) return rows_[found];
  if (rows_.size() >= limits_.rows_max) {
    series.key = key_of_others(keys_[series.key]);
    series.interface_is_other = series.owner_is_other = true;
    hour = 0;
    found = row_table_.find(word_of(series.key, hour));
    if (found != aggregator::WordTable<1>::kNone) return rows_[found];
  }
  row_table_.insert(word_of(series.key, hour), static_cast<std::uint32_t>(rows_.size()));
  return rows_.emplace_back(HourlyFlows::Row{.key = series.key, .hour = hour, .lacks = lacks});
}

cost::FlowView UsageTable::view_of(const cost::FlowFacts& facts) const {
  cost::FlowView view;
  view.environment = inventory_.text(facts[cost::kEnvironment]);
  view.status = static_cast<proto::FlowStatus>(facts[cost::kStatus]);
  view.action = static_cast<proto::FlowAction>(facts[cost::kAction]);
  view.direction = static_cast<proto::FlowDirection>(facts[cost::kDirection]);
  view.path_class = static_cast<proto::PathClass>(facts[cost::kPathClass]);
  view.nat_leg = static_cast<proto::NatLeg>(facts[cost::kNatLeg]);
  view.role = static_cast<proto::InterfaceRole>(facts[cost::kRole]);
  view.peer_role = static_cast<proto::InterfaceRole>(facts[cost::kPeerRole]);
  view.interface = interfaces_.text(facts[cost::kInterface]);
  view.interface_az = names_.text(facts[cost::kInterfaceAz]);
  view.owner = owners_.text(facts[cost::kOwner]);
  view.owner_az = names_.text(facts[cost::kOwnerAz]);
  view.peer_owner = owners_.text(facts[cost::kPeerOwner]);
  view.peer_az = inventory_.text(facts[cost::kPeerAz]);
  view.peer_service = names_.text(facts[cost::kPeerService]);
  view.peer_region = inventory_.text(facts[cost::kPeerRegion]);
  view.peer_interface = inventory_.text(facts[cost::kPeerInterface]);
  view.traffic_path = facts[cost::kTrafficPath];
  return view;
}

HourlyFlows UsageTable::take() {
  HourlyFlows out;
  out.keys.reserve(keys_.size());
  for (const cost::FlowFacts& facts : keys_) out.keys.push_back(view_of(facts));
  out.rows = std::move(rows_);
  rows_.clear();
  row_table_ = {};
  std::ranges::sort(out.rows, {}, &HourlyFlows::Row::hour);
  return out;
}

using parsers::FlowColumns;
using parsers::FlowField;

/// Records between two folds of the aggregator, whose keys are a minute wide where ours are an
/// hour: few enough that they stay small in memory.
constexpr std::uint64_t kRecordsAFold = 1u << 17;

/// Presence of a field, 64 records a word; none when the layout lacks it.
class Told {
 public:
  Told(const FlowColumns& flows, FlowField field) {
    if (!flows.numbers(field).empty()) bits_ = flows.presence[static_cast<std::size_t>(field)];
  }
  [[nodiscard]] std::uint64_t word(std::uint32_t index) const noexcept {
    return index < bits_.size() ? bits_[index] : 0;
  }
  [[nodiscard]] bool has(std::uint32_t record) const noexcept {
    return ((word(record / 64) >> (record % 64)) & 1) != 0;
  }

 private:
  std::span<const std::uint64_t> bits_;
};

/// Besides kWithoutPackets and kWithoutBytes: what is without start has no part of its own.
constexpr std::size_t kWithoutStart = 4;

/// Every record whose log-status is OK tells its bytes, its packets and its start.
bool tells_all(const FlowColumns& flows, const Told& bytes, const Told& packets,
               const Told& start) noexcept {
  for (std::uint32_t first = 0; first < flows.size; first += 64) {
    const std::uint64_t all = ~std::uint64_t{0} >> (64 - std::min(flows.size - first, 64u));
    const std::uint32_t word = first / 64;
    for (std::uint64_t rest = all & ~(bytes.word(word) & packets.word(word) & start.word(word));
         rest != 0; rest &= rest - 1) {
      const auto record = first + static_cast<std::uint32_t>(std::countr_zero(rest));
      if (flows.status[record] == parsers::LogStatus::kOk) return false;
    }
  }
  return true;
}

template <typename T>
void copy_chosen(const std::vector<T>& from, const std::vector<std::uint32_t>& chosen,
                 std::vector<T>& to) {
  to.clear();
  for (const std::uint32_t record : chosen) to.push_back(from[record]);
}

/// The chosen records of a batch as a batch of their own; views stay those of `flows`.
void copy_records(const FlowColumns& flows, const std::vector<std::uint32_t>& chosen,
                  FlowColumns& to) {
  to.fields = flows.fields;
  to.size = static_cast<std::uint32_t>(chosen.size());
  copy_chosen(flows.status, chosen, to.status);
  copy_chosen(flows.action, chosen, to.action);
  copy_chosen(flows.direction, chosen, to.direction);
  copy_chosen(flows.line_bytes, chosen, to.line_bytes);
  for (std::size_t i = 0; i < parsers::kFlowFieldCount; ++i) {
    const auto field = static_cast<FlowField>(i);
    if (!flows.fields.has(field)) continue;
    to.presence[i].assign((chosen.size() + 63) / 64, 0);
    for (std::size_t at = 0; at < chosen.size(); ++at) {
      if (flows.present(field, chosen[at])) to.presence[i][at / 64] |= std::uint64_t{1} << at % 64;
    }
    if (!flows.numbers(field).empty())
      copy_chosen(flows.number_columns[i], chosen, to.number_columns[i]);
    if (!flows.texts(field).empty()) copy_chosen(flows.text_columns[i], chosen, to.text_columns[i]);
    if (!flows.addresses(field).empty())
      copy_chosen(flows.address_columns[i], chosen, to.address_columns[i]);
  }
}

/// When records without start are placed: where the inventory's newest entries hold.
constexpr std::uint64_t kNewestS = 4'102'444'800;  // 2100-01-01.

/// Says it of every record, so that the aggregator takes them.
void set_all(FlowColumns& flows, FlowField field, std::uint64_t value) {
  const auto column = static_cast<std::size_t>(field);
  flows.fields.add(field);
  flows.number_columns[column].assign(flows.size, value);
  flows.presence[column].assign((flows.size + 63) / 64, ~std::uint64_t{0});
}

}  // namespace

struct FlowUsageReader::State {
  State(std::shared_ptr<const aggregator::Inventory> given, const std::string& environment,
        const FlowUsageLimits& limits)
      : inventory(std::move(given)), usage(*inventory, limits) {
    options.environment = environment;
    options.source = "flows";
    options.remembered_max = 1u << 18;  // No more than the usage tells apart.
  }

  void add_to(std::size_t lacks, const FlowColumns& flows) {
    lacks %= parts.size();
    auto& part = parts[lacks];
    if (part == nullptr) part = std::make_unique<aggregator::PartialAggregator>(inventory, options);
    part->on_flows(flows);
    if (part->records() >= kRecordsAFold) fold(lacks);
  }
  void fold(std::size_t lacks) {
    for (const proto::AggregateBatch& batch : parts[lacks]->take())
      usage.add(batch, static_cast<std::uint8_t>(lacks));
  }

  std::shared_ptr<const aggregator::Inventory> inventory;
  aggregator::PartialAggregatorOptions options;
  UsageTable usage;
  /// By what the records lack.
  std::array<std::unique_ptr<aggregator::PartialAggregator>, kWithoutStart> parts;
  std::map<std::string, std::uint64_t> dropped;  ///< Of parts that are gone.
  std::array<std::vector<std::uint32_t>, 2 * kWithoutStart> chosen;
  FlowColumns copied;
};

FlowUsageReader::FlowUsageReader(std::shared_ptr<const aggregator::Inventory> inventory,
                                 const std::string& environment, const FlowUsageLimits& limits)
    : state_(std::make_unique<State>(std::move(inventory), environment, limits)) {}
FlowUsageReader::~FlowUsageReader() = default;

void FlowUsageReader::add(const FlowColumns& flows) {
  State& state = *state_;
  const Told bytes(flows, FlowField::kBytes), packets(flows, FlowField::kPackets);
  const Told start(flows, FlowField::kStart);
  if (tells_all(flows, bytes, packets, start)) {
    state.add_to(0, flows);
    return;
  }
  for (auto& chosen : state.chosen) chosen.clear();
  for (std::uint32_t i = 0; i < flows.size; ++i) {
    const bool ok = flows.status[i] == parsers::LogStatus::kOk;
    const std::size_t lacks = !ok ? 0
                                  : (packets.has(i) ? 0 : kWithoutPackets) |
                                        (bytes.has(i) ? 0 : kWithoutBytes) |
                                        (start.has(i) ? 0 : kWithoutStart);
    state.chosen[lacks].push_back(i);
  }
  for (std::size_t lacks = 0; lacks < state.chosen.size(); ++lacks) {
    if (state.chosen[lacks].empty()) continue;
    copy_records(flows, state.chosen[lacks], state.copied);
    if ((lacks & kWithoutBytes) != 0) set_all(state.copied, FlowField::kBytes, 0);
    if ((lacks & kWithoutStart) != 0) set_all(state.copied, FlowField::kStart, kNewestS);
    state.add_to(lacks, state.copied);
  }
}

HourlyFlows FlowUsageReader::finish() {
  State& state = *state_;
  for (std::size_t lacks = 0; lacks < state.parts.size(); ++lacks) {
    if (state.parts[lacks] == nullptr) continue;
    state.fold(lacks);
    for (const auto& [reason, count] : state.parts[lacks]->dropped())
      state.dropped[reason] += count;
    state.parts[lacks] = nullptr;  // What it remembers may be large, and charging needs room.
  }
  return state.usage.take();
}

FlowsOverLimit FlowUsageReader::over_limit() const noexcept { return state_->usage.over_limit(); }

std::map<std::string, std::uint64_t> FlowUsageReader::dropped() const { return state_->dropped; }

}  // namespace fleetmeter::app
