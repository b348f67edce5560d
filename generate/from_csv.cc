#include "generate/from_csv.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>

#include "generate/json_text.h"
#include "generate/metric_text.h"
#include "generate/output_file.h"

namespace fleetmeter::generate {
namespace {

constexpr std::size_t kFileBytesMax = 1u << 30;
constexpr std::uint32_t kBitbrainsPeriod = 300;
constexpr double kMillisecondsFrom = 1e11;

Error bad(std::string_view file, const std::string& message) {
  return {ErrorCode::kInvalidArgument, std::string(file) + ": " + message};
}

std::string_view trim(std::string_view text) noexcept {
  const std::size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

std::optional<double> to_double(std::string_view text) noexcept {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value))
    return std::nullopt;
  return value;
}

/// "2014-02-14 14:30:00", a fraction of a second allowed and ignored.
std::optional<std::int64_t> to_time(std::string_view text) noexcept {
  CivilTime t{};
  const auto part = [&text](std::size_t at, std::size_t digits, int& value) {
    if (text.size() < at + digits) return false;
    const auto [end, error] = std::from_chars(text.data() + at, text.data() + at + digits, value);
    return error == std::errc{} && end == text.data() + at + digits;
  };
  const bool read = part(0, 4, t.year) && part(5, 2, t.month) && part(8, 2, t.day) &&
                    part(11, 2, t.hour) && part(14, 2, t.minute) && part(17, 2, t.second);
  if (!read || text[4] != '-' || text[7] != '-' || (text[10] != ' ' && text[10] != 'T') ||
      text[13] != ':' || text[16] != ':') {
    return std::nullopt;
  }
  if (text.size() > 19 && text[19] != '.' && text[19] != 'Z') return std::nullopt;
  if (t.year < 1970 || t.month < 1 || t.month > 12 || t.day < 1 || t.day > 31 || t.hour > 23 ||
      t.minute > 59 || t.second > 59) {
    return std::nullopt;
  }
  return unix_time(t);
}

class Rows {
 public:
  Rows(std::string_view text, char separator) : rest_(text), separator_(separator) {}
  /// Next line that is not blank, as trimmed cells; views of the text.
  bool next(std::vector<std::string_view>& cells) {
    while (!rest_.empty()) {
      const std::size_t end = std::min(rest_.find('\n'), rest_.size());
      std::string_view line = trim(rest_.substr(0, end));
      rest_.remove_prefix(std::min(end + 1, rest_.size()));
      if (line.empty()) continue;
      cells.clear();
      for (std::size_t at = 0; at <= line.size();) {
        const std::size_t stop = std::min(line.find(separator_, at), line.size());
        cells.push_back(trim(line.substr(at, stop - at)));
        at = stop + 1;
      }
      return true;
    }
    return false;
  }

 private:
  std::string_view rest_;
  char separator_;
};

/// Counts spacings between rows: their most frequent one is the series' period.
class Spacing {
 public:
  void add(std::int64_t time_s) {
    if (last_ && time_s > *last_) ++counts_[time_s - *last_];
    last_ = time_s;
  }
  [[nodiscard]] std::uint32_t period_s() const {
    const auto most =
        std::max_element(counts_.begin(), counts_.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    return most == counts_.end() ? 0 : static_cast<std::uint32_t>(most->first);
  }

 private:
  std::optional<std::int64_t> last_;
  std::map<std::int64_t, std::uint64_t> counts_;
};

/// "41" of "pool/41.csv.gz".
std::string stem(std::string_view file_name) {
  std::string name = std::filesystem::path(file_name).filename().string();
  for (const std::string_view suffix : {".gz", ".csv"}) {
    if (name.ends_with(suffix)) name.resize(name.size() - suffix.size());
  }
  return name;
}

SeriesSpec nab_series(const std::string& name) {
  struct Family {
    std::string_view prefix, metric_namespace, metric, unit, dimension, value_prefix;
  };
  static constexpr Family kFamilies[] = {
      {"ec2_cpu_utilization_", "AWS/EC2", "CPUUtilization", "Percent", "InstanceId", "i-"},
      {"ec2_network_in_", "AWS/EC2", "NetworkIn", "Bytes", "InstanceId", "i-"},
      {"ec2_disk_write_bytes_", "AWS/EC2", "DiskWriteBytes", "Bytes", "InstanceId", "i-"},
      {"rds_cpu_utilization_", "AWS/RDS", "CPUUtilization", "Percent", "DBInstanceIdentifier", ""},
      {"elb_request_count_", "AWS/ELB", "RequestCount", "Count", "LoadBalancerName", ""},
      {"cpu_utilization_", "AWS/EC2", "CPUUtilization", "Percent", "AutoScalingGroupName", ""},
  };
  for (const Family& f : kFamilies) {
    if (!name.starts_with(f.prefix) || name.size() == f.prefix.size()) continue;
    return {
        std::string(f.metric_namespace),
        std::string(f.metric),
        std::string(f.unit),
        {{std::string(f.dimension), std::string(f.value_prefix) + name.substr(f.prefix.size())}}};
  }
  constexpr std::string_view kNetworkIn = "_NetworkIn";
  const std::size_t id = name.rfind("_i-");
  if (name.ends_with(kNetworkIn) && id != std::string::npos) {
    return {"AWS/EC2",
            "NetworkIn",
            "Bytes",
            {{"InstanceId", name.substr(id + 1, name.size() - kNetworkIn.size() - id - 1)}}};
  }
  return {"NAB", "Value", "None", {{"Series", name}}};
}

Result<CsvSummary> convert_nab(std::string_view file_name, std::string_view text,
                               MetricText& metrics, std::string& out) {
  Rows rows(text, ',');
  std::vector<std::string_view> cells;
  if (!rows.next(cells) || cells.size() != 2 || cells[0] != "timestamp" || cells[1] != "value") {
    return bad(file_name, "no NAB series: the first line must be 'timestamp,value'");
  }
  const std::uint32_t series = metrics.add_series(nab_series(stem(file_name)));
  CsvSummary summary;
  Spacing spacing;
  while (rows.next(cells)) {
    ++summary.rows;
    const auto time_s = cells.size() == 2 ? to_time(cells[0]) : std::nullopt;
    const auto value = cells.size() == 2 ? to_double(cells[1]) : std::nullopt;
    if (!time_s || !value) {
      ++summary.bad_rows;
      continue;
    }
    spacing.add(*time_s);
    metrics.append(series, *time_s - *time_s % 60, 0, StatisticSet::one(*value), out);
    ++summary.datapoints;
  }
  summary.period_s = spacing.period_s();
  return summary;
}

struct BitbrainsColumn {
  std::string_view title, metric_namespace, metric, unit;
  double factor;
};
constexpr double kRateToBytes = 1000.0 * kBitbrainsPeriod;
constexpr BitbrainsColumn kBitbrains[] = {
    {"CPU usage [%]", "AWS/EC2", "CPUUtilization", "Percent", 1},
    {"Disk read throughput [KB/s]", "AWS/EC2", "DiskReadBytes", "Bytes", kRateToBytes},
    {"Disk write throughput [KB/s]", "AWS/EC2", "DiskWriteBytes", "Bytes", kRateToBytes},
    {"Network received throughput [KB/s]", "AWS/EC2", "NetworkIn", "Bytes", kRateToBytes},
    {"Network transmitted throughput [KB/s]", "AWS/EC2", "NetworkOut", "Bytes", kRateToBytes},
    {"Memory usage [KB]", "CWAgent", "mem_used_percent", "Percent",
     100},  // Over the provisioned size.
};
constexpr std::size_t kBitbrainsCount = std::size(kBitbrains);
constexpr std::size_t kMemory = kBitbrainsCount - 1;

Result<CsvSummary> convert_bitbrains(std::string_view file_name, std::string_view text,
                                     MetricText& metrics, std::string& out) {
  Rows rows(text, ';');
  std::vector<std::string_view> cells;
  if (!rows.next(cells)) return bad(file_name, "is empty");
  std::size_t needed = 0;
  std::string missing;
  const auto column = [&](std::string_view title) {
    const auto found = std::find(cells.begin(), cells.end(), title);
    if (found == cells.end()) missing = title;
    const auto index = static_cast<std::size_t>(found - cells.begin());
    needed = std::max(needed, index + 1);
    return index;
  };
  const std::size_t time_column = column("Timestamp [ms]");
  const std::size_t provisioned_column = column("Memory capacity provisioned [KB]");
  std::size_t columns[kBitbrainsCount];
  for (std::size_t c = 0; c < kBitbrainsCount; ++c) columns[c] = column(kBitbrains[c].title);
  if (!missing.empty())
    return bad(file_name, "no Bitbrains trace: column '" + missing + "' is missing");

  std::uint32_t series[kBitbrainsCount];
  for (std::size_t c = 0; c < kBitbrainsCount; ++c) {
    series[c] = metrics.add_series({std::string(kBitbrains[c].metric_namespace),
                                    std::string(kBitbrains[c].metric),
                                    std::string(kBitbrains[c].unit),
                                    {{"InstanceId", "bitbrains-" + stem(file_name)}}});
  }
  CsvSummary summary;
  Spacing spacing;
  while (rows.next(cells)) {
    ++summary.rows;
    std::optional<double> values[kBitbrainsCount], time, provisioned;
    bool good = cells.size() >= needed;
    if (good) {
      time = to_double(cells[time_column]);
      provisioned = to_double(cells[provisioned_column]);
      good = time && *time >= 0 && *time < 1e15 && provisioned;
      for (std::size_t c = 0; c < kBitbrainsCount; ++c) {
        values[c] = to_double(cells[columns[c]]);
        good = good && values[c];
      }
    }
    if (!good) {
      ++summary.bad_rows;
      continue;
    }
    const auto time_s =
        static_cast<std::int64_t>(*time >= kMillisecondsFrom ? *time / 1000 : *time);
    spacing.add(time_s);
    for (std::size_t c = 0; c < kBitbrainsCount; ++c) {
      if (c == kMemory && *provisioned <= 0) {
        ++summary.absent_values;
        continue;
      }
      const double value = *values[c] * kBitbrains[c].factor / (c == kMemory ? *provisioned : 1);
      metrics.append(series[c], time_s - time_s % 60, 0, StatisticSet::one(value), out);
      ++summary.datapoints;
    }
  }
  summary.period_s = spacing.period_s();
  return summary;
}

}  // namespace

Result<CsvSummary> convert_csv(CsvKind kind, std::string_view file_name, std::string_view text,
                               const CsvOptions& options, std::string& out) {
  MetricText metrics(MetricFormat::kJson, options.stream, options.account, options.region);
  return kind == CsvKind::kNab ? convert_nab(file_name, text, metrics, out)
                               : convert_bitbrains(file_name, text, metrics, out);
}

Result<CsvSummary> from_csv(CsvKind kind, const std::vector<std::string>& files,
                            const CsvOptions& options,
                            const std::function<Result<void>(std::string_view)>& write) {
  CsvSummary all;
  std::string out;
  for (const std::string& file : files) {
    auto text = read_file(file, kFileBytesMax);
    if (!text) return std::move(text.error());
    out.clear();
    auto one = convert_csv(kind, file, *text, options, out);
    if (!one) return std::move(one.error());
    if (auto done = write(out); !done) return std::move(done.error());
    all.rows += one->rows;
    all.datapoints += one->datapoints;
    all.bad_rows += one->bad_rows;
    all.absent_values += one->absent_values;
    all.period_s = one->period_s;
  }
  return all;
}

Result<CsvKind> parse_csv_kind(std::string_view name) {
  if (name == "nab") return CsvKind::kNab;
  if (name == "bitbrains") return CsvKind::kBitbrains;
  return Error{ErrorCode::kInvalidArgument,
               "--from-csv: '" + std::string(name) + "' is no known kind: use nab or bitbrains"};
}

}  // namespace fleetmeter::generate
