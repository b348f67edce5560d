#pragma once

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "proto/result.h"

// The parts of the program `figures`, which bench/peers runs beside DuckDB and Polars. Each is the
// whole work of a process, which says at its end what it took. Any failure ends the process.
namespace fleetmeter::figures {

[[noreturn]] inline void fail(const std::string& why) {
  std::fprintf(stderr, "figures: %s\n", why.c_str());
  std::exit(1);
}

template <typename T>
T must(Result<T> result) {
  if (!result) fail(result.error().message);
  return std::move(*result);
}

using Paths = std::vector<std::string>;

// --- Ours, all through the headers of parsers/, aggregator/ and ingest/. They print counts as JSON.

/// Files to validated columns of all fields, kept nowhere. `format`: of headerless flow logs, ""
/// the default.
void decode_files(const std::string& format, const Paths& paths);
/// Files to batches and positions committed to the SQLite log at `log_path`, with a sync each.
void ingest_files(const std::string& log_path, const std::string& format, const Paths& paths);
/// The same, and what is committed is read back meanwhile and closed as the evaluator's windows.
void ingest_to_windows(const std::string& log_path, const std::string& format, const Paths& paths);

// --- What a log holds, as CSV.

/// interface,direction,action,start_min,packets,bytes,records of log-status OK.
void print_flows(const std::string& log_path);
/// namespace,metric,datapoints,count,sum,min,max
void print_metrics(const std::string& log_path);

// --- Ceilings: each the least work that could give the answer, unchecked, by the bare library or
// by hand. They print their answer.

/// Flow text to columns of all fields (bench/parsers/flow_probe.h): JSON of records and bytes.
void probe_columns(const std::string& format, const std::string& path);
/// Flow text to sums in hash tables. With `print`, what print_flows prints, not sorted.
void probe_flows(const std::string& format, const std::string& path, bool print);
/// ISA-L inflating one file of gzip, its text not looked at: JSON of plain bytes.
void probe_inflate(const std::string& path);
/// Parquet pages of the columns that those sums need, inflated; their values not looked at.
void probe_pages(const std::string& path);
/// OTLP 1.0 frames walked by hand: JSON of datapoints, and the sums of their counts and sums.
void probe_otlp(const std::string& path);
/// JSON lines walked by simdjson on demand, likewise.
void probe_json(const std::string& path);

}  // namespace fleetmeter::figures
