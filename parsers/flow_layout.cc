#include "parsers/flow_layout.h"

#include <algorithm>
#include <bitset>

#include "parsers/payload_text.h"

namespace fleetmeter::parsers {
namespace {

constexpr std::string_view kDefaultNames =
    "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start "
    "end action "
    "log-status";

constexpr std::string_view kTransitGatewayNames =
    "version resource-type account-id tgw-id tgw-attachment-id tgw-src-vpc-account-id "
    "tgw-dst-vpc-account-id "
    "tgw-src-vpc-id tgw-dst-vpc-id tgw-src-subnet-id tgw-dst-subnet-id tgw-src-eni tgw-dst-eni "
    "tgw-src-az-id "
    "tgw-dst-az-id tgw-pair-attachment-id srcaddr dstaddr srcport dstport protocol packets bytes "
    "start end "
    "log-status type packets-lost-no-route packets-lost-blackhole packets-lost-mtu-exceeded "
    "packets-lost-ttl-expired tcp-flags region flow-direction pkt-src-aws-service "
    "pkt-dst-aws-service";

/// Takes the next token off `rest`; empty at its end.
std::string_view next_token(std::string_view& rest) noexcept {
  const std::size_t begin = skip_blanks(rest, 0);
  const std::size_t end = std::min(rest.find_first_of(kBlanks, begin), rest.size());
  const std::string_view token = rest.substr(begin, end - begin);
  rest.remove_prefix(end);
  return token;
}

std::string_view without_braces(std::string_view token) noexcept {
  if (token.size() > 3 && token.starts_with("${") && token.back() == '}')
    return token.substr(2, token.size() - 3);
  return token;
}

bool is_header_word(std::string_view token) noexcept {
  if (token.empty() || token[0] < 'a' || token[0] > 'z') return false;
  return std::all_of(token.begin(), token.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

/// Names of fields that a log says by chance as well: "start", "end".
bool is_ordinary_word(std::string_view name) noexcept {
  constexpr std::string_view kOrdinary[] = {"version", "protocol", "packets", "bytes", "start",
                                            "end",     "action",   "type",    "region"};
  return std::ranges::find(kOrdinary, name) != std::end(kOrdinary);
}

FlowBinding::Step step_of(const FieldInfo& field, FlowField id, bool asked) noexcept {
  using Step = FlowBinding::Step;
  switch (field.type) {
    case FieldType::kStatus:
      return Step::kStatus;
    case FieldType::kAction:
      return Step::kAction;
    case FieldType::kDirection:
      return Step::kDirection;
    case FieldType::kNumber:
      if (field.required) return asked ? Step::kRequiredNumber : Step::kCheckNumber;
      return asked ? Step::kNumber : Step::kSkip;
    case FieldType::kAddress:
      if (field.required) return asked ? Step::kRequiredAddress : Step::kCheckAddress;
      return asked ? Step::kAddress : Step::kSkip;
    case FieldType::kText:
      if (!asked) return Step::kSkip;
      return id == FlowField::kType || id == FlowField::kSublocationType ? Step::kKnownText
                                                                         : Step::kText;
  }
  return Step::kSkip;
}

bool can_drop(FlowBinding::Step step) noexcept {
  using Step = FlowBinding::Step;
  return step == Step::kRequiredNumber || step == Step::kCheckNumber ||
         step == Step::kRequiredAddress || step == Step::kCheckAddress || step == Step::kStatus;
}

}  // namespace

bool FlowLayout::has(FlowField field) const noexcept {
  return std::find(columns.begin(), columns.end(), static_cast<int>(field)) != columns.end();
}

FlowLayout parse_layout(std::string_view format) {
  FlowLayout layout;
  std::bitset<kFlowFieldCount> seen;
  for (std::string_view token = next_token(format); !token.empty(); token = next_token(format)) {
    if (layout.columns.size() == FlowLayout::kColumnsMax) break;
    const std::string_view name = without_braces(token);
    const std::optional<FlowField> field = find_field(name);
    const bool known = field && !seen.test(static_cast<std::size_t>(*field));
    if (known) seen.set(static_cast<std::size_t>(*field));
    layout.columns.push_back(known ? static_cast<int>(*field) : FlowLayout::kUnknownColumn);
    layout.unknown_columns += known ? 0 : 1;
    if (!layout.names.empty()) layout.names += ' ';
    layout.names += name;
  }
  if (layout.columns.empty()) return default_layout();
  return layout;
}

FlowLayout default_layout() {
  FlowLayout layout = parse_layout(kDefaultNames);
  layout.implied = true;
  return layout;
}

FlowLayout transit_gateway_layout() {
  FlowLayout layout = parse_layout(kTransitGatewayNames);
  layout.implied = true;
  return layout;
}

bool is_header(std::string_view line) noexcept {
  std::size_t words = 0;
  for (std::string_view rest = line, token = next_token(rest); !token.empty();
       token = next_token(rest)) {
    if (!is_header_word(token)) return false;
    ++words;
  }
  // Looked up only now: a record line fails above, on its first address or number. Names that no
  // version knows yet are many words joined, which ordinary words are not.
  constexpr std::size_t kOrdinaryMin = 3;
  std::size_t known = 0, joined = 0, telling = 0;
  for (std::string_view rest = line, token = next_token(rest); !token.empty();
       token = next_token(rest)) {
    const bool is_known = find_field(token).has_value();
    known += is_known ? 1 : 0;
    telling += is_known && !is_ordinary_word(token) ? 1 : 0;
    joined += !is_known && token.find_first_of("-_") != std::string_view::npos ? 1 : 0;
  }
  if (known == 0 || (telling == 0 && known + joined < kOrdinaryMin)) return false;
  return known * 2 >= words || known + joined == words;
}

FlowBinding::FlowBinding(FlowLayout from, FieldSet wanted)
    : layout(std::move(from)), asked(wanted) {
  columns.reserve(layout.columns.size());
  for (const int column : layout.columns) {
    if (column == FlowLayout::kUnknownColumn) {
      columns.push_back({Step::kSkip, 0, 0});
      continue;
    }
    const auto field = static_cast<FlowField>(column);
    const FieldInfo& facts = info(field);
    columns.push_back({step_of(facts, field, asked.has(field)), static_cast<std::uint8_t>(column),
                       facts.number_max});
    if (!asked.has(field)) continue;
    filled.add(field);
    present_fields.push_back(static_cast<std::uint8_t>(column));
  }
  for (const bool required : {true, false}) {
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (columns[i].step != Step::kSkip && can_drop(columns[i].step) == required)
        order.push_back(static_cast<std::uint8_t>(i));
    }
  }
  const auto sure = std::find_if(layout.columns.begin(), layout.columns.end(), [](int column) {
    if (column == FlowLayout::kUnknownColumn) return false;
    const FieldType type = info(static_cast<FlowField>(column)).type;
    return type != FieldType::kText && type != FieldType::kDirection;
  });
  if (sure != layout.columns.end())
    no_header_word = static_cast<int>(sure - layout.columns.begin());
  has_start = layout.has(FlowField::kStart);
  has_bytes = layout.has(FlowField::kBytes);
}

}  // namespace fleetmeter::parsers
