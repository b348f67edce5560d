#include "bench/parsers/flow_corpus.h"

#include <algorithm>
#include <array>
#include <random>
#include <sstream>
#include <string_view>
#include <vector>

namespace fleetmeter::parsers::bench {
namespace {

constexpr std::string_view kV2 =
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start "
    "end action log-status";
constexpr std::string_view kAws29 =
    "version srcaddr dstaddr srcport dstport protocol start end type packets bytes account-id "
    "vpc-id subnet-id instance-id interface-id region az-id sublocation-type sublocation-id action "
    "tcp-flags pkt-srcaddr pkt-dstaddr pkt-src-aws-service pkt-dst-aws-service traffic-path "
    "flow-direction log-status";

/// One flow, value by name.
class Flows {
 public:
  explicit Flows(std::string_view version) : version_(version) {}

  void next() {
    ++index_;
    is_nodata_ = random_() % 100 == 0;
    is_egress_ = random_() % 2 == 0;
    bytes_ = 40 + random_() % 2000000;
    instance_ = random_() % 2000;
    // An interface has one address, and many others talk to it.
    const std::string own =
        "10.0." + std::to_string(instance_ / 256) + '.' + std::to_string(instance_ % 256);
    const std::string peer = address();
    source_ = is_egress_ ? own : peer;
    destination_ = is_egress_ ? peer : own;
  }
  [[nodiscard]] bool is_nodata() const { return is_nodata_; }
  [[nodiscard]] std::uint64_t bytes() const { return bytes_; }

  std::string value(std::string_view name) {
    const std::uint64_t start = 1700000000 + index_ / 1000;
    if (name == "version") return version_;
    if (name == "account-id") return "123456789012";
    if (name == "interface-id") return "eni-" + hex(instance_);
    if (name == "start") return std::to_string(start);
    if (name == "end") return std::to_string(start + 58);
    if (name == "log-status") return is_nodata_ ? "NODATA" : "OK";
    if (name == "vpc-id") return "vpc-" + hex(7);
    if (name == "subnet-id") return "subnet-" + hex(instance_ % 8);
    if (name == "instance-id") return "i-" + hex(instance_ + 5000);
    if (name == "region") return "ap-southeast-2";
    if (name == "az-id") return "apse2-az" + std::to_string(1 + instance_ % 3);
    if (is_nodata_ || name.starts_with("sublocation")) return "-";
    if (name == "srcaddr" || name == "pkt-srcaddr") return source_;
    if (name == "dstaddr" || name == "pkt-dstaddr") return destination_;
    if (name == "srcport") return std::to_string(1024 + random_() % 64000);
    if (name == "dstport") return std::to_string(random_() % 2 ? 443 : random_() % 65536);
    if (name == "protocol") return random_() % 10 == 0 ? "17" : "6";
    if (name == "packets") return std::to_string(1 + bytes_ / 800);
    if (name == "bytes") return std::to_string(bytes_);
    if (name == "action") return random_() % 20 == 0 ? "REJECT" : "ACCEPT";
    if (name == "tcp-flags") return std::to_string(std::array{0, 2, 3, 18, 19}[random_() % 5]);
    if (name == "type") return "IPv4";
    if (name == "flow-direction") return is_egress_ ? "egress" : "ingress";
    if (name == "traffic-path") return is_egress_ ? "8" : "-";
    if (name == "pkt-src-aws-service") return is_egress_ ? "-" : "S3";
    return is_egress_ ? "AMAZON" : "-";  // pkt-dst-aws-service
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
  const std::string version_;
  std::uint64_t index_ = 0;
  bool is_nodata_ = false;
  bool is_egress_ = false;
  std::uint64_t bytes_ = 0;
  std::string source_;
  std::string destination_;
  std::uint64_t instance_ = 0;
};

char kind_of(std::string_view name) {
  if (name == "start" || name == "end") return 'N';
  if (name.ends_with("addr")) return 'a';
  if (name == "action" || name == "log-status" || name == "flow-direction") return 'w';
  for (const std::string_view number : {"version", "srcport", "dstport", "protocol", "packets",
                                        "bytes", "tcp-flags", "traffic-path"}) {
    if (name == number) return 'n';
  }
  return 't';
}

std::vector<std::string> split(std::string_view text) {
  std::istringstream in{std::string{text}};
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

FlowCorpus make(const std::vector<std::string>& names, std::string_view version,
                std::size_t lines) {
  FlowCorpus corpus;
  corpus.lines = lines;
  corpus.records = lines;
  for (const std::string& name : names) {
    if (name == "bytes") corpus.bytes_column = corpus.kinds.size();
    if (name == "log-status") corpus.status_column = corpus.kinds.size();
    corpus.kinds += kind_of(name);
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
  constexpr std::array<std::size_t, 8> kDamaged = {9, 3, 13, 5, 0, 0, 10, 4};
  constexpr std::array<const char*, 8> kBy = {"42x9", "10.0.0.999", "FINE", "65536",
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
  FlowCorpus corpus = make(split(kV2), "2", lines);
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

FlowCorpus flow_29(std::size_t lines) { return make(split(kAws29), "5", lines); }

FlowCorpus flow_29_sorted(std::size_t lines) {
  std::vector<std::string> names = split(kAws29);
  std::sort(names.begin(), names.end());
  return make(names, "5", lines);
}

}  // namespace fleetmeter::parsers::bench
