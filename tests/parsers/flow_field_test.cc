#include "parsers/flow_field.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>

namespace fleetmeter::parsers {
namespace {

TEST(FlowField, EachVersionAddsTheFieldsOfTheDocumentedTable) {
  std::map<int, int> added;
  for (std::size_t i = 0; i < kFlowFieldCount; ++i)
    ++added[info(static_cast<FlowField>(i)).version];
  EXPECT_EQ(
      added,
      (std::map<int, int>{
          {2, 14}, {3, 7}, {4, 4}, {5, 4}, {6, 18}, {7, 10}, {8, 1}, {9, 1}, {10, 1}, {11, 12}}));
}

TEST(FlowField, IsFoundByItsNameAndNoTwoShareOne) {
  std::set<std::string_view> names;
  for (std::size_t i = 0; i < kFlowFieldCount; ++i) {
    const auto field = static_cast<FlowField>(i);
    EXPECT_EQ(find_field(info(field).name), field) << info(field).name;
    EXPECT_TRUE(names.insert(info(field).name).second) << info(field).name;
  }
}

TEST(FlowField, TakesUnderscoresAsParquetAndSqlWriteThem) {
  EXPECT_EQ(find_field("pkt_src_aws_service"), FlowField::kPktSrcAwsService);
  EXPECT_EQ(find_field("packets-lost-mtu-exceeded"), FlowField::kPacketsLostMtuExceeded);
}

TEST(FlowField, DoesNotKnowOtherNames) {
  for (const std::string name :
       {"", "srcaddress", "Version", "a-name-that-is-longer-than-any-field-of-any-version"}) {
    EXPECT_EQ(find_field(name), std::nullopt) << name;
  }
}

TEST(FlowField, OnlyTheFieldsThatMakeARecordCountAreRequired) {
  std::set<std::string> required;
  for (std::size_t i = 0; i < kFlowFieldCount; ++i) {
    const FieldInfo& facts = info(static_cast<FlowField>(i));
    if (facts.required) required.emplace(facts.name);
  }
  EXPECT_EQ(required, (std::set<std::string>{"srcaddr", "dstaddr", "srcport", "dstport", "protocol",
                                             "packets", "bytes", "start", "end", "log-status"}));
}

}  // namespace
}  // namespace fleetmeter::parsers
