#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "proto/result.h"

namespace fleetmeter::generate {

/// Public series that stand in for CloudWatch metrics.
enum class CsvKind : std::uint8_t {
  kNab,  ///< Numenta Anomaly Benchmark: "timestamp,value", UTC, one metric a file, named by the
         ///< file.
  kBitbrains,  ///< Grid Workloads Archive GWA-T-12: one virtual machine a file, columns by name,
               ///< ";" and blanks between.
};

struct CsvOptions {
  std::string stream = "from-csv", account = "123456789012", region = "us-east-1";
};

struct CsvSummary {
  std::uint64_t rows = 0, datapoints = 0;
  std::uint64_t bad_rows = 0;  ///< Dropped: a bad time or value, or too few columns.
  std::uint64_t absent_values =
      0;  ///< Left out of a good row: memory share of a machine without memory.
  std::uint32_t period_s =
      0;  ///< Most frequent spacing of rows in the last file read; 0 = under two rows.
};

/// Metric stream JSON lines of one file's text, appended to `out`: one sample a datapoint, in the
/// order of the rows. The format says no period: `timestamp` is the row's time floored to the
/// minute (as CloudWatch's are), spacing is kept.
///
/// nab, by file name: ec2_cpu_utilization_X -> AWS/EC2 CPUUtilization InstanceId=i-X (likewise
/// ec2_network_in, ec2_disk_write_bytes), rds_cpu_utilization_X -> AWS/RDS DBInstanceIdentifier,
/// elb_request_count_X -> AWS/ELB LoadBalancerName, *_i-X_NetworkIn -> AWS/EC2, cpu_utilization_X
/// -> AWS/EC2 AutoScalingGroupName=X; any other name becomes NAB Value Series=NAME. bitbrains,
/// InstanceId=bitbrains-NAME: AWS/EC2 CPUUtilization; CWAgent mem_used_percent; DiskReadBytes,
/// DiskWriteBytes, NetworkIn, NetworkOut = mean rate in KB/s x 1000 x 300 s, the trace's sampling
/// interval. Its time column says ms and holds seconds; values beyond the year 5138 in seconds are
/// taken as ms.
///
/// kInvalidArgument when the header is not of this kind.
Result<CsvSummary> convert_csv(CsvKind kind, std::string_view file_name, std::string_view text,
                               const CsvOptions& options, std::string& out);

/// The same for files, plain or gzip, one after the other; `write` takes the lines of each file.
Result<CsvSummary> from_csv(CsvKind kind, const std::vector<std::string>& files,
                            const CsvOptions& options,
                            const std::function<Result<void>(std::string_view)>& write);

/// "nab" or "bitbrains".
Result<CsvKind> parse_csv_kind(std::string_view name);

}  // namespace fleetmeter::generate
