// Each rule of docs/time.md that the shard keeps has a test here that names it.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "aggregator/shard.h"
#include "tests/aggregator/log_records.h"

namespace fleetmeter::aggregator {
namespace {

constexpr GridTime kNoon = 1'700'000'400;
static_assert(kNoon % 600 == 0);
constexpr GridTime kHour = 3600;

const SeriesKey kDisk{
    "123456789012", "us-east-1", "CWAgent", "disk_used_percent", {{"InstanceId", "i-0"}}};
const SeriesKey kNatBytes{"123456789012",
                          "us-east-1",
                          "AWS/NATGateway",
                          "BytesInFromSource",
                          {{"NatGatewayId", "nat-1"}}};

Shard prod_shard() {
  ShardOptions options;
  options.environment = "prod";
  return Shard(options);
}

SeriesKey flow_series(std::string name, std::string interface = "eni-1") {
  return {"",
          "",
          std::string(kFlowNamespace),
          std::move(name),
          {{"InterfaceId", std::move(interface)}}};
}

/// One shard, its pacemaker and a clock that only the test moves.
class TimeRules : public testing::Test {
 protected:
  TimeRules() { changes.reserve(16); }

  void put(proto::LogRecord record) {
    if (record.append_time_ms() == 0) record.set_append_time_ms(now * 1000);
    pacemaker.apply(record);
    shard.apply(record, changes);
    for (const Change& change : changes) shard.table().set_retention(change.series, 12 * kHour);
  }
  void pace() {
    for (auto due = pacemaker.due(now, 1000); !due.empty(); due = pacemaker.due(now, 1000)) {
      for (proto::LogRecord& record : due) put(std::move(record));
    }
  }
  void progress(const std::string& source, GridTime read_to_s,
                const ProgressOptions& options = {}) {
    put(progress_record(now, source, read_to_s, options));
    pace();
  }
  /// Moves the wall clock in steps of 10 s, every source in `idle` caught up at each.
  void advance(GridTime seconds, const std::vector<std::string>& idle) {
    for (const GridTime end = now + seconds; now < end;) {
      now += 10;
      for (const std::string& source : idle) put(progress_record(now, source, now));
      pace();
    }
  }
  void metric(const SeriesKey& key, GridTime start_s, double value,
              const std::string& source = "metrics") {
    put(metric_record(now, source, "prod", key, {{start_s, value}}));
  }
  SlotState state(const SeriesKey& key, GridTime end_s, std::uint32_t period_s = 60) {
    return slot(key, end_s, period_s).state;
  }
  Slot slot(const SeriesKey& key, GridTime end_s, std::uint32_t period_s = 60) {
    const auto id = shard.table().find(key);
    return id ? shard.table().slot(*id, end_s, period_s, shard.frontier())
              : Slot{SlotState::kNonexistent, {}};
  }
  GridTime due(const SeriesKey& key) {
    return shard.table().due_until(shard.table().find(key).value(), shard.frontier());
  }

  GridTime now = kNoon;
  Shard shard = prod_shard();
  Pacemaker pacemaker;
  std::vector<Change> changes;
};

TEST_F(TimeRules, IdleSourceDoesNotStopTheClock) {  // docs/time.md 1
  progress("metrics", now);
  advance(120, {"metrics"});
  metric(kDisk, kNoon, 50);
  advance(600, {"metrics"});
  EXPECT_EQ(shard.frontier().tick_s, now);
  EXPECT_EQ(state(kDisk, kNoon + 60), SlotState::kPresent);
  EXPECT_EQ(state(kDisk, kNoon + 120), SlotState::kMissing)
      << "silence is seen though no record came";
  EXPECT_EQ(state(kDisk, now), SlotState::kPending);
}

// docs/time.md 1: the record from 2100
TEST_F(TimeRules, ProgressNeverPassesTheAppendTimeNorGoesBack) {
  put(flow_record(now, "flows", "prod", {{kNoon - 60}}));
  progress("flows", 4'102'444'800, {.caught_up = false});
  EXPECT_EQ(shard.frontier().watermark_s, now - 600);
  EXPECT_EQ(shard.frontier().tick_s, now);
  progress("flows", now - kHour, {.caught_up = false});
  EXPECT_EQ(shard.frontier().watermark_s, now - 600);
}

TEST_F(TimeRules, FortyMinuteBacklogIsNotSilence) {  // docs/time.md 2
  now = kNoon + 2400;
  progress("metrics", kNoon, {.caught_up = false});
  progress("other", now);
  EXPECT_EQ(shard.frontier().tick_s, kNoon) << "ticks wait for the slowest live source";
  for (GridTime read = kNoon; read < kNoon + 2400; read += 600) {
    metric(kDisk, read, 1);
    metric(kDisk, read + 60, 1);
    now += 5;
    progress("metrics", read + 600, {.caught_up = false});
    EXPECT_LE(shard.frontier().tick_s, read + 600);
    EXPECT_EQ(state(kDisk, read + 660), SlotState::kPending);
  }
  EXPECT_EQ(state(kDisk, kNoon + 180), SlotState::kMissing);
  metric(kDisk, kNoon + 120, 2);  // Out of order: the next evaluation sees it.
  EXPECT_EQ(state(kDisk, kNoon + 180), SlotState::kPresent);
}

TEST_F(TimeRules, FirstMinuteAfterTheFirstStartIsUnknownNotMissing) {  // docs/time.md 6
  metric(kDisk, kNoon - 300, 1);
  progress("metrics", now);
  advance(600, {"metrics"});
  EXPECT_EQ(state(kDisk, kNoon - 240), SlotState::kPresent);
  EXPECT_EQ(state(kDisk, kNoon - 180), SlotState::kUnknown)
      << "ended before the source's first progress";
  EXPECT_EQ(state(kDisk, kNoon), SlotState::kUnknown);
  EXPECT_EQ(state(kDisk, kNoon + 60), SlotState::kMissing);
}

TEST_F(TimeRules, ThreeHoursDownLeaveAPushSourceUnknownUntilDataComes) {  // docs/time.md 6
  const ProgressOptions push{.caught_up = true, .push = true};
  progress("metrics", now,
           {.caught_up = true, .push = true, .started = true, .listening_since_s = now - 300});
  metric(kDisk, kNoon - 60, 1);
  progress("metrics", now, push);
  now += 3 * kHour;
  progress("metrics", kNoon,
           {.caught_up = false, .push = true, .started = true, .listening_since_s = now});
  EXPECT_EQ(shard.frontier().tick_s, kNoon) << "not caught up: it may still bring what it holds";
  now += 300;
  progress("metrics", now, push);
  EXPECT_EQ(shard.frontier().tick_s, now);
  EXPECT_EQ(state(kDisk, kNoon + kHour), SlotState::kUnknown);
  EXPECT_EQ(state(kDisk, kNoon + 3 * kHour), SlotState::kUnknown);
  EXPECT_EQ(state(kDisk, kNoon + 3 * kHour + 60), SlotState::kMissing);
  metric(kDisk, kNoon + kHour - 60, 5);
  EXPECT_EQ(state(kDisk, kNoon + kHour), SlotState::kPresent);
}

// docs/time.md 2
TEST_F(TimeRules, ThreeHoursDownWriteTheMissedTicksInOrderAndWaitForALogThatKeeps) {
  progress("topic", now);
  metric(kDisk, kNoon - 60, 1, "topic");
  now += 3 * kHour;
  Pacemaker reborn;  // A new owner has read the log.
  reborn.apply(progress_record(kNoon, "topic", kNoon));
  reborn.apply(tick_record(kNoon, kNoon));
  EXPECT_TRUE(reborn.due(now, 10'000).empty()) << "a downtime of ours is no stall of the source";
  reborn.apply(progress_record(now, "topic", kNoon + kHour, {.caught_up = false}));
  const auto ticks = reborn.due(now, 10'000);
  ASSERT_EQ(ticks.size(), 360u);
  EXPECT_EQ(ticks.front().tick().time_s(), kNoon + 10);
  EXPECT_EQ(ticks.back().tick().time_s(), kNoon + kHour);
  put(progress_record(now, "topic", kNoon + kHour, {.caught_up = false}));
  for (proto::LogRecord tick : ticks) {
    tick.set_append_time_ms(now * 1000);
    put(tick);
  }
  EXPECT_EQ(state(kDisk, kNoon + 60), SlotState::kMissing)
      << "the topic kept what we did not read: nothing is unknown";
}

TEST_F(TimeRules, MetricEveryFiveMinutesHasNoMissingMinutes) {  // docs/time.md 4
  progress("metrics", now);
  for (int i = 0; i < 6; ++i) {
    advance(300, {"metrics"});
    metric(kDisk, now - 300, i);
  }
  EXPECT_EQ(shard.table().info(shard.table().find(kDisk).value()).own_period_s, 300u);
  EXPECT_EQ(state(kDisk, now, 300), SlotState::kPresent);
  advance(290, {"metrics"});
  EXPECT_EQ(due(kDisk), now) << "grid minutes between two slots are due as time passes";
  advance(100, {"metrics"});
  EXPECT_EQ(due(kDisk), kNoon + 6 * 300 + 299);
  advance(100, {"metrics"});
  EXPECT_EQ(state(kDisk, kNoon + 7 * 300, 300), SlotState::kMissing);
}

TEST_F(TimeRules, NatMetricsTwelveMinutesLateAreWaitedFor) {  // docs/time.md 4, 7
  progress("metrics", now);
  metric(kNatBytes, kNoon - 60, 1);
  advance(60 + 720, {"metrics"});
  EXPECT_EQ(state(kNatBytes, kNoon + 60), SlotState::kPending);
  metric(kNatBytes, kNoon, 2);
  EXPECT_EQ(due(kNatBytes), kNoon + 119) << "due at once when the data is there";
  EXPECT_EQ(state(kNatBytes, kNoon + 60), SlotState::kPresent);
}

TEST_F(TimeRules, ScanUnderSkipdataIsALowerBound) {  // docs/time.md 3
  progress("flows", now);
  put(flow_record(now, "flows", "prod",
                  {{.start_s = kNoon, .action = proto::ACTION_REJECT, .records = 900},
                   {.start_s = kNoon, .status = proto::FLOW_SKIPDATA},
                   {.start_s = kNoon, .interface = "eni-2", .status = proto::FLOW_NODATA}}));
  EXPECT_EQ(state(flow_series("RejectedRecords"), kNoon + 60), SlotState::kNonexistent)
      << "the window is open";
  advance(600, {"flows"});
  EXPECT_EQ(state(flow_series("RejectedRecords"), kNoon + 60), SlotState::kNonexistent)
      << "10 min of lateness";
  advance(60, {"flows"});
  const Slot scanned = slot(flow_series("RejectedRecords"), kNoon + 60);
  EXPECT_EQ(scanned.state, SlotState::kPresent);
  EXPECT_EQ(scanned.value.sum, 900);
  EXPECT_TRUE(scanned.value.lower_bound);
  const Slot quiet = slot(flow_series("RejectedRecords", "eni-2"), kNoon + 60);
  EXPECT_EQ(quiet.value.sum, 0) << "0, so that a reject alarm can end";
  EXPECT_FALSE(quiet.value.lower_bound);
  EXPECT_EQ(state(flow_series("RejectedRecords"), kNoon + 120), SlotState::kPending);
  advance(60, {"flows"});
  EXPECT_EQ(state(flow_series("RejectedRecords"), kNoon + 120), SlotState::kMissing);
}

TEST_F(TimeRules, LateFlowRecordsChangeNoClosedWindow) {  // docs/time.md 3
  progress("flows", now);
  put(flow_record(now, "flows", "prod", {{kNoon}}));
  advance(660, {"flows"});
  put(flow_record(now, "flows", "prod", {{.start_s = kNoon, .records = 4}}));
  EXPECT_EQ(shard.late_records(), 4u);
  EXPECT_EQ(slot(flow_series("AcceptedRecords"), kNoon + 60).value.sum, 1);
}

TEST_F(TimeRules, ACaptureIntervalOfTenMinutesGivesTenMinuteSlots) {  // docs/time.md 3
  progress("flows", now);
  put(flow_record(now, "flows", "prod", {{kNoon}, {kNoon + 60}, {kNoon + 300}}));
  advance(600 + 180, {"flows"});
  EXPECT_EQ(slot(flow_series("AcceptedBytes"), kNoon + 60).value.sum, 100);
  put(flow_record(now, "flows", "prod", {{.start_s = kNoon + 120, .long_records = 1}}));
  EXPECT_EQ(
      shard.table().info(shard.table().find(flow_series("AcceptedBytes")).value()).own_period_s,
      600u);
  advance(600, {"flows"});
  const Slot ten = slot(flow_series("AcceptedBytes"), kNoon + 600, 600);
  EXPECT_EQ(ten.state, SlotState::kPresent);
  EXPECT_EQ(ten.value.sum, 400) << "records of the windows that were closed already count once";
  EXPECT_EQ(ten.value.sample_count, 1);
}

TEST_F(TimeRules, TwoEnvironmentsInOneAccountWaitForTheirOwnSourcesOnly) {  // docs/time.md 1
  put(flow_record(now, "flows-dev", "dev", {{kNoon}}));
  put(flow_record(now, "flows-prod", "prod", {{kNoon}}));
  put(progress_record(now, "flows-dev", kNoon - kHour, {.caught_up = false}));
  put(progress_record(now, "flows-prod", kNoon));
  EXPECT_EQ(shard.frontier().watermark_s, kNoon - 600) << "dev's backlog holds up dev alone";
  put(flow_record(now, "flows-shared", "prod", {{kNoon}}));
  put(progress_record(now, "flows-shared", kNoon - 60,
                      {.caught_up = false, .environments = {"dev"}}));
  put(progress_record(now + 60, "flows-prod", kNoon + 60));
  EXPECT_EQ(shard.frontier().watermark_s, kNoon - 540);
}

TEST_F(TimeRules, ASourceThatTheConfigurationNamesIsWaitedForBeforeItHasCarriedAnything) {
  const ProgressOptions backlog{.caught_up = false, .environments = {"prod"}};
  put(progress_record(now, "flows-new", kNoon - kHour, backlog));
  put(flow_record(now, "flows", "prod", {{kNoon - 60}}));
  put(progress_record(now, "flows", kNoon));
  EXPECT_EQ(shard.frontier().watermark_s, kNoon - kHour - 600);
  put(flow_record(now, "flows-new", "prod", {{.start_s = kNoon - kHour, .records = 3}}));
  put(progress_record(now + 60, "flows-new", now + 60, {.environments = {"prod"}}));
  put(progress_record(now + 60, "flows", now + 60));
  EXPECT_EQ(shard.late_records(), 0u) << "its backlog is not late";
}

TEST_F(TimeRules, AStalledSourceIsWaitedForAloneAndCatchesUpInOrder) {  // docs/time.md 6
  progress("metrics", now);
  progress("healthy", now);
  metric(kDisk, kNoon - 60, 1);
  SeriesKey other = kDisk;
  other.name = "healthy_metric";
  metric(other, kNoon - 60, 1, "healthy");
  put(progress_record(now + 1, "metrics", now, {.caught_up = false}));
  advance(900, {"healthy"});
  EXPECT_EQ(shard.frontier().tick_s, kNoon) << "15 minutes are waited";
  advance(60, {"healthy"});
  EXPECT_EQ(shard.frontier().tick_s, now);
  EXPECT_EQ(state(kDisk, kNoon + 60), SlotState::kPending) << "postponed, not missing";
  EXPECT_EQ(state(other, kNoon + 60), SlotState::kMissing) << "other minutes go on";
  ASSERT_EQ(pacemaker.lags().size(), 1u);
  EXPECT_TRUE(pacemaker.lags()[0].stalled);
  now += 10;
  progress("metrics", now - 200, {.caught_up = false});
  EXPECT_EQ(state(kDisk, kNoon + 60), SlotState::kMissing)
      << "within 5 minutes of now: heard again";
}

// A producer without a key sends each minute to another partition.
TEST_F(TimeRules, WhatAnyPartitionOfATopicMayHoldWaitsForTheStalledOne) {  // docs/time.md 6
  progress("kafka:m/0", now);
  progress("kafka:m/1", now);
  metric(kDisk, kNoon - 120, 1, "kafka:m/1");
  metric(kDisk, kNoon - 60, 1, "kafka:m/0");
  put(progress_record(now + 1, "kafka:m/1", now, {.caught_up = false}));
  advance(960, {"kafka:m/0"});
  EXPECT_EQ(shard.frontier().tick_s, now) << "1 is stalled, and holds up no tick any more";
  metric(kDisk, kNoon + 60, 1, "kafka:m/0");
  EXPECT_EQ(state(kDisk, kNoon + 60), SlotState::kPending) << "1 may hold it";

  std::string saved;
  shard.save(saved);
  std::string_view in = saved;
  shard = prod_shard();
  ASSERT_TRUE(shard.load(in));
  metric(kDisk, kNoon + 240, 1, "kafka:m/0");
  EXPECT_EQ(state(kDisk, kNoon + 60), SlotState::kPending) << "as before the restart";

  metric(kDisk, kNoon, 1, "kafka:m/1");
  now += 10;
  progress("kafka:m/1", now);
  EXPECT_EQ(state(kDisk, kNoon + 60), SlotState::kPresent);
  EXPECT_EQ(state(kDisk, kNoon + 180), SlotState::kMissing) << "no partition had it";
}

TEST_F(TimeRules, ATopicIsHeardOnceItsLastPartitionIs) {  // docs/time.md 6
  metric(kDisk, kNoon - 300, 1, "kafka:m/0");
  progress("kafka:m/0", now);
  now += 120;
  progress("kafka:m/1", now);
  advance(600, {"kafka:m/0", "kafka:m/1"});
  EXPECT_EQ(state(kDisk, kNoon + 60), SlotState::kUnknown) << "1 may have carried it";
  EXPECT_EQ(state(kDisk, kNoon + 180), SlotState::kMissing);
}

TEST_F(TimeRules, TicksDoNotPassWhatACaughtUpSourceSaidLast) {  // docs/time.md 2
  progress("metrics", now);
  now += 30;
  progress("other", now);
  EXPECT_EQ(shard.frontier().tick_s, kNoon) << "what came in these 30 s may not be read yet";
}

TEST_F(TimeRules, AStalledSourceIsGivenUpAfterADayAndUnknownThen) {  // docs/time.md 6
  progress("metrics", now);
  metric(kDisk, kNoon - 60, 1);
  put(progress_record(now + 1, "metrics", now, {.caught_up = false}));
  pace();
  for (GridTime end = now + 25 * kHour; now < end; now += 60) pace();
  EXPECT_EQ(state(kDisk, kNoon + 60), SlotState::kUnknown);
  metric(kDisk, kNoon, 3);
  EXPECT_EQ(state(kDisk, kNoon + 60), SlotState::kPresent);
  const GridTime back = now;
  progress("metrics", now);
  advance(3600, {"metrics"});
  EXPECT_EQ(state(kDisk, kNoon + 12 * kHour), SlotState::kUnknown);
  EXPECT_EQ(state(kDisk, back + 1200 - back % 60), SlotState::kMissing);
}

TEST_F(TimeRules, TicksAheadOfTheirAppendTimeOrNotLaterAreRefused) {  // docs/time.md 2
  progress("metrics", now);
  const GridTime first = shard.frontier().tick_s;
  shard.apply(tick_record(now, now + 70), changes);
  EXPECT_EQ(shard.frontier().tick_s, first);
  shard.apply(tick_record(now, now - 10), changes);
  EXPECT_EQ(shard.frontier().tick_s, first);
  shard.apply(tick_record(now, now + 60), changes);
  EXPECT_EQ(shard.frontier().tick_s, now + 60);
}

TEST_F(TimeRules, BoundedInputIsReadWholeThenTicksAreMadeFromTheTelemetry) {  // docs/time.md 8
  now = kNoon + 1000 * kHour;
  put(flow_record(now, "file", "prod", {{kNoon + 600}, {kNoon}}));
  metric(kDisk, kNoon + 60, 2, "file");
  metric(kDisk, kNoon, 1, "file");
  EXPECT_EQ(due(kDisk), kBeforeAll);
  progress("file", kNoon + 660, {.caught_up = true, .bounded = true});
  EXPECT_EQ(shard.frontier().tick_s, kBeforeAll) << "nothing is due before all is read";
  put(input_end_record(kNoon, kNoon + 660));
  EXPECT_FALSE(pacemaker.finished());
  pace();
  EXPECT_TRUE(pacemaker.finished());
  EXPECT_EQ(shard.late_records(), 0u) << "nothing is late";
  EXPECT_EQ(slot(flow_series("AcceptedRecords"), kNoon + 660).value.sum, 1);
  EXPECT_EQ(slot(flow_series("AcceptedRecords"), kNoon + 60).value.sum, 1);
  EXPECT_EQ(state(kDisk, kNoon + 120), SlotState::kPresent);
  EXPECT_EQ(state(kDisk, kNoon + 180), SlotState::kMissing);
}

TEST_F(TimeRules, BoundedInputSaysNothingOfTheTimeAfterItsEnd) {  // docs/time.md 8
  now = kNoon + 1000 * kHour;
  progress("file", kNoon + 600, {.caught_up = true, .bounded = true});
  metric(kDisk, kNoon, 1, "file");
  metric(kNatBytes, kNoon + 540, 1, "file");
  put(input_end_record(kNoon, kNoon + 600));
  pace();
  ASSERT_TRUE(pacemaker.finished());
  EXPECT_GT(shard.frontier().tick_s, kNoon + 600 + 180) << "ticks go on until the last slot is due";
  EXPECT_EQ(due(kDisk), kNoon + 600) << "missing up to the end, then not asked";
  EXPECT_EQ(due(kNatBytes), kNoon + 600);

  // A later run over more files moves the end; an earlier end does not move it back.
  metric(kDisk, kNoon + 1200, 2, "file");
  put(input_end_record(kNoon + 1200, kNoon + 1260));
  pace();
  EXPECT_EQ(due(kDisk), kNoon + 1260);
  put(input_end_record(kNoon - 600, kNoon));
  EXPECT_EQ(due(kDisk), kNoon + 1260);

  std::string saved;
  shard.save(saved);
  std::string_view in = saved;
  Shard loaded = prod_shard();
  ASSERT_TRUE(loaded.load(in));
  EXPECT_EQ(loaded.frontier().input_end_s, kNoon + 1260);
}

TEST_F(TimeRules, NobodyListenedBeforeBoundedInputBegins) {  // docs/time.md 6
  const auto unseen = [this](GridTime end_s, std::uint32_t period_s) {
    return shard.table().unseen_slot(end_s, period_s, 180, shard.frontier());
  };
  now = kNoon + 1000 * kHour;
  progress("file", kNoon + 600, {.caught_up = true, .bounded = true});
  metric(kDisk, kNoon, 1, "file");
  for (const GridTime from_s : {kNoon, kNoon + 3600}) {  // A later run moves no begin.
    put(input_end_record(from_s, from_s + 600));
    pace();
    EXPECT_EQ(unseen(kNoon, 60), SlotState::kUnknown);
    EXPECT_EQ(unseen(kNoon + 60, 60), SlotState::kMissing);
    EXPECT_EQ(unseen(kNoon + 240, 300), SlotState::kUnknown);
    EXPECT_EQ(unseen(kNoon + 300, 300), SlotState::kMissing);
  }
}

TEST_F(TimeRules, FlowsOfALaterRunOverMoreFilesAreNotLate) {  // docs/time.md 8
  now = kNoon + 1000 * kHour;
  progress("file", kNoon + 120, {.caught_up = true, .bounded = true});
  put(flow_record(now, "file", "prod", {{kNoon}, {kNoon + 60}}));
  put(input_end_record(kNoon, kNoon + 120));
  pace();
  EXPECT_EQ(slot(flow_series("AcceptedRecords"), kNoon + 120).value.sum, 1);
  EXPECT_GT(shard.frontier().tick_s, kNoon + 600) << "ticks go on behind the end";

  put(flow_record(now, "file", "prod", {{kNoon + 180}, {kNoon + 120}}));
  put(input_end_record(kNoon + 120, kNoon + 240));
  pace();
  EXPECT_EQ(shard.late_records(), 0u);
  EXPECT_EQ(slot(flow_series("AcceptedRecords"), kNoon + 180).value.sum, 1);
  EXPECT_EQ(slot(flow_series("AcceptedRecords"), kNoon + 240).value.sum, 1);
  EXPECT_EQ(due(flow_series("AcceptedRecords")), kNoon + 240);
}

TEST_F(TimeRules, TheLastWindowOfBoundedInputClosesHoweverLongItIs) {  // docs/time.md 8
  ShardOptions options;
  options.environment = "prod";
  options.capture_interval_s = 600;
  shard = Shard(std::move(options));
  now = kNoon + 1000 * kHour;
  progress("file", kNoon, {.caught_up = true, .bounded = true});
  put(flow_record(now, "file", "prod", {{kNoon}, {kNoon + 660}}));
  put(input_end_record(kNoon, kNoon + 720));
  pace();
  EXPECT_EQ(slot(flow_series("AcceptedRecords"), kNoon + 1200, 600).value.sum, 1);
}

TEST_F(TimeRules, FilesBesideLiveSourcesAreReadWholeBeforeAnythingIsDecided) {  // docs/time.md 8
  now = kNoon + 2 * kHour;
  const ProgressOptions unread{.caught_up = false, .bounded = true};
  progress("file", 0, unread);
  progress("live", now);
  progress("file", kNoon + kHour, unread);
  put(flow_record(now, "file", "prod", {{kNoon + kHour}}));
  now += 60;
  progress("live", now);
  EXPECT_EQ(shard.frontier().tick_s, kBeforeAll) << "a file is being read";
  // The next file begins earlier than the last one ended, by far more than any allowed lateness.
  put(flow_record(now, "file", "prod", {{kNoon}}));
  metric(kDisk, kNoon, 1, "file");
  EXPECT_EQ(due(kDisk), kBeforeAll) << "no minute of it is decided before all is read";
  progress("file", now, {.caught_up = true, .bounded = true});
  EXPECT_EQ(shard.frontier().tick_s, now);
  EXPECT_EQ(shard.late_records(), 0u);
  EXPECT_EQ(slot(flow_series("AcceptedRecords"), kNoon + 60).value.sum, 1);
  EXPECT_EQ(slot(flow_series("AcceptedRecords"), kNoon + kHour + 60).value.sum, 1);
  EXPECT_EQ(state(kDisk, kNoon + 120), SlotState::kMissing) << "a file is heard in full";
}

TEST_F(TimeRules, OneStrayRecordOf1970DoesNotMakeATickForEveryMinuteSince) {  // docs/time.md 8
  now = kNoon + 1000 * kHour;
  progress("file", kNoon + 600, {.caught_up = true, .bounded = true});
  put(input_end_record(60, kNoon + 600));
  std::size_t ticks = 0;
  for (auto records = pacemaker.due(now, 1000); !records.empty();
       records = pacemaker.due(now, 1000)) {
    ticks += records.size();
    for (const proto::LogRecord& record : records) pacemaker.apply(record);
  }
  EXPECT_LT(ticks, 210'000u);
  EXPECT_TRUE(pacemaker.finished());
}

TEST_F(TimeRules, NoProgressNoTicks) {
  EXPECT_TRUE(pacemaker.due(now, 10).empty());
  put(progress_record(
      now, "push", 0,
      {.caught_up = false, .push = true, .started = true, .listening_since_s = now}));
  EXPECT_TRUE(pacemaker.due(now, 10).empty()) << "it has read nothing and is not caught up";
}

TEST_F(TimeRules, SeriesBeyondTheLimitAreCountedAndLeaveNeighboursAlone) {
  ShardOptions options;
  options.environment = "prod";
  options.series_max = 1;
  Shard small(options);
  small.apply(metric_record(now, "m", "prod", kDisk, {{kNoon, 1}}), changes);
  EXPECT_EQ(changes.size(), 1u);
  small.apply(metric_record(now, "m", "prod", kNatBytes, {{kNoon, 1}}), changes);
  EXPECT_TRUE(changes.empty());
  EXPECT_EQ(small.series_over_limit(), 1u);
  small.apply(metric_record(now, "m", "prod", kDisk, {{kNoon + 60, 1}}), changes);
  EXPECT_EQ(changes.size(), 1u);
}

TEST_F(TimeRules, SettingsOfTheConfigurationComeFirst) {
  ShardOptions options;
  options.environment = "prod";
  options.settings = {{"CWAgent", "", 300, 30}};
  Shard configured(options);
  configured.apply(metric_record(now, "m", "prod", kDisk, {{kNoon, 1}}), changes);
  const SeriesInfo& info = configured.table().info(0);
  EXPECT_EQ(info.own_period_s, 300u);
  EXPECT_EQ(info.publication_delay_s, 30u);
}

/// A log of everything at random.
std::vector<proto::LogRecord> random_log(std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<proto::LogRecord> log;
  GridTime now = kNoon;
  const std::vector<std::string> sources = {"a", "b"};
  for (int i = 0; i < 120; ++i) {
    now += static_cast<GridTime>(random() % 40);
    const std::string& source = sources[random() % 2];
    const GridTime event = now - static_cast<GridTime>(random() % 1500);
    SeriesKey key = kDisk;
    key.dimensions[0].second = "i-" + std::to_string(random() % 3);
    switch (random() % 6) {
      case 0:
        log.push_back(metric_record(now, source, "prod", key,
                                    {{event / 60 * 60, 1}, {event / 60 * 60 - 300, 2}}));
        break;
      case 1:
        log.push_back(
            flow_record(now, source, random() % 4 == 0 ? "dev" : "prod",
                        {{.start_s = event, .long_records = random() % 40 == 0 ? 1u : 0u}}));
        break;
      case 2:
        log.push_back(stall_record(now, source, random() % 2 == 0, random() % 5 == 0));
        break;
      case 3:
        log.push_back(progress_record(now, source, event,
                                      {.caught_up = false,
                                       .push = source == "a",
                                       .started = random() % 4 == 0,
                                       .listening_since_s = now}));
        break;
      default:
        log.push_back(tick_record(now, now / 10 * 10));
    }
  }
  return log;
}

TEST(ShardState, SavedAndLoadedAnywhereItContinuesAsIfNothingHadHappened) {
  for (std::uint32_t seed = 0; seed < 40; ++seed) {
    SCOPED_TRACE(seed);
    const std::vector<proto::LogRecord> log = random_log(seed);
    Shard straight = prod_shard();
    Shard restarted = prod_shard();
    std::mt19937 random(seed);
    std::vector<Change> a, b;
    const auto same = [](const Change& x, const Change& y) {
      return x.series == y.series && x.start_s == y.start_s && x.created == y.created;
    };
    for (const proto::LogRecord& record : log) {
      straight.apply(record, a);
      restarted.apply(record, b);
      ASSERT_TRUE(std::ranges::equal(a, b, same));
      for (const Change& change : a) {
        if (change.series % 2 == 0) continue;
        straight.table().set_retention(change.series, 3600);
        restarted.table().set_retention(change.series, 3600);
      }
      for (SeriesId id = 0; id < straight.table().size(); ++id) {
        ASSERT_EQ(straight.table().due_until(id, straight.frontier()),
                  restarted.table().due_until(id, restarted.frontier()));
      }
      std::string bytes, other;
      straight.save(bytes);
      restarted.save(other);
      ASSERT_EQ(bytes, other);
      if (random() % 4 != 0) continue;
      Shard loaded = prod_shard();
      std::string_view in = bytes;
      ASSERT_TRUE(loaded.load(in));
      ASSERT_TRUE(in.empty());
      restarted = prod_shard();
      in = bytes;
      ASSERT_TRUE(restarted.load(in));
    }
  }
}

}  // namespace
}  // namespace fleetmeter::aggregator
