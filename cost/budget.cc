#include "cost/budget.h"

namespace fleetmeter::cost {
namespace {

/// As to_cents() shows it: half away from zero.
std::int64_t in_cents(Money money) noexcept {
  constexpr std::int64_t kCent = 100'000'000;  // In 1e-10 USD.
  const std::int64_t rest = money.e10_usd % kCent;
  const std::int64_t up = rest >= kCent / 2 ? 1 : rest <= -kCent / 2 ? -1 : 0;
  return money.e10_usd / kCent + up;
}

}  // namespace

BudgetCheck check_budget(const Budget& budget, Money total, bool has_unknown) noexcept {
  BudgetCheck check;
  check.monthly = budget.monthly;
  const std::int64_t spent = in_cents(total), limit = in_cents(budget.monthly);
  if (spent > limit) {
    check.state = BudgetCheck::State::kExceeded;
  } else if (has_unknown) {
    check.state = BudgetCheck::State::kUnknown;
  }
  for (const std::uint32_t percent : budget.alert_at_percent) {
    const bool reached = spent * 100 >= limit * percent;  // Cents of 922 M USD leave room.
    if (reached && (!check.alert_percent || percent > *check.alert_percent))
      check.alert_percent = percent;
  }
  return check;
}

const char* to_string(BudgetCheck::State state) noexcept {
  switch (state) {
    case BudgetCheck::State::kWithin:
      return "within";
    case BudgetCheck::State::kExceeded:
      return "exceeded";
    case BudgetCheck::State::kUnknown:
      return "unknown";
  }
  return "";
}

}  // namespace fleetmeter::cost
