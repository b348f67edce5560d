// docs/time.md 5: an alarm passes over minutes in which nothing can change. For any rule and gap that
// is the same as a tick a minute: equal events and states.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "tests/alarms/fleet_fixture.h"

namespace fleetmeter::alarms {
namespace {

using Random = std::mt19937;

template <typename Value>
Value one_of(Random& random, const std::vector<Value>& values) {
  return values[random() % values.size()];
}
std::int64_t pick(Random& random, std::int64_t from, std::int64_t to) {
  return from + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(to - from + 1));
}

/// A few datapoints, a gap that was heard, not heard, or in part, and a few more.
struct Scenario {
  RuleSet rules;
  std::vector<proto::LogRecord> bursts;
  std::vector<std::int64_t> ends;
  std::int64_t heard_from = -60;
};

AlarmRule any_alarm(Random& random) {
  const std::int64_t n = pick(random, 1, 5);
  AlarmRule rule =
      cpu_alarm(50, static_cast<std::uint32_t>(pick(random, 1, n)), static_cast<std::uint32_t>(n),
                one_of<MissingData>(random, {MissingData::kMissing, MissingData::kIgnore,
                                             MissingData::kBreaching, MissingData::kNotBreaching}));
  rule.period_s = one_of<std::uint32_t>(random, {10, 30, 60, 60, 120, 300});
  rule.metric.statistic = one_of<std::string>(random, {"Average", "p90"});
  if (random() % 2 == 0) rule.for_each.clear();
  if (random() % 3 == 0) rule.range_slots = static_cast<std::uint32_t>(n + pick(random, 0, 8));
  return rule;
}

Scenario any_scenario(std::uint32_t seed) {
  Random random(seed);
  Scenario out;
  out.rules = only(any_alarm(random));
  const std::int64_t period = one_of<std::int64_t>(random, {1, 2, 5, 10});
  const std::int64_t offset_s = random() % 3 == 0 ? pick(random, 1, 59) : 0;
  std::int64_t m = 0;
  for (int burst = 0; burst < 3; ++burst) {
    const std::int64_t end = m + pick(random, 1, 20);
    std::vector<Sample> samples;
    for (const char* machine : {"i-a", "i-b"}) {
      for (std::int64_t at = (m + period - 1) / period * period; at < end; at += period) {
        if (at > 0 && random() % 8 == 0) continue;
        samples.push_back(Fleet::cpu(machine, at, one_of<double>(random, {10, 90})));
        samples.back().source = machine == std::string("i-a") ? "stream" : "other";
      }
    }
    for (const char* source : {"stream", "other"}) {
      std::vector<Sample> of;
      std::ranges::copy_if(samples, std::back_inserter(of),
                           [&](const Sample& sample) { return sample.source == source; });
      proto::LogRecord& record = out.bursts.emplace_back(Fleet::batch(of));
      proto::Datapoints& points = *record.mutable_batch()->mutable_datapoints();
      for (int i = 0; i < points.start_s_size(); ++i) {
        points.set_start_s(i, points.start_s(i) + offset_s);
        points.set_period_s(i, static_cast<std::uint32_t>(period * 60));
        if (random() % 3 != 0) continue;
        points.set_sample_count(i, 2);  // A percentile of it is not known.
        points.set_sum(i, 2 * points.sum(i));
        points.set_minimum(i, points.minimum(i) - 5);
      }
    }
    out.ends.push_back(end);
    m = end + pick(random, 20, 900);
  }
  if (random() % 2 == 0) out.heard_from = pick(random, 0, m);
  return out;
}

struct Outcome {
  std::vector<std::string> events;
  std::string state;  ///< As the page shows it.
  std::uint64_t evaluations = 0;
};

Outcome outcome(const Scenario& scenario, bool every_minute) {
  Fleet fleet(scenario.rules, Fleet::Input::kBounded);  // Live as soon as something listens.
  // What lies before a source is first heard is unknown.
  fleet.listen("other", -60);
  fleet.listen("stream", scenario.heard_from);
  std::int64_t last = std::max<std::int64_t>(0, scenario.heard_from);
  const auto tick = [&](std::int64_t m) {
    fleet.progress("other", m, true);
    fleet.progress("stream", m, true);
    fleet.tick(m);
  };
  for (std::size_t i = 0; i < scenario.bursts.size(); ++i) {
    fleet.apply(scenario.bursts[i]);
    if (i % 2 == 0) continue;
    const std::int64_t end = scenario.ends[i / 2] + 4;
    for (std::int64_t m = last; every_minute && m < end; ++m) tick(m);
    tick(std::max(last, end));
    last = std::max(last, end);
  }
  for (std::int64_t m = last; every_minute && m < last + 900; ++m) tick(m);
  // One that went dormant is asked again by a tick.
  tick(last + 900);
  tick(last + 901);

  Outcome out;
  for (proto::Event event : fleet.events) {
    event.clear_notify();  // Of a catch-up the net change alone is sent (docs/time.md 7).
    out.events.push_back(event.SerializeAsString());
  }
  std::ranges::sort(out.events);
  out.evaluations = fleet.engine().evaluations_total();
  for (const AlarmView& view : fleet.engine().alarms(fleet.shard()))
    out.state += view.series + " " + to_string(view.state) + " " + std::to_string(view.since_s) +
                 " " + (view.unknown ? "unknown " : "") + view.reason + "\n";
  return out;
}

TEST(AlarmGapProperty, WhatIsPassedOverIsDecidedAsMinuteByMinute) {
  std::uint64_t events = 0, in_ranges = 0, in_minutes = 0;
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    const Scenario scenario = any_scenario(seed);
    const Outcome ranges = outcome(scenario, false), ticks = outcome(scenario, true);
    ASSERT_EQ(ranges.events, ticks.events);
    ASSERT_EQ(ranges.state, ticks.state);
    events += ranges.events.size();
    in_ranges += ranges.evaluations;
    in_minutes += ticks.evaluations;
  }
  EXPECT_GT(events, 500U);
  EXPECT_LT(in_ranges, in_minutes);
}

}  // namespace
}  // namespace fleetmeter::alarms
