#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cost/usage_file.h"

namespace fleetmeter::cost {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

TEST(UsageFile, TellsEveryEnvironmentThatItNamesWithItsPlace) {
  const Result<UsageFile> file = UsageFile::parse("u.yml",
                                                  "fleetmeter:\n"
                                                  "  environment: porod\n"
                                                  "  stated:\n"
                                                  "    - { environment: dev, amount: 1 }\n"
                                                  "resource_usage:\n"
                                                  "  aws_data_transfer.x:\n"
                                                  "    environment: uat\n");
  ASSERT_TRUE(file) << file.error().message;
  std::vector<std::string> named;
  for (const NamedEnvironment& one : file->environments())
    named.push_back(std::to_string(one.line) + " " + one.key + " " + one.name);
  EXPECT_THAT(named, UnorderedElementsAre("2 fleetmeter.environment porod",
                                          "4 fleetmeter.stated[].environment dev",
                                          "7 aws_data_transfer.x.environment uat"));
}

TEST(UsageFile, AFileThatCannotBeOpenedSaysWhy) {
  EXPECT_EQ(UsageFile::load("/nonexistent/usage.yml").error().message,
            "usage file /nonexistent/usage.yml: cannot be read: No such file or directory");
  EXPECT_THAT(UsageFile::load("/dev/null/usage.yml").error().message, HasSubstr("Not a directory"));
}

TEST(UsageFile, AMergeKeyOfYamlIsRefusedByItsName) {
  const Result<UsageFile> file = UsageFile::parse("u.yml",
                                                  "resource_type_default_usage:\n"
                                                  "  aws_instance: &a { monthly_hrs: 5 }\n"
                                                  "  aws_nat_gateway:\n"
                                                  "    <<: *a\n");
  ASSERT_FALSE(file);
  EXPECT_THAT(file.error().message, HasSubstr("u.yml:4: "));
  EXPECT_THAT(file.error().message, HasSubstr("merge keys (<<) are not read"));
}

}  // namespace
}  // namespace fleetmeter::cost
