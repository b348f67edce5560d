#include "tests/sim/pipeline_sim.h"

#include <gtest/gtest.h>
#include <spdlog/spdlog.h>
#include <stdlib.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "aggregator/sqlite_log.h"
#include "alarms/engine.h"
#include "app/evaluator.h"
#include "proto/check.h"

// Laws of the whole pipeline (docs/time.md), each over many seeds. A failure prints its seed; the
// seed replays the run.
namespace fleetmeter::sim {
namespace {

std::uint32_t number_of(const char* variable, std::uint32_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : static_cast<std::uint32_t>(std::stoul(text));
}

#ifdef __SANITIZE_ADDRESS__
constexpr std::uint32_t kUsualSeeds = 30;  // Enough for what a sanitizer looks for, at its speed.
#else
constexpr std::uint32_t kUsualSeeds = 100;
#endif
/// More of them, or one alone, for a person: FLEETMETER_SIM_SEEDS=2000, FLEETMETER_SIM_FIRST=17.
const std::uint32_t kFirst = number_of("FLEETMETER_SIM_FIRST", 0);
const std::uint32_t kSeeds = number_of("FLEETMETER_SIM_SEEDS", kUsualSeeds);
const std::uint32_t kEnd = kFirst + kSeeds;
constexpr std::int64_t kMinutes = 24;

/// Every fault at once, each record in time: within the publication delay, downtimes and retries
/// included.
constexpr Faults kEverything{.redeliver = 0.1,
                             .late_max_s = 60,
                             .crash = 0.01,
                             .refuse = 0.05,
                             .lose_bill = 0.3,
                             .damage = 0.3,
                             .clock_step = 0.02,
                             .clock_step_max_s = 30,
                             .unreachable = 0.005,
                             .unreachable_max_s = 1200,
                             .change = 0.3,
                             .idle_source = true};

/// The first line that only one of two sorted event logs has; empty = they are equal.
std::string difference(const std::vector<std::string>& got,
                       const std::vector<std::string>& wanted) {
  for (std::size_t i = 0; i < std::max(got.size(), wanted.size()); ++i) {
    if (i >= got.size()) return "lacks " + wanted[i];
    if (i >= wanted.size()) return "has too much: " + got[i];
    if (got[i] != wanted[i])
      return "line " + std::to_string(i) + "\n   got " + got[i] + "\nwanted " + wanted[i];
  }
  return {};
}

/// Ticks go up and never far ahead of the time of their append (docs/time.md 2).
bool ticks_in_order(const MemoryDisk& disk) {
  std::int64_t tick_s = 0;
  for (const aggregator::LogEntry& entry : disk.records) {
    if (!entry.record.has_tick()) continue;
    if (entry.record.tick().time_s() <= tick_s) return false;
    tick_s = entry.record.tick().time_s();
    if (tick_s > entry.record.append_time_ms() / 1000 + 60) return false;
  }
  return true;
}

class PipelineSimTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { spdlog::set_level(spdlog::level::off); }

  /// Of the minutes that have data: the silence after them is not what these laws speak of.
  static std::vector<std::string> undisturbed(const Telemetry& telemetry) {
    PipelineSim sim(telemetry, 1, {.bill = false});
    sim.run();
    EXPECT_EQ(sim.broken(), "");
    return sim.events(telemetry.end_s);
  }
};

TEST_F(PipelineSimTest, EveryByteIsBilledOnceAcrossCrashesRefusalsAndRedelivery) {
  PipelineSim::Counts total;
  for (std::uint32_t seed = kFirst; seed < kEnd; ++seed) {
    SCOPED_TRACE(seed);
    const Telemetry telemetry(seed, kMinutes);
    PipelineSim sim(telemetry, seed, kEverything);
    sim.run();
    ASSERT_EQ(sim.broken(), "");
    ASSERT_EQ(sim.bytes_billed(), telemetry.flow_bytes);
    ASSERT_EQ(sim.records_billed(), telemetry.flow_records);
    ASSERT_EQ(sim.usage_of("flow_log_records"), telemetry.log_lines);
    ASSERT_EQ(sim.usage_of("metric_updates"), telemetry.datapoints);
    if (seed % 10 == 0) {  // To the last row.
      PipelineSim calm(telemetry, 1, {});
      calm.run();
      ASSERT_EQ(sim.bill(), calm.bill());
    }
    total.crashes += sim.counts().crashes;
    total.refusals += sim.counts().refusals;
    total.repeats += sim.counts().repeats;
    total.lost_answers += sim.counts().lost_answers;
    total.rereads += sim.counts().rereads;
    total.damaged += sim.counts().damaged;
    total.clock_steps += sim.counts().clock_steps;
    total.spells += sim.counts().spells;
    total.changes += sim.counts().changes;
  }
  EXPECT_GT(total.crashes, kSeeds);  // Else nothing was shown.
  EXPECT_GT(total.refusals, kSeeds);
  EXPECT_GT(total.repeats, kSeeds);
  EXPECT_GT(total.lost_answers, kSeeds);
  EXPECT_GT(total.rereads, kSeeds);
  EXPECT_GT(total.damaged, kSeeds / 10);
  EXPECT_GT(total.clock_steps, kSeeds);
  EXPECT_GT(total.spells, kSeeds / 10);
  EXPECT_GT(total.changes, kSeeds);
}

std::vector<std::string> without_scaling(std::vector<std::string> events) {
  std::erase_if(events, [](const std::string& event) {
    return event.find("\"type\":\"scaling.") != std::string::npos;
  });
  return events;
}

/// But for what scaling decides behind a decision that came too late to be carried out (docs/time.md
/// 7): where a source may be out of reach for longer than that takes, alarms alone are compared.
TEST_F(PipelineSimTest, EventsAreThoseOfAnUndisturbedRun) {
  std::size_t alarms = 0, decisions = 0;
  for (std::uint32_t seed = kFirst; seed < kEnd; ++seed) {
    SCOPED_TRACE(seed);
    const Telemetry telemetry(seed, kMinutes);
    Faults faults = kEverything;
    faults.bill = false;
    const bool in_time = seed % 2 == 0;
    if (in_time) faults.unreachable_max_s = 240;
    PipelineSim sim(telemetry, seed, faults);
    sim.run();
    ASSERT_EQ(sim.broken(), "");
    const std::vector<std::string> got = sim.events(telemetry.end_s);
    const std::vector<std::string> wanted = undisturbed(telemetry);
    if (in_time) {
      ASSERT_EQ(difference(got, wanted), "");
    } else {
      ASSERT_EQ(difference(without_scaling(got), without_scaling(wanted)), "");
    }
    for (const proto::Event& event : sim.event_records())
      ++(event.has_scaling() ? decisions : alarms);
  }
  EXPECT_GT(alarms, 10 * kSeeds);
  EXPECT_GT(decisions, kSeeds);
}

TEST_F(PipelineSimTest, EveryEventArrivesAndNeverWithTwoBodies) {
  const auto known = receivers();
  std::uint64_t sent_twice = 0;
  for (std::uint32_t seed = kFirst; seed < kEnd; ++seed) {
    SCOPED_TRACE(seed);
    const Telemetry telemetry(seed, kMinutes);
    Faults faults = kEverything;
    faults.bill = false;
    faults.crash = 0.03;
    PipelineSim sim(telemetry, seed, faults);
    sim.run();
    ASSERT_EQ(sim.broken(), "");
    ASSERT_EQ(sim.disk().events_changed, 0U);
    PipelineSim::Arrived expected;
    for (const proto::Event& event : sim.event_records()) {
      for (const aggregator::OutboxEntry& entry : alarms::outbox_entries(event, known))
        expected[{entry.event_id, entry.receiver}] = {entry.body};
    }
    ASSERT_FALSE(expected.empty());
    ASSERT_EQ(sim.arrived(), expected);
    sent_twice += sim.counts().sent_twice;
  }
  EXPECT_GT(sent_twice, 0U);
}

/// Applies the log to an evaluator; with `restart` > 0 it is saved and loaded into a new one at
/// random records.
std::vector<std::string> evaluate(const MemoryDisk& disk, double restart, std::uint32_t seed,
                                  std::vector<std::string>& end_state) {
  Random random(seed);
  auto evaluator = std::make_unique<app::Evaluator>();
  std::vector<proto::Event> events;
  for (const aggregator::LogEntry& entry : disk.records) {
    EXPECT_TRUE(evaluator->apply(entry, events));
    if (!random.chance(restart)) continue;
    const aggregator::Snapshot snapshot{evaluator->position(), app::Evaluator::kSnapshotSchema,
                                        evaluator->save()};
    evaluator = std::make_unique<app::Evaluator>();
    const auto loaded = evaluator->load(snapshot);
    EXPECT_TRUE(loaded) << loaded.error().message;
  }
  for (const alarms::AlarmView& alarm : evaluator->alarms()) {
    end_state.push_back(alarm.environment + " " + alarm.rule + " " + alarm.series + " " +
                        to_string(alarm.state) + " " + std::to_string(alarm.unknown) + " " +
                        std::to_string(alarm.since_s) + " " + std::to_string(alarm.evaluated_s) +
                        " " + alarm.reason);
  }
  for (const alarms::GroupView& group : evaluator->groups()) {
    end_state.push_back(group.environment + " " + group.group + " " +
                        std::to_string(group.desired) + " " + std::to_string(group.last_action_s) +
                        " " + std::to_string(group.cooldown_until_s) + " " + group.last_reason);
  }
  std::ranges::sort(end_state);
  std::vector<std::string> texts;
  for (const proto::Event& event : events) texts.push_back(event.ShortDebugString());
  return texts;
}

TEST_F(PipelineSimTest, AnEvaluatorGoesOnFromAnySnapshotAsIfItHadNeverStopped) {
  for (std::uint32_t seed = kFirst; seed < kEnd; ++seed) {
    SCOPED_TRACE(seed);
    const Telemetry telemetry(seed, kMinutes);
    Faults faults = kEverything;
    faults.bill = false;
    faults.pauses = seed % 2 == 0 ? 1 : 0;
    PipelineSim sim(telemetry, seed, faults, seed % 2 == 0 ? Rules::kSilence : Rules::kPresent);
    sim.run();
    ASSERT_EQ(sim.broken(), "");
    std::vector<std::string> whole_state, restarted_state;
    const auto whole = evaluate(sim.disk(), 0, seed, whole_state);
    const auto restarted = evaluate(sim.disk(), 0.02, seed, restarted_state);
    ASSERT_FALSE(whole.empty());
    ASSERT_EQ(difference(restarted, whole), "");  // In the same order, to the last field.
    ASSERT_EQ(difference(restarted_state, whole_state), "");
  }
}

TEST_F(PipelineSimTest,
       NeitherOrderOfArrivalWithinThePublicationDelayNorTheSplitIntoCommitsChangesAnything) {
  for (std::uint32_t seed = kFirst; seed < kEnd; ++seed) {
    SCOPED_TRACE(seed);
    const Telemetry telemetry(seed, kMinutes);
    PipelineSim sim(telemetry, seed + 1000, {.late_max_s = 130, .bill = seed % 10 == 0});
    sim.run();
    ASSERT_EQ(sim.broken(), "");
    ASSERT_EQ(difference(sim.events(telemetry.end_s), undisturbed(telemetry)), "");
    if (seed % 10 != 0) continue;
    PipelineSim calm(telemetry, 1, {});
    calm.run();
    ASSERT_EQ(sim.bill(), calm.bill());
  }
}

TEST_F(PipelineSimTest, AFencedEvaluatorLeavesNothing) {
  std::uint64_t fenced = 0;
  for (std::uint32_t seed = kFirst; seed < kEnd; ++seed) {
    SCOPED_TRACE(seed);
    const Telemetry telemetry(seed, kMinutes);
    const Faults faults{.late_max_s = 60, .refuse = 0.02, .hand_over = 0.03, .bill = seed % 5 == 0};
    PipelineSim sim(telemetry, seed, faults);
    sim.run();
    ASSERT_EQ(sim.broken(), "");
    ASSERT_EQ(sim.disk().events_changed, 0U);
    ASSERT_EQ(difference(sim.events(telemetry.end_s), undisturbed(telemetry)), "");
    if (faults.bill) {
      ASSERT_EQ(sim.bytes_billed(), telemetry.flow_bytes);
    }
    fenced += sim.counts().fenced;
  }
  EXPECT_GT(fenced, kSeeds);
}

/// The records of the simulation in a log on disk, with the snapshots of two positions, thinned.
class ThinnedLog {
 public:
  explicit ThinnedLog(const MemoryDisk& disk) {
    FM_CHECK(::mkdtemp(folder_.data()) != nullptr);
    auto opened = aggregator::SqliteLog::open(folder_ + "/log.db", {.clock = &clock_});
    FM_CHECK(opened.has_value());
    log_ = *std::move(opened);
    aggregator::Commit commit;
    for (const aggregator::LogEntry& entry : disk.records)
      commit.records.push_back({0, entry.record});
    FM_CHECK(log_->append(std::move(commit)).has_value());
    app::Evaluator evaluator;
    std::vector<proto::Event> events;
    const std::vector<aggregator::LogEntry> all = read(0);
    for (std::size_t i = 0; i < all.size(); ++i) {
      FM_CHECK(evaluator.apply(all[i], events).has_value());
      if (i != all.size() / 2 && i != all.size() * 2 / 3) continue;
      FM_CHECK(log_->put_snapshot(
                       0, {all[i].position, app::Evaluator::kSnapshotSchema, evaluator.save()})
                   .has_value());
      if (older_ == 0) older_ = all[i].position;
    }
    FM_CHECK(log_->prune(0, 0, ~std::uint64_t{0}).has_value());
  }
  ~ThinnedLog() {
    log_.reset();
    std::filesystem::remove_all(folder_);
  }
  ThinnedLog(const ThinnedLog&) = delete;
  ThinnedLog& operator=(const ThinnedLog&) = delete;

  [[nodiscard]] std::vector<aggregator::LogEntry> read(aggregator::LogPosition after) {
    auto entries = log_->read(0, after, 1'000'000);
    FM_CHECK(entries.has_value());
    return *std::move(entries);
  }
  [[nodiscard]] aggregator::Snapshot snapshot() { return **log_->latest_snapshot(0); }
  [[nodiscard]] aggregator::LogPosition older() const { return older_; }
  [[nodiscard]] std::uint64_t thinned() const { return log_->status().thinned; }

 private:
  ManualClock clock_{WallTime(Milliseconds(kStart * 1000))};
  std::string folder_ = "/tmp/fleetmeter-thin-XXXXXX";
  std::unique_ptr<aggregator::SqliteLog> log_;
  aggregator::LogPosition older_ = 0;
};

TEST_F(PipelineSimTest, AThinnedLogGivesTheSameStateEventsAndBill) {  // docs/time.md 11
  for (std::uint32_t seed = kFirst; seed < kEnd; seed += 10) {
    SCOPED_TRACE(seed);
    const Telemetry telemetry(seed, kMinutes);
    PipelineSim sim(telemetry, seed, kEverything);
    sim.run();
    ASSERT_EQ(sim.broken(), "");
    ThinnedLog thinned(sim.disk());
    EXPECT_GT(thinned.thinned(), 50U);
    // Every record that recovery reads, from the newer snapshot or the older one, is as it was.
    const auto tail = thinned.read(thinned.older());
    const auto& whole = sim.disk().records;
    ASSERT_LE(tail.size(), whole.size());
    for (std::size_t i = 0; i < tail.size(); ++i) {
      ASSERT_EQ(tail[i].record.SerializeAsString(),
                whole[whole.size() - tail.size() + i].record.SerializeAsString());
    }
    app::Evaluator recovered, straight;
    std::vector<proto::Event> events, straight_events;
    ASSERT_TRUE(recovered.load(thinned.snapshot()));
    for (const auto& entry : thinned.read(recovered.position()))
      ASSERT_TRUE(recovered.apply(entry, events));
    aggregator::LogPosition position = 0;
    for (const auto& entry : whole)
      ASSERT_TRUE(straight.apply({0, ++position, entry.record}, straight_events));
    ASSERT_EQ(recovered.position(), straight.position());
    ASSERT_EQ(recovered.save(), straight.save());
    // The bill from the first record on.
    ASSERT_EQ(sim.bill_of(thinned.read(0)), sim.bill());
  }
}

/// True when nothing was heard of `machine` in the `count` newest slots at `at_s` because the
/// process was down.
bool all_unknown(const PipelineSim& sim, int machine, std::int64_t at_s, int count) {
  for (int k = 0; k < count; ++k) {
    const std::int64_t end_s = at_s - 60 * k;
    if (sim.delivered().contains({machine, end_s})) return false;
    const bool deaf = std::ranges::any_of(sim.pauses(), [&](const auto& pause) {
      return end_s > pause.first && end_s <= pause.second;
    });
    if (!deaf) return false;
  }
  return true;
}

TEST_F(PipelineSimTest, NothingFollowsFromSlotsThatEndedWhileWeWereDeaf) {
  std::uint64_t deaf_minutes = 0, silence_alarms = 0;
  for (std::uint32_t seed = kFirst; seed < kEnd; ++seed) {
    SCOPED_TRACE(seed);
    const Telemetry telemetry(seed, 60, true);
    PipelineSim sim(telemetry, seed, {.late_max_s = 30, .pauses = 2, .bill = false},
                    Rules::kSilence);
    sim.run();
    ASSERT_EQ(sim.broken(), "");
    for (const proto::Event& event : sim.event_records()) {
      const auto unknown = [&](int machine) {
        return all_unknown(sim, machine, event.time_s(), 2);
      };
      if (event.has_scaling()) {
        ASSERT_FALSE(unknown(0) && unknown(1) && unknown(2) && unknown(3))
            << alarms::event_json(event);
        continue;
      }
      for (int machine = 0; machine < kMachines; ++machine) {
        if (event.series() != "InstanceId=" + instance_id(machine)) continue;
        ASSERT_FALSE(unknown(machine)) << alarms::event_json(event);
      }
      const bool silent = event.series() == "InstanceId=" + instance_id(kMachines - 1) &&
                          event.time_s() > telemetry.silent_from_s + 60 &&
                          event.time_s() <= telemetry.silent_to_s;
      if (silent && event.rule() == "cpu-gone") ++silence_alarms;
    }
    for (std::int64_t at_s = telemetry.begin_s + 60; at_s <= telemetry.end_s; at_s += 60)
      deaf_minutes += all_unknown(sim, 0, at_s, 2) ? 1U : 0U;
  }
  EXPECT_GT(deaf_minutes, 10 * kSeeds);
  EXPECT_GT(silence_alarms, kSeeds / 4);  // Silence that we did hear is still told.
}

/// A clock that is wrong by minutes may decide late or early; it bills all of it once all the same.
TEST_F(PipelineSimTest, AClockThatStepsByMinutesLosesAndRepeatsNoByte) {
  for (std::uint32_t seed = kFirst; seed < kEnd; seed += 3) {
    SCOPED_TRACE(seed);
    const Telemetry telemetry(seed, kMinutes);
    Faults faults = kEverything;
    faults.clock_step = 0.1;
    faults.clock_step_max_s = 240;  // Beyond 5 min a record would be of the future.
    faults.bill = seed % 2 == 0;
    PipelineSim sim(telemetry, seed, faults);
    sim.run();
    ASSERT_EQ(sim.broken(), "");
    ASSERT_EQ(sim.disk().events_changed, 0U);
    ASSERT_TRUE(ticks_in_order(sim.disk()));
    if (!faults.bill) continue;
    ASSERT_EQ(sim.bytes_billed(), telemetry.flow_bytes);
    ASSERT_EQ(sim.usage_of("metric_updates"), telemetry.datapoints);
  }
}

TEST_F(PipelineSimTest, OneSeedFixesEverything) {
  const Telemetry telemetry(7, kMinutes);
  PipelineSim first(telemetry, 7, kEverything), second(telemetry, 7, kEverything);
  first.run();
  second.run();
  EXPECT_GT(first.counts().crashes, 0U);
  EXPECT_TRUE(first.disk().fingerprint() == second.disk().fingerprint());
}

}  // namespace
}  // namespace fleetmeter::sim
