#include <gmock/gmock.h>

#include <iterator>

#include "ingest/files_source.h"
#include "tests/ingest/ingest_fixture.h"
#include "tests/parsers/recorder.h"

namespace fleetmeter::ingest {
namespace {

using testing::eventually;
using testing::Folder;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::MemoryLog;
using testing::World;

constexpr const char* kAwsName =
    "123456789012_vpcflowlogs_us-east-1_fl-1234abcd_20231114T2215Z_deadbeef.log.parquet";
constexpr const char* kHivePath =
    "AWSLogs/aws-account-id=123456789012/aws-service=vpcflowlogs/aws-region=us-east-1/year=2023/"
    "month=11/day=14/hour=22/";

std::string test_file(const std::string& name) {
  std::ifstream in(std::string(FLEETMETER_SOURCE_DIR "/tests/parsers/parquet/") + name,
                   std::ios::binary);
  EXPECT_TRUE(in) << name;
  return {std::istreambuf_iterator<char>(in), {}};
}

FilesOptions options(std::vector<std::string> paths, bool follow = false) {
  FilesOptions made;
  made.settings.name = "files:0";
  made.settings.bounded = !follow;
  made.settings.commit_interval_ms = 10;
  made.paths = std::move(paths);
  made.follow = follow;
  made.poll_interval_ms = 5;
  return made;
}

/// Reads to the end; false when the source failed.
bool read_all(World& world, FilesOptions wanted) {
  const auto source = make_files_source(world.context(), std::move(wanted));
  EXPECT_TRUE(source->start());
  EXPECT_TRUE(eventually([&] { return source->finished() || source->failure(); }));
  source->stop();
  return source->finished();
}

MemoryLog::Sums sums_of_text() {
  const Folder folder;
  World world;
  EXPECT_TRUE(read_all(world, options({folder.write("v5.log", test_file("v5.log"))})));
  EXPECT_GT(world.log.sums().bytes, 0u);
  return world.log.sums();
}

TEST(ParquetSource, ObjectsUnderHivePathsAreFoundAndAddUpToTheSameAsText) {
  const Folder folder;
  folder.write(std::string(kHivePath) + kAwsName, test_file("v5-pages.parquet"));
  for (const std::string& path : {folder.path(), folder.path("AWSLogs/**/*.log.parquet"),
                                  folder.path("AWSLogs/*/*/*/year=2023/month=*/*/*/*.parquet")}) {
    World world;
    ASSERT_TRUE(read_all(world, options({path})));
    EXPECT_EQ(world.log.sums(), sums_of_text());
    EXPECT_THAT(world.bad_inputs(), IsEmpty());
    EXPECT_EQ(world.counters.files_done, 1u);
  }
}

TEST(ParquetSource, AKillAfterAnyCommitRepeatsAndLosesNothing) {
  const MemoryLog::Sums wanted = sums_of_text();
  const Folder folder;
  FilesOptions small = options({folder.write("x.parquet", test_file("v5-pages2.parquet"))});
  small.settings.commit_bytes_max = 1;  // A commit a batch.
  for (int commits = 0;; ++commits) {
    World world;
    world.log.allow_commits(commits);
    const bool whole = read_all(world, small);
    world.log.allow_commits(-1);
    ASSERT_TRUE(whole || read_all(world, small)) << commits;
    ASSERT_EQ(world.log.sums(), wanted) << commits;
    // What is read to its end is not read again.
    ASSERT_TRUE(read_all(world, small));
    ASSERT_EQ(world.log.sums(), wanted) << commits;
    if (whole) {
      EXPECT_GT(commits, 3);
      break;
    }
  }
}

TEST(ParquetSource, AFollowedObjectIsReadOnceItsFooterIsThere) {
  const std::string bytes = test_file("v5-groups.parquet");
  for (const std::string& name : {std::string("x.parquet"), std::string(kAwsName)}) {
    for (const std::size_t first : {std::size_t{2}, bytes.size() / 2}) {
      const Folder folder;
      World world;
      const auto source = make_files_source(world.context(), options({folder.path()}, true));
      folder.write(name, bytes.substr(0, first));
      ASSERT_TRUE(source->start());
      std::this_thread::sleep_for(std::chrono::milliseconds(60));
      EXPECT_EQ(world.log.sums(), MemoryLog::Sums{});
      folder.append(name, bytes.substr(first));
      EXPECT_TRUE(eventually([&] { return world.log.sums() == sums_of_text(); })) << name << first;
      source->stop();
      EXPECT_THAT(world.bad_inputs(), IsEmpty());
    }
  }
}

TEST(ParquetSource, WhatCannotBeReadIsReportedInItsOwnWordsAndTheRestGoesOn) {
  const Folder folder;
  folder.write("a.parquet", test_file("refused-nested.parquet"));
  folder.write("b.parquet", test_file("v5-groups.parquet").substr(0, 5000));
  folder.write("c.parquet", test_file("v5-groups.parquet"));
  World world;
  ASSERT_TRUE(read_all(world, options({folder.path()})));
  EXPECT_EQ(world.log.sums(), sums_of_text());
  const auto bad = world.bad_inputs();
  ASSERT_EQ(bad.size(), 2u);
  EXPECT_THAT(bad.at(folder.path("a.parquet")), HasSubstr("nested column, `tags`"));
  EXPECT_THAT(bad.at(folder.path("b.parquet")), HasSubstr("its end is missing"));
}

TEST(ParquetSource, OneFileIsDecodedByItselfWithItsProgress) {
  const Folder folder;
  const std::string bytes = test_file("v5-groups.parquet");
  const std::string path = folder.write("x.parquet", bytes);
  parsers::testing::Recorder recorder;
  parsers::Decoder decoder{{}, recorder};
  std::string error;
  std::uint64_t told = 0;
  EXPECT_TRUE(decode_file(path, decoder, error, [&](std::uint64_t count) { told += count; }));
  EXPECT_EQ(told, bytes.size());
  EXPECT_EQ(recorder.flows.size(), 150u);
  folder.write("x.parquet", bytes.substr(0, 5000));
  EXPECT_FALSE(decode_file(path, decoder, error));
  EXPECT_EQ(error, "is Parquet that is cut short: the footer at its end is missing");
}

}  // namespace
}  // namespace fleetmeter::ingest
