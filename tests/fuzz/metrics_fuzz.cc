// OTLP and JSON metric bytes: no crash, and every index of a record lies inside its batch.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "parsers/byte_buffer.h"
#include "parsers/metric_json.h"
#include "parsers/metric_otlp.h"

namespace {

using namespace fleetmeter::parsers;

void require(bool holds) {
  if (!holds) std::abort();
}

void check(const MetricBatch& batch, const MetricCounts& counts) {
  require(batch.records.size() == counts.datapoints);
  std::uint64_t sum = 0;
  for (const MetricRecord& record : batch.records) {
    require(record.first_dimension + record.dimension_count <= batch.dimensions.size());
    require(record.first_extended + record.extended_count <= batch.extended.size());
    for (const Dimension& dimension : batch.dimensions_of(record)) {
      for (const char c : dimension.value) sum += static_cast<unsigned char>(c);
    }
    for (const char c : record.name) sum += static_cast<unsigned char>(c);
  }
  require(sum < ~std::uint64_t{0});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes{reinterpret_cast<const char*>(data), size};
  {
    OtlpDecoder decoder;
    MetricBatch batch;
    MetricCounts counts;
    decoder.decode_request(bytes, batch, counts);
    check(batch, counts);
  }
  if (!bytes.starts_with('{')) return 0;
  for (const bool exact : {false, true}) {
    std::string padded{bytes};
    padded.append(ByteBuffer::kPaddingBytes, '\0');
    MetricJsonParser parser;
    MetricBatch batch;
    MetricCounts counts;
    (void)parser.parse(std::string_view{padded}.substr(0, size), exact, batch, counts);
    check(batch, counts);
  }
  return 0;
}
