#include "cost/budget.h"

#include <gtest/gtest.h>

namespace fleetmeter::cost {
namespace {

using State = BudgetCheck::State;

Money usd(std::string_view decimal) { return *parse_money(decimal); }

BudgetCheck check(std::string_view total, bool has_unknown = false) {
  return check_budget({usd("500"), {100, 80, 120}}, usd(total), has_unknown);
}

TEST(Budget, IsExceededAboveItOnly) {
  EXPECT_EQ(check("499.99").state, State::kWithin);
  EXPECT_EQ(check("500").state, State::kWithin);
  EXPECT_EQ(check("500.01").state, State::kExceeded);
}

TEST(Budget, IsComparedInTheCentsThatAreShown) {
  EXPECT_EQ(check("500.0049999999").state, State::kWithin) << "shown as 500.00";
  EXPECT_EQ(check("500.005").state, State::kExceeded) << "shown as 500.01";
}

TEST(Budget, IsNotKnownToHoldWhileAnAmountIsMissing) {
  EXPECT_EQ(check("1", true).state, State::kUnknown);
  EXPECT_EQ(check("500.01", true).state, State::kExceeded);
}

TEST(Budget, TellsTheHighestShareReached) {
  EXPECT_EQ(check("399.99").alert_percent, std::nullopt);
  EXPECT_EQ(check("400").alert_percent, 80u);
  EXPECT_EQ(check("500").alert_percent, 100u);
  EXPECT_EQ(check("9000").alert_percent, 120u);
  EXPECT_EQ(check_budget({usd("500"), {}}, usd("9000"), false).alert_percent, std::nullopt);
}

TEST(Budget, HoldsAtTheEndsOfTheRange) {
  const Money most{std::numeric_limits<std::int64_t>::max()};
  EXPECT_EQ(check_budget({most, {1000}}, most, false).alert_percent, std::nullopt);
  EXPECT_EQ(check_budget({usd("0.01"), {1000}}, most, false).alert_percent, 1000u);
}

}  // namespace
}  // namespace fleetmeter::cost
