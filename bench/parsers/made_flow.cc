#include "bench/parsers/made_flow.h"

#include <array>
#include <sstream>

namespace fleetmeter::parsers::bench {

std::vector<std::string> split(std::string_view text) {
  std::istringstream in{std::string{text}};
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

std::string MadeFlow::value(std::string_view name, std::mt19937_64& random) const {
  if (name == "version") return version;
  if (name == "account-id") return "123456789012";
  if (name == "start") return std::to_string(start_s);
  if (name == "end") return std::to_string(start_s + 58);
  if (name == "log-status") return is_nodata ? "NODATA" : "OK";
  if (is_nodata || name.starts_with("sublocation")) return "-";
  if (name == "srcaddr" || name == "pkt-srcaddr") return source;
  if (name == "dstaddr" || name == "pkt-dstaddr") return destination;
  if (name == "srcport") return std::to_string(1024 + random() % 64000);
  if (name == "dstport") return std::to_string(random() % 2 ? 443 : random() % 65536);
  if (name == "protocol") return random() % 10 == 0 ? "17" : "6";
  if (name == "packets") return std::to_string(1 + bytes / 800);
  if (name == "bytes") return std::to_string(bytes);
  if (name == "action") return random() % 20 == 0 ? "REJECT" : "ACCEPT";
  if (name == "tcp-flags") return std::to_string(std::array{0, 2, 3, 18, 19}[random() % 5]);
  if (name == "type") return "IPv4";
  if (name == "flow-direction") return is_egress ? "egress" : "ingress";
  return {};
}

}  // namespace fleetmeter::parsers::bench
