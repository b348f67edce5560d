#include "tests/parsers/flow_lines.h"

#include <algorithm>
#include <iterator>
#include <sstream>

#include "parsers/flow_field.h"
#include "parsers/flow_layout.h"

namespace fleetmeter::parsers::testing {
namespace {

constexpr const char* kOddNumbers[] = {"0",
                                       "00",
                                       "007",
                                       "65535",
                                       "65536",
                                       "255",
                                       "256",
                                       "12345678",
                                       "123456789",
                                       "99999999",
                                       "100000000",
                                       "1234567890123456",
                                       "1234567890123456789",
                                       "9223372036854775807",
                                       "9223372036854775808",
                                       "18446744073709551616",
                                       "12345678901234567",
                                       "99999999999999999999999999",
                                       "253402300799",
                                       "253402300800",
                                       "-1",
                                       "+1",
                                       "1x",
                                       "x1",
                                       "1234567x",
                                       "12345678x",
                                       "x12345678",
                                       "1.5",
                                       "/",
                                       ":",
                                       "0x10",
                                       "--",
                                       "0-",
                                       "000-",
                                       "-0",
                                       "\xb5",
                                       "1\x80"};
constexpr const char* kOddAddresses[] = {"0.0.0.0",
                                         "255.255.255.255",
                                         "256.1.1.1",
                                         "1.256.1.1",
                                         "1.1.1.256",
                                         "01.1.1.1",
                                         "1.1.1.01",
                                         "1.00.1.1",
                                         "1.1.1",
                                         "1.1.1.1.1",
                                         ".1.1.1.1",
                                         "1..1.1",
                                         "1.1.1.",
                                         "1.1.1.1x",
                                         "1a.1.1.1",
                                         "1.1.1.1000",
                                         "1234.1.1.1",
                                         "999.999.999.999",
                                         "1.1.1.1/24",
                                         "::",
                                         "::1",
                                         "fe80::1",
                                         "::ffff:1.2.3.4",
                                         "1:2:3:4:5:6:7:8",
                                         "1:2:3:4:5:6:7",
                                         "12345::1",
                                         "g::1",
                                         ":::",
                                         "2001:db8:1234:a100:8d6e:3477:df66:f105",
                                         "1.2.3.44444444444444444444444444444444444",
                                         "1.2.3.4444444444444444444444444444444444444444444",
                                         "255.255.255.2555",
                                         "10.0.0.1-",
                                         "localhost",
                                         "1.2.3.4\x80"};
constexpr const char* kWords[] = {
    "OK",     "NODATA",     "SKIPDATA",  "ACCEPT",    "REJECT",        "ingress",
    "egress", "IPv4",       "IPv6",      "EFA",       "wavelength",    "outpost",
    "O",      "OKAY",       "NODATAX",   "ok",        "ACCEPTED",      "unknown",
    "a,b",    "\"quoted\"", "localzone", "SKIPDATAX", "TransitGateway"};
constexpr const char* kHeaders[] = {
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start "
    "end "
    "action log-status",
    "bytes start log-status",
    "interface-id account_id bytes flux-capacity start",
    "interface-id",
    "timestamp,message",
    "instance-id vpc-id subnet-id",
    "start of file"};

}  // namespace

std::string FlowLines::format() {
  if (one_in(3)) return "";
  std::vector<std::string> names;
  for (std::size_t i = 0; i < kFlowFieldCount; ++i)
    names.emplace_back(info(static_cast<FlowField>(i)).name);
  std::shuffle(names.begin(), names.end(), random_);
  names.resize(1 + below(one_in(8) ? 70 : 30));
  if (one_in(2))
    names.insert(names.begin() + below(static_cast<std::uint32_t>(names.size())), "start");
  if (one_in(2)) names.emplace_back("log-status");
  if (one_in(5))
    names.insert(names.begin() + below(static_cast<std::uint32_t>(names.size())), "novel-field");
  std::string joined;
  for (const std::string& name : names) joined += (joined.empty() ? "" : " ") + name;
  return joined;
}

std::string FlowLines::number() {
  if (one_in(30)) return kOddNumbers[below(std::size(kOddNumbers))];
  std::uint64_t limit = 1;
  for (std::uint32_t digits = 1 + below(one_in(10) ? 19 : 10); digits > 0; --digits) limit *= 10;
  return std::to_string((std::uint64_t{random_()} << 32 | random_()) % limit);
}

std::string FlowLines::address() {
  if (one_in(20)) return kOddAddresses[below(std::size(kOddAddresses))];
  std::string text;
  for (int i = 0; i < 4; ++i)
    text += (i > 0 ? "." : "") + std::to_string(below(one_in(3) ? 10 : 256));
  return text;
}

std::string FlowLines::value(const std::string& name) {
  const std::optional<FlowField> field = find_field(name);
  if (one_in(one_in(4) ? 4 : 60)) return "-";
  if (one_in(150)) return kWords[below(std::size(kWords))];
  if (!field) return one_in(2) ? number() : "something";
  switch (info(*field).type) {
    case FieldType::kNumber:
      if (info(*field).number_max < 300) return std::to_string(below(one_in(40) ? 400 : 256));
      if (info(*field).number_max == 65535)
        return std::to_string(below(one_in(60) ? 70000 : 65536));
      return number();
    case FieldType::kAddress:
      return address();
    case FieldType::kStatus:
      return one_in(8) ? "NODATA" : one_in(20) ? "SKIPDATA" : "OK";
    case FieldType::kAction:
      return one_in(3) ? "REJECT" : "ACCEPT";
    case FieldType::kDirection:
      return one_in(2) ? "egress" : "ingress";
    case FieldType::kText:
      if (*field == FlowField::kType) return kWords[7 + below(3)];
      if (*field == FlowField::kAccountId) return "123456789012";
      return std::string(1 + below(one_in(10) ? 90 : 20), static_cast<char>('a' + below(26)));
  }
  return "-";
}

std::string FlowLines::line(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) {
    text += text.empty() ? "" : one_in(400) ? "  " : one_in(2000) ? "\t" : " ";
    text += value(name);
  }
  if (one_in(60)) text = text.substr(0, text.rfind(' ') == std::string::npos ? 0 : text.rfind(' '));
  if (one_in(60)) text += " extra";
  if (one_in(80)) text += one_in(2) ? " " : "   ";
  if (one_in(120)) text.insert(0, one_in(2) ? " " : "\t ");
  if (one_in(40)) text.insert(0, "2014-12-14T04:06:50.000Z ");
  if (one_in(60)) text = one_in(2) ? "1418530010000,\"" + text + "\"" : "1418530010000," + text;
  if (one_in(40)) text += '\r';
  return text;
}

std::string FlowLines::text(const std::string& format, std::size_t lines) {
  std::istringstream given{parse_layout(format).names};
  const std::vector<std::string> names{std::istream_iterator<std::string>{given}, {}};
  const bool has_crlf = one_in(6);
  const bool has_times = one_in(8);
  std::string text;
  for (std::size_t i = 0; i < lines; ++i) {
    if (one_in(300)) {
      text += kHeaders[below(std::size(kHeaders))];
    } else if (one_in(150)) {
      text += one_in(2) ? "" : "  ";
    } else if (one_in(400)) {
      text += "{\"message\": 1}";
    } else {
      if (has_times) text += "2024-12-20T20:28:14.123Z ";
      text += line(names);
    }
    text += has_crlf ? "\r\n" : "\n";
  }
  if (one_in(3)) text.pop_back();
  return text;
}

void FlowLines::damage(std::string& text, std::size_t changes) {
  if (text.empty()) return;
  constexpr char kBytes[] = " \n\r-.,0:\t\"{aO9";
  for (; changes > 0; --changes) {
    const std::size_t at = below(static_cast<std::uint32_t>(text.size()));
    text[at] = one_in(3) ? static_cast<char>(below(256)) : kBytes[below(sizeof kBytes)];
  }
}

}  // namespace fleetmeter::parsers::testing
