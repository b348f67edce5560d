#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace fleetmeter::ingest {

/// Seeded telemetry of a few environments, minute by minute. CPU surges, rejects come in bursts,
/// one machine of each falls silent for a while, the load of each group rises and falls. Which
/// partition carries a minute rotates, as with producers that send without a key.
class TakeoverTelemetry {
 public:
  static constexpr int kPartitions = 4;    ///< Of each topic.
  static constexpr int kEnvironments = 4;  ///< prod-0 ...: one a log partition.
  static constexpr int kMachines = 3;      ///< An environment.
  static constexpr int kMinutes = 60;
  static constexpr int kMessages = kMinutes * kEnvironments * 3;

  explicit TakeoverTelemetry(std::int64_t start_s) : start_s_(start_s) {}

  struct Message {
    bool flow = false;
    int partition = 0;
    int environment = 0;
    int minute = 0;
    std::string value;

    /// Flow records or datapoints: one a line.
    [[nodiscard]] std::int64_t rows() const { return std::count(value.begin(), value.end(), '\n'); }
  };
  std::vector<Message> minute(int m) {
    std::vector<Message> messages;
    for (int e = 0; e < kEnvironments; ++e) {
      for (int part = 0; part < 2; ++part)
        messages.push_back({true, (e + m + 2 * part) % kPartitions, e, m, flows(e, m)});
      messages.push_back({false, (e + m) % kPartitions, e, m, metrics(e, m)});
    }
    return messages;
  }
  static std::string account(int environment) {
    return fmt::format("{}", 111111111111LL * (environment + 1));
  }
  std::uint64_t flow_bytes = 0, flow_records = 0;

 private:
  std::string flows(int e, int m) {
    std::string text;
    const std::int64_t start = start_s_ + m * 60;
    for (int i = 0; i < kMachines; ++i) {
      const std::uint64_t bytes = random_() % 1'000'000;
      text += flow(e, i, start + i, bytes, "ACCEPT");
      if ((m + 7 * e) % 23 < 4) {
        for (int r = 0; r < 4; ++r)
          text += flow(e, i, start + 10 + r, 40 + random_() % 20, "REJECT");
      }
    }
    return text;
  }
  std::string flow(int e, int i, std::int64_t start, std::uint64_t bytes, const char* action) {
    flow_bytes += bytes;
    ++flow_records;
    return fmt::format(
        "2 {} eni-{:02}{:02} 10.{}.0.{} 198.51.100.{} 40000 443 6 3 {} {} {} {} OK\n", account(e),
        e, i, e, 10 + i, 1 + random_() % 200, bytes, start, start + 20, action);
  }
  std::string metrics(int e, int m) {
    std::string text;
    for (int i = 0; i < kMachines; ++i) {
      if (i == 2 && m >= 20 + e && m < 34 + e) continue;  // Falls silent.
      const bool surge = (m + 5 * e + 3 * i) % 29 < 7;
      text += metric(e, m, fmt::format(R"("InstanceId":"i-{:02}{:02}")", e, i), surge ? 85 : 20);
    }
    const bool loaded = (m + 5 * e) % 20 < 8;
    return text + metric(e, m, R"("AutoScalingGroupName":"web")", loaded ? 75 : 10);
  }
  std::string metric(int e, int m, const std::string& dimension, int least) {
    const double value = least + static_cast<double>(random_() % 150) / 10;
    return fmt::format(
        R"({{"metric_stream_name":"s","account_id":"{}","region":"us-east-1",)"
        R"("namespace":"AWS/EC2","metric_name":"CPUUtilization","dimensions":{{{}}},)"
        R"("timestamp":{},"value":{{"max":{:.1f},"min":{:.1f},"sum":{:.1f},"count":1.0}},)"
        R"("unit":"Percent"}})"
        "\n",
        account(e), dimension, (start_s_ + m * 60) * 1000, value, value, value);
  }

  std::int64_t start_s_;
  std::mt19937_64 random_{20261121};
};

}  // namespace fleetmeter::ingest
