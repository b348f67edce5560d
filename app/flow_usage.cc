#include "app/flow_usage.h"

#include <algorithm>
#include <array>
#include <bit>
#include <deque>
#include <string>
#include <unordered_map>

#include "aggregator/partial_aggregator.h"
#include "cost/usage_fold.h"
#include "proto/check.h"

namespace fleetmeter::app {

namespace {

/// Numbers for strings in memory; never fails.
class Texts final : public cost::TextIds {
 public:
  Texts() { (void)add({}); }
  Result<cost::TextId> id_of(std::string_view text) override {
    const auto found = ids_.find(text);
    return found != ids_.end() ? found->second : add(text);
  }
  [[nodiscard]] const std::string& text(cost::TextId id) const { return texts_[id]; }

 private:
  cost::TextId add(std::string_view text) {
    const auto id = static_cast<cost::TextId>(texts_.size());
    ids_.emplace(texts_.emplace_back(text), id);
    return id;
  }
  std::deque<std::string> texts_;  // A deque keeps its elements in place: ids_ views them.
  std::unordered_map<std::string_view, cost::TextId> ids_;
};

cost::FlowUsage usage_of(const cost::FlowHour& key, const cost::FlowSums& sums,
                         const Texts& texts) {
  const auto fact = [&key](cost::FlowFact which) { return key.facts[which]; };
  const auto text = [&](cost::FlowFact which) { return texts.text(fact(which)); };
  cost::FlowUsage usage;
  usage.environment = text(cost::kEnvironment);
  usage.hour = key.hour;
  usage.status = static_cast<proto::FlowStatus>(fact(cost::kStatus));
  usage.action = static_cast<proto::FlowAction>(fact(cost::kAction));
  usage.direction = static_cast<proto::FlowDirection>(fact(cost::kDirection));
  usage.path_class = static_cast<proto::PathClass>(fact(cost::kPathClass));
  usage.nat_leg = static_cast<proto::NatLeg>(fact(cost::kNatLeg));
  usage.role = static_cast<proto::InterfaceRole>(fact(cost::kRole));
  usage.peer_role = static_cast<proto::InterfaceRole>(fact(cost::kPeerRole));
  usage.interface = text(cost::kInterface);
  usage.interface_az = text(cost::kInterfaceAz);
  usage.owner = text(cost::kOwner);
  usage.owner_az = text(cost::kOwnerAz);
  usage.peer_owner = text(cost::kPeerOwner);
  usage.peer_az = text(cost::kPeerAz);
  usage.peer_service = text(cost::kPeerService);
  usage.peer_region = text(cost::kPeerRegion);
  usage.peer_interface = text(cost::kPeerInterface);
  usage.traffic_path = fact(cost::kTrafficPath);
  usage.bytes = sums.bytes;
  usage.packets = sums.packets;
  usage.records = sums.records;
  return usage;
}

}  // namespace

struct FlowUsageTable::State {
  Texts texts;
  cost::UsageFold fold{texts};
};

FlowUsageTable::FlowUsageTable() : state_(std::make_unique<State>()) {}
FlowUsageTable::~FlowUsageTable() = default;

void FlowUsageTable::add(const proto::AggregateBatch& batch) {
  const auto added = state_->fold.add(batch);
  FM_CHECK(added.has_value());  // Fails on torn batches only, and this one never left the process.
}

std::vector<cost::FlowUsage> FlowUsageTable::rows() const {
  std::vector<cost::FlowUsage> rows;
  rows.reserve(state_->fold.flows.size());
  for (const auto& [key, sums] : state_->fold.flows)
    rows.push_back(usage_of(key, sums, state_->texts));
  std::sort(rows.begin(), rows.end(), [](const auto& a, const auto& b) { return a.hour < b.hour; });
  return rows;
}

namespace {

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

/// Besides the bits of FlowParts: what is without start has no part of its own.
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
  struct Part {
    explicit Part(const State& state) : aggregator(state.inventory, state.options) {}
    void fold() {
      for (const proto::AggregateBatch& batch : aggregator.take()) usage.add(batch);
    }
    aggregator::PartialAggregator aggregator;
    FlowUsageTable usage;
  };

  void add_to(std::size_t lacks, const FlowColumns& flows) {
    auto& part = parts[lacks % parts.size()];
    if (part == nullptr) part = std::make_unique<Part>(*this);
    part->aggregator.on_flows(flows);
    if (part->aggregator.records() >= kRecordsAFold) part->fold();
  }

  std::shared_ptr<const aggregator::Inventory> inventory;
  aggregator::PartialAggregatorOptions options;
  std::array<std::unique_ptr<Part>, std::tuple_size_v<FlowParts>> parts;
  std::array<std::vector<std::uint32_t>, 2 * kWithoutStart> chosen;
  FlowColumns copied;
};

FlowUsageReader::FlowUsageReader(std::shared_ptr<const aggregator::Inventory> inventory,
                                 const std::string& environment)
    : state_(std::make_unique<State>()) {
  state_->inventory = std::move(inventory);
  state_->options.environment = environment;
  state_->options.source = "flows";
}
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

FlowParts FlowUsageReader::rows() {
  FlowParts rows;
  for (std::size_t lacks = 0; lacks < rows.size(); ++lacks) {
    State::Part* part = state_->parts[lacks].get();
    if (part == nullptr) continue;
    part->fold();
    rows[lacks] = part->usage.rows();
  }
  return rows;
}

std::map<std::string, std::uint64_t> FlowUsageReader::dropped() const {
  std::map<std::string, std::uint64_t> dropped;
  for (const auto& part : state_->parts) {
    if (part == nullptr) continue;
    for (const auto& [reason, count] : part->aggregator.dropped()) dropped[reason] += count;
  }
  return dropped;
}

}  // namespace fleetmeter::app
