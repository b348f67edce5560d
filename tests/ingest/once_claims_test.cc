#include "ingest/once_claims.h"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <deque>
#include <random>
#include <thread>

namespace fleetmeter::ingest {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kAtOnce{0};
constexpr milliseconds kLong{60'000};

TEST(OnceClaims, WhatOneReaderHoldsAnotherPassesOverUntilItIsReleased) {
  OnceClaims claims;
  EXPECT_TRUE(claims.claim("a"));
  EXPECT_FALSE(claims.claim("a"));
  EXPECT_TRUE(claims.claim("b"));
  claims.release({"a"});
  EXPECT_TRUE(claims.claim("a"));
  EXPECT_FALSE(claims.claim("b"));
}

TEST(OnceClaims, ARequestThatDoesNotGetAllOfItsKeysInTimeTakesNone) {
  OnceClaims claims;
  EXPECT_TRUE(claims.claim("b"));
  EXPECT_FALSE(claims.enter({"a", "b", "c"}, kAtOnce));
  EXPECT_FALSE(claims.enter({"a", "b", "c"}, milliseconds(20)));
  EXPECT_TRUE(claims.enter({"a", "c"}, kAtOnce));
  EXPECT_FALSE(claims.enter({"c", "d"}, kAtOnce)) << "Another request's.";
  EXPECT_TRUE(claims.claim("d"));
}

TEST(OnceClaims, ARequestWithoutKeysWaitsForNobody) {
  OnceClaims claims;
  EXPECT_TRUE(claims.claim("a"));
  EXPECT_TRUE(claims.enter({}, kAtOnce));
  claims.release({});
  EXPECT_EQ(claims.outcomes(), 0u);
}

TEST(OnceClaims, ARequestWaitsForAReaderAndAReaderForARequest) {
  OnceClaims claims;
  EXPECT_TRUE(claims.claim("a"));
  std::atomic<bool> entered{false}, claimed{false};
  std::jthread request([&] {
    EXPECT_TRUE(claims.enter({"a", "b"}, kLong));
    entered = true;
  });
  std::this_thread::sleep_for(milliseconds(30));
  EXPECT_FALSE(entered);
  claims.release({"a"});
  request.join();
  std::jthread reader([&] {
    EXPECT_TRUE(claims.claim("b"));
    claimed = true;
  });
  std::this_thread::sleep_for(milliseconds(30));
  EXPECT_FALSE(claimed);
  claims.release({"a", "b"});
}

TEST(OnceClaims, EveryReleaseIsAnOutcomeAndNothingElse) {
  OnceClaims claims;
  EXPECT_TRUE(claims.claim("a"));
  EXPECT_TRUE(claims.claim("b"));
  EXPECT_FALSE(claims.enter({"a"}, kAtOnce));
  EXPECT_EQ(claims.outcomes(), 0u);
  claims.release({"a", "b"});
  EXPECT_EQ(claims.outcomes(), 1u);
  EXPECT_TRUE(claims.enter({"a"}, kAtOnce));
  EXPECT_EQ(claims.outcomes(), 1u);
  claims.release({"a"});
  EXPECT_EQ(claims.outcomes(), 2u);
}

TEST(OnceClaims, AKeyHasOneHolderHoweverManyWantItAndNobodyWaitsForEver) {
  constexpr int kKeys = 8, kTurns = 2000;
  OnceClaims claims;
  std::array<std::atomic<int>, kKeys> holders{};
  const auto hold = [&](const std::set<std::string>& keys) {
    for (const std::string& key : keys) EXPECT_EQ(holders[std::stoul(key)]++, 0);
    for (const std::string& key : keys) --holders[std::stoul(key)];
    claims.release(keys);
  };
  std::deque<std::jthread> threads;
  for (unsigned t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      std::mt19937 random(t);
      for (int turn = 0; turn < kTurns; ++turn) {
        std::set<std::string> wanted, held;
        for (int i = 0; i < 3; ++i) wanted.insert(std::to_string(random() % kKeys));
        if (t % 2 == 0) {
          ASSERT_TRUE(claims.enter(wanted, kLong));
          hold(wanted);
        } else {
          for (const std::string& key : wanted) {
            if (claims.claim(key)) held.insert(key);
          }
          hold(held);
        }
      }
    });
  }
}

}  // namespace
}  // namespace fleetmeter::ingest
