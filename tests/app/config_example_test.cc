#include "app/config_example.h"

#include <gtest/gtest.h>

#include <sstream>

#include "app/config.h"

namespace fleetmeter::app {
namespace {

/// The example with every optional key taken in.
std::string with_optional_keys() {
  std::istringstream lines{std::string(config_example())};
  std::string text;
  for (std::string line; std::getline(lines, line);) {
    if (const std::size_t mark = line.find("#-");
        mark != std::string::npos && line.find_first_not_of(' ') == mark)
      line.erase(mark, 3);
    text += line + "\n";
  }
  return text;
}

TEST(ConfigExample, IsAConfigurationThatNeedsNoWarning) {
  std::vector<ConfigProblem> warnings;
  const auto config = parse_config(config_example(), "fleet.yaml", warnings);
  ASSERT_TRUE(config.has_value()) << config.error().message;
  EXPECT_TRUE(warnings.empty()) << warnings.front().message;
  EXPECT_EQ(config->environments.size(), 2u);
  EXPECT_EQ(config->rules.alarms.size(), 1u);
  EXPECT_EQ(config->rules.scaling.size(), 1u);
}

TEST(ConfigExample, IsAConfigurationWithItsOptionalKeysToo) {
  std::vector<ConfigProblem> warnings;
  const auto config = parse_config(with_optional_keys(), "fleet.yaml", warnings);
  ASSERT_TRUE(config.has_value()) << config.error().message;
  EXPECT_EQ(config->firehose.size(), 1u);
  EXPECT_EQ(config->kafka.size(), 1u);
  EXPECT_EQ(config->series.size(), 1u);
  EXPECT_EQ(config->notify.size(), 4u);
  EXPECT_EQ(config->rules.scaling.front().step.size(), 1u);
  EXPECT_EQ(config->shards.size(), 2u);
}

}  // namespace
}  // namespace fleetmeter::app
