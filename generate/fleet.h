#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/result.h"

namespace fleetmeter::generate {

/// What happens to the fleet, from minute `start_min` (counted from the start of the telemetry) for
/// `length_min` minutes.
enum class IncidentKind : std::uint8_t {
  kCpu,     ///< "cpu": every machine of group `target` shows exactly `value` percent CPU.
  kMemory,  ///< "memory": machine `target` shows `value` percent memory used.
  kDisk,  ///< "disk": disk of machine `target` fills from 55 % by `value` percent a minute, at most
          ///< 99 %, then is cleaned.
  kScan,  ///< "scan": `value` REJECT records a minute hit machine `target`, with one SKIPDATA
          ///< record a minute.
  kAzLoss,  ///< "az_loss": machines and gateways of zone `target` send no metric; their interfaces
            ///< log NODATA.
  kStatusCheck,  ///< "status_check": StatusCheckFailed of machine `target` is 1.
  kNatDrops,     ///< "nat_drops": gateway `target` drops `value` packets a minute.
};
struct Incident {
  IncidentKind kind = IncidentKind::kCpu;
  std::int32_t start_min = 0;
  std::int32_t length_min = 0;
  std::uint32_t target = 0;  ///< Index of group, machine, zone or gateway.
  double value = 0;          ///< A multiple of 0.25, so that every sum of doubles is exact.
};

/// Text form KIND@START+LENGTH[:TARGET[:VALUE]], minutes: "cpu@65+18:0:92.5". Left out: target 0
/// and the kind's usual value.
Result<Incident> parse_incident(std::string_view text);

/// The script of a day (Hyperion's bad day): two CPU surges, two quiet spells, and one of each
/// other kind. Made for 360 minutes and stretched to longer days; of shorter ones only what fits,
/// with 20 minutes to spare.
std::vector<Incident> default_script(std::int32_t duration_min, std::uint32_t machines,
                                     std::uint32_t zones);

struct GroupOptions {
  std::string name = "hyperion-windows-fleet-asg";
  std::string environment = "prod";  ///< Tag Environment of its machines.
  std::string instance_type = "m5.large";
  std::uint32_t minimum = 2;
  std::uint32_t maximum = 0;  ///< 0 = its machines + 10.
};

enum class MetricFormat : std::uint8_t { kJson, kOtlp07, kOtlp10 };
enum class FlowDelivery : std::uint8_t {
  kS3,          ///< Objects of 5 minutes as AWS names them, header line, gzip.
  kCloudWatch,  ///< Text of 5 minutes without header, one record a line, as log events carry it.
};

/// A synthetic fleet. Equal options give equal bytes before compression, everywhere.
struct FleetOptions {
  std::uint64_t seed = 1;
  std::int64_t start_s =
      1'772'409'600;                 ///< Whole minute, Unix seconds; default 2026-03-02T00:00:00Z.
  std::int32_t duration_min = 1440;  ///< 1 to 44,640.
  std::uint32_t machines =
      100;                  ///< At least two a zone; as many /24 subnets of 10.0.0.0/16 as needed.
  std::uint32_t zones = 2;  ///< 1 to 6 availability zones.
  std::uint32_t gateways = 0;  ///< NAT gateways; 0 = one a zone, else 1 to `zones`.
  std::vector<GroupOptions> groups = {GroupOptions{}};  ///< Machines are shared out evenly.
  std::string account = "123456789012";
  std::string region = "us-east-1";
  std::string flow_format = "v2";  ///< "v2", "v5" (29 fields), or a LogFormat string / field names.
  FlowDelivery flow_delivery = FlowDelivery::kS3;
  MetricFormat metric_format = MetricFormat::kJson;
  bool metric_gzip = true;
  bool with_script = true;       ///< Take default_script() when `script` is empty.
  std::vector<Incident> script;  ///< See check_script() in script.h for what must hold.
  bool replace =
      false;  ///< Remove what an earlier run left in the directory (known by its truth.json).
};

struct Summary {
  std::uint64_t flow_lines = 0, datapoints = 0, files = 0;
  std::uint64_t plain_bytes = 0;    ///< Telemetry before compression.
  std::uint64_t written_bytes = 0;  ///< Telemetry on disk.
};

/// Called after every simulated 5 minutes with the fraction done, 0 to 1.
using Progress = std::function<void(double)>;

/// Writes DIR/telemetry/{AWSLogs/...,metrics/...}, DIR/inventory/describe-*.json (as the AWS CLI
/// prints them) and DIR/truth.json (truth.h). Files hold whole 5-minute spans in time order. Bad
/// options are kInvalidArgument and name the option; a directory with other contents is refused;
/// nothing is written then.
Result<Summary> generate(const FleetOptions& options, const std::filesystem::path& directory,
                         const Progress& progress = {});

}  // namespace fleetmeter::generate
