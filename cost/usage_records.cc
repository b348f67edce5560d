#include "cost/usage_records.h"

#include <string>

#include "proto/usage.pb.h"

namespace fleetmeter::cost {
namespace {

using aggregator::UsageRecord;
using proto::UsageKey;
using proto::UsageValue;

Error unreadable(const char* what) {
  return {ErrorCode::kDataLoss, std::string("a usage record ") + what};
}

/// Spells numbers out into string fields; a failure sticks.
class Speller {
 public:
  explicit Speller(TextNames& names) : names_(names) {}

  void put(TextId id, std::string* field) {
    if (failure_ || id == 0) return;
    auto text = names_.text_of(id);
    if (text) {
      field->assign(*text);
    } else {
      failure_ = std::move(text).error();
    }
  }
  [[nodiscard]] const FlowFacts& facts_of(FlowKeyId key) { return names_.facts_of(key); }
  [[nodiscard]] Result<void> finish() const {
    if (failure_) return *failure_;
    return {};
  }

 private:
  TextNames& names_;
  std::optional<Error> failure_;
};

/// The other way round.
class Numberer {
 public:
  explicit Numberer(TextIds& ids) : ids_(ids) {}

  TextId of(const std::string& text) {
    if (failure_) return 0;
    return take(ids_.id_of(text));
  }
  FlowKeyId of(const FlowFacts& facts) {
    if (failure_) return 0;
    return take(ids_.key_of(facts));
  }
  [[nodiscard]] Result<void> finish() const {
    if (failure_) return *failure_;
    return {};
  }

 private:
  template <typename Id>
  Id take(Result<Id> id) {
    if (id) return *id;
    failure_ = std::move(id).error();
    return 0;
  }

  TextIds& ids_;
  std::optional<Error> failure_;
};

void spell_flow(const FlowHour& row, Speller& spell, UsageKey::Flow& flow) {
  const FlowFacts& facts = spell.facts_of(row.key);
  flow.set_hour(row.hour);
  flow.set_status(static_cast<proto::FlowStatus>(facts[kStatus]));
  flow.set_action(static_cast<proto::FlowAction>(facts[kAction]));
  flow.set_direction(static_cast<proto::FlowDirection>(facts[kDirection]));
  flow.set_path_class(static_cast<proto::PathClass>(facts[kPathClass]));
  flow.set_nat_leg(static_cast<proto::NatLeg>(facts[kNatLeg]));
  flow.set_role(static_cast<proto::InterfaceRole>(facts[kRole]));
  flow.set_peer_role(static_cast<proto::InterfaceRole>(facts[kPeerRole]));
  flow.set_traffic_path(facts[kTrafficPath]);
  spell.put(facts[kEnvironment], flow.mutable_environment());
  spell.put(facts[kInterface], flow.mutable_interface());
  spell.put(facts[kInterfaceAz], flow.mutable_interface_az());
  spell.put(facts[kOwner], flow.mutable_owner());
  spell.put(facts[kOwnerAz], flow.mutable_owner_az());
  spell.put(facts[kPeerOwner], flow.mutable_peer_owner());
  spell.put(facts[kPeerAz], flow.mutable_peer_az());
  spell.put(facts[kPeerService], flow.mutable_peer_service());
  spell.put(facts[kPeerRegion], flow.mutable_peer_region());
  spell.put(facts[kPeerInterface], flow.mutable_peer_interface());
}

FlowHour flow_of(const UsageKey::Flow& flow, Numberer& number) {
  FlowFacts facts{};
  facts[kStatus] = static_cast<std::uint32_t>(flow.status());
  facts[kAction] = static_cast<std::uint32_t>(flow.action());
  facts[kDirection] = static_cast<std::uint32_t>(flow.direction());
  facts[kPathClass] = static_cast<std::uint32_t>(flow.path_class());
  facts[kNatLeg] = static_cast<std::uint32_t>(flow.nat_leg());
  facts[kRole] = static_cast<std::uint32_t>(flow.role());
  facts[kPeerRole] = static_cast<std::uint32_t>(flow.peer_role());
  facts[kTrafficPath] = flow.traffic_path();
  facts[kEnvironment] = number.of(flow.environment());
  facts[kInterface] = number.of(flow.interface());
  facts[kInterfaceAz] = number.of(flow.interface_az());
  facts[kOwner] = number.of(flow.owner());
  facts[kOwnerAz] = number.of(flow.owner_az());
  facts[kPeerOwner] = number.of(flow.peer_owner());
  facts[kPeerAz] = number.of(flow.peer_az());
  facts[kPeerService] = number.of(flow.peer_service());
  facts[kPeerRegion] = number.of(flow.peer_region());
  facts[kPeerInterface] = number.of(flow.peer_interface());
  return {flow.hour(), number.of(facts)};
}

/// Writes each row of the totals as a record.
class Writer {
 public:
  Writer(TextNames& names, std::size_t rows) : spell_(names) { records_.reserve(rows); }

  void flow(const FlowHour& row, const FlowSums& sums) {
    UsageKey key;
    spell_flow(row, spell_, *key.mutable_flow());
    UsageValue value;
    value.set_bytes(sums.bytes);
    value.set_packets(sums.packets);
    value.set_records(sums.records);
    add(key, &value);
  }
  void hour(const UsageFold::HourKey& row, std::uint64_t quantity) {
    const auto& [environment, hour, kind, resource] = row;
    UsageKey key;
    spell_.put(environment, key.mutable_hour()->mutable_environment());
    key.mutable_hour()->set_hour(hour);
    spell_.put(kind, key.mutable_hour()->mutable_kind());
    spell_.put(resource, key.mutable_hour()->mutable_resource());
    UsageValue value;
    value.set_quantity(quantity);
    add(key, &value);
  }
  void minutes(const UsageFold::MinuteKey& row, std::uint64_t mask) {
    const auto& [environment, instance, hour] = row;
    UsageKey key;
    spell_.put(environment, key.mutable_minutes()->mutable_environment());
    spell_.put(instance, key.mutable_minutes()->mutable_instance());
    key.mutable_minutes()->set_hour(hour);
    UsageValue value;
    value.set_minutes(mask);
    add(key, &value);
  }
  void period(const UsageFold::PeriodKey& row, const std::optional<PeriodRow>& now) {
    const auto& [environment, kind, resource, metric, start_s] = row;
    UsageKey key;
    spell_.put(environment, key.mutable_period()->mutable_environment());
    spell_.put(kind, key.mutable_period()->mutable_kind());
    spell_.put(resource, key.mutable_period()->mutable_resource());
    spell_.put(metric, key.mutable_period()->mutable_metric());
    key.mutable_period()->set_start_s(start_s);
    if (!now) return add(key, nullptr);
    UsageValue value;
    value.set_period_quantity(now->value.quantity);
    value.set_sample_count_e6(now->value.sample_count_e6);
    value.set_append_hour(now->append_hour);
    add(key, &value);
  }
  void covered(const UsageTotals& totals) {
    UsageKey key;
    key.mutable_covered();
    UsageValue value;
    value.set_log_position(totals.log_position);
    value.set_settled_hour(totals.settled_hour);
    add(key, &value);
  }
  Result<std::vector<UsageRecord>> finish() {
    if (auto spelled = spell_.finish(); !spelled) return std::move(spelled).error();
    return std::move(records_);
  }

 private:
  void add(const UsageKey& key, const UsageValue* value) {
    UsageRecord& record = records_.emplace_back();
    record.key = key.SerializeAsString();
    if (value != nullptr) record.value = value->SerializeAsString();
  }

  Speller spell_;
  std::vector<UsageRecord> records_;
};

}  // namespace

Result<std::vector<UsageRecord>> to_records(const UsageTotals& totals, TextNames& names) {
  Writer writer(names, totals.flows.size() + totals.hours.size() + totals.minutes.size() +
                           totals.periods.size() + 1);
  for (const auto& [key, sums] : totals.flows) writer.flow(key, sums);
  for (const auto& [key, quantity] : totals.hours) writer.hour(key, quantity);
  for (const auto& [key, mask] : totals.minutes) writer.minutes(key, mask);
  for (const auto& [key, row] : totals.periods) writer.period(key, row);
  writer.covered(totals);
  return writer.finish();
}

Result<bool> add_record(const UsageRecord& record, TextIds& ids, UsageTotals& totals) {
  UsageKey key;
  UsageValue value;
  if (!key.ParseFromString(record.key) || !value.ParseFromString(record.value))
    return unreadable("is damaged");
  if (record.value.empty() && !key.has_period()) return unreadable("lacks its value");
  Numberer number(ids);
  switch (key.table_case()) {
    case UsageKey::kFlow:
      totals.flows[flow_of(key.flow(), number)] = {value.bytes(), value.packets(), value.records()};
      break;
    case UsageKey::kHour:
      totals.hours[{number.of(key.hour().environment()), key.hour().hour(),
                    number.of(key.hour().kind()), number.of(key.hour().resource())}] =
          value.quantity();
      break;
    case UsageKey::kMinutes:
      totals.minutes[{number.of(key.minutes().environment()), number.of(key.minutes().instance()),
                      key.minutes().hour()}] = value.minutes();
      break;
    case UsageKey::kPeriod: {
      auto& row =
          totals.periods[{number.of(key.period().environment()), number.of(key.period().kind()),
                          number.of(key.period().resource()), number.of(key.period().metric()),
                          key.period().start_s()}];
      row.reset();
      if (!record.value.empty())
        row = PeriodRow{{value.sample_count_e6(), value.period_quantity()}, value.append_hour()};
      break;
    }
    case UsageKey::kCovered:
      totals.log_position = value.log_position();
      totals.settled_hour = value.settled_hour();
      break;
    case UsageKey::TABLE_NOT_SET:
      return unreadable("is of a table that this release does not know");
  }
  if (auto numbered = number.finish(); !numbered) return std::move(numbered).error();
  return key.has_covered();
}

}  // namespace fleetmeter::cost
