// Laws that hold for any telemetry: order of arrival, cuts of the record stream, and restarts
// change nothing.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/alarms/fleet_fixture.h"

namespace fleetmeter::alarms {
namespace {

constexpr const char* kInventory =
    "{instances: [{id: i-0, group: web}, {id: i-1, group: web}, {id: i-2, group: web}],"
    " groups: [{name: web, min: 1, max: 20, desired: 4}]}";
constexpr std::int64_t kMinutes = 90;

RuleSet all_rules() {
  RuleSet rules;
  rules.alarms.push_back(cpu_alarm(70));
  rules.alarms.push_back(cpu_alarm(60, 2, 3, MissingData::kBreaching));
  rules.alarms[1].name = "cpu-2-of-3";
  AlarmRule slow = cpu_alarm(55, 1, 2, MissingData::kIgnore);
  slow.name = "cpu-slow";
  slow.period_s = 300;
  rules.alarms.push_back(slow);
  AlarmRule group = cpu_alarm(60, 1, 1);
  group.name = "cpu-all";
  group.for_each.clear();
  rules.alarms.push_back(group);
  ScalingRule scaling;
  scaling.group.name = "web";
  scaling.metrics["cpu"].metric_namespace = "AWS/EC2";
  scaling.metrics["cpu"].name = "CPUUtilization";
  SimplePolicy out;
  out.metric = "cpu";
  out.threshold = 60;
  out.for_s = 120;
  out.amount = 2;
  SimplePolicy in = out;
  in.comparison = Comparison::kLess;
  in.threshold = 40;
  in.amount = -1;
  scaling.simple = {out, in};
  rules.scaling.push_back(scaling);
  return rules;
}

/// A datapoint and when it arrives.
struct Arrival {
  Sample sample;
  std::int64_t minute;
};

/// Three machines whose load wanders; one in ten datapoints never comes. Everything arrives within
/// two minutes of the end of its period, inside the publication delay; the first ones at once.
std::vector<Arrival> telemetry(std::mt19937& random) {
  std::vector<Arrival> arrivals;
  double load = 50;
  for (std::int64_t m = 0; m < kMinutes; ++m) {
    load = std::clamp(load + static_cast<double>(random() % 41) - 20, 0.0, 100.0);
    for (int machine = 0; machine < 3; ++machine) {
      const double value = std::clamp(load + static_cast<double>(random() % 21) - 10, 0.0, 100.0);
      const bool lost = m > 2 && random() % 10 == 0;
      if (!lost) arrivals.push_back({Fleet::cpu("i-" + std::to_string(machine), m, value), m + 1});
    }
  }
  return arrivals;
}

/// Applies ticks each minute, and before each the datapoints that have arrived since, `per_record`
/// in one.
std::vector<std::string> outcome(std::vector<Arrival> arrivals, std::size_t per_record,
                                 std::mt19937* restarts = nullptr) {
  Fleet fleet(all_rules());
  fleet.inventory(kInventory);
  std::size_t next = 0;
  for (std::int64_t m = 1; m < kMinutes + 20; ++m) {
    fleet.clock(m);
    std::vector<Sample> record;
    for (; next < arrivals.size() && arrivals[next].minute <= m; ++next) {
      record.push_back(arrivals[next].sample);
      if (record.size() < per_record) continue;
      fleet.samples(record);
      record.clear();
      if (restarts != nullptr && (*restarts)() % 8 == 0) fleet.restart();
    }
    if (!record.empty()) fleet.samples(record);
    fleet.tick(m);
    if (restarts != nullptr && (*restarts)() % 8 == 0) fleet.restart();
  }
  std::vector<std::string> lines;
  for (const proto::Event& event : fleet.events) lines.push_back(event_json(event));
  std::ranges::sort(lines);
  return lines;
}

TEST(EngineProperty, OrderOfArrivalWithinThePublicationDelayDoesNotChangeTheEvents) {
  std::size_t events = 0;
  for (std::uint32_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const std::vector<Arrival> arrivals = telemetry(random);
    const std::vector<std::string> in_order = outcome(arrivals, 1);
    events += in_order.size();
    std::vector<Arrival> shuffled = arrivals;
    for (Arrival& arrival : shuffled) {
      if (arrival.sample.minute > 0) arrival.minute += static_cast<std::int64_t>(random() % 3);
    }
    std::ranges::shuffle(shuffled, random);
    std::ranges::stable_sort(shuffled, {}, &Arrival::minute);
    ASSERT_EQ(outcome(shuffled, 1), in_order);
  }
  EXPECT_GT(events, 1000U);
}

TEST(EngineProperty, SplittingRecordsChangesNothing) {
  for (std::uint32_t seed = 100; seed < 120; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const std::vector<Arrival> arrivals = telemetry(random);
    const std::vector<std::string> single = outcome(arrivals, 1);
    ASSERT_EQ(outcome(arrivals, 2), single);
    ASSERT_EQ(outcome(arrivals, 100), single);
  }
}

TEST(EngineProperty, RestartsFromSnapshotsChangeNothing) {
  for (std::uint32_t seed = 200; seed < 220; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const std::vector<Arrival> arrivals = telemetry(random);
    std::mt19937 restarts(seed);
    ASSERT_EQ(outcome(arrivals, 1, &restarts), outcome(arrivals, 1));
  }
}

TEST(EngineProperty, ASnapshotReadsBackAsItself) {
  Fleet fleet(all_rules());
  fleet.inventory(kInventory);
  fleet.command("silence", 1, "cpu");
  fleet.run({"i-0", "i-1"}, 0, 12, 75);
  const std::string before = fleet.state_bytes();
  fleet.restart();
  EXPECT_EQ(fleet.state_bytes(), before);
}

TEST(EngineProperty, ADamagedSnapshotIsRefusedAtEveryCut) {
  Fleet fleet(all_rules());
  fleet.inventory(kInventory);
  fleet.run({"i-0", "i-1"}, 0, 12, 75);
  const std::string bytes = fleet.state_bytes();
  for (std::size_t cut = 0; cut < bytes.size(); cut += 7) {
    Engine engine("prod", std::make_shared<const RuleSet>(all_rules()));
    std::string_view in = std::string_view(bytes).substr(0, cut);
    ASSERT_FALSE(engine.load(in, fleet.shard())) << cut;
  }
}

}  // namespace
}  // namespace fleetmeter::alarms
