// Prints the OTLP 1.0 sample: its bytes without the frame's length (--message), or what our decoder
// reads in it as one fact a line (--facts), for otlp_protoc_test.sh to compare with the official
// schema.
#include <cstdio>
#include <cstring>
#include <string>

#include "parsers/decoder.h"
#include "parsers/metric_otlp.h"
#include "tests/parsers/samples.h"

namespace {

using namespace fleetmeter::parsers;

std::string sample() {
  std::string text;
  for (const char c : testing::kOtlp10Base64) {
    if (c != '\n') text += c;
  }
  std::string frame;
  if (!decode_base64(text, frame)) return {};
  return frame.substr(read_frame_prefix(frame).prefix_bytes);
}

void print_facts(const MetricBatch& batch) {
  for (const MetricRecord& record : batch.records) {
    const long long start_ns = record.start_ms * 1000000;
    std::printf("count %g\nsum %g\nstart_ns %lld\nend_ns %lld\n", record.sample_count, record.sum,
                start_ns, start_ns + record.period_s * 1000000000ll);
    std::string strings = "strings aws";
    for (const std::string_view part :
         {record.account, record.region, record.stream, record.metric_namespace, record.name}) {
      strings += ' ' + std::string{part};
    }
    for (const Dimension& dimension : batch.dimensions_of(record))
      strings += ' ' + std::string{dimension.value};
    std::printf("%s\nquantiles", strings.c_str());
    for (const ExtendedStatistic& extended : batch.extended_of(record)) {
      std::printf(" %g", std::strtod(std::string{extended.name.substr(1)}.c_str(), nullptr) / 100);
    }
    std::printf(" 1\n");
    for (const ExtendedStatistic& extended : batch.extended_of(record))
      std::printf("value %g\n", extended.value);
    std::printf("value %g\n", record.maximum);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string message = sample();
  if (argc == 2 && std::strcmp(argv[1], "--message") == 0) {
    return std::fwrite(message.data(), 1, message.size(), stdout) == message.size() ? 0 : 1;
  }
  OtlpDecoder decoder;
  MetricBatch batch;
  MetricCounts counts;
  decoder.decode_request(message, batch, counts);
  print_facts(batch);
  return counts.datapoints == 1 ? 0 : 1;
}
