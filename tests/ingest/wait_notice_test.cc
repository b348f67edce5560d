#include "ingest/wait_notice.h"

#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/spdlog.h>

#include <memory>
#include <sstream>

namespace fleetmeter::ingest {
namespace {

using std::chrono::seconds;

/// The process's log goes to `said` while the test runs.
class WaitNoticeTest : public testing::Test {
 protected:
  void SetUp() override {
    auto sink = std::make_shared<spdlog::sinks::ostream_sink_st>(said);
    auto logger = std::make_shared<spdlog::logger>("test", sink);
    logger->set_pattern("%l %v");
    spdlog::set_default_logger(std::move(logger));
  }
  void TearDown() override { spdlog::set_default_logger(before); }

  std::shared_ptr<spdlog::logger> before = spdlog::default_logger();
  std::ostringstream said;
  SteadyTime start{};
  WaitNotice notice{"files:0"};
};

TEST_F(WaitNoticeTest, ANearlyFullDiskThatTakesSmallWritesSaysItOnce) {
  for (int second = 0; second < 60; second += 2) {
    notice.refused(start + seconds(second), "disk is full");
    notice.works(start + seconds(second + 1));
  }
  EXPECT_EQ(said.str(), "error files:0 waits: disk is full\n");
}

TEST_F(WaitNoticeTest, GoesOnAfterACalmAndIsSaidAgainTheNextTime) {
  notice.works(start);
  EXPECT_EQ(said.str(), "");
  notice.refused(start, "disk is full");
  notice.works(start + WaitNotice::kCalm - seconds(1));
  notice.works(start + WaitNotice::kCalm);
  notice.works(start + WaitNotice::kCalm + seconds(1));
  notice.refused(start + seconds(60), "locked");
  EXPECT_EQ(said.str(),
            "error files:0 waits: disk is full\n"
            "info files:0 goes on\n"
            "error files:0 waits: locked\n");
}

}  // namespace
}  // namespace fleetmeter::ingest
