#include "generate/fleet.h"

#include <gtest/gtest.h>
#include <simdjson.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <set>

#include "tests/generate/telemetry_reader.h"

namespace fleetmeter::generate {
namespace {

namespace fs = std::filesystem;
using testing::Point;

struct Sum {
  std::uint64_t records = 0, packets = 0, bytes = 0;
  void add(std::uint64_t p, std::uint64_t b) {
    ++records;
    packets += p;
    bytes += b;
  }
  friend bool operator==(const Sum&, const Sum&) = default;
};

/// Generates into a directory of its own and reads back with code that shares nothing with the
/// generator.
class FleetTest : public ::testing::Test {
 protected:
  FleetTest()
      : root_(fs::path(::testing::TempDir()) / ("fleetmeter_fleet_" + std::to_string(::getpid()))) {
    fs::remove_all(root_);
    options_.machines = 8;
    options_.duration_min = 60;
    options_.script = {{IncidentKind::kCpu, 16, 6, 0, 92.5},
                       {IncidentKind::kScan, 20, 4, 5, 300},
                       {IncidentKind::kNatDrops, 20, 2, 0, 12},
                       {IncidentKind::kAzLoss, 40, 6, 1, 0}};
  }
  ~FleetTest() override { fs::remove_all(root_); }

  Summary make() {
    auto summary = generate(options_, root_);
    EXPECT_TRUE(summary) << summary.error().message;
    truth_text_ = testing::read_plain(root_ / "truth.json");
    truth_ = parser_.parse(truth_text_);
    return *summary;
  }
  [[nodiscard]] std::vector<std::string> flow_lines() const {
    std::vector<std::string> lines;
    const bool s3 = options_.flow_delivery == FlowDelivery::kS3;
    for (const auto& file :
         testing::files_below(root_ / "telemetry" / (s3 ? "AWSLogs" : "flow-logs"))) {
      auto some = testing::lines_of(testing::read_plain(file));
      if (s3) {
        EXPECT_TRUE(some.at(0).starts_with("version account-id"));
        some.erase(some.begin());
      }
      lines.insert(lines.end(), some.begin(), some.end());
    }
    return lines;
  }
  [[nodiscard]] std::vector<Point> points() const {
    std::vector<Point> all;
    for (const auto& file : testing::files_below(root_ / "telemetry" / "metrics")) {
      const std::string text = testing::read_plain(file);
      const auto some = options_.metric_format == MetricFormat::kJson
                            ? testing::read_json_points(text)
                            : testing::read_otlp_points(
                                  text, options_.metric_format == MetricFormat::kOtlp07 ? 7 : 10);
      all.insert(all.end(), some.begin(), some.end());
    }
    return all;
  }
  static Sum sum_of(simdjson::dom::element e) { return {e["records"], e["packets"], e["bytes"]}; }

  /// Zone by address, as the addressing plan says: 10.0.1-2 public, 10.0.10 and 10.0.20 private.
  static int zone_of(const std::string& address) {
    if (address.starts_with("10.0.1.") || address.starts_with("10.0.10.")) return 1;
    if (address.starts_with("10.0.2.") || address.starts_with("10.0.20.")) return 2;
    return 0;
  }
  static std::string path_class(const std::string& a, const std::string& b) {
    if (zone_of(a) != 0 && zone_of(b) != 0)
      return zone_of(a) == zone_of(b) ? "same_az" : "cross_az";
    return a.starts_with("172.") || b.starts_with("172.") ? "other_private" : "external";
  }

  fs::path root_;
  FleetOptions options_;
  simdjson::dom::parser parser_;
  std::string truth_text_;
  simdjson::dom::element truth_;
};

TEST_F(FleetTest, EachMachineThatIsUpMakesTwentyRecordsAMinute) {
  options_.script = {};
  options_.with_script = false;
  const Summary summary = make();
  std::map<std::int64_t, int> by_minute;
  for (const std::string& line : flow_lines()) {
    const auto w = testing::words_of(line);
    ASSERT_EQ(w.size(), 14u);
    const std::int64_t start = std::stoll(w[10]), end = std::stoll(w[11]);
    EXPECT_LE(start, end);
    EXPECT_EQ(start / 60, end / 60) << "a record lies in one minute";
    ++by_minute[start / 60];
  }
  EXPECT_EQ(by_minute.size(), 60u);
  for (const auto& [minute, count] : by_minute) EXPECT_EQ(count, 8 * 20) << minute;
  EXPECT_EQ(summary.flow_lines, 60u * 8 * 20);
  EXPECT_EQ(summary.datapoints, 60u * (8 * 10 + 2 * 5 + 5));
}

TEST_F(FleetTest, TruthEqualsARecountOfTheFlowRecords) {
  const Summary summary = make();
  std::map<std::string, std::uint64_t> status;
  std::map<std::string, Sum> actions, paths, interfaces;
  std::map<std::string, std::uint64_t> nat_by_address;
  std::set<std::string> gateways;
  for (const auto gateway : simdjson::dom::array(truth_["nat_gateways"]))
    gateways.emplace(std::string_view(gateway["interface"]));
  std::uint64_t internet = 0, cross = 0, nat = 0;
  std::uint64_t lines = 0;
  for (const std::string& line : flow_lines()) {
    ++lines;
    const auto w = testing::words_of(line);
    ++status[w[13]];
    if (w[13] != "OK") continue;
    const std::uint64_t packets = std::stoull(w[8]), bytes = std::stoull(w[9]);
    actions[w[12]].add(packets, bytes);
    if (w[12] != "ACCEPT") continue;
    const std::string path = path_class(w[3], w[4]);
    paths[path].add(packets, bytes);
    interfaces[w[2]].add(packets, bytes);
    if (!gateways.contains(w[2])) {
      // Both ends log it: half of the records' bytes.
      cross += path == "cross_az" ? bytes : 0;
      continue;
    }
    if (path == "external") {
      internet += zone_of(w[3]) != 0 ? bytes : 0;
      continue;
    }
    nat += bytes;
    nat_by_address[w[3].ends_with(".220") ? w[4] : w[3]] += bytes;
  }
  EXPECT_EQ(std::uint64_t(truth_["records"]["total"]), lines);
  EXPECT_EQ(summary.flow_lines, lines);
  EXPECT_EQ(std::uint64_t(truth_["records"]["ok"]), status["OK"]);
  EXPECT_EQ(std::uint64_t(truth_["records"]["nodata"]), status["NODATA"]);
  EXPECT_EQ(std::uint64_t(truth_["records"]["skipdata"]), status["SKIPDATA"]);
  EXPECT_EQ(status["NODATA"], 6u * (4 + 1)) << "four machines and a gateway, six minutes";
  EXPECT_EQ(status["SKIPDATA"], 4u);
  EXPECT_EQ(sum_of(truth_["accept"]), actions["ACCEPT"]);
  EXPECT_EQ(sum_of(truth_["reject"]), actions["REJECT"]);
  for (const auto path : simdjson::dom::array(truth_["path_classes"])) {
    EXPECT_EQ(sum_of(path), paths[std::string(std::string_view(path["class"]))])
        << std::string_view(path["class"]);
  }
  EXPECT_EQ(std::uint64_t(truth_["charges"]["internet_egress_bytes"]), internet);
  EXPECT_EQ(std::uint64_t(truth_["charges"]["cross_az_bytes"]), cross / 2);
  EXPECT_EQ(std::uint64_t(truth_["charges"]["nat_processed_bytes"]), nat);
  for (const auto entry : simdjson::dom::array(truth_["nat_by_private_address"])) {
    EXPECT_EQ(std::uint64_t(entry["bytes"]),
              nat_by_address[std::string(std::string_view(entry["address"]))]);
  }
  for (const auto top : simdjson::dom::array(truth_["top_interfaces"])) {
    EXPECT_EQ(sum_of(top), interfaces[std::string(std::string_view(top["interface"]))]);
  }
}

TEST_F(FleetTest, GatewayMetricsEqualTheFlowRecordsOfTheirLegs) {
  make();
  std::map<std::string, std::map<std::string, double>> metrics;
  for (const Point& point : points()) {
    if (point.metric_namespace == "AWS/NATGateway")
      metrics[point.dimensions.at("NatGatewayId")][point.name] += point.sum;
  }
  ASSERT_EQ(metrics.size(), 2u);
  for (const auto gateway : simdjson::dom::array(truth_["nat_gateways"])) {
    auto& sums = metrics.at(std::string(std::string_view(gateway["gateway"])));
    EXPECT_EQ(sums["BytesInFromSource"],
              static_cast<double>(std::uint64_t(gateway["in_from_source_bytes"])));
    EXPECT_EQ(sums["BytesInFromDestination"],
              static_cast<double>(std::uint64_t(gateway["in_from_destination_bytes"])));
    EXPECT_EQ(sums["BytesInFromSource"] + sums["BytesInFromDestination"],
              static_cast<double>(std::uint64_t(gateway["processed_bytes"])));
    EXPECT_GT(sums["BytesInFromSource"], 0);
  }
}

TEST_F(FleetTest, MetricsFollowTheScript) {
  make();
  std::map<std::string, std::uint64_t> by_namespace;
  for (const Point& point : points()) {
    ++by_namespace[point.metric_namespace];
    const std::int64_t minute = (point.start_s - options_.start_s) / 60;
    const bool lost = minute >= 40 && minute < 46;
    if (point.name == "CPUUtilization") {
      if (minute >= 16 && minute < 22) {
        EXPECT_EQ(point.sum, 92.5);
      } else {
        EXPECT_GT(point.sum, 35);
        EXPECT_LT(point.sum, 65);
      }
    }
    if (point.name == "PacketsDropCount") {
      EXPECT_TRUE(point.sum == 0 || (minute >= 20 && minute < 22));
    }
    // The surge is five minutes old at minute 21, and over before the next decision.
    if (point.name == "GroupDesiredCapacity") {
      EXPECT_EQ(point.sum, minute < 21 ? 8 : 9);
    }
    if (point.name == "GroupInServiceInstances" && lost) {
      EXPECT_EQ(point.sum, 9 - 4);
    }
  }
  for (const auto [name, count] : simdjson::dom::object(truth_["datapoints"]["by_namespace"])) {
    EXPECT_EQ(std::uint64_t(count), by_namespace[std::string(name)]) << name;
  }
  EXPECT_EQ(by_namespace["AWS/EC2"], 4u * (8 * 60 - 4 * 6));
}

TEST_F(FleetTest, AllMetricFormatsSayTheSame) {
  make();
  auto json = points();
  for (Point& point : json) point.period_s = 60;
  for (const MetricFormat format : {MetricFormat::kOtlp07, MetricFormat::kOtlp10}) {
    options_.metric_format = format;
    options_.metric_gzip = format == MetricFormat::kOtlp07;
    options_.replace = true;
    make();
    EXPECT_EQ(points(), json);
  }
}

TEST_F(FleetTest, VersionFiveSaysTheSameAsTheDefaultFormatAndNamesTheClientBehindNat) {
  make();
  const auto plain = flow_lines();
  options_.flow_format = "v5";
  options_.replace = true;
  make();
  const auto full = flow_lines();
  ASSERT_EQ(full.size(), plain.size());
  std::size_t inside_legs = 0;
  for (std::size_t i = 0; i < full.size(); ++i) {
    const auto v2 = testing::words_of(plain[i]), v5 = testing::words_of(full[i]);
    ASSERT_EQ(v5.size(), 29u);
    EXPECT_TRUE(std::equal(v2.begin() + 1, v2.end(), v5.begin() + 1));
    if (v5[3] == v5[19] && v5[4] == v5[20]) continue;
    ++inside_legs;
    EXPECT_EQ(v5[16], "-") << "a gateway has no instance";
    EXPECT_TRUE(v5[19].starts_with("10.0.") != v5[20].starts_with("10.0.")) << full[i];
  }
  EXPECT_EQ(inside_legs, 2u * (8 * 60 - 4 * 6));
}

TEST_F(FleetTest, EqualOptionsGiveEqualBytesAndAnotherSeedOthers) {
  options_.flow_delivery = FlowDelivery::kCloudWatch;
  options_.metric_gzip = false;
  const auto all = [this] {
    std::map<std::string, std::string> out;
    for (const auto& file : testing::files_below(root_))
      out[fs::relative(file, root_).string()] = testing::read_plain(file);
    return out;
  };
  make();
  const auto first = all();
  options_.replace = true;
  make();
  EXPECT_EQ(all(), first);
  options_.seed = 2;
  make();
  EXPECT_NE(all(), first);
  EXPECT_FALSE(flow_lines()[0].starts_with("version")) << "log events carry no header";
}

TEST_F(FleetTest, FilesAreNamedAndCutAsAwsDoes) {
  options_.start_s += 120;  // The first file of an unaligned start is shorter.
  make();
  const auto flows = testing::files_below(root_ / "telemetry" / "AWSLogs");
  ASSERT_EQ(flows.size(), 13u);
  const std::string name = flows[1].filename().string();
  EXPECT_EQ(flows[1].parent_path(),
            root_ / "telemetry/AWSLogs/123456789012/vpcflowlogs/us-east-1/2026/03/02");
  EXPECT_TRUE(name.starts_with("123456789012_vpcflowlogs_us-east-1_fl-")) << name;
  EXPECT_NE(name.find("_20260302T0005Z_"), std::string::npos) << name;
  for (const std::string& line : testing::lines_of(testing::read_plain(flows[1]))) {
    if (line.starts_with("version")) continue;
    const std::int64_t end = std::stoll(testing::words_of(line)[11]);
    EXPECT_GE(end, 1'772'409'600 + 300);
    EXPECT_LT(end, 1'772'409'600 + 600);
  }
  const auto metrics = testing::files_below(root_ / "telemetry" / "metrics");
  EXPECT_EQ(metrics[1].parent_path(), root_ / "telemetry/metrics/2026/03/02/00");
  EXPECT_TRUE(
      metrics[1].filename().string().starts_with("fleetmeter-metrics-1-2026-03-02-00-05-00-"));
}

TEST_F(FleetTest, TheInventoryKnowsEveryInterfaceAndAddressOfTheRecords) {
  options_.groups = {{"web", "prod", "m5.large", 2, 0}, {"batch", "dev", "c5.xlarge", 1, 9}};
  make();
  std::map<std::string, std::string> owner_address;
  simdjson::dom::parser parser;
  const std::string text =
      testing::read_plain(root_ / "inventory" / "describe-network-interfaces.json");
  for (const auto one : simdjson::dom::array(parser.parse(text)["NetworkInterfaces"])) {
    owner_address[std::string(std::string_view(one["NetworkInterfaceId"]))] =
        std::string_view(one["PrivateIpAddress"]);
  }
  EXPECT_EQ(owner_address.size(), 10u);
  for (const std::string& line : flow_lines()) {
    const auto w = testing::words_of(line);
    ASSERT_TRUE(owner_address.contains(w[2])) << line;
    if (w[13] == "OK") {
      EXPECT_TRUE(owner_address[w[2]] == w[3] || owner_address[w[2]] == w[4]) << line;
    }
  }
  const std::string groups =
      testing::read_plain(root_ / "inventory" / "describe-auto-scaling-groups.json");
  const simdjson::dom::array list = parser.parse(groups)["AutoScalingGroups"];
  EXPECT_EQ(std::string_view(list.at(1)["AutoScalingGroupName"]), "batch");
  EXPECT_EQ(std::uint64_t(list.at(0)["MaxSize"]), 14u);
  EXPECT_EQ(simdjson::dom::array(list.at(1)["Instances"]).size(), 4u);
}

TEST_F(FleetTest, ASingleGatewayMakesTheOtherZonesPayToCross) {
  options_.gateways = 1;
  options_.script = {};
  options_.with_script = false;
  make();
  std::uint64_t cross = 0;
  for (const std::string& line : flow_lines()) {
    const auto w = testing::words_of(line);
    if (w[12] != "ACCEPT" || path_class(w[3], w[4]) != "cross_az") continue;
    const bool nat = w[3].ends_with(".220") || w[4].ends_with(".220");
    cross +=
        (nat ? 2 : 1) *
        std::stoull(w[9]);  // A leg of the gateway is logged once, a conversation at both ends.
  }
  EXPECT_EQ(std::uint64_t(truth_["charges"]["cross_az_bytes"]), cross / 2);
}

TEST_F(FleetTest, ManySubnetsHoldALargeFleet) {
  options_.machines = 1000;
  options_.duration_min = 1;
  options_.script = {};
  make();
  std::set<std::string> interfaces;
  for (const std::string& line : flow_lines()) {
    const auto w = testing::words_of(line);
    interfaces.insert(w[2]);
  }
  EXPECT_EQ(interfaces.size(), 1002u);
}

TEST_F(FleetTest, BadOptionsNameThemselvesAndWriteNothing) {
  const auto refused = [this](auto change, std::string_view word) {
    FleetOptions options = options_;
    change(options);
    const auto summary = generate(options, root_);
    ASSERT_FALSE(summary) << word;
    EXPECT_EQ(summary.error().code, ErrorCode::kInvalidArgument);
    EXPECT_NE(summary.error().message.find(word), std::string::npos) << summary.error().message;
    EXPECT_FALSE(fs::exists(root_));
  };
  refused([](FleetOptions& o) { o.machines = 3; }, "machines");
  refused([](FleetOptions& o) { o.machines = 100'000; }, "machines");
  refused([](FleetOptions& o) { o.zones = 7; }, "zones");
  refused([](FleetOptions& o) { o.gateways = 3; }, "gateways");
  refused([](FleetOptions& o) { o.duration_min = 0; }, "duration");
  refused([](FleetOptions& o) { o.start_s = 61; }, "start");
  refused([](FleetOptions& o) { o.account = "12"; }, "account");
  refused([](FleetOptions& o) { o.region = "../x"; }, "region");
  refused([](FleetOptions& o) { o.groups.clear(); }, "group");
  refused([](FleetOptions& o) { o.groups.push_back(o.groups[0]); }, "group");
  refused([](FleetOptions& o) { o.flow_format = "nonsense"; }, "nonsense");
  refused([](FleetOptions& o) { o.script[0].target = 9; }, "cpu@16+6");
}

TEST_F(FleetTest, NeverOverwritesWithoutBeingAskedAndNeverSomebodyElsesFiles) {
  options_.duration_min = 1;
  options_.script = {};
  make();
  EXPECT_FALSE(generate(options_, root_));
  options_.replace = true;
  EXPECT_TRUE(generate(options_, root_));
  fs::remove(root_ / "truth.json");  // Not known as ours any more.
  const auto again = generate(options_, root_);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::kInvalidArgument);
  EXPECT_TRUE(fs::exists(root_ / "telemetry"));
}

TEST_F(FleetTest, ReportsADiskItCannotWriteTo) {
  fs::create_directories(root_);
  std::ofstream(root_ / "inventory") << "in the way";
  options_.duration_min = 1;
  options_.script = {};
  const auto summary = generate(options_, root_);
  ASSERT_FALSE(summary);
  EXPECT_EQ(summary.error().code, ErrorCode::kUnavailable);
  EXPECT_FALSE(fs::exists(root_ / "truth.json"));
}

}  // namespace
}  // namespace fleetmeter::generate
