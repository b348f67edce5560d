#pragma once

#include <cstdint>
#include <span>

#include "alarms/rule.h"

namespace fleetmeter::alarms {

/// One slot of an evaluation range, as a rule sees it.
struct RangeSlot {
  enum class Kind : std::uint8_t {
    kGood,
    kBreaching,
    kMissing,
    kUnknown,      ///< Decides nothing: the state changes only if it would whatever the slot holds.
    kNonexistent,  ///< Before the alarm's first datapoint: neither counted nor filled.
  };
  Kind kind = Kind::kMissing;
};

struct EvaluationRule {
  std::uint32_t evaluation_periods = 1;   ///< N, at least 1.
  std::uint32_t datapoints_to_alarm = 1;  ///< M, 1..N.
  MissingData missing = MissingData::kMissing;
};

/// Next state of one alarm over its evaluation range, oldest slot first, at least N slots. Enough
/// real points (N or more): the newest N of them decide and the missing-data treatment plays no
/// part. Too few: all of them count, and only the gap up to N is filled, and never for slots that
/// do not exist. With kMissing and kIgnore an alarm whose real points all breach and whose oldest
/// breaching one is at least M slots old goes to (keeps out of) ALARM. No slot that is known: the
/// state stays. Rule: Amazon CloudWatch User Guide, "Configuring how CloudWatch alarms treat missing
/// data" and "Avoiding premature transitions to alarm state". Choices where it is silent:
/// docs/alarms.md.
[[nodiscard]] AlarmState evaluate(const EvaluationRule& rule, std::span<const RangeSlot> range,
                                  AlarmState current) noexcept;

}  // namespace fleetmeter::alarms
