#include "cost/money.h"

#include <gtest/gtest.h>

#include <limits>

namespace fleetmeter::cost {
namespace {

Money usd(std::string_view text) { return parse_money(text).value(); }
Quantity quantity(std::string_view text) { return parse_quantity(text).value(); }

TEST(Money, KeepsTenDigitsBehindThePoint) {
  EXPECT_EQ(usd("0.0000166667").e10_usd, 166'667);
  EXPECT_EQ(to_decimal(usd("0.0000166667")), "0.0000166667");
  EXPECT_EQ(to_decimal(usd("32.8500")), "32.85");
  EXPECT_EQ(to_decimal(usd("-7")), "-7");
  EXPECT_EQ(to_decimal(usd("0")), "0");
}

TEST(Money, RefusesWhatIsNoPlainDecimalOrDoesNotFit) {
  for (const char* text : {"", ".", "-", "1e3", "1,5", " 1", "1 ", "0x1", "1.2.3", "0.00000000001",
                           "922337204", "99999999999999999999999999", "nan"}) {
    EXPECT_FALSE(parse_money(text).has_value()) << text;
  }
  EXPECT_TRUE(parse_money("0.00000000010000").has_value());
  EXPECT_TRUE(parse_money("922337203").has_value());
}

TEST(Money, RoundsHalfUpToCentsOnlyWhereItIsShown) {
  EXPECT_EQ(to_cents(usd("0.005")), "0.01");
  EXPECT_EQ(to_cents(usd("0.0049999999")), "0.00");
  EXPECT_EQ(to_cents(usd("32.85")), "32.85");
  EXPECT_EQ(to_cents(usd("-0.005")), "-0.01");
  EXPECT_EQ(to_cents(Money{}), "0.00");
  EXPECT_EQ(to_cents(usd("1234567.895")), "1234567.90");
}

TEST(Money, MultipliesInOneRounding) {
  EXPECT_EQ(multiply(usd("0.188"), quantity("2920")), usd("548.96"));
  EXPECT_EQ(multiply(Money{1}, Quantity{500'000'000}).e10_usd, 1);  // Half away from zero.
  EXPECT_EQ(multiply(Money{-1}, Quantity{500'000'000}).e10_usd, -1);
  EXPECT_EQ(multiply(Money{1}, Quantity{499'999'999}).e10_usd, 0);
}

TEST(Money, StaysAtTheEndOfTheRangeRatherThanWrap) {
  const Money most{std::numeric_limits<std::int64_t>::max()};
  EXPECT_EQ(most + Money{1}, most);
  EXPECT_EQ(multiply(most, units(1000)), most);
  EXPECT_EQ(units(std::numeric_limits<std::int64_t>::max()).e9_units / kQuantityOne, 9'223'372'036);
}

TEST(Quantity, WhatDoesNotFitNeverFitsAgain) {
  const Quantity huge = multiply(units(9'000'000'000), 2);
  EXPECT_FALSE(huge.fits());
  EXPECT_FALSE(scale(huge, 1, 1024).fits());
  EXPECT_FALSE(multiply(huge, 0).fits());
  EXPECT_FALSE((huge - units(1)).fits());
  EXPECT_FALSE((huge + units(1)).fits());
  EXPECT_FALSE(multiply(Money{1}, huge).fits());
  EXPECT_FALSE(units(9'223'372'037).fits());
  EXPECT_TRUE(units(9'223'372'036).fits());
}

TEST(Quantity, CountsGigabytesInBinaryUnlessToldOtherwise) {
  EXPECT_EQ(gigabytes(1ull << 30), units(1));
  EXPECT_EQ(gigabytes(1'000'000'000'000, 1'000'000'000), units(1000));
  EXPECT_EQ(to_decimal(gigabytes(1)), "0.000000001");
  // Saturated.
  EXPECT_EQ(to_decimal(gigabytes(std::numeric_limits<std::uint64_t>::max())),
            "9223372036.854775807");
}

TEST(Quantity, ReadsCountsInUnitsOfThousandsAndMillions) {
  EXPECT_EQ(parse_quantity("100000000000", 6), units(100'000));
  EXPECT_EQ(to_decimal(parse_quantity("1234.5", 3).value()), "1.2345");
  EXPECT_EQ(to_decimal(parse_quantity("0.4999999", 6).value()), "0.0000005");
  EXPECT_FALSE(parse_quantity("0.0000000001").has_value());
}

TEST(Quantity, SharesAddUpWithinOneUnit) {
  const Money total = usd("90");
  const Money third = share(total, units(1), units(3));
  EXPECT_EQ(third, usd("30"));
  EXPECT_EQ(unit_price(usd("81"), units(1000)), usd("0.081"));
  EXPECT_EQ(scale(units(100), 1, 3), quantity("33.333333333"));
}

}  // namespace
}  // namespace fleetmeter::cost
