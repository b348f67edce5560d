#include "app/flow_summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <numeric>

#include "app/flow_log_events.h"
#include "app/top_talkers.h"

namespace fleetmeter::app {
namespace {

constexpr const char* kTopology = R"(
vpc_cidr: 10.0.0.0/16
subnets:
  - { name: a, cidr: 10.0.1.0/24, az: us-east-1a }
  - { name: b, cidr: 10.0.2.0/24, az: us-east-1b }
)";
constexpr const char* kGateway = "interfaces: [{ id: eni-nat, role: nat }]\n";

/// One line of the default format from its columns that matter here.
std::string line(const std::string& interface, const std::string& from, const std::string& to,
                 int port, int packets, int bytes, const std::string& action = "ACCEPT") {
  return "2 123456789012 " + interface + " " + from + " " + to + " 40000 " + std::to_string(port) +
         " 6 " + std::to_string(packets) + " " + std::to_string(bytes) + " 1734718982 1734719013 " +
         action + " OK\n";
}

const std::string kQuiet = "2 123456789012 eni-1 - - - - - - - 1734718982 1734719013 - NODATA\n";
const std::string kSkipped =
    "2 123456789012 eni-1 - - - - - - - 1734718900 1734719013 - SKIPDATA\n";

FlowSummary summarize(const std::string& text, const std::vector<const char*>& inventory = {},
                      std::size_t top = 10, const FlowUsageLimits& limits = {}) {
  std::vector<std::pair<std::string, std::string>> named;
  for (const char* yaml : inventory)
    named.emplace_back("i" + std::to_string(named.size()) + ".yaml", yaml);
  std::vector<aggregator::Inventory::Problem> warnings;
  auto parsed = aggregator::Inventory::parse(named, {}, warnings);
  EXPECT_TRUE(parsed.has_value());
  FlowReader reader(*parsed, "", limits);
  parsers::DecoderOptions options;
  options.fields = FlowReader::fields_needed();
  parsers::Decoder decoder(options, reader);
  decoder.feed(text);
  EXPECT_TRUE(decoder.finish());
  return reader.summarize(decoder.counts(), top_keys(), top);
}

const TopList& list(const FlowSummary& summary, std::string_view by) {
  for (const TopList& top : summary.top) {
    if (top.by == by) return top;
  }
  ADD_FAILURE() << by;
  return summary.top.front();
}

TEST(FlowSummary, CountsEveryLineOnceByItsStatus) {
  const FlowSummary summary =
      summarize(line("eni-1", "10.0.1.1", "10.0.2.1", 443, 1, 100) +
                line("eni-1", "198.51.100.1", "10.0.1.1", 22, 1, 40, "REJECT") + kQuiet + kSkipped +
                "not a flow record\n");
  EXPECT_EQ(summary.counts.flows.records(), 5u);
  EXPECT_EQ(summary.counts.flows.ok, 2u);
  EXPECT_EQ(summary.malformed(), 1u);
  EXPECT_EQ(summary.accept, (Traffic{1, 1, 100}));
  EXPECT_EQ(summary.reject, (Traffic{1, 1, 40}));
  EXPECT_EQ(summary.first_s, 1734718900u);
  EXPECT_EQ(summary.last_s, 1734719013u);
  EXPECT_TRUE(summary.anything_dropped());
}

TEST(FlowSummary, SumsStopAtTheLargestNumberInsteadOfWrapping) {
  constexpr std::uint64_t kMost = 0x7fffffffffffffff;
  std::string one = line("eni-1", "10.0.1.1", "10.0.2.1", 443, 1, 100);
  one.replace(one.find(" 100 "), 5, " " + std::to_string(kMost) + " ");
  EXPECT_EQ(summarize(one + one).accept, (Traffic{2, 2, 2 * kMost}));
  const FlowSummary summary = summarize(one + one + one);
  const Traffic all{3, 3, std::numeric_limits<std::uint64_t>::max()};
  EXPECT_EQ(summary.accept, all);
  EXPECT_EQ(list(summary, "source").entries[0].traffic, all);
  EXPECT_EQ(list(summary, "interface").entries[0].traffic, all);
}

TEST(FlowSummary, PathClassesAddUpToWhatWasAccepted) {
  const FlowSummary summary = summarize(line("eni-1", "10.0.1.1", "10.0.1.2", 443, 1, 100) +
                                            line("eni-1", "10.0.1.1", "10.0.2.1", 443, 2, 200) +
                                            line("eni-1", "10.0.1.1", "203.0.113.9", 443, 3, 400) +
                                            line("eni-1", "10.0.1.1", "10.0.77.1", 443, 4, 800) +
                                            line("eni-1", "10.0.1.1", "172.16.0.1", 443, 5, 1600),
                                        {kTopology});
  std::vector<std::uint64_t> bytes;
  for (const Traffic& traffic : summary.path_classes) bytes.push_back(traffic.bytes);
  EXPECT_THAT(bytes, testing::ElementsAre(100, 200, 800, 1600, 400, 0));
  EXPECT_EQ(std::accumulate(bytes.begin(), bytes.end(), std::uint64_t{0}), summary.accept.bytes);
}

/// The summary of lines in a format of their own.
FlowSummary summarize_as(const std::string& format, const std::string& text) {
  FlowReader reader(aggregator::Inventory::empty({}), "");
  parsers::DecoderOptions options;
  options.flow_format = format;
  parsers::Decoder decoder(options, reader);
  decoder.feed(text);
  EXPECT_TRUE(decoder.finish());
  return reader.summarize(decoder.counts(), top_keys(), 10);
}

TEST(FlowSummary, RecordsWithoutStartAreUnwindowedAndPlacedLikeOthers) {
  const std::string header =
      "interface-id srcaddr dstaddr bytes packets action flow-direction start\n";
  const auto records = [](const std::string& start) {
    return "eni-a 10.0.1.5 10.0.2.5 100 1 ACCEPT egress " + start +
           "\neni-b 10.0.1.5 10.0.2.5 100 1 ACCEPT ingress " + start +
           "\neni-a 10.0.1.5 93.184.216.34 70 1 ACCEPT egress " + start + "\n";
  };
  const FlowSummary told = summarize(header + records("1734718982"), {kTopology});
  const FlowSummary summary = summarize(header + records("-"), {kTopology});
  EXPECT_EQ(summary.counts.flows.unwindowed, 3u);
  EXPECT_EQ(summary.path_classes[1], (Traffic{2, 2, 200})) << "cross_az";
  EXPECT_EQ(summary.path_classes, told.path_classes);
  EXPECT_FALSE(summary.charges.empty());
  EXPECT_EQ(summary.charges, told.charges);
  for (const char* by : {"interface", "owner"}) {
    EXPECT_EQ(list(summary, by).entries.at(0).key, list(told, by).entries.at(0).key) << by;
    EXPECT_EQ(list(summary, by).entries.back().traffic, Traffic{}) << by;
  }
  EXPECT_FALSE(summary.anything_dropped());
  EXPECT_EQ(summary.first_s, std::nullopt);
}

TEST(FlowSummary, WhatATalkerListIsByMayBeUnknownAndIsNoRemainder) {
  const FlowSummary summary = summarize(
      "srcaddr dstaddr dstport bytes packets start action\n"
      "- - - 100 1 1734718982 ACCEPT\n"
      "10.0.1.1 10.0.2.1 443 70 1 1734718982 ACCEPT\n"
      "- - - 9 1 1734718982 REJECT\n");
  for (const char* by :
       {"source", "destination", "port", "interface", "rejected_source", "rejected_port"}) {
    const std::vector<TopEntry>& entries = list(summary, by).entries;
    EXPECT_EQ(entries.at(0).key, "") << by;
    EXPECT_FALSE(entries.at(0).remainder) << by;
    EXPECT_EQ(entries.back().traffic, Traffic{}) << by;
  }
  EXPECT_EQ(list(summary, "source").entries[0].traffic, (Traffic{1, 1, 100}));
  EXPECT_EQ(list(summary, "source").entries[1].key, "10.0.1.1");
}

TEST(FlowSummary, TheLastTimeIsTheLargestEndOfARecordWithoutStartToo) {
  const FlowSummary summary = summarize_as("srcaddr dstaddr bytes start end action",
                                           "10.0.1.1 10.0.2.1 1 60 120 ACCEPT\n"
                                           "10.0.1.1 10.0.2.1 1 - 300 ACCEPT\n");
  EXPECT_EQ(summary.first_s, 60u);
  EXPECT_EQ(summary.last_s, 300u);
}

TEST(FlowSummary, AStartOfZeroIsATime) {
  const FlowSummary summary = summarize_as("srcaddr dstaddr bytes start end action",
                                           "10.0.1.1 10.0.2.1 1 0 60 ACCEPT\n"
                                           "10.0.1.1 10.0.2.1 1 60 120 ACCEPT\n");
  EXPECT_EQ(summary.first_s, 0u);
  EXPECT_EQ(summary.last_s, 120u);
  EXPECT_THAT(flow_summary_json(summary), testing::HasSubstr(R"("first":"1970-01-01T00:00:00Z")"));
}

TEST(FlowSummary, WhatTheFormatDoesNotTellIsUnknownAndNeverZero) {
  const std::string reason_packets =
      R"("packets":null,"bytes":500,"records_without_packets":1,"reason":"records without packets"})";
  const FlowSummary no_packets =
      summarize_as("interface-id srcaddr dstaddr bytes start end action log-status",
                   "eni-1 10.0.1.1 203.0.113.9 500 1734718982 1734719013 ACCEPT OK\n");
  const std::string json = flow_summary_json(no_packets);
  EXPECT_THAT(json, testing::HasSubstr(R"("accept":{"records":1,)" + reason_packets));
  EXPECT_THAT(json, testing::HasSubstr(R"({"class":"external","records":1,)" + reason_packets));
  EXPECT_THAT(json, testing::HasSubstr(R"("remainder":false,"records":1,)" + reason_packets));
  EXPECT_THAT(json, testing::HasSubstr(R"("reject":{"records":0,"packets":0,"bytes":0})"))
      << "that of no record is known";
  EXPECT_THAT(flow_summary_tables(no_packets), testing::ContainsRegex("ACCEPT +1 +unknown +500"));
  EXPECT_THAT(flow_summary_csv(no_packets), testing::HasSubstr("action,accept,1,,500"));

  const FlowSummary no_bytes = summarize_as("srcaddr dstaddr packets action log-status",
                                            "10.0.1.1 10.0.2.1 5 REJECT OK\n"
                                            "10.0.1.1 10.0.2.1 5 ACCEPT OK\n");
  const std::string reason_bytes =
      R"("packets":5,"bytes":null,"records_without_bytes":1,"reason":"records without bytes"})";
  EXPECT_THAT(flow_summary_json(no_bytes),
              testing::AllOf(
                  testing::HasSubstr(R"("reject":{"records":1,)" + reason_bytes),
                  testing::HasSubstr(R"({"class":"other_private","records":1,)" + reason_bytes)));

  const FlowSummary neither = summarize_as("srcaddr dstaddr action", "10.0.1.1 10.0.2.1 ACCEPT\n");
  EXPECT_THAT(flow_summary_json(neither),
              testing::HasSubstr(R"("accept":{"records":1,"packets":null,"bytes":null,)"
                                 R"("records_without_packets":1,"records_without_bytes":1,)"
                                 R"("reason":"records without packets and bytes"})"));
}

/// One line of the 36 fields of a transit gateway's flow log, which have no action.
std::string gateway_line(const std::string& from, const std::string& to, int bytes) {
  return "6 TransitGateway 123456789012 tgw-1 tgw-attach-1 1 2 vpc-1 vpc-2 subnet-1 subnet-2 eni-1 "
         "eni-2 use1-az1 use1-az2 tgw-attach-2 " +
         from + " " + to + " 40000 443 6 10 " + std::to_string(bytes) +
         " 1734718982 1734719013 OK IPv4 0 0 0 0 2 us-east-1 ingress - -\n";
}

TEST(FlowSummary, RecordsWithoutActionAreShownAndTalk) {
  const FlowSummary summary = summarize(
      gateway_line("10.0.1.1", "10.0.2.1", 1000) + gateway_line("10.0.1.1", "203.0.113.9", 500),
      {kTopology});
  EXPECT_EQ(summary.no_action, (Traffic{2, 20, 1500}));
  EXPECT_EQ(summary.accept, Traffic{});
  EXPECT_EQ(summary.no_action_path_classes[1], (Traffic{1, 10, 1000})) << "cross_az";
  EXPECT_EQ(summary.path_classes, PathClassTotals{}) << "of what was accepted only";
  EXPECT_TRUE(summary.charges.empty());
  EXPECT_EQ(list(summary, "source").entries[0].key, "10.0.1.1");
  EXPECT_EQ(list(summary, "source").entries[0].traffic, (Traffic{2, 20, 1500}));
  for (const char* by : {"interface", "owner", "source", "destination", "port"}) {
    Traffic sum;
    for (const TopEntry& entry : list(summary, by).entries) sum += entry.traffic;
    EXPECT_EQ(sum, summary.no_action) << by;
  }
  const std::string tables = flow_summary_tables(summary);
  EXPECT_THAT(tables, testing::ContainsRegex("no action +2 +20 +1,500"));
  EXPECT_THAT(tables, testing::HasSubstr("Path classes (no action)\n"));
  EXPECT_THAT(flow_summary_csv(summary),
              testing::AllOf(testing::HasSubstr("\naction,none,2,20,1500"),
                             testing::HasSubstr("\nno_action_path_class,cross_az,1,10,1000")));
}

TEST(FlowSummary, AFormatWithoutActionTellsItsBytes) {
  const FlowSummary summary = summarize_as("${version} ${srcaddr} ${dstaddr} ${bytes} ${start}",
                                           "2 10.0.1.1 203.0.113.9 10 1418530010\n");
  EXPECT_THAT(flow_summary_json(summary),
              testing::HasSubstr(R"("no_action":{"records":1,"packets":null,"bytes":10,)"
                                 R"("records_without_packets":1,)"));
}

TEST(FlowSummary, AnActionThatNoVersionKnowsIsNone) {
  const FlowSummary summary = summarize(line("eni-1", "10.0.1.1", "10.0.2.1", 443, 1, 100, "DROP") +
                                        line("eni-1", "10.0.1.1", "10.0.2.1", 443, 2, 200));
  EXPECT_EQ(summary.no_action, (Traffic{1, 1, 100}));
  EXPECT_EQ(summary.accept, (Traffic{1, 2, 200}));
  EXPECT_EQ(list(summary, "interface").entries[0].traffic, (Traffic{2, 3, 300}));
}

/// A line that leaves out its bytes, or its packets.
std::string lacking(const std::string& interface, const std::string& from, const std::string& to,
                    const std::string& packets, const std::string& bytes) {
  return "2 123456789012 " + interface + " " + from + " " + to + " 40000 443 6 " + packets + " " +
         bytes + " 1734718982 1734719013 ACCEPT OK\n";
}

std::uint64_t charged(const FlowSummary& summary) {
  std::uint64_t sum = 0;
  for (const auto& [charge, bytes] : summary.charges) sum += bytes;
  return sum;
}

TEST(FlowSummary, SumsWhatIsKnownAndCountsTheRecordsThatDoNotTell) {
  const FlowSummary summary =
      summarize(line("eni-1", "10.0.1.1", "10.0.2.1", 443, 2, 200) +
                    lacking("eni-1", "10.0.1.1", "10.0.2.1", "3", "-") +
                    line("eni-2", "10.0.1.1", "10.0.1.2", 443, 4, 400) +
                    lacking("eni-2", "10.0.1.1", "10.0.1.2", "-", "500") +
                    lacking("eni-3", "10.0.1.1", "10.0.1.2", "-", "-") + kQuiet,
                {kTopology});
  EXPECT_EQ(summary.accept, (Traffic{5, 9, 1100, 2, 2}));
  EXPECT_EQ(summary.path_classes[0], (Traffic{3, 4, 900, 2, 1})) << "same_az";
  EXPECT_EQ(summary.path_classes[1], (Traffic{2, 5, 200, 0, 1})) << "cross_az";
  EXPECT_EQ(summary.path_classes.back(), Traffic{});
  EXPECT_EQ(charged(summary), 1100u);
  const TopList& interfaces = list(summary, "interface");
  EXPECT_EQ(interfaces.entries[0].traffic, (Traffic{2, 4, 900, 1, 0})) << "eni-2";
  EXPECT_EQ(interfaces.entries[1].traffic, (Traffic{2, 5, 200, 0, 1})) << "eni-1";
  EXPECT_EQ(interfaces.entries[2].traffic.known_bytes(), std::nullopt) << "eni-3";
  EXPECT_EQ(interfaces.entries[3].traffic, Traffic{}) << "nothing is left";
  const std::string json = flow_summary_json(summary);
  EXPECT_THAT(json, testing::HasSubstr(R"("without_packets":2,"without_bytes":2,)"));
  EXPECT_THAT(json,
              testing::HasSubstr(R"("accept":{"records":5,"packets":9,"bytes":1100,)"
                                 R"("records_without_packets":2,"records_without_bytes":2})"));
  EXPECT_THAT(flow_summary_tables(summary),
              testing::AllOf(testing::ContainsRegex("size +without packets +without bytes"),
                             testing::ContainsRegex("ACCEPT +5 +9 +1,100 .* 2 +2")));
  EXPECT_THAT(flow_summary_csv(summary), testing::HasSubstr("\naction,accept,5,9,1100,2,2\n"));
  EXPECT_FALSE(summary.anything_dropped());
}

TEST(FlowSummary, ABatchCutByWhatItsRecordsLackAddsUpToTheWhole) {
  std::string text;
  Traffic all;
  for (int i = 0; i < 1000; ++i) {
    const bool packets = i % 7 != 3, bytes = i % 11 != 5;
    const std::string interface = "eni-" + std::to_string(i % 3);
    text += i % 13 == 4
                ? kQuiet
                : lacking(interface, "10.0.1.1", "10.0.2.1", packets ? std::to_string(i) : "-",
                          bytes ? std::to_string(10 * i) : "-");
    if (i % 13 == 4) continue;
    const auto number = static_cast<std::uint64_t>(i);
    all += {1, packets ? number : 0, bytes ? 10 * number : 0, packets ? 0u : 1u, bytes ? 0u : 1u};
  }
  const FlowSummary summary = summarize(text, {kTopology});
  EXPECT_EQ(summary.accept, all);
  EXPECT_EQ(summary.path_classes[1], all) << "cross_az";
  EXPECT_EQ(list(summary, "interface").entries.back().traffic, Traffic{});
  EXPECT_EQ(charged(summary), all.bytes);
}

TEST(FlowSummary, NatTrafficWithoutPacketsSaysSo) {
  const FlowSummary summary =
      summarize(lacking("eni-nat", "10.0.1.1", "10.0.2.254", "-", "300") +
                    line("eni-nat", "10.0.1.1", "10.0.2.254", 443, 2, 200) +
                    line("eni-nat", "10.0.2.254", "203.0.113.9", 443, 5, 500),
                {kTopology, kGateway});
  EXPECT_EQ(list(summary, "nat").entries[0].traffic, (Traffic{2, 2, 500, 1, 0}));
}

TEST(FlowSummary, NatTrafficBelongsToThePrivateAddressBehindTheGateway) {
  const std::string text = line("eni-nat", "10.0.1.1", "10.0.2.254", 443, 3, 300) +
                           line("eni-nat", "10.0.2.254", "203.0.113.9", 443, 3, 300) +
                           line("eni-nat", "10.0.2.254", "10.0.1.2", 443, 7, 900) +
                           line("eni-nat", "203.0.113.9", "10.0.2.254", 443, 7, 900);
  const FlowSummary summary = summarize(text, {kTopology, kGateway});
  EXPECT_EQ(summary.charges.at(cost::Charge::kNatProcessing), 1200u);
  const TopList& nat = list(summary, "nat");
  ASSERT_EQ(nat.entries.size(), 3u);
  EXPECT_EQ(nat.entries[0].key, "10.0.1.2");
  EXPECT_EQ(nat.entries[0].traffic, (Traffic{1, 7, 900}));
  EXPECT_EQ(nat.entries[1].key, "10.0.1.1");
  EXPECT_EQ(nat.entries[1].traffic, (Traffic{1, 3, 300}));
  EXPECT_TRUE(nat.entries[2].remainder);
  EXPECT_EQ(nat.entries[2].traffic, Traffic{});
  EXPECT_EQ(list(summary, "nat_gateway").entries[0].key, "eni-nat");
  EXPECT_EQ(list(summary, "owner").entries[0].key, "eni-nat");
}

TEST(FlowSummary, ARegionalGatewayProcessesEachByteOnceInBothDirections) {
  const std::string header =
      "interface-id resource-id srcaddr dstaddr flow-direction packets bytes start end action "
      "log-status\n";
  const auto leg = [](const std::string& ends, int bytes) {
    return "- nat-1 " + ends + " 1 " + std::to_string(bytes) + " 1734718982 1734719013 ACCEPT OK\n";
  };
  const FlowSummary summary = summarize(header + leg("10.0.1.1 203.0.113.9 ingress", 10) +
                                            leg("198.51.100.7 203.0.113.9 egress", 10) +
                                            leg("203.0.113.9 198.51.100.7 ingress", 500) +
                                            leg("203.0.113.9 10.0.1.1 egress", 500),
                                        {kTopology});
  EXPECT_EQ(summary.charges,
            (std::map<cost::Charge, std::uint64_t>{{cost::Charge::kNone, 500},
                                                   {cost::Charge::kNatProcessing, 510},
                                                   {cost::Charge::kInternetEgress, 10}}));
  EXPECT_EQ(list(summary, "nat").entries[0].key, "10.0.1.1");
  EXPECT_EQ(list(summary, "nat").entries[0].traffic.bytes, 510u);
  EXPECT_EQ(list(summary, "nat_gateway").entries[0].key, "nat-1");
}

TEST(FlowSummary, SaysWhichColumnsAndValuesNoVersionKnows) {
  const FlowSummary summary = summarize(
      "srcaddr dstaddr bytes packets start action future-a future-b az-id srcport\n"
      "10.0.1.1 10.0.2.1 100 1 1734718982 DROP x y use1-az1 40000\n"
      "10.0.1.1 10.0.2.1 100 1 1734718982 ACCEPT x y use1-az1 40000\n");
  EXPECT_THAT(flow_summary_json(summary),
              testing::HasSubstr(
                  R"("unknown_fields":2,"unknown_values":1,"absent_values":0,"unknown_keys":0,)"));
  EXPECT_THAT(flow_summary_csv(summary),
              testing::AllOf(testing::HasSubstr("\nrecords,unknown_fields,2,"),
                             testing::HasSubstr("\nrecords,unknown_values,1,")));
  for (const std::string& text :
       {flow_summary_tables(summary), flow_summary_markdown(summary), flow_summary_html(summary)}) {
    EXPECT_THAT(text, testing::HasSubstr("2 columns are known to no flow log version"));
    EXPECT_THAT(text, testing::HasSubstr("1 values are known to no flow log version"));
    EXPECT_THAT(text, testing::Not(testing::HasSubstr("taken as absent")));
  }
}

/// A subscription envelope of one log event.
std::string event(const std::string& id, std::string record) {
  record.pop_back();  // Messages have no line end.
  return R"({"messageType":"DATA_MESSAGE","owner":"123456789012","logGroup":"g","logStream":"s",)"
         R"("subscriptionFilters":["f"],"logEvents":[{"id":")" +
         id + R"(","timestamp":1734718982000,"message":")" + record + R"("}]})" + "\n";
}

TEST(FlowSummary, ARepeatedLogEventCountsOnce) {
  const std::string record = line("eni-1", "10.0.1.1", "10.0.2.1", 443, 1, 100);
  const FlowSummary summary =
      summarize(event("1", record) + event("2", record) + event("1", record));
  EXPECT_EQ(summary.accept, (Traffic{2, 2, 200}));
  EXPECT_EQ(summary.counts.duplicate_events, 1u);
  EXPECT_THAT(flow_summary_json(summary), testing::HasSubstr(R"("duplicate_events":1,)"));
  EXPECT_THAT(flow_summary_csv(summary), testing::HasSubstr("\nrecords,duplicate_events,1,"));
  for (const std::string& text :
       {flow_summary_tables(summary), flow_summary_markdown(summary), flow_summary_html(summary)}) {
    EXPECT_THAT(text, testing::HasSubstr("1 log events repeat earlier ones"));
  }
  EXPECT_FALSE(summary.anything_dropped());
}

TEST(RecentLogEvents, RemembersTheLastIdsAndForgetsTheOldest) {
  RecentLogEvents events(100);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_TRUE(events.insert(std::to_string(i)));
    EXPECT_FALSE(events.insert(std::to_string(std::max(0, i - 99)))) << i;
  }
  EXPECT_TRUE(events.insert("0")) << "forgotten";
  const std::string text(RecentLogEvents::kIdBytesMax + 1, 'x');
  EXPECT_TRUE(events.insert(text));
  EXPECT_TRUE(events.insert(text)) << "no id at all";
}

TEST(FlowSummary, EveryListAddsUpWithItsRemainder) {
  std::string text;
  for (int i = 1; i <= 20; ++i) {
    const std::string peer = "198.51.100." + std::to_string(i);
    text += line("eni-" + std::to_string(i), "10.0.1.1", peer, 1000 + i, i, 10 * i);
    text += line("eni-1", peer, "10.0.1.1", i, 1, 40, "REJECT");
  }
  const FlowSummary summary = summarize(text, {}, 3);
  for (const char* by : {"interface", "owner", "source", "destination", "port"}) {
    Traffic sum;
    for (const TopEntry& entry : list(summary, by).entries) sum += entry.traffic;
    EXPECT_EQ(sum, summary.accept) << by;
  }
  EXPECT_EQ(list(summary, "destination").entries.size(), 4u);
  EXPECT_EQ(list(summary, "destination").entries[0].key, "198.51.100.20");
  EXPECT_EQ(list(summary, "port").entries[0].key, "1020");
  EXPECT_EQ(list(summary, "rejected_source").entries.back().traffic.records, 17u);
}

std::map<std::string, std::uint64_t> records_by_key(const TopList& top) {
  std::map<std::string, std::uint64_t> records;
  for (const TopEntry& entry : top.entries) {
    if (!entry.remainder) records[entry.key] += entry.traffic.records;
  }
  return records;
}

/// Lines of ever new interfaces and sources, and what of the whole must not depend on a limit.
std::string many_names() {
  std::string text;
  for (int i = 1; i <= 5; ++i) {
    const std::string number = std::to_string(i);
    for (const char* action : {"ACCEPT", "REJECT"})
      text += line("eni-" + number, "10.0.1." + number, "10.0.2.9", 443, 1, 100 * i, action);
  }
  return text + line("eni-1", "10.0.1.1", "10.0.2.9", 443, 1, 7);
}
void expect_same_whole(const FlowSummary& a, const FlowSummary& b) {
  EXPECT_EQ(a.accept, b.accept);
  EXPECT_EQ(a.reject, b.reject);
  EXPECT_EQ(a.path_classes, b.path_classes);
  EXPECT_EQ(a.charges, b.charges);
}

TEST(FlowLimits, InterfacesBeyondTheLimitAreOtherAndCounted) {
  FlowUsageLimits limits;
  limits.interfaces_max = 2;
  const FlowSummary summary = summarize(many_names(), {kTopology}, 10, limits);
  EXPECT_EQ(records_by_key(list(summary, "interface")),
            (std::map<std::string, std::uint64_t>{{"eni-1", 2}, {"eni-2", 1}, {"other", 3}}));
  EXPECT_EQ(summary.over_limit.by_interface, 3u) << "not the rejected ones";
  EXPECT_EQ(summary.over_limit.by_owner, 0u);
  expect_same_whole(summary, summarize(many_names(), {kTopology}));
  EXPECT_THAT(flow_summary_json(summary),
              testing::HasSubstr(R"("over_limit":{"interface":3,"owner":0})"));
  EXPECT_THAT(flow_summary_tables(summary),
              testing::HasSubstr("3 records count under interface other"));
}

TEST(FlowLimits, OwnersBeyondTheLimitAreOtherAndCounted) {
  FlowUsageLimits limits;
  limits.owners_max = 3;
  const FlowSummary summary = summarize(many_names(), {kTopology}, 10, limits);
  EXPECT_EQ(records_by_key(list(summary, "owner")),
            (std::map<std::string, std::uint64_t>{
                {"eni-1", 2}, {"eni-2", 1}, {"eni-3", 1}, {"other", 2}}));
  EXPECT_EQ(summary.over_limit.by_owner, 2u);
  EXPECT_EQ(summary.over_limit.by_interface, 0u);
  expect_same_whole(summary, summarize(many_names(), {kTopology}));
}

TEST(FlowLimits, WhatTheInventoryKnowsIsToldApartInAnyCase) {
  FlowUsageLimits limits;
  limits.interfaces_max = 1;
  const FlowSummary summary = summarize(
      many_names(), {kTopology, "interfaces: [{ id: eni-4 }, { id: eni-5 }]\n"}, 10, limits);
  EXPECT_EQ(records_by_key(list(summary, "interface")),
            (std::map<std::string, std::uint64_t>{
                {"eni-1", 2}, {"eni-4", 1}, {"eni-5", 1}, {"other", 2}}));
}

TEST(FlowLimits, CombinationsBeyondTheLimitAreOtherInBothLists) {
  FlowUsageLimits limits;
  limits.keys_max = 4;  // Accepted and rejected, of two interfaces.
  const FlowSummary summary = summarize(many_names(), {kTopology}, 10, limits);
  for (const char* by : {"interface", "owner"})
    EXPECT_EQ(records_by_key(list(summary, by)).at("other"), 3u) << by;
  EXPECT_EQ(summary.over_limit.by_interface, 3u);
  EXPECT_EQ(summary.over_limit.by_owner, 3u);
  expect_same_whole(summary, summarize(many_names(), {kTopology}));
}

TEST(FlowLimits, HoursBeyondTheLimitAreOtherInBothLists) {
  std::string text = "interface-id srcaddr dstaddr packets bytes start action\n";
  for (int hour = 1; hour <= 50; ++hour)
    text += "eni-1 10.0.1.1 10.0.2.9 1 10 " + std::to_string(3600 * hour) + " ACCEPT\n";
  FlowUsageLimits limits;
  limits.rows_max = 8;
  const FlowSummary summary = summarize(text, {kTopology}, 10, limits);
  EXPECT_EQ(records_by_key(list(summary, "interface")),
            (std::map<std::string, std::uint64_t>{{"eni-1", 8}, {"other", 42}}));
  EXPECT_EQ(records_by_key(list(summary, "owner")),
            (std::map<std::string, std::uint64_t>{{"eni-1", 8}, {"other", 42}}));
  EXPECT_EQ(summary.over_limit.by_interface, 42u);
  EXPECT_EQ(summary.over_limit.by_owner, 42u);
  expect_same_whole(summary, summarize(text, {kTopology}));
}

TEST(FlowLimits, ZonesThatNoFleetHasSoManyOfAreOther) {
  std::string text = "interface-id az-id srcaddr dstaddr packets bytes start action\n";
  for (int i = 1; i <= 5; ++i)
    text += "eni-1 zone-" + std::to_string(i) + " 10.0.1.1 10.0.2.9 1 10 1734718982 ACCEPT\n";
  FlowUsageLimits limits;
  limits.names_max = 2;
  const FlowSummary summary = summarize(text, {kTopology}, 10, limits);
  EXPECT_EQ(summary.over_limit.by_interface, 3u);
  EXPECT_EQ(summary.accept.records, 5u);
  EXPECT_EQ(records_by_key(list(summary, "interface")).at("other"), 3u);
}

TEST(TopTalkers, AddressesBeyondTheLimitAreOther) {
  AddressTraffic traffic(2);
  for (std::uint64_t i = 1; i <= 5; ++i) traffic.add({0, 0xffff'0a00'0000 + i}, {1, 1, 100});
  traffic.add({0, 0xffff'0a00'0001}, {1, 1, 1});
  const auto entries = traffic.entries();
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0].key, "10.0.0.1");
  EXPECT_EQ(entries[0].traffic.bytes, 101u);
  EXPECT_EQ(entries[2].key, "other");
  EXPECT_EQ(entries[2].traffic, (Traffic{3, 3, 300}));
}

TEST(FlowSummaryJson, HoldsExactlyTheDocumentedKeys) {
  const std::string json =
      flow_summary_json(summarize(line("eni-1", "10.0.1.1", "203.0.113.9", 443, 2, 300) + kQuiet));
  EXPECT_THAT(json,
              testing::StartsWith(
                  R"({"schema":1,"records":{"total":2,"ok":1,"nodata":1,"skipdata":0,)"
                  R"("malformed":0,"headers":0,"unwindowed":0,"without_packets":0,)"
                  R"("without_bytes":0,"malformed_by_reason":{}},)"
                  R"("accept":{"records":1,"packets":2,"bytes":300},)"
                  R"("reject":{"records":0,"packets":0,"bytes":0},)"
                  R"("no_action":{"records":0,"packets":0,"bytes":0,)"
                  R"("path_classes":[{"class":"same_az","records":0,"packets":0,"bytes":0},)"));
  EXPECT_THAT(json, testing::HasSubstr(
                        R"(]},"path_classes":[{"class":"same_az","records":0,"packets":0,)"));
  EXPECT_THAT(json, testing::HasSubstr(R"("charges":[{"charge":"internet_egress","bytes":300}])"));
  EXPECT_THAT(
      json,
      testing::HasSubstr(
          R"({"by":"port","key":"443","remainder":false,"records":1,"packets":2,"bytes":300})"));
  EXPECT_THAT(
      json, testing::HasSubstr(
                R"({"by":"port","key":null,"remainder":true,"records":0,"packets":0,"bytes":0})"));
  EXPECT_THAT(
      json,
      testing::EndsWith(
          R"("time":{"first":"2024-12-20T18:23:02Z","last":"2024-12-20T18:23:33Z"},)"
          R"("files":[],"late":0,"duplicate_events":0,"duplicate_requests":0,"unknown_fields":0,)"
          R"("unknown_values":0,"absent_values":0,"unknown_keys":0,"datapoints":0,"datapoints_malformed":0,)"
          R"("datapoints_malformed_by_reason":{},"payloads_dropped":{},"dropped":{},"malformed_samples":{}})"));
}

}  // namespace
}  // namespace fleetmeter::app
