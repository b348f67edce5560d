#include "aggregator/flow_sums.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <tuple>

namespace fleetmeter::aggregator {
namespace {

FlowKey key_of(std::uint32_t interface) {
  FlowKey key;
  key.interface = interface;
  return key;
}

/// By (interface, minute, is_rest).
using Answer = std::map<std::tuple<std::uint32_t, std::uint32_t, bool>, std::uint64_t>;

Answer rows_of(const FlowSums& sums) {
  Answer answer;
  for (const FlowSums::Row& row : sums.rows()) {
    const auto [at, is_new] =
        answer.insert({{sums.key(row.series).interface, row.minute, row.is_rest}, row.bytes});
    EXPECT_TRUE(is_new) << "two rows of one key";
  }
  return answer;
}

TEST(FlowSums, OneRowASeriesAndMinuteWhateverTheOrderOfMinutes) {
  std::mt19937 engine(7);
  const auto random = [&engine] { return static_cast<std::uint32_t>(engine()); };
  FlowSums sums(1'000'000);
  for (const std::uint32_t minutes : {1u, 3u, 5u, 60u, 1440u}) {  // Of one commit each.
    Answer expected;
    for (int i = 0; i < 20'000; ++i) {
      const std::uint32_t interface = 1 + random() % 5;
      // Mostly onward, now and then back by any number of minutes.
      const std::uint32_t minute =
          random() % 3 == 0 ? random() % minutes : static_cast<std::uint32_t>(i) * minutes / 20'000;
      const bool is_rest = random() % 20 == 0;
      const std::uint32_t series = sums.series(key_of(interface));
      const std::uint32_t row =
          is_rest ? sums.rest_row(series, minute, 0) : sums.row(series, minute, 0);
      const std::uint64_t bytes = 1 + random() % 1000;
      sums.at(row).bytes += bytes;
      expected[{interface, minute, is_rest}] += bytes;
    }
    EXPECT_EQ(rows_of(sums), expected) << minutes;
    sums.clear();
  }
}

TEST(FlowSums, WhatFindsNoRowAtTheLimitIsCountedUnderOther) {
  FlowSums sums(3);
  const std::uint32_t series = sums.series(key_of(1));
  for (std::uint32_t minute = 0; minute < 10; ++minute)
    sums.at(sums.row(series, minute, 9)).records += 1;
  EXPECT_EQ(sums.over_limit(), 7u);
  std::uint64_t records = 0;
  for (const FlowSums::Row& row : sums.rows()) records += row.records;
  EXPECT_EQ(records, 10u);
}

}  // namespace
}  // namespace fleetmeter::aggregator
