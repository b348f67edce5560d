#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

#include "parsers/metric_otlp.h"
#include "parsers/metric_support.h"
#include "tests/parsers/recorder.h"
#include "tests/parsers/samples.h"

namespace fleetmeter::parsers::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string two_frames() { return from_base64(kOtlp07Base64) + from_base64(kOtlp10Base64); }

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string out{text};
  const std::size_t at = out.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return out.replace(at, from.size(), to);
}

TEST(MetricOtlp, BothVersionsSayTheSameInOneRecordOfTwoUnequalFrames) {
  const Decoded decoded = decode_message(two_frames());
  EXPECT_THAT(decoded.metrics, ElementsAre(kOtlpText, kOtlpText));
  EXPECT_EQ(decoded.counts.metrics.frames, 2u);
  EXPECT_EQ(decoded.counts.metrics.malformed(), 0u);
}

TEST(MetricOtlp, ARecordCutAtAnyByteKeepsTheWholeFramesAndReportsTheRest) {
  const std::string bytes = two_frames();
  for (std::size_t cut = 1; cut < bytes.size(); ++cut) {
    const Decoded decoded = decode_message(bytes.substr(0, cut));
    ASSERT_EQ(decoded.metrics.size(), cut < 397 ? 0u : 1u) << cut;
    const std::uint64_t reported = decoded.counts.metrics.malformed() +
                                   decoded.dropped(PayloadDrop::kUnknownContent) +
                                   decoded.counts.flows.malformed();
    ASSERT_EQ(reported, cut == 397 ? 0u : 1u) << cut;
  }
}

TEST(MetricOtlp, AStreamCutAtAnyByteGoesOnAndACutEndIsTruncated) {
  const std::string bytes = two_frames();
  for (std::size_t cut = 0; cut <= bytes.size(); ++cut) {
    const Decoded decoded = decode_cut(bytes, cut);
    EXPECT_TRUE(decoded.whole);
    ASSERT_EQ(decoded.metrics.size(), 2u) << cut;
  }
  const Decoded cut = decode_stream(bytes.substr(0, 500), 100);
  EXPECT_EQ(cut.metrics.size(), 1u);
  EXPECT_EQ(cut.dropped(PayloadDrop::kTruncated), 1u);
  EXPECT_FALSE(cut.whole);
}

TEST(MetricOtlp, ARequestWithoutItsFrameIsRead) {
  EXPECT_THAT(decode_message(from_base64(kOtlp10Base64).substr(2)).metrics, ElementsAre(kOtlpText));
  EXPECT_THAT(decode_stream(from_base64(kOtlp07Base64).substr(2), 7).metrics,
              ElementsAre(kOtlpText));
}

TEST(MetricOtlp, EmptyFramesAreSkippedAndCounted) {
  const Decoded decoded =
      decode_message(std::string(1, '\0') + from_base64(kOtlp07Base64) + std::string(2, '\0'));
  EXPECT_EQ(decoded.metrics.size(), 1u);
  EXPECT_EQ(decoded.counts.metrics.frames, 4u);
}

TEST(MetricOtlp, ALengthOverFiveBytesEndsTheRecord) {
  const Decoded decoded = decode_message(from_base64(kOtlp07Base64) + "\xff\xff\xff\xff\xff\x01" +
                                         from_base64(kOtlp10Base64));
  EXPECT_EQ(decoded.metrics.size(), 1u);
  EXPECT_EQ(decoded.dropped(MetricDrop::kBadFrame), 1u);
}

TEST(MetricOtlp, APointWithoutItsLabelsIsDroppedAlone) {
  const std::string bad = replaced(from_base64(kOtlp07Base64), "Namespace", "Nameplate");
  const Decoded decoded = decode_message(bad + from_base64(kOtlp10Base64));
  EXPECT_THAT(decoded.metrics, ElementsAre(kOtlpText));
  EXPECT_EQ(decoded.dropped(MetricDrop::kMissingLabel), 1u);
}

TEST(MetricOtlp, ASumThatIsNoNumberDropsThePoint) {
  double sum = 12.5;
  char wire[8];
  std::memcpy(wire, &sum, 8);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  char bad[8];
  std::memcpy(bad, &nan, 8);
  const Decoded decoded = decode_message(replaced(from_base64(kOtlp07Base64), {wire, 8}, {bad, 8}));
  EXPECT_THAT(decoded.metrics, IsEmpty());
  EXPECT_EQ(decoded.dropped(MetricDrop::kBadValue), 1u);
}

TEST(MetricOtlp, AMissingMinimumIsUnknownAndNotZero) {
  // Tag and length of {quantile 0, value 0} become an unknown field of the same size.
  const Decoded decoded =
      decode_message(replaced(from_base64(kOtlp07Base64), std::string("\x32\0\x32\x12", 4),
                              std::string("\x7a\0\x32\x12", 4)));
  EXPECT_THAT(decoded.metrics, IsEmpty());
  EXPECT_EQ(decoded.dropped(MetricDrop::kBadValue), 1u);
}

TEST(MetricOtlp, OtherDataThanASummaryIsCounted) {
  const Decoded decoded =
      decode_message(replaced(from_base64(kOtlp07Base64), "\x5a\xa8\x01", "\x3a\xa8\x01"));
  EXPECT_THAT(decoded.metrics, IsEmpty());
  EXPECT_EQ(decoded.dropped(MetricDrop::kNotASummary), 1u);
}

TEST(MetricOtlp, AnyByteChangedNeverLosesTheOtherFrame) {
  const std::string good = from_base64(kOtlp10Base64);
  for (std::size_t at = 2; at < 397; ++at) {
    std::string bytes = from_base64(kOtlp07Base64) + good;
    bytes[at] = static_cast<char>(bytes[at] ^ 0xff);
    OtlpDecoder decoder;
    MetricBatch batch;
    MetricCounts counts;
    std::string_view rest = bytes;
    while (!rest.empty()) {
      const FramePrefix prefix = read_frame_prefix(rest);
      ASSERT_EQ(prefix.kind, FramePrefix::Kind::kComplete);
      decoder.decode_request(rest.substr(prefix.prefix_bytes, prefix.frame_bytes), batch, counts);
      rest.remove_prefix(prefix.prefix_bytes + prefix.frame_bytes);
    }
    ASSERT_FALSE(batch.records.empty()) << at;
    ASSERT_EQ(metric_text(batch, batch.records.back()), kOtlpText) << at;
  }
}

TEST(MetricUnits, AreTranslatedPartByPartAndUnknownOnesKept) {
  EXPECT_EQ(cloudwatch_unit("By/s"), "Bytes/Second");
  EXPECT_EQ(cloudwatch_unit("{Count}/s"), "Count/Second");
  EXPECT_EQ(cloudwatch_unit("Tbit"), "Terabits");
  EXPECT_EQ(cloudwatch_unit("MBit/s"), "Megabits/Second");
  EXPECT_EQ(cloudwatch_unit("1"), "None");
  EXPECT_EQ(cloudwatch_unit("NoneTranslated"), "NoneTranslated");
}

TEST(QuantileNames, AreThoseOfCloudWatch) {
  QuantileNames names;
  EXPECT_EQ(names.name(0.99), "p99");
  EXPECT_EQ(names.name(0.999), "p99.9");
  EXPECT_EQ(names.name(0.5), "p50");
  EXPECT_EQ(names.name(0.9995), "p99.95");
  EXPECT_EQ(names.name(0.999999999999), "p99.9999999999");
  EXPECT_EQ(names.name(1), "p100");
}

TEST(MetricJson, ReadsADatapointWithItsOtherStatistics) {
  EXPECT_THAT(decode_message(kMetricJson).metrics, ElementsAre(kMetricJsonText));
}

TEST(MetricJson, ReadsValuesWithOrWithoutALineEndBetweenThem) {
  const std::string one{kMetricJson};
  for (const std::string& text : {one + "\n" + one + "\n", one + one, one + " \r\n\n" + one,
                                  "\xef\xbb\xbf  " + one + "\n  " + one}) {
    for (const std::size_t piece : {1u, 3u, 64u, 10000u}) {
      EXPECT_THAT(decode_stream(text, piece).metrics, ElementsAre(kMetricJsonText, kMetricJsonText))
          << text << piece;
    }
    EXPECT_EQ(decode_message(text).metrics.size(), 2u);
  }
}

TEST(MetricJson, UnescapesNamesAndSortsDimensions) {
  const Decoded decoded = decode_message(
      R"({"metric_stream_name":"S","namespace":"My\/App","metric_name":"disk \"used\"","dimensions":{"path":"C:\\","drive":"x","a\u0062":"é"},)"
      R"("timestamp":60000,"value":{"max":1,"min":1,"sum":1,"count":1},"unit":null})");
  EXPECT_THAT(decoded.metrics, ElementsAre("S|||My/App|disk \"used\"|| start_ms=60000 period_s=0 "
                                           "count=1 sum=1 min=1 max=1 ab=é drive=x path=C:\\"));
}

struct BadJson {
  std::string from;
  std::string to;
  MetricDrop reason;
};

class MetricJsonDrops : public ::testing::TestWithParam<BadJson> {};

TEST_P(MetricJsonDrops, TheValueAloneAndSaysWhy) {
  const std::string good{kMetricJson};
  const std::string bad = replaced(good, GetParam().from, GetParam().to);
  const Decoded decoded = decode_message(good + "\n" + bad + "\n" + good + "\n");
  EXPECT_THAT(decoded.metrics, ElementsAre(kMetricJsonText, kMetricJsonText));
  EXPECT_EQ(decoded.dropped(GetParam().reason), 1u) << to_string(GetParam().reason);
  EXPECT_EQ(decoded.counts.metrics.malformed(), 1u);
}

INSTANTIATE_TEST_SUITE_P(
    Reasons, MetricJsonDrops,
    ::testing::Values(
        BadJson{"\"namespace\":", "\"nameplate\":", MetricDrop::kMissingKey},
        BadJson{"\"timestamp\":1643916720000,", "", MetricDrop::kMissingKey},
        BadJson{"1643916720000", "\"1643916720000\"", MetricDrop::kBadTimestamp},
        BadJson{"1643916720000", "-5", MetricDrop::kBadTimestamp},
        BadJson{"\"max\":9.5,", "", MetricDrop::kBadValue},
        BadJson{"\"count\":", "\"count\":-", MetricDrop::kBadValue},
        BadJson{"\"max\":9.5", "\"max\":null", MetricDrop::kBadValue},
        BadJson{"\"max\":9.5", "\"max\":1e999", MetricDrop::kBadValue},
        BadJson{"\"max\":9.5", "\"max\":NaN", MetricDrop::kBadValue},
        BadJson{"\"dimensions\":{", "\"dimensions\":{\"a\":5,", MetricDrop::kBadValue},
        BadJson{"\"dimensions\":{", "\"dimensions\":1,\"more\":{", MetricDrop::kBadValue},
        BadJson{"\"dimensions\":{", "\"dimensions\" {", MetricDrop::kBadJson},
        BadJson{"\"unit\":\"Percent\"}", "\"unit\":\"Perc", MetricDrop::kBadJson}));

TEST(MetricJson, ALabelThatIsNoTextIsAbsentAndCounted) {
  for (const char* key : {"metric_stream_name", "account_id", "region", "unit"}) {
    const auto with = [key](const std::string& value) {
      const std::string name = '"' + std::string{key} + "\":";
      std::string json{kMetricJson};
      const std::size_t begin = json.find(name) + name.size();
      return decode_message(json.replace(begin, json.find('"', begin + 1) + 1 - begin, value));
    };
    for (const char* value : {"123456789010", "true", "1.5"}) {
      EXPECT_EQ(with(value).metrics.size(), 1u) << key << value;
      EXPECT_EQ(with(value).counts.metrics.unknown_keys, 1u) << key << value;
    }
    EXPECT_EQ(with("null").counts.metrics.unknown_keys, 0u) << key;
    EXPECT_EQ(with("\"\"").counts.metrics.unknown_keys, 0u) << key;
  }
}

TEST(MetricJson, TheNameOfAStreamMakesAMetricOfAnObjectWhateverElseItHas) {
  for (const char* key : {"message", "records", "srcaddr", "logEvents"}) {
    std::string json{kMetricJson};
    json.insert(json.rfind('}'), ",\"" + std::string{key} + "\":\"x\"");
    const Decoded decoded = decode_message(json);
    EXPECT_THAT(decoded.metrics, ElementsAre(kMetricJsonText)) << key;
    EXPECT_EQ(decoded.counts.metrics.unknown_keys, 1u) << key;
  }
}

TEST(MetricJson, ObjectsOfAnotherKindLackTheKeys) {
  const Decoded decoded = decode_message("{\"CHANGE\":-0.09,\"PRICE\":4.96}\n" +
                                         std::string{kMetricJson} + "\n{\"CHANGE\":1}");
  EXPECT_THAT(decoded.metrics, ElementsAre(kMetricJsonText));
  EXPECT_EQ(decoded.dropped(MetricDrop::kMissingKey), 2u);
}

TEST(MetricJson, AValueCutAtAnyByteTakesNoneOfThoseBehindItWithItThoughNoLineEndsBetween) {
  const std::string one{kMetricJson};
  for (std::size_t cut = 1; cut < one.size(); ++cut) {
    // Behind a key or its colon a value may stand: that one is lost with what it seems to be part of.
    if (one[cut - 1] == ':' || one[cut] == ':') continue;
    const Decoded decoded = decode_message(one + one.substr(0, cut) + one + one);
    ASSERT_THAT(decoded.metrics, ElementsAre(kMetricJsonText, kMetricJsonText, kMetricJsonText))
        << one.substr(0, cut);
  }
}

TEST(MetricJson, ACutLastValueIsTruncatedAndNotGuessed) {
  const std::string one{kMetricJson};
  for (std::size_t cut = 1; cut < one.size(); ++cut) {
    const Decoded decoded = decode_message(one + "\n" + one.substr(0, cut));
    ASSERT_EQ(decoded.metrics.size(), 1u) << cut;
    ASSERT_EQ(decoded.dropped(PayloadDrop::kTruncated), 1u) << cut;
  }
}

}  // namespace
}  // namespace fleetmeter::parsers::testing
