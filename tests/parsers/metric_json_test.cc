// The one-pass reader of metric JSON against simdjson, which judges what that reader leaves alone.
#include "parsers/metric_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <utility>
#include <vector>

#include "parsers/byte_buffer.h"
#include "parsers/identity_memory.h"
#include "tests/parsers/recorder.h"

namespace fleetmeter::parsers::testing {
namespace {

struct Judged {
  MetricJsonParser::Result result;
  std::string text;             // Of the datapoint, "" when there is none.
  std::vector<double> numbers;  // Its statistics, to the bit.
  MetricCounts counts;
  std::size_t left_over;  // Dimensions and statistics in the batch that belong to no datapoint.
};

Judged judge_by(MetricJsonParser& parser, const std::string& value, bool exact = true) {
  std::string padded = value;
  padded.append(ByteBuffer::kPaddingBytes, '\0');
  MetricBatch batch;
  MetricCounts counts;
  const auto result =
      parser.parse(std::string_view{padded}.substr(0, value.size()), exact, batch, counts);
  if (batch.records.empty())
    return {result, "", {}, counts, batch.dimensions.size() + batch.extended.size()};
  const MetricRecord& record = batch.records.back();
  std::vector<double> numbers{record.maximum, record.minimum, record.sum, record.sample_count};
  for (const ExtendedStatistic& statistic : batch.extended_of(record))
    numbers.push_back(statistic.value);
  return {result, metric_text(batch, record), std::move(numbers), counts, 0};
}

void expect_same(const Judged& a, const Judged& b, const std::string& value) {
  ASSERT_EQ(a.result, b.result) << value;
  ASSERT_EQ(a.text, b.text) << value;
  ASSERT_EQ(a.numbers, b.numbers) << value;
  ASSERT_EQ(a.counts.datapoints, b.counts.datapoints) << value;
  ASSERT_EQ(a.counts.unknown_keys, b.counts.unknown_keys) << value;
  ASSERT_TRUE(std::ranges::equal(a.counts.dropped, b.counts.dropped)) << value;
  ASSERT_EQ(a.left_over, 0u) << value;
}

/// By a parser that does not know the value's beginning, by one that does, and by one that knows its
/// series, which it does from the third time on.
Judged judge(const std::string& value, bool exact = true) {
  MetricJsonParser parser;
  const Judged first = judge_by(parser, value, exact);
  for (int time = 0; time < 3; ++time) expect_same(judge_by(parser, value, exact), first, value);
  return first;
}

// An escape in the first text sends the whole object to simdjson, and reads the same.
constexpr std::string_view kFirst = R"({"metric_stream_name":"S",)";
constexpr std::string_view kFirstEscaped = R"({"metric_stream_name":"\u0053",)";

void expect_as_simdjson(const std::string& rest) {
  expect_same(judge(std::string{kFirst} + rest), judge(std::string{kFirstEscaped} + rest), rest);
}

const std::string kRest =
    R"("account_id":"123456789012","region":"us-east-1","namespace":"AWS/EC2",)"
    R"("metric_name":"CPUUtilization","dimensions":{"InstanceId":"i-0123","path":"/"},)"
    R"("timestamp":1643916720000,"value":{"max":9.5,"min":0.0,"sum":33333.333333333336,"count":2.0,)"
    R"-("p99":1.5E-7,"TM(10%:90%)":12345678901234567890},"unit":"Percent"})-";

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

TEST(MetricJsonPlain, TakesADatapointAsAwsWritesItWithoutAScan) {
  EXPECT_EQ(judge(std::string{kFirst} + kRest, false).result, MetricJsonParser::Result::kTaken);
  expect_as_simdjson(kRest);
}

TEST(MetricJsonPlain, JudgesAsSimdjsonWhateverStandsInAValue) {
  const std::vector<std::string> values = {"null",
                                           "true",
                                           "false",
                                           "\"text\"",
                                           "\"\"",
                                           "0",
                                           "-0",
                                           "-0.0",
                                           "1",
                                           "-1",
                                           "01",
                                           "1.",
                                           ".5",
                                           "1e5",
                                           "1E+5",
                                           "1e-5",
                                           "1e",
                                           "1e400",
                                           "-1e400",
                                           "1e-400",
                                           "9007199254740993",
                                           "18446744073709551616",
                                           "123456789012345678901234567890.5",
                                           "0.1e1",
                                           "2.2250738585072014e-308",
                                           "4.9e-324",
                                           "1.7976931348623157e308",
                                           "{}",
                                           "{\"a\":1}",
                                           "[1]",
                                           "\"\\u0041\"",
                                           "\"\xc3\xa9\"",
                                           "\"\xff\"",
                                           "\"\x01\"",
                                           "nul",
                                           "truest",
                                           "",
                                           "1643916720000",
                                           "253402300799000",
                                           "253402300799001",
                                           "99999999999999999999",
                                           "1643916720000.0",
                                           "\"a\" \"b\"",
                                           "1 2",
                                           "+1"};
  for (const char* token : {"\"123456789012\"", "\"AWS/EC2\"", "\"CPUUtilization\"", "\"i-0123\"",
                            "1643916720000", "9.5", "33333.333333333336", "2.0", "1.5E-7",
                            "\"Percent\"", R"({"InstanceId":"i-0123","path":"/"})"}) {
    for (const std::string& value : values) expect_as_simdjson(replaced(kRest, token, value));
  }
}

TEST(MetricJsonPlain, JudgesAsSimdjsonWhateverTheKeysAndTheirOrder) {
  for (const char* key : {"account_id", "region", "namespace", "metric_name", "dimensions",
                          "timestamp", "value", "unit", "max", "count", "p99", "InstanceId"}) {
    for (const char* name : {"nameplate", "", "namespace", "max", "unit", "message", "records",
                             "value", "n\\u0061mespace", "\xc3\xa9"}) {
      expect_as_simdjson(
          replaced(kRest, '"' + std::string{key} + "\":", '"' + std::string{name} + "\":"));
    }
  }
  expect_as_simdjson(
      R"("unit":"None","value":{"count":1,"sum":2,"min":3,"max":4},"timestamp":60000,)"
      R"("metric_name":"M","namespace":"N"})");
  expect_as_simdjson(
      R"( "unit" : "None" ,)"
      "\t\"value\"\r\n: { \"max\" : 1 , \"min\":1,\"sum\":1,\"count\":1 } , "
      R"("dimensions" : { } , "timestamp" :60000 , "metric_name":"M", "namespace":"N" } )");
}

TEST(MetricJsonPlain, JudgesAsSimdjsonWhateverByteIsPutIn) {
  std::mt19937 random{11};
  constexpr std::string_view kBytes = "\"\\{}[]:, \n\t09.-+eEnt\x01\x7f\xc3\xff";
  for (std::uint32_t round = 0; round < 20000; ++round) {
    std::string rest = kRest;
    for (std::uint32_t i = 1 + random() % 2; i > 0; --i) {
      const std::size_t at = random() % rest.size();
      const char byte = kBytes[random() % kBytes.size()];
      const auto how = random() % 3;
      if (how == 0) {
        rest[at] = byte;
      } else if (how == 1) {
        rest.insert(at, 1, byte);
      } else {
        rest.erase(at, 1);
      }
    }
    // Only what is taken is sure: without a scan before it a broken object is not judged.
    const Judged plain = judge(std::string{kFirst} + rest, false);
    if (plain.result != MetricJsonParser::Result::kTaken) continue;
    expect_same(plain, judge(std::string{kFirstEscaped} + rest), rest);
    if (HasFatalFailure()) return;
  }
}

TEST(MetricJsonPlain, WhatTheValuesBeforeBeganWithChangesNothing) {
  const std::vector<std::string> heads = {
      R"({"metric_stream_name":"S","account_id":"1","region":"r",)",
      R"({"metric_stream_name":"S","account_id":"1","region":"r" ,)",
      R"({"metric_stream_name":"S","account_id":"1","region":"r", )",
      R"({"metric_stream_name":"S","account_id":"1","region":"rr",)",
      R"({"metric_stream_name":"S","account_id":"","region":"r",)",
      R"({"metric_stream_name":"S","account_id":1,"region":"r",)",
      R"({"metric_stream_name":"S","account_id":"1","other":0,"region":"r",)",
      R"({"account_id":"1","metric_stream_name":"S","region":"r",)",
      R"({"region":"r","account_id":"1","metric_stream_name":"S",)",
      R"({ "metric_stream_name" : "S" , "account_id" : "1" , "region" : "r" , )",
      R"({"metric_stream_name":"\u0053","account_id":"1","region":"r",)",
      R"({"metric_stream_name":")" + std::string(300, 's') + R"(","account_id":"1","region":"r",)",
      R"({"region":"r",)",
      "{"};
  const std::vector<std::string> rests = {
      R"("namespace":"N","metric_name":"M","timestamp":1,"value":{"max":1.5,"min":1.5,"sum":1.5,"count":1.0}})",
      R"("timestamp":1,"namespace":"N","metric_name":"M","value":{"max":1.5,"min":1,"sum":2,"count":2}})",
      R"("region":"q","namespace":"N","metric_name":"M","timestamp":1,"value":{"max":1,"min":1,"sum":1,"count":1}})",
      R"("namespace":"N","account_id":"2","metric_name":"M","timestamp":1,"value":{"max":1,"min":1,"sum":1,"count":1}})",
      R"("namespace":"N"})",
      "}",
      ""};
  MetricJsonParser parser;
  std::mt19937 random{7};
  for (std::uint32_t round = 0; round < 5000; ++round) {
    const std::string value =
        heads[random() % heads.size()] + rests[random() % (round % 2 == 0 ? 2 : rests.size())];
    const bool exact = random() % 2 == 0;
    expect_same(judge_by(parser, value, exact), judge(value, exact), value);
    if (HasFatalFailure()) return;
  }
}

TEST(MetricJsonPlain, WhatSeriesCameBeforeChangesNothing) {
  const std::vector<std::string> dimensions = {
      "",
      R"("InstanceId":"i-0")",
      R"("InstanceId":"i-0","path":"/")",
      R"("path":"/","InstanceId":"i-0")",
      R"("path":"/","InstanceId":"i-0","path":"/var")",
      R"("InstanceId":"i-01")",
      R"("InstanceId":"i-0" )",
      R"("InstanceId":"\u0069-0")",
      R"("InstanceId":1)",
      R"("InstanceId":"i-0"},"unit":")",
      R"("InstanceId":"i-0","path":")" + std::string(IdentityMemory::kKeyBytesMax, 'p') + "\""};
  std::vector<std::string> values;
  for (const char* name_space : {"AWS/EC2", "AWS/EC", ""}) {
    for (const char* name : {"CPU", "CPU2", ""}) {
      for (const std::string& one : dimensions) {
        values.push_back(
            R"({"metric_stream_name":"S","account_id":"1","region":"r","namespace":")" +
            std::string(name_space) + R"(","metric_name":")" + name + R"(","dimensions":{)" + one +
            R"(},"timestamp":1,"value":{"max":2.5,"min":1.5,"sum":4.0,"count":2.0},"unit":"None"})");
      }
    }
  }
  std::vector<Judged> alone;
  for (const std::string& value : values) alone.push_back(judge(value));
  MetricJsonParser parser;
  std::mt19937 random{8};
  std::size_t which = 0;
  for (std::uint32_t round = 0; round < 20000; ++round) {
    // The same round for a while, as streams do.
    which = random() % 4 == 0 ? random() % values.size() : (which + 1) % values.size();
    expect_same(judge_by(parser, values[which]), alone[which], values[which]);
    if (HasFatalFailure()) return;
  }
}

TEST(MetricJsonPlain, DatapointsOfEqualIdentityAreOfOneNamespaceNameAndDimensions) {
  MetricJsonParser parser;
  std::map<std::uint64_t, std::string> texts;
  for (int round = 0; round < 4; ++round) {
    for (int series = 0; series < 50; ++series) {
      std::string value = std::string{kFirst} + replaced(kRest, "i-0123", std::to_string(series));
      const std::size_t size = value.size();
      value.append(ByteBuffer::kPaddingBytes, '\0');
      MetricBatch batch;
      MetricCounts counts;
      ASSERT_EQ(parser.parse(std::string_view{value}.substr(0, size), true, batch, counts),
                MetricJsonParser::Result::kTaken);
      const MetricRecord& record = batch.records.at(0);
      // The first value taught the beginning, the second is waited for.
      EXPECT_EQ(record.identity != 0, round > 1 || (round == 1 && series > 0));
      if (record.identity == 0) continue;
      EXPECT_EQ(texts.try_emplace(record.identity, metric_text(batch, record)).first->second,
                metric_text(batch, record));
    }
  }
  EXPECT_EQ(texts.size(), 50u);
}

TEST(MetricJsonPlain, ReadsStatisticsWrittenAlikeAsSimdjson) {
  const std::vector<std::string> numbers = {"1.0",
                                            "1.00",
                                            "10.0",
                                            "1",
                                            "-1.0",
                                            "1e5",
                                            "0.0",
                                            "-0.0",
                                            "1234567.0",
                                            "12345678.0",
                                            "1.",
                                            "1.0 ",
                                            "123456789.12",
                                            "123456789.13",
                                            "x",
                                            "\"1.0\"",
                                            "12345678901234.5",
                                            "12345678901234.25"};
  for (const std::string& maximum : numbers) {
    for (const std::string& minimum : numbers) {
      for (const std::string& sum : numbers) {
        std::string rest = replaced(kRest, "9.5", maximum);
        rest = replaced(rest, "\"min\":0.0", "\"min\":" + minimum);
        expect_as_simdjson(replaced(rest, "33333.333333333336", sum));
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST(MetricJsonPlain, ReadsNumbersOfAnyLengthAsSimdjson) {
  std::mt19937 random{5};
  const auto digits = [&](std::uint_fast32_t count) {
    std::string text;
    for (; count > 0; --count) text += static_cast<char>('0' + random() % 10);
    return text;
  };
  for (std::uint32_t round = 0; round < 20000; ++round) {
    std::string number = random() % 8 == 0 ? "-" : "";
    number += digits(random() % 4 == 0 ? random() % 25 : random() % 8);
    if (random() % 4 != 0) number += '.' + digits(random() % 4 == 0 ? random() % 25 : random() % 7);
    if (random() % 16 == 0) number += 'e' + digits(random() % 3);
    expect_as_simdjson(replaced(kRest, "9.5", number + (random() % 16 == 0 ? " " : "")));
    if (HasFatalFailure()) return;
  }
}

TEST(MetricJsonPlain, AStreamOfReorderedAndSpacedLinesIsReadLikeOneOfAws) {
  const std::string spaced =
      R"({ "unit": "Percent", "value": {"count": 2.0, "sum": 1.0, "max": 9.5, "min": 0.0}, )"
      R"("timestamp": 1643916720000, "dimensions": {"b": "2", "a": "1"}, "metric_name": "M", )"
      R"("namespace": "N", "region": "r", "account_id": "1", "metric_stream_name": "S"})";
  const Decoded decoded = decode_stream(spaced + "\r\n" + spaced + "\n", 50);
  EXPECT_THAT(decoded.metrics,
              ::testing::Each("S|1|r|N|M|Percent| start_ms=1643916720000 period_s=0 count=2 sum=1 "
                              "min=0 max=9.5 a=1 b=2"));
  EXPECT_EQ(decoded.metrics.size(), 2u);
}

}  // namespace
}  // namespace fleetmeter::parsers::testing
