#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <random>

#include "parsers/flow_parser.h"
#include "parsers/unpacker.h"
#include "tests/parsers/recorder.h"
#include "tests/parsers/samples.h"

namespace fleetmeter::parsers::testing {
namespace {

using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

struct Shape {
  std::string name;
  std::string bytes;
};

std::string flow_text_lines(std::uint32_t seed, int count) {
  std::mt19937 random{seed};
  std::string lines;
  for (int i = 0; i < count; ++i) {
    switch (random() % 8) {
      case 0:
        lines += kNoDataLine;
        break;
      case 1:
        lines += "not a record\n";
        break;
      case 2:
        lines += "version account-id interface-id bytes start log-status\n";
        break;
      case 3:
        lines += "2 123456789012 eni-" + std::to_string(random()) + " 17 1700000000 OK\r\n";
        break;
      case 4:
        lines += R"({"message":")" + std::string{kOkLine.substr(0, kOkLine.size() - 1)} + "\"}";
        break;
      case 5:
        lines +=
            "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets "
            "bytes start end action log-status\n";
        break;
      default:
        lines += kOkLine;
        break;
    }
  }
  return lines;
}

/// Datapoints in which one byte is another, and lines that begin with blanks.
std::string damaged_values(std::uint32_t seed, int count) {
  std::mt19937 random{seed};
  const std::string line = std::string{kMetricJson} + "\n";
  std::string values;
  for (int i = 0; i < count; ++i) {
    std::string value = line;
    constexpr std::string_view kBytes = "{}[]\":,\\ 1x\t\x01";
    if (i % 3 != 0) value[random() % value.size()] = kBytes[random() % kBytes.size()];
    values += value;
    if (i % 4 == 0) values += "\t " + std::string{kOkLine} + " \t\r\n" + "  not a record\n";
  }
  return values;
}

/// Datapoints and log messages one behind the other without a line end, of which every other one is
/// damaged.
std::string damaged_values_in_one_line(std::uint32_t seed, int count) {
  std::mt19937 random{seed};
  const std::string message =
      R"({"message":")" + std::string{kOkLine.substr(0, kOkLine.size() - 1)} + "\"}";
  std::string values;
  for (int i = 0; i < count; ++i) {
    std::string value = i % 3 == 0 ? message : std::string{kMetricJson};
    constexpr std::string_view kBytes = "{}[]\":,\\ 1x\t\x01\n";
    if (i % 2 != 0) value[random() % value.size()] = kBytes[random() % kBytes.size()];
    if (i % 7 == 6) value.erase(0, 1 + random() % 40);
    if (i % 11 == 10) values += kOkLine;
    values += value + (i % 5 == 0 ? " " : "");
  }
  return values;
}

std::string members(const std::string& plain, std::size_t member_bytes,
                    std::string (*pack)(std::string_view)) {
  std::string out;
  for (std::size_t at = 0; at < plain.size(); at += member_bytes)
    out += pack(std::string_view{plain}.substr(at, member_bytes));
  return out;
}

std::vector<Shape> shapes() {
  const std::string lines = flow_text_lines(1, 40);
  std::string values;
  for (int i = 0; i < 6; ++i)
    values += std::string{kMetricJson} + (i % 2 == 0 ? "\n" : "") + (i == 3 ? "{\"cut\":\n" : "");
  const std::string frames =
      from_base64(kOtlp07Base64) + from_base64(kOtlp10Base64) + from_base64(kOtlp07Base64);
  const std::string envelopes = from_base64(kEnvelopeMembersBase64);
  return {{"lines", lines},
          {"last line without end", lines + std::string{kOkLine.substr(0, kOkLine.size() - 1)}},
          {"long line", lines + std::string(70000, 'x') + "\n" + lines},
          {"values", values},
          {"damaged values", damaged_values(7, 60)},
          {"damaged values in one line", damaged_values_in_one_line(8, 60)},
          {"damaged values in members", members(damaged_values_in_one_line(9, 60), 700, gzip)},
          {"members with zeros between", gzip(lines) + std::string(100, '\0') + gzip(kOkLine)},
          {"base64 in one line of text",
           std::string(5000, 'A') + " " + std::string(100, 'A') + "\n" + lines},
          {"frames", frames},
          {"gzip of lines, members cut lines", members(lines, 333, gzip)},
          {"zstd of lines, frames cut lines", members(lines, 1000, zstd)},
          {"gzip of frames", members(frames, 200, gzip)},
          {"values and frames by turns", values + frames + values + frames},
          {"values and frames, a member each", gzip(kMetricJson) + gzip(frames) + gzip(values)},
          {"envelopes", envelopes + envelopes},
          {"double gzip", gzip(envelopes + envelopes)},
          {"cut gzip", gzip(lines).substr(0, 200)}};
}

/// As in the objects of the time at which somebody changes the output format.
TEST(Stream, DatapointsMayTurnFromJsonToOtlpAndBack) {
  const std::string json = std::string{kMetricJson} + "\n", json_alone{kMetricJson};
  const std::string frame = from_base64(kOtlp10Base64);
  for (const std::string& bytes :
       {json + frame + frame, frame + json, json_alone + frame + json_alone,
        gzip(json) + gzip(frame), frame + json + std::string{kOkLine} + json + frame}) {
    const Decoded decoded = decode_stream(bytes, bytes.size());
    EXPECT_TRUE(decoded.whole);
    EXPECT_GE(decoded.metrics.size(), 2u);
    EXPECT_EQ(decoded.counts.metrics.malformed(), 0u);
    EXPECT_EQ(decoded.counts.flows.malformed(), 0u);
    EXPECT_EQ(decoded.metrics.size(), decode_message(bytes).metrics.size());
  }
}

struct Yield {
  std::vector<std::string> flows;
  std::vector<std::string> metrics;
};

void append(Yield& to, const Recorder& recorder) {
  to.flows.insert(to.flows.end(), recorder.flows.begin(), recorder.flows.end());
  to.metrics.insert(to.metrics.end(), recorder.metrics.begin(), recorder.metrics.end());
}

TEST(Stream, AnySplitIntoFeedsYieldsTheSame) {
  for (const Shape& shape : shapes()) {
    const Decoded whole = decode_stream(shape.bytes, shape.bytes.size());
    for (std::uint32_t seed = 0; seed < 30; ++seed) {
      SCOPED_TRACE(shape.name + ", seed " + std::to_string(seed));
      std::mt19937 random{seed};
      const std::size_t largest = 1 + random() % 300;
      Recorder recorder;
      Decoder decoder{{}, recorder};
      for (std::size_t at = 0; at < shape.bytes.size();) {
        const std::size_t piece = seed == 0 ? 1 : 1 + random() % largest;
        decoder.feed(std::string_view{shape.bytes}.substr(at, piece));
        at += piece;
      }
      EXPECT_EQ(decoder.finish(), whole.whole);
      ASSERT_EQ(recorder.flows, whole.flows);
      ASSERT_EQ(recorder.metrics, whole.metrics);
      const DecodeCounts& counts = decoder.counts();
      EXPECT_THAT(counts.dropped, ElementsAreArray(whole.counts.dropped));
      EXPECT_THAT(counts.flows.dropped, ElementsAreArray(whole.counts.flows.dropped));
      EXPECT_THAT(counts.metrics.dropped, ElementsAreArray(whole.counts.metrics.dropped));
      EXPECT_EQ(counts.plain_bytes, whole.counts.plain_bytes);
    }
  }
}

TEST(Stream, ARestartAtAnyPositionGoesOnExactly) {
  for (const Shape& shape : shapes()) {
    const Decoded whole = decode_stream(shape.bytes, shape.bytes.size());
    const std::size_t step = shape.bytes.size() > 5000 ? 997 : 7;
    for (std::size_t stop = 0; stop <= shape.bytes.size(); stop += step) {
      SCOPED_TRACE(shape.name + ", stopped at " + std::to_string(stop));
      Yield yield;
      StreamPosition position;
      {
        Recorder before;
        Decoder decoder{{}, before};
        decoder.feed(std::string_view{shape.bytes}.substr(0, stop / 2));
        decoder.feed(std::string_view{shape.bytes}.substr(stop / 2, stop - stop / 2));
        position = decoder.position();
        append(yield, before);
      }
      Recorder after;
      Decoder decoder{{}, after};
      decoder.resume(position);
      EXPECT_EQ(decoder.position(), position);
      const std::string_view rest = std::string_view{shape.bytes}.substr(position.member_start);
      for (std::size_t at = 0; at < rest.size(); at += 61) decoder.feed(rest.substr(at, 61));
      EXPECT_EQ(decoder.finish(), whole.whole);
      append(yield, after);
      ASSERT_EQ(yield.flows, whole.flows);
      ASSERT_EQ(yield.metrics, whole.metrics);
    }
  }
}

/// A piece that was made before those in front of it are parsed.
struct Ahead {
  PieceRoom room;
  PlainPiece piece;
};

/// All pieces of a stream that is cut into random reads; they point to their rooms, which stay.
std::deque<Ahead> unpack_all(Unpacker& unpacker, std::string_view bytes, std::mt19937& random) {
  std::deque<Ahead> pieces;
  while (!bytes.empty()) {
    std::string_view read = bytes.substr(0, 1 + random() % 1000);
    bytes.remove_prefix(read.size());
    for (bool more = true; more;) {
      Ahead& made = pieces.emplace_back();
      more = unpacker.unpack(read, made.room, made.piece);
    }
  }
  Ahead& last = pieces.emplace_back();
  unpacker.end(last.room, last.piece);
  return pieces;
}

/// What the halves of a decoder do on two threads, without the threads: the pieces are there before
/// any is parsed, and a restart begins a new pair at the position behind some piece.
TEST(Stream, PiecesMadeAheadYieldTheSameAndARestartBehindAnyOfThemGoesOnExactly) {
  for (const Shape& shape : shapes()) {
    const Decoded whole = decode_stream(shape.bytes, shape.bytes.size());
    for (std::uint32_t seed = 0; seed < 6; ++seed) {
      SCOPED_TRACE(shape.name + ", seed " + std::to_string(seed));
      std::mt19937 random{seed};
      Yield yield;
      DecodeCounts counts;
      StreamPosition position;
      bool finished = false;
      while (!finished) {
        Unpacker unpacker{position.member_start};
        Recorder recorder;
        Decoder decoder{{}, recorder};
        decoder.resume(position);
        std::deque<Ahead> pieces = unpack_all(
            unpacker, std::string_view{shape.bytes}.substr(position.member_start), random);
        const std::size_t taken = seed == 0 ? pieces.size() : 1 + random() % pieces.size();
        for (std::size_t i = 0; i < taken; ++i) {
          decoder.take(pieces[i].piece);
          // Whatever the parser left is its own: the room is inflated into anew.
          std::fill_n(pieces[i].room.data() - PieceRoom::kFrontBytes,
                      PieceRoom::kFrontBytes + pieces[i].piece.plain.size(), '#');
        }
        finished = taken == pieces.size();
        if (finished) {
          EXPECT_EQ(decoder.finish(), whole.whole);
          counts = decoder.counts();
        }
        position = decoder.position();
        append(yield, recorder);
      }
      ASSERT_EQ(yield.flows, whole.flows);
      ASSERT_EQ(yield.metrics, whole.metrics);
      if (seed == 0) {
        EXPECT_THAT(counts.dropped, ElementsAreArray(whole.counts.dropped));
        EXPECT_THAT(counts.flows.dropped, ElementsAreArray(whole.counts.flows.dropped));
        EXPECT_EQ(counts.raw_bytes, whole.counts.raw_bytes);
        EXPECT_EQ(counts.plain_bytes, whole.counts.plain_bytes);
      }
    }
  }
}

/// Taken as it stands in a line, "dimensions" would do for simdjson, which skips what is not asked
/// for; yet its brackets do not pair. Whether the line is whole in the buffer must not decide.
TEST(Stream, ADatapointWhoseBracketsDoNotPairIsDroppedWhereverTheStreamIsCut) {
  const std::string good = std::string{kMetricJson} + "\n";
  std::string bad = good;
  bad[bad.find(R"({"InstanceId")")] = '[';
  const std::string bytes = bad + good;
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    const Decoded decoded = decode_cut(bytes, cut);
    EXPECT_TRUE(decoded.whole);
    ASSERT_THAT(decoded.metrics, ElementsAreArray({kMetricJsonText})) << cut;
    ASSERT_EQ(decoded.dropped(MetricDrop::kBadJson), 1u) << cut;
  }
}

TEST(Stream, ADatapointWithABadTimestampIsDroppedWhereverTheStreamIsCutThoughAGoodOneFollows) {
  // The escape keeps the quick reader out, and the text behind the number is no JSON.
  const std::string bad =
      R"({"metric_stream_name":"S","account_id":"1","region":"r","namespace":"N","metric_name":"a\\b",)"
      R"("dimensions":{},"timestamp":17"S","timestamp":1700003480000,)"
      R"("value":{"max":1,"min":1,"sum":1,"count":1},"unit":"None"})";
  const std::string bytes = bad + "\n" + std::string{kMetricJson} + "\n";
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    const Decoded decoded = decode_cut(bytes, cut);
    ASSERT_THAT(decoded.metrics, ElementsAreArray({kMetricJsonText})) << cut;
    ASSERT_EQ(decoded.dropped(MetricDrop::kBadJson), 1u) << cut;
  }
}

TEST(Stream, ARestartInPlainTextReadsNothingTwice) {
  const std::string lines =
      "bytes start log-status\n1 1700000000 OK\n2 1700000060 OK\n3 1700000120 OK\n";
  for (std::size_t stop = 0; stop <= lines.size(); ++stop) {
    Recorder before;
    Decoder first{{}, before};
    first.feed(std::string_view{lines}.substr(0, stop));
    const StreamPosition position = first.position();
    EXPECT_EQ(position.member_start, 0u);
    Recorder after;
    Decoder second{{}, after};
    second.resume_plain(position);
    const std::string_view rest = std::string_view{lines}.substr(position.plain_bytes);
    second.feed(rest);
    EXPECT_TRUE(second.finish());
    EXPECT_EQ(before.flows.size() + after.flows.size(), 3u) << stop;
    EXPECT_EQ(second.position().plain_bytes, lines.size()) << stop;
    EXPECT_EQ(second.counts().raw_bytes, rest.size());
  }
}

/// Reads `bytes` to their end, the last line too, from where an earlier reading ended.
Decoded read_grown(std::string_view bytes, StreamPosition& position) {
  Recorder recorder;
  Decoder decoder{{}, recorder};
  decoder.resume_plain(position);
  decoder.feed(bytes.substr(position.plain_bytes));
  const bool whole = decoder.finish();
  position = decoder.position();
  return {{decoder.counts()}, recorder.flows, recorder.metrics, whole};
}

TEST(Stream, OfAFileThatWasReadToItsEndWhileItGrewNoRecordIsLostOrReadTwice) {
  const std::string lines = std::string(kOkLine) + std::string(kMetricJson) + "\r\n" +
                            std::string(kNoDataLine) + std::string(kOkLine);
  StreamPosition begin;
  const Decoded whole = read_grown(lines, begin);
  for (std::size_t stop = 0; stop <= lines.size(); ++stop) {
    SCOPED_TRACE(stop);
    StreamPosition position;
    Decoded before = read_grown(std::string_view{lines}.substr(0, stop), position);
    const Decoded after = read_grown(lines, position);
    before.flows.insert(before.flows.end(), after.flows.begin(), after.flows.end());
    before.metrics.insert(before.metrics.end(), after.metrics.begin(), after.metrics.end());
    ASSERT_EQ(before.flows.size(), whole.flows.size());
    ASSERT_EQ(before.metrics, whole.metrics);
    EXPECT_EQ(after.dropped(PayloadDrop::kContinuedLine), 0u);
    EXPECT_EQ(after.counts.flows.malformed(), 0u);
    EXPECT_EQ(position, (StreamPosition{0, lines.size(), "", false}));
  }
}

/// Its columns end in a number, so a cut line may look whole: what it said cannot be taken back, but
/// its rest is no record of its own, though it looks like one.
TEST(Stream, WhatContinuesALastLineThatCountedIsDroppedAsThat) {
  const std::string begun = "log-status start bytes\nOK 1700000000 12";
  for (const std::string rest : {"34", "34 OK 1700000000 1", " OK", "{"}) {
    SCOPED_TRACE(rest);
    StreamPosition position;
    EXPECT_EQ(read_grown(begun, position).flows.size(), 1u);
    EXPECT_EQ(position, (StreamPosition{0, begun.size(), "log-status start bytes", true}));
    // Its end may take several readings.
    const Decoded unended = read_grown(begun + rest, position);
    EXPECT_THAT(unended.flows, IsEmpty());
    EXPECT_EQ(unended.dropped(PayloadDrop::kContinuedLine), 1u);
    EXPECT_EQ(position.plain_bytes, begun.size());
    const Decoded after = read_grown(begun + rest + "\nOK 1700000000 7\n", position);
    EXPECT_EQ(after.flows.size(), 1u);
    EXPECT_EQ(after.dropped(PayloadDrop::kContinuedLine), 1u);
    EXPECT_EQ(after.counts.flows.malformed(), 0u);
    EXPECT_FALSE(position.line_open);
  }
}

TEST(Stream, ALastLineThatIsNoRecordYetIsReadAgainWithItsRest) {
  for (const std::size_t missing : {1u, 20u, 60u}) {
    StreamPosition position;
    const std::string lines = std::string(kNoDataLine) + std::string(kOkLine);
    const Decoded cut = read_grown(lines.substr(0, lines.size() - 1 - missing), position);
    EXPECT_EQ(cut.counts.flows.malformed(), 1u) << "It is said that something was there.";
    EXPECT_EQ(position, (StreamPosition{0, kNoDataLine.size(), "", false}));
    EXPECT_EQ(read_grown(lines, position).flows.size(), 1u);
  }
}

TEST(Stream, AHeaderWithoutLineEndIsReadAgainWithItsRest) {
  StreamPosition position;
  (void)read_grown("log-status start by", position);
  EXPECT_EQ(position.plain_bytes, 0u);
  const Decoded after = read_grown("log-status start bytes\nOK 1700000000 7\n", position);
  EXPECT_EQ(after.flows.size(), 1u);
  EXPECT_EQ(after.counts.flows.unwindowed, 0u);
}

TEST(Stream, ALastLineOfAMemberIsContinuedByTheNextMember) {
  const std::string first = gzip("log-status start bytes\nOK 1700000000 12");
  Recorder before, after;
  Decoder decoder{{}, before};
  decoder.feed(first);
  EXPECT_TRUE(decoder.finish());
  EXPECT_EQ(before.flows.size(), 1u);
  Decoder second{{}, after};
  second.resume(decoder.position());
  second.feed(gzip("34\nOK 1700000000 7\n"));
  EXPECT_TRUE(second.finish());
  EXPECT_EQ(after.flows.size(), 1u);
  EXPECT_EQ(second.counts().dropped[static_cast<std::size_t>(PayloadDrop::kContinuedLine)], 1u);
}

TEST(Stream, ThePositionOfPlainTextIsTheOffsetBehindItsLastWholeLine) {
  Recorder recorder;
  Decoder decoder{{}, recorder};
  EXPECT_EQ(decoder.position(), StreamPosition{});
  decoder.feed(std::string{kOkLine} + "2 1234567");
  EXPECT_EQ(decoder.position(), (StreamPosition{0, kOkLine.size(), ""}));
  EXPECT_EQ(recorder.flows.size(), 1u);
}

TEST(Stream, ThePositionCarriesTheColumnsOfTheLastHeader) {
  Recorder recorder;
  Decoder decoder{{}, recorder};
  decoder.feed("bytes start log-status\n1 1700000000 OK\n" + std::string(40, ' ') + "\n");
  EXPECT_EQ(decoder.position().layout, "bytes start log-status");
}

TEST(Stream, ThePositionMovesToTheNextMemberOnceItsLastRecordIsRead) {
  Recorder recorder;
  Decoder decoder{{}, recorder};
  const std::string first = gzip(kOkLine);
  decoder.feed(first);
  EXPECT_EQ(decoder.position(), (StreamPosition{first.size(), 0, ""}));
}

TEST(Stream, AnUnfinishedLastLineWaitsAndIsARecordAtTheEnd) {
  Recorder recorder;
  Decoder decoder{{}, recorder};
  decoder.feed(std::string_view{kOkLine}.substr(0, kOkLine.size() - 1));
  EXPECT_TRUE(recorder.flows.empty());
  EXPECT_TRUE(decoder.finish());
  EXPECT_EQ(recorder.flows.size(), 1u);
}

TEST(Stream, ANewStreamBeginsWithTheLayoutOfTheOptions) {
  Recorder recorder;
  Decoder decoder{{}, recorder};
  decoder.feed("bytes start log-status\n1 1700000000 OK\n");
  EXPECT_TRUE(decoder.finish());
  decoder.feed(kOkLine);
  EXPECT_TRUE(decoder.finish());
  EXPECT_EQ(recorder.flows.size(), 2u);
  EXPECT_EQ(decoder.counts().payloads, 2u);
}

TEST(Stream, OneBrokenValueDoesNotTakeItsNeighboursWithIt) {
  const std::string good = std::string{kMetricJson} + "\n";
  for (const std::string bad : {"{\"a\":\"cut\n", "{\"a\":{\"b\":1\n", "{\"a\":1,\n", "{]\n",
                                "{\"a\":[}\n", "{\"a\":nan}\n"}) {
    for (const std::size_t piece : {1u, 50u, 100000u}) {
      const Decoded decoded = decode_stream(good + bad + good, piece);
      EXPECT_EQ(decoded.metrics.size(), 2u) << bad;
      EXPECT_EQ(decoded.counts.metrics.malformed(), 1u) << bad;
      EXPECT_TRUE(decoded.whole) << bad;
    }
  }
}

TEST(Stream, AFileBehindAnotherMayBeginWithItsByteOrderMark) {
  const std::string line(kOkLine);
  const std::string mark = "\xef\xbb\xbf";
  const std::string file = mark + "bytes start log-status\n7 1700000000 OK\n";
  std::string many;
  for (int i = 0; i < 20; ++i) many += line;
  const std::string bytes = mark + many + file + mark + std::string{kMetricJson} + "\n" + file;
  for (std::size_t cut = 0; cut <= bytes.size(); cut += cut < many.size() ? 101 : 1) {
    const Decoded decoded = decode_cut(bytes, cut);
    ASSERT_EQ(decoded.flows.size(), 22u) << cut;
    ASSERT_EQ(decoded.flows.back(), "bytes=7 start=1700000000 log-status=OK line_bytes=15") << cut;
    ASSERT_EQ(decoded.metrics.size(), 1u) << cut;
    ASSERT_EQ(decoded.counts.flows.malformed(), 0u) << cut;
  }
}

/// As Firehose writes them to S3.
TEST(Stream, OneBrokenValueDoesNotTakeThoseBehindItInTheSameLine) {
  const std::string good{kMetricJson};
  for (const std::string bad :
       {"{\"a\":\"\x01\"}", "{\"a\":\"tab\tin\"}", "{\"a\":]}", "{\"a\":[}", "{\"a\":nan, 1} ",
        "{\"a\":{\"b\":1}", "{\"a\":\"line\n\"}", "{\"a\"}\t", "{]}"}) {
    const std::string bytes = good + bad + good + good;
    for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
      const Decoded decoded = decode_cut(bytes, cut);
      ASSERT_EQ(decoded.metrics.size(), 3u) << bad << cut;
      ASSERT_TRUE(decoded.whole) << bad << cut;
    }
  }
}

/// As where a consumer begins inside an object of Firehose.
TEST(Stream, AValueWhoseBeginIsLostTakesNoneOfThoseBehindItWithIt) {
  const std::string good{kMetricJson};
  const std::string row =
      R"({"message":")" + std::string{kOkLine.substr(0, kOkLine.size() - 1)} + "\"}";
  for (const std::string& value : {good, row}) {
    for (std::size_t lost = 1; lost < value.size(); ++lost) {
      const std::string rest = value.substr(lost);
      // Of the begin of a stream, and of a value behind another.
      const Decoded first = decode_message(rest + good + " " + row + good);
      ASSERT_EQ(first.metrics.size(), 2u) << rest;
      ASSERT_EQ(first.flows.size(), 1u) << rest;
      const Decoded later = decode_message(good + rest + row + row + good);
      ASSERT_EQ(later.metrics.size(), 2u) << rest;
      ASSERT_EQ(later.flows.size(), 2u) << rest;
    }
  }
}

TEST(Stream, OfAValueLongerThanALineMayBeTheRestIsSkippedUpToTheNextWhereverTheStreamIsCut) {
  const std::string good{kMetricJson};
  for (const std::size_t size : {std::size_t{65'000}, kFlowLineBytesMax - 2, kFlowLineBytesMax - 1,
                                 kFlowLineBytesMax, std::size_t{200'000}}) {
    const std::string rest = std::string(size, 'x') + "\"}";
    for (const std::string end : {"", "\n"}) {
      const std::string bytes = good + rest + good + good + end + std::string{kOkLine};
      const Decoded whole = decode_stream(bytes, bytes.size());
      EXPECT_EQ(whole.metrics.size(), 3u) << size;
      EXPECT_EQ(whole.flows.size(), 1u) << size;
      for (const std::size_t piece : {1'000u, 4'097u, 65'535u}) {
        const Decoded cut = decode_stream(bytes, piece);
        EXPECT_EQ(cut.metrics, whole.metrics) << size;
        EXPECT_EQ(cut.flows, whole.flows) << size;
        EXPECT_THAT(cut.counts.dropped, ElementsAreArray(whole.counts.dropped)) << size;
        EXPECT_THAT(cut.counts.flows.dropped, ElementsAreArray(whole.counts.flows.dropped)) << size;
      }
    }
  }
}

TEST(Stream, ALineThatBeginsWithAnAddressOfColonsIsARecord) {
  DecoderOptions options;
  options.flow_format = "srcaddr dstaddr bytes start log-status";
  const std::string bytes = "::1 ::2 5 1700000000 OK\n::ffff:10.0.0.1 10.0.0.2 6 1700000000 OK\n";
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    Recorder recorder;
    Decoder decoder{options, recorder};
    decoder.feed(bytes.substr(0, cut));
    decoder.feed(bytes.substr(cut));
    ASSERT_TRUE(decoder.finish()) << cut;
    ASSERT_EQ(decoder.counts().flows.ok, 2u) << cut;
    ASSERT_EQ(decoder.counts().metrics.malformed() + decoder.counts().flows.malformed(), 0u) << cut;
  }
}

TEST(Stream, ARestartBetweenPrettyPrintedValuesDoesNotTakeThemForOtlp) {
  const std::string value = "{\n \"message\": \"" + std::string(kOkLine.substr(0, 90)) + "\"\n}\n";
  const std::string message =
      "{\n \"message\": \"" + std::string(kOkLine.substr(0, kOkLine.size() - 1)) + "\"\n}\n";
  const std::string bytes = value + message + message;
  for (const std::size_t at : {value.size() - 1, value.size() + message.size() - 1}) {
    Recorder recorder;
    Decoder decoder{{}, recorder};
    decoder.resume({0, at, ""});
    decoder.feed(bytes);
    EXPECT_TRUE(decoder.finish());
    EXPECT_EQ(recorder.flows.size(), at < value.size() ? 2u : 1u);
  }
}

/// Where a restart begins, and a stream, a control byte says nothing against text.
TEST(Stream, AControlByteNearTheBeginLosesNothingBehindItsValue) {
  for (const std::string begin : {"{\"\x01\":1}", "{\n \"\x01\": 1\n}"}) {
    const std::string bytes = std::string(kOkLine) + begin + std::string{kMetricJson};
    const StreamPosition position{0, kOkLine.size(), ""};
    Recorder recorder;
    Decoder decoder{{}, recorder};
    decoder.resume(position);
    decoder.feed(bytes);
    EXPECT_TRUE(decoder.finish());
    EXPECT_EQ(recorder.metrics.size(), 1u) << begin;
    EXPECT_EQ(decode_stream(begin + std::string{kMetricJson}, 9).metrics.size(), 1u) << begin;
  }
}

TEST(Stream, ARestartBeforeTextOfTheShapeOfAFrameReadsText) {
  const std::string message =
      "{\n \"message\": \"" + std::string(kOkLine.substr(0, kOkLine.size() - 1)) + "\"\n}\n";
  const std::string bytes = std::string(kOkLine) + "}\n" + message + message;
  Recorder recorder;
  Decoder decoder{{}, recorder};
  decoder.resume({0, kOkLine.size(), ""});
  decoder.feed(bytes);
  EXPECT_TRUE(decoder.finish());
  EXPECT_EQ(recorder.flows.size(), 2u);
}

TEST(Stream, OfWhatCannotBeReadARestartSeesTheWholeBegin) {
  const std::string bytes =
      "\xef\xbb\xbfversion account-i\x01 interface-id\n" + std::string(kOkLine);
  Recorder first;
  Decoder decoder{{}, first};
  decoder.feed(bytes);
  EXPECT_EQ(decoder.position().plain_bytes, 0u);
  EXPECT_FALSE(decoder.finish());
  Recorder again;
  Decoder second{{}, again};
  second.resume(decoder.position());
  second.feed(bytes);
  EXPECT_FALSE(second.finish()) << "As without a restart.";
  EXPECT_TRUE(again.flows.empty());
}

TEST(Stream, ABracketTooManyBehindAValueTakesNothingWithIt) {
  for (const std::string rest : {"}", "]}", ",", "\"} ", ":1}"}) {
    const Decoded decoded =
        decode_stream(std::string{kMetricJson} + rest + std::string{kMetricJson}, 1);
    EXPECT_EQ(decoded.metrics.size(), rest.find('}') != std::string::npos ? 2u : 1u) << rest;
    EXPECT_EQ(decoded.dropped(PayloadDrop::kBadEnvelope), 1u) << rest;
  }
}

}  // namespace
}  // namespace fleetmeter::parsers::testing
