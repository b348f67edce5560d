#include "generate/from_csv.h"

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdlib>
#include <filesystem>

#include "tests/generate/telemetry_reader.h"

namespace fleetmeter::generate {
namespace {

constexpr const char* kNabText =
    "timestamp,value\n2014-02-14 14:27:00,51.846000000000004\n2014-02-14 14:32:00,44.508\r\n\n";
constexpr const char* kBitbrainsText =
    "Timestamp [ms];\tCPU cores;\tCPU capacity provisioned [MHZ];\tCPU usage [MHZ];\tCPU usage "
    "[%];\t"
    "Memory capacity provisioned [KB];\tMemory usage [KB];\tDisk read throughput [KB/s];\tDisk "
    "write throughput [KB/s];\t"
    "Network received throughput [KB/s];\tNetwork transmitted throughput [KB/s]\n"
    "1372629804;\t8;\t20799.9;\t74.5;\t40.5;\t2.0E7;\t5000000.0;\t0.0;\t0.5;\t2.0;\t1.0\n"
    "1372630104;\t8;\t20799.9;\t79.7;\t0.25;\t0.0;\t0.0;\t0.0;\t6.5;\t0.25;\t1.0\n";

CsvSummary convert(CsvKind kind, const char* name, const char* text,
                   std::vector<testing::Point>& points) {
  std::string out;
  auto summary = convert_csv(kind, name, text, {}, out);
  EXPECT_TRUE(summary);
  points = testing::read_json_points(out);
  return *summary;
}

TEST(FromCsv, NabRowsBecomeOneSampleEachAndKeepTheirTimes) {
  std::vector<testing::Point> points;
  const CsvSummary summary =
      convert(CsvKind::kNab, "nab/ec2_cpu_utilization_5f5533.csv", kNabText, points);
  EXPECT_EQ(summary.rows, 2u);
  EXPECT_EQ(summary.period_s, 300u);
  ASSERT_EQ(points.size(), 2u);
  EXPECT_EQ(points[0], (testing::Point{"AWS/EC2",
                                       "CPUUtilization",
                                       "Percent",
                                       {{"InstanceId", "i-5f5533"}},
                                       1'392'388'020,
                                       0,
                                       1,
                                       51.846000000000004,
                                       51.846000000000004,
                                       51.846000000000004}));
  EXPECT_EQ(points[1].start_s - points[0].start_s, 300);
}

TEST(FromCsv, NabFilesNameTheirMetric) {
  const auto series = [](const char* name) {
    std::vector<testing::Point> points;
    convert(CsvKind::kNab, name, kNabText, points);
    return points[0].metric_namespace + " " + points[0].name + " " +
           points[0].dimensions.begin()->first + "=" + points[0].dimensions.begin()->second;
  };
  EXPECT_EQ(series("ec2_network_in_257a54.csv"), "AWS/EC2 NetworkIn InstanceId=i-257a54");
  EXPECT_EQ(series("ec2_disk_write_bytes_1ef3de.csv.gz"),
            "AWS/EC2 DiskWriteBytes InstanceId=i-1ef3de");
  EXPECT_EQ(series("rds_cpu_utilization_e47b3b.csv"),
            "AWS/RDS CPUUtilization DBInstanceIdentifier=e47b3b");
  EXPECT_EQ(series("elb_request_count_8c0756.csv"), "AWS/ELB RequestCount LoadBalancerName=8c0756");
  EXPECT_EQ(series("iio_us-east-1_i-a2eb1cd9_NetworkIn.csv"),
            "AWS/EC2 NetworkIn InstanceId=i-a2eb1cd9");
  EXPECT_EQ(series("cpu_utilization_asg_misconfiguration.csv"),
            "AWS/EC2 CPUUtilization AutoScalingGroupName=asg_misconfiguration");
  EXPECT_EQ(series("nyc_taxi.csv"), "NAB Value Series=nyc_taxi");
}

TEST(FromCsv, BadRowsAreDroppedAloneAndCounted) {
  std::vector<testing::Point> points;
  const CsvSummary summary =
      convert(CsvKind::kNab, "x.csv",
              "timestamp,value\n2014-02-14 14:27:00,1\n2014-02-14 14:32:00\n2014-02-14 14:3x:00,1\n"
              "2014-13-14 14:32:00,1\n2014-02-14 14:37:00,nan\n2014-02-14 14:42:00,1e999\n,\n"
              "2014-02-14 14:47:00,2",
              points);
  EXPECT_EQ(summary.rows, 8u);
  EXPECT_EQ(summary.bad_rows, 6u);
  EXPECT_EQ(points.size(), 2u);
}

TEST(FromCsv, BitbrainsColumnsBecomeCloudWatchMetrics) {
  std::vector<testing::Point> points;
  const CsvSummary summary = convert(CsvKind::kBitbrains, "pool/41.csv.gz", kBitbrainsText, points);
  EXPECT_EQ(summary.rows, 2u);
  EXPECT_EQ(summary.absent_values, 1u) << "no memory provisioned: unknown, not zero";
  EXPECT_EQ(summary.period_s, 300u);
  ASSERT_EQ(points.size(), 11u);
  std::map<std::string, double> first;
  for (std::size_t i = 0; i < 6; ++i) {
    first[points[i].metric_namespace + " " + points[i].name] = points[i].sum;
    EXPECT_EQ(points[i].start_s, 1'372'629'780) << "floored to the minute";
    EXPECT_EQ(points[i].dimensions.at("InstanceId"), "bitbrains-41");
  }
  EXPECT_EQ(first, (std::map<std::string, double>{{"AWS/EC2 CPUUtilization", 40.5},
                                                  {"AWS/EC2 DiskReadBytes", 0},
                                                  {"AWS/EC2 DiskWriteBytes", 150'000},
                                                  {"AWS/EC2 NetworkIn", 600'000},
                                                  {"AWS/EC2 NetworkOut", 300'000},
                                                  {"CWAgent mem_used_percent", 25}}));
}

TEST(FromCsv, AFileOfAnotherKindIsRefusedByName) {
  std::string out;
  const auto nab = convert_csv(CsvKind::kNab, "b.csv", kBitbrainsText, {}, out);
  ASSERT_FALSE(nab);
  EXPECT_EQ(nab.error().code, ErrorCode::kInvalidArgument);
  EXPECT_NE(nab.error().message.find("b.csv"), std::string::npos);
  EXPECT_FALSE(convert_csv(CsvKind::kBitbrains, "n.csv", kNabText, {}, out));
  EXPECT_FALSE(convert_csv(CsvKind::kBitbrains, "n.csv", "", {}, out));
  EXPECT_FALSE(convert_csv(CsvKind::kNab, "n.csv", "", {}, out));
  EXPECT_TRUE(out.empty());
}

TEST(FromCsv, ReadsGzipFilesAndTellsATruncatedOne) {
  const auto directory = std::filesystem::path(::testing::TempDir()) / "fleetmeter_from_csv";
  std::filesystem::create_directories(directory);
  const std::string path = (directory / "ec2_cpu_utilization_1.csv.gz").string();
  gzFile file = gzopen(path.c_str(), "wb");
  gzputs(file, kNabText);
  gzclose(file);
  std::string out;
  const auto write = [&out](std::string_view text) -> Result<void> {
    out += text;
    return {};
  };
  const auto summary = from_csv(CsvKind::kNab, {path, path}, {}, write);
  ASSERT_TRUE(summary);
  EXPECT_EQ(summary->datapoints, 4u);
  EXPECT_EQ(testing::read_json_points(out).size(), 4u);

  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 12);
  const auto cut = from_csv(CsvKind::kNab, {path}, {}, write);
  ASSERT_FALSE(cut);
  EXPECT_EQ(cut.error().code, ErrorCode::kDataLoss);
  EXPECT_FALSE(from_csv(CsvKind::kNab, {(directory / "absent.csv").string()}, {}, write));
  EXPECT_FALSE(from_csv(CsvKind::kNab, {directory.string()}, {}, write));
  std::filesystem::remove_all(directory);
}

}  // namespace
}  // namespace fleetmeter::generate
