#include "parsers/flow_parser.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/parsers/recorder.h"
#include "tests/parsers/samples.h"

namespace fleetmeter::parsers::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::string_view kDefaultHeader =
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start "
    "end action "
    "log-status\n";

std::string operator+(std::string_view a, std::string_view b) { return std::string{a}.append(b); }

Decoded with_format(std::string_view lines, std::string format) {
  DecoderOptions options;
  options.flow_format = std::move(format);
  return decode_message(lines, options);
}

TEST(FlowParser, ReadsTheDefaultFormatFieldByField) {
  EXPECT_THAT(
      decode_message(kOkLine).flows,
      ElementsAre("version=2 account-id=123456789010 interface-id=eni-1235b8ca123456789 "
                  "srcaddr=172.31.16.139 "
                  "dstaddr=172.31.16.21 srcport=20641 dstport=22 protocol=6 packets=20 bytes=4249 "
                  "start=1418530010 end=1418530070 action=ACCEPT log-status=OK line_bytes=114"));
}

TEST(FlowParser, KeepsNoDataAndSkipDataApartAndAsksNoFlowFieldOfThem) {
  const Decoded decoded = decode_message(
      kNoDataLine +
      "2 123456789010 eni-11111111aaaaaaaaa - - - - - - - 1431280876 1431280934 - SKIPDATA\n");
  EXPECT_THAT(decoded.flows, ElementsAre("version=2 account-id=123456789010 "
                                         "interface-id=eni-1235b8ca123456789 srcaddr=- dstaddr=- "
                                         "srcport=- dstport=- protocol=- packets=- bytes=- "
                                         "start=1431280876 end=1431280934 action=- "
                                         "log-status=NODATA line_bytes=81",
                                         HasSubstr("log-status=SKIPDATA")));
  EXPECT_EQ(decoded.counts.flows.nodata, 1u);
  EXPECT_EQ(decoded.counts.flows.skipdata, 1u);
  EXPECT_EQ(decoded.counts.flows.unwindowed, 0u);
}

TEST(FlowParser, ReadsIpv6) {
  const Decoded decoded = decode_message(
      "2 123456789010 eni-1235b8ca123456789 2001:db8:1234:a100:8d6e:3477:df66:f105 "
      "2001:db8:1234:a102:3304:8879:34cf:4071 "
      "34892 22 6 54 8855 1477913708 1477913820 ACCEPT OK\n");
  ASSERT_EQ(decoded.flows.size(), 1u);
  EXPECT_THAT(
      decoded.flows[0],
      HasSubstr(
          "srcaddr=20010db81234a100:8d6e3477df66f105 dstaddr=20010db81234a102:3304887934cf4071"));
}

// AWS's TCP flag example, its last line with the double blank that AWS prints.
TEST(FlowParser, ReadsACustomLayoutFromAHeaderAndSplitsOnRunsOfSpaces) {
  const Decoded decoded = decode_message(
      "version vpc-id subnet-id instance-id interface-id account-id type srcaddr dstaddr srcport "
      "dstport pkt-srcaddr "
      "pkt-dstaddr protocol bytes packets start end action tcp-flags log-status\n"
      "3 vpc-abcdefab012345678 subnet-aaaaaaaa012345678 i-01234567890123456 eni-1235b8ca123456789 "
      "123456789010 IPv4 "
      "52.213.180.42 10.0.0.62 43416 5001 52.213.180.42 10.0.0.62 6 568 8 1566848875 1566848933 "
      "ACCEPT 2 OK\n"
      "3 vpc-abcdefab012345678 subnet-aaaaaaaa012345678 i-01234567890123456 eni-1235b8ca123456789 "
      "123456789010 IPv4 "
      "10.0.0.62 52.213.180.42 5001 43638  10.0.0.62 52.213.180.42 6 967 14 1566933133 1566933193 "
      "ACCEPT 19 OK\n");
  ASSERT_EQ(decoded.flows.size(), 2u);
  EXPECT_EQ(decoded.counts.flows.headers, 1u);
  EXPECT_EQ(decoded.flows[0],
            "version=3 account-id=123456789010 interface-id=eni-1235b8ca123456789 "
            "srcaddr=52.213.180.42 dstaddr=10.0.0.62 "
            "srcport=43416 dstport=5001 protocol=6 packets=8 bytes=568 start=1566848875 "
            "end=1566848933 action=ACCEPT "
            "log-status=OK vpc-id=vpc-abcdefab012345678 subnet-id=subnet-aaaaaaaa012345678 "
            "instance-id=i-01234567890123456 "
            "tcp-flags=2 type=IPv4 pkt-srcaddr=52.213.180.42 pkt-dstaddr=10.0.0.62 line_bytes=209");
  EXPECT_THAT(decoded.flows[1],
              HasSubstr("tcp-flags=19 type=IPv4 pkt-srcaddr=10.0.0.62 pkt-dstaddr=52.213.180.42"));
}

TEST(FlowParser, ReadsServiceNamesPathAndDirectionByALogFormatString) {
  const Decoded decoded = with_format(
      "5 52.95.128.179 10.0.0.71 80 34210 6 1616729292 1616729349 IPv4 14 15044 123456789012 "
      "vpc-abcdefab012345678 "
      "subnet-aaaaaaaa012345678 i-0c50d5961bcb2d47b eni-1235b8ca123456789 ap-southeast-2 apse2-az3 "
      "- - ACCEPT 19 "
      "52.95.128.179 10.0.0.71 S3 - - ingress OK\n"
      "5 10.0.0.71 52.95.128.179 34210 80 6 1616729292 1616729349 IPv4 7 471 123456789012 "
      "vpc-abcdefab012345678 "
      "subnet-aaaaaaaa012345678 i-0c50d5961bcb2d47b eni-1235b8ca123456789 ap-southeast-2 apse2-az3 "
      "- - ACCEPT 3 10.0.0.71 "
      "52.95.128.179 - S3 8 egress OK\n",
      "${version} ${srcaddr} ${dstaddr} ${srcport} ${dstport} ${protocol} ${start} ${end} ${type} "
      "${packets} ${bytes} "
      "${account-id} ${vpc-id} ${subnet-id} ${instance-id} ${interface-id} ${region} ${az-id} "
      "${sublocation-type} "
      "${sublocation-id} ${action} ${tcp-flags} ${pkt-srcaddr} ${pkt-dstaddr} "
      "${pkt-src-aws-service} "
      "${pkt-dst-aws-service} ${traffic-path} ${flow-direction} ${log-status}");
  ASSERT_EQ(decoded.flows.size(), 2u);
  EXPECT_THAT(
      decoded.flows[0],
      HasSubstr(
          "region=ap-southeast-2 az-id=apse2-az3 sublocation-type=- sublocation-id=- "
          "pkt-src-aws-service=S3 pkt-dst-aws-service=- flow-direction=ingress traffic-path=-"));
  EXPECT_THAT(decoded.flows[1],
              HasSubstr("pkt-dst-aws-service=S3 flow-direction=egress traffic-path=8"));
}

TEST(FlowParser, TakesPlainNamesAsAFormatToo) {
  const Decoded decoded =
      with_format("egress 1 10.0.128.55 10.0.133.8 80 43236 1\n",
                  "flow-direction traffic-path srcaddr dstaddr srcport dstport encryption-status");
  EXPECT_THAT(
      decoded.flows,
      ElementsAre("srcaddr=10.0.128.55 dstaddr=10.0.133.8 srcport=80 dstport=43236 "
                  "flow-direction=egress traffic-path=1 encryption-status=1 line_bytes=42"));
}

// A real SKIPDATA line of 29 fields in alphabetical order: the count of fields alone says nothing
// of their order.
TEST(FlowParser, BindsByNameAndNotByTheNumberOfColumns) {
  const Decoded decoded = with_format(
      "325352056000 - apne1-az1 - - - 1700185000 - i-085c8f3d12aa57000 eni-03a3504cbdd789000 "
      "SKIPDATA - - - - - - "
      "ap-northeast-1 - - 1700185000 - - subnet-f27b1000 - - - 5 vpc-bcd5b000\n",
      "account-id action az-id bytes dstaddr dstport end flow-direction instance-id interface-id "
      "log-status packets "
      "pkt-dst-aws-service pkt-dstaddr pkt-src-aws-service pkt-srcaddr protocol region srcaddr "
      "srcport start "
      "sublocation-id sublocation-type subnet-id tcp-flags traffic-path type version vpc-id");
  ASSERT_EQ(decoded.flows.size(), 1u);
  EXPECT_THAT(decoded.flows[0],
              HasSubstr("version=5 account-id=325352056000 interface-id=eni-03a3504cbdd789000"));
  EXPECT_THAT(decoded.flows[0], HasSubstr("log-status=SKIPDATA vpc-id=vpc-bcd5b000"));
}

TEST(FlowParser, RecordsWithoutStartAndOfLayoutsWithoutBytesAreKeptAndCountedUnwindowed) {
  const Decoded nat = decode_message(
      "instance-id interface-id srcaddr dstaddr pkt-srcaddr pkt-dstaddr\n"
      "- eni-1235b8ca123456789 10.0.1.5 10.0.0.220 10.0.1.5 203.0.113.5\n"
      "i-01234567890123456 eni-1111aaaa2222bbbb3 10.0.1.5 203.0.113.5 10.0.1.5 203.0.113.5\n");
  EXPECT_THAT(nat.flows, ElementsAre(HasSubstr("instance-id=- "),
                                     HasSubstr("instance-id=i-01234567890123456 ")));
  EXPECT_EQ(nat.counts.flows.unwindowed, 2u);
  EXPECT_EQ(nat.counts.flows.ok, 2u);
}

TEST(FlowParser, BytesMayBeAbsentOnAnOkRecordAsBlockPublicAccessLeavesThem) {
  const Decoded decoded =
      with_format("8 10.0.0.1 1700000000 - REJECT OK BPA\n",
                  "version srcaddr start bytes action log-status reject-reason");
  EXPECT_THAT(decoded.flows, ElementsAre(HasSubstr("bytes=- start=1700000000 action=REJECT")));
  EXPECT_EQ(decoded.counts.flows.unwindowed, 0u);
}

TEST(FlowParser, ReadsTheFieldsOfVersions7To11) {
  const Decoded decoded = with_format(
      "11 10.0.0.71 52.95.128.179 34210 80 6 1616729292 1616729349 REJECT OK EC "
      "nat-0c50d5961bcb2d47b 1 nat_gateway web%20tier "
      "arn:aws:ecs:us-east-1:123456789012:cluster/c\n",
      "version srcaddr dstaddr srcport dstport protocol start end action log-status reject-reason "
      "resource-id "
      "encryption-status interface-type instance-tag ecs-cluster-arn");
  ASSERT_EQ(decoded.flows.size(), 1u);
  EXPECT_THAT(
      decoded.flows[0],
      HasSubstr("ecs-cluster-arn=arn:aws:ecs:us-east-1:123456789012:cluster/c reject-reason=EC "
                "resource-id=nat-0c50d5961bcb2d47b encryption-status=1 instance-tag=web%20tier "
                "interface-type=nat_gateway"));
}

constexpr std::string_view kGatewayLine =
    "6 TransitGateway 123456789012 tgw-0abc12345def67890 tgw-attach-0abc12345def67890 123456789012 "
    "123456789012 vpc-0a vpc-0b "
    "subnet-0a subnet-0b eni-0a eni-0b use1-az1 use1-az2 tgw-attach-0def12345abc67890 10.0.0.1 "
    "10.0.1.1 12345 443 6 10 1000 "
    "1700000000 1700000060 OK IPv4 1 2 3 4 2 us-east-1 ingress - S3\n";

TEST(FlowParser, TellsTheTransitGatewayDefaultFormatByItsSecondTokenAlsoBetweenVpcLines) {
  const Decoded decoded = decode_message(kOkLine + (kGatewayLine + kOkLine));
  ASSERT_EQ(decoded.flows.size(), 3u);
  EXPECT_EQ(decoded.flows[0], decoded.flows[2]);
  EXPECT_THAT(decoded.flows[1],
              HasSubstr("bytes=1000 start=1700000000 end=1700000060 log-status=OK"));
  EXPECT_THAT(decoded.flows[1],
              HasSubstr("resource-type=TransitGateway tgw-id=tgw-0abc12345def67890"));
  EXPECT_THAT(
      decoded.flows[1],
      HasSubstr("packets-lost-no-route=1 packets-lost-blackhole=2 packets-lost-mtu-exceeded=3 "
                "packets-lost-ttl-expired=4"));
  EXPECT_EQ(decoded.counts.flows.malformed(), 0u);
}

// A restart between two lines knows nothing of those before it.
TEST(FlowParser, TellsEachLineOfAnImpliedFormatByItselfWhateverCameBefore) {
  std::string other_resource(kGatewayLine);
  other_resource.replace(other_resource.find("TransitGateway"), 14, "VpnConnection");
  std::string named_as_gateway(kOkLine);
  named_as_gateway.replace(named_as_gateway.find("123456789"), 12, "TransitGateway");
  for (const std::string& line : {other_resource, named_as_gateway}) {
    const Decoded alone = decode_message(line);
    for (const std::string& before : {std::string(kGatewayLine), std::string(kOkLine)}) {
      const Decoded behind = decode_message(before + line);
      EXPECT_EQ(behind.counts.flows.malformed(), alone.counts.flows.malformed()) << line;
      ASSERT_EQ(behind.flows.size(), 1 + alone.flows.size()) << line;
      if (!alone.flows.empty()) {
        EXPECT_EQ(behind.flows[1], alone.flows[0]);
      }
    }
  }
  EXPECT_EQ(decode_message(other_resource).counts.flows.malformed(), 1u);
  EXPECT_EQ(decode_message(named_as_gateway).flows.size(), 1u);
}

TEST(FlowParser, AHeaderInMidStreamRebindsTheColumns) {
  const Decoded decoded =
      decode_message(kDefaultHeader + (kOkLine + "bytes start log-status\n7 1700000000 OK\n"));
  EXPECT_THAT(decoded.flows, ElementsAre(HasSubstr("bytes=4249"),
                                         "bytes=7 start=1700000000 log-status=OK line_bytes=15"));
  EXPECT_EQ(decoded.counts.flows.headers, 2u);
}

TEST(FlowParser, AWordThatALogSaysByChanceIsDroppedAlone) {
  const Decoded decoded = decode_message(kOkLine + "end\n" + kOkLine + "start end\n" + kOkLine);
  EXPECT_EQ(decoded.flows.size(), 3u);
  EXPECT_EQ(decoded.counts.flows.headers, 0u);
  EXPECT_EQ(decoded.counts.flows.dropped[static_cast<std::size_t>(FlowDrop::kFieldCount)], 2u);
}

TEST(FlowParser, AnUnknownColumnIsKeptAsUnknownAndCounted) {
  const Decoded decoded =
      decode_message("version bytes flux-capacity start log-status\n12 5 88 1700000000 OK\n");
  EXPECT_THAT(decoded.flows,
              ElementsAre("version=12 bytes=5 start=1700000000 log-status=OK line_bytes=21"));
  EXPECT_EQ(decoded.counts.flows.unknown_fields, 1u);
}

TEST(FlowParser, OrdinaryWordsAreNoHeader) {
  EXPECT_FALSE(is_header("start of file"));
  for (const char* said : {"start", "end", "start end", "start processing", "action type"})
    EXPECT_FALSE(is_header(said)) << said;
  EXPECT_TRUE(is_header("bytes packets start"));
  EXPECT_TRUE(is_header("srcaddr bytes"));
  EXPECT_FALSE(is_header("2 123456789010"));
  EXPECT_FALSE(is_header("Version account-id"));
  EXPECT_TRUE(is_header("log_status"));
  EXPECT_TRUE(is_header("bytes start flux-capacity"));
  EXPECT_TRUE(is_header("version bytes ecs-epoch-id flux-capacity tls-name"));
  EXPECT_FALSE(is_header("version of ecs-epoch-id flux-capacity tls-name"));
}

TEST(FlowParser, StripsTheTimesThatCloudWatchExportsPutInFront) {
  const std::string plain = decode_message(kOkLine).flows.at(0);
  EXPECT_THAT(decode_message("2014-12-14T04:06:50.000Z " + kOkLine).flows, ElementsAre(plain));
  EXPECT_THAT(decode_message("timestamp,message\n1418530010000," + kOkLine).flows,
              ElementsAre(plain));
  const std::string quoted =
      "timestamp,message\r\n1418530010000,\"" + kOkLine.substr(0, kOkLine.size() - 1) + "\"\r\n";
  const Decoded decoded = decode_message(quoted);
  EXPECT_EQ(decoded.counts.flows.ok, 1u);
  EXPECT_EQ(decoded.counts.flows.malformed(), 0u);
}

TEST(FlowParser, StripsLineEndsOfAnyKindAndBlanksAndSkipsEmptyLines) {
  const std::string line{kOkLine.substr(0, kOkLine.size() - 1)};
  const Decoded decoded = decode_message("\n\r\n  " + line + "\r\n" + line + "   \n" + line);
  EXPECT_EQ(decoded.counts.flows.ok, 3u);
  EXPECT_EQ(decoded.counts.flows.malformed(), 0u);
}

struct BadLine {
  std::string line;
  FlowDrop reason;
};

class FlowParserDrops : public ::testing::TestWithParam<BadLine> {};

TEST_P(FlowParserDrops, TheLineAloneAndSaysWhy) {
  const Decoded decoded =
      decode_message(kOkLine + (GetParam().line + "\n" + std::string{kNoDataLine}));
  EXPECT_EQ(decoded.flows.size(), 2u);
  EXPECT_EQ(decoded.dropped(GetParam().reason), 1u) << to_string(GetParam().reason);
  EXPECT_EQ(decoded.counts.flows.malformed(), 1u);
}

INSTANTIATE_TEST_SUITE_P(
    Reasons, FlowParserDrops,
    ::testing::Values(
        BadLine{"2 123456789010 eni-1 10.0.0.1 10.0.0.2 1 2 6 20 4249 1418530010 1418530070 ACCEPT",
                FlowDrop::kFieldCount},
        BadLine{"2 123456789010 eni-1 10.0.0.1 10.0.0.2 1 2 6 20 4249 1418530010 1418530070 ACCEPT "
                "OK x",
                FlowDrop::kFieldCount},
        BadLine{"2 1 eni-1 10.0.0.1 10.0.0.2 1 2 6 20 42x9 1418530010 1418530070 ACCEPT OK",
                FlowDrop::kBadNumber},
        BadLine{"2 1 eni-1 10.0.0.1 10.0.0.2 1 2 6 -20 4249 1418530010 1418530070 ACCEPT OK",
                FlowDrop::kBadNumber},
        BadLine{"2 1 eni-1 10.0.0.1 10.0.0.2 1 2 6 20 4249 soon 1418530070 ACCEPT OK",
                FlowDrop::kBadNumber},
        BadLine{"2 1 eni-1 10.0.0.1 10.0.0.2 1 2 6 20 4249 1418530010 1e9 ACCEPT OK",
                FlowDrop::kBadNumber},
        BadLine{"2 1 eni-1 None None None None None None None soon 1418530070 ACCEPT NODATE",
                FlowDrop::kBadAddress},
        BadLine{"2 1 eni-1 10.0.0.999 10.0.0.2 1 2 6 20 4249 1418530010 1418530070 ACCEPT OK",
                FlowDrop::kBadAddress},
        BadLine{"2 1 eni-1 10.0.0.1 host 1 2 6 20 4249 1418530010 1418530070 ACCEPT OK",
                FlowDrop::kBadAddress},
        BadLine{"2 1 eni-1 10.0.0.1 10.0.0.2 1 2 6 20 4249 1418530010 1418530070 ACCEPT FINE",
                FlowDrop::kBadStatus},
        BadLine{"2 1 eni-1 10.0.0.1 10.0.0.2 1 2 6 20 4249 1418530010 1418530070 ACCEPT -",
                FlowDrop::kBadStatus},
        BadLine{"2\t1 eni-1 10.0.0.1 10.0.0.2 1 2 6 20 4249 1418530010 1418530070 ACCEPT OK",
                FlowDrop::kNotText},
        BadLine{
            std::string("2 1 eni-1 10.0.0.1 10.0.0.2 1 2 6 20 4249 1418530010 1418530070 ACCEPT") +
                '\0' + " OK",
            FlowDrop::kNotText},
        BadLine{"5 10.0.0.1 10.0.0.2 1700000000 OK", FlowDrop::kNoLayout},
        BadLine{std::string(70000, 'x'), FlowDrop::kLineTooLong}));

TEST(FlowParser, AHeaderMayStandBehindTheTimeOfAnExport) {
  const std::string names = "bytes start log-status";
  for (const std::string& header : {"2018-09-22T20:28:14.000Z " + names, "1537648094000," + names,
                                    "1537648094000,\"" + names + "\"\r"}) {
    std::string lines;
    for (int i = 0; i < 20; ++i) lines += kOkLine;
    lines += header + "\n";
    for (int i = 0; i < 80; ++i) lines += "2018-09-22T20:28:14.000Z 7 1700000000 OK\n";
    const Decoded decoded = decode_message(lines);
    EXPECT_EQ(decoded.counts.flows.headers, 1u) << header;
    EXPECT_EQ(decoded.flows.size(), 100u) << header;
    EXPECT_EQ(decoded.flows.back(), "bytes=7 start=1700000000 log-status=OK line_bytes=15");
  }
}

TEST(FlowParser, ANumberOutOfItsRangeMakesTheLineMalformed) {
  const std::string begin = "2 1 eni-1 10.0.0.1 10.0.0.2 ";
  const std::string lines =
      begin + "65536 2 6 20 4249 1418530010 1418530070 ACCEPT OK\n" +                  //
      begin + "1 2 256 20 4249 1418530010 1418530070 ACCEPT OK\n" +                    //
      begin + "1 2 6 20 9223372036854775808 1418530010 1418530070 ACCEPT OK\n" +       //
      begin + "1 2 6 20 100000000000000000000000 1418530010 1418530070 ACCEPT OK\n" +  //
      begin + "1 2 6 20 4249 1418530010 99999999999999 ACCEPT OK\n" +                  //
      begin + "65535 2 255 20 9223372036854775807 1418530010 1418530070 ACCEPT OK\n";
  std::string many;
  for (int i = 0; i < 30; ++i) many += lines;  // By whatever kernel.
  const Decoded decoded = decode_message(many);
  EXPECT_EQ(decoded.flows.size(), 30u);
  EXPECT_EQ(decoded.counts.flows.dropped[static_cast<std::size_t>(FlowDrop::kBadNumber)], 150u);
  EXPECT_EQ(decoded.counts.flows.malformed(), 150u);
  EXPECT_EQ(decoded.counts.flows.absent_optional, 0u);
}

TEST(FlowParser, ARecordWithoutFlowsNeedsNoneOfTheirFields) {
  const std::string lines =
      "2 1 eni-1 None None None None None None None 1431280876 1431280934 - NODATA\n"
      "2 1 eni-1 1.2.3.4 5.6.7.8 1 2 999 - x 1431280876 1431280934 - NODATA\n"
      "2 1 eni-1 - - - - - - - 1431280876 1431280934 ACCEPT NODATA\n"
      "2 1 eni-1 - - - - - - - soon later - SKIPDATA\n";
  std::string many;
  for (int i = 0; i < 30; ++i) many += lines;
  const Decoded decoded = decode_message(many);
  ASSERT_EQ(decoded.flows.size(), 120u);
  EXPECT_THAT(decoded.flows[0], HasSubstr("srcaddr=- dstaddr=- srcport=- "));
  EXPECT_THAT(decoded.flows[1], HasSubstr("srcaddr=1.2.3.4 "));
  EXPECT_THAT(decoded.flows[3], HasSubstr("start=- end=- "));
  EXPECT_EQ(decoded.counts.flows.nodata, 90u);
  EXPECT_EQ(decoded.counts.flows.skipdata, 30u);
  EXPECT_EQ(decoded.counts.flows.absent_optional, 30u * (7 + 2 + 2));
  EXPECT_EQ(decoded.counts.flows.unwindowed, 30u);
  EXPECT_EQ(decoded.counts.flows.malformed(), 0u);
}

TEST(FlowParser, ABadOptionalValueIsAbsentAndCounted) {
  const Decoded decoded = with_format("300 10.0.0.x 256 5 1700000000 OK\n",
                                      "version pkt-srcaddr tcp-flags bytes start log-status");
  EXPECT_THAT(decoded.flows, ElementsAre("version=- bytes=5 start=1700000000 log-status=OK "
                                         "tcp-flags=- pkt-srcaddr=- line_bytes=32"));
  EXPECT_EQ(decoded.counts.flows.absent_optional, 3u);
}

TEST(FlowParser, AnUnknownWordOfAClosedListIsCounted) {
  const Decoded decoded = with_format("MAYBE sideways IPv9 5 1700000000 OK\n",
                                      "action flow-direction type bytes start log-status");
  EXPECT_EQ(decoded.counts.flows.ok, 1u);
  EXPECT_EQ(decoded.counts.flows.unknown_values, 3u);
}

TEST(FlowParser, FillsOnlyTheFieldsAskedForAndStillValidatesTheRequiredOnes) {
  DecoderOptions options;
  options.fields = {FlowField::kBytes, FlowField::kInterfaceId};
  const Decoded decoded = decode_message(
      kOkLine + "2 1 eni-1 10.0.0.1 10.0.0.2 1 2 6 20 4249 x 1418530070 ACCEPT OK\n", options);
  EXPECT_THAT(decoded.flows,
              ElementsAre("interface-id=eni-1235b8ca123456789 bytes=4249 line_bytes=114"));
  EXPECT_EQ(decoded.dropped(FlowDrop::kBadNumber), 1u);
}

/// Of one of the first lines, by any kernel: short input takes the scalar one.
TEST(FlowParser, KeepsADroppedLineForEachReason) {
  std::string bad = kOkLine.substr(0, kOkLine.size() - 1) + " mo\x1bre\n";
  for (const int good : {0, 40}) {
    std::string text;
    for (int i = 0; i < good; ++i) text += kOkLine;
    text += "2 1 eni-1 1.2.3.4 5.6.7.8 1 2 6 x 1 1700000000 1700000060 ACCEPT OK\n" + bad + bad;
    Recorder recorder;
    Decoder decoder{{}, recorder};
    decoder.message(text);
    FlowDropSamples::ByReason samples;
    EXPECT_THAT(decoder.drop_samples().add_to(samples, "a.log"),
                ElementsAre("bad_number", "not_text"));
    EXPECT_EQ(samples["bad_number"],
              "a.log: 2 1 eni-1 1.2.3.4 5.6.7.8 1 2 6 x 1 1700000000 1700000060 ACCEPT OK");
    EXPECT_THAT(samples["not_text"], ::testing::EndsWith(" mo?re"));
    EXPECT_THAT(decoder.drop_samples().add_to(samples, "b.log"), IsEmpty()) << "the first stays";
    decoder.reset_counts();
    samples.clear();
    EXPECT_THAT(decoder.drop_samples().add_to(samples, "a.log"), IsEmpty());
  }
}

TEST(FlowParser, ADroppedLineWithoutATokenLeavesNoSample) {
  for (const std::string line : {"\x01\n", "1418530010000,\n"}) {
    Recorder recorder;
    Decoder decoder{{}, recorder};
    decoder.message(std::string{kOkLine} + line);
    EXPECT_EQ(decoder.counts().flows.malformed(), 1u);
    FlowDropSamples::ByReason samples;
    EXPECT_THAT(decoder.drop_samples().add_to(samples, "a.log"), IsEmpty());
  }
}

/// So that the texts of a capture, which follow each other in the line, are compared in one piece.
TEST(FlowParser, AnAbsentTextIsAViewOfItsDash) {
  const std::string text = "eni-1 - 1 2 1700000000 1700000060 ACCEPT OK\n";
  FlowBinding binding{parse_layout("interface-id vpc-id packets bytes start end action log-status"),
                      FieldSet::all()};
  FlowColumns columns;
  FlowCounts counts;
  static_cast<void>(parse_flow_records(text, {}, binding, columns, counts));
  ASSERT_EQ(columns.size, 1u);
  EXPECT_FALSE(columns.present(FlowField::kVpcId, 0));
  EXPECT_EQ(columns.texts(FlowField::kVpcId)[0].data(), text.data() + 6);
  EXPECT_EQ(columns.texts(FlowField::kVpcId)[0], "-");
}

TEST(FlowParser, ABatchHoldsAsManyRecordsAsAsked) {
  for (const std::uint32_t batch_records : {1u, 2u, 3u, 64u, 65u}) {
    std::string lines;
    for (int i = 0; i < 200; ++i) lines += std::string{i % 3 == 0 ? kNoDataLine : kOkLine};
    DecoderOptions options;
    options.batch_records = batch_records;
    Recorder recorder;
    Decoder decoder{options, recorder};
    decoder.message(lines);
    EXPECT_EQ(recorder.flows, decode_message(lines).flows);
    EXPECT_EQ(recorder.largest_batch, batch_records);
    EXPECT_EQ(recorder.flow_batches, (200 + batch_records - 1) / batch_records);
  }
}

TEST(FlowParser, ABufferCutAtEveryByteYieldsTheSameRecords) {
  const std::string text = kDefaultHeader + (kOkLine + kNoDataLine) + std::string{"broken line\n"} +
                           std::string{kOkLine};
  const Decoded whole = decode_message(text);
  for (std::size_t cut = 0; cut <= text.size(); ++cut) {
    const Decoded decoded = decode_cut(text, cut);
    EXPECT_TRUE(decoded.whole);
    ASSERT_EQ(decoded.flows, whole.flows) << cut;
    ASSERT_EQ(decoded.counts.flows.malformed(), 1u) << cut;
  }
}

TEST(FlowParser, ADroppedRecordLeavesNoTraceInThePresenceOfTheNext) {
  const Decoded decoded = decode_message("2 - - - - - - - - - - - - FINE\n" + kOkLine);
  EXPECT_EQ(decoded.flows, decode_message(kOkLine).flows);
}

}  // namespace
}  // namespace fleetmeter::parsers::testing
