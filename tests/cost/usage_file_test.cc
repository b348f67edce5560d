#include "cost/usage_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace fleetmeter::cost {
namespace {

using ::testing::HasSubstr;

constexpr const char* kFile = R"(version: 0.1
resource_type_default_usage:
  aws_nat_gateway:
    monthly_data_processed_gb: 10
  aws_instance:
    operating_system: linux
    monthly_hrs: 100
resource_usage:
  aws_instance.web[*]:
    operating_system: windows
  aws_instance.web[1]:
    monthly_hrs: 5
  aws_instance.map["a.b"]:
    operating_system: rhel
  aws_s3_bucket.data:
    standard:
      storage_gb: 100
fleetmeter:
  environment: prod
  stated:
    - { resource: "aws_nat_gateway.*", component: hours, amount: 64 }
    - { environment: dev }
)";

std::string text(const UsageFile& file, const char* type, const char* address, const char* key) {
  const UsageValues values = file.values(type, address);
  const auto found = values.find(key);
  return found == values.end() ? "(none)" : found->second.text;
}

TEST(UsageFile, AddressesGoOverTypeDefaultsKeyByKey) {
  Result<UsageFile> file = UsageFile::parse("usage.yml", kFile);
  ASSERT_TRUE(file) << file.error().message;
  EXPECT_EQ(text(*file, "aws_nat_gateway", "aws_nat_gateway.a", "monthly_data_processed_gb"), "10");
  EXPECT_EQ(text(*file, "aws_instance", "aws_instance.web[0]", "operating_system"), "windows");
  EXPECT_EQ(text(*file, "aws_instance", "aws_instance.web[0]", "monthly_hrs"), "100");
  EXPECT_EQ(text(*file, "aws_s3_bucket", "aws_s3_bucket.data", "standard.storage_gb"), "100");
}

TEST(UsageFile, AnExactIndexReplacesTheWildcardEntirely) {
  Result<UsageFile> file = UsageFile::parse("usage.yml", kFile);
  ASSERT_TRUE(file);
  EXPECT_EQ(text(*file, "aws_instance", "aws_instance.web[1]", "monthly_hrs"), "5");
  EXPECT_EQ(text(*file, "aws_instance", "aws_instance.web[1]", "operating_system"), "linux")
      << "the type's default, not the wildcard's";
  EXPECT_EQ(text(*file, "aws_instance", "aws_instance.web[\"x\"]", "operating_system"), "windows");
  EXPECT_EQ(text(*file, "aws_instance", "aws_instance.map[\"a.b\"]", "operating_system"), "rhel");
}

TEST(UsageFile, AWildcardMayStandForAnyOfThePathsIndexesAndTheMoreExactEntryWins) {
  Result<UsageFile> file = UsageFile::parse(
      "usage.yml",
      "resource_usage:\n"
      "  module.net[*].aws_nat_gateway.this[*]: { monthly_data_processed_gb: 1 }\n"
      "  module.net[0].aws_nat_gateway.this[*]: { monthly_data_processed_gb: 2 }\n"
      "  module.net[*].aws_nat_gateway.this[1]: { monthly_data_processed_gb: 3 }\n"
      "  module.net[\"b\"].aws_nat_gateway.this[\"x\"]: { monthly_data_processed_gb: 4 }\n");
  ASSERT_TRUE(file);
  const auto of = [&](const char* address) {
    return text(*file, "aws_nat_gateway", address, "monthly_data_processed_gb");
  };
  EXPECT_EQ(of("module.net[2].aws_nat_gateway.this[0]"), "1");
  EXPECT_EQ(of("module.net[0].aws_nat_gateway.this[0]"), "2");
  EXPECT_EQ(of("module.net[2].aws_nat_gateway.this[1]"), "3");
  EXPECT_EQ(of("module.net[0].aws_nat_gateway.this[1]"), "2") << "the outer index is exact";
  EXPECT_EQ(of("module.net[\"b\"].aws_nat_gateway.this[\"x\"]"), "4");
  EXPECT_EQ(of("module.net[\"b\"].aws_nat_gateway.this[\"y\"]"), "1");
  EXPECT_EQ(of("module.net[0].aws_nat_gateway.this"), "(none)");
}

TEST(UsageFile, StatedLinesArePatterns) {
  Result<UsageFile> file = UsageFile::parse("usage.yml", kFile);
  ASSERT_TRUE(file);
  ASSERT_EQ(file->stated().size(), 2u);
  EXPECT_EQ(file->stated()[0].amount, parse_money("64"));
  EXPECT_EQ(file->stated()[1].component, "*");
  EXPECT_TRUE(matches_pattern("aws_*.x*", "aws_nat.x"));
  EXPECT_TRUE(matches_pattern("a*b*c", "a1b2b3c"));
  EXPECT_FALSE(matches_pattern("a*b", "abc"));
  EXPECT_TRUE(matches_pattern("*", ""));
  EXPECT_FALSE(matches_pattern("", "x"));
}

struct Bad {
  const char* text;
  const char* message;
};
class BadUsageFile : public testing::TestWithParam<Bad> {};

TEST_P(BadUsageFile, NamesFileLineKeyAndFix) {
  Result<UsageFile> file = UsageFile::parse("usage.yml", GetParam().text);
  ASSERT_FALSE(file);
  EXPECT_THAT(file.error().message, HasSubstr(GetParam().message));
}
INSTANTIATE_TEST_SUITE_P(
    All, BadUsageFile,
    testing::Values(Bad{"version: 0.2\n", "usage.yml:1: version: must be 0.1"},
                    Bad{"version: 0.1\nresource_usge: {}\n",
                        "usage.yml:2: resource_usge: is unknown; one of version"},
                    Bad{"resource_usage:\n  aws_instance: {}\n",
                        "usage.yml:2: resource_usage.aws_instance: must be an address"},
                    Bad{"resource_usage:\n  aws_s3_bucket.a:\n    x: [1]\n",
                        "usage.yml:3: resource_usage.aws_s3_bucket.a.x: must be a number"},
                    Bad{"fleetmeter:\n  stated:\n    - { amount: lots }\n",
                        "usage.yml:3: fleetmeter.stated[].amount: must be USD"},
                    Bad{"fleetmeter: { stated: [ { what: 1 } ] }\n",
                        "fleetmeter.stated[].what: is unknown"},
                    Bad{"version: 0.1\nversion: 0.1\n", "usage.yml:2: version: is given twice"},
                    Bad{"a: [\n", "usage.yml:2"}, Bad{"- x\n", "must be a map"}));

TEST(UsageFile, AFolderIsNoUsageFile) {
  Result<UsageFile> file = UsageFile::load(testing::TempDir());
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(file.error().message, HasSubstr("cannot be read"));
}

TEST(UsageFile, AMissingFileIsAClearError) {
  Result<UsageFile> file = UsageFile::load("/nonexistent/usage.yml");
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace fleetmeter::cost
