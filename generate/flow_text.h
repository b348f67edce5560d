#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "generate/traffic.h"
#include "parsers/flow_field.h"

namespace fleetmeter::generate {

/// Prints flow records in one format. Fields that a VPC flow log of plain instances does not have
/// (ECS, transit gateway, tags, next hop, ...) are "-"; `version` is the highest among the chosen
/// fields. Rule: Amazon VPC User Guide, "Flow log records".
class FlowText {
 public:
  /// "v2" (default format), "v5" (its 29 fields), a LogFormat string ("${version} ${srcaddr} ...")
  /// or bare names in any order. kInvalidArgument names a field that does not exist or comes twice.
  static Result<FlowText> create(std::string_view format, const FleetOptions& options,
                                 const Topology& fleet);

  [[nodiscard]] const std::string& header() const noexcept { return header_; }  ///< With line end.
  void append(const FlowLine& line, std::string& out) const;                    ///< With line end.

 private:
  void append_field(parsers::FlowField field, const FlowLine& line, std::string& out) const;
  void append_flow_field(parsers::FlowField field, const FlowLine& line, std::string& out) const;

  std::vector<parsers::FlowField> fields_;
  std::string header_, version_;
  std::string account_, region_, vpc_id_;
  std::vector<std::string> zone_ids_;
};

}  // namespace fleetmeter::generate
