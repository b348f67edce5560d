#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "aggregator/datapoint_rows.h"
#include "aggregator/sqlite_log.h"
#include "app/command.h"
#include "app/config.h"
#include "app/service.h"

namespace fleetmeter::app {

inline constexpr std::int64_t kDayS = 1'734'652'800;  // 2024-12-20T00:00:00Z.

inline constexpr const char* kServiceRules =
    "alarms:\n"
    "  - { name: hot, metric: { namespace: Custom, name: cpu }, for_each: InstanceId, when: \"> "
    "80\",\n"
    "      period: 60s, datapoints: 3 of 3 }\n"
    "  - { name: silent, metric: { namespace: Custom, name: cpu }, for_each: InstanceId, when: \"< "
    "0\",\n"
    "      period: 60s, datapoints: 3, missing: breaching }\n";

/// A directory with telemetry, configurations and states; verbs, not plumbing.
class ServiceTest : public testing::Test {
 protected:
  ServiceTest() {
    const auto* info = testing::UnitTest::GetInstance()->current_test_info();
    directory_ = std::filesystem::path(testing::TempDir()) /
                 (std::string("service_") + info->test_suite_name() + "_" + info->name());
    std::filesystem::remove_all(directory_);
    std::filesystem::create_directories(directory_ / "in");
  }
  ~ServiceTest() override { std::filesystem::remove_all(directory_); }

  [[nodiscard]] std::string path(const std::string& name) const {
    return (directory_ / name).string();
  }
  void write(const std::string& name, const std::string& text) const {
    std::ofstream(path(name), std::ios::binary) << text;
  }
  [[nodiscard]] std::string read(const std::string& name) const {
    std::ifstream stream(path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  /// Lines of a CloudWatch metric stream, one datapoint a minute.
  static std::string cpu(int first_minute, int last_minute, double value,
                         const std::string& instance = "i-0") {
    std::string text;
    for (int m = first_minute; m <= last_minute; ++m) {
      const std::string v = std::to_string(value);
      text +=
          R"({"metric_stream_name":"s","account_id":"123456789012","region":"us-east-1","namespace":"Custom",)"
          R"("metric_name":"cpu","dimensions":{"InstanceId":")" +
          instance + R"("},"timestamp":)" + std::to_string((kDayS + m * 60) * 1000) +
          R"(,"value":{"max":)" + v + R"(,"min":)" + v + R"(,"sum":)" + v +
          R"(,"count":1.0},"unit":"Percent"})" + "\n";
    }
    return text;
  }
  /// Flow log lines in the default format, one a minute.
  static std::string flows(int first_minute, int last_minute, int bytes = 100) {
    std::string text;
    for (int m = first_minute; m <= last_minute; ++m) {
      const std::int64_t start_s = kDayS + m * 60;
      text += "2 123456789012 eni-1 10.0.0.1 10.0.1.2 20641 22 6 20 " + std::to_string(bytes) +
              " " + std::to_string(start_s) + " " + std::to_string(start_s + 59) + " ACCEPT OK\n";
    }
    return text;
  }
  /// Quiet, then hot for ten minutes, then quiet.
  void write_day() const { write("in/a.json", cpu(0, 9, 10) + cpu(10, 19, 95) + cpu(20, 29, 10)); }
  void write_config(const std::string& source = "files: { paths: [in] }",
                    const std::string& state = "state",
                    const std::string& rules = kServiceRules) const {
    write("fleet.yaml", "state: " + path(state) +
                            "\nhttp: { listen: \"127.0.0.1:0\" }\nsources: [ " + source + " ]\n" +
                            rules);
  }
  [[nodiscard]] Config config() const {
    std::vector<ConfigProblem> warnings;
    auto loaded = load_config(path("fleet.yaml"), warnings);
    EXPECT_TRUE(loaded) << loaded.error().message;
    return *std::move(loaded);
  }

  /// The command as a user types it; its streams are in `out` and `err`.
  int type(int (*command)(const CommandLine&), std::vector<std::string> arguments) {
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const int code = command({std::move(arguments)});
    out = testing::internal::GetCapturedStdout();
    err = testing::internal::GetCapturedStderr();
    return code;
  }
  int run(std::vector<std::string> more = {}) {
    std::vector<std::string> arguments{"-c", path("fleet.yaml"), "--until-eof", "--events",
                                       path("events.jsonl")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return type(command_run, std::move(arguments));
  }

  static bool within_10s(const std::function<bool()>& true_at_last) {
    for (int i = 0; i < 1000; ++i) {
      if (true_at_last()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }
  /// Datapoints in the log of a state that nobody has open.
  [[nodiscard]] std::uint64_t datapoints_in_log(const std::string& state = "state") const {
    const SystemClock clock;
    aggregator::SqliteLog::Options options;
    options.clock = &clock;
    auto log = aggregator::SqliteLog::open(path(state) + "/log.db", std::move(options));
    EXPECT_TRUE(log) << log.error().message;
    std::uint64_t count = 0;
    for (aggregator::LogPosition after = 0;;) {
      const auto entries = (*log)->read(0, after, 1000);
      EXPECT_TRUE(entries);
      if (!entries || entries->empty()) return count;
      for (const auto& entry : *entries)
        count += aggregator::datapoint_count(entry.record.batch().datapoints());
      after = entries->back().position;
    }
  }
  [[nodiscard]] aggregator::LogPosition last_position(const std::string& state = "state") const {
    const SystemClock clock;
    aggregator::SqliteLog::Options options;
    options.clock = &clock;
    auto log = aggregator::SqliteLog::open(path(state) + "/log.db", std::move(options));
    EXPECT_TRUE(log) << log.error().message;
    return *(*log)->last_position(0);
  }

  std::string out, err;
  std::filesystem::path directory_;
};

}  // namespace fleetmeter::app
