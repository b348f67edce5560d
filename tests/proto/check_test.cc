#include "proto/check.h"

#include <gtest/gtest.h>

namespace {

TEST(Check, LetsATrueConditionPassAndEvaluatesItOnce) {
  int evaluations = 0;
  FM_CHECK(++evaluations == 1);
  EXPECT_EQ(evaluations, 1);
}

TEST(Check, IsAnExpressionSoThatItFitsInAComma) {
  const int value = (FM_CHECK(true), 7);
  EXPECT_EQ(value, 7);
}

TEST(CheckDeathTest, PrintsTheConditionAndItsPlaceThenEndsTheProcessInEveryBuild) {
  const int queued = 3;
  EXPECT_DEATH(FM_CHECK(queued == 0), "check_test\\.cc:[0-9]+: check failed: queued == 0");
}

}  // namespace
