// docs/time.md 5: a scaling group passes over minutes in which nothing can change. For any rule,
// fleet and gap that is the same as walking them: equal events, byte for byte, and equal snapshots.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <functional>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "aggregator/state_codec.h"
#include "tests/alarms/fleet_fixture.h"

namespace fleetmeter::alarms {
namespace {

using Random = std::mt19937;

std::int64_t pick(Random& random, std::int64_t from, std::int64_t to) {
  return from + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(to - from + 1));
}
bool one_in(Random& random, std::uint32_t n) { return random() % n == 0; }

/// How the time between what a scenario tells is gone through.
enum class Walk {
  kRanges,  ///< One tick at its end: what nothing happens in is passed over.
  kTicks,   ///< A tick a minute: there is nothing to pass over.
  kTold,    ///< The records of kRanges, and an observation that says nothing for each minute: none
            ///< can be passed over.
};

/// A series of the fleet and what carries it.
struct Source {
  Sample sample;  ///< Its name and dimensions.
  std::int64_t period = 1, offset_s = 0;
  bool capacity = false;
};

/// Records as verbs, each at once or as a `Walk` spreads it out.
struct Step {
  std::function<void(Fleet&)> record = {};  ///< Empty: time goes on to `tick`.
  std::int64_t tick = 0;
  bool restart = false;
  std::string listens = {};  ///< Source that is heard from here on.
};

struct Scenario {
  RuleSet rules;
  bool bounded = false;
  bool restarts = false;        ///< Else its inventory may change.
  std::int64_t told_until = 0;  ///< Of Walk::kTold: what is told behind it may not be heard.
  std::vector<Step> steps;
};

Comparison any_comparison(Random& random, bool above) {
  if (above) return one_in(random, 2) ? Comparison::kGreater : Comparison::kGreaterOrEqual;
  return one_in(random, 2) ? Comparison::kLess : Comparison::kLessOrEqual;
}

StepPolicy any_step(Random& random, const std::string& metric) {
  const bool above = one_in(random, 2);
  StepPolicy policy;
  policy.metric = metric;
  policy.comparison = any_comparison(random, above);
  policy.threshold = above ? 60 : 40;
  policy.for_s = static_cast<std::uint32_t>(pick(random, 1, 6)) * 60;
  policy.adjustment = one_in(random, 3) ? Adjustment::kPercent : Adjustment::kChange;
  const std::int64_t unit = policy.adjustment == Adjustment::kPercent ? 20 : 1;
  if (above) {
    policy.steps = {{0, 20, unit}, {20, {}, 2 * unit}};
  } else {
    policy.steps = {{-20, 0, -unit}, {{}, -20, -2 * unit}};
  }
  if (one_in(random, 2)) policy.warm_up_s = static_cast<std::uint32_t>(pick(random, 0, 90)) * 60;
  return policy;
}

SimplePolicy any_simple(Random& random, const std::string& metric) {
  const bool above = one_in(random, 2);
  SimplePolicy policy =
      simple_policy(any_comparison(random, above), above ? 60 : 40,
                    static_cast<std::uint32_t>(pick(random, 1, 12)) * 60, above ? 2 : -1);
  policy.metric = metric;
  if (one_in(random, 3)) policy.cooldown_s = static_cast<std::uint32_t>(pick(random, 0, 90)) * 60;
  return policy;
}

ScalingRule any_rule(Random& random) {
  ScalingRule rule = web_rule();
  rule.simple.clear();
  const bool service = one_in(random, 3);
  rule.group = {.kind = service ? GroupRef::Kind::kEcsService : GroupRef::Kind::kAsg,
                .name = service ? "shop/cart" : "web"};
  if (service) rule.metrics["cpu"].metric_namespace = "AWS/ECS";
  rule.metrics["cpu"].statistic =
      std::vector<std::string>{"Average", "Maximum", "p90"}[random() % 3];
  if (one_in(random, 2)) {
    rule.metrics["queue"] = {.metric_namespace = "Custom",
                             .name = "Queue",
                             .statistic = "Maximum",
                             .dimensions = {{"Name", "orders"}},
                             .exact = one_in(random, 2)};
  }
  for (std::int64_t left = pick(random, 2, 4); left > 0; --left) {
    const std::string metric = rule.metrics.size() > 1 && one_in(random, 2) ? "queue" : "cpu";
    if (one_in(random, 2)) {
      rule.simple.push_back(any_simple(random, metric));
    } else {
      rule.step.push_back(any_step(random, metric));
    }
  }
  if (one_in(random, 2)) rule.minimum = pick(random, 0, 3);
  if (one_in(random, 2)) rule.maximum = pick(random, 4, 8);
  if (one_in(random, 3)) rule.quota = pick(random, 3, 12);
  if (one_in(random, 2)) rule.desired = pick(random, 2, 5);
  rule.cooldown_s = static_cast<std::uint32_t>(pick(random, 0, 20)) * 60;
  rule.grace_s = one_in(random, 3) ? static_cast<std::uint32_t>(pick(random, 1, 60)) * 60 : 0;
  if (one_in(random, 3)) rule.default_warm_up_s = static_cast<std::uint32_t>(pick(random, 0, 3000));
  if (one_in(random, 2)) rule.act = {"provisioning", "chat"};
  return rule;
}

std::vector<Source> any_fleet(Random& random, bool service) {
  std::map<std::string, std::int64_t> periods;
  for (const char* name : {"CPUUtilization", "Queue", "GroupDesiredCapacity",
                           "GroupInServiceInstances", "DesiredTaskCount"})
    periods[name] = std::vector<std::int64_t>{1, 1, 1, 1, 2, 5}[random() % 6];
  std::vector<Source> fleet;
  const auto add = [&](std::string metric_namespace, std::string name,
                       std::vector<std::pair<std::string, std::string>> dimensions) -> Source& {
    Source& one = fleet.emplace_back();
    one.sample.metric_namespace = std::move(metric_namespace);
    one.sample.name = std::move(name);
    one.sample.dimensions = std::move(dimensions);
    one.sample.source = one_in(random, 3) ? "other" : "stream";
    one.period = periods[one.sample.name];
    if (one_in(random, 4)) one.offset_s = pick(random, 1, 59);
    return one;
  };
  if (service) {
    add("AWS/ECS", "CPUUtilization", {{"ClusterName", "shop"}, {"ServiceName", "cart"}});
    if (one_in(random, 2))
      add("ECS/ContainerInsights", "DesiredTaskCount",
          {{"ClusterName", "shop"}, {"ServiceName", "cart"}})
          .capacity = true;
  } else {
    for (const char* machine : {"i-0", "i-1", "i-2", "i-3"}) {
      if (one_in(random, 3)) continue;
      std::vector<std::pair<std::string, std::string>> dimensions{{"InstanceId", machine}};
      if (one_in(random, 5)) dimensions.insert(dimensions.begin(), {"AutoScalingGroupName", "web"});
      add("AWS/EC2", "CPUUtilization", std::move(dimensions));
    }
    if (one_in(random, 2)) add("AWS/EC2", "CPUUtilization", {{"AutoScalingGroupName", "web"}});
    for (const char* name : {"GroupDesiredCapacity", "GroupInServiceInstances"}) {
      if (one_in(random, 2))
        add("AWS/AutoScaling", name, {{"AutoScalingGroupName", "web"}}).capacity = true;
    }
  }
  if (one_in(random, 2)) add("Custom", "Queue", {{"Name", "orders"}});
  return fleet;
}

std::string time_text(std::int64_t m) {
  const std::time_t seconds = minute(m);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 32> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "'%FT%TZ'", &utc)};
}

/// Machines that come, go and change their group, and a group whose limits hold for a time.
std::string any_inventory(Random& random, std::int64_t from, std::int64_t to) {
  std::string machines, groups;
  const auto valid = [&](std::int64_t begin, std::int64_t end) {
    std::string text;
    if (!one_in(random, 4)) text += ", valid_from: " + time_text(begin);
    if (!one_in(random, 4)) text += ", valid_to: " + time_text(end);
    return text;
  };
  for (const char* machine : {"i-0", "i-1", "i-2", "i-3"}) {
    if (one_in(random, 6)) continue;
    std::int64_t begin = pick(random, from - 100, to);
    for (std::int64_t left = pick(random, 1, 3); left > 0; --left) {
      const std::int64_t end = pick(random, begin + 1, begin + 1500);
      machines += std::string(machines.empty() ? "" : ", ") + "{id: " + machine +
                  ", group: " + (one_in(random, 3) ? "other" : "web") + valid(begin, end) + "}";
      begin = one_in(random, 2) ? end : pick(random, end, end + 500);
    }
  }
  for (const char* group : {"web", "shop/cart"}) {
    const std::int64_t begin = pick(random, from - 100, to);
    groups += std::string(groups.empty() ? "" : ", ") + "{name: " + group + ", min: 1, max: 9" +
              (one_in(random, 3) ? "" : ", desired: 4") +
              valid(begin, pick(random, begin + 1, begin + 3000)) + "}";
  }
  return "{instances: [" + machines + "], groups: [" + groups + "]}";
}

/// Datapoints of some of the series for the minutes [from, to).
proto::LogRecord burst(Random& random, const std::vector<Source>& fleet, const std::string& source,
                       std::int64_t from, std::int64_t to) {
  const double general = std::vector<double>{10, 50, 90}[random() % 3];
  std::vector<Sample> samples;
  std::vector<const Source*> of;
  for (const Source& one : fleet) {
    if (one.sample.source != source || one_in(random, 6)) continue;
    double level = general;
    for (std::int64_t m = (from + one.period - 1) / one.period * one.period; m < to;
         m += one.period) {
      if (one_in(random, 20)) continue;
      if (one_in(random, 12)) level = std::vector<double>{10, 50, 90}[random() % 3];
      Sample sample = one.sample;
      sample.minute = m;
      sample.value = one.capacity ? static_cast<double>(pick(random, 1, 9)) : level;
      samples.push_back(sample);
      of.push_back(&one);
    }
  }
  proto::LogRecord record = Fleet::batch(samples);
  proto::Datapoints& points = *record.mutable_batch()->mutable_datapoints();
  for (int i = 0; i < points.start_s_size(); ++i) {
    const Source& one = *of[static_cast<std::size_t>(i)];
    points.set_start_s(i, points.start_s(i) + one.offset_s);
    points.set_period_s(i, static_cast<std::uint32_t>(one.period * 60));
    if (one.capacity || !one_in(random, 10)) continue;
    points.set_sample_count(i, 2);  // A percentile of it is not known.
    points.set_sum(i, 2 * points.sum(i));
    points.set_minimum(i, points.minimum(i) - 5);
  }
  return record;
}

/// An observation of the group: its capacity, that the last decision failed, or nothing.
Step observation(Random& random, const std::string& group, std::int64_t m) {
  const bool desired = one_in(random, 2), in_service = one_in(random, 3), fails = one_in(random, 2);
  const std::int64_t count = pick(random, 1, 9);
  return {.record = [=](Fleet& fleet) {
    proto::LogRecord record = fleet.observation(group, m);
    proto::Observation& said = *record.mutable_observation();
    if (desired) said.set_desired(count);
    if (in_service) said.set_in_service(count);
    if (fails) {
      for (const proto::Event& event : fleet.events) {
        if (event.type() == "scaling.decided") said.set_event_id(event.id());
      }
      said.set_result("failed");
    }
    fleet.apply(std::move(record));
  }};
}

Step listening(const std::string& source, std::int64_t m, bool push) {
  return {.record = [=](Fleet& fleet) { fleet.listen(source, m, push, m); }, .listens = source};
}

/// What a log may hold between two bursts, the last of which ended at `from`.
void add_gap(Random& random, std::int64_t from, std::int64_t to, Scenario& out) {
  const std::string& group = out.rules.scaling[0].group.name;
  for (std::int64_t left = pick(random, 0, 2); left > 0; --left)
    out.steps.push_back(observation(random, group, pick(random, from, to)));
  if (!one_in(random, 3)) return;
  if (out.restarts) {
    out.steps.push_back({.restart = true});
  } else {
    const std::string yaml = any_inventory(random, from, to);
    out.steps.push_back({.record = [=](Fleet& fleet) { fleet.inventory(yaml); }});
  }
}

Scenario any_scenario(std::uint32_t seed) {
  Random random(seed);
  Scenario out;
  const ScalingRule rule = any_rule(random);
  const bool service = rule.group.kind == GroupRef::Kind::kEcsService;
  const std::vector<Source> fleet = any_fleet(random, service);
  out.rules = only(rule);
  out.bounded = one_in(random, 3);
  out.restarts = out.bounded || one_in(random, 2);
  std::vector<std::int64_t> bursts, ends;
  std::int64_t m = 0;
  for (std::int64_t left = pick(random, 2, 5); left > 0; --left) {
    bursts.push_back(m);
    m += pick(random, 5, 25);
    ends.push_back(m);
    m += one_in(random, 3) ? pick(random, 1, 40) : pick(random, 100, 1500);
  }
  if (!one_in(random, 4)) {
    const std::string yaml = any_inventory(random, 0, m);
    out.steps.push_back({.record = [=](Fleet& of) { of.inventory(yaml); }});
  }
  const auto add_burst = [&](std::size_t i) {
    for (const char* source : {"stream", "other"}) {
      const proto::LogRecord record = burst(random, fleet, source, bursts[i], ends[i]);
      out.steps.push_back({.record = [=](Fleet& of) { of.apply(record); }});
    }
  };
  if (out.bounded) {
    for (std::size_t i = 0; i < bursts.size(); ++i) add_burst(i);
    out.steps.push_back({.record = [=](Fleet& of) {
      proto::LogRecord end;
      end.mutable_input_end()->set_event_time_min_s(minute(bursts.front()));
      end.mutable_input_end()->set_event_time_max_s(minute(ends.back()) + 59);
      of.apply(std::move(end));
    }});
    out.steps.push_back({.tick = 0});
    for (std::int64_t at = 0; at < ends.back();) {
      at = std::min(ends.back(), at + (one_in(random, 3) ? 1 : pick(random, 1, 700)));
      add_gap(random, at, at + 10, out);
      out.steps.push_back({.tick = at});
    }
    out.steps.push_back({.tick = ends.back() + 30});
    out.told_until = ends.back() - 60;
    return out;
  }
  const bool push = one_in(random, 2);
  std::int64_t unheard_until = one_in(random, 3) ? pick(random, 0, m) : -60;
  out.steps.push_back(listening("stream", -60, push));
  if (unheard_until < 0) out.steps.push_back(listening("other", -60, false));
  for (std::size_t i = 0; i < bursts.size(); ++i) {
    const std::int64_t next = i + 1 < bursts.size() ? bursts[i + 1] : ends[i] + 1500;
    if (unheard_until >= 0 && unheard_until < bursts[i]) {
      out.steps.push_back(listening("other", bursts[i], one_in(random, 2)));
      unheard_until = -60;
    }
    // What comes behind a gap is there before the gap is gone through, or behind it.
    if (i > 0 && bursts[i] > ends[i - 1] + 5 && one_in(random, 2))
      out.steps.push_back({.tick = bursts[i] - 1});
    if (push && i > 0 && one_in(random, 3))
      out.steps.push_back(listening("stream", bursts[i], true));  // Nobody listened in the gap.
    add_burst(i);
    out.steps.push_back({.tick = ends[i] + 4});
    add_gap(random, ends[i], next, out);
  }
  out.steps.push_back({.tick = ends.back() + 1500});
  out.told_until = ends.back() + 1400;
  return out;
}

/// What a snapshot says of the group, behind the number of evaluations, which is less where minutes
/// were passed over. (In front of it is which resources the inventory was asked for.)
std::string state_of(const Fleet& fleet) {
  const std::string bytes = fleet.state_bytes();
  std::string_view in = bytes;
  aggregator::StateReader reader(in);
  (void)reader.u32();
  for (std::uint64_t known = reader.count(); known > 0; --known) (void)reader.u32();
  for (int left = 3; left > 0; --left) (void)reader.u64();
  return std::string(in);
}

std::string view_of(Fleet& fleet) {
  const GroupView view = fleet.group();
  return std::to_string(view.desired) + " " + std::to_string(view.in_service) + " " +
         std::to_string(view.last_action_s) + " " + std::to_string(view.cooldown_until_s) + " " +
         view.last_reason;
}

struct Outcome {
  std::vector<std::string> events;  ///< In the order of the event log.
  std::vector<std::string> views;   ///< Behind each tick of the scenario.
  std::string state;                ///< At its end.
  std::uint64_t evaluations = 0;
};

Outcome outcome(const Scenario& scenario, Walk walk) {
  Fleet fleet(scenario.rules, Fleet::Input::kBounded);  // Live as soon as something listens.
  Outcome out;
  std::set<std::string> heard;
  std::int64_t last = 0;
  const auto tick = [&](std::int64_t m) {
    for (const std::string& source : heard) fleet.progress(source, m, true);
    fleet.tick(m);
  };
  for (const Step& step : scenario.steps) {
    if (step.restart) {
      fleet.restart();
    } else if (step.record) {
      step.record(fleet);
      if (!step.listens.empty()) heard.insert(step.listens);
    } else {
      fleet.clock(
          step.tick);  // When a record was appended says what comes too late: the same in all.
      for (std::int64_t m = last; walk != Walk::kRanges && m < step.tick; ++m) {
        if (walk == Walk::kTicks) {
          tick(m);
        } else if (m < scenario.told_until) {
          fleet.apply(fleet.observation(scenario.rules.scaling[0].group.name, m));
        }
      }
      last = step.tick;
      tick(step.tick);
      out.views.push_back(view_of(fleet));
    }
  }
  out.state = state_of(fleet);
  for (const proto::Event& event : fleet.events) out.events.push_back(event.SerializeAsString());
  std::ranges::sort(out.events);
  out.evaluations = fleet.engine().evaluations_total();
  return out;
}

TEST(ScalingGapProperty, WhatIsPassedOverIsDecidedAsMinuteByMinute) {
  std::uint64_t events = 0, in_ranges = 0, in_minutes = 0;
  for (std::uint32_t seed = 0; seed < 100; ++seed) {
    SCOPED_TRACE(seed);
    const Scenario scenario = any_scenario(seed);
    const Outcome ranges = outcome(scenario, Walk::kRanges);
    const Outcome told = outcome(scenario, Walk::kTold);
    const Outcome ticks = outcome(scenario, Walk::kTicks);
    ASSERT_EQ(ranges.events, told.events);
    ASSERT_EQ(ranges.views, told.views);
    if (told.evaluations > 0) {
      ASSERT_EQ(ranges.state, told.state);
    }
    ASSERT_EQ(ranges.events, ticks.events);
    ASSERT_EQ(ranges.views, ticks.views);
    events += ranges.events.size();
    in_ranges += ranges.evaluations;
    in_minutes += ticks.evaluations;
  }
  EXPECT_GT(events, 200U);
  EXPECT_LT(5 * in_ranges, in_minutes) << "Most of the time was passed over.";
}

}  // namespace
}  // namespace fleetmeter::alarms
