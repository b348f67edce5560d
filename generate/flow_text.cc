#include "generate/flow_text.h"

#include <algorithm>

#include "generate/json_text.h"

namespace fleetmeter::generate {
namespace {

using parsers::FlowField;

std::string_view status_text(LineStatus status) noexcept {
  switch (status) {
    case LineStatus::kNoData:
      return "NODATA";
    case LineStatus::kSkipData:
      return "SKIPDATA";
    case LineStatus::kOk:
      break;
  }
  return "OK";
}

std::vector<std::string_view> split(std::string_view format) {
  std::vector<std::string_view> names;
  for (std::size_t at = 0; at < format.size();) {
    const std::size_t end = std::min(format.find_first_of(" ,", at), format.size());
    std::string_view name = format.substr(at, end - at);
    if (name.starts_with("${") && name.ends_with('}')) name = name.substr(2, name.size() - 3);
    if (!name.empty()) names.push_back(name);
    at = end + 1;
  }
  return names;
}

std::vector<FlowField> first_fields(FlowField last) {
  std::vector<FlowField> fields;
  for (std::size_t f = 0; f <= static_cast<std::size_t>(last); ++f)
    fields.push_back(static_cast<FlowField>(f));
  return fields;
}

}  // namespace

Result<FlowText> FlowText::create(std::string_view format, const FleetOptions& options,
                                  const Topology& fleet) {
  FlowText text;
  if (format.empty() || format == "v2") {
    text.fields_ = first_fields(FlowField::kLogStatus);
  } else if (format == "v5") {
    text.fields_ = first_fields(FlowField::kTrafficPath);
  } else {
    for (const std::string_view name : split(format)) {
      const auto field = parsers::find_field(name);
      if (!field) {
        return Error{
            ErrorCode::kInvalidArgument,
            "generate: flow format: no flow log field is called '" + std::string(name) + "'"};
      }
      if (std::find(text.fields_.begin(), text.fields_.end(), *field) != text.fields_.end()) {
        return Error{ErrorCode::kInvalidArgument,
                     "generate: flow format: field '" + std::string(name) + "' comes twice"};
      }
      text.fields_.push_back(*field);
    }
    if (text.fields_.empty())
      return Error{ErrorCode::kInvalidArgument, "generate: flow format: names no field"};
  }
  std::uint8_t version = 2;
  for (const FlowField field : text.fields_) {
    version = std::max(version, parsers::info(field).version);
    text.header_ += parsers::info(field).name;
    text.header_ += ' ';
  }
  text.header_.back() = '\n';
  text.version_ = std::to_string(version);
  text.account_ = options.account;
  text.region_ = options.region;
  text.vpc_id_ = fleet.vpc_id;
  for (const Zone& zone : fleet.zones) text.zone_ids_.push_back(zone.id);
  return text;
}

void FlowText::append(const FlowLine& line, std::string& out) const {
  for (const FlowField field : fields_) {
    append_field(field, line, out);
    out += ' ';
  }
  out.back() = '\n';
}

void FlowText::append_field(FlowField field, const FlowLine& line, std::string& out) const {
  switch (field) {
    case FlowField::kVersion:
      out += version_;
      return;
    case FlowField::kAccountId:
      out += account_;
      return;
    case FlowField::kInterfaceId:
      out += line.at->interface_id;
      return;
    case FlowField::kVpcId:
      out += vpc_id_;
      return;
    case FlowField::kSubnetId:
      out += line.at->subnet_id;
      return;
    case FlowField::kInstanceId:
      out += line.at->instance_id.empty() ? "-" : line.at->instance_id;
      return;
    case FlowField::kRegion:
      out += region_;
      return;
    case FlowField::kAzId:
      out += zone_ids_[line.at->zone];
      return;
    case FlowField::kStart:
      append_number(static_cast<std::uint64_t>(line.start_s), out);
      return;
    case FlowField::kEnd:
      append_number(static_cast<std::uint64_t>(line.end_s), out);
      return;
    case FlowField::kLogStatus:
      out += status_text(line.status);
      return;
    default:
      break;
  }
  // NODATA and SKIPDATA keep only what describes the interface and the interval.
  if (line.status == LineStatus::kOk) {
    append_flow_field(field, line, out);
  } else {
    out += '-';
  }
}

void FlowText::append_flow_field(FlowField field, const FlowLine& line, std::string& out) const {
  switch (field) {
    case FlowField::kSrcaddr:
      out += line.source;
      return;
    case FlowField::kDstaddr:
      out += line.destination;
      return;
    case FlowField::kPktSrcaddr:
      out += line.packet_source;
      return;
    case FlowField::kPktDstaddr:
      out += line.packet_destination;
      return;
    case FlowField::kSrcport:
      append_number(line.source_port, out);
      return;
    case FlowField::kDstport:
      append_number(line.destination_port, out);
      return;
    case FlowField::kProtocol:
      append_number(line.protocol, out);
      return;
    case FlowField::kPackets:
      append_number(line.packets, out);
      return;
    case FlowField::kBytes:
      append_number(line.bytes, out);
      return;
    case FlowField::kAction:
      out += line.accept ? "ACCEPT" : "REJECT";
      return;
    case FlowField::kType:
      out += "IPv4";
      return;
    case FlowField::kFlowDirection:
      out += line.egress ? "egress" : "ingress";
      return;
    case FlowField::kTcpFlags:
      if (line.protocol != 6) break;
      append_number(line.tcp_flags, out);
      return;
    case FlowField::kTrafficPath:
      if (line.traffic_path == 0) break;
      append_number(line.traffic_path, out);
      return;
    default:
      break;
  }
  out += '-';
}

}  // namespace fleetmeter::generate
