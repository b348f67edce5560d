#include "parsers/decoder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "parsers/firehose_request.h"
#include "tests/parsers/recorder.h"
#include "tests/parsers/samples.h"

namespace fleetmeter::parsers::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::string text(std::string_view a, std::string_view b = {}, std::string_view c = {}) {
  return std::string{a}.append(b).append(c);
}

std::string log_event(std::string_view id, std::string_view message) {
  return R"({"id":")" + std::string{id} + R"(","timestamp":1418530010000,"message":")" +
         std::string{message} + "\"}";
}

std::string subscription(const std::string& events) {
  return R"({"logStream":"eni-1-all","logEvents":[)" + events +
         R"(],"messageType":"DATA_MESSAGE","policyLevel":"ACCOUNT_LEVEL_POLICY","owner":"123456789012"})";
}

std::string firehose(std::initializer_list<std::string> records) {
  std::string body = R"({"requestId":"r-1","timestamp":1632865411915,"records":[)";
  for (const std::string& record : records)
    body += (body.back() == '[' ? "" : ",") + (R"({"data":")" + base64(record) + "\"}");
  return body + "]}";
}

const std::string kOkRecord{kOkLine.substr(0, kOkLine.size() - 1)};

TEST(Decoder, OfArraysWithTheSameKeyInAnEnvelopeEachIsRead) {
  const std::string events = R"("logEvents":[)" + log_event("1", kOkRecord) + "]";
  const std::string type = R"("messageType":"DATA_MESSAGE")";
  const std::string others =
      R"("logEvents":[)" + log_event("2", kOkRecord) + "," + log_event("3", kOkRecord) + "]";
  for (const std::string& value :
       {events + "," + others + "," + type, type + "," + events + "," + others,
        events + "," + type + R"(,"owner":"1",)" + others + R"(,"more":{"logEvents":[]})"}) {
    const Decoded decoded = decode_message("{" + value + "}");
    EXPECT_THAT(decoded.flows, SizeIs(3)) << value;
    EXPECT_EQ(decoded.dropped(PayloadDrop::kBadEnvelope), 0u);
  }
  // One that is no array is said, and takes nothing with it that was there before.
  const Decoded broken = decode_message("{" + type + "," + others + R"(,"logEvents":5})");
  EXPECT_THAT(broken.flows, SizeIs(2));
  EXPECT_EQ(broken.dropped(PayloadDrop::kBadEnvelope), 1u);
}

TEST(Decoder, OfRecordsWithTheSameKeyInARequestEachIsRead) {
  const std::string record = R"("records":[{"data":")" + base64(kOkRecord) + "\"}]";
  const Decoded decoded = decode_message(R"({"requestId":"r-1",)" + record + "," + record + "}");
  EXPECT_THAT(decoded.flows, SizeIs(2));
}

TEST(Decoder, ReadsEveryMemberOfAMultiMemberGzip) {
  const Decoded decoded = decode_message(from_base64(kEnvelopeMembersBase64));
  EXPECT_THAT(decoded.flows,
              ElementsAre(HasSubstr("log-status=OK"), HasSubstr("log-status=NODATA")));
  EXPECT_EQ(decoded.counts.control_messages, 1u);
  EXPECT_EQ(decoded.counts.plain_bytes, 799u);
}

TEST(Decoder, AGzipCutAtAnyByteKeepsWhatCameBeforeAndIsTruncated) {
  const std::string bytes = from_base64(kEnvelopeMembersBase64);
  for (std::size_t cut = 2; cut < bytes.size(); ++cut) {
    const Decoded decoded = decode_stream(bytes.substr(0, cut), 100);
    const bool at_border = cut == 191;
    ASSERT_EQ(decoded.whole, at_border) << cut;
    ASSERT_EQ(decoded.dropped(PayloadDrop::kTruncated), at_border ? 0u : 1u) << cut;
    if (cut >= 191) {
      ASSERT_EQ(decoded.counts.control_messages, 1u) << cut;
    }
  }
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    const Decoded decoded = decode_cut(bytes, cut);
    EXPECT_TRUE(decoded.whole);
    ASSERT_THAT(decoded.flows, SizeIs(2)) << cut;
  }
}

TEST(Decoder, ADamagedGzipKeepsTheLinesBeforeTheDamageAndNoCutLine) {
  std::string lines;
  for (int i = 0; i < 5000; ++i) lines += std::to_string(i % 10) + std::string{kOkLine.substr(1)};
  std::string bytes = gzip(lines);
  const Decoded whole = decode_message(lines);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 0x55);
  for (const Decoded& decoded : {decode_message(bytes), decode_stream(bytes, 777)}) {
    EXPECT_EQ(decoded.dropped(PayloadDrop::kBadGzip) + decoded.dropped(PayloadDrop::kTruncated),
              1u);
  }
  const Decoded cut = decode_stream(gzip(lines).substr(0, 300), 100);
  EXPECT_FALSE(cut.whole);
  ASSERT_FALSE(cut.flows.empty());
  EXPECT_EQ(cut.counts.flows.malformed(), 0u);
  EXPECT_TRUE(std::equal(cut.flows.begin(), cut.flows.end(), whole.flows.begin()));
}

TEST(Decoder, AWrongChecksumIsReported) {
  std::string bytes = gzip(kOkLine);
  bytes[bytes.size() - 6] = static_cast<char>(bytes[bytes.size() - 6] ^ 1);
  EXPECT_EQ(decode_message(bytes).dropped(PayloadDrop::kBadGzip), 1u);
  EXPECT_FALSE(decode_stream(bytes, 10).whole);
}

/// Firehose puts a line end behind each record when it is told to.
TEST(Decoder, LineEndsBetweenMembersAreNoDamage) {
  const std::string bytes = gzip(kOkLine) + "\n" + gzip(kOkLine) + "\r\n" + gzip(kOkLine) + "\n";
  for (const std::size_t piece : {1u, 7u, 1'000u}) {
    const Decoded decoded = decode_stream(bytes, piece);
    EXPECT_THAT(decoded.flows, SizeIs(3));
    EXPECT_TRUE(decoded.whole);
  }
  EXPECT_THAT(decode_message(bytes).flows, SizeIs(3));
  EXPECT_EQ(decode_message(bytes).dropped(PayloadDrop::kBadGzip), 0u);
  EXPECT_THAT(decode_stream(gzip(bytes), 1'000).flows, SizeIs(3)) << "in a layer too";
}

TEST(Decoder, GarbageBehindAMemberInALayerIsCountedInAStreamAsInAMessage) {
  const std::string bytes = gzip(gzip(kOkLine) + "garbage");
  const Decoded stream = decode_stream(bytes, 1'000), message = decode_message(bytes);
  EXPECT_THAT(stream.flows, SizeIs(1));
  EXPECT_EQ(stream.dropped(PayloadDrop::kBadGzip), 1u);
  EXPECT_EQ(message.dropped(PayloadDrop::kBadGzip), 1u);
  EXPECT_FALSE(stream.whole);
}

TEST(Decoder, GarbageBehindTheLastMemberIsReportedAndZerosAreNot) {
  EXPECT_TRUE(decode_stream(gzip(kOkLine) + std::string(512, '\0'), 100).whole);
  const Decoded decoded = decode_stream(gzip(kOkLine) + "garbage", 1000);
  EXPECT_THAT(decoded.flows, SizeIs(1));
  EXPECT_FALSE(decoded.whole);
  EXPECT_EQ(decoded.dropped(PayloadDrop::kBadGzip), 1u);
}

TEST(Decoder, ReadsGzipHeadersWithAllTheirOptionalParts) {
  std::string bytes = gzip(kOkLine);
  std::string header = bytes.substr(0, 3) + '\x1c' + bytes.substr(4, 6);
  header += std::string("\x03\0abc", 5) + std::string("name\0", 5) + std::string("comment\0", 8);
  EXPECT_THAT(decode_stream(header + bytes.substr(10), 1).flows, SizeIs(1));
}

TEST(Decoder, ReadsZlibZstdAndLayersOfThem) {
  const std::vector<std::string> plain = decode_message(kOkLine).flows;
  for (const std::string& bytes :
       {zlib(kOkLine), zstd(kOkLine), gzip(gzip(kOkLine)), zstd(kOkLine) + zstd(""),
        base64(gzip(kOkLine)), gzip(zstd(kOkLine))}) {
    EXPECT_EQ(decode_message(bytes).flows, plain);
    for (const std::size_t piece : {1u, 7u, 100000u}) {
      const Decoded decoded = decode_stream(bytes, piece);
      EXPECT_EQ(decoded.flows, plain) << piece;
      EXPECT_TRUE(decoded.whole);
    }
  }
}

TEST(Decoder, ABase64TextWhoseContentIsDamagedOrCutIsNotReadToItsEnd) {
  const std::string packed = gzip(std::string(kOkLine) + std::string(kOkLine));
  for (const std::string& text :
       {base64(packed.substr(0, packed.size() - 9)), base64(packed).insert(40, "\n!"),
        base64(kOkLine) + "\n" + base64(packed.substr(0, 40)) + "\n" + base64(kOkLine)}) {
    for (const std::size_t piece : {1u, 7u, 100000u}) {
      const Decoded decoded = decode_stream(text, piece);
      EXPECT_FALSE(decoded.whole) << text;
      EXPECT_GE(decoded.dropped(PayloadDrop::kBadBase64) + decoded.dropped(PayloadDrop::kTruncated),
                1u);
    }
  }
  EXPECT_TRUE(decode_stream(base64(packed) + "\n" + base64(packed), 7).whole);
}

/// Lines that gzip cannot shrink below what one step inflates.
std::string hardly_compressible_lines(std::uint32_t count) {
  std::string lines;
  std::uint32_t random = 1;
  const auto next = [&random] { return random = random * 1664525u + 1013904223u; };
  for (std::uint32_t i = 0; i < count; ++i) {
    lines += "2 123456789010 eni-" + std::to_string(next()) + " 10.0.0.1 10.0.1.2 " +
             std::to_string(next() >> 16) + " 22 6 20 " + std::to_string(next()) +
             " 1418530010 1418530070 ACCEPT OK\n";
  }
  return lines;
}

TEST(Decoder, AMemberInsideAMemberIsReadWholeHoweverLargeItIs) {
  constexpr std::uint32_t kLines = 30'000;
  const std::string inner = gzip(hardly_compressible_lines(kLines));
  ASSERT_GT(inner.size(), 300'000u);
  EXPECT_EQ(decode_message(gzip(inner)).counts.flows.ok, kLines);
  EXPECT_EQ(decode_message(firehose({gzip(inner)})).counts.flows.ok, kLines);
  const Decoded stream = decode_stream(gzip(gzip(inner)), 1u << 20);
  EXPECT_EQ(stream.counts.flows.ok, kLines);
  EXPECT_TRUE(stream.whole);
}

TEST(Decoder, DamageInsideALayerIsReportedAndWhatCameBeforeItIsKept) {
  constexpr std::uint32_t kLines = 30'000;
  const std::string inner = gzip(hardly_compressible_lines(kLines));
  std::string damaged = inner;
  damaged[inner.size() / 2] = static_cast<char>(damaged[inner.size() / 2] ^ 0x55);
  std::string wrong_checksum = inner;
  wrong_checksum[inner.size() - 6] = static_cast<char>(wrong_checksum[inner.size() - 6] ^ 1);
  const std::string outer = gzip(inner);
  for (const std::string& bytes :
       {gzip(damaged), gzip(wrong_checksum), gzip(inner.substr(0, inner.size() / 2)),
        outer.substr(0, outer.size() / 2), gzip(gzip(damaged)), gzip(outer.substr(0, 200'000))}) {
    for (const Decoded& decoded : {decode_message(bytes), decode_stream(bytes, 100'000)}) {
      EXPECT_GE(decoded.dropped(PayloadDrop::kBadGzip) + decoded.dropped(PayloadDrop::kTruncated),
                1u);
      EXPECT_GT(decoded.counts.flows.ok, kLines / 4);
    }
    EXPECT_FALSE(decode_stream(bytes, 100'000).whole);
  }
}

TEST(Decoder, LinesOfAnExportKeepTheirColumnsWhateverTimeStandsBeforeThem) {
  const std::vector<std::string> plain = decode_message(kOkLine).flows;
  for (const char* time :
       {"2024-12-20T01:02:03.456Z ", "2024-12-20T01:02:03+00:00 ", "2024-12-20T01:02:03 "}) {
    EXPECT_EQ(decode_message(text(time, kOkLine)).flows, plain) << time;
    EXPECT_EQ(decode_stream(text(time, kOkLine), 7).flows, plain) << time;
  }
}

TEST(Decoder, MoreLayersThanAllowedAreRefused) {
  const Decoded decoded = decode_message(gzip(gzip(gzip(gzip(kOkLine)))));
  EXPECT_THAT(decoded.flows, IsEmpty());
  EXPECT_EQ(decoded.dropped(PayloadDrop::kNestedTooDeep), 1u);
}

TEST(Decoder, AGzipBombIsRefusedAtTheLimitWithMemoryFlat) {
  const std::string bomb = gzip(std::string(256u << 20, '\n'));
  struct rusage before {};
  getrusage(RUSAGE_SELF, &before);
  DecoderOptions options;
  options.inflated_bytes_max = 128u << 20;
  const Decoded decoded = decode_message(bomb, options);
  struct rusage after {};
  getrusage(RUSAGE_SELF, &after);
  EXPECT_EQ(decoded.dropped(PayloadDrop::kTooLarge), 1u);
  EXPECT_LT(after.ru_maxrss - before.ru_maxrss, 16 * 1024);
  EXPECT_EQ(decode_stream(bomb, 1 << 20, options).dropped(PayloadDrop::kTooLarge), 0u)
      << "A streamed file has no limit.";
}

TEST(Decoder, TakesMessagesOutOfASubscriptionEnvelopeWhateverTheOrderOfItsKeys) {
  const Decoded decoded = decode_message(
      subscription(log_event("1", kOkRecord) + "," + log_event("2", kOkRecord + "\\n")));
  EXPECT_THAT(decoded.flows, SizeIs(2));
  EXPECT_EQ(decoded.flows[0], decode_message(kOkLine).flows[0]);
}

TEST(Decoder, WhereTheKeyOfAnEnvelopeStandsMakesNoDifference) {
  const std::string message = R"("message":")" + std::string{kOkRecord} + '"';
  const std::string row = R"("srcaddr":"1.2.3.4","bytes":1,"start":1700000000)";
  for (const std::string other : {R"("namespace":"prod")", R"("value":{"max":1})"}) {
    for (const std::string& key : {message, row}) {
      EXPECT_THAT(decode_message("{" + key + "," + other + "}").flows, SizeIs(1)) << other;
      EXPECT_THAT(decode_message("{" + other + "," + key + "}").flows, SizeIs(1)) << other;
    }
  }
}

TEST(Decoder, AsksTheSinkForEachEventIdAndCountsTheRefused) {
  Recorder recorder;
  recorder.refused_event_id = "2";
  Decoder decoder{{}, recorder};
  decoder.message(subscription(log_event("1", kOkRecord) + "," + log_event("2", kOkRecord)));
  EXPECT_THAT(recorder.event_ids, ElementsAre("1", "2"));
  EXPECT_THAT(recorder.flows, SizeIs(1));
  EXPECT_EQ(decoder.counts().duplicate_events, 1u);
}

TEST(Decoder, AsksTheSinkForEachFirehoseRequestAndLeavesTheRefusedOut) {
  Recorder recorder;
  recorder.refused_request_id = "r-1";
  Decoder decoder{{}, recorder};
  decoder.message(firehose({kOkRecord, kOkRecord}));
  EXPECT_THAT(recorder.request_ids, ElementsAre("r-1"));
  EXPECT_THAT(recorder.flows, SizeIs(0));
  EXPECT_EQ(decoder.counts().duplicate_requests, 1u);
  recorder.refused_request_id.clear();
  decoder.message(firehose({kOkRecord, kOkRecord}));
  EXPECT_THAT(recorder.flows, SizeIs(2));
}

/// As connectors re-encode the rows of Parquet files: names with underscores, null for absent.
TEST(Decoder, AFlowRecordMayBeAnObject) {
  const std::string row =
      R"({"version":2,"account_id":"123456789010","interface_id":"eni-1","srcaddr":"1.2.3.4",)"
      R"("dstaddr":"5.6.7.8","srcport":1,"dstport":2,"protocol":6,"packets":10,"bytes":840,)"
      R"("start":1700000000,"end":1700000060,"action":"ACCEPT","log_status":"OK")";
  const Decoded decoded = decode_message(
      row + "}\n" + row + R"(,"vpc-id":null,"pkt_srcaddr":"1.2.3.4","more":{"a":[1]}})" +
      R"({"interface_id":"eni-2","srcaddr":null,"bytes":null,"start":1700000000,"log_status":"NODATA"})");
  ASSERT_THAT(decoded.flows, SizeIs(3));
  for (const char* part : {"interface-id=eni-1 ", "srcaddr=1.2.3.4 ", "bytes=840 ",
                           "action=ACCEPT ", "vpc-id=- ", "line_bytes=0"})
    EXPECT_THAT(decoded.flows[0], HasSubstr(part));
  EXPECT_THAT(decoded.flows[1], HasSubstr("pkt-srcaddr=1.2.3.4 "));
  EXPECT_THAT(decoded.flows[2], HasSubstr("log-status=NODATA"));
  EXPECT_EQ(decoded.counts.flows.ok, 2u);
  EXPECT_EQ(decoded.counts.flows.nodata, 1u);
  EXPECT_EQ(decoded.counts.metrics.malformed(), 0u);
}

TEST(Decoder, AnAccountThatCameAsANumberGetsItsZerosBack) {
  const auto account = [](const std::string& id) {
    return decode_message(R"({"account_id":)" + id + R"(,"srcaddr":"1.2.3.4","start":1})")
        .flows.at(0);
  };
  EXPECT_THAT(account("12345678901"), HasSubstr("account-id=012345678901 "));
  EXPECT_THAT(account("7"), HasSubstr("account-id=000000000007 "));
  EXPECT_THAT(account("123456789012"), HasSubstr("account-id=123456789012 "));
  EXPECT_THAT(account(R"("12345678901")"), HasSubstr("account-id=12345678901 "));
  EXPECT_THAT(account("null"), HasSubstr("account-id=- "));
}

TEST(Decoder, AFlowRecordAsAnObjectIsNeverAHeaderOfThoseBehindIt) {
  const std::string good = R"({"srcaddr":"1.2.3.4","bytes":7,"start":1700000000})";
  std::string names = "{";
  for (std::size_t i = 0; i < kFlowFieldCount; ++i) {
    const std::string_view name = info(static_cast<FlowField>(i)).name;
    const std::string_view other = info(static_cast<FlowField>(kFlowFieldCount - 1 - i)).name;
    names += (i > 0 ? ",\"" : "\"") + std::string{name} + "\":\"" + std::string{other} + '"';
  }
  const Decoded decoded = decode_message(good + names + "}" + good + good);
  ASSERT_THAT(decoded.flows, SizeIs(3));
  EXPECT_THAT(decoded.flows[2], AllOf(HasSubstr("srcaddr=1.2.3.4 "), HasSubstr("bytes=7 ")));
  EXPECT_EQ(decoded.counts.flows.headers, 0u);
  EXPECT_EQ(decoded.counts.flows.malformed(), 1u);
}

TEST(Decoder, ABadFlowRecordAsAnObjectIsDroppedAloneWithItsReason) {
  const std::string good = R"({"srcaddr":"1.2.3.4","bytes":1,"start":1700000000})";
  const Decoded decoded = decode_message(good + R"({"srcaddr":"1.2.3.4","bytes":"1 2","start":1})" +
                                         R"({"srcaddr":"1.2.3.4\n2","bytes":1,"start":1})" + good +
                                         std::string{kOkLine} + good);
  EXPECT_THAT(decoded.flows, SizeIs(4));
  EXPECT_EQ(decoded.dropped(FlowDrop::kBadNumber), 1u);
  EXPECT_EQ(decoded.dropped(FlowDrop::kBadAddress), 1u);
}

TEST(Decoder, AMessageThatIsNoFlowRecordIsCountedOnce) {
  const Decoded decoded = decode_message(
      subscription(log_event("1", "[ERROR] First test message") + "," +
                   log_event("2", "REPORT\\tDuration: 9.14 ms\\nat line 2\\nat line 3") + "," +
                   log_event("3", kOkRecord) + "," + log_event("4", "") + "," +
                   log_event("5", "2 1 eni-1 cut short")));
  EXPECT_THAT(decoded.flows, SizeIs(1));
  EXPECT_EQ(decoded.dropped(FlowDrop::kNotAFlowRecord), 3u);
  EXPECT_EQ(decoded.dropped(FlowDrop::kFieldCount), 1u) << "A damaged flow record stays one.";
}

TEST(Decoder, ReadsVendedRecordsAndBareLinesMixed) {
  const std::string vended = R"({"message":")" + kOkRecord + "\"}";
  for (const std::string& bytes : {vended + vended + vended, vended + "\n" + text(kOkLine, vended),
                                   text(kOkLine, vended, kOkLine)}) {
    EXPECT_THAT(decode_message(bytes).flows, SizeIs(3)) << bytes;
    EXPECT_THAT(decode_stream(bytes, 5).flows, SizeIs(3)) << bytes;
  }
}

/// One bad line among a million must not take the rest of the file with it.
TEST(Decoder, AJsonValueThatDoesNotEndLosesNoLineBehindIt) {
  for (const std::string broken :
       {"{", "{broken", R"({"a")", R"({"a":)", R"({"a": 1,)", R"({"a": nul)", R"({"a": "x)",
        R"({"a": [1, 2)", R"({"a": [1, 2,)", R"({"a": {"b": 1})", R"({"a": [)",
        R"({"a": [{"b": 1})", "{\n  \"a\": 1,\n  \"b\": 2"}) {
    const std::string bytes = text(kOkLine, broken + "\n", text(kOkLine, kOkLine));
    for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, bytes.size()}) {
      const Decoded decoded = decode_stream(bytes, piece);
      EXPECT_THAT(decoded.flows, SizeIs(3)) << broken;
      EXPECT_EQ(decoded.dropped(MetricDrop::kBadJson), 1u) << broken;
      EXPECT_EQ(decoded.counts.flows.malformed(), 0u) << broken;
      EXPECT_TRUE(decoded.whole) << broken;
    }
  }
}

/// What Firehose writes to S3: a member an envelope, and no line end between them.
TEST(Decoder, AnEnvelopeThatCannotBeReadIsLostAlone) {
  const std::string good = subscription(log_event("", kOkRecord));
  for (const std::string message : {"a control byte \x01", "a quote \" in it"}) {
    const std::string bad = subscription(log_event("", message));
    const std::string object = gzip(good) + gzip(bad) + gzip(good) + gzip(good);
    for (const std::string& bytes : {object, good + bad + good + "\n" + good}) {
      const Decoded decoded = decode_stream(bytes, 64);
      EXPECT_THAT(decoded.flows, SizeIs(3)) << message;
      EXPECT_EQ(decoded.dropped(PayloadDrop::kBadEnvelope), 1u) << message;
      EXPECT_EQ(decoded.counts.metrics.malformed(), 0u) << "No datapoint was lost.";
      EXPECT_TRUE(decoded.whole);
    }
  }
}

TEST(Decoder, WhatIsNoEventAndNoRecordIsLostAlone) {
  const Decoded events = decode_message(
      subscription("7," + log_event("1", kOkRecord) + ",null,[{}]," + log_event("2", kOkRecord)));
  EXPECT_THAT(events.flows, SizeIs(2));
  EXPECT_EQ(events.dropped(FlowDrop::kNotAFlowRecord), 3u);
  EXPECT_EQ(events.dropped(PayloadDrop::kBadEnvelope), 0u);
  const Decoded records =
      decode_message(R"({"requestId":"r","timestamp":1,"records":["x",{"data":")" +
                     base64(kOkRecord) + R"("},[1],{"data":")" + base64(kOkRecord) + "\"}]}");
  EXPECT_THAT(records.flows, SizeIs(2));
  EXPECT_EQ(records.dropped(PayloadDrop::kBadBase64), 2u);
  const std::string kinesis = R"({"kinesis":{"data":")" + base64(kOkRecord) + "\"}}";
  const Decoded shards = decode_message(
      R"({"Records":[)" + kinesis + R"(,{"foo":1},{"kinesis":2},{"kinesis":{}},)" + kinesis + "]}");
  EXPECT_THAT(shards.flows, SizeIs(2));
  EXPECT_EQ(shards.dropped(PayloadDrop::kBadBase64), 3u);
}

TEST(Decoder, AnEventThatIsNoJsonInsideEndsItsEnvelopeAndNothingElse) {
  const std::string good = subscription(log_event("1", kOkRecord));
  for (const std::string broken :
       {R"({"timestamp":1,"sub"})", R"({"id":"2","message"})", R"({"id"})", R"({"id":"2",})"}) {
    const std::string envelope = subscription(log_event("1", kOkRecord) + "," + broken);
    const Decoded decoded = decode_message(envelope + "\n" + good);
    EXPECT_EQ(decoded.flows.size(), 2u) << broken;
    EXPECT_EQ(decoded.dropped(PayloadDrop::kBadEnvelope), 1u) << broken;
  }
}

TEST(Decoder, AByteThatIsNoUtf8LosesNoLogEvent) {
  for (const std::string tag : {"caf\xe9", "\xff\xfe", "\xc3\xa9\xed\xa0\x80", "\xf0\x9f\x98"}) {
    std::string bad = kOkRecord;
    bad.replace(bad.find("eni-"), 8, "eni-" + tag);
    const Decoded decoded = decode_message(subscription(
        log_event("1", kOkRecord) + "," + log_event("2", bad) + "," + log_event("3", kOkRecord)));
    EXPECT_THAT(decoded.flows, SizeIs(3)) << tag;
    EXPECT_EQ(decoded.dropped(PayloadDrop::kBadEnvelope), 0u) << tag;
  }
}

TEST(Decoder, BlankLinesMayComeFirst) {
  for (const std::string blanks : {"\n", "\n \n\n", "\n\r\n\n", "\n \n\r\n", " \n\r\n\n",
                                   "\n\n\n\n\n\n\n\n", "\t\n \n \n\n \n"}) {
    const std::string text = blanks + std::string{kOkLine};
    const Decoded decoded = decode_message(text);
    EXPECT_THAT(decoded.flows, SizeIs(1)) << ::testing::PrintToString(blanks);
    EXPECT_EQ(decoded.counts.metrics.malformed(), 0u);
    EXPECT_THAT(decode_stream(text, 3).flows, SizeIs(1));
  }
}

TEST(Decoder, AnyNumberOfEmptyFramesMayComeFirst) {
  for (const std::size_t zeros : {1u, 9u, 40u, 1000u}) {
    const std::string bytes = std::string(zeros, '\0') + from_base64(kOtlp07Base64);
    EXPECT_THAT(decode_message(bytes).metrics, SizeIs(1)) << zeros;
    EXPECT_THAT(decode_stream(bytes, 7).metrics, SizeIs(1)) << zeros;
  }
}

TEST(Decoder, OpensTheEventsOfLambda) {
  const std::string envelope = gzip(subscription(log_event("1", kOkRecord)));
  EXPECT_THAT(decode_message(R"({"awslogs":{"data":")" + base64(envelope) + "\"}}").flows,
              SizeIs(1));
  EXPECT_THAT(decode_message(R"({"Records":[{"kinesis":{"partitionKey":"p","data":")" +
                             base64(envelope) + "\"}}]}")
                  .flows,
              SizeIs(1));
  const Decoded firehose_event =
      decode_message(R"({"invocationId":"i","region":"us-west-2","records":[{"data":")" +
                     base64("Hello World") + R"("},{"data":"!"}]})");
  EXPECT_EQ(firehose_event.dropped(FlowDrop::kNotAFlowRecord), 1u);
  EXPECT_EQ(firehose_event.dropped(PayloadDrop::kBadBase64), 1u);
  EXPECT_EQ(decode_message(R"({"Records":[{"s3":{}}]})").dropped(PayloadDrop::kBadEnvelope), 1u);
}

TEST(Decoder, OpensAFirehoseRequestOfRecordsOfEveryKind) {
  const std::string body = firehose({std::string{kOkLine}, std::string{kMetricJson},
                                     from_base64(kOtlp07Base64) + from_base64(kOtlp10Base64),
                                     gzip(subscription(log_event("1", kOkRecord)))});
  for (const std::string& bytes : {body, gzip(body)}) {
    const Decoded decoded = decode_message(bytes);
    EXPECT_THAT(decoded.flows, SizeIs(2));
    EXPECT_THAT(decoded.metrics, ElementsAre(kMetricJsonText, kOtlpText, kOtlpText));
    EXPECT_EQ(decode_stream(bytes, 50).metrics, decoded.metrics);
  }
}

TEST(Decoder, AHeaderThatCameAsAMessageBindsTheOnesAfterIt) {
  Recorder recorder;
  Decoder decoder{{}, recorder};
  decoder.message("bytes start log-status");
  decoder.message("7 1700000000 OK");
  EXPECT_THAT(recorder.flows, ElementsAre("bytes=7 start=1700000000 log-status=OK line_bytes=15"));
}

TEST(Decoder, AHeaderBindsNothingBehindTheBeginOfOtherMessages) {
  for (const std::string format : {"", "version bytes start log-status"}) {
    Recorder recorder;
    DecoderOptions options;
    options.flow_format = format;
    Decoder decoder{options, recorder};
    decoder.message("bytes start log-status\n7 1700000000 OK");
    decoder.begin_messages();
    decoder.message(format.empty() ? text(kOkLine) : "2 8 1700000000 OK");
    ASSERT_THAT(recorder.flows, SizeIs(2));
    EXPECT_THAT(recorder.flows[1], HasSubstr("version=2 "));
    EXPECT_EQ(decoder.counts().flows.malformed(), 0u);
  }
}

TEST(Decoder, RefusesParquetAndUnknownContentAndArrays) {
  EXPECT_EQ(decode_message("PAR1\x15\x04").dropped(PayloadDrop::kParquet), 1u);
  EXPECT_EQ(decode_message(std::string("\x7f"
                                       "ELF\x02\x01\x01\0\0\0",
                                       10))
                .dropped(PayloadDrop::kUnknownContent),
            1u);
  EXPECT_EQ(decode_message("[{\"a\":1}]").dropped(PayloadDrop::kBadEnvelope), 1u);
  EXPECT_FALSE(decode_stream(std::string{"PAR1"} + std::string(100, 'x'), 10).whole);
}

TEST(Base64, DecodesTheStandardAlphabetWithPaddingOnly) {
  std::string out;
  for (std::size_t length = 0; length < 50; ++length) {
    std::string bytes;
    for (std::size_t i = 0; i < length; ++i) bytes += static_cast<char>(i * 37 + length);
    EXPECT_TRUE(decode_base64(base64(bytes), out));
    EXPECT_EQ(out, bytes);
  }
  for (const std::string wrong :
       {"A", "AB", "ABC", "AB=C", "A===", "====", "AB-_", "AAAA====", "AAA\n", "AA==AAAA"}) {
    EXPECT_FALSE(decode_base64(wrong, out)) << wrong;
  }
}

TEST(FirehoseRequest, GivesIdTimeAndDecodedRecords) {
  FirehoseRequestParser parser;
  FirehoseRequest request;
  ASSERT_EQ(parser.parse(firehose({"one", "", "three"}), request), FirehoseError::kNone);
  EXPECT_EQ(request.request_id, "r-1");
  EXPECT_EQ(request.timestamp_ms, 1632865411915);
  EXPECT_THAT(request.records, ElementsAre("one", "three"));
}

TEST(FirehoseRequest, APoisonRecordIsDroppedAlone) {
  FirehoseRequestParser parser;
  FirehoseRequest request;
  ASSERT_EQ(
      parser.parse(
          R"({"records":[{"data":"QUJD"},{"data":"?"},{},7,{"data":"REVG","x":[{}]}],"requestId":"r"})",
          request),
      FirehoseError::kNone);
  EXPECT_THAT(request.records, ElementsAre("ABC", "DEF"));
  EXPECT_EQ(request.bad_base64, 3u);
}

TEST(FirehoseRequest, SaysWhatIsWrongWithABodyAndStillTheId) {
  FirehoseRequestParser parser;
  FirehoseRequest request;
  EXPECT_EQ(parser.parse("", request), FirehoseError::kNotJson);
  EXPECT_EQ(parser.parse("[]", request), FirehoseError::kNotJson);
  EXPECT_EQ(parser.parse(R"({"requestId":"r","records":[{"data":"QUJD"}])", request),
            FirehoseError::kNotJson);
  EXPECT_EQ(parser.parse(R"({"requestId":"r"})", request), FirehoseError::kNoRecords);
  EXPECT_EQ(request.request_id, "r");
  EXPECT_EQ(parser.parse(R"({"requestId":"r","records":{}})", request), FirehoseError::kNoRecords);
  EXPECT_EQ(parser.parse(R"({"records":[]})", request), FirehoseError::kNoRequestId);
  EXPECT_EQ(parser.parse(R"({"requestId":5,"records":[]})", request), FirehoseError::kNoRequestId);
  std::string many = R"({"requestId":"r","records":[{})";
  for (std::size_t i = 0; i < kFirehoseRecordsMax; ++i) many += ",{}";
  EXPECT_EQ(parser.parse(many + "]}", request), FirehoseError::kTooManyRecords);
}

}  // namespace
}  // namespace fleetmeter::parsers::testing
