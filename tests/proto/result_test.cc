#include "proto/result.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

namespace fleetmeter {
namespace {

Result<int> parse_digit(char c) {
  if (c < '0' || c > '9') return Error{ErrorCode::kInvalidArgument, "not a digit"};
  return c - '0';
}

Result<void> require_digit(char c) {
  Result<int> digit = parse_digit(c);
  if (!digit) return std::move(digit).error().with_context("character 1");
  return {};
}

TEST(Result, HoldsTheValueOfASuccess) {
  const Result<int> digit = parse_digit('7');
  ASSERT_TRUE(digit.has_value());
  EXPECT_TRUE(static_cast<bool>(digit));
  EXPECT_EQ(digit.value(), 7);
}

TEST(Result, HoldsTheCodeAndMessageOfAFailure) {
  const Result<int> digit = parse_digit('x');
  ASSERT_FALSE(digit.has_value());
  EXPECT_FALSE(static_cast<bool>(digit));
  EXPECT_EQ(digit.error().code, ErrorCode::kInvalidArgument);
  EXPECT_EQ(digit.error().message, "not a digit");
}

TEST(Result, MovesAValueThatCannotBeCopiedOut) {
  Result<std::unique_ptr<std::string>> owned{std::make_unique<std::string>("eni-1")};
  ASSERT_TRUE(owned);
  EXPECT_EQ((*owned)->size(), 5u);
  const std::unique_ptr<std::string> taken = *std::move(owned);
  EXPECT_EQ(*taken, "eni-1");
}

TEST(Result, GivesAccessToMembersAndLetsThemChange) {
  Result<std::string> name{std::string{"prod"}};
  name->push_back('1');
  EXPECT_EQ(*name, "prod1");
  EXPECT_EQ(std::as_const(name)->size(), 5u);
}

TEST(Result, TellsAnErrorMessageFromAStringValue) {
  const Result<std::string> value{std::string{"disk full"}};
  const Result<std::string> failure{Error{ErrorCode::kUnavailable, "disk full"}};
  EXPECT_TRUE(value.has_value());
  EXPECT_FALSE(failure.has_value());
}

TEST(ResultOfVoid, IsASuccessUntilItIsGivenAnError) {
  EXPECT_TRUE(require_digit('3').has_value());
  EXPECT_FALSE(require_digit('-').has_value());
}

TEST(Error, GainsContextInFrontAndKeepsItsCode) {
  const Result<void> outer = require_digit('-');
  ASSERT_FALSE(outer);
  EXPECT_EQ(outer.error().message, "character 1: not a digit");
  EXPECT_EQ(outer.error().code, ErrorCode::kInvalidArgument);
}

TEST(Error, IsAnInternalOneUnlessSaid) { EXPECT_EQ(Error{}.code, ErrorCode::kInternal); }

TEST(ResultDeathTest, TakingTheValueOfAFailureIsABugOfTheCaller) {
  Result<int> digit = parse_digit('x');
  EXPECT_DEATH(static_cast<void>(*digit), "check failed: has_value\\(\\)");
}

TEST(ResultDeathTest, TakingTheErrorOfASuccessIsABugOfTheCaller) {
  const Result<int> digit = parse_digit('1');
  const Result<void> nothing;
  EXPECT_DEATH(static_cast<void>(digit.error()), "check failed: !has_value\\(\\)");
  EXPECT_DEATH(static_cast<void>(nothing.error()), "check failed: failed_");
}

}  // namespace
}  // namespace fleetmeter
