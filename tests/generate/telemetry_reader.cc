#include "tests/generate/telemetry_reader.h"

#include <simdjson.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <sstream>
#include <stdexcept>

namespace fleetmeter::testing {
namespace {

/// A protobuf message as a cursor.
class Wire {
 public:
  explicit Wire(std::string_view bytes) : bytes_(bytes) {}
  [[nodiscard]] bool done() const { return bytes_.empty(); }

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0;; shift += 7) {
      if (bytes_.empty() || shift > 28) throw std::runtime_error("bad varint");
      const auto byte = static_cast<unsigned char>(bytes_[0]);
      bytes_.remove_prefix(1);
      value |= std::uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return value;
    }
  }
  std::string_view take(std::uint64_t size) {
    if (size > bytes_.size()) throw std::runtime_error("runs past its message");
    const std::string_view part = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return part;
  }
  struct Field {
    std::uint64_t number;
    std::uint64_t fixed;     // wire type 1
    std::string_view bytes;  // wire type 2
  };
  Field field(int expected_type_of_number[16]) {
    const std::uint64_t tag = varint();
    Field out{tag >> 3, 0, {}};
    const int type = static_cast<int>(tag & 7);
    if (out.number >= 16 || expected_type_of_number[out.number] != type) {
      throw std::runtime_error("unexpected field " + std::to_string(out.number) + " of type " +
                               std::to_string(type));
    }
    if (type == 1) {
      std::memcpy(&out.fixed, take(8).data(), 8);
    } else {
      out.bytes = take(varint());
    }
    return out;
  }

 private:
  std::string_view bytes_;
};

/// Fields 1.. that are messages or strings, and fixed64 ones.
struct Shape {
  int types[16];
  Shape(std::initializer_list<int> lengths, std::initializer_list<int> fixed) {
    std::fill(std::begin(types), std::end(types), -1);
    for (const int n : lengths) types[n] = 2;
    for (const int n : fixed) types[n] = 1;
  }
};

double as_double(std::uint64_t bits) {
  double value;
  std::memcpy(&value, &bits, 8);
  return value;
}

std::string any_string(std::string_view bytes) {
  Shape shape({1}, {});
  Wire wire(bytes);
  const auto field = wire.field(shape.types);
  if (!wire.done()) throw std::runtime_error("AnyValue has more than one field");
  return std::string(field.bytes);
}

std::pair<std::string, std::string_view> key_value(std::string_view bytes) {
  Shape shape({1, 2}, {});
  std::pair<std::string, std::string_view> out;
  for (Wire wire(bytes); !wire.done();) {
    const auto field = wire.field(shape.types);
    if (field.number == 1) out.first = field.bytes;
    if (field.number == 2) out.second = field.bytes;
  }
  return out;
}

void read_label(std::string_view bytes, int version, Point& point) {
  const auto [key, value] = key_value(bytes);
  if (version == 10 && key == "Dimensions") {
    Shape any({6}, {}), list({1}, {});
    for (Wire wire(value); !wire.done();) {
      for (Wire entries(wire.field(any.types).bytes); !entries.done();) {
        const auto [name, text] = key_value(entries.field(list.types).bytes);
        point.dimensions[name] = any_string(text);
      }
    }
    return;
  }
  const std::string text = version == 7 ? std::string(value) : any_string(value);
  if (key == "Namespace")
    point.metric_namespace = text;
  else if (key == "MetricName")
    point.name = text;
  else
    point.dimensions[key] = text;
}

Point read_point(std::string_view bytes, int version) {
  Point point;
  Shape shape = version == 7 ? Shape({1, 6}, {2, 3, 4, 5}) : Shape({6, 7}, {2, 3, 4, 5});
  for (Wire wire(bytes); !wire.done();) {
    const auto field = wire.field(shape.types);
    switch (field.number) {
      case 1:
      case 7:
        read_label(field.bytes, version, point);
        break;
      case 2:
        point.start_s = static_cast<std::int64_t>(field.fixed / 1'000'000'000);
        break;
      case 3:
        point.period_s = static_cast<std::int64_t>(field.fixed / 1'000'000'000) - point.start_s;
        break;
      case 4:
        point.count = static_cast<double>(field.fixed);
        break;
      case 5:
        point.sum = as_double(field.fixed);
        break;
      case 6: {
        double quantile = 0, value = 0;
        Shape q({}, {1, 2});
        for (Wire inner(field.bytes); !inner.done();) {
          const auto part = inner.field(q.types);
          (part.number == 1 ? quantile : value) = as_double(part.fixed);
        }
        (quantile == 0 ? point.minimum : point.maximum) = value;
        break;
      }
      default:
        throw std::runtime_error("field of no data point");
    }
  }
  return point;
}

std::string cloudwatch_unit(const std::string& ucum) {
  static const std::map<std::string, std::string> kUnits = {{"%", "Percent"},
                                                            {"By", "Bytes"},
                                                            {"{Count}", "Count"},
                                                            {"ms", "Milliseconds"},
                                                            {"1", "None"}};
  return kUnits.at(ucum);
}

void read_metric(std::string_view bytes, int version, std::vector<Point>& out) {
  Shape metric({1, 3, 11}, {}), summary({1}, {});
  std::string name, unit;
  for (Wire wire(bytes); !wire.done();) {
    const auto field = wire.field(metric.types);
    if (field.number == 1) name = field.bytes;
    if (field.number == 3) unit = field.bytes;
    if (field.number != 11) continue;
    for (Wire points(field.bytes); !points.done();) {
      Point point = read_point(points.field(summary.types).bytes, version);
      if (name != "amazonaws.com/" + point.metric_namespace + "/" + point.name)
        throw std::runtime_error("name differs: " + name);
      point.unit = cloudwatch_unit(unit);
      out.push_back(std::move(point));
    }
  }
}

}  // namespace

std::vector<std::filesystem::path> files_below(const std::filesystem::path& root) {
  std::vector<std::filesystem::path> out;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (entry.is_regular_file()) out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::string read_plain(const std::filesystem::path& path) {
  gzFile file = gzopen(path.c_str(), "rb");
  if (file == nullptr) throw std::runtime_error("cannot open " + path.string());
  std::string out;
  char buffer[65536];
  int got = 0;
  while ((got = gzread(file, buffer, sizeof buffer)) > 0)
    out.append(buffer, static_cast<std::size_t>(got));
  const int closed = gzclose(file);
  if (got < 0 || closed != Z_OK) throw std::runtime_error("bad gzip " + path.string());
  return out;
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> out;
  std::istringstream in{std::string(text)};
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> out;
  std::istringstream in{std::string(line)};
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

std::vector<Point> read_json_points(std::string_view text) {
  std::vector<Point> out;
  simdjson::dom::parser parser;
  for (const std::string& line : lines_of(text)) {
    const simdjson::dom::element doc = parser.parse(line);
    Point point;
    point.metric_namespace = std::string_view(doc["namespace"]);
    point.name = std::string_view(doc["metric_name"]);
    point.unit = std::string_view(doc["unit"]);
    point.start_s = std::int64_t(doc["timestamp"]) / 1000;
    for (const auto& [key, value] : simdjson::dom::object(doc["dimensions"])) {
      point.dimensions[std::string(key)] = std::string_view(value);
    }
    point.count = doc["value"]["count"];
    point.sum = doc["value"]["sum"];
    point.minimum = doc["value"]["min"];
    point.maximum = doc["value"]["max"];
    out.push_back(std::move(point));
  }
  return out;
}

std::vector<Point> read_otlp_points(std::string_view text, int version,
                                    std::map<std::string, std::string>* resource) {
  std::vector<Point> out;
  Shape request({1}, {}), resource_metrics({1, 2}, {}), scope({2}, {}), attributes({1}, {});
  for (Wire frames(text); !frames.done();) {
    for (Wire frame(frames.take(frames.varint())); !frame.done();) {
      for (Wire one(frame.field(request.types).bytes); !one.done();) {
        const auto field = one.field(resource_metrics.types);
        for (Wire inner(field.bytes); !inner.done();) {
          if (field.number == 2) {
            read_metric(inner.field(scope.types).bytes, version, out);
            continue;
          }
          const auto [key, value] = key_value(inner.field(attributes.types).bytes);
          if (resource != nullptr) (*resource)[key] = any_string(value);
        }
      }
    }
  }
  return out;
}

}  // namespace fleetmeter::testing
