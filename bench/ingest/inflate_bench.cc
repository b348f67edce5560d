// A compressed flow log file to columns, and to commits in the embedded log, beside the bare library
// that inflates it. On one core the ceiling is the library inflating alone, and what is done besides
// is measured on the plain file; on two the ceiling is the slower of the two halves. All of it runs
// in turn within each iteration, so that ratios are of the same moments; answers are checked.
// of_ceiling: one core, CPU-seconds: library / ours; two cores, wall: max(library, plain file) /
// ours. of_parts: (library + plain file) / ours, 1 where unpacking adds nothing to both. Item = flow
// log line.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <time.h>
#include <zlib.h>
#include <zstd.h>
#if FLEETMETER_ISAL
#include <isa-l/igzip_lib.h>
#endif

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>

#include "aggregator/partial_aggregator.h"
#include "bench/ingest/files_run.h"
#include "bench/measure.h"
#include "bench/parsers/corpus.h"
#include "generate/fleet.h"
#include "ingest/file_bytes.h"
#include "ingest/file_turn.h"
#include "ingest/files_source.h"
#include "proto/check.h"

namespace fleetmeter::ingest {
namespace {

namespace fs = std::filesystem;

std::string zstd(const std::string& plain) {
  std::string out(ZSTD_compressBound(plain.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), plain.data(), plain.size(), 3));
  return out;
}

/// The flow logs of a synthetic fleet in one file, each way it may be packed.
struct Telemetry : bench::FleetFolder {
  Telemetry() : FleetFolder(generate::FlowDelivery::kCloudWatch) {
    lines = summary.flow_lines;
    for (const auto& file : fs::recursive_directory_iterator(root / "fleet/telemetry")) {
      if (!file.is_regular_file() || file.path().string().find("/metrics/") != std::string::npos)
        continue;
      std::ifstream in(file.path(), std::ios::binary);
      plain.append(std::istreambuf_iterator<char>(in), {});
    }
    fs::remove_all(root / "fleet");
    packed_gzip = parsers::bench::gzip(plain);
    packed_zstd = zstd(plain);
    write("plain.log", plain);
    write("packed.log.gz", packed_gzip);
    write("packed.log.zst", packed_zstd);
  }

  void write(const char* name, const std::string& bytes) const {
    std::ofstream(root / name, std::ios::binary) << bytes;
  }

  std::string plain, packed_gzip, packed_zstd;
  std::uint64_t lines = 0;
};

const Telemetry& telemetry() {
  static const Telemetry made;
  return made;
}

// --- What is measured ---

/// The bare library; returns the plain bytes, which lie nowhere in whole.
std::uint64_t inflate_gzip_alone(const std::string& packed, std::string& out) {
#if FLEETMETER_ISAL
  static inflate_state state;
  isal_inflate_init(&state);
  state.crc_flag = ISAL_GZIP;
  state.next_in = reinterpret_cast<std::uint8_t*>(const_cast<char*>(packed.data()));
  state.avail_in = static_cast<std::uint32_t>(packed.size());
  std::uint64_t plain_bytes = 0;
  while (state.block_state != ISAL_BLOCK_FINISH) {
    state.next_out = reinterpret_cast<std::uint8_t*>(out.data());
    state.avail_out = static_cast<std::uint32_t>(out.size());
    FM_CHECK(isal_inflate(&state) == ISAL_DECOMP_OK);
    plain_bytes += out.size() - state.avail_out;
  }
  return plain_bytes;
#else
  z_stream stream{};
  FM_CHECK(inflateInit2(&stream, 31) == Z_OK);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  for (int status = Z_OK; status != Z_STREAM_END;) {
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    status = inflate(&stream, Z_NO_FLUSH);
    FM_CHECK(status == Z_OK || status == Z_STREAM_END);
  }
  const std::uint64_t plain_bytes = stream.total_out;
  inflateEnd(&stream);
  return plain_bytes;
#endif
}

std::uint64_t inflate_zstd_alone(const std::string& packed, std::string& out) {
  static ZSTD_DStream* const stream = ZSTD_createDStream();
  ZSTD_initDStream(stream);
  ZSTD_inBuffer from{packed.data(), packed.size(), 0};
  std::uint64_t plain_bytes = 0;
  for (std::size_t left = 1; left != 0;) {
    ZSTD_outBuffer to{out.data(), out.size(), 0};
    left = ZSTD_decompressStream(stream, &to, &from);
    FM_CHECK(ZSTD_isError(left) == 0);
    plain_bytes += to.pos;
  }
  return plain_bytes;
}

struct CountSink final : parsers::PayloadSink {
  void on_flows(const parsers::FlowColumns& flows) override { records += flows.size; }
  void on_metrics(const parsers::MetricBatch&) override {}
  std::uint64_t records = 0;
};

/// A file to columns; the fields that aggregation wants.
std::uint64_t to_columns(const fs::path& path, InflateAhead ahead) {
  static PieceMemory memory;
  CountSink sink;
  parsers::DecoderOptions options;
  options.fields = aggregator::PartialAggregator::fields_needed();
  parsers::Decoder decoder(options, sink);
  parsers::Unpacker unpacker;
  const Descriptor file(open_input(path));
  FM_CHECK(file.get() >= 0);
  {
    FileTurn pieces(file.get(), false, unpacker, memory, UINT64_MAX, ahead);
    for (auto next = pieces.next(); next.piece != nullptr; next = pieces.next())
      decoder.take(*next.piece);
  }
  unpacker.end(memory.slot.room, memory.slot.piece);
  decoder.take(memory.slot.piece);
  FM_CHECK(decoder.finish());
  return sink.records;
}

/// A file to durable commits; the sum of records in the counters.
std::uint64_t to_commits(const fs::path& path, InflateAhead ahead) {
  FilesOptions options;
  options.paths = {path};
  options.inflate_ahead = ahead;
  bench::FilesRun files(telemetry().root, aggregator::Inventory::empty({}), std::move(options));
  files.run(std::chrono::microseconds(200));
  return files.stop();
}

// --- Time ---

template <typename Work>
double seconds_of(clockid_t clock, Work work) {
  const double begin = seconds_on(clock);
  work();
  return seconds_on(clock) - begin;
}

struct Packing {
  const char* name;
  const char* file;
  const std::string Telemetry::*packed;
  std::uint64_t (*inflate)(const std::string&, std::string&);
};

struct Goal {
  const char* name;
  std::uint64_t (*run)(const fs::path&, InflateAhead);
};

void packed_file(benchmark::State& state, const Packing& packing, const Goal& goal, bool is_ahead) {
  const Telemetry& input = telemetry();
  const std::string& packed = input.*packing.packed;
  const clockid_t clock = is_ahead ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID;
  std::string out(256 * 1024, '\0');
  double library_s = 0, plain_s = 0, ours_s = 0;
  for (auto _ : state) {
    library_s +=
        seconds_of(clock, [&] { FM_CHECK(packing.inflate(packed, out) == input.plain.size()); });
    plain_s += seconds_of(clock, [&] {
      FM_CHECK(goal.run(input.root / "plain.log", InflateAhead::kNever) == input.lines);
    });
    const double run_s = seconds_of(clock, [&] {
      const auto ahead = is_ahead ? InflateAhead::kAlways : InflateAhead::kNever;
      FM_CHECK(goal.run(input.root / packing.file, ahead) == input.lines);
    });
    ours_s += run_s;
    state.SetIterationTime(run_s);
  }
  const auto lines = state.iterations() * static_cast<std::int64_t>(input.lines);
  state.SetItemsProcessed(lines);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(input.plain.size()));
  const auto rate = [lines](double seconds) { return static_cast<double>(lines) / seconds; };
  state.counters["library/s"] = rate(library_s);
  state.counters["plain_file/s"] = rate(plain_s);
  state.counters["of_ceiling"] = (is_ahead ? std::max(library_s, plain_s) : library_s) / ours_s;
  if (!is_ahead) state.counters["of_parts"] = (library_s + plain_s) / ours_s;
}

const int kRegistered = [] {
  static constexpr Packing kPackings[] = {
      {"gzip", "packed.log.gz", &Telemetry::packed_gzip, inflate_gzip_alone},
      {"zstd", "packed.log.zst", &Telemetry::packed_zstd, inflate_zstd_alone}};
  static constexpr Goal kGoals[] = {{"columns", to_columns}, {"commits", to_commits}};
  for (const Packing& packing : kPackings) {
    for (const Goal& goal : kGoals) {
      for (const bool is_ahead : {false, true}) {
        const std::string name = std::string("packed_file/") + packing.name + "/" + goal.name +
                                 (is_ahead ? "/two_cores" : "/one_core");
        benchmark::RegisterBenchmark(name.c_str(),
                                     [&packing, &goal, is_ahead](benchmark::State& state) {
                                       packed_file(state, packing, goal, is_ahead);
                                     })
            ->UseManualTime()
            ->Unit(benchmark::kMillisecond);
      }
    }
  }
  return 0;
}();

}  // namespace
}  // namespace fleetmeter::ingest
