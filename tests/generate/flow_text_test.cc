#include "generate/flow_text.h"

#include <gtest/gtest.h>

#include "tests/generate/telemetry_reader.h"

namespace fleetmeter::generate {
namespace {

class FlowTextTest : public ::testing::Test {
 protected:
  FlowTextTest() : fleet_(*lay_out(options_)) {
    line_.at = &fleet_.machines[0].at;
    line_.source = line_.packet_source = "10.0.10.10";
    line_.destination = line_.packet_destination = "203.0.113.10";
    line_.source_port = 40000;
    line_.destination_port = 443;
    line_.protocol = 6;
    line_.tcp_flags = 3;
    line_.egress = true;
    line_.traffic_path = 1;
    line_.packets = 7;
    line_.bytes = 8400;
    line_.start_s = 1'772'409'601;
    line_.end_s = 1'772'409'631;
  }
  [[nodiscard]] std::string print(const char* format) const {
    std::string out;
    FlowText::create(format, options_, fleet_)->append(line_, out);
    return out;
  }
  FleetOptions options_;
  Topology fleet_;
  FlowLine line_;
};

TEST_F(FlowTextTest, PrintsTheDefaultFormat) {
  EXPECT_EQ(print("v2"),
            "2 123456789012 " + line_.at->interface_id +
                " 10.0.10.10 203.0.113.10 40000 443 6 7 8400 1772409601 1772409631 ACCEPT OK\n");
  EXPECT_EQ(FlowText::create("v2", options_, fleet_)->header(),
            "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets "
            "bytes start end action log-status\n");
}

TEST_F(FlowTextTest, PrintsTwentyNineFieldsOfVersionFive) {
  EXPECT_EQ(testing::words_of(print("v5")), (std::vector<std::string>{"5",
                                                                      "123456789012",
                                                                      line_.at->interface_id,
                                                                      "10.0.10.10",
                                                                      "203.0.113.10",
                                                                      "40000",
                                                                      "443",
                                                                      "6",
                                                                      "7",
                                                                      "8400",
                                                                      "1772409601",
                                                                      "1772409631",
                                                                      "ACCEPT",
                                                                      "OK",
                                                                      fleet_.vpc_id,
                                                                      line_.at->subnet_id,
                                                                      line_.at->instance_id,
                                                                      "3",
                                                                      "IPv4",
                                                                      "10.0.10.10",
                                                                      "203.0.113.10",
                                                                      "us-east-1",
                                                                      "use1-az1",
                                                                      "-",
                                                                      "-",
                                                                      "-",
                                                                      "-",
                                                                      "egress",
                                                                      "1"}));
}

TEST_F(FlowTextTest, VersionIsTheHighestAmongTheFieldsInTheOrderAskedFor) {
  EXPECT_EQ(print("${bytes} ${version} ${vpc-id}"), "8400 3 " + fleet_.vpc_id + "\n");
  EXPECT_EQ(print("version,srcaddr,reject_reason"), "8 10.0.10.10 -\n");
}

TEST_F(FlowTextTest, RecordsWithoutTrafficKeepOnlyInterfaceAndInterval) {
  line_.status = LineStatus::kSkipData;
  EXPECT_EQ(print("v2"), "2 123456789012 " + line_.at->interface_id +
                             " - - - - - - - 1772409601 1772409631 - SKIPDATA\n");
  const auto words = testing::words_of(print("v5"));
  ASSERT_EQ(words.size(), 29u);
  EXPECT_EQ(words[14], fleet_.vpc_id);
  EXPECT_EQ(words[27], "-");
}

TEST_F(FlowTextTest, FlagsAreTcpOnlyAndThePathEgressOnly) {
  line_.protocol = 17;
  line_.egress = false;
  line_.traffic_path = 0;
  EXPECT_EQ(print("tcp-flags flow-direction traffic-path"), "- ingress -\n");
}

TEST_F(FlowTextTest, RefusesUnknownAndRepeatedFieldsByName) {
  for (const char* format : {"version colour", "bytes bytes", "${}", ","}) {
    EXPECT_FALSE(FlowText::create(format, options_, fleet_)) << format;
  }
  EXPECT_NE(FlowText::create("version colour", options_, fleet_).error().message.find("'colour'"),
            std::string::npos);
}

}  // namespace
}  // namespace fleetmeter::generate
