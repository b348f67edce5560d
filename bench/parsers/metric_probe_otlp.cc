#include <bit>
#include <cstring>

#include "bench/parsers/metric_probe.h"

namespace fleetmeter::parsers::bench {
namespace {

std::uint64_t varint(const char*& at) noexcept {
  auto byte = static_cast<unsigned char>(*at++);
  std::uint64_t value = byte & 0x7fu;
  for (unsigned shift = 7; byte >= 0x80; shift += 7) {
    byte = static_cast<unsigned char>(*at++);
    value |= static_cast<std::uint64_t>(byte & 0x7fu) << shift;
  }
  return value;
}

std::string_view text(const char*& at) noexcept {
  const std::size_t size = varint(at);
  const std::string_view value{at, size};
  at += size;
  return value;
}

std::uint64_t fixed64(const char*& at) noexcept {
  std::uint64_t value;
  std::memcpy(&value, at, 8);
  at += 8;
  return value;
}

double real(const char*& at) noexcept { return std::bit_cast<double>(fixed64(at)); }

void skip(char tag, const char*& at) noexcept {
  if ((tag & 7) == 2) {
    (void)text(at);
  } else if ((tag & 7) == 1) {
    at += 8;
  } else {
    (void)varint(at);
  }
}

struct Head {
  std::string_view account, region, unit;
};

struct Probe {
  MetricAnswer answer;
  Head head;

  // Key and value of a label; in 1.0.0 the value is one field deeper.
  void label(std::string_view key, std::string_view value) noexcept {
    answer.text_bytes += value.size();
    if (key == "Namespace" || key == "MetricName") return;
    ++answer.dimensions;
    answer.text_bytes += key.size();
  }

  void attribute(std::string_view message) noexcept {
    const char* at = message.data() + 1;
    const std::string_view key = text(at);
    ++at;
    (void)varint(at);
    const bool is_text = *at++ == 0x0a;
    const std::string_view value = text(at);
    if (is_text) return label(key, value);
    for (const char* item = value.data(); item != value.data() + value.size();) {
      ++item;
      attribute(text(item));
    }
  }

  void point(std::string_view message) noexcept {
    const char* at = message.data();
    const char* const end = at + message.size();
    double values = 0, sum = 0, minimum = 0, maximum = 0, extended = 0;
    std::uint64_t start_ns = 0, end_ns = 0;
    while (at != end) {
      switch (const char tag = *at++; tag) {
        case 0x0a: {
          const std::string_view pair = text(at);
          const char* in = pair.data() + 1;
          const std::string_view key = text(in);
          ++in;
          label(key, text(in));
          break;
        }
        case 0x11:
          start_ns = fixed64(at);
          break;
        case 0x19:
          end_ns = fixed64(at);
          break;
        case 0x21:
          values = static_cast<double>(fixed64(at));
          break;
        case 0x29:
          sum = real(at);
          break;
        case 0x32: {
          const std::string_view pair = text(at);
          double quantile = 0, value = 0;
          for (const char* in = pair.data(); in != pair.data() + pair.size();) {
            double& part = *in++ == 0x09 ? quantile : value;
            part = real(in);
          }
          if (quantile == 0) {
            minimum = value;
          } else if (quantile == 1) {
            maximum = value;
          } else {
            ++answer.extended;
            extended += value;
          }
          break;
        }
        case 0x3a:
          attribute(text(at));
          break;
        default:
          skip(tag, at);
      }
    }
    ++answer.records;
    answer.text_bytes += head.account.size() + head.region.size();
    answer.time_sum_s += start_ns / 1000000000 + (end_ns == 0 ? 1 : 0);
    answer.value_sum += values + sum + minimum + maximum;
    answer.value_sum += extended;
  }

  void metric(std::string_view message) noexcept {
    const char* at = message.data();
    const char* const end = at + message.size();
    while (at != end) {
      const char tag = *at++;
      if (tag == 0x1a) {
        head.unit = text(at);
      } else if (tag == 0x5a) {
        const std::string_view summary = text(at);
        for (const char* in = summary.data(); in != summary.data() + summary.size();) {
          ++in;
          point(text(in));
        }
      } else {
        skip(tag, at);
      }
    }
  }

  void resource(std::string_view message) noexcept {
    const char* at = message.data();
    while (at != message.data() + message.size()) {
      ++at;
      const std::string_view pair = text(at);
      const char* in = pair.data() + 1;
      const std::string_view key = text(in);
      in += 3;
      const std::string_view value = text(in);
      if (key == "cloud.account.id") head.account = value;
      if (key == "cloud.region") head.region = value;
    }
  }
};

}  // namespace

MetricAnswer probe_otlp(std::string_view frames) {
  Probe probe;
  const char* at = frames.data();
  while (at != frames.data() + frames.size()) {
    (void)varint(at);
    ++at;
    const std::string_view resource_metrics = text(at);
    const char* in = resource_metrics.data() + 1;
    probe.resource(text(in));
    ++in;
    const std::string_view scope = text(in);
    for (const char* item = scope.data(); item != scope.data() + scope.size();) {
      ++item;
      probe.metric(text(item));
    }
  }
  return probe.answer;
}

}  // namespace fleetmeter::parsers::bench
