#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "aggregator/aggregate_log.h"
#include "proto/clock.h"

// What every store of the aggregate log must do. A store's test file includes this, derives
// LogHarness and says
//   INSTANTIATE_TEST_SUITE_P(Sqlite, LogContract, testing::Values(LogHarnessFactory{"sqlite", []
//   {...}}));
namespace fleetmeter::aggregator {

/// One store with nothing in it. It outlives what open() returns.
class LogHarness {
 public:
  virtual ~LogHarness() = default;
  /// Opens the store; again after the last one was destroyed, as a new process would.
  virtual std::unique_ptr<AggregateLog> open() = 0;
  /// The clock that the store was opened with; starts at a plausible wall time.
  virtual ManualClock& clock() = 0;
  virtual LogPartition partition() { return 0; }
  /// Damages the newest snapshot where it is stored, while the store is closed; false when that
  /// cannot be done.
  virtual bool damage_newest_snapshot() { return false; }
  /// Whether prune() itself removes records (a broker may do it in its own time).
  virtual bool prunes_at_once() { return true; }
  /// How long wait() may need to see a record that another thread has appended.
  virtual std::int64_t wait_ms() { return 5000; }
};

struct LogHarnessFactory {
  std::string name;
  std::function<std::unique_ptr<LogHarness>()> make;
  friend void PrintTo(const LogHarnessFactory& factory, std::ostream* out) { *out << factory.name; }
};

class LogContract : public testing::TestWithParam<LogHarnessFactory> {
 protected:
  void SetUp() override {
    harness = GetParam().make();
    log = harness->open();
    ASSERT_NE(log, nullptr);
    partition = harness->partition();
  }
  void TearDown() override { log.reset(); }
  void reopen() {
    log.reset();
    log = harness->open();
    ASSERT_NE(log, nullptr);
  }

  static proto::LogRecord tick(std::int64_t time_s) {
    proto::LogRecord record;
    record.mutable_tick()->set_time_s(time_s);
    return record;
  }
  /// A record too long for any store to keep beside its neighbours, so that framing and compression
  /// show.
  static proto::LogRecord batch(std::uint32_t keys) {
    proto::LogRecord record;
    proto::AggregateBatch& batch = *record.mutable_batch();
    batch.set_environment("prod");
    for (std::uint32_t key = 0; key < keys; ++key) {
      batch.add_strings("i-" + std::to_string(key * 2654435761U));
      batch.mutable_flows()->add_bytes(std::uint64_t{key} * 40503);
    }
    return record;
  }
  Commit commit_of(std::vector<proto::LogRecord> records) const {
    Commit commit;
    for (proto::LogRecord& record : records)
      commit.records.push_back({.partition = partition, .record = std::move(record)});
    return commit;
  }
  LogPosition append_tick(std::int64_t time_s) {
    auto written = log->append(commit_of({tick(time_s)}));
    EXPECT_TRUE(written) << written.error().message;
    return written ? written->at(partition) : 0;
  }
  std::vector<LogEntry> read_all(LogPosition after = 0) {
    std::vector<LogEntry> all;
    while (true) {
      auto some = log->read(partition, after, 100);
      EXPECT_TRUE(some) << some.error().message;
      if (!some || some->empty()) return all;
      after = some->back().position;
      for (LogEntry& entry : *some) all.push_back(std::move(entry));
    }
  }
  std::vector<std::int64_t> tick_times(LogPosition after = 0) {
    std::vector<std::int64_t> times;
    for (const LogEntry& entry : read_all(after)) times.push_back(entry.record.tick().time_s());
    return times;
  }
  static proto::Event event(const std::string& id, std::int64_t time_s,
                            const std::string& type = "alarm.state_changed",
                            const std::string& environment = "prod") {
    proto::Event made;
    made.set_id(id);
    made.set_time_s(time_s);
    made.set_type(type);
    made.set_environment(environment);
    return made;
  }
  static OutboxEntry entry(const std::string& event_id, std::int64_t event_time_s,
                           std::int64_t next_attempt_ms = 0) {
    OutboxEntry made;
    made.event_id = event_id;
    made.receiver = "ops";
    made.body = "{\"id\":\"" + event_id + "\"}";
    made.content_type = "application/json";
    made.event_time_s = event_time_s;
    made.next_attempt_ms = next_attempt_ms;
    return made;
  }
  Outputs outputs_at(LogPosition evaluated) const {
    Outputs outputs;
    outputs.partition = partition;
    outputs.evaluated = evaluated;
    return outputs;
  }
  std::vector<std::string> due_ids(std::int64_t now_ms, std::size_t limit = 100) {
    std::vector<std::string> ids;
    auto due = log->due_outbox(now_ms, limit);
    EXPECT_TRUE(due) << due.error().message;
    if (due) {
      for (const OutboxEntry& one : *due) ids.push_back(one.event_id);
    }
    return ids;
  }
  std::vector<std::string> event_ids(const EventQuery& query = {}) {
    std::vector<std::string> ids;
    auto found = log->events(query);
    EXPECT_TRUE(found) << found.error().message;
    if (found) {
      for (const proto::Event& one : *found) ids.push_back(one.id());
    }
    return ids;
  }

  std::unique_ptr<LogHarness> harness;
  std::unique_ptr<AggregateLog> log;
  LogPartition partition = 0;
};
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(LogContract);

using Strings = std::vector<std::string>;
using Times = std::vector<std::int64_t>;

// --- ingest side ---

TEST_P(LogContract, AnEmptyLogHasNoRecordNoPositionAndNoSnapshot) {
  EXPECT_TRUE(read_all().empty());
  EXPECT_EQ(*log->evaluated_position(partition), 0);
  EXPECT_EQ(*log->source_position("flow/0"), std::nullopt);
  EXPECT_EQ(*log->latest_snapshot(partition), std::nullopt);
  EXPECT_TRUE(event_ids().empty());
}

TEST_P(LogContract, OwnsItsPartition) {
  const std::vector<LogPartition> owned = log->owned_partitions();
  EXPECT_NE(std::find(owned.begin(), owned.end(), partition), owned.end());
}

TEST_P(LogContract, ACommitHoldsRecordsPositionsAndKeysTogether) {
  Commit commit = commit_of({tick(10), tick(20)});
  commit.positions = {{"flow/0", "118"}, {"flow/1", std::string("\0\xff", 2)}};
  commit.once_keys = {"request-1"};
  auto written = log->append(std::move(commit));
  ASSERT_TRUE(written) << written.error().message;
  EXPECT_EQ(tick_times(), (Times{10, 20}));
  EXPECT_EQ(*log->source_position("flow/0"), "118");
  EXPECT_EQ(*log->source_position("flow/1"), std::string("\0\xff", 2));
  EXPECT_EQ(*log->seen_keys({"request-2", "request-1"}), Strings{"request-1"});
  EXPECT_EQ(written->at(partition), read_all().back().position);
}

TEST_P(LogContract, ACommitOfPositionsAloneIsDurableToo) {
  Commit commit;
  commit.positions["flow/0"] = "7";
  ASSERT_TRUE(log->append(std::move(commit)));
  reopen();
  EXPECT_EQ(*log->source_position("flow/0"), "7");
}

TEST_P(LogContract, TheLastCommittedPositionOfASourceHolds) {
  for (const char* position : {"1", "2", "3"}) {
    Commit commit = commit_of({tick(10)});
    commit.positions["flow/0"] = position;
    ASSERT_TRUE(log->append(std::move(commit)));
  }
  EXPECT_EQ(*log->source_position("flow/0"), "3");
}

TEST_P(LogContract, PositionsIncreaseAndRecordsComeInTheirOrder) {
  for (std::int64_t time = 10; time <= 300; time += 10) append_tick(time);
  const std::vector<LogEntry> all = read_all();
  ASSERT_EQ(all.size(), 30U);
  EXPECT_GE(all.front().position, 1);
  for (std::size_t i = 1; i < all.size(); ++i) {
    EXPECT_LT(all[i - 1].position, all[i].position);
    EXPECT_EQ(all[i].record.tick().time_s(), static_cast<std::int64_t>(10 * (i + 1)));
    EXPECT_EQ(all[i].partition, partition);
  }
}

TEST_P(LogContract, ALongRecordComesBackByteForByte) {
  const proto::LogRecord sent = batch(20'000);
  ASSERT_TRUE(log->append(commit_of({sent, tick(10)})));
  const std::vector<LogEntry> all = read_all();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].record.batch().SerializeAsString(), sent.batch().SerializeAsString());
}

TEST_P(LogContract, AppendTimeIsTheStoresClockWhereTheRecordHasNone) {
  proto::LogRecord stamped = tick(20);
  stamped.set_append_time_ms(12'345);
  ASSERT_TRUE(log->append(commit_of({tick(10), stamped})));
  const std::vector<LogEntry> all = read_all();
  ASSERT_EQ(all.size(), 2U);
  EXPECT_EQ(all[0].record.append_time_ms(), harness->clock().wall().time_since_epoch().count());
  EXPECT_EQ(all[1].record.append_time_ms(), 12'345);
}

TEST_P(LogContract, ConcurrentCommitsAllArriveWholeAndEachThreadsInItsOrder) {
  constexpr int kThreads = 8;
  constexpr int kCommits = 25;
  std::atomic<int> failed = 0;
  {
    std::vector<std::jthread> threads;
    for (int thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, thread] {
        for (int i = 0; i < kCommits; ++i) {
          // Two records a commit: nothing may come between them.
          Commit commit = commit_of({tick(thread * 1000 + i), tick(thread * 1000 + i)});
          commit.positions["flow/" + std::to_string(thread)] = std::to_string(i);
          if (!log->append(std::move(commit))) ++failed;
        }
      });
    }
  }
  EXPECT_EQ(failed, 0);
  const Times times = tick_times();
  ASSERT_EQ(times.size(), static_cast<std::size_t>(2 * kThreads * kCommits));
  std::vector<std::int64_t> next(kThreads, 0);
  for (std::size_t i = 0; i < times.size(); i += 2) {
    ASSERT_EQ(times[i], times[i + 1]);
    ASSERT_EQ(times[i] % 1000, next[static_cast<std::size_t>(times[i] / 1000)]++);
  }
  for (int thread = 0; thread < kThreads; ++thread) {
    EXPECT_EQ(*log->source_position("flow/" + std::to_string(thread)),
              std::to_string(kCommits - 1));
  }
}

TEST_P(LogContract, AKeyIsSeenFor48HoursOfAppendTime) {
  Commit commit = commit_of({tick(10)});
  commit.once_keys = {"request-1"};
  ASSERT_TRUE(log->append(std::move(commit)));
  harness->clock().advance(std::chrono::hours(48) - Milliseconds(1));
  EXPECT_EQ(*log->seen_keys({"request-1"}), Strings{"request-1"});
  harness->clock().advance(Milliseconds(1));
  EXPECT_EQ(*log->seen_keys({"request-1"}), Strings{});
}

TEST_P(LogContract, KeysSurviveAReopen) {
  Commit commit = commit_of({tick(10)});
  commit.once_keys = {"request-1", "request-1"};
  ASSERT_TRUE(log->append(std::move(commit)));
  reopen();
  EXPECT_EQ(*log->seen_keys({"request-1"}), Strings{"request-1"});
}

// --- evaluator side ---

TEST_P(LogContract, ReadStartsAfterThePositionAndStopsAtTheLimit) {
  append_tick(10);
  const LogPosition second = append_tick(20);
  append_tick(30);
  append_tick(40);
  EXPECT_EQ(tick_times(second), (Times{30, 40}));
  const auto two = log->read(partition, 0, 2);
  ASSERT_TRUE(two);
  ASSERT_EQ(two->size(), 2U);
  EXPECT_EQ((*two)[1].position, second);
  EXPECT_TRUE(log->read(partition, read_all().back().position, 10)->empty());
}

TEST_P(LogContract, LastPositionCoversWhatWasAppended) {
  append_tick(10);
  const LogPosition last = append_tick(20);
  const auto position = log->last_position(partition);
  ASSERT_TRUE(position);
  EXPECT_GE(*position, last);
}

TEST_P(LogContract, WaitReturnsAtOnceWhenThereIsMoreAndTimesOutWhenThereIsNot) {
  const LogPosition last = append_tick(10);
  EXPECT_TRUE(log->wait(partition, last - 1, harness->wait_ms()));
  ASSERT_EQ(read_all().size(), 1U);
  EXPECT_FALSE(log->wait(partition, *log->last_position(partition), 20));
}

TEST_P(LogContract, WaitWakesWhenAnotherThreadAppends) {
  const LogPosition last = append_tick(10);
  ASSERT_EQ(read_all().size(), 1U);
  std::jthread other([&] {
    std::this_thread::sleep_for(Milliseconds(30));
    append_tick(20);
  });
  LogPosition seen = last;
  for (int turn = 0; turn < 100 && seen == last; ++turn) {
    // `true` is "may be there": a store may wake early.
    if (!log->wait(partition, last, harness->wait_ms())) break;
    for (const LogEntry& one : read_all(last)) seen = one.position;
  }
  EXPECT_GT(seen, last);
}

TEST_P(LogContract, OutputsAndTheEvaluatedPositionAreOneCommit) {
  const LogPosition read = append_tick(10);
  Outputs outputs = outputs_at(read);
  outputs.events = {event("a", 60)};
  outputs.outbox = {entry("a", 60)};
  outputs.append = {tick(20), tick(30)};
  const auto done = log->commit_outputs(std::move(outputs));
  ASSERT_TRUE(done) << done.error().message;
  reopen();
  EXPECT_EQ(*log->evaluated_position(partition), read);
  EXPECT_EQ(event_ids(), Strings{"a"});
  EXPECT_EQ(due_ids(0), Strings{"a"});
  EXPECT_EQ(tick_times(), (Times{10, 20, 30}));
  EXPECT_EQ(read_all().back().record.append_time_ms(),
            harness->clock().wall().time_since_epoch().count());
}

TEST_P(LogContract, AnEventIsStoredOnceByItsId) {
  const LogPosition read = append_tick(10);
  for (int turn = 0; turn < 2; ++turn) {
    Outputs outputs = outputs_at(read);
    outputs.events = {event("a", 60)};
    outputs.outbox = {entry("a", 60)};
    ASSERT_TRUE(log->commit_outputs(std::move(outputs)));
  }
  EXPECT_EQ(event_ids(), Strings{"a"});
  EXPECT_EQ(due_ids(0), Strings{"a"});
}

TEST_P(LogContract, TheFirstBodyOfAnEventForAReceiverStays) {
  const LogPosition read = append_tick(10);
  Outputs outputs = outputs_at(read);
  outputs.outbox = {entry("a", 60)};
  ASSERT_TRUE(log->commit_outputs(outputs));
  outputs.outbox[0].body = "another";
  ASSERT_TRUE(log->commit_outputs(outputs));
  EXPECT_EQ(log->due_outbox(0, 10)->at(0).body, "{\"id\":\"a\"}");
}

TEST_P(LogContract, EventsAreListedByTimeNewestLastAndFiltered) {
  const LogPosition read = append_tick(10);
  Outputs outputs = outputs_at(read);
  outputs.events = {event("c", 180), event("a", 60), event("b", 120, "scaling.decided"),
                    event("d", 240, "alarm.retired", "dev")};
  ASSERT_TRUE(log->commit_outputs(std::move(outputs)));
  EXPECT_EQ(event_ids(), (Strings{"a", "b", "c", "d"}));
  EXPECT_EQ(event_ids({.environment = "dev"}), Strings{"d"});
  EXPECT_EQ(event_ids({.type_prefix = "alarm."}), (Strings{"a", "c", "d"}));
  EXPECT_EQ(event_ids({.since_s = 120}), (Strings{"b", "c", "d"}));
  EXPECT_EQ(event_ids({.limit = 2}), (Strings{"c", "d"}));
}

// --- delivery ---

TEST_P(LogContract, DueEntriesComeOldestEventFirstAndOnlyWhenTheirTimeHasCome) {
  const LogPosition read = append_tick(10);
  Outputs outputs = outputs_at(read);
  outputs.outbox = {entry("late", 300), entry("early", 60), entry("waiting", 120, 5000),
                    entry("middle", 180)};
  ASSERT_TRUE(log->commit_outputs(std::move(outputs)));
  EXPECT_EQ(due_ids(4999), (Strings{"early", "middle", "late"}));
  EXPECT_EQ(due_ids(5000), (Strings{"early", "waiting", "middle", "late"}));
  EXPECT_EQ(due_ids(5000, 2), (Strings{"early", "waiting"}));
}

TEST_P(LogContract, AnEntryComesBackWithAllItsFields) {
  const LogPosition read = append_tick(10);
  Outputs outputs = outputs_at(read);
  OutboxEntry sent = entry("a", 60, 40);
  sent.expires_s = 360;
  sent.action = true;
  sent.body = std::string("\0bytes\xff", 7);
  outputs.outbox = {sent};
  ASSERT_TRUE(log->commit_outputs(std::move(outputs)));
  const auto due = log->due_outbox(100, 10);
  ASSERT_TRUE(due);
  ASSERT_EQ(due->size(), 1U);
  const OutboxEntry& got = due->front();
  EXPECT_EQ(got.receiver, "ops");
  EXPECT_EQ(got.body, sent.body);
  EXPECT_EQ(got.content_type, "application/json");
  EXPECT_EQ(got.event_time_s, 60);
  EXPECT_EQ(got.expires_s, 360);
  EXPECT_TRUE(got.action);
  EXPECT_EQ(got.attempts, 0U);
  EXPECT_EQ(got.next_attempt_ms, 40);
  EXPECT_EQ(got.state, DeliveryState::kPending);
}

TEST_P(LogContract, AFailedAttemptIsDueAgainAtItsTimeAndASettledOneNever) {
  const LogPosition read = append_tick(10);
  Outputs outputs = outputs_at(read);
  outputs.outbox = {entry("a", 60), entry("b", 60), entry("c", 60), entry("d", 60)};
  ASSERT_TRUE(log->commit_outputs(outputs));
  OutboxEntry tried = outputs.outbox[0];
  tried.attempts = 1;
  tried.next_attempt_ms = 9000;
  tried.last_error = "503";
  ASSERT_TRUE(log->record_delivery(tried));
  const DeliveryState settled[] = {DeliveryState::kDelivered, DeliveryState::kDead,
                                   DeliveryState::kExpired};
  for (std::size_t i = 0; i < 3; ++i) {
    OutboxEntry done = outputs.outbox[i + 1];
    done.attempts = 1;
    done.state = settled[i];
    ASSERT_TRUE(log->record_delivery(done));
  }
  reopen();
  EXPECT_EQ(due_ids(8999), Strings{});
  const auto due = log->due_outbox(9000, 10);
  ASSERT_EQ(due->size(), 1U);
  EXPECT_EQ(due->front().event_id, "a");
  EXPECT_EQ(due->front().attempts, 1U);
  EXPECT_EQ(due->front().last_error, "503");
  auto counts = *log->outbox_counts();
  for (const DeliveryState state : settled) EXPECT_EQ(counts[state], 1U);
  EXPECT_EQ(counts[DeliveryState::kPending], 1U);
}

TEST_P(LogContract, AnEventGoesToEachReceiverByItself) {
  const LogPosition read = append_tick(10);
  Outputs outputs = outputs_at(read);
  outputs.outbox = {entry("a", 60), entry("a", 60)};
  outputs.outbox[1].receiver = "pager";
  ASSERT_TRUE(log->commit_outputs(outputs));
  outputs.outbox[0].state = DeliveryState::kDelivered;
  ASSERT_TRUE(log->record_delivery(outputs.outbox[0]));
  const auto due = log->due_outbox(0, 10);
  ASSERT_EQ(due->size(), 1U);
  EXPECT_EQ(due->front().receiver, "pager");
}

TEST_P(LogContract, PendingEntriesOfAReceiverComeOldestFirstDueOrNot) {
  const LogPosition read = append_tick(10);
  Outputs outputs = outputs_at(read);
  outputs.outbox = {entry("c", 180), entry("b", 120, 5000), entry("x", 60), entry("a", 60),
                    entry("y", 30)};
  outputs.outbox[2].receiver = "pager";
  ASSERT_TRUE(log->commit_outputs(outputs));
  outputs.outbox[4].state = DeliveryState::kDelivered;
  ASSERT_TRUE(log->record_delivery(outputs.outbox[4]));
  const auto pending = log->pending_outbox("ops", 2);
  ASSERT_TRUE(pending) << pending.error().message;
  ASSERT_EQ(pending->size(), 2U);
  EXPECT_EQ((*pending)[0].event_id, "a");
  EXPECT_EQ((*pending)[1].event_id, "b");
  EXPECT_EQ(log->pending_outbox("nobody", 2)->size(), 0U);
}

// --- snapshots and pruning ---

TEST_P(LogContract, TheNewestSnapshotComesBackWholeAfterAReopen) {
  std::string state(9'000'000, 'x');
  for (std::size_t i = 0; i < state.size(); i += 7) state[i] = static_cast<char>(i * 31);
  const LogPosition first = append_tick(10);
  ASSERT_TRUE(log->put_snapshot(partition, {.position = first, .schema = 1, .state = "old"}));
  const LogPosition second = append_tick(20);
  ASSERT_TRUE(log->put_snapshot(partition, {.position = second, .schema = 2, .state = state}));
  reopen();
  const auto snapshot = log->latest_snapshot(partition);
  ASSERT_TRUE(snapshot);
  ASSERT_TRUE(snapshot->has_value());
  EXPECT_EQ((*snapshot)->position, second);
  EXPECT_EQ((*snapshot)->schema, 2U);
  EXPECT_TRUE((*snapshot)->state == state);
}

TEST_P(LogContract, ADamagedSnapshotFallsBackToTheOneBefore) {
  const LogPosition first = append_tick(10);
  ASSERT_TRUE(log->put_snapshot(partition, {.position = first, .schema = 1, .state = "first"}));
  const LogPosition second = append_tick(20);
  ASSERT_TRUE(log->put_snapshot(partition, {.position = second, .schema = 1, .state = "second"}));
  log.reset();
  if (!harness->damage_newest_snapshot())
    GTEST_SKIP() << "this store's snapshots cannot be damaged from outside";
  log = harness->open();
  const auto snapshot = log->latest_snapshot(partition);
  ASSERT_TRUE(snapshot) << snapshot.error().message;
  ASSERT_TRUE(snapshot->has_value());
  EXPECT_EQ((*snapshot)->state, "first");
  EXPECT_EQ((*snapshot)->position, first);
}

TEST_P(LogContract, NothingIsPrunedWithoutASnapshot) {
  append_tick(10);
  harness->clock().advance(std::chrono::hours(24 * 30));
  const auto gone = log->prune(partition, harness->clock().wall().time_since_epoch().count(), 0);
  ASSERT_TRUE(gone) << gone.error().message;
  EXPECT_EQ(*gone, 0U);
  EXPECT_EQ(tick_times(), Times{10});
}

TEST_P(LogContract, PruningNeverPassesTheSnapshot) {
  append_tick(10);
  const LogPosition covered = append_tick(20);
  append_tick(30);
  ASSERT_TRUE(log->put_snapshot(partition, {.position = covered, .schema = 1, .state = "s"}));
  harness->clock().advance(std::chrono::hours(24 * 30));
  const auto gone = log->prune(partition, harness->clock().wall().time_since_epoch().count(), 0);
  ASSERT_TRUE(gone) << gone.error().message;
  if (harness->prunes_at_once()) {
    EXPECT_EQ(*gone, 2U);
  }
  EXPECT_EQ(tick_times(covered), Times{30});
  reopen();
  EXPECT_EQ(tick_times(covered), Times{30});
}

// Of whole minutes: others may be thinned out behind the snapshot (docs/time.md 11).
TEST_P(LogContract, PruningKeepsWhatIsYoungAndWithinTheSize) {
  append_tick(60);
  const std::int64_t then_ms = harness->clock().wall().time_since_epoch().count();
  harness->clock().advance(std::chrono::hours(1));
  const LogPosition covered = append_tick(120);
  ASSERT_TRUE(log->put_snapshot(partition, {.position = covered, .schema = 1, .state = "s"}));
  const auto gone = log->prune(partition, then_ms, std::numeric_limits<std::uint64_t>::max());
  ASSERT_TRUE(gone) << gone.error().message;
  EXPECT_EQ(*gone, 0U);
  EXPECT_EQ(tick_times(), (Times{60, 120}));
}

TEST_P(LogContract, PositionsGoOnAfterEverythingWasPrunedAndReopened) {
  const LogPosition last = append_tick(10);
  ASSERT_TRUE(log->put_snapshot(partition, {.position = last, .schema = 1, .state = "s"}));
  harness->clock().advance(std::chrono::hours(24 * 30));
  ASSERT_TRUE(log->prune(partition, harness->clock().wall().time_since_epoch().count(), 0));
  reopen();
  EXPECT_GT(append_tick(20), last);
  EXPECT_EQ(tick_times(last), Times{20});
}

TEST_P(LogContract, AReopenKeepsEverything) {
  Commit commit = commit_of({tick(10), batch(3000)});
  commit.positions["flow/0"] = "12";
  ASSERT_TRUE(log->append(std::move(commit)));
  const std::vector<LogEntry> before = read_all();
  reopen();
  const std::vector<LogEntry> after = read_all();
  ASSERT_EQ(after.size(), before.size());
  for (std::size_t i = 0; i < after.size(); ++i) {
    EXPECT_EQ(after[i].position, before[i].position);
    EXPECT_EQ(after[i].record.SerializeAsString(), before[i].record.SerializeAsString());
  }
  EXPECT_EQ(*log->source_position("flow/0"), "12");
}

}  // namespace fleetmeter::aggregator
