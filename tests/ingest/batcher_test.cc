#include "ingest/batcher.h"

#include <gmock/gmock.h>

#include <optional>

#include "tests/ingest/ingest_fixture.h"

namespace fleetmeter::ingest {
namespace {

using testing::flow_line;
using testing::kEventTime;
using testing::MemoryLog;
using testing::World;

constexpr std::int64_t kNow = (kEventTime + 600) * 1000;

class BatcherTest : public ::testing::Test {
 protected:
  void read(const std::string& text) {
    decoder_.message(text);
    batcher_.count(decoder_, text.size());
  }
  Result<void> commit(std::map<std::string, std::string> positions = {}) {
    return batcher_.try_commit(std::move(positions), {});
  }
  static SourceSettings settings(bool bounded = false) {
    SourceSettings made;
    made.name = "files:0";
    made.bounded = bounded;
    made.environments = {"prod"};
    made.allowed_lateness_s = 900;
    return made;
  }

  World world_;
  ManualClock clock_{WallTime(Milliseconds(kNow))};
  SourceContext context_ = world_.context(nullptr, &clock_);
  SourceSettings settings_ = settings();
  Batcher batcher_{context_, settings_, "files:0"};
  parsers::Decoder decoder_{batcher_.decoder_options(), batcher_.sink()};
  std::stop_source stop_;
};

TEST_F(BatcherTest, TheFirstCommitSaysSinceWhenItListens) {
  batcher_.caught_up(kNow);
  ASSERT_TRUE(commit());
  const auto told = world_.log.progress();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].source(), "files:0");
  EXPECT_TRUE(told[0].started());
  EXPECT_FALSE(told[0].bounded());
  EXPECT_EQ(told[0].listening_since_ms(), kNow);
  EXPECT_EQ(told[0].allowed_lateness_s(), 900);
  EXPECT_THAT(told[0].environments(), ::testing::ElementsAre("prod"));
  clock_.advance(Milliseconds(1000));
  ASSERT_TRUE(commit());
  EXPECT_FALSE(world_.log.progress().back().started());
}

TEST_F(BatcherTest, ProgressIsWrittenAtMostOnceASecondHoweverOftenTheSourceTurns) {
  for (int i = 0; i < 100; ++i) {
    read(flow_line(1));
    if (i % 2 == 0) batcher_.behind();
    if (i % 2 == 1) batcher_.caught_up(kNow);
    ASSERT_TRUE(commit());
    clock_.advance(Milliseconds(100));
  }
  EXPECT_EQ(world_.log.progress().size(), 10u);
}

TEST_F(BatcherTest, ProgressNeverGoesBackAndNeverPassesTheWallClock) {
  const auto told_after = [&](auto say) {
    clock_.advance(Milliseconds(1000));
    say();
    EXPECT_TRUE(commit());
    return world_.log.progress().back().read_to_ms();
  };
  const std::int64_t wall = kNow + 1000;
  EXPECT_EQ(told_after([&] { batcher_.caught_up(wall); }), wall);
  EXPECT_EQ(told_after([&] {
              read(flow_line(1, kEventTime));
              batcher_.behind();
            }),
            wall);
  // Ahead of the wall clock, but not so far that it is dropped.
  EXPECT_EQ(told_after([&] {
              read(flow_line(1, kNow / 1000 + 200));
              batcher_.behind();
            }),
            kNow + 3000);
}

TEST_F(BatcherTest, BehindItHasReadUpToTheLargestEventTime) {
  read(flow_line(1, kEventTime + 60) + flow_line(1, kEventTime));
  batcher_.behind();
  ASSERT_TRUE(commit());
  EXPECT_EQ(world_.log.progress().back().read_to_ms(), (kEventTime + 60) * 1000);
  EXPECT_FALSE(world_.log.progress().back().caught_up());
}

TEST_F(BatcherTest, ProgressComesAfterTheBatchesThatItSpeaksOf) {
  read(flow_line(1));
  batcher_.behind();
  ASSERT_TRUE(commit());
  const auto commits = world_.log.commits();
  ASSERT_EQ(commits.at(0).records.size(), 2u);
  EXPECT_TRUE(commits[0].records[0].record.has_batch());
  EXPECT_TRUE(commits[0].records[1].record.has_progress());
}

TEST_F(BatcherTest, ABoundedRunSaysSoFirst) {
  const SourceSettings bounded = settings(true);
  Batcher batcher(context_, bounded, "files:0");
  parsers::Decoder decoder(batcher.decoder_options(), batcher.sink());
  decoder.message(flow_line(1));
  ASSERT_TRUE(batcher.try_commit({}, {}));
  const auto commits = world_.log.commits();
  ASSERT_EQ(commits.at(0).records.size(), 2u);
  EXPECT_TRUE(commits[0].records[0].record.progress().sources(0).bounded());
}

TEST_F(BatcherTest, ARecordFrom2100IsDroppedAndMovesNothing) {
  read(flow_line(1, 4'102'444'800) + flow_line(7));
  batcher_.behind();
  ASSERT_TRUE(commit());
  EXPECT_EQ(world_.log.sums().records, 1u);
  EXPECT_EQ(world_.dropped("future"), 1u);
  EXPECT_EQ(world_.log.progress().back().read_to_ms(), kEventTime * 1000);
}

TEST_F(BatcherTest, AnIdleOneKnowsTheTimeAgainAfterRefresh) {
  clock_.advance(std::chrono::hours(1));
  batcher_.refresh();
  read(flow_line(1, kNow / 1000 + 3600));
  ASSERT_TRUE(commit());
  EXPECT_EQ(world_.dropped("future"), 0u);
  EXPECT_EQ(world_.log.sums().records, 1u);
}

TEST_F(BatcherTest, APushSourceIsCaughtUpFiveMinutesAfterItOpened) {
  clock_.advance(Milliseconds(7000));
  const std::int64_t opened = kNow + 7000;
  const auto push = [&](std::int64_t wall_ms) {
    clock_.set(WallTime(Milliseconds(wall_ms)));
    batcher_.push_open(wall_ms);
    EXPECT_TRUE(commit());
    return world_.log.progress().back();
  };
  EXPECT_FALSE(push(opened).caught_up());
  EXPECT_TRUE(push(opened + 1000).push());
  EXPECT_EQ(push(opened + 2000).listening_since_ms(), opened);
  EXPECT_FALSE(push(opened + 299'000).caught_up());
  const auto later = push(opened + 300'000);
  EXPECT_TRUE(later.caught_up());
  EXPECT_EQ(later.read_to_ms(), opened + 300'000);
}

TEST_F(BatcherTest, PositionsAndKeysGoWithTheBatch) {
  read(flow_line(1));
  ASSERT_TRUE(batcher_.try_commit({{"files:0/1:2", "here"}}, {"firehose:a/1"}));
  const auto commits = world_.log.commits();
  ASSERT_EQ(commits.size(), 1u);
  EXPECT_EQ(commits[0].positions.at("files:0/1:2"), "here");
  EXPECT_THAT(commits[0].once_keys, ::testing::ElementsAre("firehose:a/1"));
}

TEST_F(BatcherTest, NothingIsHeldAcrossACommit) {
  read(flow_line(5));
  ASSERT_TRUE(commit());
  EXPECT_FALSE(batcher_.has_records());
  ASSERT_TRUE(commit({{"p", "1"}}));
  EXPECT_EQ(world_.log.sums().records, 1u);
}

TEST_F(BatcherTest, ARefusedCommitLeavesNothingAndCountsNothing) {
  world_.log.refuse(Error{ErrorCode::kUnavailable, "disk full"});
  read(flow_line(5) + "garbage\n");
  batcher_.count_drop("bad_base64", 2);
  const auto outcome = commit();
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(batcher_.blocked(), "files:0: disk full");
  EXPECT_FALSE(batcher_.has_records());
  EXPECT_EQ(world_.decoded().flows.malformed(), 0u);
  EXPECT_EQ(world_.counters.commit_failures, 1u);

  world_.log.refuse(std::nullopt);
  read(flow_line(5) + "garbage\n");
  ASSERT_TRUE(commit());
  EXPECT_EQ(batcher_.blocked(), "");
  EXPECT_EQ(world_.log.sums().records, 1u);
  EXPECT_EQ(world_.decoded().flows.malformed(), 1u);
  EXPECT_EQ(world_.dropped("bad_base64"), 0u);
  EXPECT_TRUE(world_.log.progress().front().started());
}

TEST_F(BatcherTest, WaitsForTheLogUntilItTakesTheCommit) {
  world_.log.refuse(Error{ErrorCode::kUnavailable, "disk full"});
  std::jthread heals([&] {
    EXPECT_TRUE(testing::eventually([&] { return batcher_.blocked() == "files:0: disk full"; }));
    world_.log.refuse(std::nullopt);
  });
  read(flow_line(5));
  EXPECT_TRUE(batcher_.commit({}, {}, stop_.get_token()));
  EXPECT_EQ(world_.log.sums(), (MemoryLog::Sums{1, 5, 0}));
  EXPECT_EQ(batcher_.blocked(), "");
}

TEST_F(BatcherTest, AStopEndsTheWaitAndNothingIsCommitted) {
  world_.log.refuse(Error{ErrorCode::kUnavailable, "disk full"});
  std::jthread stops([&] {
    EXPECT_TRUE(testing::eventually([&] { return !batcher_.blocked().empty(); }));
    stop_.request_stop();
  });
  read(flow_line(5));
  EXPECT_FALSE(batcher_.commit({{"p", "1"}}, {}, stop_.get_token()));
  EXPECT_TRUE(world_.log.commits().empty());
}

TEST_F(BatcherTest, AFencedLogIsNotTriedAgain) {
  world_.log.allow_commits(0);
  read(flow_line(5));
  const auto outcome = batcher_.commit({}, {}, stop_.get_token());
  ASSERT_FALSE(outcome);
  EXPECT_EQ(outcome.error().code, ErrorCode::kFenced);
}

TEST_F(BatcherTest, AnEventThatCannotBeLookedUpFailsTheCommit) {
  world_.log.refuse_reads(Error{ErrorCode::kUnavailable, "cannot read"});
  EXPECT_TRUE(batcher_.sink().keep_log_event("1"));
  EXPECT_FALSE(commit());
  world_.log.refuse_reads(std::nullopt);
  EXPECT_TRUE(batcher_.sink().keep_log_event("1"));
  EXPECT_FALSE(batcher_.sink().keep_log_event("1"));  // Twice in one commit.
  EXPECT_TRUE(commit());
  EXPECT_FALSE(batcher_.sink().keep_log_event("1"));  // And in a later one.
}

/// Two sources of one process that read one log.
class TwoReadersTest : public ::testing::Test {
 protected:
  struct Reader {
    Reader(const SourceContext& context, std::string source)
        : batcher(context, settings, std::move(source)) {}
    void read(const std::vector<std::string>& event_ids) {
      decoder.message(testing::log_events(event_ids));
      batcher.count(decoder, 0);
    }
    Result<void> commit() { return batcher.try_commit({}, {}); }
    SourceSettings settings;
    Batcher batcher;
    parsers::Decoder decoder{batcher.decoder_options(), batcher.sink()};
  };
  [[nodiscard]] std::uint64_t records() const { return world_.log.sums().records; }

  World world_;
  SourceContext context_ = world_.context();
  Reader one_{context_, "files:0"};
  std::optional<Reader> other_{std::in_place, context_, "files:1"};
};

TEST_F(TwoReadersTest, WhatBothReadIsCountedOnceWhicheverCommitsFirst) {
  one_.read({"a", "b"});
  other_->read({"b", "c"});
  ASSERT_TRUE(one_.commit());
  ASSERT_TRUE(other_->commit());
  EXPECT_EQ(records(), 3u);
  one_.read({"d", "e"});
  other_->read({"e", "f"});
  ASSERT_TRUE(other_->commit());
  ASSERT_TRUE(one_.commit());
  EXPECT_EQ(records(), 6u);
  EXPECT_EQ(world_.decoded().duplicate_events, 2u);
  one_.read({"a", "b", "c", "d", "e", "f"});
  other_->read({"a", "b", "c", "d", "e", "f"});
  ASSERT_TRUE(one_.commit());
  ASSERT_TRUE(other_->commit());
  EXPECT_EQ(records(), 6u);
}

TEST_F(TwoReadersTest, TheOneWhoseCommitFailsReadsAgainWhatTheOtherHasPassedOver) {
  one_.read({"a", "b"});
  other_->read({"b", "c"});
  world_.log.refuse(Error{ErrorCode::kUnavailable, "disk full"});
  ASSERT_FALSE(one_.commit());
  world_.log.refuse(std::nullopt);
  ASSERT_TRUE(other_->commit());
  one_.read({"a", "b"});
  ASSERT_TRUE(one_.commit());
  EXPECT_EQ(records(), 3u);
}

TEST_F(TwoReadersTest, WhatOneGivesUpIsTheOthers) {
  other_->read({"a", "b"});
  other_->batcher.discard();
  one_.read({"a"});
  other_->read({"b"});
  other_.reset();
  one_.read({"b"});
  ASSERT_TRUE(one_.commit());
  EXPECT_EQ(records(), 2u);
}

TEST_F(TwoReadersTest, ARepeatOfWhatTheLogHoldsKeepsNobodyWaiting) {
  one_.read({"a"});
  ASSERT_TRUE(one_.commit());
  one_.read({"a"});
  EXPECT_TRUE(world_.claims.enter({"event:a"}, Milliseconds(0)));
}

TEST_F(TwoReadersTest, WhoServesRequestsClaimsNothingBeforeTheCommit) {
  Batcher worker(context_, one_.settings, "firehose:0", Serves::kRequests);
  EXPECT_TRUE(worker.sink().keep_log_event("a"));
  one_.read({"a"});
  worker.discard();
  other_->read({"a"});
  ASSERT_TRUE(one_.commit());
  ASSERT_TRUE(other_->commit());
  EXPECT_EQ(records(), 1u);
}

TEST_F(BatcherTest, KnowsTheSpanOfEventTimes) {
  EXPECT_EQ(batcher_.event_time_range_s(), (std::pair<std::int64_t, std::int64_t>{0, 0}));
  read(flow_line(1, kEventTime + 120) + flow_line(1, kEventTime));
  ASSERT_TRUE(commit());
  EXPECT_EQ(batcher_.event_time_range_s(),
            (std::pair<std::int64_t, std::int64_t>{kEventTime, kEventTime + 180}));
}

}  // namespace
}  // namespace fleetmeter::ingest
