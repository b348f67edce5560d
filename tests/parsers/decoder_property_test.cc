// Laws of the decoder on seeded streams: how records are put into buffers, members, values and
// envelopes, and where a stream is broken off and resumed, changes nothing of what they say.
#include <gtest/gtest.h>

#include <random>

#include "generate/fleet.h"
#include "generate/metric_text.h"
#include "tests/parsers/deliveries.h"
#include "tests/parsers/recorder.h"
#include "tests/parsers/samples.h"

namespace fleetmeter::parsers::testing {
namespace {

using generate::MetricFormat;

struct Delivered {
  Recorder recorder;
  DecodeCounts counts;
};

void deliver_all(const std::vector<std::string>& records, Delivery delivery, std::uint32_t seed,
                 Delivered& delivered) {
  std::mt19937 random{seed};
  Decoder decoder{{}, delivered.recorder};
  deliver(records, delivery, random, decoder, [] {});
  delivered.counts = decoder.counts();
}

/// Metric records, one a line or frame, some of which are dropped.
std::vector<std::string> metric_records(MetricFormat format, std::uint32_t seed,
                                        std::size_t count) {
  std::mt19937 random{seed};
  generate::MetricText text{format, "s", "123456789012", "us-east-1"};
  std::vector<std::uint32_t> series;
  for (int i = 0; i < 5; ++i) {
    series.push_back(text.add_series(
        {"AWS/EC2", "CPUUtilization", "Percent", {{"InstanceId", "i-" + std::to_string(i)}}}));
  }
  std::vector<std::string> records;
  while (records.size() < count) {
    std::string& record = records.emplace_back();
    text.append(series[random() % series.size()], 1'700'000'400 + 60 * (random() % 10), 60,
                generate::StatisticSet::one(static_cast<double>(random() % 1000) / 8), record);
    text.end_frame(record);
    if (random() % 12 != 0) continue;
    // A name that has to be there is not.
    const std::string name = format == MetricFormat::kJson ? "\"max\"" : "MetricName";
    record[record.find(name) + 1] = 'x';
  }
  return records;
}

TEST(DecoderProperty, FlowLinesSayTheSameHoweverTheyAreDelivered) {
  for (std::uint32_t seed = 0; seed < 6; ++seed) {
    const std::vector<std::string> lines = mixed_lines(seed, 300);
    Delivered text;
    deliver_all(lines, Delivery::kText, seed, text);
    ASSERT_GT(text.recorder.flows.size(), 200u);
    ASSERT_GT(text.counts.flows.malformed(), 10u);
    ASSERT_GT(text.counts.flows.headers, 1u);
    for (const Delivery delivery : kDeliveries) {
      SCOPED_TRACE(std::string{to_string(delivery)} + ", seed " + std::to_string(seed));
      Delivered other;
      deliver_all(lines, delivery, seed + 1000, other);
      ASSERT_EQ(other.recorder.flows, text.recorder.flows);
      EXPECT_EQ(other.counts.flows.headers, text.counts.flows.headers);
      EXPECT_GE(other.counts.flows.malformed(), text.counts.flows.malformed())
          << "an empty line is nothing, an empty log event is one that is no flow record";
    }
  }
}

TEST(DecoderProperty, DatapointsSayTheSameHoweverTheyAreDelivered) {
  for (const MetricFormat format :
       {MetricFormat::kJson, MetricFormat::kOtlp07, MetricFormat::kOtlp10}) {
    for (std::uint32_t seed = 0; seed < 8; ++seed) {
      const std::vector<std::string> records = metric_records(format, seed, 200);
      Delivered text;
      deliver_all(records, Delivery::kText, seed, text);
      ASSERT_GT(text.recorder.metrics.size(), 150u);
      ASSERT_GT(text.counts.metrics.malformed(), 2u);
      for (const Delivery delivery : kDeliveries) {
        if (is_for_messages(delivery)) continue;
        SCOPED_TRACE(std::string{to_string(delivery)} + ", seed " + std::to_string(seed));
        Delivered other;
        deliver_all(records, delivery, seed + 1000, other);
        ASSERT_EQ(other.recorder.metrics, text.recorder.metrics);
        EXPECT_EQ(other.counts.metrics.malformed(), text.counts.metrics.malformed());
      }
    }
  }
}

/// Breaks the reading off again and again, each time going on where position() says.
Recorder read_with_restarts(const std::string& file, std::uint32_t seed, std::uint32_t& restarts) {
  std::mt19937 random{seed};
  Recorder recorder;
  StreamPosition position;
  const std::size_t most = file.size() / 4 * 5;
  for (;;) {
    Decoder decoder{{}, recorder};
    decoder.resume(position);
    std::size_t at = position.member_start;
    const std::size_t stop = at + random() % most;
    while (at < std::min(stop, file.size())) {
      const std::string_view piece = std::string_view{file}.substr(at, 1 + random() % 3000);
      decoder.feed(piece);
      at += piece.size();
    }
    if (at >= file.size()) {
      EXPECT_TRUE(decoder.finish());
      return recorder;
    }
    position = decoder.position();
    ++restarts;
  }
}

TEST(DecoderProperty, AFileBrokenOffAndResumedAnyNumberOfTimesSaysTheSame) {
  std::uint32_t restarts = 0;
  for (std::uint32_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    std::string text, members, part;
    for (const std::string& line : mixed_lines(seed, 200)) {
      text += line;
      part += line;
      if (part.size() < 2000) continue;
      members += gzip(part);
      part.clear();
    }
    members += gzip(part);
    const std::vector<std::string> flows = decode_stream(text, text.size()).flows;
    ASSERT_EQ(read_with_restarts(members, seed, restarts).flows, flows);
    ASSERT_EQ(read_with_restarts(text, seed, restarts).flows, flows);
  }
  EXPECT_GT(restarts, 50u);
}

}  // namespace
}  // namespace fleetmeter::parsers::testing
