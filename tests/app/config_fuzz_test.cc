// Seeded mutations of a whole configuration: whatever the text, parse_config returns, and what it
// accepts is safe to run.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "alarms/rule.h"
#include "app/config.h"
#include "app/config_example.h"
#include "tests/app/fleet_yaml.h"

namespace fleetmeter::app {
namespace {

using Random = std::mt19937;

std::size_t below(Random& random, std::size_t limit) {
  return limit == 0 ? 0 : static_cast<std::size_t>(random() % limit);
}

/// Texts that mean something to YAML or to us.
const std::vector<std::string>& morsels() {
  static const std::vector<std::string> all = {"0",
                                               "-1",
                                               "1e308",
                                               "-1e308",
                                               "nan",
                                               "inf",
                                               "99999999999999999999",
                                               "~",
                                               "null",
                                               "{}",
                                               "[]",
                                               "[[",
                                               "{ a: ",
                                               "\n---\n",
                                               "&a ",
                                               "*a",
                                               "<<: ",
                                               "!!int ",
                                               "? ",
                                               "| \n",
                                               "\"",
                                               "'",
                                               "0s",
                                               "60s",
                                               "366d",
                                               "5 of 3",
                                               "0 of",
                                               " of ",
                                               "p100",
                                               "> ",
                                               "<= -0",
                                               "true",
                                               "\t",
                                               ": ",
                                               "- ",
                                               ", ",
                                               "#",
                                               "\r\n",
                                               "\xff",
                                               "\xf0\x9f\x92\xa9",
                                               "%",
                                               "@",
                                               "`",
                                               "steps: [ { from: -1, to: 1, add: 1 } ]"};
  return all;
}

std::string mutate(std::string text, Random& random) {
  const std::size_t edits = 1 + below(random, 3);
  for (std::size_t i = 0; i < edits; ++i) {
    const std::size_t at = below(random, text.size() + 1);
    const std::size_t length = below(random, 1 + below(random, 40));
    switch (random() % 6) {
      case 0:
        text.erase(at, length);
        break;
      case 1:
        text.insert(at, morsels()[below(random, morsels().size())]);
        break;
      case 2:
        text.replace(at, length, morsels()[below(random, morsels().size())]);
        break;
      case 3:
        if (at < text.size()) text[at] = static_cast<char>(random() % 256);
        break;
      case 4:  // A piece of the text elsewhere.
        text.insert(at, text.substr(below(random, text.size()), length));
        break;
      default:
        text.resize(at);
    }
  }
  return text;
}

void expect_safe(const std::string& text) {
  std::vector<ConfigProblem> warnings;
  const auto config = parse_config(text, "fleet.yaml", warnings);
  if (!config) {
    EXPECT_EQ(config.error().message.rfind("fleet.yaml:", 0), 0u) << config.error().message;
    EXPECT_EQ(config.error().code, ErrorCode::kInvalidArgument);
    return;
  }
  for (const alarms::AlarmRule& rule : config->rules.alarms) {
    const auto valid = alarms::validate(rule);
    EXPECT_TRUE(valid) << valid.error().message << "\n" << text;
  }
  for (const alarms::ScalingRule& rule : config->rules.scaling) {
    const auto valid = alarms::validate(rule);
    EXPECT_TRUE(valid) << valid.error().message << "\n" << text;
  }
}

TEST(ConfigFuzz, MutatedConfigurationsAreReadOrRefusedNeverMore) {
  for (std::uint32_t seed = 0; seed < 1500 && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    expect_safe(mutate(kFleetYaml, random));
    expect_safe(mutate(std::string(config_example()), random));
  }
}

TEST(ConfigFuzz, EveryPrefixOfAConfigurationIsReadOrRefused) {
  const std::string whole = kFleetYaml;
  for (std::size_t size = 0; size <= whole.size() && !testing::Test::HasFailure(); ++size)
    expect_safe(whole.substr(0, size));
}

TEST(ConfigFuzz, DeepAndSelfReferringTextsEnd) {
  for (const char* open : {"[", "{a: ", "- "}) {
    std::string deep;
    for (int i = 0; i < 100'000; ++i) deep += open;
    expect_safe(deep);
  }
  expect_safe("alarms: &a [*a, *a]\n");
  expect_safe("environments: &a { prod: *a }\n");
  std::string doubled = "a0: &a0 [x, x]\n";
  for (int i = 1; i < 40; ++i) {
    const std::string before = "*a" + std::to_string(i - 1);
    doubled += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + before + ", " +
               before + "]\n";
  }
  expect_safe(doubled + "alarms: *a39\n");
  expect_safe(std::string(100'000, 'k') + ": 1\n");
}

}  // namespace
}  // namespace fleetmeter::app
