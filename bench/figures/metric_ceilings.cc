#include <simdjson.h>

#include <bit>
#include <cstring>

#include "bench/figures/figures.h"
#include "bench/figures/pieces.h"

namespace fleetmeter::figures {
namespace {

using Count = unsigned long long;

struct Dimension {
  std::string_view name, value;
};

/// A datapoint as the ceilings leave it, until the next one: views of texts, numbers as they are.
struct Point {
  std::string_view metric_namespace, metric, unit;
  std::vector<Dimension> dimensions;
  std::uint64_t start = 0;
  double count = 0, sum = 0, minimum = 0, maximum = 0;
};

struct Totals {
  Count datapoints = 0;
  double count = 0, sum = 0;

  void add(const Point& point) noexcept {
    ++datapoints;
    count += point.count;
    sum += point.sum;
  }
  void print() const {
    std::printf("{\"datapoints\": %llu, \"count\": %.6f, \"sum\": %.6f}\n", datapoints, count, sum);
  }
};

// --- OTLP: the wire is taken for right and whole. Field numbers are those of
// opentelemetry/proto/metrics/v1/metrics.proto.

std::uint64_t varint(const char*& at) noexcept {
  auto byte = static_cast<unsigned char>(*at++);
  if (byte < 0x80) return byte;
  std::uint64_t value = byte & 0x7f;
  for (unsigned shift = 7; byte >= 0x80; shift += 7) {
    byte = static_cast<unsigned char>(*at++);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
  }
  return value;
}

std::string_view text(const char*& at) noexcept {
  const std::size_t bytes = varint(at);
  at += bytes;
  return {at - bytes, bytes};
}

template <typename T>
T fixed64(const char*& at) noexcept {
  std::uint64_t wire;
  std::memcpy(&wire, at, sizeof wire);
  at += sizeof wire;
  return std::bit_cast<T>(wire);
}

constexpr unsigned char tag(unsigned field, unsigned type) {
  return static_cast<unsigned char>(field << 3 | type);
}
constexpr unsigned kFixed = 1, kLength = 2;

/// Calls `take(tag, at)` for each field of a message; `take` moves `at` behind the field.
template <typename Take>
void each_field(std::string_view message, Take take) {
  const char* at = message.data();
  const char* const end = at + message.size();
  while (at != end) {
    const auto field = static_cast<unsigned char>(*at++);
    take(field, at);
  }
}

void skip(unsigned char field, const char*& at) noexcept {
  switch (field & 7) {
    case 0:
      (void)varint(at);
      break;
    case kFixed:
      at += 8;
      break;
    case kLength:
      (void)text(at);
      break;
    default:
      at += 4;
  }
}

/// Key and value of a KeyValue, the value's AnyValue taken off: the only field in it.
Dimension key_value(std::string_view message) {
  Dimension pair;
  each_field(message, [&](unsigned char field, const char*& at) {
    if (field == tag(1, kLength)) {
      pair.name = text(at);
    } else {
      const char* inner = text(at).data() + 1;
      pair.value = text(inner);
    }
  });
  return pair;
}

void attribute(std::string_view message, Point& point) {
  const Dimension pair = key_value(message);
  if (pair.name.size() == 9) {  // Namespace
    point.metric_namespace = pair.value;
  } else if (pair.name[0] == 'M') {
    point.metric = pair.value;
  } else {  // Dimensions: a KeyValueList
    each_field(pair.value, [&point](unsigned char, const char*& at) {
      point.dimensions.push_back(key_value(text(at)));
    });
  }
}

void quantile(std::string_view message, Point& point) {
  double at_quantile = 0;
  double value = 0;
  each_field(message, [&](unsigned char field, const char*& at) {
    (field == tag(1, kFixed) ? at_quantile : value) = fixed64<double>(at);
  });
  if (at_quantile == 0) point.minimum = value;
  if (at_quantile == 1) point.maximum = value;
}

void data_point(std::string_view message, Point& point) {
  point.dimensions.clear();
  point.count = point.sum = point.minimum = point.maximum = 0;  // Zeros are not on the wire.
  each_field(message, [&point](unsigned char field, const char*& at) {
    switch (field) {
      case tag(2, kFixed):
        point.start = fixed64<std::uint64_t>(at);
        break;
      case tag(4, kFixed):
        point.count = static_cast<double>(fixed64<std::uint64_t>(at));
        break;
      case tag(5, kFixed):
        point.sum = fixed64<double>(at);
        break;
      case tag(6, kLength):
        quantile(text(at), point);
        break;
      case tag(7, kLength):
        attribute(text(at), point);
        break;
      default:
        skip(field, at);
    }
  });
}

/// Goes down the one path that leads to datapoints: resource_metrics, scope_metrics, metrics,
/// summary, data_points.
void walk(std::string_view message, std::size_t depth, Point& point, Totals& totals) {
  static constexpr unsigned char kPath[] = {tag(1, kLength), tag(2, kLength), tag(2, kLength),
                                            tag(11, kLength), tag(1, kLength)};
  each_field(message, [&](unsigned char field, const char*& at) {
    if (field != kPath[depth]) {
      if (depth == 3 && field == tag(3, kLength)) {
        point.unit = text(at);
      } else {
        skip(field, at);
      }
    } else if (depth + 1 < std::size(kPath)) {
      walk(text(at), depth + 1, point, totals);
    } else {
      data_point(text(at), point);
      totals.add(point);
    }
  });
}

/// How much of a piece is whole frames, and each of them to `use`. None is as short as its length's
/// longest encoding.
template <typename Use>
std::size_t each_frame(std::string_view piece, Use use) {
  constexpr std::ptrdiff_t kLengthBytesMax = 5;
  const char* at = piece.data();
  const char* const end = at + piece.size();
  while (end - at > kLengthBytesMax) {
    const char* frame = at;
    const std::size_t bytes = varint(frame);
    if (static_cast<std::size_t>(end - frame) < bytes) break;
    use(std::string_view{frame, bytes});
    at = frame + bytes;
  }
  return static_cast<std::size_t>(at - piece.data());
}

// --- JSON: keys in the order in which AWS writes them.

namespace ondemand = simdjson::ondemand;

void json_line(ondemand::object line, Point& point) {
  point.metric_namespace = line["namespace"].get_string().value();
  point.metric = line["metric_name"].get_string().value();
  point.dimensions.clear();
  for (auto dimension : line["dimensions"].get_object()) {
    const std::string_view name = dimension.unescaped_key().value();
    point.dimensions.push_back({name, dimension.value().get_string().value()});
  }
  point.start = line["timestamp"].get_uint64().value();
  ondemand::object value = line["value"].get_object().value();
  point.maximum = value["max"].get_double().value();
  point.minimum = value["min"].get_double().value();
  point.sum = value["sum"].get_double().value();
  point.count = value["count"].get_double().value();
  point.unit = line["unit"].get_string().value();
}

}  // namespace

void probe_otlp(const std::string& path) {
  Pieces<PlainFile> pieces{path};
  Point point;
  Totals totals;
  for (std::string_view piece; pieces.next(piece);)
    pieces.take(each_frame(piece, [&](std::string_view frame) { walk(frame, 0, point, totals); }));
  totals.print();
}

void probe_json(const std::string& path) {
  if (__builtin_cpu_supports("avx2") == 0) fail("the probe needs AVX2");
  ondemand::parser parser;
  Point point;
  Totals totals;
  each_piece_of_lines<PlainFile>(path, [&](std::string_view lines) {
    ondemand::document_stream documents;
    if (parser.iterate_many(lines.data(), lines.size(), lines.size()).get(documents) !=
        simdjson::SUCCESS)
      fail("simdjson does not begin");
    for (auto document : documents) {
      json_line(document.get_object().value(), point);
      totals.add(point);
    }
  });
  totals.print();
}

}  // namespace fleetmeter::figures
