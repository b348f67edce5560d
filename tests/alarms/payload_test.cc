#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <simdjson.h>

#include <string>

#include "alarms/delivery.h"
#include "alarms/engine.h"
#include "alarms/json_text.h"
#include "alarms/payload_kinds.h"

namespace fleetmeter::alarms {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::int64_t kTime = 1'734'696'000;  // 2024-12-20T12:00:00Z.

proto::Event alarm_event(const std::string& to = "ALARM") {
  proto::Event event;
  event.set_id("0123456789abcdef");
  event.set_time_s(kTime);
  event.set_type("alarm.state_changed");
  event.set_environment("prod");
  event.set_rule("disk-warn");
  event.set_series("InstanceId=i-0abc");
  event.set_from(to == "ALARM" ? "OK" : "ALARM");
  event.set_to(to);
  event.set_reason("5 of 5 datapoints > 80");
  event.set_severity("warning");
  event.add_notify("ops");
  proto::AlarmDetail& alarm = *event.mutable_alarm();
  alarm.set_namespace_("CWAgent");
  alarm.set_metric("disk_used_percent");
  alarm.set_statistic("Maximum");
  alarm.add_dimension_names("InstanceId");
  alarm.add_dimension_values("i-0abc");
  alarm.set_comparison(">");
  alarm.set_threshold(80);
  alarm.set_period_s(60);
  alarm.set_evaluation_periods(5);
  alarm.set_datapoints_to_alarm(5);
  alarm.add_recent_value(83.5);
  return event;
}

proto::Event scaling_event() {
  proto::Event event;
  event.set_id("fedcba9876543210");
  event.set_time_s(kTime);
  event.set_type("scaling.decided");
  event.set_environment("prod");
  event.set_rule("fleet");
  event.set_series("fleet-asg");
  event.set_from("4");
  event.set_to("6");
  event.set_reason("cpu > 70 for 5 min");
  event.set_expires_s(kTime + 300);
  event.add_act("provisioning");
  event.add_notify("ops");
  proto::ScalingDetail& scaling = *event.mutable_scaling();
  scaling.set_group("fleet-asg");
  scaling.set_policy("simple: cpu > 70");
  scaling.set_current(4);
  scaling.set_desired(6);
  scaling.set_wanted(7);
  scaling.set_minimum(2);
  scaling.set_maximum(10);
  return event;
}

Receiver of_kind(Receiver::Kind kind, const std::string& name = "ops") {
  Receiver receiver;
  receiver.name = name;
  receiver.kind = kind;
  receiver.secret = "whsec_c2VjcmV0c2VjcmV0";
  return receiver;
}

/// The payload as parsed JSON; the test fails when it does not parse.
class Json {
 public:
  explicit Json(const std::string& body) {
    EXPECT_EQ(parser_.parse(body).get(root_), simdjson::SUCCESS) << body;
  }
  std::string text(const char* pointer) const {
    std::string_view found;
    return root_.at_pointer(pointer).get(found) == simdjson::SUCCESS ? std::string(found)
                                                                     : "(none)";
  }
  std::int64_t integer(const char* pointer) const {
    std::int64_t found = -1;
    return root_.at_pointer(pointer).get(found) == simdjson::SUCCESS ? found : -1;
  }

 private:
  simdjson::dom::parser parser_;
  simdjson::dom::element root_;
};

std::string body_of(Receiver::Kind kind, const proto::Event& event) {
  return render_payload(of_kind(kind), event).body;
}

TEST(WebhookPayload, HasTypeEventTimeAndTheWholeEventAsData) {
  const proto::Event event = alarm_event();
  EXPECT_EQ(body_of(Receiver::Kind::kWebhook, event),
            R"({"type":"alarm.state_changed","timestamp":"2024-12-20T12:00:00Z","data":)" +
                event_json(event) + "}");
  EXPECT_EQ(render_payload(of_kind(Receiver::Kind::kWebhook), event).content_type,
            "application/json");
}

TEST(WebhookPayload, TellsAnActuatorGroupCapacityAndLimitsAsPlainMembers) {
  const Json json(body_of(Receiver::Kind::kWebhook, scaling_event()));
  EXPECT_EQ(json.text("/type"), "scaling.decided");
  EXPECT_EQ(json.text("/data/id"), "fedcba9876543210");
  EXPECT_EQ(json.text("/data/group"), "fleet-asg");
  EXPECT_EQ(json.text("/data/policy"), "simple: cpu > 70");
  EXPECT_EQ(json.integer("/data/current"), 4);
  EXPECT_EQ(json.integer("/data/desired"), 6);
  EXPECT_EQ(json.integer("/data/min"), 2);
  EXPECT_EQ(json.integer("/data/max"), 10);
}

TEST(Payload, HoldsNoSecretOfAnyKind) {
  for (const Receiver::Kind kind : {Receiver::Kind::kWebhook, Receiver::Kind::kSlack,
                                    Receiver::Kind::kPagerDuty, Receiver::Kind::kAlertmanager}) {
    EXPECT_THAT(body_of(kind, alarm_event()), Not(HasSubstr("c2VjcmV0")));
  }
}

TEST(Payload, ParsesWhateverBytesTheEventHolds) {
  for (proto::Event event : {alarm_event(), alarm_event("OK"), scaling_event()}) {
    const std::string nasty = "\xFF\"\\\n\x01<&> \xE2\x82 \xED\xA0\x80 \xF0\x9F\x94\xA5 end";
    event.set_rule(nasty);
    event.set_series(nasty);
    event.set_reason(nasty);
    if (event.has_alarm()) event.mutable_alarm()->set_dimension_values(0, nasty);
    for (const Receiver::Kind kind : {Receiver::Kind::kWebhook, Receiver::Kind::kSlack,
                                      Receiver::Kind::kPagerDuty, Receiver::Kind::kAlertmanager}) {
      const Json json(body_of(kind, event));
    }
  }
}

TEST(SlackPayload, ShowsHeadlineReasonFieldsAndContext) {
  const Json json(body_of(Receiver::Kind::kSlack, alarm_event()));
  EXPECT_EQ(json.text("/text"), "ALARM disk-warn: 5 of 5 datapoints &gt; 80");
  EXPECT_EQ(json.text("/blocks/0/type"), "header");
  EXPECT_EQ(json.text("/blocks/0/text/text"), "ALARM disk-warn");
  EXPECT_EQ(json.text("/blocks/1/text/text"), "5 of 5 datapoints &gt; 80");
  EXPECT_EQ(json.text("/blocks/2/fields/0/text"), "*Environment*\nprod");
  EXPECT_EQ(json.text("/blocks/2/fields/4/text"), "*Change*\nOK to ALARM");
  EXPECT_EQ(json.text("/blocks/2/fields/6/text"), "*Threshold*\n&gt; 80, 5 of 5 at 60 s");
  EXPECT_EQ(json.text("/blocks/2/fields/7/text"), "*Newest value*\n83.5");
  EXPECT_EQ(json.text("/blocks/2/fields/8/text"), "(none)");
  EXPECT_EQ(json.text("/blocks/3/elements/0/text"), "prod | 2024-12-20T12:00:00Z");
}

TEST(SlackPayload, ShowsADecision) {
  const Json json(body_of(Receiver::Kind::kSlack, scaling_event()));
  EXPECT_EQ(json.text("/blocks/0/text/text"), "Scaling fleet-asg: 4 to 6");
}

TEST(SlackPayload, StaysBelowTheLimitsAndSaysHowMuchWasLeftOut) {
  for (const char* unit : {"x", "&", "\xE2\x82\xAC", "a<"}) {
    std::string text;
    for (int i = 0; i < 8000; ++i) text += unit;
    proto::Event event = alarm_event();
    event.set_rule(text);
    event.set_reason(text);
    const Json json(body_of(Receiver::Kind::kSlack, event));
    const auto length = [](const std::string& shown) {
      return std::count_if(shown.begin(), shown.end(),
                           [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80; });
    };
    EXPECT_LE(length(json.text("/blocks/0/text/text")), 150);
    EXPECT_LE(length(json.text("/text")), 3000);
    EXPECT_LE(length(json.text("/blocks/1/text/text")), 3000);
    EXPECT_GE(length(json.text("/blocks/1/text/text")), 500);
    EXPECT_LE(length(json.text("/blocks/2/fields/1/text")), 2000);
    EXPECT_THAT(json.text("/blocks/1/text/text"), HasSubstr(" characters)"));
    // Every "&" left is the start of a whole entity.
    const std::string shown = json.text("/blocks/1/text/text");
    for (std::size_t at = shown.find('&'); at != std::string::npos; at = shown.find('&', at + 1)) {
      EXPECT_TRUE(shown.compare(at, 5, "&amp;") == 0 || shown.compare(at, 4, "&lt;") == 0);
    }
  }
}

TEST(PagerDutyPayload, TriggersOnAlarmWithSummarySourceAndSeverity) {
  const Json json(body_of(Receiver::Kind::kPagerDuty, alarm_event()));
  EXPECT_EQ(json.text("/event_action"), "trigger");
  EXPECT_EQ(json.text("/payload/summary"),
            "[prod] ALARM disk-warn on InstanceId=i-0abc: 5 of 5 datapoints > 80");
  EXPECT_EQ(json.text("/payload/source"), "InstanceId=i-0abc");
  EXPECT_EQ(json.text("/payload/severity"), "warning");
  EXPECT_EQ(json.text("/payload/timestamp"), "2024-12-20T12:00:00Z");
  EXPECT_EQ(json.text("/payload/custom_details/dimensions/InstanceId"), "i-0abc");
  EXPECT_EQ(json.text("/routing_key"), "(none)");
}

TEST(PagerDutyPayload, ResolvesOnOkWithTheKeyOfTheAlarm) {
  const Json alarm(body_of(Receiver::Kind::kPagerDuty, alarm_event()));
  const Json ok(body_of(Receiver::Kind::kPagerDuty, alarm_event("OK")));
  EXPECT_EQ(ok.text("/event_action"), "resolve");
  EXPECT_EQ(ok.text("/dedup_key"), alarm.text("/dedup_key"));
  EXPECT_EQ(ok.text("/payload"), "(none)");
}

TEST(PagerDutyPayload, KeepsKeysOfDifferentAlarmsApart) {
  const auto key = [](const char* environment, const char* rule, const char* series) {
    proto::Event event;
    event.set_environment(environment);
    event.set_rule(rule);
    event.set_series(series);
    return pagerduty_dedup_key(event);
  };
  EXPECT_EQ(key("prod", "a", "b"), key("prod", "a", "b"));
  EXPECT_NE(key("prod", "a", "b"), key("dev", "a", "b"));
  EXPECT_NE(key("prod", "ab", ""), key("prod", "a", "b"));
  EXPECT_NE(key("prod", "", "ab"), key("prod", "ab", ""));
  EXPECT_LE(key("prod", std::string(1000, 'x').c_str(), "y").size(), 255U);
}

TEST(PagerDutyPayload, MapsSeveritiesItDoesNotKnowToErrorAndCutsTheSummary) {
  proto::Event event = alarm_event();
  event.set_severity("sev1");
  event.set_reason(std::string(5000, 'x'));
  const Json json(body_of(Receiver::Kind::kPagerDuty, event));
  EXPECT_EQ(json.text("/payload/severity"), "error");
  EXPECT_LE(json.text("/payload/summary").size(),
            1024U + 2);  // The ellipsis is one character of three bytes.
  EXPECT_THAT(json.text("/payload/summary"), HasSubstr(" characters)"));
  for (const char* severity : {"critical", "error", "warning", "info"}) {
    event.set_severity(severity);
    EXPECT_EQ(Json(body_of(Receiver::Kind::kPagerDuty, event)).text("/payload/severity"), severity);
  }
}

TEST(AlertmanagerPayload, FiresWithLabelsAndAnEndFarAhead) {
  EXPECT_EQ(
      body_of(Receiver::Kind::kAlertmanager, alarm_event()),
      R"([{"labels":{"InstanceId":"i-0abc","alertname":"disk-warn","environment":"prod","severity":"warning"},)"
      R"("annotations":{"summary":"ALARM disk-warn","reason":"5 of 5 datapoints > 80"},)"
      R"("startsAt":"2024-12-20T12:00:00Z","endsAt":"2025-01-03T12:00:00Z"}])");
}

TEST(AlertmanagerPayload, EndsTheSameAlertOnOk) {
  const Json alarm(body_of(Receiver::Kind::kAlertmanager, alarm_event()));
  const Json ok(body_of(Receiver::Kind::kAlertmanager, alarm_event("OK")));
  for (const char* label : {"/0/labels/alertname", "/0/labels/environment", "/0/labels/severity",
                            "/0/labels/InstanceId"}) {
    EXPECT_EQ(ok.text(label), alarm.text(label));
  }
  EXPECT_EQ(ok.text("/0/startsAt"), "2024-12-20T12:00:00Z");
  EXPECT_EQ(ok.text("/0/endsAt"), "2024-12-20T12:00:00Z");
}

TEST(AlertmanagerPayload, MakesLabelNamesOfAnyDimensionAndKeepsOursApart) {
  proto::Event event = alarm_event();
  proto::AlarmDetail& alarm = *event.mutable_alarm();
  for (const char* name : {"severity", "load balancer", "9lives", "load-balancer", "Empty"}) {
    alarm.add_dimension_names(name);
    alarm.add_dimension_values(std::string(name) == "Empty" ? "" : "v");
  }
  EXPECT_THAT(
      body_of(Receiver::Kind::kAlertmanager, event),
      HasSubstr(
          R"({"InstanceId":"i-0abc","_9lives":"v","alertname":"disk-warn","dimension_load_balancer":"v",)"
          R"("dimension_severity":"v","environment":"prod","load_balancer":"v","severity":"warning"})"));
}

class OutboxEntries : public testing::Test {
 protected:
  OutboxEntries() {
    receivers_["ops"] = of_kind(Receiver::Kind::kSlack, "ops");
    receivers_["duty"] = of_kind(Receiver::Kind::kPagerDuty, "duty");
    receivers_["am"] = of_kind(Receiver::Kind::kAlertmanager, "am");
    receivers_["provisioning"] = of_kind(Receiver::Kind::kWebhook, "provisioning");
  }
  std::vector<std::string> names(const proto::Event& event) {
    std::vector<std::string> found;
    for (const aggregator::OutboxEntry& entry : outbox_entries(event, receivers_))
      found.push_back(entry.receiver);
    return found;
  }
  static proto::Event to_all(proto::Event event) {
    event.clear_notify();
    for (const char* name : {"ops", "duty", "am", "provisioning"}) event.add_notify(name);
    return event;
  }
  std::map<std::string, Receiver> receivers_;
};

TEST_F(OutboxEntries, FreezeTheBodyForEachReceiverThatIsNamed) {
  const std::vector<aggregator::OutboxEntry> entries = outbox_entries(alarm_event(), receivers_);
  ASSERT_EQ(entries.size(), 1U);
  EXPECT_EQ(entries[0].event_id, "0123456789abcdef");
  EXPECT_EQ(entries[0].receiver, "ops");
  EXPECT_EQ(entries[0].body, slack_body(alarm_event()));
  EXPECT_EQ(entries[0].event_time_s, kTime);
  EXPECT_EQ(entries[0].next_attempt_ms, 0);
  EXPECT_FALSE(entries[0].action);
}

TEST_F(OutboxEntries, MakeActionsThatExpireAndNotificationsThatDoNot) {
  const std::vector<aggregator::OutboxEntry> entries = outbox_entries(scaling_event(), receivers_);
  ASSERT_EQ(entries.size(), 2U);
  EXPECT_EQ(entries[0].receiver, "provisioning");
  EXPECT_TRUE(entries[0].action);
  EXPECT_EQ(entries[0].expires_s, kTime + 300);
  EXPECT_EQ(entries[1].receiver, "ops");
  EXPECT_FALSE(entries[1].action);
  EXPECT_EQ(entries[1].expires_s, 0);
}

TEST_F(OutboxEntries, AreOnePerReceiverEvenWhenItIsNamedTwice) {
  proto::Event event = scaling_event();
  event.add_notify("provisioning");
  event.add_notify("ops");
  EXPECT_EQ(names(event), (std::vector<std::string>{"provisioning", "ops"}));
}

TEST_F(OutboxEntries, AreNoneForInitialStatesRetiredAlarmsAndUnknownNames) {
  proto::Event initial = alarm_event();
  initial.set_initial(true);
  EXPECT_TRUE(names(initial).empty());
  proto::Event retired = alarm_event();
  retired.set_type("alarm.retired");
  EXPECT_TRUE(names(retired).empty());
  proto::Event unknown = alarm_event();
  unknown.clear_notify();
  unknown.add_notify("nobody");
  EXPECT_TRUE(names(unknown).empty());
}

TEST_F(OutboxEntries, KeepInsufficientDataAndScalingFromServicesThatKnowOnlyFiringAndResolved) {
  EXPECT_EQ(names(to_all(alarm_event("ALARM"))).size(), 4U);
  EXPECT_EQ(names(to_all(alarm_event("OK"))).size(), 4U);
  EXPECT_EQ(names(to_all(alarm_event("INSUFFICIENT_DATA"))),
            (std::vector<std::string>{"ops", "provisioning"}));
  proto::Event scaling = to_all(scaling_event());
  EXPECT_EQ(names(scaling), (std::vector<std::string>{"provisioning", "ops"}));
}

TEST_F(OutboxEntries, LeaveOutOkWhereItIsNotWanted) {
  receivers_["ops"].send_ok = false;
  EXPECT_TRUE(names(alarm_event("OK")).empty());
  EXPECT_EQ(names(alarm_event("ALARM")).size(), 1U);
}

TEST(CutText, CountsCharactersNotBytesAndSaysWhatIsMissing) {
  EXPECT_EQ(cut_text(std::string(40, 'x'), 40), std::string(40, 'x'));
  EXPECT_EQ(cut_text(std::string(41, 'x'), 40), std::string(7, 'x') + " \u2026 (+34 characters)");
  std::string euros;
  for (int i = 0; i < 50; ++i) euros += "\u20AC";
  EXPECT_EQ(cut_text(euros, 50), euros);
  EXPECT_EQ(cut_text(euros, 40), euros.substr(0, 21) + " \u2026 (+43 characters)");
}

TEST(JsonText, EscapesAndReplacesWhatIsNotUtf8) {
  EXPECT_EQ(json_string("a\"b\\c\n\t\r\x02"), R"("a\"b\\c\n\t\r\u0002")");
  EXPECT_EQ(valid_utf8("\xC3\xA4\xF0\x9F\x94\xA5"), "\xC3\xA4\xF0\x9F\x94\xA5");
  EXPECT_EQ(valid_utf8("\xC0\xAF"), "\uFFFD\uFFFD");      // Overlong.
  EXPECT_EQ(valid_utf8("\xE2\x82"), "\uFFFD\uFFFD");      // Cut short.
  EXPECT_EQ(valid_utf8("\xF5\x80\x80\x80").size(), 12U);  // Beyond U+10FFFF.
}

}  // namespace
}  // namespace fleetmeter::alarms
