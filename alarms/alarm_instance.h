#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "alarms/evaluate.h"
#include "alarms/fold.h"
#include "alarms/reason.h"
#include "alarms/rule.h"
#include "proto/event.pb.h"

namespace fleetmeter::alarms {

/// Everything that is the same for all alarms of one rule.
struct AlarmPlan {
  AlarmRule rule;
  FoldSpec fold;
  EvaluationRule evaluation;
  std::uint32_t range_slots = 3;
  std::uint32_t step_s = 60;  ///< Grid of evaluation: 10 s, 60 s or an hour.
  /// Without data: max(3 h, the range) of a `for_each`, 0 = never of any other.
  std::uint32_t retire_after_s = 0;
  std::uint64_t fingerprint = 0;  ///< Of what decides: equal rules have equal ones.
};
[[nodiscard]] AlarmPlan plan_of(const AlarmRule& rule);
/// "InstanceId=i-0", or namespace, name and dimensions of a rule without `for_each`.
[[nodiscard]] std::string series_name(const AlarmRule& rule, const std::string& key);

/// What was asked of an alarm from outside, waiting for its next grid minute.
struct AlarmCommand {
  enum class Kind : std::uint8_t { kSilence, kUnsilence, kSetState };
  Kind kind = Kind::kSilence;
  aggregator::GridTime time_s = 0;   ///< Takes effect at the first grid minute after it.
  aggregator::GridTime until_s = 0;  ///< kSilence: end, 0 = until unsilenced.
  AlarmState state = AlarmState::kOk;
};

/// Where events of one record go and what the alarms of a shard share.
struct EventSink {
  std::vector<proto::Event>& events;
  std::string_view environment;
  std::uint64_t evaluations = 0;
  std::vector<SeenValue> range;  ///< Scratch: the range looked at, oldest first.
  std::vector<RangeSlot> kinds;  ///< Scratch: the same as the rule sees it.
};

/// One alarm: a rule over one series, or over the series folded for one value of its `for_each`. It
/// waits until its first datapoint, evaluates every grid minute once and in order, and waits again
/// after it has retired. A single alarm that says what missing data is worth waits for none before
/// that (FoldSpec::unseen_delay_s).
class AlarmInstance {
 public:
  AlarmInstance(const AlarmPlan& plan, std::string key);

  [[nodiscard]] MetricFold& fold() noexcept { return fold_; }
  [[nodiscard]] const MetricFold& fold() const noexcept { return fold_; }
  [[nodiscard]] const std::string& key() const noexcept { return key_; }
  [[nodiscard]] const std::string& series() const noexcept { return series_; }
  [[nodiscard]] const AlarmPlan& plan() const noexcept { return *plan_; }

  /// Evaluates what has fallen due; returns the tick at which to come back if no data comes before
  /// (kNever = only data).
  aggregator::GridTime advance(const EvaluationContext& context, EventSink& sink);
  /// Evaluates nothing before `at_s`: the rule did not exist then.
  void start_after(aggregator::GridTime at_s) noexcept;
  /// The same of one that was spent: only data begins it, whatever its rule says of missing data.
  void come_back_after(aggregator::GridTime at_s);
  void command(const AlarmCommand& command);
  /// Its rule was replaced at `at_s` by another of the same name: the state stays, the next grid
  /// minute is the first that the new rule decides. Call after load().
  /// Rule: Amazon CloudWatch API Reference, PutMetricAlarm.
  void renew(aggregator::GridTime at_s) noexcept;

  /// The change that a catch-up has led to so far: in nobody's hands until the source has been read
  /// up to now, for another may follow (docs/time.md 7). Null = none.
  [[nodiscard]] const proto::Event* held() const noexcept {
    return held_ ? &held_->event : nullptr;
  }
  /// True when the held change is to be told: call advance().
  [[nodiscard]] bool must_tell(const EvaluationContext& context) const;

  [[nodiscard]] AlarmState state() const noexcept { return state_; }
  [[nodiscard]] bool waiting() const noexcept { return begin_s_ == aggregator::kNever; }
  [[nodiscard]] bool retired() const noexcept { return waiting() && !reason_.empty(); }
  /// True when only data that is not there yet can begin it (again): it may be forgotten, if the one
  /// that is made then starts after evaluated_s().
  [[nodiscard]] bool spent(const EvaluationContext& context) const;
  [[nodiscard]] bool dormant() const noexcept { return dormant_; }
  [[nodiscard]] bool unknown() const noexcept { return unknown_; }
  [[nodiscard]] aggregator::GridTime since_s() const noexcept { return since_s_; }
  [[nodiscard]] aggregator::GridTime evaluated_s() const noexcept { return evaluated_s_; }
  [[nodiscard]] const std::string& reason() const noexcept { return reason_; }

  void save(std::string& out) const;
  /// Call when it is bound to its series.
  [[nodiscard]] bool load(std::string_view& in, const EvaluationContext& context);

 private:
  enum class Outcome : std::uint8_t {
    kGoOn,
    kQuiet,    ///< Nothing can change before resume_by_s_.
    kDormant,  ///< The same, and nothing that is there already ends it.
  };

  [[nodiscard]] bool settle(const EvaluationContext& context, aggregator::GridTime& wake_s);
  [[nodiscard]] bool settle_unseen(aggregator::GridTime first_end, const EvaluationContext& context,
                                   aggregator::GridTime& wake_s);
  [[nodiscard]] bool due(aggregator::GridTime at_s, const EvaluationContext& context,
                         aggregator::GridTime& wake_s);
  void wake_up(const EvaluationContext& context);
  [[nodiscard]] bool wait_for_data(const EvaluationContext& context, aggregator::GridTime& wake_s);
  [[nodiscard]] bool pass_over(aggregator::GridTime until_s, const EvaluationContext& context,
                               aggregator::GridTime& wake_s);
  void pass_over_cycles(const EvaluationContext& context);
  void look_back(aggregator::GridTime from_s, const EvaluationContext& context);
  [[nodiscard]] Outcome quiet_after(aggregator::GridTime at_s, const EvaluationContext& context,
                                    const EventSink& sink);
  [[nodiscard]] bool waiting_for_data(const EvaluationContext& context) const;
  [[nodiscard]] aggregator::GridTime range_start(aggregator::GridTime at_s) const;
  [[nodiscard]] bool begin(aggregator::GridTime at_s, const EvaluationContext& context);
  [[nodiscard]] aggregator::GridTime oldest_data(aggregator::GridTime at_s,
                                                 const EvaluationContext& context);
  Outcome evaluate_at(aggregator::GridTime at_s, const EvaluationContext& context, EventSink& sink);
  void look(aggregator::GridTime at_s, const EvaluationContext& context, EventSink& sink);
  void run_commands(aggregator::GridTime at_s, const EvaluationContext& context, EventSink& sink);
  void change_state(AlarmState to, std::string reason, bool commanded, aggregator::GridTime at_s,
                    const EvaluationContext& context, EventSink& sink);
  void retire(aggregator::GridTime at_s, const char* why, const EvaluationContext& context,
              EventSink& sink);
  [[nodiscard]] proto::Event make_event(std::string_view type, aggregator::GridTime at_s,
                                        const EvaluationContext& context, EventSink& sink);
  void describe(proto::AlarmDetail& detail, const EvaluationContext& context,
                const EventSink& sink) const;
  void tell(std::size_t first_event, const EvaluationContext& context, EventSink& sink);
  [[nodiscard]] bool passed_over(proto::Event& change, const EvaluationContext& context);
  [[nodiscard]] bool catching_up(const EvaluationContext& context) const;
  [[nodiscard]] bool silenced(aggregator::GridTime at_s) const noexcept;

  struct Held {
    proto::Event event;
    aggregator::GridTime since_s = 0;  ///< Append time when the first change was held.
    bool net = false;                  ///< It stands for several changes.
  };

  const AlarmPlan* plan_;
  std::string key_;
  std::string series_;
  MetricFold fold_;
  AlarmState state_ = AlarmState::kInsufficientData;
  AlarmState told_ = AlarmState::kOk;  ///< What receivers believe: the state last sent.
  bool decided_ = false;               ///< Has left INSUFFICIENT_DATA at least once.
  bool unknown_ = false;
  bool renewed_ = false;  ///< Its rule is new: what of its range exists is yet to be seen.
  /// Nothing but data, a command or retirement can change anything; of bounded input, nothing
  /// before `resume_by_s_`, though there is later data.
  bool dormant_ = false;
  /// End of the first slot that exists; kNever = waiting, kBeforeAll = no datapoint has ever come.
  aggregator::GridTime begin_s_ = aggregator::kNever;
  aggregator::GridTime evaluated_s_ = aggregator::kBeforeAll;
  aggregator::GridTime since_s_ = 0;
  aggregator::GridTime quiet_since_s_ =
      0;  ///< Last grid minute with data, or when it was not known whether there is.
  aggregator::GridTime silent_from_s_ = aggregator::kNever, silent_to_s_ = aggregator::kNever;
  aggregator::GridTime last_event_s_ = aggregator::kBeforeAll;
  aggregator::GridTime resume_by_s_ =
      aggregator::kNever;      ///< Grid minute that dormancy must not skip.
  std::uint32_t ordinal_ = 0;  ///< Of the next event at last_event_s_.
  std::string reason_;
  std::vector<AlarmCommand> commands_;
  std::optional<Held> held_;
};

}  // namespace fleetmeter::alarms
