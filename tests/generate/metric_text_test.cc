#include "generate/metric_text.h"

#include <gtest/gtest.h>

#include "tests/generate/telemetry_reader.h"

namespace fleetmeter::generate {
namespace {

const SeriesSpec kDisk{
    "CWAgent", "disk_used_percent", "Percent", {{"InstanceId", "i-1"}, {"path", "C:\\"}}};
constexpr std::int64_t kStart = 1'772'409'600;

testing::Point point(const SeriesSpec& spec, const StatisticSet& set, std::int64_t period_s) {
  return {spec.metric_namespace,
          spec.name,
          spec.unit,
          {spec.dimensions.begin(), spec.dimensions.end()},
          kStart,
          period_s,
          set.count,
          set.sum,
          set.minimum,
          set.maximum};
}

TEST(MetricText, JsonLinesCarryTheFourStatisticsAndNoPeriod) {
  MetricText text(MetricFormat::kJson, "s", "012345678901", "us-east-1");
  std::string out;
  text.append(text.add_series(kDisk), kStart, 60, {3, 10.5, 0, 7.25}, out);
  text.end_frame(out);
  EXPECT_EQ(out,
            "{\"metric_stream_name\":\"s\",\"account_id\":\"012345678901\",\"region\":\"us-east-"
            "1\",\"namespace\":\"CWAgent\","
            "\"metric_name\":\"disk_used_percent\",\"dimensions\":{\"InstanceId\":\"i-1\",\"path\":"
            "\"C:\\\\\"},"
            "\"timestamp\":1772409600000,\"value\":{\"max\":7.25,\"min\":0.0,\"sum\":10.5,"
            "\"count\":3.0},\"unit\":\"Percent\"}\n");
}

TEST(MetricText, NumbersReadBackEqual) {
  for (const double value : {0.0, 0.25, 1.0, 92.5, 0.132, 51.846000000000004, -3.0, -0.1, 1e300,
                             4e15, 123456789012345.0}) {
    MetricText text(MetricFormat::kJson, "s", "1", "r");
    std::string out;
    text.append(text.add_series(kDisk), kStart, 60, StatisticSet::one(value), out);
    EXPECT_EQ(testing::read_json_points(out)[0].sum, value);
  }
}

class Otlp : public ::testing::TestWithParam<MetricFormat> {
 protected:
  [[nodiscard]] static int version() { return GetParam() == MetricFormat::kOtlp07 ? 7 : 10; }
};

TEST_P(Otlp, FramesReadBackThroughAWalkOfTheWireFormat) {
  MetricText text(GetParam(), "s", "012345678901", "us-east-1");
  const SeriesSpec bare{"AWS/EC2", "CPUUtilization", "Percent", {}};
  const std::uint32_t disk = text.add_series(kDisk), cpu = text.add_series(bare);
  std::vector<testing::Point> wanted;
  std::string out;
  for (const StatisticSet& set :
       {StatisticSet{3, 10.5, 0, 7.25}, StatisticSet::one(0), StatisticSet::one(92.5)}) {
    text.append(disk, kStart, 60, set, out);
    text.append(cpu, kStart, 300, set, out);
    wanted.push_back(point(kDisk, set, 60));
    wanted.push_back(point(bare, set, 300));
  }
  EXPECT_TRUE(out.empty()) << "points gather until the frame ends";
  text.end_frame(out);
  std::map<std::string, std::string> resource;
  EXPECT_EQ(testing::read_otlp_points(out, version(), &resource), wanted);
  EXPECT_EQ(
      resource,
      (std::map<std::string, std::string>{
          {"cloud.provider", "aws"},
          {"cloud.account.id", "012345678901"},
          {"cloud.region", "us-east-1"},
          {"aws.exporter.arn", "arn:aws:cloudwatch:us-east-1:012345678901:metric-stream/s"}}));
}

TEST_P(Otlp, AFrameHoldsAtMostAHundredPoints) {
  MetricText text(GetParam(), "s", "1", "r");
  const std::uint32_t series = text.add_series(kDisk);
  std::string out;
  for (int i = 0; i < 250; ++i) text.append(series, kStart + i * 60, 60, StatisticSet::one(i), out);
  EXPECT_EQ(testing::read_otlp_points(out, version()).size(), 200u);
  text.end_frame(out);
  text.end_frame(out);
  EXPECT_EQ(testing::read_otlp_points(out, version()).size(), 250u);
}

INSTANTIATE_TEST_SUITE_P(Versions, Otlp,
                         ::testing::Values(MetricFormat::kOtlp07, MetricFormat::kOtlp10),
                         [](const auto& one) {
                           return one.param == MetricFormat::kOtlp07 ? "v07" : "v10";
                         });

}  // namespace
}  // namespace fleetmeter::generate
