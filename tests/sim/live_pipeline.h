#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "app/evaluation_loop.h"
#include "ingest/batcher.h"
#include "tests/sim/memory_log.h"

namespace fleetmeter::sim {

/// The live pipeline with the test's hand at every lever: a push source and a followed file into
/// Decoder, Batcher, log, EvaluationLoop and hourly usage, on a clock that only the test moves. The
/// fleet is that of telemetry.h: machines 0-3 in prod, 4 and 5 in staging, one account.
class LivePipeline {
 public:
  /// `alarms`: YAML of the sections behind the sources. The process is down until start().
  explicit LivePipeline(const std::string& alarms, std::int64_t start_s = kNoon);
  ~LivePipeline();
  static constexpr std::int64_t kNoon = 1'734'696'000;  ///< 2024-12-20T12:00:00Z.

  void start();
  void stop();                         ///< A kill: what was not committed is gone, senders give up.
  void advance(std::int64_t seconds);  ///< In steps of 10 s, whether up or down.
  /// One request of the pushing sender, at once; false when nobody answers or it is refused.
  bool push(const std::string& text, const std::string& request_id = {});
  void write(const std::string& text) { file_ += text; }
  /// Most bytes of the file that are read in a step; 0 = it cannot be reached.
  void read_at_most(std::size_t bytes) { bytes_a_step_ = bytes; }
  /// The push source tells no progress: its machine hangs.
  void hold_push(bool held) { push_held_ = held; }

  [[nodiscard]] std::int64_t now_s() const;
  /// "minute rule series from>to" of every event, minutes since the start; "*" = told to a receiver.
  [[nodiscard]] std::vector<std::string> told() const;
  [[nodiscard]] const MemoryDisk& disk() const { return disk_; }
  [[nodiscard]] std::uint64_t dropped(const std::string& reason) const;
  /// The alarm as the page shows it; nullopt = there is none.
  [[nodiscard]] std::optional<alarms::AlarmView> alarm(const std::string& rule,
                                                       const std::string& series) const;
  [[nodiscard]] cost::UsageStore& usage() { return *usage_; }

 private:
  struct Process;
  void step();
  void read_file();

  const std::string config_;
  const std::int64_t start_s_;
  ManualClock clock_;
  MemoryDisk disk_;
  ingest::InventoryHolder inventory_;
  std::string folder_;
  std::unique_ptr<cost::UsageStore> usage_;
  std::unique_ptr<Process> process_;
  std::string file_;
  std::size_t bytes_a_step_;
  bool push_held_ = false;
  std::uint64_t requests_ = 0;
  std::map<std::string, std::uint64_t> dropped_;  ///< By processes that are gone.
};

/// Lines of telemetry, times in Unix seconds.
struct FlowLine {
  std::int64_t start_s = 0;
  std::int64_t end_s = 0;  ///< 0 = 50 s after the start.
  std::string interface = "eni-0";
  bool reject = false;
  std::string status = "OK";
  std::uint64_t bytes = 400;
  int count = 1;  ///< So many lines of it.
};
[[nodiscard]] std::string flow_lines(const FlowLine& line);
struct MetricLine {
  std::int64_t start_s = 0;
  double value = 0;
  std::string metric_namespace = "AWS/EC2", name = "CPUUtilization", dimension = "InstanceId",
              resource = "i-0";
};
[[nodiscard]] std::string metric_line(const MetricLine& line);

}  // namespace fleetmeter::sim
