#include "cost/price_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace fleetmeter::cost {
namespace {

using ::testing::HasSubstr;

constexpr const char* kHeader = "key,tier_from,unit,price_usd,as_of,confidence\n";

Money usd(std::string_view text) { return parse_money(text).value(); }

PriceBook book() {
  Result<PriceBook> loaded = PriceBook::embedded();
  EXPECT_TRUE(loaded) << (loaded ? "" : loaded.error().message);
  return *std::move(loaded);
}

Money price(const PriceBook& prices, const char* region, const char* key) {
  const Price* found = prices.find(region, key);
  EXPECT_NE(found, nullptr) << region << " " << key;
  return found == nullptr ? Money{-1} : found->tiers.front().price;
}

std::string on_linux(const char* family, const char* size) {
  return std::string("ec2.instance.") + family + "." + size + ".linux";
}

Result<PriceBook> parse_prices(const std::string& rows) {
  return PriceBook::parse({{"us-east-1.csv", kHeader + rows}});
}

TEST(TieredCost, PricesEachSliceAtItsOwnRate) {
  const std::vector<PriceTier> tiers{
      {units(0), usd("0.10")}, {units(1000), usd("0.08")}, {units(50000), usd("0.06")}};
  EXPECT_EQ(tiered_cost(tiers, units(95000)), usd("6720"));
  EXPECT_EQ(tiered_cost(tiers, units(1000)), usd("100"));
  EXPECT_EQ(tiered_cost(tiers, units(1001)), usd("100.08"));
  EXPECT_EQ(tiered_cost(tiers, units(0)), usd("0"));
}

TEST(PriceBook, HoldsTheThreeRegions) {
  const PriceBook prices = book();
  for (const char* region : {"us-east-1", "us-west-2", "eu-west-1"}) {
    EXPECT_TRUE(prices.has_region(region));
    EXPECT_GT(price(prices, region, "ec2.instance.m5.large.linux"), Money{});
  }
  EXPECT_EQ(price(prices, "us-east-1", "vpc.nat_gateway.hours"), usd("0.045"));
  EXPECT_EQ(price(prices, "eu-west-1", "vpc.nat_gateway.hours"), usd("0.048"));
  EXPECT_EQ(price(prices, "us-east-1", "cloudwatch.metric_stream.updates"), usd("0.003"));
}

TEST(PriceBook, AddsTheWindowsLicenceByVcpuOrByBurstableSize) {
  const PriceBook prices = book();
  EXPECT_EQ(price(prices, "us-east-1", "ec2.instance.m5.large.windows"), usd("0.188"));
  EXPECT_EQ(price(prices, "us-east-1", "ec2.instance.c5.2xlarge.windows"), usd("0.708"));
  EXPECT_EQ(price(prices, "us-east-1", "ec2.instance.t3.medium.windows"), usd("0.06"));
  EXPECT_EQ(price(prices, "us-east-1", "ec2.instance.t3.2xlarge.windows"), usd("0.48"));
  EXPECT_EQ(price(prices, "eu-west-1", "ec2.instance.r6i.4xlarge.windows"), usd("1.864"));
  EXPECT_EQ(prices.find("us-east-1", "ec2.instance.m6g.large.windows"), nullptr)
      << "Graviton runs no Windows";
}

TEST(PriceBook, AddsTheRhelRateBySize) {
  const PriceBook prices = book();
  EXPECT_EQ(price(prices, "us-east-1", "ec2.instance.c5.xlarge.rhel"), usd("0.17") + usd("0.0576"));
  EXPECT_EQ(price(prices, "us-east-1", "ec2.instance.c5.4xlarge.rhel"),
            usd("0.68") + usd("0.1728"));
}

TEST(PriceBook, NeverTakesAMissingPriceForZero) {
  const PriceBook prices = book();
  EXPECT_EQ(prices.find("us-east-1", "ec2.instance.m99.large.linux"), nullptr);
  EXPECT_EQ(prices.find("mars-north-1", "vpc.nat_gateway.hours"), nullptr);
  EXPECT_EQ(prices.find("eu-west-1", "cloudwatch.vended_logs.s3"), nullptr)
      << "no fact for this region";
}

TEST(PriceBook, PricePerVcpuIsTheSameAcrossTheSizesOfAFamily) {
  // A row taken from another product (dedicated, reserved, another licence) shows up as a jump
  // inside its family.
  const PriceBook prices = book();
  for (const char* region : {"us-east-1", "us-west-2", "eu-west-1"}) {
    for (const char* family : {"m5", "c5", "r5", "m6g", "c6g", "r6g"}) {
      const Money large = price(prices, region, on_linux(family, "large").c_str());
      const Money xlarge4 = price(prices, region, on_linux(family, "4xlarge").c_str());
      EXPECT_NEAR(static_cast<double>(xlarge4.e10_usd) / static_cast<double>(large.e10_usd), 8.0,
                  0.24)
          << family;
    }
  }
}

TEST(PriceBook, ErrorsNameFileLineAndFix) {
  const auto message = [](const std::string& rows) {
    Result<PriceBook> loaded = parse_prices(rows);
    return loaded ? std::string("accepted") : loaded.error().message;
  };
  EXPECT_THAT(message("a,0,GB,cheap,,\n"),
              HasSubstr("us-east-1.csv:2: price_usd must be a decimal"));
  EXPECT_THAT(message("a,0,GB,1,,\na,0,GB,2,,\n"),
              HasSubstr("us-east-1.csv:3: tiers of 'a' must start at 0"));
  EXPECT_THAT(message("a,5,GB,1,,\n"), HasSubstr("must start at 0 and ascend"));
  EXPECT_THAT(message("a,0,GB,-1,,\n"), HasSubstr("0 or more"));
  EXPECT_THAT(message("a,0,GB,1,,\na,5,TB,1,,\n"), HasSubstr("differ in unit"));
  EXPECT_THAT(message("a,0,GB\n"), HasSubstr("3 fields where the header has 6"));
  Result<PriceBook> headless = PriceBook::parse({{"x.csv", "key,unit\n"}});
  ASSERT_FALSE(headless);
  EXPECT_THAT(headless.error().message, HasSubstr("no column 'tier_from'"));
}

TEST(PriceBook, ADirectoryReplacesAllTiersOfAKeyAndKeepsTheRest) {
  const std::filesystem::path directory =
      std::filesystem::path(testing::TempDir()) / "fleetmeter_prices";
  std::filesystem::create_directories(directory);
  std::ofstream(directory / "us-east-1.csv")
      << kHeader << "transfer.internet_egress,0,GB,0.01,2026-11-01,contract\n";
  Result<PriceBook> loaded = PriceBook::load(directory.string());
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_EQ(loaded->find("us-east-1", "transfer.internet_egress")->tiers.size(), 1u);
  EXPECT_EQ(price(*loaded, "us-east-1", "transfer.internet_egress"), usd("0.01"));
  EXPECT_EQ(price(*loaded, "us-east-1", "vpc.nat_gateway.hours"), usd("0.045"));
  std::filesystem::remove_all(directory);
  EXPECT_FALSE(PriceBook::load(directory.string()));
}

}  // namespace
}  // namespace fleetmeter::cost
