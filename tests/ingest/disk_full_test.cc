// A full disk under every source: nothing is acknowledged, it says why, and it goes on by itself.
#include <gmock/gmock.h>
#include <sys/statvfs.h>

#include "aggregator/flow_rows.h"
#include "aggregator/sqlite_log.h"
#include "ingest/files_source.h"
#include "ingest/firehose_source.h"
#include "tests/ingest/http_client.h"
#include "tests/ingest/ingest_fixture.h"
#include "tests/parsers/recorder.h"

namespace fleetmeter::ingest {
namespace {

using testing::Client;
using testing::eventually;
using testing::flow_line;
using testing::Folder;
using testing::World;

/// A SQLite log that has no room, then has.
class DiskFullTest : public ::testing::Test {
 protected:
  std::unique_ptr<aggregator::SqliteLog> open(std::uint64_t file_bytes_max) {
    auto opened = aggregator::SqliteLog::open(
        folder_.path("state/log.db"),
        {.clock = &world_.clock, .compress = false, .file_bytes_max = file_bytes_max});
    EXPECT_TRUE(opened) << opened.error().message;
    return opened ? *std::move(opened) : nullptr;
  }
  static std::uint64_t records_in(aggregator::SqliteLog& log) {
    std::uint64_t records = 0;
    for (aggregator::LogPosition after = 0;;) {
      const auto entries = log.read(0, after, 1000);
      EXPECT_TRUE(entries);
      if (!entries || entries->empty()) return records;
      for (const auto& entry : *entries) {
        for (const std::uint64_t n : aggregator::FlowRows::of(entry.record.batch().flows()).records)
          records += n;
      }
      after = entries->back().position;
    }
  }
  /// Lines of so many interfaces that the batch is large.
  static std::string many_lines(int count) {
    std::string text;
    for (int i = 0; i < count; ++i) {
      std::string line = flow_line(1, testing::kEventTime + (i % 50) * 60);
      text += line.replace(line.find("eni-"), 12, "eni-" + std::to_string(10'000'000 + i));
    }
    return text;
  }
  Folder folder_;
  World world_;
};

TEST_F(DiskFullTest, FirehoseAnswers503AndFilesWaitUntilThereIsRoom) {
  auto log = open(200'000);
  ASSERT_TRUE(log);
  FirehoseOptions firehose;
  firehose.settings.name = "firehose:0";
  firehose.listen = "127.0.0.1:0";
  const auto endpoint = make_firehose_source(world_.context(log.get()), firehose);
  ASSERT_TRUE(endpoint->start());
  const auto post = [&](const std::string& id, int lines) {
    return Client(endpoint->port())
        .post(R"({"requestId":")" + id + R"(","timestamp":1,"records":[{"data":")" +
              parsers::testing::base64(many_lines(lines)) + "\"}]}");
  };
  EXPECT_EQ(post("small", 10).status, 200u);
  const auto refused = post("large", 5000);
  EXPECT_EQ(refused.status, 503u);
  EXPECT_THAT(refused.body, ::testing::HasSubstr("errorMessage"));
  // The small ones still fit: what is refused is the commit, not the source.
  EXPECT_EQ(post("small2", 10).status, 200u);
  endpoint->stop();

  folder_.write("in/a.log", many_lines(5000));
  FilesOptions files;
  files.settings.name = "files:0";
  files.paths = {folder_.path("in")};
  files.follow = true;
  files.poll_interval_ms = 10;
  auto source = make_files_source(world_.context(log.get()), files);
  ASSERT_TRUE(source->start());
  ASSERT_TRUE(eventually([&] { return !source->blocked().empty(); }));
  EXPECT_THAT(source->blocked(), ::testing::StartsWith("files:0: "));
  EXPECT_FALSE(source->failure());
  EXPECT_EQ(records_in(*log), 20u);
  source->stop();
  EXPECT_FALSE(source->failure());
  source.reset();
  log.reset();

  log = open(0);
  ASSERT_TRUE(log);
  source = make_files_source(world_.context(log.get()), files);
  ASSERT_TRUE(source->start());
  EXPECT_TRUE(eventually([&] { return records_in(*log) == 5020; }));
  EXPECT_EQ(source->blocked(), "");
  source->stop();
}

}  // namespace
}  // namespace fleetmeter::ingest
