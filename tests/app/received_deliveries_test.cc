#include "app/received_deliveries.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <vector>

namespace fleetmeter::app {
namespace {

// The check value of the Standard Webhooks libraries, at the time it was signed.
constexpr ReceiveRequest kSigned{
    "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330",
    "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", R"({"test": 2432232314})"};

ReceiveRequest post(std::string_view id, std::string_view body) {
  return {id, "1614265330", "", body};
}

class ReceivedDeliveriesTest : public testing::Test {
 protected:
  ReceivedDeliveriesTest() {
    options_.secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    options_.clock = &clock_;
    options_.report = &report_;
  }
  ~ReceivedDeliveriesTest() override { std::remove(path_.c_str()); }

  std::vector<std::string> lines() {
    std::ifstream file(path_);
    std::vector<std::string> found;
    for (std::string line; std::getline(file, line);) found.push_back(line);
    return found;
  }
  std::string write_file(const std::string& text) {
    std::ofstream(path_) << text;
    return path_;
  }

  ManualClock clock_{WallTime{Milliseconds{1'614'265'330'000}}};
  std::ostringstream report_;
  ReceiveOptions options_;
  std::string path_ = testing::TempDir() + "received_" +
                      testing::UnitTest::GetInstance()->current_test_info()->name() + ".jsonl";
};

TEST_F(ReceivedDeliveriesTest, WritesOneLineForEachAcceptedDelivery) {
  options_.out_path = path_;
  ReceivedDeliveries deliveries(options_);
  ASSERT_TRUE(deliveries.open());
  EXPECT_EQ(deliveries.accept(kSigned).status, 200);
  ASSERT_EQ(lines().size(), 1U);
  EXPECT_EQ(
      lines()[0],
      R"({"id":"msg_p5jXN8AQM9LWM0D4loKWxJek","attempt":1,"received_ms":1614265330000,"timestamp":"1614265330",)"
      R"("sha256":"ae858931f67887e8150d6f96c9fe03062c1df36b4464c4ddc8e002c084d5d198",)"
      R"("body":"{\"test\": 2432232314}"})");
}

TEST_F(ReceivedDeliveriesTest, AnswersBadRequestAndUnauthorized) {
  ReceivedDeliveries deliveries(options_);
  ASSERT_TRUE(deliveries.open());
  ReceiveRequest request = kSigned;
  request.signature = "";
  EXPECT_EQ(deliveries.accept(request).status, 400);
  request = kSigned;
  request.body = "{}";
  EXPECT_EQ(deliveries.accept(request).status, 401);
  clock_.advance(Milliseconds{301'000});
  EXPECT_EQ(deliveries.accept(kSigned).status, 401);
  EXPECT_EQ(deliveries.counts().rejected, 3U);
  EXPECT_EQ(deliveries.counts().deliveries, 0U);
}

TEST_F(ReceivedDeliveriesTest, CountsARepeatAsADuplicateAndRefusesAnotherBodyForAKnownId) {
  options_.verify = false;
  options_.out_path = path_;
  ReceivedDeliveries deliveries(options_);
  ASSERT_TRUE(deliveries.open());
  EXPECT_EQ(deliveries.accept(post("a", "one")).status, 200);
  EXPECT_EQ(deliveries.accept(post("a", "one")).status, 200);
  EXPECT_EQ(deliveries.accept(post("a", "two")).status, 409);
  EXPECT_EQ(deliveries.accept(post("b", "two")).status, 200);
  EXPECT_EQ(
      deliveries.summary_json(),
      R"({"schema":1,"requests":4,"deliveries":3,"distinct_ids":2,"duplicates":1,"conflicts":1,)"
      R"("failures_injected":0,"rejected":1,"missing":0})");
  EXPECT_NE(report_.str().find("id a came with another body"), std::string::npos);
  ASSERT_EQ(lines().size(), 3U);
  EXPECT_NE(lines()[1].find(R"("attempt":2)"), std::string::npos);
}

TEST_F(ReceivedDeliveriesTest, InjectsFailuresFirstAndCountsTheirAttempts) {
  options_.verify = false;
  options_.fail_first = 2;
  options_.fail_status = 429;
  options_.out_path = path_;
  ReceivedDeliveries deliveries(options_);
  ASSERT_TRUE(deliveries.open());
  EXPECT_EQ(deliveries.accept(post("a", "one")).status, 429);
  EXPECT_EQ(deliveries.accept(post("a", "one")).status, 429);
  EXPECT_EQ(deliveries.accept(post("a", "one")).status, 200);
  ASSERT_EQ(lines().size(), 1U);
  EXPECT_NE(lines()[0].find(R"("attempt":3)"), std::string::npos);
  EXPECT_EQ(deliveries.counts().duplicates, 0U);
}

TEST_F(ReceivedDeliveriesTest, IsCompleteWhenEveryExpectedIdHasArrived) {
  options_.verify = false;
  options_.expect_path = write_file("a-0011\n{\"id\":\"b\",\"type\":\"x\"}\nc\r\n");
  ReceivedDeliveries deliveries(options_);
  ASSERT_TRUE(deliveries.open());
  EXPECT_EQ(deliveries.missing(), 3U);
  for (const char* id : {"a-0011", "b-99887766"})
    EXPECT_EQ(deliveries.accept(post(id, "x")).status, 200);
  EXPECT_FALSE(deliveries.complete());
  EXPECT_EQ(deliveries.accept(post("c-99887766", "x")).status, 200);
  EXPECT_TRUE(deliveries.complete());
}

TEST_F(ReceivedDeliveriesTest, KeepsEveryByteOfABodyThatIsNotUtf8) {
  options_.verify = false;
  options_.out_path = path_;
  ReceivedDeliveries deliveries(options_);
  ASSERT_TRUE(deliveries.open());
  EXPECT_EQ(deliveries.accept(post("a", "\xFF\"\n")).status, 200);
  EXPECT_NE(lines().at(0).find(R"("body":"\u00ff\"\u000a")"), std::string::npos);
}

TEST_F(ReceivedDeliveriesTest, RefusesMoreIdsThanItMayKeep) {
  options_.verify = false;
  options_.ids_max = 1;
  ReceivedDeliveries deliveries(options_);
  ASSERT_TRUE(deliveries.open());
  EXPECT_EQ(deliveries.accept(post("a", "x")).status, 200);
  EXPECT_EQ(deliveries.accept(post("b", "x")).status, 507);
  EXPECT_EQ(deliveries.accept(post("a", "x")).status, 200);
}

TEST_F(ReceivedDeliveriesTest, DoesNotStartWithoutAUsableSecretOrWithNothingToExpect) {
  options_.secret = "whsec_";
  EXPECT_FALSE(ReceivedDeliveries(options_).open());
  options_.secret = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
  options_.expect_path = "/nonexistent/expected";
  EXPECT_FALSE(ReceivedDeliveries(options_).open());
  options_.expect_path = write_file("{\"type\":\"x\"}\n");
  EXPECT_FALSE(ReceivedDeliveries(options_).open());
  options_.expect_path.clear();
  options_.out_path = "/nonexistent/out";
  EXPECT_FALSE(ReceivedDeliveries(options_).open());
}

}  // namespace
}  // namespace fleetmeter::app
