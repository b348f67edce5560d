#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aggregator/state_codec.h"
#include "alarms/alarm_instance.h"
#include "alarms/evaluate.h"
#include "alarms/fold.h"
#include "alarms/rule.h"
#include "alarms/scaling.h"
#include "proto/event.pb.h"
#include "proto/log.pb.h"

namespace fleetmeter::alarms {

/// One group under one scaling rule: its metrics folded over its machines, one alarm per policy,
/// and one decision per grid minute once all its metrics have fallen due there. Unknown or missing
/// data never scales, and any invalid metric forbids scale-in. Rules: Amazon EC2 Auto Scaling User
/// Guide, "Step and simple scaling policies"; docs/alarms.md, "Scaling".
class ScalingGroup {
 public:
  explicit ScalingGroup(const ScalingRule& rule);

  /// What the rule reads, for binding: the group's metrics, then its capacity metrics.
  struct Input {
    std::string metric_namespace, name;
  };
  [[nodiscard]] std::vector<Input> inputs() const;
  /// Takes a series whose namespace and name are those of input `index`; false when it is never
  /// of this group.
  bool add(std::size_t index, aggregator::SeriesId id, const EvaluationContext& context,
           aggregator::SeriesTable& table);
  void datapoint_changed(aggregator::SeriesId id, aggregator::GridTime start_s,
                         const EvaluationContext& context) noexcept;

  /// A fact takes effect at the first grid minute at or after its time; what became of an action at
  /// the next one that is evaluated, for it says of a past decision that it never happened.
  void observe(const proto::Observation& observation);
  /// As AlarmInstance::advance.
  aggregator::GridTime advance(const EvaluationContext& context, EventSink& sink);
  /// Evaluates nothing before `at_s`: the rule did not exist then.
  void start_after(aggregator::GridTime at_s) noexcept;

  [[nodiscard]] const ScalingRule& rule() const noexcept { return *rule_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] std::uint64_t fingerprint() const noexcept { return fingerprint_; }
  [[nodiscard]] std::optional<std::int64_t> capacity(const aggregator::Inventory* inventory) const;
  [[nodiscard]] std::optional<std::int64_t> in_service() const noexcept { return in_service_; }
  [[nodiscard]] CapacityLimits limits(const aggregator::Inventory* inventory) const;
  [[nodiscard]] aggregator::GridTime last_action_s() const noexcept { return last_action_s_; }
  [[nodiscard]] aggregator::GridTime cooldown_until_s() const noexcept { return cooldown_until_s_; }
  [[nodiscard]] const std::string& last_reason() const noexcept { return last_reason_; }

  void save(std::string& out) const;
  /// Also from the state that a group of the same name had under other policies: capacity, cooldown
  /// and what warms are kept.
  [[nodiscard]] bool load(std::string_view& in, const EvaluationContext& context);

 private:
  enum class InputKind : std::uint8_t { kMetric, kDesired, kInService };
  struct Metric {
    InputKind kind = InputKind::kMetric;
    std::string key;  ///< Of ScalingRule::metrics.
    MetricSelector selector;
    FoldSpec spec;
    MetricFold fold;
  };
  struct Policy {
    const SimplePolicy* simple = nullptr;
    const StepPolicy* step = nullptr;
    std::size_t metric = 0;
    std::string text;  ///< "cpu > 70.0"
    AlarmState state = AlarmState::kInsufficientData;
    bool valid = false;    ///< Its newest slot holds data.
    bool unknown = false;  ///< A slot that it decides on is unknown.
    double value = 0;      ///< Newest.
  };
  struct Warming {
    aggregator::GridTime until_s = 0;
    std::int64_t units = 0;
    aggregator::GridTime decided_s = 0;  ///< Its decision: one that failed added nothing.
  };
  /// A decision of ours that nothing has confirmed yet.
  struct OwnDecision {
    std::int64_t capacity = 0, before = 0;
    aggregator::GridTime time_s = 0;
    std::string event_id;
    std::vector<std::string> receivers;  ///< Of the action, as far as none says that it failed.
  };

  std::size_t metric_of(const std::string& key, std::uint32_t young_s);
  void add_capacity_metrics();
  [[nodiscard]] bool selects(const Metric& metric, const aggregator::SeriesKey& key,
                             aggregator::SeriesId id, const EvaluationContext& context) const;
  [[nodiscard]] bool settle(const EvaluationContext& context, aggregator::GridTime& wake_s);
  [[nodiscard]] bool due(aggregator::GridTime at_s, const EvaluationContext& context,
                         aggregator::GridTime& wake_s);
  void fit(Metric& metric, const EvaluationContext& context);
  void pass_over(const EvaluationContext& context);
  [[nodiscard]] aggregator::GridTime due_until(const EvaluationContext& context) const;
  [[nodiscard]] aggregator::GridTime same_until(const EvaluationContext& context);
  void evaluate_at(aggregator::GridTime at_s, const EvaluationContext& context, EventSink& sink);
  void learn_capacity(aggregator::GridTime at_s, const EvaluationContext& context);
  void hear_result(const proto::Observation& observation);
  void hear_facts(const proto::Observation& observation);
  void take_back(std::size_t decision);
  void forget_warming(const OwnDecision& decision);
  [[nodiscard]] std::size_t founded() const noexcept;
  [[nodiscard]] std::size_t settled_by(std::int64_t count, aggregator::GridTime start_s) const;
  void believe(std::int64_t count, aggregator::GridTime at_s, std::size_t settled);
  void settle_unfounded(aggregator::GridTime at_s, const EvaluationContext& context);
  void read_capacity(Metric& metric, aggregator::GridTime at_s, const EvaluationContext& context);
  void evaluate_policy(Policy& policy, aggregator::GridTime at_s, const EvaluationContext& context,
                       EventSink& sink);
  [[nodiscard]] std::optional<Wish> wish_of(const Policy& policy, std::int64_t current,
                                            std::int64_t warming) const;
  [[nodiscard]] std::int64_t warming_units(aggregator::GridTime at_s);
  void arbitrate_at(aggregator::GridTime at_s, std::int64_t current,
                    const EvaluationContext& context, EventSink& sink);
  void decide(aggregator::GridTime at_s, std::int64_t current, const Decision& decision,
              CapacityLimits limits, const EvaluationContext& context, EventSink& sink);
  void report_limit(aggregator::GridTime at_s, std::int64_t current, const Wish& wish,
                    CapacityLimits limits, EventSink& sink);
  [[nodiscard]] proto::Event make_event(std::string_view type, aggregator::GridTime at_s,
                                        std::int64_t current, std::int64_t desired,
                                        const Wish& wish, CapacityLimits limits,
                                        const EventSink& sink) const;
  [[nodiscard]] std::string standstill_reason(bool cooling, bool warming, bool has_wish) const;
  [[nodiscard]] bool load_policies(aggregator::StateReader& reader, std::string_view& in, bool same,
                                   const EvaluationContext& context);
  [[nodiscard]] aggregator::GridTime expiry_s(aggregator::GridTime decided_s,
                                              const EvaluationContext& context) const;

  const ScalingRule* rule_;
  std::string name_;
  std::uint64_t fingerprint_ = 0;
  std::deque<Metric>
      metrics_;  ///< Stable addresses; one per metric and age limit, then capacity metrics.
  std::vector<Policy> policies_;

  std::optional<std::int64_t> known_;  ///< Desired capacity, from facts.
  aggregator::GridTime known_s_ = aggregator::kBeforeAll;
  std::optional<std::int64_t> shown_;  ///< What the metric says in the minute being decided.
  std::optional<std::int64_t> in_service_;
  /// Oldest first, bounded; each on top of the one before, but where that was taken back (founded).
  std::vector<OwnDecision> own_;
  aggregator::GridTime evaluated_s_ = aggregator::kBeforeAll;
  aggregator::GridTime last_action_s_ = 0;
  aggregator::GridTime cooldown_until_s_ = 0;
  aggregator::GridTime scale_in_held_s_ =
      aggregator::kBeforeAll;  ///< ECS: until then the last scale-in holds back the next.
  bool limited_ = false;       ///< In an episode in which the maximum cuts wishes.
  std::vector<Warming> warming_;
  std::vector<proto::Observation> pending_;
  std::string last_reason_ = "no data yet";
};

}  // namespace fleetmeter::alarms
