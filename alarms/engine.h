#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "aggregator/shard.h"
#include "alarms/rule.h"
#include "proto/event.pb.h"
#include "proto/log.pb.h"

namespace fleetmeter::alarms {

struct RuleSet {
  std::vector<AlarmRule> alarms;
  std::vector<ScalingRule> scaling;
};

/// What the page and the API show of one alarm.
struct AlarmView {
  std::string environment, rule, series, severity;
  AlarmState state = AlarmState::kInsufficientData;
  /// Its source is behind or was not heard: the state is the last known one.
  bool unknown = false;
  aggregator::GridTime since_s = 0, evaluated_s = 0;
  std::string reason;
};
struct GroupView {
  std::string environment, group, rule;
  std::int64_t minimum = 0, maximum = 0;
  std::int64_t desired = -1, in_service = -1;  ///< -1 = unknown.
  aggregator::GridTime last_action_s = 0, cooldown_until_s = 0;
  std::string last_reason;  ///< Why the last decision or non-decision.
};

/// Alarms and scaling of one shard: a pure function of the log, applied after the shard has applied
/// the same record. Each alarm evaluates each grid minute (10 s if a period is under 60) exactly
/// once, in order, as soon as the slots up to it are due; a group arbitrates once per grid minute,
/// when all its metrics have evaluated it (docs/time.md 5). A quiet series costs nothing while
/// nothing about it changes. Not thread safe: owned by the shard's thread.
class Engine {
 public:
  /// Rules that do not name this environment are left out.
  Engine(std::string environment, std::shared_ptr<const RuleSet> rules);
  ~Engine();
  Engine(Engine&&) noexcept;

  /// A new configuration holds from its record on: alarms whose rule is unchanged keep their state.
  void set_rules(std::shared_ptr<const RuleSet> rules, aggregator::Shard& shard);

  /// `changes`: what shard.apply(record) reported. Events are appended to `events` in evaluation
  /// order.
  void apply(const proto::LogRecord& record, const std::vector<aggregator::Change>& changes,
             aggregator::Shard& shard, std::vector<proto::Event>& events);

  [[nodiscard]] std::vector<AlarmView> alarms(const aggregator::Shard& shard) const;
  [[nodiscard]] std::vector<GroupView> groups(const aggregator::Shard& shard) const;
  [[nodiscard]] std::uint64_t evaluations_total() const noexcept;
  /// Alarms that are kept in memory: those that wait for data of series that are gone are not.
  [[nodiscard]] std::size_t alarms_held() const noexcept;

  void save(std::string& out) const;
  [[nodiscard]] bool load(std::string_view& in, aggregator::Shard& shard);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// hex of the first 16 bytes of SHA-256 over (environment, type, rule, series, grid time, ordinal
/// within these).
[[nodiscard]] std::string event_id(std::string_view environment, std::string_view type,
                                   std::string_view rule, std::string_view series,
                                   aggregator::GridTime time_s, std::uint32_t ordinal);

/// One line of the event log: id, time (RFC 3339), type, environment, rule, series, from, to,
/// reason, then details; keys in this order, snake_case (docs/json.md).
[[nodiscard]] std::string event_json(const proto::Event& event);

}  // namespace fleetmeter::alarms
