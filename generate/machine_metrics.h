#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "generate/expected.h"
#include "generate/metric_text.h"
#include "generate/script.h"
#include "generate/traffic.h"

namespace fleetmeter::generate {

/// The fleet's metrics, one datapoint a minute and series:
///   10 a machine: AWS/EC2 CPUUtilization, NetworkIn, NetworkOut, StatusCheckFailed; CWAgent
///   disk_used_percent,
///      mem_used_percent, net_err_in; Hyperion/App RequestCount, ResponseTime, ErrorCount
///    5 a NAT gateway: AWS/NATGateway
///    Bytes{InFromSource,OutToDestination,InFromDestination,OutToSource}, PacketsDropCount 5 a
///    group: AWS/AutoScaling
///    Group{MinSize,MaxSize,DesiredCapacity,InServiceInstances,TotalInstances}
/// Network and NAT bytes are the sums of the minute's flow records. Machines and gateways of a lost
/// zone send nothing; every value is a multiple of 0.25, so that sums of doubles are exact in any
/// order.
class FleetMetrics {
 public:
  FleetMetrics(const FleetOptions& options, const Topology& fleet, const Expected& expected,
               MetricText& text);

  void minute(const ScriptMinute& script, const std::vector<FlowLine>& lines, std::string& out);
  [[nodiscard]] const std::map<std::string, std::uint64_t>& datapoints() const noexcept {
    return datapoints_;
  }

 private:
  struct Traffic {
    std::uint64_t in = 0, out = 0;
  };
  struct GatewayTraffic {
    std::uint64_t bytes[4] = {};  ///< By NatFlow, kFromSource first.
  };
  void sum(const std::vector<FlowLine>& lines);
  void machine(const ScriptMinute& script, std::uint32_t index, std::string& out);
  void group(const ScriptMinute& script, std::size_t index, std::string& out);

  const FleetOptions& options_;
  const Topology& fleet_;
  const Expected& expected_;
  MetricText& text_;
  std::uint32_t first_gateway_series_ = 0, first_group_series_ = 0;
  std::vector<Traffic> machine_traffic_;
  std::vector<GatewayTraffic> gateway_traffic_;
  std::map<std::string, std::uint64_t> datapoints_;
  std::int64_t minute_s_ = 0;
};

}  // namespace fleetmeter::generate
