#include "proto/rfc3339.h"

#include <gtest/gtest.h>

#include <limits>

namespace fleetmeter {
namespace {

TEST(Rfc3339, WritesUtcToTheSecond) {
  EXPECT_EQ(rfc3339(0), "1970-01-01T00:00:00Z");
  EXPECT_EQ(rfc3339(1'734'696'000), "2024-12-20T12:00:00Z");
  EXPECT_EQ(rfc3339(1'709'251'199), "2024-02-29T23:59:59Z");
  EXPECT_EQ(rfc3339(-1), "1969-12-31T23:59:59Z");
}

TEST(Rfc3339, KeepsToFourDigitYears) {
  EXPECT_EQ(rfc3339(253'402'300'799), "9999-12-31T23:59:59Z");
  EXPECT_EQ(rfc3339(253'402'300'800), "9999-12-31T23:59:59Z");
  EXPECT_EQ(rfc3339(std::numeric_limits<std::int64_t>::max()), "9999-12-31T23:59:59Z");
  EXPECT_EQ(rfc3339(-62'167'219'200), "0000-01-01T00:00:00Z");
  EXPECT_EQ(rfc3339(-62'167'219'201), "0000-01-01T00:00:00Z");
  EXPECT_EQ(rfc3339(std::numeric_limits<std::int64_t>::min()), "0000-01-01T00:00:00Z");
}

}  // namespace
}  // namespace fleetmeter
