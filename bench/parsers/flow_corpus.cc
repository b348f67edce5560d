#include "bench/parsers/flow_corpus.h"

#include <algorithm>
#include <array>
#include <random>
#include <sstream>
#include <string_view>
#include <vector>

#include "bench/parsers/flow_probe.h"
#include "bench/parsers/made_flow.h"

namespace fleetmeter::parsers::bench {
namespace {

/// One flow, value by name.
class Flows {
 public:
  explicit Flows(std::string_view version) { flow_.version = version; }

  void next() {
    flow_.start_s = 1700000000 + ++index_ / 1000;
    flow_.is_nodata = random_() % 100 == 0;
    flow_.is_egress = random_() % 2 == 0;
    flow_.bytes = 40 + random_() % 2000000;
    instance_ = random_() % 2000;
    // An interface has one address, and many others talk to it.
    const std::string own =
        "10.0." + std::to_string(instance_ / 256) + '.' + std::to_string(instance_ % 256);
    const std::string peer = address();
    flow_.source = flow_.is_egress ? own : peer;
    flow_.destination = flow_.is_egress ? peer : own;
  }
  [[nodiscard]] bool is_nodata() const { return flow_.is_nodata; }
  [[nodiscard]] std::uint64_t bytes() const { return flow_.bytes; }

  std::string value(std::string_view name) {
    if (name == "interface-id") return "eni-" + hex(instance_);
    if (name == "vpc-id") return "vpc-" + hex(7);
    if (name == "subnet-id") return "subnet-" + hex(instance_ % 8);
    if (name == "instance-id") return "i-" + hex(instance_ + 5000);
    if (name == "region") return "ap-southeast-2";
    if (name == "az-id") return "apse2-az" + std::to_string(1 + instance_ % 3);
    if (std::string text = flow_.value(name, random_); !text.empty()) return text;
    if (name == "traffic-path") return flow_.is_egress ? "8" : "-";
    if (name == "pkt-src-aws-service") return flow_.is_egress ? "-" : "S3";
    return flow_.is_egress ? "AMAZON" : "-";  // pkt-dst-aws-service
  }

 private:
  std::string address() {
    const bool is_private = random_() % 3 != 0;
    const std::uint64_t first = is_private ? 10 : 1 + random_() % 223;
    const std::uint64_t second = is_private ? 0 : random_() % 256;
    return std::to_string(first) + '.' + std::to_string(second) + '.' +
           std::to_string(is_private ? random_() % 8 : random_() % 256) + '.' +
           std::to_string(random_() % 256);
  }
  static std::string hex(std::uint64_t id) {
    char text[24];
    std::snprintf(text, sizeof text, "%017llx",
                  static_cast<unsigned long long>(0x1235b8ca0000000 + id * 7919));
    return text;
  }

  std::mt19937_64 random_{20260101};
  MadeFlow flow_;
  std::uint64_t index_ = 0;
  std::uint64_t instance_ = 0;
};

FlowCorpus make(const std::vector<std::string>& names, std::string_view version,
                std::size_t lines) {
  FlowCorpus corpus;
  corpus.lines = lines;
  corpus.records = lines;
  for (const std::string& name : names) {
    if (name == "bytes") corpus.bytes_column = corpus.kinds.size();
    if (name == "log-status") corpus.status_column = corpus.kinds.size();
    corpus.kinds += FlowProbe::kind_of(*find_field(name));
    corpus.format += (corpus.format.empty() ? "" : " ") + name;
  }
  Flows flows{version};
  for (std::size_t i = 0; i < lines; ++i) {
    flows.next();
    for (std::size_t column = 0; column < names.size(); ++column)
      corpus.bytes += (column > 0 ? " " : "") + flows.value(names[column]);
    corpus.bytes += '\n';
    corpus.byte_sum += flows.is_nodata() ? 0 : flows.bytes();
  }
  corpus.bytes.reserve(corpus.bytes.size() + 64);
  return corpus;
}

/// Each line of the version 2 text, changed; the text is no longer plain.
template <typename Change>
FlowCorpus changed(std::size_t lines, Change change) {
  FlowCorpus corpus = flow_v2(lines);
  corpus.kinds.clear();
  std::istringstream in{corpus.bytes};
  std::string text;
  std::size_t index = 0;
  for (std::string line; std::getline(in, line); ++index) {
    change(corpus, line, index);
    text += line + '\n';
  }
  corpus.bytes = std::move(text);
  corpus.bytes.reserve(corpus.bytes.size() + 64);
  return corpus;
}

void break_line(FlowCorpus& corpus, std::string& line, std::size_t kind) {
  std::vector<std::string> tokens = split(line);
  --corpus.records;
  if (tokens[13] == "OK") corpus.byte_sum -= std::stoull(tokens[9]);
  if (tokens[13] != "OK") kind = 4;  // Of those no field has to be readable.
  constexpr std::array<std::size_t, 8> kDamaged = {9, 3, 13, 5, 0, 0, 10, 4};
  constexpr std::array<const char*, 8> kBy = {"42x9", "10.0.0.999", "FINE", "65x36",
                                              "",     "",           "soon", "host"};
  if (kind == 4) {
    tokens.pop_back();
  } else if (kind == 5) {
    tokens.emplace_back("extra");
  } else {
    tokens[kDamaged[kind]] = kBy[kind];
  }
  line.clear();
  for (const std::string& token : tokens) line += (line.empty() ? "" : " ") + token;
}

}  // namespace

FlowCorpus flow_v2(std::size_t lines) {
  FlowCorpus corpus = make(split(kFlowV2), "2", lines);
  corpus.format.clear();
  return corpus;
}

FlowCorpus flow_v2_malformed(std::size_t lines) {
  return changed(lines, [](FlowCorpus& corpus, std::string& line, std::size_t index) {
    if (index % 20 == 7) break_line(corpus, line, index / 20 % 8);
  });
}

FlowCorpus flow_v2_crlf(std::size_t lines) {
  return changed(lines, [](FlowCorpus&, std::string& line, std::size_t) { line += '\r'; });
}

FlowCorpus flow_v2_times(std::size_t lines) {
  return changed(lines, [](FlowCorpus&, std::string& line, std::size_t) {
    line.insert(0, "2024-12-20T20:28:14.000Z ");
  });
}

FlowCorpus flow_v2_ipv6(std::size_t lines) {
  return changed(lines, [](FlowCorpus&, std::string& line, std::size_t index) {
    std::vector<std::string> tokens = split(line);
    if (index % 3 != 0 || tokens[3] == "-") return;
    tokens[3] = "2001:db8:1234:a100:8d6e:3477:df66:f105";
    tokens[4] = "2001:db8:1234:a102::34cf:" + std::to_string(index % 10000);
    line.clear();
    for (const std::string& token : tokens) line += (line.empty() ? "" : " ") + token;
  });
}

FlowCorpus flow_29(std::size_t lines) { return make(split(kFlowAws29), "5", lines); }

FlowCorpus flow_29_sorted(std::size_t lines) {
  std::vector<std::string> names = split(kFlowAws29);
  std::sort(names.begin(), names.end());
  return make(names, "5", lines);
}

}  // namespace fleetmeter::parsers::bench
