#pragma once

#include <string_view>

#include "parsers/flow_columns.h"

namespace fleetmeter::parsers {

// The closed words of flow records; false for a word that no version knows. Rule: Amazon VPC User
// Guide, "Flow log records".

[[nodiscard]] inline bool read_word(std::string_view word, LogStatus& status) noexcept {
  if (word == "OK") {
    status = LogStatus::kOk;
  } else if (word == "NODATA") {
    status = LogStatus::kNoData;
  } else {
    status = LogStatus::kSkipData;
    return word == "SKIPDATA";
  }
  return true;
}

[[nodiscard]] inline bool read_word(std::string_view word, Action& action) noexcept {
  action = word == "ACCEPT" ? Action::kAccept : word == "REJECT" ? Action::kReject : Action::kNone;
  return action != Action::kNone;
}

[[nodiscard]] inline bool read_word(std::string_view word, Direction& direction) noexcept {
  direction = word == "ingress"  ? Direction::kIngress
              : word == "egress" ? Direction::kEgress
                                 : Direction::kUnknown;
  return direction != Direction::kUnknown;
}

/// Of text fields that take words of a list; true for all others.
[[nodiscard]] inline bool is_known_text(FlowField field, std::string_view word) noexcept {
  if (field == FlowField::kType) return word == "IPv4" || word == "IPv6" || word == "EFA";
  if (field == FlowField::kSublocationType)
    return word == "wavelength" || word == "outpost" || word == "localzone";
  return true;
}

}  // namespace fleetmeter::parsers
