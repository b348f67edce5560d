#include <algorithm>
#include <iostream>
#include <iterator>
#include <set>

#include "aggregator/datapoint_rows.h"
#include "aggregator/flow_rows.h"
#include "alarms/engine.h"
#include "tests/kafka/takeover_scenario.h"

// Survivors of killed workers decide, deliver and bill as one `run` that nothing happens to.
namespace fleetmeter::ingest {
namespace {

using Lines = std::vector<std::string>;

/// What one side has and the other lacks, to read.
std::string difference(const Lines& got, const Lines& expected) {
  Lines only;
  std::string text;
  std::set_difference(got.begin(), got.end(), expected.begin(), expected.end(),
                      std::back_inserter(only));
  for (const std::string& one : only) text += "only of the workers: " + one + "\n";
  only.clear();
  std::set_difference(expected.begin(), expected.end(), got.begin(), got.end(),
                      std::back_inserter(only));
  for (const std::string& one : only) text += "only of run: " + one + "\n";
  return text;
}

/// Events up to a time, as the event log shows them.
Lines shown(const std::vector<proto::Event>& events, std::int64_t before_s) {
  Lines lines;
  for (const proto::Event& event : events) {
    if (event.time_s() < before_s) lines.push_back(alarms::event_json(event));
  }
  std::sort(lines.begin(), lines.end());
  return lines;
}

std::int64_t decisions(const std::vector<proto::Event>& events, std::int64_t from_s,
                       std::int64_t to_s) {
  return std::count_if(events.begin(), events.end(), [&](const proto::Event& event) {
    return event.type() == "scaling.decided" && event.time_s() >= from_s && event.time_s() < to_s;
  });
}

/// One play for all tests: it takes over a minute.
class Takeover : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    ASSERT_NE(test_brokers(), "") << "run under tests/kafka/broker.py";
    play_ = std::make_unique<TakeoverScenario>();
    play_->play();
  }
  static void TearDownTestSuite() {
    if (testing::UnitTest::GetInstance()->failed_test_count() > 0 || HasFailure())
      std::cerr << play_->logs();
    play_.reset();
  }
  static std::unique_ptr<TakeoverScenario> play_;
};
std::unique_ptr<TakeoverScenario> Takeover::play_;

TEST_F(Takeover, EveryRecordIsCountedOnce) {
  std::uint64_t bytes = 0, records = 0;
  for (int partition = 0; partition < TakeoverTelemetry::kPartitions; ++partition) {
    for (const auto& record : play_->log_records(partition)) {
      for (const std::uint64_t one : aggregator::FlowRows::of(record.batch().flows()).bytes)
        bytes += one;
      for (const std::uint64_t one : aggregator::FlowRows::of(record.batch().flows()).records)
        records += one;
    }
  }
  EXPECT_EQ(bytes, play_->telemetry().flow_bytes);
  EXPECT_EQ(records, play_->telemetry().flow_records);
}

/// What progress says was read is before it in the log, whoever wrote either.
TEST_F(Takeover, ProgressNeverSaysMoreThanWasRead) {
  int claims = 0;
  for (int e = 0; e < TakeoverTelemetry::kEnvironments; ++e) {
    std::map<std::string, std::int64_t> rows;  // Of this environment, by source, so far.
    for (const proto::LogRecord& record : play_->log_records(e)) {
      rows[record.batch().source()] +=
          static_cast<std::int64_t>(aggregator::datapoint_count(record.batch().datapoints()));
      for (const std::uint64_t one : aggregator::FlowRows::of(record.batch().flows()).records)
        rows[record.batch().source()] += static_cast<std::int64_t>(one);
      for (const proto::SourceProgress& source : record.progress().sources()) {
        if (!source.caught_up()) continue;
        ++claims;
        const std::int64_t read_to_ms = play_->clock().real_ms(source.read_to_ms());
        std::int64_t there = 0;
        for (const auto& sent : play_->sent()) {
          const bool counts =
              sent.message.environment == e && sent.appended_ms < read_to_ms &&
              TakeoverScenario::source_name(sent, play_->prefix()) == source.source();
          if (counts) there += sent.message.rows();
        }
        ASSERT_GE(rows[source.source()], there)
            << source.source() << " said that it was read up to " << source.read_to_ms() / 1000;
      }
    }
  }
  EXPECT_GT(claims, 100);
}

TEST_F(Takeover, EventsAreThoseOfAnUndisturbedRun) {
  const Lines expected = shown(play_->events_of_run(), play_->end_s());
  EXPECT_GE(expected.size(), 20U);
  EXPECT_EQ(difference(shown(play_->events_of_workers(), play_->end_s()), expected), "");
  std::cout << expected.size() << " events\n";
}

TEST_F(Takeover, GroupsScaleOnBeforeAndAfter) {
  const auto events = play_->events_of_workers();
  EXPECT_GE(decisions(events, 0, play_->killed_s() - 900), 1);
  EXPECT_GE(decisions(events, play_->killed_s(), play_->end_s()), 1);
}

TEST_F(Takeover, TheBillIsThatOfAnUndisturbedRun) {
  const Lines expected = play_->usage_rows("run");
  EXPECT_GE(expected.size(), 20U);
  EXPECT_EQ(difference(play_->usage_rows("evaluate-c"), expected), "");
  const std::string bill = play_->bill("run");
  EXPECT_NE(bill.find("\"total\""), std::string::npos);
  EXPECT_EQ(play_->bill("evaluate-c"), bill);
}

/// The outbox as its topic tells it, by event id.
struct Told {
  std::string body;
  std::int64_t queued_ms = 0, delivered_ms = 0;  // Real time; 0 = not.
};
std::map<std::string, Told> told(TakeoverScenario& play) {
  std::map<std::string, Told> entries;
  for (const auto& [record, at_ms] : play.outbox()) {
    Told& entry = entries[record.event_id()];
    if (!record.result()) {
      entry.body = record.body();
      entry.queued_ms = at_ms;
    } else if (record.state() == static_cast<unsigned>(aggregator::DeliveryState::kDelivered)) {
      EXPECT_EQ(entry.delivered_ms, 0) << "delivered twice: " << record.event_id();
      entry.delivered_ms = at_ms;
    }
  }
  return entries;
}

TEST_F(Takeover, WhatTheDeadHadNotSentTheNextOwnerSends) {
  const auto entries = told(*play_);
  const auto posts = play_->receiver().posts("/workers");
  int unsent = 0;
  for (const auto& [id, entry] : entries) {
    EXPECT_GT(entry.queued_ms, 0) << id;
    EXPECT_GT(entry.delivered_ms, 0) << id;
    if (entry.queued_ms < play_->killed_ms() && entry.delivered_ms > play_->killed_ms()) ++unsent;
    EXPECT_TRUE(std::any_of(posts.begin(), posts.end(), [&](const auto& post) {
      return post.id == id && post.body == entry.body;
    })) << id;
  }
  EXPECT_GE(unsent, 5);
  std::cout << entries.size() << " events sent, " << unsent << " of them left by the dead; "
            << posts.size() << " posts\n";
}

TEST_F(Takeover, WhatHasADeliveryResultIsNeverSentAgain) {
  const auto entries = told(*play_);
  for (const auto& post : play_->receiver().posts("/workers")) {
    const auto found = entries.find(post.id);
    ASSERT_NE(found, entries.end()) << post.body;
    EXPECT_EQ(post.body, found->second.body);
    EXPECT_LE(post.at_ms, found->second.delivered_ms) << post.id;
  }
}

}  // namespace
}  // namespace fleetmeter::ingest
