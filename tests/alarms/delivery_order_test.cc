#include "alarms/delivery_order.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <set>

#include "alarms/delivery.h"
#include "alarms/delivery_attempt.h"

namespace fleetmeter::alarms {
namespace {

using aggregator::DeliveryState;
using aggregator::OutboxEntry;

constexpr std::int64_t kStartMs = 1'734'696'000'000;
constexpr std::int64_t kMinuteMs = 60'000;
constexpr std::int64_t kHourMs = 60 * kMinuteMs;

proto::Event event_of(const std::string& series, const std::string& to = "ALARM",
                      const std::string& rule = "cpu-high") {
  proto::Event event;
  event.set_id(series + "-" + to);
  event.set_time_s(kStartMs / 1000);
  event.set_type("alarm.state_changed");
  event.set_environment("prod");
  event.set_rule(rule);
  event.set_series(series);
  event.set_from(to == "ALARM" ? "OK" : "ALARM");
  event.set_to(to);
  event.set_reason(R"(a ,"environment":"x","from":" {"type":"mrkdwn","text":"*Rule*\n )" + to);
  event.set_severity("warning");
  event.mutable_alarm()->add_dimension_names("InstanceId");
  event.mutable_alarm()->add_dimension_values(series);
  return event;
}

OutboxEntry entry_of(const proto::Event& event, Receiver::Kind kind = Receiver::Kind::kWebhook) {
  Receiver receiver;
  receiver.kind = kind;
  OutboxEntry entry;
  entry.event_id = event.id();
  entry.receiver = "ops";
  entry.body = render_payload(receiver, event).body;
  entry.event_time_s = event.time_s();
  return entry;
}

TEST(DeliveryOrder, IsOfOneSeriesOfOneRuleForEveryKindOfReceiver) {
  for (const auto kind : {Receiver::Kind::kWebhook, Receiver::Kind::kSlack,
                          Receiver::Kind::kPagerDuty, Receiver::Kind::kAlertmanager}) {
    SCOPED_TRACE(static_cast<int>(kind));
    const std::string order = order_of(entry_of(event_of("i-0"), kind));
    EXPECT_GT(order.size(), 8U);
    EXPECT_EQ(order, order_of(entry_of(event_of("i-0", "OK"), kind)));
    EXPECT_NE(order, order_of(entry_of(event_of("i-1"), kind)));
    EXPECT_NE(order, order_of(entry_of(event_of("i-0", "ALARM", "disk-full"), kind)));
    proto::Event elsewhere = event_of("i-0");
    elsewhere.set_environment("test");
    EXPECT_NE(order, order_of(entry_of(elsewhere, kind)));
  }
}

TEST(DeliveryOrder, OfADecisionAndOfItsLimitIsThatOfTheGroup) {
  proto::Event decided = event_of("web", "3", "web");
  decided.set_type("scaling.decided");
  decided.mutable_scaling()->set_group("web");
  proto::Event limited = decided;
  limited.set_type("scaling.limited");
  limited.set_to("4");
  for (const auto kind : {Receiver::Kind::kWebhook, Receiver::Kind::kSlack})
    EXPECT_EQ(order_of(entry_of(decided, kind)), order_of(entry_of(limited, kind)));
}

TEST(DeliveryOrder, IsOneForAllBodiesThatDoNotSay) {
  OutboxEntry entry;
  for (const char* body : {"", "{}", R"({"type":"test"})", R"([{"labels")", R"({"event_action")"}) {
    entry.body = body;
    EXPECT_EQ(order_of(entry), "") << body;
  }
}

/// One receiver and its queue in simulated time, a second at a time.
class Simulated {
 public:
  explicit Simulated(std::uint32_t attempts_max = 10) { receiver_.attempts_max = attempts_max; }

  void add(OutboxEntry entry) {
    outbox_.push_back(std::move(entry));
    assign();
  }
  void run_for(std::int64_t ms, const std::function<long(const std::string& id)>& answer) {
    for (const std::int64_t until = now_ms_ + ms; now_ms_ < until; now_ms_ += 1000) {
      for (;;) {
        const auto turn = queue_.next(now_ms_);
        if (!turn || turn->due_ms > now_ms_) break;
        attempt(turn->index, answer);
      }
    }
  }
  [[nodiscard]] std::int64_t minutes() const { return (now_ms_ - kStartMs) / kMinuteMs; }

  std::map<std::string, std::uint32_t> attempts;  ///< Per event.
  std::vector<std::string> taken;                 ///< In the order of delivery.
  std::set<std::string> dead;
  std::size_t requests = 0;

 private:
  void attempt(std::size_t index, const std::function<long(const std::string& id)>& answer) {
    const OutboxEntry before = queue_.entries()[index].entry;
    HttpOutcome outcome;
    outcome.status = answer(before.event_id);
    ++requests;
    ++attempts[before.event_id];
    const OutboxEntry after = after_attempt(before, receiver_, outcome, now_ms_);
    queue_.tried(index, judge(outcome) == AttemptVerdict::kRetry, 0, now_ms_);
    if (after.state == DeliveryState::kDelivered) taken.push_back(after.event_id);
    if (after.state == DeliveryState::kDead) dead.insert(after.event_id);
    std::erase_if(outbox_, [&](OutboxEntry& entry) {
      if (entry.event_id != after.event_id) return false;
      entry = after;
      return after.state != DeliveryState::kPending;
    });
    assign();
  }
  void assign() { queue_.assign(outbox_, now_ms_); }

  std::int64_t now_ms_ = kStartMs;
  Receiver receiver_;
  std::vector<OutboxEntry> outbox_;
  DeliveryQueue queue_;
};

long refuses_i0(const std::string& id) { return id.rfind("i-0-", 0) == 0 ? 500 : 200; }
long is_down(const std::string& /*id*/) { return 503; }
long works(const std::string& /*id*/) { return 200; }

TEST(DeliveryQueue, ASeriesThatIsRefusedHoldsBackNoOther) {
  Simulated receiver(4);
  for (const char* to : {"ALARM", "OK"}) {
    for (const char* series : {"i-0", "i-1", "i-2"}) receiver.add(entry_of(event_of(series, to)));
  }
  receiver.run_for(5000, refuses_i0);
  EXPECT_EQ(receiver.taken.size(), 4U);
  receiver.run_for(6 * kHourMs, refuses_i0);
  EXPECT_EQ(receiver.dead, (std::set<std::string>{"i-0-ALARM", "i-0-OK"}));
  EXPECT_EQ(receiver.attempts["i-0-ALARM"], 4U);
  EXPECT_EQ(receiver.attempts["i-0-OK"], 4U);
}

TEST(DeliveryQueue, ARefusedEntryKeepsItsScheduleThoughOthersGetThrough) {
  Simulated receiver;
  receiver.add(entry_of(event_of("i-0")));
  for (int minute = 0; minute < 240; ++minute) {
    receiver.add(entry_of(event_of("i-" + std::to_string(minute + 1))));
    receiver.run_for(kMinuteMs, refuses_i0);
  }
  EXPECT_EQ(receiver.taken.size(), 240U);
  EXPECT_LE(receiver.attempts["i-0-ALARM"], 6U);  // At 0, 5 s, 5 min, 35 min, 2.6 h by itself.
}

TEST(DeliveryQueue, ManyThatAreRefusedDoNotHideOneThatIsNot) {
  Simulated receiver;
  for (int i = 0; i < 100; ++i) receiver.add(entry_of(event_of("i-0-" + std::to_string(i))));
  receiver.add(entry_of(event_of("web-1")));
  receiver.run_for(kMinuteMs, refuses_i0);
  EXPECT_EQ(receiver.taken, (std::vector<std::string>{"web-1-ALARM"}));
}

TEST(DeliveryQueue, AReceiverThatIsDownGetsOneRequestAMinuteAndThenEverythingInOrder) {
  Simulated receiver;
  for (const char* to : {"ALARM", "OK"}) {
    for (int i = 0; i < 50; ++i) receiver.add(entry_of(event_of("i-" + std::to_string(i), to)));
  }
  receiver.run_for(3 * kHourMs, is_down);
  EXPECT_LE(receiver.requests, 190U);
  EXPECT_GE(receiver.requests, 60U);
  for (const auto& [id, count] : receiver.attempts)
    EXPECT_LE(count, 6U) << id;  // 0, 5 s, 5 min, 35 min, hourly.
  receiver.run_for(10 * kMinuteMs, works);
  ASSERT_EQ(receiver.taken.size(), 100U);
  std::set<std::string> seen;
  for (const std::string& id : receiver.taken) {
    if (id.find("-OK") != std::string::npos) {
      EXPECT_EQ(seen.count(id.substr(0, id.size() - 2) + "ALARM"), 1U) << id;
    }
    seen.insert(id);
  }
}

TEST(DeliveryQueue, WhatWaitsForHoursFollowsOnceTheReceiverTakesAnother) {
  Simulated receiver;
  receiver.add(entry_of(event_of("i-0")));
  receiver.run_for(3 * kHourMs, is_down);
  EXPECT_EQ(receiver.attempts["i-0-ALARM"], 5U);  // The next is due in five hours.
  receiver.add(entry_of(event_of("i-1")));
  receiver.run_for(kMinuteMs, works);
  EXPECT_EQ(receiver.taken, (std::vector<std::string>{"i-1-ALARM", "i-0-ALARM"}));
}

TEST(DeliveryQueue, AnEntryWithAnotherOfItsSeriesBehindIsTriedEveryHour) {
  Simulated receiver;
  receiver.add(entry_of(event_of("i-0", "ALARM")));
  receiver.add(entry_of(event_of("i-0", "OK")));
  receiver.run_for(3 * kHourMs, is_down);
  receiver.run_for(kHourMs, works);
  EXPECT_EQ(receiver.taken, (std::vector<std::string>{"i-0-ALARM", "i-0-OK"}));
}

TEST(DeliveryQueue, AnActionGoesFirstAmongWhatIsDue) {
  Simulated receiver;
  receiver.add(entry_of(event_of("i-1")));
  OutboxEntry action = entry_of(event_of("web"));
  action.action = true;
  receiver.add(action);
  receiver.run_for(1000, works);
  EXPECT_EQ(receiver.taken, (std::vector<std::string>{"web-ALARM", "i-1-ALARM"}));
}

TEST(DeliveryQueue, AnActionIsTriedInTimeThoughItsReceiverFailsSinceHours) {
  Simulated receiver;
  for (int i = 0; i < 200; ++i) receiver.add(entry_of(event_of("i-" + std::to_string(i))));
  receiver.run_for(2 * kHourMs, is_down);
  OutboxEntry action = entry_of(event_of("web"));
  action.action = true;
  action.expires_s = kStartMs / 1000 + receiver.minutes() * 60 + 300;
  receiver.add(action);
  receiver.run_for(4 * kMinuteMs, is_down);
  EXPECT_GE(receiver.attempts["web-ALARM"], 3U);
}

}  // namespace
}  // namespace fleetmeter::alarms
