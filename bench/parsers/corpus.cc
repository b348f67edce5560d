#include "bench/parsers/corpus.h"

#include <zlib.h>

#include <cstdlib>
#include <cstring>
#include <random>

namespace fleetmeter::parsers::bench {
namespace {

constexpr std::uint32_t kSeed = 20260101;

std::string address(std::mt19937& random) {
  if (random() % 3 != 0)
    return "10.0." + std::to_string(random() % 8) + '.' + std::to_string(random() % 256);
  return std::to_string(1 + random() % 223) + '.' + std::to_string(random() % 256) + '.' +
         std::to_string(random() % 256) + '.' + std::to_string(random() % 256);
}

std::string hex17(std::uint32_t index) {
  char text[24];
  std::snprintf(text, sizeof text, "%017llx", 0x1235b8ca0000000ull + index * 7919ull);
  return text;
}

void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

void put_bytes(std::string& out, char tag, const std::string& value) {
  out += tag;
  put_varint(out, value.size());
  out += value;
}

template <typename T>
void put_fixed64(std::string& out, char tag, T value) {
  char wire[8];
  std::memcpy(wire, &value, sizeof wire);
  out += tag;
  out.append(wire, sizeof wire);
}

std::string pair(const std::string& key, const std::string& value) {
  std::string out;
  put_bytes(out, 0x0a, key);
  put_bytes(out, 0x12, value);
  return out;
}

std::string attribute(const std::string& key, const std::string& value) {
  std::string any;
  put_bytes(any, 0x0a, value);
  return pair(key, any);
}

std::string quantile(double at, double value) {
  std::string out;
  if (at != 0) put_fixed64(out, 0x09, at);
  if (value != 0) put_fixed64(out, 0x11, value);
  return out;
}

std::string metric(std::uint32_t instance, double sum) {
  std::string point;
  put_bytes(point, 0x0a, pair("Namespace", "AWS/EC2"));
  put_bytes(point, 0x0a, pair("MetricName", "CPUUtilization"));
  put_bytes(point, 0x0a, pair("InstanceId", "i-" + hex17(instance)));
  put_fixed64(point, 0x11, std::uint64_t{1700000040000000000});
  put_fixed64(point, 0x19, std::uint64_t{1700000100000000000});
  put_fixed64(point, 0x21, std::uint64_t{5});
  put_fixed64(point, 0x29, sum);
  put_bytes(point, 0x32, quantile(0, 0));
  put_bytes(point, 0x32, quantile(1, sum));
  std::string summary;
  put_bytes(summary, 0x0a, point);
  std::string out;
  put_bytes(out, 0x0a, "amazonaws.com/AWS/EC2/CPUUtilization");
  put_bytes(out, 0x1a, "%");
  put_bytes(out, 0x5a, summary);
  return out;
}

}  // namespace

std::size_t record_count() {
  const char* const given = std::getenv("FLEETMETER_BENCH_RECORDS");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : 200000;
}

Corpus flow_lines(std::size_t records) {
  std::mt19937 random{kSeed};
  Corpus corpus;
  for (std::size_t i = 0; i < records; ++i) {
    const std::uint64_t start = 1700000000 + i / 1000;
    const std::string head =
        "2 123456789012 eni-" + hex17(static_cast<std::uint32_t>(random() % 2000)) + ' ';
    if (random() % 100 == 0) {
      corpus.bytes += head + "- - - - - - - " + std::to_string(start) + ' ' +
                      std::to_string(start + 58) + " - NODATA\n";
    } else {
      const std::uint64_t bytes = 40 + random() % 2000000;
      corpus.byte_sum += bytes;
      corpus.bytes += head + address(random) + ' ' + address(random) + ' ' +
                      std::to_string(1024 + random() % 64000) + ' ' +
                      std::to_string(random() % 2 ? 443 : random() % 65536) + " 6 " +
                      std::to_string(1 + bytes / 800) + ' ' + std::to_string(bytes) + ' ' +
                      std::to_string(start) + ' ' + std::to_string(start + 58) +
                      (random() % 20 == 0 ? " REJECT OK\n" : " ACCEPT OK\n");
    }
    ++corpus.records;
  }
  return corpus;
}

Corpus json_datapoints(std::size_t records) {
  std::mt19937 random{kSeed};
  Corpus corpus;
  for (std::size_t i = 0; i < records; ++i) {
    const auto sum = static_cast<std::uint32_t>(random() % 100000);
    corpus.value_sum += sum;
    corpus.bytes +=
        R"({"metric_stream_name":"MyMetricStream","account_id":"123456789012","region":"us-east-1","namespace":"AWS/EC2",)"
        R"("metric_name":"CPUUtilization","dimensions":{"InstanceId":"i-)" +
        hex17(static_cast<std::uint32_t>(random() % 2000)) + R"("},"timestamp":)" +
        std::to_string(1643916600000 + i / 1000 * 60000) + R"(,"value":{"max":)" +
        std::to_string(sum % 977) + R"(.0,"min":0.0,"sum":)" + std::to_string(sum) +
        R"(.0,"count":2.0},"unit":"Percent"})" + "\n";
    ++corpus.records;
  }
  return corpus;
}

Corpus otlp_frames(std::size_t records) {
  constexpr std::size_t kPerFrame = 20;
  std::mt19937 random{kSeed};
  Corpus corpus;
  while (corpus.records < records) {
    std::string resource;
    put_bytes(resource, 0x0a, attribute("cloud.provider", "aws"));
    put_bytes(resource, 0x0a, attribute("cloud.account.id", "123456789012"));
    put_bytes(resource, 0x0a, attribute("cloud.region", "us-east-1"));
    put_bytes(
        resource, 0x0a,
        attribute("aws.exporter.arn", "arn:aws:cloudwatch:us-east-1:123456789012:metric-stream/s"));
    std::string scope;
    for (std::size_t i = 0; i < kPerFrame && corpus.records < records; ++i, ++corpus.records) {
      const double sum = static_cast<double>(random() % 100000);
      corpus.value_sum += sum;
      put_bytes(scope, 0x12, metric(static_cast<std::uint32_t>(random() % 2000), sum));
    }
    std::string resource_metrics;
    put_bytes(resource_metrics, 0x0a, resource);
    put_bytes(resource_metrics, 0x12, scope);
    std::string request;
    put_bytes(request, 0x0a, resource_metrics);
    put_varint(corpus.bytes, request.size());
    corpus.bytes += request;
  }
  return corpus;
}

std::string gzip(const std::string& plain) {
  z_stream stream{};
  if (deflateInit2(&stream, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) != Z_OK) std::abort();
  std::string out(deflateBound(&stream, plain.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  if (deflate(&stream, Z_FINISH) != Z_STREAM_END) std::abort();
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

}  // namespace fleetmeter::parsers::bench
