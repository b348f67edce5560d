#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "aggregator/cidr.h"
#include "aggregator/inventory.h"

namespace fleetmeter::aggregator {

/// Parses texts and gives the words that tests ask with.
class InventoryTest : public testing::Test {
 protected:
  void parse(const std::string& text, std::vector<EnvironmentMatch> environments = {}) {
    parse_all({{"inventory.yaml", text}}, std::move(environments));
  }
  void parse_all(const std::vector<std::pair<std::string, std::string>>& texts,
                 std::vector<EnvironmentMatch> environments = {}) {
    warnings.clear();
    auto parsed = Inventory::parse(texts, std::move(environments), warnings);
    ASSERT_TRUE(parsed) << parsed.error().message;
    inventory = *std::move(parsed);
  }
  void load(const std::vector<std::string>& files,
            std::vector<EnvironmentMatch> environments = {}) {
    warnings.clear();
    auto loaded = Inventory::load(files, std::move(environments), warnings);
    ASSERT_TRUE(loaded) << loaded.error().message;
    inventory = *std::move(loaded);
  }
  std::string error_of(const std::string& text) {
    auto parsed = Inventory::parse({{"fleet.json", text}}, {}, warnings);
    EXPECT_FALSE(parsed);
    return parsed ? "" : parsed.error().message;
  }
  [[nodiscard]] std::vector<std::string> warned() const {
    std::vector<std::string> messages;
    for (const Inventory::Problem& one : warnings) messages.push_back(one.message);
    return messages;
  }
  [[nodiscard]] Place at(const std::string& address, std::int64_t at_s = 0) const {
    return inventory->place_of_address(parse_address(address).value(), at_s);
  }
  [[nodiscard]] const Resource* resource_at(const std::string& address) const {
    for (const Resource& one : inventory->resources()) {
      if (one.address == address) return &one;
    }
    return nullptr;
  }
  [[nodiscard]] const Group* group_named(const std::string& name) const {
    for (const Group& one : inventory->groups()) {
      if (one.name == name) return &one;
    }
    return nullptr;
  }

  std::shared_ptr<const Inventory> inventory;
  std::vector<Inventory::Problem> warnings;
};

}  // namespace fleetmeter::aggregator
