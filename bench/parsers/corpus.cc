#include "bench/parsers/corpus.h"

#include <zlib.h>

#include <cstdio>
#include <cstdlib>
#include <random>

#include "bench/measure.h"

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

}  // namespace

std::size_t record_count() { return records_wanted(200000); }

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
