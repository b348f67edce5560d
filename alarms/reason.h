#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "alarms/evaluate.h"
#include "alarms/fold.h"
#include "alarms/rule.h"

namespace fleetmeter::alarms {

/// How a rule reads a folded slot. One of too few samples decides nothing, nor does a range on both
/// sides of the threshold. A lower bound can breach ">" and ">=" rules and is otherwise unknown:
/// nothing is OK on it (docs/time.md 3).
[[nodiscard]] RangeSlot range_slot(const FoldedSlot& slot, Comparison comparison,
                                   double threshold) noexcept;

/// Shortest decimal that reads back the same, with at least one digit after the point: "80.0".
[[nodiscard]] std::string decimal_text(double value);
/// "greater than", "less than or equal to", ...
[[nodiscard]] const char* comparison_phrase(Comparison comparison) noexcept;

struct SeenValue {
  FoldedSlot slot;
  RangeSlot::Kind kind;
};

/// Why an alarm went to `to`, in the words that CloudWatch uses in StateReason; for people only.
/// `range` oldest first.
[[nodiscard]] std::string transition_reason(const AlarmRule& rule, std::span<const SeenValue> range,
                                            AlarmState from, AlarmState to);

}  // namespace fleetmeter::alarms
