#include "ingest/flow_log_overlap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/parsers/recorder.h"

namespace fleetmeter::ingest {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::int64_t kNoon = 1'700'000'400;

std::string object(const std::string& flow_log) {
  return "in/123456789012_vpcflowlogs_us-east-1_" + flow_log + "_20231114T2220Z_0a1b2c3d.log.gz";
}

/// `minutes` of one interface, a record each.
std::string records(const std::string& interface, int minutes, const char* action = "ACCEPT",
                    std::int64_t from_s = kNoon) {
  std::string text;
  for (int minute = 0; minute < minutes; ++minute) {
    const std::int64_t start_s = from_s + 60 * minute;
    text += "2 123456789012 " + interface + " 10.0.0.1 10.0.0.2 40000 443 6 1 100 " +
            std::to_string(start_s) + " " + std::to_string(start_s + 59) + " " + action + " OK\n";
  }
  return text;
}

class FlowLogOverlapTest : public testing::Test {
 protected:
  void read(const std::string& path, const std::string& text) {
    overlap.begin(path);
    parsers::Decoder decoder({}, overlap);
    decoder.message(text);
  }
  parsers::testing::Recorder to;
  FlowLogOverlap overlap{to};
};

TEST_F(FlowLogOverlapTest, TwoFlowLogsOfOneInterfaceAndTimeAreToldOnce) {
  read(object("fl-0a"), records("eni-1", 30));
  read(object("fl-0b"), records("eni-2", 30));
  EXPECT_THAT(overlap.take_notices(), IsEmpty());
  read(object("fl-0b"), records("eni-1", 30));
  EXPECT_THAT(overlap.take_notices(),
              ElementsAre(HasSubstr("flow logs fl-0a and fl-0b both hold records of the same time "
                                    "and action, such as of eni-1")));
  read(object("fl-0a"), records("eni-2", 30));
  EXPECT_THAT(overlap.take_notices(), IsEmpty());
  EXPECT_EQ(to.flows.size(), 120u);  // All are passed on.
}

TEST_F(FlowLogOverlapTest, NeitherOneActionEachNorOneAfterAnotherOverlaps) {
  read(object("fl-0a"), records("eni-1", 30));
  read(object("fl-0b"), records("eni-1", 30, "REJECT"));
  read(object("fl-0c"),
       records("eni-1", 30, "ACCEPT", kNoon + 25 * 60));  // One span of ten minutes.
  read("in/other.log", records("eni-1", 30));
  EXPECT_THAT(overlap.take_notices(), IsEmpty());
}

TEST_F(FlowLogOverlapTest, AreFoundAmongMoreInterfacesThanItKeeps) {
  std::string many;
  for (int i = 0; i < 100'000; ++i) many += records("eni-" + std::to_string(i), 1);
  for (int i = 0; i < 100'000; ++i)
    many += records("eni-" + std::to_string(i), 1, "ACCEPT", kNoon + 600);
  // Every record is a batch of its own, so that each is looked at.
  const auto read_each = [&](const std::string& path) {
    overlap.begin(path);
    parsers::DecoderOptions options;
    options.batch_records = 16;
    parsers::Decoder decoder(options, overlap);
    decoder.message(many);
  };
  read_each(object("fl-0a"));
  EXPECT_THAT(overlap.take_notices(), IsEmpty());
  read_each(object("fl-0b"));
  EXPECT_EQ(overlap.take_notices().size(), 1u);
}

TEST(FlowLogOf, IsToldByTheNameOfAnObject) {
  EXPECT_EQ(flow_log_of("a/b/123456789012_vpcflowlogs_eu-west-1_fl-01ab_20231114T2220Z_0a.log.gz"),
            "fl-01ab");
  EXPECT_EQ(flow_log_of("123456789012_vpcflowlogs_eu-west-1_fl-01ab_20231114T2220Z_0a.log"),
            "fl-01ab");
  EXPECT_EQ(flow_log_of("fl-01ab.log"), "");
  EXPECT_EQ(flow_log_of("1_vpcflowlogs_fl-1"), "");
}

}  // namespace
}  // namespace fleetmeter::ingest
