// Environments of one account: one shard and one engine each, fed with the same log.
#include <gtest/gtest.h>

#include "tests/alarms/fleet_fixture.h"

namespace fleetmeter::alarms {
namespace {

using Lines = std::vector<std::string>;

/// One environment of an account whose log carries several.
class Shared {
 public:
  Shared(std::string environment, const std::shared_ptr<const RuleSet>& rules)
      : shard_([&] {
          aggregator::ShardOptions options;
          options.environment = environment;
          return options;
        }()),
        engine_(environment, rules) {}
  void apply(const proto::LogRecord& record) {
    shard_.apply(record, changes_);
    engine_.apply(record, changes_, shard_, events);
  }
  [[nodiscard]] Lines told(const std::string& type) const {
    Lines lines;
    for (const proto::Event& event : events) {
      if (event.type() == type)
        lines.push_back(event.environment() + " " + event.series() + " " + event.from() + ">" +
                        event.to());
    }
    return lines;
  }
  [[nodiscard]] GroupView group() const { return engine_.groups(shard_).at(0); }
  [[nodiscard]] std::vector<AlarmView> alarms() const { return engine_.alarms(shard_); }
  std::vector<proto::Event> events;

 private:
  aggregator::Shard shard_;
  Engine engine_;
  std::vector<aggregator::Change> changes_;
};

class TwoEnvironments : public testing::Test {
 protected:
  explicit TwoEnvironments() {
    RuleSet rules = only(cpu_alarm());
    ScalingRule scaling;
    scaling.group.name = "web";
    scaling.minimum = 1;
    scaling.maximum = 9;
    scaling.desired = 2;
    scaling.metrics["cpu"].metric_namespace = "AWS/EC2";
    scaling.metrics["cpu"].name = "CPUUtilization";
    scaling.simple.push_back({});
    scaling.simple[0].metric = "cpu";
    scaling.simple[0].threshold = 70;
    scaling.simple[0].for_s = 120;
    scaling.simple[0].amount = 1;
    rules.scaling.push_back(std::move(scaling));
    const auto shared = std::make_shared<const RuleSet>(std::move(rules));
    prod.emplace("prod", shared);
    staging.emplace("staging", shared);
    for (const char* source : {"prod-stream", "staging-stream"}) progress(source, -1, true);
  }
  void apply(proto::LogRecord record) {
    record.set_append_time_ms(now_s_ * 1000);
    prod->apply(record);
    staging->apply(record);
  }
  void progress(const std::string& source, std::int64_t m, bool caught_up) {
    proto::LogRecord record;
    proto::SourceProgress& one = *record.mutable_progress()->add_sources();
    one.set_source(source);
    one.set_read_to_ms(minute(m) * 1000);
    one.set_caught_up(caught_up);
    one.set_started(m < 0);
    one.add_environments(source.substr(0, source.find('-')));
    apply(std::move(record));
  }
  void cpu(const std::string& environment, const std::string& instance, std::int64_t m,
           double value) {
    Sample sample = Fleet::cpu(instance, m, value);
    sample.dimensions = {{"AutoScalingGroupName", "web"}, {"InstanceId", instance}};
    sample.source = environment + "-stream";
    proto::LogRecord record = Fleet::batch({sample});
    record.mutable_batch()->set_environment(environment);
    apply(std::move(record));
  }
  void tick(std::int64_t m) {
    now_s_ = minute(m);
    proto::LogRecord record;
    record.mutable_tick()->set_time_s(minute(m));
    apply(std::move(record));
  }

  std::optional<Shared> prod, staging;

 private:
  std::int64_t now_s_ = minute(-1);
};

TEST_F(TwoEnvironments, OfOneAccountNeverSeeEachOthersData) {
  for (std::int64_t m = 0; m < 6; ++m) {
    cpu("prod", "i-p", m, m < 3 ? 10 : 95);
    cpu("staging", "i-s", m, 10);
    tick(m + 1);
  }
  EXPECT_EQ(prod->told("alarm.state_changed"),
            (Lines{"prod InstanceId=i-p INSUFFICIENT_DATA>OK", "prod InstanceId=i-p OK>ALARM"}));
  EXPECT_EQ(staging->told("alarm.state_changed"),
            (Lines{"staging InstanceId=i-s INSUFFICIENT_DATA>OK"}));
}

TEST_F(TwoEnvironments, WithGroupsOfOneNameScaleEachItsOwn) {
  for (std::int64_t m = 0; m < 6; ++m) {
    cpu("prod", "i-p", m, m < 3 ? 10 : 95);
    cpu("staging", "i-s", m, 10);
    tick(m + 1);
  }
  EXPECT_EQ(prod->told("scaling.decided"), (Lines{"prod web 2>3"}));
  EXPECT_TRUE(staging->told("scaling.decided").empty());
  EXPECT_EQ(staging->group().desired, 2);
}

TEST_F(TwoEnvironments, HearOnlyTheirOwnObservationsAndCommands) {
  proto::LogRecord observed;
  observed.mutable_observation()->set_environment("staging");
  observed.mutable_observation()->set_group("web");
  observed.mutable_observation()->set_time_s(minute(0));
  observed.mutable_observation()->set_desired(7);
  apply(std::move(observed));
  proto::LogRecord set;
  set.mutable_command()->set_environment("staging");
  set.mutable_command()->set_time_s(minute(3));
  set.mutable_command()->set_kind("set_state");
  set.mutable_command()->set_rule("cpu");
  set.mutable_command()->set_argument("ALARM");
  for (std::int64_t m = 0; m < 4; ++m) {
    cpu("prod", "i-same", m, 10);
    cpu("staging", "i-same", m, 10);
    if (m == 2) apply(set);
    tick(m + 1);
  }
  EXPECT_EQ(prod->group().desired, 2);
  EXPECT_EQ(staging->group().desired, 7);
  EXPECT_EQ(prod->told("alarm.state_changed").size(), 1U);
  EXPECT_EQ(staging->told("alarm.state_changed").size(), 3U) << "Set to ALARM, and back to OK.";
}

TEST_F(TwoEnvironments, ASourceOfOneThatIsStalledDoesNotPostponeTheOther) {
  for (std::int64_t m = 0; m < 6; ++m) {
    cpu("prod", "i-p", m, 10);
    cpu("staging", "i-s", m, 10);
    tick(m + 1);
  }
  progress("staging-stream", 6, false);
  proto::LogRecord stall;
  stall.mutable_source_stall()->set_source("staging-stream");
  stall.mutable_source_stall()->set_stalled(true);
  apply(std::move(stall));
  for (std::int64_t m = 6; m < 40; ++m) {
    cpu("prod", "i-p", m, m == 10 ? 95 : 10);
    tick(m + 1);
  }
  EXPECT_EQ(prod->told("alarm.state_changed").size(), 3U);
  EXPECT_FALSE(prod->alarms().at(0).unknown);
  EXPECT_EQ(staging->told("alarm.state_changed").size(), 1U) << "Kept, not INSUFFICIENT_DATA.";
  EXPECT_TRUE(staging->alarms().at(0).unknown);
}

TEST_F(TwoEnvironments, AnInstanceThatMovesBelongsToTheOneThatItsRecordsName) {
  for (std::int64_t m = 0; m < 4; ++m) {
    cpu("prod", "i-m", m, 10);
    tick(m + 1);
  }
  for (std::int64_t m = 4; m < 8; ++m) {
    cpu("staging", "i-m", m, 95);
    tick(m + 1);
  }
  EXPECT_EQ(prod->told("alarm.state_changed")[0], "prod InstanceId=i-m INSUFFICIENT_DATA>OK");
  EXPECT_EQ(staging->told("alarm.state_changed"),
            (Lines{"staging InstanceId=i-m INSUFFICIENT_DATA>ALARM"}));
}

}  // namespace
}  // namespace fleetmeter::alarms
