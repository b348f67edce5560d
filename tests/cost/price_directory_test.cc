#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "cost/price_book.h"

namespace fleetmeter::cost {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr const char* kHeader = "key,tier_from,unit,price_usd,as_of,confidence\n";

/// A directory of price files that a test writes.
class PriceDirectory : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(directory_); }
  void TearDown() override { std::filesystem::remove_all(directory_); }
  void write(const std::string& name, const std::string& text) {
    std::ofstream(directory_ / name) << text;
  }
  std::string error() {
    const Result<PriceBook> loaded = PriceBook::load(directory_.string(), &warnings_);
    return loaded ? "accepted" : loaded.error().message;
  }

  std::filesystem::path directory_ =
      std::filesystem::path(testing::TempDir()) / ("fleetmeter_prices_" + std::to_string(getpid()));
  std::vector<std::string> warnings_;
};

TEST_F(PriceDirectory, AFileIsOfARegionOrOneOfTheTwoOthers) {
  write("us-east1.csv", std::string(kHeader) + "vpc.nat_gateway.hours,0,h,0.01,,checked\n");
  EXPECT_THAT(error(), HasSubstr("us-east1.csv: is no price file by its name; it must be "
                                 "<region>.csv such as us-east-1.csv"));
  std::filesystem::rename(directory_ / "us-east1.csv", directory_ / "us-gov-west-1.csv");
  EXPECT_EQ(error(), "accepted");
}

TEST_F(PriceDirectory, OneThatHoldsNoPriceFileIsAMistake) {
  write("README.md", "prices\n");
  EXPECT_THAT(error(), HasSubstr("holds no price file"));
}

TEST_F(PriceDirectory, AUnitIsThatOfTheBuiltInPrice) {
  write("us-east-1.csv", std::string(kHeader) + "vpc.nat_gateway.data,0,h,0.01,,checked\n");
  EXPECT_THAT(error(), HasSubstr("us-east-1.csv:2: unit of 'vpc.nat_gateway.data' must be GB, as "
                                 "the built-in price's is, not 'h'"));
}

TEST_F(PriceDirectory, AKeyThatNoBuiltInPriceHasWarnsOnce) {
  write("us-east-1.csv", std::string(kHeader) +
                             "vpc.nat_gatway.hours,0,h,0.01,,checked\n"
                             "vpc.nat_gatway.hours,10,h,0.005,,checked\n"
                             "ec2.instance.m99.large.linux,0,h,0.1,,checked\n");
  EXPECT_EQ(error(), "accepted");
  EXPECT_THAT(warnings_, ElementsAre(HasSubstr("us-east-1.csv:2: 'vpc.nat_gatway.hours' is the key "
                                               "of no built-in price")));
}

TEST_F(PriceDirectory, AByteOrderMarkIsNoPartOfTheFirstColumn) {
  write("eu-west-1.csv",
        std::string("\xef\xbb\xbf") + kHeader + "vpc.nat_gateway.hours,0,h,0.01,,checked\n");
  const Result<PriceBook> loaded = PriceBook::load(directory_.string(), &warnings_);
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->find("eu-west-1", "vpc.nat_gateway.hours")->tiers.front().price,
            parse_money("0.01"));
  EXPECT_THAT(warnings_, IsEmpty());
}

}  // namespace
}  // namespace fleetmeter::cost
