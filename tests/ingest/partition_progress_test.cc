#include "ingest/partition_progress.h"

#include <gtest/gtest.h>

// docs/time.md 1: when a source partition is caught up, and up to when.
namespace fleetmeter::ingest {
namespace {

TEST(PartitionProgress, SaysNothingBeforeTheBrokerHasSaidWhereThePartitionEnds) {
  PartitionProgress progress;
  EXPECT_EQ(progress.complete_ms(), 0);
  progress.read_up_to(7);
  EXPECT_EQ(progress.complete_ms(), 0);
  EXPECT_EQ(progress.next_offset(), 7);
}

TEST(PartitionProgress, AnEndThatIsReadReachesToTheMomentOfTheQuestion) {
  PartitionProgress progress;
  progress.read_up_to(7);
  progress.ended_at(1000, 7);
  EXPECT_EQ(progress.complete_ms(), 1000);
}

TEST(PartitionProgress, ANewOwnerIsBehindUntilItsBacklogIsRead) {
  PartitionProgress progress;
  progress.ended_at(1000, 9);  // Asked before anything of the backlog came.
  EXPECT_EQ(progress.complete_ms(), 0);
  progress.read_up_to(8);
  EXPECT_EQ(progress.complete_ms(), 0);
  progress.read_up_to(9);
  EXPECT_EQ(progress.complete_ms(), 1000);
}

TEST(PartitionProgress, AnEmptyPartitionIsKnownOnceItsFirstOffsetIs) {
  PartitionProgress progress;
  progress.ended_at(1000, 0);
  EXPECT_EQ(progress.complete_ms(), 0);  // Where reading begins is not known: nothing is.
  progress.read_up_to(0);
  EXPECT_EQ(progress.complete_ms(), 1000);
}

TEST(PartitionProgress, SilenceWithoutAnAnswerDoesNotMoveOn) {
  PartitionProgress progress;
  progress.read_up_to(7);
  progress.ended_at(1000, 7);
  progress.read_up_to(7);  // The end is told again; nobody asked since.
  EXPECT_EQ(progress.complete_ms(), 1000);
}

TEST(PartitionProgress, WhatCameSinceTheQuestionDoesNotTakeItBack) {
  PartitionProgress progress;
  progress.read_up_to(7);
  progress.ended_at(1000, 7);
  progress.ended_at(2000, 8);  // One more is there.
  EXPECT_EQ(progress.complete_ms(), 1000);
  progress.read_up_to(8);
  EXPECT_EQ(progress.complete_ms(), 2000);
}

TEST(PartitionProgress, ABusyPartitionIsCompleteUpToTheOldestOpenQuestion) {
  PartitionProgress progress;
  progress.read_up_to(7);
  progress.ended_at(1000, 10);
  progress.ended_at(2000, 20);
  progress.read_up_to(10);
  EXPECT_EQ(progress.complete_ms(), 1000);
}

TEST(PartitionProgress, AnswersOutOfOrderDoNotGoBack) {
  PartitionProgress progress;
  progress.read_up_to(7);
  progress.ended_at(2000, 7);
  progress.ended_at(1000, 7);
  EXPECT_EQ(progress.complete_ms(), 2000);
}

}  // namespace
}  // namespace fleetmeter::ingest
