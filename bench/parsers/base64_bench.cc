// base64 by each kernel, beside a plain copy of the decoded bytes; and Firehose bodies to decoded
// records, beside the ISA-L inflating that comes before or after it on the same bytes. Answers are
// checked first; then each iteration runs one after the other, so that the ratio is of the same
// moments. Times are of the CPU.
#include <benchmark/benchmark.h>

#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "bench/measure.h"
#include "bench/parsers/corpus.h"
#include "bench/parsers/metric_corpus.h"
#include "parsers/base64.h"
#include "parsers/firehose_request.h"
#include "parsers/inflate.h"

namespace fleetmeter::parsers::bench {
namespace {

constexpr std::size_t kRecordBytes = 32 * 1024;  // Of plain telemetry in a Firehose record.

double cpu_seconds() noexcept { return seconds_on(CLOCK_THREAD_CPUTIME_ID); }

std::string encode(std::string_view bytes) {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t bits = 0;
    for (std::size_t j = i; j < i + 3; ++j)
      bits = bits << 8 | (j < bytes.size() ? static_cast<unsigned char>(bytes[j]) : 0u);
    for (std::size_t j = 0; j < 4; ++j)
      out += i + j > bytes.size() ? '=' : kAlphabet[bits >> (18 - 6 * j) & 63];
  }
  return out;
}

/// A buffer that stays in the cache, so that it is the kernel that is measured.
void base64(benchmark::State& state, FlowKernel kernel) {
  if (!is_supported(kernel)) return state.SkipWithError("not on this processor");
  std::string bytes(24 * 1024, '\0');
  std::mt19937 random{20260101};
  for (char& byte : bytes) byte = static_cast<char>(random());
  const std::string text = encode(bytes);
  std::string out(base64_room(text.size()), '\0');
  if (decode_base64_by(kernel, text, out.data()) != bytes.size() || out != bytes)
    return state.SkipWithError("wrong answer");
  for (auto _ : state) benchmark::DoNotOptimize(decode_base64_by(kernel, text, out.data()));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
}

/// What the same store to memory costs when nothing is decoded.
void base64_copy(benchmark::State& state) {
  const std::string text(32 * 1024, 'A');
  std::string out(text.size(), '\0');
  for (auto _ : state) {
    std::memcpy(out.data(), text.data(), text.size());
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * text.size()));
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations()));
}

/// Inflated bytes of one member.
std::size_t inflate(std::string_view bytes, std::string& room) {
  Inflater inflater{Compression::kGzip};
  std::size_t total = 0;
  while (!bytes.empty()) {
    const InflateResult result = inflater.inflate(bytes, room.data(), room.size());
    bytes.remove_prefix(result.taken_bytes);
    total += result.put_bytes;
    if (result.status == InflateStatus::kMemberEnd) break;
  }
  return total;
}

struct Body {
  std::string json;
  std::vector<std::string> gzipped;  ///< What inflating is compared with.
  std::size_t gzipped_plain_bytes = 0;
  std::size_t records = 0;
  std::size_t record_bytes = 0;
};

/// A request of JSON metric records: each gzipped as CloudWatch Logs does it, or all of the body
/// gzipped as Firehose does it.
Body make_body(bool records_are_gzip) {
  const std::string telemetry = json_lines(record_count() / 10 + 10, Statistics::kBasic).bytes;
  Body body;
  body.json = R"({"requestId":"94885867-d282","timestamp":1709217414040,"records":[)";
  for (std::size_t at = 0; at < telemetry.size(); at += kRecordBytes) {
    const std::string plain = telemetry.substr(at, kRecordBytes);
    const std::string data = records_are_gzip ? gzip(plain) : plain;
    if (records_are_gzip) {
      body.gzipped.push_back(data);
      body.gzipped_plain_bytes += plain.size();
    }
    body.json += (body.records++ == 0 ? "" : ",") + (R"({"data":")" + encode(data) + "\"}");
    body.record_bytes += data.size();
  }
  body.json += "]}";
  if (!records_are_gzip) {
    body.gzipped.push_back(gzip(body.json));
    body.gzipped_plain_bytes = body.json.size();
  }
  return body;
}

void firehose(benchmark::State& state, bool records_are_gzip) {
  const Body body = make_body(records_are_gzip);
  FirehoseRequestParser parser;
  FirehoseRequest request;
  std::string room(256 * 1024, '\0');
  const auto inflate_all = [&] {
    std::size_t total = 0;
    for (const std::string& member : body.gzipped) total += inflate(member, room);
    return total;
  };
  std::size_t bytes = 0;
  if (parser.parse(body.json, request) != FirehoseError::kNone)
    return state.SkipWithError("wrong answer");
  for (const std::string_view record : request.records) bytes += record.size();
  if (request.records.size() != body.records || bytes != body.record_bytes ||
      inflate_all() != body.gzipped_plain_bytes) {
    return state.SkipWithError("wrong answer");
  }
  double ours_s = 0;
  double inflate_s = 0;
  for (auto _ : state) {
    const double begin = cpu_seconds();
    benchmark::DoNotOptimize(parser.parse(body.json, request));
    const double middle = cpu_seconds();
    benchmark::DoNotOptimize(inflate_all());
    inflate_s += cpu_seconds() - middle;
    ours_s += middle - begin;
    state.SetIterationTime(middle - begin);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(state.iterations() * body.records));
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * body.json.size()));
  state.counters["of_inflating"] = ours_s / inflate_s;
}

void firehose_gzip_records(benchmark::State& state) { firehose(state, true); }
void firehose_gzip_body(benchmark::State& state) { firehose(state, false); }

BENCHMARK(base64_copy);
BENCHMARK(firehose_gzip_records)->UseManualTime()->Unit(benchmark::kMillisecond);
BENCHMARK(firehose_gzip_body)->UseManualTime()->Unit(benchmark::kMillisecond);

const int kRegistered = [] {
  for (const FlowKernel kernel : {FlowKernel::kScalar, FlowKernel::kAvx2}) {
    const std::string name = "base64/" + std::string{to_string(kernel)};
    benchmark::RegisterBenchmark(name.c_str(),
                                 [kernel](benchmark::State& state) { base64(state, kernel); });
  }
  return 0;
}();

}  // namespace
}  // namespace fleetmeter::parsers::bench
