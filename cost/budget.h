#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cost/money.h"

namespace fleetmeter::cost {

/// What an environment may cost in a month.
struct Budget {
  Money monthly;
  std::vector<std::uint32_t> alert_at_percent;  ///< Shares of `monthly`, in any order.
};

/// A budget beside the total of its environment.
struct BudgetCheck {
  /// kUnknown: what is known is within the budget, and lines without amount may lead beyond it.
  enum class State : std::uint8_t { kWithin, kExceeded, kUnknown };
  Money monthly;
  State state = State::kWithin;
  /// The highest of `alert_at_percent` that the known amounts have reached; nullopt = none.
  std::optional<std::uint32_t> alert_percent;
};

/// `total` is of the known amounts. It is compared in cents, as a report shows it, so that no report
/// says that 500.00 exceeds 500.00; a total that equals the budget is within it.
[[nodiscard]] BudgetCheck check_budget(const Budget& budget, Money total,
                                       bool has_unknown) noexcept;

[[nodiscard]] const char* to_string(BudgetCheck::State state) noexcept;

}  // namespace fleetmeter::cost
