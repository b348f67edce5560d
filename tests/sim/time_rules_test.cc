// The rules of docs/time.md end to end, each by its number: text in, events and bill out.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <spdlog/spdlog.h>
#include <time.h>

#include "tests/sim/live_pipeline.h"

namespace fleetmeter::sim {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using Lines = std::vector<std::string>;

constexpr const char* kCpu = R"yaml(
alarms:
  - { name: cpu, metric: { namespace: AWS/EC2, name: CPUUtilization, statistic: Average }, for_each: InstanceId,
      when: "> 80", period: 60s, datapoints: 2 of 2, missing: breaching, notify: [ops] }
)yaml";
constexpr const char* kScan = R"yaml(
alarms:
  - { name: scan, metric: { namespace: Fleetmeter/VPC, name: RejectedRecords, statistic: Sum }, for_each: InterfaceId,
      when: "> 5", period: 60s, datapoints: 1 of 1, missing: ignore, notify: [ops] }
  - { name: few, metric: { namespace: Fleetmeter/VPC, name: RejectedRecords, statistic: Sum }, for_each: InterfaceId,
      when: "< 100", period: 60s, datapoints: 1 of 1, missing: ignore, notify: [ops] }
)yaml";

class TimeRulesSim : public testing::Test {
 protected:
  static void SetUpTestSuite() { spdlog::set_level(spdlog::level::off); }
  /// Up and heard for ten minutes: from minute 10 on nothing is unknown.
  static std::unique_ptr<LivePipeline> established(const std::string& alarms,
                                                   std::int64_t start_s = LivePipeline::kNoon) {
    auto live = std::make_unique<LivePipeline>(alarms, start_s);
    live->start();
    live->advance(600);
    return live;
  }
  static std::int64_t minute(std::int64_t m) { return LivePipeline::kNoon + 60 * m; }
  /// The datapoint of each minute in [from, to) at its end, the clock being there at `from`.
  static void cpu(LivePipeline& live, std::int64_t from, std::int64_t to, double value,
                  std::int64_t start_s = LivePipeline::kNoon) {
    for (std::int64_t m = from; m < to; ++m) {
      live.advance(60);
      EXPECT_TRUE(live.push(metric_line({.start_s = start_s + 60 * m, .value = value})));
    }
  }
  /// Quiet flow logs of a machine, written as each minute ends.
  static void flows(LivePipeline& live, std::int64_t from, std::int64_t to,
                    const std::string& interface = "eni-0") {
    for (std::int64_t m = from; m < to; ++m) {
      live.advance(60);
      live.write(flow_lines({.start_s = minute(m), .interface = interface}));
    }
  }
};

TEST_F(TimeRulesSim, Rule1AnIdleSourceDoesNotStopTheClock) {
  auto live = established(kCpu);  // The file is there and nobody writes to it.
  cpu(*live, 10, 15, 10);
  live->advance(420);
  // Its range of four slots has no datapoint left.
  EXPECT_THAT(live->told(), Contains("19 cpu InstanceId=i-0 OK>ALARM *"));
}

TEST_F(TimeRulesSim, Rule1ARecordFrom2100IsDroppedAndClosesNothing) {
  auto live = established(kScan);
  flows(*live, 10, 12);
  live->write(flow_lines({.start_s = 4'102'444'800}));
  live->write(flow_lines({.start_s = minute(11) + 5, .reject = true, .count = 9}));
  live->advance(1200);
  EXPECT_EQ(live->dropped("future"), 1U);
  EXPECT_THAT(live->told(), Contains("12 scan InterfaceId=eni-0 OK>ALARM *"))
      << "the window of minute 11 was still open";
}

TEST_F(TimeRulesSim, Rule2AFortyMinuteBacklogIsNotSilence) {
  LivePipeline live(R"yaml(
alarms:
  - { name: gone, metric: { namespace: Fleetmeter/VPC, name: AcceptedRecords, statistic: Sum }, for_each: InterfaceId,
      when: "< 1", period: 60s, datapoints: 2 of 2, missing: breaching, notify: [ops] }
)yaml");
  live.start();
  live.advance(600);
  flows(live, 10, 40);
  live.stop();
  flows(live, 40, 80);  // Written while nobody reads.
  live.read_at_most(500);
  live.start();
  for (std::int64_t m = 80; m < 100; ++m) {
    live.write(flow_lines({.start_s = minute(m)}));
    live.advance(60);
  }
  live.read_at_most(std::string::npos);
  flows(live, 100, 130);
  EXPECT_THAT(live.told(), Not(Contains(HasSubstr("ALARM"))));
  live.advance(3600);
  EXPECT_THAT(live.told(), Contains(HasSubstr("OK>ALARM"))) << "silence that was heard";
}

TEST_F(TimeRulesSim, Rule3AScanUnderSkipdataAlarmsAndNothingIsOkOnIt) {
  auto live = established(kScan);
  flows(*live, 10, 20);
  live->advance(60);
  live->write(flow_lines({.start_s = minute(20), .reject = true, .count = 9}));
  live->write(flow_lines({.start_s = minute(20), .end_s = minute(21), .status = "SKIPDATA"}));
  live->advance(60);
  // Five rejects are known of a window that lost records: no ground for OK, nor for "few".
  live->write(flow_lines({.start_s = minute(21), .reject = true, .count = 5}));
  live->write(flow_lines({.start_s = minute(21), .end_s = minute(22), .status = "SKIPDATA"}));
  flows(*live, 22, 60);
  EXPECT_THAT(live->told(), ElementsAre(HasSubstr("few InterfaceId=eni-0 INSUFFICIENT_DATA>ALARM"),
                                        HasSubstr("scan InterfaceId=eni-0 INSUFFICIENT_DATA>OK"),
                                        "21 scan InterfaceId=eni-0 OK>ALARM *",
                                        "23 scan InterfaceId=eni-0 ALARM>OK *"));
}

TEST_F(TimeRulesSim, Rule3TheCaptureIntervalIsTenMinutesOnlyOnceLongRecordsWereSeen) {
  auto live = established(R"yaml(
alarms:
  - { name: ten, metric: { namespace: Fleetmeter/VPC, name: RejectedRecords, statistic: Sum }, for_each: InterfaceId,
      when: "> 10", period: 600s, datapoints: 1 of 1, missing: ignore, notify: [ops] }
  - { name: one, metric: { namespace: Fleetmeter/VPC, name: RejectedRecords, statistic: Sum }, for_each: InterfaceId,
      when: "> 10", period: 60s, datapoints: 1 of 1, missing: ignore, notify: [ops] }
)yaml");
  live->advance(120);
  // 120 s long: not over it.
  live->write(
      flow_lines({.start_s = minute(10), .end_s = minute(12), .reject = true, .count = 12}));
  flows(*live, 12, 40);
  EXPECT_THAT(live->told(), Contains(HasSubstr("11 one InterfaceId=eni-0")));
  EXPECT_THAT(live->told(), Not(Contains(HasSubstr("rule.warning"))));
  live->write(
      flow_lines({.start_s = minute(40), .end_s = minute(49), .reject = true, .count = 12}));
  flows(*live, 40, 120);
  const Lines told = live->told();
  EXPECT_THAT(told, Contains(HasSubstr("50 ten InterfaceId=eni-0 OK>ALARM *")));
  EXPECT_EQ(std::ranges::count_if(told,
                                  [](const std::string& line) {
                                    return line.find("one rule.warning") != std::string::npos;
                                  }),
            1);
  EXPECT_THAT(told, Not(Contains(HasSubstr("50 one"))));
}

TEST_F(TimeRulesSim, Rule3ARecordAcrossAMonthsFirstMidnightIsSplitForTheBill) {
  constexpr std::int64_t kNewYear = 1'735'689'600;  // 2025-01-01T00:00:00Z.
  LivePipeline live(kScan, kNewYear - 600);
  live.start();
  live.advance(700);
  live.write(flow_lines({.start_s = kNewYear - 20, .end_s = kNewYear + 40, .bytes = 1000}));
  live.advance(60);
  const auto december = live.usage().flows((kNewYear - 3600) / 3600, kNewYear / 3600);
  const auto january = live.usage().flows(kNewYear / 3600, kNewYear / 3600 + 1);
  ASSERT_TRUE(december && january);
  ASSERT_EQ(december->size(), 1U);
  ASSERT_EQ(january->size(), 1U);
  EXPECT_EQ(december->at(0).bytes, 333U) << "integer floor first";
  EXPECT_EQ(january->at(0).bytes, 667U) << "the rest last";
}

TEST_F(TimeRulesSim, Rule4ThreeEqualSpacingsMakeThePeriodAndTheLogAloneTellsIt) {
  constexpr const char* kDisk = R"yaml(
alarms:
  - { name: disk, metric: { namespace: CWAgent, name: disk_used_percent, statistic: Maximum }, for_each: InstanceId,
      when: "> 80", period: 300s, datapoints: 2 of 2, missing: breaching, notify: [ops] }
)yaml";
  auto live = established(kDisk);
  for (std::int64_t m = 10; m < 60; m += 5) {
    live->advance(300);
    live->push(metric_line({.start_s = minute(m),
                            .value = 10,
                            .metric_namespace = "CWAgent",
                            .name = "disk_used_percent"}));
    if (m == 30) {  // What was learned is in the log and the snapshot, not in the process.
      live->stop();
      live->start();
    }
  }
  EXPECT_THAT(live->told(), ElementsAre(HasSubstr("disk InstanceId=i-0 INSUFFICIENT_DATA>OK")));
  live->advance(1800);
  EXPECT_THAT(live->told(), Contains(HasSubstr("OK>ALARM"))) << "periods of 5 min missing";
  // From the log's first record, by someone who has nothing but it.
  const auto again = live->alarm("disk", "InstanceId=i-0");
  ASSERT_TRUE(again);
  EXPECT_EQ(again->state, alarms::AlarmState::kAlarm);
}

TEST_F(TimeRulesSim, Rule4And7NatMetricsTwelveMinutesLateAlarmAtTheirOwnTime) {
  auto live = established(R"yaml(
alarms:
  - { name: nat, metric: { namespace: AWS/NATGateway, name: ErrorPortAllocation, statistic: Sum }, for_each: NatGatewayId,
      when: "> 0", period: 60s, datapoints: 2 of 2, missing: breaching, notify: [ops] }
)yaml");
  live->advance(720);
  for (std::int64_t m = 10; m < 40; ++m) {
    live->advance(60);
    live->push(metric_line({.start_s = minute(m),
                            .value = m == 20 || m == 21 ? 3.0 : 0.0,
                            .metric_namespace = "AWS/NATGateway",
                            .name = "ErrorPortAllocation",
                            .dimension = "NatGatewayId",
                            .resource = "nat-1"}));
  }
  EXPECT_THAT(live->told(), ElementsAre(HasSubstr("nat NatGatewayId=nat-1 INSUFFICIENT_DATA>OK"),
                                        "22 nat NatGatewayId=nat-1 OK>ALARM *",
                                        "23 nat NatGatewayId=nat-1 ALARM>OK *"));
}

TEST_F(TimeRulesSim, Rule5TheOrderOfArrivalWithinTheDelayChangesNothing) {
  const auto run = [](bool shuffled) {
    auto live = established(kCpu);
    for (std::int64_t m = 10; m < 40; m += 2) {
      live->advance(120);
      const std::string first =
          metric_line({.start_s = minute(m), .value = m % 8 < 4 ? 95.0 : 5.0});
      const std::string second =
          metric_line({.start_s = minute(m + 1), .value = m % 8 < 4 ? 95.0 : 5.0});
      live->push(shuffled ? second : first);
      live->push(shuffled ? first : second);
    }
    return live->told();
  };
  const Lines in_order = run(false);
  EXPECT_GT(in_order.size(), 5U);
  EXPECT_EQ(run(true), in_order);
}

TEST_F(TimeRulesSim, Rule6TheFirstMinuteAfterAFirstStartDoesNotPage) {
  LivePipeline live(kCpu);
  live.advance(30);
  live.start();
  live.advance(40);
  for (std::int64_t m = 1; m < 20; ++m) {
    live.advance(60);
    live.push(metric_line({.start_s = minute(m), .value = 10}));
  }
  EXPECT_THAT(live.told(), ElementsAre(HasSubstr("INSUFFICIENT_DATA>OK"))) << "and it is not sent";
  EXPECT_THAT(live.told().front(), Not(HasSubstr("*")));
}

TEST_F(TimeRulesSim, Rule6AFirstStartOwesItsAlarmsTheFlowWindowsThatCloseBeforeItsFirstTick) {
  LivePipeline live(kScan);
  live.start();
  live.advance(60);
  // The push source settles: there was no tick yet when its sender's backlog comes.
  std::string backlog;
  for (std::int64_t m = -60; m <= 0; ++m)
    backlog += flow_lines({.start_s = minute(m), .reject = true, .count = m == -30 ? 9 : 1});
  ASSERT_TRUE(live.push(backlog));
  const Lines decided{"-59 few InterfaceId=eni-0 INSUFFICIENT_DATA>ALARM *",
                      "-59 scan InterfaceId=eni-0 INSUFFICIENT_DATA>OK",
                      "-29 scan InterfaceId=eni-0 OK>ALARM", "-28 scan InterfaceId=eni-0 ALARM>OK"};
  live.advance(120);
  EXPECT_EQ(live.told(), decided) << "only what still holds is told";
  live.advance(1200);
  EXPECT_EQ(live.told(), decided) << "each minute once";
}

TEST_F(TimeRulesSim, Rule6ThreeHoursDownAreUnknownAndNotSilence) {
  auto live = established(kCpu);
  cpu(*live, 10, 30, 10);
  const Lines before = live->told();
  live->stop();
  live->advance(3 * 3600);
  live->start();
  cpu(*live, 210, 220, 10);
  EXPECT_EQ(live->told(), before);
  const auto alarm = live->alarm("cpu", "InstanceId=i-0");
  ASSERT_TRUE(alarm);
  EXPECT_EQ(alarm->state, alarms::AlarmState::kOk);
  // What the sender kept and sends now still counts, at its own time.
  live->push(metric_line({.start_s = minute(100), .value = 95}) +
             metric_line({.start_s = minute(101), .value = 95}));
  cpu(*live, 220, 225, 95);
  EXPECT_THAT(live->told(), Contains("222 cpu InstanceId=i-0 OK>ALARM *"));
}

TEST_F(TimeRulesSim, Rule6AStalledSourcePostponesItsMinutesAloneAndTheyAreDecidedInOrder) {
  auto live = established(std::string(kCpu) + R"yaml(
  - { name: gone, metric: { namespace: Fleetmeter/VPC, name: AcceptedRecords, statistic: Sum }, for_each: InterfaceId,
      when: "< 1", period: 60s, datapoints: 2 of 2, missing: breaching, notify: [ops] }
)yaml");
  for (std::int64_t m = 10; m < 30; ++m) {
    cpu(*live, m, m + 1, 10);
    live->write(flow_lines({.start_s = minute(m)}));
  }
  live->read_at_most(0);  // The file cannot be reached, and machines go on writing to it.
  for (std::int64_t m = 30; m < 60; ++m) {
    cpu(*live, m, m + 1, m < 50 ? 10 : 95);
    live->write(flow_lines({.start_s = minute(m)}));
  }
  EXPECT_THAT(live->told(), Contains("52 cpu InstanceId=i-0 OK>ALARM *")) << "others go on";
  EXPECT_THAT(live->told(), Not(Contains(HasSubstr("gone InterfaceId=eni-0 OK>ALARM"))));
  live->read_at_most(std::string::npos);
  flows(*live, 60, 90);
  EXPECT_THAT(live->told(), Not(Contains(HasSubstr("gone InterfaceId=eni-0 OK>ALARM"))));
}

TEST_F(TimeRulesSim, Rule6AStalledSourceIsGivenUpAfterADayAndUnknownEvenThen) {
  auto live = established(kCpu);
  cpu(*live, 10, 20, 10);
  const Lines before = live->told();
  live->hold_push(true);
  live->advance(25 * 3600);
  EXPECT_EQ(live->told(), before);
  const auto given_up = std::ranges::count_if(live->disk().records, [](const auto& entry) {
    return entry.record.source_stall().given_up();
  });
  EXPECT_EQ(given_up, 1);
  live->hold_push(false);
  live->advance(60);
  const std::int64_t back = (live->now_s() - LivePipeline::kNoon) / 60;
  cpu(*live, back, back + 5, 95);
  EXPECT_THAT(live->told(), Contains(HasSubstr("cpu InstanceId=i-0 OK>ALARM *")));
}

TEST_F(TimeRulesSim, Rule6TwoEnvironmentsInOneAccountAreDecidedApart) {
  auto live = established(kScan);
  for (std::int64_t m = 10; m < 40; ++m) {
    live->advance(60);
    live->write(flow_lines({.start_s = minute(m), .interface = "eni-0"}));
    live->write(flow_lines(
        {.start_s = minute(m), .interface = "eni-4", .reject = m >= 15, .count = m >= 15 ? 9 : 1}));
  }
  std::map<std::string, int> alarms;
  for (const auto& [id, event] : live->disk().events) {
    if (event.rule() == "scan" && event.to() == "ALARM") ++alarms[event.environment()];
  }
  EXPECT_EQ(alarms, (std::map<std::string, int>{{"staging", 1}}));
}

TEST_F(TimeRulesSim, Rule7AfterACatchUpOverManyCommitsTheNetChangeIsToldOnce) {
  auto live = established(kScan);
  flows(*live, 10, 30);
  live->read_at_most(0);
  for (std::int64_t m = 30; m < 70; ++m) {
    live->advance(60);
    const bool scan = (m / 5) % 2 == 0 || m >= 50;
    live->write(flow_lines({.start_s = minute(m), .reject = scan, .count = scan ? 9 : 1}));
  }
  live->read_at_most(2000);
  for (std::int64_t m = 70; m < 100; ++m) {
    live->advance(60);
    live->write(flow_lines({.start_s = minute(m), .reject = true, .count = 9}));
  }
  live->read_at_most(std::string::npos);
  live->advance(1200);
  int changes = 0;
  Lines sent;
  for (const std::string& line : live->told()) {
    if (line.find("scan") == std::string::npos) continue;
    ++changes;
    if (line.ends_with("*")) sent.push_back(line);
  }
  EXPECT_GT(changes, 5);
  EXPECT_THAT(sent, ElementsAre("51 scan InterfaceId=eni-0 OK>ALARM *"));
}

TEST_F(TimeRulesSim, Rule9EqualTelemetryGivesEqualEventsWhateverTheZoneOrTheNightOfTheYear) {
  // America's clocks go back at 06:00Z on 2026-11-01 and forward at 07:00Z on 2026-03-08.
  const char* zone = ::getenv("TZ");
  const std::string kept = zone == nullptr ? "" : zone;
  ::setenv("TZ", "America/New_York", 1);
  ::tzset();
  std::vector<Lines> runs;
  for (const std::int64_t start_s :
       {LivePipeline::kNoon, std::int64_t{1'793'509'200}, std::int64_t{1'772'949'600}}) {
    auto live = established(kCpu, start_s);
    for (std::int64_t m = 10; m < 130; ++m) cpu(*live, m, m + 1, m % 20 < 10 ? 95 : 10, start_s);
    runs.push_back(live->told());
  }
  zone == nullptr ? ::unsetenv("TZ") : ::setenv("TZ", kept.c_str(), 1);
  ::tzset();
  EXPECT_GT(runs[0].size(), 10U);
  EXPECT_EQ(runs[1], runs[0]);
  EXPECT_EQ(runs[2], runs[0]);
}

TEST_F(TimeRulesSim, Rule10ARequestThatComesAgainCountsOnceAcrossAKill) {
  auto live = established(kScan);
  const std::string text = flow_lines({.start_s = minute(9), .bytes = 700});
  ASSERT_TRUE(live->push(text, "one"));
  live->stop();
  live->start();
  ASSERT_TRUE(live->push(text, "one"));
  ASSERT_TRUE(live->push(text, "two"));
  live->advance(60);
  const auto rows = live->usage().flows(0, 1'000'000);
  ASSERT_TRUE(rows);
  std::uint64_t bytes = 0;
  for (const auto& row : *rows) bytes += row.bytes;
  EXPECT_EQ(bytes, 1400U) << "a repeat is dropped; another request is another request";
}

}  // namespace
}  // namespace fleetmeter::sim
